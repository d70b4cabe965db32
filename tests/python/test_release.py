"""What is promised of a release, as far as the installed package shows it: the rest is `make release`'s."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tarfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest

import opendxa.dana

ROOT = Path(__file__).resolve().parents[2]


def _shipped() -> Any:
    """Load the build backend's neighbour; on the search path its folder would hide the installed package."""
    spec = importlib.util.spec_from_file_location("shipped", ROOT / "py" / "shipped.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["shipped"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shipped = _shipped()


@pytest.fixture(scope="module")
def parts() -> list[Any]:
    return shipped.components()


@pytest.fixture(scope="module")
def package() -> Distribution:
    return distribution("dana-bridge")


def test_version_stands_in_one_place(package: Distribution) -> None:
    number = shipped.version()
    assert package.version == number
    assert opendxa.dana.__version__ == number
    tracked = subprocess.run(
        ["git", "grep", "-lF", f'"{number}"', "--", "*.toml", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert tracked == ["Cargo.toml"]


def test_every_licence_is_collected(parts: list[Any]) -> None:
    assert shipped.LICENCES.read_text(encoding="utf-8") == shipped.licences(parts), "run python py/shipped.py"
    assert all(part.texts for part in parts)


def test_only_licences_that_are_allowed_are_shipped(parts: list[Any]) -> None:
    rules = shipped.tomllib.loads((ROOT / "deny.toml").read_text(encoding="utf-8"))
    allowed = set(rules["licenses"]["allow"])
    for part in parts:
        for choice in re.split(r"\s+AND\s+", part.licence):
            options = {option.strip(" ()") for option in choice.split(" OR ")}
            assert options & allowed, f"{part.name} is under {part.licence}"


def test_the_installed_package_brings_licences_and_a_bill_of_materials(
    package: Distribution, parts: list[Any]
) -> None:
    names = {file.name: file for file in package.files or []}
    assert {"LICENSE", "THIRD-PARTY-LICENSES.md"} <= set(names)
    bill: dict[str, Any] = json.loads(names["dana-bridge.cdx.json"].read_text())
    assert bill == shipped.bill_of_materials(parts)


def test_the_bill_of_materials_is_valid_cyclonedx(parts: list[Any]) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    bill = shipped.bill_of_materials(parts)
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(bill)) is None
    known = {bill["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for part in bill["components"])}
    assert len(known) == 1 + len(bill["components"])
    for edge in bill["dependencies"]:
        assert {edge["ref"], *edge["dependsOn"]} <= known


def test_what_the_tests_use_was_built_as_it_is_published(package: Distribution) -> None:
    """The Makefile installs a wheel that was linked as the published one is."""
    assert re.search(r"^Tag: cp310-abi3-manylinux_2_28_\w+$", package.read_text("WHEEL") or "", re.MULTILINE)


def test_the_source_archive_can_be_built(tmp_path: Path) -> None:
    """As far as cargo's resolution of it goes; `make release` builds it."""
    command = [sys.executable, "-m", "maturin", "sdist", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (source,) = (path for path in tmp_path.iterdir() if path.is_dir())
    command = ["cargo", "metadata", "--locked", "--format-version=1"]
    command += ["--filter-platform=x86_64-unknown-linux-musl"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    members = {
        package["name"] for package in json.loads(done.stdout)["packages"] if package["source"] is None
    }
    assert {"dana-bridge", "dana-worker"} <= members
    assert (source / "py" / "build_backend.py").exists()
    assert (source / "py" / "shipped.py").exists()
    assert not (source / "py" / "opendxa" / "dana" / "bin").exists()
