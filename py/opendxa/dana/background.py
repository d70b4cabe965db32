"""Work that goes on while a program runs: model calls on threads, coroutines on one event loop.

Rule: threads and loop start when they are first needed, belong to one process (a fork gets its own), see the
caller's context variables and never keep the interpreter from ending. Whoever waits can stop waiting at any
time: a future that is cancelled takes what runs on the loop with it; a thread's result is dropped.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import os
import threading
from collections import deque
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["FutureTimeoutError", "is_worker_thread", "run", "schedule", "submit"]

Value = TypeVar("Value")

#: Threads of the process that work for programs at the same time; more work waits in its order.
MOST_THREADS: Final = 64
#: Seconds after which a thread without work ends.
IDLE: Final = 2.0


class _Threads:
    """Threads for calls that block."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Future[Any], contextvars.Context, Callable[[], Any]]] = deque()
        self._idle = 0
        self._threads = 0

    def submit(self, work: Callable[[], Value]) -> Future[Value]:
        """Have a thread do `work`, in this thread's context."""
        future: Future[Value] = Future()
        with self._changed:
            if self._idle <= len(self._waiting) and self._threads < MOST_THREADS:
                threading.Thread(target=self._serve, name="dana-ask", daemon=True).start()
                self._threads += 1
            self._waiting.append((future, contextvars.copy_context(), work))
            self._changed.notify()
        return future

    def _serve(self) -> None:
        """Do what comes; end after some idleness."""
        _here.is_worker = True
        while True:
            with self._changed:
                self._idle += 1
                found = self._changed.wait_for(lambda: self._waiting, IDLE)
                self._idle -= 1
                if not found:
                    self._threads -= 1
                    return
                future, context, work = self._waiting.popleft()
            if not future.cancelled():
                _work(future, context, work)
            # Nothing of what was done is kept until the next piece of work.
            del future, context, work


def _work(future: Future[Any], context: contextvars.Context, work: Callable[[], Any]) -> None:
    """Do one piece of work; what came of it goes to the future, unless that was cancelled meanwhile."""
    try:
        value = context.run(work)
    except BaseException as error:
        with contextlib.suppress(InvalidStateError):
            future.set_exception(error)
    else:
        with contextlib.suppress(InvalidStateError):
            future.set_result(value)


class _LoopThread:
    """A running event loop and its thread."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="dana-loop", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Cancel what runs and end the thread; in another process there is nothing to end."""
        if self.process != os.getpid() or self.loop.is_closed():
            return
        self.loop.call_soon_threadsafe(self._cancel_all)
        self.thread.join(timeout=2.0)
        if not self.thread.is_alive():
            self.loop.close()

    def _cancel_all(self) -> None:
        """Cancel every task, then stop the loop once they had their say."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.call_soon(self.loop.call_soon, self.loop.stop)


class _Here(threading.local):
    """What is true of the current thread."""

    is_worker = False


_here = _Here()
_lock = threading.Lock()
_loop: _LoopThread | None = None
_threads = _Threads()


def is_worker_thread() -> bool:
    """Whether this thread works for a program: what it waits for must not need another one."""
    return _here.is_worker


def submit(work: Callable[[], Value]) -> Future[Value]:
    """Have a thread do `work`."""
    return _threads.submit(work)


def schedule(awaitable: Awaitable[Value]) -> Future[Value]:
    """Have the loop await `awaitable`."""
    thread = _running()
    if threading.current_thread() is thread.thread:
        _discard(awaitable)
        raise RuntimeError(
            "an async callable called back into Dana from its event loop, which would wait for itself\n"
            "Hint: call Dana with await asyncio.to_thread(...)"
        )
    return asyncio.run_coroutine_threadsafe(_wait(awaitable), thread.loop)


def run(awaitable: Awaitable[Value], timeout: float | None = None) -> Value:
    """Wait for `awaitable` on the loop's thread and return its value.

    After `timeout` seconds it is cancelled and raises `concurrent.futures.TimeoutError`; None waits for ever.
    """
    future = schedule(awaitable)
    try:
        return future.result(timeout)
    except BaseException:
        future.cancel()
        raise


async def _wait(awaitable: Awaitable[Value]) -> Value:
    """Make any awaitable a coroutine."""
    return await awaitable


def _discard(awaitable: Awaitable[Any]) -> None:
    """Close a coroutine that will not be awaited."""
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()


def _running() -> _LoopThread:
    """Return this process's loop, started when first needed."""
    global _loop  # noqa: PLW0603 - one loop per process is the point
    with _lock:
        if _loop is None or _loop.process != os.getpid() or not _loop.thread.is_alive():
            _loop = _LoopThread()
            atexit.register(_loop.stop)
        return _loop


def _after_fork() -> None:
    """Forget the parent's loop and threads: they do not exist here."""
    global _loop, _lock, _threads  # noqa: PLW0603
    _loop = None
    _lock = threading.Lock()
    _threads = _Threads()
    _here.is_worker = False


os.register_at_fork(after_in_child=_after_fork)
