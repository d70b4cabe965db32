"""The benchmark runs: every measure is taken once and checks its answers. No time is judged here.

Peers take no part: they are not installed for tests.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from speed import report, table
from speed.main import PHASES, measure
from speed.rows import PER_SECOND, ROWS, SECONDS, Target
from speed.sample import Samples
from speed.stage import SMALL, Stage

#: Only root can read them.
OF_ROOT = {"rss", "dirty"}


def test_every_measure_runs_and_every_row_is_measured() -> None:
    phases = {name: (sources, 1) for name, (sources, _rounds) in PHASES.items()}
    samples, _absent = measure(phases, Stage.of_ours, SMALL)
    for series, rounds in samples.rounds.items():
        assert len(rounds) == 1, series
        assert all(math.isfinite(sample) for sample in rounds[0]), series
    errors = [samples.all("request_errors", who) for who in samples.who("request_errors")]
    assert errors == [[0]] * 3
    left_out = set() if os.geteuid() == 0 else OF_ROOT
    for row in ROWS:
        if row.name not in left_out:
            assert (row.name, "dana") in samples.rounds, row.name
            assert row.target is None or row.target.against is None or row.target.against in samples.rounds
    for size in SMALL.sizes:
        assert {"raw", "dana"} <= set(samples.who(f"payload:{size}"))
    for size in SMALL.crowds:
        assert {"raw", "dana", "dana, asyncio"} <= set(samples.who(f"crowd:{size}"))
    assert "landlocked" in samples.who("level")

    lines = table.targets(samples)
    assert len(lines) == 1 + len(ROWS) - len(left_out)
    assert len(table.swept(samples, "payload", SECONDS, "bytes")) == 1 + len(SMALL.sizes)
    assert len(table.swept(samples, "crowd", PER_SECOND, "threads")) == 1 + len(SMALL.crowds)


def made_up() -> Samples:
    samples = Samples()
    for factor in (1, 2):
        samples.add("call", "raw", [4e-6 * factor, 6e-6 * factor, 8e-6 * factor])
        samples.add("call", "dana", [5e-6 * factor, 9e-6 * factor, 10e-6 * factor])
    samples.add("requests", "dana", [2100.0, 1900.0, 2000.0])
    samples.add("request_errors", "dana", [0.0])
    return samples


def test_the_table_compares_medians_with_the_targets() -> None:
    samples = made_up()
    assert samples.median("call", "raw") == 8e-6
    assert samples.percentile("call", "raw", 99) == 16e-6
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
