"""The host's side of a session that an event loop drives: what takes its time never holds the loop up.

Rule: coroutines run on the caller's own loop, what blocks runs on a thread, and both see the caller's context
variables. Everything else is `Host`.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from .host import Host, Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["LoopHost"]

Value = TypeVar("Value")


class LoopHost(Host):
    """Answers asks without blocking the event loop that it was made on."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def ask(self, turn: Turn, kind: str, payload: dict[str, Any]) -> Any:
        """Answer one ask, on a thread where it may block."""
        if threading.get_ident() != self._thread or not self._blocks(kind, payload):
            return super().ask(turn, kind, payload)
        from . import background  # noqa: PLC0415 - loaded when something may block

        answer = super().ask
        return background.submit(lambda: _settled(answer(turn, kind, payload)))

    def _blocks(self, kind: str, payload: dict[str, Any]) -> bool:
        """Whether an ask is answered by code that may wait without the loop."""
        if kind != "function":
            return kind != "reason"
        function = self.functions.get(payload["name"])
        return function is None or not function.is_async

    def _schedule(self, awaitable: Awaitable[Value]) -> Future[Value]:
        """Have something awaited on the caller's loop."""
        if threading.get_ident() != self._thread:
            return asyncio.run_coroutine_threadsafe(_wait(awaitable), self._loop)
        future: Future[Value] = Future()
        # A coroutine as it is: one within another is never awaited if it is cancelled before it began.
        task = self._loop.create_task(awaitable if asyncio.iscoroutine(awaitable) else _wait(awaitable))

        def hand_over(task: asyncio.Task[Value]) -> None:
            if task.cancelled():
                future.cancel()
            elif not future.cancelled():
                error = task.exception()
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(task.result())

        def give_up(future: Future[Value]) -> None:
            if future.cancelled():
                task.cancel()

        task.add_done_callback(hand_over)
        future.add_done_callback(give_up)
        return future

    def _finish(self, closing: Awaitable[Any], timeout: float) -> None:
        """Wait on another thread for a close on the caller's loop."""
        asyncio.run_coroutine_threadsafe(_wait(closing), self._loop).result(timeout)


def _settled(answer: Any) -> Any:
    """Wait for an answer on a thread that is there for that."""
    return answer.result() if isinstance(answer, Future) else answer


async def _wait(awaitable: Awaitable[Value]) -> Value:
    """Make any awaitable a coroutine."""
    return await awaitable
