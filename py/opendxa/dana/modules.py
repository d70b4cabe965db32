"""Find the source of a Dana module for a program that imports it.

Rule: only files below the search paths are read, whatever the name says and wherever links point; the program
gets the source and a name to show, never a path of the host.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .exceptions import ResourceError, SecurityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Place", "find", "list_available", "locate", "read", "usual_places"]

#: Largest source that is read, in bytes.
MAX_SOURCE: Final = 4 * 2**20
#: Names looked at in a folder without ``__init__.na`` and below, to see whether it holds Dana files.
MAX_NAMES: Final = 10_000
#: Most names in a module's full name: each is looked for below all that stand before it.
MAX_PARTS: Final = 64
#: Folders to search, separated as in PATH.
PATH_VARIABLE: Final = "DANAPATH"


def usual_places() -> list[Path]:
    """Return where modules are looked for when the host names no place, as the environment is now."""
    places = ["", "dana", "~/.dana/libs"]
    places += [entry for entry in os.environ.get(PATH_VARIABLE, "").split(os.pathsep) if entry]
    found: list[Path] = []
    for place in places:
        # There may be no home folder, and the current one may be gone.
        with suppress(OSError, RuntimeError):
            found.append(Path(place).expanduser().absolute())
    return found


@dataclass(frozen=True)
class Place:
    """Where a module is: a file, or the folders that are a package without one."""

    #: The file; None for folders without ``__init__.na``.
    path: Path | None
    #: The folders of a package; empty for a module that is none.
    folders: tuple[Path, ...]
    #: The name that programs and errors see: relative to its root.
    shown: str


def find(
    name: str, roots: Iterable[Path], served: Callable[[str, str], object] | None = None
) -> dict[str, Any]:
    """Return ``source``, ``filename`` (relative to its root) and ``package`` of a module, by its full name.

    `served` is told of a file that is read: the name to show and where it is. Raises `ModuleNotFoundError`.
    """
    place = locate(name, roots)
    if place is None:
        raise ModuleNotFoundError(f"No Dana module named {name!r}")
    source = "" if place.path is None else read(place.path, place.shown)
    if served is not None and place.path is not None:
        served(place.shown, str(place.path))
    return {"source": source, "filename": place.shown, "package": bool(place.folders)}


def locate(name: str, roots: Iterable[Path]) -> Place | None:
    """Return where a module is, by its full name, None if it is nowhere.

    The first root that has the module counts; what lies in a package is looked for where the package is. A
    folder that holds Dana files but no ``__init__.na`` is an empty package, and may lie under several roots.
    Raises `ModuleNotFoundError` for what is no name.
    """
    parts = name.split(".")
    if len(parts) > MAX_PARTS or not all(part.isascii() and part.isidentifier() for part in parts):
        raise ModuleNotFoundError(f"{name[:200]!r} is not a module name")
    roots = list(roots)
    for depth in range(1, len(parts)):
        roots = _holding(parts[:depth], roots, ".".join(parts[:depth]))
    for root in roots:
        path = _source(parts, root, name)
        if path is not None:
            package = path.name == "__init__.na"
            return Place(path, (path.parent,) if package else (), str(path.relative_to(root)))
    folders = tuple(folder for root in roots if _is_namespace(folder := root.joinpath(*parts), root, name))
    return Place(None, folders, "/".join(parts)) if folders else None


def list_available(roots: Iterable[Path]) -> list[str]:
    """Return the names of modules and packages that lie directly in these folders, sorted."""
    names: set[str] = set()
    for root in roots:
        # A folder that is missing or may not be read has none.
        with suppress(OSError):
            for entry in root.iterdir():
                if entry.suffix == ".na" and entry.is_file():
                    names.add(entry.stem)
                elif (entry / "__init__.na").is_file():
                    names.add(entry.name)
    return sorted(name for name in names if name.isidentifier() and not name.startswith("_"))


def _holding(parts: list[str], roots: list[Path], name: str) -> list[Path]:
    """Return the roots where what lies in a package may be: that of the package, or all for a folder."""
    for root in roots:
        path = _source(parts, root, name)
        if path is not None:
            return [root] if path.name == "__init__.na" else []
    return roots


def _source(parts: list[str], root: Path, name: str) -> Path | None:
    """Return the file that is a module's source under one root, if there is one."""
    base = root.joinpath(*parts)
    for path in (base.with_name(f"{base.name}.na"), base / "__init__.na"):
        try:
            if not path.is_file():
                continue
        except OSError:
            continue  # a name too long for a file, a folder that may not be read
        _check_inside(path, root, name)
        return path
    return None


def _is_namespace(folder: Path, root: Path, name: str) -> bool:
    """Whether a folder holds Dana files, at any depth; no link is followed, and no huge tree to its end."""
    try:
        if not folder.is_dir():
            return False
    except OSError:
        return False
    _check_inside(folder, root, name)
    seen = 0
    for _, folders, files in os.walk(folder):
        if any(file.endswith(".na") for file in files):
            return True
        seen += len(folders) + len(files)
        if seen > MAX_NAMES:
            return False
    return False


def _check_inside(path: Path, root: Path, name: str) -> None:
    """Refuse a file that a link moved out of its search path."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise SecurityError(f"the module {name!r} is a link that leaves its search path")


def read(path: Path, shown: str | None = None) -> str:
    """Return the text of a Dana file, or say in one line why it cannot be read; `shown` names it there."""
    own = shown is None
    shown = str(path) if shown is None else shown
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SOURCE + 1)
    except FileNotFoundError as error:
        raise ResourceError(f"Dana file not found: {shown}{_hint(path) if own else ''}") from error
    except IsADirectoryError as error:
        raise ResourceError(f"this is a directory, not a Dana file: {shown}") from error
    except PermissionError as error:
        raise ResourceError(f"permission denied to read the Dana file: {shown}") from error
    except OSError as error:
        raise ResourceError(f"the Dana file {shown} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_SOURCE:
        raise ResourceError(f"the Dana file {shown} is larger than {MAX_SOURCE} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"line {line}, byte {error.start}"
        raise ResourceError(f"the Dana file {shown} is not UTF-8 text ({where})") from error


def _hint(path: Path) -> str:
    """Say where a file that is not there was looked for, or name one that may be meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - loaded when a file is missing

    folder = path.absolute().parent
    try:
        names = [entry.name for entry, _ in zip(os.scandir(folder), range(MAX_NAMES), strict=False)]
    except OSError:
        return f"\nHint: there is no folder {folder}"
    close = get_close_matches(path.name, [name for name in names if name.endswith(".na")], 1)
    if close:
        return f"\nHint: did you mean {close[0]!r}?"
    return "" if path.is_absolute() else f"\nHint: the current folder is {Path.cwd()}"
