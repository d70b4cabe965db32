"""The documentation as a whole: links lead somewhere, on a forge and on the site; public names are on pages.

That the site builds, and that its pages' links and anchors are right, the strict build of `make docs` says.
"""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
REFERENCE = ROOT / "docs" / "reference"


def _loaded(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = _loaded(ROOT / "docs" / "site" / "hooks.py")


def anchors(path: Path) -> set[str]:
    """Tell the anchors of a page: a forge makes them of its headings."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in found)
        found.add(f"{slug}-{number}" if number else slug)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    for line, target in hooks.links(page.read_text(encoding="utf-8")):
        place = f"{page.relative_to(ROOT)}:{line}: {target}"
        if re.match(r"https?://", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_relative_to(ROOT), place
        assert file.exists(), place
        assert not anchor or anchor in anchors(file), place


def test_links_within_code_are_none() -> None:
    text = "[a](A.md) `[b](B.md)` [`c`](C.md#x)\n```text\n[d](D.md)\n```\n![e](e.png)\n"
    assert hooks.links(text) == [(1, "A.md"), (1, "C.md#x"), (5, "e.png")]


@pytest.mark.parametrize(
    ("page", "written", "there"),
    [
        ("SECURITY.md", "[r](docs/SECURITY-RESULTS.md)", "[r](SECURITY-RESULTS.md)"),
        ("OVERVIEW.md", "[s](SECURITY.md#levels)", "[s](SECURITY.md#levels)"),
        ("ARCHITECTURE.md", "[`r`](README.md)", "[`r`](OVERVIEW.md)"),
        ("MODELS.md", "[s](../SECURITY.md)", "[s](SECURITY.md)"),
        ("howto/docker.md", "[s](../../SECURITY.md#levels)", "[s](../SECURITY.md#levels)"),
        ("howto/docker.md", "[l](../LIMITS.md)", "[l](../LIMITS.md)"),
        ("OVERVIEW.md", "see [docs/LIMITS.md](docs/LIMITS.md#x)", "see [Title of LIMITS.md](LIMITS.md#x)"),
        ("OVERVIEW.md", "in [examples](examples/quickstart.py)!", "in examples!"),
        ("OVERVIEW.md", "[m](docs/NONE.md), [h](https://a.b/), [i](#in-a-minute)", None),
        ("MODELS.md", "| `a\\|b` | `c` |", "| `a|b` | `c` |"),
        ("MODELS.md", "in text `a\\|b`", None),
        ("OVERVIEW.md", "`[s](SECURITY.md)`\n```python\nx[0](docs/LIMITS.md)\n```", None),
    ],
)
def test_links_of_the_site(page: str, written: str, there: str | None) -> None:
    pages = ("OVERVIEW.md", "ARCHITECTURE.md", "SECURITY.md", "SECURITY-RESULTS.md", "LIMITS.md", "MODELS.md")
    titles = {name: f"Title of {name}" for name in pages}
    assert hooks.for_the_site(written, page, titles) == (there or written)


def test_what_a_page_loads_is_its_own() -> None:
    own = '<link rel="stylesheet" href="style.css"><script src="a.js"></script><a href="https://a.b/">c</a>'
    assert hooks.foreign(own) == []
    for tag in (
        '<script src="https://a.b/c.js">',
        "<img src=//a.b/c.png>",
        '<link rel=stylesheet href="https://a.b/c.css">',
        '<iframe title="x" src="http://a.b">',
    ):
        assert hooks.foreign(f"<p>{tag}</p>") == [tag]


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = re.findall(r"[\w/.-]+\.md", navigation)
    assert len(listed) == len(set(listed))
    pages = {str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")}
    assert set(listed) == pages | set(hooks.TOP.values())


#: Modules that anybody may import; `cli` has its commands, which docs/CLI.md describes.
PUBLIC = [
    "opendxa.dana",
    "opendxa.dana.asgi",
    "opendxa.dana.corpus",
    "opendxa.dana.django",
    "opendxa.dana.exceptions",
    "opendxa.dana.fastapi",
    "opendxa.dana.flask",
    "opendxa.dana.imports",
    "opendxa.dana.isolation",
    "opendxa.dana.lint",
    "opendxa.dana.llm",
    "opendxa.dana.notebook",
    "opendxa.dana.otel",
    "opendxa.dana.pool",
    "opendxa.dana.pytest_plugin",
    "opendxa.dana.ray",
    "opendxa.dana.sandbox",
    "opendxa.dana.types",
]


def named(path: str) -> Any:
    """Tell what a dotted path names: a module, or what is in one."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(named(module), name)


@cache
def on_pages() -> list[Any]:
    """Tell what the pages of the reference have; with a module comes what it makes public, or is listed."""
    entries = [
        entry
        for page in REFERENCE.glob("*.md")
        for entry in re.findall(r"^::: (\S+)\n((?: .*\n)*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(entries) == len({path for path, _ in entries})
    found: list[Any] = []
    for path, options in entries:
        value = named(path)
        found.append(value)
        if inspect.ismodule(value):
            listed = (yaml.safe_load(options) or {}).get("options", {}).get("members", value.__all__)
            found += [getattr(value, name) for name in listed]
    return found


@cache
def before_assignments() -> dict[str, list[str]]:
    """Tell the line before each assignment at the top of a module, by the names that it assigns."""
    found: dict[str, list[str]] = {}
    for path in ROOT.glob("py/opendxa/dana/**/*.py"):
        before = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"((?:\w+ = )*\w+)(?: = |: )", line):
                for name in match[1].split(" = "):
                    found.setdefault(name, []).append(before)
            before = line
    return found


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_on_a_page(module: str) -> None:
    pages, lines = on_pages(), before_assignments()
    for name in named(module).__all__:
        value = getattr(named(module), name)
        assert any(value is other for other in pages), name
        # Data, or another name of something: what is not described is not on the page.
        if name in lines:
            assert any(line.startswith("#: ") for line in lines[name]), f"{name} says nothing"
        else:
            assert isinstance(value, ModuleType) or inspect.getdoc(value), f"{name} says nothing"
