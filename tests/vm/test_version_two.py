"""Control groups of version 2, live: run by `tests/vm/run` in a machine that has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opendxa.dana import Dana, Limits, exceptions
from outer import in_other_conditions

TOP = Path("/sys/fs/cgroup")
USER = 1000
CONTAINED = {"isolation": "contained"}


def groups() -> list[Path]:
    return [path for path in TOP.glob("**/dana-worker-*") if path.is_dir()]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not groups()


def contained(**settings: object) -> Dana:
    return Dana(isolation="contained", min_isolation="contained", echo=False, **settings)  # type: ignore[arg-type]


def only_group() -> Path:
    (group,) = groups()
    return group


def test_what_the_kernel_shows() -> None:
    with contained(limits=Limits(memory=64 << 20)) as d:
        group = only_group()
        pid = d.sandbox.subprocess_pid
        assert Path(f"/proc/{pid}/cgroup").read_text() == f"0::/{group.name}\n"
        bytes_ = (64 + 16 + 256 + 160) << 20
        shown = {
            name: (group / name).read_text().strip() for name in ("memory.max", "memory.swap.max", "pids.max")
        }
        assert shown == {"memory.max": str(bytes_), "memory.swap.max": "0", "pids.max": "1"}
        layer = d.isolation.layer("cgroup")
        assert (layer.evidence, layer.value) == ("kernel", f"memory.max {bytes_}, pids.max 1, its own group")
        assert d.execute_string("6 * 7").result == 42


def test_the_kernel_ends_a_worker_that_takes_more() -> None:
    with contained() as d:
        (only_group() / "memory.max").write_text(str(4 << 20))
        error = d.execute_string("x = [str(i) for i in range(1000000)]").error
        assert isinstance(error, exceptions.WorkerKilledError)
        assert "control group" in str(error)


def test_no_second_process() -> None:
    with contained():
        program = (
            "import os, sys\n"
            "open(sys.argv[1], 'w').write('0')\n"
            "try:\n    os.fork()\nexcept BlockingIOError:\n    print('EAGAIN')\n"
        )
        command = [sys.executable, "-c", program, str(only_group() / "cgroup.procs")]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "EAGAIN\n"


def test_a_worker_that_was_killed_leaves_no_group() -> None:
    with contained() as d:
        os.kill(d.sandbox.subprocess_pid or 0, 9)
        deadline = time.monotonic() + 60
        while groups() and time.monotonic() < deadline:
            os.sched_yield()
        assert not groups()


@pytest.mark.parametrize("group", ["/", "/one/of/many"])
def test_a_host_in_the_topmost_group_and_far_below(group: str) -> None:
    folder = TOP / group.strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    for above in [above for above in reversed(folder.parents) if above.is_relative_to(TOP)]:
        (above / "cgroup.subtree_control").write_text("+memory +pids")
    (found,) = in_other_conditions([{"rules": [], "group": group, "settings": CONTAINED}])
    assert (found["level"], found["answer"]) == ("contained", 42), found


def test_alone_in_the_topmost_group_that_it_sees() -> None:
    """As in a container with a view of its own: the parent is out of reach."""
    (found,) = in_other_conditions([{"rules": [], "own_view": True, "settings": CONTAINED}])
    assert found["level"] == "namespaced", found
    assert "topmost group it can see" in found["missing"]["cgroup"]


def test_a_plain_user_with_a_delegated_group() -> None:
    """The kernel's limits, though not the level: that asks for a user or process numbers of its own, too."""
    (TOP / "cgroup.subtree_control").write_text("+memory +pids")
    given, host = TOP / "given", TOP / "given" / "host"
    host.mkdir(parents=True)
    for path in (given, given / "cgroup.procs", given / "cgroup.subtree_control", host / "cgroup.procs"):
        os.chown(path, USER, USER)
    (found,) = in_other_conditions(
        [{"rules": [], "group": "/given/host", "user": USER, "settings": {"isolation": "contained"}}]
    )
    assert (found["level"], found["answer"]) == ("namespaced", 42), found
    assert found["evidence"]["cgroup"] == "kernel"


def test_a_plain_user_without() -> None:
    (found,) = in_other_conditions([{"rules": [], "user": USER, "settings": {"isolation": "contained"}}])
    assert found["level"] == "namespaced", found
    assert "Permission denied" in found["missing"]["cgroup"]
