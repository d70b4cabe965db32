"""Which model a program means when it chooses one by name.

Rule: only among the models that the provider says it has; one that does not say so decides itself.
"""

from __future__ import annotations

import difflib
from typing import Any, Final

__all__ = ["available", "check_name", "closest"]

#: Longest name of a model that is looked for: to compare names takes longer the longer they are.
_LONGEST: Final = 255


def available(provider: object) -> list[str]:
    """Return the names of the models a provider has: its `models`, a list or a function that returns one."""
    models: Any = getattr(provider, "models", None)
    found: Any = models() if callable(models) else models
    return [str(name) for name in found or ()]


def check_name(name: object) -> None:
    """Refuse what a program cannot mean by the name of a model."""
    if type(name) is not str or len(name) > _LONGEST:
        raise ValueError(f"the name of a model is a text of at most {_LONGEST} characters")


def closest(name: str, models: list[str]) -> str:
    """Return the model that is meant by `name`: itself, one that contains it, or the most similar one."""
    wanted = name.strip()
    if not models or wanted in models:
        return wanted
    lowered = wanted.lower()
    bare = lowered.rpartition(":")[2]
    for test in (
        lambda model: model.lower() == lowered,
        lambda model: model.lower().rpartition(":")[2] == bare,
        lambda model: bare in model.lower(),
    ):
        matching = [model for model in models if test(model)]
        if matching:
            return min(matching, key=len)
    return max(models, key=lambda model: difflib.SequenceMatcher(None, bare, model.lower()).ratio())
