"""Other builds of CPython than users have: those that find what the usual ones pass over."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import debug_build
import opendxa.dana

NAMES = (f"python3.{sys.version_info.minor}-dbg", "python3.11-dbg", "python3-dbg", "python3d")
#: References that a round may seem to leave: those of the numbers that count them.
NOISE = 2.0


@pytest.mark.row(
    120,
    "host",
    "a debug build of CPython: conversions, asks, errors, threads, ends, in a worker and in-process",
    "no assertion, no guard overwritten, no reference left",
)
def test_row_120_a_debug_build_of_cpython(seen) -> None:
    debug = next((found for name in NAMES if (found := shutil.which(name))), None)
    if debug is None:
        pytest.skip("needs a debug build of CPython (Debian: apt-get install python3-dbg)")
    httpx = importlib.util.find_spec("httpx")
    assert httpx is not None
    assert httpx.origin is not None
    # The same installation: extensions of the stable ABI load in debug builds, too.
    places = (
        Path(debug_build.__file__).parent,
        Path(opendxa.dana.__file__).parents[2],
        Path(httpx.origin).parents[1],
    )
    program = f"import sys\nsys.path += {[*map(str, places)]!r}\nimport debug_build\ndebug_build.main()\n"
    done = subprocess.run(
        [debug, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert (done.returncode, done.stderr) == (0, "")
    parts = {
        part: float(left) for part, _, left in (line.rpartition(" ") for line in done.stdout.splitlines())
    }
    assert len(parts) == 10
    assert all(left < NOISE for left in parts.values()), parts
    seen("10 parts, none leaves a reference")
