"""What an execution gives back.

Rule: a program's failure is a result, not an exception; what was printed before it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .context import SandboxContext

__all__ = ["ExecutionResult", "Usage"]


@dataclass(frozen=True)
class Usage:
    """What one turn, or all turns of a session, used."""

    #: Loop rounds and calls executed.
    steps: int = 0
    #: Most bytes held at once.
    memory_peak: int = 0
    #: Bytes printed.
    output_bytes: int = 0
    #: Times the program asked the host for something.
    asks: int = 0
    #: Questions that reached a model.
    model_calls: int = 0
    #: Tries that failed and were repeated or given up; their tokens count where the server reported them.
    failed_attempts: int = 0
    #: Tokens of questions to models, as far as the servers reported them.
    input_tokens: int = 0
    #: Tokens of their answers.
    output_tokens: int = 0
    #: Answers that came from a cache, or from an equal question of somebody else's; they took no tokens.
    cached_answers: int = 0
    #: What the tokens cost by the prices of the caller; 0 for models without one.
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of questions and answers together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Add up two turns; the peak is the higher one."""
        total = {name: value + getattr(other, name) for name, value in vars(self).items()}
        total["memory_peak"] = max(self.memory_peak, other.memory_peak)
        return Usage(**total)

    def measured(self, turn: Mapping[str, int]) -> Usage:
        """Return this usage with what the interpreter measured for the turn."""
        return replace(self, **turn)


@dataclass
class ExecutionResult:
    """Outcome of an execution. ``str()`` is ``Success: <result>`` or ``Error: <error>``."""

    #: Whether the program came to its end.
    success: bool
    #: Value of the last statement, as a plain Python value; None after a failure.
    result: Any = None
    #: What went wrong, None after a success.
    error: Exception | None = None
    #: What the program printed, also before a failure, without the last line's newline.
    output: str = ""
    #: Seconds by the host's clock, model answers included.
    execution_time: float = 0.0
    _usage: Callable[[], Usage] | None = field(default=None, repr=False, compare=False)
    _snapshot: Callable[[], SandboxContext | None] | None = field(default=None, repr=False, compare=False)
    _context: SandboxContext | None = field(default=None, repr=False, compare=False)

    @property
    def usage(self) -> Usage:
        """What the turn used, tokens of failed attempts included."""
        return self._usage() if self._usage is not None else Usage()

    @property
    def final_context(self) -> SandboxContext | None:
        """A copy of the session's variables.

        It is fetched when first read, then kept: read it before the next turn to see the state this one left.
        None when the session has ended meanwhile.
        """
        if self._context is None and self._snapshot is not None:
            self._context = self._snapshot()
            self._snapshot = None
        return self._context

    def __str__(self) -> str:
        """Tell the outcome."""
        if not self.success:
            return f"Error: {self.error}"
        try:
            return f"Success: {self.result}"
        except ValueError as error:  # Python does not print an int of more than some thousand digits
            return f"Success: <{type(self.result).__name__}: {error}>"
