"""`describe`: what a program can call, as text for a prompt and as data."""

from __future__ import annotations

import asyncio
import json

import pytest

from opendxa.dana import AsyncDana, Dana, Resource

PROGRAM = '''
def quote(amount: int, rate: float = 1.5) -> float:
    """What it costs.

    More words.
    """
    return amount * rate
def plain(x, y=[1]):
    return x
struct Point:
    x: int  # across
    y: float = 2.0
def (p: Point) norm(scale: int) -> float:
    return p.x
total = 3
_own = 4
def _helper():
    return 1
'''


def lookup(key: str, *, default: int = 0) -> int:
    """Find a value."""
    return default


async def slow(n: int) -> int:
    return n


class Shelf:
    """Books."""

    def __init__(self, name: str) -> None:
        self.name = name

    def query(self, text: str) -> list[str]:
        """Look for books."""
        return [text]


def dana(**more: object) -> Dana:
    return Dana(
        functions=[lookup, slow],
        python_modules={"math": ["sqrt", "pi"]},
        resources={"shelf": Resource(Shelf, ["query"])},
        echo=False,
        **more,
    )


@pytest.mark.parametrize("isolated", [False, True])
def test_everything_that_can_be_called(isolated: bool) -> None:
    with dana(use_subprocess_isolation=isolated) as d:
        assert d.execute_string(PROGRAM).success
        told = d.describe()
    assert [str(one) for one in told.functions] == [
        "plain(x, y=[1])",
        "quote(amount: int, rate: float = 1.5) -> float",
    ]
    [point] = told.types
    assert (point.name, point.kind) == ("Point", "struct")
    assert point.fields == ("x: int  # across", "y: float = 2.0")
    assert [str(method) for method in point.methods] == ["norm(scale: int) -> float"]
    assert told.values == {"total": "int"}
    assert [(one.name, one.background) for one in told.host_functions] == [("lookup", False), ("slow", True)]
    assert told.host_functions[0].doc == "Find a value."
    assert [str(one) for one in told.python_modules["math"]] == ["pi", "sqrt(x, /)"]
    assert [str(one) for one in told.resources["shelf"]] == [
        "shelf(name: str)",
        "query(text: str) -> list[str]",
    ]
    names = [one.name for one in told.builtins]
    assert {"len", "print", "reason", "sorted"} <= set(names)
    assert names == sorted(names)
    data = told.to_dict()
    assert json.loads(json.dumps(data))["types"][0]["name"] == "Point"


def test_as_text_for_a_prompt() -> None:
    with dana() as d:
        assert d.execute_string(PROGRAM).success
        text = str(d.describe())
    assert text.startswith(
        "# Functions of the program\n"
        "plain(x, y=[1])\n"
        "quote(amount: int, rate: float = 1.5) -> float  # What it costs.\n"
        "\n"
        "# Types of the program\n"
        "struct Point:\n"
        "    x: int  # across\n"
        "    y: float = 2.0\n"
        "    def norm(scale: int) -> float\n"
        "\n"
        "# Variables\n"
        "total: int\n"
    )
    assert "lookup(key: str, *, default: int = 0) -> int  # Find a value." in text
    assert "# Python module math: import math.py as math\nmath.pi\nmath.sqrt(x, /)" in text
    assert 'use("shelf", ...)' in text
    assert "\nlen(" in text
    assert "_helper" not in text


def test_an_empty_session() -> None:
    with Dana() as d:
        told = d.describe()
    assert not told.functions
    assert str(told).startswith("# Functions of the language\n")


def test_async() -> None:
    async def main() -> None:
        for isolated in (False, True):
            async with AsyncDana(use_subprocess_isolation=isolated, functions=[lookup]) as d:
                await d.execute_string("def f(a: int):\n    return a\n")
                told = await d.describe()
                assert str(told.functions[0]) == "f(a: int)"
                assert told.host_functions[0].name == "lookup"
        with pytest.raises(ValueError, match="enable_imports=True is for Dana"):
            AsyncDana(enable_imports=True)

    asyncio.run(main())
