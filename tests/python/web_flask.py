"""A Flask application for gunicorn, made before the server forks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from flask import Flask, Request, Response, abort, request, stream_with_context

from opendxa.dana import Limits, PoolConfig
from opendxa.dana.flask import (
    DanaFlask,
    dana_blueprint,
    dana_session,
    event_stream,
    plain,
    program_events,
)

PARENT = os.getpid()


def limits(asked: Request) -> Limits:
    return Limits(wall_time=float(asked.headers.get("X-Seconds", 60)), output=2**16, memory=256 * 2**20)


def twice(number: int) -> int:
    return 2 * number


def secret() -> int:
    raise ValueError("the password is hunter2 in /etc/shadow")


app = Flask(__name__)
dana = DanaFlask(
    app,
    pool=PoolConfig(min_idle=2, max_workers=int(os.environ.get("MOST", "300")), acquire_timeout=0.3),
    tenant=lambda asked: asked.headers.get("X-Tenant"),
    limits=limits,
    sessions_per_tenant=1,
    max_body=100_000,
    functions=[twice, secret],
    llm="scripted:one|two",
)
app.register_blueprint(dana_blueprint(), url_prefix="/dana")


@app.post("/run")
def run() -> Any:
    d = dana_session()
    assert d is dana_session()
    assert d.is_subprocess_isolated
    result = d.execute_string(request.get_json()["program"])
    if result.error is not None:
        raise result.error
    told = {"worker": d.sandbox.subprocess_pid, "host": os.getpid(), "preloaded": os.getpid() != PARENT}
    return {"value": plain(result.result), "level": d.isolation.level, **told}


@app.post("/stream")
def stream() -> Response:
    return event_stream(program_events(dana_session(), request.get_json()["program"], heartbeat=0.05))


@app.get("/say")
def say() -> Response:
    return event_stream(dana_session().get_llm().stream("go on"))


@app.post("/own-stream")
def own_stream() -> Response:
    def lines() -> Iterator[str]:
        for number in range(3):
            value = dana_session().execute_string(f"{number} * 2").result
            yield f"{value} {dana_session().is_subprocess_isolated}\n"

    return Response(stream_with_context(lines()))


@app.get("/wrong")
def wrong() -> Any:
    dana_session()
    raise KeyError("mine")


@app.get("/teapot")
def teapot() -> Any:
    dana_session()
    abort(418)


@app.get("/plain")
def no_session() -> dict[str, int]:
    return {"host": os.getpid()}


@app.post("/echo")
def echo() -> dict[str, int]:
    return {"length": len(request.get_data())}
