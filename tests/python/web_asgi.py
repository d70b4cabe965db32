"""An ASGI application for uvicorn: a fresh isolated session for every request, on the loop or on a thread."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any
from urllib.parse import parse_qs

from opendxa.dana import AsyncDana, Dana, Limits, PoolConfig, pool

pool.configure(PoolConfig(min_idle=2, max_workers=64))


async def twice(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    if scope["path"] == "/endless":
        endless = Limits(wall_time=None, steps=None, cpu_time=None)
        async with AsyncDana(require_isolation=True, echo=False, limits=endless) as d:
            await d.execute_string("while true:\n    pass")
    number = int(parse_qs(scope["query_string"].decode())["n"][0])
    source = f"seen = {number}\ntwice(seen) + 1"
    if number % 4 == 0:
        worker, value = await asyncio.to_thread(on_a_thread, source)
    else:
        async with AsyncDana(require_isolation=True, echo=False, functions=[twice]) as d:
            worker, value = d.subprocess_pid, (await d.execute_string(source)).result
    told = {"host": os.getpid(), "worker": worker, "value": value, "parents": "refused", "isolated": True}
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def on_a_thread(source: str) -> tuple[int | None, Any]:
    with Dana(require_isolation=True, echo=False, functions=[twice]) as d:
        return d.sandbox.subprocess_pid, d.execute_string(source).result
