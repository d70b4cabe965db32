"""Models for Python code: ``with dana.get_llm() as llm: llm.generate("...")``, and the same for asyncio.

Rule: an answer is a `ReasoningResult`, a failure a `ModelError` or a limit's error, and after the ``with``
block nothing is left: streams are closed, and further questions refused. At most as many questions are under
way as the pool has places.
"""

from __future__ import annotations

import time
import weakref
from asyncio import TimeoutError as AsyncTimeoutError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from opendxa.dana import options as reason_options
from opendxa.dana.exceptions import DanaCallError, DanaError, ModelError, ModelLimitError, SessionClosedError
from opendxa.dana.limits import Limits
from opendxa.dana.reasoning import ReasoningResult
from opendxa.dana.types import format_type_error

from .asking import Asking, is_async, told
from .gate import LLMPool
from .ledger import Ledger
from .openai_compatible import PASSED_ON
from .prices import Prices
from .provider import Request, Response
from .resolve import resolve
from .transport import Timeouts

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from types import TracebackType

    from opendxa.dana.async_dana import AsyncDana
    from opendxa.dana.dana_module import Dana
    from opendxa.dana.models import Models
    from opendxa.dana.result import Usage

    from .cache import View
    from .prices import Price
    from .provider import Provider

__all__ = ["LLM", "AsyncLLM", "AsyncLLMStream", "LLMStream"]

Value = TypeVar("Value")
Kept = TypeVar("Kept", "Dana", "AsyncDana")
Kind = TypeVar("Kind", bound="_Resource")

#: Options of `generate` and `stream`.
_OPTIONS: Final = frozenset({"system_message", "format", "model", *PASSED_ON})
#: Pieces of a stream that may wait for their reader.
_AHEAD: Final = 16
_END: Final = object()
#: What waiting for too long is, in every version of Python.
_TIMEOUTS: Final = (TimeoutError, FutureTimeoutError, AsyncTimeoutError)


class _Resource:
    """What both kinds have."""

    def __init__(
        self,
        provider: Provider,
        *,
        pool: LLMPool | None = None,
        prices: Prices | None = None,
        tokens: int | None = None,
        model_calls: int | None = None,
        cost: float | None = None,
        view: View | None = None,
        session: Ledger | None = None,
    ) -> None:
        Limits(tokens=tokens, model_calls=model_calls, cost=cost)  # refuses what makes no sense
        self.provider = provider
        #: Shared with other resources of the same session, unless it was given.
        self.pool = pool if pool is not None else LLMPool()
        self._view = view
        self._ledger = Ledger(tokens, model_calls, cost, prices, within=session)
        self._closed = False
        self._streams: weakref.WeakSet[Any] = weakref.WeakSet()

    @classmethod
    def of(
        cls: type[Kind],
        models: Models,
        llm: object,
        pool: LLMPool | None,
        prices: Mapping[str, Price | tuple[float, float]] | None,
        **limits: Any,
    ) -> Kind:
        """Make one for a session: its model, unless another is given, its cache, and its books."""
        if pool is not None and not isinstance(pool, LLMPool):
            raise TypeError(format_type_error(pool, LLMPool, "argument 'pool'"))
        return cls(
            models.provider() if llm is None else resolve(llm),
            pool=pool if pool is not None else models.pool,
            prices=Prices(prices) if prices is not None else None,
            view=models.view,
            session=models.ledger,
            **limits,
        )

    @property
    def usage(self) -> Usage:
        """What all questions so far took, failed attempts included."""
        return self._ledger.used

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"{type(self).__name__}({self.provider!r}{state})"

    def _asking(
        self,
        prompt: str | list[dict[str, str]],
        options: dict[str, Any] | None,
        timeout: float | Timeouts | None,
    ) -> Asking:
        given = _checked(options)
        system = given.pop("system_message", None)
        messages = _messages(prompt, system)
        timeouts = timeout if isinstance(timeout, Timeouts) else None
        return self._ask(Request(messages, given, deadline=_deadline(timeout), timeouts=timeouts))

    def _ask(self, request: Request) -> Asking:
        if self._closed:
            raise SessionClosedError("the LLM resource was closed\nHint: ask inside its with block")
        return Asking(self.provider, request, self._ledger, self._view, self.pool)


class LLM(_Resource):
    """A model, for threads. `Dana.get_llm` makes one; several threads may use it at once."""

    def generate(
        self,
        prompt: str | list[dict[str, str]],
        options: dict[str, Any] | None = None,
        *,
        timeout: float | Timeouts | None = None,
    ) -> ReasoningResult[str]:
        """Ask with a prompt, or with chat messages, and return the text.

        Options: ``system_message``, ``temperature``, ``max_tokens``, ``format`` (``text`` or ``json``),
        ``model`` (one of those the provider has), ``top_p``, ``seed``, ``stop`` and the penalties. `timeout`,
        in seconds, is for everything, waiting for a place included; `Timeouts` say it in parts.
        """
        asking = self._asking(prompt, options, timeout)
        return _text(self._wait(asking), asking)

    @overload
    def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: type[Value],
        timeout: float | Timeouts | None = None,
    ) -> ReasoningResult[Value]: ...
    @overload
    def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        timeout: float | Timeouts | None = None,
    ) -> ReasoningResult[Any]: ...
    def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        timeout: float | Timeouts | None = None,
    ) -> ReasoningResult[Any]:
        """Ask as a Dana program does: see `Dana.reason`. Questions of several threads are asked at once."""
        self._refuse_closed()
        session = self._sessions.take() or self._new_session()
        inner: _Inner = session._settings["llm"]
        inner.begin(timeout)
        try:
            result = session.reason(prompt, options, returns=returns, details=True)
        except DanaCallError as error:
            raise _unwrapped(error) from error.__cause__
        finally:
            if self._closed or session.sandbox.ended or not self._sessions.put(session):
                session.close()
        return inner.finish(result)

    def stream(
        self,
        prompt: str | list[dict[str, str]],
        options: dict[str, Any] | None = None,
        *,
        timeout: float | Timeouts | None = None,
    ) -> LLMStream:
        """Ask and return the answer piece by piece: ``for piece in llm.stream("...")``."""
        stream = LLMStream(self._asking(prompt, options, timeout))
        self._streams.add(stream)
        return stream

    def close(self) -> None:
        """Close its streams and refuse further questions. Closing twice is no error."""
        self._closed = True
        for stream in list(self._streams):
            stream.close()
        while (session := self._sessions.take()) is not None:
            session.close()

    def __init__(self, provider: Provider, **settings: Any) -> None:
        super().__init__(provider, **settings)
        self._sessions: _Shelf[Dana] = _Shelf(self.pool.size)

    def __enter__(self) -> LLM:
        self._refuse_closed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise SessionClosedError("the LLM resource was closed\nHint: ask inside its with block")

    def _new_session(self) -> Dana:
        from opendxa.dana.dana_module import Dana  # noqa: PLC0415 - loaded when it is needed

        return Dana(llm=_Inner(self), echo=False, limits=_UNLIMITED)

    def _wait(self, asking: Asking) -> Response:
        """Ask and wait, also where the provider is async or could wait for ever."""
        from opendxa.dana import background  # noqa: PLC0415 - loaded when a model is asked

        left = asking.request.remaining()
        try:
            if is_async(asking.provider):
                response: Response = background.run(_within(asking.ask_async(), left))
                return response
            if left is None or background.is_worker_thread():
                return asking.ask()
            return background.submit(asking.ask).result(left)
        except Exception as error:
            raise _told(asking, error) from error.__cause__


class AsyncLLM(_Resource):
    """A model, for asyncio. `Dana.get_llm_async` makes one; several tasks of a loop may use it at once."""

    def __init__(self, provider: Provider, **settings: Any) -> None:
        super().__init__(provider, **settings)
        self._sessions: _Shelf[AsyncDana] = _Shelf(self.pool.size)

    async def generate(
        self,
        prompt: str | list[dict[str, str]],
        options: dict[str, Any] | None = None,
        *,
        timeout: float | Timeouts | None = None,
    ) -> ReasoningResult[str]:
        """Ask and return the text; see `LLM.generate`."""
        asking = self._asking(prompt, options, timeout)
        return _text(await self._wait(asking), asking)

    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: type[Value],
        timeout: float | Timeouts | None = None,
    ) -> ReasoningResult[Value]: ...
    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        timeout: float | Timeouts | None = None,
    ) -> ReasoningResult[Any]: ...
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        timeout: float | Timeouts | None = None,
    ) -> ReasoningResult[Any]:
        """Ask as a Dana program does: see `Dana.reason`. Questions of several tasks are asked at once."""
        self._refuse_closed()
        session = self._sessions.take() or self._new_session()
        inner: _AsyncInner = session._settings["llm"]
        inner.begin(timeout)
        kept = False
        try:
            result = await session.reason(prompt, options, returns=returns, details=True)
            kept = not self._closed and self._sessions.put(session)
        except DanaCallError as error:
            raise _unwrapped(error) from error.__cause__
        finally:
            if not kept:
                await session.close()
        return inner.finish(result)

    def stream(
        self,
        prompt: str | list[dict[str, str]],
        options: dict[str, Any] | None = None,
        *,
        timeout: float | Timeouts | None = None,
    ) -> AsyncLLMStream:
        """Ask and return the answer piece by piece: ``async for piece in llm.stream("...")``."""
        stream = AsyncLLMStream(self._asking(prompt, options, timeout))
        self._streams.add(stream)
        return stream

    async def close(self) -> None:
        """Close its streams and refuse further questions. Closing twice is no error."""
        self._closed = True
        for stream in list(self._streams):
            await stream.aclose()
        while (session := self._sessions.take()) is not None:
            await session.close()

    async def __aenter__(self) -> AsyncLLM:
        self._refuse_closed()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise SessionClosedError("the LLM resource was closed\nHint: ask inside its async with block")

    def _new_session(self) -> AsyncDana:
        from opendxa.dana.async_dana import AsyncDana  # noqa: PLC0415 - loaded when it is needed

        return AsyncDana(llm=_AsyncInner(self), echo=False, limits=_UNLIMITED)

    async def _wait(self, asking: Asking) -> Response:
        """Ask and wait; what blocks does so on a thread, which goes on when the task is cancelled."""
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        work = asking.ask_async() if is_async(asking.provider) else asyncio.to_thread(asking.ask)
        try:
            response: Response = await _within(work, asking.request.remaining())
        except Exception as error:
            raise _told(asking, error) from error.__cause__
        return response


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
            self._result = _text(item, self._asking)
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
                raise _late(self._asking) from None
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
                item = await _within(self._feed.next(), self._asking.request.remaining())
            except asyncio.TimeoutError:
                await self.aclose()
                raise _late(self._asking) from None
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


class _Shelf(Generic[Kept]):
    """Sessions of ours that ask in Dana's words; none of them ever runs a program."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[Kept] = []

    def take(self) -> Kept | None:
        """Return one that is free."""
        try:
            return self._kept.pop()
        except IndexError:
            return None

    def put(self, session: Kept) -> bool:
        """Keep one for the next question; False when there are enough."""
        if len(self._kept) >= self._size:
            return False
        self._kept.append(session)
        return True


class _Inner:
    """The model of such a session: the resource itself."""

    def __init__(self, resource: LLM | AsyncLLM) -> None:
        self._resource = weakref.proxy(resource)
        self._deadline: float | None = None
        self._timeouts: Timeouts | None = None
        self.model = getattr(resource.provider, "model", "")
        self.models = getattr(resource.provider, "models", [])
        self._usage: Usage | None = None

    def begin(self, timeout: float | Timeouts | None) -> None:
        """A question begins."""
        self._deadline, self._usage = _deadline(timeout), None
        self._timeouts = timeout if isinstance(timeout, Timeouts) else None

    def generate(self, request: Request) -> Any:
        """Ask through the resource."""
        asking = self._ask(request)
        try:
            return self._asked(asking)
        finally:
            self._book(asking)

    def _asked(self, asking: Asking) -> Any:
        return self._resource._wait(asking)

    def finish(self, result: ReasoningResult[Any]) -> ReasoningResult[Any]:
        """Return the answer with what the resource booked for it."""
        if self._usage is not None:
            result.usage = self._usage
        return result

    def _ask(self, request: Request) -> Asking:
        from dataclasses import replace  # noqa: PLC0415

        limited = replace(request, deadline=self._deadline, timeouts=self._timeouts)
        asking: Asking = self._resource._ask(limited)
        return asking

    def _book(self, asking: Asking) -> None:
        self._usage = asking.used if self._usage is None else self._usage + asking.used


class _AsyncInner(_Inner):
    """The same for asyncio."""

    is_async = True

    async def generate(self, request: Request) -> Response:
        """Ask through the resource."""
        asking = self._ask(request)
        try:
            response: Response = await self._asked(asking)
        finally:
            self._book(asking)
        return response


#: The resource has limits of its own.
_UNLIMITED: Final = Limits(wall_time=None, cpu_time=None)


def _checked(options: dict[str, Any] | None) -> dict[str, Any]:
    """Return the options of a question as a new dictionary, or raise `DanaCallError`."""
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise TypeError(format_type_error(options, dict, "argument 'options'"))
    unknown = sorted(str(name) for name in options if name not in _OPTIONS)
    if unknown:
        allowed = ", ".join(sorted(_OPTIONS))
        raise DanaCallError(f"Invalid option keys: {unknown}; the options are {allowed}")
    reason_options.check({name: value for name, value in options.items() if name in reason_options.ALLOWED})
    return {name: value for name, value in options.items() if value is not None}


def _messages(prompt: str | list[dict[str, str]], system: str | None) -> list[dict[str, str]]:
    """Return the messages of a prompt, or those given."""
    if isinstance(prompt, str):
        if not prompt.strip():
            raise DanaCallError("the prompt is empty")
        said = [{"role": "user", "content": prompt}]
    elif isinstance(prompt, list) and prompt:
        said = []
        for item in prompt:
            role, content = (
                (item.get("role"), item.get("content")) if isinstance(item, dict) else (None, None)
            )
            if not isinstance(role, str) or not isinstance(content, str):
                raise TypeError(format_type_error(item, "dict with role and content", "a message"))
            said.append({"role": role, "content": content})
    else:
        raise TypeError(format_type_error(prompt, "str or list of messages", "argument 'prompt'"))
    return [{"role": "system", "content": system}, *said] if system else said


def _deadline(timeout: float | Timeouts | None) -> float | None:
    if isinstance(timeout, Timeouts):
        timeout = timeout.total
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(format_type_error(timeout, float, "argument 'timeout'"))
    return time.monotonic() + max(0.0, timeout)


def _text(response: Response, asking: Asking) -> ReasoningResult[str]:
    return ReasoningResult(
        response.text,
        usage=asking.used,
        model=response.model,
        cached=response.cached,
        attempts=response.attempts,
    )


def _told(asking: Asking, error: Exception) -> DanaError:
    """Return what to raise: a timeout of ours, or what the provider said."""
    if isinstance(error, _TIMEOUTS) and asking.request.remaining() == 0:
        return _late(asking)
    return told(asking.provider, error)


def _late(asking: Asking) -> ModelError:
    name = f" {asking.model!r}" if asking.model else ""
    return ModelError(f"the model{name} gave no answer within the timeout", attempts=int(asking._asked))


def _unwrapped(error: DanaCallError) -> DanaError:
    """Return what was really wrong with a question asked in Dana's words."""
    cause: BaseException | None = error
    while isinstance(cause, DanaCallError) and not isinstance(cause, ModelLimitError):
        cause = cause.original_error
    return cause if isinstance(cause, DanaError) else error


async def _within(work: Any, left: float | None) -> Any:
    """Wait for something no longer than `left` seconds."""
    import asyncio  # noqa: PLC0415

    return await asyncio.wait_for(work, left)
