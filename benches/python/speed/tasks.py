"""What the processes of `ProcessPoolExecutor` do: this module is all they import.

A process of a pool has no state to give back, so big values are made once and kept.
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Sized


def double(x: int) -> int:
    return x * 2


def answer() -> int:
    return 6 * 7


def size(value: Sized) -> int:
    return len(value)


def same(value: bytes) -> bytes:
    return value


@functools.cache
def floats(count: int) -> list[float]:
    return [n * 0.5 for n in range(count)]


@functools.cache
def data(count: int) -> bytes:
    return b"x" * count


@functools.cache
def pairs(count: int) -> dict[str, int]:
    return {f"key{n}": n for n in range(count)}


def wait_for_the_end() -> None:
    signal.pause()
