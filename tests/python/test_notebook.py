"""Dana in notebooks: in IPython's own shell, and in a real kernel."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import start_new_kernel
from traitlets.config import Config

from opendxa.dana import Dana, Struct
from opendxa.dana.exceptions import DanaCallError, DeadlineExceededError, IsolationUnavailableWarning
from opendxa.dana.notebook.statement import ends_in_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[2]
LOAD = "%load_ext opendxa.dana.notebook"


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "opendxa.dana.notebook")
    yield shell
    shell.run_line_magic("unload_ext", "opendxa.dana.notebook")
    InteractiveShell.clear_instance()


@pytest.fixture
def run(shell: InteractiveShell) -> Callable[[str], Any]:
    """Run a cell that must succeed; return its value."""

    def ran(cell: str) -> Any:
        result = shell.run_cell(cell)
        result.raise_error()
        return result.result

    return ran


@pytest.fixture
def fail(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[Any, str]]:
    """Run a cell that must fail; return the error and what IPython shows."""

    def failed(cell: str) -> tuple[Any, str]:
        capsys.readouterr()
        result = shell.run_cell(cell)
        assert not result.success
        shown = capsys.readouterr()
        return result.error_in_exec or result.error_before_exec, shown.out + shown.err

    return failed


def session_of(shell: InteractiveShell) -> Dana:
    magics = shell.magics_manager.magics["cell"]["dana"].__self__
    assert isinstance(magics._session, Dana)
    return magics._session


def test_variables_go_in_and_out_and_the_last_expression_is_the_value(
    run: Any, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    import pandas as pd

    shell.push({"df": pd.DataFrame({"a": [1, 2, 3]}), "limit": 1, "twice": lambda x: x * 2})
    cell = "%%dana -i df,limit --in twice -o best,total\n"
    cell += (
        'best = df.where(lambda row :: row["a"] > limit)\ntotal = twice(len(best))\nprint("seen")\ntotal + 1'
    )
    assert run(cell) == 5
    assert capsys.readouterr().out.startswith("seen\n")
    assert run("total") == 4
    assert isinstance(shell.user_ns["best"], pd.DataFrame)
    assert shell.user_ns["best"]["a"].tolist() == [2, 3]
    assert run("%dana total * 10") == 40
    assert run('%dana {"limit": f"{total}"}') == {"limit": "4"}  # no braces of IPython's
    assert run("kept = %dana total\nkept") == 4
    assert session_of(shell).is_subprocess_isolated
    first = session_of(shell)
    assert run("%%dana\ntotal = total + 1") is None
    assert run("%%dana --fresh\n1") == 1
    assert session_of(shell) is not first
    assert first.sandbox.ended


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("1 + 1", True),
        ("x = 1", False),
        ("x: int = 1", False),
        ("x += 1", False),
        ("x.y[0] = 1", False),
        ("private:x = 1", False),
        ("x == 1", True),
        ("x != 1", True),
        ("x <= 1 and y >= 2", True),
        ("f(a=1)", True),
        ('f"""\n= {x}\n"""', True),
        ("x = '''\nf(1)\n'''", False),
        ("[\n1,\n2\n]", True),
        ("x = [\n1,\n2\n]", False),
        ("def f():\n    1\n", False),
        ("def f():\n    x = 1\nf()", True),
        ("if x:\n    y", False),
        ("x = 1\n# x\n\n", False),
        ("x  # = 1", True),
        ("x = 1 ; x", True),
        ("x ; x = 1", False),
        ("'a = b'", True),
        ("'unclosed", True),
        ("import m", False),
        ("struct P:\n    x: int", False),
        ("", False),
        ("# nothing", False),
        ("lambda x :: x == 1", True),
        ("a | b", True),
        ("(", True),
        ("\t x = 1", False),
    ],
)
def test_only_expressions_are_shown(source: str, shown: bool) -> None:
    assert ends_in_expression(source) is shown


def test_finding_the_last_statement_takes_no_time_on_hostile_text() -> None:
    for text in (
        "'" * 200_000,
        '"""' * 100_000,
        "(" * 200_000,
        "\\" * 200_000,
        "f'" * 100_000,
        "\n" * 200_000,
    ):
        ends_in_expression(text)


def test_errors_are_shown_as_dana_tells_them(run: Any, fail: Any, shell: InteractiveShell) -> None:
    error, shown = fail("%%dana\nx = 40\n\nx / 0")
    assert isinstance(error, DanaCallError)
    assert "ZeroDivisionError: division by zero" in shown
    assert "line 4, column 3\n    x / 0\n      ^" in shown  # lines are those of the cell
    assert "magics.py" not in shown
    assert "Traceback" not in shown
    assert run("%dana x + 2") == 42
    error, shown = fail("%%dana\ndef f(:\n    pass")
    assert "Syntax Error (line 2, column 7)" in shown
    error, shown = fail('%%dana\nraise ValueError("\\x1b]0;owned\\x07")')
    assert "\x1b]0" not in shown
    error, shown = fail("%%dana\nsecret = 'hunter' + '2'\nassert secret == 'x'")
    assert "hunter2" not in shown


def test_what_is_missing_or_cannot_cross_is_named(run: Any, fail: Any, shell: InteractiveShell) -> None:
    shell.push({"odd": {"k": [object()]}, "number": 1})
    cases = {
        "%%dana -i missing\n1": "the notebook has no variable 'missing'",
        "%%dana -i odd\n1": "-i odd: a value of type object cannot be sent to Dana at value.k[0]",
        "%%dana -o nowhere\n1": "-o nowhere: NameError: name 'nowhere' is not defined",
        "%%dana -i a-b\n1": "'a-b' is no name of a variable",
        "%%dana --limit speed=1\n1": "'speed=1' is not NAME=VALUE with one of wall_time",
        "%%dana --limit steps=-1\n1": "Limits.steps must be positive",
        "%%dana --isolation weak\n1": "invalid choice: 'weak'",
        "%%dana --bogus\n1": "unrecognized arguments: --bogus",
        "%%dana 'open\n1": "No closing quotation",
        "%dana": "an expression is missing",
        "%dana_info now": "takes no arguments",
    }
    for cell, text in cases.items():
        _, shown = fail(cell)
        assert text in shown, (cell, shown)
        assert "Traceback" not in shown, cell
    run("%%dana -o fine\nfine = 1")
    _, shown = fail("%%dana -o fine\nfine = 2\n1 / 0")
    assert shell.user_ns["fine"] == 1  # what failed gives nothing


def test_settings_belong_to_the_session(run: Any, fail: Any, shell: InteractiveShell) -> None:
    shell.push({"model": lambda _messages, _options: "42"})
    assert run('%%dana --llm model --limit wall_time=5 --limit steps=none\nx: int = reason("?")\nx') == 42
    assert session_of(shell).sandbox.limits.wall_time == 5
    assert session_of(shell).sandbox.limits.steps is None
    assert run("%%dana --llm model\nx") == 42  # the same again is no change
    for option in ("--limit wall_time=6", "--llm mock", "--isolation filtered"):
        _, shown = fail(f"%%dana {option}\nx")
        assert "add --fresh" in shown
    assert run("%dana x") == 42
    run("%%dana --fresh --isolation filtered\n1")
    assert str(session_of(shell).isolation.level) == "filtered"
    run("%dana_reset --isolation none --llm mock")
    assert run("%dana 1 + 1") == 2
    assert not session_of(shell).is_subprocess_isolated


def test_a_session_that_is_over_is_replaced_and_that_is_told(
    run: Any, fail: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    error, _ = fail("%%dana --limit wall_time=0.2\nx = 1\nwhile true:\n    pass")
    assert isinstance(error, DeadlineExceededError)
    assert run("%dana 1 + 1") == 2
    assert "what it held is lost" in capsys.readouterr().err
    fail("%dana x")


def test_a_fall_back_is_loud(run: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, fail: Any) -> None:
    from opendxa.dana.exceptions import IsolationUnavailableError
    from opendxa.dana.sandbox import SubprocessSandboxInterface

    def refuse(_: object) -> None:
        raise IsolationUnavailableError("no sandbox can be had: none in this test")

    monkeypatch.setattr(SubprocessSandboxInterface, "_open", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsolationUnavailableWarning)
        assert run("%dana 1 + 1") == 2
    assert "NOT isolated" in capsys.readouterr().err
    _, shown = fail("%%dana --fresh --isolation landlocked\n1")
    assert "no sandbox can be had: none in this test" in shown
    assert "Traceback" not in shown


def test_information(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("%dana_info")
    assert "no session" in capsys.readouterr().out
    run("%dana 1")
    run("%dana_info")
    told = capsys.readouterr().out
    assert "isolation level: landlocked (worker " in told
    assert "used: " in told


def test_structs_are_tables_and_all_of_it_is_escaped(run: Any, shell: InteractiveShell) -> None:
    struct = run('%%dana\nstruct P:\n    name: str\n    n: int\nP(name="<script>alert(1)</script>", n=1)')
    assert isinstance(struct, Struct)
    html = shell.display_formatter.format(struct)[0]["text/html"]  # type: ignore[union-attr]
    assert "<script>" not in html
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>" in html
    assert html.startswith("<table><caption>P</caption>")
    rows = run('%%dana\n[P(name="a", n=i) for i in range(300)]')
    html = shell.display_formatter.format(rows)[0]["text/html"]  # type: ignore[union-attr]
    assert html.count("<tr>") == 201
    assert "<p>100 more</p>" in html
    for plain in ([1, 2], [], [struct, 1]):
        assert "text/html" not in shell.display_formatter.format(plain)[0]  # type: ignore[union-attr]


def completions(shell: InteractiveShell, text: str) -> list[str]:
    with provisionalcompleter():
        return [item.text for item in shell.Completer.completions(text, len(text))]


def test_completion_knows_the_session_and_runs_nothing(
    run: Any, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("%%dana\nstruct Stone:\n    weight: int\nstock = 3\ndef stow(x):\n    print('never')\nprivate:n = 0")
    monkeypatch.setattr(Dana, "sandbox", property(lambda _: pytest.fail("the session was used")))
    assert {"stock", "stow", "str", "struct"} <= set(completions(shell, "%%dana\nx = st"))
    assert completions(shell, "%%dana\nSto") == ["Stone", "StopIteration"]
    assert "stock" in completions(shell, "%dana 1 + sto")
    assert completions(shell, "%%dana\nstock.") == []
    assert "stow" not in completions(shell, "st")
    assert "--limit" not in completions(shell, "%%dana --li")
    monkeypatch.undo()
    run("%dana_reset")
    assert completions(shell, "%%dana\nsto") == []


def test_cells_run_inside_a_running_event_loop(shell: InteractiveShell) -> None:
    import asyncio

    async def cell() -> Any:
        return shell.run_cell_magic("dana", "", "20 + 1")

    assert asyncio.run(cell()) == 21


def test_loading_twice_and_unloading(run: Any, shell: InteractiveShell) -> None:
    run("%dana x = 1")
    first = session_of(shell)
    shell.run_line_magic("reload_ext", "opendxa.dana.notebook")
    assert first.sandbox.ended
    assert run("%dana 1") == 1
    second = session_of(shell)
    shell.run_line_magic("unload_ext", "opendxa.dana.notebook")
    assert second.sandbox.ended
    assert "dana" not in shell.magics_manager.magics["cell"]


# ---------------------------------------------------------------------------------------- a real kernel


@pytest.fixture(scope="module")
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60)
        yield manager, client
        client.stop_channels()
        manager.shutdown_kernel(now=False)


def executed(kernel: Any, cell: str, hook: Any = None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run a cell in the kernel; return the reply and the outputs."""
    outputs: list[dict[str, Any]] = []

    def heard(message: dict[str, Any]) -> None:
        outputs.append(message)
        if hook is not None:
            hook(message)

    reply = kernel[1].execute_interactive(cell, output_hook=heard, timeout=60, store_history=True)
    return reply["content"], outputs


def test_interrupting_the_kernel_stops_the_program_and_nothing_else(kernel: Any) -> None:
    assert executed(kernel, f"{LOAD}\nkept = 1")[0]["status"] == "ok"

    def interrupt(message: dict[str, Any]) -> None:
        # What is printed appears while the program runs.
        if message["msg_type"] == "stream" and "begun" in message["content"]["text"]:
            kernel[0].interrupt_kernel()

    reply, outputs = executed(kernel, '%%dana\nprint("begun")\nwhile true:\n    pass', interrupt)
    assert reply["status"] == "error"
    assert reply["ename"] == "KeyboardInterrupt"
    shown = "\n".join(reply["traceback"])
    assert "the program was stopped" in shown
    assert "magics.py" not in shown
    reply, outputs = executed(kernel, "%dana 20 + 22")
    assert reply["status"] == "ok"
    results = [message["content"] for message in outputs if message["msg_type"] == "execute_result"]
    assert results[0]["data"]["text/plain"] == "42"
    assert executed(kernel, "assert kept == 1")[0]["status"] == "ok"
    completed = kernel[1].complete("%%dana\nwor", reply=True, timeout=60)["content"]
    assert "workflow" in completed["matches"]


def test_the_example_notebook_runs() -> None:
    notebook = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "it is committed without outputs"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    told = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    for expected in (
        "looked at 3 orders",
        "Verdict",
        "caught: ZeroDivisionError",
        "isolation level: landlocked",
    ):
        assert expected in told
