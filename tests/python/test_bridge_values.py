"""Values on their way between Python and a worker, by a worker that sends back the bytes it gets."""

from __future__ import annotations

import copy
import enum
import gc
import math
import os
import pickle
import sys
import threading
import time
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fake_worker
from leftovers import no_spares
from opendxa.dana._bridge import BUILD, Function, Session, Struct
from opendxa.dana.exceptions import TypeConversionError


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    path: Path = tmp_path_factory.mktemp("worker")
    session = Session.spawn(
        fake_worker.install(path, "mirror", BUILD),
        limits={"wall_time": 20},
        functions=[],
        ask=lambda turn, kind, payload: None,
        output=lambda turn, text: None,
        log=lambda level, text: None,
        turn=lambda left: None,
        startup_timeout=10,
    )
    with no_spares():
        yield session
    session.close()


def there_and_back(session: Session, value: Any) -> Any:
    return session.call("f", (value,))


Point = namedtuple("Point", "x y")


class Colour(enum.IntEnum):
    RED = 7


SAME = [
    None, True, False, 0, 1, -1, 127, 128, -32, -33, 255, 256, 2**31, -(2**31), 2**63 - 1, -(2**63),
    2**63, -(2**63) - 1, 2**64, 10**400, -(10**400), 0.0, -0.0, 1.5, math.inf, -math.inf, 5e-324,
    "", "a", "ünï 🙂", "\x00", "x" * 70000, b"", b"\x00\xff", b"x" * 70000,
    [], [1], [[]], list(range(100)), [0.5] * 100, [1, 2.0] * 50, [True] * 100, [2**70] * 20,
    [None, "a", [1, (2,)]],
    (), (1,), (1, (2, (3,))), {}, {"a": 1}, {1: "a", (1, 2): [3], None: 4, False: 5, 2.5: 6, b"k": 7},
    set(), {1, "a", (2, 3)}, {"deep": [{"er": ({1},)}]},
    frozenset(), frozenset({1, frozenset({2})}), {frozenset({1}): 1, (frozenset(),): 2},
]  # fmt: skip


@pytest.mark.parametrize("value", SAME, ids=lambda value: repr(value)[:30])
def test_round_trip(session: Session, value: Any) -> None:
    back = there_and_back(session, value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value) or isinstance(value, set | frozenset)


def test_nan(session: Session) -> None:
    assert math.isnan(there_and_back(session, math.nan))


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (bytearray(b"ab"), b"ab"),
        (Point(1, 2), Struct("Point", x=1, y=2)),
        (os.stat_result(range(10)), tuple(range(10))),
        (Colour.RED, 7),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
    ],
)
def test_relatives_become_the_plain_kind(session: Session, value: Any, back: Any) -> None:
    got = there_and_back(session, value)
    assert got == back
    assert type(got) is type(back)


def test_order_of_dicts_stays(session: Session) -> None:
    value = {key: index for index, key in enumerate("zyxabc")}
    assert list(there_and_back(session, value)) == list("zyxabc")


def test_large_values(session: Session) -> None:
    numbers = [index * 0.5 for index in range(200_000)]
    assert there_and_back(session, numbers) == numbers
    names = {f"key {index}": index for index in range(50_000)}
    assert there_and_back(session, names) == names
    data = bytes(range(256)) * 40_000
    assert there_and_back(session, data) == data


@pytest.mark.parametrize("size", [65535, 65536, 262143, 262144, 3 << 20])
def test_bytes_of_any_size(session: Session, size: int) -> None:
    data = os.urandom(size)
    assert there_and_back(session, data) == data
    assert there_and_back(session, [data, 1]) == [data, 1]


def ticks(act: Callable[[], object]) -> tuple[object, int]:
    """What `act` returns, and how often another thread ran meanwhile."""
    count = 0
    stop = threading.Event()
    interval = sys.getswitchinterval()

    def tick() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0)

    thread = threading.Thread(target=tick)
    sys.setswitchinterval(0.0001)
    thread.start()
    try:
        return act(), count
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_other_threads_run_while_large_values_cross(session: Session) -> None:
    value = [[] for _ in range(1_000_000)]
    back, count = ticks(lambda: there_and_back(session, value))
    assert back == value
    assert count > 5


def test_the_collector_is_on_again(session: Session) -> None:
    seen = []

    def watch(phase: str, info: dict[str, int]) -> None:
        seen.append((gc.isenabled(), phase, info["generation"]))

    value = [[index] for index in range(300_000)]
    gc.collect()
    gc.callbacks.append(watch)
    try:
        assert len(there_and_back(session, value)) == len(value)
    finally:
        gc.callbacks.remove(watch)
    assert gc.isenabled()
    assert all(enabled for enabled, _, _ in seen)
    assert len(seen) < 2 * 300_000 / 700 / 2, "it starts by itself while a value is built"


def test_a_collector_that_is_off_stays_off(session: Session) -> None:
    value = [[index] for index in range(100_000)]
    gc.disable()
    try:
        assert len(there_and_back(session, value)) == len(value)
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", [list, dict, set])
def test_a_value_that_changes_while_it_is_sent(session: Session, kind: type) -> None:
    value: Any = kind((number, number) for number in range(500_000))
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            if kind is list:
                del value[-2:]
            elif kind is dict:
                value.popitem()
            else:
                value.pop()
            time.sleep(0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        with pytest.raises((TypeConversionError, RuntimeError), match="chang"):
            all(there_and_back(session, value) for _ in range(100))
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert there_and_back(session, 1) == 1, "the session goes on"


def test_struct(session: Session) -> None:
    value = Struct("Point", x=1, y=[Struct("Inner", {"z": None})])
    back = there_and_back(session, value)
    assert back == value
    assert isinstance(back, Struct)
    assert back.type_name == "Point"
    assert back.x == 1
    assert back.y[0].z is None
    assert repr(back) == "Point(x=1, y=[Inner(z=None)])"
    assert back.attributes == {"x": 1, "y": back.y}
    assert back.to_dict() == {"x": 1, "y": [{"z": None}]}
    assert back.get_field_names() == ["x", "y"]
    assert "x" in dir(back)
    back.x = 5
    back.set_field_value("y", 6)
    assert (back.get_field("x"), back.y) == (5, 6)
    assert back != value
    assert copy.deepcopy(back) == back
    assert pickle.loads(pickle.dumps(back)) == back
    with pytest.raises(AttributeError, match="no field 'w'"):
        _ = back.w
    with pytest.raises(AttributeError, match="no field 'w'"):
        back.w = 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(back)


def test_struct_field_names_must_be_text() -> None:
    with pytest.raises(TypeError, match="Expected str, got int"):
        Struct("P", {1: 2})  # type: ignore[dict-item]


def test_struct_that_contains_itself(session: Session) -> None:
    value = Struct("P", x=1)
    value.x = value
    with pytest.raises(RecursionError):
        repr(value)
    with pytest.raises(TypeConversionError, match=r"contains itself cannot be sent to Dana at args\[0\]\.x"):
        there_and_back(session, value)


class Thing:
    pass


CYCLE: list[Any] = [1]
CYCLE.append({"again": CYCLE})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (object(), r"object cannot be sent to Dana at args\[0\]$"),
        (
            [{"rows": [0, 1, 2, {"price": Thing()}]}],
            r"Thing cannot be sent to Dana at args\[0\]\[0\]\.rows\[3\]\.price$",
        ),
        (
            {"two words": [len]},
            r'builtin_function_or_method cannot be sent to Dana at args\[0\]\["two words"\]\[0\]$',
        ),
        ({(1, 2): int}, r'type cannot be sent to Dana at args\[0\]\["\(1, 2\)"\]$'),
        ("\ud800", r"lone surrogate cannot be sent to Dana at args\[0\]$"),
        (CYCLE, r"contains itself cannot be sent to Dana at args\[0\]\[1\]\.again$"),
        ({math.nan: 1}, r"not a number.* at args\[0\]"),
        ({Point(1, 2): 1}, r"unhashable key.* at args\[0\]"),
        ({Decimal("NaN"): 1}, r"not a number.* at args\[0\]"),
        (3 + 4j, r"complex cannot be sent"),
        (range(3), r"range cannot be sent"),
    ],
)
def test_what_cannot_cross_is_named(session: Session, value: Any, text: str) -> None:
    with pytest.raises(TypeConversionError, match=text):
        there_and_back(session, value)
    assert there_and_back(session, 1) == 1


def test_too_deep(session: Session) -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(TypeConversionError, match="nesting over the limit"):
        there_and_back(session, value)


def test_keyword_arguments_are_named(session: Session) -> None:
    with pytest.raises(TypeConversionError, match=r"at rate\[1\]$"):
        session.call("f", (), {"rate": [1, object()]})


def test_a_program_with_a_lone_surrogate(session: Session) -> None:
    with pytest.raises(TypeConversionError):
        session.run("x = '\ud800'")


def test_functions(session: Session) -> None:
    first, second = session.call("functions", ())
    assert isinstance(first, Function)
    assert first == second
    assert hash(first) == hash(second)
    assert first.name == first.__name__ == "f"
    assert "f" in repr(first)
    assert first(5) == 5
    assert there_and_back(session, [first]) == [first]
    del first
    assert session.call("released", ()) == []
    del second
    assert session.call("released", ()) == [7]


def test_a_function_of_another_session(session: Session, tmp_path: Path) -> None:
    function = session.call("functions", ())[0]
    other = Session.spawn(
        fake_worker.install(tmp_path, "mirror", BUILD),
        limits={}, functions=[], ask=print, output=print, log=print, turn=print, startup_timeout=10,
    )  # fmt: skip
    with pytest.raises(TypeConversionError, match="the session it came from"):
        there_and_back(other, function)
    other.close()


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"speed": 1}, TypeError),
        ({"steps": -1}, ValueError),
        ({"wall_time": 0}, ValueError),
        ({"memory": "x"}, ValueError),
    ],
)
def test_bad_limits(limits: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Session.spawn(
            "/nothing",
            limits=limits,
            functions=[],
            ask=print,
            output=print,
            log=print,
            turn=lambda left: None,
            startup_timeout=1,
        )


@pytest.mark.parametrize("timeout", [0, -1, math.nan])
def test_bad_timeouts(session: Session, timeout: float) -> None:
    with pytest.raises(ValueError, match="positive number of seconds"):
        session.run("x", timeout=timeout)
