"""The service: trips planned by a Dana program, and a sandbox for hostile code.

    uvicorn examples.trip_planner.app:app

Rule: every request has a fresh worker, which has ended when the answer is there. Text of models, programs and
visitors goes out as data; the page may load nothing but its own files.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opendxa.dana import PoolConfig
from opendxa.dana.exceptions import ConfigurationError, ModelError
from opendxa.dana.fastapi import PROBLEMS, DanaSession, Event, EventStream, dana_lifespan

from . import planning, trials
from .attacks import ATTACKS
from .model import Heard
from .shapes import Trial, TripAnswer, TripRequest, Verdict

__all__ = ["app", "create_app"]

STATIC: Final = Path(__file__).with_name("static")
#: Programs of strangers that run at once in this process; more wait in their order.
_TRIALS: Final = 8
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(
    llm: object = None, *, pool: PoolConfig | None = None, sessions_per_tenant: int = 16
) -> FastAPI:
    """Make the application. `llm` is what `Dana(llm=...)` takes; without it the environment says."""
    model = Heard(llm)
    lifespan = dana_lifespan(
        pool=pool if pool is not None else PoolConfig(min_idle=2, max_workers=64),
        tenant=lambda connection: connection.client.host if connection.client else None,
        sessions_per_tenant=sessions_per_tenant,
        limits=planning.LIMITS,
        setup=planning.PROGRAM,
        llm=model,
        max_body=2**16,
    )
    # FastAPI's own pages of documentation load scripts from another host; /openapi.json stays.
    app = FastAPI(title="Trip planner", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Headers)
    app.add_exception_handler(RequestValidationError, _refused)
    places = asyncio.Semaphore(_TRIALS)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.post("/api/trips", responses=PROBLEMS)
    async def trips(wish: TripRequest, d: DanaSession) -> TripAnswer:
        """Plan a trip, and answer when it is there."""
        async with aclosing(planning.plan(d, wish)) as events:
            told = {event: data async for event, data in events}
        return TripAnswer(trip=told["trip"], worker=told["worker"], **told["closed"])

    @app.post("/api/trips/stream", responses=PROBLEMS, response_class=EventStream)
    async def stream(wish: TripRequest, d: DanaSession) -> EventStream:
        """Plan a trip, and tell what happens meanwhile: see `planning`. Last comes ``done`` or ``error``."""
        return EventStream(_events(planning.plan(d, wish)))

    @app.post("/api/sandbox", responses=PROBLEMS)
    async def sandbox(trial: Trial) -> Verdict:
        """Run any program, with tight limits."""
        async with places:
            return await trials.run(trial.code)

    @app.get("/api/attacks")
    async def attacks() -> list[dict[str, str]]:
        """Tell which attacks are prepared."""
        return [asdict(attack) for attack in ATTACKS]

    @app.get("/api/health", responses=PROBLEMS)
    async def health() -> dict[str, Any]:
        """Ask a fresh worker, and tell what the model is called."""
        try:
            name = model.model
        except (ConfigurationError, ModelError):
            name = None
        return {"worker": (await trials.still_answers()).model_dump(), "host": os.getpid(), "model": name}

    app.mount("/static", StaticFiles(directory=STATIC))
    return app


async def _events(told: Any) -> AsyncIterator[Event]:
    async with aclosing(told) as events:
        async for event, data in events:
            yield Event(data, event)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with a request, without repeating it: it may hold what no encoding takes."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"field": ".".join(map(str, item["loc"][1:])), "message": item["msg"]} for item in error.errors()
    ]
    told = {
        "type": "about:blank",
        "status": 422,
        "title": "The request does not fit",
        "detail": "; ".join(f"{item['field'] or 'body'}: {item['message']}" for item in wrong),
        "errors": wrong,
    }
    return JSONResponse(told, 422, media_type="application/problem+json")


class Headers:
    """Adds what a browser must be told with every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name.lower() for name, _ in message["headers"]}
                new = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *(item for item in new if item[0] not in known)]
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)


app = create_app()
