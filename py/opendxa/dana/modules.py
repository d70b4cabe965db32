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


def find(name: str, roots: Iterable[Path], level: int = 0, importer: str | None = None) -> dict[str, Any]:
    """Return ``source``, ``filename`` (relative to its root) and ``package`` of a module.

    `level` counts the leading dots of a relative import; `importer` is then the shown file name of the module
    that imports. Raises `ModuleNotFoundError`.
    """
    parts = tuple(part for part in name.split(".") if part) if level else tuple(name.split("."))
    if not all(part.isidentifier() for part in parts) or (not parts and not level):
        raise ModuleNotFoundError(f"{name!r} is not a module name")
    if level:
        package = Path(importer or "").parent.parts
        if level - 1 > len(package):
            raise ModuleNotFoundError(f"the import of {'.' * level}{name} leaves its top-level package")
        parts = (*package[: len(package) - (level - 1)], *parts)
    for root in roots:
        base = root.joinpath(*parts)
        for path, package_file in ((base.with_name(f"{base.name}.na"), False), (base / "__init__.na", True)):
            if not path.is_file():
                continue
            if not path.resolve().is_relative_to(root.resolve()):
                raise SecurityError(f"the module {name!r} is a link that leaves its search path {root}")
            return {"source": read(path), "filename": str(path.relative_to(root)), "package": package_file}
    looked = ", ".join(str(root) for root in roots) or "no search path is set"
    raise ModuleNotFoundError(f"No Dana module named {name!r} (looked in: {looked})")


def read(path: Path) -> str:
    """Return the text of a Dana file, or say in one line why it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SOURCE + 1)
    except FileNotFoundError as error:
        raise ResourceError(f"Dana file not found: {path}") from error
    except IsADirectoryError as error:
        raise ResourceError(f"this is a directory, not a Dana file: {path}") from error
    except PermissionError as error:
        raise ResourceError(f"permission denied to read the Dana file: {path}") from error
    except OSError as error:
        raise ResourceError(f"the Dana file {path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_SOURCE:
        raise ResourceError(f"the Dana file {path} is larger than {MAX_SOURCE} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"line {line}, byte {error.start}"
        raise ResourceError(f"the Dana file {path} is not UTF-8 text ({where})") from error
