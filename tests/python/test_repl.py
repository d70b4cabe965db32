"""`dana-bridge repl`: typed statements, completion, the prompt on a terminal."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import signal
import stat
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from pexpect.fdpexpect import fdspawn
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from opendxa.dana import Dana
from opendxa.dana.cli import prompt
from opendxa.dana.cli.completion import METHODS, Names, suggest
from opendxa.dana.cli.console import COMMANDS, Console, LeaveError
from opendxa.dana.cli.main import main
from opendxa.dana.cli.statements import indentation, is_finished, shows_value, split

ENTER = "\r"


class TestStatements:
    @pytest.mark.parametrize(
        ("text", "finished"),
        [
            ("x = 1", True),
            (":help", True),
            ("x = [1,", False),
            ("if x:", False),
            ("if x:\n    y = 1", False),
            ("if x:\n    y = 1\n", True),
            ("x = )", True),
            ('"""abc', False),
        ],
    )
    def test_when_they_are_finished(self, text: str, finished: bool) -> None:
        assert is_finished(text) is finished

    @pytest.mark.parametrize(
        ("before", "columns"),
        [
            ("x = 1", 0),
            ("if x:", 4),
            ("if x:  # why", 4),
            ("    if x:", 8),
            ("    y = 1", 4),
            ("    return y", 0),
            ("        break", 4),
            ("f = lambda ::", 0),
        ],
    )
    def test_indentation(self, before: str, columns: int) -> None:
        assert indentation(before) == columns

    @pytest.mark.parametrize(
        ("source", "shown"),
        [
            ("1 + 1", True),
            ("f(x=1)", True),
            ("[a == b for a in c]", True),
            ("x", True),
            ("private:x", True),
            ("none", True),
            ("not x", True),
            ("lambda x = 5 :: x", True),
            ("(\n1)", True),
            ("a = 1; a", True),
            ("a = 1\na  # c", True),
            ('f"{x=}"', True),
            ('"""a\nb = 1"""', True),
            ("x = 1", False),
            ("x: int = 1", False),
            ("private:x = 1", False),
            ("x.y[1] += 2", False),
            ("f = lambda x :: x", False),
            ("a; b = 1", False),
            ("if x:\n    y", False),
            ("def f():\n    return 1", False),
            ("@log_calls\ndef f():\n    return 1\n", False),
            ("import m", False),
            ("pass", False),
            ("", False),
        ],
    )
    def test_whose_value_is_shown(self, source: str, shown: bool) -> None:
        assert shows_value(source) is shown

    def test_of_a_script_of_lines(self) -> None:
        script = (
            "x = 1\n\ndef f(a):\n    b = 2\n\n# inside\n    return a + b\nif x:\n    y\nelse:\n    z\n"
            "[1,\n\n2]\n:help\ntry:\n    a\nexcept:\n    b\n:quit\r\nx = (\n"
        )
        assert list(split(io.StringIO(script))) == [
            "x = 1",
            "def f(a):\n    b = 2\n\n# inside\n    return a + b",
            "if x:\n    y\nelse:\n    z",
            "[1,\n\n2]",
            ":help",
            "try:\n    a\nexcept:\n    b",
            ":quit",
            "x = (",
        ]


class TestCompletion:
    @pytest.fixture(scope="class")
    @classmethod
    def names(cls) -> Names:
        with Dana() as d:
            assert d.execute_string('''
struct Inner:
    deep: str
struct Point:
    """A place."""
    x: int = 1  # to the right
    inner: Inner | None = none
def (p: Point) moved(dx: int) -> Point:
    return p
def greet(name: str, times: int = 2) -> str:
    """Greets somebody."""
    return name
def _hidden():
    return 1
p = Point()
letter = "a"
''').success
            texts = {
                "shop": "def price(a):\n    return a\nrate: float = 2.0\n_own = 1\nif rate == 2:\n    b = 1\n"
            }
            return Names.of(d.describe(), lambda: ["shop", "shelf"], texts.get)

    @pytest.mark.parametrize(
        ("before", "expected"),
        [
            ("gre", ["greet"]),
            ("x = gre", ["greet"]),
            ("p.", ["x", "inner", "moved"]),
            ("p.m", ["moved"]),
            ("letter.startsw", ["startswith"]),
            ("'a'.startsw", ["startswith"]),
            ("import sh", ["shop", "shelf"]),
            ("from sho", ["shop"]),
            ("from shop import ", ["price", "rate"]),
            ("from shop import price, r", ["rate"]),
            ("private:let", ["letter"]),
            (":he", [":help"]),
            ("if x:\n    gre", ["greet"]),
            ("Poi", ["Point"]),
            ("pri", ["print", "private:"]),
            ("retu", ["return"]),
            ("Zero", ["ZeroDivisionError"]),
            ('f"{gre', ["greet"]),
            ("_hid", []),
            ("unknown.", []),
            ("greet().", []),
            ("1.", []),
            ('"gre', []),
            ("# gre", []),
            ('f"gre', []),
            ('"""\ngre', []),
        ],
    )
    def test_what_can_follow(self, before: str, expected: list[str], names: Names) -> None:
        assert [one.text for one in suggest(before, names, COMMANDS)] == expected

    def test_it_says_what_things_are(self, names: Names) -> None:
        (greet,) = suggest("gre", names)
        assert greet.about == "(name: str, times: int = 2) -> str  Greets somebody."
        assert greet.replaces == 3
        assert suggest("lette", names)[0].about == "str"
        assert suggest("p.x", names)[0].about == "int = 1"
        assert suggest("Poin", names)[0].about == "struct(x, inner)"

    def test_methods_are_the_languages(self) -> None:
        examples = {
            "str": '""', "list": "[]", "tuple": "()", "range": "range(1)", "dict": "{}", "set": "set()",
            "int": "1", "bool": "true", "float": "1.5", "bytes": '"".encode()',
        }  # fmt: skip
        assert examples.keys() == METHODS.keys()
        with Dana(echo=False) as d:
            for kind, example in examples.items():
                for method in METHODS[kind].split():
                    assert d.execute_string(f"x = {example}\nm = x.{method}").success, (kind, method)

    def test_a_session_that_has_too_much_is_not_asked_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Dana(echo=False) as d:
            console = Console(d)
            monkeypatch.setattr("opendxa.dana.cli.console.PATIENCE", -1.0)
            assert console.names().builtins
            assert not console.names().builtins
            console.enter(":reset")
            assert console.names().builtins

    def test_a_session_that_ended_meanwhile_is_replaced(self, capsys: pytest.CaptureFixture[str]) -> None:
        with Dana(use_subprocess_isolation=True, echo=False) as d:
            console = Console(d)
            pid = d.isolation.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            console.names()
            assert d.is_subprocess_isolated
            assert "a new one begins" in capsys.readouterr().err

    def test_nothing_runs(self) -> None:
        with Dana(echo=False) as d:
            d.execute_string("def f():\n    private:n = 1\n    return 1\nprivate:n = 0")
            console = Console(d)
            steps = d.usage.steps
            for before in ("f", "f().", "f(", "import ", "x = f"):
                suggest(before, console.names())
            assert d.get("private:n") == 0
            assert d.usage.steps == steps


def lines(text: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return main(["repl", *words])


class TestWithoutATerminal:
    def test_statements_and_values(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        script = 'x = 6\nx * 7\nnone\n"text"\nprint("a", end="")\nx\ndef f():\n    return [1]\n\nf()\n'
        assert lines(script, monkeypatch) == 0
        told = capsys.readouterr()
        assert told.out == "42\n'text'\na\n6\n[1]\n"
        assert told.err == ""

    def test_a_long_value_is_cut(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert lines('"x" * 1000000\n', monkeypatch) == 0
        told = capsys.readouterr().out
        assert told.endswith("x... (980,002 more characters)\n")
        assert len(told) < 21_000

    def test_it_goes_on_after_a_failure(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert lines("x = 1\n1 / 0\nx = (\n", monkeypatch) == 1
        told = capsys.readouterr()
        assert told.err.startswith('ZeroDivisionError: division by zero\n  File "<input 2>", line 1')
        assert "Syntax Error" in told.err

    def test_values_do_not_drive_the_terminal(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = (
            'struct P:\n    x: str\nP(x="\\x1b[2J\\u202e")\n"\\x1b"\nraise ValueError("\\x1b[2J")\n:\\x1b\n'
        )
        assert lines(source, monkeypatch) == 1
        told = capsys.readouterr()
        assert "\x1b" not in told.out + told.err
        assert "\u202e" not in told.out + told.err

    def test_a_limit_ends_the_session_and_a_new_one_begins(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for words in ([], ["--in-process"]):
            script = "x = 1\nwhile true:\n    pass\n2\nx\n"
            assert lines(script, monkeypatch, "--limit", "steps=1k", *words) == 1
            told = capsys.readouterr()
            assert told.out == "2\n"
            assert "StepLimitError: step limit of 1000 reached" in told.err
            assert "Hint: raise or lift the limit" in told.err
            assert "The session is over, and what it held is lost: a new one begins." in told.err
            assert "NameError: name 'x' is not defined" in told.err

    def test_commands(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "some.na"
        file.write_text('print("loaded")\nloaded = 1\n')
        script = (
            f":help\n:load {file}\nloaded\n:type [loaded]  # why\n:names\n:limits\n:usage\n"
            ":isolation\n:reset\n:quit\nprint('after')\n"
        )
        assert lines(script, monkeypatch) == 0
        told = capsys.readouterr().out
        assert all(f"  {name}" in told for name in COMMANDS)
        assert "loaded\n1\nlist\n  loaded: int\n  wall_time     60 s\n" in told
        assert "memory        512 MiB" in told
        assert "isolation level: landlocked (worker " in told
        assert "A new session begins." in told
        assert "after" not in told

    def test_commands_that_are_none(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert lines(":hlep\n:load\n:load none.na\n:type\n:type 1 +\n", monkeypatch) == 1
        told = capsys.readouterr()
        assert "there is no command :hlep; did you mean :help?" in told.err
        assert "Dana file not found: none.na" in told.err
        assert ":type needs an expression" in told.err
        assert told.out == ""

    def test_words_of_other_prompts(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert lines("exit()\n", monkeypatch) == 1
        assert capsys.readouterr().err.endswith("Hint: :quit or Ctrl-D leaves\n")
        assert lines("quit = 3\nquit\n", monkeypatch) == 0
        told = capsys.readouterr()
        assert (told.out, told.err) == ("3\n", "")

    def test_a_killed_worker(self) -> None:
        with Dana(use_subprocess_isolation=True, echo=False) as d:
            console = Console(d)
            console.enter("x = 1")
            pid = d.isolation.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            console.enter("x")
            assert console.failed == 1
            assert d.is_subprocess_isolated
            assert d.isolation.pid != pid
            console.enter("y = 2")
            assert d.get("y") == 2

    def test_in_a_process_of_its_own(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "opendxa.dana", "repl"],
            input="6 * 7\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")


class TestPrompt:
    @pytest.fixture(autouse=True)
    def state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        return tmp_path

    @staticmethod
    def type(keys: str, *, keeps_history: bool = False) -> Dana:
        """Type these keys and leave; return the session."""
        d = Dana(echo=False)
        with create_pipe_input() as typed:
            typed.send_text(keys + ("" if keys.endswith("\x04") else "\x04"))
            prompt.converse(Console(d), keeps_history=keeps_history, input=typed, output=DummyOutput())
        return d

    def test_blocks_are_indented_and_end_with_an_empty_line(self) -> None:
        with self.type(
            f"def f(a):{ENTER}if a:{ENTER}b = 1{ENTER}return b{ENTER}c = 2{ENTER}return c{ENTER}{ENTER}"
            f"x = f(0){ENTER}"
        ) as d:
            assert d.get("x") == 2
            assert d.call("f", 1) == 1

    def test_brackets_go_on(self) -> None:
        with self.type(f"x = [1,{ENTER}2]{ENTER}") as d:
            assert d.get("x") == [1, 2]

    def test_alt_enter_breaks_a_line(self) -> None:
        with self.type(f"x = 1\x1b{ENTER}y = 2{ENTER}") as d:
            assert (d.get("x"), d.get("y")) == (1, 2)

    def test_ctrl_c_drops_the_line(self) -> None:
        with self.type(f"x = 1{ENTER}x = 2\x03y = 3{ENTER}") as d:
            assert (d.get("x"), d.get("y")) == (1, 3)

    def test_tab_indents(self) -> None:
        with self.type(f"if true:{ENTER}\x7f\tx = 1{ENTER}{ENTER}") as d:
            assert d.get("x") == 1

    def test_pasted_text_is_one_input(self) -> None:
        text = "def f():\r    a = 1\r\r    return a\r"
        with self.type(f"\x1b[200~{text}\x1b[201~{ENTER}x = f(){ENTER}") as d:
            assert d.get("x") == 1

    def test_quit(self) -> None:
        with self.type(f"x = 1{ENTER}  {ENTER}:quit{ENTER}") as d:
            assert d.get("x") == 1

    def test_what_a_program_prints_is_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        with self.type(f'1 / 0{ENTER}"value"{ENTER}'):
            told = capsys.readouterr()
            assert "'value'" in told.out
            assert "ZeroDivisionError" in told.err
            banner = told.out.splitlines()[:2]
            assert banner[0].startswith("Dana, dana-bridge ")
            assert "isolation: NOT isolated (in this process)" in banner[0]
            assert "model: " in banner[0]

    def test_history_is_kept_for_its_owner_alone(self, state: Path) -> None:
        with self.type(f"x = 1{ENTER} secret = 2{ENTER}", keeps_history=True):
            pass
        file = state / "dana-bridge" / "history"
        assert prompt.history_file() == file
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "x = 1" in file.read_text()
        assert "secret" not in file.read_text()
        with self.type(f"\x1b[A + 4{ENTER}", keeps_history=True) as d:
            assert d.get("x") == 5

    def test_no_history(self, state: Path) -> None:
        with self.type(f"x = 1{ENTER}"):
            assert not list(state.iterdir())

    def test_a_history_that_cannot_be_kept(self, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (state / "dana-bridge").write_text("a file")
        with self.type(f"x = 1{ENTER}", keeps_history=True) as d:
            assert d.get("x") == 1
        assert "The history is not kept: " in capsys.readouterr().out

    def test_a_relative_state_folder_is_ignored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", "here")
        monkeypatch.setenv("HOME", "/home/somebody")
        assert prompt.history_file() == Path("/home/somebody/.local/state/dana-bridge/history")

    def test_leaving_is_no_failure(self) -> None:
        with Dana() as d, pytest.raises(LeaveError):
            Console(d).enter(":quit")


def test_on_a_terminal(tmp_path: Path) -> None:
    environment: Any = {
        **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
        "TERM": "xterm-256color",
        "XDG_STATE_HOME": str(tmp_path),
        # Nobody answers here where the cursor is.
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }
    # A terminal of its own, where Ctrl-C works: a shell that runs tests in the background has it ignored.
    code = (
        "import fcntl, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from opendxa.dana.cli.main import main; sys.exit(main())"
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    words = [sys.executable, "-c", code, "repl", "--no-history"]
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        child = fdspawn(ours, timeout=60, encoding="utf-8")
        try:
            converse(child)
            assert process.wait(60) == 0
        finally:
            process.kill()
            child.close()


def converse(child: fdspawn) -> None:
    child.expect_exact("landlocked")
    child.expect("worker ([0-9]+)")
    worker = int(child.match[1])
    child.expect_exact("dana> ")
    # What is typed is written too, so only what a program writes tells that it ran.
    child.send(f"greeting = 'hel' + 'lo'; print('def' + 'ined'){ENTER}")
    child.expect_exact("defined")
    child.expect_exact("dana> ")
    child.send("greet\t")
    child.expect_exact("ing")  # the rest of the name
    child.send(f"{ENTER}")
    child.expect_exact("'hello'")
    child.expect_exact("dana> ")
    child.send(f"print('run' + 'ning'){ENTER}")
    child.expect_exact("running")
    child.expect_exact("dana> ")
    child.send(f"print('start' + 'ed'); x = 1\x1b{ENTER}while true:{ENTER}pass{ENTER}{ENTER}")
    child.expect_exact("started")
    child.send("\x03")
    child.expect_exact("interrupted")
    child.expect_exact("a new one begins")
    child.expect_exact("dana> ")
    assert not Path(f"/proc/{worker}").exists()
    child.send(f"greeting{ENTER}")
    child.expect_exact("NameError")
    child.expect_exact("dana> ")
    child.send("\x04")
