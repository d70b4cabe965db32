"""What an idle worker holds in memory. Only root can look: a locked worker cannot be traced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from opendxa.dana import Dana

from . import tasks
from .calls import worker
from .sample import Series, told
from .stage import ISOLATED, Stage, keep_none, keep_spares


def series(stage: Stage) -> Iterator[Series]:
    if os.geteuid() != 0:
        stage.absent.append("memory of workers: only root can read it")
        return
    keep_spares()
    idle = stage.stack.enter_context(Dana(**ISOLATED))
    keep_none()
    used = stage.dana()
    workers: dict[str, int] = {
        "dana": worker(idle),
        "dana, after a program": worker(used),
    }
    if stage.monty:
        workers["monty"] = stage.monty_session().worker_pid
    if stage.process_pool:
        executor = stage.executor("spawn")
        executor.submit(tasks.answer).result()
        workers["ProcessPool spawn"] = next(iter(executor._processes))
    for who, pid in workers.items():
        yield Series("rss", who, told(reading(pid, "Rss")), 1)
        yield Series("dirty", who, told(reading(pid, "Private_Dirty")), 1)


def reading(pid: int, name: str) -> Callable[[], float]:
    """Read a figure of smaps_rollup, in bytes."""

    def step() -> float:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            key, _, rest = line.partition(":")
            if key == name:
                return int(rest.split()[0]) * 1024.0
        raise AssertionError(f"smaps_rollup has no {name}")

    return step
