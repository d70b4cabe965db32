"""A session on a node, from the client's side: where it is, what is known of it, and one turn at a time.

Rule: everything here runs on the client's own loop. Whoever stops waiting ends the session, as with
`AsyncDana`; a turn is sent once, and when its node does not answer in time the session is lost.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from opendxa.dana.exceptions import SessionClosedError, WorkerLostError
from opendxa.dana.limits import USUAL
from opendxa.dana.sandbox import STARTUP_TIMEOUT

from .lost import cluster_closed, lost, over
from .node import GONE
from .parcel import pack, unpack
from .report import Status

if TYPE_CHECKING:
    from .nodes import Node, Nodes
    from .opening import Opening

__all__ = ["Core"]

_log = logging.getLogger("opendxa.dana.ray")


class Core:
    """One session, opened when it is first needed."""

    def __init__(self, nodes: Nodes, opening: Opening, restarts: bool) -> None:
        self._nodes = nodes
        self._opening = opening
        self._settings = opening.packed()
        self._restarts = restarts
        #: What was registered since: a session that replaces this one is told, too.
        self._later: list[tuple[str, bytes]] = []
        self._turns = asyncio.Lock()
        self._number = ""
        self.node: Node | None = None
        self.status: Status = Status()
        #: Why it is over, once it is.
        self.ended: str = ""
        self.closed: bool = False

    async def open(self) -> Status:
        """Open the session, if it is not."""
        async with self._turns:
            await self._ready()
        return self.status

    async def turn(self, what: str, data: bytes) -> bytes:
        """Do one thing with the session, when those before are done."""
        async with self._turns:
            node = await self._ready()
            return await self._send(node, what, data)

    async def known(self, what: str, data: bytes) -> None:
        """Tell the session of a function or class, now or when it is opened."""
        async with self._turns:
            self._refuse_closed()
            if self.node is not None:
                self.read(await self._send(self.node, what, data))
            self._later.append((what, data))

    async def restart(self) -> None:
        """Replace the session by a new one, on the least loaded node."""
        async with self._turns:
            self._refuse_closed()
            await self._leave()
            await self._open()

    async def close(self) -> None:
        """End the session and wait until nothing is left of it; what is under way in it is broken off."""
        self.closed = True
        await self._leave()

    def drop(self) -> None:
        """End the session without waiting."""
        self.closed = True
        self._end("the session was closed")

    def read(self, data: bytes) -> Any:
        """Return the value that an answer holds, or raise the error. For the thread of the caller."""
        kind, status, value = unpack(data, "the answer of the node")
        if status is not None:
            isolation = status.isolation or (self.status.isolation if status.pid == self.status.pid else None)
            self.status = Status(status.alive, status.isolated, status.pid, status.usage, isolation)
        if kind == "error":
            raise value
        return value

    async def _ready(self) -> Node:
        """Return the session's node, opened when it is first needed."""
        self._refuse_closed()
        if self.node is None and self.ended:
            if not self._restarts:
                raise over(self.ended)
            _log.warning("a Dana session on a Ray cluster was lost and is replaced: its state is lost")
            self.ended = ""
        return self.node if self.node is not None else await self._open()

    async def _open(self) -> Node:
        """Open the session: find a place, and only then send what it is opened with."""
        number = uuid4().hex
        node = await self._nodes.place(number)
        self._number, self.node = number, node
        seconds = self._opening.setup_seconds
        if seconds is not None:
            wait = self._nodes.settings.pool.acquire_timeout
            seconds += wait + STARTUP_TIMEOUT + self._nodes.grace + len(self._later)
        opened = False
        try:
            reference = node.actor.open.remote(self._nodes.client, number, self._settings, self._later)
            data = await node.answer(reference, seconds)
            if data == GONE:
                raise lost(node.node_id, "it does not know of the place any more that it had promised")
            self.read(data)
            self._refuse_closed()  # meanwhile
            opened = True
        except WorkerLostError:
            self._refuse_closed()  # which is why
            raise
        finally:
            if not opened:
                self._end("")
        self.ended = ""
        return node

    async def _send(self, node: Node, what: str, data: bytes) -> bytes:
        """Send a turn, once."""
        seconds = self._turn_seconds()
        try:
            reference = node.actor.do.remote(self._nodes.client, self._number, what, data)
            answer: bytes = await node.answer(reference, seconds)
            if answer == GONE:
                raise lost(node.node_id, "it does not have the session any more")
        except WorkerLostError as error:
            self._refuse_closed()  # which is why
            self._end(str(error).partition("\n")[0])
            raise
        except asyncio.CancelledError:
            self._end("the session was ended: who waited for it was cancelled")
            raise
        return answer

    def _turn_seconds(self) -> float | None:
        """Seconds after which a node is not waited for any more; None where the limits set no end."""
        limits = self._opening.limits or USUAL
        if limits.wall_time is None or self._opening.setup_seconds is None:
            return None
        # A session that the node replaces first (`restart_on_failure`) is opened and set up in that time too.
        restart = self._opening.setup_seconds + STARTUP_TIMEOUT if self._restarts else 0.0
        return float(limits.wall_time) + restart + self._nodes.grace

    def _end(self, reason: str) -> None:
        """Let go of the node's session; the node ends it as soon as it hears of it."""
        node, self.node = self.node, None
        self.ended = reason
        self.status = Status(usage=self.status.usage)
        if node is not None and not node.gone.done():
            node.sessions = max(0, node.sessions - 1)
            node.actor.end.remote(self._nodes.client, self._number)

    async def _leave(self) -> None:
        """End the node's session and wait for that."""
        node, self.node = self.node, None
        self.status = Status(usage=self.status.usage)
        if node is None or node.gone.done():
            return
        node.sessions = max(0, node.sessions - 1)
        try:
            await node.answer(node.actor.end.remote(self._nodes.client, self._number), self._nodes.grace)
        except WorkerLostError as error:
            # Gone with its node, or it goes when the lease runs out.
            _log.info("a session ended with its node: %s", str(error).partition("\n")[0])

    def _refuse_closed(self) -> None:
        if self._nodes.closed:
            raise cluster_closed()
        if self.closed:
            raise SessionClosedError("the session was closed\nHint: open a new session")


def packed(*arguments: Any, **named: Any) -> bytes:
    """Return the arguments of a turn as bytes."""
    return pack((arguments, named), "an argument")
