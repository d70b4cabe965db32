"""Python functions that programs call: names, errors in both directions, values that cannot cross."""

from __future__ import annotations

import functools
import traceback
from typing import Any

import pytest

from opendxa.dana import Dana, DanaCallError
from opendxa.dana.exceptions import TypeConversionError
from sessions import open_dana, value


class OutOfStock(LookupError):  # noqa: N818 - a program catches it by this name
    """An exception of the host's own."""


def sold(item: str) -> int:
    raise OutOfStock(f"no {item} left")


async def sold_later(item: str) -> int:
    return sold(item)


def missing(key: str) -> None:
    raise KeyError(key)


@pytest.mark.parametrize("name", ["sold", "sold_later"])
def test_exceptions_are_errors_of_the_same_name(isolated: bool, name: str) -> None:
    functions = {"sold": sold, "sold_later": sold_later, "missing": missing}
    with open_dana(isolated, functions=functions) as d:
        caught = f'try:\n    x = {name}("tea") + 1\nexcept OutOfStock as e:\n    x = [e.type, e.message]\nx'
        assert value(d, caught) == ["OutOfStock", "no tea left"]
        handled = f'try:\n    {name}("tea")\nexcept Exception as e:\n    "any"'
        assert value(d, handled) == "any"
        looked_up = 'try:\n    missing("k")\nexcept LookupError as e:\n    [e.type, e.message]'
        assert value(d, looked_up) == ["KeyError", "'k'"]


@pytest.mark.parametrize("name", ["sold", "sold_later"])
def test_an_uncaught_exception_comes_back_with_both_tracebacks(isolated: bool, name: str) -> None:
    with open_dana(isolated, functions={"sold": sold, "sold_later": sold_later}) as d:
        source = f'def order(item):\n    return {name}(item) + 1\n\norder("tea")'
        error = d.execute_string(source, "shop.na").error
        assert isinstance(error, DanaCallError)
        assert error.kind == "OutOfStock"
        assert isinstance(error.original_error, OutOfStock)
        assert error.__cause__ is error.original_error
        told = "".join(traceback.format_exception(error))
        assert "in sold\n" in told, "the Python frames"
        assert 'raise OutOfStock(f"no {item} left")' in told
        assert "shop.na" in told, "the Dana frames"
        assert "in order" in told
        with pytest.raises(DanaCallError) as caught:
            d.call("order", "cake")
        assert isinstance(caught.value.__cause__, OutOfStock)
        wrapped = f'try:\n    {name}("tea")\nexcept OutOfStock as e:\n    raise ValueError("no order") from e'
        error = d.execute_string(wrapped).error
        assert isinstance(error, DanaCallError)
        assert error.kind == "ValueError"
        assert isinstance(error.original_error, OutOfStock)


def test_what_cannot_cross_is_named(isolated: bool) -> None:
    def stock() -> Any:
        return {"shelves": [1, object()]}

    async def stock_later() -> Any:
        return stock()

    with open_dana(isolated, functions=[stock, stock_later]) as d:
        for name in ("stock", "stock_later"):
            error = d.execute_string(f"{name}()").error
            assert isinstance(error, DanaCallError)
            assert isinstance(error.original_error, TypeConversionError)
            assert f"the result of {name}().shelves[1]" in str(error)
        assert value(d, 'try:\n    stock()\nexcept TypeConversionError:\n    "caught"') == "caught"


def test_register(isolated: bool) -> None:
    with open_dana(isolated) as d:
        d.register("early", lambda: "before the session")
        assert value(d, "early()") == "before the session"
        d.register("late", lambda x, *, y=0: x + y)
        assert value(d, "late(1, y=2)") == 3
        d.register("late", lambda x: -x)
        assert value(d, "late(1)") == -1
        assert d.call("late", 5) == -5

        async def slow() -> str:
            return "later"

        d.register("slow", slow)
        d.register("at_once", slow, background=False)
        assert value(d, "a = slow()\nb = at_once()\n[a, b]") == ["later", "later"]
        if isolated:
            d.restart_subprocess()
            assert value(d, "late(2)") == -2, "a new session has the same functions"


def test_register_from_within_a_function(isolated: bool) -> None:
    opened: list[Dana] = []

    def grow() -> None:
        opened[0].register("grown", lambda: "here")

    with open_dana(isolated, functions=[grow]) as d:
        opened.append(d)
        value(d, "grow()")
        assert value(d, "grown()") == "here"
        opened.clear()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "identifier"),
        ("a b", "identifier"),
        ("a.b", "identifier"),
        ("use kb", "identifier"),
        ("1a", "identifier"),
        ("größe", "ASCII"),
        ("len", "is a builtin function of Dana"),
        ("print", "is a builtin function of Dana"),
        ("reason", "is a builtin function of Dana"),
        ("set_model", "is a builtin function of Dana"),
        ("eval", "is a name that Dana refuses"),
        ("if", "is a reserved word of Dana"),
        ("yield", "is a reserved word of Dana"),
        ("none", "is a reserved word of Dana"),
        ("BasicAgent", "is a type of Dana"),
        ("x" * 256, "at most 255 bytes"),
    ],
)
def test_names_that_programs_could_not_call(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Dana(functions={name: len})
    with Dana() as d, pytest.raises(ValueError, match=text):
        d.register(name, len)


def test_arguments_of_register() -> None:
    with Dana() as d:
        with pytest.raises(TypeError, match="callable"):
            d.register("f", 1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="name"):
            d.register(1, len)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="background"):
            d.register("f", len, background="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="two functions are named 'sold'"):
        Dana(functions=[sold, sold])


def test_too_many_functions(isolated: bool) -> None:
    with pytest.raises(ValueError, match="at most 4096"):
        Dana(functions={f"f{number}": len for number in range(4097)})
    with open_dana(isolated, functions={f"f{number}": len for number in range(4095)}) as d:
        assert value(d, 'f4094("abc")') == 3
        with pytest.raises(ValueError, match="at most 4096"):
            d.register("one_more", len)
        assert value(d, 'f0("ab")') == 2


def test_kinds_of_callables(isolated: bool) -> None:
    class Adder:
        def __call__(self, n: int) -> int:
            return n + 1

    class AsyncAdder:
        async def __call__(self, n: int) -> int:
            return n + 2

    async def plus(n: int, m: int) -> int:
        return n + m

    def gives_a_coroutine(n: int) -> Any:
        return plus(n, 4)

    functions = {
        "a": Adder(),
        "b": AsyncAdder(),
        "c": functools.partial(plus, m=3),
        "e": gives_a_coroutine,
    }
    with open_dana(isolated, functions=functions) as d:
        assert value(d, "[a(0), b(0), c(0), e(0)]") == [1, 2, 3, 4]
        assert "TypeError" in str(d.execute_string("b()").error)


def test_an_exception_named_like_a_limit_is_an_ordinary_error(isolated: bool) -> None:
    class AskLimitError(Exception):
        pass

    def fail() -> None:
        raise AskLimitError("mine")

    with open_dana(isolated, functions=[fail]) as d:
        assert value(d, "try:\n    fail()\nexcept AskLimitError as e:\n    e.message") == "mine"
        assert value(d, "1") == 1


def test_async_functions_of_python_modules(isolated: bool) -> None:
    modules = {"asyncio": ["sleep"], "math": ["sqrt"]}
    with open_dana(isolated, python_modules=modules) as d:
        source = 'import asyncio.py\na = asyncio.sleep(0, "x")\nb = asyncio.sleep(0, "y")\na + b'
        assert value(d, source) == "xy"
        caught = "import math.py\ntry:\n    math.sqrt(-1)\nexcept ValueError as e:\n    e.type"
        assert value(d, caught) == "ValueError"


@pytest.mark.parametrize("name", ["__class__", "_x", "a.b", "", "sqrt ", "1", 5, None, "use kb"])
def test_members_of_modules_that_are_no_public_names(name: Any) -> None:
    with pytest.raises(ValueError, match="public name"):
        Dana(python_modules={"math": [name]})


@pytest.mark.parametrize("module", ["", ".", "math.", ".math", "ma th", "math=", 5])
def test_modules_that_are_no_names(module: Any) -> None:
    with pytest.raises(ValueError, match="dotted identifiers"):
        Dana(python_modules={module: ["sqrt"]})
