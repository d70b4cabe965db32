"""Sessions that an event loop drives: a worker's by its pipes, one in this process on a thread.

Rule: the loop is never held up by a wait. A task that is cancelled takes its session with it at once, and
nothing of a worker is left afterwards: no process, no descriptor, no callback. Turns of one session follow
each other in the order in which they were asked for.
"""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from . import background
from .exceptions import SessionClosedError, hides

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._bridge import Session
    from .host import Turn

__all__ = ["AsyncSession", "ThreadSession", "WorkerSession", "starts"]

#: pytest leaves these frames out of the traceback of a Dana error.
__tracebackhide__ = hides

#: What a turn comes to: its value, and what the interpreter measured.
Answer = tuple[Any, dict[str, int]]
#: Workers that a loop starts at the same time; more wait in their order.
MOST_STARTS = 64
_starts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()


def starts() -> asyncio.Semaphore:
    """Return what bounds the starts of the running loop."""
    return _starts.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MOST_STARTS))


#: Seconds between a deadline and the look that finds it over.
AFTER = 0.001


class AsyncSession(Protocol):
    """What `AsyncDana` needs of a session."""

    session: Session

    async def run(self, source: str, filename: str | None, turn: Turn | None) -> Answer:
        """Run a program."""
        ...

    async def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function."""

    async def get(self, name: str) -> Any:
        """Read a variable."""

    async def set(self, name: str, value: Any) -> None:
        """Write a variable."""

    async def snapshot(self) -> dict[str, dict[str, Any]]:
        """Read all variables."""
        ...

    async def describe(self) -> dict[str, Any]:
        """Tell what can be called."""
        ...

    async def close(self) -> None:
        """End it, and wait until nothing is left of it."""

    def drop(self) -> None:
        """End it; what is left of it goes soon."""


class WorkerSession:
    """A session in a worker, which the loop hears through the worker's pipes."""

    def __init__(self, session: Session, wall_time: float | None) -> None:
        self.session = session
        self._wall_time = wall_time
        self._loop = asyncio.get_running_loop()
        self._turns = asyncio.Lock()
        self._waiter: asyncio.Future[Answer] | None = None
        self._context: contextvars.Context | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        #: Descriptors the loop looks at: for replies, for room to send, for answers to asks; -1 is none.
        self._watched = (-1, -1, -1)

    @classmethod
    async def opened(cls, session: Session, wall_time: float | None) -> WorkerSession:
        """Wait until a session that was spawned without waiting is open."""
        opening = cls(session, wall_time)
        try:
            while (sign := session.open()) is not None:
                descriptor, left = sign
                await opening._readable(descriptor, left + AFTER)
        except BaseException:
            opening.drop()
            raise
        return opening

    async def run(self, source: str, filename: str | None, turn: Turn | None) -> Answer:
        """Run a program."""
        return await self._turn(lambda: self.session.begin_run(source, filename, None, turn))

    async def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function."""
        return (await self._turn(lambda: self.session.begin_call(name, args, kwargs)))[0]

    async def get(self, name: str) -> Any:
        """Read a variable."""
        return (await self._turn(lambda: self.session.begin_get(name)))[0]

    async def set(self, name: str, value: Any) -> None:
        """Write a variable."""
        await self._turn(lambda: self.session.begin_set(name, value))

    async def snapshot(self) -> dict[str, dict[str, Any]]:
        """Read all variables."""
        value: dict[str, dict[str, Any]] = (await self._turn(self.session.begin_snapshot))[0]
        return value

    async def describe(self) -> dict[str, Any]:
        """Tell what can be called."""
        told: dict[str, Any] = (await self._turn(self.session.begin_describe))[0]
        return told

    async def _turn(self, begin: Callable[[], bool]) -> Answer:
        """Wait for this session's turn, begin one, and wait for its end."""
        async with self._turns:
            waiter = self._waiter = self._loop.create_future()
            self._context = contextvars.copy_context()
            try:
                sent = begin()
                if self._watched[0] < 0 or not sent:
                    self._watch()
                if self._wall_time is not None:
                    self._set_deadline(self._loop.time() + self._wall_time)
                answer: Answer = await waiter
                return answer
            except asyncio.CancelledError:
                self.drop()
                raise
            finally:
                self._waiter = self._context = None

    def _ready(self) -> None:
        """Something happened: go on with the turn."""
        waiter, context = self._waiter, self._context
        if waiter is None or context is None or waiter.done():
            # The worker's end between turns, or what it must not say there: the next turn finds out.
            self._unwatch()
            return
        try:
            answer = context.run(self.session.advance)
        except BaseException as error:
            self._unwatch()
            # Futures take no StopIteration; nothing here raises it.
            from .tracebacks import without_host_part  # noqa: PLC0415 - loaded when something failed

            waiter.set_exception(without_host_part(error))
            return
        if answer is not None:
            waiter.set_result(answer)
        if answer is None or self._watched[1] >= 0 or self._watched[2] >= 0:
            self._watch()

    def _watch(self) -> None:
        """Have the loop look at what the turn at hand waits for."""
        before, loop = self._watched, self._loop
        wanted = self.session.signs()
        if wanted[0] < 0:
            # No turn is under way: the replies are looked at until the session ends.
            wanted = (before[0], -1, -1)
        if wanted == before:
            return
        mine: weakref.ref[WorkerSession] = weakref.ref(self)
        for at in (0, 2):
            if before[at] != wanted[at]:
                if before[at] >= 0:
                    loop.remove_reader(before[at])
                if wanted[at] >= 0:
                    loop.add_reader(wanted[at], _wake, mine)
        if before[1] != wanted[1]:
            if before[1] >= 0:
                loop.remove_writer(before[1])
            if wanted[1] >= 0:
                loop.add_writer(wanted[1], _wake, mine)
        self._watched = wanted

    def _unwatch(self) -> None:
        """Look at nothing any more: before descriptors are closed, or they would be looked at for ever."""
        replies, requests, bell = self._watched
        self._watched = (-1, -1, -1)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop.is_closed():
            return
        if replies >= 0:
            self._loop.remove_reader(replies)
        if requests >= 0:
            self._loop.remove_writer(requests)
        if bell >= 0:
            self._loop.remove_reader(bell)

    def _set_deadline(self, at: float) -> None:
        """Look at the clock then. One timer serves all turns of a session: most end long before."""
        self._deadline = at
        if self._timer is None or self._timer.when() > at + AFTER:
            if self._timer is not None:
                self._timer.cancel()
            mine: weakref.ref[WorkerSession] = weakref.ref(self)
            self._timer = self._loop.call_at(at + AFTER, _look, mine)

    def _look_at_clock(self) -> None:
        """End the turn at hand if it is late."""
        self._timer = None
        if self._waiter is None:
            return
        if self._deadline <= self._loop.time():
            self._ready()
        else:
            self._set_deadline(self._deadline)

    async def _readable(self, descriptor: int, seconds: float) -> None:
        """Wait until something can be read, or for so long."""
        waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, _finish, waiter)
        self._loop.add_reader(descriptor, _finish, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._loop.remove_reader(descriptor)

    async def close(self) -> None:
        """End it, and wait until nothing is left of it."""
        self._unwatch()
        descriptor = self.session.abort()
        self._give_up()
        if descriptor >= 0:
            try:
                await self._readable(descriptor, 5.0)
            finally:
                self.session.close()

    def drop(self) -> None:
        """End it; what is left of it goes soon."""
        self._unwatch()
        descriptor = self.session.abort()
        self._give_up()
        if descriptor < 0 or self._loop.is_closed():
            self.session.close()
            return
        self._loop.add_reader(descriptor, _reap, self._loop, descriptor, self.session)

    def _give_up(self) -> None:
        """Tell whoever waits for a turn that the session is over."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(SessionClosedError("the session was closed\nHint: open a new session"))

    def __del__(self) -> None:
        if self._watched != (-1, -1, -1):
            self._unwatch()


def _wake(session: weakref.ref[WorkerSession]) -> None:
    """Go on with a session, if there still is one."""
    here = session()
    if here is not None:
        here._ready()


def _look(session: weakref.ref[WorkerSession]) -> None:
    """Look at the clock for a session, if there still is one."""
    here = session()
    if here is not None:
        here._look_at_clock()


def _finish(waiter: asyncio.Future[None]) -> None:
    """Wake whoever waits, once."""
    if not waiter.done():
        waiter.set_result(None)


def _reap(loop: asyncio.AbstractEventLoop, descriptor: int, session: Session) -> None:
    """The worker has ended: take away what is left."""
    loop.remove_reader(descriptor)
    session.close()


class ThreadSession:
    """A session in this process: its interpreter computes on a thread, and the loop goes on."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._turns = asyncio.Lock()

    async def run(self, source: str, filename: str | None, turn: Turn | None) -> Answer:
        """Run a program."""
        answer: Answer = await self._turn(lambda: self.session.run(source, filename, None, turn))
        return answer

    async def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function."""
        return await self._turn(lambda: self.session.call(name, args, kwargs))

    async def get(self, name: str) -> Any:
        """Read a variable."""
        return await self._turn(lambda: self.session.get(name))

    async def set(self, name: str, value: Any) -> None:
        """Write a variable."""
        await self._turn(lambda: self.session.set(name, value))

    async def snapshot(self) -> dict[str, dict[str, Any]]:
        """Read all variables."""
        value: dict[str, dict[str, Any]] = await self._turn(self.session.snapshot)
        return value

    async def describe(self) -> dict[str, Any]:
        """Tell what can be called."""
        told: dict[str, Any] = await self._turn(self.session.describe)
        return told

    async def _turn(self, work: Callable[[], Any]) -> Any:
        """Do it on a thread; a task that is cancelled ends the session."""
        async with self._turns:
            try:
                return await asyncio.wrap_future(background.submit(work))
            except asyncio.CancelledError:
                self.drop()
                raise

    async def close(self) -> None:
        """End it."""
        self.drop()

    def drop(self) -> None:
        """End it; a turn under way notices within milliseconds."""
        self.session.close()
