"""The client's own event loop, on a thread: leases are renewed there whatever the application does.

Rule: it belongs to one process and one cluster, and ends with it. Whoever stops waiting cancels what they
waited for.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from .lost import cluster_closed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["ClientLoop"]

Value = TypeVar("Value")


class ClientLoop:
    """A running event loop and its thread."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        #: Held while something is handed over, so that nothing is handed to a loop that is about to end.
        self._lock = threading.Lock()
        #: Whether it has ended, or is about to.
        self.stopped: bool = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="dana-cluster", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Wait for something on this thread; Ctrl-C cancels it."""
        future = self._begin(work)
        try:
            return future.result()
        except CancelledError:
            raise cluster_closed() from None
        except BaseException:
            future.cancel()
            raise

    async def wait(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Wait for something in the caller's task; cancelling the task cancels it."""
        future = self._begin(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self.stopped:
                raise cluster_closed() from None
            raise

    def soon(self, work: Callable[[], None]) -> None:
        """Have something done, and do not wait; nothing is done once the loop has ended, or in a fork."""
        if self._process != os.getpid():
            return
        # Called by the garbage collector, on any thread: it must not wait for the lock.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work)

    def stop(self) -> None:
        """End what runs, and the thread."""
        with self._lock:
            if self.stopped:
                return
            self.stopped = True
            self._loop.call_soon_threadsafe(self._cancel_all)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _begin(self, work: Coroutine[Any, Any, Value]) -> Future[Value]:
        with self._lock:
            if not self.stopped:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise cluster_closed()

    def _cancel_all(self) -> None:
        """Cancel every task, and stop once they had their say."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        over = asyncio.gather(*tasks, return_exceptions=True)
        over.add_done_callback(lambda _: self._loop.stop())
