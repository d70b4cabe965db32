"""What the host let a session's programs run: the texts and files whose lines tracebacks may show.

Rule: a worker only knows a name to show. It is looked up among what this host handed to this session; no name
that a worker says ever becomes a path. What is kept is bounded, whatever a session runs in its life.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .tracebacks import Listing

__all__ = ["Sources", "Text"]

#: The last texts of a session that are kept, at most so many of at most so many characters each.
MAX_TEXTS: Final = 32
MAX_TEXT: Final = 2**17
#: Names of files that are kept, and the last paths that went by one name.
MAX_NAMES: Final = 1000
MAX_PATHS: Final = 4


class Text:
    """A program that the host gave as text."""

    __slots__ = ("_lines", "_listing", "name", "text")

    def __init__(self, name: str | None, text: str) -> None:
        self.name: str | None = name
        self.text: str = text
        self._lines: list[str] | None = None
        self._listing: object = None

    @property
    def lines(self) -> list[str]:
        """Its lines, with their ends; split when something of it failed."""
        if self._lines is None:
            self._lines = [f"{line}\n" for line in self.text.split("\n")]
        return self._lines

    def listing(self) -> Listing:
        """Return the lines as tools find them: one listing for all errors of this text that still live."""
        from weakref import ref  # noqa: PLC0415 - loaded when something failed

        from .tracebacks import Listing  # noqa: PLC0415

        known = self._listing
        listing = known() if isinstance(known, ref) else None
        if not isinstance(listing, Listing):
            listing = Listing(self.name, self.lines)
            self._listing = ref(listing)
        return listing


class Sources:
    """What one session was given to run, the newest last."""

    __slots__ = ("_files", "_texts")

    def __init__(self) -> None:
        self._texts: deque[Text] = deque(maxlen=MAX_TEXTS)
        self._files: dict[str, list[str]] = {}

    def add_text(self, name: str | None, text: str) -> None:
        """Remember a text that is run; programs show it as `name`. One that is run again is kept once."""
        if len(text) > MAX_TEXT:
            return
        texts = self._texts
        known = None
        # Another thread may add one meanwhile: a list is made in one step.
        for kept in list(texts):
            if kept.text == text and kept.name == name:
                known = kept
        if known is None:
            texts.append(Text(name, text))
        elif texts[-1] is not known:
            with suppress(ValueError):
                texts.remove(known)
            texts.append(known)

    def add_file(self, name: str, path: str) -> None:
        """Remember a file that was read for a program, which shows it as `name`."""
        files = self._files
        paths = files.pop(name, [])
        if path in paths:
            paths.remove(path)
        # Anew, so that the order is that of use.
        files[name] = [*paths[1 - MAX_PATHS :], path]
        if len(files) > MAX_NAMES:
            del files[next(iter(files))]

    def texts(self, name: str | None) -> list[Text]:
        """Return the texts that go by a name, the newest first."""
        return [text for text in list(self._texts)[::-1] if text.name == name]

    def paths(self, name: str | None) -> list[str]:
        """Return the files that go by a name, the newest first."""
        return self._files.get(name, [])[::-1] if name is not None else []
