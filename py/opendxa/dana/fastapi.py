"""Dana sessions for FastAPI: ``pip install 'dana-bridge[fastapi]'``.

    app = FastAPI(lifespan=dana_lifespan(pool=PoolConfig(min_idle=4, max_workers=200)))

    @app.post("/run")
    async def run(program: str, d: DanaSession) -> Any:
        result = await d.execute_string(program)
        if result.error is not None:
            raise result.error          # becomes a problem (RFC 9457)
        return result.result

Rule: a session is one request's alone, isolated unless the service said that it need not be, and ends with
the answer, streams included, or with the client. Errors of the package become problems; handlers of yours for
them come first, and errors of yours are never touched.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

try:
    from fastapi import APIRouter, Depends, FastAPI
    from fastapi.responses import JSONResponse, PlainTextResponse, Response
    from starlette.requests import HTTPConnection, Request
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"FastAPI is not installed ({_missing})\nHint: pip install 'dana-bridge[fastapi]'", name=_missing.name
    ) from _missing

from . import asgi
from .asgi import DanaMiddleware
from .async_dana import AsyncDana
from .dana_module import Dana
from .limits import Limits
from .web.events import HEADERS, MEDIA_TYPE, Event, event_stream, plain, program_events
from .web.exchange import Exchange
from .web.health import METRICS_TYPE, metrics, readiness
from .web.problems import MEDIA_TYPE as PROBLEM_TYPE
from .web.problems import ROWS, problem_of
from .web.service import checked_function

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .result import Usage
    from .web.exchange import Receive, Scope, Send
    from .web.service import ServiceSettings

__all__ = [
    "PROBLEMS",
    "DanaSession",
    "DanaThreadSession",
    "Event",
    "EventStream",
    "dana_lifespan",
    "dana_router",
    "dana_session",
    "dana_thread_session",
    "event_stream",
    "install",
    "plain",
    "problem_of",
    "program_events",
]

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def dana_lifespan(
    *,
    tenant: Callable[[HTTPConnection], str | Awaitable[str | None] | None] | None = None,
    limits: Limits | Callable[[HTTPConnection], Limits | Awaitable[Limits | None] | None] | None = None,
    **settings: Unpack[ServiceSettings],
) -> Lifespan:
    """Return a lifespan: ``FastAPI(lifespan=dana_lifespan(...))``.

    At start-up it sets up and fills the pool, and opens a session to see that one can be had; otherwise the
    application does not start. At shut-down requests end first, then every worker. `tenant` says whose a
    request is, `limits` what it may use. docs/WEB.md has the other settings.

    A lifespan of your own goes on round it: ``async with dana_lifespan(...)(app): yield``.
    """
    checked_function(tenant, "tenant")
    if not isinstance(limits, Limits):
        checked_function(limits, "limits")

    def middleware(app: asgi.App) -> DanaMiddleware:
        return DanaMiddleware(
            app,
            tenant=_of_connection(tenant),
            limits=limits if isinstance(limits, Limits) else _of_connection(limits),
            **settings,
        )

    middleware(_no_application)  # settings that make no sense are refused here, not when a server starts

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        router = app.router
        before = router.middleware_stack
        here = middleware(before)
        await here.start()
        # Inside of what an application puts round its routes: the handlers for errors of its own come first.
        router.middleware_stack = here
        try:
            yield
        finally:
            await here.stop()
            router.middleware_stack = before

    return lifespan


def install(app: FastAPI) -> None:
    """Have errors of the package become problems in an application that is mounted under another.

    Sessions are the outer application's; without this the inner one answers 500 by itself.
    """
    app.router.middleware_stack = _Problems(app.router.middleware_stack)


async def dana_session(connection: HTTPConnection) -> AsyncDana:
    """Return the request's session: a dependency, ``d: Annotated[AsyncDana, Depends(dana_session)]``."""
    return await asgi.dana_session(connection.scope)


async def dana_thread_session(connection: HTTPConnection) -> Dana:
    """Return a session for a plain ``def`` route: a dependency, as `dana_session` is for ``async def``."""
    return await asgi.exchange_of(connection.scope).thread_session()


#: The annotation of a parameter that gets the request's session, in an ``async def`` route.
DanaSession = Annotated[AsyncDana, Depends(dana_session)]
#: The same in a plain ``def`` route, which FastAPI runs on a thread.
DanaThreadSession = Annotated[Dana, Depends(dana_thread_session)]


class EventStream(Response):
    """An answer of server-sent events: ``return EventStream(llm.stream(prompt))``.

    See `event_stream` for the arguments. The session lives until the stream has ended; when the client goes
    away, what makes the pieces is ended at once.
    """

    media_type: str | None = MEDIA_TYPE

    def __init__(
        self,
        source: AsyncIterable[Any],
        *,
        usage: Callable[[], Usage | None] | None = None,
        heartbeat: float | None = 15.0,
        retry: int | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._stream = asgi.EventStream(source, usage=usage, heartbeat=heartbeat, retry=retry)
        super().__init__(None, status_code, {**HEADERS, **(headers or {})}, MEDIA_TYPE)
        del self.headers["content-length"]  # a stream has none

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await asgi.send_events(self._stream.events(scope), start, receive, send)
        if self.background is not None:
            await self.background()


def dana_router() -> APIRouter:
    """Return routes for monitoring: ``app.include_router(dana_router(), prefix="/dana")``.

    ``/ready`` answers 200 or 503, ``/metrics`` has figures for Prometheus. They tell nothing of tenants and
    programs; whether strangers may read them is for you to decide.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/ready")
    def ready(request: Request) -> Response:
        exchange = request.scope.get("dana")
        if not isinstance(exchange, Exchange):
            return JSONResponse({"ready": False}, 503)
        is_ready, told = readiness(exchange.service)
        return JSONResponse(told, 200 if is_ready else 503, {"Cache-Control": "no-store"})

    @router.get("/metrics")
    def figures() -> Response:
        return PlainTextResponse(metrics(), media_type=METRICS_TYPE)

    return router


def _responses() -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of problems, one answer a status."""
    titles: dict[int, list[str]] = {}
    for row in ROWS.values():
        if row.title not in titles.setdefault(row.status, []):
            titles[row.status].append(row.title)
    schema = {
        "type": "object",
        "required": ["type", "status", "title", "detail", "instance"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "status": {"type": "integer"},
            "title": {"type": "string"},
            "detail": {"type": "string"},
            "instance": {"type": "string", "format": "uri"},
            "limit": {"type": "string"},
            "kind": {"type": "string"},
            "line": {"type": "integer"},
            "column": {"type": "integer"},
            "message": {"type": "string"},
            "retry_after": {"type": "integer"},
        },
    }
    return {
        status: {"description": "; ".join(told), "content": {PROBLEM_TYPE: {"schema": schema}}}
        for status, told in sorted(titles.items())
        if status != 500
    }


#: For ``responses=`` of a route, a router or an application: what OpenAPI says of problems.
PROBLEMS: dict[int | str, dict[str, Any]] = _responses()


class _Problems:
    """Makes problems of the package's errors, with the settings of the application outside."""

    def __init__(self, app: asgi.App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope.get("dana")
        if isinstance(exchange, Exchange):
            await asgi.with_problems(self._app, exchange, scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _of_connection(function: Any) -> Any:
    """Have a function of a connection called with a scope."""
    return None if function is None else lambda scope: function(HTTPConnection(scope))


async def _no_application(*_: object) -> None:
    raise RuntimeError("the application has not started")
