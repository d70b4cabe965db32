"""How docstrings become pages: an extension of griffe, which reads the sources for mkdocstrings.

Rule: docstrings stay plain prose, as `help()` shows them. A comment ``#: ...`` before an attribute is its
docstring; a name between single backticks is a link where a page has what it names, as is a file of docs/.
Special methods, private parameters and what a module says to those who change it ("Left out: ...") stay away.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import griffe

DOCS = Path(__file__).resolve().parents[1]
NAME = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)")
#: Special methods that say more than their class does.
SHOWN = {"__init__", "__call__", "__all__"}
#: Values of attributes that are shown: figures, texts and their like, not calls.
PLAIN = re.compile(r"[^(]*|\([^()]*\)")
#: What griffe says of attributes and nobody wants to know.
UNSAID = {"class-attribute", "instance-attribute", "module-attribute"}
FILE = re.compile(r"`?docs/([\w-]+)\.md`?")
COMMENT = re.compile(r"\s*#: ?(.*)")


class Names(griffe.Extension):
    """Gives attributes their docstrings, and docstrings their links."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through a package when all of it is read."""
        visit(pkg)
        once(pkg["dana"])


def once(dana: griffe.Module) -> None:
    """Leave what all web adapters hand on to the one of them that comes first."""
    for adapter in ("fastapi", "flask", "django"):
        for name, member in list(dana[adapter].members.items()):
            first = dana["asgi"].members.get(name)
            if (
                first is not None
                and first.is_alias
                and member.is_alias
                and first.target_path == member.target_path
            ):
                del dana[adapter].members[name]


def visit(item: griffe.Object) -> None:
    """Go through what a module or class has."""
    for name, member in list(item.members.items()):
        if name.startswith("__") and name not in SHOWN:
            del item.members[name]
        elif not member.is_alias:
            if isinstance(member, griffe.Attribute):
                member.docstring = member.docstring or commented(member)
                if member.value is not None and not PLAIN.fullmatch(str(member.value)):
                    member.value = None
            if isinstance(member, griffe.Function):
                for hidden in [given.name for given in member.parameters if given.name.startswith("_")]:
                    del member.parameters[hidden]
            member.labels -= UNSAID
            visit(member)  # type: ignore[arg-type]
    if item.docstring is not None:
        item.docstring.value = linked(item)


def commented(attribute: griffe.Attribute) -> griffe.Docstring | None:
    """Return the comment before an attribute."""
    path = attribute.filepath
    if attribute.lineno is None or not isinstance(path, Path) or path.suffix not in (".py", ".pyi"):
        return None
    lines = read(path)
    number = attribute.lineno - 1
    found: list[str] = []
    while number > 0 and (match := COMMENT.fullmatch(lines[number - 1])):
        found.insert(0, match[1])
        number -= 1
    return griffe.Docstring("\n".join(found), parent=attribute) if found else None


@cache
def read(path: Path) -> list[str]:
    """Return the lines of a source."""
    return path.read_text(encoding="utf-8").splitlines()


def linked(item: griffe.Object) -> str:
    """Return a docstring with links; one that no page has the target of stays plain code."""

    def link(match: re.Match[str]) -> str:
        target = named(item, match[1])
        if target is None or target == item.path:
            return match[0]
        return f'<autoref identifier="{target}" optional><code>{match[1]}</code></autoref>'

    def page(match: re.Match[str]) -> str:
        found = (DOCS / f"{match[1]}.md").exists()
        return f'<a href="../{match[1]}.html">{match[1]}.md</a>' if found else match[0]

    text = item.docstring.value if item.docstring is not None else ""
    kept = [part for part in text.split("\n\n") if not part.startswith("Left out:")]
    kept[-1] = kept[-1].partition("\nLeft out:")[0]
    return FILE.sub(page, NAME.sub(link, "\n\n".join(kept)))


def named(item: griffe.Object, name: str) -> str | None:
    """Return the full path of what a docstring calls by `name`."""
    if name.startswith("opendxa."):
        return name
    first, _, rest = name.partition(".")
    try:
        found = item.resolve(first)
    except griffe.NameResolutionError:
        dana = item.package.members.get("dana")
        if dana is None or first not in dana.members:
            return None
        found = f"{dana.path}.{first}"
    return f"{found}.{rest}" if rest else found
