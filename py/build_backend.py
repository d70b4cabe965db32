"""The build backend of the wheel: builds the static worker, then hands over to maturin.

One standard command (`pip install .`, `pip wheel .`) gives a wheel that holds both halves, the extension and
the `dana-worker` binary. The worker is linked statically against musl; where that target cannot be had, set
`DANA_WORKER_TARGET=x86_64-unknown-linux-gnu` (or the aarch64 one) to link against a static glibc instead.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import maturin

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "py" / "opendxa" / "dana" / "bin" / "dana-worker"
TARGET_SWITCH = "DANA_WORKER_TARGET"

prepare_metadata_for_build_wheel = maturin.prepare_metadata_for_build_wheel
get_requires_for_build_wheel = maturin.get_requires_for_build_wheel
get_requires_for_build_editable = maturin.get_requires_for_build_editable
get_requires_for_build_sdist = maturin.get_requires_for_build_sdist
prepare_metadata_for_build_editable = maturin.prepare_metadata_for_build_editable
build_sdist = maturin.build_sdist


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel with the worker inside; returns the wheel's file name."""
    build_worker()
    return str(maturin.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build an editable install; the worker is put beside the sources."""
    build_worker()
    return str(maturin.build_editable(wheel_directory, config_settings, metadata_directory))


def build_worker() -> Path:
    """Compile the static worker and copy it into the package; returns where it was put."""
    target = os.environ.get(TARGET_SWITCH) or f"{platform.machine()}-unknown-linux-musl"
    ensure_target(target)
    environment = dict(os.environ)
    if target.endswith("-gnu"):
        flags = f"{environment.get('RUSTFLAGS', '')} -C target-feature=+crt-static"
        environment["RUSTFLAGS"] = flags.strip()
    command = [
        "cargo",
        "build",
        "--locked",
        "--package=dana-worker",
        "--profile=worker",
        f"--target={target}",
    ]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)  # noqa: S603 - a fixed command
    built = Path(environment.get("CARGO_TARGET_DIR", ROOT / "target")) / target / "worker" / "dana-worker"
    BUNDLED.parent.mkdir(parents=True, exist_ok=True)
    # A new file put in place by a rename: a worker that runs from the old one keeps running.
    fresh = BUNDLED.with_suffix(".new")
    shutil.copyfile(built, fresh)
    fresh.chmod(0o755)
    fresh.replace(BUNDLED)
    return BUNDLED


def ensure_target(target: str) -> None:
    """Make sure that the compiler has the worker's target; says how to go on where it cannot be had."""
    if not shutil.which("rustup"):
        return  # A distribution's own compiler: cargo itself says what is missing.
    listed = subprocess.run(
        ["rustup", "target", "list", "--installed"],  # noqa: S607 - found on PATH like cargo itself
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    if target in listed.stdout.split():
        return
    added = subprocess.run(["rustup", "target", "add", target], cwd=ROOT, check=False)  # noqa: S603, S607
    if added.returncode != 0:
        message = (
            f"the Rust target {target} for the worker could not be installed. "
            f"For a static glibc worker set {TARGET_SWITCH}={platform.machine()}-unknown-linux-gnu."
        )
        raise RuntimeError(message)
