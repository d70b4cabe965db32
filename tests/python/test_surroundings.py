"""What surrounds a session: hosts that hand down more than they should, neighbours, workers that boast."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fake_worker
from leftovers import no_spares
from opendxa.dana import Dana, exceptions, pool, worker
from opendxa.dana._bridge import BUILD, Session
from opendxa.dana.isolation import IsolationReport
from outer import in_other_conditions

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

Start = Callable[..., Session]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Start]:
    """Open a session with a worker that plays a scenario."""
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


def told_by_a_host(start: list[str], tell: str) -> list[str]:
    """Open two sessions in a host that is started with `start`; return what `tell` says of their workers."""
    program = (
        "import os\n"
        "from opendxa.dana import Dana\n"
        "for _ in range(2):\n"
        "    with Dana(require_isolation=True, echo=False) as d:\n"
        "        pid = d.sandbox.subprocess_pid\n"
        f"        print({tell})\n"
    )
    command = [*start, sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


# What a host hands down


@root
def test_a_host_with_fixed_addresses_does_not_hand_that_down() -> None:
    first, second = told_by_a_host(
        ["setarch", "-R"],
        "[line.split('-')[0] for line in open(f'/proc/{pid}/maps') if '[stack]' in line or 'r-xp' in line]",
    )
    assert first != second


@root
@pytest.mark.parametrize("start", [["nice", "-n", "-40"], ["chrt", "-f", "10"], ["chrt", "-r", "10"]])
def test_a_host_of_high_priority_does_not_hand_that_down(start: list[str]) -> None:
    told = told_by_a_host(start, "os.sched_getscheduler(pid), os.getpriority(os.PRIO_PROCESS, pid)")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert told == [f"{os.SCHED_OTHER} {0 if start[0] == 'nice' else max(own, 0)}"] * 2


def test_a_host_of_low_priority_does_hand_that_down() -> None:
    told = told_by_a_host(
        ["nice", "-n", "7"], "os.sched_getscheduler(pid), os.getpriority(os.PRIO_PROCESS, pid)"
    )
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert told == [f"{os.SCHED_OTHER} {max(min(own + 7, 19), 0)}"] * 2


# Neighbours


def test_a_worker_that_somebody_traces_is_refused(fake: Start) -> None:
    """A neighbour that was quicker than the lock goes on tracing after it."""
    with pytest.raises(exceptions.IsolationUnavailableError, match=r"dumpable: process \d+ traces it"):
        fake("traced")


def test_a_program_that_anybody_may_replace_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dana-worker"
    program.write_bytes(Path(worker.PATH).read_bytes())
    program.chmod(0o755)
    monkeypatch.setattr(worker, "PATH", str(program))
    tmp_path.chmod(0o777)
    try:
        with pytest.raises(exceptions.ResourceError, match="may put another in its place"):
            Dana(require_isolation=True)
        tmp_path.chmod(0o1777)
        with Dana(require_isolation=True, echo=False) as d:
            assert d.execute_string("6 * 7").result == 42
    finally:
        tmp_path.chmod(0o700)


HOG = """
import fcntl, os, sys
folders, held = sys.argv[1:], []
print("ready", flush=True)
while True:
    for folder in folders:
        for name in os.listdir(folder):
            if name.startswith("dana-worker-"):
                try:
                    held.append(os.open(os.path.join(folder, name), os.O_RDONLY))
                    fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    pass
    for fd in held[:-50]:
        os.close(fd)
    held = held[-50:]
"""


def test_a_neighbour_that_locks_groups_does_not_make_them_stay() -> None:
    """A directory is made, then locked: a neighbour in between costs neither the session nor a directory."""

    def groups() -> set[Path]:
        return set(Path("/sys/fs/cgroup").glob(f"**/dana-worker-{os.getpid()}-*"))

    with Dana(isolation="contained", echo=False) as d:
        if not d.isolation.layer("cgroup").in_force:
            pytest.skip(d.isolation.layer("cgroup").reason)
        folders = {str(group.parent) for group in groups() if group.is_dir()}
    with subprocess.Popen([sys.executable, "-c", HOG, *folders], stdout=subprocess.PIPE, text=True) as hog:
        try:
            assert hog.stdout is not None
            assert hog.stdout.readline() == "ready\n"
            for _ in range(30):
                with Dana(isolation="contained", echo=False) as d:
                    assert d.isolation.layer("cgroup").in_force, d.isolation
        finally:
            hog.send_signal(signal.SIGKILL)
    pool.close()
    assert not groups()


# Forks

FORKS = """
import os, signal, sys, threading, time
from opendxa.dana import Dana
opened, children = [], []
def open_some():
    while len(opened) < 60:
        opened.append(Dana(require_isolation=True, echo=False))
opener = threading.Thread(target=open_some)
opener.start()
while opener.is_alive():
    child = os.fork()
    if child == 0:
        os.close(1)
        time.sleep(600)
        os._exit(0)
    children.append(child)
    time.sleep(0.005)
print(*(d.sandbox.subprocess_pid for d in opened))
print(*children, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_children_forked_while_sessions_open_do_not_keep_the_workers() -> None:
    """What they got of a worker's pipes in the middle of its start would keep it after its host."""
    command = [sys.executable, "-W", "ignore", "-c", FORKS]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    workers, children = ([int(pid) for pid in line.split()] for line in told.splitlines())
    try:
        assert len(workers) == 60
        left = set(workers)
        deadline = time.monotonic() + 20
        while left and time.monotonic() < deadline:
            left = {pid for pid in left if is_alive(pid)}
        assert not left, f"{len(left)} workers outlive their host"
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether it is a worker, and more than a status that nobody has taken."""
    try:
        name, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rsplit(") ", 1)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return name == "dana-worker" and state[0] not in "ZX"


# What hides the facts


@root
def test_a_proc_that_hides_workers_is_named() -> None:
    """A plain user's locked processes are not his to see there."""
    case = {"rules": [], "proc": "hidepid=2", "user": 1000, "settings": {"require_isolation": True}}
    as_root, as_plain_user = in_other_conditions([{**case, "user": 0}, case])
    assert (as_root["level"], as_root["answer"]) == ("landlocked", 42), as_root
    assert as_plain_user["error"] == "IsolationUnavailableError", as_plain_user
    assert as_plain_user["text"].count("hidepid=2") == 1, "one reason is told once, whatever it hinders"


@root
def test_a_proc_of_other_processes_proves_nothing() -> None:
    """A process namespace with the /proc from outside: a stranger is under the worker's number."""
    program = (
        "from opendxa.dana import Dana, exceptions, pool\n"
        "try:\n    Dana(require_isolation=True)\n"
        "except exceptions.IsolationUnavailableError as error:\n    print(error)\n"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", program]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "/proc is of another process namespace" in told


@root
def test_inside_a_user_namespace_that_knows_one_user() -> None:
    """As in other sandboxes: root has no number there, and the worker's map of users is the host's."""
    (found,) = in_other_conditions(
        [{"rules": [], "user": 1000, "one_user": True, "settings": {"isolation": "namespaced"}}]
    )
    assert (found["level"], found["isolated"], found["answer"]) == ("namespaced", True, 42), found
    assert found["evidence"]["dumpable"] == "kernel"
    assert found["evidence"]["user_namespace"] == "worker"


# Workers that boast


def test_a_claim_cannot_pass_for_another_line_of_the_report(fake: Start) -> None:
    report = IsolationReport.from_bridge(fake("boaster").report(), 1)
    with Dana(use_subprocess_isolation=True, echo=False) as d:
        known = [layer.name for layer in d.isolation.layers]
    assert [layer.name for layer in report.layers] == known
    assert "virtual_machine" not in str(report)
    assert len(str(report).splitlines()) == len(known) + 1
    assert r"worker: x\n  net_namespace  in force" in str(report)


def test_a_worker_without_the_limits_of_its_session_is_refused(fake: Start) -> None:
    """The kernel shows them, so the worker's word does not do."""
    with pytest.raises(exceptions.IsolationUnavailableError, match=r"rlimits: .*'Max address space' is"):
        fake("liar-budget")
