"""Fairness between the tenants of one application.

Rule: a tenant has at most so many sessions at once in a process, whatever others do; who comes beyond that is
told so at once and waits on its own side. Only tenants with open sessions are remembered, so that names cost
nothing.
"""

from __future__ import annotations

import threading
from collections import Counter

from opendxa.dana.exceptions import TenantBusyError

__all__ = ["Tenants"]


class Tenants:
    """How many sessions each tenant has open."""

    def __init__(self, most: int) -> None:
        self.most: int = most
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    def enter(self, tenant: str) -> None:
        """Take a place; raises `TenantBusyError` when the tenant has as many as it may."""
        with self._lock:
            if self._open[tenant] >= self.most:
                raise TenantBusyError(
                    f"a tenant has {self.most} sessions open, as many as it may\n"
                    "Hint: wait for one to end, or raise sessions_per_tenant"
                )
            self._open[tenant] += 1

    def leave(self, tenant: str) -> None:
        """Give a place back."""
        with self._lock:
            self._open[tenant] -= 1
            if self._open[tenant] <= 0:
                del self._open[tenant]

    def open(self) -> dict[str, int]:
        """Return how many sessions each tenant has open."""
        with self._lock:
            return dict(self._open)

    def after_fork(self) -> None:
        """Forget those of the process that this one was forked from."""
        self._lock = threading.Lock()
        self._open = Counter()
