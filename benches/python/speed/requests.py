"""Requests per second when every request has a process of its own that nobody used before."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from opendxa.dana import AsyncDana, Dana

from . import tasks
from .raw import ping_pong, spawn_and_wait
from .sample import Series, Take, left_in
from .stage import ISOLATED, READY, Stage, keep_none, keep_spares

THREADS = 2
#: Answers a request that is numbered; returns what is to be twice the number.
Request = Callable[[int], Any]


def series(stage: Stage) -> Iterator[Series]:
    for who, take in contestants(stage, THREADS, stage.scale.seconds).items():
        errors: list[float] = []
        yield Series("requests", who, take(errors), 1)
        yield Series("request_errors", who, left_in(errors), 1)


def contestants(stage: Stage, threads: int, seconds: float) -> dict[str, Callable[[list[float]], Take]]:
    """Return by name what makes a measure of requests per second, when told where to leave the errors."""

    def by_threads(request: Request) -> Callable[[list[float]], Take]:
        return lambda errors: lambda _count: [crowd(request, threads, seconds, errors)]

    def in_pool(prepare: Callable[[], None]) -> Callable[[list[float]], Take]:
        def take(errors: list[float]) -> Take:
            def rates(_count: int) -> list[float]:
                prepare()
                rate = crowd(session, threads, seconds, errors)
                keep_none()
                return [rate]

            return rates

        return take

    found = {
        "raw": by_threads(started(spawn_and_wait([os.fspath(stage.echo)]))),
        "dana": in_pool(keep_spares),
        "dana, no spares": in_pool(keep_none),
    }
    if stage.monty:
        unused = stage.monty_pool(min_processes=READY.min_idle, max_processes=64, max_checkouts_per_worker=1)
        found["monty, fresh"] = by_threads(lambda number: checkout(unused, number))
    if stage.process_pool:
        executor = stage.executor("spawn", workers=threads, max_tasks_per_child=1)
        found["ProcessPool, one task a child"] = by_threads(
            lambda number: executor.submit(tasks.double, number).result()
        )
    if stage.bubblewrap:
        found["bubblewrap"] = by_threads(echoed(stage.bubblewrap))
    return found


def crowd(request: Request, threads: int, seconds: float, errors: list[float]) -> float:
    """Let threads make one request after the other for a while; returns good answers per second."""
    numbers = itertools.count(1)
    good, bad = [0] * threads, [0] * threads
    gate = threading.Barrier(threads + 1)
    end = [0.0]

    def work(place: int) -> None:
        gate.wait()
        while time.perf_counter() < end[0]:
            number = next(numbers)
            try:
                right = request(number) == 2 * number
            except Exception:
                right = False
            good[place] += right
            bad[place] += not right

    workers = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    end[0] = time.perf_counter() + seconds
    gate.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - began
    errors[:] = [float(sum(bad))]
    return sum(good) / took


def session(number: int) -> Any:
    with Dana(**ISOLATED) as one:
        return one.execute_string(f"{number} * 2").result


def checkout(monty_pool: Any, number: int) -> Any:
    with monty_pool.checkout() as one:
        return one.feed_run(f"{number} * 2")


def started(spawn: Callable[[], None]) -> Request:
    """A program that answers nothing: started and waited for."""

    def request(number: int) -> int:
        spawn()
        return 2 * number

    return request


def echoed(command: list[str]) -> Request:
    """A program that echoes one byte."""

    def request(number: int) -> int:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            ping_pong(process.stdin.fileno(), process.stdout.fileno())()
            process.stdin.close()
        return 2 * number

    return request


def tasks_of_asyncio(count: int, seconds: float, errors: list[float]) -> float:
    """The same crowd as tasks on one loop; returns good answers per second."""
    numbers = itertools.count(1)
    found = {True: 0, False: 0}

    async def work(end: float) -> None:
        while time.perf_counter() < end:
            number = next(numbers)
            try:
                async with AsyncDana(**ISOLATED) as one:
                    answer = (await one.execute_string(f"{number} * 2")).result
                right = answer == 2 * number
            except Exception:
                right = False
            found[right] += 1

    async def all_of_them() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(work(began + seconds) for _ in range(count)))
        return time.perf_counter() - began

    took = asyncio.run(all_of_them())
    errors[:] = [float(found[False])]
    return found[True] / took
