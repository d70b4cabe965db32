"""What a Dana program reported when it failed, and how it is told.

Rule: the first line is ``Type: message``, or ``Syntax Error (line L, column C): message``; then come file,
line and column with the source line and a caret, the calls that led there, and a hint. Text from a program
never drives the reader's terminal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Assertion",
    "Fault",
    "Operand",
    "Span",
    "TraceFrame",
    "describe_trace",
    "one_line",
    "place",
    "read",
    "said",
    "visible",
]

_WORD: Final = re.compile(r"\w+")
#: Longest piece of a source line that is shown, in characters; longer lines are cut around the caret.
_EXCERPT_WIDTH: Final = 160
#: Most calls of a Dana trace that are shown; of a longer one, the first and the last half of this.
_TRACE_SHOWN: Final = 40
#: Most times that a call repeated at the same place, as in a recursion, is shown in a row.
_REPEATS_SHOWN: Final = 3
#: Characters that are escaped at once.
_PIECE: Final = 4096
#: Most characters of what an exception says that are repeated.
_SAID: Final = 4000


@dataclass(frozen=True)
class Span:
    """A piece of a source, from 1; 0 is unknown. It ends in the last line, before the last column."""

    #: The first line.
    line: int
    #: The column of its first character.
    column: int
    #: The last line.
    end_line: int
    #: The column after its last character.
    end_column: int


@dataclass(frozen=True)
class TraceFrame:
    """One call that was active when a Dana program failed. Lines and columns count from 1; 0 is unknown."""

    #: The function's name; that of the program or module for its top level.
    function: str
    #: The file, or the name that the source text was given; None where there is none.
    file: str | None = None
    #: The line that was being executed.
    line: int = 0
    #: The column in it.
    column: int = 0
    #: The source line, where the worker sent it.
    source: str | None = None


@dataclass(frozen=True)
class Operand:
    """A part of the condition of a failed assertion, and its value as Dana prints it.

    Texts are cut to a length, and are the program's as they are: escape them before they are shown.
    """

    #: Where it stands in the condition's text.
    start: int
    end: int
    #: The value, or its beginning.
    text: str = field(repr=False)
    #: What `parts` are: ``items`` and ``members`` without keys, ``pairs`` and ``fields`` with keys, ``text``
    #: one part, the text itself, or ``plain``: none.
    shape: str = "plain"
    #: The first of the parts of an operand that was compared, each a key and a value as Dana prints them.
    parts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: How many parts there are in all.
    count: int = 0


@dataclass(frozen=True)
class Assertion:
    """What a failed assertion found: its condition, and values of parts of it. They may be secret."""

    #: The condition as it is written.
    text: str
    operands: tuple[Operand, ...] = ()
    #: Left operand, operator and right operand, where the assertion failed in a comparison.
    compared: tuple[Operand, str, Operand] | None = None


@dataclass(frozen=True)
class Fault:
    """What a Dana program reported when it failed. Lines and columns count from 1; 0 is unknown."""

    #: Name of the Dana error type, for example ``ZeroDivisionError``.
    kind: str
    #: What went wrong, without the kind.
    message: str
    #: The file, or the name that the source text was given.
    file: str | None = None
    #: Line of the failure.
    line: int = 0
    #: Column of the failure.
    column: int = 0
    #: The source line.
    excerpt: str | None = None
    #: What may help, in words.
    hint: str | None = None
    #: Outermost call first.
    trace: tuple[TraceFrame, ...] = field(default=())
    #: Which limit was reached: ``steps``, ``memory``, ``depth``, ``output``, ``asks``, or None.
    limit: str | None = None
    #: The text could not be parsed; nothing of it ran.
    syntax: bool = False
    #: The fault that was being handled when this one came up.
    cause: Fault | None = None
    #: What a failed assertion found. It is in no text: values may be secret.
    assertion: Assertion | None = field(default=None, repr=False)

    @property
    def span(self) -> Span:
        """Where it happened: the word at the place that was reported, or the place alone."""
        return Span(self.line, self.column, self.line, end_of_word(self.excerpt, self.column))

    @property
    def frames(self) -> tuple[TraceFrame, ...]:
        """The calls that led here, the outermost first, each with its file; the last is the place itself."""
        frames = [frame if frame.file else replace(frame, file=self.file) for frame in self.trace]
        here = (self.file, self.line, self.column)
        last = frames[-1] if frames else None
        if self.line and (last is None or (last.file, last.line, last.column) != here):
            frames.append(TraceFrame("<module>", *here, self.excerpt))
        return tuple(frames)

    def __str__(self) -> str:
        """Describe the fault in full; the first line is ``Type: message``."""
        return "\n".join(_describe(self))


def read(data: Mapping[str, Any]) -> Fault:
    """Read a fault dictionary. It was decoded from a hostile frame, so only its types are certain."""
    cause = data.get("cause")
    limit = data.get("limit")
    calls = data.get("trace") or ()
    file, line, column = data.get("file"), int(data.get("line") or 0), int(data.get("column") or 0)
    # A call by the host begins in a frame of the machine that belongs to no function. What fails in the call
    # itself, such as a missing argument, is at no place of a program.
    if calls and not calls[-1].get("function") and not data.get("excerpt"):
        file, line, column = None, 0, 0
    return Fault(
        kind=str(data.get("kind") or "DanaError"),
        message=str(data.get("message") or ""),
        file=file,
        line=line,
        column=column,
        excerpt=data.get("excerpt"),
        hint=data.get("hint"),
        trace=tuple(
            TraceFrame(
                function=str(frame["function"]),
                file=frame.get("file"),
                line=int(frame.get("line") or 0),
                column=int(frame.get("column") or 0),
                source=frame.get("source"),
            )
            for frame in calls
            if frame.get("function")
        ),
        limit=str(limit).lower() if limit else None,
        syntax=bool(data.get("syntax")),
        cause=read(cause) if cause else None,
        assertion=_assertion(data.get("assertion")),
    )


def _assertion(data: Mapping[str, Any] | None) -> Assertion | None:
    """Read what a failed assertion found; its caps were checked with the frame."""
    if not data:
        return None
    operands = tuple(
        Operand(
            start=int(told["start"]),
            end=int(told["end"]),
            text=str(told["text"]),
            shape=str(told["shape"]),
            parts=tuple((str(key), str(text)) for key, text in told["parts"]),
            count=int(told["count"]),
        )
        for told in data["operands"]
    )
    compared = data.get("compared")
    if compared is not None:
        left, operator, right = compared
        compared = (operands[left], str(operator), operands[right])
    return Assertion(str(data["text"]), operands, compared)


def end_of_word(line: str | None, column: int) -> int:
    """Return the column behind the word, or the character, at a column; that column if there is none."""
    if not line or not 0 < column <= len(line):
        return column
    word = _WORD.match(line, column - 1)
    return (word.end() if word else column) + 1


def _describe(fault: Fault) -> list[str]:
    """Tell a fault, line by line."""
    lines = [visible(_headline(fault))]
    if fault.file or fault.line:
        lines.append(f"  File {place(fault.file, fault.line, fault.column)}")
    lines += _excerpt(fault.excerpt, fault.column)
    lines += describe_trace(fault)
    if fault.hint:
        lines.append(f"Hint: {visible(fault.hint)}")
    if fault.cause is not None:
        lines.append("Caused by " + str(fault.cause))
    return lines


def _headline(fault: Fault) -> str:
    """Tell a fault in one line."""
    if fault.syntax:
        return f"Syntax Error (line {fault.line}, column {fault.column}): {fault.message}"
    return f"{fault.kind}: {fault.message}" if fault.message else fault.kind


def describe_trace(fault: Fault) -> list[str]:
    """Tell the calls that led to a fault."""
    here = (fault.file, fault.line, fault.column)
    places = [(frame.file or fault.file, frame.line, frame.column) for frame in fault.trace]
    if not places or places == [here]:
        return []
    told: list[list[str]] = []
    for frame, there in zip(fault.trace, places, strict=True):
        shown = [] if there == here else _excerpt(frame.source, frame.column)
        told.append([f"  File {place(*there)}, in {visible(frame.function)}", *shown])
    told = _without_repeats(told)
    if len(told) > _TRACE_SHOWN:
        half = _TRACE_SHOWN // 2
        told = [*told[:half], [f"  ... {len(told) - 2 * half} more calls ..."], *told[-half:]]
    return ["Dana trace (outermost call first):", *(line for frame in told for line in frame)]


def _without_repeats(told: list[list[str]]) -> list[list[str]]:
    """Shorten runs of the same call at the same place."""
    shown: list[list[str]] = []
    for _, run in groupby(told):
        calls = list(run)
        shown += calls[:_REPEATS_SHOWN]
        if len(calls) > _REPEATS_SHOWN:
            shown.append([f"  ... the same call {len(calls) - _REPEATS_SHOWN} more times ..."])
    return shown


def place(file: str | None, line: int, column: int) -> str:
    """Name a position as Python's tracebacks do."""
    text = f'"{visible(file or "<string>")}"'
    if line:
        text += f", line {line}"
        if column:
            text += f", column {column}"
    return text


def _excerpt(source: str | None, column: int) -> list[str]:
    """Show a source line with a caret under `column`; cut a long one around it."""
    if not source or not source.strip():
        return []
    text = source.rstrip("\r\n")
    indent = len(text) - len(text.lstrip())
    start = indent
    if len(text) - indent > _EXCERPT_WIDTH and column - 1 - indent > _EXCERPT_WIDTH // 2:
        start = column - 1 - _EXCERPT_WIDTH // 2
    before = text[start : max(column - 1, start)] if column else ""
    shown = text[start : start + _EXCERPT_WIDTH]
    lines = ["    " + visible(shown.replace("\t", " "))]
    if 0 < column <= start + _EXCERPT_WIDTH + 1:
        lines.append("    " + " " * _width(visible(before.replace("\t", " "))) + "^")
    return lines


def _width(text: str) -> int:
    """Count terminal columns: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415 - only for text that is not ASCII

    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def visible(text: str) -> str:
    """Escape control characters: text from a program must not drive the reader's terminal."""
    if text.isprintable():
        return text
    # In pieces: a text as large as an answer may be would take many times its memory, character by character.
    return "".join(_visible(text[at : at + _PIECE]) for at in range(0, len(text), _PIECE))


def one_line(text: str) -> str:
    """Do the same, and escape what ends a line: it cannot pass for two."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def said(error: BaseException) -> str:
    """Return what an exception says, which may be made of what a program sent; it may even fail to."""
    try:
        text = str(error)
    except Exception:
        return "(it cannot be told)"
    return visible(text if len(text) <= _SAID else text[:_SAID] + "...")


def _visible(piece: str) -> str:
    if piece.isprintable():
        return piece
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode("ascii")
        for char in piece
    )
