"""The pool of workers of this process: spares, locked, verified and never used, before anybody asks.

Rule: a worker is handed out once and never comes back. The pool belongs to one process, starts nothing by
itself, and is shared by every `Dana` and `AsyncDana`; a forked child has a pool of its own, with the same
settings. Whoever finds no spare starts a worker on its own thread, and waits only when there are
`PoolConfig.max_workers` already. Spares are started again in the background, one at a time, after a session
has answered its first call.

Without `configure` a kind of worker (a level of isolation, with limits of memory, processor time and steps)
is kept ready from its second session on, so that a program with one session has one worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from . import telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .isolation import IsolationLevel
    from .limits import Limits

__all__ = ["PoolConfig", "PoolStats", "close", "config", "configure", "stats", "warm"]


@dataclass(frozen=True)
class PoolConfig:
    """How large the pool is. The defaults are those of a process that never called `configure`."""

    #: Spares of each kind that are kept ready; at most 256.
    min_idle: int = 2
    #: Workers that may exist at once in this process, spares included. A session needs 4 descriptors.
    max_workers: int = 1024
    #: Seconds a new session waits for a worker when there are so many; then `PoolExhaustedError`.
    acquire_timeout: float = 30.0
    #: Seconds after which spares of a kind that nobody asked for are ended.
    idle_timeout: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense, by name."""
        for item in fields(self):
            value = getattr(self, item.name)
            seconds = item.name.endswith("_timeout")
            accepted = (int, float) if seconds else (int,)
            if isinstance(value, bool) or not isinstance(value, accepted):
                wanted = "float" if seconds else "int"
                got = type(value).__name__
                raise TypeError(f"Expected {wanted}, got {got} at argument '{item.name}'")
            least = 1 if item.name == "max_workers" else 0
            if not least <= value or (seconds and not value > 0):
                bound = "more than 0" if seconds else f"at least {least}"
                raise ValueError(f"PoolConfig.{item.name} is too small: it is {bound}, got {value!r}")
        if self.min_idle > min(256, self.max_workers):
            text = (
                f"PoolConfig.min_idle={self.min_idle} is more than 256 or than max_workers={self.max_workers}"
            )
            raise ValueError(text)


@dataclass(frozen=True)
class PoolStats:
    """How the pool stands, and what happened in this process so far."""

    #: Worker processes that exist: idle, starting, or serving a session.
    workers: int
    #: Spares that are ready.
    idle: int
    #: Spares that are being started.
    starting: int
    #: Workers that serve a session, are started for one, or are being ended.
    busy: int
    #: Sessions that wait because there are `PoolConfig.max_workers`.
    waiting: int
    #: Processes started, for whatever reason.
    spawned: int
    #: Sessions that found a spare.
    hits: int
    #: Sessions that did not.
    misses: int
    #: Spares that died before anybody asked. They are replaced.
    died_idle: int
    #: Spares that could not be started. The next try is a second later.
    failed: int
    #: Spares that were ended because nobody asked for them, or to make room.
    retired: int
    #: Sessions that had to wait.
    waits: int
    #: Those of them that waited in vain, for `PoolConfig.acquire_timeout`.
    timeouts: int
    #: Seconds that all sessions waited together.
    waited: float
    #: Seconds that the one waited that waited longest.
    longest_wait: float
    #: Sessions that did not end in order, by reason: ``crashed``, ``killed``, ``violation``, ``lost``,
    #: ``protocol``, or the limit that ended them: ``cpu``, ``deadline``, ``steps``, ``memory``, ``output``,
    #: ``asks``, ``tokens``, ``out_of_memory``.
    ended: Mapping[str, int] = field(default_factory=dict)

    def metrics(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yield a name, labels and a value for each figure: what an exporter for Prometheus wants."""
        gauges = {"workers", "idle", "starting", "busy", "waiting"}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "ended":
                for reason, count in value.items():
                    yield "dana_sessions_ended_total", {"reason": reason}, count
            elif item.name in ("waited", "longest_wait"):
                name = (
                    "dana_pool_wait_seconds_total"
                    if item.name == "waited"
                    else "dana_pool_longest_wait_seconds"
                )
                yield name, {}, value
            else:
                yield f"dana_pool_{item.name}" + ("" if item.name in gauges else "_total"), {}, value

    def prometheus(self) -> str:
        """Return the figures in Prometheus' text format."""
        lines = []
        told = None
        for name, labels, value in self.metrics():
            if name != told:
                lines.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}")
                told = name
            inside = ",".join(f'{key}="{text}"' for key, text in labels.items())
            lines.append(f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:g}")
        return "\n".join(lines) + "\n"


_config = PoolConfig()


def config() -> PoolConfig:
    """Return the settings in force."""
    return _config


def configure(config: PoolConfig) -> None:
    """Set how large the pool is, at any time. Spares are then kept ready from the first session of a kind on.

    It holds for this process and for those forked from it afterwards. What is idle beyond `min_idle` is
    ended; sessions are never ended by it.
    """
    global _config  # noqa: PLW0603 - one pool per process is the point
    from ._bridge import pool_configure  # noqa: PLC0415 - loaded when a pool is wanted

    if not isinstance(config, PoolConfig):
        from .types import format_type_error  # noqa: PLC0415

        raise TypeError(format_type_error(config, PoolConfig, "argument 'config'"))
    pool_configure(
        min_idle=config.min_idle,
        max_workers=config.max_workers,
        acquire_timeout=config.acquire_timeout,
        idle_timeout=config.idle_timeout,
        eager=True,
    )
    _config = config


def stats() -> PoolStats:
    """Return how the pool stands."""
    from ._bridge import pool_stats  # noqa: PLC0415

    return telemetry.told(PoolStats(**pool_stats()))


def warm(
    count: int,
    *,
    isolation: IsolationLevel | str | None = None,
    min_isolation: IsolationLevel | str | None = None,
    harden_speculation: bool = False,
    limits: Limits | None = None,
) -> int:
    """Wait until `count` spares are ready for `Dana` sessions with the same arguments; return how many are.

    Raises what opening a session raises: `IsolationUnavailableError`, `ResourceError`, `PoolExhaustedError`.
    """
    from . import worker  # noqa: PLC0415
    from ._bridge import pool_warm  # noqa: PLC0415
    from .limits import Limits  # noqa: PLC0415
    from .sandbox import STARTUP_TIMEOUT  # noqa: PLC0415
    from .wish import resolve  # noqa: PLC0415

    wish = resolve(False, True, isolation, min_isolation, harden_speculation)
    if wish is None:
        raise ValueError("only isolated sessions have workers")
    settings: dict[str, Any] = {
        "limits": (limits if limits is not None else Limits()).to_dict(),
        "startup_timeout": STARTUP_TIMEOUT,
        "level": wish.level.value,
        "min_level": wish.least.value,
        "harden_speculation": wish.harden_speculation,
    }
    return pool_warm(worker.locate(), count, **settings)


def close() -> None:
    """End all spares and wait until they are gone. Sessions go on; the pool fills again as at first."""
    from ._bridge import pool_empty  # noqa: PLC0415

    pool_empty()
