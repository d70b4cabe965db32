"""What a session costs at each level of isolation: opened, used once, closed; and what a call in it costs.

Levels that cannot be had here are left out, with the reason.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from opendxa.dana import Dana, IsolationLevel

from .sample import Series, Take, left_in
from .stage import Stage, keep_none

CALLS = 20


def series(stage: Stage) -> Iterator[Series]:
    """Sessions, `level`, and the calls in them, `level_call`; the levels are the contestants."""
    with Dana(isolation="contained", echo=False) as d:
        reached = d.isolation
    if reached.level < "contained":
        stage.absent.append(f"levels above {reached.level}: {reached}".replace("\n", " "))
    for level in IsolationLevel:
        if "filtered" <= level <= reached.level:
            calls: list[float] = []
            yield Series("level", level.value, sessions(level, calls), 10)
            yield Series("level_call", level.value, left_in(calls), 10)


def sessions(level: IsolationLevel, calls: list[float]) -> Take:
    """Time whole sessions, without what the calls take that are left in `calls`."""
    clock = time.perf_counter

    def take(count: int) -> list[float]:
        keep_none()
        samples = []
        calls.clear()
        for _ in range(count):
            began = clock()
            d = Dana(isolation=level, min_isolation=level, echo=False)
            answer = d.execute_string("6 * 7").result
            opened = clock() - began
            for _ in range(CALLS):
                began = clock()
                text = d.call("str", 42)
                calls.append(clock() - began)
            began = clock()
            d.close()
            samples.append(opened + clock() - began)
            if (answer, text) != (42, "42"):
                raise AssertionError(f"wrong answers: {answer!r}, {text!r}")
        return samples

    return take
