"""What is wrong with a command line, told to whoever typed it.

Rule: text that comes from elsewhere never drives the reader's terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..isolation import IsolationLevel

__all__ = ["UsageError", "did_you_mean", "isolation_level", "visible"]


class UsageError(Exception):
    """The command line asks for what cannot be; the text says what and, where known, what is meant."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that is closest, in front of which a text stands; empty without one."""
    from difflib import get_close_matches  # noqa: PLC0415 - loaded when something is wrong

    close = get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def isolation_level(word: str) -> IsolationLevel:
    """Return the level of isolation that a word names."""
    from ..isolation import IsolationLevel  # noqa: PLC0415 - loaded when a level is named

    known = [level.value for level in IsolationLevel]
    if word not in known:
        hint = did_you_mean(word, known)
        raise UsageError(f"there is no isolation level {word!r}{hint}\nHint: levels are {', '.join(known)}")
    return IsolationLevel(word)


def visible(text: str) -> str:
    """Escape what is not printable, line ends aside."""
    if text.isprintable():
        return text
    from ..fault import visible as escaped  # noqa: PLC0415 - loaded when there is something to escape

    return escaped(text)
