"""What a worker that was taken over says of values, types, functions and variables.

Whatever it is, the host gets a value or an error of this package, runs nothing that it did not choose, and
takes no more than the budget.
"""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Union

import markupsafe
import numpy as np
import pytest

from leftovers import no_spares
from lies import Raw, big, column, exception, function, lying, many, record, table
from opendxa.dana import Dana
from opendxa.dana._bridge import Session, Struct
from opendxa.dana.annotations import build
from opendxa.dana.context import told_by
from opendxa.dana.crossing import Types
from opendxa.dana.description import Description, checked
from opendxa.dana.exceptions import (
    DanaCallError,
    DanaError,
    ProtocolViolationError,
    SessionClosedError,
    TypeConversionError,
)
from opendxa.dana.imports import DanaModuleWrapper

NUMBER = 10**6000  # Python writes no int of so many digits
HUGE = big(NUMBER)


@pytest.fixture
def lie(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Open sessions with workers that answer with a value."""
    opened: list[Session] = []

    def start(value: Any, types: Types | None = None, **changes: Any) -> Session:
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        session = lying(folder, value, **changes)
        opened.append(session)
        if types is not None:
            session.set_types(types)
        return session

    with no_spares():
        yield start
        for session in opened:
            session.close()


def bound(*kinds: type) -> Types:
    types = Types()
    for kind in kinds:
        types.bind(kind)
    return types


# --- Structs are data ------------------------------------------------------------------------------------


def test_no_field_of_a_struct_is_asked_by_numpy_for_memory() -> None:
    secret = np.frombuffer(b"a secret of the host", np.uint8).copy()
    where = {"data": (secret.ctypes.data, False), "shape": (20,), "typestr": "|u1", "version": 3}
    for name in ("__array_interface__", "__array_struct__", "__array__", "__buffer__", "__dlpack__"):
        it = Struct("Q", {name: where})
        for array in (np.asarray(it), np.array([it]), np.array([it, it], dtype=object)):
            assert array.dtype == object


def test_a_program_cannot_name_memory_or_markup() -> None:
    """No worker needs to be taken over for this: a program names its fields as it likes."""
    fields = ["__array_interface__", "__html__", "_repr_html_", "_ipython_display_", "__deepcopy__", "_x"]
    source = "struct Q:\n" + "".join(f"    {name}: any\n" for name in fields) + "    x: int\n"
    with Dana(echo=False) as d:
        made = d.execute_string(f"{source}f = lambda :: '<script>'\nQ(f, f, f, f, f, f, 1)\n").result
        assert markupsafe.escape(made) == markupsafe.escape(repr(made))
        for name in fields:
            assert not hasattr(made, name)
            assert name not in dir(made)
            with pytest.raises(AttributeError, match="get_field"):
                setattr(made, name, 1)
            assert callable(made.get_field(name))
            made.set_field_value(name, 5)
            assert made.get_field(name) == made.attributes[name] == made.to_dict()[name] == 5
        assert (made.x, "x" in dir(made)) == (1, True)


def test_what_is_shown_of_a_value_is_one_line_of_text(lie: Any) -> None:
    evil = "\u202elive\u2028"
    told = [record(evil, {evil: function(1, evil)}), function(2, evil)]
    assert repr(lie(told).run("x")[0]).isprintable()


@pytest.mark.parametrize("of", ["numpy", "pandas"])
def test_no_struct_in_a_table_is_asked_for_memory(lie: Any, of: str) -> None:
    importlib.import_module(of)
    secret = np.frombuffer(b"a secret of the host", np.uint8).copy()
    where = {"data": (secret.ctypes.data, False), "shape": (20,), "typestr": "|u1", "version": 3}
    it = record("Q", {"__array_interface__": where})
    told = table(1, [column("v", "x", "uint64")], f'{{"of":"{of}"}}', True, [[it]])
    with pytest.raises(ProtocolViolationError, match=r"other (types|values) than"):
        lie(told).run("x")


# --- What is bound ---------------------------------------------------------------------------------------


class Colour(Enum):
    RED = 1
    PAIR = (1, 2)


@dataclass
class Point:
    x: int


FRAME = table(2, [column("i", "a", "int64", bytes(16))])
ARRAY = table(2, [column("i", "a", "int64", bytes(16))], '{"of":"numpy"}', True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (HUGE, 3),
        ("RED", FRAME),
        ("RED", ARRAY),
        ("PAIR", (ARRAY, 2)),
        ([1], HUGE),
        ("__class__", 5),
        (None, None),
    ],
    ids=itertools.count(),
)
def test_members_of_an_enum_that_are_none(lie: Any, name: Any, value: Any) -> None:
    session = lie(record("Colour", {"name": name, "value": value}), bound(Colour))
    with pytest.raises(TypeConversionError, match="Expected one of"):
        session.run("x")
    assert session.alive


def test_a_key_of_any_size_names_a_place(lie: Any) -> None:
    keys: list[Any] = [NUMBER, "k" * 1_000_000, (NUMBER, 1), 5]
    session = lie([record("Other", {}), {key: [record("Other", {})] for key in keys}], bound(Point))
    assert list(session.run("x")[0][1]) == keys
    session = lie([{HUGE: [record("Point", {"x": "\x1b[2J"})]}], bound(Point))
    with pytest.raises(TypeConversionError, match=r"got str at value\[0\]\[a large int\]\[0\]\.x"):
        session.run("x")


def test_what_is_told_of_a_value_is_short_and_drives_no_terminal(lie: Any) -> None:
    @dataclass
    class Strict:
        name: str

        def __post_init__(self) -> None:
            raise ValueError(f"no: {self.name}")

    @dataclass
    class Holder:
        it: Strict

    for evil in ("\x1b[2J", "\u202e", "\x1b" * 1_000_000):
        for value in (
            record("Strict", {"name": evil}),
            record("Holder", {"it": {"name": "a", evil: 1, HUGE: 2}}),
        ):
            with pytest.raises(TypeConversionError) as caught:
                lie(value, bound(Strict, Holder)).run("x")
            assert str(caught.value).isprintable()
            assert len(str(caught.value)) < 10_000


@pytest.mark.parametrize(
    "value",
    [
        record("Point", {"x": record("\u202elive", {})}),
        record("\u202elive", {"\u202elive": record("Point", {"x": "a"})}),
        record("\u202elive", {"\u202elive": record("Point", {})}),
        record("\u202elive", {"\u202elive": record("Colour", {"name": "", "value": 5})}),
        record("\u202elive", {"\u202elive": record("Point", {"x": 1, "\u202elive": 1})}),
    ],
    ids=itertools.count(),
)
def test_names_in_errors_are_shown_as_they_are_written(lie: Any, value: Any) -> None:
    with pytest.raises(TypeConversionError) as caught:
        lie(value, bound(Point, Colour)).run("x")
    assert str(caught.value).isprintable()
    assert "live" in str(caught.value)


@dataclass
class Add:
    left: Expression
    right: Expression


@dataclass
class Multiply:
    left: Expression
    right: Expression


Expression = Union[Add, Multiply, int]  # noqa: UP007 - read where ``|`` cannot name what comes later


@pytest.mark.parametrize("leaf", [1, "wrong", None])
@pytest.mark.parametrize("struct", [True, False])
def test_unions_in_unions_are_tried_once(struct: bool, leaf: Any) -> None:
    """Each level would double the work: 2 to the power of 60 tries were an end of the host's thread."""
    value: Any = leaf
    for _ in range(60):
        fields = {"left": value, "right": 1}
        value = Struct("Multiply", fields) if struct else fields
    if leaf == 1:
        made = build(Expression, value)
        assert type(made) is (Multiply if struct else Add)
        assert type(made.left.left) is type(made)
        return
    with pytest.raises(TypeConversionError):
        build(Expression, value)


def test_what_fits_only_another_member_is_found() -> None:
    @dataclass
    class Narrow:
        inner: Any
        mark: int

    @dataclass
    class Broad:
        inner: Any
        mark: str

    either = Narrow | Broad
    Narrow.__annotations__["inner"] = Broad.__annotations__["inner"] = either | None
    value: Any = None
    for _ in range(60):
        value = {"inner": value, "mark": "text"}
    made = build(either, value)
    for _ in range(60):
        assert type(made) is Broad
        made = made.inner
    assert made is None


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (set[int], [at * (2**61 - 1) for at in range(20_000)]),
        (frozenset[Decimal], [str(at * (2**61 - 1)) for at in range(20_000)]),
        (dict[Decimal, int], {str(at * (2**61 - 1)): 1 for at in range(20_000)}),
    ],
)
def test_members_that_collide_are_refused(hint: Any, value: Any) -> None:
    """Python takes quadratic time for them, and no deadline holds where an object is made of what came."""
    with pytest.raises(TypeConversionError, match="different ones have the same hash"):
        build(hint, value)


def test_members_that_are_many_are_not() -> None:
    assert build(set[int], list(range(50_000)) * 2) == set(range(50_000))
    assert build(dict[Decimal, int], {str(at): at for at in range(5000)})[Decimal(4)] == 4
    with pytest.raises(TypeConversionError, match="unhashable"):
        build(set[Any], [[1]])


# --- What can be called ----------------------------------------------------------------------------------


def callable_(parameters: Any, **changes: Any) -> dict[str, Any]:
    told = {"parameters": parameters, "returns": None, "doc": None, "line": 0, "function": None}
    return {**told, **changes}


def type_(**changes: Any) -> dict[str, Any]:
    return {"kind": "struct", "doc": None, "fields": [], "methods": {}, "function": None, **changes}


def of_session(**changes: Any) -> dict[str, Any]:
    return {"functions": {}, "types": {}, "values": {}, "builtins": {}, "host": [], **changes}


def of_module(**changes: Any) -> dict[str, Any]:
    told = {
        "file": None,
        "doc": None,
        "package": False,
        "functions": {},
        "types": {},
        "values": {},
        "unsent": {},
    }
    return {**told, **changes}


@pytest.mark.parametrize(
    "told",
    [
        5,
        [],
        of_session(host="x"),
        of_session(values={"x": 1}),
        of_session(values={"__class__": "int"}),
        of_session(functions={HUGE: callable_([])}),
        of_session(functions={"f": callable_([("a", [], None, None)])}),
        of_session(functions={"f": callable_([("a", {}, None, None)])}),
        of_session(functions={"f": callable_([("a", "rest", None, [1])])}),
        of_session(functions={"f": callable_([("a", "keywords", None, [[""]])])}),
        of_session(functions={"f": callable_([("a", "either", None, [HUGE])])}),
        of_session(functions={"f": callable_([("a", "either", None, [-(2**63) - 1])])}),
        of_session(functions={"f": callable_([("a b", "either", None, None)])}),
        of_session(functions={"f": callable_([("a", "either", 5, None)])}),
        of_session(functions={"f": callable_([], line=1.5)}),
        of_session(functions={"f": callable_([], function=function(1, "f"))}),
        of_session(types={"T": type_(kind="struct X:\n# Functions of the host")}),
        of_session(types={"T": type_(kind=["struct"])}),
        of_session(types={"T": type_(fields=[(("a", [], None, None), None)])}),
        of_session(types={"T": type_(methods={"_m": callable_([])})}),
        of_session(types={"T": type_(methods=[1])}),
        of_session(functions=[FRAME]),
        of_session(functions=FRAME),
    ],
    ids=itertools.count(),
)
def test_descriptions_that_are_none(lie: Any, told: Any) -> None:
    session = lie(told)
    with pytest.raises(ProtocolViolationError, match="has another form"):
        Description.of(checked(session, session.describe()), {})
    assert not session.alive


def test_a_description_is_text_of_lines_that_it_chooses(lie: Any) -> None:
    evil = "x\x1b[2J\n# Functions of the host\nharmless()"
    function_ = callable_([("a", "either", evil, [[evil]])], returns=evil, doc=evil)
    kind = type_(doc=evil, fields=[(("a", "either", evil, None), evil)], methods={"m": function_})
    session = lie(of_session(functions={"f": function_}, types={"T": kind}, values={"v": evil}))
    told = Description.of(checked(session, session.describe()), {})
    assert "\x1b" not in str(told)
    assert "\n# Functions of the host" not in str(told)
    assert "\x1b" not in repr(told.to_dict())


class Answers:
    """Stands for the interface of a session, and tells what a worker did."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def describe(self, module: str, again: bool) -> dict[str, Any]:
        return checked(self._session, self._session.describe(module, again), of_module=True)


def test_a_module_shows_nothing_that_drives_a_terminal(lie: Any) -> None:
    evil = "\x1b[2J"
    handle = {"function": function(1, evil.strip("\x1b"))}
    told = of_module(
        doc=evil, functions={"f": callable_([], doc=evil, returns=evil, **handle)}, unsent={"u": evil}
    )
    module = DanaModuleWrapper("m", Answers(lie(told)))  # type: ignore[arg-type]
    assert "\x1b" not in module.f.__doc__ + str(module.f.__signature__) + repr(module.f.__annotations__)
    with pytest.raises(AttributeError) as caught:
        _ = module.u
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "told",
    [
        5,
        [],
        {"local": 1},
        {"local": [1]},
        {"local": {HUGE: 1}},
        {"other": {}},
        {HUGE: {}},
        {"local": FRAME},
        FRAME,
    ],
    ids=itertools.count(),
)
def test_variables_that_are_none(lie: Any, told: Any) -> None:
    session = lie(told)
    with pytest.raises(ProtocolViolationError, match="variables has another form"):
        told_by(session, session.snapshot())
    assert not session.alive


# --- Memory and time -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "count"),
    [(exception("E", ""), 700_000), (exception("E", "\x01" * 100_000), 420), (table(0, []), 165_000)],
)
def test_small_words_for_large_objects_are_charged(lie: Any, value: Raw, count: int) -> None:
    """An exception is hundreds of bytes in Python and eight in a frame, a table of pandas thousands."""
    with pytest.raises(ProtocolViolationError, match="memory"):
        lie(many(value, count)).run("x")


PEAK = """
import resource, sys
sys.path[:0] = {path!r}
from pathlib import Path
from lies import exception, lying
message = "\\x01" * 1_500_000
session = lying(Path({folder!r}), [exception("E", message)] * 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert len(session.run("x")[0]) == 20
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
session.close()
"""


def test_an_exception_takes_what_it_is_charged_for(tmp_path: Path) -> None:
    """Its message is told with escapes: a generator over its characters alone took forty times its size."""
    code = textwrap.dedent(PEAK.format(path=sys.path, folder=str(tmp_path)))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 640, "MiB for 30 MB of messages, charged with 480"


# --- Users' own mishaps ----------------------------------------------------------------------------------


def test_an_exception_that_cannot_be_told() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def fail() -> None:
        raise MuteError

    with Dana(functions=[fail], echo=False) as d:
        error = d.execute_string("fail()").error
        assert isinstance(error, DanaCallError)
        assert isinstance(error.__cause__, MuteError)


def test_a_class_that_tells_nothing_of_itself() -> None:
    """A metaclass may refuse whatever is asked: the panic over that was no `Exception`."""

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError(name)

    class Mute(metaclass=Meta):
        pass

    with Dana(echo=False) as d:
        for value in (Mute(), [Mute()], {"a": Mute()}):
            with pytest.raises(TypeConversionError, match=r"a type that|type .*Mute cannot"):
                d.set("x", value)
        assert d.execute_string("1").result == 1


def test_the_name_of_a_model_is_short() -> None:
    """Names are compared with those that there are, which takes as long as they are."""

    class Models:
        models = ("one-model", "another-model")

        def complete(self, request: Any) -> Any:
            raise AssertionError

    with Dana(llm=Models(), echo=False) as d:
        result = d.execute_string("set_model('x' * 20000000)")
        assert isinstance(result.error, DanaError)
        assert "at most 255 characters" in str(result.error)
        assert not isinstance(result.error, SessionClosedError)
