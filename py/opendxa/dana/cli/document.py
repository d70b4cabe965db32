"""``--json``: the outcome of a run as one JSON document, for programs that run Dana programs.

Rule: what JSON cannot say is said in its usual form (a date in ISO 8601, a Decimal as text, a struct as an
object); what has no usual form is an error in the document, never a guess.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..dana_module import Dana
    from ..result import ExecutionResult

__all__ = ["of"]


def of(d: Dana, outcome: ExecutionResult, level: str) -> tuple[str, bool]:
    """Return the document, and whether the run counts as done; `level` is the isolation that it had."""
    error: BaseException | None = outcome.error
    result = "null"
    if error is None:
        try:
            result = json.dumps(outcome.result, default=_plain, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as problem:
            error = TypeError(f"the result cannot be written as JSON: {problem}")
    used = d.usage
    document = {
        "success": error is None,
        "result": json.loads(result),
        "output": outcome.output,
        "error": None if error is None else _error(error),
        "isolation": level,
        "seconds": round(outcome.execution_time, 6),
        "usage": {**vars(used), "tokens": used.tokens},
    }
    return json.dumps(document, indent=2), error is None


def _error(error: BaseException) -> dict[str, Any]:
    fault = getattr(error, "fault", None)
    return {
        "class": type(error).__name__,
        "kind": fault.kind if fault is not None else type(error).__name__,
        "message": fault.message if fault is not None else str(error),
        "file": fault.file if fault is not None else None,
        "line": (fault.line or None) if fault is not None else None,
        "column": (fault.column or None) if fault is not None else None,
        "text": str(error),
    }


def _plain(value: object) -> Any:
    """Return what JSON has for a value that it does not know."""
    from datetime import date, time  # noqa: PLC0415
    from decimal import Decimal  # noqa: PLC0415
    from uuid import UUID  # noqa: PLC0415

    from .._bridge import Struct  # noqa: PLC0415

    if isinstance(value, Struct):
        return value.attributes
    if isinstance(value, set | frozenset):
        return sorted(value, key=lambda one: (type(one).__name__, repr(one)))
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
