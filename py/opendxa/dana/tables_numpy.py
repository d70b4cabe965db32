"""Arrays of numpy. One of one dimension is a column; one of more is lists of lists.

Rule: what comes back has the type that it had, or is refused: no type is made of a text that is not known.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from .tables import Column, Malformed, Table, Unsuitable, note, truths

__all__ = ["DTYPES", "cells", "incoming", "mask", "outgoing", "times"]

#: numpy's types that come back as they were.
DTYPES: Final = {
    "i": frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}),
    "f": frozenset({"float16", "float32", "float64"}),
    "b": frozenset({"bool"}),
}
#: The unit in which ticks travel, by numpy's units.
_TRAVELS: Final = {"ns": "ns", "us": "us", "ms": "ms", "s": "s", "D": "D", "m": "s", "h": "s", "W": "D"}
_LARGEST: Final = (1 << 63) - 1
#: numpy's types of values that travel as what they are, and Python's.
_VALUES: Final[dict[str, tuple[str, type]]] = {
    "str": ("U", str),
    "bytes": ("S", bytes),
    "uint64": ("u8", int),
}
#: Bytes of an array of texts of one width: as many as one answer may take. One that took more is of objects.
_WIDE: Final = 640 << 20


def outgoing(value: Any) -> Table | list[Any] | str | None:
    """Return an array as a column, one of more dimensions as plain values."""
    np: Any = sys.modules["numpy"]
    if isinstance(value, np.ma.MaskedArray):
        return "a masked array cannot be sent to Dana; fill it first, with its method filled()"
    if not isinstance(value, np.ndarray):
        return None  # single numbers are not tables
    if value.dtype.kind in "cV":
        return f"an array of type {value.dtype} cannot be sent to Dana"
    if value.ndim == 0:
        return [value[()]]
    if value.ndim > 1:
        return [value.tolist() if value.dtype.kind in "biufUSOT" else list(value)]
    dtype, kind, unit, data = cells(np, value)
    return len(value), True, note("numpy"), [("", dtype, False, None, (kind, unit, data), None)]


def cells(np: Any, array: Any) -> tuple[str, str, str, Any]:
    """Return the type, kind, unit and cells of an array of one dimension."""
    kind, name = array.dtype.kind, array.dtype.name
    if kind == "b":
        return name, "b", "", array
    if kind in "iu":
        if name == "uint64" and len(array) and int(array.max()) > _LARGEST:
            return name, "v", "", array.tolist()
        return name, "i", "", array.astype("<i8", copy=False)
    if name in DTYPES["f"]:
        return name, "f", "", array.astype("<f8", copy=False)
    if kind in "Mm":
        unit, count = np.datetime_data(array.dtype)
        travels = _TRAVELS.get(unit) if count == 1 else None
        if travels is None:
            raise Unsuitable(f"an array of type {array.dtype} cannot be sent to Dana")
        letter, family = ("t", "datetime64") if kind == "M" else ("d", "timedelta64")
        ticks = array.astype(f"{kind}8[{travels}]").astype("<i8", copy=False)
        return f"{family}[{unit}]", letter, travels, ticks
    if kind in "UT":
        return "str", "s", "", array.tolist()
    if kind == "S":
        return "bytes", "v", "", array.tolist()
    if kind == "O":
        return "object", "v", "", array.tolist()
    raise Unsuitable(f"an array of type {array.dtype} cannot be sent to Dana")


def mask(np: Any, valid: bytes | None, rows: int) -> Any:
    """Return which cells have no value; None if all have one."""
    if valid is None:
        return None
    return np.unpackbits(np.frombuffer(valid, np.uint8), count=rows, bitorder="little") == 0


def times(np: Any, dtype: str, kind: str, unit: str, data: Any) -> Any:
    """Return times or spans as an array of the type that they had."""
    family, letter = ("datetime64", "M8") if kind in "tz" else ("timedelta64", "m8")
    ticks = np.frombuffer(data, f"{letter}[{unit}]")
    if not dtype:
        return ticks
    name, _, rest = dtype.rstrip("]").partition("[")
    if name != family or _TRAVELS.get(rest) != unit:
        raise Malformed(f"a column of times cannot have the type {dtype[:80]!r}")
    return ticks if rest == unit else ticks.astype(f"{letter}[{rest}]")


def incoming(np: Any, column: Column) -> Any:
    """Return a column as an array."""
    _, dtype, _, valid, (kind, unit, data), categories = column
    if categories is not None:
        raise Malformed("an array of codes")
    if kind in DTYPES:
        if dtype and dtype not in DTYPES[kind]:
            raise Malformed(f"an array cannot have the type {dtype[:80]!r}")
        source = {"i": "<i8", "f": "<f8", "b": "?"}[kind]
        array = np.frombuffer(data, source)
        array = array.astype(dtype, copy=False) if dtype else array
    elif kind in "tzd":
        array = times(np, dtype, kind, unit, data)
    elif dtype not in ({"str", "object", ""} if kind == "s" else {"bytes", "uint64", "object", ""}):
        raise Malformed(f"an array cannot have the type {dtype[:80]!r}")
    elif dtype in _VALUES:
        array = _values(np, dtype, data)
    else:
        array = _objects(np, data)
    if valid is None or kind == "s":
        return array
    array = array.astype(object)
    array[~np.array(truths(valid, len(array)))] = None
    return array


def _values(np: Any, dtype: str, data: list[Any]) -> Any:
    """Return texts, bytes or large integers as an array of their type; one of objects if some are missing."""
    code, of = _VALUES[dtype]
    kinds = set(map(type, data))
    # Nothing else may get there: numpy asks some objects for what they hold.
    if not kinds <= {of, type(None)}:
        raise Malformed(f"an array of other values than its type {dtype!r} has")
    if type(None) in kinds or (of is not int and _width(dtype, data) * len(data) > _WIDE):
        return _objects(np, data)
    return np.array(data, dtype=code)


def _width(dtype: str, data: list[Any]) -> int:
    """Return the bytes of each cell of an array of these texts."""
    return max(map(len, data), default=0) * (4 if dtype == "str" else 1)


def _objects(np: Any, data: list[Any]) -> Any:
    array = np.empty(len(data), object)
    array[:] = data
    return array
