"""All rows that can be tried on any machine, in the order of their numbers."""

from __future__ import annotations

from . import calls, facts, filter, hosts, programs  # noqa: A004 - the filter of system calls

__all__ = ["TABLE"]

#: The rows, in the order of their numbers.
TABLE = tuple(
    sorted(
        (*calls.ROWS, *facts.ROWS, *filter.ROWS, *hosts.ROWS, *programs.ROWS),
        key=lambda row: row.number,
    )
)
