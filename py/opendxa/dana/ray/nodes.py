"""A client's view of the nodes: their actors, its lease with each, and where the next session goes.

Rule: everything here runs on the client's own loop. A node that was not heard of for the time of a lease is
gone, whatever Ray says; whoever waits for it is told at once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from opendxa.dana.exceptions import ResourceError, WorkerLostError, from_exhaustion
from opendxa.dana.isolation import IsolationLevel

from . import node as on_node
from .lost import from_ray, lost
from .report import ClusterStats, NodeStats

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from .node import Hello, Settings

__all__ = ["Node", "Nodes"]

#: Seconds between two looks at the cluster at most; a fifth of the lease if that is less.
_TICK: Final = 1.0
#: Seconds that the actor of a node may take to start before the node counts as one that does not answer.
_STARTING: Final = 60.0
#: Seconds between two tries to start one that does not start.
_PAUSE: Final = 10.0
#: Calls an actor works on at once besides one a session: signs of life, questions for places.
_FURTHER_CALLS: Final = 1000
#: Seconds that a question for room stays with a node.
_ROOM: Final = 5.0

_log = logging.getLogger("opendxa.dana.ray")


class _Failed(NamedTuple):
    """An actor that did not start: not tried again before this time."""

    until: float
    reason: str


class Node:
    """One life of a node's actor: another one begins when the actor starts anew."""

    def __init__(self, node_id: str, address: str, actor: Any) -> None:
        self.node_id: str = node_id
        self.address: str = address
        self.actor: Any = actor
        self.incarnation: str | None = None
        #: Why no session can be placed here; empty when it can.
        self.problem: str = "its actor is starting"
        self.level: IsolationLevel = IsolationLevel.NONE
        #: Sessions as the actor reported them last, and those this client is placing now.
        self.sessions: int = 0
        self.placing: int = 0
        #: A number that grows with every placement: of equal nodes the one longest left alone is next.
        self.last: int = 0
        self.heard: float = monotonic()
        #: Done when this life is over, with the reason.
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.asking: bool = False

    @property
    def starting(self) -> bool:
        """Whether the actor has not answered yet."""
        return self.incarnation is None

    def over(self, reason: str) -> None:
        """This life is over."""
        if not self.gone.done():
            self.gone.set_result(reason)

    async def answer(self, reference: Any, seconds: float | None) -> Any:
        """Wait for an actor's answer: so long, and no longer than the node is there."""
        answering = asyncio.wrap_future(reference.future())
        answering.add_done_callback(_seen)
        done, _ = await asyncio.wait(
            {answering, self.gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if answering in done:
            try:
                return answering.result()
            except ray.exceptions.RayError as error:
                failure = from_ray(self.node_id, error)
        elif self.gone in done:
            failure = lost(self.node_id, self.gone.result())
        else:
            failure = lost(self.node_id, f"no answer within {seconds:g} s")
        # Until it gives the next sign of life no session is placed there.
        self.problem = self.problem or str(failure).partition("\n")[0]
        raise failure


class Nodes:
    """The nodes of a cluster, as one client knows them."""

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        namespace: str,
        lease: float,
        grace: float,
        num_cpus: float,
        resource: str | None,
    ) -> None:
        self.client: str = uuid4().hex
        self.settings: Settings = settings
        self.grace: float = grace
        self._name = name
        self._namespace = namespace
        self._lease = lease
        self._num_cpus = num_cpus
        self._resource = resource
        self._nodes: dict[str, Node] = {}
        self._failed: dict[str, _Failed] = {}
        self._began = monotonic()
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()
        self._numbers = count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        #: Whether the client has left, or is leaving.
        self.closed: bool = False
        self._watching = asyncio.create_task(self._watch())

    # Which nodes there are

    async def _watch(self) -> None:
        """Look again and again which nodes there are, and give each a sign of life."""
        looking: asyncio.Task[None] | None = None
        looked = monotonic()
        while True:
            now = monotonic()
            # A client that was held up has answers on their way: it looks at its clock the next time.
            held_up, looked = now - looked > self._lease / 2, now
            for node_id, node in list(self._nodes.items()):
                if not held_up and not node.starting and now - node.heard > self._lease:
                    self._forget(node_id, f"nothing was heard of it for {self._lease:g} s")
                else:
                    self._greet(node)
            # The cluster's head may take its time: the leases go on meanwhile.
            if looking is None or looking.done():
                looking = self._task(self._look())
            await asyncio.sleep(min(_TICK, self._lease / 5))

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done besides."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _look(self) -> None:
        """Look once which nodes there are."""
        try:
            told = await asyncio.to_thread(ray.nodes)
            alive = {
                one["NodeID"]: one for one in told if one["Alive"] and self._takes_sessions(one["Resources"])
            }
            for node_id in [*self._nodes]:
                if node_id not in alive:
                    self._forget(node_id, "the node is gone")
            for node_id in [*self._failed]:
                if node_id not in alive:
                    del self._failed[node_id]
            for node_id, one in alive.items():
                failed = self._failed.get(node_id)
                if node_id not in self._nodes and (failed is None or failed.until < monotonic()):
                    actor = await asyncio.to_thread(self._actor, node_id)
                    self._nodes[node_id] = node = Node(node_id, one["NodeManagerAddress"], actor)
                    self._greet(node)
        except Exception as error:
            # What is known stays; the leases say when it is over.
            _log.warning("the Ray cluster cannot be looked at: %s: %s", type(error).__name__, error)

    def _takes_sessions(self, resources: dict[str, float]) -> bool:
        """Whether a node is for sessions: it has processors to give, or the resource that was named."""
        return resources.get(self._resource or "CPU", 0) > 0

    def _actor(self, node_id: str) -> Any:
        """Return the handle of a node's actor, made if there is none."""
        return (
            ray.remote(on_node.Node)
            .options(
                name=f"{self._name}-{node_id}",
                namespace=self._namespace,
                get_if_exists=True,
                lifetime="detached",
                num_cpus=self._num_cpus,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=self.settings.pool.max_workers + _FURTHER_CALLS,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
            )
            .remote(self.settings)
        )

    def _greet(self, node: Node) -> None:
        """Give a sign of life, unless the last one is still on its way."""
        if node.asking:
            return
        node.asking = True
        self._task(self._hello(node))

    async def _hello(self, node: Node) -> None:
        try:
            reference = node.actor.hello.remote(self.client, self._lease)
            hello: Hello = await node.answer(reference, max(self._lease, self.grace))
        except WorkerLostError as error:
            died = isinstance(error.__cause__, ray.exceptions.ActorDiedError)
            if died and node is self._nodes.get(node.node_id):
                # For good: another one is made, if the node is still there.
                self._failed_at(node, str(error.__cause__))
            return
        finally:
            node.asking = False
        if node.gone.done():
            return
        self._failed.pop(node.node_id, None)
        if node.incarnation is not None and node.incarnation != hello.incarnation:
            self._forget(node.node_id, "its actor has started anew")
            after = Node(node.node_id, node.address, node.actor)
            self._nodes[node.node_id] = node = after
        node.incarnation = hello.incarnation
        node.heard = monotonic()
        node.sessions, node.level = hello.sessions, hello.level
        problem = hello.problem or self._disagreement(hello.settings)
        if problem != node.problem:
            if problem:
                _log.warning("no sessions are placed on the Ray node %s: %s", node.node_id[:12], problem)
            node.problem = problem
            self._changed.set()

    def _failed_at(self, node: Node, reason: str) -> None:
        """An actor has ended for good. One that never answered is made again at once, then after pauses."""
        before = self._failed.get(node.node_id)
        if node.starting:
            pause = 0.0 if before is None else _PAUSE
            self._failed[node.node_id] = _Failed(
                monotonic() + pause, f"its actor does not start: {reason.strip()}"
            )
            if before is not None:
                _log.warning(
                    "the actor of the Ray node %s does not start: %s", node.node_id[:12], reason.strip()
                )
        self._forget(node.node_id, node.problem)

    def _disagreement(self, theirs: Settings) -> str:
        """Say what stands against using an actor that another client made."""
        mine = self.settings
        if theirs.version != mine.version:
            return f"it has dana-bridge {theirs.version}, this client {mine.version}"
        if theirs != mine:
            return (
                f"its actor was made by a client with other settings ({theirs.pool}, "
                f"secrets={theirs.secrets!r}); use the same, or another name for this DanaCluster"
            )
        return ""

    def _forget(self, node_id: str, reason: str) -> None:
        """A node's actor is no more."""
        node = self._nodes.pop(node_id)
        node.over(reason)
        self._changed.set()

    # Where a session goes

    async def place(self, session: str) -> Node:
        """Promise a place to a session on the node with the fewest; wait while there is none anywhere."""
        await self._some_node()
        end = monotonic() + self.settings.pool.acquire_timeout
        found = None if self._line.locked() else await self._try(session)
        if found is not None:
            return found
        with suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(self._wait(session), max(0.0, end - monotonic()))
        raise self._refusal()

    async def _some_node(self) -> None:
        """Wait while no node is ready, and one may soon be: actors that start take seconds."""
        end = self._began + _STARTING
        while not any(not node.problem for node in self._nodes.values()):
            if any(one.until > monotonic() for one in self._failed.values()) and not self._nodes:
                return
            starting = any(
                node.starting and monotonic() - node.heard < _STARTING for node in self._nodes.values()
            )
            if not starting and (self._nodes or monotonic() > end):
                return
            self._changed.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _TICK)

    async def _wait(self, session: str) -> Node:
        """Wait in line; who is first asks the nodes."""
        async with self._line:
            while True:
                self._changed.clear()
                found = await self._try(session)
                if found is not None:
                    return found
                await self._room()

    async def _try(self, session: str) -> Node | None:
        """Ask the nodes for a place, the least loaded first."""
        for node in self._by_load():
            node.placing += 1
            node.last = next(self._numbers)
            try:
                reference = node.actor.reserve.remote(self.client, self._lease, session)
                placed, node.sessions = await node.answer(reference, self.grace)
            except (WorkerLostError, asyncio.CancelledError) as error:
                # Nothing of the session was sent there yet; a place that is promised late is given back.
                if not node.gone.done():
                    node.actor.end.remote(self.client, session)
                if isinstance(error, asyncio.CancelledError):
                    raise
                continue
            finally:
                node.placing -= 1
            if placed:
                return node
        return None

    def _by_load(self) -> Iterator[Node]:
        """Yield the nodes that take sessions, each time the least loaded of those that were not named yet."""
        named: set[str] = set()
        while True:
            left = [node for node in self._nodes.values() if not node.problem and node.node_id not in named]
            if not left:
                return
            node = min(left, key=lambda one: (one.sessions + one.placing, one.last))
            named.add(node.node_id)
            yield node

    async def _room(self) -> None:
        """Wait until a node may have a place, or the nodes are others."""
        waiting: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._changed.wait())}
        for node in self._nodes.values():
            if not node.problem:
                waiting.add(
                    asyncio.ensure_future(node.answer(node.actor.room.remote(_ROOM), _ROOM + self.grace))
                )
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.add_done_callback(_seen)
                one.cancel()

    def _refusal(self) -> ResourceError:
        """Say why there is no place."""
        seconds = self.settings.pool.acquire_timeout
        ready = [node for node in self._nodes.values() if not node.problem]
        if not ready:
            reasons = "; ".join(f"{node_id[:12]}: {why}" for node_id, why in self._not_ready().items())
            found = reasons or f"no node offers {self._resource or 'CPU'}"
            return ResourceError(f"no node of the Ray cluster was ready within {seconds:g} s ({found})")
        most = self.settings.pool.max_workers
        return from_exhaustion(f"all {len(ready)} nodes had {most} sessions for more than {seconds:g} s")

    async def stats(self) -> ClusterStats:
        """Ask every node how it stands."""
        asked = {
            node: asyncio.ensure_future(node.answer(node.actor.stats.remote(), self.grace))
            for node in self._nodes.values()
            if not node.problem
        }
        told = await asyncio.gather(*asked.values(), return_exceptions=True)
        not_ready = self._not_ready()
        nodes = []
        for node, one in zip(asked, told, strict=True):
            if isinstance(one, dict):
                node.sessions = one["sessions"]
                nodes.append(NodeStats(node_id=node.node_id, address=node.address, **one))
            elif isinstance(one, WorkerLostError):
                not_ready[node.node_id] = str(one).partition("\n")[0]
            elif one is not None:
                raise one
        return ClusterStats(tuple(sorted(nodes, key=lambda one: (one.address, one.node_id))), not_ready)

    def _not_ready(self) -> dict[str, str]:
        """Tell which nodes take no sessions, and why."""
        failed = {node_id: one.reason for node_id, one in self._failed.items()}
        return {**failed, **{node.node_id: node.problem for node in self._nodes.values() if node.problem}}

    async def leave(self) -> None:
        """Give up the leases; what this client has on the nodes ends."""
        self.closed = True
        self._watching.cancel()
        leaving = [
            asyncio.ensure_future(node.answer(node.actor.leave.remote(self.client), self.grace))
            for node in self._nodes.values()
            if node.incarnation is not None
        ]
        # The actor ends with its last client, and gives no answer then; one that is gone has ended already.
        for one in await asyncio.gather(*leaving, return_exceptions=True):
            if isinstance(one, BaseException) and not isinstance(one, WorkerLostError):
                raise one
        for node_id in list(self._nodes):
            self._forget(node_id, "the cluster was closed")


def _seen(future: asyncio.Future[Any]) -> None:
    """Look at what came of it: nobody else may."""
    if not future.cancelled():
        future.exception()
