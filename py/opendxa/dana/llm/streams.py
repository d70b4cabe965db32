"""Answers that are read piece by piece, by threads and by tasks.

Rule: one task of the loop reads the answer, a few pieces ahead of its reader, and holds the place in the
pool. Whoever closes a stream, leaves its block or drops it ends that task, and the request with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opendxa.dana.exceptions import DanaError

from .asking import told
from .chat import late, result
from .provider import Response

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from opendxa.dana.reasoning import ReasoningResult

    from .asking import Asking

__all__ = ["AsyncLLMStream", "LLMStream"]

#: Pieces of a stream that may wait for their reader.
_AHEAD: Final = 16
_END: Final = object()


class _Feed:
    """A stream being read by a task of its own, a few pieces ahead of its reader."""

    def __init__(self, asking: Asking) -> None:
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        self._asking = asking
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[Any] = asyncio.Queue(_AHEAD)
        self._task: asyncio.Task[None] = self._loop.create_task(_read(asking, self._pieces))

    @classmethod
    async def started(cls, asking: Asking) -> _Feed:
        """Begin to read."""
        return cls(asking)

    async def next(self) -> Any:
        """Return the next piece, the `Response`, an exception, or the end."""
        return await self._pieces.get()

    async def close(self) -> None:
        """Stop reading, and wait until the connection is let go of."""
        import asyncio  # noqa: PLC0415

        self._task.cancel()
        await asyncio.wait([self._task])

    def drop(self) -> None:
        """Stop reading, from anywhere."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)


async def _read(asking: Asking, pieces: asyncio.Queue[Any]) -> None:
    """Read a stream to its end; what goes wrong is the reader's to hear."""
    from contextlib import aclosing  # noqa: PLC0415

    async def read() -> None:
        async with aclosing(asking.stream()) as stream:
            async for piece in stream:
                await pieces.put(piece)

    try:
        await read()
    except Exception as error:
        await pieces.put(told(asking.provider, error))
    else:
        await pieces.put(_END)


class _Stream:
    """What both kinds of stream have."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._feed: _Feed | None = None
        self._over = False
        self._result: ReasoningResult[str] | None = None

    @property
    def result(self) -> ReasoningResult[str] | None:
        """The whole answer, once the stream is at its end; None before, and when it was closed earlier."""
        return self._result

    def _take(self, item: Any) -> str | None:
        """Take an item; return its text, None at the end."""
        if isinstance(item, Response):
            self._result = result(item, self._asking)
            self._over = True
            return None
        if isinstance(item, DanaError):
            self._over = True
            raise item
        if item is _END:
            self._over = True
            return None
        return str(item)

    def __del__(self) -> None:
        feed = getattr(self, "_feed", None)
        if feed is not None and not self._over:
            feed.drop()


class LLMStream(_Stream):
    """The pieces of an answer. Closing it in the middle, or leaving its ``with`` block, ends the request."""

    def __iter__(self) -> LLMStream:
        return self

    def __next__(self) -> str:
        from opendxa.dana import background  # noqa: PLC0415 - loaded when a model is asked

        while not self._over:
            if self._feed is None:
                self._feed = background.run(_Feed.started(self._asking))
            left = self._asking.request.remaining()
            try:
                item = background.run(self._feed.next(), left)
            except background.FutureTimeoutError:
                self.close()
                raise late(self._asking) from None
            piece = self._take(item)
            if piece:
                return piece
        raise StopIteration

    def close(self) -> None:
        """End it. Closing twice is no error."""
        from opendxa.dana import background  # noqa: PLC0415

        self._over = True
        feed, self._feed = self._feed, None
        if feed is not None:
            background.run(feed.close())

    def __enter__(self) -> LLMStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncLLMStream(_Stream):
    """The pieces of an answer. Closing it in the middle, or leaving its block, ends the request."""

    def __aiter__(self) -> AsyncLLMStream:
        return self

    async def __anext__(self) -> str:
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        while not self._over:
            if self._feed is None:
                self._feed = _Feed(self._asking)
            try:
                item = await asyncio.wait_for(self._feed.next(), self._asking.request.remaining())
            except asyncio.TimeoutError:
                await self.aclose()
                raise late(self._asking) from None
            piece = self._take(item)
            if piece:
                return piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End it. Closing twice is no error."""
        self._over = True
        feed, self._feed = self._feed, None
        if feed is not None:
            await feed.close()

    async def __aenter__(self) -> AsyncLLMStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
