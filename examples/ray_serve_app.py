"""A Dana service on Ray Serve: every request has a fresh, locked worker of its own.

    pip install 'dana-bridge[ray]' 'ray[serve]'
    serve run ray_serve_app:app
    curl -d '{"program": "6 * 7"}' http://127.0.0.1:8000/

A replica is a process with its own pool of workers, as in any web server; Ray Serve starts and stops
replicas by the number of requests under way. Models are asked by the replica: give its environment the key,
or set DANA_LLM.
"""

from __future__ import annotations

from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

from opendxa.dana import AsyncDana, Limits, PoolConfig, pool
from opendxa.dana.exceptions import PoolExhaustedError

WORKERS = 64
LONGEST = 64 * 1024
LIMITS = Limits(wall_time=20.0, cpu_time=5.0, memory=64 * 2**20, output=64 * 1024, model_calls=4)


@serve.deployment(
    # As many as a replica has workers; more wait in the proxy, and beyond that are told to come later.
    max_ongoing_requests=WORKERS,
    max_queued_requests=4 * WORKERS,
    # Sessions under way are given time to end when a replica is stopped.
    graceful_shutdown_timeout_s=LIMITS.wall_time or 20.0,
    autoscaling_config={
        "min_replicas": 1,
        "max_replicas": 8,
        "target_ongoing_requests": WORKERS // 2,
        "upscale_delay_s": 5.0,
        "downscale_delay_s": 300.0,
    },
    ray_actor_options={"num_cpus": 1},
)
class DanaService:
    """Answers a POST of ``{"program": "..."}`` with the program's result."""

    def __init__(self) -> None:
        pool.configure(PoolConfig(min_idle=4, max_workers=WORKERS, acquire_timeout=2.0))
        self.ready = pool.warm(4, isolation="landlocked", limits=LIMITS)

    async def __call__(self, request: Request) -> JSONResponse:
        """Run one program."""
        if request.method != "POST":
            return JSONResponse({"error": "POST a JSON object with the key 'program'"}, 405)
        if int(request.headers.get("content-length") or LONGEST + 1) > LONGEST:
            return JSONResponse({"error": f"a body of at most {LONGEST} bytes, with its length"}, 413)
        try:
            program = (await request.json())["program"]
        except (ValueError, KeyError, TypeError, RecursionError):
            program = None
        if not isinstance(program, str):
            return JSONResponse({"error": "a JSON object with the text 'program' is needed"}, 422)
        try:
            # search_paths=[]: programs import no files of the replica.
            async with AsyncDana(
                isolation="landlocked", require_isolation=True, limits=LIMITS, search_paths=[], echo=False
            ) as dana:
                result = await dana.execute_string(program, "program.na")
                told: dict[str, Any] = {
                    "success": result.success,
                    "result": result.result if result.success else None,
                    "error": None if result.error is None else str(result.error),
                    "output": result.output,
                    "isolation": str(dana.isolation.level),
                    "worker": dana.subprocess_pid,
                }
        except PoolExhaustedError:
            return JSONResponse({"error": "all workers are busy"}, 503, {"Retry-After": "1"})
        try:
            return JSONResponse(told)
        except (TypeError, ValueError):  # a set, bytes, a NaN, ...
            return JSONResponse({**told, "result": repr(told["result"])})

    def check_health(self) -> None:
        """Fail, and be replaced, where no worker can be had; a replica that is merely busy is well."""
        stats = pool.stats()
        if not stats.busy and not stats.idle:
            pool.warm(1, isolation="landlocked", limits=LIMITS)


app = DanaService.bind()
