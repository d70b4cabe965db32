"""What a session may use.

Rule: every limit has a safe default and can be lifted with None; a value that makes no sense is refused by
name.
The figures are those of docs/LIMITS.md, and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

__all__ = ["USUAL", "Limits"]


@dataclass(frozen=True)
class Limits:
    """Limits of one session; None lifts one.

    A reached limit is an error of its own kind: see `opendxa.dana.exceptions.LimitExceededError`.
    """

    #: Seconds one turn (an execution or a call) may take by the host's clock, model answers included.
    wall_time: float | None = 60.0
    #: Seconds the whole session may take by the host's clock, from its opening on, idle times included.
    session_time: float | None = None
    #: Seconds of processor time the worker may use in all; kept by the kernel, isolated sessions only.
    cpu_time: float | None = 60.0
    #: Bytes the program may hold.
    memory: int | None = 512 * 2**20
    #: Steps (loop rounds and calls) one turn may execute.
    steps: int | None = 10_000_000_000
    #: Calls that may be active at once.
    depth: int | None = 1000
    #: Bytes one turn may print.
    output: int | None = 8 * 2**20
    #: Times one turn may ask the host for a model's answer, a module or a function.
    asks: int | None = 1000
    #: Tokens of models' questions and answers in the whole session; looked at before each question.
    tokens: int | None = None
    #: Questions that may reach a model in the whole session; answers from a cache do not count.
    model_calls: int | None = None
    #: What models' answers in the whole session may cost, by the prices that `Dana(prices=...)` names; looked
    #: at before each question.
    cost: float | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense, by name."""
        for item in fields(self):
            value = getattr(self, item.name)
            seconds = item.name.endswith("_time") or item.name == "cost"
            if value is None:
                continue
            accepted = (int, float) if seconds else (int,)
            if isinstance(value, bool) or not isinstance(value, accepted):
                wanted = "float" if seconds else "int"
                got = type(value).__name__
                raise TypeError(f"Expected {wanted} or None, got {got} at argument '{item.name}'")
            if not 0 < value < (10**9 if seconds else 2**63):
                problem = f"Limits.{item.name} must be positive and finite, or None to lift it; got {value!r}"
                raise ValueError(problem)

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the limits by name."""
        return dict(vars(self))


#: The limits where nothing else is said: checking new ones would cost every session something.
USUAL: Final = Limits()
