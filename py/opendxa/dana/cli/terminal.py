"""Text for people: coloured on a terminal, plain elsewhere and where NO_COLOR is set."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

__all__ = ["Terminal"]

COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "bold": "1", "dim": "2"}


class Terminal:
    """Where a command's text goes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self.interactive: bool = self._stream.isatty()
        self._coloured = (
            self.interactive and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    @property
    def width(self) -> int:
        """Columns."""
        return shutil.get_terminal_size().columns

    def paint(self, text: str, colour: str) -> str:
        """Return the text in a colour, or as it is."""
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if self._coloured else text

    def line(self, text: str = "") -> None:
        """Write a line."""
        self._stream.write(text + "\n")

    def progress(self, done: int, total: int, text: str) -> None:
        """Show how far something has come, on one line that is written again; nothing where nobody looks."""
        if not self.interactive:
            return
        filled = 24 * done // max(total, 1)
        bar = "#" * filled + "-" * (24 - filled)
        shown = f"[{bar}] {done}/{total} {text}"[: max(self.width - 1, 20)]
        self._stream.write(f"\r\033[K{shown}")
        self._stream.flush()

    def end_progress(self) -> None:
        """Take the line of progress away."""
        if self.interactive:
            self._stream.write("\r\033[K")
            self._stream.flush()
