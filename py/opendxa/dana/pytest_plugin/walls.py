"""A pytest plugin: a user's own tests assert the isolation they rely on.

`dana_isolation` tells what a fresh session has, `dana_attack` tries rows of the attack corpus. Found
by the package's entry point. Rule: nothing is loaded before a test asks for a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..corpus import Outcome
    from ..isolation import IsolationLevel, IsolationReport

__all__ = ["DanaAttack", "DanaIsolation", "dana_attack", "dana_isolation"]


class DanaIsolation:
    """What isolation sessions have on this machine."""

    @property
    def report(self) -> IsolationReport:
        """The report of a fresh session, opened as ``Dana(use_subprocess_isolation=True)`` opens it."""
        return self.at("landlocked")

    @property
    def level(self) -> IsolationLevel:
        """The level that such a session reaches."""
        return self.report.level

    def at(self, level: IsolationLevel | str, **settings: Any) -> IsolationReport:
        """Return the report of a fresh session that was asked for `level` and accepts any worker."""
        from ..dana_module import Dana  # noqa: PLC0415 - loaded with the first session

        with Dana(isolation=level, min_isolation="process", echo=False, **settings) as d:
            return d.isolation

    def require(self, level: IsolationLevel | str, *layers: str, **settings: Any) -> IsolationReport:
        """Fail the test unless a fresh session reaches `level` and has these layers, too."""
        __tracebackhide__ = True
        from ..exceptions import DanaError  # noqa: PLC0415

        try:
            report = self.at(level, **settings)
        except DanaError as error:
            pytest.fail(f"no worker can be had here, level '{level}' is required: {error}")
        if report.level < level:
            pytest.fail(f"level '{report.level}' is reached here, '{level}' is required\n{report}")
        missing = [name for name in layers if not report.layer(name).in_force]
        if missing:
            pytest.fail(f"layers that are required and not in force: {', '.join(missing)}\n{report}")
        return report


class DanaAttack:
    """Tries rows of the attack corpus; see ``dana-bridge attack --list``."""

    def __call__(self, *rows: int, **settings: Any) -> list[Outcome]:
        """Fail the test if one of the rows (all without any) got through; return what became of them.

        `settings` are those of the sessions that are attacked, such as ``isolation="contained"``. A row that
        cannot be tried here is returned as ``not tried``.
        """
        __tracebackhide__ = True
        from ..corpus import Ground, carry_out, select  # noqa: PLC0415 - loaded with the first attack

        with Ground(**settings) as ground:
            outcomes = list(carry_out(select(rows), ground))
        bad = [outcome for outcome in outcomes if outcome.verdict in ("got through", "failed")]
        if bad:
            told = "\n".join(f"{outcome.row.name}: {outcome.verdict}: {outcome.seen}" for outcome in bad)
            pytest.fail(f"{len(bad)} of {len(outcomes)} attacks were not withstood\n{told}")
        return outcomes


@pytest.fixture
def dana_isolation() -> DanaIsolation:
    """Tell what isolation Dana sessions have here: ``dana_isolation.require("landlocked")``."""
    return DanaIsolation()


@pytest.fixture
def dana_attack() -> DanaAttack:
    """Try attacks on Dana's worker and fail if one gets through: ``dana_attack(49, 50)``."""
    return DanaAttack()
