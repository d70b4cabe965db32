"""The pytest plugin, in the tests of a user."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

# pytester forgets what a run inside this process loaded, the package that it is an attribute of does not.
import opendxa.dana.corpus  # noqa: F401

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester: pytest.Pytester):  # type: ignore[no-untyped-def]
    # From an installed wheel pytest finds the plugin by its entry point.
    installed = any(point.name == "dana" for point in entry_points(group="pytest11"))
    arguments = [] if installed else ["-p", "opendxa.dana.pytest_plugin"]

    def start(source: str) -> pytest.RunResult:
        pytester.makepyfile(source)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)

    return start


def test_what_is_relied_on_is_there(run) -> None:  # type: ignore[no-untyped-def]
    result = run(
        """
        def test_level(dana_isolation):
            report = dana_isolation.require("filtered", "seccomp", "no_new_privs")
            assert report.layer("seccomp").evidence == "kernel"
            assert dana_isolation.level >= "filtered"

        def test_attacks(dana_attack):
            outcomes = dana_attack(15, 28, 62, isolation="filtered")
            assert [outcome.verdict for outcome in outcomes] == ["withstood"] * 3
        """
    )
    result.assert_outcomes(passed=2)


def test_what_is_missing_fails_the_test(run) -> None:  # type: ignore[no-untyped-def]
    result = run(
        """
        import pytest
        from opendxa.dana import corpus

        def test_layer(dana_isolation):
            dana_isolation.require("filtered", "speculation")

        def test_level(dana_isolation, monkeypatch):
            weak = dana_isolation.at("process").not_isolated("for a test", "contained")
            monkeypatch.setattr(type(dana_isolation), "at", lambda *_, **__: weak)
            dana_isolation.require("landlocked")

        def test_attack(dana_attack, monkeypatch):
            def through(ground):
                raise corpus.GotThroughError("it came back")
            row = corpus.Row(1, "bad", "syscall", "an attack", "killed", through)
            monkeypatch.setattr(corpus, "select", lambda rows: (row,))
            dana_attack()
        """
    )
    result.assert_outcomes(failed=3)
    text = result.stdout.str()
    assert "layers that are required and not in force: speculation" in text
    assert "level 'none' is reached here, 'landlocked' is required" in text
    assert "row_001_bad: got through: it came back" in text
