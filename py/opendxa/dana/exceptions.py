"""Every error this package raises on purpose, and how each is told to a reader.

Rule: an error says what went wrong, where, and what to do next. ``str()`` of an error that comes from a Dana
program begins with one line ``Type: message``; then come file, line and column with the source line and a
caret, the calls that led there, and a hint if there is one. Its `__traceback__` has a frame for each of those
calls; its `__notes__` say what the text does not: what a limit counted, where else to look. Every error can
be pickled and copied with its attributes.

```text
DanaError
├── DanaCallError              a Dana program, or the call of one, failed; the session goes on
│   ├── ParseError             the text is no Dana program; nothing of it ran
│   └── LimitExceededError     a limit of the session was reached
│       ├── DeadlineExceededError, CpuLimitError, StepLimitError,
│       │   MemoryLimitError, OutputLimitError, AskLimitError,
│       │   ModelLimitError                                          the session is over
│       │   └── TokenLimitError, ModelCallLimitError, CostLimitError
│       └── DepthLimitError                                          the session goes on
├── TypeConversionError        a value cannot cross between Python and Dana
├── ResourceError              a model, a file or a package that is needed cannot be had
│   ├── ConfigurationError     no model can be had with these settings
│   ├── ModelError             a model gave no usable answer
│   │   └── LLMRateLimitError, LLMAuthenticationError, LLMContextLengthError
│   │   └── ModelBusyError     as many questions as may be were under way for too long
│   ├── PoolExhaustedError     as many workers as there may be were busy for too long
│   │   └── TenantBusyError    as many sessions as one tenant of a web service may have are open
│   └── ResourceCallError      a call failed for that reason; it is a DanaCallError too
├── SecurityError              the host refused what was asked of it
├── StateError                 there is no such scope of variables
├── IsolationUnavailableError  no sandbox could be built, and the caller insisted on one
├── WorkerCrashedError         the worker ended without a last word: the session is over
│   └── WorkerOutOfMemoryError, WorkerKilledError, SandboxViolationError, WorkerLostError
├── ProtocolViolationError     the worker sent what it must not send, and was ended: the session is over
├── SessionClosedError         the session was closed, or is not this process's
├── BodyTooLargeError          a request to a web service was larger than it takes
└── HostError                  stands for an exception of the host that could not be pickled
```

Names that the older package had for the same things: `SandboxError`, `EnhancedDanaError`, `ReasoningError`,
`AgentError` and `FunctionRegistryError` are `DanaCallError`; `LLMError`, `LLMProviderError`,
`LLMResponseError` and `NetworkError` are `ModelError`. docs/NAMES.md has them all.

Left out: converting errors between Rust and Python. The extension hands over plain dictionaries; see
`from_fault` and `from_crash`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from .fault import Assertion, Fault

__all__ = [
    "AgentError",
    "AskLimitError",
    "BodyTooLargeError",
    "ConfigurationError",
    "CostLimitError",
    "CpuLimitError",
    "DanaCallError",
    "DanaError",
    "DeadlineExceededError",
    "DepthLimitError",
    "EnhancedDanaError",
    "FunctionRegistryError",
    "HostError",
    "IsolationUnavailableError",
    "IsolationUnavailableWarning",
    "LLMAuthenticationError",
    "LLMContextLengthError",
    "LLMError",
    "LLMProviderError",
    "LLMRateLimitError",
    "LLMResponseError",
    "LimitExceededError",
    "MemoryLimitError",
    "ModelBusyError",
    "ModelCallLimitError",
    "ModelError",
    "ModelLimitError",
    "NetworkError",
    "OutputLimitError",
    "ParseError",
    "PoolExhaustedError",
    "ProtocolViolationError",
    "ReasoningError",
    "ResourceCallError",
    "ResourceError",
    "SandboxError",
    "SandboxViolationError",
    "SecurityError",
    "SessionClosedError",
    "StateError",
    "StepLimitError",
    "TenantBusyError",
    "TokenLimitError",
    "TypeConversionError",
    "WorkerCrashedError",
    "WorkerKilledError",
    "WorkerLostError",
    "WorkerOutOfMemoryError",
]


#: What a program hears when a model fails: the provider's own text may hold addresses and keys.
WITHHELD: Final = "the model gave no answer; the host was told why"


class DanaError(Exception):
    """Base of every error this package raises on purpose: ``except DanaError`` catches them all.

    It can be sent to another process: what of it cannot be pickled, such as an exception of the host with a
    constructor of its own, is replaced by a `HostError` or by its `repr`.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        from .carrying import portable  # noqa: PLC0415 - loaded when an error is pickled

        return type(self), self.args, portable(self)

    def __copy__(self) -> Self:
        from .carrying import copied  # noqa: PLC0415 - loaded when an error is copied

        return copied(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()


class HostError(DanaError):
    """Stands for an exception of the host that cannot be pickled: its type's name, text and traceback."""

    def __init__(self, message: str = "", type_name: str | None = None) -> None:
        super().__init__(message)
        self.type_name = type_name


class DanaCallError(DanaError):
    """A Dana program, or the call of one of its functions, failed. The session stays usable.

    `fault` says what and where, when the failure happened inside Dana code: its kind, message, place, hint,
    and the calls that led there. `original_error`, also the ``__cause__``, is the Python exception behind it,
    when there is one: that of a function of yours, for example, with its own traceback. Look at the source
    line and the hint in the text, mend the program, and go on with the same session.
    """

    def __init__(self, message: str = "", original_error: BaseException | None = None) -> None:
        super().__init__(message)
        self.original_error = original_error
        self.fault: Fault | None = None
        #: What the interpreter measured for the turn, when it told: fields of `Usage`.
        self.measured: Mapping[str, int] | None = None

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
    def assertion(self) -> Assertion | None:
        """What a failed ``assert`` found: values of parts of its condition. No text of the error has them."""
        return self.fault.assertion if self.fault else None

    @property
    def traceback_str(self) -> str:
        """The Dana calls that led to the failure, outermost first; empty when there were none."""
        if self.fault is None:
            return ""
        from .fault import describe_trace  # noqa: PLC0415 - loaded when there is a fault

        return "\n".join(describe_trace(self.fault))


class ParseError(DanaCallError):
    """The text is no Dana program: nothing of it ran. The text says what was expected, and where."""

    @property
    def line_num(self) -> int | None:
        """Line of the mistake, from 1."""
        return self.line

    @property
    def line_content(self) -> str | None:
        """The source line."""
        return self.fault.excerpt if self.fault else None


class LimitExceededError(DanaCallError):
    """A limit of the session was reached; see `opendxa.dana.Limits` for raising or lifting it.

    Except for `DepthLimitError` the session is over then: `Dana.restart_subprocess` opens a new one.
    """


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


class ModelLimitError(LimitExceededError):
    """The session, or the resource, has used up what it may ask of models."""


class TokenLimitError(ModelLimitError):
    """The session's questions to models took more tokens than `Limits.tokens` allows."""


class ModelCallLimitError(ModelLimitError):
    """The session asked models more often than `Limits.model_calls` allows."""


class CostLimitError(ModelLimitError):
    """The session's questions to models cost more than `Limits.cost` allows."""


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
    """Something that is needed (a model, a file, a package) cannot be had. The text says how to get it."""


class ResourceCallError(DanaCallError, ResourceError):
    """A Dana call failed because something it needs cannot be had; it is a `ResourceError` too."""


class ConfigurationError(ResourceError):
    """No model can be had with these settings: one is not named, not known, or needs a key."""


class ModelError(ResourceError):
    """A model gave no usable answer. `attempts` counts the tries; tokens are those that were reported.

    `status` is the server's, None when there was no answer at all. As `OSError` does with numbers, it makes
    an error of the class for its status: see the classes below.
    """

    def __new__(cls, message: str = "", *_: object, status: int | None = None, **__: object) -> Self:
        """Make an error of the class that fits the status."""
        kind = _of_status(message, status) if cls is ModelError else None
        return super().__new__(cls if kind is None else kind, message)  # type: ignore[return-value]

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        attempts: int = 1,
        input_tokens: int = 0,
        output_tokens: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.attempts = attempts
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens


class LLMRateLimitError(ModelError):
    """The model's server takes no more requests for now (status 429) after all retries: wait, or ask less."""


class LLMAuthenticationError(ModelError):
    """The model's server does not accept the key (status 401 or 403): check it, and what it may use."""


class LLMContextLengthError(ModelError):
    """The question is longer than the model takes, as far as the server's words tell: send it less."""


def _of_status(message: str, status: int | None) -> type[ModelError] | None:
    """Return the class for a server's status and words, if there is one."""
    if status == 429:
        return LLMRateLimitError
    if status in (401, 403):
        return LLMAuthenticationError
    words = message.lower() if status in (400, 413) else ""
    if "context" in words and ("length" in words or "window" in words or "size" in words):
        return LLMContextLengthError
    return None


class ModelBusyError(ModelError):
    """As many questions as may be asked at once were under way for too long: see `LLMPool`."""


class PoolExhaustedError(ResourceError):
    """As many workers as there may be were busy for too long: see `opendxa.dana.PoolConfig`."""


class TenantBusyError(PoolExhaustedError):
    """As many sessions as one tenant of a web service may have at once are open: wait for one to end."""


class SecurityError(DanaError):
    """The host refused what was asked of it.

    Programs meet it for functions that were never registered, and for modules that are links out of their
    search path. Nothing was called or read then.
    """


class StateError(DanaError):
    """There is no such scope of variables: they are ``local``, ``private``, ``public`` and ``system``."""


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


class WorkerOutOfMemoryError(WorkerCrashedError):
    """There was no memory for what the worker needed: the interpreter's own count did not see it coming."""


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


class BodyTooLargeError(DanaError):
    """The body of a request to a web service is larger than it takes: see ``max_body`` in docs/WEB.md."""


#: An older name of `DanaCallError`. What the older classes told apart, `DanaCallError.kind` tells.
SandboxError = EnhancedDanaError = ReasoningError = AgentError = FunctionRegistryError = DanaCallError
#: An older name of `ModelError`. What the older classes told apart, `ModelError.status` tells.
LLMError = LLMProviderError = LLMResponseError = NetworkError = ModelError


def hides(info: Any) -> bool:
    """Tell pytest whether to leave out this package's frames: those that its own errors only came through."""
    return isinstance(info.value, DanaError)


_LIMIT_ERRORS: Final[dict[str, type[LimitExceededError]]] = {
    "steps": StepLimitError,
    "memory": MemoryLimitError,
    "depth": DepthLimitError,
    "output": OutputLimitError,
    "asks": AskLimitError,
    "tokens": TokenLimitError,
}


#: Per kind of crash: its error, what happened, what to do.
_CRASHES: Final[dict[str, tuple[type[WorkerCrashedError], str, str]]] = {
    "crashed": (
        WorkerCrashedError,
        "the worker ended without a last word",
        "please report this with the program",
    ),
    "out_of_memory": (
        WorkerOutOfMemoryError,
        "the worker ran out of memory",
        "raise Limits(memory=...), or look at what the program holds",
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
    """Build the error for a turn that ended with a fault; `data` holds the fields of `Fault`.

    Besides, ``behind`` is the host's exception that it comes from, and ``usage`` what the turn took.
    """
    from .fault import read, said  # noqa: PLC0415 - loaded when there is a fault

    fault = read(data)
    kind: type[DanaCallError] = ParseError if fault.syntax else DanaCallError
    kind, text = _LIMIT_ERRORS.get(fault.limit or "", kind), str(fault)
    notes = []
    behind = data.get("behind")
    if isinstance(behind, ModelError) and str(behind) == WITHHELD and behind.__cause__ is not None:
        behind = behind.__cause__
    if isinstance(behind, ModelLimitError) and issubclass(kind, LimitExceededError):
        kind, behind = type(behind), None  # it is this error, told with the place in the program
    if behind is not None:
        if isinstance(behind, ResourceError) and kind is DanaCallError:
            kind = ResourceCallError
        told = said(behind)
        if told not in text:
            text += f"\nCaused by {type(behind).__name__}: {told}"
        notes.append("The Python exception behind it, with its own traceback, is this error's __cause__.")
    error = kind(text)
    error.fault = fault
    error.original_error = error.__cause__ = behind
    error.measured = data.get("usage")
    if fault.limit and error.measured:
        notes.append(_measured(error.measured))
    if notes:
        # Not add_note(), which Python 3.10 does not have.
        error.__notes__ = notes  # type: ignore[attr-defined, unused-ignore]
    return error


def _measured(used: Mapping[str, int]) -> str:
    """Tell what a turn took until a limit ended it."""
    figures = {
        "steps": used.get("steps", 0),
        "bytes held at most": used.get("memory_peak", 0),
        "bytes printed": used.get("output_bytes", 0),
        "asks": used.get("asks", 0),
    }
    return "The turn took: " + ", ".join(f"{count:,} {what}" for what, count in figures.items())


def from_reentry(text: str = "") -> DanaCallError:
    """Build the error for a session that is in the middle of a turn and cannot begin another."""
    busy = text or "the session is busy: a function it asked for cannot call back into it"
    return DanaCallError(_told(busy, "use a second Dana, or return the value instead"))


def from_exhaustion(text: str) -> PoolExhaustedError:
    """Build the error for a session that found no worker in time."""
    hint = "close sessions that are not needed, or raise PoolConfig(max_workers=..., acquire_timeout=...)"
    return PoolExhaustedError(_told(text, hint))


def from_crash(kind: str, data: Mapping[str, Any]) -> DanaError:
    """Build the error for a session that ended, or could not begin, without a fault.

    `kind` is one of ``crashed``, ``out_of_memory``, ``killed``, ``violation`` (of the sandbox), ``lost``,
    ``cpu``, ``deadline``, ``protocol``, ``closed``, ``isolation``; anything else counts as ``crashed``.
    `data` may hold ``message`` (what was observed), ``signal``, ``exit_code``, ``stderr``, ``file`` and
    ``line`` (last reported position), ``seconds`` (the limit that was reached).
    """
    from .fault import place, visible  # noqa: PLC0415 - loaded when something went wrong

    observed = visible(str(data.get("message") or ""))
    file, line = data.get("file"), int(data.get("line") or 0)
    where = f", last seen at {place(file, line, 0)}" if file or line else ""
    seconds = data.get("seconds")
    limit = f" of {seconds:g} s" if isinstance(seconds, int | float) else ""
    if kind == "deadline":
        text = observed or f"the turn was stopped at the wall-clock limit{limit}"
        hint = "raise Limits(wall_time=...) or lift it with None; an isolated session must be opened anew"
        return _stopped(DeadlineExceededError, f"{text}{where}", hint, file, line)
    if kind == "cpu":
        text = observed or f"the worker was ended at the processor-time limit{limit}"
        hint = "raise Limits(cpu_time=...) or lift it with None; the session must be opened anew"
        return _stopped(CpuLimitError, f"{text}{where}", hint, file, line)
    if kind == "protocol":
        hint = "the session is over; if the program is trusted, please report this with the program"
        return ProtocolViolationError(
            _told(f"the worker broke the protocol: {observed or 'no detail'}{where}", hint)
        )
    if kind == "closed":
        hint = "open a new session, or call restart_subprocess()"
        return SessionClosedError(_told(observed or "the session is closed", hint))
    if kind == "isolation":
        hint = "what is missing is named above; a lower min_isolation accepts less"
        return IsolationUnavailableError(_told(f"no sandbox can be had: {observed or 'no detail'}", hint))
    return _crash(kind, observed, where, data)


def _stopped(
    error_type: type[LimitExceededError], text: str, hint: str, file: str | None, line: int
) -> LimitExceededError:
    """Build the error for a turn that the host or the kernel stopped; the place is where it was last seen."""
    from .fault import Fault  # noqa: PLC0415 - loaded when something went wrong

    name = error_type.__name__
    error = error_type(_told(f"{name}: {text}", hint))
    error.fault = Fault(name, text, file, line, hint=hint)
    return error


def _crash(kind: str, observed: str, where: str, data: Mapping[str, Any]) -> WorkerCrashedError:
    """Build the error for a worker that ended without a last word."""
    from .fault import visible  # noqa: PLC0415 - loaded when something went wrong

    signal, code = data.get("signal"), data.get("exit_code")
    stderr = visible(str(data.get("stderr") or "")).strip()
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
