"""What ``dana-bridge bench`` measures, a step at a time.

Rule: a step opens its own sessions and leaves nothing behind; what it compares, it measures in the same run.
"""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..dana_module import Dana

__all__ = ["QUICK_SECONDS", "SECONDS", "STEPS", "Bench", "Row"]

#: Programs that are Dana and Python alike; `run` gives the same number in both.
PROGRAMS: Final = {
    "calls (fib)": """\
def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)

def run():
    return fib(22)
""",
    "a loop of integers": """\
def run():
    total = 0
    for i in range(300000):
        total = total + i % 7
    return total
""",
    "dictionaries and texts": """\
def run():
    words = {}
    for i in range(60000):
        word = f"w{i % 997}"
        words[word] = words.get(word, 0) + 1
    return len(words) + sum([words[word] for word in words])
""",
}
#: Most seconds one figure may take, and how many samples are wanted.
SECONDS: Final = 2.0
QUICK_SECONDS: Final = 0.25
FEWEST: Final = 3


@dataclass(frozen=True)
class Row:
    """One figure."""

    part: str
    name: str
    #: ``s``, ``1/s``, ``B`` or ``x``.
    unit: str
    median: float
    #: What the slowest hundredth took at least; of fewer than a hundred samples the slowest. None for counts.
    p99: float | None = None
    samples: int = 1
    note: str = ""


@dataclass
class Bench:
    """What is measured with."""

    level: str
    seconds: float
    rows: list[Row] = field(default_factory=list)

    def session(self, **settings: Any) -> Dana:
        """Open an isolated session."""
        from ..dana_module import Dana  # noqa: PLC0415

        return Dana(isolation=self.level, require_isolation=True, echo=False, **settings)

    def measure(self, part: str, name: str, work: Callable[[], object], most: int, note: str = "") -> None:
        """Time some work, again and again."""
        self.add(part, name, _timed(work, most, self.seconds), note)

    def add(self, part: str, name: str, samples: list[float], note: str = "") -> None:
        """Note samples of seconds."""
        ordered = sorted(samples)
        p99 = ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]
        self.rows.append(Row(part, name, "s", ordered[len(ordered) // 2], p99, len(ordered), note))


def _start(bench: Bench) -> None:
    """Import and first session, each in a Python process of its own."""
    code = (
        "import time; begun = time.perf_counter(); import opendxa.dana; imported = time.perf_counter()\n"
        f"with opendxa.dana.Dana(isolation={bench.level!r}, require_isolation=True) as d:\n"
        "    d.execute_string('1')\n"
        "    print(imported - begun, time.perf_counter() - imported)"
    )
    imports, sessions = [], []
    for number in range(4 if bench.seconds < SECONDS else 12):
        done = subprocess.run(  # noqa: S603 - this Python, and the text above
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        if number:  # the first one warms the system's cache of files
            imported, opened = map(float, done.stdout.split())
            imports.append(imported)
            sessions.append(opened)
    bench.add("Start", "import opendxa.dana", imports, "in a new Python process")
    bench.add("Start", "first session, first answer", sessions, "in a new Python process")


def _from_the_pool(bench: Bench) -> None:
    from .. import pool  # noqa: PLC0415

    pool.configure(pool.PoolConfig(min_idle=8))

    def one() -> float:
        pool.warm(4, isolation=bench.level)
        begun = time.perf_counter()
        with bench.session() as d:
            d.execute_string("1")
            return time.perf_counter() - begun

    samples = list(_repeated(one, 100, bench.seconds))
    bench.add("Sessions", "new session, first answer: a spare of the pool", samples)


def _without_the_pool(bench: Bench) -> None:
    from .. import pool  # noqa: PLC0415

    pool.configure(pool.PoolConfig(min_idle=0))
    pool.close()

    def one() -> float:
        begun = time.perf_counter()
        with bench.session() as d:
            d.execute_string("1")
            return time.perf_counter() - begun

    samples = list(_repeated(one, 200, bench.seconds))
    bench.add("Sessions", "new session, first answer: no pool", samples)


def _a_session_a_request(bench: Bench) -> None:
    """Sessions a second, each serving one request, asked for by several threads."""
    from .. import pool  # noqa: PLC0415

    threads = 2 * (os.cpu_count() or 1)
    pool.configure(pool.PoolConfig(min_idle=min(4 * threads, 64)))
    over = threading.Event()
    counts = [0] * threads

    def serve(number: int) -> None:
        while not over.is_set():
            with bench.session() as d:
                d.execute_string("6 * 7")
            counts[number] += 1

    running = [threading.Thread(target=serve, args=(number,), daemon=True) for number in range(threads)]
    begun = time.perf_counter()
    try:
        for thread in running:
            thread.start()
        over.wait(bench.seconds)
    finally:
        over.set()
    for thread in running:
        thread.join()
    rate = sum(counts) / (time.perf_counter() - begun)
    pool.configure(pool.PoolConfig())
    pool.close()
    name = f"a fresh session for every request, {threads} threads"
    bench.rows.append(Row("Sessions", name, "1/s", rate, samples=sum(counts)))


def _calls(bench: Bench) -> None:
    most = 2_000
    with bench.session(llm=f"scripted:{'|'.join(['42'] * (most + 1))}") as d:
        d.execute_string("def f(x):\n    return x")
        bench.measure("Calls", "a call, a number back", lambda: d.call("f", 1), 20_000)
        bench.measure("Calls", "reason(): a question and its answer", lambda: d.reason("How many?"), most)


def _calls_on_asyncio(bench: Bench) -> None:
    from ..async_dana import AsyncDana  # noqa: PLC0415

    async def measure() -> list[float]:
        async with AsyncDana(isolation=bench.level, require_isolation=True, echo=False) as d:
            await d.execute_string("def f(x):\n    return x")
            samples: list[float] = []
            over = time.perf_counter() + bench.seconds
            while len(samples) < FEWEST or (len(samples) < 20_000 and time.perf_counter() < over):
                begun = time.perf_counter()
                await d.call("f", 1)
                samples.append(time.perf_counter() - begun)
            return samples

    bench.add("Calls", "a call on asyncio", asyncio.run(measure()))


def _values(bench: Bench) -> None:
    text, floats = "x" * 2**20, [number / 7 for number in range(100_000)]
    with bench.session() as d:
        d.execute_string("def take(x):\n    return len(x)\ndef give(x):\n    return x")
        for name, value in (("a text of 1 MiB", text), ("a list of 100,000 floats", floats)):
            bench.measure("Values", f"{name}, into the program", partial(d.call, "take", value), 300)
            bench.measure("Values", f"{name}, in and out", partial(d.call, "give", value), 300)


def _computing(bench: Bench) -> None:
    with bench.session() as d:
        for name, source in PROGRAMS.items():
            scope: dict[str, Any] = {}
            exec(source, scope)  # noqa: S102 - a program of this file
            d.execute_string(source)
            if d.call("run") != scope["run"]():
                raise RuntimeError(f"Dana and Python disagree about {name!r}")
            here = _timed(lambda: d.call("run"), 30, bench.seconds / 2)
            there = _timed(scope["run"], 30, bench.seconds / 2)
            bench.add("Computing", name, here)
            ratio = sorted(there)[len(there) // 2] / bench.rows[-1].median
            note = f"CPython {platform.python_version()}, the same program, same run"
            bench.rows.append(
                Row("Computing", f"{name}: times as fast as Python", "x", ratio, None, len(there), note)
            )


def _memory(bench: Bench) -> None:
    with bench.session() as d:
        d.execute_string("1")
        status = Path(f"/proc/{d.isolation.pid}/status").read_text()
    for name, key in (("a worker, all of it", "VmRSS"), ("a worker, what it does not share", "RssAnon")):
        line = next(line for line in status.splitlines() if line.startswith(f"{key}:"))
        bench.rows.append(Row("Memory", name, "B", float(line.split()[1]) * 1024))


STEPS: Final[tuple[tuple[str, Callable[[Bench], None]], ...]] = (
    ("start", _start),
    ("sessions from the pool", _from_the_pool),
    ("sessions without the pool", _without_the_pool),
    ("a fresh session for every request", _a_session_a_request),
    ("calls", _calls),
    ("calls on asyncio", _calls_on_asyncio),
    ("values", _values),
    ("computing", _computing),
    ("memory", _memory),
)


def _timed(work: Callable[[], object], most: int, seconds: float) -> list[float]:
    """Return how long each run of some work took, after one that does not count."""
    work()

    def one() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    return list(_repeated(one, most, seconds))


def _repeated(one: Callable[[], float], most: int, seconds: float) -> Iterator[float]:
    """Repeat as often as is wanted, or as time allows."""
    over = time.perf_counter() + seconds
    for number in range(most):
        if number >= FEWEST and time.perf_counter() > over:
            return
        yield one()
