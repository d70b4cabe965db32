"""Where the worker program is.

Rule: it travels inside the package and is found beside this file, never on PATH and never through the
environment: whoever chooses the program chooses what a sandbox is.
A program that is missing or unfit is a broken installation: an error,
never a reason to go on without a sandbox.
Left out: whether it is the right build; the two sides compare that when a session opens.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from .exceptions import ResourceError

__all__ = ["PATH", "locate"]

PATH: Final = str(Path(__file__).resolve().parent / "bin" / "dana-worker")


def locate() -> str:
    """Return the path of the worker program, or say why there is none."""
    if os.access(PATH, os.X_OK) and os.path.isfile(PATH):  # noqa: PTH113 - every session pays for this line
        return PATH
    if not Path(PATH).is_file():
        hint = "install the wheel again (pip install --force-reinstall)"
        raise ResourceError(f"the worker program {PATH} is missing; {hint}")
    if not os.access(PATH, os.X_OK):
        raise ResourceError(f"the worker program {PATH} is not executable; run: chmod 755 {PATH}")
    return PATH
