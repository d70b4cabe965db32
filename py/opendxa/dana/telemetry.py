"""What operators see of sessions: records of `logging`, and whatever observes this process (see `otel`).

Rule: where nobody looks, a call pays for one look at `observer` and nothing else. No record holds a program's
text, its values, or the text of an error: those may hold secrets, and a program chooses them.
"""

from __future__ import annotations

import os
import sys
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from . import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from logging import Logger

    from ._bridge import Session
    from .llm import Provider, Request, Response
    from .pool import PoolStats

    Answered = Callable[[Response], Response]

__all__ = ["Life", "Observer", "Sight", "chat", "turn"]

_DEBUG, _INFO, _WARNING, _ERROR = 10, 20, 30, 40

#: Why a session ended, by the exception that told: the first that fits.
_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (exceptions.StepLimitError, "steps"),
    (exceptions.MemoryLimitError, "memory"),
    (exceptions.OutputLimitError, "output"),
    (exceptions.AskLimitError, "asks"),
    (exceptions.TokenLimitError, "tokens"),
    (exceptions.ModelCallLimitError, "model_calls"),
    (exceptions.CostLimitError, "cost"),
    (exceptions.CpuLimitError, "cpu"),
    (exceptions.DeadlineExceededError, "deadline"),
    (exceptions.WorkerOutOfMemoryError, "out_of_memory"),
    (exceptions.WorkerKilledError, "killed"),
    (exceptions.SandboxViolationError, "violation"),
    (exceptions.WorkerLostError, "lost"),
    (exceptions.WorkerCrashedError, "crashed"),
    (exceptions.ProtocolViolationError, "protocol"),
    (exceptions.SessionClosedError, "closed"),
    # Something else went wrong, and the session was found to be over.
    (Exception, "lost"),
    # Ctrl-C, a task that was cancelled, the interpreter's end: the session ends with the turn.
    (BaseException, "cancelled"),
)
#: How much an end of a session matters to operators; an end at a limit is `_INFO`.
_LEVELS: Final = {
    "closed": _DEBUG,
    "dropped": _DEBUG,
    "crashed": _WARNING,
    "out_of_memory": _WARNING,
    "killed": _WARNING,
    "lost": _WARNING,
    "violation": _ERROR,
    "protocol": _ERROR,
}
#: Seconds between two looks at the pool for what happened in the background.
_BETWEEN_LOOKS: Final = 1.0


class Sight(Protocol):
    """A session, as an observer sees it."""

    def enter(self) -> None:
        """The session is being opened, on this thread or in this task."""

    def leave(self) -> None:
        """What `enter` began is over."""

    def opened(self, session: Session) -> None:
        """The session is open, its set-up included."""

    def ended(self, reason: str, seconds: float) -> None:
        """The session is over; it is told once. `reason` is ``refused`` when it was never open."""


class Observer(Protocol):
    """Whatever observes this process. It must not raise, and finds the caller's context variables."""

    def session(self, life: Life) -> Sight:
        """A session begins."""
        ...

    def turn(self, kind: str, name: str | None, life: Life) -> AbstractContextManager[object]:
        """A turn, ``execute`` of a program or ``call`` of a function; it tells `life` of a failure."""
        ...

    def ask(self, kind: str, name: str | None, answer: Callable[[], Any]) -> Any:
        """Answer an ask by calling `answer`, which may return a future. `name`: that of a known function."""

    def chat(self, provider: Provider, request: Request) -> AbstractContextManager[Answered]:
        """A question to a model; the function it gives is called with the response and returns it."""
        ...


#: Whatever observes this process.
observer: Observer | None = None

_numbers = count(1)
_loggers: dict[str, Logger] = {}
_looked = monotonic()
#: Spares of which it was told that they could not be started, and that died.
_told = (0, 0)


class Life:
    """One session from its opening to its end. What is done inside ``with life`` may open it or end it."""

    __slots__ = ("_began", "_endings", "_process", "_session", "number", "pid", "sight")

    def __init__(self) -> None:
        #: Counts the sessions of this process.
        self.number: int = next(_numbers)
        #: The worker's process, None when there is none.
        self.pid: int | None = None
        self._process = os.getpid()
        self._began = monotonic()
        #: Whoever takes the first number tells of the end.
        self._endings = count()
        self._session: Session | None = None
        #: What an observer makes of it, None when there is none.
        seen = observer
        self.sight: Sight | None = None if seen is None else seen.session(self)

    def __enter__(self) -> Life:
        if self._session is None and self.sight is not None:
            self.sight.enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._session is None and self.sight is not None:
            self.sight.leave()
        if error is not None:
            self.failed(error)

    def opened(self, session: Session) -> Session:
        """Tell that the session is open; it comes back."""
        sight = self.sight
        if sight is not None:
            sight.leave()
            sight.opened(session)
        self._session, self.pid = session, session.pid
        logger = _wanted("session", _DEBUG)
        if logger is not None:
            level = str(session.report()["level"])
            fields = {"dana_level": level, "dana_opening_seconds": monotonic() - self._began}
            logger.debug("Dana session %d is open (%s)", self.number, level, extra=self._fields(**fields))
        if self.pid is not None and monotonic() - _looked > _BETWEEN_LOOKS:
            from .pool import stats  # noqa: PLC0415 - loaded when there are workers

            stats()
        return session

    def failed(self, error: BaseException) -> None:
        """Tell what an error means for the session: it could not be opened, it ended, or nothing."""
        session = self._session
        if session is None:
            self._refused(error)
        elif not session.alive:
            reason = next(name for kind, name in _REASONS if isinstance(error, kind))
            self._end(reason, error)

    def closed(self) -> None:
        """Tell that the session is about to be closed, if it is not over yet."""
        session = self._session
        # A worker that ended between turns: nobody learnt how.
        self._end("closed" if session is None or session.alive else "lost", None)

    def _refused(self, error: BaseException) -> None:
        if next(self._endings):
            return
        if self.sight is not None:
            self.sight.ended("refused", monotonic() - self._began)
        exhausted = isinstance(error, exceptions.PoolExhaustedError)
        logger = _wanted("pool" if exhausted else "session", _WARNING)
        if logger is None:
            return
        name = type(error).__name__
        fields = self._fields(dana_error=name, dana_opening_seconds=monotonic() - self._began)
        if exhausted:
            from .pool import config  # noqa: PLC0415 - loaded when something went wrong

            fields["dana_max_workers"] = config().max_workers
            text = "Dana session %d found no worker in time: as many as may exist are busy (%s)"
        else:
            text = "Dana session %d could not be opened: %s"
        logger.warning(text, self.number, name, extra=fields)

    def _end(self, reason: str, error: BaseException | None) -> None:
        if next(self._endings):
            return
        level = _LEVELS.get(reason, _INFO)
        logger = _wanted("session", level)
        if logger is None and self.sight is None:
            return
        seconds = monotonic() - self._began
        if self.sight is not None:
            self.sight.ended(reason, seconds)
        if logger is None:
            return
        fields = self._fields(dana_reason=reason, dana_seconds=seconds)
        if error is not None:
            fields["dana_error"] = type(error).__name__
        if isinstance(error, exceptions.WorkerCrashedError):
            fields["dana_signal"], fields["dana_exit_code"] = error.signal, error.exit_code
        logger.log(level, "Dana session %d ended: %s", self.number, reason, extra=fields)

    def _fields(self, **fields: Any) -> dict[str, Any]:
        return {"dana_session": self.number, "dana_pid": self.pid, **fields}

    # Bound early: at the interpreter's end the module's own names may be gone before its last object.
    def __del__(
        self, ending: Callable[[], bool] = sys.is_finalizing, getpid: Callable[[], int] = os.getpid
    ) -> None:
        # A session is dropped in the process that opened it; a fork only has a copy.
        if not ending() and self._session is not None and self._process == getpid():
            self._end("dropped", None)


def turn(kind: str, name: str | None, life: Life) -> AbstractContextManager[object]:
    """Return what notices how a turn ends."""
    seen = observer
    return life if seen is None else seen.turn(kind, name, life)


def chat(provider: Provider, request: Request) -> AbstractContextManager[Answered]:
    """Return what notices how a question to a model ends; it gives a function to call with the response."""
    seen = observer
    return _UNSEEN if seen is None else seen.chat(provider, request)


def told(stats: PoolStats) -> PoolStats:
    """Tell what happened to spares in the background since the last look; the figures come back."""
    global _looked, _told  # noqa: PLW0603 - one pool per process is the point
    _looked = monotonic()
    failed, died = stats.failed - _told[0], stats.died_idle - _told[1]
    _told = (stats.failed, stats.died_idle)
    logger = _wanted("pool", _WARNING) if failed > 0 or died > 0 else None
    if logger is not None and failed > 0:
        fields = {"dana_count": failed, "dana_total": stats.failed}
        logger.warning("%d spare Dana workers could not be started", failed, extra=fields)
    if logger is not None and died > 0:
        fields = {"dana_count": died, "dana_total": stats.died_idle}
        logger.warning("%d spare Dana workers died before anybody asked", died, extra=fields)
    return stats


def error_type(error: BaseException) -> str:
    """Return what may be told of an error everywhere: its class, never its text."""
    return type(error).__qualname__


def error_kind(error: BaseException) -> str | None:
    """Return the kind of a program's error if Python has it too: programs may make up others."""
    import builtins  # noqa: PLC0415 - loaded when something went wrong

    kind = error.kind if isinstance(error, exceptions.DanaCallError) else None
    return kind if kind is not None and isinstance(getattr(builtins, kind, None), type) else None


def _wanted(name: str, level: int) -> Logger | None:
    """Return a logger if anybody wants its records of this level; without `logging` loaded, nobody does."""
    logger = _loggers.get(name)
    if logger is None:
        logging = sys.modules.get("logging")
        if logging is None:
            return None
        logger = _loggers[name] = logging.getLogger(f"opendxa.dana.{name}")
        # Callers hear of all this by exceptions: a program that set up no logging shall print nothing.
        logger.addHandler(logging.NullHandler())
    return logger if logger.isEnabledFor(level) else None


class _Unseen:
    """A question to a model that nobody observes."""

    def __enter__(self) -> Answered:
        return _same

    def __exit__(self, *_: object) -> None:
        return


def _same(response: Response) -> Response:
    return response


_UNSEEN: Final = _Unseen()
