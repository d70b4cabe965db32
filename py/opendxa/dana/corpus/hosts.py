"""What the host does with workers that are stopped, killed, looked at; what it leaves, what it claims."""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from .calls import KILLED
from .facts import demand, status
from .numbers import NUMBERS
from .row import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ground import Ground

__all__ = ["ROWS"]

NOBODY = 65534


def _memory_of_sessions(ground: Ground) -> str:
    def resident() -> int:
        return int(status(os.getpid())["VmRSS"].split()[0])

    def serve(count: int) -> None:
        for _ in range(count):
            with ground.session() as d:
                demand(d.execute_string("[str(i) for i in range(1000)]").success, "the program failed")

    serve(50)
    before = resident()
    serve(100)
    grown = resident() - before
    demand(grown < max(2048, before // 20), f"{grown} KiB more after 100 sessions")
    return "100 sessions leave the host's memory as it was"


def _listener(ground: Ground) -> str:
    ground.need_root("force system calls into a worker")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        for name in ("socket", "connect", "sendto", "sendmsg", "io_uring_setup"):
            demand(ground.force(NUMBERS[name], [2, 1, 0]) == KILLED, f"{name} came back")
        with ground.session() as d:
            port = listener.getsockname()[1]
            demand(
                not d.execute_string(f"import socket\nsocket.connect(('127.0.0.1', {port}))").success,
                "it ran",
            )
        demand(not select.select([listener], [], [], 0)[0], "somebody connected")
    return "nobody connected"


def _neighbour(ground: Ground) -> str:
    with ground.session():
        pass  # loads what a plain user might not be allowed to read
    if os.geteuid() != 0:
        return _as_neighbour(ground)
    from .. import worker  # noqa: PLC0415

    # The package may lie where a plain user cannot reach it.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = shutil.copyfile(worker.PATH, Path(folder) / "dana-worker")
        program.chmod(0o755)
        told = in_a_child(lambda: _as_nobody(ground, str(program)))
    demand(told.startswith("refused"), told)
    return told


def in_a_child(act: Callable[[], str]) -> str:
    """Return what `act` says in a forked process that ends afterwards, whatever it became there."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # the child runs on as it is, whatever threads there are
        child = os.fork()
    if child == 0:
        told = "failed"
        try:
            told = act()
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        finally:
            os.write(writer, told.encode()[:4000])
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told_by_child:
        told = told_by_child.read()
    os.waitpid(child, 0)
    return told


def _as_nobody(ground: Ground, program: str) -> str:
    """Become a plain user for good, with a worker program that this user can reach."""
    from .. import worker  # noqa: PLC0415

    worker.PATH = program  # type: ignore[misc]
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # Such a user has not all that root has: the neighbour tries itself at what can be had.
    return _as_neighbour(ground, min_isolation="filtered")


def _as_neighbour(ground: Ground, **settings: str) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    with ground.session(**settings) as d:
        pid = ground.pid_of(d)
        for name in ("mem", "environ", "maps", "syscall"):
            try:
                Path(f"/proc/{pid}/{name}").read_bytes()
            except PermissionError:
                continue
            demand(False, f"/proc/<worker>/{name} can be read")
        for request in (16, 0x4206):
            demand(libc.ptrace(request, pid, 0, 0) == -1, "the worker can be traced")
        piece = (ctypes.c_size_t * 2)(0x400000, 8)
        demand(libc.process_vm_readv(pid, piece, 1, piece, 1, 0) == -1, "the worker's memory can be read")
        demand(d.execute_string("1 + 1").result == 2, "the session is over")
    return "refused: its files under /proc, ptrace, process_vm_readv"


def _siblings(ground: Ground) -> str:
    ground.need_root("force system calls into a worker")
    with ground.session() as sibling:
        other = ground.pid_of(sibling)
        for name, arguments in (
            ("kill", [other, 9]),
            ("tkill", [other, 6]),
            ("process_vm_readv", [other, 0, 1, 0, 1]),
            ("pidfd_open", [other, 0]),
            ("ptrace", [16, other]),
            ("openat", [-100, 0, 0]),
        ):
            demand(ground.force(NUMBERS[name], arguments) == KILLED, f"{name} of a sibling came back")
        with ground.session() as third:
            demand(status(other)["NSsid"] != status(ground.pid_of(third))["NSsid"], "they share a session id")
        demand(sibling.execute_string("6 * 7").result == 42, "the sibling is gone")
    return "no signal, no memory, no descriptor, no path; sessions of their own"


def _environment(ground: Ground) -> str:
    odd = {
        "LD_PRELOAD": "/nonexistent.so",
        "LD_DEBUG": "all",
        "MALLOC_PERTURB_": "85",
        "TZ": "Mars/Phobos",
        "LC_ALL": "tr_TR",
        "RUST_BACKTRACE": "full",
        "RUST_LOG": "trace",
        "GLIBC_TUNABLES": "glibc.malloc.check=3",
    }
    source = "[str(1.5), 'I'.lower(), str({'a': 1}), 10 ** 20]"
    with ground.session() as d:
        plain = d.execute_string(source).result
    before = {name: os.environ.get(name) for name in odd}
    os.environ.update(odd)
    try:
        with ground.session() as d:
            demand(d.execute_string(source).result == plain, "the program's result changed")
            demand(
                "RUST_BACKTRACE" not in str(d.execute_string("1 / 0").error),
                "an error tells of the environment",
            )
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return f"{len(odd)} variables, no effect"


def _stopped(ground: Ground) -> str:
    from ..exceptions import DeadlineExceededError  # noqa: PLC0415
    from ..limits import Limits  # noqa: PLC0415

    with ground.session(limits=Limits(wall_time=0.5)) as d:
        os.kill(ground.pid_of(d), signal.SIGSTOP)
        begin = time.monotonic()
        error = d.execute_string("1").error
        demand(isinstance(error, DeadlineExceededError), f"{error}")
        demand(time.monotonic() - begin < 10, "the deadline did not hold")
    return "killed at the deadline"


def _dead_host(ground: Ground) -> str:
    settings = {name: str(value) for name, value in ground.settings.items()}
    program = (
        "import threading, time\n"
        "from opendxa.dana import Dana\n"
        f"idle, busy = (Dana(require_isolation=True, **{settings}) for _ in range(2))\n"
        "loop = 'while true:\\n    pass\\n'\n"
        "threading.Thread(target=busy.execute_string, args=(loop,), daemon=True).start()\n"
        "print(idle.sandbox.subprocess_pid, busy.sandbox.subprocess_pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", f"import sys\nsys.path[:] = {sys.path!r}\n{program}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:  # noqa: S603 - our own program
        if host.stdout is None:
            raise RuntimeError("the host has no pipe")
        watched = [os.pidfd_open(int(pid)) for pid in host.stdout.readline().split()]
        host.kill()
        host.wait()
    try:
        demand(len(watched) == 2, "the host opened no sessions")
        for pidfd in watched:
            demand(bool(select.select([pidfd], [], [], 10.0)[0]), "a worker outlived its host")
    finally:
        for pidfd in watched:
            os.close(pidfd)
    return "the idle and the busy worker ended"


def _honesty(ground: Ground) -> str:
    from ..dana_module import Dana  # noqa: PLC0415
    from ..exceptions import WorkerKilledError  # noqa: PLC0415

    with ground.session() as d:
        demand(d.is_subprocess_isolated, "a live session is not isolated")
        os.kill(ground.pid_of(d), signal.SIGKILL)
        demand(isinstance(d.execute_string("1").error, WorkerKilledError), "the death went unnoticed")
        demand(not d.is_subprocess_isolated, "a dead session claims to be isolated")
    with ground.session() as d:
        pass
    demand(not d.is_subprocess_isolated, "a closed session claims to be isolated")
    with Dana(echo=False) as plain:
        demand(plain.execute_string("1").result == 1, "the program failed")
        if os.environ.get("DANA_REQUIRE_ISOLATION", "0") == "0":
            demand(not plain.is_subprocess_isolated, "a session in this process claims to be isolated")
    return "false after death, after closing, and in this process"


def _report(ground: Ground) -> str:
    from ..isolation import IsolationLevel  # noqa: PLC0415

    compared = 0
    for level in IsolationLevel:
        if level < IsolationLevel.FILTERED:
            continue
        with ground.session(isolation=level, min_isolation="filtered") as d:
            pid, report = ground.pid_of(d), d.isolation
            facts, own = status(pid), status(os.getpid())
            truth = {
                "seccomp": facts["Seccomp"] == "2"
                and int(facts["Seccomp_filters"]) > int(own["Seccomp_filters"]),
                "no_new_privs": facts["NoNewPrivs"] == "1",
                "threads": facts["Threads"] == "1",
                "capabilities": not any(
                    int(facts[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")
                ),
                "bounding_set": int(facts["CapBnd"], 16) == 0,
                "process": facts["PPid"] == str(os.getpid()),
            }
            for name in ("user", "uts", "ipc", "cgroup", "net", "mount"):
                link = "mnt" if name == "mount" else name
                try:
                    theirs = Path(f"/proc/{pid}/ns/{link}").readlink()
                except PermissionError:
                    continue  # only root may look
                truth[f"{name}_namespace"] = theirs != Path(f"/proc/self/ns/{link}").readlink()
            for name, fact in truth.items():
                told = report.layer(name).in_force
                demand(not told or fact, f"at {level}: {name} is reported in force and is not")
                demand(
                    told or not fact,
                    f"at {level}: {name} is in force and not reported: {report.layer(name).reason}",
                )
            compared += len(truth)
    return f"{compared} layers at 4 levels, each as the kernel has it"


ROWS = (
    Row(
        121,
        "reports_that_claim_too_much",
        "honesty",
        "the report against the kernel's facts, at every level",
        "equal",
        _report,
    ),
    Row(
        27,
        "memory_kept_after_sessions",
        "memory",
        "100 sessions, one after another",
        "the host's memory stays as it was",
        _memory_of_sessions,
    ),
    Row(
        46,
        "connections_to_the_host",
        "network",
        "a listener of the host on loopback, during attempts to reach it",
        "nobody connects",
        _listener,
    ),
    Row(
        52,
        "looking_into_a_worker",
        "process",
        "ptrace, /proc and process_vm_readv by a process of the same user",
        "refused by the kernel",
        _neighbour,
    ),
    Row(
        57,
        "sibling_workers",
        "process",
        "signals, memory, descriptors of another worker",
        "killed by SIGSYS",
        _siblings,
    ),
    Row(
        74,
        "variables_that_change_programs",
        "env",
        "LD_PRELOAD, locale, time zone, allocator and Rust settings",
        "no effect",
        _environment,
    ),
    Row(92, "a_stopped_worker", "supervisor", "SIGSTOP, then a call", "killed at the deadline", _stopped),
    Row(
        98,
        "a_host_that_is_killed",
        "supervisor",
        "SIGKILL of a host with an idle and a busy worker",
        "both workers end",
        _dead_host,
    ),
    Row(
        122,
        "claims_of_isolation",
        "honesty",
        "is_subprocess_isolated after death, after closing, in-process",
        "false",
        _honesty,
    ),
)
