"""`DanaCluster`: a client of a Ray cluster that opens sessions on its nodes.

Rule: it holds a lease with every node and nothing else; closing it, or the end of its process, ends all its
sessions. What it starts on the nodes ends with its last client.
"""

from __future__ import annotations

import atexit
import os
import weakref
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import ray

from opendxa.dana import pool as own_pool
from opendxa.dana.arguments import check
from opendxa.dana.exceptions import ConfigurationError, SessionClosedError
from opendxa.dana.limits import USUAL
from opendxa.dana.pool import PoolConfig
from opendxa.dana.types import format_type_error

from .async_session import AsyncClusterSession
from .core import Core
from .loop import ClientLoop
from .lost import cluster_closed
from .node import Settings
from .nodes import Nodes
from .opening import Opening
from .session import ClusterSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from opendxa.dana.isolation import IsolationLevel
    from opendxa.dana.limits import Limits
    from opendxa.dana.llm import Price
    from opendxa.dana.resources import Resource

    from .report import ClusterStats

__all__ = ["DanaCluster"]


class DanaCluster:
    """Opens Dana sessions on the nodes of a Ray cluster: ``with DanaCluster() as cluster``.

    `address` is Ray's, for example ``auto``; it is used only where this process is not connected yet, and the
    connection is then closed with the cluster. Without it, and without a connection, `ray.init` decides.

    Every node that offers processors (or `resource`, a custom resource of yours) gets one actor, also nodes
    that join later. `pool` says how many workers a node may have (`PoolConfig.max_workers`) and how long a
    session waits for a place (`acquire_timeout`); clients with the same `name` and `namespace` share the
    actors and must agree on it. `num_cpus` is what an actor takes of its node in Ray's own books.

    `secrets` is the path of a file on the nodes with lines ``NAME=value``, such as ``OPENAI_API_KEY=...``:
    the actor's environment, from which models are configured. `send_code` lets functions and classes travel
    that the nodes cannot import by name, with every value that they use.

    A client that gives no sign of life for `lease` seconds loses its sessions, and a node that gives none is
    gone. `grace` is how many seconds longer than the limits of a session say its node is waited for.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        name: str = "dana",
        namespace: str = "dana",
        pool: PoolConfig | None = None,
        secrets: str | os.PathLike[str] | None = None,
        num_cpus: float = 0.0,
        resource: str | None = None,
        lease: float = 30.0,
        grace: float = 10.0,
        send_code: bool = False,
    ) -> None:
        for label, value in (("address", address), ("resource", resource)):
            if value is not None:
                check(value, str, label)
        for label, text in (("name", name), ("namespace", namespace)):
            check(text, str, label)
            if not text:
                raise ValueError(f"a name is not empty at argument '{label}'")
        if pool is not None:
            check(pool, PoolConfig, "pool")
        check(send_code, bool, "send_code")
        for label, seconds, least in (
            ("lease", lease, 1.0),
            ("grace", grace, 0.0),
            ("num_cpus", num_cpus, 0.0),
        ):
            if isinstance(seconds, bool) or not isinstance(seconds, int | float):
                raise TypeError(format_type_error(seconds, float, f"argument '{label}'"))
            if not least <= seconds < float("inf"):
                raise ValueError(f"{label} is at least {least:g} and finite, got {seconds!r}")
        if address is not None and address.startswith("ray://"):
            raise ConfigurationError(
                "DanaCluster needs a process of the cluster, not a Ray Client (ray://)\n"
                "Hint: run this on a node with address='auto', for example as a Ray job"
            )
        self._process = os.getpid()
        self._send_code = send_code
        self._closed = False
        self._connected = not ray.is_initialized()
        if self._connected:
            ray.init(address=address)
        settings = Settings(
            pool if pool is not None else own_pool.config(),
            os.fspath(secrets) if secrets is not None else None,
            version("dana-bridge"),
        )
        self._loop = ClientLoop()
        self._nodes: Nodes = self._loop.run(
            _made(
                settings,
                name=name,
                namespace=namespace,
                lease=float(lease),
                grace=float(grace),
                num_cpus=float(num_cpus),
                resource=resource,
            )
        )
        atexit.register(_close_late, weakref.ref(self))

    def session(
        self,
        debug: bool = False,
        use_subprocess_isolation: bool = True,
        *,
        require_isolation: bool = True,
        isolation: IsolationLevel | str | None = None,
        min_isolation: IsolationLevel | str | None = None,
        harden_speculation: bool = False,
        limits: Limits | None = None,
        llm: str | None = None,
        functions: Mapping[str, Callable[..., Any] | str] | Iterable[Callable[..., Any] | str] | None = None,
        python_modules: Mapping[str, Iterable[str]] | None = None,
        search_paths: Iterable[str | os.PathLike[str]] | None = None,
        resources: Mapping[str, Resource] | None = None,
        echo: bool = True,
        setup: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
        restart_on_failure: bool = False,
        prices: Mapping[str, Price | tuple[float, float]] | None = None,
        cache: bool | None = None,
    ) -> ClusterSession:
        """Open a session on the node with the fewest, always in a worker of its own; see `Dana`.

        `llm` is text: a model that the node configures from its own environment, such as
        ``openai:gpt-4o-mini``, or ``factory:package.module:function``, which the node calls for a provider.
        `functions` and what `resources` open run on the node: functions at the top of a module that the node
        has, or their names, ``package.module:name``. `search_paths` are folders of the node; without them
        programs import no Dana modules. Files of `setup` are read here.

        Raises what `Dana` raises; `PoolExhaustedError` when all nodes are full for too long.
        """
        check(debug, bool, "debug")
        core = self._core(
            (use_subprocess_isolation, require_isolation),
            restart_on_failure,
            isolation=isolation,
            min_isolation=min_isolation,
            harden_speculation=harden_speculation,
            limits=limits,
            llm=llm,
            functions=functions,
            python_modules=python_modules,
            search_paths=search_paths,
            resources=resources,
            echo=echo,
            setup=setup,
            prices=prices,
            cache=cache,
        )
        session = ClusterSession(core, self._loop, debug=debug, echo=echo, send_code=self._send_code)
        self._loop.run(core.open())
        return session

    def async_session(
        self,
        debug: bool = False,
        use_subprocess_isolation: bool = True,
        *,
        require_isolation: bool = True,
        isolation: IsolationLevel | str | None = None,
        min_isolation: IsolationLevel | str | None = None,
        harden_speculation: bool = False,
        limits: Limits | None = None,
        llm: str | None = None,
        functions: Mapping[str, Callable[..., Any] | str] | Iterable[Callable[..., Any] | str] | None = None,
        python_modules: Mapping[str, Iterable[str]] | None = None,
        search_paths: Iterable[str | os.PathLike[str]] | None = None,
        resources: Mapping[str, Resource] | None = None,
        echo: bool = True,
        setup: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
        restart_on_failure: bool = False,
        prices: Mapping[str, Price | tuple[float, float]] | None = None,
        cache: bool | None = None,
    ) -> AsyncClusterSession:
        """Return a session for asyncio, opened by ``async with`` or its first use; see `session`."""
        check(debug, bool, "debug")
        core = self._core(
            (use_subprocess_isolation, require_isolation),
            restart_on_failure,
            isolation=isolation,
            min_isolation=min_isolation,
            harden_speculation=harden_speculation,
            limits=limits,
            llm=llm,
            functions=functions,
            python_modules=python_modules,
            search_paths=search_paths,
            resources=resources,
            echo=echo,
            setup=setup,
            prices=prices,
            cache=cache,
        )
        known = limits if limits is not None else USUAL
        return AsyncClusterSession(core, self._loop, known, echo=echo, send_code=self._send_code)

    def stats(self) -> ClusterStats:
        """Ask the nodes how they stand: sessions, capacity, pool, level of isolation."""
        self._refuse_closed()
        return self._loop.run(self._nodes.stats())

    def close(self) -> None:
        """End all sessions of this client, and the connection if it was made here."""
        if self._closed or self._process != os.getpid():
            return
        self._closed = True
        try:
            self._loop.run(self._nodes.leave())
        finally:
            self._loop.stop()
            if self._connected:
                ray.shutdown()

    def __enter__(self) -> DanaCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DanaCluster({'closed' if self._closed else 'open'})"

    def _core(self, isolated: tuple[bool, bool], restarts: bool, **arguments: Any) -> Core:
        """Check the arguments of a session."""
        self._refuse_closed()
        for name, value in zip(("use_subprocess_isolation", "require_isolation"), isolated, strict=True):
            check(value, bool, name)
            if not value:
                raise ValueError(
                    f"sessions of a cluster always have a worker of their own: {name}=False is refused"
                )
        opening = Opening.checked(**arguments, restart_on_failure=restarts, send_code=self._send_code)
        return self._loop.run(_core(self._nodes, opening, restarts))

    def _refuse_closed(self) -> None:
        if self._process != os.getpid():
            raise SessionClosedError(
                "this DanaCluster belongs to the process that this one was forked from\n"
                "Hint: connect to the Ray cluster after the fork"
            )
        if self._closed:
            raise cluster_closed()


async def _made(settings: Settings, **arguments: Any) -> Nodes:
    """Make it on its loop."""
    return Nodes(settings, **arguments)


async def _core(nodes: Nodes, opening: Opening, restarts: bool) -> Core:
    """Make it on its loop."""
    return Core(nodes, opening, restarts)


def _close_late(cluster: weakref.ref[DanaCluster]) -> None:
    """End what the process leaves open, before Ray disconnects."""
    here = cluster()
    if here is not None:
        here.close()
