"""How what failed in Dana is shown: as pytest shows Python, with the lines of the program.

Rule: names, lines and messages of a program are hostile text; none of them drives a terminal, and only files
that the host itself handed out are read. Python's frames are left out: the program is what failed.
"""

from __future__ import annotations

import linecache
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest._code.code import (
    ExceptionChainRepr,
    ReprEntry,
    ReprEntryNative,
    ReprFileLocation,
    ReprTraceback,
)

from opendxa.dana.exceptions import DanaCallError, DanaError
from opendxa.dana.fault import visible
from opendxa.dana.tracebacks import dana_part

from .explain import explain

if TYPE_CHECKING:
    from opendxa.dana.fault import Fault, TraceFrame

__all__ = ["collection_text", "represent", "visible"]

#: Most calls that are shown; of a deeper trace, the first and the last half.
_FRAMES: Final = 10
#: What an assertion without a message says.
_NO_MESSAGE: Final = "assertion failed"
#: Most lines of a function that are shown above the one that failed, and most characters of a line.
_ABOVE: Final = 60
_WIDTH: Final = 400
#: Where this package's own files are.
_PACKAGE: Final = str(Path(__file__).parent.parent) + os.sep


def collection_text(error: BaseException) -> str:
    """Tell why a file could not be collected."""
    return visible(str(error)) or type(error).__name__


def represent(
    error: DanaError, path: Path, style: str | None, config: pytest.Config
) -> ExceptionChainRepr | None:
    """Return what pytest prints for an error of a test in the file at `path`; None for the usual."""
    if config.getoption("fulltrace", False):
        return None
    reason = _reason(error, config)
    kind = error.kind if isinstance(error, DanaCallError) and error.kind else type(error).__name__
    shown = _Shown(path, config, style if style in ("short", "native", "value") else "long", visible(kind))
    calls = _calls(error)
    if shown.style in ("native", "value") or not calls:
        lines = [line for line in visible(str(error)).split("\n") if line]
        where = shown.location(calls[-1], reason[0]) if calls else shown.location(None, reason[0])
        entry: Any = ReprEntryNative([f"{line}\n" for line in lines])
        if shown.style not in ("native", "value"):
            entry = ReprEntry([f"E   {line}" for line in lines], None, None, None, "long")
        return _with_cause(error, ReprTraceback([entry], None, entry.style), where, style)
    entries = [shown.entry(call, [], whole=at == 0) for at, call in enumerate(_some(calls[:-1]))]
    entries.append(shown.entry(calls[-1], reason))
    crash = shown.location(calls[-1], reason[0])
    return _with_cause(error, ReprTraceback(entries, None, shown.style), crash, style)


def _calls(error: DanaError) -> list[tuple[TraceFrame, str]]:
    """Return the calls that led to the failure, each with the file that the host knows it by."""
    fault = error.fault if isinstance(error, DanaCallError) else None
    if fault is None:
        return []
    files = []
    trace = dana_part(error.__traceback__)
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    frames = fault.frames
    if len(files) != len(frames):
        files = [f"<{frame.file}>" for frame in frames]
    return list(zip(frames, files, strict=True))


def _with_cause(
    error: DanaError, trace: ReprTraceback, crash: ReprFileLocation, style: str | None
) -> ExceptionChainRepr:
    """Put the exception of a Python function that the program called before it, if a line of it failed."""
    chain: list[Any] = [(trace, crash, None)]
    cause = error.__cause__
    if cause is not None and not isinstance(cause, DanaError) and cause.__traceback__ is not None:
        excinfo = pytest.ExceptionInfo.from_exception(cause)
        own = excinfo.traceback.filter(lambda entry: not str(entry.path).startswith(_PACKAGE))
        if own:
            excinfo.traceback = own
            told = excinfo.getrepr(style=style or "long")  # type: ignore[arg-type]
            behind = "The above exception was the cause of this one in the Dana program:"
            chain.insert(0, (told.reprtraceback, told.reprcrash, behind))
    return ExceptionChainRepr(chain)


def _reason(error: DanaError, config: pytest.Config) -> list[str]:
    """Tell what went wrong without its place, line by line."""
    fault = error.fault if isinstance(error, DanaCallError) else None
    if fault is None:
        return [line for line in visible(str(error)).split("\n") if line] or [type(error).__name__]
    lines = _headline(fault)
    if fault.assertion is not None:
        told = explain(fault.assertion, whole=int(config.getoption("verbose", 0) or 0) >= 2)
        lines = told if fault.message == _NO_MESSAGE else lines + told
    if fault.hint:
        lines.append(f"Hint: {visible(fault.hint)}")
    behind = fault.cause
    while behind is not None:
        lines.append(f"Caused by {_headline(behind)[0]} (line {behind.line})")
        behind = behind.cause
    cause = error.__cause__
    if isinstance(cause, DanaError) and str(cause) not in str(lines):
        lines += f"Caused by {type(cause).__name__}: {visible(str(cause))}".split("\n")
    return lines


def _headline(fault: Fault) -> list[str]:
    kind, message = visible(fault.kind), visible(fault.message)
    return (f"{kind}: {message}" if message else kind).split("\n")


def _some(calls: list[tuple[TraceFrame, str]]) -> list[tuple[TraceFrame, str]]:
    half = _FRAMES // 2
    return calls if len(calls) <= _FRAMES else calls[:half] + calls[-half:]


class _Shown:
    """The calls of one failure, in one style."""

    def __init__(self, path: Path, config: pytest.Config, style: str, kind: str) -> None:
        self._path = path
        self._folder = config.invocation_params.dir
        self._kind = kind
        self.style: Any = style

    def entry(self, call: tuple[TraceFrame, str], reason: list[str], *, whole: bool = True) -> ReprEntry:
        """Make the entry of a call, the `whole` function above it or not; the last says what went wrong."""
        frame, file = call
        function = f"in {visible(frame.function)}"
        what = self._kind if reason else function
        failed = [f"E   {line}" for line in reason]
        known = _lines(frame, file)
        marked = _marked(frame, known[frame.line - 1] if known else frame.source or "")
        if self.style == "short":
            lines = [f"    {line}" for line in textwrap.dedent("\n".join(marked)).split("\n")]
            return ReprEntry([*lines, *failed], None, None, self.location(call, function), "short")
        lines = [f"    {line}" for line in _above(frame, known) if whole]
        lines += [f"{' ' if at else '>'}   {line}" for at, line in enumerate(marked)]
        return ReprEntry(lines + failed, None, None, self.location(call, what), "long")

    def location(self, call: tuple[TraceFrame, str] | None, message: str) -> ReprFileLocation:
        """Name a place as pytest does; a file that the host does not know is named between angle brackets."""
        file, line = (call[1], call[0].line or 1) if call else (str(self._path), 1)
        path = Path(file)
        if not file.startswith("<") and self._folder in path.parents:
            file = str(path.relative_to(self._folder))
        return ReprFileLocation(visible(file), line, message)


def _lines(frame: TraceFrame, file: str) -> list[str]:
    """Return the lines of the file of a call, if they are those that ran."""
    lines = [line.rstrip("\r\n") for line in linecache.getlines(file)]
    if not 0 < frame.line <= len(lines):
        return []
    return lines if frame.source in (None, "", lines[frame.line - 1]) else []


def _above(frame: TraceFrame, lines: list[str]) -> list[str]:
    """Return the lines from the beginning of the function to the one that failed."""
    at = frame.line - 1
    if not 0 < at < len(lines) or not lines[at][:1].isspace():
        return []
    for start in range(at - 1, max(at - _ABOVE, -1), -1):
        text = lines[start]
        if text[:1].strip() and not text.startswith("#"):
            begins = text.startswith(("def ", "sync def "))
            return [visible(line) for line in lines[start:at]] if begins else []
    return []


def _marked(frame: TraceFrame, line: str) -> list[str]:
    """Return the line of a call with a caret below."""
    source = line.rstrip().replace("\t", " ")
    if not source.strip():
        return []
    shown = visible(source)
    start, end = max(0, frame.column - 1 - _WIDTH // 2), _WIDTH + max(0, frame.column - 1 - _WIDTH // 2)
    if len(source) > _WIDTH:
        shown = visible(source[start:end])
    else:
        start = 0
    if not 0 < frame.column <= len(source) + 1:
        return [shown]
    return [shown, " " * len(visible(source[start : frame.column - 1])) + "^"]
