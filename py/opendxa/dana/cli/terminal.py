"""Text for people: coloured on a terminal, plain elsewhere and where NO_COLOR is set.

Rule: what is painted or shown beside a progress bar may come from programs; its control characters are shown,
not sent.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import Literal, TextIO

from .usage import visible

__all__ = ["Terminal"]

COLOURS = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
    "bold": "1",
    "dim": "2",
    "bold red": "1;31",
}
BAR = 24


class Terminal:
    """Where a command's text goes."""

    def __init__(self, stream: TextIO | Literal["stdout"] | None = "stdout") -> None:
        """Write to a stream; where it is None, because its descriptor was closed, nowhere."""
        self._stream = sys.stdout if stream == "stdout" else stream
        self.interactive: bool = self._stream is not None and self._stream.isatty()
        self._coloured = (
            self.interactive and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    @property
    def width(self) -> int:
        """Columns."""
        return shutil.get_terminal_size().columns

    @property
    def draws(self) -> bool:
        """Whether more than ASCII can be written."""
        return (getattr(self._stream, "encoding", None) or "").lower().replace("-", "") == "utf8"

    def paint(self, text: str, colour: str) -> str:
        """Return the text in a colour, or as it is."""
        text = visible(text)
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if self._coloured and text else text

    def line(self, text: str = "") -> None:
        """Write a line."""
        if self._stream is not None:
            self._stream.write(text + "\n")

    def progress(self, done: int, total: int, text: str) -> None:
        """Show how far something has come, on one line that is written again; nothing where nobody looks."""
        if self._stream is None or not self.interactive:
            return
        filled = BAR * done // max(total, 1)
        full, empty = ("\u2501", "\u2500") if self.draws else ("#", "-")
        bar = self.paint(full * filled, "green") + self.paint(empty * (BAR - filled), "dim")
        told = visible(f"{done}/{total} {text}".replace("\n", " ").replace("\t", " "))
        self._stream.write(f"\r\033[K{bar} {told[: max(self.width - BAR - 2, 8)]}")
        self._stream.flush()

    def end_progress(self) -> None:
        """Take the line of progress away."""
        if self._stream is not None and self.interactive:
            self._stream.write("\r\033[K")
            self._stream.flush()
