"""``dana-bridge attack``: the attack corpus against the installed worker, on this machine.

Exit status 1 if anything got through, or if an attempt failed so that nothing is proven; rows that cannot be
tried here are named and count for nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import Terminal
from .usage import UsageError, isolation_level, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..corpus import Outcome
    from ..isolation import IsolationLevel

__all__ = ["EPILOG", "HELP", "NAME", "arguments", "run"]

NAME = "attack"
HELP = "try the attack corpus on the installed worker"
EPILOG = """\
Forbidden system calls are forced into locked workers, their memory is searched for planted secrets, and
programs that mean harm are run. Nothing of it harms this machine when the walls hold; some rows need root.

examples:
  sudo dana-bridge attack
  dana-bridge attack 15 21 28                  some rows; --list shows what they are
  dana-bridge attack --isolation contained     another level than landlocked
  dana-bridge attack --junit attack.xml        for a CI system

exit status:
  0  all of it withstood    1  something got through, failed, or the level cannot be had    2  wrong usage
"""
COLOUR = {"withstood": "green", "got through": "red", "failed": "red", "not tried": "yellow"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW", help="rows to try (all without any)")
    parser.add_argument(
        "--isolation",
        metavar="LEVEL",
        help="the level of the sessions that are attacked, filtered to contained (default: landlocked, "
        "or filtered where that cannot be had)",
    )
    parser.add_argument("--list", action="store_true", help="list the rows and try none")
    parser.add_argument("--json", action="store_true", help="write the results as JSON")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write them as JUnit XML")
    parser.add_argument("--verbose", action="store_true", help="also show what was seen of rows withstood")


def run(options: argparse.Namespace) -> int:
    """Attack; return the exit status."""
    from ..corpus import Ground, carry_out, select  # noqa: PLC0415 - other commands do without
    from ..exceptions import DanaError  # noqa: PLC0415
    from ..isolation import IsolationLevel  # noqa: PLC0415

    terminal = Terminal()
    settings: dict[str, IsolationLevel] = {}
    try:
        rows = select(options.rows)
        if options.isolation:
            settings["isolation"] = level = isolation_level(options.isolation)
            if level < IsolationLevel.FILTERED:
                raise ValueError(
                    f"sessions at {level.value!r} are not called isolated: nothing is to be withstood"
                )
    except ValueError as error:
        raise UsageError(str(error)) from error
    if options.list:
        for row in rows:
            terminal.line(f"{row.number:>4}  {row.kind:<13} {row.attack}")
        return 0
    progress = Terminal(sys.stderr) if options.json else terminal
    outcomes = []
    with Ground(**settings) as ground:
        try:
            with ground.session() as d:
                level = d.isolation.level
        except DanaError as error:
            sys.stderr.write(f"dana-bridge attack: {visible(str(error))}\n")
            return 1
        progress.progress(0, len(rows), "")
        for outcome in carry_out(rows, ground):
            outcomes.append(outcome)
            progress.progress(len(outcomes), len(rows), outcome.row.attack)
    progress.end_progress()
    if options.junit:
        _write_junit(options.junit, level, outcomes)
    if options.json:
        terminal.line(json.dumps(_document(level, outcomes), indent=2))
    else:
        _tell(terminal, level, outcomes, options.verbose)
    return 1 if any(outcome.verdict in ("got through", "failed") for outcome in outcomes) else 0


def _document(level: IsolationLevel, outcomes: Sequence[Outcome]) -> dict[str, object]:
    counts = Counter(outcome.verdict for outcome in outcomes)
    return {
        "user": os.geteuid(),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "level": level.value,
        "counts": {verdict: counts[verdict] for verdict in COLOUR},
        "rows": [outcome.to_dict() for outcome in outcomes],
    }


def _tell(terminal: Terminal, level: IsolationLevel, outcomes: Sequence[Outcome], verbose: bool) -> None:
    kind = None
    for outcome in outcomes:
        if outcome.row.kind != kind:
            kind = outcome.row.kind
            terminal.line(terminal.paint(kind, "bold"))
        verdict = terminal.paint(f"{outcome.verdict:<11}", COLOUR[outcome.verdict])
        terminal.line(f"{outcome.row.number:>4}  {verdict}  {outcome.row.attack}")
        if verbose or outcome.verdict in ("got through", "failed"):
            terminal.line(f"      {terminal.paint(outcome.seen, 'dim')}")
    terminal.line()
    untried: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.verdict == "not tried":
            untried.setdefault(outcome.seen, []).append(str(outcome.row.number))
    for reason, numbers in untried.items():
        terminal.line(f"Not tried ({reason}): {', '.join(numbers)}")
    counts = Counter(outcome.verdict for outcome in outcomes)
    # Red is for what is there: that nothing got through is good news.
    parts = [terminal.paint(f"{counts[verdict]} {verdict}", colour if counts[verdict] else "green")
             for verdict, colour in COLOUR.items()
             if counts[verdict] or verdict in ("withstood", "got through")]  # fmt: skip
    seconds = sum(outcome.seconds for outcome in outcomes)
    tried = terminal.paint(f"{len(outcomes)} rows", "bold")
    terminal.line(f"{tried} at level {level.value}: {', '.join(parts)} in {seconds:.1f} s")


def _write_junit(path: Path, level: IsolationLevel, outcomes: Sequence[Outcome]) -> None:
    from xml.etree import ElementTree as Xml  # noqa: PLC0415 - rarely wanted

    counts = Counter(outcome.verdict for outcome in outcomes)
    suite = Xml.Element(
        "testsuite",
        name="dana-bridge attack",
        tests=str(len(outcomes)),
        failures=str(counts["got through"]),
        errors=str(counts["failed"]),
        skipped=str(counts["not tried"]),
        time=f"{sum(outcome.seconds for outcome in outcomes):.3f}",
    )
    properties = Xml.SubElement(suite, "properties")
    Xml.SubElement(properties, "property", name="level", value=level.value)
    for outcome in outcomes:
        case = Xml.SubElement(
            suite,
            "testcase",
            classname=f"dana.{outcome.row.kind.strip('/').replace(' ', '_')}",
            name=outcome.row.name,
            time=f"{outcome.seconds:.3f}",
        )
        element = {"got through": "failure", "failed": "error", "not tried": "skipped"}.get(outcome.verdict)
        if element:
            Xml.SubElement(case, element, message=_printable(outcome.seen))
        else:
            Xml.SubElement(case, "system-out").text = _printable(outcome.seen)
    suites = Xml.Element("testsuites")
    suites.append(suite)
    Xml.ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
