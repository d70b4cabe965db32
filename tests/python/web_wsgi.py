"""A WSGI application for gunicorn: a fresh isolated session for every request.

The parent opens a session and fills its pool before it forks (`preload_app`): the children may use neither.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from opendxa.dana import Dana, Limits, PoolConfig, exceptions, pool

PARENT = os.getpid()
pool.configure(PoolConfig(min_idle=2, max_workers=64))
pool.warm(2)
OPENED = Dana(require_isolation=True, echo=False)
OPENED.execute_string("secret = 1")


def twice(number: int) -> int:
    return 2 * number


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/endless":
        endless = Limits(wall_time=None, steps=None, cpu_time=None)
        with Dana(require_isolation=True, echo=False, limits=endless) as d:
            d.execute_string("while true:\n    pass")
    number = int(parse_qs(environ["QUERY_STRING"])["n"][0])
    try:
        parents = str(OPENED.execute_string("secret").result)
    except exceptions.SessionClosedError:
        parents = "refused"
    with Dana(require_isolation=True, echo=False, functions=[twice]) as d:
        told = {
            "host": os.getpid(),
            "worker": d.sandbox.subprocess_pid,
            "value": d.execute_string(f"seen = {number}\ntwice(seen) + 1").result,
            "parents": parents,
            "isolated": d.is_subprocess_isolated,
        }
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
