"""What nodes tell of themselves.

Rule: plain values, as they were at one moment; nothing here is kept up to date by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opendxa.dana.isolation import IsolationLevel
from opendxa.dana.result import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opendxa.dana.isolation import IsolationReport
    from opendxa.dana.pool import PoolStats

__all__ = ["ClusterStats", "NodeStats", "Status"]


@dataclass(frozen=True)
class NodeStats:
    """How one node stands."""

    #: Ray's id of the node, and its address.
    node_id: str
    address: str
    #: Process id of the actor that holds the pool.
    pid: int
    #: Sessions that have a worker or are about to get one, of all clients.
    sessions: int
    #: How many there may be: `PoolConfig.max_workers`.
    capacity: int
    #: Clients whose lease has not run out.
    clients: int
    #: What a session of the usual level reached when the actor started; ``none`` where none could be had.
    level: IsolationLevel
    #: The pool of the actor's process.
    pool: PoolStats


@dataclass(frozen=True)
class ClusterStats:
    """How the cluster stands, as this client sees it."""

    #: Nodes that take sessions, by address.
    nodes: tuple[NodeStats, ...]
    #: Nodes that take none now, by id, and why: the actor is starting or does not answer, for example.
    not_ready: Mapping[str, str]

    @property
    def sessions(self) -> int:
        """Sessions on all nodes."""
        return sum(node.sessions for node in self.nodes)

    @property
    def capacity(self) -> int:
        """How many there may be on all nodes."""
        return sum(node.capacity for node in self.nodes)


@dataclass(frozen=True)
class Status:
    """What a node says of a session with each answer."""

    alive: bool = False
    isolated: bool = False
    pid: int | None = None
    usage: Usage = field(default_factory=Usage)
    #: Sent when it was asked for, or the session was opened.
    isolation: IsolationReport | None = None
