"""Python types said in Dana, and Dana values made objects of those types."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union
from uuid import UUID

import attrs
import pydantic
import pytest

from opendxa.dana import Dana, Struct
from opendxa.dana.annotations import build, describe
from opendxa.dana.exceptions import TypeConversionError

Item = TypeVar("Item")
UserId = NewType("UserId", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Point:
    """A place on the plane."""

    x: float
    y: float = 0.0


@dataclass
class Tree:
    label: str
    children: list[Tree] = field(default_factory=list)
    parent: Tree | None = None


@dataclass
class Shape:
    name: Annotated[str, "as shown to users"]
    corners: list[Point]
    colour: Colour = Colour.RED
    agent: str = "it's a \\ \n“quote”"
    _: KW_ONLY
    made: datetime.date | None = field(default=None, metadata={"description": "when"})


@dataclass
class Box(Generic[Item]):
    content: Item
    others: list[Item]


@attrs.define
class Wheel:
    size: int
    _secret: str = "s"
    tags: list[str] = attrs.field(factory=list)


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Movie(TypedDict, total=False):
    title: str
    year: int


class Price(pydantic.BaseModel):
    amount: float = pydantic.Field(gt=0, description="before tax")
    currency: Literal["EUR", "USD"] = "EUR"
    link: pydantic.HttpUrl | None = None


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    rows: list[Price]
    note: str = pydantic.Field(alias="remark", default="")
    place: Point | None = None


@pytest.mark.parametrize(
    ("python_type", "annotation"),
    [
        (int, "int"),
        (None, "None"),
        (bool, "bool"),
        (Any, "any"),
        (object, "any"),
        (list, "list"),
        (list[int], "list[int]"),
        (Sequence[str], "list[str]"),
        (dict[str, int], "dict[str, int]"),
        (Mapping[str, list[float]], "dict[str, list[float]]"),
        (tuple[int, str], "tuple[int, str]"),
        (tuple[int, ...], "tuple[int]"),
        (tuple[()], "tuple"),
        (set[str], "set[str]"),
        (frozenset[int], "set[int]"),
        (Optional[int], "int | None"),  # noqa: UP045 - spelled in the old way
        (Union[int, Optional[str]], "int | str | None"),  # noqa: UP007, UP045
        (int | str, "int | str"),
        (int | Any, "any"),
        (list[int | None], "list[int | None]"),
        (Literal["a", 1, None], "str | int | None"),
        (Colour, "str"),
        (Level, "int"),
        (Annotated[int, "n"], "int"),
        (UserId, "int"),
        (Decimal, "str"),
        (UUID, "str"),
        (datetime.datetime, "str"),
        (Point, "Point"),
        (list[Point] | None, "list[Point] | None"),
    ],
)
def test_annotations(python_type: Any, annotation: str) -> None:
    assert describe(python_type).annotation == annotation


def test_a_struct_has_the_fields_defaults_and_notes_of_its_class() -> None:
    said = describe(Shape)
    assert said.annotation == "Shape"
    assert said.origins == {"Shape": Shape, "Point": Point}
    assert said.structs["Point"] == (
        'struct Point:\n    """A place on the plane."""\n    x: float\n    y: float = 0.0\n'
    )
    assert said.structs["Shape"] == (
        "struct Shape:\n"
        "    name: str  # as shown to users\n"
        "    corners: list[Point]\n"
        "    colour: str = 'red'  # one of: 'red', 'blue'\n"
        "    agent_: str = 'it\\'s a \\\\ \\u000a“quote”'\n"
        "    made: str | None = None  # when; date in ISO 8601 form\n"
    )


def test_defaults_that_python_makes_are_none() -> None:
    assert describe(Tree).source == (
        "struct Tree:\n"
        "    label: str\n"
        "    children: list[Tree] | None = None\n"
        "    parent: Tree | None = None\n"
    )
    assert "year: int | None = None" in describe(Movie).source
    assert "tags: list[str] | None = None" in describe(Wheel).source
    with Dana() as dana:
        value = dana.execute_string(
            describe(Tree).source + "Tree(label='a', children=[Tree(label='b')])"
        ).result
    assert build(Tree, value) == Tree("a", [Tree("b")])


@pytest.mark.parametrize("kind", [Shape, Tree, Box[int], Wheel, Pair, Movie, Price, Order, dict[str, Order]])
def test_dana_takes_the_definitions_twice(kind: Any) -> None:
    source = describe(kind).source
    with Dana() as dana:
        for _ in range(2):
            assert dana.execute_string(source + "1\n").result == 1


def test_two_classes_of_one_name_are_two_structs() -> None:
    first = Point

    @dataclass
    class Point_:  # noqa: N801
        z: int

    Point_.__name__ = "Point"
    said = describe(tuple[first, Point_])  # type: ignore[valid-type]
    assert said.annotation == "tuple[Point, Point2]"
    assert said.origins == {"Point": first, "Point2": Point_}
    assert describe(first, rename=lambda name: f"{name}_7").annotation == "Point_7"


def test_an_alias_that_holds_itself_ends() -> None:
    class TypeAliasType:
        """What ``type nested = list[nested]`` makes from Python 3.12 on."""

        __value__: Any

    nested = TypeAliasType()
    nested.__value__ = list[nested] | int  # type: ignore[valid-type]
    assert describe(nested).annotation == "list[any] | int"
    assert build(nested, [1, [2, []]]) == [1, [2, []]]


def test_a_struct_of_the_session_becomes_the_class() -> None:
    with Dana() as dana:
        source = describe(Shape).source + "Shape(name='s', corners=[Point(x=1, y=2)], made='2026-01-02')\n"
        value = dana.execute_string(source).result
    assert build(Shape, value) == Shape("s", [Point(1.0, 2.0)], made=datetime.date(2026, 1, 2))


@pytest.mark.parametrize(
    ("python_type", "value", "made"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (Any, [1, "a"], [1, "a"]),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)),
        (set[int], [1, 1, 2], {1, 2}),
        (frozenset[int], {1}, frozenset({1})),
        (dict[int, list[str]], {1: ["a"]}, {1: ["a"]}),
        (int | None, None, None),
        (float | int, 3, 3),
        (Point | dict[str, float], {"x": 1}, {"x": 1.0}),
        (Literal["a", 1], 1, 1),
        (Colour, "red", Colour.RED),
        (Colour, "BLUE", Colour.BLUE),
        (Level, 2, Level.HIGH),
        (UserId, 7, 7),
        (Decimal, "1.50", Decimal("1.50")),
        (
            datetime.datetime,
            "2026-01-02T03:04:05Z",
            datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        ),
        (datetime.timedelta, 1.5, datetime.timedelta(seconds=1.5)),
        (UUID, "12345678123456781234567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (Path, "/tmp/x", Path("/tmp/x")),
        (bytes, b"x", b"x"),
        (Point, Struct("Point", x=1, y=2), Point(1.0, 2.0)),
        (Point, Point(1, 2), Point(1, 2)),
        (Tree, {"label": "a", "children": [{"label": "b"}]}, Tree("a", [Tree("b")])),
        (Box[Point], {"content": {"x": 1}, "others": []}, Box(Point(1.0), [])),
        (Wheel, {"size": 1, "_secret": "t"}, Wheel(1, secret="t")),
        (Wheel, {"size": 1, "tags": None}, Wheel(1)),
        (Pair, {"left": 1}, Pair(1)),
        (Pair, (1, "x"), Pair(1, "x")),
        (Movie, {"title": "M", "year": None}, {"title": "M"}),
        (Price, {"amount": 2}, Price(amount=2)),
        (
            Order,
            {"rows": [Struct("Price", amount=1.0, currency="USD")], "note": "n", "place": {"x": 1}},
            Order(rows=[Price(amount=1.0, currency="USD")], remark="n", place=Point(1.0)),
        ),
        (Price | Point, Struct("Point", x=1, y=2), Point(1.0, 2.0)),
    ],
)
def test_building(python_type: Any, value: Any, made: Any) -> None:
    result = build(python_type, value)
    assert result == made
    assert type(result) is type(made)


@pytest.mark.parametrize(
    ("python_type", "value", "problem"),
    [
        (int, "3", "Expected int, got str at value"),
        (int, True, "Expected int, got bool at value"),
        (int, 3.0, "Expected int, got float at value"),
        (bool, 1, "Expected bool, got int at value"),
        (str, 1, "Expected str, got int at value"),
        (None, 1, "Expected None, got int at value"),
        (float, 10**400, "Expected float, got int at value: the number is too large"),
        (list[int], [1, "a"], "Expected int, got str at value[1]"),
        (list[int], "ab", "Expected list[int], got str at value"),
        (dict[str, int], {"a": "b"}, "Expected int, got str at value['a']"),
        (dict[str, int], {1: 2}, "Expected str, got int at the key value[1]"),
        (tuple[int, int], [1], "Expected 2 elements, got 1 at value"),
        (set[list[int]], [[1]], "unhashable"),
        (int | None, "a", "Expected int, got str at value"),
        (int | list[int], "a", "Expected int | list[int], got str at value"),
        (Literal["a", "b"], "c", "Expected one of 'a', 'b', got 'c' at value"),
        (Literal[1], True, "Expected one of 1, got True at value"),
        (Colour, "green", "Expected one of 'red', 'blue', got 'green' at value"),
        (Decimal, "x", "'x' is no decimal number as text"),
        (datetime.date, "soon", "'soon' is no date in ISO 8601 form"),
        (Point, 3, "Expected Point, got int at value"),
        (Point, Struct("Circle", r=1), "x of Point missing at value"),
        (Point, {"x": 1, "z": 1}, "Point has no z, given at value"),
        (Shape, {"name": "s", "corners": [{"x": 1}, {"x": "1"}]}, "got str at value.corners[1].x"),
        (Pair, (1, "a", 2), "it has 3 elements"),
        (Order, {"rows": [{"amount": 1}, {"amount": -1}]}, "value.rows[1].amount"),
        (Price, {"amount": 1, "link": "no"}, "refuses its values at value.link"),
        (list[Price], [{"amount": "1"}], "Expected float, got str at value[0].amount"),
    ],
)
def test_what_does_not_fit_says_where(python_type: Any, value: Any, problem: str) -> None:
    with pytest.raises(TypeConversionError) as caught:
        build(python_type, value)
    assert problem in str(caught.value)


def test_the_path_begins_with_the_name_given() -> None:
    with pytest.raises(TypeConversionError, match=r"at rows\[3\]\.amount$"):
        build(list[Price], [{"amount": 1}] * 3 + [{"amount": None}], "rows")


def test_values_that_hold_themselves_are_refused() -> None:
    inner: dict[str, Any] = {"label": "a"}
    inner["children"] = [inner]
    with pytest.raises(TypeConversionError, match="holds itself"):
        build(Tree, inner)


@pytest.mark.parametrize("python_type", [complex, type, 3, "int", lambda: 1])
def test_types_dana_has_none_for_are_refused(python_type: Any) -> None:
    with pytest.raises(TypeConversionError, match=r"Dana has no type for|is only a name"):
        describe(python_type)


def test_annotations_that_cannot_be_read_are_told() -> None:
    @dataclass
    class Hidden:
        other: Elsewhere  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TypeConversionError, match=r"annotations of .*Hidden cannot be read"):
        describe(Hidden)
