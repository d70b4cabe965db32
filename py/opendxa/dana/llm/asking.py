"""One question to a model, the way everybody asks: cache, place, budget, trace, books.

Rule: the order never differs. What is known already is answered without a place and without the budget; what
goes out waits for its place, is admitted, and is booked however it ends.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opendxa.dana import telemetry
from opendxa.dana.exceptions import DanaError, ModelError
from opendxa.dana.result import Usage

from .provider import Meter, Response, as_response, asked_model, check_length, generate
from .transport import redacted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from .cache import View
    from .gate import LLMPool
    from .ledger import Ledger
    from .provider import Provider, Request

__all__ = ["Asking", "is_async"]


def is_async(provider: object) -> bool:
    """Whether a provider's answer is awaited rather than waited for on a thread."""
    from inspect import iscoroutinefunction  # noqa: PLC0415 - costs more than this module

    told = getattr(provider, "is_async", None)
    return bool(told) if told is not None else iscoroutinefunction(getattr(provider, "generate", None))


class Asking:
    """A question on its way. `used` is what it took, once it is over."""

    def __init__(
        self,
        provider: Provider,
        request: Request,
        ledger: Ledger,
        view: View | None = None,
        pool: LLMPool | None = None,
    ) -> None:
        self.provider = provider
        self._meter = Meter()
        self.model: str = asked_model(provider, request)
        self.request: Request = replace(request, meter=self._meter, options=_options(request, self.model))
        self.used: Usage = Usage()
        self._ledger = ledger
        self._view = view
        self._pool = pool
        #: Whether it went out to the provider.
        self.went_out: bool = False

    def ask(self) -> Response:
        """Ask and wait."""
        try:
            response = self._known_or_fresh()
        except BaseException as error:
            self._failed(error)
            raise
        return self._answered(response)

    async def ask_async(self) -> Response:
        """Ask a provider that waits without a thread."""
        try:
            response = await self._known_or_fresh_async()
        except BaseException as error:
            self._failed(error)
            raise
        return self._answered(response)

    async def stream(self) -> AsyncGenerator[str | Response, None]:
        """Ask and hand out the answer piece by piece; the last item is the `Response`."""
        key = self._key()
        if self._view is not None and key is not None and key[1]:
            await self._view.forget_async(key[0], self.request.remaining())
        elif self._view is not None and key is not None:
            known = await self._view.known_async(key[0], self.request.remaining())
            if known is not None:
                yield known.text
                yield self._answered(known)
                return
        try:
            async with self._place_async():
                with telemetry.chat(self.provider, self.request) as answered:
                    self._admit()
                    response: Response | None = None
                    length = 0
                    # Closed here, so that the request is over before its place is free.
                    async with aclosing(_pieces(self.provider, self.request)) as pieces:
                        async for piece in pieces:
                            if isinstance(piece, Response):
                                response = answered(piece)
                                continue
                            length += len(piece)
                            check_length(self.provider, length)
                            yield piece
                    if response is None:
                        raise ModelError(f"the stream of {self.provider!r} ended without a Response")
        except BaseException as error:
            self._failed(error)
            raise
        if self._view is not None and key is not None and not key[1] and self._view.keep(key[0], response):
            await self._view.save_async(key[0], response, self.request.remaining())
        yield self._answered(response)

    def _known_or_fresh(self) -> Response:
        key = self._key()
        if self._view is None or key is None:
            return self._fresh()
        if key[1]:
            self._view.forget(key[0], self.request.remaining())
            return self._fresh()
        return self._view.answer(key[0], self.request, self._fresh)

    async def _known_or_fresh_async(self) -> Response:
        key = self._key()
        if self._view is None or key is None:
            return await self._fresh_async()
        if key[1]:
            await self._view.forget_async(key[0], self.request.remaining())
            return await self._fresh_async()
        return await self._view.answer_async(key[0], self.request, self._fresh_async)

    def _key(self) -> tuple[str, bool] | None:
        if self._view is None:
            return None
        return self._view.key(self.provider, self.request, self.model)

    def _fresh(self) -> Response:
        with self._place(), telemetry.chat(self.provider, self.request) as answered:
            self._admit()
            return answered(generate(self.provider, self.request))

    async def _fresh_async(self) -> Response:
        async with self._place_async():
            with telemetry.chat(self.provider, self.request) as answered:
                self._admit()
                answer: Any = self.provider.generate(self.request)
                return answered(as_response(self.provider, await answer))

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._pool is None:
            yield
            return
        with self._pool.place(self.request.remaining()):
            yield

    @asynccontextmanager
    async def _place_async(self) -> AsyncIterator[None]:
        if self._pool is None:
            yield
            return
        async with self._pool.place_async(self.request.remaining()):
            yield

    def _admit(self) -> None:
        self._ledger.admit(self.model)
        self.went_out = True

    def _answered(self, response: Response) -> Response:
        self.used = self._ledger.answered(self.model, response)
        return response

    def _failed(self, error: BaseException) -> None:
        if not self.went_out:
            return
        took = error if isinstance(error, ModelError) else self._meter
        failed = took.attempts
        if not isinstance(error, Exception):  # who gives up says nothing about the try under way
            failed = max(0, failed - 1)
        tokens = took.input_tokens, took.output_tokens
        self.used = self._ledger.book(self.model, self.model, failed, *tokens)


def _options(request: Request, model: str) -> dict[str, Any]:
    """Return the options without a model that the question does not go to, as far as anybody knows."""
    options = request.options
    if options.get("model") in (None, model):
        return options
    return {name: value for name, value in options.items() if name != "model"}


def told(provider: object, error: Exception) -> DanaError:
    """Return what to raise for a provider's error: our own as it is, another as `ModelError` without keys."""
    if isinstance(error, DanaError):
        return error
    text = redacted(str(error))[:500]
    return ModelError(f"the provider {provider!r} failed: {type(error).__name__}: {text}")


async def _pieces(provider: Any, request: Request) -> AsyncGenerator[str | Response, None]:
    """Hand out the pieces of an answer; a provider that cannot stream gives one."""
    stream = getattr(provider, "stream", None)
    if not callable(stream):
        response = await _whole(provider, request)
        yield response.text
        yield response
        return
    pieces: Any = stream(request)
    if not hasattr(pieces, "__aiter__"):
        raise ModelError(f"the stream of {provider!r} is not an async iterator")
    try:
        async for piece in pieces:
            yield piece
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


async def _whole(provider: Any, request: Request) -> Response:
    import asyncio  # noqa: PLC0415 - loaded when something is asynchronous
    from inspect import isawaitable  # noqa: PLC0415

    if is_async(provider):
        return as_response(provider, await provider.generate(request))
    answer = await asyncio.to_thread(provider.generate, request)
    return as_response(provider, await answer if isawaitable(answer) else answer)
