"""One event loop in a thread of its own, for async providers called from synchronous code.

Rule: it starts when it is first needed, belongs to one process (a fork gets its own), and sees the caller's
context variables. Waiting for it can be interrupted, and then what was waited for is cancelled.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["run"]

Value = TypeVar("Value")


class _LoopThread:
    """A running event loop and its thread."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="dana-llm", daemon=True)
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


_lock = threading.Lock()
_current: _LoopThread | None = None


def run(awaitable: Awaitable[Value]) -> Value:
    """Wait for `awaitable` on the loop's thread and return its value."""
    thread = _running()
    if threading.current_thread() is thread.thread:
        _discard(awaitable)
        raise RuntimeError(
            "an async model callable called back into Dana from its event loop, which would wait for itself\n"
            "Hint: call Dana with await asyncio.to_thread(...)"
        )
    future = asyncio.run_coroutine_threadsafe(_wait(awaitable), thread.loop)
    try:
        return future.result()
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
    global _current  # noqa: PLW0603 - one loop per process is the point
    with _lock:
        if _current is None or _current.process != os.getpid() or not _current.thread.is_alive():
            _current = _LoopThread()
            atexit.register(_current.stop)
        return _current


def _after_fork() -> None:
    """Forget the parent's loop: its thread does not exist here."""
    global _current, _lock  # noqa: PLW0603
    _current = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
