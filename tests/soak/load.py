"""Load and faults: threads and tasks open sessions, call, ask, time out, are killed, return large values.

    python tests/soak/load.py [SECONDS [THREADS [TASKS [SEED]]]]

Every session has a fate that says how it must end. At the end each one is accounted for, no answer was wrong,
and nothing is left. Prints percentiles of latency and a verdict. Exit status 1 if anything was wrong.
"""

from __future__ import annotations

import asyncio
import gc
import os
import queue
import random
import signal
import sys
import threading
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import soak
from opendxa.dana import AsyncDana, Dana, ExecutionResult, Limits, PoolConfig, exceptions, pool

#: Workers at once: fewer than sessions that want one, so that some wait.
MOST_WORKERS = 96
#: What a session is for, and how often.
FATES = {"call": 6, "ask": 4, "large": 1, "time out": 1, "endless steps": 1, "killed": 2, "cancelled": 1}
#: Latencies of a kind that are kept; then every later one takes the place of a random one.
KEPT = 5_000
#: Growth of memory that counts as none, in KiB: as many values at once are never held twice, and the
#: allocator keeps the gaps. A longer run has no more of it.
SLACK = 6144
#: Of the time, for coming up to the full number of threads, tasks and values before the first count.
WARM_UP = 0.2

PROGRAM = (
    "def triple(x):\n    return 3 * x + 1\ndef same(x):\n    return x\ndef asks(x):\n    return answer(x) + 1"
)
LOOP = "n = 0\nwhile true:\n    n = n + 1\n"
KILLED = (exceptions.WorkerKilledError, exceptions.SandboxViolationError, exceptions.WorkerCrashedError)


class Books:
    """What was begun, how it ended, and how long it took."""

    def __init__(self, seed: int) -> None:
        self.numbers = count()
        self.begun = 0
        self.ends: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.times: defaultdict[str, array[float]] = defaultdict(partial(array, "d"))
        self._measured: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._lock = threading.Lock()

    def begin(self) -> int:
        """Count a session; return its number."""
        with self._lock:
            self.begun += 1
            return next(self.numbers)

    def end(self, fate: str, fault: str | None) -> None:
        """Account for a session."""
        with self._lock:
            self.ends[fate if fault is None else "wrong"] += 1
            if fault is not None:
                self.wrong.append(f"{fate}: {fault}")

    @contextmanager
    def time(self, what: str) -> Iterator[None]:
        """Measure what succeeds."""
        begin = time.perf_counter()
        yield
        took = time.perf_counter() - begin
        with self._lock:
            self._measured[what] += 1
            kept = self.times[what]
            if len(kept) < KEPT:
                kept.append(took)
            elif (at := self._chance.randrange(self._measured[what])) < KEPT:
                kept[at] = took

    def percentiles(self) -> str:
        """A line for each kind of operation."""
        lines = []
        for what, times in sorted(self.times.items()):
            ordered = sorted(times)
            at = {name: ordered[int(len(ordered) * part)] for name, part in PARTS.items()}
            told = ", ".join(f"{name} {1000 * value:.2f} ms" for name, value in at.items())
            lines.append(f"{what}: {self._measured[what]}, {told}, most {1000 * ordered[-1]:.2f} ms")
        return "\n".join(lines)


PARTS = {"half": 0.5, "90%": 0.9, "99%": 0.99, "99.9%": 0.999}


class Killer:
    """A thread that kills workers after a while, through descriptors of theirs."""

    def __init__(self) -> None:
        self._orders: queue.Queue[tuple[int, float, int] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, name="killer")
        self._thread.start()

    def kill(self, pid: int, chance: random.Random) -> None:
        """Have a worker killed soon."""
        number = chance.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGSYS])
        self._orders.put((os.pidfd_open(pid), chance.random() * 0.01, number))

    def end(self) -> None:
        self._orders.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (order := self._orders.get()) is not None:
            pidfd, delay, number = order
            time.sleep(delay)
            signal.pidfd_send_signal(pidfd, number)  # it lives until then: its session is in an endless loop
            os.close(pidfd)


class Load:
    """Threads and tasks until a moment."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books = books
        self.killer = Killer()
        self._seed = seed

    def run(self, seconds: float, threads: int, tasks: int) -> None:
        """Keep them all at it for so long."""
        until = time.monotonic() + seconds
        workers = [threading.Thread(target=self._thread, args=(number, until)) for number in range(threads)]
        for worker in workers:
            worker.start()
        try:
            asyncio.run(self._tasks(until, threads, tasks))
        finally:
            for worker in workers:
                worker.join()
            self.killer.end()

    def _thread(self, number: int, until: float) -> None:
        chance = random.Random(self._seed * 1000 + number)
        while time.monotonic() < until and not self.books.wrong:
            fate = one_of(chance)
            session = self.books.begin()
            try:
                self.books.end(fate, self._session(fate, session, chance))
            except BaseException as error:
                self.books.end(fate, f"session {session}: {error!r}")

    def _session(self, fate: str, number: int, chance: random.Random) -> str | None:
        """Live a session; return what was wrong."""
        books = self.books
        with books.time("open"):
            d = Dana(
                require_isolation=True, echo=False, limits=limits(fate), functions={"answer": lambda x: 2 * x}
            )
        with d:
            with books.time("first program"):
                result = d.execute_string(PROGRAM)
            if not result.success:
                return f"{result.error!r}"
            match fate:
                case "call":
                    for at in range(10):
                        with books.time("call"):
                            value = d.call("triple", number + at)
                        if value != 3 * (number + at) + 1:
                            return f"{value} of {number + at}"
                case "ask":
                    for at in range(5):
                        with books.time("ask"):
                            value = d.call("asks", number + at)
                        if value != 2 * (number + at) + 1:
                            return f"{value} of {number + at}"
                case "large":
                    sent = large(number)
                    with books.time("large value"):
                        value = d.call("same", sent)
                    return None if value == sent else "another value"
                case "cancelled":
                    closer = threading.Timer(chance.random() * 0.02, d.close)
                    closer.start()
                    try:
                        return as_cancelled(d.execute_string(LOOP))
                    except exceptions.SessionClosedError:
                        return None
                    finally:
                        closer.join()
                case _:
                    if fate == "killed":
                        self.killer.kill(d.sandbox.subprocess_pid or 0, chance)
                    return as_fated(fate, d.execute_string(LOOP))
        return None

    async def _tasks(self, until: float, first: int, tasks: int) -> None:
        await asyncio.gather(*(self._task(first + number, until) for number in range(tasks)))

    async def _task(self, number: int, until: float) -> None:
        chance = random.Random(self._seed * 1000 + number)
        while time.monotonic() < until and not self.books.wrong:
            fate = one_of(chance)
            session = self.books.begin()
            try:
                self.books.end(fate, await self._async_session(fate, session, chance))
            except BaseException as error:
                self.books.end(fate, f"asynchronous session {session}: {error!r}")

    async def _async_session(self, fate: str, number: int, chance: random.Random) -> str | None:
        books = self.books

        async def later(x: int) -> int:
            await asyncio.sleep(0)
            return 2 * x

        functions: dict[str, Any] = {"answer": chance.choice([later, lambda x: 2 * x])}
        d = AsyncDana(require_isolation=True, echo=False, limits=limits(fate), functions=functions)
        with books.time("async open"):
            await d.open()
        async with d:
            with books.time("async first program"):
                result = await d.execute_string(PROGRAM)
            if not result.success:
                return f"{result.error!r}"
            match fate:
                case "call":
                    for at in range(10):
                        with books.time("async call"):
                            value = await d.call("triple", number + at)
                        if value != 3 * (number + at) + 1:
                            return f"{value} of {number + at}"
                case "ask":
                    for at in range(5):
                        with books.time("async ask"):
                            value = await d.call("asks", number + at)
                        if value != 2 * (number + at) + 1:
                            return f"{value} of {number + at}"
                case "large":
                    sent = large(number)
                    with books.time("async large value"):
                        value = await d.call("same", sent)
                    return None if value == sent else "another value"
                case "cancelled":
                    turn = asyncio.create_task(d.execute_string(LOOP))
                    await asyncio.sleep(chance.random() * 0.02)
                    turn.cancel()
                    try:
                        return as_cancelled(await turn)
                    except asyncio.CancelledError:
                        return "the session lives on" if d.is_subprocess_isolated else None
                case _:
                    if fate == "killed":
                        self.killer.kill(d.subprocess_pid or 0, chance)
                    return as_fated(fate, await d.execute_string(LOOP))
        return None


def one_of(chance: random.Random) -> str:
    """Choose a fate."""
    return chance.choices([*FATES], weights=[*FATES.values()])[0]


def limits(fate: str) -> Limits:
    """The limits of a session with this fate: endless programs end by exactly one of them."""
    match fate:
        case "time out":
            # The program before the endless one has this long, too, on a busy machine.
            return Limits(wall_time=1.0, steps=None)
        case "endless steps":
            return Limits(steps=200_000)
        case _:
            return Limits(steps=None)


def large(number: int) -> dict[str, Any]:
    """A value of about half a megabyte that no other session sends."""
    return {"text": f"{number:08}" * 40_000, "numbers": list(range(number, number + 20_000)), "n": number}


def as_fated(fate: str, result: ExecutionResult) -> str | None:
    """Whether an endless program ended as it had to."""
    wanted = {"time out": exceptions.DeadlineExceededError, "endless steps": exceptions.StepLimitError}
    if isinstance(result.error, wanted.get(fate, KILLED)):
        return None
    return f"{result!r}"


def as_cancelled(result: ExecutionResult) -> str | None:
    """A program that was cancelled cannot have succeeded."""
    return None if isinstance(result.error, exceptions.SessionClosedError) else f"{result!r}"


def load(seconds: float, threads: int, tasks: int, seed: int) -> int:
    """Put the load on; print what came of it; return the exit status."""
    pool.configure(PoolConfig(min_idle=4, max_workers=MOST_WORKERS, acquire_timeout=120))
    warm = Books(seed)
    Load(warm, seed + 1).run(seconds * WARM_UP, threads, tasks)
    before = settled()
    books = Books(seed)
    Load(books, seed).run(seconds * (1 - WARM_UP), threads, tasks)
    stats = pool.stats()
    after = settled()
    told = soak.Told(books.begun, books.ends["killed"], before, after, SLACK)
    wrong = warm.wrong + books.wrong
    lost = books.begun - sum(books.ends.values())
    lines = [
        f"{books.begun} sessions of {threads} threads and {tasks} tasks in {seconds * (1 - WARM_UP):.0f} s",
        "ends: " + ", ".join(f"{fate} {number}" for fate, number in sorted(books.ends.items())),
        books.percentiles(),
        f"pool: {stats.hits} hits, {stats.misses} misses, {stats.waits} waits to {stats.longest_wait:.2f} s",
        f"left: {told}",
        *(f"WRONG: {text[:500]}" for text in wrong[:10]),
        *([f"WRONG: {lost} sessions have no end"] if lost else []),
        "flat" if told.flat else "NOT flat",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if wrong or lost or not told.flat else 0


def settled() -> soak.Count:
    """Count once everything had time to go."""
    gc.collect()
    return soak.settled()


def main() -> int:
    """Load as the command line says."""
    soak.without_huge_pages()
    words = dict(enumerate(sys.argv))
    seconds = float(words.get(1, 600))
    return load(seconds, int(words.get(2, 32)), int(words.get(3, 200)), int(words.get(4, 1)))


if __name__ == "__main__":
    sys.exit(main())
