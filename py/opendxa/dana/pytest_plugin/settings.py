"""What the sessions of tests are opened with: ini options, command line, hooks.

Rule: what cannot be had is an error that names the option, never less isolation or fewer limits than were
asked for.
"""

from __future__ import annotations

import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import pytest

from opendxa.dana.exceptions import DanaError, IsolationUnavailableError, ModelError
from opendxa.dana.isolation import IsolationLevel
from opendxa.dana.limits import Limits

if TYPE_CHECKING:
    from pathlib import Path

    from opendxa.dana.dana_module import Dana
    from opendxa.dana.llm import Request, Response

__all__ = ["NO_MODEL", "NoModel", "isolation", "limits", "model", "opened", "settings_of"]


class NoModel:
    """Answers nothing: tests ask no model that nobody chose for them."""

    instant = True

    def generate(self, request: Request) -> Response:  # noqa: ARG002 - what providers have
        """Refuse the question."""
        raise ModelError(
            "tests have no model unless one is chosen: take the fixture scripted_llm, override the fixture "
            "dana_llm, or run pytest with --dana-llm=MODEL",
            attempts=0,
        )

    def __repr__(self) -> str:
        return "NoModel()"


NO_MODEL: Final = NoModel()


def isolation(config: pytest.Config) -> str:
    """Return the level that is asked for; ``none`` is this process."""
    level: str = config.getoption("--dana-isolation") or config.getini("dana_isolation")
    levels = [item.value for item in IsolationLevel]
    if level not in levels:
        raise pytest.UsageError(
            f"--dana-isolation (dana_isolation): one of {', '.join(levels)}, not {level!r}"
        )
    return level


def limits(config: pytest.Config) -> Limits:
    """Return the limits that the ini option names, the others as they usually are."""
    known = [field.name for field in fields(Limits)]
    given: dict[str, Any] = {}
    for text in config.getini("dana_limits"):
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or name not in known:
            raise pytest.UsageError(f"dana_limits: {text!r} is not NAME=VALUE with one of {', '.join(known)}")
        try:
            given[name] = _number(value.strip())
        except ValueError:
            raise pytest.UsageError(f"dana_limits: {name} is a number or none, not {value!r}") from None
    try:
        return Limits(**given)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"dana_limits: {error}") from None


def _number(text: str) -> float | int | None:
    if text.lower() == "none":
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


def model(config: pytest.Config) -> Any:
    """Return the model that was chosen, by name."""
    return (
        config.getoption("--dana-llm") or config.getini("dana_llm") or os.environ.get("DANA_LLM") or NO_MODEL
    )


def settings_of(collector: pytest.File) -> dict[str, Any]:
    """Return the arguments of `Dana` for the sessions of a file; the nearest conftest.py is heard last."""
    settings: dict[str, Any] = {"limits": limits(collector.config), "search_paths": _places(collector)}
    for told in reversed(collector.ihook.pytest_dana_settings(config=collector.config, path=collector.path)):
        settings.update(told)
    return settings


def _places(collector: pytest.File) -> list[Path]:
    """Return where modules are looked for: the folders from the file's up to the root."""
    folder, root = collector.path.parent, collector.config.rootpath
    if root not in (folder, *folder.parents):
        return [folder, root]
    return [place for place in (folder, *folder.parents) if place == root or root in place.parents]


def opened(level: str, settings: dict[str, Any]) -> Dana:
    """Open a session of this level, or raise."""
    from opendxa.dana.dana_module import Dana  # noqa: PLC0415 - loaded with the first session

    if level == "none":
        return Dana(**settings)
    asked = {} if level == "landlocked" else {"isolation": level, "min_isolation": level}
    try:
        return Dana(**{"use_subprocess_isolation": True, "require_isolation": True, **asked, **settings})
    except IsolationUnavailableError as error:
        raise DanaError(
            f"{error}\nHint: `dana-bridge doctor` tells what is missing; --dana-isolation=none runs tests in "
            "pytest's own process"
        ) from None
