"""What a session has to do with models, from the host's side: a provider, limits, a cache, and receipts.

Rule: this is made with every session and loads nothing; what it names is loaded when a model is first asked.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .result import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .limits import Limits
    from .llm import Provider
    from .llm.cache import ReasoningCache, View
    from .llm.gate import LLMPool
    from .llm.ledger import Ledger
    from .llm.provider import Response
    from .reasoning import ReasoningResult

__all__ = ["RECEIPT", "Models", "Receipt"]

#: The option under which a question names its receipt.
RECEIPT: Final = "receipt"


@dataclass
class Receipt:
    """What the host tells the caller of one `reason`. Its name, a random one, travels with the question."""

    usage: Usage = field(default_factory=Usage)
    model: str = ""
    attempts: int = 0
    cached: bool = False

    def note(self, usage: Usage, response: Response | None) -> None:
        """Take note of a question and its answer."""
        self.usage += usage
        self.attempts += usage.model_calls + usage.failed_attempts
        if response is not None:
            self.model = response.model
            self.cached = response.cached

    def result(self, value: Any) -> ReasoningResult[Any]:
        """Return an answer with what is known of it."""
        from .reasoning import ReasoningResult  # noqa: PLC0415 - loaded when details are wanted

        return ReasoningResult(
            value, usage=self.usage, model=self.model, cached=self.cached, attempts=self.attempts
        )


class Models:
    """Who answers a session's questions, what they may cost, and what is remembered of them."""

    __slots__ = ("_cache", "_ledger", "_limits", "_llm", "_pool", "_prices", "_provider", "_view", "receipts")

    def __init__(
        self,
        llm: object,
        limits: Limits,
        prices: Mapping[str, Any] | None = None,
        cache: ReasoningCache | None = None,
    ) -> None:
        self._llm = llm
        self._provider: Provider | None = None
        self._pool: LLMPool | None = None
        self._limits = limits
        self._prices = prices
        self._cache = cache
        self._ledger: Ledger | None = None
        self._view: View | None = None
        self.receipts: dict[str, Receipt] = {}

    def provider(self) -> Provider:
        """Return who answers, found when it is first needed."""
        if self._provider is None:
            from .llm import resolve  # noqa: PLC0415 - loaded when a model is first asked

            self._provider = resolve(self._llm)
        return self._provider

    @property
    def pool(self) -> LLMPool:
        """What the session's resources share."""
        if self._pool is None:
            from .llm.gate import LLMPool  # noqa: PLC0415 - loaded when a resource is wanted

            self._pool = LLMPool()
        return self._pool

    @property
    def ledger(self) -> Ledger:
        """The session's books."""
        if self._ledger is None:
            from .llm.ledger import Ledger  # noqa: PLC0415 - loaded when a model is first asked
            from .llm.prices import Prices  # noqa: PLC0415

            limits = self._limits
            prices = Prices(self._prices) if self._prices is not None else None
            self._ledger = Ledger(limits.tokens, limits.model_calls, limits.cost, prices)
        return self._ledger

    @property
    def used(self) -> Usage:
        """What models were asked so far."""
        return self._ledger.used if self._ledger is not None else Usage()

    @property
    def view(self) -> View | None:
        """What the session sees of its cache, None when it has none."""
        if self._view is None and self._cache is not None:
            self._view = self._cache.view()
        return self._view

    @contextmanager
    def receipt(self, wanted: bool) -> Iterator[tuple[str | None, Receipt]]:
        """Have a receipt filled; its name goes with the question. Without a wish for one it has no name."""
        from secrets import token_hex  # noqa: PLC0415 - loaded when a receipt is wanted

        name, receipt = (token_hex(16) if wanted else None), Receipt()
        if name is not None:
            self.receipts[name] = receipt
        try:
            yield name, receipt
        finally:
            if name is not None:
                del self.receipts[name]

    def close(self) -> None:
        """Let go of the answers that only this session could ask for."""
        if self._view is not None:
            self._view.close()

    @property
    def cache(self) -> ReasoningCache | None:
        """The session's cache, None when it has none."""
        return self._cache
