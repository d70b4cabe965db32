"""The pytest plugin: tests written in Dana, and fixtures for tests in Python.

It is found by the package's entry point. `test_*.na` and `*_test.na` are collected, one item for each
``test_`` function: `files.py`. Fixtures are `sessions.py` and `walls.py`. docs/TESTING.md says how they are
used.

Rule: a run without ``.na`` files loads nothing of Dana's sessions, and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sessions import dana, dana_llm, isolated_dana, scripted_llm
from .walls import DanaAttack, DanaIsolation, dana_attack, dana_isolation

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from .files import DanaFile
    from .scripted import ScriptedLLM

__all__ = [
    "DanaAttack",
    "DanaIsolation",
    "ScriptedLLM",
    "dana",
    "dana_attack",
    "dana_isolation",
    "dana_llm",
    "isolated_dana",
    "scripted_llm",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Name what can be set."""
    group = parser.getgroup("dana", "tests written in Dana (.na files)")
    group.addoption(
        "--dana-isolation",
        metavar="LEVEL",
        help="where Dana tests run: none (this process), filtered, landlocked (usual), namespaced, contained",
    )
    group.addoption(
        "--dana-llm",
        metavar="MODEL",
        help="the model of Dana tests and fixtures: mock, openai:gpt-4o-mini, ...; none unless said",
    )
    parser.addini("dana_isolation", "see --dana-isolation", default="landlocked")
    parser.addini("dana_llm", "see --dana-llm", default="")
    parser.addini(
        "dana_limits", "limits of Dana tests and fixtures: wall_time=5 memory=67108864", type="args"
    )
    parser.addini(
        "dana_files", "patterns of files with Dana tests", type="args", default=["test_*.na", "*_test.na"]
    )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Name the hook of this plugin."""
    from . import hooks  # noqa: PLC0415

    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse settings that make no sense before anything runs."""
    if (
        config.getoption("--dana-isolation")
        or config.getini("dana_isolation") != "landlocked"
        or config.getini("dana_limits")
    ):
        from .settings import isolation, limits  # noqa: PLC0415 - loaded when something is set

        isolation(config)
        limits(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> DanaFile | None:
    """Collect a file of Dana tests: one that is named so, or that was asked for by name."""
    if file_path.suffix != ".na":
        return None
    patterns = parent.config.getini("dana_files")
    if not parent.session.isinitpath(file_path) and not any(map(file_path.match, patterns)):
        return None
    from .files import DanaFile  # noqa: PLC0415 - loaded with the first file

    return DanaFile.from_parent(parent, path=file_path)


def __getattr__(name: str) -> object:
    """Load what only annotations of tests name."""
    if name == "ScriptedLLM":
        from .scripted import ScriptedLLM  # noqa: PLC0415

        return ScriptedLLM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
