"""DataFrames and Series of polars.

Rule: its own columns are read and made, so that pyarrow is not needed; numpy makes it quick where it is
loaded.
"""

from __future__ import annotations

import re
import sys
from array import array
from typing import Any, Final

from .tables import Column, Malformed, Table, bits, in_one_column, loaded, note
from .tables_time import NOTHING, ZONE

__all__ = ["incoming", "outgoing"]

_INTS: Final = frozenset({"Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"})
_FLOATS: Final = frozenset({"Float32", "Float64"})
_TIMES: Final = re.compile(rf"(Datetime|Duration)\[(ns|us|ms)(?:, ({ZONE}))?\]")
#: Seconds from 1970 that polars can show, about a quarter of a million years: it panics over later ones.
_FARTHEST: Final = 8_000_000_000_000
_A_SECOND: Final = {"ns": 10**9, "us": 10**6, "ms": 10**3, "s": 1}
_LARGEST: Final = (1 << 63) - 1


def outgoing(value: Any) -> Table | list[Any] | str | None:
    """Return a DataFrame as a table, a Series as a column."""
    pl: Any = sys.modules["polars"]
    if isinstance(value, pl.LazyFrame):
        return "a LazyFrame cannot be sent to Dana; collect() it first"
    if isinstance(value, pl.Series):
        return len(value), True, note("polars"), [_column(pl, value)]
    if isinstance(value, pl.DataFrame):
        columns = [_column(pl, series) for series in value.get_columns()]
        return value.height if columns else 0, False, note("polars"), columns
    return None


def _column(pl: Any, series: Any) -> Column:
    name, kind = series.name, str(series.dtype.base_type())
    if kind in _INTS and not (kind == "UInt64" and (series.max() or 0) > _LARGEST):
        return name, kind, False, _valid(pl, series), ("i", "", _packed(series, pl.Int64, "q", 0)), None
    if kind in _FLOATS:
        return name, kind, False, _valid(pl, series), ("f", "", _packed(series, pl.Float64, "d", 0.0)), None
    if kind == "Boolean":
        return name, kind, False, _valid(pl, series), ("b", "", _packed(series, pl.UInt8, "B", 0)), None
    if kind == "String":
        return name, kind, False, None, ("s", "", series.to_list()), None
    if kind == "Date":
        return name, kind, False, None, ("t", "D", _ticks(pl, series)), None
    if kind in {"Datetime", "Duration"}:
        unit, zone = series.dtype.time_unit, getattr(series.dtype, "time_zone", None)
        text = f"{kind}[{unit}, {zone}]" if zone else f"{kind}[{unit}]"
        letter = "d" if kind == "Duration" else "z" if zone else "t"
        if _TIMES.fullmatch(text):
            return name, text, False, None, (letter, unit, _ticks(pl, series)), None
    if kind in {"Categorical", "Enum"}:
        texts = series.cast(pl.String).to_list()
        names = series.dtype.categories.to_list() if kind == "Enum" else list(dict.fromkeys(texts))
        names = [text for text in names if text is not None]
        places = {text: at for at, text in enumerate(names)}
        codes = array("i", [places.get(text, -1) for text in texts]).tobytes()
        return name, kind, False, None, ("i", "", codes), ("s", "", names, "String")
    return name, "", False, None, ("v", "", series.to_list()), None


def _valid(pl: Any, series: Any) -> bytes | None:
    if not series.null_count():
        return None
    return bits(_packed(series.is_not_null(), pl.UInt8, "B", 0).tobytes())


def _ticks(pl: Any, series: Any) -> Any:
    return _packed(series.to_physical(), pl.Int64, "q", NOTHING)


def _packed(series: Any, kind: Any, code: str, missing: Any) -> Any:
    """Return numbers as what has a method ``tobytes``."""
    series = series.cast(kind).fill_null(missing)
    if loaded("numpy"):
        return series.to_numpy()
    return array(code, series.to_list())


def incoming(table: Table) -> Any:
    """Return a table as a DataFrame, a column as a Series."""
    pl: Any = sys.modules["polars"]
    _, lone, _, columns = table
    series = [_series(pl, column) for column in columns if not column[2]]
    return series[0] if lone else pl.DataFrame(series)


def _series(pl: Any, column: Column) -> Any:
    name, dtype, _, valid, (kind, unit, data), categories = column
    if categories is not None:
        return _codes(pl, column)
    if kind in "ifb":
        known = {"i": _INTS, "f": _FLOATS, "b": {"Boolean"}}[kind]
        if dtype and dtype not in known:
            raise Malformed(f"numbers cannot have the type {dtype[:80]!r}")
        source = {"i": "Int64", "f": "Float64", "b": "Boolean"}[kind]
        series = _unpacked(pl, name, data, {"i": "q", "f": "d", "b": "B"}[kind])
        series = series.cast(getattr(pl, dtype or source))
        if valid is None:
            return series
        packed = int.from_bytes(valid, "little")
        text = f"{packed:0{len(valid) * 8}b}"[::-1][: len(series)]
        here = pl.Series([char == "1" for char in text], dtype=pl.Boolean)
        return _where(pl, name, here, series)
    if kind in "tzd":
        ticks = _unpacked(pl, name, data, "q")
        ticks = _where(pl, name, ticks != NOTHING, ticks)
        if kind != "d" and max(-(ticks.min() or 0), ticks.max() or 0) > _FARTHEST * _A_SECOND.get(
            unit, 1 / 86400
        ):
            raise Malformed("times that polars cannot show")
        found = _TIMES.fullmatch(dtype)
        if dtype == "Date" and unit == "D":
            return ticks.cast(pl.Int32).cast(pl.Date)
        if found is None or found[2] != unit or (found[1] == "Duration") != (kind == "d"):
            raise Malformed(f"times cannot have the type {dtype[:80]!r}")
        return ticks.cast(pl.Duration(unit) if kind == "d" else pl.Datetime(unit, found[3]))
    if dtype not in {"String", ""} or (dtype and kind == "v"):
        raise Malformed(f"values cannot have the type {dtype[:80]!r}")
    if kind == "s":
        return pl.Series(name, data, dtype=pl.String)
    return in_one_column("polars", name, data, lambda: _of_values(pl, name, data))


def _of_values(pl: Any, name: str, data: list[Any]) -> Any:
    series = pl.Series(name, data, strict=False)
    if series.null_count() > sum(item is None for item in data):
        raise ValueError(f"some would be lost in a column of type {series.dtype}")
    return series


def _codes(pl: Any, column: Column) -> Any:
    name, dtype, _, _, (_, _, data), categories = column
    assert categories is not None  # noqa: S101 - its caller has looked
    kind, _, names, of = categories
    if kind != "s" or of != "String" or dtype not in {"Categorical", "Enum"}:
        raise Malformed(f"codes cannot have the type {dtype[:80]!r}")
    texts = [None if code < 0 else names[code] for code in memoryview(data).cast("i")]
    return pl.Series(name, texts, dtype=pl.Enum(names) if dtype == "Enum" else pl.Categorical)


def _unpacked(pl: Any, name: str, data: Any, code: str) -> Any:
    np: Any = loaded("numpy")
    if np:
        return pl.Series(name, np.frombuffer(data, {"q": "<i8", "d": "<f8", "B": "u1"}[code]))
    kind = {"q": pl.Int64, "d": pl.Float64, "B": pl.UInt8}[code]
    numbers: Any = memoryview(data)
    return pl.Series(name, numbers.cast(code).tolist(), dtype=kind)


def _where(pl: Any, name: str, here: Any, series: Any) -> Any:
    """Return the numbers where there is one."""
    frame = pl.select(pl.when(here).then(series).otherwise(None).alias(name or "column"))
    return frame.to_series().rename(name)
