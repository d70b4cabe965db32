"""One ASGI connection: its messages, its session, and the end of both.

Rule: a session is opened when it is first wanted, lives until the answer is sent to its end, and is gone
a moment after the client is. Nobody else's message is eaten: what is read while watching for the client's
end is handed on in its order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from opendxa.dana.async_dana import AsyncDana
from opendxa.dana.exceptions import BodyTooLargeError, SessionClosedError

if TYPE_CHECKING:
    from .service import Service, Visit

__all__ = ["Exchange", "Inbox", "Message", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: Bytes of a body that are read ahead of the application while the client's end is watched for.
_AHEAD: Final = 2**20
_ENDS: Final = frozenset({"http.disconnect", "websocket.disconnect"})

_log = logging.getLogger("opendxa.dana.web")


class Inbox:
    """The messages of a connection, for the application, with a look ahead for the client's end."""

    def __init__(self, receive: Receive, max_body: int | None = None) -> None:
        self._receive = receive
        self._lock = asyncio.Lock()
        self._ahead: deque[Message] = deque()
        self._held = 0
        self._room = asyncio.Event()
        self._left = max_body
        #: Whether the client has gone.
        self.gone: bool = False
        #: Whether the body turned out larger than it may be.
        self.too_large: bool = False

    async def receive(self) -> Message:
        """Return the next message, as the server's own `receive` does."""
        if not self._ahead:
            async with self._lock:
                if not self._ahead:
                    return self._seen(await self._receive())
        message = self._ahead.popleft()
        self._held -= len(message.get("body") or b"")
        self._room.set()
        return message

    async def until_gone(self) -> None:
        """Read ahead until the client has gone."""
        while not self.gone and not self.too_large:
            async with self._lock:
                if self.gone:
                    return
                message = self._seen(await self._receive())
                self._ahead.append(message)
                self._held += len(message.get("body") or b"")
            while self._held > _AHEAD:
                self._room.clear()
                await self._room.wait()

    def _seen(self, message: Message) -> Message:
        if message["type"] in _ENDS:
            self.gone = True
        elif self._left is not None and message["type"] == "http.request":
            self._left -= len(message.get("body") or b"")
            if self._left < 0:
                self.refuse()
        return message

    def refuse(self) -> NoReturn:
        """Read no more of a body that is too large."""
        self.too_large = True
        raise BodyTooLargeError("the body of the request is larger than it may be")


class Exchange:
    """One connection's session: ``await scope["dana"].session()``."""

    def __init__(
        self,
        service: Service,
        inbox: Inbox,
        tenant: Callable[[], Any] | None,
        limits: Callable[[], Any] | None,
    ) -> None:
        self.service: Service = service
        self.inbox: Inbox = inbox
        self._tenant = tenant
        self._limits = limits
        self._visit: Visit | None = None
        self._dana: AsyncDana | None = None
        self._opening: asyncio.Task[AsyncDana] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._closed = False

    async def session(self) -> AsyncDana:
        """Return the connection's session, opened when it is first asked for.

        Raises `TenantBusyError`, `PoolExhaustedError`, and what `AsyncDana.open` raises.
        """
        async with self._lock:
            if self._dana is None:
                self._refuse_late()
                tenant, limits = await _told(self._tenant), await _told(self._limits)
                self._visit = self.service.enter(tenant, limits)
                self._watching = asyncio.create_task(self._watch())
                self._opening = asyncio.create_task(AsyncDana(**self._visit.arguments).open())
                try:
                    self._dana = await self._opening
                except asyncio.CancelledError:
                    self._refuse_late()
                    raise
            return self._dana

    def _refuse_late(self) -> None:
        if self.inbox.gone:
            raise SessionClosedError("the client went away\nHint: nobody waits for an answer")
        if self._closed:
            raise SessionClosedError("the request is over\nHint: sessions of requests end with them")

    async def _watch(self) -> None:
        """End the session when the client goes."""
        try:
            await self.inbox.until_gone()
        except BodyTooLargeError:
            return  # whoever reads the body hears of it
        self._give_up()

    def _give_up(self) -> None:
        """End the session now: whoever waits for it hears `SessionClosedError`."""
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
        elif self._dana is not None and self._closing is None:
            _log.debug("the client of a Dana session went away: the session ends")
            self._closing = asyncio.create_task(self._dana.close())

    async def close(self) -> None:
        """End the session, wait until nothing is left of its worker, and give back the tenant's place."""
        self._closed = True
        usage = None
        try:
            for task in (self._watching, self._opening):
                if task is not None and not task.done():
                    task.cancel()
                    await asyncio.wait([task])
            if self._watching is not None and not self._watching.cancelled():
                self._watching.result()
            if self._opening is not None and not self._opening.cancelled() and not self._opening.exception():
                self._dana = self._opening.result()
            if self._closing is not None:
                await self._closing
            if self._dana is not None:
                await self._dana.close()
                usage = self._dana.usage
        finally:
            visit, self._visit = self._visit, None
            if visit is not None:
                self.service.leave(visit, usage)

    def end(self) -> None:
        """End the session from outside: the service stops."""
        self._give_up()


async def _told(ask: Callable[[], Any] | None) -> Any:
    """Return what a function of the service says, which may be async."""
    said = ask() if ask is not None else None
    return await said if isawaitable(said) else said
