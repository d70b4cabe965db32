"""The higher levels, from a host's side: what they leave behind, what a lying worker gets, and what is left
of them where the kernel refuses. Rows 40, 45, 58, 63, 97, 100, 109, 121 and 123 of the attack corpus.
"""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fake_worker
import outer
from leftovers import no_spares
from opendxa.dana import Dana, Limits, exceptions, pool
from opendxa.dana._bridge import BUILD, Session
from outer import in_other_conditions

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
numbers = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")

NAMESPACES = [f"{kind}_namespace" for kind in ("user", "uts", "ipc", "cgroup", "net", "mount")]
NOBODY = 65534


def groups(host: int | None = None) -> set[Path]:
    """Return the control groups that exist of the workers of a host: this process, unless said otherwise."""
    pattern = f"**/dana-worker-{host or os.getpid()}-*"
    return {path for path in Path("/sys/fs/cgroup").glob(pattern) if path.is_dir()}


def contained(**settings: Any) -> Dana:
    """Open a contained session, or skip with what is missing here."""
    d = Dana(isolation="contained", echo=False, **settings)
    if d.isolation.level < "contained":
        text = str(d.isolation)
        d.close()
        pytest.skip(text)
    return d


def missing_here() -> set[str]:
    """Return the layers of the default level that this kernel does not have."""
    with Dana(isolation="landlocked", echo=False) as d:
        return {layer.name for layer in d.isolation.layers if layer.wanted and not layer.in_force}


# What stands


@root
def test_a_contained_session() -> None:
    with contained() as d:
        report = d.isolation
        assert d.execute_string("6 * 7").result == 42
        pid = d.sandbox.subprocess_pid
        for layer in ("own_user", "cgroup", "dumpable", "mount_namespace", "net_namespace", "pid_namespace"):
            assert report.layer(layer).evidence == "kernel", layer
        assert "pids.max 1" in report.layer("cgroup").value
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"\nUid:\t{2_000_000_000 + (pid or 0)}\t" in status
        assert not list(Path(f"/proc/{pid}/root").iterdir())
        assert len(groups()) >= 1


def test_the_memory_limit_of_the_group_is_the_sessions() -> None:
    with contained(limits=Limits(memory=64 * 2**20)) as d:
        words = d.isolation.layer("cgroup").value.replace(",", "").split()
        assert int(words[1]) == (64 + 16 + 256 + 160) * 2**20
        result = d.execute_string("x = 'a' * 10**9")
        assert isinstance(result.error, exceptions.MemoryLimitError)


def test_no_memory_limit_no_limit_of_the_group() -> None:
    with contained(limits=Limits(memory=None)) as d:
        assert d.isolation.layer("cgroup").value.startswith("pids.max 1")


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGABRT, exceptions.WorkerCrashedError),
        (signal.SIGXCPU, exceptions.CpuLimitError),
        (signal.SIGSEGV, exceptions.WorkerCrashedError),
        (signal.SIGKILL, exceptions.WorkerKilledError),
    ],
)
def test_ends_are_told_apart_in_a_process_namespace(number: int, error: type[Exception]) -> None:
    """The first process of a namespace does not die of a signal's default, but it ends all the same."""
    with contained() as d:
        os.kill(d.sandbox.subprocess_pid or 0, number)
        with pytest.raises(error):
            d.call("str", 1)


def test_processor_time_in_a_process_namespace() -> None:
    with contained(limits=Limits(cpu_time=1)) as d:
        assert isinstance(d.execute_string("while true:\n    pass").error, exceptions.CpuLimitError)


def test_hardening_is_reported_by_what_the_kernel_shows() -> None:
    with Dana(isolation="landlocked", harden_speculation=True, echo=False) as d:
        layer = d.isolation.layer("speculation")
        assert layer.wanted
        shown = Path(f"/proc/{d.sandbox.subprocess_pid}/status").read_text()
        restrained = "\nSpeculation_Store_Bypass:\tvulnerable" not in shown
        assert layer.in_force <= restrained
        assert layer.in_force or layer.reason


# What is left


def test_nothing_is_left_of_many_sessions() -> None:
    pool.close()
    before = groups()
    mounts = Path("/proc/self/mountinfo").read_text()
    for _ in range(20):
        with contained() as d:
            assert d.execute_string("6 * 7").result == 42
    pool.close()
    assert groups() == before
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_nothing_is_left_of_a_worker_that_was_killed() -> None:
    before = groups()
    with contained() as d:
        os.kill(d.sandbox.subprocess_pid or 0, signal.SIGKILL)
        with pytest.raises(exceptions.WorkerKilledError):
            d.call("str", 1)
        assert groups() == before


def test_what_a_host_that_was_killed_leaves_the_next_one_removes() -> None:
    contained().close()
    program = (
        "import os, signal\n"
        "from opendxa.dana import Dana\n"
        "d = Dana(isolation='contained', echo=False)\n"
        "print(os.getpid(), d.sandbox.subprocess_pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    host = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    killed, worker = map(int, host.stdout.split())
    while Path(f"/proc/{worker}/cgroup").exists():
        os.sched_yield()
    tidy = "from opendxa.dana import Dana\nDana(isolation='contained', echo=False).close()\n"
    subprocess.run([sys.executable, "-c", tidy], check=True)
    assert not groups(killed)


def test_a_forked_child_does_not_take_the_group_away() -> None:
    with contained() as d:
        host = os.getpid()
        child = os.fork()
        if child == 0:
            os._exit(len(groups(host)) == 0)
        assert os.waitpid(child, 0)[1] == 0
        assert groups()
        assert d.execute_string("6 * 7").result == 42


# A worker that lies


@pytest.fixture
def boxed(tmp_path: Path) -> Any:
    opened: list[Session] = []

    def start(scenario: str, **changes: Any) -> Session:
        path = fake_worker.install(tmp_path, scenario, BUILD)
        session = Session.spawn(
            path,
            limits={},
            functions=[],
            ask=lambda turn, kind, payload: None,
            output=lambda turn, text: None,
            log=lambda level, text: None,
            turn=lambda left: None,
            startup_timeout=10,
            **changes,
        )
        opened.append(session)
        return session

    with no_spares():
        yield start
        for session in opened:
            session.close()


def needs_namespaces() -> None:
    """Skip, with what is missing here."""
    with Dana(isolation="namespaced", echo=False) as d:
        if d.isolation.level < "namespaced":
            pytest.skip(str(d.isolation))


@root
def test_a_boxed_worker_is_believed(boxed: Any) -> None:
    needs_namespaces()
    assert boxed("boxed", level="namespaced", min_level="namespaced").report()["level"] == "namespaced"


@root
@pytest.mark.parametrize("layer", NAMESPACES)
def test_a_lie_about_a_namespace_is_found_out(boxed: Any, layer: str) -> None:
    needs_namespaces()
    report = boxed(f"boxed-{layer}", level="namespaced").report()
    missing = [
        item["name"] for item in report["layers"] if item["name"] in NAMESPACES and not item["in_force"]
    ]
    assert (report["level"], missing) == ("landlocked", [layer])
    with pytest.raises(exceptions.IsolationUnavailableError, match=layer):
        boxed(f"boxed-{layer}", level="namespaced", min_level="namespaced")


def test_claims_of_what_only_a_host_can_give_are_no_evidence(boxed: Any) -> None:
    layers = {item["name"]: item for item in boxed("echo").report()["layers"]}
    for name in ("own_user", "pid_namespace", "cgroup", "user_namespace"):
        assert not layers[name]["in_force"], layers[name]


# Where the kernel refuses


@root
@numbers
def test_under_dockers_profile() -> None:
    """As root with Docker's capabilities, and as nobody: everything but namespaces and groups."""
    shared = {"rules": outer.DOCKER, "settings": {"isolation": "contained"}}
    strict = {"rules": outer.DOCKER, "settings": {"min_isolation": "namespaced"}}
    who = ({"capabilities": outer.DOCKER_CAPABILITIES}, {"user": NOBODY})
    as_root, as_nobody, *refused = in_other_conditions(
        [*({**shared, **one} for one in who), *({**strict, **one} for one in who)]
    )
    for found in (as_root, as_nobody):
        assert (found["level"], found["isolated"], found["answer"]) == ("landlocked", True, 42)
        for layer in NAMESPACES:
            assert "EPERM" in found["missing"][layer], found
        assert found["missing"]["cgroup"]
        assert "CAP_SYS_ADMIN" in found["missing"]["pid_namespace"]
        assert found["evidence"]["dumpable"] == "kernel"
    host_layers = {*NAMESPACES, "cgroup", "pid_namespace", *missing_here()}
    assert set(as_root["missing"]) == host_layers
    assert set(as_nobody["missing"]) == {*host_layers, "own_user", "securebits", "bounding_set"}
    for found in refused:
        assert found["error"] == "IsolationUnavailableError"
        assert "unshare CLONE_NEWUSER: EPERM" in found["text"]


#: One refusal each: the rule, the layers that are missing then, their reason, and the level that is left.
REFUSALS: list[tuple[outer.Rule, set[str], str, str]] = [
    (outer.call(117, errno.EPERM), {"own_user"}, "setresuid: EPERM", "contained"),
    (outer.call(119, errno.EPERM), {"own_user"}, "setresgid: EPERM", "contained"),
    (outer.first(272, 0x10000000, errno.ENOSPC), {"user_namespace"}, "CLONE_NEWUSER: ENOSPC", "landlocked"),
    (outer.first(272, 0x04000000, errno.EPERM), {"uts_namespace"}, "CLONE_NEWUTS: EPERM", "landlocked"),
    (outer.first(272, 0x08000000, errno.EPERM), {"ipc_namespace"}, "CLONE_NEWIPC: EPERM", "landlocked"),
    (outer.first(272, 0x02000000, errno.EPERM), {"cgroup_namespace"}, "CLONE_NEWCGROUP: EPERM", "landlocked"),
    (outer.first(272, 0x40000000, errno.EPERM), {"net_namespace"}, "CLONE_NEWNET: EPERM", "landlocked"),
    (outer.first(272, 0x00020000, errno.EPERM), {"mount_namespace"}, "CLONE_NEWNS: EPERM", "landlocked"),
    (outer.call(155, errno.EINVAL), {"mount_namespace"}, "pivot_root: EINVAL", "landlocked"),
    ((outer.CLONE, 0, 0x20000000, 0, errno.EPERM), {"pid_namespace"}, "CLONE_NEWPID: EPERM", "contained"),
    (outer.call(outer.MKDIR, errno.EROFS), {"cgroup"}, "mkdir ", "namespaced"),
    (outer.first(outer.PRCTL, 24, errno.EPERM), {"bounding_set"}, "PR_CAPBSET_DROP: EPERM", "contained"),
    (outer.first(outer.PRCTL, 65, errno.EINVAL), {"mdwe"}, "PR_SET_MDWE: EINVAL", "contained"),
    (outer.first(outer.PRCTL, 41, errno.EINVAL), {"huge_pages"}, "PR_SET_THP_DISABLE: EINVAL", "contained"),
    (outer.call(444, errno.ENOSYS), {"landlock"}, "landlock", "filtered"),
]


@root
@numbers
def test_each_refusal_is_reported_as_its_layer_and_no_other() -> None:
    contained().close()
    here = missing_here()
    settings = {"isolation": "contained"}
    found = in_other_conditions([{"rules": [rule], "settings": settings} for rule, *_ in REFUSALS])
    for (_, layers, reason, level), one in zip(REFUSALS, found, strict=True):
        assert (one["level"], set(one["missing"])) == (level, layers | here), one
        assert all(reason in one["missing"][layer] for layer in layers), one
        assert (one["isolated"], one["answer"]) == (True, 42)


#: What the base wall cannot be had without.
BASE: list[tuple[outer.Rule, str]] = [
    (outer.call(126, errno.EPERM), "capabilities"),
    (outer.first(outer.PRCTL, 4, errno.EINVAL), "dumpable"),
    (outer.call(302, errno.EPERM), "rlimits"),
    (outer.call(317, errno.EINVAL), "seccomp"),
]


@root
@numbers
def test_a_refused_base_layer_refuses_the_session_or_degrades_as_asked() -> None:
    strict = [{"rules": [rule], "settings": {"isolation": "landlocked"}} for rule, _ in BASE]
    lenient = [{"rules": [rule], "settings": {"min_isolation": "process"}} for rule, _ in BASE]
    falling = [{"rules": [rule], "settings": {"use_subprocess_isolation": True}} for rule, _ in BASE]
    found = iter(in_other_conditions([*strict, *lenient, *falling]))
    for _, layer in BASE:
        one = next(found)
        assert one["error"] == "IsolationUnavailableError", one
        assert f"layer {layer} failed" in one["text"]
    for _, layer in BASE:
        one = next(found)
        assert (one["level"], one["isolated"], one["answer"]) == ("process", False, 42), one
        assert set(one["missing"]) - {layer} <= missing_here()
        assert layer in one["missing"]
    for _ in BASE:
        one = next(found)
        assert (one["level"], one["isolated"], one["answer"]) == ("none", False, 42), one
