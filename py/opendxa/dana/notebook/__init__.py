"""Dana in notebooks: ``%load_ext opendxa.dana.notebook``, then cells that begin with ``%%dana``.

docs/NOTEBOOKS.md says what there is. Rule: one session a notebook, isolated unless it is said otherwise; it
is replaced only where that is said, and what is lost is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add ``%%dana``, ``%dana``, ``%dana_reset`` and ``%dana_info``; what IPython calls for ``%load_ext``."""
    try:
        from .magics import Magics  # noqa: PLC0415 - loaded where there is a notebook
    except ImportError as error:
        if not (error.name or "").startswith("IPython"):
            raise
        raise ImportError(
            "notebooks need IPython 8.20 or newer: pip install 'dana-bridge[notebook]'"
        ) from error
    Magics.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take them away and end the session; what IPython calls for ``%unload_ext``."""
    from .magics import Magics  # noqa: PLC0415

    Magics.unload(shell)
