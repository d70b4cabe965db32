"""What isolation a session is to have: the arguments of `Dana` in one answer.

Rule: the truth table is here and nowhere else, and SECURITY.md prints it. What contradicts itself is refused
by name; nothing here lowers what another argument demands.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

from .arguments import REQUIRE_VARIABLE
from .exceptions import IsolationUnavailableError
from .isolation import IsolationLevel

__all__ = ["Wish", "required_by_environment", "resolve"]


@dataclass(frozen=True)
class Wish:
    """What is tried, what is accepted, and what happens below that."""

    #: Every layer up to this level is tried.
    level: IsolationLevel
    #: The weakest level that is accepted of a worker.
    least: IsolationLevel
    #: Whether the session may run in the host process, with a warning, when not even that can be had.
    falls_back: bool
    #: Whether the processor's speculation is restrained.
    harden_speculation: bool = False


def required_by_environment() -> bool:
    """Whether the environment demands isolation. Whatever is not clearly a no is a yes."""
    return os.environ.get(REQUIRE_VARIABLE, "").strip().lower() not in ("", "0", "false", "no", "off")


def resolve(
    use: bool,
    require: bool,
    isolation: IsolationLevel | str | None,
    min_isolation: IsolationLevel | str | None,
    harden_speculation: bool = False,
) -> Wish | None:
    """Return what to open the session with; None is a session in the host process."""
    try:
        return _resolved(
            use, require, isolation, min_isolation, harden_speculation, required_by_environment()
        )
    except TypeError:
        # Arguments of the wrong type may not even be hashable: named below.
        _level(isolation, "isolation")
        _level(min_isolation, "min_isolation")
        raise


@lru_cache(maxsize=64)
def _resolved(
    use: bool,
    require: bool,
    isolation: IsolationLevel | str | None,
    min_isolation: IsolationLevel | str | None,
    harden_speculation: bool,
    demanded: bool,
) -> Wish | None:
    """Resolve arguments, once for each combination: sessions of a service are opened with the same ones."""
    wanted = _level(isolation, "isolation")
    least = _level(min_isolation, "min_isolation")
    _refuse_contradictions(use, require, wanted, least)
    if demanded and wanted is IsolationLevel.NONE:
        raise IsolationUnavailableError(
            f"isolation='none' was asked for, but {REQUIRE_VARIABLE} is set\n"
            f"Hint: leave the argument out, or unset the variable"
        )
    if not (use or require or demanded or wanted or least):
        if harden_speculation:
            raise ValueError("harden_speculation=True needs an isolated session: say isolation='landlocked'")
        return None
    explicit = wanted is not None or least is not None
    level = wanted if wanted is not None else max(IsolationLevel.LANDLOCKED, least or IsolationLevel.NONE)
    accepted = least if least is not None else min(IsolationLevel.FILTERED, level)
    floor = IsolationLevel.FILTERED if require or demanded else IsolationLevel.PROCESS
    accepted = max(accepted, floor)
    falls_back = not (require or demanded) and (least is IsolationLevel.NONE if explicit else use)
    return Wish(max(level, accepted), accepted, falls_back, harden_speculation)


def _refuse_contradictions(
    use: bool, require: bool, wanted: IsolationLevel | None, least: IsolationLevel | None
) -> None:
    """Refuse arguments of which one takes back what another demands."""
    if wanted is not None and least is not None and least > wanted:
        raise ValueError(f"min_isolation={least.value!r} is above isolation={wanted.value!r}")
    if wanted is IsolationLevel.NONE and (use or require):
        name = "require_isolation" if require else "use_subprocess_isolation"
        raise ValueError(f"isolation='none' contradicts {name}=True")
    for name, value in (("isolation", wanted), ("min_isolation", least)):
        if require and value is not None and value < IsolationLevel.FILTERED:
            raise ValueError(
                f"{name}={value.value!r} contradicts require_isolation=True, which means 'filtered' at least"
            )


def _level(value: object, name: str) -> IsolationLevel | None:
    """Read an argument."""
    if value is None:
        return None
    if not isinstance(value, str):
        from .types import format_type_error  # noqa: PLC0415 - loaded when something is wrong

        raise TypeError(format_type_error(value, str, f"argument '{name}'"))
    try:
        return IsolationLevel(value)
    except ValueError:
        known = ", ".join(level.value for level in IsolationLevel)
        raise ValueError(f"there is no isolation level {value!r} (argument '{name}'): {known}") from None
