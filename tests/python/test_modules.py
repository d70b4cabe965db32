"""Modules that a program imports: found below the search paths only, whatever the name or a link says."""

from __future__ import annotations

from pathlib import Path

import pytest

from opendxa.dana import Dana, DanaCallError
from opendxa.dana.exceptions import ResourceError, SecurityError
from opendxa.dana.modules import find, usual_places


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


def test_names_of_any_length_are_not_looked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two thousand was looked for below all before it: a minute for one import, past every limit."""
    looked: list[str] = []
    monkeypatch.setattr(Path, "is_file", lambda path: looked.append(str(path)))
    for name in (".".join("a" * 65), ".".join("a" * 2000)):
        with pytest.raises(ModuleNotFoundError, match="is not a module name"):
            find(name, [root])
    assert looked == []
    monkeypatch.undo()
    with pytest.raises(ModuleNotFoundError, match="No Dana module named"):
        find(".".join("a" * 64), [root])


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


def test_packages_hide_what_other_roots_have(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "shop").mkdir(parents=True)
    (other / "prices").mkdir()
    (other / "plain").mkdir()
    (other / "shop" / "extra.na").write_text("x = 1\n")
    (other / "prices" / "extra.na").write_text("x = 1\n")
    (other / "plain" / "more.na").write_text("x = 1\n")
    roots = [root, other]
    for name in ("shop.extra", "prices.extra"):
        with pytest.raises(ModuleNotFoundError):
            find(name, roots)
    assert find("plain.more", roots)["source"] == "x = 1\n", "a folder without __init__.na has several parts"
    assert find("plain.part", roots)["source"] == "value = 7\n"


def test_names_no_file_can_have_say_nothing_of_the_host(root: Path) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        find("a" * 300, [root])
    assert str(root) not in str(caught.value)
    with pytest.raises(ModuleNotFoundError):
        find("name\u00e9", [root])


def test_a_tree_without_dana_files_is_not_searched_to_its_end(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opendxa.dana.modules.MAX_NAMES", 3)
    folder = root / "wide"
    for number in range(4):
        (folder / f"d{number}").mkdir(parents=True)
    (folder / "d0" / "deep").mkdir()
    (folder / "d0" / "deep" / "x.na").write_text("x = 1\n")
    with pytest.raises(ModuleNotFoundError):
        find("wide", [root])
    assert find("plain", [root])["package"] is True


def test_search_order(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {name: tmp_path / name for name in ("file", "here", "home", "path1", "path2")}
    below = {"here2": places["here"] / "dana", "libs": places["home"] / ".dana" / "libs"}
    order = [places["file"], places["here"], below["here2"], below["libs"], places["path1"], places["path2"]]
    for place in order:
        place.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(places["here"])
    monkeypatch.setenv("HOME", str(places["home"]))
    monkeypatch.setenv("DANAPATH", f"{places['path1']}:{places['path2']}")
    program = places["file"] / "main.na"
    program.write_text("from where import place\nplace\n")
    for place in reversed(order):
        (place / "where.na").write_text(f"place = '{place.name}'\n")
        with Dana(echo=False) as d:
            assert d.execute_file(program).result == place.name
    with Dana(echo=False, search_paths=[root]) as d:
        error = d.execute_string("import where").error
        assert "No Dana module named 'where'" in str(error), "places that the host names are the only ones"
        assert d.execute_string("import prices\nprices.base").result == 3


@pytest.mark.parametrize("paths", ["folder", 5, [5], Path("folder")])
def test_search_paths_are_checked(paths: object) -> None:
    with pytest.raises(TypeError, match="search_paths"):
        Dana(search_paths=paths)  # type: ignore[arg-type]


def test_usual_places_without_home_and_current_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("HOME", "")
    monkeypatch.setenv("DANAPATH", str(root))
    monkeypatch.setattr("pathlib.Path.expanduser", _homeless)
    assert usual_places() == [root]


def _homeless(path: Path) -> Path:
    if str(path).startswith("~"):
        raise RuntimeError("Could not determine home directory.")
    return path
