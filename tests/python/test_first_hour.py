"""What goes wrong in the first hour: each mistake is told with what, where and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opendxa.dana import Dana, DanaCallError, Limits
from opendxa.dana import exceptions as errors
from opendxa.dana.exceptions import DanaError, ModelError, StateError, TypeConversionError
from opendxa.dana.fault import Span
from opendxa.dana.options import check as check_options
from sessions import open_dana

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = """\
def share(total, people=2):
    return total / people

price = 3
struct Point:
    x: int
"""


@pytest.fixture
def d(isolated: bool) -> Iterator[Dana]:
    with open_dana(isolated, llm="mock") as session:
        assert session.execute_string(PROGRAM).success
        yield session


class Strange:
    __slots__ = ()


CALLS: list[tuple[Callable[[Dana], Any], type[Exception], str]] = [
    (lambda d: d.call("shar", 1), DanaCallError, "function 'shar' not found\nHint: did you mean 'share'?"),
    (
        lambda d: d.call("share"),
        DanaCallError,
        "TypeError: share() missing 1 required positional argument: 'total'",
    ),
    (
        lambda d: d.call("share", 1, 2, 3),
        DanaCallError,
        "share() takes from 1 to 2 positional arguments but 3 were given",
    ),
    (
        lambda d: d.call("share", 1, peple=3),
        DanaCallError,
        "TypeError: share() got an unexpected keyword argument 'peple'",
    ),
    (lambda d: d.call("price"), DanaCallError, "TypeError: 'int' object is not callable"),
    (lambda d: d.call("share", Strange()), TypeConversionError, "Strange cannot be sent to Dana at args[0]"),
    (
        lambda d: d.call("share", [{"price": Strange()}]),
        TypeConversionError,
        "Strange cannot be sent to Dana at args[0][0].price",
    ),
    (lambda d: d.get("prise"), DanaCallError, "'prise' is not defined\nHint: did you mean 'price'?"),
    (lambda d: d.get("lokal:price"), StateError, "; the scopes are local, private, public, system"),
    (lambda d: d.set("privat:x", 1), StateError, "; the scopes are local, private, public, system"),
    (lambda d: d.set("two words", 1), ValueError, "digits and _, got 'two words' at argument 'name'"),
    (lambda d: d.set(5, 1), TypeError, "Expected str, got int at argument 'name'"),
    (lambda d: d.execute_string(b"x"), TypeError, "Expected str, got bytes at argument 'source'"),
    (lambda d: d.reason(""), DanaCallError, "reason() needs a prompt that is not empty"),
]


@pytest.mark.parametrize("index", range(len(CALLS)))
def test_calls(d: Dana, index: int) -> None:
    make, kind, told = CALLS[index]
    with pytest.raises(kind) as caught:
        make(d)
    assert str(caught.value).endswith(told)
    assert d.call("share", 6) == 3, "the session goes on"


PROGRAMS = [
    ("prise + 1", "NameError: name 'prise' is not defined", "did you mean 'price'?"),
    (
        "import math",
        "SandboxError: No Dana module named 'math'",
        "Python's modules are imported as: import math.py",
    ),
    ("Point()", "missing required fields ['x']", None),
    ("p = Point(x=1)\np.y", "'Point' object has no attribute 'y'", None),
    ('n: int = "abc"', "cannot coerce value 'abc' to type 'int'", None),
    ("if true:\nx = 1", "expected an indented block", None),
    ("open('x')", "'open' is not available in Dana", None),
    ("share(1, 0)", "ZeroDivisionError: division by zero", None),
]


@pytest.mark.parametrize(("source", "told", "hint"), PROGRAMS, ids=[source for source, _, _ in PROGRAMS])
def test_programs(d: Dana, source: str, told: str, hint: str | None) -> None:
    error = d.execute_string(source, "first.na").error
    assert isinstance(error, DanaCallError)
    assert told in str(error).splitlines()[0]
    assert error.fault is not None
    assert error.line
    assert error.column
    assert 'File "' in str(error)
    if hint is not None:
        assert error.fault.hint == hint
        assert str(error).endswith(f"Hint: {hint}")


def test_a_call_that_does_not_fit_is_at_no_place_of_the_program(d: Dana) -> None:
    with pytest.raises(DanaCallError) as caught:
        d.call("share")
    error = caught.value
    assert (error.kind, error.filename, error.line, error.column) == ("TypeError", None, None, None)
    assert error.fault is not None
    assert error.fault.frames == ()
    assert not [frame for frame in error.fault.trace if not frame.function]


def test_missing_files(d: Dana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pricing.na").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    assert (
        str(d.execute_file("prcing.na").error)
        == "Dana file not found: prcing.na\nHint: did you mean 'pricing.na'?"
    )
    assert (
        str(d.execute_file("other.na").error)
        == f"Dana file not found: other.na\nHint: the current folder is {tmp_path}"
    )
    gone = tmp_path / "gone" / "x.na"
    assert (
        str(d.execute_file(gone).error)
        == f"Dana file not found: {gone}\nHint: there is no folder {gone.parent}"
    )
    assert "this is a directory" in str(d.execute_file(tmp_path).error)
    error = d.execute_file("prcing.na").error
    assert isinstance(error, errors.ResourceCallError)
    assert isinstance(error.__cause__, errors.ResourceError)


def test_a_python_function_that_raises(d: Dana) -> None:
    def convert(text: str) -> int:
        return int(text)

    d.register("convert", convert)
    error = d.execute_string("convert('twelve')", "first.na").error
    assert isinstance(error, DanaCallError)
    assert str(error).splitlines()[0] == "ValueError: invalid literal for int() with base 10: 'twelve'"
    assert isinstance(error.__cause__, ValueError)
    trace = error.__cause__.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    assert trace.tb_frame.f_code.co_name == "convert"


def test_no_model(isolated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DANA_LLM", "OPENAI_API_KEY", "DANA_MOCK_LLM"):
        monkeypatch.delenv(name, raising=False)
    with open_dana(isolated, llm="opnai:x") as d, pytest.raises(errors.ResourceCallError) as caught:
        d.reason("hello")
    assert isinstance(caught.value.original_error, errors.ConfigurationError)
    assert "Hint: openai:<model>, " in str(caught.value)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Dana(isolation="landlock"), "there is no isolation level 'landlock'"),
        (lambda: Limits(memory="1G"), "Expected int or None, got str at argument 'memory'"),  # type: ignore[arg-type]
        (lambda: Dana(functions=print), "Expected dict or functions"),  # type: ignore[arg-type]
        (lambda: Dana(functions={"len": len}), "'len' is a builtin function of Dana"),
        (lambda: Dana(search_paths="here"), "Expected list of paths, got str at argument 'search_paths'"),
    ],
)
def test_arguments(make: Callable[[], object], told: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert told in str(caught.value)


def test_options_that_are_misspelt() -> None:
    with pytest.raises(DanaCallError, match="Invalid option keys"):
        check_options({"temprature": 1})


def test_a_closed_session(isolated: bool) -> None:
    d = open_dana(isolated)
    d.close()
    with pytest.raises(errors.SessionClosedError, match="closed\nHint: create a new Dana"):
        d.execute_string("1")


# The classes


def test_every_class_says_what_to_do() -> None:
    for name in errors.__all__:
        value = getattr(errors, name)
        if isinstance(value, type):
            assert value.__doc__, name
            assert issubclass(value, DanaError | Warning)
    page = (Path(__file__).resolve().parents[2] / "docs" / "ERRORS.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+Error)`", page))
    aliases = {name for name in errors.__all__ if getattr(getattr(errors, name), "__name__", name) != name}
    missing = (
        {name for name in errors.__all__ if name.endswith("Error")}
        - aliases
        - told
        - {"DanaError", "LimitExceededError"}
    )
    assert missing == set(), "docs/ERRORS.md has every class"


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (429, "slow down", errors.LLMRateLimitError),
        (401, "no key", errors.LLMAuthenticationError),
        (403, "not yours", errors.LLMAuthenticationError),
        (400, "This model's maximum context length is 4096 tokens", errors.LLMContextLengthError),
        (400, "bad request", ModelError),
        (500, "oops", ModelError),
        (None, "no answer", ModelError),
    ],
)
def test_a_models_error_is_of_the_class_of_its_status(
    status: int | None, words: str, kind: type[ModelError]
) -> None:
    error = ModelError(words, status=status, attempts=3)
    assert type(error) is kind
    assert (str(error), error.args, error.status, error.attempts) == (words, (words,), status, 3)


def test_older_names_catch_what_they_caught(d: Dana) -> None:
    for name in ("SandboxError", "EnhancedDanaError", "ReasoningError"):
        with pytest.raises(getattr(errors, name)):
            d.call("share", 1, 0)
    assert issubclass(errors.LLMRateLimitError, errors.LLMError)
    assert issubclass(errors.LLMRateLimitError, errors.LLMProviderError)


def test_span(d: Dana) -> None:
    error = d.execute_string("x = 1\ny = x + prise").error
    assert isinstance(error, DanaCallError)
    assert error.fault is not None
    assert error.fault.span == Span(2, 9, 2, 14)
    assert error.fault.frames[-1].line == 2
