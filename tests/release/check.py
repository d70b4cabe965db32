"""Builds what is published, from its own source archive, and checks every promise about it.

`python tests/release/check.py FOLDER` leaves the source archive and the wheel in FOLDER, with a line a check.
Exit status 1 if one does not hold. Rule: the wheel is made of the source archive alone, and is tried in an
environment that holds nothing but what pip installs with it. It publishes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "py"))

import shipped  # noqa: E402 - the build backend's neighbour

MANYLINUX = "2_28"
#: What a wheel may hold, and nothing else.
EXPECTED = re.compile(
    r"opendxa/(dana|contrib)/.*\.(py|pyi|typed)"
    r"|opendxa/dana/(py\.typed|_bridge\.abi3\.so|bin/dana-worker)"
    r"|dana_bridge-[^/]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt)"
    r"|dana_bridge-[^/]+\.dist-info/licenses/(LICENSE|THIRD-PARTY-LICENSES\.md)"
    r"|dana_bridge-[^/]+\.dist-info/sboms/dana-bridge\.cdx\.json"
)
#: What a crate leaves in a program: where its source was.
TRACE = re.compile(rb"/index\.crates\.io-[0-9a-f]+/([\w-]+?)-(\d[\w.+-]*)/")
HELLO = 'def __main__(name: str):\n    print(f"hello {name}")\n'


class BrokenPromiseError(Exception):
    """A promise about the release does not hold."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where to put the source archive and the wheel")
    parser.add_argument("--final", action="store_true", help="refuse what is not committed or not dated")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for name, seen in checks(folder, final=options.final):
            print(f"ok    {name}: {seen}", flush=True)
    except BrokenPromiseError as failed:
        print(f"FAIL  {failed}")
        return 1
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size / 2**20:8.2f} MiB  {path.name}")
    return 0


def checks(folder: Path, *, final: bool) -> Iterator[tuple[str, str]]:
    """Go through the checks in order; yield the name of each and what was seen."""
    yield "version", version(final=final)
    yield "licences", licences()
    run("source archive", sys.executable, "-m", "build", "--sdist", "--outdir", folder, ROOT)
    (archive,) = folder.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(archive) as opened:
            opened.extractall(scratch, filter="data")
            yield "source archive", f"{len(opened.getnames())} files"
        (source,) = Path(scratch).iterdir()
        wheel = build(source, folder)
    yield "wheel", f"{wheel.name}, made of the source archive"
    yield "platform", platform_tag(wheel)
    run("metadata", sys.executable, "-m", "twine", "check", "--strict", wheel, archive)
    yield "metadata", "twine finds nothing"
    yield "contents", contents(wheel)
    yield "bill of materials", bill(wheel)
    yield "paths", no_paths(wheel)
    with tempfile.TemporaryDirectory() as scratch:
        yield from tried(wheel, Path(scratch))


def run(what: str, *command: object, **settings: object) -> str:
    """Run a command; return what it printed, or raise with it."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **settings
    )  # type: ignore[call-overload]
    if done.returncode != 0:
        told = f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        message = f"{what}: {told}"
        raise BrokenPromiseError(message)
    return str(done.stdout)


def version(*, final: bool) -> str:
    """Check that the change log tells of the version."""
    number = shipped.version()
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    dated = re.search(rf"^## {re.escape(number)} - \d{{4}}-\d\d-\d\d$", changes, re.MULTILINE)
    if not dated and not re.search(r"^## Unreleased$", changes, re.MULTILINE):
        message = f"version: CHANGELOG.md tells neither of {number} nor of anything unreleased"
        raise BrokenPromiseError(message)
    if final and not dated:
        message = f"version: CHANGELOG.md has no dated heading '## {number} - YYYY-MM-DD'"
        raise BrokenPromiseError(message)
    if final and run("version", "git", "-C", ROOT, "status", "--porcelain"):
        message = "version: something is not committed"
        raise BrokenPromiseError(message)
    return f"{number}{'' if dated else ', not dated in CHANGELOG.md yet (--final demands it)'}"


def licences() -> str:
    """Check that the licences of all that is linked are collected."""
    parts = shipped.components()
    if shipped.licences(parts) != shipped.LICENCES.read_text(encoding="utf-8"):
        message = f"licences: {shipped.LICENCES.name} is of another build: run python py/shipped.py"
        raise BrokenPromiseError(message)
    return f"{len(parts)} parts"


def build(source: Path, folder: Path) -> Path:
    """Build the wheel from the unpacked source archive; what was compiled before is used again."""
    settings = {**os.environ, "DANA_MANYLINUX": MANYLINUX, "CARGO_TARGET_DIR": str(ROOT / "target")}
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source]
    run("wheel", *command, env=settings)
    (wheel,) = folder.glob("*.whl")
    return wheel


def platform_tag(wheel: Path) -> str:
    """Check what the wheel says of where it runs against the symbols that it needs."""
    told = run("platform", sys.executable, "-m", "auditwheel", "show", wheel)
    found = re.search(r'tag:\s+"manylinux_2_(\d+)_', told)
    claimed = re.search(r"-cp310-abi3-manylinux_2_(\d+)_", wheel.name)
    if not found or not claimed or int(found[1]) > int(claimed[1]):
        message = f"platform: {wheel.name} is not what auditwheel says:\n{told}"
        raise BrokenPromiseError(message)
    return f"glibc 2.{claimed[1]} or newer, CPython 3.10 or newer; auditwheel agrees"


def contents(wheel: Path) -> str:
    """Check that the wheel holds what it should and nothing else, and a worker that can be run."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        surplus = [name for name in names if not EXPECTED.fullmatch(name)]
        if surplus:
            message = f"contents: the wheel holds what it should not: {surplus}"
            raise BrokenPromiseError(message)
        worker = archive.getinfo("opendxa/dana/bin/dana-worker")
        if worker.external_attr >> 16 & 0o777 != 0o755:
            message = f"contents: the worker's mode is {worker.external_attr >> 16:o}"
            raise BrokenPromiseError(message)
    return f"{len(names)} files"


def bill(wheel: Path) -> str:
    """Check that the bill of materials names every crate that left a trace in the programs."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("dana-bridge.cdx.json")]
        listed = {(part["name"], part["version"]) for part in json.loads(archive.read(name))["components"]}
        traces = set()
        for program in shipped.PROGRAMS:
            for trace in TRACE.finditer(archive.read(program)):
                traces.add((trace[1].decode(), trace[2].decode()))
    if not traces or traces - listed:
        message = f"bill of materials: {traces - listed or 'the programs show no crate at all'} is not on it"
        raise BrokenPromiseError(message)
    return f"{len(listed)} parts, among them the {len(traces)} that left traces in the programs"


def no_paths(wheel: Path) -> str:
    """Check that the programs tell nothing of the machine that built them."""
    home = str(Path.home()).encode()
    with zipfile.ZipFile(wheel) as archive:
        for program in shipped.PROGRAMS:
            text = archive.read(program)
            for trace in (home + b"/", str(ROOT).encode(), tempfile.gettempdir().encode() + b"/"):
                at = text.find(trace)
                if at >= 0:
                    message = f"paths: {program} holds {text[at : at + 80]!r}"
                    raise BrokenPromiseError(message)
    return "none of the machine that built it"


def tried(wheel: Path, scratch: Path) -> Iterator[tuple[str, str]]:
    """Use the wheel as a user does, in an environment of its own."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "DANA_MOCK_LLM": "true"}
    run("install", sys.executable, "-m", "venv", scratch / "venv")
    python = scratch / "venv" / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run("install", *pip, "install", "--quiet", wheel)
    run("install", *pip, "check")
    listed = run("install", *pip, "list", "--format=freeze").splitlines()
    yield "install", f"{len(listed)} packages in the environment"
    command = scratch / "venv" / "bin" / "dana-bridge"
    settings = {"env": environment, "cwd": scratch}
    told = run("command line", command, "--version", **settings).strip()
    if told != f"dana-bridge {shipped.version()}":
        message = f"command line: the version is told as {told!r}"
        raise BrokenPromiseError(message)
    (scratch / "hello.na").write_text(HELLO, encoding="utf-8")
    told = run("command line", command, "run", "hello.na", "name=Ada", **settings)
    if told != "hello Ada\n":
        message = f"command line: the program printed {told!r}"
        raise BrokenPromiseError(message)
    yield "command line", told.strip()
    run("isolation", command, "doctor", "--require", "landlocked", **settings)
    yield "isolation", "doctor finds the level 'landlocked'"
    told = run("attacks", command, "attack", **settings)
    yield "attacks", told.strip().splitlines()[-1].strip()


if __name__ == "__main__":
    sys.exit(main())
