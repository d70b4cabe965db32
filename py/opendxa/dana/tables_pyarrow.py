"""Tables, record batches and arrays of pyarrow.

Rule: columns are its own buffers, copied once; a type is only made again when `_types` has it.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any, Final

from .tables import Column, Malformed, Table, bits, in_one_column, note
from .tables_time import NOTHING, ZONE

__all__ = ["incoming", "outgoing"]

_TIMESTAMP: Final = re.compile(rf"timestamp\[(ns|us|ms|s)(?:, tz=({ZONE}))?\]")
_DURATION: Final = re.compile(r"duration\[(ns|us|ms|s)\]")


def _types(pa: Any) -> dict[str, dict[str, Any]]:
    """Return the types that come back as they were, by the kind of cells that they travel as."""
    kinds = {
        "i": [
            pa.int8(),
            pa.int16(),
            pa.int32(),
            pa.int64(),
            pa.uint8(),
            pa.uint16(),
            pa.uint32(),
            pa.uint64(),
        ],
        "f": [pa.float16(), pa.float32(), pa.float64()],
        "b": [pa.bool_()],
        "s": [pa.string(), pa.large_string(), pa.string_view()],
    }
    return {kind: {str(it): it for it in types} for kind, types in kinds.items()}


def outgoing(value: Any) -> Table | list[Any] | str | None:
    """Return a table or record batch as a table, an array as a column."""
    pa: Any = sys.modules["pyarrow"]
    if isinstance(value, pa.Scalar):
        return [value.as_py()]
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return len(value), True, note("pyarrow"), [_column(pa, "", value)]
    if isinstance(value, pa.Table | pa.RecordBatch):
        names = value.schema.names
        if len(set(names)) != len(names):
            return "a table with two columns of one name cannot be sent to Dana"
        columns = [_column(pa, name, value.column(at)) for at, name in enumerate(names)]
        return value.num_rows if columns else 0, False, note("pyarrow"), columns
    return None


def _column(pa: Any, name: str, column: Any) -> Column:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    kind, text = column.type, str(column.type)
    known = _types(pa)
    if text in known["i"]:
        try:
            data = _packed(column.cast(pa.int64()), 8, 0)
        except pa.ArrowInvalid:
            return name, "", False, None, ("v", "", column.to_pylist()), None
        return name, text, False, _valid(pa, column), ("i", "", data), None
    if text in known["f"]:
        return (
            name,
            text,
            False,
            _valid(pa, column),
            ("f", "", _packed(column.cast(pa.float64()), 8, 0.0)),
            None,
        )
    if text in known["b"]:
        return name, text, False, _valid(pa, column), ("b", "", _packed(column.cast(pa.uint8()), 1, 0)), None
    if text in known["s"]:
        return name, text, False, None, ("s", "", column.to_pylist()), None
    if pa.types.is_date32(kind):
        days = column.cast(pa.int32()).cast(pa.int64())
        return name, text, False, None, ("t", "D", _packed(days, 8, NOTHING)), None
    if found := _TIMESTAMP.fullmatch(text):
        ticks = _packed(column.cast(pa.int64()), 8, NOTHING)
        return name, text, False, None, ("z" if found[2] else "t", found[1], ticks), None
    if found := _DURATION.fullmatch(text):
        ticks = _packed(column.cast(pa.int64()), 8, NOTHING)
        return name, text, False, None, ("d", found[1], ticks), None
    if (
        pa.types.is_dictionary(kind)
        and str(kind.value_type) in known["s"]
        and not column.dictionary.null_count
    ):
        codes = _packed(column.indices.cast(pa.int32()), 4, -1)
        ordered = "dictionary ordered" if kind.ordered else "dictionary"
        names = column.dictionary.to_pylist()
        return name, ordered, False, None, ("i", "", codes), ("s", "", names, str(kind.value_type))
    return name, "", False, None, ("v", "", column.to_pylist()), None


def _packed(column: Any, width: int, missing: Any) -> bytes:
    """Return the bytes of an array of numbers."""
    filled = column.fill_null(missing) if column.null_count else column
    buffer = filled.buffers()[1]
    if buffer is None:
        return b""
    return bytes(buffer.slice(filled.offset * width, len(filled) * width).to_pybytes())


def _valid(pa: Any, column: Any) -> bytes | None:
    if not column.null_count:
        return None
    return bits(_packed(column.is_valid().cast(pa.uint8()), 1, 0))


def incoming(table: Table) -> Any:
    """Return a table as a table, a column as an array."""
    pa: Any = sys.modules["pyarrow"]
    rows, lone, _, columns = table
    shown = [column for column in columns if not column[2]]
    arrays = [_array(pa, column, rows) for column in shown]
    return arrays[0] if lone else pa.table(arrays, names=[column[0] for column in shown])


def _array(pa: Any, column: Column, rows: int) -> Any:
    name, dtype, _, valid, (kind, unit, data), categories = column
    known = _types(pa)
    if categories is not None:
        if dtype not in {"dictionary", "dictionary ordered"} or categories[3] not in known["s"]:
            raise Malformed(f"codes cannot have the type {dtype[:80]!r}")
        codes = _missing(pa, _numbers(pa, pa.int32(), data, None, rows), -1)
        names = pa.array(categories[2], known["s"][categories[3]])
        return pa.DictionaryArray.from_arrays(codes, names, ordered=dtype.endswith(" ordered"))
    if kind in "ifb":
        of = known[kind].get(dtype) if dtype else {"i": pa.int64(), "f": pa.float64(), "b": pa.bool_()}[kind]
        if of is None:
            raise Malformed(f"numbers cannot have the type {dtype[:80]!r}")
        source = {"i": pa.int64(), "f": pa.float64(), "b": pa.uint8()}[kind]
        return _numbers(pa, source, data, valid, rows).cast(of, safe=False)
    if kind in "tzd":
        ticks = _missing(pa, _numbers(pa, pa.int64(), data, None, rows), NOTHING)
        if dtype == "date32[day]" and (kind, unit) == ("t", "D"):
            return ticks.cast(pa.int32()).cast(pa.date32())
        if kind == "d" and (found := _DURATION.fullmatch(dtype)) and found[1] == unit:
            return ticks.cast(pa.duration(unit))
        if kind != "d" and (found := _TIMESTAMP.fullmatch(dtype)) and found[1] == unit:
            return ticks.cast(pa.timestamp(unit, found[2]))
        raise Malformed(f"times cannot have the type {dtype[:80]!r}")
    if kind == "s":
        if dtype and dtype not in known["s"]:
            raise Malformed(f"texts cannot have the type {dtype[:80]!r}")
        return pa.array(data, known["s"][dtype or "string"])
    if dtype:
        raise Malformed(f"values cannot have the type {dtype[:80]!r}")
    return in_one_column("pyarrow", name, data, lambda: pa.array(data))


def _numbers(pa: Any, kind: Any, data: Any, valid: Any, rows: int) -> Any:
    bitmap = None if valid is None else pa.py_buffer(valid)
    return pa.Array.from_buffers(kind, rows, [bitmap, pa.py_buffer(data)])


def _missing(pa: Any, numbers: Any, sentinel: int) -> Any:
    """Return the numbers with none where the sentinel is."""
    compute: Any = import_module("pyarrow.compute")
    return compute.if_else(compute.not_equal(numbers, sentinel), numbers, pa.scalar(None, numbers.type))
