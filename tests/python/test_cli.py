"""The command `dana-bridge`, as a user calls it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

import opendxa.dana
from opendxa.dana import IsolationLevel
from opendxa.dana.cli.layers import ADDS, STOPS
from opendxa.dana.cli.main import COMMANDS, main
from opendxa.dana.cli.terminal import Terminal
from opendxa.dana.corpus import TABLE, GotThroughError, Ground, Row, carry_out, select
from opendxa.dana.exceptions import IsolationUnavailableError

PLAIN_ROWS = ["15", "21", "28", "41", "62", "122"]


def test_as_a_module() -> None:
    command = [sys.executable, "-m", "opendxa.dana", "doctor", "--json", "--require", "filtered"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [level["level"] for level in found["levels"]] == [level.value for level in IsolationLevel if level]
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert layers["seccomp"]["in_force"]
    assert layers["seccomp"]["evidence"] == "kernel"
    assert all(layer["reason"] for layer in layers.values() if not layer["in_force"])


def test_doctor_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "\033" not in told, "no colour where nobody sees it"
    assert "Strongest level here: " in told
    for level in IsolationLevel:
        assert not level or f"  {level.value} " in told


def test_doctor_says_what_layers_stop_and_what_proves_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {layer["name"] for layer in found["layers"]} == set(STOPS)
    assert {level["level"] for level in found["levels"]} == set(ADDS)
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "every system call but a few" in told
    assert "Seccomp 2" not in told
    assert main(["doctor", "--verbose"]) == 0
    assert "Seccomp 2" in capsys.readouterr().out


def test_doctor_where_nothing_can_be_had(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise IsolationUnavailableError("no sandbox: layer seccomp failed\nHint: none")

    monkeypatch.setattr("opendxa.dana.dana_module.Dana.__init__", refuse)
    assert main(["doctor"]) == 0
    assert main(["doctor", "--require", "process"]) == 1
    assert main(["doctor", "--require", "none"]) == 0
    told = capsys.readouterr().out
    assert "layer seccomp failed" in told
    assert "Strongest level here: none" in told
    assert "The required level process cannot be had here." in told


def test_doctor_shows_what_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    missing = [layer for layer in found["layers"] if layer["wanted"] and not layer["in_force"]]
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert all(layer["remedy"] in told for layer in missing)
    assert ("What helps:" in told) == bool(missing)


def test_unknown_level(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--require", "perfect"]) == 2
    assert main(["attack", "--isolation", "perfect"]) == 2
    assert "perfect" in capsys.readouterr().err


def test_unknown_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attack", "9999"]) == 2
    assert "9999" in capsys.readouterr().err


def test_attack_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attack", *PLAIN_ROWS]) == 0
    told = capsys.readouterr().out
    assert "6 rows at level " in told
    assert "6 withstood, 0 got through" in told
    assert "\033" not in told


def test_attack_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "attack.xml"
    assert main(["attack", "--json", "--junit", str(file), "--isolation", "filtered", *PLAIN_ROWS]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"withstood": 6, "got through": 0, "failed": 0, "not tried": 0}
    assert [row["row"] for row in found["rows"]] == [int(row) for row in PLAIN_ROWS]
    suite = Xml.parse(file).getroot()[0]
    assert suite.get("tests") == "6"
    assert suite.get("failures") == suite.get("errors") == suite.get("skipped") == "0"
    assert suite.find("properties/property[@name='level']").get("value") == found["level"]  # type: ignore[union-attr]
    assert suite.find("testcase").get("name") == "row_015_a_thread_without_the_filter"  # type: ignore[union-attr]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_attack_at_the_highest_level(capsys: pytest.CaptureFixture[str]) -> None:
    """Some rows change the user, who then cannot have all of it: they are tried all the same."""
    if main(["doctor", "--require", "contained"]) != 0:
        pytest.skip("the level contained cannot be had here")
    assert main(["attack", "--isolation", "contained", "52", "98", "121"]) == 0
    assert "3 rows at level contained: 3 withstood" in capsys.readouterr().out


def test_attack_at_a_level_that_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is withstood at a lower level than was asked for would prove nothing of it."""
    assert main(["attack", "--isolation", "process", "15"]) == 2
    assert "not called isolated" in capsys.readouterr().err
    asked = {}

    def refuse(self: object, **settings: object) -> None:
        asked.update(settings)
        raise IsolationUnavailableError("level 'namespaced' is reached, 'contained' is wanted")

    monkeypatch.setattr("opendxa.dana.dana_module.Dana.__init__", refuse)
    assert main(["attack", "--isolation", "contained", "15"]) == 1
    told = capsys.readouterr()
    assert "'contained' is wanted" in told.err
    assert not told.out
    assert asked["min_isolation"] == IsolationLevel.CONTAINED


def fail(_: Ground) -> str:
    raise GotThroughError("call 1 came \x1b back")


def test_attack_that_gets_through(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [
        Row(1, "bad", "syscall", "an attack", "killed", fail),
        Row(2, "broken", "x", "a", "b", lambda _: str(1 / 0)),
    ]
    monkeypatch.setattr("opendxa.dana.corpus.select", lambda rows: tuple(bad))
    file = tmp_path / "attack.xml"
    assert main(["attack", "--junit", str(file)]) == 1
    told = capsys.readouterr().out
    assert "got through" in told
    assert "1 failed" in told
    suite = Xml.parse(file).getroot()[0]
    assert (suite.get("failures"), suite.get("errors")) == ("1", "1")
    monkeypatch.setattr("opendxa.dana.corpus.select", lambda rows: (bad[1],))
    assert main(["attack"]) == 1, "what proves nothing is no success"


def test_a_plain_user_is_told_what_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with Ground() as ground:
        outcomes = {outcome.row.number: outcome for outcome in carry_out(select([2, 49, 73]), ground)}
    assert {outcome.verdict for outcome in outcomes.values()} == {"not tried"}
    assert "needs root" in outcomes[49].seen


def test_rows_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attack", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(TABLE)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    for name in COMMANDS:
        command = import_module(f"opendxa.dana.cli.{name}")
        assert f"  {command.NAME} " in told
        assert command.HELP in told
        assert name == command.NAME


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: dana-bridge {name} ")
    assert "examples:" in told
    assert "exit status:" in told


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rum"], "there is no command 'rum'; did you mean run?"),
        (["frobnicate"], "there is no command 'frobnicate'\n"),
        (["--versoin"], "there is no option --versoin; did you mean --version?"),
        (["doctor", "--requir", "none"], "there is no option --requir; did you mean --require?"),
        (["doctor", "now"], "one word too many: 'now'"),
        (["\x1b[31mrun"], "there is no command '\\x1b[31mrun'"),
    ],
)
def test_what_is_not_understood(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert not shown.out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"dana-bridge {opendxa.dana.__version__}\n"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_and_progress_only_for_eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    assert Terminal(screen).paint("x", "red") == "\033[31mx\033[0m"
    Terminal(screen).progress(1, 2, "half")
    assert "1/2 half" in screen.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    assert Terminal(screen).paint("x", "red") == "x"
    assert Terminal(io.StringIO()).paint("x", "red") == "x"


def test_text_of_programs_does_not_drive_the_terminal() -> None:
    screen = Screen()
    assert Terminal(screen).paint("a\x1b]0;b\x07\u202e", "red") == "a\\x1b]0;b\\x07\\u202e".join(
        Terminal(screen).paint("|", "red").split("|")
    )
    Terminal(screen).progress(1, 2, "a\x1b[2J\nb")
    assert "a\\x1b[2J b" in screen.getvalue()
