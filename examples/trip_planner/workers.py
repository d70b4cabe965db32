"""The process behind a session: what isolates it, and whether it has ended.

Rule: everything is read from the live process, nothing is assumed. A process is held by a descriptor, so that
its number cannot come to mean another.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from opendxa.dana import AsyncDana
from opendxa.dana.exceptions import IsolationUnavailableError

from .shapes import Layer, Worker

__all__ = ["Watched", "watched"]


class Watched:
    """A worker that is held on to."""

    def __init__(self, worker: Worker, descriptor: int) -> None:
        self.worker = worker
        self._descriptor = descriptor

    @property
    def ended(self) -> bool:
        """Whether its process has ended."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))


@contextmanager
def watched(d: AsyncDana) -> Iterator[Watched]:
    """Hold on to the worker of an open session."""
    report = d.isolation
    if report.pid is None:
        raise IsolationUnavailableError("the session has no worker")
    descriptor = os.pidfd_open(report.pid)
    try:
        layers = [Layer(**asdict(layer)) for layer in report.layers]
        worker = Worker(pid=report.pid, host=os.getpid(), level=str(report.level), layers=layers)
        yield Watched(worker, descriptor)
    finally:
        os.close(descriptor)
