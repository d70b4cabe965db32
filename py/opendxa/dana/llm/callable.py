"""A plain function as a model: ``fn(messages, options) -> str``, sync or async; a generator is a stream."""

from __future__ import annotations

import inspect
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from opendxa.dana.functions import is_async

from .provider import Response, as_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .provider import Request

__all__ = ["FromCallable"]

#: Per function, what a cache tells it apart by: as long as it lives, and in this process only.
_identities: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


class FromCallable:
    """Calls ``fn(messages, options)`` and takes its text for the answer; it may also return a `Response`.

    What a generator, sync or async, yields are the pieces of its answer.

    `name` tells caches that outlive this process which function it is; without it, only this very function's
    answers are found again.
    """

    def __init__(
        self, function: Callable[[list[dict[str, str]], dict[str, Any]], Any], name: str | None = None
    ) -> None:
        self._function = function
        #: `generate` only makes a coroutine, and needs no thread to wait in.
        self.is_async: bool = is_async(function)
        self.cache_identity: str = f"callable {name}" if name is not None else identity(function)

    def generate(self, request: Request) -> Any:
        """Answer by calling the function."""
        answer = self._call(request)
        pieces: Any = answer
        if inspect.isgenerator(answer):
            return "".join(pieces)
        return _joined(pieces) if inspect.isasyncgen(answer) else answer

    async def stream(self, request: Request) -> AsyncIterator[str | Response]:
        """Hand out what a generator yields, each piece when it comes; the last item is the `Response`."""
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        answer: Any
        answer = self._call(request) if self.is_async else await asyncio.to_thread(self._call, request)
        if inspect.isawaitable(answer):
            answer = await answer
        parts: list[str] = []
        if inspect.isgenerator(answer):
            pieces: Any = answer
            try:
                while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                    parts.append(piece)
                    yield piece
            finally:
                with suppress(ValueError):  # it still runs on its thread, which lets go of it
                    pieces.close()
        elif inspect.isasyncgen(answer):
            later: Any = answer
            async with aclosing(later):
                async for piece in later:
                    parts.append(piece)
                    yield piece
        else:
            response = as_response(self, answer)
            yield response.text
            yield response
            return
        yield Response("".join(parts))

    def _call(self, request: Request) -> Any:
        return self._function([dict(message) for message in request.messages], dict(request.options))

    def __repr__(self) -> str:
        return f"FromCallable({self._function!r})"


async def _joined(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


def identity(thing: object) -> str:
    """Return a name that only this object has, as long as it lives."""
    try:
        return _identities.setdefault(thing, f"object {uuid4().hex}")
    except TypeError:  # neither hashable nor weakly referable: each time another
        return f"object {uuid4().hex}"
