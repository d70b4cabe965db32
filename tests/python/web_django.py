"""A Django project in one file, for gunicorn (`wsgi`) and uvicorn (`asgi`)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from opendxa.dana import Limits, PoolConfig


def limits(request: HttpRequest) -> Limits:
    seconds = float(request.headers.get("X-Seconds", 60))
    return Limits(wall_time=seconds, output=2**16, memory=256 * 2**20)


def tenant(request: HttpRequest) -> str | None:
    return request.headers.get("X-Tenant")


def twice(number: int) -> int:
    return 2 * number


def secret() -> int:
    raise ValueError("the password is hunter2 in /etc/shadow")


settings.configure(
    SECRET_KEY="test",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "opendxa.dana.django.DanaMiddleware"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=10**6,
    DANA={
        "pool": PoolConfig(min_idle=2, max_workers=300, acquire_timeout=0.3),
        "tenant": f"{__name__}.tenant",
        "limits": limits,
        "sessions_per_tenant": 1,
        "max_body": 100_000,
        "functions": [twice, secret],
        "llm": "scripted:one|two",
    },
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"stderr": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
    },
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

from opendxa.dana.django import (  # noqa: E402
    event_stream,
    metrics,
    plain,
    program_events,
    program_events_sync,
    ready,
)

ASYNC = "DANA_ASYNC" in os.environ


def program(request: HttpRequest) -> str:
    if request.method != "POST":
        raise BadRequest
    text: str = json.loads(request.body)["program"]
    return text


def answer(result: Any, pid: int | None, level: str) -> JsonResponse:
    if result.error is not None:
        raise result.error
    return JsonResponse({"value": plain(result.result), "worker": pid, "host": os.getpid(), "level": level})


def run(request: Any) -> HttpResponse:
    d = request.dana
    return answer(d.execute_string(program(request)), d.sandbox.subprocess_pid, d.isolation.level)


async def arun(request: Any) -> HttpResponse:
    d = request.adana
    return answer(await d.execute_string(program(request)), d.subprocess_pid, d.isolation.level)


def stream(request: Any) -> StreamingHttpResponse:
    return event_stream(request, program_events_sync(request.dana, program(request), heartbeat=0.05))


async def astream(request: Any) -> StreamingHttpResponse:
    return event_stream(request, program_events(request.adana, program(request)), heartbeat=0.05)


def say(request: Any) -> StreamingHttpResponse:
    return event_stream(request, request.dana.get_llm().stream("go on"))


async def asay(request: Any) -> StreamingHttpResponse:
    return event_stream(request, request.adana.get_llm_async().stream("go on"))


def own_stream(request: Any) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        for number in range(3):
            d = request.dana
            yield f"{d.execute_string(f'{number} * 2').result} {d.is_subprocess_isolated}\n"

    return StreamingHttpResponse(lines())


async def aown_stream(request: Any) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            d = request.adana
            yield f"{(await d.execute_string(f'{number} * 2')).result} {d.is_subprocess_isolated}\n"

    return StreamingHttpResponse(lines())


def wrong(request: Any) -> HttpResponse:
    request.dana.set("x", 1)
    raise KeyError("mine")


def teapot(request: Any) -> HttpResponse:
    request.dana.set("x", 1)
    return HttpResponse("short and stout", status=418)


def forbidden(request: Any) -> HttpResponse:
    raise PermissionDenied


def no_session(request: Any) -> HttpResponse:
    return JsonResponse({"host": os.getpid()})


async def both(request: Any) -> HttpResponse:
    """Async and plain code of one request: a session each."""
    await request.adana.execute_string("x = 1")
    return JsonResponse({"values": await asyncio.to_thread(lambda: request.dana.execute_string("2").result)})


def echo(request: Any) -> HttpResponse:
    return JsonResponse({"length": len(request.body)})


urlpatterns = [
    path("run", arun if ASYNC else run),
    path("stream", astream if ASYNC else stream),
    path("say", asay if ASYNC else say),
    path("own-stream", aown_stream if ASYNC else own_stream),
    path("wrong", wrong),
    path("teapot", teapot),
    path("forbidden", forbidden),
    path("plain", no_session),
    path("plain-run", run),
    path("both", both),
    path("echo", echo),
    path("dana/ready", ready),
    path("dana/metrics", metrics),
]

wsgi = get_wsgi_application()
asgi = get_asgi_application()
