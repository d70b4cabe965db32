"""Modules that a program imports: found below the search paths only, whatever the name or a link says."""

from __future__ import annotations

from pathlib import Path

import pytest

from opendxa.dana import Dana, DanaCallError
from opendxa.dana.exceptions import ResourceError, SecurityError
from opendxa.dana.modules import find


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "shop" / "deep").mkdir(parents=True)
    (root / "plain").mkdir()
    (root / "empty").mkdir()
    (root / "prices.na").write_text("base = 3\ndef quote(n):\n    return n * base\n")
    (root / "shop" / "__init__.na").write_text("name = 'shop'\n")
    (root / "shop" / "deep" / "till.na").write_text("open = true\n")
    (root / "plain" / "part.na").write_text("value = 7\n")
    (tmp_path / "outside.na").write_text("secret = 1\n")
    return root


def test_files_packages_and_folders(root: Path) -> None:
    assert find("prices", [root])["filename"] == "prices.na"
    assert find("prices", [root])["package"] is False
    assert find("shop", [root]) == {
        "source": "name = 'shop'\n",
        "filename": "shop/__init__.na",
        "package": True,
    }
    assert find("shop.deep.till", [root])["source"] == "open = true\n"
    assert find("plain", [root]) == {"source": "", "filename": "plain", "package": True}
    (root / "plain.na").write_text("first = 1\n")
    assert find("plain", [root])["source"] == "first = 1\n"


@pytest.mark.parametrize(
    "name",
    [
        "none",
        "empty",
        "",
        ".",
        "..",
        "../outside",
        "..outside",
        "/etc/passwd",
        "prices.na",
        "shop/deep",
        "a\0b",
        "shop.",
    ],
)
def test_names_that_find_nothing(root: Path, name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        find(name, [root])


def test_links_do_not_lead_out(root: Path) -> None:
    (root / "escape.na").symlink_to(root.parent / "outside.na")
    (root / "folder").symlink_to(root.parent)
    (root / "inner.na").symlink_to(root / "prices.na")
    with pytest.raises(SecurityError, match="leaves its search path"):
        find("escape", [root])
    with pytest.raises(SecurityError, match="leaves its search path"):
        find("folder.outside", [root])
    with pytest.raises(SecurityError, match="leaves its search path"):
        find("folder", [root])
    assert find("inner", [root])["source"].startswith("base")


def test_file_that_is_too_large(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opendxa.dana.modules.MAX_SOURCE", 4)
    with pytest.raises(ResourceError, match="larger than 4 bytes"):
        find("prices", [root])


@pytest.mark.parametrize("isolated", [False, True])
def test_program_imports(root: Path, isolated: bool) -> None:
    program = root / "main.na"
    lines = ["import prices", "from shop.deep.till import open", "import plain.part"]
    program.write_text("\n".join([*lines, "[prices.quote(2), open, plain.part.value]\n"]))
    with Dana(require_isolation=isolated, echo=False) as d:
        error = d.execute_string("import prices").error
        assert isinstance(error, DanaCallError)
        assert "prices" in str(error), "a text has no folder to search"
        result = d.execute_file(program)
        assert result.error is None, str(result.error)
        assert result.result == [6, True, 7]
        error = d.execute_string("import os_secrets").error
        assert str(root) not in str(error), "a program does not learn where it is on the host"
