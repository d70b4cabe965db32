"""docs/SECURITY-RESULTS.md: every row of the corpus with its test and what was seen."""

from __future__ import annotations

import importlib
import platform
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from rows import COVERED_ELSEWHERE, NOT_COVERED

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "SECURITY-RESULTS.md"
HERE = Path(__file__).parent

HEAD = """# Results of the attack corpus

Every attack that the project knows of, as one automated test in `tests/security/`, or where the column says.
Written by `make security-results`; the test suite fails when the rows or tests here are not the ones it has.
The last column is what was seen in that run{where}. What is attacked is the worker
that the wheel ships; `dana-bridge attack` tries the rows of `test_portable.py` on your machine.

| row | class | attack | expected | test | seen |
|---|---|---|---|---|---|
"""

TAIL = """
## What of them is not covered

| row | part | why |
|---|---|---|
"""


class Line(NamedTuple):
    """One row of the page, without what was seen."""

    number: int
    kind: str
    attack: str
    expected: str
    test: str


_seen: dict[tuple[str, str], list[tuple[str, list[str]]]] = {}


def note(item: pytest.Item, outcome: str, notes: list[str]) -> None:
    """Remember what became of a test."""
    name = getattr(item, "originalname", item.name)
    _seen.setdefault((item.path.name, name), []).append((outcome, notes))


def complete() -> bool:
    """Whether every row's test ran and passed."""
    ran = {test for test, outcomes in _seen.items() if all(outcome == "passed" for outcome, _ in outcomes)}
    return all(tuple(line.test.split("::")) in ran for line in lines() if "/" not in line.test)


def lines() -> list[Line]:
    """Return what the page must list."""
    found = [Line(*row) for row in COVERED_ELSEWHERE]
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, test in vars(module).items():
            for mark in getattr(test, "pytestmark", ()):
                if mark.name == "row":
                    number, kind, attack, expected = mark.args
                    assert re.fullmatch(rf"test_row_{number:03}_\w+", name), name
                    found.append(Line(number, kind, attack, expected, f"{path.name}::{name}"))
    return sorted(found)


def page() -> str:
    """Return the page, with what was seen in this run."""
    where = f", on Linux {platform.release()}, {platform.machine()}"
    text = HEAD.format(where=where)
    for line in lines():
        outcomes = _seen.get(tuple(line.test.split("::")), [])  # type: ignore[call-overload]
        notes = [note for _, found in outcomes for note in found]
        seen = "; ".join(dict.fromkeys(notes)) or ("in its own suite" if "/" in line.test else "passed")
        cells = [str(line.number), line.kind, line.attack, line.expected, f"`{line.test}`", seen]
        text += "| " + " | ".join(_cell(cell) for cell in cells) + " |\n"
    if NOT_COVERED:
        text += TAIL
        for number, attack, why in NOT_COVERED:
            text += f"| {number} | {_cell(attack)} | {_cell(why)} |\n"
    return text


def listed() -> list[Line]:
    """Return what the page lists."""
    found = []
    for text in PAGE.read_text(encoding="utf-8").partition("## What of them")[0].splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", text)[1:-1]]
        if len(cells) == 6 and cells[0].isdigit():
            found.append(Line(int(cells[0]), cells[1], cells[2], cells[3], cells[4].strip("`")))
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
