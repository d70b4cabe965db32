"""A plain function as a model: ``fn(messages, options) -> str``, sync or async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from opendxa.dana.functions import is_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from .provider import Request

__all__ = ["FromCallable"]

#: Per function, what a cache tells it apart by: as long as it lives, and in this process only.
_identities: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


class FromCallable:
    """Calls ``fn(messages, options)`` and takes its text for the answer; it may also return a `Response`.

    `name` tells caches that outlive this process which function it is; without it, only this very function's
    answers are found again.
    """

    def __init__(
        self, function: Callable[[list[dict[str, str]], dict[str, Any]], Any], name: str | None = None
    ) -> None:
        self._function = function
        #: `generate` only makes a coroutine, and needs no thread to wait in.
        self.is_async: bool = is_async(function)
        self.cache_identity = f"callable {name}" if name is not None else identity(function)

    def generate(self, request: Request) -> Any:
        """Answer by calling the function."""
        return self._function([dict(message) for message in request.messages], dict(request.options))

    def __repr__(self) -> str:
        return f"FromCallable({self._function!r})"


def identity(thing: object) -> str:
    """Return a name that only this object has, as long as it lives."""
    try:
        return _identities.setdefault(thing, f"object {uuid4().hex}")
    except TypeError:  # neither hashable nor weakly referable: each time another
        return f"object {uuid4().hex}"
