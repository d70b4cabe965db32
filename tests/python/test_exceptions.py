"""How errors are told: first line, place, caret, trace, and nothing that drives a terminal."""

from __future__ import annotations

import pickle

import pytest

from opendxa.dana import exceptions
from opendxa.dana.exceptions import (
    DanaCallError,
    DanaError,
    DeadlineExceededError,
    LimitExceededError,
    ResourceCallError,
    ResourceError,
    WorkerCrashedError,
    from_crash,
    from_fault,
)

FAULT = {
    "kind": "ZeroDivisionError",
    "message": "division by zero",
    "file": "sums.na",
    "line": 2,
    "column": 18,
    "excerpt": "    return total / people",
    "hint": "check people first",
    "trace": [{"function": "<program>", "file": "sums.na", "line": 4, "column": 1, "source": "share(1, 0)"}],
}


def test_fault_in_full() -> None:
    error = from_fault(FAULT)
    assert type(error) is DanaCallError
    assert str(error) == (
        "ZeroDivisionError: division by zero\n"
        '  File "sums.na", line 2, column 18\n'
        "    return total / people\n"
        "                 ^\n"
        "Dana trace (outermost call first):\n"
        '  File "sums.na", line 4, column 1, in <program>\n'
        "    share(1, 0)\n"
        "    ^\n"
        "Hint: check people first"
    )
    assert (error.kind, error.filename, error.line, error.column) == ("ZeroDivisionError", "sums.na", 2, 18)
    assert error.traceback_str.startswith("Dana trace")


def test_fault_with_nothing_known() -> None:
    error = from_fault({"kind": "ValueError", "message": ""})
    assert str(error) == "ValueError"
    assert (error.filename, error.line, error.column) == (None, None, None)
    assert error.traceback_str == ""


def caret(excerpt: str, column: int) -> tuple[str, str]:
    lines = str(
        from_fault({"kind": "E", "message": "m", "line": 1, "column": column, "excerpt": excerpt})
    ).split("\n")
    return lines[2], lines[3]


@pytest.mark.parametrize(
    ("excerpt", "column", "under"),
    [
        ("x = 1 / 0", 7, "/"),
        ("\tx = 1 / 0", 8, "/"),
        ("x" * 500 + "/" + "y" * 500, 501, "/"),
        ("x = 1", 6, ""),
    ],
)
def test_caret(excerpt: str, column: int, under: str) -> None:
    source, mark = caret(excerpt, column)
    assert mark.strip() == "^"
    assert source[mark.index("^") : mark.index("^") + 1] == under
    assert len(source) <= 170


def test_caret_after_wide_characters() -> None:
    source, mark = caret("日本 = 1 / 0", 8)
    assert mark.index("^") == len(source[: source.index("/")]) + 2


def test_control_characters_are_shown() -> None:
    error = from_fault({**FAULT, "message": "\x1b[31mred\u202e", "hint": "\x07", "excerpt": "\x1b]0;title"})
    assert "\x1b" not in str(error)
    assert "\\x1b[31mred\\u202e" in str(error)
    assert "\x07" not in str(error)
    assert "\x1b" not in str(from_crash("crashed", {"stderr": "\x1b[2J", "message": "\x1b"}))


def test_long_trace_is_cut() -> None:
    frames = [{"function": f"f{n}", "file": "deep.na", "line": n} for n in range(1, 1001)]
    error = from_fault({**FAULT, "trace": frames})
    assert "... 960 more calls ..." in str(error)
    assert "in f1\n" in str(error)
    assert "in f1000" in str(error)
    assert error.fault is not None
    assert len(error.fault.trace) == 1000


def test_cause() -> None:
    error = from_fault({**FAULT, "cause": {"kind": "KeyError", "message": "'a'", "line": 9}})
    assert error.fault is not None
    assert error.fault.cause is not None
    assert "Caused by KeyError: 'a'" in str(error)


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        ("steps", "StepLimitError"),
        ("memory", "MemoryLimitError"),
        ("depth", "DepthLimitError"),
        ("output", "OutputLimitError"),
        ("asks", "AskLimitError"),
    ],
)
def test_limits(limit: str, name: str) -> None:
    error = from_fault({**FAULT, "limit": limit})
    assert type(error) is getattr(exceptions, name)
    assert isinstance(error, LimitExceededError)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("crashed", "WorkerCrashedError"),
        ("killed", "WorkerKilledError"),
        ("violation", "SandboxViolationError"),
        ("lost", "WorkerLostError"),
        ("cpu", "CpuLimitError"),
        ("deadline", "DeadlineExceededError"),
        ("protocol", "ProtocolViolationError"),
        ("closed", "SessionClosedError"),
        ("isolation", "IsolationUnavailableError"),
        ("something new", "WorkerCrashedError"),
    ],
)
def test_endings(kind: str, name: str) -> None:
    error = from_crash(kind, {"signal": None, "exit_code": None, "stderr": "", "file": "a.na", "line": 3})
    assert type(error) is getattr(exceptions, name)
    assert "Hint: " in str(error)
    assert len(str(error).splitlines()) == 2


def test_crash_in_full() -> None:
    error = from_crash("crashed", {"signal": 11, "stderr": "oops", "file": "a.na", "line": 3})
    assert isinstance(error, WorkerCrashedError)
    assert (error.signal, error.exit_code, error.stderr, error.position) == (11, None, "oops", ("a.na", 3))
    assert "ended by SIGSEGV" in str(error)
    assert 'last seen at "a.na", line 3' in str(error)
    assert "standard error: oops" in str(error)
    deadline = from_crash("deadline", {"seconds": 0.5})
    assert isinstance(deadline, DeadlineExceededError)
    assert "limit of 0.5 s" in str(deadline)


def test_tree() -> None:
    for name in ("DanaCallError", "TypeConversionError", "ResourceError", "SecurityError"):
        assert getattr(exceptions, name).__bases__ == (DanaError,)
    assert issubclass(ResourceCallError, DanaCallError)
    assert issubclass(ResourceCallError, ResourceError)
    error = DanaCallError("told", ValueError("why"))
    assert str(error) == "told"
    assert isinstance(error.original_error, ValueError)
    assert exceptions.TypeConversionError("told", int, "int").python_type is int


@pytest.mark.parametrize("error", [from_fault(FAULT), from_crash("killed", {"signal": 9})])
def test_pickle(error: DanaError) -> None:
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)


def test_recursion_is_told_once() -> None:
    frames = [{"function": "f", "file": "deep.na", "line": 2, "column": 5}] * 900
    told = str(from_fault({**FAULT, "trace": frames}))
    assert told.count("in f") == 3
    assert "... the same call 897 more times ..." in told


def test_syntax_error_begins_with_its_place() -> None:
    error = from_fault({**FAULT, "message": "a colon is missing", "syntax": True, "line": 3, "column": 7})
    assert str(error).splitlines()[0] == "Syntax Error (line 3, column 7): a colon is missing"
