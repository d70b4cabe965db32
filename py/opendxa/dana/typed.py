"""Answers of a Python type: what is asked of the session, and what becomes of its answer.

The session reads the model's answer as the Dana type closest to the Python one, by the language's own rules;
what only Python knows (choices of an ``Enum``, a model's own checks, dates) is checked here, and an answer
that fails is asked for again with the reason.

Rule: nothing of the program's is touched. The structs that are needed have names no program chooses by
chance, made of what they hold.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from .annotations import Description, build, describe
from .exceptions import DanaCallError, TypeConversionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Inquiry"]

#: How often an answer that Python refuses is asked for again.
_ASKED_AGAIN: Final = 2
_LONGEST_REASON: Final = 500


class Inquiry:
    """One question whose answer is to be of a Python type; None for whatever comes."""

    def __init__(self, prompt: str, options: dict[str, Any], returns: Any, receipt: str | None) -> None:
        self._prompt = prompt
        self._options = {**options, **({"receipt": receipt} if receipt is not None else {})}
        self._returns = returns
        self._again = 0
        self._problem = ""
        self._said: Description | None = None
        if returns is not None:
            self._said = _distinct(returns)
            self._options["returns"] = self._said.annotation

    @property
    def definitions(self) -> Mapping[str, str]:
        """The structs that the session must know, by name."""
        return self._said.structs if self._said is not None else {}

    @property
    def arguments(self) -> tuple[str, dict[str, Any]]:
        """The arguments of `reason`."""
        prompt = self._prompt
        if self._said is not None and self._said.note:
            prompt += f"\n\nThe answer is {self._said.note}."
        if self._problem:
            prompt += f"\n\nAn earlier answer could not be used: {self._problem}. Give another one."
        return prompt, self._options

    def value(self, answer: Any) -> tuple[bool, Any]:
        """Return whether an answer is one of the type, and the object; ask again when it is not."""
        if self._said is None:
            return True, answer
        try:
            return True, build(self._returns, answer, "answer")
        except TypeConversionError as error:
            self._again += 1
            self._problem = " ".join(str(error).split())[:_LONGEST_REASON]
            if self._again > _ASKED_AGAIN:
                problem = f"Dana reasoning failed: no usable answer in {self._again} attempts: {error}"
                raise DanaCallError(problem, error) from error
            return False, None


def _distinct(returns: Any) -> Description:
    """Describe a type with struct names that no other struct has."""
    said = describe(returns)
    if not said.structs:
        return said
    mark = hashlib.sha256(said.source.encode()).hexdigest()[:8]
    return describe(returns, lambda name: f"{name}_{mark}")
