"""What a failed assertion of a program tells the host, and how pytest shows it."""

from __future__ import annotations

import copy
import pickle
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from opendxa.dana import Dana, DanaCallError
from opendxa.dana.fault import Assertion, Operand
from opendxa.dana.pytest_plugin.explain import explain

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
struct Point:
    x: int
    y: str

private:limit = 3
private:calls = 0
names = ["a", "b"]

def total(items):
    private:calls = private:calls + 1
    sum = 0
    for item in items:
        sum = sum + item
    return sum

def given(value):
    return value
"""


@pytest.fixture(params=[False, True], ids=["in_process", "isolated"])
def d(request: pytest.FixtureRequest) -> Iterator[Dana]:
    with Dana(use_subprocess_isolation=request.param, llm=lambda _messages, _options: "7") as session:
        assert session.execute_string(PROGRAM).success
        yield session


def failure(d: Dana, *lines: str) -> DanaCallError:
    """Run the lines as the body of a function; they must fail in an assertion."""
    body = "".join(f"    {line}\n" for line in lines)
    defined = d.execute_string(f"def test(items = [4, 6]):\n{body}")
    assert defined.success, defined.error
    with pytest.raises(DanaCallError) as caught:
        d.call("test")
    assert caught.value.kind == "AssertionError"
    return caught.value


def found(d: Dana, *lines: str) -> dict[str, str]:
    assertion = failure(d, *lines).assertion
    assert assertion is not None
    return {assertion.text[part.start : part.end]: part.text for part in assertion.operands}


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ("total(items) == 12", {"total(items)": "10", "items": "[4, 6]"}),
        ("12 == total(items)", {"12": "12", "total(items)": "10", "items": "[4, 6]"}),
        ("items[0] > 7", {"items[0]": "4", "items": "[4, 6]"}),
        ("5 in items", {"5": "5", "items": "[4, 6]"}),
        ("4 not in items", {"4": "4", "items": "[4, 6]"}),
        ("names is none", {"names": "['a', 'b']", "none": "None"}),
        ("not total(items)", {"total(items)": "10", "items": "[4, 6]"}),
        ("not (1 < total(items))", {"1": "1", "total(items)": "10", "items": "[4, 6]"}),
        ("total(total([[]]))", None),
        ("total(items) == 10 and names == []", {"names": "['a', 'b']", "[]": "[]"}),
        ("total(items) == 9 and names == []", {"total(items)": "10", "items": "[4, 6]"}),
        (
            "total(items) == 9 or names == []",
            {"total(items)": "10", "names": "['a', 'b']", "[]": "[]", "items": "[4, 6]"},
        ),
        ("false or (total(items) and false)", {"total(items)": "10", "items": "[4, 6]"}),
        ("private:limit + 1 == 5", {"private:limit + 1": "4", "private:limit": "3"}),
        ("len(names) < 2", {"len(names)": "2", "names": "['a', 'b']"}),
        ("total([1, 2]) == 4", {"total([1, 2])": "3"}),
        ("Point(x=1, y='q').x == 2", {"Point(x=1, y='q').x": "1"}),
        (
            "'A' == names[0].upper() + 'x'",
            {"'A'": "'A'", "names[0].upper() + 'x'": "'Ax'", "names": "['a', 'b']"},
        ),
        ("false", {}),
        ("none", {"none": "None"}),
        ("'' if items else 'x'", {"'' if items else 'x'": "''"}),
        ("[i for i in items if i > 9]", {"[i for i in items if i > 9]": "[]"}),
        ("(lambda x :: x > 9)(3)", None),
        ("1 < 2 < 1", None),
        ("reason('how many?') == 8", {"reason('how many?')": "7"}),
        ("f'{items}' == 'x'", {"f'{items}'": "'[4, 6]'", "'x'": "'x'"}),
    ],
)
def test_values_of_parts_are_told(d: Dana, condition: str, values: dict[str, str] | None) -> None:
    if values is None:  # what is told of it is not said here, only that it fails as it should
        program = d.execute_string(f"items = [4, 6]\nassert {condition}")
        assert not program.success
        return
    assert found(d, f"assert {condition}") == values
    error = failure(d, f"assert {condition}, 'it is so'")
    assert (error.fault.message if error.fault else "") == "it is so"
    assert str(error).startswith("AssertionError: it is so\n")


def test_at_the_top_of_a_program_and_in_methods_and_modules(d: Dana) -> None:
    error = d.execute_string("n = 3\nassert n * 2 == 7").error
    assert isinstance(error, DanaCallError)
    assert error.assertion is not None
    assert [(part.text) for part in error.assertion.operands] == ["6", "3"]
    closure = (
        "def outer():\n    n = 1\n    def inner():\n        assert n == 2\n    n = 5\n    inner()\nouter()"
    )
    error = d.execute_string(closure).error
    assert isinstance(error, DanaCallError)
    assert error.assertion is not None
    assert [(part.text) for part in error.assertion.operands] == ["5"]


def test_nothing_is_evaluated_twice(d: Dana) -> None:
    failure(d, "private:calls = 0", "assert total(items) == total([1]), f'{total([2])}'")
    assert d.get("private:calls") == 3


LEAVES = [
    "f({})",
    "f({}) == f({})",
    "f({}) < {}",
    "f({}) in [f({}), 1]",
    "x[{}] >= f({})",
    "not f({})",
    "v == f({})",
]


def condition(random: Random, depth: int) -> str:
    """Make a condition of calls that are seen, which means the same in Python."""
    kind = random.choice(["leaf", "not", "and", "or", "and", "or"]) if depth else "leaf"
    if kind == "leaf":
        return random.choice(LEAVES).format(random.randrange(3), random.randrange(3))
    if kind == "not":
        return f"not ({condition(random, depth - 1)})"
    return f" {kind} ".join(f"({condition(random, depth - 1)})" for _ in range(random.randrange(2, 4)))


def test_conditions_mean_what_they_mean_in_python_and_what_is_told_of_them_is_true(d: Dana) -> None:
    random = Random(7)
    d.execute_string("def f(n):\n    log.append(n)\n    return n\nv = 1\nx = [0, 1, 2]\nlog = []")
    failed = 0
    for _ in range(400):
        written = condition(random, 3)
        error = d.execute_string(f"log.clear()\nassert {written}").error
        log: list[int] = []
        names = {"f": lambda n, log=log: log.append(n) or n, "v": 1, "x": [0, 1, 2]}
        assert (error is None) is bool(eval(written, names)), written
        assert d.get("log") == log, written
        if error is None:
            continue
        failed += 1
        assert isinstance(error, DanaCallError)
        assert error.assertion is not None
        assert error.assertion.operands
        for part in error.assertion.operands:
            source = error.assertion.text[part.start : part.end]
            assert part.text == repr(eval(source, names)), (written, source)
    assert failed > 100


def test_the_text_and_the_log_have_no_values(d: Dana, caplog: pytest.LogCaptureFixture) -> None:
    error = failure(d, "secret = 'hunter' + '2'", "assert secret == 'x'")
    assert error.assertion is not None
    told = [
        str(error),
        repr(error),
        repr(error.fault),
        repr(error.assertion),
        error.traceback_str,
        caplog.text,
    ]
    assert not any("hunter2" in text for text in told)
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert other.assertion == error.assertion


def test_caught_assertions_tell_nothing(d: Dana) -> None:
    caught = d.execute_string(
        "try:\n    assert names == 1\nexcept AssertionError as e:\n    print(str(e))\n    1 / 0"
    )
    assert caught.output.startswith("AssertionError: assertion failed")
    assert isinstance(caught.error, DanaCallError)
    assert caught.error.assertion is None
    assert "'a'" not in caught.output


@pytest.mark.parametrize(
    "make",
    [
        "x = 'é' * 1000000",
        "x = [1] * 1000000",
        "x = [['y' * 500] * 500] * 500",
        "x = {str(i): 'v' * 1000 for i in range(5000)}",
        "x = {i for i in range(100000)}",
        "x = [1]\n    x.append(x)",
        "x = [1]\n    for i in range(5000):\n        x = [x]",
        "x = 7 ** 20000",
        "x = Point(x=1, y='\\x1b' * 100000)",
        "x = (1,)",
        "x = range(10)",
        "x = none",
        "x = {}",
        "x = {'a': 1}.items()",
    ],
)
def test_what_is_told_is_bounded_whatever_the_values_are(d: Dana, make: str) -> None:
    error = failure(d, make, "assert x == [x, 1] or x == 5 or x is 3 or not (x == x) or x in [2]")
    assert error.assertion is not None
    parts = [text for part in error.assertion.operands for text in (part.text, *sum(part.parts, ()))]
    assert sum(len(text.encode()) for text in parts) <= 65536
    assert len(error.assertion.operands) <= 24
    assert sum(len(line) for line in explain(error.assertion)) < 20_000
    compared = failure(d, make, "assert x == [x, 1]").assertion
    assert compared is not None
    assert compared.compared is not None
    assert all(len(line) < 5_000 for line in explain(compared))
    explain(compared, whole=True)


def test_long_conditions_are_left_out(d: Dana) -> None:
    assert failure(d, "assert " + " + ".join(["1"] * 2000) + " == 1").assertion is None


def test_many_operands_and_deep_ones_still_compile(d: Dana) -> None:
    many = " or ".join(f"total([{i}]) == -1" for i in range(200))
    assertion = failure(d, f"assert {many}").assertion
    assert assertion is None or len(assertion.operands) == 24
    row = ", ".join(str(i) for i in range(90))
    assert len(found(d, f"assert total([{row}]) == 1 or given([{row}]) == 2 or max({row}) == 0")) == 3


def told(d: Dana, *lines: str) -> list[str]:
    assertion = failure(d, *lines).assertion
    assert assertion is not None
    return explain(assertion)


@pytest.mark.parametrize(
    ("condition", "lines"),
    [
        ("total(items) == 12", ["assert 10 == 12", " +  where 10 = total([4, 6])"]),
        ("not (total(items) > 2)", ["assert not (10 > 2)", " +  where 10 = total([4, 6])"]),
        (
            "(total(items) > 20 or false) and true",
            ["assert (10 > 20 or false) and true", " +  where 10 = total([4, 6])"],
        ),
        (
            "items == [4, 5, 6]",
            [
                "assert [4, 6] == [4, 5, 6]",
                "  At index 1 diff: 6 != 5",
                "  Right contains 1 more item, first extra item: 6",
            ],
        ),
        (
            "{'a': 1, 'b': 2, 'c': 3} == {'a': 1, 'b': 3, 'd': 4}",
            [
                "assert {'a': 1, 'b': 2, 'c': 3} == {'a': 1, 'b': 3, 'd': 4}",
                "  Omitting 1 identical item",
                "  Differing items:",
                "  {'b': 2} != {'b': 3}",
                "  Left contains 1 more item:",
                "  {'c': 3}",
                "  Right contains 1 more item:",
                "  {'d': 4}",
            ],
        ),
        (
            "Point(x=1, y='q') == Point(x=1, y='r')",
            [
                "assert Point(x=1, y='q') == Point(x=1, y='r')",
                "  Omitting 1 identical field",
                "  Differing fields:",
                "  y: 'q' != 'r'",
            ],
        ),
        ("{1, 2} == {2}", ["assert {1, 2} == {2}", "  Extra items in the left set:", "  1"]),
        ("'abcd' == 'abxd'", ["assert 'abcd' == 'abxd'", "  - abxd", "  + abcd", "  ?   ^"]),
        ("'a\\nb' == 'a\\nc'", ["assert 'a\\nb' == 'a\\nc'", "    a", "  - c", "  + b"]),
    ],
)
def test_an_explanation_is_pytests_in_words_of_dana(d: Dana, condition: str, lines: list[str]) -> None:
    assert told(d, f"assert {condition}") == lines


def test_explanations_of_hostile_operands() -> None:
    def operand(start: int, end: int, **more: Any) -> Operand:
        return Operand(start, end, "\x1b[2J\n" * 100, **more)

    many = tuple(operand(at, at + 5) for at in range(24))
    lines = explain(Assertion("\x1b]0;owned\x07 == " * 50, many, (many[0], "==", many[1])))
    assert all(line.isprintable() for line in lines)
    backwards = operand(9, 3), operand(0, 10**6)
    explain(Assertion("x == y", backwards))
    lied = operand(0, 1, shape="items", parts=(("", "1"),), count=10**6)
    honest = operand(2, 3, shape="items", parts=(), count=0)
    assert any(
        "more items" in line for line in explain(Assertion("x y", (lied, honest), (lied, "==", honest)))
    )
    empty = operand(0, 1, shape="text")
    explain(Assertion("x", (empty,), (empty, "==", empty)))
