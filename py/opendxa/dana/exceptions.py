"""Every error this package raises on purpose, and how each is told to a reader.

Rule: an error says what went wrong, where, and what to do next. ``str()`` of an error that comes from a Dana
program begins with one line ``Type: message``; then come file, line and column with the source line and a
caret, the calls that led there, and a hint if there is one.

```
DanaError
├── DanaCallError              a Dana program, or the call of one, failed; the session goes on
│   └── LimitExceededError     a limit of the session was reached
│       ├── DeadlineExceededError, CpuLimitError            the worker was ended: the session is over
│       └── StepLimitError, MemoryLimitError, DepthLimitError, OutputLimitError, AskLimitError
├── TypeConversionError        a value cannot cross between Python and Dana
├── ResourceError              a model, a file or a package that is needed cannot be had
├── SecurityError              the host refused what was asked of it
├── IsolationUnavailableError  no sandbox could be built, and the caller insisted on one
├── WorkerCrashedError         the worker ended without a last word: the session is over
│   └── WorkerKilledError, SandboxViolationError, WorkerLostError
├── ProtocolViolationError     the worker sent what it must not send, and was ended: the session is over
└── SessionClosedError         the session was closed, or is not this process's
```

Left out: converting errors between Rust and Python. The extension hands over plain dictionaries; see
`from_fault` and `from_crash`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AskLimitError",
    "CpuLimitError",
    "DanaCallError",
    "DanaError",
    "DeadlineExceededError",
    "DepthLimitError",
    "Fault",
    "IsolationUnavailableError",
    "IsolationUnavailableWarning",
    "LimitExceededError",
    "MemoryLimitError",
    "OutputLimitError",
    "ProtocolViolationError",
    "ResourceError",
    "SandboxViolationError",
    "SecurityError",
    "SessionClosedError",
    "StepLimitError",
    "TraceFrame",
    "TypeConversionError",
    "WorkerCrashedError",
    "WorkerKilledError",
    "WorkerLostError",
    "from_crash",
    "from_fault",
]

#: Longest piece of a source line that is shown, in characters; longer lines are cut around the caret.
_EXCERPT_WIDTH: Final = 160
#: Most calls of a Dana trace that are shown; of a longer one, the first and the last half of this.
_TRACE_SHOWN: Final = 40


@dataclass(frozen=True)
class TraceFrame:
    """One call that was active when a Dana program failed. Lines and columns count from 1; 0 is unknown."""

    function: str
    file: str | None = None
    line: int = 0
    column: int = 0
    source: str | None = None


@dataclass(frozen=True)
class Fault:
    """What a Dana program reported when it failed. Lines and columns count from 1; 0 is unknown."""

    #: Name of the Dana error type, for example ``ZeroDivisionError``.
    kind: str
    message: str
    file: str | None = None
    line: int = 0
    column: int = 0
    #: The source line.
    excerpt: str | None = None
    hint: str | None = None
    #: Outermost call first.
    trace: tuple[TraceFrame, ...] = field(default=())
    #: Which limit was reached: ``steps``, ``memory``, ``depth``, ``output``, ``asks``, or None.
    limit: str | None = None
    #: The text could not be parsed; nothing of it ran.
    syntax: bool = False
    cause: Fault | None = None

    def __str__(self) -> str:
        """Describe the fault in full; the first line is ``Type: message``."""
        return "\n".join(_describe(self))


class DanaError(Exception):
    """Base of every error this package raises on purpose."""


class DanaCallError(DanaError):
    """A Dana program, or the call of one of its functions, failed. The session stays usable.

    `fault` says where, when the failure happened inside Dana code; `original_error` is the Python exception
    behind it, when there is one.
    """

    def __init__(self, message: str = "", original_error: BaseException | None = None) -> None:
        super().__init__(message)
        self.original_error = original_error
        self.fault: Fault | None = None

    @property
    def kind(self) -> str | None:
        """Name of the Dana error type, for example ``ZeroDivisionError``."""
        return self.fault.kind if self.fault else None

    @property
    def filename(self) -> str | None:
        """The Dana file, or the name given to the source text."""
        return self.fault.file if self.fault else None

    @property
    def line(self) -> int | None:
        """Line of the failure, from 1."""
        return (self.fault.line or None) if self.fault else None

    @property
    def column(self) -> int | None:
        """Column of the failure, from 1."""
        return (self.fault.column or None) if self.fault else None

    @property
    def traceback_str(self) -> str:
        """The Dana calls that led to the failure, outermost first; empty when there were none."""
        return "\n".join(_describe_trace(self.fault)) if self.fault else ""


class LimitExceededError(DanaCallError):
    """A limit of the session was reached; see `opendxa.dana.Limits` for raising or lifting it."""


class StepLimitError(LimitExceededError):
    """The program executed more steps than `Limits.steps` allows in one turn."""


class MemoryLimitError(LimitExceededError):
    """The program asked for more bytes than `Limits.memory` allows."""


class DepthLimitError(LimitExceededError):
    """Calls were nested deeper than `Limits.depth` allows."""


class OutputLimitError(LimitExceededError):
    """The program printed more bytes than `Limits.output` allows."""


class AskLimitError(LimitExceededError):
    """The program asked the host (for a model, a module, a function) more often than `Limits.asks` allows."""


class CpuLimitError(LimitExceededError):
    """The worker used more processor time than `Limits.cpu_time` allows and was ended by the kernel."""


class DeadlineExceededError(LimitExceededError):
    """A turn took longer than `Limits.wall_time` by the host's clock. An isolated session is over."""


class TypeConversionError(DanaError):
    """A value cannot cross between Python and Dana."""

    def __init__(self, message: str = "", python_type: Any = None, dana_type: Any = None) -> None:
        super().__init__(message)
        self.python_type = python_type
        self.dana_type = dana_type


class ResourceError(DanaError):
    """Something that is needed (a model, a file, a package) cannot be had."""


class SecurityError(DanaError):
    """The host refused what was asked of it."""


class IsolationUnavailableError(DanaError):
    """No sandbox of the wanted level could be built here. Nothing of the program ran."""


class IsolationUnavailableWarning(UserWarning):
    """Isolation was asked for and cannot be had: the session runs inside the host process instead."""


class WorkerCrashedError(DanaError):
    """The worker process ended without a last word. The session and its state are lost.

    `signal` and `exit_code` say how it ended (one of them is None), `stderr` is the end of what it wrote
    there, and `position` is the Dana file and line it last reported, if it reported any.
    """

    def __init__(
        self,
        message: str = "",
        signal: int | None = None,
        exit_code: int | None = None,
        stderr: str = "",
        position: tuple[str | None, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.signal = signal
        self.exit_code = exit_code
        self.stderr = stderr
        self.position = position


class WorkerKilledError(WorkerCrashedError):
    """Something outside (the kernel's memory killer, an administrator) killed the worker."""


class SandboxViolationError(WorkerCrashedError):
    """The worker attempted a system call outside its allow-list and the kernel ended it."""


class WorkerLostError(WorkerCrashedError):
    """The worker went away or stopped answering, and how it ended could not be learnt."""


class ProtocolViolationError(DanaError):
    """The worker sent what it must not send, and was ended. The session and its state are lost."""


class SessionClosedError(DanaError):
    """The session was closed, its worker has ended, or it belongs to the process this one was forked from."""


_LIMIT_ERRORS: Final[dict[str, type[LimitExceededError]]] = {
    "steps": StepLimitError,
    "memory": MemoryLimitError,
    "depth": DepthLimitError,
    "output": OutputLimitError,
    "asks": AskLimitError,
}


#: Per kind of crash: its error, what happened, what to do.
_CRASHES: Final[dict[str, tuple[type[WorkerCrashedError], str, str]]] = {
    "crashed": (
        WorkerCrashedError,
        "the worker ended without a last word",
        "please report this with the program",
    ),
    "killed": (
        WorkerKilledError,
        "the worker was killed from outside",
        "look for the kernel's memory killer in the system log",
    ),
    "violation": (
        SandboxViolationError,
        "the worker attempted a forbidden system call",
        "treat the program as an attack",
    ),
    "lost": (
        WorkerLostError,
        "the worker is gone",
        "the worker's standard error, if it wrote any, is below",
    ),
}


def from_fault(data: Mapping[str, Any]) -> DanaCallError:
    """Build the error for a turn that ended with a fault; `data` holds the fields of `Fault`."""
    fault = _fault(data)
    error = _LIMIT_ERRORS.get(fault.limit or "", DanaCallError)(str(fault))
    error.fault = fault
    return error


def from_crash(kind: str, data: Mapping[str, Any]) -> DanaError:
    """Build the error for a session that ended, or could not begin, without a fault.

    `kind` is one of ``crashed``, ``killed``, ``violation`` (of the sandbox), ``lost``, ``cpu``, ``deadline``,
    ``protocol``, ``closed``, ``isolation``; anything else counts as ``crashed``. `data` may hold ``message``
    (what was observed), ``signal``, ``exit_code``, ``stderr``, ``file`` and ``line`` (last reported
    position), ``seconds`` (the limit that was reached).
    """
    observed = _visible(str(data.get("message") or ""))
    file, line = data.get("file"), int(data.get("line") or 0)
    where = f", last seen at {_place(file, line, 0)}" if file or line else ""
    seconds = data.get("seconds")
    limit = f" of {seconds:g} s" if isinstance(seconds, int | float) else ""
    if kind == "deadline":
        text = observed or f"the turn was stopped at the wall-clock limit{limit}"
        hint = "raise Limits(wall_time=...) or lift it with None; an isolated session must be opened anew"
        return DeadlineExceededError(_told(f"DeadlineExceededError: {text}{where}", hint))
    if kind == "cpu":
        text = observed or f"the worker was ended at the processor-time limit{limit}"
        hint = "raise Limits(cpu_time=...) or lift it with None; the session must be opened anew"
        return CpuLimitError(_told(f"CpuLimitError: {text}{where}", hint))
    if kind == "protocol":
        hint = "the session is over; if the program is trusted, please report this with the program"
        return ProtocolViolationError(
            _told(f"the worker broke the protocol: {observed or 'no detail'}{where}", hint)
        )
    if kind == "closed":
        hint = "open a new session, or call restart_subprocess()"
        return SessionClosedError(_told(observed or "the session is closed", hint))
    if kind == "isolation":
        hint = "run without require_isolation to fall back to the host process, which is not a sandbox"
        return IsolationUnavailableError(_told(f"no sandbox can be had: {observed or 'no detail'}", hint))
    return _crash(kind, observed, where, data)


def _crash(kind: str, observed: str, where: str, data: Mapping[str, Any]) -> WorkerCrashedError:
    """Build the error for a worker that ended without a last word."""
    signal, code = data.get("signal"), data.get("exit_code")
    stderr = _visible(str(data.get("stderr") or "")).strip()
    how = observed
    if not how and signal is not None:
        how = f"ended by {_signal_name(int(signal))}"
    elif not how and code is not None:
        how = f"exited with status {code}"
    error_type, text, hint = _CRASHES.get(kind, _CRASHES["crashed"])
    head = f"{text} ({how}){where}" if how else f"{text}{where}"
    told = _told(head, f"the session and its state are lost, open a new one; {hint}")
    if stderr:
        told += f"\nWorker's standard error: {stderr[-2000:]}"
    position = (data.get("file"), int(data.get("line") or 0)) if where else None
    return error_type(told, signal=signal, exit_code=code, stderr=stderr, position=position)


def _signal_name(number: int) -> str:
    """Name a signal as a person would."""
    import signal  # noqa: PLC0415 - only when something went wrong; importing this module stays cheap

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _told(head: str, hint: str) -> str:
    """Put what to do next under what happened."""
    return f"{head}\nHint: {hint}"


def _fault(data: Mapping[str, Any]) -> Fault:
    """Read a fault dictionary. It was decoded from a hostile frame, so only its types are certain."""
    cause = data.get("cause")
    limit = data.get("limit")
    return Fault(
        kind=str(data.get("kind") or "DanaError"),
        message=str(data.get("message") or ""),
        file=data.get("file"),
        line=int(data.get("line") or 0),
        column=int(data.get("column") or 0),
        excerpt=data.get("excerpt"),
        hint=data.get("hint"),
        trace=tuple(
            TraceFrame(
                function=str(frame.get("function") or "?"),
                file=frame.get("file"),
                line=int(frame.get("line") or 0),
                column=int(frame.get("column") or 0),
                source=frame.get("source"),
            )
            for frame in data.get("trace") or ()
        ),
        limit=str(limit).lower() if limit else None,
        syntax=bool(data.get("syntax")),
        cause=_fault(cause) if cause else None,
    )


def _describe(fault: Fault) -> list[str]:
    """Tell a fault, line by line."""
    lines = [_visible(f"{fault.kind}: {fault.message}" if fault.message else fault.kind)]
    if fault.file or fault.line:
        lines.append(f"  File {_place(fault.file, fault.line, fault.column)}")
    lines += _excerpt(fault.excerpt, fault.column)
    lines += _describe_trace(fault)
    if fault.hint:
        lines.append(f"Hint: {_visible(fault.hint)}")
    if fault.cause is not None:
        lines.append("Caused by " + str(fault.cause))
    return lines


def _describe_trace(fault: Fault) -> list[str]:
    """Tell the calls that led to a fault."""
    if not fault.trace:
        return []
    told: list[list[str]] = []
    for frame in fault.trace:
        where = _place(frame.file or fault.file, frame.line, frame.column)
        told.append([f"  File {where}, in {_visible(frame.function)}", *_excerpt(frame.source, frame.column)])
    if len(told) > _TRACE_SHOWN:
        half = _TRACE_SHOWN // 2
        told = [*told[:half], [f"  ... {len(told) - 2 * half} more calls ..."], *told[-half:]]
    return ["Dana trace (outermost call first):", *(line for frame in told for line in frame)]


def _place(file: str | None, line: int, column: int) -> str:
    """Name a position as Python's tracebacks do."""
    place = f'"{_visible(file or "<string>")}"'
    if line:
        place += f", line {line}"
        if column:
            place += f", column {column}"
    return place


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
    lines = ["    " + _visible(shown.replace("\t", " "))]
    if 0 < column <= start + _EXCERPT_WIDTH + 1:
        lines.append("    " + " " * _width(_visible(before.replace("\t", " "))) + "^")
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


def _visible(text: str) -> str:
    """Escape control characters: text from a program must not drive the reader's terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
