"""Programs that mean harm, workers that go wrong: each its own error, nothing left behind."""

from __future__ import annotations

import os
import re
import secrets
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opendxa.dana import Dana, DanaCallError, Limits, pool, worker
from opendxa.dana.exceptions import (
    AskLimitError,
    DanaError,
    DeadlineExceededError,
    DepthLimitError,
    MemoryLimitError,
    OutputLimitError,
    ProtocolViolationError,
    SessionClosedError,
    StepLimitError,
    WorkerKilledError,
)


def children() -> set[str]:
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set((task / "children").read_text().split())
    return found


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists() or entry.is_symlink()}


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    with Dana(require_isolation=True) as d:
        assert d.execute_string("1").result == 1  # what is made once a process exists from here on
    pool.close()
    processes, files = children(), open_files()
    yield
    pool.close()
    assert children() == processes
    assert len(open_files()) == len(files), f"{files} became {open_files()}"


def fresh(**settings: object) -> Dana:
    return Dana(require_isolation=True, echo=False, **settings)  # type: ignore[arg-type]


def both(**settings: object) -> list[Dana]:
    return [fresh(**settings), Dana(echo=False, **settings)]  # type: ignore[arg-type]


def error_of(d: Dana, source: str) -> Exception:
    result = d.execute_string(source, "harm.na")
    assert not result.success
    assert result.error is not None
    return result.error


def test_endless_loop() -> None:
    for d in both(limits=Limits(wall_time=0.3)):
        with d:
            begin = time.monotonic()
            assert isinstance(error_of(d, "n = 0\nwhile true:\n    n = n + 1\n"), DeadlineExceededError)
            assert time.monotonic() - begin < 5
            assert not d.is_subprocess_isolated
            with pytest.raises(SessionClosedError):
                d.execute_string("1")
            d.restart_subprocess()
            assert d.execute_string("40 + 2").result == 42


def test_too_many_steps() -> None:
    for d in both(limits=Limits(steps=100_000)):
        with d:
            assert isinstance(error_of(d, "while true:\n    pass\n"), StepLimitError)


@pytest.mark.parametrize(
    "bomb",
    [
        "x = [0]\nwhile true:\n    x = x + x\n",
        "x = 'ab'\nwhile true:\n    x = x + x\n",
        "x = []\nwhile true:\n    x = [x, x]\n",
        "x = 'a' * 10000000000\n",
    ],
)
def test_memory_bomb(bomb: str) -> None:
    for d in both(limits=Limits(memory=32 * 2**20, wall_time=30)):
        with d:
            assert isinstance(error_of(d, bomb), MemoryLimitError)


@pytest.mark.parametrize("bomb", ["x = 7\nwhile true:\n    x = x * x\n", "x = 10 ** 10000000000\n"])
def test_number_bomb(bomb: str) -> None:
    for d in both():
        with d:
            error = error_of(d, bomb)
            assert isinstance(error, DanaCallError)
            assert error.kind == "OverflowError"
            assert d.execute_string("1").result == 1


def test_deep_nesting() -> None:
    for d in both():
        with d:
            for source in (
                "(" * 100_000,
                "[" * 100_000 + "]" * 100_000,
                "-" * 100_000 + "1",
                "not " * 100_000 + "1",
            ):
                error = error_of(d, source)
                assert isinstance(error, DanaCallError)
                assert error.line == 1
            assert d.execute_string("1").result == 1, "a program that is refused does not end the session"


def test_endless_recursion() -> None:
    for d in both():
        with d:
            assert isinstance(error_of(d, "def f(n):\n    return f(n + 1)\n\nf(0)\n"), DepthLimitError)
            assert d.execute_string("1").result == 1


def test_output_flood() -> None:
    for d in both(limits=Limits(output=100_000)):
        with d:
            result = d.execute_string("while true:\n    print('0123456789')\n")
            assert isinstance(result.error, OutputLimitError)
            assert len(result.output) <= 100_000 + 4096


def test_ask_flood() -> None:
    for d in both(limits=Limits(asks=5), llm=lambda messages, options: "yes"):
        with d:
            assert isinstance(error_of(d, "while true:\n    x = not reason('Is it?')\n"), AskLimitError)


def test_killed_in_the_middle_of_a_call() -> None:
    def kill() -> None:
        os.kill(pid or 0, signal.SIGKILL)

    with fresh(functions=[kill]) as d:
        pid = d.sandbox.subprocess_pid
        error = error_of(d, "kill()\n1 + 1\n")
        assert isinstance(error, WorkerKilledError)
        assert error.signal == signal.SIGKILL
        assert not d.is_subprocess_isolated
        assert d.sandbox.subprocess_pid is None
        assert d.isolation.level == "none"
        assert d.isolation.fallback_reason == "the worker has ended"


def test_killed_while_it_computes() -> None:
    with fresh() as d:
        timer = threading.Timer(0.2, os.kill, (d.sandbox.subprocess_pid, signal.SIGKILL))
        timer.start()
        assert isinstance(error_of(d, "while true:\n    pass\n"), WorkerKilledError)
        timer.join()


@pytest.mark.parametrize("noise", ["garbage\\n", "\\000\\000\\000\\000", "\\005\\000\\000\\000hello", ""])
def test_worker_that_speaks_garbage(noise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impostor = tmp_path / "dana-worker"
    impostor.write_text(f"#!/bin/sh\nprintf '{noise}'\n" + ("exec sleep 60\n" if noise else ""))
    impostor.chmod(0o755)
    monkeypatch.setattr(worker, "PATH", str(impostor))
    with pytest.raises(DanaError) as caught:
        fresh()
    if noise:
        assert isinstance(caught.value, ProtocolViolationError)


@pytest.mark.parametrize("body", ["pass", "print(1)"], ids=["silent", "talkative"])
def test_interrupt(body: str) -> None:
    with fresh(limits=Limits(output=None)) as d:
        timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,))
        timer.start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            d.execute_string(f"while true:\n    {body}\n")
        assert time.monotonic() - begin < 5
        timer.join()


def test_secrets_of_the_host_are_not_in_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = [secrets.token_hex(24) for _ in range(50)]
    for number, secret in enumerate(planted):
        monkeypatch.setenv(f"SECRET_{number}", secret)
    with fresh(llm=lambda messages, options: "yes") as d:
        assert d.execute_string("x = reason('Is it?')\nx").result is True
        try:
            memory = memory_of(d.sandbox.subprocess_pid or 0)
        except PermissionError:
            pytest.skip("only root may look into a worker's memory; that nobody else can is the point")
        assert len(memory) > 100_000
        assert b"dana" in memory
        assert not [secret for secret in planted if secret.encode() in memory]
    assert planted[0].encode() in memory_of(os.getpid()), "the search finds what is there"


def memory_of(process: int) -> bytes:
    pieces = []
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for line in lines:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if found is None or "[v" in line:
                continue
            begin, end = int(found[1], 16), int(found[2], 16)
            try:
                memory.seek(begin)
                pieces.append(memory.read(end - begin))
            except (OSError, OverflowError):
                continue  # reserved, never touched
    return b"".join(pieces)


def test_many_sessions_leave_nothing() -> None:
    for _ in range(30):
        with fresh() as d:
            assert d.execute_string("6 * 7").result == 42
    dropped = fresh()
    assert dropped.execute_string("1").result == 1
    del dropped


def test_host_that_dies_takes_its_workers_along() -> None:
    program = (
        "import threading, time\n"
        "from opendxa.dana import Dana\n"
        "idle, busy = Dana(require_isolation=True), Dana(require_isolation=True)\n"
        "loop = 'while true:\\n    pass\\n'\n"
        "threading.Thread(target=busy.execute_string, args=(loop,), daemon=True).start()\n"
        "time.sleep(0.3)\n"
        "print(idle.sandbox.subprocess_pid, busy.sandbox.subprocess_pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    kill_host_and_expect_the_end_of_its_workers(program)


def kill_host_and_expect_the_end_of_its_workers(program: str) -> None:
    """Run a host that prints its workers' process ids, kill it, and wait for the workers' end."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program], stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        watched = [os.pidfd_open(int(pid)) for pid in host.stdout.readline().split()]
        host.kill()
        host.wait()
    try:
        for pidfd in watched:
            assert select.select([pidfd], [], [], 10.0)[0], "a worker outlived its host"
    finally:
        for pidfd in watched:
            os.close(pidfd)


def test_keys_chosen_to_collide_do_not_outlast_the_deadline() -> None:
    """Python hashes integers modulo 2**61 - 1, so that building this dict takes quadratic time."""
    program = "d = {}\nfor i in range(400000):\n    d[i * (2 ** 61 - 1)] = i\nd\n"
    with fresh(limits=Limits(wall_time=2)) as d:
        begin = time.monotonic()
        result = d.execute_string(program)
        assert isinstance(result.error, DeadlineExceededError), result
        assert time.monotonic() - begin < 10


def test_a_child_forked_in_the_middle_of_a_turn_does_not_keep_the_worker() -> None:
    """The host is killed while its child lives on: the busy worker must end all the same."""
    code = (
        "import os, threading, time\n"
        "from opendxa.dana import Dana, Limits\n"
        "started = threading.Event()\n"
        "d = Dana(require_isolation=True, echo=False, limits=Limits(wall_time=None, cpu_time=None),\n"
        "         functions={'ready': started.set})\n"
        "program = 'ready()\\nwhile true:\\n    pass\\n'\n"
        "threading.Thread(target=lambda: d.execute_string(program), daemon=True).start()\n"
        "started.wait()\n"
        "time.sleep(0.2)\n"
        "worker = d.sandbox.subprocess_pid\n"
        "if os.fork() == 0:\n"
        "    time.sleep(30)\n"
        "    os._exit(0)\n"
        "print(worker, flush=True)\n"
        "time.sleep(60)\n"
    )
    kill_host_and_expect_the_end_of_its_workers(code)


def test_a_call_that_looks_for_its_answer_first() -> None:
    """`busy_wait` changes who waits for whom, and nothing else."""
    with fresh(busy_wait=0.0005, functions={"ten": lambda: 10}, limits=Limits(wall_time=0.3)) as d:
        assert d.execute_string("def f(x):\n    return x + ten()").success
        assert [d.call("f", x) for x in range(200)] == list(range(10, 210))
        big = "a" * 3_000_000
        d.set("big", big)
        assert d.get("big") == big
        assert not d.execute_string("1 / 0").success
        assert isinstance(d.execute_string("while true:\n    pass").error, DeadlineExceededError)


@pytest.mark.parametrize("value", [0, -1.0, 0.5])
def test_a_busy_wait_without_sense(value: float) -> None:
    with pytest.raises(ValueError, match="busy_wait"):
        fresh(busy_wait=value)
