"""Taking turns, and what was measured.

Rule: what is compared takes turns in short rounds, so that a machine that changes its speed changes all.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

#: Takes so many samples, in the unit of their row.
Take = Callable[[int], list[float]]


@dataclass(frozen=True)
class Series:
    """Samples of one row for one contestant, so many in a round."""

    row: str
    who: str
    take: Take
    steps: int


def each(step: Callable[[], object]) -> Take:
    """Time every single step."""
    clock = time.perf_counter

    def take(count: int) -> list[float]:
        samples = []
        for _ in range(count):
            began = clock()
            step()
            samples.append(clock() - began)
        return samples

    return take


def blocks(step: Callable[[], object], size: int) -> Take:
    """Time blocks of steps; a sample is a block's mean."""

    def block() -> None:
        for _ in range(size):
            step()

    timed = each(block)
    return lambda count: [taken / size for taken in timed(count)]


def told(step: Callable[[], float]) -> Take:
    """Take what each step returns: for steps with parts that do not count."""
    return lambda count: [step() for _ in range(count)]


def left_in(found: list[float]) -> Take:
    """Take what the series before, of the same round, left there: one run, several rows."""

    def take(_count: int) -> list[float]:
        taken = list(found)
        found.clear()
        return taken

    return take


@dataclass
class Samples:
    """What was measured, round by round."""

    rounds: dict[tuple[str, str], list[list[float]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, row: str, who: str, taken: list[float]) -> None:
        """Keep a round's samples."""
        if taken:
            self.rounds[row, who].append(taken)

    def who(self, row: str) -> list[str]:
        """Name who was measured in a row."""
        return [who for of, who in self.rounds if of == row]

    def all(self, row: str, who: str) -> list[float]:
        """Return all samples of a series."""
        return [sample for taken in self.rounds[row, who] for sample in taken]

    def median(self, row: str, who: str) -> float:
        """Return the median of all samples."""
        return statistics.median(self.all(row, who))

    def percentile(self, row: str, who: str, percent: float) -> float:
        """Return the smallest sample that so many percent do not exceed."""
        ordered = sorted(self.all(row, who))
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def ratio(self, one: tuple[str, str], other: tuple[str, str]) -> float:
        """Compare the medians of two series."""
        return self.median(*one) / self.median(*other)

    def ratio_by_round(self, one: tuple[str, str], other: tuple[str, str]) -> tuple[float, float]:
        """Compare the medians of each round; returns the quartiles of these ratios."""
        pairs = zip(self.rounds[one], self.rounds[other], strict=True)
        ratios = [statistics.median(a) / statistics.median(b) for a, b in pairs]
        if len(ratios) == 1:
            return ratios[0], ratios[0]
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, high


def take_turns(series: Iterable[Series], rounds: int, samples: Samples, title: str) -> None:
    """Run all series in turn, `rounds` times and once to warm up."""
    lined_up = list(series)
    began = time.monotonic()
    for number in range(rounds + 1):
        for one in lined_up:
            taken = one.take(one.steps if number else max(1, one.steps // 4))
            if number:
                samples.add(one.row, one.who, taken)
        passed = time.monotonic() - began
        print(f"\r{title}: round {number} of {rounds}, {passed:.0f} s ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
