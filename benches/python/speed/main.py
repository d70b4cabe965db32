"""The run: sets the stage, lets the series take turns, tells what came of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from . import busy, calls, imports, kills, levels, memory, payloads, report, requests, sessions, sweeps, table
from .machine import described
from .rows import PER_SECOND, SECONDS
from .sample import Samples, Series, take_turns
from .stage import FULL, SMALL, Scale, Stage

Source = Callable[[Stage], Iterator[Series]]

#: What takes turns together. Big values come last: a process that holds them is slow to fork.
PHASES: dict[str, tuple[list[Source], int]] = {
    "calls": ([calls.series], 30),
    "busy": ([busy.series], 8),
    "sessions": (
        [sessions.series, requests.series, kills.series, memory.series, imports.series, levels.series],
        12,
    ),
    "concurrency": ([sweeps.crowds], 3),
    "values": ([payloads.series, sweeps.payloads], 8),
}


def measure(
    phases: dict[str, tuple[list[Source], int]], stage_of: Callable[[ExitStack, Scale], Stage], scale: Scale
) -> tuple[Samples, list[str]]:
    """Run phase by phase; returns what was measured, and what was left out and why."""
    samples = Samples()
    absent: dict[str, None] = {}
    for title, (sources, rounds) in phases.items():
        with ExitStack() as stack:
            stage = stage_of(stack, scale)
            lined_up = [one for source in sources for one in source(stage)]
            take_turns(lined_up, rounds, samples, title)
            absent |= dict.fromkeys(stage.absent)
    return samples, list(absent)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description="Sessions, calls and values beside raw limits and peers.")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quick", action="store_true", help="a quarter of the rounds")
    amount.add_argument("--once", action="store_true", help="all once, small, without peers: a test")
    parser.add_argument("--write", action="store_true", help="write docs/PERFORMANCE.md and the plots")
    parser.add_argument("--only", action="append", choices=list(PHASES), help="a part; may be repeated")
    parser.add_argument("--json", type=Path, help="write all samples to this file")
    parser.add_argument("--plots", type=Path, help="draw the plots into this folder")
    options = parser.parse_args()
    if (options.write or options.plots) and (options.only or options.once):
        parser.error("--write and --plots need all parts, and more than once")

    phases = {
        name: (sources, 1 if options.once else max(2, rounds // 4) if options.quick else rounds)
        for name, (sources, rounds) in PHASES.items()
        if not options.only or name in options.only
    }
    description = described()
    stage, scale = (Stage.of_ours, SMALL) if options.once else (Stage.of_all, FULL)
    samples, absent = measure(phases, stage, scale)
    description += [f"Left out: {reason}" for reason in absent]
    print("\n".join(description), end="\n\n")
    for part in tables(samples):
        if len(part) > 1:
            print(table.as_text(part), end="\n\n")
    if options.json:
        rounds = {f"{row}|{who}": taken for (row, who), taken in samples.rounds.items()}
        options.json.write_text(json.dumps({"description": description, "rounds": rounds}) + "\n")
    if options.write:
        report.write(samples, description)
    folder = report.PLOTS if options.write else options.plots
    if folder:
        from .plots import draw  # noqa: PLC0415 - matplotlib is big, and only here from `make bench`

        draw(samples, folder)


def tables(samples: Samples) -> Iterable[table.Table]:
    """Tell what was measured, the targets last."""
    yield table.everything(samples)
    yield table.swept(samples, "payload", SECONDS, "bytes")
    yield table.swept(samples, "crowd", PER_SECOND, "threads or tasks")
    yield table.levels(samples)
    yield table.targets(samples)
