"""The benchmark runs: every measure is taken once and checks its answers. No time is judged here.

Peers take no part: they are not installed for tests.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speed import report, table
from speed.rows import PER_SECOND, ROWS, SECONDS, Target
from speed.sample import Samples
from speed.stage import SMALL

RUN = Path(__file__).resolve().parents[2] / "benches" / "python" / "run.py"
#: Only root can read them.
LEFT_OUT = set() if os.geteuid() == 0 else {"rss", "dirty"}
if len(os.sched_getaffinity(0)) == 1:
    LEFT_OUT |= {"call_two", "ask_two", "async_two"}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Everything once, in a process of its own: the settings of its pool are not ours."""
    found = tmp_path_factory.mktemp("benches") / "samples.json"
    done = subprocess.run(
        [sys.executable, str(RUN), "--once", "--json", str(found)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rounds = json.loads(found.read_text(encoding="utf-8"))["rounds"]
    return Samples({(key.partition("|")[0], key.partition("|")[2]): taken for key, taken in rounds.items()})


def test_every_row_is_measured(samples: Samples) -> None:
    for series, rounds in samples.rounds.items():
        assert len(rounds) == 1, series
        assert all(math.isfinite(sample) for sample in rounds[0]), series
    for row in ROWS:
        if row.name not in LEFT_OUT:
            assert (row.name, "dana") in samples.rounds, row.name
            assert row.target is None or row.target.against is None or row.target.against in samples.rounds
    for size in SMALL.sizes:
        assert {"raw", "dana"} <= set(samples.who(f"payload:{size}"))
    for size in SMALL.crowds:
        assert {"raw", "dana", "dana, asyncio"} <= set(samples.who(f"crowd:{size}"))
    assert "landlocked" in samples.who("level")


def test_no_request_went_wrong(samples: Samples) -> None:
    contestants = samples.who("request_errors")
    assert contestants == ["raw", "dana", "dana, no spares"]
    assert [samples.all("request_errors", who) for who in contestants] == [[0]] * 3


def test_the_tables_have_a_line_for_everything(samples: Samples) -> None:
    assert len(table.targets(samples)) == 1 + len(ROWS) - len(LEFT_OUT)
    assert len(table.swept(samples, "payload", SECONDS, "bytes")) == 1 + len(SMALL.sizes)
    assert len(table.swept(samples, "crowd", PER_SECOND, "threads")) == 1 + len(SMALL.crowds)


def made_up() -> Samples:
    samples = Samples()
    for factor in (1, 2):
        samples.add("call_one", "raw", [4e-6 * factor, 6e-6 * factor, 8e-6 * factor])
        samples.add("call_one", "dana", [5e-6 * factor, 9e-6 * factor, 10e-6 * factor])
    samples.add("requests", "dana", [2100.0, 1900.0, 2000.0])
    samples.add("request_errors", "dana", [0.0])
    return samples


def test_the_table_compares_medians_with_the_targets() -> None:
    samples = made_up()
    assert samples.median("call_one", "raw") == 8e-6
    assert samples.percentile("call_one", "raw", 99) == 16e-6
    call, requests, errors = table.targets(samples)[1:]
    assert call[1:5] == ["<= 1.3x raw ping-pong", "10 µs", "1.25 (1.50 to 1.50)", "yes"]
    assert requests[1:5] == [">= 2,000/s", "2,000/s", "", "yes"]
    assert errors[2:5] == ["0", "", "yes"]
    samples.add("requests", "dana", [1.0, 1.0, 1.0, 1.0])
    assert table.targets(samples)[2][4] == "**no**"


@pytest.mark.parametrize(
    ("target", "figure", "met"),
    [
        (Target("", at_most=2), 2.0, True),
        (Target("", at_most=2), 2.1, False),
        (Target("", at_least=2), 2.0, True),
        (Target("", at_least=2), 1.9, False),
        (Target("", at_most=0), 1.0, False),
    ],
)
def test_targets(target: Target, figure: float, met: bool) -> None:
    assert target.is_met(figure) is met


def test_the_report_changes_nothing_outside_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.write(made_up(), ["a machine"], page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "- a machine" in text
    assert "| 10 µs |" in text
    assert "old" not in text
    with pytest.raises(ValueError, match="no marks"):
        report.replaced("nothing", "text")


def test_the_page_has_the_marks() -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.replaced(page, "text").count(report.BEGIN) == 1
