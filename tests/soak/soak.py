"""Many sessions, some of them killed at any moment: what is left in the host stays flat.

    python tests/soak/soak.py [SESSIONS [SEED]]

Prints a line every thousand sessions and a verdict. Exit status 1 if anything grew.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from opendxa.dana import Dana, Limits, pool
from opendxa.dana.exceptions import DanaError

#: Sessions before the first count: what is made once exists from then on.
WARM_UP = 50
#: Growth of memory that counts as none, in KiB: the allocator's own rounding.
SLACK = 2048
PR_SET_THP_DISABLE = 41


@dataclass(frozen=True)
class Count:
    """What a host holds."""

    zombies: int
    children: int
    descriptors: int
    threads: int
    memory: int

    @classmethod
    def now(cls) -> Count:
        """Count, the pool's spares apart."""
        pool.close()
        pids: list[str] = []
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
                pids += (task / "children").read_text().split()
        status = Path("/proc/self/status").read_text().splitlines()
        memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        return cls(
            sum(_is_zombie(pid) for pid in pids),
            len(pids),
            len(list(Path("/proc/self/fd").iterdir())),
            len(list(Path("/proc/self/task").iterdir())),
            memory,
        )


@dataclass(frozen=True)
class Told:
    """The result of a soak."""

    sessions: int
    killed: int
    before: Count
    after: Count
    slack: int = SLACK

    @property
    def flat(self) -> bool:
        """Whether nothing grew."""
        before, after = self.before, self.after
        return (
            after.zombies == 0
            and after.children <= before.children
            and after.descriptors <= before.descriptors
            and after.threads <= before.threads
            and after.memory - before.memory <= max(self.slack, before.memory // 20)
        )

    def __str__(self) -> str:
        """Say how it was and is."""
        pairs = ((name, getattr(self.before, name), value) for name, value in vars(self.after).items())
        return ", ".join(
            f"{name}{' (KiB)' if name == 'memory' else ''} {before} then {after}"
            for name, before, after in pairs
        )


def soak(sessions: int, seed: int, report_every: int = 0) -> Told:
    """Open, use, kill, close or drop so many sessions."""
    chance = random.Random(seed)
    killed = 0
    before = Count.now()
    for number in range(WARM_UP + sessions):
        if number == WARM_UP:
            before = settled()
        killed += _session(chance)
        if report_every and number % report_every == report_every - 1:
            sys.stdout.write(f"{number + 1} sessions: {settled()}\n")
            sys.stdout.flush()
    return Told(sessions, killed, before, settled())


def _session(chance: random.Random) -> bool:
    """Live one session; return whether it was killed."""
    d = Dana(require_isolation=True, echo=False, limits=Limits(wall_time=20, memory=64 * 2**20))
    pid = d.sandbox.subprocess_pid
    fate = chance.choice(["close", "close", "drop", "kill idle", "kill busy"])
    if fate.startswith("kill") and pid is not None:
        pidfd = os.pidfd_open(pid)
        number = chance.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGSYS])
        delay = chance.random() * 0.01 if fate == "kill busy" else 0.0
        killer = threading.Thread(target=_kill_later, args=(pidfd, delay, number))
        killer.start()
        if fate == "kill busy" or chance.random() < 0.5:
            _use(d, "n = 0\nwhile true:\n    n = n + 1\n")
        killer.join()
    else:
        _use(d, "x = [str(i) for i in range(100)]\nprint(len(x))\nx")
    if fate != "drop":
        d.close()
    del d
    return fate.startswith("kill")


def _use(d: Dana, source: str) -> None:
    try:
        d.execute_string(source)
    except DanaError:
        return  # it was killed


def _kill_later(pidfd: int, delay: float, number: signal.Signals) -> None:
    time.sleep(delay)
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return  # it has ended by itself
    finally:
        os.close(pidfd)


def settled() -> Count:
    """Count once the last threads have left the kernel."""
    deadline = time.monotonic() + 5
    count = Count.now()
    while (count.children or count.threads > 1) and time.monotonic() < deadline:
        time.sleep(0.005)
        count = Count.now()
    return count


def _is_zombie(pid: str) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def without_huge_pages() -> None:
    """Have memory counted exactly: a huge page that comes or goes with a thread is 2 MiB at any moment."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl PR_SET_THP_DISABLE")


def main() -> int:
    """Soak as the command line says."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    without_huge_pages()
    begin = time.monotonic()
    told = soak(sessions, seed, report_every=max(sessions // 10, 1))
    sys.stdout.write(
        f"{sessions} sessions, {told.killed} killed, in {time.monotonic() - begin:.0f} s: {told}\n"
    )
    sys.stdout.write("flat\n" if told.flat else "NOT flat\n")
    return 0 if told.flat else 1


if __name__ == "__main__":
    sys.exit(main())
