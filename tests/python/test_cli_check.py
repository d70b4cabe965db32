"""`dana-bridge check`: what it says, in which form, with which status; that what it reports is so."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from opendxa.dana import Dana, _bridge
from opendxa.dana.cli.main import main
from opendxa.dana.lint import CODES, Finding, check_source

ROOT = Path(__file__).resolve().parents[2]
LANGUAGE = ROOT / "tests" / "language"
PAGE = (ROOT / "docs" / "CHECK.md").read_text(encoding="utf-8")


def codes(source: str, **told: object) -> list[str]:
    return [finding.code for finding in check_source(source, **told)]  # type: ignore[arg-type]


def typed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.na").write_text("x = 1\nprint(x)\n")
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_finding_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.na"
    file.write_text("total = 1\nprint('é', totl)\n")
    assert main(["check", str(file)]) == 1
    told = capsys.readouterr().out
    assert told == f"{file}:2:12: N101 name 'totl' is not defined (did you mean 'total'?)\n"


def test_all_files_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sub" / "venv").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in ["b.na", "a.na", "sub/c.na", "sub/venv/d.na", ".hidden/e.na", "f.txt"]:
        (tmp_path / name).write_text("x = (\n")
    (tmp_path / "bytes.na").write_bytes(b"x = 1\n'\xff'\n")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    assert main(["check", str(tmp_path), str(tmp_path / "a.na"), str(tmp_path / "none.na")]) == 2
    told = capsys.readouterr()
    assert [Path(line.split(":")[0]).name for line in told.out.splitlines()] == ["a.na", "b.na", "c.na"]
    assert all(":1:5: S101 '(' is never closed" in line for line in told.out.splitlines())
    assert "bytes.na: line 2 is not UTF-8" in told.err
    assert "none.na: No such file or directory" in told.err


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.na"
    file.write_text("def f():\n    return 1\n    print(\n      2)\n")
    assert main(["check", "--json", str(file)]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "format": 1,
        "files": 1,
        "unreadable": 0,
        "errors": 0,
        "warnings": 1,
        "findings": [
            {
                "file": str(file),
                "code": "F101",
                "severity": "warning",
                "message": "this never runs: there is a 'return' on line 2",
                "hint": None,
                "line": 3,
                "column": 5,
                "end_line": 4,
                "end_column": 9,
            }
        ],
    }


def test_select_ignore_define(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.na"
    file.write_text("print(lookup(1) == none, nothing)\n")

    def told(*options: str) -> list[str]:
        main(["check", *options, str(file)])
        return [line.split()[1] for line in capsys.readouterr().out.splitlines()]

    assert told() == ["N101", "V105", "N101"]
    assert told("--select", "V") == ["V105"]
    assert told("--select", "V105,N") == ["N101", "V105", "N101"]
    assert told("--ignore", "N101", "--ignore", "V1") == []
    assert told("--define", "lookup, nothing") == ["V105"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--select", "Q", "-"], "'Q'"),
        (["--ignore", "n101", "-"], "'n101'"),
        (["--define", "a-b", "-"], "'a-b'"),
        ([], "no file given"),
    ],
)
def test_wrong_usage(options: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *options]) == 2
    told = capsys.readouterr()
    assert what in told.err
    assert not told.out


def test_codes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--codes"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(CODES)


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed(monkeypatch, b"\xef\xbb\xbfprint(y)\r\n")
    assert main(["check", "-", "-"]) == 1
    assert capsys.readouterr().out == "<stdin>:1:8: N101 name 'y' is not defined\n"


def test_hostile_text_does_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a\x1b[2J\n.na"
    file.write_text('x = {"\x1b[31m": 1, "\x1b[31m": 2} < 3 < (\n4)\n')
    assert main(["check", str(file)]) == 1
    plain = capsys.readouterr().out
    assert "\x1b" not in plain
    assert len(plain.splitlines()) == 3
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["check", str(file)]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.na"
    file.write_text(f"print('漢字', totl)\nx = {'1 + ' * 100}none\n")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["check", str(file)]) == 1
    told = capsys.readouterr().out
    assert "\x1b[31mN101\x1b[0m" in told
    plain = re.sub(r"\x1b\[\d+m", "", told).splitlines()
    assert "    1 | print('漢字', totl)" in plain
    assert "      |               ^^^^" in plain
    assert plain[-1] == "1 file checked: 1 error, 0 warnings"


def test_comments_that_ignore() -> None:
    assert codes("print(a)  # check: ignore") == []
    assert codes("print(a)  # check: ignore[N101]") == []
    assert codes("print(a)  # see: check: ignore[V103, N]") == []
    assert codes("print(a)  # check: ignore[V103]") == ["N101"]
    assert codes("print(a)  # check: ignore[") == ["N101"]
    assert codes("print('# check: ignore', a)") == ["N101"]
    assert codes("x = (1 <\n 2 < 3)  # check: ignore[V101]") == []
    assert codes("x = (  # check: ignore[V101]\n1 < 2 < 3)") == ["V101"]


CASES = [
    match.groups()
    for match in re.finditer(
        r"^#### (\w\d+):.*?\n\n(?:[^#\n`].*?\n\n)?```text\n# reported\n(.*?)# instead\n(.*?)```",
        PAGE,
        re.M | re.S,
    )
]


@pytest.mark.parametrize(("code", "reported", "instead"), CASES, ids=[case[0] for case in CASES])
def test_the_page_shows_what_is_reported(code: str, reported: str, instead: str) -> None:
    assert set(codes(reported)) == {code}
    assert codes(instead) == []


def test_the_page_has_every_code() -> None:
    assert [case[0] for case in CASES] == list(CODES)


def test_the_page_names_what_the_runtime_says() -> None:
    """An error is a line that fails, a warning one that runs: those that the page shows do."""
    with Dana(use_subprocess_isolation=True, llm="mock", echo=False) as dana:
        for code, reported, _ in CASES:
            result = dana.execute_string(reported)
            if CODES[code].severity == "error":
                assert not result.success, code
            elif code != "N104":
                assert result.success, (code, str(result.error))


def test_syntax_errors_are_where_the_runtime_says() -> None:
    files = sorted(LANGUAGE.glob("syntax_error_*.na"))
    assert len(files) > 50
    for file in files:
        [finding] = check_source(file.read_text(encoding="utf-8"))
        expected = file.with_suffix(".err").read_text(encoding="utf-8").splitlines()[0]
        place = f"Syntax Error (line {finding.line}, column {finding.column}): "
        assert expected == place + finding.message, file.name


def test_no_program_of_the_language_tests_is_accused_wrongly() -> None:
    """Programs that run to their end have errors only where they catch them, or never come."""
    for file in sorted(LANGUAGE.glob("*.na")):
        source = file.read_text(encoding="utf-8")
        if file.with_suffix(".err").exists():
            continue
        lines = source.splitlines()
        for finding in check_source(source):
            if finding.severity == "error":
                told = f"{file.name}:{finding.line}: {finding.code} {finding.message}"
                assert _is_caught(lines, finding), told


def _is_caught(lines: list[str], finding: Finding) -> bool:
    """Tell whether a place stands in a `try`, or in a function or lambda that need not be called."""
    depth = len(lines[finding.line - 1]) - len(lines[finding.line - 1].lstrip())
    if re.search(r"lambda|^def .* = ", lines[finding.line - 1]):
        return True
    for line in reversed(lines[: finding.line - 1]):
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent < depth:
            depth = indent
            if re.match(r"(try|def|sync def)\b", line.strip()):
                return True
    return False


def test_the_examples_are_clean() -> None:
    files = [*ROOT.glob("examples/**/*.na")]
    assert files
    for file in files:
        assert check_source(file.read_text(encoding="utf-8")) == [], file


def test_imports_make_names_uncertain() -> None:
    assert codes("from m import *\nprint(anything)") == []
    assert codes("import m\nprint(m.x, Point(1), point)") == ["N101"]
    assert codes("import math.py\nprint(math.pi, Point)") == ["N101"]
    assert codes("from m import a, b as c\nprint(a)") == ["N104"]
    assert codes("from m import a", exporting=True) == []
    assert codes("from m import T\ndef f(x: list[T]):\n    return x") == []
    assert codes("import shapes\nc = Circle(1)") == []
    assert codes("import math.py") == ["N104"]
    assert codes("print(public:settings, settings)") == []


def test_names_of_the_language() -> None:
    for source in [
        "private:x = 1\nprint(x)",
        "print(public:y, system:z, private:w)",
        "def f():\n    return later\nlater = 1",
        "for i in [1]:\n    if i > 1:\n        print(last)\n    last = i",
        "def f(x) = str as s | len as n | max($$, n)",
        "print([k + v for k, v in [(1, 2)] if k], {(a: b) for a, b in []})",
        "x = reason('q', context={'topic': 1})\nprint(topic)",
        "try:\n    x = 1\nexcept (ValueError, E) as e:\n    print(e)",
        "struct P:\n    x: int\n    def m(self):\n        return self.x\ndef (p: P) f(n=P(1)):\n    return p",
        "agent_blueprint B:\n    a: int = 1\nagent X(B):\n    a = 2\nprint(X)",
        "def f():\n    n = 0\n    def g():\n        return n\n    return g",
        "def f():\n    result = 1",
        "print(__name__)",
        "def outer():\n    x = 1\n    return lambda y=x :: y",
    ]:
        assert codes(source) == [], source


def test_is_complete() -> None:
    for source in ["", "x = 1", "if x:\n    y\n", "x = )", "f(1 2", "try:\n    x\nfinally:\n    y\n    "]:
        assert _bridge.is_complete(source), source
    for source in [
        "f(",
        "x = '''a\n",
        "if x:",
        "if x:\n    y",
        "@d\n",
        "try:\n    x\n\n",
        "struct P:\n    x: int",
    ]:
        assert not _bridge.is_complete(source), source


def test_other_threads_go_on_meanwhile() -> None:
    """The interpreter's lock is released: another thread runs while a large source is read."""
    source = "x = [1, 2, 3]\n" * 200_000
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0)

    thread = threading.Thread(target=tick)
    thread.start()
    before = ticks
    check_source(source)
    after = ticks
    done.set()
    thread.join()
    assert after > before


def test_hostile_sources_end() -> None:
    deep = "x = " + "[" * 100_000
    assert codes(deep) == ["S101"]
    assert codes("lambda x :: " * 50_000) == ["S101"]
    assert codes("print(" + ", ".join(f"undefined_{n}" for n in range(3000)) + ")").count("N101") == 3000
    assert codes("x" + " < 1" * 100_000)[0] == "N101"
    with pytest.raises(UnicodeEncodeError):
        check_source("\ud800")


def test_from_a_shell(tmp_path: Path) -> None:
    """Closed output ends the command quietly."""
    for number in range(200):
        (tmp_path / f"{number}.na").write_text("print(a)\n" * 100)
    command = f"{sys.executable} -m opendxa.dana check {tmp_path} | head -1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=60, env=os.environ, check=False
    )
    assert done.stdout.count("\n") == 1
    assert not done.stderr
