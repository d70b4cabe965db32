"""What sessions could leave behind in their host."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opendxa.dana import PoolConfig, pool
from opendxa.dana._bridge import pool_configure


def children() -> set[str]:
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set((task / "children").read_text().split())
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def tasks() -> set[str]:
    return {task.name for task in Path("/proc/self/task").iterdir()}


def threads() -> int:
    return len(tasks())


def resident(field: str = "VmRSS") -> int:
    """Bytes of memory this process has in use, or had at most (`VmHWM`)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) << 10
    raise KeyError(field)


def forget_peak() -> None:
    """Let `VmHWM` start anew."""
    Path("/proc/self/clear_refs").write_text("5")


@contextmanager
def no_spares() -> Iterator[None]:
    """Have the pool start nothing by itself: for workers that are none."""
    pool_configure(**{**vars(PoolConfig()), "min_idle": 0}, eager=False)
    pool.close()
    yield
    pool.close()  # forgets the kinds, which would be wanted again
    pool_configure(**vars(PoolConfig()), eager=False)


@contextmanager
def nothing_left() -> Iterator[None]:
    """Demand that no process, descriptor or thread is left, the pool's spares apart."""
    pool.close()
    before, running = (children(), descriptors()), tasks()
    yield
    pool.close()
    # Python's `Thread.join` returns while the kernel still removes the thread: a test's own get a moment.
    # Idle ones of earlier tests may end meanwhile.
    deadline = time.monotonic() + 5
    while tasks() - running and time.monotonic() < deadline:
        os.sched_yield()
    # Children of earlier tests may have been waited for meanwhile.
    new = children() - before[0]
    after = (new, descriptors())
    assert after == (set(), before[1]), f"{before} and then {after}"
    assert not tasks() - running, [
        Path(f"/proc/self/task/{task}/comm").read_text() for task in tasks() - running
    ]
