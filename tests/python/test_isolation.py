"""Levels of isolation: what the arguments mean, and what a session then has. SECURITY.md has the table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from opendxa.dana import Dana, IsolationLevel, IsolationUnavailableWarning, worker
from opendxa.dana.arguments import REQUIRE_VARIABLE
from opendxa.dana.exceptions import IsolationUnavailableError
from opendxa.dana.wish import Wish, resolve

if TYPE_CHECKING:
    from pathlib import Path

NONE, PROCESS, FILTERED, LANDLOCKED, NAMESPACED, CONTAINED = IsolationLevel


@pytest.fixture(autouse=True)
def no_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRE_VARIABLE, raising=False)


def test_levels_compare_by_strength() -> None:
    assert list(IsolationLevel) == sorted(IsolationLevel)
    assert NONE < PROCESS < FILTERED < LANDLOCKED < NAMESPACED < CONTAINED
    assert LANDLOCKED == "landlocked"
    assert LANDLOCKED >= "filtered"
    assert not FILTERED > "filtered"
    assert {LANDLOCKED: 1}["landlocked"] == 1  # type: ignore[index]
    assert f"{NAMESPACED}" == str(NAMESPACED) == "namespaced"
    assert [bool(level) for level in IsolationLevel] == [False, True, True, True, True, True]
    with pytest.raises(ValueError, match="very"):
        assert LANDLOCKED > "very"


@pytest.mark.parametrize(
    ("use", "require", "isolation", "least", "expected"),
    [
        # The older arguments alone.
        (False, False, None, None, None),
        (True, False, None, None, (LANDLOCKED, FILTERED, True)),
        (False, True, None, None, (LANDLOCKED, FILTERED, False)),
        (True, True, None, None, (LANDLOCKED, FILTERED, False)),
        # A level: tried for, accepted from `filtered` on, never a fall-back.
        (False, False, "none", None, None),
        (False, False, "process", None, (PROCESS, PROCESS, False)),
        (False, False, "filtered", None, (FILTERED, FILTERED, False)),
        (False, False, "landlocked", None, (LANDLOCKED, FILTERED, False)),
        (False, False, "contained", None, (CONTAINED, FILTERED, False)),
        (True, False, "namespaced", None, (NAMESPACED, FILTERED, False)),
        (False, True, "namespaced", None, (NAMESPACED, FILTERED, False)),
        (False, False, NAMESPACED, NAMESPACED, (NAMESPACED, NAMESPACED, False)),
        # The weakest level that is accepted.
        (False, False, None, "none", None),
        (False, False, "none", "none", None),
        (True, False, None, "none", (LANDLOCKED, PROCESS, True)),
        (False, False, "landlocked", "none", (LANDLOCKED, PROCESS, True)),
        (False, False, None, "process", (LANDLOCKED, PROCESS, False)),
        (False, False, None, "landlocked", (LANDLOCKED, LANDLOCKED, False)),
        (False, False, None, "contained", (CONTAINED, CONTAINED, False)),
        (True, True, None, "filtered", (LANDLOCKED, FILTERED, False)),
    ],
)
def test_truth_table(
    use: bool, require: bool, isolation: Any, least: Any, expected: tuple[Any, Any, bool] | None
) -> None:
    found = resolve(use, require, isolation, least)
    assert found == (expected and Wish(*expected))


@pytest.mark.parametrize(
    ("use", "isolation", "least", "expected"),
    [
        (False, None, None, (LANDLOCKED, FILTERED, False)),
        (True, None, None, (LANDLOCKED, FILTERED, False)),
        (True, None, "none", (LANDLOCKED, FILTERED, False)),
        (False, "process", None, (FILTERED, FILTERED, False)),
        (False, "namespaced", "process", (NAMESPACED, FILTERED, False)),
        (False, None, "namespaced", (NAMESPACED, NAMESPACED, False)),
    ],
)
def test_the_environment_only_raises(
    use: bool, isolation: Any, least: Any, expected: tuple[Any, Any, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REQUIRE_VARIABLE, "1")
    assert resolve(use, False, isolation, least) == Wish(*expected)


def test_the_environment_forbids_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE_VARIABLE, "1")
    with pytest.raises(IsolationUnavailableError, match="DANA_REQUIRE_ISOLATION is set"):
        Dana(isolation="none")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"isolation": "very"}, "there is no isolation level 'very'"),
        ({"min_isolation": ""}, "there is no isolation level ''"),
        ({"isolation": "filtered", "min_isolation": "landlocked"}, "above isolation='filtered'"),
        ({"isolation": "none", "min_isolation": "process"}, "above isolation='none'"),
        ({"isolation": "none", "use_subprocess_isolation": True}, "contradicts use_subprocess_isolation"),
        ({"isolation": "none", "require_isolation": True}, "contradicts require_isolation"),
        ({"isolation": "process", "require_isolation": True}, "contradicts require_isolation"),
        ({"min_isolation": "process", "require_isolation": True}, "contradicts require_isolation"),
        ({"min_isolation": "none", "require_isolation": True}, "contradicts require_isolation"),
        ({"harden_speculation": True}, "needs an isolated session"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Dana(**settings)


def broken_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker fail as on a kernel without seccomp."""
    program = tmp_path / "dana-worker"
    program.write_text("#!/bin/sh\necho 'layer seccomp failed: EINVAL' >&2\nexit 70\n")
    program.chmod(0o755)
    monkeypatch.setattr(worker, "PATH", str(program))


def test_a_level_that_cannot_be_had_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_worker(tmp_path, monkeypatch)
    for settings in ({"isolation": "landlocked"}, {"min_isolation": "process"}, {"isolation": "process"}):
        with pytest.raises(IsolationUnavailableError, match="seccomp failed"):
            Dana(**settings)  # type: ignore[arg-type]


def test_falling_back_takes_its_own_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_worker(tmp_path, monkeypatch)
    with pytest.warns(IsolationUnavailableWarning, match="NOT isolated"):
        d = Dana(isolation="contained", min_isolation="none", echo=False)
    with d:
        assert not d.is_subprocess_isolated
        assert (d.isolation.level, d.isolation.asked) == (NONE, CONTAINED)
        assert d.execute_string("1 + 1").result == 2


@pytest.mark.parametrize("level", ["process", "filtered", "landlocked", "namespaced", "contained"])
def test_what_a_session_has(level: str) -> None:
    with Dana(isolation=level, echo=False) as d:
        report = d.isolation
        assert report.asked == level
        assert report.level >= "filtered"
        assert d.is_subprocess_isolated
        assert d.execute_string("6 * 7").result == 42
        for layer in report.layers:
            assert layer.in_force == (layer.evidence != "none") == (layer.reason == ""), layer
        wanted = {layer.name for layer in report.layers if layer.wanted}
        assert ("landlock" in wanted) is (report.asked >= "landlocked")
        assert ("mount_namespace" in wanted) is (report.asked >= "namespaced")
        assert ("cgroup" in wanted) is (report.asked >= "contained")
        assert json.loads(json.dumps(report.to_dict()))["asked"] == level
        assert report.layer("seccomp").evidence == "kernel"
        with pytest.raises(KeyError):
            report.layer("moat")


def test_in_process_by_name() -> None:
    with Dana(isolation="none", echo=False) as d:
        assert d.isolation.level is NONE
        assert not d.is_subprocess_isolated
        assert d.execute_string("1 + 1").result == 2
