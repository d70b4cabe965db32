"""Sessions of our own, through which a resource asks in Dana's words.

Rule: no program ever runs in one. A session answers one question at a time, so there are as many as questions
are under way; those that are free wait for the next.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .chat import deadline
from .transport import Timeouts

if TYPE_CHECKING:
    from opendxa.dana.async_dana import AsyncDana
    from opendxa.dana.dana_module import Dana
    from opendxa.dana.reasoning import ReasoningResult
    from opendxa.dana.result import Usage

    from .asking import Asking
    from .provider import Request, Response
    from .resource import LLM, AsyncLLM

__all__ = ["AsyncInner", "Inner", "Shelf"]

Kept = TypeVar("Kept", "Dana", "AsyncDana")


class Shelf(Generic[Kept]):
    """Those that are free."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[Kept] = []

    def take(self) -> Kept | None:
        """Return one that is free."""
        try:
            return self._kept.pop()
        except IndexError:
            return None

    def put(self, session: Kept) -> bool:
        """Keep one for the next question; False when there are enough."""
        if len(self._kept) >= self._size:
            return False
        self._kept.append(session)
        return True


class Inner:
    """The model of such a session: the resource itself."""

    def __init__(self, resource: LLM | AsyncLLM) -> None:
        self._resource = weakref.proxy(resource)
        self._deadline: float | None = None
        self._timeouts: Timeouts | None = None
        self.model: str = getattr(resource.provider, "model", "")
        self.models: Any = getattr(resource.provider, "models", [])
        self._usage: Usage | None = None

    def begin(self, timeout: float | Timeouts | None) -> None:
        """A question begins."""
        self._deadline, self._usage = deadline(timeout), None
        self._timeouts = timeout if isinstance(timeout, Timeouts) else None

    def generate(self, request: Request) -> Any:
        """Ask through the resource."""
        asking = self._ask(request)
        try:
            return self._asked(asking)
        finally:
            self._book(asking)

    def _asked(self, asking: Asking) -> Any:
        return self._resource._wait(asking)

    def finish(self, result: ReasoningResult[Any]) -> ReasoningResult[Any]:
        """Return the answer with what the resource booked for it."""
        if self._usage is not None:
            result.usage = self._usage
        return result

    def _ask(self, request: Request) -> Asking:
        limited = replace(request, deadline=self._deadline, timeouts=self._timeouts)
        asking: Asking = self._resource._ask(limited)
        return asking

    def _book(self, asking: Asking) -> None:
        self._usage = asking.used if self._usage is None else self._usage + asking.used


class AsyncInner(Inner):
    """The same for asyncio."""

    is_async = True

    async def generate(self, request: Request) -> Response:
        """Ask through the resource."""
        asking = self._ask(request)
        try:
            response: Response = await self._asked(asking)
        finally:
            self._book(asking)
        return response
