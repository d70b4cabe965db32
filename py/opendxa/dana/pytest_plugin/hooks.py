"""The hook that a ``conftest.py`` may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

__all__ = ["pytest_dana_settings"]


def pytest_dana_settings(config: pytest.Config, path: Path) -> Mapping[str, Any] | None:
    """Return arguments of `Dana` for the sessions of a file of Dana tests, such as ``functions``.

    They hold while the file is collected, too. Those of the ``conftest.py`` nearest to the file go first.
    """
