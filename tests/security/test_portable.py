"""The rows that `dana-bridge attack` tries on any machine, one test each.

What is attacked is the installed worker, in sessions as any user opens them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opendxa.dana.corpus import TABLE, Ground, NotHereError, Row


def of(row: Row) -> Callable[..., None]:
    @pytest.mark.row(row.number, row.kind, row.attack, row.expected)
    def test(ground: Ground, seen: Callable[[str], None]) -> None:
        try:
            seen(row.check(ground))
        except NotHereError as error:
            pytest.skip(str(error))

    return test


for _row in TABLE:
    globals()[f"test_{_row.name}"] = of(_row)
