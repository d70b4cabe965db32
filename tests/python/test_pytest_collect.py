"""Tests written in Dana, run by pytest in the project of a user."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest

# pytester forgets what a run inside this process loaded, an extension module never the classes it raises.
import opendxa.dana.exceptions
import opendxa.dana.sandbox  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ["pytester"]


@pytest.fixture
def arguments() -> list[str]:
    # From an installed wheel pytest finds the plugin by its entry point.
    installed = any(point.name == "dana" for point in entry_points(group="pytest11"))
    return ["-p", "no:cacheprovider"] + ([] if installed else ["-p", "opendxa.dana.pytest_plugin"])


@pytest.fixture
def run(
    pytester: pytest.Pytester, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    monkeypatch.delenv("DANA_LLM", raising=False)

    def start(*more: str, **files: str) -> pytest.RunResult:
        for name, text in files.items():
            if name == "conftest":
                pytester.makeconftest(text)
            elif name == "ini":
                pytester.makeini(f"[pytest]\n{text}")
            else:
                pytester.makefile(".na", **{name: text})
        return pytester.runpytest_inprocess(*arguments, *more)

    return start


def test_each_test_function_is_an_item(run: Any) -> None:
    files = {
        "test_one": "def helper():\n    pass\n\ndef test_b():\n    assert 1 < 2\n\ndef test_a():\n    pass\n",
        "two_test": 'print("loaded")\ntest_short = lambda :: 1\n',
        "other": "def test_hidden():\n    assert false\n",
        "test_none": "x = 1\n",
    }
    result = run("-v", **files)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["test_one.na::test_b PASSED*", "test_one.na::test_a PASSED*", "two_test.na::test_short PASSED*"]
    )
    listed = run("--collect-only")
    listed.stdout.fnmatch_lines(
        ["*<DanaFile test_one.na>", "*<DanaFunction test_b>", "*<DanaFunction test_a>"]
    )
    run("test_one.na::test_a").assert_outcomes(passed=1)
    run("-k", "short").assert_outcomes(passed=1, deselected=2)
    run("--deselect", "test_one.na::test_b").assert_outcomes(passed=2, deselected=1)
    run("other.na").assert_outcomes(failed=1)  # asked for by name
    assert run("test_none.na").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    run("--ignore=two_test.na").assert_outcomes(passed=2)
    run("-o", "dana_files=oth*.na").assert_outcomes(failed=1)


def test_a_failure_shows_the_lines_of_the_program(run: Any) -> None:
    result = run(
        test_cart='from cart import total\n\ndef test_total():\n    print("adding")\n    total([1, none])\n',
        cart="def total(items):\n    sum = 0\n    for item in items:\n        sum = sum + item\n    sum\n",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*_ test_total _*",
            "",
            "    def test_total():",
            '        print("adding")',
            ">       total([[]1, none])",
            "        ^",
            "",
            "test_cart.na:5: in test_total",
            "_ _ _*",
            "",
            "    def total(items):",
            "        sum = 0",
            "        for item in items:",
            ">           sum = sum + item",
            "                      ^",
            "E   SandboxError: unsupported operand type(s) for +: 'int' and 'NoneType'",
            "",
            "cart.na:4: SandboxError",
            "*- Captured stdout call -*",
            "adding",
            "FAILED test_cart.na::test_total - SandboxError: unsupported operand*",
        ],
        consecutive=False,
    )
    assert "exceptions.py" not in result.stdout.str()
    assert "sandbox.py" not in result.stdout.str()
    short = run("--tb=short")
    short.stdout.fnmatch_lines(
        ["cart.na:4: in total", "    sum = sum + item", "              ^", "E   SandboxError*"]
    )
    run("--tb=native").stdout.fnmatch_lines(
        ['  File "cart.na", line 4, column 19', "Dana trace (outermost call first):"]
    )
    run("--tb=line").stdout.fnmatch_lines(["*cart.na:4: SandboxError: unsupported*"])
    result.stdout.no_fnmatch_line("*INTERNAL*")


def test_a_file_that_cannot_be_collected_says_why_in_dana(run: Any) -> None:
    result = run(
        test_fails="x = 1\ny = x / 0\n",
        test_syntax="def test_a(:\n    pass\n",
        test_import="import nowhere\n",
        test_fine="def test_a():\n    pass\n",
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(
        [
            "*ERROR collecting test_fails.na*",
            "ZeroDivisionError: division by zero",
            '  File "test_fails.na", line 2, column 7',
            "    y = x / 0",
            "          ^",
            "*ERROR collecting test_syntax.na*",
            "Syntax Error (line 1, column 12): expected the name of a parameter, found ':'",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert ".py" not in "\n".join(result.outlines[8:])
    run("--continue-on-collection-errors").assert_outcomes(passed=1, errors=3)


def test_every_test_has_a_session_of_its_own(run: Any) -> None:
    result = run(
        test_state="""
private:seen = []

def setup():
    private:seen = private:seen + ["setup"]

def teardown():
    print("seen:", private:seen)

def test_first():
    private:seen = private:seen + ["first"]
    assert private:seen == ["setup", "first"]

def test_second():
    private:seen = private:seen + ["second"]
    assert private:seen == ["setup", "second"]
    assert false
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Captured stdout teardown*", "seen: ['setup', 'second']"])


def test_setup_and_teardown_that_fail_are_errors(run: Any) -> None:
    result = run(
        test_up="def setup():\n    1 / 0\n\ndef teardown():\n    print('never')\n\ndef test_a():\n    pass\n",
        test_down="def teardown():\n    1 / 0\n\ndef test_a():\n    pass\n",
    )
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_a*", ">       1 / 0", "          ^"])
    assert "never" not in result.stdout.str()


CONFTEST = """
import pytest

@pytest.fixture(params=["tea", "cake"])
def item(request):
    return request.param

@pytest.fixture
def price():
    def price(item):
        return {"tea": 3.5, "cake": 4.0}[item]
    return price

@pytest.fixture
def nothing():
    return object()

def pytest_dana_settings(config, path):
    return {"functions": {"vat": lambda price: price * 2}, "python_modules": {"math": ["sqrt"]}}
"""


def test_parameters_are_fixtures(run: Any) -> None:
    result = run(
        "-v",
        conftest=CONFTEST,
        test_shop="""
import math.py

def test_price(item, price, quantity=2):
    assert price(item) * quantity > 6
    assert vat(price(item)) > 6
    assert math.sqrt(16) == 4

def test_folder(tmp_path):
    assert tmp_path.endswith("test_folder0")

def test_nothing(nothing):
    pass

def test_unknown(not_there):
    pass

def test_wrong(price):
    price("gold")
""",
    )
    result.assert_outcomes(passed=3, failed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "test_shop.na::test_price[[]tea] PASSED*",
            "test_shop.na::test_price[[]cake] PASSED*",
            "*test_shop.na, line 14*",
            "E       fixture 'not_there' not found",
            "E   a fixture's value cannot be sent to the Dana test: a value of type object*at nothing",
            ">       return {*",
            "E       KeyError: 'gold'",
            "The above exception was the cause of this one in the Dana program:",
            '>       price("gold")',
            "E   KeyError: 'gold'",
        ]
    )


def test_marks_are_comments_above_a_test(run: Any) -> None:
    result = run(
        "-v",
        ini="markers = slow: takes its time\naddopts = --strict-markers\n",
        test_marks="""
# pytest: slow, skip(no network here)
# Why is not told.
def test_skipped():
    assert false

# pytest: xfail(known)
def test_known():
    assert false

def test_fine():
    pass
""",
    )
    result.assert_outcomes(passed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*SKIPPED (no network here)*"])
    run("-m", "slow").assert_outcomes(skipped=1, deselected=2)
    for bad in ("skipif(1)", "slow(1)", "parametrize", "skip(a", "slow slow", "nonsense"):
        refused = run("test_bad.na", test_bad=f"# pytest: {bad}\ndef test_a():\n    pass\n")
        refused.assert_outcomes(errors=1)


def test_questions_are_answered_by_what_the_test_scripted(run: Any) -> None:
    result = run(
        test_model="""
def how_many():
    n: int = reason("how many?")
    return n

def test_scripted(scripted_llm):
    scripted_llm("42", [1, 2])
    assert how_many() == 42
    pair: list = reason("a pair?")
    assert pair == [1, 2]
    assert len(scripted_llm()) == 2

def test_unused(scripted_llm):
    scripted_llm("42")

def test_no_model():
    how_many()
""",
    )
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_unused*",
            "1 scripted replies were never asked for: 0 questions came",
            "E   Caused by ModelError: tests have no model unless one is chosen*",
        ]
    )
    run("-k", "no_model", "--dana-llm=mock").assert_outcomes(passed=1, deselected=2)
    overridden = "import pytest\n@pytest.fixture\ndef dana_llm():\n    return lambda messages, options: '7'\n"
    run("-k", "no_model", conftest=overridden).assert_outcomes(passed=1, deselected=2)


def test_hostile_tests_fail_and_the_run_goes_on(run: Any) -> None:
    result = run(
        ini="dana_limits = wall_time=1 memory=33554432 output=100000\n",
        test_hostile="""
def test_endless():
    while true:
        pass

def test_bomb():
    x = [0]
    while true:
        x = x + x

def test_flood():
    while true:
        print(("x" * 99 + "\\n") * 10)

def test_terminal():
    print("\\x1b]0;owned\\x07")
    raise ValueError("\\x1b[2J\\x1b]0;owned\\x07")

def test_recursion():
    test_recursion()

def test_fine():
    pass
""",
        test_endless_top="while true:\n    pass\n",
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*ERROR collecting test_endless_top.na*", "DeadlineExceededError: *"])
    result = run("test_hostile.na")
    result.assert_outcomes(passed=1, failed=5)
    result.stdout.fnmatch_lines(
        [
            "E   DeadlineExceededError: the turn was stopped at the wall-clock limit of 1 s*",
            "E   MemoryLimitError: *",
            "E   OutputLimitError: *",
            "E   ValueError: \\u{1b}[[]2J*",
            "E   RecursionError: *",
        ]
    )


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--dana-isolation=weak", "*dana_isolation*one of none, process*not 'weak'"),
        ("-odana_limits=wall_time", "*dana_limits: 'wall_time' is not NAME=VALUE with one of wall_time*"),
        ("-odana_limits=speed=1", "*dana_limits: 'speed=1' is not NAME=VALUE*"),
        ("-odana_limits=steps=many", "*dana_limits: steps is a number or none, not 'many'"),
        ("-odana_limits=steps=-1", "*dana_limits: Limits.steps must be positive*"),
    ],
)
def test_settings_that_make_no_sense_are_refused(run: Any, option: str, text: str) -> None:
    result = run(option, test_a="def test_a():\n    pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([text])


def test_sessions_are_isolated_unless_told_otherwise(run: Any) -> None:
    conftest = """
import os, pytest
from opendxa.dana import Dana
opened = []
def pytest_dana_settings(config, path):
    return {"setup": "x = 1"}
def pytest_runtest_teardown(item):
    print("level:", item._dana.isolation.level)
"""
    test = {"test_a": "def test_a():\n    assert x == 1\n", "conftest": conftest}
    run("-s", **test).stdout.fnmatch_lines(["*level: landlocked*"])
    run("-s", "--dana-isolation=none").stdout.fnmatch_lines(["*level: none*"])
    run("-s", "-odana_isolation=filtered").stdout.fnmatch_lines(["*level: filtered*"])


def test_isolation_that_cannot_be_had_is_an_error(run: Any) -> None:
    conftest = """
from opendxa.dana import worker
from opendxa.dana.exceptions import IsolationUnavailableError
from opendxa.dana.sandbox import SubprocessSandboxInterface
def refuse(self):
    raise IsolationUnavailableError("no sandbox can be had: none in this test")
SubprocessSandboxInterface._open = refuse
"""
    import opendxa.dana.sandbox as module

    usual = module.SubprocessSandboxInterface._open
    try:
        result = run(conftest=conftest, test_a="def test_a():\n    pass\n")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(
            ["no sandbox can be had: none in this test", "Hint: *--dana-isolation=none*"]
        )
        python = "def test_b(isolated_dana):\n    pass\n"
        with open("test_b.py", "w") as file:  # noqa: PTH123 - the folder is the pytester's
            file.write(python)
        run("test_b.py").assert_outcomes(errors=1)
    finally:
        module.SubprocessSandboxInterface._open = usual  # type: ignore[method-assign]


def test_fixtures_for_tests_in_python(run: Any, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import time
        import pytest
        from opendxa.dana import dana as ready_made
        from opendxa.dana.exceptions import DanaCallError, DeadlineExceededError, ModelError

        def test_dana(dana):
            dana.set("x", 1)
            assert not dana.is_subprocess_isolated
            assert dana.sandbox.limits.wall_time == 5

        def test_fresh(dana):
            assert not dana.execute_string("x").success

        def test_isolated(isolated_dana):
            assert isolated_dana.is_subprocess_isolated

        def test_both_ask_the_same_model(dana, isolated_dana, scripted_llm):
            scripted_llm("4", 5, {"a": 1})
            assert dana.reason("four?") == 4
            assert isolated_dana.reason("five?", returns=int) == 5
            assert scripted_llm.questions[0] == "four?"
            assert scripted_llm.unused == 1
            assert dana.reason("data?", {"format": "json"}) == {"a": 1}
            assert scripted_llm.requests[2].options["format"] == "json"

        def test_errors_and_delays(isolated_dana, scripted_llm):
            scripted_llm(ModelError("busy"), scripted_llm.after(0.01, "late"))
            with pytest.raises(DanaCallError):
                isolated_dana.reason("?")
            assert isolated_dana.reason("?") == "late"

        def test_too_many(dana, scripted_llm):
            scripted_llm("1")
            assert dana.reason("one?") == 1
            with pytest.raises(DanaCallError, match="no answer"):
                dana.reason("two?")

        def test_what_is_no_reply(scripted_llm):
            with pytest.raises(TypeError):
                scripted_llm(object())
        """
    )
    result = run(ini="dana_limits = wall_time=5\n")
    result.assert_outcomes(passed=7)


def test_fixtures_of_the_project_go_first(run: Any, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def dana():
            return "mine"

        def test_mine(dana):
            assert dana == "mine"
        """
    )
    run().assert_outcomes(passed=1)


def test_failed_ones_can_be_run_again(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makefile(".na", test_a="def test_good():\n    pass\n\ndef test_bad():\n    assert false\n")
    cached = [part for part in arguments if part not in ("-p", "no:cacheprovider")]
    cached = [*(["-p", "opendxa.dana.pytest_plugin"] if "opendxa.dana.pytest_plugin" in cached else [])]
    pytester.runpytest_inprocess(*cached).assert_outcomes(passed=1, failed=1)
    result = pytester.runpytest_inprocess(*cached, "--lf", "-x", "--durations=1")
    result.assert_outcomes(failed=1)
    assert "test_good" not in result.stdout.str()


def test_a_project_without_dana_loads_nothing_of_it(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makepyfile("def test_a():\n    pass\n")
    code = (
        "import sys, pytest\n"
        f"status = pytest.main({[*arguments, '-q']!r})\n"
        "loaded = sorted(name for name in sys.modules if name.startswith('opendxa.dana'))\n"
        "print(status.value, loaded)\n"
    )
    result = pytester.run(sys.executable, "-c", code)
    plugin = "opendxa.dana.pytest_plugin"
    loaded = ["opendxa.dana", plugin, *(f"{plugin}.{name}" for name in ("hooks", "sessions", "walls"))]
    assert result.outlines[-1] == f"0 {loaded}"


def test_places_are_told(run: Any, pytester: pytest.Pytester) -> None:
    path: Path = pytester.path / "test_a.na"
    path.write_text("\n\ndef test_a():\n    '''What it is for.'''\n    pass\n")
    items, _ = pytester.inline_genitems(path)
    [item] = items
    assert item.nodeid == "test_a.na::test_a"
    assert item.location == ("test_a.na", 2, "test_a")
    assert item.reportinfo()[0] == path
    assert item.obj.__doc__ == "What it is for."
