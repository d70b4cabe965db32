"""Resources that programs use and the host keeps: ``use("kind", ...)`` in Dana.

Rule: the object never leaves the host. A program holds its number, and can call exactly the methods that the
host named for the kind; nothing is ever looked up by a name that a program sent.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .exceptions import ResourceError
from .functions import HostFunction, is_async
from .types import format_type_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

__all__ = ["Resource", "Shelf", "checked_kinds"]

#: Resources a session may have open at once.
MOST_OPEN: Final = 256
#: Seconds that an asynchronous ``close()`` may take when the session ends.
CLOSING: Final = 10.0


@dataclass(frozen=True)
class Resource:
    """A kind of resource: how one is opened, and the names of the methods that programs may call on it.

    `open` is called with the arguments of ``use`` after the kind. When a program leaves ``with use(...) as
    r:``, or the session ends, the object's ``close()`` is called if it has one. Asynchronous methods that are
    under way when the block is left come to their end before. At the session's end an asynchronous
    ``close()`` is cancelled after 10 seconds.
    """

    #: Makes the object: a class, or a function.
    open: Callable[..., Any]
    #: Names of methods that programs may call.
    methods: Iterable[str]


@dataclass
class _Opened:
    """A resource that is open."""

    kind: str
    it: Any
    #: Calls of asynchronous methods that are not over.
    calls: set[asyncio.Event] = field(default_factory=set)
    #: The program has left the block that it was opened for.
    left: bool = False


class Shelf:
    """The resources that one session has open."""

    def __init__(self, kinds: Mapping[str, Resource]) -> None:
        self._open: dict[int, _Opened] = {}
        self._next = 1
        self.functions: dict[str, HostFunction] = {}
        for kind, resource in kinds.items():
            prefix = f"use {kind}"
            use = partial(self._use, kind, resource.open)
            self.functions[prefix] = HostFunction(use, behind=resource.open)
            self.functions[f"{prefix}.__exit__"] = HostFunction(partial(self._leave, kind))
            for method in resource.methods:
                behind = getattr(resource.open, method, None)
                call = partial(self._call, kind, method)
                self.functions[f"{prefix}.{method}"] = HostFunction(call, is_async(behind), behind)

    def _use(self, kind: str, factory: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Open a resource and return its number."""
        if len(self._open) >= MOST_OPEN:
            raise ResourceError(
                f"a session has at most {MOST_OPEN} resources open\nHint: use them inside 'with'"
            )
        opened = factory(*args, **kwargs)
        return self._await(kind, opened) if inspect.isawaitable(opened) else self._put(kind, opened)

    async def _await(self, kind: str, opening: Any) -> int:
        """Wait for a resource that is opened asynchronously."""
        return self._put(kind, await opening)

    def _put(self, kind: str, opened: Any) -> int:
        """Remember a resource."""
        number = self._next
        self._next += 1
        self._open[number] = _Opened(kind, opened)
        return number

    def _call(self, kind: str, method: str, number: object, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method that the host named, on a resource of its kind."""
        found = self._find(kind, number)
        if found is None:
            raise ResourceError(f"the resource {kind!r} is closed, or never was open")
        value = getattr(found.it, method)(*args, **kwargs)
        return self._until_over(found, value) if inspect.isawaitable(value) else value

    def _until_over(self, found: _Opened, value: Awaitable[Any]) -> Any:
        """Keep a resource open until a call of it is over."""
        over = asyncio.Event()
        found.calls.add(over)

        async def call() -> Any:
            try:
                return await value
            finally:
                found.calls.discard(over)
                over.set()

        return call()

    def _find(self, kind: str, number: object) -> _Opened | None:
        """Return a resource that is open for the program, by its number."""
        found = self._open.get(number) if type(number) is int else None
        return found if found is not None and found.kind == kind and not found.left else None

    def _leave(self, kind: str, number: object) -> Any:
        """Close a resource; leaving twice is no error."""
        found = self._find(kind, number)
        if found is None or not isinstance(number, int):
            return None
        found.left = True
        if found.calls:
            return self._close_later(number, found)
        del self._open[number]
        closed = _close(found.it)
        return _ended(closed) if inspect.isawaitable(closed) else None

    async def _close_later(self, number: int, found: _Opened) -> None:
        """Close a resource when its calls are over; if the session ends before, that closes it."""
        while found.calls:
            await next(iter(found.calls)).wait()
        if self._open.pop(number, None) is not None:
            closed = _close(found.it)
            if inspect.isawaitable(closed):
                await closed

    def close(self, finish: Callable[[Awaitable[Any], float], None]) -> None:
        """Close what is open; the session is over. `finish` waits for what is closed asynchronously."""
        while self._open:
            _, found = self._open.popitem()
            try:
                closed = _close(found.it)
                if inspect.isawaitable(closed):
                    finish(closed, CLOSING)
            except Exception:
                text = "closing the resource %r failed"
                logging.getLogger("opendxa.dana").exception(text, found.kind)


def _close(it: Any) -> Any:
    """Close an object that can be closed; what that gives may have to be awaited."""
    close = getattr(it, "close", None)
    return close() if callable(close) else None


async def _ended(closing: Any) -> None:
    """Wait for an asynchronous close; what it returns is nobody's."""
    await closing


def checked_kinds(resources: object) -> dict[str, Resource]:
    """Return kinds of resources by name, or raise `TypeError` or `ValueError`."""
    if resources is None:
        return {}
    if not isinstance(resources, dict):
        raise TypeError(format_type_error(resources, "dict of resources", "argument 'resources'"))
    kinds: dict[str, Resource] = {}
    for kind, resource in resources.items():
        where = f"argument 'resources[{kind!r}]'"
        if not isinstance(kind, str) or not (kind.isascii() and kind.isidentifier()):
            raise ValueError(f"a kind of resource is an ASCII identifier, got {kind!r} at {where}")
        if not isinstance(resource, Resource):
            raise TypeError(format_type_error(resource, "Resource", where))
        if not callable(resource.open):
            raise TypeError(format_type_error(resource.open, "callable", where))
        if isinstance(resource.methods, str):
            raise TypeError(format_type_error(resource.methods, "names of methods", where))
        methods = tuple(resource.methods)
        for method in methods:
            if not isinstance(method, str) or not (method.isascii() and method.isidentifier()):
                raise ValueError(f"a method's name is an ASCII identifier, got {method!r} at {where}")
            if method.startswith("_"):
                raise ValueError(f"a method that programs may call is public, got {method!r} at {where}")
        kinds[kind] = Resource(resource.open, methods)
    return kinds
