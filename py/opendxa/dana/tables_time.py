"""Ticks of a table's times as Python's own dates and times, where no library is there to hold them.

Rule: what Python cannot hold (years beyond 9999, nanoseconds) is the nearest it can, rounded down.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Final

__all__ = ["NOTHING", "ZONE", "aware", "naive", "span"]

#: The ticks of no time.
NOTHING: Final = -(1 << 63)

#: What a time zone of a table may be called: an offset, or a name as the database of time zones has them.
#: Some libraries open a file where a name is a path, or says that it is `dateutil`'s.
ZONE: Final = (
    r"(?:UTC)?[+\-]\d\d:\d\d(?::\d\d)?"
    r"|(?!dateutil/)[A-Za-z][A-Za-z0-9_+\-]{0,31}(?:/[A-Za-z0-9_+\-]{1,32}){0,3}"
)

_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_MICROSECONDS: Final = {"us": 1, "ms": 1_000, "s": 1_000_000, "D": 86_400_000_000}


def _micros(ticks: int, unit: str) -> int:
    return ticks // 1000 if unit == "ns" else ticks * _MICROSECONDS[unit]


def span(ticks: int, unit: str) -> timedelta:
    """Return the span of so many ticks."""
    least, most = timedelta.min // _MICROSECOND, timedelta.max // _MICROSECOND
    return timedelta(microseconds=max(least, min(most, _micros(ticks, unit))))


def naive(ticks: int, unit: str) -> datetime | date:
    """Return the time that is so many ticks after 1970; a date if they are days."""
    micros = _micros(ticks, unit)
    least, most = (datetime.min - _EPOCH) // _MICROSECOND, (datetime.max - _EPOCH) // _MICROSECOND
    time = _EPOCH + timedelta(microseconds=max(least, min(most, micros)))
    return time.date() if unit == "D" else time


def aware(ticks: int, unit: str) -> datetime:
    """Return the time in universal time."""
    time = naive(ticks, unit if unit != "D" else "s")
    assert isinstance(time, datetime)  # noqa: S101 - of all units but days
    return time.replace(tzinfo=timezone.utc)
