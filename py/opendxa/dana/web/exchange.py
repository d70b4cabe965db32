"""One ASGI connection: its messages, its session, and the end of both.

Rule: a session is opened when it is first wanted, lives until the answer is sent to its end, and is gone
a moment after the client is. Nobody else's message is eaten: what is read while watching for the client's
end is handed on in its order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from opendxa.dana.async_dana import AsyncDana
from opendxa.dana.dana_module import Dana
from opendxa.dana.exceptions import BodyTooLargeError, SessionClosedError

if TYPE_CHECKING:
    from opendxa.dana.result import Usage

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
        #: The message that the client has gone: whoever asks again hears it again.
        self._end: Message | None = None
        #: Whether the client has gone.
        self.gone: bool = False
        #: Whether the body turned out larger than it may be.
        self.too_large: bool = False

    async def receive(self) -> Message:
        """Return the next message, as the server's own `receive` does."""
        if not self._ahead:
            async with self._lock:
                if not self._ahead:
                    if self.too_large:
                        self.refuse()  # who watched took the message that showed it; there may be no other
                    return self._end or self._seen(await self._receive())
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
            self.gone, self._end = True, message
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
    """One connection's session: ``await scope["dana"].session()``; or a plain `Dana`, for code on threads."""

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
        self._sessions: dict[type[AsyncDana | Dana], _Session] = {}
        self._watching: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._closed = False

    async def session(self) -> AsyncDana:
        """Return the connection's session, opened when it is first asked for.

        Raises `TenantBusyError`, `PoolExhaustedError`, and what `AsyncDana.open` raises.
        """
        dana = await self._opened(AsyncDana)
        assert isinstance(dana, AsyncDana)  # noqa: S101 - what was asked for
        return dana

    async def thread_session(self) -> Dana:
        """Return a session for code that runs on a thread; it is another one than that of `session`."""
        dana = await self._opened(Dana)
        assert isinstance(dana, Dana)  # noqa: S101 - what was asked for
        return dana

    async def _opened(self, kind: type[AsyncDana | Dana]) -> AsyncDana | Dana:
        async with self._lock:
            known = self._sessions.get(kind)
            if known is None:
                self._refuse_late()
                tenant, limits = await _told(self._tenant), await _told(self._limits)
                visit = self.service.enter(tenant, limits)
                known = self._sessions[kind] = _Session(visit, asyncio.create_task(_open(kind, visit)))
                if self._watching is None:
                    self._watching = asyncio.create_task(self._watch())
            try:
                return await asyncio.shield(known.opening)
            except asyncio.CancelledError:
                self._refuse_late()
                if known.opening.cancelled():
                    raise SessionClosedError(
                        "the service is stopping\nHint: ask another process of it"
                    ) from None
                raise
            except Exception:
                del self._sessions[kind]  # nothing is open: it may be tried again
                self.service.leave(known.visit, None)
                raise

    def _refuse_late(self) -> None:
        if self.inbox.gone:
            raise SessionClosedError("the client went away\nHint: nobody waits for an answer")
        if self.inbox.too_large:
            self.inbox.refuse()
        if self._closed:
            raise SessionClosedError("the request is over\nHint: sessions of requests end with them")

    async def _watch(self) -> None:
        """End the sessions when the client goes, or sends more than it may."""
        try:
            await self.inbox.until_gone()
        except BodyTooLargeError:
            _log.debug("the body of a request with a Dana session is too large: the session ends")
            self.end()
            return
        if self.inbox.gone:
            _log.debug("the client of a Dana session went away: the session ends")
            self.end()

    def end(self) -> None:
        """End the sessions now: whoever waits for them hears `SessionClosedError`."""
        for session in self._sessions.values():
            session.end()

    async def close(self) -> None:
        """End the sessions, wait until nothing is left of their workers, give back the tenant's places."""
        self._closed = True
        try:
            if self._watching is not None:
                self._watching.cancel()
                await asyncio.wait([self._watching])
                if not self._watching.cancelled():
                    self._watching.result()
        finally:
            sessions, self._sessions = self._sessions, {}
            for session in sessions.values():
                session.end()
            try:
                await asyncio.gather(*(session.ended() for session in sessions.values()))
            finally:
                for session in sessions.values():
                    self.service.leave(session.visit, session.usage)


class _Session:
    """One session of a connection, from before its opening to its end."""

    def __init__(self, visit: Visit, opening: asyncio.Task[AsyncDana | Dana]) -> None:
        self.visit = visit
        self.opening = opening
        self.usage: Usage | None = None
        self._ending: asyncio.Task[None] | None = None

    def end(self) -> None:
        """Begin to end it."""
        if self._ending is None:
            self.opening.cancel()
            self._ending = asyncio.create_task(self._end())

    async def ended(self) -> None:
        """Wait for its end, also when nobody wants to wait any more."""
        if self._ending is not None:
            await asyncio.shield(self._ending)

    async def _end(self) -> None:
        await asyncio.wait([self.opening])
        if self.opening.cancelled() or self.opening.exception() is not None:
            return  # whoever asked for it has heard
        dana = self.opening.result()
        if isinstance(dana, AsyncDana):
            await dana.close()
        else:
            await asyncio.to_thread(dana.close)
        self.usage = dana.usage


async def _open(kind: type[AsyncDana | Dana], visit: Visit) -> AsyncDana | Dana:
    """Open a session; one that nobody wants any more is closed."""
    if kind is AsyncDana:
        return await AsyncDana(**visit.arguments).open()
    opening = asyncio.ensure_future(asyncio.to_thread(Dana, **visit.arguments))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):  # what kept it from opening is nobody's concern now
            await asyncio.to_thread((await opening).close)
        raise


async def _told(ask: Callable[[], Any] | None) -> Any:
    """Return what a function of the service says, which may be async."""
    said = ask() if ask is not None else None
    return await said if isawaitable(said) else said
