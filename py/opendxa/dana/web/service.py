"""What the sessions of one application are opened with, and the pool that they share.

Rule: settings are checked when the application is made, isolation when it starts. What a request may have is
decided here, once for all adapters: its tenant's place, its limits, its tenant's cache. Several applications
of one process share its pool; the last one that stops empties it.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypedDict

from opendxa.dana import pool as pools
from opendxa.dana.arguments import check
from opendxa.dana.async_dana import AsyncDana
from opendxa.dana.exceptions import (
    ConfigurationError,
    SessionClosedError,
)
from opendxa.dana.limits import USUAL, Limits
from opendxa.dana.llm.cache import checked
from opendxa.dana.pool import PoolConfig

from .problems import TYPE_BASE
from .tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opendxa.dana.isolation import IsolationLevel, IsolationReport
    from opendxa.dana.llm import Price, Provider, ReasoningCache
    from opendxa.dana.resources import Resource
    from opendxa.dana.result import Usage

__all__ = ["Service", "ServiceSettings", "SessionSettings", "Visit", "checked_function"]

#: Tenants whose caches are kept; the one unused for longest makes room.
_MOST_CACHES: Final = 256
#: The settings that make a kind of worker, besides limits.
_KINDS: Final = ("isolation", "min_isolation", "harden_speculation")

_log = logging.getLogger("opendxa.dana.web")


class SessionSettings(TypedDict, total=False):
    """What the adapters hand on to every session: arguments of `AsyncDana` and `Dana`."""

    debug: bool
    isolation: IsolationLevel | str | None
    min_isolation: IsolationLevel | str | None
    harden_speculation: bool
    llm: Provider | Callable[..., Any] | str | None
    functions: Mapping[str, Callable[..., Any]] | Iterable[Callable[..., Any]] | None
    python_modules: Mapping[str, Iterable[str]] | None
    search_paths: Iterable[str | os.PathLike[str]] | None
    resources: Mapping[str, Resource] | None
    echo: bool
    setup: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None
    prices: Mapping[str, Price | tuple[float, float]] | None
    cache: ReasoningCache | bool | None


class ServiceSettings(SessionSettings, total=False):
    """The settings of every adapter that are not about its framework. docs/WEB.md explains them."""

    #: How large the pool of this process is; without it the pool stays as it is.
    pool: PoolConfig | None
    #: Whether no session is opened, and no application started, without isolation.
    require_isolation: bool
    #: Sessions that one tenant may have at once in this process.
    sessions_per_tenant: int
    #: Bytes that the body of a request may have; None leaves that to others.
    max_body: int | None
    #: Whether errors become problems (RFC 9457).
    problems: bool
    #: What the types of problems begin with.
    problem_base: str
    #: Whether a problem says what the program's own error said.
    messages: bool
    #: Is told a tenant and what the session of a request used, when that has ended.
    on_usage: Callable[[str | None, Usage], None] | None
    #: Seconds that requests may go on after the application was told to stop.
    drain: float


@dataclass(frozen=True)
class Visit:
    """What one request may have."""

    tenant: str | None
    limits: Limits | None
    #: Arguments of `AsyncDana` or `Dana`.
    arguments: dict[str, Any]


class Service:
    """The settings of one application, and what its requests share."""

    def __init__(
        self,
        *,
        pool: PoolConfig | None = None,
        require_isolation: bool = True,
        sessions_per_tenant: int = 16,
        max_body: int | None = None,
        problems: bool = True,
        problem_base: str = TYPE_BASE,
        messages: bool = False,
        on_usage: Callable[[str | None, Usage], None] | None = None,
        drain: float = 30.0,
        limits: Limits | None = None,
        limits_known: bool = True,
        **session: Any,
    ) -> None:
        for name, value in (("problems", problems), ("messages", messages)):
            check(value, bool, name)
        check(require_isolation, bool, "require_isolation")
        check(problem_base, str, "problem_base")
        if pool is not None:
            check(pool, PoolConfig, "pool")
        for name, count in (("sessions_per_tenant", sessions_per_tenant), ("max_body", max_body)):
            _check_count(name, count, optional=name == "max_body")
        if isinstance(drain, bool) or not isinstance(drain, int | float) or not 0 <= drain < 10**9:
            raise ValueError(f"drain is a number of seconds from 0 on, got {drain!r}")
        if on_usage is not None and not callable(on_usage):
            raise TypeError(f"Expected a function, got {type(on_usage).__name__} at argument 'on_usage'")
        session.setdefault("echo", False)
        session.setdefault("search_paths", ())  # a stranger's program finds no modules unless it is to
        unknown = sorted(session.keys() - SessionSettings.__annotations__.keys())
        if unknown:
            raise TypeError(f"there is no setting {', '.join(map(repr, unknown))}; docs/WEB.md lists them")
        isolated: dict[str, Any] = {
            "use_subprocess_isolation": True,
            "require_isolation": require_isolation,
        }
        AsyncDana(**session, **isolated, limits=limits)  # refuses what makes no sense; opens nothing
        self.pool: PoolConfig | None = pool
        self.require_isolation: bool = require_isolation
        self.tenants: Tenants = Tenants(sessions_per_tenant)
        self.max_body: int | None = max_body
        self.problems: bool = problems
        self.problem_base: str = problem_base
        self.messages: bool = messages
        self.on_usage: Callable[[str | None, Usage], None] | None = on_usage
        self.drain: float = drain
        self.limits: Limits | None = limits
        self._limits_known = limits_known
        #: What isolated the session that was opened at the start; None before.
        self.isolation: IsolationReport | None = None
        self._llm = session.pop("llm", None)
        self._cache = checked(session.pop("cache", None))
        self._session: dict[str, Any] = {**session, **isolated}
        self._provider: Any = None
        self._caches: OrderedDict[str, ReasoningCache] = OrderedDict()
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._stopping = False

    # Start and stop

    def start(self) -> None:
        """Open a session to see that one can be had, then set the pool up and fill it. It waits for that.

        Where each request has limits of its own, which workers will be wanted is not known before: the pool
        fills from the first request on.
        """
        from opendxa.dana.dana_module import Dana  # noqa: PLC0415 - loaded when an application starts

        with Dana(**self._session, limits=self.limits, llm=self._model()) as d:
            self.isolation = d.isolation
        self.configure()
        self._stopping = False
        # What fell back has said so, loudly, and has no workers to keep ready.
        isolated = self.isolation.fallback_reason is None
        if self.pool is not None and self.pool.min_idle and isolated and self._limits_known:
            wanted = {name: self._session[name] for name in _KINDS if name in self._session}
            pools.warm(self.pool.min_idle, **wanted, limits=self.limits)

    def configure(self) -> None:
        """Set how large the pool is; two applications of a process cannot want different ones."""
        with _sharing:
            for other in _started():
                if other is not self and None not in (self.pool, other.pool) and other.pool != self.pool:
                    raise ConfigurationError(
                        f"another application of this process wants {other.pool}, not {self.pool}\n"
                        "Hint: give the same PoolConfig to both, or to one alone"
                    )
            if self.pool is not None and pools.config() != self.pool:
                pools.configure(self.pool)
            _known.add(self)

    def stop_taking(self) -> None:
        """Open no more sessions."""
        self._stopping = True

    def stop(self) -> None:
        """Open no more sessions; end the spares, if no other application of this process needs them."""
        self._stopping = True
        with self._lock:
            while self._caches:
                self._caches.popitem()[1].close()
        with _sharing:
            _known.discard(self)
            if not _started():
                pools.close()

    @property
    def stopping(self) -> bool:
        """Whether no more sessions are opened."""
        return self._stopping

    # Requests

    def enter(self, tenant: str | None, limits: Limits | None) -> Visit:
        """Let a request in: raises `TenantBusyError`, or `SessionClosedError` when the service stops."""
        self._look_for_fork()
        if tenant is not None:
            check(tenant, str, "tenant")
        if limits is not None:
            check(limits, Limits, "limits")
        if self._stopping:
            raise SessionClosedError("the service is stopping\nHint: ask another process of it")
        arguments = {
            **self._session,
            "limits": limits if limits is not None else self.limits or USUAL,
            "llm": self._model(),
            "cache": self._cache_of(tenant),
        }
        if tenant is not None:
            self.tenants.enter(tenant)
        return Visit(tenant, limits, arguments)

    def seen(self, report: IsolationReport) -> None:
        """Remember what isolates sessions of this process, from the first one on."""
        if self.isolation is None:
            self.isolation = report

    def leave(self, visit: Visit, usage: Usage | None) -> None:
        """Let a request go; `usage` is what its session used."""
        if visit.tenant is not None:
            self.tenants.leave(visit.tenant)
        if usage is not None and self.on_usage is not None:
            try:
                self.on_usage(visit.tenant, usage)
            except Exception:  # the request has been answered: nobody but the operator can be told
                _log.exception("the function on_usage failed")

    def _model(self) -> Any:
        """Return the provider that all sessions share, so that its connections are kept."""
        if self._provider is None:
            from opendxa.dana.llm import Scripted, resolve  # noqa: PLC0415 - loaded when a session is opened

            try:
                found = resolve(self._llm)
            except ConfigurationError:
                return self._llm  # a program that asks hears of it; others need no model
            if isinstance(found, Scripted) and found is not self._llm:
                return found  # text names a script that each session hears from its beginning
            self._provider = found
        return self._provider

    def _cache_of(self, tenant: str | None) -> ReasoningCache | None:
        """Return the cache of a tenant; where there is none, sessions share nothing."""
        common = self._cache
        if common is None or tenant is None:
            return common
        from opendxa.dana.llm import ReasoningCache  # noqa: PLC0415 - loaded when there is a cache

        with self._lock:
            known = self._caches.get(tenant)
            if known is None:
                path = common._store.path if common._store is not None else None
                known = ReasoningCache(
                    common.max_size,
                    common.ttl_seconds,
                    max_bytes=common.max_bytes,
                    namespace=f"{common.namespace or ''}\0{tenant}",
                    path=path,
                )
                self._caches[tenant] = known
                if len(self._caches) > _MOST_CACHES:
                    self._caches.popitem(last=False)[1].close()
            self._caches.move_to_end(tenant)
            return known

    def _look_for_fork(self) -> None:
        """Forget what belongs to the process that this one was forked from."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = threading.Lock()
            self.tenants.after_fork()
            self.isolation = None


_sharing = threading.Lock()
#: The applications of this process that have started and not stopped. Those of WSGI end with their process,
#: or with whoever made them.
_known: weakref.WeakSet[Service] = weakref.WeakSet()


def _started() -> list[Service]:
    return list(_known)


def _after_fork() -> None:
    global _sharing  # noqa: PLW0603 - whoever held it is not in this process
    _sharing = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def checked_function(function: Any, name: str) -> Any:
    """Refuse what cannot be called."""
    if function is not None and not callable(function):
        raise TypeError(f"Expected a function, got {type(function).__name__} at argument '{name}'")
    return function


def _check_count(name: str, value: object, *, optional: bool) -> None:
    if value is None and optional:
        return
    check(value, int, name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a number from 1 on, got {value!r}")
