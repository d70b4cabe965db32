"""The Dana files that a command line names: files, folders, and ``-`` for standard input.

Rule: what cannot be read is told and counted, and the other files are read all the same.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["STDIN", "SourceFile", "Unreadable", "named"]

#: What standard input is called.
STDIN = "<stdin>"

#: Folders in which nobody keeps sources of their own.
_SKIPPED = frozenset({"node_modules", "__pycache__", "venv"})


@dataclass(frozen=True)
class SourceFile:
    """A file that was read."""

    #: As people name it.
    name: str
    #: None: standard input.
    path: Path | None
    data: bytes
    text: str


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be read, and why."""

    name: str
    reason: str


def named(names: Sequence[str]) -> Iterator[SourceFile | Unreadable]:
    """Read what is named, once each, in order; folders with all they hold but hidden folders."""
    seen: set[str] = set()
    for name in names:
        if name == "-":
            if STDIN not in seen:
                seen.add(STDIN)
                yield _decoded(STDIN, None, sys.stdin.buffer.read())
            continue
        for path in _below(Path(name)) if os.path.isdir(name) else [Path(name)]:  # noqa: PTH112
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield _read(path)


def _below(folder: Path) -> Iterator[Path]:
    """Find the Dana files of a folder, in order."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        yield from (Path(root, name) for name in sorted(files) if name.endswith(".na"))


def _read(path: Path) -> SourceFile | Unreadable:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        return Unreadable(str(path), getattr(error, "strerror", None) or str(error))
    return _decoded(str(path), path, data)


def _decoded(name: str, path: Path | None, data: bytes) -> SourceFile | Unreadable:
    try:
        return SourceFile(name, path, data, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Unreadable(name, f"line {line} is not UTF-8: {error.reason}")
