"""What the wheel's two programs are made of: the software bill of materials, and the licences of it all.

`python py/shipped.py` writes THIRD-PARTY-LICENSES.md, which is committed; the build backend puts the bill of
materials (CycloneDX) into every wheel it builds. Rule: both are read from cargo's own resolution of Cargo.lock and from the
sources of the crates, so that neither can tell of another build. Left out: what only builds or tests (procedural macros,
build scripts), and the Python packages that pip installs beside the wheel, for the wheel does not hold them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # maturin brings it

__all__ = ["Component", "bill_of_materials", "components", "licences", "version"]

ROOT = Path(__file__).resolve().parent.parent
LICENCES = ROOT / "THIRD-PARTY-LICENSES.md"

#: Each program in the wheel, the crate it is made of, and the environment of its target.
PROGRAMS = {"opendxa/dana/_bridge.abi3.so": "dana-bridge", "opendxa/dana/bin/dana-worker": "dana-worker"}
ENVIRONMENTS = {"dana-bridge": "gnu", "dana-worker": "musl"}


@dataclass(frozen=True)
class Component:
    """A part of the programs that others wrote."""

    name: str
    version: str
    licence: str  # an SPDX expression
    programs: tuple[str, ...]
    texts: tuple[str, ...]  # of the licences that it is shipped under
    purl: str
    sha256: str | None = None  # of the package that crates.io serves
    needs: tuple[str, ...] = ()  # purls


def version() -> str:
    """Return the project's version, which stands in Cargo.toml alone."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    return str(manifest["workspace"]["package"]["version"])


def components(machine: str = "x86_64") -> list[Component]:
    """Return what is linked into the programs for a machine, sorted by name and version."""
    programs: dict[str, set[str]] = {}
    packages: dict[str, dict[str, Any]] = {}
    needs: dict[str, set[str]] = {}
    for program, crate in PROGRAMS.items():
        metadata = cargo_metadata(f"{machine}-unknown-linux-{ENVIRONMENTS[crate]}")
        byid = {package["id"]: package for package in metadata["packages"]}
        edges = linked(metadata, byid)
        todo = [package["id"] for package in byid.values() if package["name"] == crate]
        seen = set(todo)
        while todo:
            here = todo.pop()
            for dependency in edges[here]:
                needs.setdefault(here, set()).add(dependency)
                if dependency not in seen:
                    seen.add(dependency)
                    todo.append(dependency)
        for identity in seen:
            packages[identity] = byid[identity]
            programs.setdefault(identity, set()).add(program)
    hashes = checksums()
    found = []
    for identity, package in packages.items():
        if package["source"] is None:
            continue  # ours
        found.append(
            Component(
                package["name"],
                package["version"],
                package["license"].replace("/", " OR "),
                tuple(sorted(programs[identity])),
                texts_of(package),
                purl(package),
                hashes[package["name"], package["version"]],
                tuple(sorted(purl(packages[need]) for need in needs.get(identity, ()))),
            )
        )
    mimalloc = next(Path(p["manifest_path"]).parent for p in packages.values() if p["name"] == "libmimalloc-sys")
    return sorted([*found, *runtimes(mimalloc)], key=lambda part: (part.name, part.version))


def bill_of_materials(parts: list[Component]) -> dict[str, Any]:
    """Return the wheel's bill of materials as CycloneDX 1.5: the same for the same sources."""
    wheel = f"pkg:pypi/dana-bridge@{version()}"
    programs = [
        {
            "type": "library" if name.endswith(".so") else "application",
            "bom-ref": name,
            "name": name,
            "version": version(),
            "licenses": [{"expression": "MIT"}],
        }
        for name in PROGRAMS
    ]
    crates = [
        {
            "type": "library",
            "bom-ref": part.purl,
            "name": part.name,
            "version": part.version,
            "licenses": [{"expression": part.licence}],
            "purl": part.purl,
            **({"hashes": [{"alg": "SHA-256", "content": part.sha256}]} if part.sha256 else {}),
        }
        for part in parts
    ]
    known = {part.purl for part in parts}
    edges = [{"ref": wheel, "dependsOn": list(PROGRAMS)}]
    edges += [
        {"ref": name, "dependsOn": [part.purl for part in parts if name in part.programs]} for name in PROGRAMS
    ]
    edges += [{"ref": part.purl, "dependsOn": [need for need in part.needs if need in known]} for part in parts]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(edges))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": wheel,
                "name": "dana-bridge",
                "version": version(),
                "purl": wheel,
                "licenses": [{"expression": "MIT"}],
            }
        },
        "components": [*programs, *crates],
        "dependencies": edges,
    }


def licences(parts: list[Component]) -> str:
    """Return the page that names every part with its licence, and holds each text once."""
    lines = [
        "# Licences of what is shipped",
        "",
        "The wheel's two programs, the extension `_bridge.abi3.so` and `dana-worker`, are linked with the parts below. Where a",
        "part may be had under MIT among others, it is shipped under MIT. dana-bridge itself is under MIT: see LICENSE.",
        "Made by `python py/shipped.py`; a test compares it with what is linked.",
        "",
        "| part | version | licence | in |",
        "|---|---|---|---|",
    ]
    for part in parts:
        names = ", ".join(f"`{Path(program).name}`" for program in part.programs)
        lines.append(f"| {part.name} | {part.version} | {part.licence} | {names} |")
    holders: dict[str, list[str]] = {}
    for part in parts:
        for text in part.texts:
            holders.setdefault(text, []).append(f"{part.name} {part.version}")
    for text, held in holders.items():
        lines += ["", "## " + ", ".join(held), "", "```text", text, "```"]
    return "\n".join(lines) + "\n"


def cargo_metadata(target: str) -> dict[str, Any]:
    """Return cargo's resolution of the workspace for a target."""
    done = subprocess.run(  # noqa: S603 - a fixed command
        ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={target}"],  # noqa: S607
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    resolved: dict[str, Any] = json.loads(done.stdout)
    return resolved


def linked(metadata: dict[str, Any], byid: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return for each package those that are linked into what it is linked into."""
    edges: dict[str, list[str]] = {}
    for node in metadata["resolve"]["nodes"]:
        edges[node["id"]] = [
            dependency["pkg"]
            for dependency in node["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            and not any("proc-macro" in target["kind"] for target in byid[dependency["pkg"]]["targets"])
        ]
    return edges


def checksums() -> dict[tuple[str, str], str]:
    """Return the hash of each package of crates.io, from Cargo.lock."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
    return {(p["name"], p["version"]): p["checksum"] for p in lock["package"] if "checksum" in p}


def purl(package: dict[str, Any]) -> str:
    """Return the package URL of a crate."""
    return f"pkg:cargo/{package['name']}@{package['version']}"


def texts_of(package: dict[str, Any]) -> tuple[str, ...]:
    """Return the texts of the licences under which a crate is shipped."""
    folder = Path(package["manifest_path"]).parent
    files = sorted(path for path in folder.iterdir() if re.match(r"(?i)(licen[cs]e|copying|notice)", path.name))
    if "MIT" in package["license"]:
        of_mit = [path for path in files if "APACHE" not in path.name.upper()]
        files = of_mit or files
    if not files:
        message = f"the crate {package['name']} {package['version']} brings no text of its licence: see {folder}"
        raise RuntimeError(message)
    return tuple(tidy(path.read_text(encoding="utf-8")) for path in files)


def runtimes(mimalloc: Path) -> list[Component]:
    """Return what is linked besides crates: Rust's own library, the C library of the worker, the allocator's C code."""
    sysroot = Path(output("rustc", "--print", "sysroot"))
    folder = sysroot / "share" / "doc" / "rust" / "licenses"
    if not folder.is_dir():
        message = f"the compiler's licences are not at {folder}: install Rust with rustup"
        raise RuntimeError(message)
    mit = (folder / "MIT.txt").read_text(encoding="utf-8")
    terms = mit[mit.index("Permission is hereby granted") :]
    compiler = output("rustc", "--version").split()[1]
    header = next((mimalloc / "c_src" / "mimalloc" / "v2" / "include").glob("mimalloc.h")).read_text(encoding="utf-8")
    number = re.search(r"MI_MALLOC_VERSION\s+(\d+)", header)
    if number is None:
        message = "mimalloc.h tells no version"
        raise RuntimeError(message)
    release = f"{number[1][0]}.{int(number[1][1:-2])}.{int(number[1][-2:])}"
    bridge, worker = PROGRAMS
    read = [tidy((folder / name).read_text(encoding="utf-8")) for name in ("Apache-2.0.txt", "LLVM-exception.txt")]
    rust = tidy(f"Copyright (c) The Rust Project Developers\n\n{terms}")
    unicode = tidy((folder / "Unicode-3.0.txt").read_text(encoding="utf-8"))
    allocator = tidy(f"Copyright (c) 2018-2025 Microsoft Corporation, Daan Leijen\n\n{terms}")
    c_library = tidy(f"Copyright (c) 2005-2020 Rich Felker, et al.\n\n{terms}")
    return [
        Component(
            "rust-std", compiler, "(MIT OR Apache-2.0) AND Unicode-3.0", (bridge, worker), (rust, unicode),
            f"pkg:github/rust-lang/rust@{compiler}",
        ),
        Component(
            "llvm-libunwind", compiler, "Apache-2.0 WITH LLVM-exception", (bridge, worker), tuple(read),
            f"pkg:generic/llvm-libunwind@rust-{compiler}",
        ),
        Component(
            "mimalloc (C)", release, "MIT", (bridge,), (allocator,), f"pkg:github/microsoft/mimalloc@v{release}",
        ),
        Component("musl", "1.2.5", "MIT", (worker,), (c_library,), "pkg:generic/musl@1.2.5"),
    ]  # fmt: skip


def output(*command: str) -> str:
    """Return what a command prints, in the project's folder, whose toolchain file counts."""
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout.strip()


def tidy(text: str) -> str:
    """Return a text without what editors add, so that equal licences are equal."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))


if __name__ == "__main__":
    LICENCES.write_text(licences(components()), encoding="utf-8")
