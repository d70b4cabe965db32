"""``--limit NAME=VALUE``: the limits of a session with units.

Rule: every field of `Limits` can be said, and nothing else; a value whose unit does not fit is refused by
name.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from .usage import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..limits import Limits

__all__ = ["limits", "written"]

_NUMBER: Final = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]*)")
_SECONDS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_BYTES: Final = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9,
    "k": 2**10, "m": 2**20, "g": 2**30, "kib": 2**10, "mib": 2**20, "gib": 2**30,
}  # fmt: skip
_COUNT: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_LIFTED: Final = ("none", "off", "unlimited")


def limits(words: Iterable[str]) -> Limits | None:
    """Return the limits that the words say, on top of the usual ones; None when there are no words."""
    from ..limits import Limits  # noqa: PLC0415 - loaded when a limit is named

    known = [field.name for field in fields(Limits)]
    said: dict[str, float | int | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.strip().replace("-", "_")
        if name not in known:
            raise UsageError(
                f"there is no limit {name!r}{did_you_mean(name, known)}\nHint: limits are {', '.join(known)}"
            )
        if not equals or not value.strip():
            raise UsageError(
                f"--limit {name} needs a value: --limit {name}={_example(name)}, or none to lift it"
            )
        said[name] = _read(name, value.strip())
    if not said:
        return None
    try:
        return Limits(**said)  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(str(error)) from error


def written(name: str, value: float | None) -> str:
    """Write a limit as it can be said."""
    if value is None:
        return "none"
    if name in ("memory", "output") and value % 2**20 == 0:
        return f"{value // 2**20:g} MiB"
    unit = " s" if name.endswith("_time") else " bytes" if name in ("memory", "output") else ""
    return f"{value:,}{unit}" if isinstance(value, int) else f"{value:g}{unit}"


def _read(name: str, text: str) -> float | int | None:
    """Return what a limit is to be."""
    if text.lower() in _LIFTED:
        return None
    units = _units(name)
    match = _NUMBER.fullmatch(text)
    unit = match[2].lower() if match else ""
    if match is None or unit not in units:
        named = ", ".join(_spelled(one) for one in units if one)
        wanted = f"a number with a unit of {named}" if named else "a number"
        raise UsageError(f"--limit {name}={text}: {wanted} is wanted, as in {name}={_example(name)}, or none")
    number = match[1].replace("_", "")
    if len(number) > 30:
        raise UsageError(f"--limit {name}={text[:30]}...: this number is too long")
    if name.endswith("_time") or name == "cost":
        return float(number) * units[unit]
    value = int(number) * units[unit] if number.isdigit() else float(number) * units[unit]
    if value != int(value):
        raise UsageError(f"--limit {name}={text}: this is not a whole number")
    return int(value)


def _units(name: str) -> Mapping[str, float]:
    if name.endswith("_time"):
        return _SECONDS
    if name in ("memory", "output"):
        return _BYTES
    return {"": 1} if name == "cost" else _COUNT


def _spelled(unit: str) -> str:
    return {"kib": "KiB", "mib": "MiB", "gib": "GiB", "b": "B", "kb": "kB", "mb": "MB", "gb": "GB"}.get(
        unit, unit
    )


def _example(name: str) -> str:
    if name.endswith("_time"):
        return "2s"
    if name in ("memory", "output"):
        return "64MiB"
    return {"cost": "0.50", "steps": "10M"}.get(name, "100")
