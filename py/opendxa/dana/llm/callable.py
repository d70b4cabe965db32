"""A plain function as a model: ``fn(messages, options) -> str``, sync or async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opendxa.dana.functions import is_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from .provider import Request

__all__ = ["FromCallable"]


class FromCallable:
    """Calls ``fn(messages, options)`` and takes its text for the answer; it may also return a `Response`."""

    def __init__(self, function: Callable[[list[dict[str, str]], dict[str, Any]], Any]) -> None:
        self._function = function
        #: `generate` only makes a coroutine, and needs no thread to wait in.
        self.is_async: bool = is_async(function)

    def generate(self, request: Request) -> Any:
        """Answer by calling the function."""
        return self._function([dict(message) for message in request.messages], dict(request.options))

    def __repr__(self) -> str:
        return f"FromCallable({self._function!r})"
