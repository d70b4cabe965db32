"""``dana-bridge check``: mistakes in Dana files that can be seen without running them.

Rule: the files are read in this process and never run. The exit status is 0 when nothing was found, 1 when
something was, 2 when a file could not be read or the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

from ..fault import visible
from .source_files import SourceFile, Unreadable, named
from .terminal import Terminal
from .usage import UsageError

if TYPE_CHECKING:
    from ..lint import Finding

__all__ = ["EPILOG", "HELP", "NAME", "arguments", "run"]

NAME = "check"
HELP = "find mistakes in Dana files without running them"
EPILOG = """\
examples:
  dana-bridge check plan.na                  every finding on a line: place, code, what is wrong
  dana-bridge check --json agents/           all .na files of a folder, for a program
  dana-bridge check --ignore V,N103 plan.na  without some codes ('--codes' lists them)
  dana-bridge check --define lookup plan.na  lookup is a function that the host gives to the program

A comment '# check: ignore[V103]' at the end of a line keeps its finding from being reported.

exit status:
  0  nothing found    1  something found    2  wrong usage, or a file that cannot be read
"""

#: Of the shape of the JSON: grows only when something that was there changes.
FORMAT = 1
#: Columns of a source line that are shown.
_EXCERPT = 120

_COLOURS = {"error": "red", "warning": "yellow"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="files, folders, or - for standard input")
    parser.add_argument("--json", action="store_true", help="write the findings as JSON")
    for option, what in [("select", "report only"), ("ignore", "do not report")]:
        text = f"{what} these codes; a prefix such as N stands for all that begin with it"
        parser.add_argument(f"--{option}", action="append", default=[], metavar="CODE[,CODE]", help=text)
    parser.add_argument(
        "--define",
        action="append",
        default=[],
        metavar="NAME[,NAME]",
        help="names that the host gives to the programs: functions and variables",
    )
    parser.add_argument("--codes", action="store_true", help="list all codes and leave")


def run(options: argparse.Namespace) -> int:
    """Check the files; return the exit status."""
    from ..lint import CODES, check_source  # noqa: PLC0415 - other commands do without

    terminal = Terminal()
    if options.codes:
        for code in CODES.values():
            terminal.line(f"{code.name}  {code.severity:<7}  {code.summary}")
        return 0
    select, ignore, defined = (_split(options.select), _split(options.ignore), _split(options.define))
    unknown = [it for it in (*select, *ignore) if not any(code.startswith(it) for code in CODES)]
    if unknown:
        raise UsageError(f"no code begins with {unknown[0]!r}: see --codes")
    bad = [name for name in defined if not name.isidentifier() or not name.isascii()]
    if bad:
        raise UsageError(f"--define takes names, and {bad[0]!r} is none")
    if not options.files:
        raise UsageError("no file given: name files, folders, or - for standard input")
    found: list[tuple[SourceFile, list[Finding]]] = []
    files = unreadable = 0
    for file in named(options.files):
        if isinstance(file, Unreadable):
            unreadable += 1
            sys.stderr.write(f"dana-bridge check: {visible(file.name)}: {visible(file.reason)}\n")
            continue
        files += 1
        exporting = file.path is not None and file.path.name == "__init__.na"
        findings = [
            it
            for it in check_source(file.text, defined=defined, exporting=exporting)
            if (not select or it.code.startswith(select)) and not it.code.startswith(ignore)
        ]
        if not findings:
            continue
        found.append((file, findings))
        if not options.json:
            _tell(terminal, file, findings)
    counts = _counts(findings for _, findings in found)
    if options.json:
        shown = [_as_json(file, it) for file, findings in found for it in findings]
        document = {"format": FORMAT, "files": files, "unreadable": unreadable, **counts, "findings": shown}
        terminal.line(json.dumps(document, indent=2))
    elif terminal.interactive:
        terminal.line(_summary(files, counts))
    return 2 if unreadable else 1 if found else 0


def _split(values: list[str]) -> tuple[str, ...]:
    """Take lists with commas apart."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def _counts(all_findings: Any) -> dict[str, int]:
    counts = {"errors": 0, "warnings": 0}
    for findings in all_findings:
        for finding in findings:
            counts[finding.severity + "s"] += 1
    return counts


def _summary(files: int, counts: dict[str, int]) -> str:
    def some(count: int, what: str) -> str:
        return f"{count} {what}{'' if count == 1 else 's'}"

    told = [some(counts["errors"], "error"), some(counts["warnings"], "warning")]
    return f"{some(files, 'file')} checked: {', '.join(told)}"


def _as_json(file: SourceFile, finding: Finding) -> dict[str, Any]:
    return {
        "file": file.name,
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "hint": finding.hint,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
    }


def _tell(terminal: Terminal, file: SourceFile, findings: list[Finding]) -> None:
    """Tell findings: a line each, and on a terminal the place in the source as well."""
    lines = file.text.split("\n") if terminal.interactive else []
    for finding in findings:
        place = f"{_one_line(file.name)}:{finding.line}:{finding.column}:"
        code = terminal.paint(finding.code, _COLOURS[finding.severity])
        text = _one_line(finding.message)
        if not terminal.interactive:
            hint = f" ({_one_line(finding.hint)})" if finding.hint else ""
            terminal.line(f"{place} {code} {text}{hint}")
            continue
        terminal.line(f"{terminal.paint(place, 'bold')} {code} {text}")
        for line in _excerpt(terminal, lines[finding.line - 1].rstrip("\r"), finding):
            terminal.line(line)
        if finding.hint:
            terminal.line(f"     {terminal.paint('hint:', 'blue')} {_one_line(finding.hint)}")
        terminal.line()


def _one_line(text: str) -> str:
    return visible(" ".join(text.split()))


def _excerpt(terminal: Terminal, line: str, finding: Finding) -> list[str]:
    """Show a source line with its number, and carets under what is meant; cut a long one round it."""
    start = max(0, finding.column - 1 - _EXCERPT // 2) if len(line) > _EXCERPT else 0
    before = _shown(line[start : finding.column - 1])
    last = finding.end_column - 1 if finding.end_line == finding.line else len(line)
    marked = _shown(line[finding.column - 1 : min(last, start + _EXCERPT)])
    rest = _shown(
        line[finding.column - 1 + max(0, min(last, start + _EXCERPT) - finding.column + 1) :][:_EXCERPT]
    )
    gutter = f"{finding.line:>5} | "
    carets = terminal.paint("^" * max(1, _columns(marked)), _COLOURS[finding.severity])
    return [
        terminal.paint(gutter, "dim")
        + before
        + marked
        + rest[: max(0, _EXCERPT - len(before) - len(marked))],
        terminal.paint("      | ", "dim") + " " * _columns(before) + carets,
    ]


def _shown(text: str) -> str:
    return visible(text.replace("\t", "    ").replace("\n", " "))


def _columns(text: str) -> int:
    """Count terminal columns: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
