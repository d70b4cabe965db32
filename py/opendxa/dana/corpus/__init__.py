"""The attack corpus: what is tried against the installed worker, and what is expected of it.

`TABLE` has the rows that can be tried on any machine, `carry_out` tries them. For ``dana-bridge attack``, the
pytest plugin and the package's tests. Rows that need a hostile worker, a broken machine or a test build are
among the package's tests only: docs/SECURITY-RESULTS.md lists them all.
"""

from __future__ import annotations

from .attack import carry_out, select
from .ground import Ground
from .row import GotThroughError, NotHereError, Outcome, Row
from .table import TABLE

__all__ = ["TABLE", "GotThroughError", "Ground", "NotHereError", "Outcome", "Row", "carry_out", "select"]
