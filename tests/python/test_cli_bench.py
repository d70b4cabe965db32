"""`dana-bridge bench`: figures with units, and where they come from. How good they are is not tested here."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from opendxa.dana.cli import bench
from opendxa.dana.cli.main import main
from opendxa.dana.cli.measurements import PROGRAMS, STEPS, Bench, Row
from opendxa.dana.cli.terminal import Terminal
from opendxa.dana.exceptions import IsolationUnavailableError


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Measure once, in a process of its own: the pool of this one stays as it is."""
    done = subprocess.run(
        [sys.executable, "-m", "opendxa.dana", "bench", "--quick", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no progress where nobody looks"
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_every_part_is_measured(document: dict[str, Any]) -> None:
    figures = document["figures"]
    parts = {figure["part"] for figure in figures}
    assert parts == {"Start", "Sessions", "Calls", "Values", "Computing", "Memory"}
    for figure in figures:
        assert figure["median"] > 0, figure
        assert figure["samples"] >= 1
        assert figure["p99"] is None or figure["p99"] >= figure["median"]
        assert figure["unit"] in ("s", "1/s", "x", "B")
    names = [figure["name"] for figure in figures]
    assert len(set(names)) == len(names)
    assert all(name in names for name in PROGRAMS)


def test_it_is_said_where(document: dict[str, Any]) -> None:
    machine = document["machine"]
    assert machine["isolation"] == "landlocked"
    assert machine["processors"] >= 1
    assert machine["kernel"].startswith("Linux ")
    assert machine["load"] >= 0
    assert document["seconds"] > 0


def test_for_people() -> None:
    screen = io.StringIO()
    rows = [
        Row("Calls", "a call", "s", 15.3e-6, 6.39e-3, 1497),
        Row("Calls", "a slow call", "s", 2.5, 3.0, 3),
        Row("Sessions", "sessions", "1/s", 1225.4, samples=63),
        Row("Computing", "ratio", "x", 1.789, samples=5),
        Row("Memory", "worker", "B", 2.5 * 2**20),
    ]
    machine = {
        "version": "1", "processor": "a \x1b[31m processor", "processors": 2, "kernel": "Linux 6",
        "python": "3.11", "isolation": "landlocked", "load": 0.2,
    }  # fmt: skip
    bench._tell(Terminal(screen), rows, machine, 12.3)
    told = screen.getvalue()
    assert "\x1b" not in told
    for row in ("15.3 us    6.39 ms    1,497", "2.50 s", "1,225 /s", "1.79 x", "2.5 MiB"):
        assert row in told
    assert "busy" not in told
    bench._tell(Terminal(screen), rows, {**machine, "load": 3.5}, 12.3)
    assert "The machine was busy when this began (load 3.5 a processor)" in " ".join(
        screen.getvalue().split()
    )


def test_a_level_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--isolation", "contaned"]) == 2
    assert "did you mean contained?" in capsys.readouterr().err
    assert main(["bench", "--isolation", "process"]) == 2


def test_without_isolation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise IsolationUnavailableError("no sandbox can be had: no seccomp")

    monkeypatch.setattr("opendxa.dana.sandbox.SubprocessSandboxInterface.__init__", refuse)
    assert main(["bench"]) == 3
    assert capsys.readouterr().err == "no sandbox can be had: no seccomp\n"


def test_steps_tell_how_far_it_has_come(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(Terminal, "progress", lambda _, done, total, __: seen.append((done, total)))
    monkeypatch.setattr(
        "opendxa.dana.cli.measurements.STEPS",
        (("one", lambda b: b.rows.append(Row("A", "b", "x", 1.0))),) * 2,
    )
    assert main(["bench"]) == 0
    assert seen == [(0, 2), (1, 2)]
    assert "1.00 x" in capsys.readouterr().out
    assert len(STEPS) > 2
    assert Bench("landlocked", 1.0).rows == []
