"""Errors that are copied, or pickled for another process.

Rule: an error arrives with all its attributes, its cause and its notes, or with a stand-in for what cannot
travel; that something of it cannot be pickled is never an error of its own. Tracebacks stay behind.
"""

from __future__ import annotations

import pickle
from typing import Any, TypeVar

from .exceptions import DanaError, HostError

__all__ = ["copied", "portable"]

Error = TypeVar("Error", bound=DanaError)


def copied(error: Error) -> Error:
    """Return a copy that shares what the error refers to."""
    copy = type(error)(*error.args)
    for name, value in _state(error).items():
        setattr(copy, name, value)
    copy.__context__ = error.__context__
    copy.__suppress_context__ = error.__suppress_context__
    return copy.with_traceback(error.__traceback__)


def portable(error: DanaError) -> dict[str, Any]:
    """Return what to pickle of an error besides its arguments: all that another process can read."""
    state = _state(error)
    if _travels(state):
        return state
    stand_ins: dict[int, Any] = {}
    for name, value in state.items():
        if not _travels(value):
            # The cause is often an attribute too: one stand-in for both.
            state[name] = stand_ins.setdefault(id(value), _stand_in(value))
    return state


def _state(error: DanaError) -> dict[str, Any]:
    """Return the attributes of an error, its cause among them."""
    state = dict(vars(error))
    if isinstance(state.get("__notes__"), list):
        state["__notes__"] = list(state["__notes__"])
    if error.__cause__ is not None:
        state["__cause__"] = error.__cause__
    return state


def _travels(value: object) -> bool:
    """Whether it can be pickled and read again: many exceptions can only be pickled."""
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - what was pickled here a moment ago
    except Exception:
        return False
    return True


def _stand_in(value: object) -> object:
    """Return what is sent in place of something that cannot be pickled."""
    if not isinstance(value, BaseException):
        return repr(value)
    from traceback import format_exception  # noqa: PLC0415 - loaded when an exception cannot be pickled

    name = type(value).__name__
    stand_in = HostError(f"{name}: {value}", name)
    notes = ["It could not be pickled. Its traceback was:\n" + "".join(format_exception(value)).rstrip()]
    stand_in.__notes__ = notes  # type: ignore[attr-defined, unused-ignore]
    return stand_in
