"""How many questions are asked of models at once, and in which order the others wait.

Rule: who came first goes first, threads and tasks alike; a place that becomes free is handed to the one at
the head, so nobody can slip in. Whoever stops waiting leaves no gap, and loses no place for others.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opendxa.dana.exceptions import ModelBusyError
from opendxa.dana.types import format_type_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["LLMPool", "LLMPoolStats"]


@dataclass(frozen=True)
class LLMPoolStats:
    """How things stand in a pool, and what happened so far."""

    #: Questions that may be under way at once.
    size: int
    #: Questions under way.
    busy: int
    #: Questions that wait for their turn.
    waiting: int
    #: Questions that had their turn.
    served: int
    #: Questions that gave up waiting.
    gave_up: int
    #: Seconds the one that waited longest waited until it had its turn.
    longest_wait: float


class LLMPool:
    """At most `size` questions at once; one that waits for more than `wait` seconds (None: for ever) fails.

    Give one pool to several resources and they share its places.
    """

    def __init__(self, size: int = 8, wait: float | None = 60.0) -> None:
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(format_type_error(size, int, "argument 'size'"))
        if size < 1:
            raise ValueError(f"a pool has at least one place, got {size!r}")
        if wait is not None and (isinstance(wait, bool) or not isinstance(wait, int | float)):
            raise TypeError(format_type_error(wait, float, "argument 'wait'"))
        self.size = size
        self.wait = wait
        self._lock = threading.Lock()
        self._waiting: deque[Future[None]] = deque()
        self._busy = self._served = self._gave_up = 0
        self._longest = 0.0
        _pools.add(self)

    @property
    def stats(self) -> LLMPoolStats:
        """How things stand."""
        with self._lock:
            return LLMPoolStats(
                self.size, self._busy, len(self._waiting), self._served, self._gave_up, self._longest
            )

    @contextmanager
    def place(self, left: float | None = None) -> Iterator[None]:
        """Hold a place; wait for it no longer than `left` seconds."""
        turn, begin = self._turn(), time.monotonic()
        try:
            turn.result(self._patience(left))
        except BaseException as error:
            self._leave(turn)
            if isinstance(error, FutureTimeoutError):
                raise self._busy_error(begin) from None
            raise
        self._admitted(begin)
        try:
            yield
        finally:
            self._release()

    @asynccontextmanager
    async def place_async(self, left: float | None = None) -> AsyncIterator[None]:
        """Hold a place, without a thread."""
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        turn, begin = self._turn(), time.monotonic()
        try:
            if not turn.done():
                waiting = asyncio.shield(asyncio.wrap_future(turn))
                await asyncio.wait_for(waiting, self._patience(left))
        except BaseException as error:
            self._leave(turn)
            if isinstance(error, asyncio.TimeoutError):
                raise self._busy_error(begin) from None
            raise
        self._admitted(begin)
        try:
            yield
        finally:
            self._release()

    def _patience(self, left: float | None) -> float | None:
        limits = [limit for limit in (self.wait, left) if limit is not None]
        return min(limits) if limits else None

    def _turn(self) -> Future[None]:
        """Take a place, or stand in the queue: the result comes with the place."""
        turn: Future[None] = Future()
        turn.set_running_or_notify_cancel()  # whoever waits for it cannot cancel it
        with self._lock:
            if self._busy < self.size:
                self._busy += 1
                turn.set_result(None)
            else:
                self._waiting.append(turn)
        return turn

    def _leave(self, turn: Future[None]) -> None:
        """Stop waiting; a place that came at the last moment goes to the next."""
        with self._lock:
            self._gave_up += 1
            try:
                self._waiting.remove(turn)
            except ValueError:
                self._hand_on()

    def _release(self) -> None:
        with self._lock:
            self._hand_on()

    def _hand_on(self) -> None:
        """Give a place to the next; the lock is held."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._busy -= 1

    def _admitted(self, begin: float) -> None:
        with self._lock:
            self._served += 1
            self._longest = max(self._longest, time.monotonic() - begin)

    def _busy_error(self, begin: float) -> ModelBusyError:
        waited = time.monotonic() - begin
        return ModelBusyError(
            f"{self.size} questions to models were under way for {waited:.1f} s, as many as may be at once\n"
            "Hint: raise LLMPool(size=..., wait=...), or the deadline",
            attempts=0,
        )

    def _after_fork(self) -> None:
        """Begin anew: who holds places or waits is not in this process."""
        self._lock = threading.Lock()
        self._waiting = deque()
        self._busy = 0

    def __repr__(self) -> str:
        stats = self.stats
        return f"LLMPool(size={stats.size}, busy={stats.busy}, waiting={stats.waiting})"


_pools: weakref.WeakSet[LLMPool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool._after_fork()


os.register_at_fork(after_in_child=_after_fork)
