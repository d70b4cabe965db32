"""DataFrames and Series of pandas, with their types, index, and names.

Rule: a type comes back as it was or is refused on the way out, except for those that `docs/TABLES.md` lists.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from . import tables_numpy
from .tables import Column, Malformed, Table, Unsuitable, note
from .tables_time import ZONE

__all__ = ["incoming", "outgoing"]

_MASKED: Final = {
    "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean",
}  # fmt: skip
_ZONED: Final = re.compile(rf"datetime64\[(ns|us|ms|s), ({ZONE})\]")
_STRINGS: Final = re.compile(r"(string|str)\[(python|pyarrow)\]")
_LARGEST: Final = (1 << 63) - 1


def outgoing(value: Any) -> Table | list[Any] | str | None:
    """Return a DataFrame as a table, and what has one dimension as a column."""
    pd: Any = sys.modules["pandas"]
    np: Any = sys.modules["numpy"]
    if isinstance(value, pd.DataFrame):
        return _frame(pd, np, value)
    if isinstance(value, pd.MultiIndex):
        return "a MultiIndex cannot be sent to Dana; send its to_frame()"
    if isinstance(value, pd.Index | pd.api.extensions.ExtensionArray):
        value = pd.Series(value)
    if isinstance(value, pd.Series):
        text = _label(value.name)
        index, named = _index(pd, np, value.index)
        known = note("pandas", labels={text: value.name if _is_plain(value.name) else text}, index=named)
        column = _column(pd, np, text, value)
        return len(value), True, known, [*index, column]
    if value is pd.NA or value is pd.NaT:
        return [None]
    return None


def _frame(pd: Any, np: Any, frame: Any) -> Table | str:
    if isinstance(frame.columns, pd.MultiIndex):
        return (
            "a DataFrame with a MultiIndex as its columns cannot be sent to Dana; give them plain names first"
        )
    labels = {_label(name): name for name in frame.columns}
    if len(labels) != len(frame.columns):
        return "a DataFrame with two columns of one name cannot be sent to Dana"
    index, named = _index(pd, np, frame.index)
    columns = [_column(pd, np, text, frame[name]) for text, name in labels.items()]
    others = {text: name for text, name in labels.items() if text != name and _is_plain(name)}
    over = frame.columns.name
    known = note("pandas", labels=others, index=named, columns=over if _is_plain(over) else str(over))
    all_columns = [*index, *columns]
    return len(frame) if all_columns else 0, False, known, all_columns


def _label(name: Any) -> str:
    return "" if name is None else str(name)


def _is_plain(name: Any) -> bool:
    return name is None or type(name) in {str, int, float, bool}


def _index(pd: Any, np: Any, index: Any) -> tuple[list[Column], Any]:
    """Return the columns of an index, none for the usual numbers, and its name."""
    if isinstance(index, pd.MultiIndex):
        raise Unsuitable("a MultiIndex cannot be sent to Dana; call reset_index() first")
    name = index.name if _is_plain(index.name) else str(index.name)
    text = _label(name)
    if isinstance(index, pd.RangeIndex):
        if index.start == 0 and index.step == 1:
            return [], name
        data = np.asarray(index).astype("<i8", copy=False)
        return [(text, "range", True, None, ("i", "", data), None)], name
    _, dtype, _, valid, cells, categories = _column(pd, np, text or "index", pd.Series(index))
    return [(text, dtype, True, valid, cells, categories)], name


def _column(pd: Any, np: Any, name: str, series: Any) -> Column:
    try:
        return _typed(pd, np, name, series)
    except Unsuitable:
        raise Unsuitable(
            f"the column {name!r} has the type {series.dtype}, which cannot be sent to Dana"
        ) from None


def _typed(pd: Any, np: Any, name: str, series: Any) -> Column:
    dtype, array = series.dtype, series.array
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            return _objects(pd, np, name, series)
        text, kind, unit, data = tables_numpy.cells(np, series.to_numpy())
        return name, text, False, None, (kind, unit, data), None
    if isinstance(dtype, pd.CategoricalDtype):
        _, text, _, valid, (kind, unit, data), more = _typed(pd, np, name, pd.Series(dtype.categories))
        if kind == "v" or more is not None or valid is not None:
            raise Unsuitable
        codes = array.codes.astype("<i4")
        ordered = "category ordered" if dtype.ordered else "category"
        return name, ordered, False, None, ("i", "", codes), (kind, unit, data, text)
    if isinstance(dtype, pd.DatetimeTZDtype):
        text = f"datetime64[{dtype.unit}, {dtype.tz}]"
        if _ZONED.fullmatch(text) is None:
            raise Unsuitable
        ticks = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("<i8")
        return name, text, False, None, ("z", dtype.unit, ticks), None
    if isinstance(dtype, pd.StringDtype):
        family = "string" if dtype.na_value is pd.NA else "str"
        text = f"{family}[{dtype.storage}]"
        data = array.to_numpy(dtype=object, na_value=None).tolist()
        return name, text, False, None, ("s", "", data), None
    if dtype.name in _MASKED and hasattr(array, "_mask"):
        return _masked(np, name, dtype.name, array)
    raise Unsuitable


def _masked(np: Any, name: str, dtype: str, array: Any) -> Column:
    missing = array.isna()
    valid = np.packbits(~missing, bitorder="little").tobytes() if missing.any() else None
    if dtype == "boolean":
        data = array.to_numpy(dtype=bool, na_value=False)
        return name, dtype, False, valid, ("b", "", data), None
    if dtype.startswith("Float"):
        data = array.to_numpy(dtype="<f8", na_value=0.0)
        return name, dtype, False, valid, ("f", "", data), None
    if dtype == "UInt64":
        wide = array.to_numpy(dtype="u8", na_value=0)
        if len(wide) and int(wide.max()) > _LARGEST:
            values = [None if gone else int(it) for it, gone in zip(wide, missing, strict=True)]
            return name, dtype, False, None, ("v", "", values), None
    data = array.to_numpy(dtype="<i8", na_value=0)
    return name, dtype, False, valid, ("i", "", data), None


def _objects(pd: Any, np: Any, name: str, series: Any) -> Column:
    """A column of Python objects; if all are texts, they go in one piece."""
    values = series.to_numpy()
    if pd.api.types.infer_dtype(values, skipna=True) == "string":
        missing = pd.isna(values)
        gone = values[missing]
        nothing = all(it is None for it in gone)
        if nothing or all(type(it) is float for it in gone):
            texts = values.tolist()
            if not nothing:
                texts = np.where(missing, None, values).tolist()
            return name, "object" if nothing else "object nan", False, None, ("s", "", texts), None
    return name, "object", False, None, ("v", "", values.tolist()), None


def incoming(table: Table, known: dict[str, Any]) -> Any:
    """Return a table as a DataFrame, a column as a Series."""
    pd: Any = sys.modules["pandas"]
    np: Any = sys.modules["numpy"]
    rows, lone, _, columns = table
    labels, named, over = known.get("labels", {}), known.get("index"), known.get("columns")
    if not isinstance(labels, dict) or not all(map(_is_plain, (*labels.values(), named, over))):
        raise Malformed("a table with a note that it was not given")
    shown = [column for column in columns if not column[2]]
    rest = [column for column in columns if column[2]]
    arrays = [_array(pd, np, column, rows) for column in shown]
    index = _as_index(pd, np, rest, rows, named)
    names = [labels.get(column[0], column[0]) for column in shown]
    if lone:
        return pd.Series(arrays[0], index=index, name=names[0], dtype=_kept(arrays[0]), copy=False)
    cells = {at: _held(pd, array, index) for at, array in enumerate(arrays)}
    frame = pd.DataFrame(cells, index=index, copy=False)
    frame.columns = pd.Index(names, name=over) if names else pd.Index([], dtype=object, name=over)
    return frame


def _kept(array: Any) -> Any:
    """Return the type of an array if pandas would choose another by its cells."""
    return array.dtype if array.dtype.kind == "O" else None


def _held(pd: Any, array: Any, index: Any) -> Any:
    return array if _kept(array) is None else pd.Series(array, index=index, dtype=array.dtype, copy=False)


def _as_index(pd: Any, np: Any, columns: list[Column], rows: int, name: Any) -> Any:
    if not columns:
        return pd.RangeIndex(rows, name=name)
    if len(columns) > 1:
        raise Malformed("a table with two indexes")
    column = columns[0]
    if column[1] != "range":
        array = _array(pd, np, column, rows)
        return pd.Index(array, name=name, dtype=_kept(array))
    if column[4][0] != "i" or column[3] is not None:
        raise Malformed("a range that is no numbers")
    numbers = np.frombuffer(column[4][2], "<i8")
    first = int(numbers[0]) if rows else 0
    step = int(numbers[1]) - first if rows > 1 else 1
    stop = first + rows * step
    fits = step != 0 and abs(step) <= _LARGEST and abs(stop) <= _LARGEST
    if rows and fits and bool((np.diff(numbers) == step).all()):
        return pd.RangeIndex(first, stop, step, name=name)
    return pd.Index(numbers, name=name)


def _array(pd: Any, np: Any, column: Column, rows: int) -> Any:
    """Return the cells as what pandas keeps a column of their type in."""
    _, dtype, _, valid, (kind, unit, data), categories = column
    if categories is not None:
        if dtype not in {"category", "category ordered"}:
            raise Malformed(f"codes cannot have the type {dtype[:80]!r}")
        *cells, of = categories
        count = len(cells[2]) // (1 if cells[0] in "sb" else 8)
        names = _array(pd, np, ("", of, False, None, (cells[0], cells[1], cells[2]), None), count)
        codes = np.frombuffer(data, "<i4")
        return pd.Categorical.from_codes(
            codes, pd.Index(names, dtype=_kept(names)), ordered=dtype.endswith(" ordered")
        )
    if kind in "ifb":
        return _numbers(pd, np, dtype, kind, data, tables_numpy.mask(np, valid, rows))
    if kind == "z":
        found = _ZONED.fullmatch(dtype)
        if found is None or found[1] != unit:
            raise Malformed(f"zoned times cannot have the type {dtype[:80]!r}")
        times = pd.DatetimeIndex(np.frombuffer(data, f"M8[{unit}]"))
        try:
            return times.tz_localize("UTC").tz_convert(found[2]).array
        except (KeyError, LookupError, OSError) as error:
            raise Malformed(f"a time zone that is not known: {found[2]!r}") from error
    if kind in "td":
        return tables_numpy.times(np, dtype, kind, unit, data)
    return _texts(pd, np, dtype, kind, data)


def _numbers(pd: Any, np: Any, dtype: str, kind: str, data: Any, missing: Any) -> Any:
    array = np.frombuffer(data, {"i": "<i8", "f": "<f8", "b": "?"}[kind])
    masked = {"i": pd.arrays.IntegerArray, "f": pd.arrays.FloatingArray, "b": pd.arrays.BooleanArray}[kind]
    if dtype in _MASKED:
        base = "bool" if dtype == "boolean" else dtype.lower()
    elif dtype in tables_numpy.DTYPES[kind] and missing is None:
        return array.astype(dtype, copy=False)
    elif not dtype:
        if missing is None:
            return array
        base = array.dtype.name
    else:
        raise Malformed(f"numbers cannot have the type {dtype[:80]!r}")
    if base not in tables_numpy.DTYPES[kind]:
        raise Malformed(f"numbers cannot have the type {dtype[:80]!r}")
    missing = np.zeros(len(array), bool) if missing is None else missing
    return masked(array.astype(base, copy=False), missing)


def _texts(pd: Any, np: Any, dtype: str, kind: str, data: Any) -> Any:
    """Texts, or any values."""
    if kind == "v":
        if dtype in {"UInt64", "uint64"}:
            # Nothing else may get there: numpy asks some objects for what they hold.
            kinds = {int, type(None)} if dtype == "UInt64" else {int}
            if not set(map(type, data)) <= kinds:
                raise Malformed(f"values of other types than {dtype!r} has")
            return pd.array(data, dtype=dtype)
        if dtype not in {"object", "bytes", ""}:
            raise Malformed(f"values cannot have the type {dtype[:80]!r}")
    elif found := _STRINGS.fullmatch(dtype):
        missing = pd.NA if found[1] == "string" else np.nan
        return pd.array(data, dtype=_string_type(pd, found[2], missing))
    elif not dtype:
        return pd.Series(data).array if data else np.empty(0, object)
    elif dtype == "object nan":
        data = [np.nan if text is None else text for text in data]
    elif dtype not in {"object", "str"}:
        raise Malformed(f"texts cannot have the type {dtype[:80]!r}")
    array = np.empty(len(data), object)
    array[:] = data
    return array


def _string_type(pd: Any, storage: str, missing: Any) -> Any:
    if missing is pd.NA:
        return pd.StringDtype(storage)
    return pd.StringDtype(storage, na_value=missing)
