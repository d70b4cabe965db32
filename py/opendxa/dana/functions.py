"""Python functions that programs may call by name.

Rule: a name is refused up front when no program could reach it: one that is no name in Dana, that the
language has itself, that is too long, or one too many.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from .types import format_type_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["HostFunction", "check_count", "check_name", "named_functions"]


@dataclass(frozen=True)
class HostFunction:
    """A function of the host, and how it is called."""

    call: Callable[..., Any]
    #: A call is a promise: the program goes on and waits where it looks at the value.
    background: bool = False
    #: The function that `call` comes to in the end; None is `call`.
    behind: Callable[..., Any] | None = None

    @property
    def is_async(self) -> bool:
        """Whether a call gives a coroutine at once."""
        return is_async(self.behind or self.call)

    @classmethod
    def of(cls, call: Callable[..., Any], background: bool | None = None) -> HostFunction:
        """Return how `call` is called: in the background if it is async, unless something else is said."""
        return cls(call, is_async(call) if background is None else background)


def is_async(call: object) -> bool:
    """Whether calling it gives a coroutine."""
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def check_name(name: object, where: str) -> str:
    """Return a name that programs can call, or raise `ValueError`."""
    from ._bridge import NAME_BYTES, taken  # noqa: PLC0415 - loaded with the first function

    if not isinstance(name, str):
        raise ValueError(f"a function's name must be an identifier, got {name!r} at {where}")
    if len(name.encode(errors="surrogatepass")) > NAME_BYTES:
        raise ValueError(f"a function's name has at most {NAME_BYTES} bytes, this one has more at {where}")
    if not name.isidentifier():
        raise ValueError(f"a function's name must be an identifier, got {name!r} at {where}")
    reason = taken(name) if name.isascii() else "is not a name in Dana, whose names are ASCII"
    if reason is not None:
        raise ValueError(f"{name!r} {reason} at {where}")
    return name


def check_count(functions: Mapping[str, object]) -> None:
    """Raise `ValueError` when a session cannot take so many."""
    from ._bridge import FUNCTIONS, NAME_BYTES  # noqa: PLC0415

    if len(functions) > FUNCTIONS:
        text = f"a session takes at most {FUNCTIONS} functions, Python modules' names and resources' methods"
        raise ValueError(f"{text} included, got {len(functions)}")
    for name in functions:
        if len(name.encode(errors="surrogatepass")) > NAME_BYTES:
            raise ValueError(f"a name that programs use has at most {NAME_BYTES} bytes, got {name[:80]!r}...")


def named_functions(
    functions: Mapping[str, Callable[..., Any]] | Iterable[Callable[..., Any]] | None,
) -> dict[str, HostFunction]:
    """Return functions by name, from a mapping or from functions that have names."""
    where = "argument 'functions'"
    if functions is None:
        return {}
    pairs: list[tuple[str, Callable[..., Any]]]
    if isinstance(functions, dict):
        pairs = list(cast("Mapping[str, Callable[..., Any]]", functions).items())
    else:
        try:
            pairs = [(item.__name__, item) for item in cast("Iterable[Callable[..., Any]]", functions)]
        except (TypeError, AttributeError):
            raise TypeError(format_type_error(functions, "dict or functions", where)) from None
    named: dict[str, HostFunction] = {}
    for name, function in pairs:
        check_name(name, where)
        if name in named:
            raise ValueError(f"two functions are named {name!r} at {where}")
        if not callable(function):
            raise TypeError(format_type_error(function, "callable", f"argument 'functions[{name!r}]'"))
        named[name] = HostFunction.of(function)
    return named
