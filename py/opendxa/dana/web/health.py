"""What monitoring reads: whether an application can serve, and figures for Prometheus.

Rule: nothing here says anything about a tenant, a program or a path of the host.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from opendxa.dana import pool
from opendxa.dana.exceptions import DanaError

from .problems import log, problem_of

if TYPE_CHECKING:
    from .service import Service

__all__ = ["METRICS_TYPE", "metrics", "readiness", "ready_now"]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def readiness(service: Service) -> tuple[bool, dict[str, Any]]:
    """Return whether an application takes requests, and how it stands.

    `isolation` is the level of the session that was opened when it started, None before.
    """
    stats, most = pool.stats(), pool.config().max_workers
    ready = service.isolation is not None and not service.stopping
    told = {
        "ready": ready,
        "isolation": str(service.isolation.level) if service.isolation is not None else None,
        "full": stats.busy >= most,
        "pool": {**asdict(stats), "ended": dict(stats.ended), "max_workers": most},
    }
    return ready, told


def ready_now(service: Service) -> tuple[bool, dict[str, Any]]:
    """Do as `readiness` in a process that nothing starts: the first question opens a session."""
    if service.isolation is None:
        try:
            service.start()
        except DanaError as error:
            log(problem_of(error), error)
    return readiness(service)


def metrics() -> str:
    """Return the figures of this process's pool in Prometheus' text format."""
    return pool.stats().prometheus()
