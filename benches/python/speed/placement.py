"""Where the two ends of a pipe run: on one core, on two, or where the kernel puts them.

A wake-up across cores takes several times longer than one on the same core, and which it is may stay the same
for seconds: left alone, two pairs that do the same may differ by a factor of five. So what is compared
closely is also measured with both ends held in place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from .sample import Series, Take

#: The rows for each placement are named after the row they belong to.
ON_ONE, ON_TWO = "_one", "_two"


def everywhere(opened: Callable[[], tuple[Series, int]]) -> Iterator[Series]:
    """Measure where the kernel puts this thread and the process at the other end, on one core, and on two.

    `opened` makes a series and the process it talks to: one for the first, one for those held in place,
    because a process stays where it was held.
    """
    free, _ = opened()
    yield free
    series, other_end = opened()
    row, who, take, steps = series.row, series.who, series.take, series.steps
    first, *others = sorted(os.sched_getaffinity(0))
    yield Series(row + ON_ONE, who, held(take, first, other_end, first), steps)
    if others:
        yield Series(row + ON_TWO, who, held(take, first, other_end, others[0]), steps)


def held(take: Take, here: int, other_end: int, there: int) -> Take:
    """Take samples with this thread and the other process each held on a core."""

    def taken(count: int) -> list[float]:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {here})
        os.sched_setaffinity(other_end, {there})
        try:
            return take(count)
        finally:
            os.sched_setaffinity(0, before)
            os.sched_setaffinity(other_end, before)

    return taken
