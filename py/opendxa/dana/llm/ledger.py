"""What questions to models used, and how much they may use.

Rule: a question is refused before it is asked. Questions count when they are admitted, so that of those asked
at the same time no more get through than may; tokens and money count when the answer is there, so the last
questions may go over. A limit of money refuses models without a price: it could not be kept.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from opendxa.dana.exceptions import (
    CostLimitError,
    ModelCallLimitError,
    ResourceError,
    TokenLimitError,
)
from opendxa.dana.result import Usage

if TYPE_CHECKING:
    from .prices import Prices
    from .provider import Response

__all__ = ["Ledger"]


class Ledger:
    """The books of one session, or of one resource."""

    def __init__(
        self,
        tokens: int | None = None,
        model_calls: int | None = None,
        cost: float | None = None,
        prices: Prices | None = None,
        within: Ledger | None = None,
    ) -> None:
        self._tokens = tokens
        self._model_calls = model_calls
        self._cost = cost
        if prices is None and within is not None:
            prices = within._prices
        self._prices: Prices | None = prices
        #: Books that must agree too, and are told everything.
        self._within = within
        self._lock = threading.Lock()
        self._used = Usage()
        #: Questions admitted so far, those under way included.
        self._admitted = 0

    @property
    def used(self) -> Usage:
        """What was used so far."""
        return self._used

    def admit(self, model: str) -> None:
        """Let a question through, or say why not."""
        with self._lock:
            used = self._used
            if self._tokens is not None and used.tokens >= self._tokens:
                raise TokenLimitError(f"{used.tokens} tokens of models are used, the limit is {self._tokens}")
            if self._model_calls is not None and self._admitted >= self._model_calls:
                raise ModelCallLimitError(
                    f"{self._admitted} questions were asked of models, the limit is {self._model_calls}"
                )
            if self._cost is not None:
                if used.cost >= self._cost:
                    raise CostLimitError(f"models cost {used.cost:g} so far, the limit is {self._cost:g}")
                if self._prices is None or model not in self._prices:
                    raise ResourceError(
                        f"the cost of the model {model!r} is limited, but its price is not known\n"
                        f"Hint: pass prices={{{model!r}: (input, output)}}, per million tokens"
                    )
            if self._within is not None:
                self._within.admit(model)
            self._admitted += 1

    def answered(self, asked: str, response: Response) -> Usage:
        """Book an answer; return its part."""
        if response.cached:
            return self._note(Usage(cached_answers=1))
        return self.book(
            asked, response.model, response.attempts - 1, response.input_tokens, response.output_tokens
        )

    def book(self, asked: str, answered: str, failed: int, input_tokens: int, output_tokens: int) -> Usage:
        """Book a question that reached a model, and the tries that failed; return its part."""
        cost = 0.0
        if self._prices is not None:
            cost = self._prices.cost(asked, answered, input_tokens, output_tokens)
        return self._note(
            Usage(
                model_calls=1,
                failed_attempts=failed,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cost=cost,
            )
        )

    def _note(self, usage: Usage) -> Usage:
        with self._lock:
            self._used += usage
        if self._within is not None:
            self._within._note(usage)
        return usage
