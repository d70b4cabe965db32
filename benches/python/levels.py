"""What a session costs at each level of isolation: opened, used once, closed; and what a call in it costs.

The levels take turns in short rounds, so that a machine that changes its speed changes all of them. Every
answer and every level is checked: levels that cannot be had here are left out, with the reason.

Usage: python benches/python/levels.py [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from opendxa.dana import Dana, IsolationLevel

LEVELS: dict[str, dict[str, Any]] = {
    level.value: {"isolation": level, "min_isolation": level}
    for level in IsolationLevel
    if level >= "filtered"
}
CALLS = 20


def microseconds(began: int) -> float:
    return (time.perf_counter_ns() - began) / 1000


def measure(settings: dict[str, Any]) -> tuple[float, float]:
    """Return the microseconds of a whole session, and of one warm call in it."""
    began = time.perf_counter_ns()
    d = Dana(echo=False, **settings)
    answer = d.execute_string("6 * 7").result
    opened = microseconds(began)
    calls = []
    for _ in range(CALLS):
        began = time.perf_counter_ns()
        text = d.call("str", 42)
        calls.append(microseconds(began))
    began = time.perf_counter_ns()
    d.close()
    session = opened + microseconds(began)
    if (answer, text) != (42, "42"):
        raise AssertionError(f"wrong answers: {answer!r}, {text!r}")
    return session, statistics.median(calls)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    found: dict[str, list[tuple[float, float]]] = {}
    with Dana(isolation="contained", echo=False) as d:
        reached = d.isolation
    if reached.level < "contained":
        print(reached)
    for name in LEVELS:
        if reached.level >= name:
            found[name] = []
    for _ in range(rounds):
        for name, times in found.items():
            times.append(measure(LEVELS[name]))
    print(f"{'level':<12}{'session µs':>12}{'p90':>9}{'call µs':>10}{'p90':>9}   ({rounds} rounds)")
    for name, times in found.items():
        session, call = zip(*times, strict=True)
        row = [number for column in (session, call) for number in (statistics.median(column), p90(column))]
        print(f"{name:<12}{row[0]:>12.0f}{row[1]:>9.0f}{row[2]:>10.1f}{row[3]:>9.1f}")


def p90(values: tuple[float, ...]) -> float:
    return statistics.quantiles(values, n=10)[-1]


if __name__ == "__main__":
    main()
