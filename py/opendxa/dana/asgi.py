"""A fresh session for every request of any ASGI application: Starlette, Litestar, Quart, or none.

    app = DanaMiddleware(app, pool=PoolConfig(min_idle=4, max_workers=200))

    async def app(scope, receive, send):
        d = await dana_session(scope)
        result = await d.execute_string("6 * 7")

Rule: an application's own messages, errors and answers pass untouched. What is the package's is its session,
its errors, which become problems (RFC 9457), and the start and stop of its pool. No framework is imported.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .exceptions import BodyTooLargeError, ConfigurationError, DanaError
from .limits import Limits
from .web.events import Event, event_stream, plain, program_events
from .web.exchange import Exchange, Inbox, Message, Receive, Scope, Send
from .web.health import metrics, readiness
from .web.problems import Problem, log, problem_of
from .web.service import Service, ServiceSettings, checked_function

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from typing_extensions import Unpack

    from .async_dana import AsyncDana
    from .result import Usage

__all__ = [
    "DanaMiddleware",
    "Event",
    "EventStream",
    "dana_session",
    "event_stream",
    "metrics",
    "plain",
    "problem_of",
    "program_events",
    "readiness",
]

App = Callable[[Scope, Receive, Send], Awaitable[None]]
#: Says whose request it is, sync or async; None is nobody's.
Tenant = Callable[[Scope], "str | Awaitable[str | None] | None"]
#: Says what a request may use, sync or async.
LimitsOf = Callable[[Scope], "Limits | Awaitable[Limits | None] | None"]

_log = logging.getLogger("opendxa.dana.web")


async def dana_session(scope: Scope) -> AsyncDana:
    """Return the session of a request, opened when it is first asked for; it is closed after the answer."""
    return await exchange_of(scope).session()


def exchange_of(scope: Scope) -> Exchange:
    """Return what an application keeps of a request's sessions."""
    exchange = scope.get("dana")
    if not isinstance(exchange, Exchange):
        raise ConfigurationError(
            "this application has no Dana sessions\n"
            "Hint: wrap it in DanaMiddleware, or give FastAPI(lifespan=dana_lifespan()) and have it started"
        )
    return exchange


class DanaMiddleware:
    """Gives each request of an ASGI application a session of its own: see `dana_session`.

    `tenant` and `limits` are functions of the scope, sync or async; `limits` may also be the same for all.
    The other settings are those of docs/WEB.md.
    """

    def __init__(
        self,
        app: App,
        *,
        tenant: Tenant | None = None,
        limits: Limits | LimitsOf | None = None,
        **settings: Unpack[ServiceSettings],
    ) -> None:
        self.app: App = app
        self.service: Service = Service(
            limits=limits if isinstance(limits, Limits) else None,
            limits_known=not callable(limits),
            **settings,
        )
        self._tenant = checked_function(tenant, "tenant")
        self._limits = checked_function(None if isinstance(limits, Limits) else limits, "limits")
        self._open: set[Exchange] = set()
        self._ended: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the application's whole life."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] in ("http", "websocket"):
            await self._serve(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def start(self) -> None:
        """Set up and fill the pool; raises `IsolationUnavailableError` where isolation cannot be had."""
        await asyncio.to_thread(self.service.start)

    async def stop(self) -> None:
        """Let requests end, for `drain` seconds at most, then end what is left, and the pool."""
        self.service.stop_taking()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.service.drain
        ended = self._ended = asyncio.Event()
        while self._open:
            ended.clear()
            try:
                await asyncio.wait_for(ended.wait(), max(0.0, end - loop.time()))
            except asyncio.TimeoutError:
                _log.warning("the service stops: %d requests lose their sessions", len(self._open))
                for exchange in list(self._open):
                    exchange.end()
                break
        await asyncio.to_thread(self.service.stop)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self.service
        inbox = Inbox(receive, service.max_body if scope["type"] == "http" else None)
        exchange = Exchange(
            service,
            inbox,
            partial(self._tenant, scope) if self._tenant is not None else None,
            partial(self._limits, scope) if self._limits is not None else None,
        )
        scope["dana"] = exchange  # not in a copy: who is outside reads there which route it was
        self._open.add(exchange)
        try:
            await with_problems(self.app, exchange, scope, inbox.receive, send)
        finally:
            try:
                await exchange.close()
            finally:
                self._open.discard(exchange)
                if self._ended is not None:
                    self._ended.set()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start before the application does and stop after it."""
        message = await receive()
        try:
            await self.start()
        except Exception as error:
            _log.exception("the Dana sessions of this application cannot be had")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        told: set[str] = set()
        first: list[Message] = [message]

        async def next_message() -> Message:
            return first.pop() if first else await receive()

        async def answered(message: Message) -> None:
            told.add(message["type"])
            if message["type"] != "lifespan.startup.complete":
                await self.stop()
            await send(message)

        try:
            await self.app(scope, next_message, answered)
        except Exception:
            if told:
                await self.stop()
                raise
            # It has no lifespan, and the server goes on without: so does this.
            _log.debug("the application has no lifespan", exc_info=True)
        if not told:
            await send({"type": "lifespan.startup.complete"})
            if first or (await receive())["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})


async def with_problems(app: App, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
    """Have an application answer; errors of the package become problems where no answer has begun."""
    service, inbox = exchange.service, exchange.inbox
    started = given_up = False

    async def answer(message: Message) -> None:
        nonlocal started, given_up
        if inbox.too_large and not started:
            given_up = True  # it could not read the body, and says so in its own words
            return
        started = True
        await send(message)

    failure: DanaError | None = None
    try:
        if service.max_body is not None and _declared(scope) > service.max_body:
            inbox.refuse()
        await app(scope, receive, answer)
    except DanaError as error:
        if not inbox.gone and (started or not service.problems or scope["type"] != "http"):
            raise
        failure = error
    if given_up or (failure is not None and inbox.too_large):
        failure = BodyTooLargeError("the body of the request is larger than it may be")
    if failure is None:
        return
    if inbox.gone:
        _log.debug("nobody waits for this any more", exc_info=failure)
        return
    problem = problem_of(failure, messages=service.messages, base=service.problem_base)
    log(problem, failure)
    await send_problem(send, problem)


class EventStream:
    """An answer of server-sent events: ``await EventStream(source)(scope, receive, send)``.

    See `event_stream` for the arguments. When the client goes away, what makes the pieces is ended at once.
    """

    def __init__(
        self,
        source: AsyncIterable[Any],
        *,
        usage: Callable[[], Usage | None] | None = None,
        heartbeat: float | None = 15.0,
        retry: int | None = None,
    ) -> None:
        self._settings: dict[str, Any] = {"usage": usage, "heartbeat": heartbeat, "retry": retry}
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        from .web.events import HEADERS, MEDIA_TYPE  # noqa: PLC0415

        headers = {"Content-Type": MEDIA_TYPE, **HEADERS}
        start = {"type": "http.response.start", "status": 200, "headers": encoded(headers.items())}
        await send_events(self.events(scope), start, receive, send)

    def events(self, scope: Scope) -> AsyncGenerator[bytes, None]:
        """Return the bytes of the events, with the settings of the application that sends them."""
        exchange = scope.get("dana")
        if isinstance(exchange, Exchange):
            service = exchange.service
            told: dict[str, Any] = {"messages": service.messages, "base": service.problem_base}
        else:
            told = {}
        return event_stream(self._source, **self._settings, **told)


async def send_events(
    events: AsyncGenerator[bytes, None], start: Message, receive: Receive, send: Send
) -> None:
    """Send events until there are no more or the client has gone, and end what makes them."""
    sending = asyncio.ensure_future(_send_all(events, start, send))
    leaving = asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.wait([sending, leaving])
        await events.aclose()
    if not sending.cancelled():
        sending.result()


async def _send_all(events: AsyncGenerator[bytes, None], start: Message, send: Send) -> None:
    await send(start)
    try:
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except OSError:
        _log.debug("the client of a stream went away", exc_info=True)  # how newer servers tell


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_problem(send: Send, problem: Problem) -> None:
    """Send a whole answer."""
    body = problem.body()
    headers = [*problem.headers(), ("Content-Length", str(len(body)))]
    await send({"type": "http.response.start", "status": problem.status, "headers": encoded(headers)})
    await send({"type": "http.response.body", "body": body})


def encoded(headers: Any) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _declared(scope: Scope) -> int:
    """Return the length of the body as the client gives it, 0 where it does not."""
    for name, value in scope.get("headers", ()):
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
