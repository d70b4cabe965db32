"""Find the source of a Dana module for a program that imports it.

Rule: only files below the search paths are read, whatever the name says and wherever links point; the program
gets the source and a name to show, never a path of the host.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .exceptions import ResourceError, SecurityError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["find", "read"]

#: Largest source that is read, in bytes.
MAX_SOURCE: Final = 4 * 2**20


def find(name: str, roots: Iterable[Path]) -> dict[str, Any]:
    """Return ``source``, ``filename`` (relative to its root) and ``package`` of a module, by its full name.

    A folder that holds Dana files but no ``__init__.na`` is an empty package. Raises `ModuleNotFoundError`.
    """
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise ModuleNotFoundError(f"{name!r} is not a module name")
    roots = list(roots)
    for root in roots:
        base = root.joinpath(*parts)
        for path in (base.with_name(f"{base.name}.na"), base / "__init__.na"):
            if path.is_file():
                _check_inside(path, root, name)
                package = path.name == "__init__.na"
                shown = str(path.relative_to(root))
                return {"source": read(path, shown), "filename": shown, "package": package}
    for root in roots:
        folder = root.joinpath(*parts)
        if folder.is_dir():
            _check_inside(folder, root, name)
            if next(folder.rglob("*.na"), None) is not None:
                return {"source": "", "filename": str(folder.relative_to(root)), "package": True}
    raise ModuleNotFoundError(f"No Dana module named {name!r}" + ("" if roots else "; no search path is set"))


def _check_inside(path: Path, root: Path, name: str) -> None:
    """Refuse a file that a link moved out of its search path."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise SecurityError(f"the module {name!r} is a link that leaves its search path")


def read(path: Path, shown: str | None = None) -> str:
    """Return the text of a Dana file, or say in one line why it cannot be read; `shown` names it there."""
    shown = shown if shown is not None else str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SOURCE + 1)
    except FileNotFoundError as error:
        raise ResourceError(f"Dana file not found: {shown}") from error
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
