"""`dana-bridge run`, as a user calls it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from opendxa.dana import IsolationLevel, Limits
from opendxa.dana.cli import quantities, session
from opendxa.dana.cli.main import main
from opendxa.dana.cli.usage import UsageError
from opendxa.dana.exceptions import IsolationUnavailableError

COMMAND = [sys.executable, "-m", "opendxa.dana", "run"]
MAIN = """\
print("first")
def __main__(city, days: int = 2):
    print(f"{city}: {days}")
    return [city, days]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "program.na"


def run(*words: str | Path, text: str | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [*COMMAND, *map(str, words)], input=text, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


class TestPrograms:
    def test_only_the_programs_output_is_printed(self, file: Path) -> None:
        file.write_text('print("a", end="")\nprint("\u00e9")\n6 * 7\n')
        assert run(file) == (0, "a\u00e9\n", "")

    def test_isolated_unless_it_is_said_otherwise(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file.write_text("1")
        for words, level in (
            ([], "landlocked"),
            (["--isolation", "filtered"], "filtered"),
            (["--in-process"], "none"),
            (["--isolation", "none"], "none"),
        ):
            assert main(["run", str(file), "--json", *words]) == 0
            assert json.loads(capsys.readouterr().out)["isolation"] == level

    def test_from_standard_input(self) -> None:
        assert run("-", text="print(6 * 7)") == (0, "42\n", "")
        status, out, err = run("-", text="x = (1")
        assert (status, out) == (1, "")
        assert err.startswith("Syntax Error (line 1, column ")
        assert 'File "<stdin>", line 1' in err

    def test_from_a_pipe_that_can_be_read_once(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with subprocess.Popen([*COMMAND, str(pipe)], stdout=subprocess.PIPE, text=True) as process:
            pipe.write_text("print(1)")
            assert process.communicate() == ("1\n", None)

    def test_a_failure_is_told_with_its_place(self, file: Path) -> None:
        file.write_text('print("before")\nx = 1\nx / 0\n')
        status, out, err = run(file)
        assert (status, out) == (1, "before\n")
        assert err == (
            'ZeroDivisionError: division by zero\n  File "program.na", line 3, column 3\n    x / 0\n      ^\n'
        )

    def test_modules_beside_the_program_and_in_search_paths(self, file: Path) -> None:
        (file.parent / "near.na").write_text('where = "beside"')
        shelf = file.parent / "shelf"
        shelf.mkdir()
        (shelf / "near.na").write_text('where = "shelf"')
        (shelf / "far.na").write_text('where = "shelf"')
        file.write_text("import near\nimport far\nprint(near.where, far.where)")
        assert run(file, "-I", shelf) == (0, "beside shelf\n", "")
        status, _, err = run(file)
        assert status == 1
        assert "far" in err
        assert run(file, "-I", shelf / "none")[0] == 2

    def test_standard_input_that_is_no_program(self) -> None:
        done = subprocess.run([*COMMAND, "-"], input=b"x = '\xff'", capture_output=True, check=False)
        assert done.returncode == 2
        assert b"the program in standard input is not UTF-8 text (byte 5)" in done.stderr
        done = subprocess.run([*COMMAND, "-"], input=b"#" * (2**22 + 1), capture_output=True, check=False)
        assert done.returncode == 2
        assert b"larger than 4194304 bytes" in done.stderr

    def test_loggers_are_as_they_were_afterwards(self, file: Path) -> None:
        package = logging.getLogger("opendxa.dana")
        before = package.propagate, list(package.handlers), logging.getLogger("opendxa.dana.program").level
        file.write_text("1")
        assert main(["run", str(file)]) == 0
        after = package.propagate, list(package.handlers), logging.getLogger("opendxa.dana.program").level
        assert after == before

    def test_logs_of_the_program_go_to_standard_error(self) -> None:
        source = 'log("a\\nb \\x1b[2J")\nlog("c", "WARNING")\nprint(1)'
        assert run("-", text=source) == (0, "1\n", "INFO: a\\nb \\u{1b}[2J\nWARNING: c\n")

    def test_missing_and_unreadable_files(self, file: Path) -> None:
        file.write_text("1")
        status, out, err = run(file.with_name("progam.na"))
        assert (status, out) == (2, "")
        assert err.startswith("dana-bridge run: Dana file not found: ")
        assert "did you mean 'program.na'?" in err
        assert run(file.parent)[0] == 2
        file.write_bytes(b"x = '\xff'")
        assert "not UTF-8" in run(file)[2]


class TestMain:
    def test_values_are_json_or_text(self, file: Path) -> None:
        file.write_text("def __main__(a, b, c, d, e):\n    return [a, b, c, d, e]\n")
        words = ["a=3", "b=Hue", 'c={"k": [1, null]}', 'd="3"', "e=NaN"]
        assert run(file, "--result", *words) == (0, "[3, 'Hue', {'k': [1, None]}, '3', 'NaN']\n", "")

    def test_options_may_stand_between_values(self, file: Path) -> None:
        file.write_text(MAIN)
        assert run(file, "city=Hue", "--result", "days=3")[1] == "first\nHue: 3\n['Hue', 3]\n"
        assert run("--result", file, "city=Hue")[1] == "first\nHue: 2\n['Hue', 2]\n"

    def test_it_is_called_without_values_too(self, file: Path) -> None:
        file.write_text("sync def __main__():\n    print('called')\n")
        assert run(file) == (0, "called\n", "")

    def test_wrong_values_are_the_programs_failure(self, file: Path) -> None:
        file.write_text(MAIN)
        status, _, err = run(file)
        assert status == 1
        assert err.startswith("TypeError: __main__() missing 1 required positional argument: 'city'\n")
        status, _, err = run(file, "city=Hue", "name=x")
        assert status == 1
        assert "unexpected keyword argument 'name'" in err

    def test_values_are_never_source(self, file: Path) -> None:
        file.write_text(MAIN)
        hostile = '"); print("injected'
        assert run(file, f"city={hostile}") == (0, f"first\n{hostile}: 2\n", "")

    def test_without_it_values_are_refused_and_nothing_runs(self, file: Path) -> None:
        for source in ('print("ran")', 'if true:\n    def __main__(a):\n        return a\nprint("ran")'):
            file.write_text(source)
            status, out, err = run(file, "a=1")
            assert (status, out) == (2, "")
            assert "program.na defines no __main__ in its first column, so a=... has no meaning" in err
        file.write_text('text = """\ndef __main__(a):\n"""\nprint("ran")')
        assert run(file) == (0, "ran\n", "")
        status, out, err = run(file, "a=1")
        assert (status, out) == (2, "ran\n")
        assert "defines no __main__" in err

    def test_a_program_that_fails_is_not_called(self, file: Path) -> None:
        file.write_text(MAIN + "1 / 0\n")
        status, out, _ = run(file, "city=x")
        assert (status, out) == (1, "first\n")

    @pytest.mark.parametrize(
        ("name", "content", "value"),
        [
            ("a.json", '{"k": [1, 2.5, null]}', {"k": [1, 2.5, None]}),
            ("a.csv", 'name,price\n"tea, green",3.5\n', [{"name": "tea, green", "price": "3.5"}]),
            ("a.txt", "one\ntwo\n", "one\ntwo\n"),
            ("a", "\ufeff3", "3"),
        ],
    )
    def test_values_from_files(
        self, name: str, content: str, value: object, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file.write_text("def __main__(x):\n    return x\n")
        (file.parent / name).write_text(content)
        assert main(["run", str(file), "--json", f"x=@{file.parent / name}"]) == 0
        assert json.loads(capsys.readouterr().out)["result"] == value

    def test_yaml_needs_a_parser(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file.write_text("def __main__(x):\n    return x\n")
        (file.parent / "a.yaml").write_text("k: [1, two]\n")
        monkeypatch.setitem(sys.modules, "yaml", None)
        assert main(["run", str(file), f"x=@{file.parent / 'a.yaml'}"]) == 2
        assert "pip install pyyaml" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("word", "told"),
        [
            ("city", "'city' is not key=value"),
            ("1=2", "'1' is no name of a parameter"),
            ("x=@none.json", "x=@none.json cannot be read: No such file or directory"),
            ("x=" + "9" * 5000, "x: Exceeds the limit"),
            ("x=" + "[" * 100_000, "x: "),
        ],
    )
    def test_values_that_are_none(
        self, word: str, told: str, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file.write_text("def __main__(x):\n    return x\n")
        assert main(["run", str(file), word]) == 2
        assert told in capsys.readouterr().err
        assert main(["run", str(file), "x=1", "x=2"]) == 2
        assert "x is given twice" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("name", "content", "told"),
        [
            ("a.json", "{,}", "line 1 column 2"),
            ("a.csv", "a,b\n1\n", "line 2 has not as many fields as the first"),
            ("a.csv", "a,a\n1,2\n", "two columns have the same name"),
            ("a.csv", 'a\n"b\n', "unexpected end of data"),
        ],
    )
    def test_files_that_are_not_what_they_say(
        self, name: str, content: str, told: str, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file.write_text("def __main__(x):\n    return x\n")
        (file.parent / name).write_text(content)
        assert main(["run", str(file), f"x=@{file.parent / name}"]) == 2
        assert told in capsys.readouterr().err


class TestJson:
    def test_one_document(self, file: Path) -> None:
        file.write_text(MAIN)
        status, out, err = run(file, "city=Hue", "--json")
        document = json.loads(out)
        assert (status, err) == (0, "")
        assert document["success"]
        assert document["result"] == ["Hue", 2]
        assert document["output"] == "first\nHue: 2\n"
        assert document["isolation"] == "landlocked"
        assert document["usage"]["output_bytes"] == len(document["output"])
        assert document["seconds"] > 0

    def test_of_a_failure(self, file: Path) -> None:
        file.write_text('print("x")\nraise ValueError("no")')
        status, out, _ = run(file, "--json")
        document = json.loads(out)
        assert (status, document["success"], document["output"]) == (1, False, "x\n")
        error = document["error"]
        assert (error["class"], error["kind"], error["message"]) == ("DanaCallError", "ValueError", "no")
        assert (error["file"], error["line"], error["column"]) == ("program.na", 2, 1)

    def test_of_a_session_that_a_limit_ended(self) -> None:
        status, out, err = run("-", "--json", "--limit", "steps=1k", text="print(1)\nwhile true:\n    pass")
        document = json.loads(out)
        assert (status, err) == (1, "")
        assert (document["isolation"], document["output"]) == ("landlocked", "1\n")
        assert document["error"]["class"] == "StepLimitError"

    def test_values_that_json_does_not_know(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file.write_text("struct P:\n    x: int\n[P(x=1), (1, 2), set([2, 1])]")
        assert main(["run", str(file), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["result"] == [{"x": 1}, [1, 2], [1, 2]]
        for source in ('float("nan")', "def f():\n    return 1", "{(1, 2): 3}"):
            file.write_text(source)
            assert main(["run", str(file), "--json"]) == 1
            document = json.loads(capsys.readouterr().out)
            assert document["error"]["text"].startswith("the result cannot be written as JSON: ")


class TestIsolation:
    def test_levels_are_the_packages(self) -> None:
        assert tuple(level.value for level in IsolationLevel) == session.LEVELS

    def test_refused(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise IsolationUnavailableError("no sandbox can be had: no seccomp\nHint: none")

        file.write_text('print("ran")')
        monkeypatch.setattr("opendxa.dana.sandbox.SubprocessSandboxInterface.__init__", refuse)
        assert main(["run", str(file), "--require-isolation"]) == 3
        told = capsys.readouterr()
        assert told.err.startswith("no sandbox can be had: no seccomp")
        assert not told.out
        assert main(["run", str(file), "--isolation", "contained"]) == 3
        assert main(["run", str(file)]) == 0
        told = capsys.readouterr()
        assert told.out.endswith("ran\n")
        assert "warning: the Dana session is NOT isolated" in told.err

    def test_the_environment_demands_it(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file.write_text("1")
        monkeypatch.setenv("DANA_REQUIRE_ISOLATION", "1")
        assert main(["run", str(file)]) == 0
        assert main(["run", str(file), "--in-process"]) == 3

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--isolation", "landlock"], "there is no isolation level 'landlock'; did you mean landlocked?"),
            (["--in-process", "--require-isolation"], "--in-process contradicts --require-isolation"),
            (["--in-process", "--isolation", "filtered"], "--in-process contradicts --isolation filtered"),
            (["--isolation", "process", "--require-isolation"], "it is not called isolated"),
        ],
    )
    def test_what_contradicts_itself(
        self, words: list[str], told: str, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file.write_text("1")
        assert main(["run", str(file), *words]) == 2
        assert told in capsys.readouterr().err


class TestLimits:
    @pytest.mark.parametrize(
        ("word", "limits"),
        [
            ("wall_time=2s", Limits(wall_time=2.0)),
            ("wall-time=500ms", Limits(wall_time=0.5)),
            ("session_time=1.5min", Limits(session_time=90.0)),
            ("cpu_time=1h", Limits(cpu_time=3600.0)),
            ("wall_time=.5", Limits(wall_time=0.5)),
            ("memory=64MiB", Limits(memory=64 * 2**20)),
            ("memory=64m", Limits(memory=64 * 2**20)),
            ("memory=1.5 GiB", Limits(memory=3 * 2**29)),
            ("memory=100_000_000", Limits(memory=10**8)),
            ("output=1MB", Limits(output=10**6)),
            ("steps=10M", Limits(steps=10**7)),
            ("depth=50", Limits(depth=50)),
            ("asks=none", Limits(asks=None)),
            ("tokens=2k", Limits(tokens=2000)),
            ("model_calls=5", Limits(model_calls=5)),
            ("cost=0.50", Limits(cost=0.5)),
        ],
    )
    def test_units(self, word: str, limits: Limits) -> None:
        assert quantities.limits([word]) == limits

    def test_several(self) -> None:
        assert quantities.limits(["steps=5", "depth=6", "steps=7"]) == Limits(steps=7, depth=6)
        assert quantities.limits([]) is None

    @pytest.mark.parametrize(
        ("word", "told"),
        [
            ("wal_time=2", "there is no limit 'wal_time'; did you mean wall_time?"),
            ("memory", "--limit memory needs a value: --limit memory=64MiB, or none to lift it"),
            ("memory=", "--limit memory needs a value"),
            ("memory=64x", "a number with a unit of B, "),
            ("memory=-1", "a number with a unit of B, "),
            ("steps=1.5", "--limit steps=1.5: this is not a whole number"),
            (
                "wall_time=2MB",
                "a number with a unit of ms, s, m, min, h is wanted, as in wall_time=2s, or none",
            ),
            ("cost=2s", "--limit cost=2s: a number is wanted"),
            ("wall_time=0", "Limits.wall_time must be positive and finite"),
            ("memory=99999999999G", "Limits.memory must be positive and finite"),
            ("steps=" + "9" * 5000, "this number is too long"),
        ],
    )
    def test_what_makes_no_sense(self, word: str, told: str) -> None:
        with pytest.raises(UsageError) as caught:
            quantities.limits([word])
        assert told in str(caught.value)

    def test_reached(self) -> None:
        status, out, err = run("-", "--limit", "steps=1k", text="print(1)\nwhile true:\n    pass")
        assert (status, out) == (1, "1\n")
        assert err.startswith("StepLimitError: step limit of 1000 reached\n")
        assert "The turn took: " in err

    def test_hints_say_the_command_lines_words(self) -> None:
        source = "while true:\n    pass"
        _, _, err = run("-", "--limit", "wall_time=100ms", text=source)
        assert "Hint: raise --limit wall_time=..., or lift it with wall_time=none" in err


class TestModels:
    def test_named(self) -> None:
        source = 'n: int = reason("How many?")\nprint(n + 1)'
        assert run("-", "--llm", "scripted:41", text=source) == (0, "42\n", "")

    def test_unknown(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file.write_text("1")
        assert main(["run", str(file), "--llm", "gpt-4o"]) == 2
        assert "--llm: llm names no known model: 'gpt-4o'\nHint: openai:<model>" in capsys.readouterr().err


class TestTerminals:
    def test_errors_do_not_drive_the_terminal(self) -> None:
        source = 'raise ValueError("a\\x1b]0;title\\x07\\u202eb")'
        _, _, err = run("-", text=source)
        assert "\x1b" not in err
        assert "\x07" not in err
        assert "\u202e" not in err

    def test_output_that_nobody_reads(self) -> None:
        source = "i = 0\nwhile true:\n    i += 1\n    print(i)\n"
        words = [*COMMAND, "-"]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(source)
            process.stdin.close()
            assert process.stdout.readline() == "1\n", "it streams"
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait() == 141

    def test_output_that_cannot_be_written(self) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*COMMAND, "-"], input="print(1)", stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 1
        assert done.stderr == "dana-bridge run: [Errno 28] No space left on device\n"

    def test_streams_that_are_closed(self, file: Path) -> None:
        file.write_text("print(1)\n1 / 0")
        for closed, output in ((1, b""), (2, b"1\n")):
            done = subprocess.run(
                [sys.executable, "-c", CLOSING, str(closed), "run", str(file)],
                capture_output=True,
                check=False,
            )
            assert (done.returncode, done.stdout) == (1, output)
            assert done.stderr.startswith(b"ZeroDivisionError" if closed == 1 else b"")
        words = [sys.executable, "-c", CLOSING, "0", "run", "-"]
        done = subprocess.run(words, capture_output=True, check=False)
        assert done.stderr == b"dana-bridge run: standard input is closed\n"

    def test_text_that_the_terminal_cannot_show(self) -> None:
        done = subprocess.run(
            [*COMMAND, "-"],
            input='print("\u00e9")'.encode(),
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        assert (done.returncode, done.stdout) == (0, b"\\xe9\n")

    def test_ctrl_c_ends_the_worker(self) -> None:
        # A shell that runs tests in the background ignores it, and children inherit that.
        words = [sys.executable, "-c", OPEN_TO_CTRL_C, "run", "-"]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write('print("here")\nwhile true:\n    pass\n')
            process.stdin.close()
            assert process.stdout.readline() == "here\n"
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            assert children, "a worker runs"
            process.send_signal(signal.SIGINT)
            assert process.wait() == 130
            assert process.stderr is not None
            assert process.stderr.read() == "\n"
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


CLOSING = """\
import os, sys
os.close(int(sys.argv.pop(1)))
os.execv(sys.executable, [sys.executable, "-m", "opendxa.dana", *sys.argv[1:]])
"""
OPEN_TO_CTRL_C = """\
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from opendxa.dana.cli.main import main
sys.exit(main())
"""


def test_nothing_heavy_is_loaded(file: Path) -> None:
    """`run` starts fast: neither other commands nor what only the prompt needs."""
    file.write_text("1")
    code = (
        "import sys; from opendxa.dana.cli.main import main; main(sys.argv[1:]); "
        "sys.exit(','.join(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(file)], capture_output=True, text=True, check=False
    )
    loaded = set(done.stderr.strip().split(","))
    assert "opendxa.dana.cli.run" in loaded
    heavy = {
        "prompt_toolkit",
        "pygments",
        "httpx",
        "asyncio",
        "opendxa.dana.llm",
        "opendxa.dana.corpus",
        "json",
    }
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith("opendxa.dana.cli.")} - {
        f"opendxa.dana.cli.{name}" for name in ("main", "run", "session", "usage")
    }
