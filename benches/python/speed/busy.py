"""A warm call beside a Python thread that burns processor time: who waits for the GIL, and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .calls import warm, warm_monty, warm_task
from .raw import echoing, pipes
from .sample import Series, Take, left_in
from .stage import Stage


def series(stage: Stage) -> Iterator[Series]:
    """Latencies; from the same run calls per second, and the other thread's progress, 1 being all alone."""
    contestants = {
        "raw": echoing(stage.stack.enter_context(pipes(stage.echo))),
        "dana": warm(stage.dana()),
        "dana, busy_wait": warm(stage.dana(busy_wait=50e-6)),
    }
    if stage.monty:
        contestants["monty"] = warm_monty(stage.monty_session())
    if stage.process_pool:
        contestants["ProcessPool"] = warm_task(stage.executor("fork"))
    for who, step in contestants.items():
        rate: list[float] = []
        progress: list[float] = []
        yield Series("busy", who, beside(step, stage.scale.seconds, rate, progress), 1)
        yield Series("busy_rate", who, left_in(rate), 1)
        yield Series("busy_progress", who, left_in(progress), 1)


def beside(step: Callable[[], None], seconds: float, rate: list[float], progress: list[float]) -> Take:
    clock = time.perf_counter

    def take(_count: int) -> list[float]:
        with burning() as count:
            before, began = count[0], clock()
            time.sleep(seconds / 2)
            alone = (count[0] - before) / (clock() - began)

            samples = []
            before, began = count[0], clock()
            ended = began
            while ended < began + seconds:
                start = ended
                step()
                ended = clock()
                samples.append(ended - start)
            took = ended - began
            together = (count[0] - before) / took
        rate[:] = [len(samples) / took]
        progress[:] = [together / alone]
        return samples

    return take


@contextmanager
def burning() -> Iterator[list[int]]:
    """Run a thread that does nothing but count."""
    count = [0]
    stop = threading.Event()

    def burn() -> None:
        while not stop.is_set():
            for _ in range(100):
                count[0] += 1

    thread = threading.Thread(target=burn)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join()
