"""Fixtures with sessions and models for tests in Python.

Rule: a session is fresh for each test and closed behind it; nothing is loaded before a test asks. Fixtures
of these names in a ``conftest.py`` or a test module take their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opendxa.dana.dana_module import Dana

    from .scripted import ScriptedLLM

__all__ = ["dana", "dana_llm", "isolated_dana", "scripted_llm"]


@pytest.fixture
def dana_llm(request: pytest.FixtureRequest) -> Any:
    """Return the model that sessions of tests ask; override it in conftest.py.

    It is the test's `scripted_llm`, if it takes that; else what --dana-llm, the ini option dana_llm or the
    variable DANA_LLM name. Without them a question fails.
    """
    from .settings import model  # noqa: PLC0415 - loaded when it is asked for

    if "scripted_llm" in request.fixturenames:
        return request.getfixturevalue("scripted_llm")
    return model(request.config)


@pytest.fixture
def dana(request: pytest.FixtureRequest, dana_llm: Any) -> Iterator[Dana]:
    """Return a fresh session inside this process."""
    from .settings import limits, opened  # noqa: PLC0415 - loaded with the first session

    with opened("none", {"llm": dana_llm, "limits": limits(request.config)}) as session:
        yield session


@pytest.fixture
def isolated_dana(request: pytest.FixtureRequest, dana_llm: Any) -> Iterator[Dana]:
    """Return a fresh session in a locked worker of its own; where that cannot be had the test fails."""
    from .settings import isolation, limits, opened  # noqa: PLC0415 - loaded with the first session

    level = isolation(request.config)
    settings = {"llm": dana_llm, "limits": limits(request.config)}
    with opened("landlocked" if level == "none" else level, settings) as session:
        yield session


@pytest.fixture
def scripted_llm() -> Iterator[ScriptedLLM]:
    """Return a model that gives the test's replies, ``scripted_llm("4", "5")``: all must be asked for."""
    from .scripted import ScriptedLLM  # noqa: PLC0415 - loaded with the first one

    model = ScriptedLLM()
    yield model
    model.close()
    if model.unused:
        text = f"{model.unused} scripted replies were never asked for: {len(model.requests)} questions came"
        pytest.fail(text, pytrace=False)
