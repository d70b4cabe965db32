"""Worker processes seen from outside: which there are, whose they are, and when they have ended.

A worker carries the number of its host on its command line, so that also those are found whose host is gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

#: Seconds after which a worker must have followed its host.
FOLLOWS = 1.0


def workers(*hosts: int) -> list[int]:
    """Process ids of the living workers that these processes started."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name, _, host, *_ = [*(entry / "cmdline").read_bytes().split(b"\0"), b"", b"", b""]
            if name == b"dana-worker" and int(host) in hosts:
                found.append(int(entry.name))
    return found


def ticks(pid: int) -> int:
    """Processor time of a process in its own code, in hundredths of a second; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def eventually(true: Callable[[], object]) -> None:
    """Wait until something holds; a test that waits in vain fails by its timeout."""
    while not true():
        time.sleep(0.001)


@contextlib.contextmanager
def watched(pids: Iterable[int]) -> Iterator[list[int]]:
    """Hold on to processes, so that their end is seen whoever their parent is."""
    descriptors: list[int] = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            descriptors.append(os.pidfd_open(pid))
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def all_end(descriptors: Iterable[int], within: float = FOLLOWS) -> bool:
    """Whether all watched processes end so soon.

    The clock is this process's: a busy machine gets four times as long before it is believed that a worker
    lives on.
    """
    deadline = time.monotonic() + 4 * within
    return all(
        select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))[0]
        for descriptor in descriptors
    )


def run(program: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run Python source in a process of its own; fail with what it says if it fails."""
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
