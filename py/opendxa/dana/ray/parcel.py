"""What crosses between a client and a node: values, and outcomes that are errors, as bytes.

Rule: errors are values here, so that none of Ray's wraps or retries them, and no error carries more than its
text to another machine: an exception of a model's client may hold the request, and that the key.
"""

from __future__ import annotations

import builtins
from typing import Any, Final

from ray import cloudpickle

from opendxa.dana.exceptions import (
    ConfigurationError,
    DanaCallError,
    DanaError,
    HostError,
    ModelError,
    TypeConversionError,
)

__all__ = ["harmless", "pack", "unpack"]

#: Longest chain of causes that is sent.
_DEEPEST: Final = 20
_PLAIN: Final = (str, int, float, bool, bytes, type(None))


def pack(value: object, what: str) -> bytes:
    """Return a value as bytes; one that cannot be sent raises `TypeConversionError`."""
    try:
        data: bytes = cloudpickle.dumps(value, protocol=5)  # type: ignore[no-untyped-call]
    except Exception as error:
        text = f"{what} cannot be sent to another machine: {type(error).__name__}: {error}"
        raise TypeConversionError(text, type(value)) from error
    return data


def unpack(data: bytes, what: str) -> Any:
    """Return the value that bytes stand for, or raise `TypeConversionError` where its code is not here."""
    try:
        return cloudpickle.loads(data)
    except Exception as error:
        raise TypeConversionError(
            f"{what} cannot be read here: {type(error).__name__}: {error}\n"
            "Hint: the packages that its classes come from are needed on this machine too"
        ) from error


def harmless(error: BaseException, depth: int = 0) -> BaseException:
    """Return an error as it may be sent: of those that are not this package's, little more than the text.

    What stands behind a model's failure stays on the node: its text was made to show no key.
    """
    if isinstance(error, DanaError) and type(error).__module__ == DanaError.__module__:
        behind = error.__cause__
        original = error.original_error if isinstance(error, DanaCallError) else None
        if depth >= _DEEPEST or isinstance(error, ModelError | ConfigurationError):
            behind = original = None
        safe = None if behind is None else harmless(behind, depth + 1)
        error.__cause__ = safe
        error.__context__ = None
        if isinstance(error, DanaCallError):
            if original is not None:
                original = safe if original is behind else harmless(original, depth + 1)
            error.original_error = original
        return error
    kind = type(error)
    known = getattr(builtins, kind.__name__, None) is kind
    # What ends a process is told as an error: it would end the client's loop.
    if known and issubclass(kind, Exception) and all(isinstance(argument, _PLAIN) for argument in error.args):
        # A new one: attributes that somebody put there stay behind.
        return kind(*error.args)
    return HostError(f"{kind.__name__}: {error}", kind.__name__)
