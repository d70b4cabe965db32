"""Tables and arrays of numpy, pandas, polars and pyarrow, on their way to a program and back.

Other objects with columns for Arrow (`__arrow_c_stream__`) go by way of pyarrow or polars.

Rule: no such library is ever imported here, only found where it is loaded already; and of what comes back
nothing is believed: a type is known only by a text that was given to it here.

The extension asks `outgoing` about an object that it does not know itself, and `incoming` for the object of a
table that comes back. Between them a table is a tuple ``(rows, lone, note, columns)`` and a column ``(name,
dtype, index, valid, (kind, unit, cells), categories)``. `cells` are bytes (on the way out also what has a
method ``tobytes``) for the kinds ``i f b`` (64-bit integers, floats, a byte for each truth) and ``t z d``
(ticks of times, zoned times, spans), and a list for ``s v`` (texts, any values).
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from . import tables_time
from .exceptions import TypeConversionError
from .fault import visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = [
    "Column",
    "Malformed",
    "Table",
    "Unsuitable",
    "bits",
    "cells_of",
    "in_one_column",
    "incoming",
    "loaded",
    "note",
    "outgoing",
]

#: Rows, whether it is one column by itself, what is to be known again, and the columns.
Table = tuple[int, bool, str, list["Column"]]
#: Name, type, whether it is an index, validity, cells by kind, and categories with their type.
Column = tuple[str, str, bool, "bytes | None", tuple[str, str, Any], "tuple[str, str, Any, str] | None"]

#: Bytes of a note are limited by the protocol.
_NOTE_BYTES: Final = 256 << 10
#: Cells that dicts may become in a column: in one of polars or pyarrow each has a cell for every key of any.
_CELLS: Final = 16_000_000


class Malformed(ValueError):  # noqa: N818 - never seen by users: the session ends with a ProtocolViolationError
    """A table that the interpreter cannot have been given."""


class Unsuitable(Exception):  # noqa: N818 - never seen by users: its text becomes a TypeConversionError
    """Why an object cannot be sent."""


def outgoing(value: Any) -> Table | list[Any] | str | None:
    """Return the table that `value` is, another object for it (in a list), why it cannot be sent, or None."""
    name = library(value)
    if name is None:
        return _stream(value)
    try:
        answer: Table | list[Any] | str | None = _part(name).outgoing(value)
    except Unsuitable as reason:
        return str(reason)
    return answer


def incoming(table: Table) -> Any:
    """Return the object that `table` came from, or the nearest there is."""
    _, lone, text, columns = table
    known = _read(text)
    name = known.get("of", "pandas")
    try:
        if name == "numpy" and lone and (numpy := loaded("numpy")):
            return _part("numpy").incoming(numpy, next(column for column in columns if not column[2]))
        if name in {"polars", "pyarrow"} and loaded(name):
            return _part(name).incoming(table)
        if name == "pandas" and loaded("pandas") and loaded("numpy"):
            return _part("pandas").incoming(table, known)
    except (Malformed, TypeConversionError, MemoryError):
        raise
    except BaseException as error:
        if not _is_refusal(error):
            raise
        raise Malformed(f"a table that {name} refuses: {error}"[:500]) from error
    plain = {column[0]: cells_of(column) for column in columns if not column[2]}
    return next(iter(plain.values())) if lone else plain


def in_one_column(library: str, name: str, values: list[Any], make: Callable[[], Any]) -> Any:
    """Return what `make` makes of any values. A program may put values there that no column can hold."""
    _check_spread(library, name, values)
    try:
        return make()
    except BaseException as error:
        if not _is_refusal(error):
            raise
        raise _unsuitable(library, name, visible(str(error))[:300]) from error


def _check_spread(library: str, name: str, values: list[Any]) -> None:
    """Refuse dicts of so many different keys that a few bytes of them would take all memory."""
    dicts, rest = 0, [values]
    keys: set[str] = set()
    while rest:
        for item in rest.pop():
            if type(item) is dict:
                dicts += 1
                keys.update(key for key in item if type(key) is str)
                rest.append(list(item.values()))
            elif type(item) in {list, tuple}:
                rest.append(item)
    if dicts * len(keys) > _CELLS:
        raise _unsuitable(library, name, f"{dicts} dicts of {len(keys)} different keys are too many")


def _unsuitable(library: str, name: str, why: str) -> TypeConversionError:
    return TypeConversionError(
        f"the column {name[:80]!r} has values that {library} cannot hold in one column: {why}"
    )


def _is_refusal(error: BaseException) -> bool:
    """Whether it is an error of a library. One written in Rust panics, which is no `Exception`."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _stream(value: Any) -> Table | list[Any] | str | None:
    """Return what offers its columns by Arrow's PyCapsule interface as a table of a loaded library."""
    if not hasattr(type(value), "__arrow_c_stream__"):
        return None
    if pyarrow := loaded("pyarrow"):
        return [pyarrow.table(value)]
    if polars := loaded("polars"):
        return [polars.DataFrame(value)]
    return f"a {type(value).__name__} can be sent to Dana where pyarrow or polars is imported"


def _part(name: str) -> Any:
    """Return our module for a library, one of four."""
    return import_module(f".tables_{name}", __package__)


def loaded(name: str) -> ModuleType | None:
    """Return a library if it is loaded, and not in the middle of that."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return None if getattr(spec, "_initializing", False) else module


def library(value: Any) -> str | None:
    """Return which library an object's class comes from, or one of its bases."""
    for kind in type(value).__mro__:
        name = str(getattr(kind, "__module__", "")).partition(".")[0]
        if name in {"numpy", "pandas", "polars", "pyarrow"} and name in sys.modules:
            return name
    return None


def note(of: str, **known: Any) -> str:
    """Return what is to be known again, as text."""
    text = json.dumps({"of": of, **known}, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode("utf-8", "surrogatepass")) > _NOTE_BYTES:
        raise Unsuitable(f"a table whose names take more than {_NOTE_BYTES} bytes cannot be sent to Dana")
    return text


def _read(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        known = json.loads(text)
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, dict) or not isinstance(known.get("of"), str):
        raise Malformed("a table with a note that it was not given")
    return known


def bits(truths: bytes) -> bytes:
    """Return truths, a byte each, as bits, the lowest first."""
    whole = truths + bytes(-len(truths) % 8)
    eighths = [int.from_bytes(whole[at::8], "little") << at for at in range(8)]
    total = 0
    for eighth in eighths:
        total |= eighth
    return total.to_bytes(len(whole) // 8, "little")


def truths(valid: bytes | None, rows: int) -> list[bool]:
    """Return bits as truths; without any all are true."""
    if valid is None:
        return [True] * rows
    number = int.from_bytes(valid, "little")
    text = f"{number:0{len(valid) * 8}b}"[::-1]
    return [char == "1" for char in text[:rows]]


def cells_of(column: Column) -> list[Any]:
    """Return the cells of a column as plain values, without any library."""
    _, _, _, valid, (kind, unit, data), categories = column
    if categories is not None:
        names = _plain(*categories[:3])
        codes = memoryview(data).cast("i")
        return [None if code < 0 else names[code] for code in codes]
    cells = _plain(kind, unit, data)
    if valid is None or kind == "s":
        return cells
    return [cell if here else None for cell, here in zip(cells, truths(valid, len(cells)), strict=True)]


def _plain(kind: str, unit: str, data: Any) -> list[Any]:
    if kind in {"s", "v"}:
        return list(data)
    if kind == "b":
        return [byte != 0 for byte in data]
    if kind == "f":
        return memoryview(data).cast("d").tolist()
    numbers = memoryview(data).cast("q").tolist()
    if kind == "i":
        return numbers
    make = {"t": tables_time.naive, "z": tables_time.aware, "d": tables_time.span}[kind]
    return [None if ticks == tables_time.NOTHING else make(ticks, unit) for ticks in numbers]
