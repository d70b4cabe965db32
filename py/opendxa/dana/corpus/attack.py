"""Carrying out rows of the corpus, one after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .row import GotThroughError, NotHereError, Outcome
from .table import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .ground import Ground
    from .row import Row

__all__ = ["carry_out", "select"]


def select(numbers: Iterable[int] = ()) -> tuple[Row, ...]:
    """Return the rows with these numbers; all without any. An unknown number is a `ValueError`."""
    wanted = set(numbers)
    unknown = wanted - {row.number for row in TABLE}
    if unknown:
        raise ValueError(
            f"no row that can be tried here has the number {', '.join(map(str, sorted(unknown)))}"
        )
    return tuple(row for row in TABLE if not wanted or row.number in wanted)


def carry_out(rows: Iterable[Row], ground: Ground) -> Iterator[Outcome]:
    """Try each row; tell what became of it. An attempt that fails by itself proves nothing and says so."""
    for row in rows:
        begin = time.monotonic()
        try:
            verdict, seen = "withstood", row.check(ground)
        except GotThroughError as error:
            verdict, seen = "got through", str(error)
        except NotHereError as error:
            verdict, seen = "not tried", str(error)
        except Exception as error:
            verdict, seen = "failed", f"{type(error).__name__}: {error}"
        yield Outcome(row, verdict, seen, time.monotonic() - begin)
