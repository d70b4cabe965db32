"""What the rows of the corpus share, and the page of their results.

A test is marked `row(number, class, attack, expected)` and named for the attack. With ``DANA_BLESS=1`` a full
run writes docs/SECURITY-RESULTS.md; `test_results` compares the page with the tests in any case.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fake_worker
import results
from leftovers import no_spares, nothing_left
from opendxa.dana._bridge import BUILD, Session
from opendxa.dana.corpus import Ground

Say = Callable[..., Session]


@pytest.fixture
def ground(clean: None) -> Iterator[Ground]:
    """A place for the attacks that can be tried on any machine."""
    with Ground() as place:
        yield place


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """No attack leaves anything behind in the host."""
    with nothing_left():
        yield


@pytest.fixture
def seen(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Note what was seen, for the page of results."""
    return lambda text: record_property("seen", text)


def open_session(path: str, **changes: Any) -> Session:
    """Open a session with a worker at `path`; a turn may take ten seconds."""
    arguments: dict[str, Any] = {
        "limits": {"wall_time": 10},
        "functions": [],
        "ask": lambda turn, kind, payload: None,
        "output": lambda turn, text: None,
        "log": lambda level, text: None,
        "turn": lambda left: None,
        "startup_timeout": 10,
    }
    return Session.spawn(path, **{**arguments, **changes})


@pytest.fixture
def fake(tmp_path: Path, clean: None) -> Iterator[Say]:
    """Open a session with a hostile worker that plays a scenario."""
    opened: list[Session] = []

    def start(scenario: str, data: bytes = b"", **changes: Any) -> Session:
        session = open_session(fake_worker.install(tmp_path, scenario, BUILD, data), **changes)
        opened.append(session)
        return session

    with no_spares():
        yield start
        for session in opened:
            session.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call" or report.outcome != "passed":
        notes = [str(value) for name, value in report.user_properties if name == "seen"]
        results.note(item, report.outcome, notes)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("DANA_BLESS") and results.complete():
        results.PAGE.write_text(results.page(), encoding="utf-8")
