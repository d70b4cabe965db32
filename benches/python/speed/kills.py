"""A worker is killed from outside: how long until Python knows, and until the next good result."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from opendxa.dana import Dana
from opendxa.dana.exceptions import WorkerCrashedError

from . import tasks
from .calls import worker
from .sample import Series, told
from .stage import ISOLATED, PROGRAM, READY, Stage, executor, keep_none, keep_spares

#: Seconds after which a call is under way for sure.
UNDER_WAY = 0.005


def series(stage: Stage) -> Iterator[Series]:
    yield Series("kill", "dana", killed, 5)
    yield Series("recover", "dana", recovered, 5)
    if stage.monty:
        monty = stage.monty
        reused = stage.monty_pool(min_processes=READY.min_idle, max_processes=64)
        yield Series("kill", "monty", told(lambda: killed_monty(monty, reused)), 5)
        yield Series("recover", "monty", told(lambda: recovered_monty(monty, reused)), 5)
    if stage.process_pool:
        yield Series("kill", "ProcessPool", told(killed_task), 2)
        yield Series("recover", "ProcessPool", told(recovered_task), 2)


def until_raised(call: Callable[[], object], error: type[Exception], pid: int) -> float:
    """Kill the process while a call waits for it; returns the seconds from there to the exception."""
    killed_at = [0.0]

    def killer() -> None:
        time.sleep(UNDER_WAY)
        killed_at[0] = time.perf_counter()
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        call()
    except error:
        seen = time.perf_counter()
    else:
        raise AssertionError("the call returned")
    finally:
        thread.join()
    return seen - killed_at[0]


def killed(count: int) -> list[float]:
    samples = []
    for _ in range(count):
        with Dana(**ISOLATED) as session:
            session.execute_string(PROGRAM)
            samples.append(until_raised(lambda: session.call("endless"), WorkerCrashedError, worker(session)))
    return samples


def recovered(count: int) -> list[float]:
    """The next call fails and says so; then the session is restarted and asked again."""
    keep_spares()
    samples = []
    for _ in range(count):
        with Dana(**ISOLATED) as session:
            session.execute_string(PROGRAM)
            keep_spares()
            pid = worker(session)
            began = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            try:
                session.call("double", 21)
            except WorkerCrashedError:
                session.restart_subprocess()
            else:
                raise AssertionError("the call returned")
            answer = session.execute_string("6 * 7").result
            samples.append(time.perf_counter() - began)
            if answer != 42:
                raise AssertionError("wrong answer")
    keep_none()
    return samples


def killed_monty(monty: Any, monty_pool: Any) -> float:
    with monty_pool.checkout() as session:
        endless = "while True:\n    pass"
        return until_raised(lambda: session.feed_run(endless), monty.MontyCrashedError, session.worker_pid)


def recovered_monty(monty: Any, monty_pool: Any) -> float:
    with monty_pool.checkout() as session:
        began = time.perf_counter()
        os.kill(session.worker_pid, signal.SIGKILL)
        try:
            session.feed_run("6 * 7")
        except monty.MontyCrashedError:
            pass
        else:
            raise AssertionError("the call returned")
    with monty_pool.checkout() as session:
        answer = session.feed_run("6 * 7")
        took = time.perf_counter() - began
    if answer != 42:
        raise AssertionError("wrong answer")
    return took


def killed_task() -> float:
    with executor("fork") as one:
        one.submit(tasks.answer).result()
        endless = one.submit(tasks.wait_for_the_end)
        return until_raised(endless.result, BrokenProcessPool, next(iter(one._processes)))


def recovered_task() -> float:
    """A pool that lost a process is broken for ever: the next good result needs a new one."""
    with executor("fork") as one:
        one.submit(tasks.answer).result()
        pid = next(iter(one._processes))
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        try:
            one.submit(tasks.answer).result()
        except BrokenProcessPool:
            pass
        else:
            raise AssertionError("the call returned")
    with executor("fork") as one:
        answer = one.submit(tasks.answer).result()
        took = time.perf_counter() - began
    if answer != 42:
        raise AssertionError("wrong answer")
    return took
