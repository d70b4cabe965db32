"""A FastAPI application for uvicorn: programs of strangers, with tenants and limits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection

from opendxa.dana import Limits, PoolConfig, worker
from opendxa.dana.fastapi import (
    PROBLEMS,
    DanaSession,
    DanaThreadSession,
    EventStream,
    dana_lifespan,
    dana_router,
    install,
    plain,
    program_events,
)

if "WORKER" in os.environ:
    worker.PATH = os.environ["WORKER"]

#: What the model is doing: pieces it gave, and whether somebody ended it.
MODEL = {"pieces": 0, "ended": 0}
USED: list[tuple[str | None, int]] = []


async def model(messages: list[dict[str, Any]], options: dict[str, Any]) -> AsyncIterator[str]:
    if "go on" not in messages[-1]["content"]:
        yield "yes"
        return
    try:
        while True:
            MODEL["pieces"] += 1
            yield "word "
            await asyncio.sleep(0.005)
    finally:
        MODEL["ended"] += 1


def limits(connection: HTTPConnection) -> Limits:
    seconds = float(connection.headers.get("x-seconds", 60))
    return Limits(wall_time=seconds, output=2**16, memory=256 * 2**20, model_calls=1)


async def tenant(connection: HTTPConnection) -> str | None:
    await asyncio.sleep(0)
    name = connection.headers.get("x-tenant")
    if name == "nobody":
        raise HTTPException(401, "who are you?")
    return name


def held() -> int:
    """Wait until the test lets go."""
    return int(Path(os.environ["GATE"]).read_text())


async def twice(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def secret() -> int:
    raise ValueError("the password is hunter2 in /etc/shadow")


app = FastAPI(
    lifespan=dana_lifespan(
        pool=PoolConfig(min_idle=2, max_workers=int(os.environ.get("MOST", "300")), acquire_timeout=0.3),
        tenant=tenant,
        limits=limits,
        sessions_per_tenant=2,
        max_body=100_000,
        functions=[twice, secret, held],
        llm=model,
        on_usage=lambda name, usage: USED.append((name, usage.steps)),
    )
)
app.include_router(dana_router(), prefix="/dana")

if "MIDDLEWARE" in os.environ:

    @app.middleware("http")
    async def passes(request: Request, call_next: Any) -> Any:
        return await call_next(request)


@app.post("/run", responses=PROBLEMS)
async def run(d: DanaSession, program: Annotated[str, Body(embed=True)]) -> Any:
    result = await d.execute_string(program)
    if result.error is not None:
        raise result.error
    value = plain(result.result)
    return {"value": value, "worker": d.subprocess_pid, "host": os.getpid(), "level": d.isolation.level}


@app.post("/stream")
async def stream(d: DanaSession, program: Annotated[str, Body(embed=True)]) -> EventStream:
    return EventStream(program_events(d, program), heartbeat=0.05)


@app.get("/say")
async def say(d: DanaSession) -> EventStream:
    return EventStream(d.get_llm_async().stream("go on"))


@app.post("/own-stream")
async def own_stream(d: DanaSession) -> StreamingResponse:
    """A stream of the user's: the session lives until its end."""

    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{(await d.execute_string(f'{number} * 2')).result} {d.is_subprocess_isolated}\n"

    return StreamingResponse(lines())


@app.post("/endless-own-stream")
async def endless_own_stream(d: DanaSession) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        yield f"{d.subprocess_pid}\n"
        await d.execute_string("while true:\n    pass")

    return StreamingResponse(lines())


@app.get("/wrong")
async def wrong(d: DanaSession) -> Any:
    raise KeyError("mine")


@app.get("/teapot")
async def teapot(d: DanaSession) -> Any:
    raise HTTPException(418, "short and stout")


@app.get("/plain")
async def no_session() -> dict[str, Any]:
    return {"model": MODEL, "used": USED, "host": os.getpid()}


@app.post("/echo")
async def echo(request: Request) -> dict[str, int]:
    return {"length": len(await request.body())}


@app.post("/late-body")
async def late_body(request: Request, d: DanaSession) -> dict[str, Any]:
    """A body that is read after the watch for the client's end has begun."""
    await d.execute_string("1")
    length = 0
    async for piece in request.stream():
        await d.execute_string("2")
        length += len(piece)
    return {"length": length}


inner = FastAPI()
install(inner)
app.mount("/inner", inner)


@inner.post("/run")
async def inner_run(d: DanaSession, program: Annotated[str, Body(embed=True)]) -> Any:
    result = await d.execute_string(program)
    if result.error is not None:
        raise result.error
    return {"value": result.result}


@app.post("/plain-run")
def plain_run(d: DanaThreadSession, program: Annotated[str, Body(embed=True)]) -> Any:
    """A plain function, which runs on a thread."""
    result = d.execute_string(program)
    if result.error is not None:
        raise result.error
    return {"value": plain(result.result), "worker": d.sandbox.subprocess_pid}
