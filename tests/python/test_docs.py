"""Every code block of the documentation runs: what a reader copies works.

A block of Python runs in a fresh process, like a reader's script, with a mock model so that no key is needed.
A block of Dana runs in an isolated session. A block that is not meant to run is not marked python or dana.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from opendxa.dana import Dana

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(python|dana)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[object]:
    found = []
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]):
        text = path.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            name = f"{path.relative_to(ROOT)}:{line}"
            found.append(pytest.param(match[1], match[2], id=name))
    return found


@pytest.mark.parametrize(("language", "source"), blocks())
def test_block(language: str, source: str, tmp_path: Path) -> None:
    if language == "dana":
        with Dana(use_subprocess_isolation=True, llm="mock", echo=False) as d:
            result = d.execute_string(source, "documentation.na")
        assert result.success, str(result.error)
        return
    environment = {**os.environ, "DANA_MOCK_LLM": "true", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
