"""Half a minute of load and faults (`make soak` takes longer): all is accounted for, and nothing is left."""

from __future__ import annotations

import subprocess
import sys

import pytest

import load


@pytest.mark.timeout(200)
def test_load_and_faults() -> None:
    # In a host of its own: what is counted is all that a process holds.
    command = [sys.executable, load.__file__, "30", "12", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    print(done.stdout)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "flat"), done.stdout + done.stderr
