"""Where attacks take place: fresh sessions of the installed worker, and the tracer that forces calls.

Rule: sessions are opened as any user opens them; nothing about a worker under attack is special.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .row import GotThroughError, NotHereError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from ..dana_module import Dana

__all__ = ["Fate", "Ground"]

ALL = (1 << 64) - 1
Fate = tuple[str, int]


class Ground:
    """A place for attacks. `settings` are what sessions are opened with, beside those of a row.

    A level that is named is the least that is accepted, too: what is withstood at a lower one proves nothing.
    """

    def __init__(self, **settings: Any) -> None:
        if settings.get("isolation") is not None:
            settings.setdefault("min_isolation", settings["isolation"])
        #: What sessions are opened with.
        self.settings = settings
        self._tracer: subprocess.Popen[str] | None = None

    def __enter__(self) -> Ground:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the tracer, if one was needed."""
        if self._tracer is not None:
            self._tracer.communicate()
            self._tracer = None

    @contextmanager
    def session(self, **settings: Any) -> Iterator[Dana]:
        """Open a session that is isolated or fails."""
        from ..dana_module import Dana  # noqa: PLC0415 - loaded with the first session

        with Dana(require_isolation=True, echo=False, **{**self.settings, **settings}) as d:
            yield d

    def pid_of(self, d: Dana) -> int:
        """Return the process id of a session's worker."""
        pid = d.sandbox.subprocess_pid
        if pid is None:
            raise GotThroughError("the session has no worker")
        return pid

    def need_root(self, what: str) -> None:
        """Refuse where the kernel does not let this user look into a worker."""
        if os.geteuid() != 0:
            raise NotHereError(f"needs root to {what}")

    def force(self, number: int, arguments: Sequence[int] = (), gate: str = "syscall") -> Fate:
        """Force one system call into a fresh worker; tell what became of it."""
        return self.force_with(lambda _: (number, arguments), gate)

    def force_with(self, call: Any, gate: str = "syscall") -> Fate:
        """Do the same with a call that is made for the worker's process id, as the worker has it."""
        with self.session() as d:
            pid = self.pid_of(d)
            number, arguments = call(_own_id(pid))
            six = [argument & ALL for argument in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
            told = self._order(do="call", pid=pid, number=number & ALL, arguments=six, gate=gate)
            return str(told["fate"]), int(told["value"])

    def filter(self) -> tuple[int, list[list[int]]]:
        """Return a worker's own process id and the filter that the kernel holds for it."""
        with self.session() as d:
            pid = self.pid_of(d)
            return _own_id(pid), self._order(do="filter", pid=pid)["filter"]

    def _order(self, **order: Any) -> dict[str, Any]:
        self.need_root("force system calls into a worker or to read its filter")
        if platform.machine() != "x86_64":
            raise NotHereError("forcing system calls is written for x86-64")
        if self._tracer is None:
            program = Path(__file__).with_name("tracer.py")
            self._tracer = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-IS", str(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        stdin, stdout = self._tracer.stdin, self._tracer.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the tracer has no pipes")
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError("the tracer ended")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise NotHereError(f"the kernel does not let root trace here: {told['error']}")
        return told


def _own_id(pid: int) -> int:
    """Return a process's id in its own namespace."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), pid)
