"""The locked worker as the kernel describes it, read from outside."""

from __future__ import annotations

import os
import re
import secrets
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .row import GotThroughError, NotHereError, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..isolation import Layer
    from .ground import Ground

__all__ = ["ROWS", "limits", "memory", "status"]


def status(pid: int, task: int | None = None) -> dict[str, str]:
    """Return the fields of a process's or a thread's status."""
    path = Path(f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status")
    pairs = (line.partition(":") for line in path.read_text().splitlines())
    return {name: value.strip() for name, _, value in pairs}


def limits(pid: int) -> dict[str, list[str]]:
    """Return soft and hard limit by the kernel's name."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def memory(pid: int) -> bytes:
    """Return every readable byte of a process."""
    pieces = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as source:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if found is None or "[v" in line:
                continue
            begin, end = int(found[1], 16), int(found[2], 16)
            source.seek(begin)
            pieces.append(source.read(end - begin))
    return b"".join(pieces)


def demand(fact: bool, what: str) -> None:
    """Refuse what is not so."""
    if not fact:
        raise GotThroughError(what)


def _one_thread(ground: Ground) -> str:
    with ground.session() as d:
        pid = ground.pid_of(d)
        tasks = [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]
        demand(tasks == [pid], f"threads {tasks}")
        facts = status(pid, pid)
        demand(facts["Seccomp"] == "2", f"Seccomp is {facts['Seccomp']}")
        own = int(status(os.getpid())["Seccomp_filters"])
        count = int(facts["Seccomp_filters"])
        demand(count > own, f"{count} filters, {own} of them inherited")
    return f"1 thread, Seccomp 2, {count - own} filter of its own"


def _command_line(ground: Ground) -> str:
    with ground.session() as d:
        line = Path(f"/proc/{ground.pid_of(d)}/cmdline").read_bytes()
        words = line.rstrip(b"\0").split(b"\0")
        demand(words[0] == b"dana-worker", f"the program calls itself {words[0]!r}")
        secret = [word for word in words[1:] if not re.fullmatch(rb"[a-z0-9,:=-]{1,40}", word)]
        demand(not secret, f"in the command line: {secret}")
    return f"{b' '.join(words).decode()}"


def _privileges(ground: Ground) -> str:
    with ground.session() as d:
        facts = status(ground.pid_of(d))
        names = ["CapInh", "CapPrm", "CapEff", "CapAmb"]
        # Emptying the bounding set takes a capability that a plain user does not have.
        if int(status(os.getpid())["CapEff"], 16) >> 8 & 1:
            names.append("CapBnd")
        for name in names:
            demand(int(facts[name], 16) == 0, f"{name} is {facts[name]}")
        demand(facts["NoNewPrivs"] == "1", "NoNewPrivs is not set")
        uids = facts["Uid"].split()
        demand(len(set(uids)) == 1, f"user ids {uids}")
    return f"{', '.join(names)} 0; NoNewPrivs 1; user id {uids[0]}, group id {facts['Gid'].split()[0]}"


def _descriptors(ground: Ground) -> str:
    ground.need_root("list a worker's descriptors")
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        os.set_inheritable(listener.fileno(), True)
        for _ in range(200):
            leaked = os.open("/etc/passwd", os.O_RDONLY)
            os.set_inheritable(leaked, True)
            stack.callback(os.close, leaked)
        d = stack.enter_context(ground.session())
        pid = ground.pid_of(d)
        found = {int(entry.name): str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    demand(sorted(found) == [0, 1, 2], f"descriptors {found}")
    demand(all(target.startswith("pipe:[") for target in found.values()), f"descriptors {found}")
    demand(len(set(found.values())) == 3, f"descriptors {found}")
    return "three pipes, of 201 inheritable descriptors of the host none"


def _yes(messages: object, options: object) -> str:  # noqa: ARG001 - a model's answer to anything
    return "yes"


def _secrets(ground: Ground) -> str:
    ground.need_root("read a worker's memory")
    planted = {f"DANA_PLANTED_{number}": secrets.token_hex(24) for number in range(200)}
    os.environ.update(planted)
    try:
        with ground.session(llm=_yes) as d:
            demand(d.execute_string("x = reason('Is it?')\nx").success, "the program failed")
            found = memory(ground.pid_of(d))
    finally:
        for name in planted:
            del os.environ[name]
    demand(b"dana-worker" in found, "the search finds nothing at all")
    hits = [name for name, secret in planted.items() if secret.encode() in found]
    demand(not hits, f"in the worker's memory: {hits}")
    return f"0 of 200 in {len(found) >> 10} KiB"


def _auxiliary(ground: Ground) -> str:
    ground.need_root("read a worker's memory")
    with ground.session() as d:
        pid = ground.pid_of(d)
        environment = Path(f"/proc/{pid}/environ").read_bytes().strip(b"\0")
        demand(not environment, f"environment {environment!r}")
        found = memory(pid)
    here, home = os.fsencode(Path.cwd()), os.fsencode(Path.home())
    for path in {here, home}:
        # A path as short as /root may stand in the worker's own texts by chance.
        demand(
            len(path) < 12 or path not in found.replace(os.fsencode(_program()), b""),
            f"{path!r} in its memory",
        )
    return "the path of the worker program (AT_EXECFN) and no other of the host's"


def _program() -> str:
    from ..worker import PATH  # noqa: PLC0415

    return PATH


def _core_dump(ground: Ground) -> str:
    with ground.session() as d:
        pid = ground.pid_of(d)
        demand(limits(pid)["Max core file size"] == ["0", "0"], "core dumps have room")
        owner = Path(f"/proc/{pid}/mem").stat().st_uid
        demand(owner == 0, "the worker is dumpable")
    return "RLIMIT_CORE 0 and not dumpable"


def _addresses(ground: Ground) -> str:
    ground.need_root("read a worker's addresses")
    seen = set()
    for _ in range(8):
        with ground.session() as d:
            maps = Path(f"/proc/{ground.pid_of(d)}/maps").read_text()
            stack = next(line for line in maps.splitlines() if line.endswith("[stack]"))
            seen.add((maps.split("-", 1)[0], stack.split("-", 1)[0]))
    for index, what in ((0, "image"), (1, "stack")):
        demand(len({pair[index] for pair in seen}) > 4, f"the {what} is always at the same place")
    return f"{len(seen)} different layouts in 8 workers"


@contextmanager
def _with_layer(ground: Ground, name: str) -> Iterator[tuple[int, Layer]]:
    """Open a session that has this layer, where it can be had."""
    with ground.session(isolation="namespaced", min_isolation="filtered") as d:
        layer = d.isolation.layer(name)
        if not layer.in_force:
            raise NotHereError(f"{name} cannot be had here: {layer.reason}")
        yield ground.pid_of(d), layer


def _empty_root(ground: Ground) -> str:
    ground.need_root("look at a worker's root directory")
    with _with_layer(ground, "mount_namespace") as (pid, _):
        entries = os.listdir(f"/proc/{pid}/root/")  # noqa: PTH208 - a Path would lose the last slash
        demand(not entries, f"entries in its root directory: {entries[:5]}")
        mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
        demand(len(mounts) == 1, f"{len(mounts)} mounts")
    return "no entry, one mount"


def _empty_network(ground: Ground) -> str:
    with _with_layer(ground, "net_namespace") as (pid, _):
        lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
        names = [line.partition(":")[0].strip() for line in lines]
        demand(names == ["lo"], f"network interfaces {names}")
        demand(not Path(f"/proc/{pid}/net/route").read_text().splitlines()[1:], "it has routes")
    return "only lo, without a route"


def _speculation(ground: Ground) -> str:
    names = ("Speculation_Store_Bypass", "SpeculationIndirectBranch")
    own = status(os.getpid())
    if all("not" in own.get(name, "not known").lower() for name in names):
        return "nothing to restrain: " + "; ".join(f"{name} {own.get(name)}" for name in names)
    with ground.session(harden_speculation=True) as d:
        layer, found = d.isolation.layer("speculation"), status(ground.pid_of(d))
    if not layer.in_force:
        # Some processors and machines have no such control. What counts is that nobody is told otherwise.
        demand(bool(layer.reason), "it is missing without a reason")
        return f"reported as missing: {layer.reason}"
    for name in names:
        told = found.get(name, "not known").lower()
        demand("force" in told or "not" in told or "always" in told, f"{name} is {told}")
    return "; ".join(f"{name}: {found[name]}" for name in names if name in found)


ROWS = (
    Row(
        40,
        "an_empty_root_directory",
        "files",
        "look for entries in a namespaced worker's root",
        "none",
        _empty_root,
    ),
    Row(
        45,
        "an_empty_network",
        "network",
        "look for interfaces and routes of a namespaced worker",
        "only lo, down",
        _empty_network,
    ),
    Row(
        109,
        "speculation",
        "side channel",
        "the state of speculation with harden_speculation=True",
        "restrained for good, or reported as missing",
        _speculation,
    ),
    Row(
        15,
        "a_thread_without_the_filter",
        "syscall",
        "look for a thread that the filter misses",
        "one thread, filtered",
        _one_thread,
    ),
    Row(
        62,
        "secrets_in_the_command_line",
        "/proc",
        "read the worker's command line, as anybody may",
        "nothing but plain settings",
        _command_line,
    ),
    Row(
        63,
        "capabilities_left_over",
        "privilege",
        "look for a capability in any set; user and group ids",
        "none",
        _privileges,
    ),
    Row(
        70,
        "descriptors_of_the_host",
        "fds",
        "201 inheritable descriptors in the host, one a listening socket",
        "three pipes and nothing else",
        _descriptors,
    ),
    Row(
        73,
        "secrets_of_the_environment",
        "env",
        "200 secrets in the host's environment, searched for in the worker",
        "0 hits",
        _secrets,
    ),
    Row(
        75,
        "paths_of_the_host",
        "env",
        "search the worker's memory for the host's paths; its environment",
        "its own program's path at most",
        _auxiliary,
    ),
    Row(105, "core_dumps", "side channel", "let a crash write memory to disk", "no core dump", _core_dump),
    Row(
        107,
        "addresses_that_repeat",
        "side channel",
        "compare the memory layout of workers",
        "they differ",
        _addresses,
    ),
)
