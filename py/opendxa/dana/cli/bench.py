"""``dana-bridge bench``: what sessions, calls, values and computing take on this machine, in half a minute.

Rule: every figure is a median with what the slowest hundredth took, beside what was measured and where; a
busy machine is told, not averaged away. docs/PERFORMANCE.md has more figures, with peers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from .session import LEVELS, REFUSED
from .terminal import Terminal
from .usage import UsageError, did_you_mean

if TYPE_CHECKING:
    from .measurements import Row

__all__ = ["EPILOG", "HELP", "NAME", "arguments", "run"]

NAME = "bench"
HELP = "measure sessions, calls, values and computing on this machine"
EPILOG = """\
It takes about half a minute on a quiet machine with two processors, and a few seconds with --quick, whose
figures are rougher. Models are not measured: the one that answers here is a list of answers.

examples:
  dana-bridge bench
  dana-bridge bench --isolation contained      what the strongest level costs
  dana-bridge bench --quick --json > here.json

exit status:
  0  done    2  wrong usage    3  no isolated session can be had
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--quick", action="store_true", help="a few seconds, rougher figures")
    parser.add_argument("--json", action="store_true", help="write the figures as JSON, times in seconds")
    parser.add_argument(
        "--isolation",
        metavar="LEVEL",
        default="landlocked",
        help=f"{', '.join(LEVELS[2:])} (usually landlocked)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure and tell; return the exit status."""
    from ..exceptions import DanaError, IsolationUnavailableError  # noqa: PLC0415
    from .measurements import QUICK_SECONDS, SECONDS, STEPS, Bench  # noqa: PLC0415

    level = options.isolation
    if level not in LEVELS[2:]:
        hint = did_you_mean(level, LEVELS[2:])
        raise UsageError(
            f"there is no isolation level {level!r} to measure{hint}\nHint: {', '.join(LEVELS[2:])}"
        )
    bench = Bench(level, QUICK_SECONDS if options.quick else SECONDS)
    terminal = Terminal()
    progress = Terminal(sys.stderr) if options.json else terminal
    begun = time.perf_counter()
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    try:
        with bench.session() as d:
            reached = d.isolation.level.value
        for done, (name, step) in enumerate(STEPS):
            progress.progress(done, len(STEPS), name)
            step(bench)
    except DanaError as error:
        from .failures import tell  # noqa: PLC0415

        tell(Terminal(sys.stderr), error)
        return REFUSED if isinstance(error, IsolationUnavailableError) else 1
    finally:
        progress.end_progress()
    machine = {**_machine(), "isolation": reached, "load": round(busy, 2)}
    seconds = time.perf_counter() - begun
    if options.json:
        document = {"machine": machine, "seconds": seconds, "figures": [vars(row) for row in bench.rows]}
        terminal.line(json.dumps(document, indent=2))
    else:
        _tell(terminal, bench.rows, machine, seconds)
    return 0


def _machine() -> dict[str, Any]:
    from .. import __version__  # noqa: PLC0415

    system = os.uname()
    return {
        "version": __version__,
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "kernel": f"Linux {system.release}",
        "machine": system.machine,
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the processor's name, as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def _tell(terminal: Terminal, rows: list[Row], machine: dict[str, Any], seconds: float) -> None:
    terminal.line(
        terminal.paint(f"dana-bridge {machine['version']}", "bold")
        + terminal.paint(f" on {machine['processor']}, {machine['processors']} processors", "dim")
    )
    where = f"{machine['kernel']}, Python {machine['python']}, isolation: {machine['isolation']}"
    terminal.line(terminal.paint(where, "dim"))
    width = max(len(row.name) for row in rows)
    terminal.line()
    terminal.line(terminal.paint(f"{'':{width + 4}}{'median':>9}  {'p99':>9}  {'samples':>7}", "dim"))
    part = ""
    for row in rows:
        if row.part != part:
            part = row.part
            terminal.line(terminal.paint(part, "bold"))
        p99 = "" if row.p99 is None else _said(row.p99, row.unit)
        figure = terminal.paint(f"{_said(row.median, row.unit):>9}", "green")
        rest = terminal.paint(f"  {p99:>9}  {row.samples:>7,}", "dim")
        terminal.line(f"  {row.name:<{width + 2}}{figure}{rest}".rstrip())
    terminal.line()
    notes = [
        f"Measured in {seconds:.0f} s by the caller's clock, conversion of values included; p99 is what the "
        "slowest hundredth took at least (of fewer than 100 samples: the slowest).",
        "Models are not in it: reason() is answered from a list.",
    ]
    if machine["load"] > 0.5:
        notes.append(
            f"The machine was busy when this began (load {machine['load']:.1f} a processor): "
            "the figures are worse than they could be."
        )
    for note in notes:
        for line in wrap(note, max(min(terminal.width, 110), 40)):
            terminal.line(terminal.paint(line, "yellow" if note is notes[-1] and len(notes) > 2 else "dim"))


def _said(value: float, unit: str) -> str:
    """Write a figure with three digits and its unit."""
    if unit == "1/s":
        return f"{value:,.0f} /s"
    if unit == "x":
        return f"{value:.2f} x"
    if unit == "B":
        return f"{value / 2**20:.1f} MiB"
    factor, name = (1, "s") if value >= 1 else (1e3, "ms") if value >= 1e-3 else (1e6, "us")
    scaled = value * factor
    return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f} {name}"
