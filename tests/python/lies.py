"""Values as a lying worker writes them, and a session with a worker that answers its first turn with one.

Rule: like `fake_worker` it shares no code with the product.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import fake_worker
from fake_worker import USAGE, frame
from opendxa.dana._bridge import BUILD, Session

__all__ = [
    "Raw",
    "big",
    "column",
    "exception",
    "function",
    "literal",
    "lying",
    "many",
    "record",
    "table",
    "write",
]


class Raw(bytes):
    """A value that is written already."""


def write(value: Any) -> bytes:
    """Write a value; tuples and large ints as the protocol has them."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, bytes):
        heads = ((0xC4, ">B", 1 << 8), (0xC5, ">H", 1 << 16), (0xC6, ">I", 1 << 32))
        marker, form, _ = next(head for head in heads if len(value) < head[2])
        return bytes([marker]) + struct.pack(form, len(value)) + value
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        return big(value)
    if isinstance(value, list):
        return _array(len(value)) + b"".join(map(write, value))
    if isinstance(value, tuple):
        return _tagged("t", *value)
    if isinstance(value, dict):
        pairs = b"".join(write(key) + write(item) for key, item in value.items())
        return fake_worker._head(len(value), 0x80, 16, (None, 0xDE, 0xDF)) + pairs
    return fake_worker.pack(value)


def big(number: int) -> Raw:
    """An int beyond 64 bits."""
    data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    if len(data) == 16:
        return Raw(b"\xd8\x02" + data)
    heads = ((0xC7, ">B", 1 << 8), (0xC8, ">H", 1 << 16), (0xC9, ">I", 1 << 32))
    marker, form, _ = next(head for head in heads if len(data) < head[2])
    return Raw(bytes([marker]) + struct.pack(form, len(data)) + b"\x02" + data)


def record(kind: str, fields: dict[str, Any]) -> Raw:
    """A struct."""
    return _tagged("S", kind, fields)


def exception(kind: str, message: str) -> Raw:
    """An exception as a value."""
    return _tagged("e", kind, message)


def function(handle: int, name: str) -> Raw:
    """A function of the session."""
    return _tagged("f", handle, name)


def literal(tag: str, text: str) -> Raw:
    """A date, a decimal and so on, by its tag."""
    return _tagged(tag, text)


def column(kind: str, name: str, dtype: str, cells: bytes = b"") -> bytes:
    """A column of a table."""
    return kind.encode() + b"\0" + _label(name) + _label(dtype) + cells


def table(rows: int, columns: list[bytes], note: str = "", lone: bool = False, values: Any = ()) -> Raw:
    """A table, with the lists of its columns of any values."""
    head = struct.pack("<II", rows, len(columns)) + bytes([lone]) + _label(note)
    return _tagged("T", head + b"".join(columns), *values)


def many(value: Any, count: int) -> Raw:
    """Write a list of a value, many times."""
    return Raw(_array(count) + write(value) * count)


def lying(folder: Path, value: Any, **changes: Any) -> Session:
    """Open a session whose worker answers the first turn, whatever it is, with `value`."""
    words = frame({"Done": [1, USAGE]}, write(value))
    arguments: dict[str, Any] = {
        "limits": {"wall_time": 60},
        "functions": [],
        "ask": lambda turn, kind, payload: None,
        "output": lambda turn, text: None,
        "log": lambda level, text: None,
        "turn": lambda left: None,
        "startup_timeout": 20,
    }
    return Session.spawn(fake_worker.install(folder, "say", BUILD, words), **{**arguments, **changes})


def _array(count: int) -> bytes:
    return fake_worker._head(count, 0x90, 16, (None, 0xDC, 0xDD))


def _tagged(tag: str, *items: Any) -> Raw:
    return Raw(_array(1 + len(items)) + b"\xd4\x01" + tag.encode() + b"".join(map(write, items)))


def _label(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data
