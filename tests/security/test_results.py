"""docs/SECURITY-RESULTS.md lists the rows and tests that there are."""

from __future__ import annotations

import re

import results
from opendxa.dana.corpus import filter as live_filter
from rows import COVERED_ELSEWHERE, NOT_COVERED


def test_the_page_lists_every_row_and_its_test() -> None:
    assert results.listed() == results.lines(), "run `make security-results`"


def test_every_row_has_one_place() -> None:
    numbers = [line.number for line in results.lines()]
    assert sorted(numbers) == list(range(1, 124))
    assert {row[0] for row in NOT_COVERED} <= set(numbers)


def test_tests_elsewhere_exist() -> None:
    for _, _, _, _, where in COVERED_ELSEWHERE:
        path, _, name = where.partition("::")
        text = (results.ROOT / path).read_text(encoding="utf-8")
        assert not name or re.search(rf"\b(def|fn) {name}\b", text), where


def test_the_corpus_expects_the_golden_list() -> None:
    """The corpus has a table of its own; the worker's tests have the golden list. They are the same."""
    for target, expected in (("musl", live_filter.EXPECTED), ("gnu", live_filter.EXPECTED_GLIBC)):
        golden = results.ROOT / "dana-worker" / "tests" / "golden" / f"x86_64-{target}.txt"
        told = {}
        for line in golden.read_text(encoding="utf-8").splitlines():
            number, _, verdict = line.split(" ", 2)
            told[int(number)] = verdict
        assert told == expected
