"""The build backend of the wheel: builds the static worker, then hands over to maturin.

One standard command (`pip install .`, `pip wheel .`) gives a wheel that holds both halves, the extension and
the `dana-worker` binary. The worker is linked statically against musl; where that target cannot be had, set
`DANA_WORKER_TARGET=x86_64-unknown-linux-gnu` (or the aarch64 one) to link against a static glibc instead.

The extension is linked against the C library of the machine that builds, and the wheel is for that machine
(`linux_x86_64`). `DANA_MANYLINUX=2_28` links it, with zig's linker from PyPI, against glibc 2.28 and calls
the wheel `manylinux_2_28`: that is how wheels for others are made. maturin refuses the name where a symbol is
newer. No path of the building machine is in them, so that one toolchain builds the same programs anywhere.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import maturin

import shipped

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "py" / "opendxa" / "dana" / "bin" / "dana-worker"
BILL = ROOT / "target" / "sbom" / "dana-bridge.cdx.json"
TARGET_SWITCH = "DANA_WORKER_TARGET"
MANYLINUX_SWITCH = "DANA_MANYLINUX"

prepare_metadata_for_build_wheel = maturin.prepare_metadata_for_build_wheel
get_requires_for_build_editable = maturin.get_requires_for_build_editable
get_requires_for_build_sdist = maturin.get_requires_for_build_sdist
prepare_metadata_for_build_editable = maturin.prepare_metadata_for_build_editable
build_sdist = maturin.build_sdist


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what else is needed: zig, where the wheel is to run with an older C library."""
    more = ["ziglang>=0.13,<0.18"] if os.environ.get(MANYLINUX_SWITCH) else []
    return [*maturin.get_requires_for_build_wheel(config_settings), *more]


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel with the worker inside; returns the wheel's file name."""
    if os.environ.get(MANYLINUX_SWITCH):
        forget_paths()
    build_worker()
    write_bill()
    settings = with_platform(config_settings)
    return str(maturin.build_wheel(wheel_directory, settings, metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build an editable install; the worker is put beside the sources."""
    build_worker()
    write_bill()
    return str(maturin.build_editable(wheel_directory, config_settings, metadata_directory))


def with_platform(settings: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the settings of a build with the platform that the environment asks for."""
    platform_tag = os.environ.get(MANYLINUX_SWITCH)
    if not platform_tag:
        return settings
    told = maturin.get_maturin_pep517_args(settings)
    arguments = shlex.join([*told, "--zig", "--compatibility", f"manylinux_{platform_tag}"])
    return {**(settings or {}), "build-args": arguments}


def forget_paths() -> None:
    """Have the compiler write other names for the folders of this machine into what it makes."""
    cargo_home = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    names = ((cargo_home, "cargo"), (ROOT, "dana-bridge"))
    told = [f"--remap-path-prefix={folder}={name}" for folder, name in names]
    os.environ["RUSTFLAGS"] = " ".join([os.environ.get("RUSTFLAGS", ""), *told]).strip()


def write_bill() -> Path:
    """Write the bill of materials that goes into the wheel; returns where."""
    BILL.parent.mkdir(parents=True, exist_ok=True)
    bill = shipped.bill_of_materials(shipped.components(worker_target().partition("-")[0]))
    BILL.write_text(json.dumps(bill, indent=1), encoding="utf-8")
    return BILL


def build_worker() -> Path:
    """Compile the static worker and copy it into the package; returns where it was put."""
    target = worker_target()
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


def worker_target() -> str:
    """Return what the worker is compiled for."""
    return os.environ.get(TARGET_SWITCH) or f"{platform.machine()}-unknown-linux-musl"


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
