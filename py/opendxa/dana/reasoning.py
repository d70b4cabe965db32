"""`ReasoningResult`: an answer that behaves like its value and tells where it came from."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .result import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ReasoningResult"]

Value = TypeVar("Value")


class ReasoningResult(Generic[Value]):
    """A model's answer. Operators, attributes, iteration, ``str`` and ``len`` are those of `value`.

    It is not an instance of the value's type: what insists on one, such as ``json.dumps``, wants `value`.
    """

    __slots__ = ("__weakref__", "attempts", "cached", "model", "usage", "value")

    def __init__(
        self,
        value: Value,
        *,
        usage: Usage | None = None,
        model: str = "",
        cached: bool = False,
        attempts: int = 1,
    ) -> None:
        self.value: Value = value
        #: What it took, failed attempts included; no tokens for a cached answer.
        self.usage: Usage = usage if usage is not None else Usage()
        #: The model that answered, as it names itself.
        self.model: str = model
        #: Whether it came from a cache, or from an equal question that was asked at the same time.
        self.cached: bool = cached
        #: Tries it took, those that failed and those for a better form included; 0 when it was cached.
        self.attempts: int = attempts

    def __repr__(self) -> str:
        cached = ", cached" if self.cached else ""
        return f"ReasoningResult({self.value!r}, model={self.model!r}{cached})"

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "value":  # what copies and pickles ask for is not the value's
            raise AttributeError(name)
        return getattr(self.value, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.value, self.usage, self.model, self.cached, self.attempts)

    def __hash__(self) -> int:
        return hash(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __len__(self) -> int:
        return len(self.value)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)  # type: ignore[call-overload, no-any-return]

    def __contains__(self, item: object) -> bool:
        return item in self.value  # type: ignore[operator]

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]  # type: ignore[index]

    def __int__(self) -> int:
        return int(self.value)  # type: ignore[call-overload, no-any-return]

    def __float__(self) -> float:
        return float(self.value)  # type: ignore[arg-type]

    def __index__(self) -> int:
        return operator.index(self.value)  # type: ignore[arg-type]

    def __neg__(self) -> Any:
        return -self.value  # type: ignore[operator]

    def __pos__(self) -> Any:
        return +self.value  # type: ignore[operator]

    def __abs__(self) -> Any:
        return abs(self.value)  # type: ignore[arg-type]

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.value, digits)  # type: ignore[call-overload]

    def __eq__(self, other: object) -> Any:
        return self.value == _bare(other)

    def __ne__(self, other: object) -> Any:
        return self.value != _bare(other)

    if TYPE_CHECKING:

        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __floordiv__(self, other: Any) -> Any: ...
        def __rfloordiv__(self, other: Any) -> Any: ...
        def __mod__(self, other: Any) -> Any: ...
        def __rmod__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __rpow__(self, other: Any) -> Any: ...
        def __and__(self, other: Any) -> Any: ...
        def __rand__(self, other: Any) -> Any: ...
        def __or__(self, other: Any) -> Any: ...
        def __ror__(self, other: Any) -> Any: ...


def _bare(thing: Any) -> Any:
    """Return the value of a result, and anything else as it is."""
    return thing.value if isinstance(thing, ReasoningResult) else thing


def _made(value: Any, usage: Usage, model: str, cached: bool, attempts: int) -> ReasoningResult[Any]:
    return ReasoningResult(value, usage=usage, model=model, cached=cached, attempts=attempts)


def _forward(name: str, apply: Callable[[Any, Any], Any]) -> None:
    def forwarded(self: ReasoningResult[Any], other: Any) -> Any:
        return apply(self.value, _bare(other))

    def reflected(self: ReasoningResult[Any], other: Any) -> Any:
        return apply(_bare(other), self.value)

    for method, title in ((forwarded, f"__{name}__"), (reflected, f"__r{name}__")):
        method.__name__ = title
        if method is forwarded or name not in _ORDER:
            setattr(ReasoningResult, title, method)


_ORDER = ("lt", "le", "gt", "ge")
for _name in _ORDER:
    _forward(_name, getattr(operator, _name))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _forward(_name, getattr(operator, _name))
for _name, _apply in (("and", operator.and_), ("or", operator.or_)):
    _forward(_name, _apply)
