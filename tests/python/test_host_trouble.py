"""A host in trouble: signals, exhausted limits, streams that are closed, ends without warning, Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import fake_worker
from hosts import all_end, eventually, run, ticks, watched, workers
from leftovers import descriptors, nothing_left
from opendxa.dana import AsyncDana, Dana, Limits, PoolConfig, exceptions, pool, worker
from opendxa.dana._bridge import BUILD, pool_configure
from opendxa.dana.corpus.hosts import in_a_child

LOOP = "while true:\n    pass\n"
ENDLESS = Limits(wall_time=None, steps=None)
#: Seconds within which Ctrl-C is to be felt.
FELT = 0.1


@pytest.fixture(autouse=True)
def fresh_pool() -> Iterator[None]:
    pool.configure(PoolConfig(min_idle=0))
    pool.close()
    yield
    pool.configure(PoolConfig())
    pool.close()
    pool_configure(**vars(PoolConfig()), eager=False)


def isolated(**settings: Any) -> Dana:
    return Dana(require_isolation=True, echo=False, **settings)


def isolated_async(**settings: Any) -> AsyncDana:
    return AsyncDana(require_isolation=True, echo=False, **settings)


def works(number: int = 21) -> int | None:
    with isolated(functions={"twice": lambda x: 2 * x}) as d:
        pid = d.sandbox.subprocess_pid
        assert d.execute_string(f"twice({number})").result == 2 * number
    return pid


async def works_on_a_loop(number: int = 21) -> None:
    async def twice(x: int) -> int:
        return 2 * x

    async with isolated_async(functions=[twice]) as d:
        assert (await d.execute_string(f"twice({number})")).result == 2 * number


# Children's statuses


def test_sigchld_is_ignored() -> None:
    """The kernel then reaps by itself.

    Spares, sessions and those that die work all the same, and leave nothing.
    """
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with nothing_left():
            pool.configure(PoolConfig(min_idle=3, max_workers=20))
            pool.warm(3)
            for number in range(10):
                works(number)
                asyncio.run(works_on_a_loop(number))
            spares = workers(os.getpid())
            with watched(spares) as ends:
                for spare in spares:
                    os.kill(spare, signal.SIGKILL)
                assert all_end(ends)
            assert works() not in spares
            eventually(lambda: pool.stats().idle == 3)
            with isolated() as d:
                os.kill(d.sandbox.subprocess_pid or 0, signal.SIGKILL)
                assert isinstance(
                    d.execute_string("1").error, (exceptions.WorkerLostError, exceptions.WorkerKilledError)
                )
            pool.close()
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_foreign_thread_that_waits_for_every_child() -> None:
    stop = threading.Event()
    stolen: list[int] = []

    def steal() -> None:
        while not stop.is_set():
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                continue
            if pid:
                stolen.append(pid)

    with nothing_left():
        thief = threading.Thread(target=steal)
        thief.start()
        try:
            pool.configure(PoolConfig(min_idle=3, max_workers=20))
            for number in range(40):
                works(number)
            asyncio.run(works_on_a_loop())
            spare = workers(os.getpid())[0]
            with watched([spare]) as ends:
                os.kill(spare, signal.SIGKILL)
                assert all_end(ends)
            for number in range(4):
                assert works(number) != spare
            pool.close()
        finally:
            stop.set()
            thief.join()
    assert stolen, "the trial itself works"


# Streams and descriptors


def test_a_host_without_standard_streams_that_has_a_pool_and_a_loop(tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = f"""
import asyncio
from opendxa.dana import AsyncDana, Dana, PoolConfig, pool
pool.configure(PoolConfig(min_idle=3, max_workers=20))
ready = pool.warm(3)

async def main():
    async with AsyncDana(require_isolation=True) as d:
        result = await d.execute_string("print('told')\\n6 * 7")
        return result.result, result.output

texts = [ready, asyncio.run(main())]
for number in range(5):
    with Dana(require_isolation=True, functions={{"f": lambda: open("/dev/null").fileno()}}) as d:
        texts.append(d.execute_string(f"print(1)\\nf()\\n{{number}}").result)
open({str(told)!r}, "w").write(repr(texts))
"""
    script = 'exec "$0" -W ignore -c "$1" 0<&- 1>&- 2>&-'
    subprocess.run(["/bin/sh", "-c", script, sys.executable, program], check=True)
    assert told.read_text() == "[3, (42, 'told'), 0, 1, 2, 3, 4]"


@contextmanager
def room_for(more: int) -> Iterator[None]:
    """Let so many descriptors more be opened: numbers that are free in between are taken first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir()) + more + 2
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        for descriptor in taken[len(taken) - more :]:
            os.close(descriptor)
        del taken[len(taken) - more :]
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_descriptors_run_out_while_the_pool_refills() -> None:
    """The spare that cannot be had fails alone.

    Sessions go on, and the pool fills again once there is room.
    """
    pool.close()
    before, failed = descriptors(), pool.stats().failed
    with isolated() as first:
        first.execute_string("x = 40\ndef plus(n):\n    return x + n")
        for tries, room in enumerate((0, 3, 6)):  # a worker's start takes seven
            pool.configure(PoolConfig(min_idle=2, max_workers=20))
            works()
            eventually(lambda: (pool.stats().idle, pool.stats().starting) == (2, 0))
            with room_for(room), isolated() as d:  # takes a spare, whose place cannot be filled now
                assert d.execute_string("6 * 7").result == 42
                eventually(lambda tries=tries: pool.stats().failed > failed + tries)
                assert first.call("plus", 2) == 42
            pool.configure(PoolConfig(min_idle=0, max_workers=20))
            pool.close()
    pool.configure(PoolConfig(min_idle=2, max_workers=20))
    works()
    eventually(lambda: pool.stats().idle == 2)
    pool.close()
    assert descriptors() == before


def test_the_limit_of_processes() -> None:
    """A plain user's limit.

    No spare and no session can be started, what there is goes on, and all works later.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The package may lie where a plain user cannot reach it.
        Path(folder).chmod(0o755)
        program = shutil.copyfile(worker.PATH, Path(folder) / "dana-worker")
        program.chmod(0o755)
        told = in_a_child(lambda: without_processes(str(program)))
    assert told == "refused, and as before afterwards"


def without_processes(program: str) -> str:
    works()  # loads what a plain user might not be allowed to read
    asyncio.run(works_on_a_loop())
    pool.close()
    worker.PATH = program  # type: ignore[misc]
    if os.geteuid() == 0:
        user = 60_000 + os.getpid() % 5000
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    pool.configure(PoolConfig(min_idle=2, max_workers=20))
    with isolated() as first:
        pool.warm(2)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
        works(1)
        works(2)
        with pytest.raises(exceptions.ResourceError, match="limit of processes"):
            isolated()
        with pytest.raises(exceptions.ResourceError, match="limit of processes"):
            asyncio.run(works_on_a_loop())
        eventually(lambda: pool.stats().failed)
        assert first.execute_string("6 * 7").result == 42
        assert pool.stats().busy == 1
        resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
        works(3)
        eventually(lambda: pool.stats().idle == 2)
    pool.close()
    assert not workers(os.getpid())
    return "refused, and as before afterwards"


def test_sigpipe_at_its_default_and_workers_that_are_dead() -> None:
    program = """
import asyncio, os, signal
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
from opendxa.dana import AsyncDana, Dana, PoolConfig, exceptions, pool
pool.configure(PoolConfig(min_idle=3, max_workers=20))
me = os.getpid()

def kill(pid):
    held = os.pidfd_open(pid)
    signal.pidfd_send_signal(held, signal.SIGKILL)
    import select
    select.select([held], [], [])
    os.close(held)

async def main():
    for size in (1, 5_000_000):
        async with AsyncDana(require_isolation=True, echo=False) as d:
            kill(d.subprocess_pid)
            error = (await d.execute_string("#" * size)).error
            assert isinstance(error, exceptions.WorkerKilledError), error
        die = {"die": lambda: kill(d.subprocess_pid)}
        async with AsyncDana(require_isolation=True, echo=False, functions=die) as d:
            error = (await d.execute_string("die()")).error
            assert isinstance(error, exceptions.WorkerKilledError), error

for _ in range(5):
    pool.warm(3)
    for spare in open(f"/proc/self/task/{me}/children").read().split():
        kill(int(spare))
    with Dana(require_isolation=True, echo=False) as d:
        assert d.execute_string("6 * 7").result == 42
    asyncio.run(main())
    die = {"die": lambda: kill(d.sandbox.subprocess_pid)}
    with Dana(require_isolation=True, echo=False, functions=die) as d:
        error = d.execute_string("die()").error
        assert isinstance(error, exceptions.WorkerKilledError), error
assert signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL
print("lives")
"""
    assert run(program).stdout == "lives\n"


# The end of the host, and of its threads


def test_all_workers_end_within_a_second_of_their_host() -> None:
    """Idle spares, idle and busy sessions, endless loops, sessions of an event loop.

    One in the middle of an ask.
    """
    program = """
import asyncio, os, threading
from opendxa.dana import AsyncDana, Dana, Limits, PoolConfig, pool
pool.configure(PoolConfig(min_idle=4, max_workers=40))
pool.warm(4)
endless = Limits(wall_time=None, steps=None, cpu_time=None, output=None)
begun = threading.Semaphore(0)
functions = {"begun": begun.release, "wait": threading.Event().wait}
programs = [
    "begun()\\nwhile true:\\n    pass",
    "begun()\\nwhile true:\\n    print(1)",
    "begun()\\nwhile true:\\n    x = [str(i) for i in range(100000)]",
    "begun()\\nwait()",
]
kept = []
for source in programs:
    d = Dana(require_isolation=True, echo=False, limits=endless, functions=functions)
    kept.append(d)
    threading.Thread(target=d.execute_string, args=(source,), daemon=True).start()

async def main():
    settings = dict(require_isolation=True, echo=False, limits=endless, functions=functions)
    opened = [AsyncDana(**settings) for _ in range(5)]
    for d in opened:
        await d.open()
    tasks = [asyncio.create_task(d.execute_string(source)) for d, source in zip(opened, programs)]
    for _ in range(2 * len(programs)):
        await asyncio.to_thread(begun.acquire)
    idle = Dana(require_isolation=True, echo=False)
    print("ready", flush=True)
    await asyncio.gather(*tasks)

asyncio.run(main())
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        eventually(lambda: sum(ticks(pid) > 2 for pid in workers(host.pid)) >= 4)
        with watched(workers(host.pid)) as left:
            assert len(left) >= 10
            host.kill()
            assert all_end(left), "a worker outlived its host"


def test_stopped_workers() -> None:
    """They are killed at the deadline, by closing, by cancelling, and at the interpreter's end."""
    pool.configure(PoolConfig(min_idle=2, max_workers=20))
    pool.warm(2)
    with watched(workers(os.getpid())) as spares:
        for pid in workers(os.getpid()):
            os.kill(pid, signal.SIGSTOP)
        with isolated(limits=Limits(wall_time=0.2, steps=1000)) as d:  # takes another kind of worker
            assert d.execute_string("6 * 7").result == 42
            os.kill(d.sandbox.subprocess_pid or 0, signal.SIGSTOP)
            assert isinstance(d.execute_string("1").error, exceptions.DeadlineExceededError)
        pool.close()
        assert all_end(spares, 0)

    async def main() -> None:
        async with isolated_async(limits=Limits(wall_time=0.2, steps=1000)) as d:
            os.kill(d.subprocess_pid or 0, signal.SIGSTOP)
            assert isinstance((await d.execute_string("1")).error, exceptions.DeadlineExceededError)
        async with isolated_async() as d:
            with watched([d.subprocess_pid or 0]) as stopped:
                os.kill(d.subprocess_pid or 0, signal.SIGSTOP)
                turn = asyncio.create_task(d.execute_string("1"))
                await asyncio.sleep(0)
                turn.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await turn
                assert all_end(stopped)
        async with isolated_async() as d:
            os.kill(d.subprocess_pid or 0, signal.SIGSTOP)

    asyncio.run(main())
    program = (
        "import os, signal\n"
        "from opendxa.dana import Dana, PoolConfig, pool\n"
        "pool.configure(PoolConfig(min_idle=2))\n"
        "pool.warm(2)\n"
        "d = Dana(require_isolation=True)\n"
        "for pid in open(f'/proc/self/task/{os.getpid()}/children').read().split():\n"
        "    os.kill(int(pid), signal.SIGSTOP)\n"
        "print(os.getpid())\n"
    )
    assert not workers(int(run(program).stdout))


def test_a_stopped_spare_that_is_handed_out() -> None:
    """It is alive, so it is handed out; the deadline of the first call is what it meets."""
    pool.configure(PoolConfig(min_idle=1, max_workers=20))
    pool.warm(1)
    (spare,) = workers(os.getpid())
    os.kill(spare, signal.SIGSTOP)
    with isolated(limits=Limits(wall_time=0.3), restart_on_failure=True) as d:
        assert d.sandbox.subprocess_pid == spare
        assert isinstance(d.execute_string("1").error, exceptions.DeadlineExceededError)
        assert d.execute_string("6 * 7").result == 42


def test_the_thread_that_started_workers_ends() -> None:
    """Spares it warmed, sessions it opened.

    And a loop's sessions live on; nothing of the thread is needed.
    """
    kept: list[Any] = []
    died = pool.stats().died_idle

    def opens() -> None:
        pool.configure(PoolConfig(min_idle=3, max_workers=20))
        pool.warm(3)
        kept.append(isolated())
        loop = asyncio.new_event_loop()
        d = isolated_async()
        loop.run_until_complete(d.open())
        kept.extend((d, loop))

    opener = threading.Thread(target=opens)
    opener.start()
    opener.join()
    d, on_loop, loop = kept
    with d:
        assert d.execute_string("6 * 7").result == 42
    assert loop.run_until_complete(on_loop.call("str", 1)) == "1"
    loop.run_until_complete(on_loop.close())
    loop.close()
    assert pool.stats().died_idle == died
    hits = pool.stats().hits
    works()
    assert pool.stats().hits == hits + 1


# Ctrl-C


class Interrupt:
    """Sends SIGINT from another thread once `ready` holds, and measures until it is felt."""

    def __init__(self, ready: Callable[[], object], to_this_thread: bool = False) -> None:
        self._ready = ready
        self._thread = threading.Thread(target=self._send)
        self._own = to_this_thread
        self._sent = 0.0

    def _send(self) -> None:
        eventually(self._ready)
        self._sent = time.monotonic()
        if self._own:
            # The kernel gives it to the thread that does not wait in a call.
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        else:
            os.kill(os.getpid(), signal.SIGINT)

    def __enter__(self) -> Interrupt:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._sent
        self._thread.join()


def typical(times: list[float]) -> float:
    """What is usual of several trials: noise of a busy machine is not the program's."""
    return statistics.median_low(times)


def busy() -> bool:
    return any(ticks(pid) > 1 for pid in workers(os.getpid()))


@pytest.mark.parametrize("other_thread", [False, True], ids=["to the process", "to another thread"])
@pytest.mark.parametrize("what", ["call", "program", "large value", "function on a thread"])
def test_ctrl_c_in_a_blocking_call(what: str, other_thread: bool) -> None:
    entered = threading.Event()
    release = threading.Event()

    def wait() -> None:
        entered.set()
        release.wait()

    times = []
    for _ in range(5):
        entered.clear()
        release.clear()
        with isolated(limits=ENDLESS) as d:
            d.execute_string("def endless(x):\n    while true:\n        pass")
            d.register("wait", wait, background=True)
            ready = entered.is_set if what == "function on a thread" else busy
            calls = {
                "call": lambda: d.call("endless", 1),
                "program": lambda: d.execute_string(LOOP),
                "large value": lambda: d.call("endless", "x" * 20_000_000),
                "function on a thread": lambda: d.execute_string("wait()"),
            }
            with watched([d.sandbox.subprocess_pid or 0]) as own:
                interrupt = Interrupt(ready, other_thread)
                with pytest.raises(KeyboardInterrupt), interrupt:
                    calls[what]()
                assert all_end(own, 0), "the worker is still there"
            times.append(interrupt.seconds)
            assert not d.is_subprocess_isolated
        release.set()
    assert typical(times) < FELT, times


@contextmanager
def interrupted(ready: Callable[[], object], times: list[float]) -> Iterator[None]:
    """Press Ctrl-C once `ready` holds; it is felt, and the workers of that moment are gone."""
    held: list[int] = []

    def now() -> bool:
        if ready():
            held.extend(os.pidfd_open(int(pid)) for pid in children())
        return bool(held)

    interrupt = Interrupt(now)
    with pytest.raises(KeyboardInterrupt), interrupt:
        yield
    try:
        assert all_end(held), "the worker is still there"
    finally:
        for descriptor in held:
            os.close(descriptor)
    times.append(interrupt.seconds)
    eventually(lambda: not children())  # their statuses are taken, too


def test_ctrl_c_while_a_session_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker has started and says nothing."""
    monkeypatch.setattr(worker, "PATH", fake_worker.install(tmp_path, "silent", BUILD))
    times: list[float] = []
    with nothing_left():
        for _ in range(5):
            with interrupted(children, times):
                isolated()
        pool.close()
    assert typical(times) < FELT, times


@pytest.mark.parametrize("where", ["opening", "endless", "asking"])
def test_ctrl_c_in_asyncio_run(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if where == "opening":
        monkeypatch.setattr(worker, "PATH", fake_worker.install(tmp_path, "silent", BUILD))
    asked = threading.Event()

    async def ask() -> None:
        asked.set()
        await asyncio.sleep(1000)

    async def main() -> None:
        async with isolated_async(limits=ENDLESS, functions=[ask]) as d:
            await d.execute_string("ask() + 1" if where == "asking" else LOOP)

    times: list[float] = []
    with nothing_left():
        for _ in range(5):
            asked.clear()
            with interrupted({"opening": children, "endless": busy, "asking": asked.is_set}[where], times):
                asyncio.run(main())
        gc.collect()  # a traceback may hold what was being opened
        pool.close()
    assert typical(times) < FELT, times


def children() -> list[str]:
    """Of this process; threads may end while they are asked."""
    found: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += (task / "children").read_text().split()
    return found
