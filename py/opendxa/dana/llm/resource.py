"""Models for Python code: ``with dana.get_llm() as llm: llm.generate("...")``, and the same for asyncio.

Rule: an answer is a `ReasoningResult`, a failure a `ModelError` or a limit's error, and after the ``with``
block nothing is left: streams are closed, and further questions refused. At most as many questions are under
way as the pool has places.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from opendxa.dana.exceptions import DanaCallError, DanaError, ModelError, ModelLimitError, SessionClosedError
from opendxa.dana.limits import Limits
from opendxa.dana.types import format_type_error

from .asking import Asking, is_async
from .chat import deadline, failure, question, result, too_late
from .gate import LLMPool
from .ledger import Ledger
from .own_sessions import AsyncInner, Inner, Shelf
from .prices import Prices
from .resolve import resolve
from .streams import AsyncLLMStream, LLMStream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from opendxa.dana.async_dana import AsyncDana
    from opendxa.dana.dana_module import Dana
    from opendxa.dana.models import Models
    from opendxa.dana.reasoning import ReasoningResult
    from opendxa.dana.result import Usage

    from .cache import View
    from .prices import Price
    from .provider import Provider, Request, Response
    from .transport import Timeouts

__all__ = ["LLM", "AsyncLLM"]

Value = TypeVar("Value")
Kind = TypeVar("Kind", bound="_Resource")


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
        self.pool: LLMPool = pool if pool is not None else LLMPool()
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
        return self._ask(question(prompt, options, timeout))

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
        return result(self._wait(asking), asking)

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
        inner: Inner = session._settings["llm"]
        inner.begin(timeout)
        try:
            answer = self._reasoned(session, prompt, options, returns, deadline(timeout))
        except DanaCallError as error:
            self._put_back(session)
            raise _unwrapped(error) from error.__cause__
        except ModelError:
            raise  # too late: the session is still busy, and closed when it is not
        except BaseException:
            session.close()
            raise
        self._put_back(session)
        return inner.finish(answer)

    def _reasoned(
        self, session: Dana, prompt: str, options: dict[str, Any] | None, returns: Any, end: float | None
    ) -> ReasoningResult[Any]:
        """Ask through a session; what blocks is not waited for beyond the end."""
        from opendxa.dana import background  # noqa: PLC0415 - loaded when a model is asked

        def ask() -> ReasoningResult[Any]:
            answer: ReasoningResult[Any] = session.reason(prompt, options, returns=returns, details=True)
            return answer

        if end is None or is_async(self.provider) or background.is_worker_thread():
            return ask()
        asking = background.submit(ask)
        try:
            answer: ReasoningResult[Any] = asking.result(max(0.0, end - time.monotonic()))
        except background.FutureTimeoutError:
            if asking.done():
                raise
            asking.add_done_callback(lambda _: session.close())
            raise too_late(getattr(self.provider, "model", "")) from None
        return answer

    def _put_back(self, session: Dana) -> None:
        """Keep a session for the next question, if it is of use."""
        if self._closed or session.sandbox.ended or not self._sessions.put(session):
            session.close()

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
        self._sessions: Shelf[Dana] = Shelf(self.pool.size)

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

        return Dana(llm=Inner(self), echo=False, limits=_UNLIMITED)

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
            raise failure(asking, error) from error.__cause__


class AsyncLLM(_Resource):
    """A model, for asyncio. `Dana.get_llm_async` makes one; several tasks of a loop may use it at once."""

    def __init__(self, provider: Provider, **settings: Any) -> None:
        super().__init__(provider, **settings)
        self._sessions: Shelf[AsyncDana] = Shelf(self.pool.size)

    async def generate(
        self,
        prompt: str | list[dict[str, str]],
        options: dict[str, Any] | None = None,
        *,
        timeout: float | Timeouts | None = None,
    ) -> ReasoningResult[str]:
        """Ask and return the text; see `LLM.generate`."""
        asking = self._asking(prompt, options, timeout)
        return result(await self._wait(asking), asking)

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
        inner: AsyncInner = session._settings["llm"]
        inner.begin(timeout)
        kept = False
        try:
            answer = await session.reason(prompt, options, returns=returns, details=True)
            kept = not self._closed and self._sessions.put(session)
        except DanaCallError as error:
            raise _unwrapped(error) from error.__cause__
        finally:
            if not kept:
                await session.close()
        return inner.finish(answer)

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

        return AsyncDana(llm=AsyncInner(self), echo=False, limits=_UNLIMITED)

    async def _wait(self, asking: Asking) -> Response:
        """Ask and wait; what blocks does so on a thread, which goes on when the task is cancelled."""
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        work = asking.ask_async() if is_async(asking.provider) else asyncio.to_thread(asking.ask)
        try:
            response: Response = await _within(work, asking.request.remaining())
        except Exception as error:
            raise failure(asking, error) from error.__cause__
        return response


#: The resource has limits of its own.
_UNLIMITED: Final = Limits(wall_time=None, cpu_time=None)


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
