"""The machine and the software that was measured, in a few lines: figures without them say nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from opendxa.dana import Dana

from .stage import ISOLATED

ROOT = Path(__file__).resolve().parents[3]


def described() -> list[str]:
    """Describe where and when this runs, what with."""
    with Dana(**ISOLATED) as session:
        level = session.isolation.level
    who = "root" if os.geteuid() == 0 else "a plain user"
    return [
        f"{_processor()}, {os.cpu_count()} cores, {_memory() / 2**30:.0f} GiB; Linux {platform.release()}, "
        f"{' '.join(platform.libc_ver())}; CPython {platform.python_version()}; as {who}",
        f"dana-bridge {importlib.metadata.version('dana-bridge')} at {_commit()}, isolation level {level}; "
        + ", ".join(f"{name} {version}" for name, version in _peers()),
        f"{time.strftime('%d %B %Y').lstrip('0')}; load {os.getloadavg()[0]:.1f} when it began",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PHYS_PAGES") * float(os.sysconf("SC_PAGE_SIZE"))


def _commit() -> str:
    """Name the commit, with a plus when files differ from it; `make` has built the wheel from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        commit = _said([*git, "rev-parse", "--short", "HEAD"])
        changed = _said([*git, "status", "--porcelain", "--untracked-files=no"])
    except (OSError, subprocess.CalledProcessError):
        return "an unknown commit"
    return commit + ("+" if changed else "")


def _peers() -> list[tuple[str, str]]:
    found = []
    with suppress(importlib.metadata.PackageNotFoundError):
        found.append(("pydantic-monty", importlib.metadata.version("pydantic-monty")))
    with suppress(OSError, subprocess.CalledProcessError):
        found.append(("bubblewrap", _said(["bwrap", "--version"]).split()[-1]))
    return found


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
