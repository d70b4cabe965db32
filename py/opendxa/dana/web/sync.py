"""One request that a thread serves: its session, and streams without an event loop.

Rule: the same as `exchange` promises, except for what WSGI cannot know: that a client has gone is noticed
when something is sent to it.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from dataclasses import asdict
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

from opendxa.dana.dana_module import Dana
from opendxa.dana.exceptions import DanaError, SessionClosedError
from opendxa.dana.host import printing
from opendxa.dana.result import Usage

from .events import BEAT, HEARTBEAT, Event, numbered, plain
from .problems import TYPE_BASE, log, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from opendxa.dana.result import ExecutionResult

    from .service import Service, Visit

__all__ = ["ProgramEvents", "ThreadExchange", "event_lines", "program_events"]


class ThreadExchange:
    """One request's session."""

    def __init__(
        self,
        service: Service,
        tenant: Callable[[], Any] | None,
        limits: Callable[[], Any] | None,
    ) -> None:
        self.service: Service = service
        self._tenant = tenant
        self._limits = limits
        self._lock = threading.Lock()
        self._visit: Visit | None = None
        self._dana: Dana | None = None
        self._closed = False

    def session(self) -> Dana:
        """Return the request's session, opened when it is first asked for."""
        with self._lock:
            if self._dana is None:
                if self._closed:
                    text = "the request is over\nHint: sessions of requests end with them"
                    raise SessionClosedError(text)
                self._visit = self.service.enter(told(self._tenant, "tenant"), told(self._limits, "limits"))
                self._dana = Dana(**self._visit.arguments)
                self.service.seen(self._dana.isolation)
            return self._dana

    def close(self) -> None:
        """End the session and give back the tenant's place. Closing twice is no error."""
        with self._lock:  # one that is being opened on another thread is waited for
            self._closed = True
        usage = None
        try:
            if self._dana is not None:
                self._dana.close()
                usage = self._dana.usage
        finally:
            visit, self._visit = self._visit, None
            if visit is not None:
                self.service.leave(visit, usage)


def told(ask: Callable[[], Any] | None, name: str) -> Any:
    """Return what a function of the service says; on a thread it cannot be async."""
    said = ask() if ask is not None else None
    if isawaitable(said):
        close = getattr(said, "close", None)
        if callable(close):
            close()
        raise TypeError(f"the function '{name}' is async: here it is called on a thread, make it a plain one")
    return said


def event_lines(
    source: Iterable[Any],
    *,
    usage: Callable[[], Usage | None] | None = None,
    retry: int | None = None,
    messages: bool = False,
    base: str = TYPE_BASE,
) -> Generator[bytes, None, None]:
    """Yield the bytes of a stream of events, as `event_stream` does, without an event loop.

    Comments in silence are sent for programs alone: whoever else is waited for holds the thread.
    """
    number = 0
    try:
        if retry is not None:
            yield f"retry: {int(retry)}\n\n".encode()
        for piece in source:
            if piece is _SILENCE:
                yield BEAT
                continue
            number += 1
            yield numbered(piece, number)
    except Exception as error:
        problem = problem_of(error, messages=messages, base=base)
        log(problem, error)
        yield numbered(Event(problem.to_dict(), "error"), number + 1)
        if not isinstance(error, DanaError):
            raise
        return
    finally:
        close = getattr(source, "close", None)
        if callable(close):
            close()
    used = usage() if usage is not None else getattr(getattr(source, "result", None), "usage", None)
    yield numbered(Event({"usage": asdict(used) if isinstance(used, Usage) else None}, "done"), number + 1)


def program_events(
    dana: Dana, source: str, filename: str | None = None, *, heartbeat: float | None = HEARTBEAT
) -> ProgramEvents:
    """Run a program and yield what it prints as it prints it, then its result, for `event_lines`."""
    return ProgramEvents(dana, source, filename, heartbeat)


class ProgramEvents:
    """The events of one program. It begins to run, on a thread of its own, when it is first read."""

    def __init__(self, dana: Dana, source: str, filename: str | None, heartbeat: float | None) -> None:
        #: What came of it, once it has ended.
        self.result: ExecutionResult | None = None
        self._dana = dana
        self._events = self._run(source, filename, heartbeat)

    def __iter__(self) -> Iterator[Any]:
        return self._events

    def close(self) -> None:
        """Stop, which ends the session if the program still runs."""
        self._events.close()

    def _run(self, source: str, filename: str | None, heartbeat: float | None) -> Generator[Any, None, None]:
        heard: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def run() -> None:
            try:
                with printing(heard.put):
                    heard.put([self._dana.execute_string(source, filename)])
            except BaseException as error:
                heard.put(error)

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(run,), name="dana-stream", daemon=True)
        thread.start()
        result: ExecutionResult | None = None
        try:
            while result is None:
                try:
                    piece = heard.get(timeout=heartbeat)
                except queue.Empty:
                    yield _SILENCE
                    continue
                if isinstance(piece, BaseException):
                    raise piece
                if isinstance(piece, str):
                    yield Event(piece, "output")
                else:
                    (result,) = piece
        finally:
            if result is None:
                self._dana.close()
            thread.join()
        self.result = result
        if result is not None:
            yield _last(result)


def _last(result: ExecutionResult) -> Event:
    """Return the event of what came of a program; its error is raised."""
    if result.error is not None:
        raise result.error
    return Event({"value": plain(result.result), "seconds": result.execution_time}, "result")


_SILENCE: Final = object()
