"""A plain function as a model: ``fn(messages, options) -> str``, sync or async."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from opendxa.dana.types import format_type_error

from .provider import ModelError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["FromCallable"]


class FromCallable:
    """Calls ``fn(messages, options)`` and takes its text for the answer; it may also return a `Response`."""

    def __init__(self, function: Callable[[list[dict[str, str]], dict[str, Any]], Any]) -> None:
        self._function = function

    def generate(self, request: Request) -> Response | Awaitable[Response]:
        """Answer by calling the function."""
        answer = self._function([dict(message) for message in request.messages], dict(request.options))
        if inspect.isawaitable(answer):
            return self._later(answer)
        return self._response(answer)

    async def _later(self, answer: Awaitable[Any]) -> Response:
        """Answer with what the function's coroutine returns."""
        return self._response(await answer)

    def _response(self, answer: object) -> Response:
        """Take text for an answer."""
        if isinstance(answer, Response):
            return answer
        if not isinstance(answer, str):
            raise ModelError(
                format_type_error(answer, str, f"the answer of the model callable {self._function!r}")
            )
        return Response(text=answer, model=getattr(self._function, "__name__", type(self._function).__name__))

    def __repr__(self) -> str:
        return f"FromCallable({self._function!r})"
