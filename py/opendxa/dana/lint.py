"""Mistakes in Dana sources that can be seen without running them, and the canonical style.

Rule: sources are read in this process, by code that is memory-safe and bounded, and never run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import _bridge

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CODES", "Code", "Finding", "FormatError", "check_source", "format_source"]


@dataclass(frozen=True)
class Code:
    """A kind of finding."""

    name: str
    #: ``error``: running the line fails. ``warning``: it runs, and most likely means something else.
    severity: str
    #: What is reported under it.
    summary: str


#: Every code, by its name.
CODES: Final[dict[str, Code]] = {name: Code(name, *rest) for name, *rest in _bridge.lint_codes()}


@dataclass(frozen=True)
class Finding:
    """One mistake. Lines and columns count from 1; it ends before ``end_column`` of ``end_line``."""

    code: str
    message: str
    #: What to write instead, where that is known.
    hint: str | None
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def severity(self) -> str:
        """``error`` or ``warning``."""
        return CODES[self.code].severity


class FormatError(ValueError):
    """A source that cannot be brought into the canonical style."""

    def __init__(self, message: str, finding: Finding | None = None) -> None:
        super().__init__(message)
        #: The syntax error, if that is why.
        self.finding: Finding | None = finding


def check_source(source: str, *, defined: Iterable[str] = (), exporting: bool = False) -> list[Finding]:
    """Return all findings in a source, in order; of a source that is no Dana, its syntax error.

    ``defined``: names that the host gives to the program, functions and variables. ``exporting``: the
    imports of the source are there for others, as in an ``__init__.na``.
    """
    return [Finding(*told) for told in _bridge.findings(source, list(defined), exporting)]


def format_source(source: str) -> str:
    """Return the source in the canonical style: the same program, with all its comments.

    Raises ``FormatError`` for a source that is no Dana.
    """
    try:
        formatted = _bridge.format_source(source)
    except RuntimeError as error:
        raise FormatError(str(error)) from None
    if isinstance(formatted, str):
        return formatted
    finding = Finding(*formatted)
    raise FormatError(f"line {finding.line}, column {finding.column}: {finding.message}", finding)
