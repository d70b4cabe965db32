"""A new session to its first result: from the pool of spares, and with none there. Closing does not count."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from opendxa.dana import Dana, pool

from . import tasks
from .raw import echoing, ping_pong, pipes, spawn_and_wait
from .sample import Series, each, told
from .stage import ISOLATED, READY, Stage, executor, keep_none, keep_spares

#: Seconds of idleness after which a warm echo is no longer warm: about what filling the pool takes.
IDLE = 0.002


def series(stage: Stage) -> Iterator[Series]:
    raw = echoing(stage.stack.enter_context(pipes(stage.echo)))
    yield Series("pooled", "raw", each(raw), 100)
    yield Series("pooled", "raw, after 2 ms", told(after_idleness(raw)), 20)
    yield Series("pooled", "dana", from_the_pool, 20)
    if stage.monty:
        reused = stage.monty_pool(min_processes=READY.min_idle, max_processes=64)
        yield Series("pooled", "monty, reused", told(lambda: checkout(reused)), 20)
        unused = stage.monty_pool(min_processes=READY.min_idle, max_processes=64, max_checkouts_per_worker=1)
        yield Series("pooled", "monty, fresh", told(lambda: checkout(unused)), 10)

    yield Series("cold", "raw", each(spawn_and_wait([os.fspath(stage.echo)])), 20)
    yield Series("cold", "dana", spawned, 20)
    yield Series("cold_inside", "dana", told(lambda: first_result(echo=False)), 20)
    if stage.monty:
        yield Series("cold", "monty", told(lambda: first_of_a_pool(stage.monty)), 5)
    if stage.process_pool:
        yield Series("cold", "ProcessPool", told(lambda: first_task("fork")), 5)
        yield Series("cold", "ProcessPool spawn", told(lambda: first_task("spawn")), 1)
    if stage.bubblewrap:
        yield Series("cold", "bubblewrap", told(first_echo(stage.bubblewrap)), 5)


def after_idleness(raw: Callable[[], None]) -> Callable[[], float]:
    """The raw round trip when caller and echo have slept: the processor has gone to other things."""

    def step() -> float:
        time.sleep(IDLE)
        began = time.perf_counter()
        raw()
        return time.perf_counter() - began

    return step


def first_result(**settings: Any) -> float:
    began = time.perf_counter()
    with Dana(**settings) as session:
        answer = session.execute_string("6 * 7").result
        took = time.perf_counter() - began
    if answer != 42:
        raise AssertionError("wrong answer")
    return took


def from_the_pool(count: int) -> list[float]:
    keep_spares()
    samples = []
    before = pool.stats().hits
    for _ in range(count):
        keep_spares()
        samples.append(first_result(**ISOLATED))
    if pool.stats().hits - before != count:
        raise AssertionError("a session did not come from the pool")
    keep_none()
    return samples


def spawned(count: int) -> list[float]:
    keep_none()
    before = pool.stats().misses
    samples = [first_result(**ISOLATED) for _ in range(count)]
    if pool.stats().misses - before != count:
        raise AssertionError("a session came from the pool")
    return samples


def checkout(monty_pool: Any) -> float:
    began = time.perf_counter()
    with monty_pool.checkout() as session:
        answer = session.feed_run("6 * 7")
        took = time.perf_counter() - began
    if answer != 42:
        raise AssertionError("wrong answer")
    return took


def first_of_a_pool(monty: Any) -> float:
    began = time.perf_counter()
    with monty.Monty() as new, new.checkout() as session:
        answer = session.feed_run("6 * 7")
        took = time.perf_counter() - began
    if answer != 42:
        raise AssertionError("wrong answer")
    return took


def first_task(method: str) -> float:
    began = time.perf_counter()
    with executor(method) as new:
        answer = new.submit(tasks.answer).result()
        took = time.perf_counter() - began
    if answer != 42:
        raise AssertionError("wrong answer")
    return took


def first_echo(command: list[str]) -> Callable[[], float]:
    def step() -> float:
        began = time.perf_counter()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            ping_pong(process.stdin.fileno(), process.stdout.fileno())()
            took = time.perf_counter() - began
            process.stdin.close()
        return took

    return step
