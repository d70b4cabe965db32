"""``dana-bridge doctor``: which walls can be had on this machine, and what to do about those that cannot.

Rule: nothing is guessed. A worker is started at every level, and what is shown is its report.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from .layers import ADDS, STOPS
from .remedies import remedy
from .terminal import Terminal
from .usage import isolation_level, visible

if TYPE_CHECKING:
    from ..isolation import IsolationLevel, IsolationReport

__all__ = ["EPILOG", "HELP", "NAME", "Trial", "arguments", "examine", "run"]

NAME = "doctor"
HELP = "show which isolation can be had here, and why not more"
EPILOG = """\
A worker is started at every level, from none < process < filtered < landlocked < namespaced < contained,
and what is shown is what the kernel says of it. Sessions are landlocked unless they ask for another level.

examples:
  dana-bridge doctor
  dana-bridge doctor --require landlocked     for a start script or a health check
  dana-bridge doctor --json | jq .level

exit status:
  0  done    1  the required level cannot be had    2  wrong usage
"""


@dataclass(frozen=True)
class Trial:
    """One level, tried."""

    level: IsolationLevel
    #: What was reached, None when no worker could be had at all.
    report: IsolationReport | None
    #: Why the level was not reached, empty when it was.
    reason: str
    #: Seconds from nothing to a session.
    seconds: float

    @property
    def reached(self) -> bool:
        """Whether the level can be had."""
        return not self.reason


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--json", action="store_true", help="write the findings as JSON")
    parser.add_argument("--verbose", action="store_true", help="also show what proves each layer")
    parser.add_argument("--require", metavar="LEVEL", help="exit with status 1 if this level cannot be had")


def examine() -> list[Trial]:
    """Start a worker at every level."""
    # The sandbox is loaded so that the first level is not charged for what all of them need.
    from .. import sandbox  # noqa: F401, PLC0415 - other commands do without
    from ..isolation import IsolationLevel  # noqa: PLC0415

    return [_try(level) for level in IsolationLevel if level]


def _try(level: IsolationLevel) -> Trial:
    from ..dana_module import Dana  # noqa: PLC0415
    from ..exceptions import DanaError  # noqa: PLC0415

    begin = time.perf_counter()
    try:
        with Dana(isolation=level, min_isolation="process", echo=False) as d:
            seconds = time.perf_counter() - begin
            report = d.isolation
            answer = d.execute_string("6 * 7").result
    except DanaError as error:
        return Trial(level, None, str(error).partition("\n")[0], time.perf_counter() - begin)
    if answer != 42:
        return Trial(level, report, f"the worker calculates wrongly: 6 * 7 is {answer!r}", seconds)
    if report.level >= level:
        return Trial(level, report, "", seconds)
    missing = [layer.name for layer in report.layers if layer.wanted and not layer.in_force]
    return Trial(level, report, f"'{report.level}' is reached; missing: {', '.join(missing)}", seconds)


def run(options: argparse.Namespace) -> int:
    """Examine and tell; return the exit status."""
    from ..isolation import IsolationLevel  # noqa: PLC0415

    required = isolation_level(options.require) if options.require is not None else None
    trials = examine()
    best = max((trial.level for trial in trials if trial.reached), default=IsolationLevel.NONE)
    terminal = Terminal()
    if options.json:
        terminal.line(json.dumps(_document(trials, best), indent=2))
    else:
        _tell(terminal, trials, best, options.verbose)
    if required is None or best >= required:
        return 0
    if not options.json:
        terminal.line(terminal.paint(f"The required level {required} cannot be had here.", "red"))
    return 1


def _document(trials: list[Trial], best: IsolationLevel) -> dict[str, object]:
    from .._bridge import BUILD  # noqa: PLC0415

    report = _fullest(trials)
    layers = [] if report is None else [
        {**vars(layer), "remedy": "" if layer.in_force else remedy(layer.name)} for layer in report.layers
    ]  # fmt: skip
    return {
        "build": BUILD,
        "machine": {**_machine(), "in_container": _in_container()},
        "level": best.value,
        "levels": [
            {
                "level": trial.level.value,
                "reached": trial.reached,
                "reason": trial.reason,
                "seconds": trial.seconds,
            }
            for trial in trials
        ],
        "layers": layers,
    }


def _fullest(trials: list[Trial]) -> IsolationReport | None:
    """Return the report of the strongest level for which a worker could be had."""
    return next((trial.report for trial in reversed(trials) if trial.report is not None), None)


def _machine() -> dict[str, str]:
    system = os.uname()
    return {
        "kernel": system.release,
        "machine": system.machine,
        "user": "root" if os.geteuid() == 0 else f"user {os.geteuid()}",
        "python": platform.python_version(),
    }


def _in_container() -> bool:
    return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()


def _tell(terminal: Terminal, trials: list[Trial], best: IsolationLevel, verbose: bool) -> None:
    facts = _machine()
    where = "in a container, " if _in_container() else ""
    terminal.line(f"Linux {facts['kernel']} on {facts['machine']}, {where}as {facts['user']}")
    terminal.line()
    terminal.line(
        terminal.paint("Levels, each with all of those above it, and what a session takes:", "bold")
    )
    for trial in trials:
        mark = terminal.paint("yes", "green") if trial.reached else terminal.paint("no ", "red")
        took = terminal.paint(f"{trial.seconds * 1000:>6.1f} ms" if trial.reached else f"{'':>9}", "dim")
        told = ADDS[trial.level.value] if trial.reached else trial.reason
        _below(terminal, f"  {trial.level.value:<11} {mark}  {took}  ", 30, told, "")
    report = _fullest(trials)
    if report is not None:
        terminal.line()
        terminal.line(
            terminal.paint(
                f"Layers, with everything asked for ({report.asked}), and what each stops:", "bold"
            )
        )
        _tell_layers(terminal, report, verbose)
    terminal.line()
    terminal.line(f"Strongest level here: {terminal.paint(str(best), 'green' if best else 'red')}")


def _tell_layers(terminal: Terminal, report: IsolationReport, verbose: bool) -> None:
    width = max(len(layer.name) for layer in report.layers)
    for layer in report.layers:
        if layer.in_force:
            state = terminal.paint("in force", "green")
        elif layer.wanted:
            state = terminal.paint("missing ", "red")
        else:
            state = terminal.paint("not used", "yellow")
        proof = terminal.paint(f"{layer.evidence if layer.in_force else '':<6}", "dim")
        terminal.line(f"  {layer.name:<{width}}  {state}  {proof}  {STOPS.get(layer.name, '')}".rstrip())
        told = layer.value if layer.in_force else layer.reason
        if told and (verbose or (layer.wanted and not layer.in_force)):
            _below(terminal, " " * (width + 22), width + 22, told, "dim")
    legend = "kernel: this host read it in the kernel; worker: the kernel does not tell, the worker does"
    terminal.line(f"  {terminal.paint(legend, 'dim')}")
    helps: dict[str, list[str]] = {}
    for layer in report.layers:
        if layer.wanted and not layer.in_force and remedy(layer.name):
            helps.setdefault(remedy(layer.name), []).append(layer.name)
    if helps:
        terminal.line()
        terminal.line(terminal.paint("What helps:", "bold"))
    for advice, names in helps.items():
        terminal.line(f"  {', '.join(names)}")
        _below(terminal, "    ", 4, advice, "blue")


def _below(terminal: Terminal, begins: str, column: int, text: str, colour: str) -> None:
    """Write text behind `begins`, which fills `column` columns; on a terminal, the rest goes below it."""
    room = max(terminal.width - column, 30)
    pieces = wrap(text, room, break_on_hyphens=False) if terminal.interactive and text else [text]
    for number, piece in enumerate(pieces):
        shown = terminal.paint(piece, colour) if colour else visible(piece)
        terminal.line(((" " * column if number else begins) + shown).rstrip())
