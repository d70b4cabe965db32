"""The host's care for its workers: their ends, their number, their remains; what the base wall rests on."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import soak
from leftovers import descriptors
from opendxa.dana import Dana, Limits, exceptions, pool, worker
from opendxa.dana._bridge import Session
from opendxa.dana.corpus.hosts import in_a_child
from opendxa.dana.sandbox import SubprocessSandboxInterface

NOBODY = 65534


def isolated(**settings: object) -> Dana:
    return Dana(require_isolation=True, echo=False, **settings)  # type: ignore[arg-type]


def pid_of(d: Dana) -> int:
    pid = d.sandbox.subprocess_pid
    assert pid is not None
    return pid


def run_python(program: str, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, **settings)  # type: ignore[call-overload,no-any-return]


def processor_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


@pytest.mark.row(31, "cpu", "an endless loop whose host is stopped", "SIGXCPU by the kernel")
def test_row_031_processor_time_without_a_host(seen) -> None:
    program = (
        "from opendxa.dana import Dana, Limits\n"
        "d = Dana(require_isolation=True, limits=Limits(cpu_time=1, wall_time=None, steps=None))\n"
        "print(d.sandbox.subprocess_pid, flush=True)\n"
        "print(type(d.execute_string('while true:\\n    pass\\n').error).__name__, flush=True)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        pidfd = os.pidfd_open(pid)
        while processor_ticks(pid) < 20:
            time.sleep(0.01)  # until it has the program and runs
        try:
            os.kill(host.pid, signal.SIGSTOP)
            assert select.select([pidfd], [], [], 60)[0], "the worker runs on"
        finally:
            os.close(pidfd)
            os.kill(host.pid, signal.SIGCONT)
        assert host.stdout.read().strip() == "CpuLimitError"
    seen("the worker ended while its host was stopped; CpuLimitError")


@pytest.mark.row(
    58, "process", "fork in a loop, with the worker's limit on processes and without its filter", "EAGAIN"
)
def test_row_058_a_fork_bomb_without_the_filter(seen) -> None:
    def bomb() -> str:
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            if os.fork() == 0:
                os._exit(0)
        except BlockingIOError:
            return "EAGAIN"
        return "forked"

    assert in_a_child(bomb) == "EAGAIN"
    seen("EAGAIN for a plain user; for root the filter is what forbids it")


@pytest.mark.row(
    65, "privilege", "run a set-user-id program under no_new_privs, without the filter", "no gain"
)
def test_row_065_a_set_user_id_program(tmp_path: Path, seen) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a set-user-id program")
    if os.statvfs(tmp_path).f_flag & os.ST_NOSUID:
        pytest.skip("needs a file system that is not mounted nosuid")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    program = Path(shutil.copy("/usr/bin/id", tmp_path / "id"))
    program.chmod(0o4755)
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    gained = subprocess.run([*user, str(program), "-u"], capture_output=True, text=True, check=True)
    held = subprocess.run(
        [*user, "--no-new-privs", str(program), "-u"], capture_output=True, text=True, check=True
    )
    assert gained.stdout.strip() == "0", "the trial itself works"
    assert held.stdout.strip() == str(NOBODY)
    seen("user id 65534 stays 65534")


@pytest.mark.row(72, "fds", "a host that was started with descriptors 0 to 2 closed", "the pipes are right")
def test_row_072_a_host_without_standard_streams(tmp_path: Path, seen) -> None:
    told = tmp_path / "told"
    program = (
        "from opendxa.dana import Dana\n"
        "with Dana(require_isolation=True, echo=False) as d:\n"
        "    result = d.execute_string('print(1)\\n6 * 7')\n"
        "    text = f'{result.result} {result.output!r} {d.is_subprocess_isolated}'\n"
        f"    open({str(told)!r}, 'w').write(text)\n"
    )
    script = 'exec "$0" -W ignore -c "$1" 0<&- 1>&- 2>&-'
    subprocess.run(["/bin/sh", "-c", script, sys.executable, program], check=True)
    assert told.read_text() == "42 '1' True"
    seen("a session as any other")


@pytest.mark.row(
    95, "supervisor", "SIGCHLD ignored; another thread that waits for every child", "lost, never success"
)
def test_row_095_stolen_statuses(fake, seen) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(exceptions.WorkerLostError):
            fake("exit-0").run("x")
        with isolated() as d:
            assert d.execute_string("6 * 7").result == 42
    finally:
        signal.signal(signal.SIGCHLD, before)
    stop = threading.Event()

    def steal() -> None:
        while not stop.is_set():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)

    thief = threading.Thread(target=steal)
    thief.start()
    try:
        with pytest.raises((exceptions.WorkerLostError, exceptions.SandboxViolationError)):
            fake("signal-31").run("x")
        with isolated() as d:
            assert d.execute_string("6 * 7").result == 42
    finally:
        stop.set()
        thief.join()
    seen("WorkerLostError; sessions work all the same")


@pytest.mark.row(
    96,
    "supervisor",
    "a stranger that gets the number of a dead worker, then the worker is killed",
    "the stranger lives",
)
def test_row_096_a_number_that_is_used_again(seen) -> None:
    last = Path("/proc/sys/kernel/ns_last_pid")
    if not os.access(last, os.W_OK):
        pytest.skip("needs root and /proc/sys/kernel/ns_last_pid to have a process number used again")
    for _ in range(200):
        d = isolated()
        pid = pid_of(d)
        pidfd = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        assert select.select([pidfd], [], [], 10)[0]
        os.close(pidfd)
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            os.sched_yield()  # the supervisor takes its status
        last.write_text(str(pid - 1))
        with subprocess.Popen(["sleep", "60"]) as stranger:
            try:
                d.close()
                if stranger.pid == pid:
                    assert stranger.poll() is None, "a stranger was killed"
                    seen("killed through its descriptor: the stranger lives")
                    return
            finally:
                stranger.kill()
    pytest.fail("no process got the number of a dead worker")


@pytest.mark.row(
    97,
    "supervisor",
    "many sessions, some of them killed at random",
    "processes, descriptors, threads, memory flat",
)
def test_row_097_many_sessions_and_kills(seen) -> None:
    # In a host of its own: what is counted is all that a process holds.
    command = [sys.executable, soak.__file__, "200", "97"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    *_, told, verdict = done.stdout.splitlines()
    assert (done.returncode, verdict) == (0, "flat"), done.stdout + done.stderr
    seen(told)


@pytest.mark.row(99, "supervisor", "the thread that opened a session ends", "the worker lives")
def test_row_099_the_opening_thread_ends(seen) -> None:
    opened: list[Dana] = []
    opener = threading.Thread(target=lambda: opened.append(isolated()))
    opener.start()
    opener.join()
    with opened[0] as d:
        assert d.execute_string("6 * 7").result == 42
    seen("it lives")


@pytest.mark.row(
    101,
    "supervisor",
    "the worker program missing, truncated, of another machine or build, not executable, on noexec",
    "a clear error, no fall-back",
)
def test_row_101_unfit_programs(tmp_path: Path, fake, monkeypatch: pytest.MonkeyPatch, seen) -> None:
    real = Path(worker.PATH).read_bytes()
    foreign = bytearray(real[:4096])
    foreign[18:20] = b"\xb7\x00"  # e_machine: aarch64
    programs = {
        "missing": None,
        "truncated": real[:1000],
        "empty": b"",
        "foreign": bytes(foreign),
        "text": b"hello\n",
    }
    for name, content in programs.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
            path.chmod(0o755)
        monkeypatch.setattr(worker, "PATH", str(path))
        with pytest.raises(exceptions.DanaError) as caught:
            Dana(use_subprocess_isolation=True)
        assert not isinstance(caught.value, exceptions.IsolationUnavailableError), name
    plain = tmp_path / "plain"
    plain.write_bytes(real)
    plain.chmod(0o644)
    monkeypatch.setattr(worker, "PATH", str(plain))
    with pytest.raises(exceptions.ResourceError, match="not executable"):
        SubprocessSandboxInterface()
    monkeypatch.undo()
    with pytest.raises(exceptions.ResourceError, match="another build"):
        fake("build")
    told = "missing, truncated, empty, foreign, text, not executable, of another build"
    if os.geteuid() == 0:
        told += noexec(tmp_path, real)
    seen(f"{told}: each an error")


def noexec(tmp_path: Path, real: bytes) -> str:
    """Try a worker on a mount with noexec, where such a mount can be had."""
    folder = tmp_path / "mount"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "noexec", "none", str(folder)], check=False, capture_output=True
    ).returncode:
        return ""
    try:
        path = folder / "dana-worker"
        path.write_bytes(real)
        path.chmod(0o755)
        with pytest.raises(exceptions.ResourceError, match="noexec"):
            Session.spawn(
                str(path),
                limits={},
                functions=[],
                ask=print,
                output=print,
                log=print,
                turn=lambda left: None,
                startup_timeout=10,
            )
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    return ", on noexec"


def session_or_error() -> object:
    try:
        with isolated() as d:
            return d.execute_string("6 * 7").result
    except exceptions.DanaError as error:
        return error


@pytest.mark.row(
    102,
    "exhaustion",
    "a host without free descriptors, or that may start no process",
    "a clean error, no leak",
)
def test_row_102_exhausted_hosts(seen) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    pool.close()
    before = descriptors()
    with isolated() as first:
        assert first.execute_string("1").result == 1
        in_use = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
        for room in range(12):
            resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + room, hard))
            try:
                opened = session_or_error()
                assert not isinstance(opened, exceptions.ProtocolViolationError), opened
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert first.execute_string("2").result == 2
    pool.close()
    assert descriptors() == before
    with isolated() as d:
        assert d.execute_string("6 * 7").result == 42
    seen("12 counts of free descriptors: an error or a session, and nothing left behind")


@pytest.mark.row(103, "exhaustion", "200 sessions at once", "all served")
def test_row_103_many_sessions_at_once(seen) -> None:
    opened = [isolated() for _ in range(200)]
    try:
        results: list[object] = [None] * len(opened)

        def work(index: int) -> None:
            results[index] = opened[index].execute_string(f"{index} + 1").result

        workers = [threading.Thread(target=work, args=(index,)) for index in range(len(opened))]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        assert results == list(range(1, 201))
        assert len({pid_of(d) for d in opened}) == 200
    finally:
        for d in opened:
            d.close()
    seen("200 workers, every answer right")


@pytest.mark.row(104, "exhaustion", "workers that die while idle", "never used")
def test_row_104_workers_that_die_while_idle(seen) -> None:
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
        with isolated() as d:
            pidfd = os.pidfd_open(pid_of(d))
            os.kill(pid_of(d), number)
            assert select.select([pidfd], [], [], 10)[0]
            os.close(pidfd)
            assert not d.is_subprocess_isolated
            assert isinstance(d.execute_string("1").error, exceptions.DanaError)
            d.restart_subprocess()
            assert d.execute_string("6 * 7").result == 42
    seen("noticed at once; a new one only by request")


@pytest.mark.row(119, "host", "SIGPIPE at its default, a worker that dies under a write", "the host lives")
def test_row_119_default_sigpipe(seen) -> None:
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        with isolated(limits=Limits(wall_time=5)) as d:
            os.kill(pid_of(d), signal.SIGKILL)
            error = d.execute_string("#" * 5_000_000).error
            assert isinstance(error, exceptions.WorkerKilledError), error
    finally:
        signal.signal(signal.SIGPIPE, before)
    seen("WorkerKilledError")
