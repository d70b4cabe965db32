"""What models cost, as the caller says: nothing here knows a price of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from opendxa.dana.types import format_type_error

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Price", "Prices"]

_PER: float = 1_000_000


@dataclass(frozen=True)
class Price:
    """What a million tokens cost, in whatever currency the caller counts."""

    #: For a million tokens of questions.
    input: float
    #: For a million tokens of answers.
    output: float

    def __post_init__(self) -> None:
        """Refuse what is no price."""
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(format_type_error(value, "float", f"price '{name}'"))
            if not value >= 0 or not isfinite(value):
                raise ValueError(f"a price is at least 0 and finite, got {value!r} for {name}")

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """Return what these tokens cost."""
        return (self.input * input_tokens + self.output * output_tokens) / _PER


class Prices(Mapping[str, Price]):
    """Prices by model: ``{"gpt-4o-mini": (0.15, 0.60)}`` or with `Price` objects, per million tokens."""

    def __init__(self, table: Mapping[str, Price | tuple[float, float]]) -> None:
        if not isinstance(table, Mapping):
            raise TypeError(format_type_error(table, "dict", "argument 'prices'"))
        self._table = {str(model): _price(model, price) for model, price in table.items()}

    def __getitem__(self, model: str) -> Price:
        return self._table[model]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def __repr__(self) -> str:
        return f"Prices({self._table!r})"

    def cost(self, asked: str, answered: str, input_tokens: int, output_tokens: int) -> float:
        """Return what tokens of a model cost, by the name it gives itself or the one it was asked by."""
        price = self._table.get(answered) or self._table.get(asked)
        return price.of(input_tokens, output_tokens) if price is not None else 0.0


def _price(model: object, price: object) -> Price:
    if isinstance(price, Price):
        return price
    if isinstance(price, tuple | list) and len(price) == 2:
        return Price(*price)
    raise TypeError(format_type_error(price, "Price or (input, output)", f"the price of {model!r}"))
