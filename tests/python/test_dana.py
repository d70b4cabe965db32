"""`Dana` as a caller sees it: arguments, results, models, closing, the fall-back. Both kinds of session."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

import opendxa.dana
from opendxa.dana import Dana, DanaCallError, ExecutionResult, IsolationUnavailableWarning, Limits, worker
from opendxa.dana.exceptions import (
    IsolationUnavailableError,
    ResourceError,
    SessionClosedError,
)
from opendxa.dana.llm import Scripted
from opendxa.dana.sandbox import InProcessSandboxInterface, SandboxInterface, SubprocessSandboxInterface


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def isolated(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def open_dana(isolated: bool, **settings: object) -> Dana:
    return Dana(use_subprocess_isolation=isolated, require_isolation=isolated, echo=False, **settings)  # type: ignore[arg-type]


# Import


def test_import_is_quiet_and_cheap() -> None:
    program = (
        "import sys, threading, os\n"
        "before = set(sys.modules)\n"
        "from opendxa.dana import Dana, dana\n"
        "assert threading.active_count() == 1\n"
        "children = open(f'/proc/self/task/{os.getpid()}/children').read()\n"
        "assert not children, children\n"
        "heavy = {'httpx', 'asyncio', 'dataclasses', 'logging', 'opendxa.dana._bridge', 'xllamacpp'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_names() -> None:
    import opendxa.contrib.python_to_dana.dana_module as older
    from opendxa.contrib.python_to_dana import Dana as PackageDana
    from opendxa.dana import dana, sandbox, types

    assert older.Dana is Dana is PackageDana
    assert isinstance(dana, Dana)
    assert not dana.debug
    assert not dana.is_subprocess_isolated
    assert callable(dana.reason)
    assert opendxa.dana.dana is dana
    assert types.DanaType.INT.value == "int"
    assert sandbox.SandboxInterface is SandboxInterface
    assert set(opendxa.dana.__all__) <= set(dir(opendxa.dana))
    assert all(getattr(opendxa.dana, name) is not None for name in opendxa.dana.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        opendxa.dana.nothing  # noqa: B018


# Arguments


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"debug": 1}, "Expected bool, got int at argument 'debug'"),
        (
            {"use_subprocess_isolation": "yes"},
            "Expected bool, got str at argument 'use_subprocess_isolation'",
        ),
        ({"require_isolation": None}, "Expected bool, got NoneType at argument 'require_isolation'"),
        ({"isolation": 3}, "Expected str, got int at argument 'isolation'"),
        ({"min_isolation": True}, "Expected str, got bool at argument 'min_isolation'"),
        ({"harden_speculation": 1}, "Expected bool, got int at argument 'harden_speculation'"),
        ({"limits": {"steps": 1}}, "Expected Limits, got dict at argument 'limits'"),
        ({"functions": 7}, "Expected dict or functions, got int at argument 'functions'"),
        ({"functions": {"f": 7}}, "Expected callable, got int at argument 'functions\\['f'\\]'"),
    ],
)
def test_constructor_types(settings: dict[str, object], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        Dana(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "arguments", "text"),
    [
        ("reason", (123,), "Expected str, got int at argument 'prompt'"),
        ("reason", (["a"],), "Expected str, got list at argument 'prompt'"),
        ("reason", ("a", "b"), "Expected dict, got str at argument 'options'"),
        ("reason", ("a", 7), "Expected dict, got int at argument 'options'"),
        ("execute_string", (b"x",), "Expected str, got bytes at argument 'source'"),
        ("execute_string", ("x", 7), "Expected str, got int at argument 'filename'"),
        ("execute_file", (7,), "Expected str, got int at argument 'path'"),
        ("call", (7,), "Expected str, got int at argument 'name'"),
        ("get", (7,), "Expected str, got int at argument 'name'"),
        ("set_debug", (7,), "Expected bool, got int at argument 'debug'"),
    ],
)
def test_argument_types(method: str, arguments: tuple[object, ...], text: str) -> None:
    with Dana() as d:
        with pytest.raises(TypeError, match=text):
            getattr(d, method)(*arguments)
        assert "calls=0" in repr(d), "what is refused is not counted"


def test_limits() -> None:
    assert Limits().to_dict() == {
        "wall_time": 60.0,
        "cpu_time": 60.0,
        "memory": 512 * 2**20,
        "steps": 10_000_000_000,
        "depth": 1000,
        "output": 8 * 2**20,
        "asks": 1000,
        "session_time": None,
        "tokens": None,
        "model_calls": None,
        "cost": None,
    }
    assert Limits(steps=None).steps is None
    assert Limits(wall_time=1).wall_time == 1
    with pytest.raises(TypeError, match="Expected int or None, got str at argument 'memory'"):
        Limits(memory="1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Expected int or None, got bool at argument 'steps'"):
        Limits(steps=True)
    with pytest.raises(TypeError, match="Expected int or None, got float at argument 'depth'"):
        Limits(depth=1.5)  # type: ignore[arg-type]
    for value in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"Limits\.wall_time must be positive and finite"):
            Limits(wall_time=value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"nonsense": 1, "also": 2}, r"^Invalid option keys: \['also', 'nonsense'\]"),
        ({"temperature": 2.1}, "^temperature must be a number between 0.0 and 2.0$"),
        ({"temperature": "1"}, "^temperature must be a number between 0.0 and 2.0$"),
        ({"temperature": None}, "^temperature must be a number between 0.0 and 2.0$"),
        ({"temperature": float("nan")}, "^temperature must be a number between 0.0 and 2.0$"),
        ({"max_tokens": 0}, "^max_tokens must be a positive integer$"),
        ({"max_tokens": 1.5}, "^max_tokens must be a positive integer$"),
        ({"format": "xml"}, "^format must be 'text' or 'json'$"),
        ({"system_message": 7}, "^system_message must be a string$"),
        ({"enable_ipv": 1}, "^enable_ipv must be a boolean$"),
        ({"use_original": "no"}, "^use_original must be a boolean$"),
    ],
)
def test_reason_options(options: dict[str, object], text: str) -> None:
    with Dana(llm=Scripted(["x"])) as d, pytest.raises(DanaCallError, match=text):
        d.reason("Is it?", options)


def test_reason_options_that_pass() -> None:
    good = {
        "temperature": 2,
        "max_tokens": True,
        "format": "text",
        "enable_ipv": True,
        "system_message": "be brief",
    }
    with Dana(llm=Scripted(["fine."])) as d:
        assert d.reason("How is it?", good) == "fine."
    with pytest.raises(DanaCallError, match=r"^Options parameter must be a dictionary$"):
        InProcessSandboxInterface().reason("a", "b")  # type: ignore[arg-type]


# Results


def test_state_and_values(isolated: bool) -> None:
    with open_dana(isolated) as d:
        assert d.execute_string("x = 40\nx + 2").result == 42
        assert d.execute_string("x + 3").result == 43
        assert d.get("x") == 40
        d.set("y", [1, "two", None, {"three": 3.0}])
        assert d.execute_string("y[1]").result == "two"
        assert d.is_subprocess_isolated is isolated
        assert (d.sandbox.subprocess_pid is not None) is isolated


def test_result_of_a_success(isolated: bool) -> None:
    with open_dana(isolated) as d:
        result = d.execute_string('print("one")\nprint("two")\nx = 7\nx * 6')
        assert result.success
        assert result.result == 42
        assert result.error is None
        assert result.output == "one\ntwo"
        assert result.execution_time > 0
        assert result.usage.output_bytes >= 8
        assert str(result) == "Success: 42"
        assert result.final_context is not None
        assert result.final_context.get("x") == 7
        assert result.final_context.get("local:x") == 7
        assert result.final_context is result.final_context


def test_result_of_a_failure(isolated: bool) -> None:
    with open_dana(isolated) as d:
        result = d.execute_string('print("before")\nx = 5\nx / 0', "sums.na")
        assert not result.success
        assert result.result is None
        assert result.output == "before"
        assert isinstance(result.error, DanaCallError)
        assert result.error.kind == "ZeroDivisionError"
        assert str(result).startswith("Error: ZeroDivisionError: ")
        assert d.execute_string("x").result == 5, "what was done before the failure stays"
        assert result.final_context is not None


def test_where_it_failed(isolated: bool) -> None:
    source = "def share(total, people):\n    return total / people\n\nshare(1, 0)\n"
    with open_dana(isolated) as d:
        error = d.execute_string(source, "sums.na").error
    assert isinstance(error, DanaCallError)
    assert error.fault is not None
    assert (error.filename, error.line) == ("sums.na", 2)
    lines = str(error).splitlines()
    assert lines[0].startswith("ZeroDivisionError: ")
    assert lines[1].startswith('  File "sums.na", line 2, column ')
    assert lines[2] == "    return total / people"
    assert lines[3].strip() == "^"
    assert lines[3].index("^") - 4 == (error.column or 0) - 1 - 4, (
        "the caret is under the column, the indent removed"
    )
    assert (
        error.traceback_str.splitlines()[-1] == f'  File "sums.na", line 2, column {error.column}, in share'
    )


def test_syntax_error(isolated: bool) -> None:
    with open_dana(isolated) as d:
        error = d.execute_string("x = 1\ny = (2 +\n", "broken.na").error
        assert isinstance(error, DanaCallError)
        assert error.fault is not None
        assert error.fault.syntax
        assert error.filename == "broken.na"
        assert error.line is not None
        assert error.column is not None
        assert "^" in str(error)
        assert d.execute_string("1").success


def test_echo(isolated: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with Dana(use_subprocess_isolation=isolated) as d:
        d.execute_string('print("loud")')
    assert capsys.readouterr().out == "loud\n"
    with open_dana(isolated) as d:
        d.execute_string('print("quiet")')
    assert capsys.readouterr().out == ""


def test_call(isolated: bool) -> None:
    with open_dana(isolated) as d:
        d.execute_string("def quote(quantity: int, rate: float = 1.5):\n    return quantity * rate\n")
        assert d.call("quote", 3) == 4.5
        assert d.call("quote", 3, rate=2) == 6
        assert d.call("quote", quantity=2, rate=2) == 4
        with pytest.raises(DanaCallError, match="TypeError"):
            d.call("quote")
        with pytest.raises(DanaCallError, match="nothing_here"):
            d.call("nothing_here")
        assert d.call("quote", 1, rate=1) == 1


def test_structs_and_functions_come_back(isolated: bool) -> None:
    with open_dana(isolated) as d:
        value = d.execute_string("struct Point:\n    x: int\n    y: int = 2\n\nPoint(x=1)").result
        assert (value.x, value.y) == (1, 2)
        assert repr(value) == "Point(x=1, y=2)"
        assert value.to_dict() == {"x": 1, "y": 2}
        d.set("p", value)
        assert d.execute_string("p.x + p.y").result == 3
        double = d.execute_string("def double(n):\n    return n * 2\n\ndouble").result
        assert double(21) == 42


def test_file(isolated: bool, tmp_path: Path) -> None:
    path = tmp_path / "pricing.na"
    path.write_text("# prices\nprice = 12\nprice / 0\n", encoding="utf-8")
    with open_dana(isolated) as d:
        result = d.execute_file(path)
        assert isinstance(result.error, DanaCallError)
        assert (result.error.filename, result.error.line) == ("pricing.na", 3)
        path.write_text("price + 1\n", encoding="utf-8")
        assert d.execute_file(str(path)).result == 13


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latin = tmp_path / "latin.na"
    latin.write_bytes(b"x = 1\ny = '\xe9'\n")
    with Dana(echo=False) as d:
        cases = {
            tmp_path / "none.na": "Dana file not found: ",
            tmp_path: "this is a directory, not a Dana file: ",
            latin: r"is not UTF-8 text \(line 2, byte 11\)",
        }
        for path, text in cases.items():
            result = d.execute_file(path)
            assert not result.success
            with pytest.raises(ResourceError, match=text):
                raise result.error or AssertionError
            with pytest.raises(DanaCallError, match=text):
                d.sandbox.exec_module(path)

        def refuse(*arguments: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        assert "permission denied" in str(d.execute_file(latin).error)


def test_exec_module(tmp_path: Path) -> None:
    path = tmp_path / "m.na"
    path.write_text("1 / 0\n", encoding="utf-8")
    with Dana(echo=False) as d:
        with pytest.raises(DanaCallError, match=r"^Dana module execution failed: ZeroDivisionError"):
            d.sandbox.exec_module(path)
        path.write_text("7\n", encoding="utf-8")
        assert isinstance(d.sandbox.exec_module(path), ExecutionResult)


def test_host_functions(isolated: bool) -> None:
    def lookup(name: str, *, upper: bool = False) -> str:
        if name == "bomb":
            raise KeyError(name)
        return name.upper() if upper else name

    with open_dana(isolated, functions=[lookup]) as d:
        assert d.execute_string('lookup("a") + lookup("b", upper=true)').result == "aB"
        error = d.execute_string('lookup("bomb")').error
        assert isinstance(error, DanaCallError)
        assert isinstance(error.original_error, KeyError)
        assert error.__cause__ is error.original_error
        assert d.execute_string('lookup("still here")').result == "still here"


def test_a_host_function_cannot_call_back(isolated: bool) -> None:
    opened: list[Dana] = []

    def back() -> object:
        return opened[0].execute_string("1").result

    with open_dana(isolated, functions=[back]) as d:
        opened.append(d)
        error = d.execute_string("back()").error
        assert error is not None
        assert "cannot call back into it" in str(error)
        assert d.execute_string("2").result == 2
        opened.clear()


def test_threads_take_turns(isolated: bool) -> None:
    with open_dana(isolated) as d:
        d.execute_string("n = 0")
        threads = [
            threading.Thread(target=lambda: [d.execute_string("n = n + 1") for _ in range(25)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert d.get("n") == 100
        assert d.usage.steps >= 0


# Models


def test_reason(isolated: bool) -> None:
    script = Scripted(["42", "a text", "yes"])
    with open_dana(isolated, llm=script) as d:
        assert d.reason("What is six times seven?", {"temperature": 0}) == 42
        assert d.reason("Say something.") == "a text"
        assert "calls=2" in repr(d)
        assert "What is six times seven?" in script.requests[0].messages[-1]["content"]
        assert script.requests[0].options.get("temperature") == 0
        assert d.usage.model_calls == 2
        assert d.usage.tokens > 0


def test_typed_answers(isolated: bool) -> None:
    program = (
        "struct Verdict:\n    score: int\n    fine: bool\n\n"
        'n: int = reason("How many?")\n'
        'b: bool = reason("Is it?")\n'
        'l: list = reason("Which?")\n'
        'v: Verdict = reason("And?")\n'
        "[n, b, l, v]"
    )
    script = Scripted(["7", "Yes, it is.", '["a", "b"]', '{"score": 3, "fine": true}'])
    with open_dana(isolated, llm=script) as d:
        result = d.execute_string(program)
        assert result.error is None, str(result.error)
        n, b, items, verdict = result.result
    assert (n, b, items, verdict.to_dict()) == (7, True, ["a", "b"], {"score": 3, "fine": True})
    assert script.requests[0].expects == "int"
    assert script.requests[3].schema is not None
    assert result.usage.model_calls == 4


def test_nonsense_for_a_type(isolated: bool) -> None:
    script = Scripted(["a banana", "a pear", "a plum", "8"])
    with open_dana(isolated, llm=script) as d:
        error = d.execute_string('n: int = reason("How many?")', "typed.na").error
        assert isinstance(error, DanaCallError)
        assert error.line == 1
        assert "int" in str(error)
        assert "a plum" in str(error), "the last reply is told"
        assert len(script.requests) == 3, "it was asked again, with the reason"
        assert d.execute_string('n: int = reason("How many?")').result == 8


def test_no_model(isolated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DANA_LLM", "DANA_MOCK_LLM", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("opendxa.dana.llm.local.Local.installed", staticmethod(lambda: False))
    with open_dana(isolated) as d:
        with pytest.raises(ResourceError, match="no language model is configured") as caught:
            d.reason("Is it?")
        assert isinstance(caught.value, DanaCallError)
        assert str(caught.value).startswith("Dana reasoning failed: ")
        assert isinstance(caught.value.original_error, ResourceError)
        assert d.execute_string("1").success


def test_model_that_fails(isolated: bool) -> None:
    def model(messages: object, options: object) -> str:
        raise ValueError("out of order")

    with open_dana(isolated, llm=model) as d:
        with pytest.raises(DanaCallError, match="Caused by ValueError: out of order") as caught:
            d.reason("Is it?")
        assert isinstance(caught.value.original_error, ValueError)
        assert d.usage.failed_attempts == 0
        handled = 'try:\n    x = reason("Is it?") + "!"\nexcept Exception as error:\n    x = str(error)\nx'
        heard = d.execute_string(handled).result
        assert "the model gave no answer" in heard
        assert "out of order" not in heard, "a provider's text may hold addresses and keys"


def test_empty_prompt() -> None:
    with Dana(llm=Scripted(["x"])) as d, pytest.raises(DanaCallError):
        d.reason("")


def test_unexpected_error_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise OSError("disk on fire")

    with Dana() as d:
        monkeypatch.setattr(d.sandbox, "reason", broken)
        with pytest.raises(DanaCallError, match=r"^Unexpected error in reasoning: disk on fire") as caught:
            d.reason("Is it?")
        assert isinstance(caught.value.original_error, OSError)


def test_debug(capsys: pytest.CaptureFixture[str]) -> None:
    with Dana(debug=True, llm=Scripted(["x", "y"])) as d:
        assert "mode=debug" in repr(d)
        d.reason("Is it?")
        told = capsys.readouterr().out
        assert "Dana call #1" in told
        assert all(line.startswith("DEBUG:") for line in told.splitlines())
        d.set_debug(False)
        d.reason("Is it?")
        assert capsys.readouterr().out == ""


# Life


def test_repr_and_close(isolated: bool) -> None:
    d = open_dana(isolated)
    kind = "subprocess-isolated" if isolated else "in-process"
    assert repr(d) == f"Dana(mode=normal, isolation={kind}, imports-disabled, calls=0)"
    assert isinstance(d.sandbox, SandboxInterface)
    assert isinstance(d.sandbox, SubprocessSandboxInterface if isolated else InProcessSandboxInterface)
    result = d.execute_string("x = 1")
    d.close()
    d.close()
    assert not d.is_subprocess_isolated
    assert d.sandbox.subprocess_pid is None
    assert result.final_context is None
    with pytest.raises(SessionClosedError, match="create a new Dana"):
        d.execute_string("1")


def test_context_manager_does_not_swallow() -> None:
    with pytest.raises(ValueError, match="mine"), Dana():
        raise ValueError("mine")


def test_closes_when_dropped() -> None:
    d = open_dana(True)
    pid = d.sandbox.subprocess_pid
    assert pid is not None
    gone = weakref.ref(d)
    gc.disable()
    try:
        del d
        assert gone() is None, "no cycle keeps it"
    finally:
        gc.enable()
    assert not Path(f"/proc/{pid}").exists()


def test_restart(isolated: bool) -> None:
    with open_dana(isolated) as d:
        d.execute_string("x = 1")
        before = d.sandbox.subprocess_pid
        d.restart_subprocess()
        if isolated:
            assert d.sandbox.subprocess_pid not in (None, before)
            assert not d.execute_string("x").success
            assert d.is_subprocess_isolated
        else:
            assert d.execute_string("x").success


def test_after_fork() -> None:
    with open_dana(True) as d:
        d.execute_string("x = 1")
        child = os.fork()
        if child == 0:
            try:
                isolated = d.is_subprocess_isolated
                d.execute_string("x")
            except SessionClosedError:
                os._exit(1 if isolated else 0)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert d.execute_string("x").result == 1
        assert d.is_subprocess_isolated


# The fall-back


@pytest.fixture
def no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker fail as on a kernel without seccomp."""
    monkeypatch.delenv("DANA_REQUIRE_ISOLATION", raising=False)
    program = tmp_path / "dana-worker"
    program.write_text("#!/bin/sh\necho 'layer seccomp failed: EINVAL' >&2\nexit 70\n")
    program.chmod(0o755)
    monkeypatch.setattr(worker, "PATH", str(program))


@pytest.mark.usefixtures("no_sandbox")
def test_fallback_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.warns(IsolationUnavailableWarning, match="NOT isolated.*seccomp failed") as warned:
        d = Dana(use_subprocess_isolation=True)
    assert warned[0].filename == __file__
    assert "NOT isolated" in caplog.text
    with d:
        assert d.execute_string("40 + 2").result == 42
        assert not d.is_subprocess_isolated
        assert d.sandbox.subprocess_pid is None
        assert "isolation=in-process" in repr(d)
        assert d.isolation.level == "none"
        assert "seccomp failed" in (d.isolation.fallback_reason or "")
        assert "not isolated: " in str(d.isolation)


@pytest.mark.usefixtures("no_sandbox")
def test_fallback_can_be_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IsolationUnavailableError, match="seccomp failed"):
        Dana(use_subprocess_isolation=True, require_isolation=True)
    with pytest.raises(IsolationUnavailableError):
        Dana(require_isolation=True)
    monkeypatch.setenv("DANA_REQUIRE_ISOLATION", "1")
    with pytest.raises(IsolationUnavailableError):
        Dana(use_subprocess_isolation=True)
    with pytest.raises(IsolationUnavailableError):
        Dana()


def test_worker_that_is_not_executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dana-worker"
    path.write_bytes(b"")
    path.chmod(0o644)
    monkeypatch.setattr(worker, "PATH", str(path))
    with pytest.raises(ResourceError, match="not executable"):
        Dana(use_subprocess_isolation=True)


def test_a_missing_worker_is_no_reason_to_fall_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PATH", str(tmp_path / "dana-worker"))
    with pytest.raises(ResourceError, match="is missing"):
        Dana(use_subprocess_isolation=True)


def test_an_isolated_session_never_comes_back_unisolated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DANA_REQUIRE_ISOLATION", raising=False)
    with Dana(use_subprocess_isolation=True) as d:
        assert d.is_subprocess_isolated
        monkeypatch.setattr(worker, "PATH", str(tmp_path / "none"))
        with pytest.raises(ResourceError):
            d.restart_subprocess()
        assert not d.is_subprocess_isolated
        with pytest.raises(ResourceError):
            d.execute_string("1")


@pytest.mark.parametrize("value", ["1", "true", "yes", "0", ""])
def test_required_by_the_environment(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANA_REQUIRE_ISOLATION", value)
    with Dana() as d:
        assert d.is_subprocess_isolated is (value not in ("0", ""))


def test_report(isolated: bool) -> None:
    with open_dana(isolated) as d:
        report = d.isolation
        assert report.level == ("none" if not isolated else report.level)
        assert report.pid == d.sandbox.subprocess_pid
        assert str(report).startswith(f"isolation level: {report.level}")
        data = report.to_dict()
        assert data["level"] == report.level
        if isolated:
            assert report.level not in ("none", "process")
            in_force = {layer.name for layer in report.layers if layer.in_force}
            assert {"seccomp", "no_new_privs", "capabilities", "rlimits", "dumpable"} <= in_force
        else:
            assert not any(layer.in_force for layer in report.layers)
        with pytest.raises(AttributeError):
            report.level = "filtered"  # type: ignore[misc]


def test_a_function_of_the_host_cannot_restart_its_own_session(isolated: bool) -> None:
    def restart() -> None:
        d.restart_subprocess()

    with open_dana(isolated, functions={"restart": restart}) as d:
        result = d.execute_string("restart()")
        if isolated:
            assert "cannot call back into it" in str(result.error)
        assert d.execute_string("1 + 1").result == 2
