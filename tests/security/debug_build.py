"""What a session does with Python's objects, under an interpreter that checks itself.

Run as a program by a debug build of CPython (`test_builds.py`). It asserts what its own API is promised,
guards its allocations, and counts all references: what each round leaves behind is a leak.
Prints how many references a round cost, one number a part.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

from opendxa.dana import Dana, DanaCallError, Limits, Resource, exceptions, pool

#: Everything that can cross, both ways.
VALUES: list[Any] = [
    None,
    True,
    -1,
    2**62,
    -(2**63),
    2**64,
    -(10**300),
    1.5,
    float("inf"),
    "",
    "text \u00e9 \U0001f600 \0",
    [],
    [1, [2.0, ["3"]]],
    (),
    (1, "two"),
    {},
    {"a": {"b": [None]}, 1: "one", (1, 2): "pair"},
    {1, 2, 3},
    "long" * 5_000,
    list(range(2_000)),
]


class Shelf:
    """A resource."""

    def add(self, item: str) -> int:
        return len(item)

    async def look(self, item: str) -> str:
        return item

    def close(self) -> None:
        pass


def fail() -> None:
    raise LookupError("of its own")


async def later(number: int) -> int:
    return number + 1


def model(messages: Any, options: Any) -> str:
    return "41"


SETTINGS: dict[str, Any] = {
    "functions": {"fail": fail, "later": later, "mirror": lambda value, **more: [value, more]},
    "python_modules": {"math": ["sqrt", "pi"]},
    "resources": {"shelf": Resource(Shelf, ["add", "look"])},
    "llm": model,
    "echo": False,
}


def conversions(d: Dana) -> None:
    for value in VALUES:
        d.set("x", value)
        assert d.get("x") == value, value
        assert d.call("mirror", value, key=value) == [value, {"key": value}], value
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: Any = 0
    for _ in range(500):
        deep = [deep]
    for bad in (cycle, deep, object(), "\ud800", {1: cycle}):
        try:
            d.set("x", bad)
        except exceptions.DanaError:
            continue
        raise AssertionError("it crossed")


def asks(d: Dana) -> None:
    assert d.execute_string("a = later(1)\nb = later(2)\na + b").result == 5
    assert d.execute_string("import math.py\nmath.sqrt(16) + math.pi").result > 7
    assert d.execute_string(
        'with use("shelf") as s:\n    x = [s.add("tea"), s.look("cup") + ""]\nx'
    ).result == [3, "cup"]
    assert d.execute_string('x: int = reason("how many?")\nx + 1').result == 42
    assert d.reason("how many?") == 41


def errors(d: Dana) -> None:
    for source, text in (
        ("fail()", "of its own"),
        ("1 / 0", "zero"),
        ("x = = 1", ""),
        ("import no_such", ""),
    ):
        error = d.execute_string(source).error
        assert isinstance(error, DanaCallError | exceptions.DanaError), source
        assert text in str(error)
    try:
        d.call("no_such")
    except DanaCallError:
        return
    raise AssertionError("no such function was called")


def threads(d: Dana) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        answers = [d.call("mirror", number) for _ in range(5)]
        wrong.extend(answer for answer in answers if answer != [number, {}])

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def ends(isolated: bool) -> None:
    for limits, source in (
        (Limits(steps=10_000), "while true:\n    pass"),
        (Limits(memory=8 << 20), "x = 'a' * 100_000_000"),
        (Limits(wall_time=0.1), "while true:\n    pass"),
    ):
        with Dana(require_isolation=isolated, limits=limits, **SETTINGS) as d:
            assert not d.execute_string(source).success
            d.restart_subprocess()
            assert d.execute_string("6 * 7").result == 42


def leaked(act: Callable[[], None], warm_up: int, rounds: int) -> float:
    """Return how many references a round leaves behind, once all that is kept for later is there."""

    def count() -> int:
        gc.collect()
        return int(sys.gettotalrefcount())  # type: ignore[attr-defined]

    for _ in range(warm_up):
        act()
    before = count()
    for _ in range(rounds):
        act()
    return (count() - before) / rounds


def main() -> None:
    assert hasattr(sys, "gettotalrefcount"), "this is no debug build"
    pool.stats()  # loads what is loaded once, whenever that is
    for isolated in (True, False):
        where = "isolated" if isolated else "in-process"
        with Dana(require_isolation=isolated, **SETTINGS) as d:
            assert d.is_subprocess_isolated == isolated
            for part in (conversions, asks, errors, threads):
                # The last 32 programs of a session are kept for tracebacks: so many rounds until that is so.
                print(where, part.__name__, leaked(lambda part=part: part(d), 12, 10))
        print(where, "ends", leaked(lambda isolated=isolated: ends(isolated), 2, 5))


if __name__ == "__main__":
    main()
