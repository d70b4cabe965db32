"""Python tracebacks that show the lines of a Dana program.

Rule: a frame here is that of a function which never ran: it has no variables and keeps nothing alive but the
lines to show. A file of the host is named only where the host served it (see `sources`); whatever else a
worker names stands between angle brackets, which no tool takes for a path. Lines of texts leave `linecache`
with the last traceback that shows them.
"""

from __future__ import annotations

import linecache
import sys
from dataclasses import replace
from functools import lru_cache
from itertools import count
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from .exceptions import CpuLimitError, DanaCallError, DanaError, DeadlineExceededError, WorkerCrashedError
from .fault import TraceFrame, end_of_word, visible

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from .sources import Sources, Text

__all__ = ["Listing", "complete", "dana_part", "without_host_part"]

#: In the globals of every frame made here: what keeps its lines, or None.
_MARK: Final = "__dana__"
_PACKAGE: Final = "opendxa.dana."
#: Most characters of a name that a program chose.
_NAME_WIDTH: Final = 200
#: Longest text of which only some lines are known that is listed, in lines.
_SPARSE_LINES: Final = 5_000
#: Most lines that a place may be at: what fits a code object.
_MAX_LINE: Final = 2**31 - 2
#: Characters of a line that are compared: workers send no more, and some characters as escapes.
_COMPARED: Final = 1000
#: Stands for the function of a place that was only reported from time to time.
_LAST_SEEN: Final = "<last seen here>"

_numbers = count(1)


class Listing:
    """Lines that `linecache`, and so every tool, finds by a name as long as this lives."""

    __slots__ = ("__weakref__", "_entry", "name")

    def __init__(self, name: str | None, lines: list[str]) -> None:
        shown = _shortened((name or "dana").strip("<>") or "dana")
        #: Unlike any other: two programs may go by the same name.
        self.name: str = f"<{shown} #{next(_numbers)}>"
        self._entry = (sum(map(len, lines)), None, lines, self.name)
        linecache.cache[self.name] = self._entry

    def __del__(self, forget: Any = linecache.cache.pop) -> None:
        forget(self.name, None)


def complete(error: BaseException, sources: Sources) -> None:
    """Give the error of a turn a traceback with a frame for each Dana call, the outermost first."""
    if not isinstance(error, DanaError):
        return
    cause = error.__cause__
    if cause is not None:
        cause.__traceback__ = _own_part(cause.__traceback__)
    frames = _frames_of(error)
    if not frames:
        return
    shown = _Shown(sources)
    made: dict[TraceFrame, FrameType] = {}
    trace: TracebackType | None = None
    for told in reversed(frames):
        frame = made.get(told)
        if frame is None:
            frame = made[told] = shown.frame(told)
        trace = TracebackType(trace, frame, 0, frame.f_code.co_firstlineno)
    error.__traceback__ = trace


def dana_part(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from its first Dana frame on; None if it has none."""
    while trace is not None and _MARK not in trace.tb_frame.f_globals:
        trace = trace.tb_next
    return trace


def without_host_part(error: BaseException) -> BaseException:
    """Take the host's frames, and so what they hold, from the traceback of a Dana error; it comes back."""
    if isinstance(error, DanaError):
        error.__traceback__ = dana_part(error.__traceback__)
    return error


def _own_part(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package that it begins with, if there are others."""
    own = trace
    while own is not None and own.tb_frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        own = own.tb_next
    return trace if own is None else own


def _frames_of(error: DanaError) -> tuple[TraceFrame, ...]:
    """Return the calls that an error tells of, the outermost first; the last is the place of the failure."""
    if isinstance(error, WorkerCrashedError) and error.position is not None:
        return (TraceFrame(_LAST_SEEN, *error.position),)
    if not isinstance(error, DanaCallError) or error.fault is None:
        return ()
    if isinstance(error, DeadlineExceededError | CpuLimitError):
        return tuple(replace(frame, function=_LAST_SEEN) for frame in error.fault.frames)
    return error.fault.frames


class _Shown:
    """The frames of one error."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        #: What the host knows by a name, the newest first.
        self._known: dict[str | None, tuple[list[Text], list[str]]] = {}
        #: Lines of what the host does not know, by file: what the worker sent of it.
        self._sparse: dict[str | None, tuple[Listing, list[str]]] = {}

    def frame(self, told: TraceFrame) -> FrameType:
        """Make the frame of a call."""
        line = told.line if 0 < told.line <= _MAX_LINE else 1
        file, listing, text = self._found(told, line)
        code = _code(file, _shortened(told.function), line, *_columns(text, told.column))
        generator = FunctionType(code, {"__name__": "dana", _MARK: listing})()
        # A generator that was never started has a frame, and nothing above it.
        frame: FrameType = generator.gi_frame
        return frame

    def _found(self, told: TraceFrame, line: int) -> tuple[str, Listing | None, str]:
        """Return the name under which tools find the line of a call, what keeps it there, and the line."""
        known = self._known.get(told.file)
        if known is None:
            known = self._sources.texts(told.file), self._sources.paths(told.file)
            self._known[told.file] = known
            for path in known[1]:
                linecache.checkcache(path)
        for text in known[0]:
            lines = text.lines
            if line <= len(lines) and _same(lines[line - 1], told.source):
                listing = text.listing()
                return listing.name, listing, lines[line - 1]
        for path in known[1]:
            found = linecache.getline(path, line)
            if found and _same(found, told.source):
                return path, None, found
        listing, lines = self._told(told.file)
        shown = told.source or ""
        if shown and line <= _SPARSE_LINES:
            lines.extend(["\n"] * (line - len(lines)))
            lines[line - 1] = visible(shown) + "\n"
        return listing.name, listing, shown

    def _told(self, file: str | None) -> tuple[Listing, list[str]]:
        """Return the lines of a file that are known from the worker alone."""
        known = self._sparse.get(file)
        if known is None:
            lines: list[str] = []
            known = self._sparse[file] = (Listing(file, lines), lines)
        return known


def _same(line: str, source: str | None) -> bool:
    """Whether a line is the one that the worker means; it sends some characters as escapes."""
    if source is None:
        return True
    line = line.rstrip("\r\n")
    if line == source:
        return True
    strange = next((at for at, char in enumerate(line) if char != "\t" and not char.isprintable()), len(line))
    compared = min(strange, _COMPARED)
    return compared > 0 and line[:compared] == source[:compared]


def _columns(line: str, column: int) -> tuple[int, int]:
    """Return where the word at a column begins and ends, in bytes as code objects count; zeros if unknown."""
    end = end_of_word(line.rstrip("\r\n"), column)
    if end <= column:
        return 0, 0
    start = len(line[: column - 1].encode(errors="surrogatepass"))
    return start, start + len(line[column - 1 : end - 1].encode(errors="surrogatepass"))


def _shortened(name: str) -> str:
    """Return a name that a program chose as it is shown."""
    name = visible(name).replace("\n", "\\n")
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 3]}..."


def _generator() -> Any:
    yield


_TEMPLATE: Final[CodeType] = _generator.__code__
_UNITS: Final = len(_TEMPLATE.co_code) // 2


def _code(file: str, function: str, line: int, start: int, end: int) -> CodeType:
    """Return code that says it is at a place; where Python keeps columns, at `start` to `end` of the line."""
    changed: dict[str, Any] = {"co_filename": file, "co_name": function, "co_firstlineno": line}
    if sys.version_info >= (3, 11):
        changed |= {"co_qualname": function, "co_linetable": _table(start, end if _HAS_COLUMNS else 0)}
    return _TEMPLATE.replace(**changed)


@lru_cache(maxsize=1024)
def _table(start: int, end: int) -> bytes:
    """Return a table of locations: every instruction is in the first line, at these columns."""
    table = bytearray()
    units = _UNITS
    while units > 0:
        length = min(units, 8)
        units -= length
        if end > start:
            table.append(0x80 | 14 << 3 | length - 1)
            table += b"\0\0" + _varint(start + 1) + _varint(end + 1)
        else:
            table += bytes((0x80 | 13 << 3 | length - 1, 0))
    return bytes(table)


def _varint(number: int) -> bytes:
    """Encode a number in pieces of six bits, the lowest first."""
    pieces = bytearray()
    while number >= 0x40:
        pieces.append(0x40 | number & 0x3F)
        number >>= 6
    pieces.append(number)
    return bytes(pieces)


def _has_columns() -> bool:
    """Whether this Python reads the table as it is written here."""
    if sys.version_info < (3, 11):
        return False
    positions = list(_TEMPLATE.replace(co_firstlineno=70, co_linetable=_table(3, 500)).co_positions())
    return positions == [(70, 70, 3, 500)] * _UNITS


_HAS_COLUMNS: Final = _has_columns()
