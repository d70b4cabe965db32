"""Which error is which answer: problems by RFC 9457, decided once, as data.

Rule: a client hears what it can act on and nothing of the host: no text of an exception, no prompt, no key,
no path. What a program itself said (its error's message) goes along only where the service allows it, and
never when a function or a model of the host stands behind it. Everything else is in the log, under the
`instance` that the client got.
"""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opendxa.dana import exceptions as e

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opendxa.dana.fault import Fault

__all__ = ["MEDIA_TYPE", "ROWS", "TYPE_BASE", "Problem", "Row", "log", "problem_of"]

MEDIA_TYPE: Final = "application/problem+json"
#: What the types of problems begin with; a service may have pages of its own for them.
TYPE_BASE: Final = "urn:dana:problem:"
#: Longest name of a Dana error that is told, in characters: programs name their own.
_LONGEST_KIND: Final = 100

_log = logging.getLogger("opendxa.dana.web")


@dataclass(frozen=True)
class Row:
    """What one class of errors is to a client."""

    #: The end of the problem's type, stable.
    name: str
    status: int
    title: str
    detail: str
    #: The limit that was reached, by its name in `Limits`; ``time`` for those of the wall clock.
    limit: str | None = None
    #: Seconds after which trying again may help.
    retry_after: int | None = None


_PROGRAM = "The program failed."
_STOPPED = "The program was stopped at a limit of this service."
_AGAIN = "Try again later."
_SPENT = "The program used up what it may ask of models."
_GONE = "The process that ran the program ended. Nothing of its state is left."

#: Every error of the package. An error is told as the closest of its classes.
ROWS: Final[dict[type[e.DanaError], Row]] = {
    e.DanaError: Row("internal", 500, "Internal error", "The service could not do this."),
    e.HostError: Row("internal", 500, "Internal error", "The service could not do this."),
    # What the program did.
    e.DanaCallError: Row("program-failed", 422, "The program failed", _PROGRAM),
    e.ParseError: Row("bad-program", 422, "Not a program", "The text is not a Dana program."),
    e.TypeConversionError: Row("bad-value", 422, "Unusable value", "A value cannot be given to a program."),
    e.StateError: Row("bad-variable", 422, "No such variable", "There is no such scope of variables."),
    e.SecurityError: Row("refused", 422, "Refused", "The program asked for something it may not have."),
    e.SandboxViolationError: Row(
        "forbidden", 422, "Forbidden operation", "The program was ended for what it attempted."
    ),
    e.ProtocolViolationError: Row(
        "forbidden", 422, "Forbidden operation", "The program was ended for what it attempted."
    ),
    # Its limits.
    e.LimitExceededError: Row("limit", 422, "Limit reached", _STOPPED),
    e.DeadlineExceededError: Row("deadline", 408, "Out of time", _STOPPED, "time"),
    e.CpuLimitError: Row("cpu", 408, "Out of processor time", _STOPPED, "cpu_time"),
    e.StepLimitError: Row("steps", 422, "Too many steps", _STOPPED, "steps"),
    e.MemoryLimitError: Row("memory", 422, "Out of memory", _STOPPED, "memory"),
    e.WorkerOutOfMemoryError: Row("memory", 422, "Out of memory", _STOPPED, "memory"),
    e.DepthLimitError: Row("depth", 422, "Calls nested too deeply", _STOPPED, "depth"),
    e.OutputLimitError: Row("output-too-large", 413, "Output too large", _STOPPED, "output"),
    e.AskLimitError: Row("asks", 422, "Too many questions", _STOPPED, "asks"),
    e.ModelLimitError: Row("budget", 429, "Budget used up", _SPENT),
    e.TokenLimitError: Row("budget", 429, "Budget used up", _SPENT, "tokens"),
    e.ModelCallLimitError: Row("budget", 429, "Budget used up", _SPENT, "model_calls"),
    e.CostLimitError: Row("budget", 429, "Budget used up", _SPENT, "cost"),
    # What came in.
    e.BodyTooLargeError: Row("body-too-large", 413, "Request too large", "The request's body is too large."),
    e.LLMContextLengthError: Row(
        "question-too-long", 413, "Question too long", "The question is longer than the model takes."
    ),
    # Who may have how much.
    e.TenantBusyError: Row(
        "tenant-busy", 429, "Too many requests", "Too many of your requests are under way.", retry_after=1
    ),
    e.LLMRateLimitError: Row("model-rate", 429, "Too many questions to the model", _AGAIN, retry_after=10),
    # What the service lacks.
    e.PoolExhaustedError: Row("busy", 503, "Busy", f"All places are taken. {_AGAIN}", retry_after=1),
    e.ModelBusyError: Row("model-busy", 503, "Model busy", f"The model is busy. {_AGAIN}", retry_after=5),
    e.ResourceError: Row("unavailable", 503, "Unavailable", "Something that is needed cannot be had now."),
    e.ResourceCallError: Row(
        "unavailable", 503, "Unavailable", "Something that the program needs cannot be had now."
    ),
    e.ConfigurationError: Row("model-unavailable", 503, "No model", "The model gave no answer."),
    e.ModelError: Row("model-unavailable", 503, "No answer", "The model gave no answer."),
    e.LLMAuthenticationError: Row("model-unavailable", 503, "No model", "The model gave no answer."),
    e.IsolationUnavailableError: Row(
        "isolation-unavailable", 503, "No isolation", "Programs cannot be run safely here now."
    ),
    e.WorkerCrashedError: Row("worker-lost", 503, "The worker ended", _GONE),
    e.WorkerKilledError: Row("worker-lost", 503, "The worker ended", _GONE),
    e.WorkerLostError: Row("worker-lost", 503, "The worker ended", _GONE),
    e.SessionClosedError: Row("session-over", 503, "The session is over", "The session was ended."),
}


@dataclass(frozen=True)
class Problem:
    """A problem by RFC 9457, for one occurrence."""

    type: str
    status: int
    title: str
    detail: str
    #: Names this occurrence, in the answer and in the log.
    instance: str
    #: Extension members: `limit`, `kind`, `line`, `column`, `message`, `retry_after`.
    more: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the members by name."""
        members = {name: getattr(self, name) for name in ("type", "status", "title", "detail", "instance")}
        return members | self.more

    def body(self) -> bytes:
        """Return the JSON text: ASCII, whatever a program said."""
        return json.dumps(self.to_dict()).encode()

    def headers(self) -> Iterator[tuple[str, str]]:
        """Yield the headers of the answer, all but the length."""
        yield "Content-Type", MEDIA_TYPE
        yield "Cache-Control", "no-store"
        yield "X-Content-Type-Options", "nosniff"
        if "retry_after" in self.more:
            yield "Retry-After", str(self.more["retry_after"])


def problem_of(error: BaseException, *, messages: bool = False, base: str = TYPE_BASE) -> Problem:
    """Return what a client is told of an error; `messages` adds what a program's own error says.

    An exception that is not the package's is an internal error, of which nothing is told.
    """
    row = _row(error)
    detail = row.detail
    more: dict[str, Any] = {}
    fault = error.fault if isinstance(error, e.DanaCallError) else None
    if row.limit is not None:
        more["limit"] = row.limit
    if fault is not None and row.status < 500:
        more |= dict(_place(fault))
        if messages and _own(error):
            more["message"] = str(fault.message)
        if row.name == "program-failed" and not _own(error):
            detail = "A function that the program called failed."
    if row.retry_after is not None:
        more["retry_after"] = row.retry_after
    return Problem(base + row.name, row.status, row.title, detail, f"urn:uuid:{uuid.uuid4()}", more)


def log(problem: Problem, error: BaseException) -> None:
    """Tell the operator everything: the client got the number to ask by.

    What a program did by itself is information; where the host is behind it, it is an error.
    """
    hosts = isinstance(error, e.DanaCallError) and error.original_error is not None
    level = logging.ERROR if problem.status >= 500 or hosts else logging.INFO
    name = problem.type.rpartition(":")[2]
    _log.log(level, "%s %s: %s", problem.status, name, problem.instance, exc_info=error)


def _row(error: BaseException) -> Row:
    """Return the row of an error, or of what stands behind a call that failed for want of something."""
    behind = error.original_error if isinstance(error, e.DanaCallError) else None
    if isinstance(error, e.ResourceCallError) and isinstance(behind, e.DanaError):
        while isinstance(behind.__cause__, e.DanaError):
            behind = behind.__cause__
        return _row(behind)
    for kind in type(error).__mro__:
        if kind in ROWS:
            return ROWS[kind]
    return ROWS[e.DanaError]


def _own(error: BaseException) -> bool:
    """Whether the program alone is behind an error."""
    return isinstance(error, e.DanaCallError) and error.original_error is None and error.__cause__ is None


def _place(fault: Fault) -> Iterator[tuple[str, Any]]:
    """Yield what an error of a program is and where; never which file, which may be the host's."""
    from opendxa.dana.fault import visible  # noqa: PLC0415 - loaded when something failed

    if fault.kind:
        yield "kind", visible(fault.kind)[:_LONGEST_KIND]
    if fault.line:
        yield "line", fault.line
    if fault.column:
        yield "column", fault.column
