"""One row of the attack corpus: what is tried, what is expected, what was seen.

Rule: a row that cannot be tried here says why (`NotHereError`); it never counts as withstood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ground import Ground

__all__ = ["GotThroughError", "NotHereError", "Outcome", "Row"]


class GotThroughError(AssertionError):
    """An attack had an effect that it must not have."""


class NotHereError(Exception):
    """The row cannot be tried here; the message says what it needs."""


@dataclass(frozen=True)
class Row:
    """One attack. `check` carries it out and returns what was seen."""

    #: The number in docs/SECURITY-RESULTS.md.
    number: int
    #: Names the attack, in the name of its test too.
    slug: str
    #: The class of attacks that it belongs to.
    kind: str
    #: What is tried, in words.
    attack: str
    #: What must come of it.
    expected: str
    #: Carries it out and tells what was seen, or raises `GotThroughError` or `NotHereError`.
    check: Callable[[Ground], str]

    @property
    def name(self) -> str:
        """What people and reports call the row."""
        return f"row_{self.number:03}_{self.slug}"


@dataclass(frozen=True)
class Outcome:
    """What became of a row: ``withstood``, ``got through``, ``not tried``, or ``failed`` by itself."""

    #: What was tried.
    row: Row
    #: One of the four words above.
    verdict: str
    #: What was seen.
    seen: str
    #: How long it took.
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "row": self.row.number,
            "name": self.row.name,
            "class": self.row.kind,
            "attack": self.row.attack,
            "expected": self.row.expected,
            "verdict": self.verdict,
            "seen": self.seen,
            "seconds": round(self.seconds, 3),
        }
