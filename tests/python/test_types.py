"""Python's own kinds of objects on their way into Dana and back."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import enum
import sys
import typing
from collections import namedtuple
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import attrs
import numpy as np
import pandas as pd
import pydantic
import pytest

from opendxa.dana import AsyncDana, Dana, DanaCallError, Struct
from opendxa.dana import types as dana_types
from opendxa.dana.exceptions import TypeConversionError
from opendxa.dana.types import BasicTypeConverter, DanaType, TypeConverter

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

BERLIN = ZoneInfo("Europe/Berlin")


@dataclass
class Point:
    x: int
    y: float = 2.0


@dataclass(frozen=True)
class Row:
    price: Decimal
    due: dt.date
    points: list[Point] = field(default_factory=list)


@dataclass
class Sheet:
    rows: list[Row]
    owner: Owner | None = None


class Owner(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(default=1, ge=0)


@attrs.define
class Box:
    wide: int
    tags: list[str] = attrs.field(factory=list)


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Color(enum.Enum):
    RED = "r"
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


@pytest.fixture(params=[True, False], ids=["isolated", "in-process"])
def d(request: pytest.FixtureRequest) -> Iterator[Dana]:
    with Dana(use_subprocess_isolation=request.param, echo=False) as session:
        yield session


def through(d: Dana, value: Any) -> Any:
    d.set("v", value)
    return d.get("v")


LITERALS = [
    dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.time(0), dt.time(23, 59, 59, 999_999, fold=1),
    dt.time(12, tzinfo=dt.timezone.utc), dt.time(12, tzinfo=BERLIN), dt.datetime.min, dt.datetime.max,
    dt.datetime(2026, 7, 1, 12, 30, 15, 1), dt.datetime(2026, 7, 1, tzinfo=dt.timezone.utc),
    dt.datetime(2026, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
    dt.datetime(2026, 7, 1, tzinfo=dt.timezone(dt.timedelta(seconds=1, microseconds=5))),
    dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    dt.datetime(1890, 1, 1, tzinfo=BERLIN), dt.timedelta(0), dt.timedelta.min, dt.timedelta.max,
    dt.timedelta(days=-1, microseconds=1), Decimal("0"), Decimal("-0.00"), Decimal("1E+5"), Decimal("1.10"),
    Decimal("-Infinity"), Decimal("1E-99999999999"), Decimal("9" * 4300), UUID(int=0), uuid4(),
    frozenset({1, frozenset({2})}), {frozenset({1}): 1, None: 2, b"k": 3, (1, (2.5, "x")): 4},
    {Decimal(1): 1, dt.date(2026, 1, 1): 2, dt.timedelta(1): 3, UUID(int=1): 4}, {dt.time(1), Decimal("0.1")},
]  # fmt: skip


@pytest.mark.parametrize("value", LITERALS, ids=lambda value: repr(value)[:40])
def test_literals_come_back_as_they_were(d: Dana, value: Any) -> None:
    back = through(d, value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value) or isinstance(value, set | frozenset)
    if isinstance(value, dt.datetime | dt.time):
        assert (back.tzinfo, back.fold) == (value.tzinfo, value.fold)
    assert d.execute_string("[v, {'k': v}]").result == [value, {"k": value}]


def test_a_zone_is_the_very_object_that_was_sent(d: Dana) -> None:
    assert through(d, dt.datetime(2026, 1, 1, tzinfo=BERLIN)).tzinfo is BERLIN
    own = ZoneInfo.no_cache("Europe/Paris")
    assert through(d, [dt.datetime(2026, 1, 1, tzinfo=own)])[0].tzinfo is own


class OwnZone(dt.tzinfo):
    def utcoffset(self, when: Any) -> Any:
        raise AssertionError("the hook of a value was called")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            dt.datetime(2026, 1, 1, tzinfo=OwnZone()),
            r"tzinfo of type .*OwnZone cannot be sent.* at value\.rows\[1\]$",
        ),
        (
            Decimal("1E999999999999999999"),
            r"a Decimal of more than 4300 digits, or of such an exponent.*rows\[1\]",
        ),
        (Decimal("1" * 4301), r"a Decimal of more than 4300 digits"),
        (object(), r"a value of type object cannot be sent to Dana at value\.rows\[1\]$"),
        (Point(1, object()), r"object cannot be sent to Dana at value\.rows\[1\]\.y$"),  # type: ignore[arg-type]
        (
            Box(1, [Pair(1, complex(1))]),
            r"complex cannot be sent to Dana at value\.rows\[1\]\.tags\[0\]\.right$",
        ),  # type: ignore[list-item,arg-type]
        (Color, r"a value of type enum\.Enum(Meta|Type) cannot be sent"),
        (Point, r"a value of type type cannot be sent"),
        (Struct("P", x=print), r"builtin_function_or_method cannot be sent to Dana at value\.rows\[1\]\.x$"),
    ],
)
def test_what_cannot_cross_says_where(d: Dana, value: Any, text: str) -> None:
    with pytest.raises(TypeConversionError, match=text):
        d.set("v", {"rows": [0, value]})
    assert through(d, 1) == 1


def test_records_are_structs_in_dana(d: Dana) -> None:
    d.set("items", [Point(1), Pair(3), Box(4, ["a"]), Owner(name="Ann"), namedtuple("Old", "a b")(1, [2])])
    result = d.execute_string(
        "print(items)\n"
        "[items[0].x, items[0].y, items[1].right, items[2].tags[0], items[3].name, items[4].b[0]]"
    )
    assert result.result == [1, 2.0, "r", "a", "Ann", 2]
    assert result.output == (
        "[Point(x=1, y=2.0), Pair(left=3, right='r'), Box(wide=4, tags=['a']), Owner(name='Ann', age=1),"
        " Old(a=1, b=[2])]"
    )
    back = d.get("items")
    assert [type(item) for item in back] == [Struct] * 5
    assert back[0] == Struct("Point", x=1, y=2.0)
    assert back[3].to_dict() == {"name": "Ann", "age": 1}
    assert d.execute_string("items[0] == items[0]").result is True
    d.set("other", Point(1))
    assert d.execute_string("items[0] == other and not (items[0] == items[1])").result is True
    assert d.execute_string("items[0].x = 5\nitems[0]").result == Struct("Point", x=5, y=2.0)
    failed = d.execute_string("items[0].z").error
    assert isinstance(failed, DanaCallError)
    assert "'Point' object has no attribute 'z'" in str(failed)


def test_the_sessions_own_struct_is_used_and_checks(d: Dana) -> None:
    d.execute_string(
        "struct Point:\n    x: int\n    y: float\n"
        "def (self: Point) norm() -> float:\n    return self.x + self.y\n"
    )
    d.set("p", Point(1, 2))
    assert d.execute_string("p.norm()").result == 3.0
    with pytest.raises(DanaCallError, match="field 'x' expects int, got str"):
        d.set("p", Point("no"))  # type: ignore[arg-type]
    with pytest.raises(DanaCallError, match="unknown fields"):
        d.set("p", Struct("Point", x=1, y=2.0, z=3))


def test_a_program_may_define_the_struct_later(d: Dana) -> None:
    d.set("p", Point(1))
    assert (
        d.execute_string("struct Point:\n    x: int\n    y: float\nq = Point(x=1, y=2.0)\nq == p").result
        is True
    )


def test_members_of_an_enum_cross_as_their_values(d: Dana) -> None:
    assert through(d, [Color.RED, Color.BLUE, Level.LOW, {Color.RED: 1}]) == ["r", 2, 1, {"r": 1}]


def test_members_of_a_bound_enum_come_back(d: Dana) -> None:
    assert d.bind(Color) is Color
    assert through(d, [Color.RED, {"k": Color.BLUE}]) == [Color.RED, {"k": Color.BLUE}]
    assert d.execute_string("v[0].name + v[0].value").result == "REDr"
    assert d.execute_string("Color(name='BLUE', value=2)").result is Color.BLUE
    with pytest.raises(TypeConversionError, match=r"Expected one of 'r', 2, got 'x' at value\[0\]"):
        through(d, [Struct("Color", name="GREEN", value="x")])


def test_bound_structs_come_back_as_objects(d: Dana) -> None:
    for kind in (Point, Row, Sheet, Owner, Box, Pair):
        assert d.bind(kind) is kind
    sheet = Sheet([Row(Decimal("1.50"), dt.date(2026, 1, 2), [Point(1)])], Owner(name="Ann", age=3))
    assert through(d, sheet) == sheet
    assert through(d, [{"k": (Pair(1), Box(2, ["t"]))}]) == [{"k": (Pair(1), Box(2, ["t"]))}]
    assert d.execute_string("[Point(x=7), {'p': Point(x=1, y=3)}]").result == [Point(7), {"p": Point(1, 3.0)}]
    assert isinstance(d.execute_string("Owner(name='Bob', age=4)").result, Owner)
    assert through(d, [Struct("Stranger", p=Struct("Point", x=1, y=2.0))]) == [Struct("Stranger", p=Point(1))]


def test_what_does_not_fit_a_bound_class_says_where(d: Dana) -> None:
    d.execute_string("struct Row:\n    price: any\n    due: any\n    points: list\n")
    d.bind(Row)
    d.bind(Owner)
    good = "Row(price='1.5', due='2026-01-02', points=[])"
    assert d.execute_string(good).result == Row(Decimal("1.5"), dt.date(2026, 1, 2))
    d.execute_string(
        f"rows = [{good}, {good}, {good}, Row(price='cheap', due='2026-01-02', points=[])]\n"
        "bag = {'rows': rows}"
    )
    with pytest.raises(
        TypeConversionError, match=r"Expected Decimal, got str at value\['rows'\]\[3\]\.price"
    ) as caught:
        d.get("bag")
    assert caught.value.python_type is Decimal
    result = d.execute_string("Owner(name='x', age=-1)")
    assert isinstance(result.error, TypeConversionError)
    assert "Owner refuses its values at value.age" in str(result.error)
    assert d.execute_string("1").result == 1


@dataclass
class Bill:
    net: float
    color: Color = Color.RED
    gross: float = field(init=False)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gross = self.net * 2


@attrs.define
class Crate:
    _weight: int
    label: str = attrs.field(init=False, default="x")


def test_fields_that_a_class_makes_itself(d: Dana) -> None:
    assert through(d, Bill(1.5)) == Struct("Bill", net=1.5, color="r", gross=3.0, notes=[])
    d.bind(Bill)
    d.bind(Crate)
    assert through(d, [Bill(1.5, Color.BLUE), Crate(3)]) == [Bill(1.5, Color.BLUE), Crate(3)]
    d.bind(Color)
    assert through(d, Bill(2.5, Color.BLUE)) == Bill(2.5, Color.BLUE)
    assert d.execute_string("Bill(net=1)").result == Bill(1.0)


def test_a_bound_class_that_fails_in_a_way_of_its_own(d: Dana) -> None:
    @d.bind
    @dataclass
    class Picky:
        x: int

        def __post_init__(self) -> None:
            if self.x:
                raise KeyError("no such x")

    assert d.execute_string("Picky(x=0)").result == Picky(0)
    error = d.execute_string("[Picky(x=1)]").error
    assert isinstance(error, TypeConversionError)
    assert "Picky cannot be made of what came at value[0]: 'no such x'" in str(error)
    assert isinstance(error.__cause__, KeyError)


def test_arguments_of_functions_are_bound_objects_too(d: Dana) -> None:
    seen: list[Any] = []

    def take(*args: Any, **kwargs: Any) -> Any:
        seen.append((args, kwargs))
        return args[0] if args else None

    d.register("take", take)
    d.bind(Point)
    assert d.execute_string("take(Point(x=1), key=[Point(x=2)])").result == Point(1)
    assert seen.pop() == ((Point(1),), {"key": [Point(2)]})
    d.execute_string("def f(p):\n    return p.x\n")
    assert d.call("f", Point(5)) == 5
    d.execute_string("struct Row:\n    price: any\n    due: any\n")
    d.bind(Row)
    program = """
told = none
try:
    take([Row(price="cheap", due="2026-01-02")])
except TypeConversionError as error:
    told = error.message
told
"""
    assert "Expected Decimal, got str at args[0][0].price" in d.execute_string(program).result
    assert not seen, "the function was not called with what does not fit"


def test_functions_made_in_dana_return_bound_objects(d: Dana) -> None:
    d.bind(Point)
    d.execute_string("def f(x):\n    return Point(x=x)\n")
    function = d.get("f")
    assert function(3) == Point(3)


def test_binding_is_by_the_host_only(d: Dana) -> None:
    d.execute_string("struct Point:\n    x: int\n    y: float\nstruct OSError:\n    x: int\n")
    assert isinstance(d.execute_string("Point(x=1, y=2.0)").result, Struct)
    assert isinstance(d.execute_string("OSError(x=1)").result, Struct)


def test_what_cannot_be_bound(d: Dana) -> None:
    for wrong in (int, object, Point(1), "Point", lambda: None):
        with pytest.raises(TypeError, match="Expected a dataclass"):
            d.bind(wrong)  # type: ignore[type-var,arg-type]
    other = dataclasses.make_dataclass("Point", [("a", int)])
    other.__qualname__ = "Elsewhere.Point"
    d.bind(Point)
    d.bind(Point)
    with pytest.raises(ValueError, match="structs named 'Point' come back as Point already"):
        d.bind(other)


def test_binding_lasts_over_a_restart() -> None:
    with Dana(use_subprocess_isolation=True, echo=False) as session:
        session.bind(Point)
        session.restart_subprocess()
        assert session.execute_string("Point(x=1)").result == Point(1)


def test_binding_before_the_session_opens() -> None:
    with Dana(echo=False, setup="def f():\n    return Point(x=1)\n") as session:
        session.bind(Point)
        assert session.call("f") == Point(1)


@pytest.mark.parametrize("isolated", [True, False])
def test_binding_in_asyncio(isolated: bool) -> None:
    async def talk() -> None:
        async with AsyncDana(use_subprocess_isolation=isolated, echo=False) as session:
            assert session.bind(Point) is Point
            session.bind(Color)
            assert await session.call("list", [Point(1), Color.RED]) == [Point(1), Color.RED]
            assert (await session.execute_string("Point(x=3)")).result == Point(3)
            session.register_type(
                Money, lambda money: {"cents": money.cents}, name="Money", from_dana=Money.of
            )
            assert await session.call("list", [Money(5)]) == [Money(5)]
        early = AsyncDana(echo=False)
        early.bind(Pair)
        async with early:
            assert (await early.execute_string("Pair(left=1, right='x')")).result == Pair(1, "x")

    asyncio.run(talk())


# --- registered types --------------------------------------------------------------------------------------


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Money:
        return cls(fields["cents"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None  # type: ignore[assignment]


class Coin(Money):
    pass


class MoneyConverter:
    def to_dana(self, value: Any) -> tuple[DanaType, Any]:
        return DanaType.DICT, {"cents": value.cents}

    def from_dana(self, dana_type: DanaType, value: Any) -> Any:
        assert dana_type is DanaType.DICT
        return Money(value["cents"])


def test_registered_types_cross_both_ways(d: Dana) -> None:
    d.register_type(Money, lambda money: {"cents": money.cents}, name="Money", from_dana=Money.of)
    assert through(d, {"price": [Money(5)]}) == {"price": [Money(5)]}
    assert d.execute_string("v['price'][0].cents").result == 5
    assert through(d, Coin(7)) == Money(7), "a subclass goes by its base"
    d.register_type(Money, lambda money: money.cents)
    assert through(d, Money(5)) == 5, "registering again replaces"
    d.register_type(Money, MoneyConverter(), name="Money")
    assert isinstance(MoneyConverter(), TypeConverter)
    assert through(d, [Money(6)]) == [Money(6)]


def test_a_converter_goes_before_what_is_known_of_a_class(d: Dana) -> None:
    d.register_type(Point, lambda point: [point.x, point.y])
    d.register_type(Color, lambda member: member.name)
    assert through(d, [Point(1), Color.RED]) == [[1, 2.0], "RED"]


def test_converters_that_fail_say_where(d: Dana) -> None:
    d.register_type(Money, lambda money: 1 // 0)
    with pytest.raises(
        TypeConversionError, match=r"the converter of Money failed: .*by zero at value\.a\[1\]$"
    ) as caught:
        d.set("v", {"a": [0, Money(1)]})
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    d.register_type(Money, lambda money: {"cents": object()}, name="Money")
    with pytest.raises(TypeConversionError, match=r"object cannot be sent to Dana at value\[0\]\.cents"):
        d.set("v", [Money(1)])
    d.register_type(
        Money, lambda money: {"cents": 1}, name="Money", from_dana=lambda fields: Money(fields["euros"])
    )
    with pytest.raises(
        TypeConversionError, match=r"Money cannot be made of what came at value\['k'\]\[0\]: 'euros'"
    ):
        through(d, {"k": [Money(1)]})


def test_converters_that_never_end_are_stopped(d: Dana) -> None:
    d.register_type(Money, lambda money: money)
    with pytest.raises(TypeConversionError, match="contains itself"):
        d.set("v", Money(1))
    d.register_type(Money, lambda money: Money(money.cents + 1))
    with pytest.raises(TypeConversionError, match="nested too deeply"):
        d.set("v", Money(1))
    d.register_type(Money, lambda money: [Money(money.cents + 1)])
    with pytest.raises(TypeConversionError, match="nesting"):
        d.set("v", Money(1))


def test_registration_for_the_process(d: Dana) -> None:
    class Degrees:
        def __init__(self, value: float) -> None:
            self.value = value

    dana_types.register(
        Degrees,
        lambda it: {"value": it.value},
        name="Degrees",
        from_dana=lambda fields: Degrees(fields["value"]),
    )
    back = through(d, [Degrees(1.5)])
    assert isinstance(back[0], Degrees)
    assert back[0].value == 1.5
    d.register_type(Degrees, lambda it: it.value)
    assert through(d, Degrees(2.5)) == 2.5, "the session's own goes before"


def test_what_cannot_be_registered(d: Dana) -> None:
    own = (int, str, list, type("Text", (str,), {}), tuple, type("Row", (tuple,), {}), Struct, type(None))
    for kind in (*own, dt.date, dt.datetime, Decimal, UUID, Level):
        with pytest.raises(ValueError, match="crosses as it is"):
            d.register_type(kind, str)
    with pytest.raises(ValueError, match="is not a name in Dana"):
        dana_types.register(Money, vars, name="two words")
    with pytest.raises(ValueError, match="from_dana needs a name"):
        dana_types.register(Money, vars, from_dana=Money.of)
    with pytest.raises(TypeError, match="Expected callable, got int at argument 'to_dana'"):
        dana_types.register(Money, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Expected a class, got Money"):
        dana_types.register(Money(1), vars)  # type: ignore[arg-type]


def test_the_older_converter() -> None:
    converter = BasicTypeConverter()
    assert isinstance(converter, TypeConverter)
    value = {"a": [1, 2.5, None, True, "x", {"b": []}]}
    assert converter.to_dana(value) == (DanaType.DICT, value)
    assert converter.from_dana(*converter.to_dana(value)) == value
    assert converter.to_dana((1, (2,))) == (DanaType.LIST, [1, [2]])
    assert converter.to_dana({3}) == (DanaType.LIST, [3])
    assert converter.to_dana(Money(1)) == (
        DanaType.DICT,
        {"_type": "object", "class": "Money", "data": {"cents": 1}},
    )
    assert converter.to_dana(3 + 4j) == (DanaType.STRING, "(3+4j)")
    assert converter.from_dana(DanaType.NULL, 5) is None
    with pytest.raises(TypeConversionError, match="Expected str, got int at a key of a dict"):
        converter.to_dana({1: 2})
    for kind, wrong in ((DanaType.LIST, {}), (DanaType.SET, 1), (DanaType.DICT, [])):
        with pytest.raises(TypeConversionError, match="Expected"):
            converter.from_dana(kind, wrong)
    assert dana_types.validate_and_convert(True, int) is True
    with pytest.raises(TypeError, match="Expected int, got str at here"):
        dana_types.validate_and_convert("x", int, "here")
    assert dana_types.validate_python_type(1, int)
    assert not dana_types.validate_python_type("1", int)


# --- numpy -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float16(0.5), 0.5),
        (np.float32(0.25), 0.25),
        (np.float64(0.1), 0.1),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.bytes_(b"x"), b"x"),
        (np.datetime64("2026-01-02"), dt.date(2026, 1, 2)),
        (np.datetime64("2026-01-02T03:04:05"), dt.datetime(2026, 1, 2, 3, 4, 5)),
        (np.datetime64("2026-01-02T03:04:05.000001000", "ns"), dt.datetime(2026, 1, 2, 3, 4, 5, 1)),
        (np.datetime64("NaT"), None),
        (np.timedelta64(90, "m"), dt.timedelta(minutes=90)),
        (np.timedelta64(5000, "ns"), dt.timedelta(microseconds=5)),
    ],
)
def test_scalars_of_numpy_are_pythons_own(d: Dana, value: Any, back: Any) -> None:
    got = through(d, [value])[0]
    assert got == back
    assert type(got) is type(back)


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("2026-01-02T03:04:05.000000001", "ns"),
        np.timedelta64(1, "Y"),
        np.complex64(1),
        np.longdouble(1) / 3,
    ],
)
def test_scalars_that_python_cannot_have(d: Dana, value: Any) -> None:
    with pytest.raises(TypeConversionError, match=r"at value\[0\]$"):
        d.set("v", [value])


def test_scalars_of_pandas_are_pythons_own(d: Dana) -> None:
    values = [
        pd.Timestamp("2026-01-02T03:04:05.000006"),
        pd.Timestamp("2026-01-02", tz="UTC"),
        pd.Timedelta(hours=1),
    ]
    back = through(d, [*values, pd.NaT, pd.NA])
    assert back == [
        dt.datetime(2026, 1, 2, 3, 4, 5, 6),
        dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc),
        dt.timedelta(hours=1),
        None,
        None,
    ]
    assert [type(item) for item in back[:3]] == [dt.datetime, dt.datetime, dt.timedelta]
    for wrong in (pd.Timestamp(1), pd.Timedelta(1)):
        with pytest.raises(
            TypeConversionError, match=r"nanoseconds cannot be sent to Dana: round it at value\[0\]$"
        ):
            d.set("v", [wrong])


# --- objects that misbehave --------------------------------------------------------------------------------


def never(*_: Any) -> Any:
    raise AssertionError("code of a value was called")


def test_no_code_of_an_object_runs(d: Dana) -> None:
    hooks = [
        "__iter__", "__len__", "__getattr__", "__getattribute__", "__str__", "__repr__", "__eq__", "__hash__",
        "__reduce__", "__int__", "__float__", "__index__", "__bool__", "__call__", "__array__", "__getitem__",
        "__dataclass_fields_", "__iter_", "keys", "items", "to_dict", "model_dump", "_asdict",
        "isoformat", "__format__",
    ]  # fmt: skip
    body: dict[str, Any] = dict.fromkeys(hooks, never)
    body["__class__"] = property(never)
    plain = type("Plain", (), body)
    with pytest.raises(TypeConversionError, match=r"Plain cannot be sent to Dana at value\[0\]$"):
        d.set("v", [plain()])
    record = dataclass(
        type("Record", (), {**body, "__annotations__": {"x": int}, "x": 1}), eq=False, repr=False
    )
    made = object.__new__(record)
    object.__setattr__(made, "x", 5)
    assert through(d, [made]) == [Struct("Record", x=5)]
    date = type("Date", (dt.date,), dict.fromkeys(("isoformat", "__str__", "year", "replace"), never))
    assert through(d, [date(2026, 1, 2)]) == [dt.date(2026, 1, 2)]
    number = type("Number", (Decimal,), {"__str__": never, "as_tuple": never, "__format__": never})
    assert through(d, [number("1.50")]) == [Decimal("1.50")]


def test_an_object_that_lies_about_its_class(d: Dana) -> None:
    class Liar:
        @property
        def __class__(self) -> Any:  # type: ignore[override]
            return dict

    with pytest.raises(TypeConversionError, match=r"Liar cannot be sent"):
        d.set("v", Liar())

    class Pretender:
        __dataclass_fields__ = "x"
        __attrs_attrs__ = 3
        __pydantic_fields__ = ()
        _fields = ("a",)

    with pytest.raises(TypeConversionError, match=r"Pretender cannot be sent"):
        d.set("v", Pretender())


def test_fields_that_are_computed_or_missing_are_refused(d: Dana) -> None:
    @dataclass
    class Computed:
        x: int

    Computed.x = property(never)  # type: ignore[assignment]
    with pytest.raises(TypeConversionError, match=r"field 'x' of a .*Computed holds no value.* at value\.k$"):
        d.set("v", {"k": object.__new__(Computed)})

    @dataclass
    class Slotted:
        __slots__ = ("x",)
        x: int

    assert through(d, Slotted(3)) == Struct("Slotted", x=3)
    with pytest.raises(TypeConversionError, match=r"field 'x' of a .*Slotted holds no value"):
        d.set("v", object.__new__(Slotted))


def test_objects_that_hold_themselves_and_deep_ones(d: Dana) -> None:
    point = Point(1)
    point.y = [point]  # type: ignore[assignment]
    with pytest.raises(
        TypeConversionError, match=r"contains itself cannot be sent to Dana at value\.y\[0\]$"
    ):
        d.set("v", point)
    deep: Any = 1
    for _ in range(100_000):
        deep = Point(deep)
    with pytest.raises(TypeConversionError, match="nesting over the limit"):
        d.set("v", deep)
    while isinstance(deep, Point):  # one at a time: Python frees it by recursion
        deep = deep.x


def test_names_that_dana_does_not_have(d: Dana) -> None:
    odd = dataclasses.make_dataclass("Odd", ["größe"])
    with pytest.raises(TypeConversionError, match="field 'größe' of Odd has no name in Dana"):
        d.set("v", odd(1))
    reserved = dataclasses.make_dataclass("Reserved", ["public"])
    assert through(d, reserved(1)) == Struct("Reserved", public_=1)


def test_many_classes_of_records(d: Dana) -> None:
    """Types made for the host's structs do not pile up in the session."""
    for number in range(1000):
        d.set("v", Struct(f"Kind{number}", x=number))
    assert d.execute_string("v.x").result == 999


def test_nothing_is_imported_to_recognise_values() -> None:
    import subprocess

    code = (
        "import sys\nfrom opendxa.dana import Dana\nd = Dana(echo=False)\n"
        "d.set('x', [1, 2.5, 'a', {'k': (1,)}])\nd.get('x')\n"
        "heavy = {'opendxa.dana.crossing', 'opendxa.dana.annotations', 'numpy', 'pandas', 'pydantic'}\n"
        "heavy |= {'attr', 'decimal', 'uuid', 'zoneinfo'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "try:\n    d.set('x', object())\nexcept Exception as error:\n    print(type(error).__name__)\n"
        "heavy -= {'opendxa.dana.crossing'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "TypeConversionError\n"
