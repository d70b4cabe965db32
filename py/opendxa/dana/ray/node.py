"""The actor of a node: a pool of workers, the sessions in them, and the clients that they belong to.

Rule: it does each thing it is asked once. A session belongs to the client that opened it and lives no longer
than that client's lease; the actor ends with its last client. Whatever fails is an answer, not a failure of
the actor's method, so that Ray has nothing to wrap or to try again.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

import ray

from opendxa.dana import pool
from opendxa.dana.arguments import folders
from opendxa.dana.async_dana import AsyncDana
from opendxa.dana.exceptions import ConfigurationError, DanaError
from opendxa.dana.isolation import IsolationLevel
from opendxa.dana.models import RECEIPT
from opendxa.dana.modules import list_available

from . import opening
from .parcel import harmless, pack, unpack
from .report import Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from opendxa.dana.models import Receipt
    from opendxa.dana.pool import PoolConfig
    from opendxa.dana.result import Usage

__all__ = ["GONE", "Hello", "Node", "Settings", "read_secrets"]

#: Looks at the leases in the time of one.
_LOOKS: Final = 4
_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
#: What a turn is told whose session the node does not have.
GONE: Final = b""


class Settings(NamedTuple):
    """What an actor is made with. Clients that share actors must agree on it."""

    pool: PoolConfig
    secrets: str | None
    #: Of dana-bridge, at the client.
    version: str


class Hello(NamedTuple):
    """What an actor answers to each sign of life of a client."""

    #: Another one whenever the actor started anew.
    incarnation: str
    settings: Settings
    sessions: int
    #: What a session of the usual level reached when the actor started.
    level: IsolationLevel
    #: Why no session can be placed there; empty where all is well.
    problem: str


class Outcome(NamedTuple):
    """What an execution came to: an `ExecutionResult` without what needs the session."""

    success: bool
    result: Any
    error: BaseException | None
    output: str
    execution_time: float
    usage: Usage


class _Client:
    """A client, and what belongs to it."""

    def __init__(self) -> None:
        #: When the lease runs out, and how often to look.
        self.end = 0.0
        self.every = 1.0
        self.sessions: dict[str, _Session] = {}
        #: Places that were promised to sessions about to be opened.
        self.places: set[str] = set()


class _Session:
    """A session, and what its client is told of it."""

    def __init__(self, dana: AsyncDana) -> None:
        self.dana = dana

    @property
    def alive(self) -> bool:
        """Whether it has a worker."""
        held = self.dana._session
        return held is not None and held.session.alive

    def status(self, fully: bool) -> Status:
        """Say how it stands."""
        dana = self.dana
        report = dana.isolation if fully else None
        return Status(self.alive, dana.is_subprocess_isolated, dana.subprocess_pid, dana.usage, report)


class Node:
    """What runs on a node. Ray makes an actor of it; its methods share one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._problem = ""
        try:
            if settings.secrets is not None:
                os.environ.update(read_secrets(Path(settings.secrets)))
        except ConfigurationError as error:
            self._problem = str(error)
        pool.configure(settings.pool)
        self._incarnation = uuid4().hex
        self._clients: dict[str, _Client] = {}
        self._changed = asyncio.Condition()
        self._level: IsolationLevel | None = None
        self._probing = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None

    async def hello(self, client: str, lease: float) -> Hello:
        """Take a sign of life: the client's lease lasts so many seconds from now on."""
        self._heard(client, lease)
        level = await self._probed()
        own = self._settings._replace(version=version("dana-bridge"))
        return Hello(self._incarnation, own, self.count(), level, self._problem)

    async def reserve(self, client: str, lease: float, session: str) -> tuple[bool, int]:
        """Promise a place to a session about to be opened, if there is one; and how many are taken."""
        here = self._heard(client, lease)
        if self.count() >= self._settings.pool.max_workers:
            return False, self.count()
        here.places.add(session)
        return True, self.count()

    async def room(self, seconds: float) -> bool:
        """Wait until there may be a place, for so long."""
        with suppress(asyncio.TimeoutError):
            async with self._changed:
                await asyncio.wait_for(
                    self._changed.wait_for(lambda: self.count() < self._settings.pool.max_workers), seconds
                )
        return self.count() < self._settings.pool.max_workers

    async def open(self, client: str, session: str, settings: bytes, later: list[tuple[str, bytes]]) -> bytes:
        """Open a session in the place that was promised to it."""
        here = self._clients.get(client)
        if here is None or session not in here.places:
            return GONE
        dana: AsyncDana | None = None
        try:
            dana = AsyncDana(**opening.made(unpack(settings, "what the session is opened with")))
            for name, data in later:
                arguments, _ = unpack(data, "what was registered")
                await _DOES[name](dana, *arguments)
            await dana.open()
            opened = _Session(dana)
            if self._clients.get(client) is not here or session not in here.places:
                await dana.close()  # the client has left, or does not wait any more
                return GONE
            here.sessions[session] = opened
            return self._packed(opened, "value", None, fully=True)
        except BaseException as error:
            if dana is not None:
                await dana.close()
            if isinstance(error, asyncio.CancelledError):
                raise
            return self._packed(None, "error", error)
        finally:
            here.places.discard(session)
            await self._notify()

    async def do(self, client: str, session: str, what: str, data: bytes) -> bytes:
        """Do one thing with a session."""
        here = self._clients.get(client)
        it = here.sessions.get(session) if here is not None else None
        if it is None:
            return GONE
        alive = it.alive
        try:
            arguments, named = unpack(data, "what the session was given")
            value = await _DOES[what](it.dana, *arguments, **named)
            return self._packed(it, "value", value, fully=what == "status")
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # `sys.exit()` in somebody's function included: it must not end the sessions of all others.
            return self._packed(it, "error", error)
        finally:
            if alive != it.alive:
                await self._notify()

    async def end(self, client: str, session: str) -> None:
        """End a session; what is under way in it is broken off."""
        here = self._clients.get(client)
        if here is None:
            return
        here.places.discard(session)
        it = here.sessions.pop(session, None)
        if it is not None:
            await it.dana.close()
        await self._notify()

    async def leave(self, client: str) -> None:
        """Let a client go, and end all that belongs to it; the actor ends with the last."""
        await self._drop(client)
        if not self._clients:
            _end()

    async def stats(self) -> dict[str, Any]:
        """Tell how the node stands."""
        return {
            "pid": os.getpid(),
            "sessions": self.count(),
            "capacity": self._settings.pool.max_workers,
            "clients": len(self._clients),
            "level": await self._probed(),
            "pool": pool.stats(),
        }

    def count(self) -> int:
        """Count the sessions that have a worker, and the places that are promised."""
        return sum(
            len(one.places) + sum(session.alive for session in one.sessions.values())
            for one in self._clients.values()
        )

    def _heard(self, client: str, lease: float) -> _Client:
        """Extend a client's lease, or begin it."""
        here = self._clients.setdefault(client, _Client())
        here.end, here.every = monotonic() + lease, lease / _LOOKS
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_at_leases())
        return here

    def _packed(self, it: _Session | None, kind: str, value: object, *, fully: bool = False) -> bytes:
        """Return an answer as bytes."""
        status = it.status(fully) if it is not None else None
        if isinstance(value, BaseException) and kind == "error":
            value = harmless(value)
        try:
            return pack((kind, status, value), "the answer")
        except DanaError as error:
            return pack(("error", status, harmless(error)), "the answer")

    async def _probed(self) -> IsolationLevel:
        """Return what a session of the usual level reaches here; tried once."""
        async with self._probing:
            if self._level is None:
                try:
                    async with AsyncDana(require_isolation=True, echo=False) as dana:
                        self._level = dana.isolation.level
                except DanaError as error:
                    self._level = IsolationLevel.NONE
                    self._problem = self._problem or str(error)
            return self._level

    async def _drop(self, client: str) -> None:
        """End all that belongs to a client."""
        here = self._clients.pop(client, None)
        if here is not None:
            await asyncio.gather(*(one.dana.close() for one in here.sessions.values()))
            await self._notify()

    async def _look_at_leases(self) -> None:
        """End what belongs to clients that gave no sign of life."""
        while self._clients:
            every, before = min(here.every for here in self._clients.values()), monotonic()
            await asyncio.sleep(every)
            now = monotonic()
            if now - before > 2 * every:
                continue  # this loop was held up: signs of life are waiting to be heard
            for client in [client for client, here in self._clients.items() if here.end < now]:
                await self._drop(client)
        _end()

    async def _notify(self) -> None:
        """Tell whoever waits for a place to look."""
        async with self._changed:
            self._changed.notify_all()


def _end() -> None:
    """End the actor for good. Nobody uses it: who comes later makes another one."""
    pool.close()
    ray.kill(ray.get_runtime_context().current_actor)


async def _execute(dana: AsyncDana, source: str, filename: str | None) -> Outcome:
    result = await dana.execute_string(source, filename)
    error = harmless(result.error) if result.error is not None else None
    return Outcome(result.success, result.result, error, result.output, result.execution_time, result.usage)


async def _reason(
    dana: AsyncDana, prompt: str, options: dict[str, Any], definitions: Mapping[str, str], details: bool
) -> tuple[Any, Receipt]:
    session, _ = await dana._ready()
    with dana.models.receipt(details) as (name, receipt):
        await dana._define(session, definitions)
        if name is not None:
            options = {**options, RECEIPT: name}
        return await dana._reason(prompt, options), receipt


async def _register(
    dana: AsyncDana, name: str, function: opening.Named | opening.Code, background: bool | None
) -> None:
    dana.register(name, opening.found(function), background=background)


async def _bind(dana: AsyncDana, python_type: opening.Named | opening.Code) -> None:
    dana.bind(opening.found(python_type))


async def _register_type(
    dana: AsyncDana,
    python_type: opening.Named | opening.Code,
    to_dana: opening.Named | opening.Code,
    name: str | None,
    from_dana: opening.Named | opening.Code | None,
) -> None:
    backwards = None if from_dana is None else opening.found(from_dana)
    dana.register_type(opening.found(python_type), opening.found(to_dana), name=name, from_dana=backwards)


async def _list_modules(dana: AsyncDana, paths: list[str] | None) -> list[str]:
    _, host = await dana._ready()
    return list_available(host.places() if paths is None else folders(paths))


async def _status(_dana: AsyncDana) -> None:
    """Nothing is asked of the session: its status comes with every answer."""


#: Everything that can be asked of a session.
_DOES: Final[dict[str, Callable[..., Awaitable[Any]]]] = {
    "bind": _bind,
    "call": AsyncDana.call,
    "describe": AsyncDana.describe,
    "execute": _execute,
    "get": AsyncDana.get,
    "list_modules": _list_modules,
    "reason": _reason,
    "register": _register,
    "register_type": _register_type,
    "set": AsyncDana.set,
    "snapshot": AsyncDana.snapshot,
    "status": _status,
}


def read_secrets(path: Path) -> dict[str, str]:
    """Return the variables of a file with a line ``NAME=value`` each; no error repeats a value."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"the file of secrets {path} cannot be read on the node: {reason}") from None
    secrets: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        if found is None:
            raise ConfigurationError(f"line {number} of the file of secrets {path} is not NAME=value")
        value = found[2].strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        secrets[found[1]] = value
    return secrets
