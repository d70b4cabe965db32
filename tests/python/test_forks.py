"""Forks of the host.

No hang, no mix-up; the child has a supervision of its own, the parent's workers are untouched.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts import all_end, eventually, run, watched, workers
from opendxa.dana import AsyncDana, Dana, PoolConfig, exceptions, pool
from opendxa.dana._bridge import pool_configure

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

FORKS = 30


@pytest.fixture(autouse=True)
def fresh_pool() -> Iterator[None]:
    pool.close()
    yield
    pool.configure(PoolConfig())
    pool.close()
    pool_configure(**vars(PoolConfig()), eager=False)


def isolated(**settings: Any) -> Dana:
    return Dana(require_isolation=True, echo=False, **settings)


def forked(act: Callable[[], object]) -> int:
    """Fork; the child does `act`, and ends with 0 if it came to an end. Returns the child's process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs must not outlive the test
        code = 1
        try:
            act()
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)
    return child


def ended_well(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def works(number: int = 21) -> None:
    """A session of this process does what it should, and its worker is this process's own."""
    with isolated(functions={"host": os.getpid}) as d:
        assert d.execute_string(f"host() * 0 + {number} * 2").result == 2 * number
        assert d.sandbox.subprocess_pid in workers(os.getpid())


async def works_on_a_loop(number: int = 21) -> None:
    async def value() -> int:
        await asyncio.sleep(0)
        return number

    async with AsyncDana(require_isolation=True, echo=False, functions=[value]) as d:
        assert (await d.execute_string("value() + value()")).result == 2 * number
        assert d.subprocess_pid in workers(os.getpid())


def test_while_the_pool_refills() -> None:
    """The supervisor starts one spare after the other, for a pool that was emptied before."""
    pool.configure(PoolConfig(min_idle=8, max_workers=40))
    refilling, before = 0, pool.stats()
    for number in range(FORKS):
        pool.close()
        works(number)
        refilling += pool.stats().starting > 0
        child = forked(lambda number=number: (works(number), pool.warm(2), works(number)))
        works(number)
        assert ended_well(child)
        eventually(lambda child=child: not workers(child))  # it left by `_exit`: they notice by themselves
    assert refilling > FORKS // 5
    after = pool.stats()
    assert (after.failed, after.died_idle) == (before.failed, before.died_idle)


@pytest.mark.parametrize("from_a_thread", [False, True], ids=["main thread", "other thread"])
def test_while_calls_are_running(from_a_thread: bool) -> None:
    """Threads call without a pause, and every one of their answers is right."""
    pool.configure(PoolConfig(min_idle=2, max_workers=40))
    stop = threading.Event()
    wrong: list[object] = []
    rounds = [0, 0, 0]

    def calls(at: int) -> None:
        with isolated(functions={"ask": lambda x: x + 1}) as d:
            d.execute_string("def f(x):\n    return ask(x) * 2")
            while not stop.is_set():
                rounds[at] += 1
                try:
                    if d.call("f", rounds[at]) != (rounds[at] + 1) * 2:
                        wrong.append(rounds[at])
                except BaseException as error:
                    wrong.append(error)
                    return

    def forks() -> None:
        for number in range(FORKS):
            before = list(rounds)
            children.append(ended_well(forked(lambda number=number: works(number))))
            eventually(
                lambda before=before: (
                    wrong or all(now > then for now, then in zip(rounds, before, strict=True))
                )
            )

    children: list[bool] = []
    threads = [threading.Thread(target=calls, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: all(rounds))
    if from_a_thread:
        forker = threading.Thread(target=forks)
        forker.start()
        forker.join()
    else:
        forks()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert children == [True] * FORKS


def test_with_sessions_on_a_loop() -> None:
    """The loop forks between its tasks' awaits; its sessions go on, and the child runs a loop of its own."""

    async def main() -> None:
        async def calls(d: AsyncDana) -> int:
            rounds = 0
            while not stop.is_set():
                rounds += 1
                assert await d.call("f", rounds) == rounds * 2
            return rounds

        def child() -> None:
            # The parent's loop is running on this thread, as far as the child's copy of it knows.
            asyncio._set_running_loop(None)
            asyncio.run(works_on_a_loop())
            works()
            with pytest.raises(exceptions.SessionClosedError, match="forked"):
                asyncio.run(never_opened.open())

        stop = asyncio.Event()
        never_opened = isolated_async()
        async with isolated_async() as first, isolated_async() as second:
            await first.execute_string("def f(x):\n    return x * 2")
            await second.execute_string("def f(x):\n    return x * 2")
            tasks = [asyncio.create_task(calls(d)) for d in (first, second)]
            for _ in range(FORKS):
                await asyncio.sleep(0)
                assert await asyncio.to_thread(ended_well, forked(child))
            stop.set()
            assert all(rounds > FORKS for rounds in await asyncio.gather(*tasks))

    asyncio.run(main())


def isolated_async(**settings: Any) -> AsyncDana:
    return AsyncDana(require_isolation=True, echo=False, **settings)


def test_an_asynchronous_session_of_the_parent() -> None:
    """Used or closed in the child it is refused, and the parent's goes on."""

    async def main() -> None:
        def child() -> None:
            asyncio._set_running_loop(None)
            for use in (d.call("str", 1), d.execute_string("x"), d.restart_subprocess()):
                with pytest.raises((exceptions.SessionClosedError, RuntimeError)):
                    asyncio.run(use)
            assert not d.is_subprocess_isolated
            asyncio.run(d.close())

        async with isolated_async() as d:
            await d.execute_string("x = 41")
            child_pid = forked(child)
            assert await asyncio.to_thread(ended_well, child_pid)
            assert (await d.execute_string("x + 1")).result == 42
            # In the middle of a turn, too: the task is the parent's.
            turn = asyncio.create_task(d.execute_string("n = 0\nwhile n < 300000:\n    n = n + 1\nn"))
            await asyncio.sleep(0)
            assert await asyncio.to_thread(ended_well, forked(child))
            assert (await turn).result == 300_000

    asyncio.run(main())


def test_the_child_leaves_no_trace_in_the_parents_pool() -> None:
    pool.configure(PoolConfig(min_idle=3, max_workers=20))
    pool.warm(3)
    spares = set(workers(os.getpid()))
    before = pool.stats()

    def child() -> None:
        assert pool.stats().workers == 0
        pool.warm(3)
        works()
        pool.configure(PoolConfig(min_idle=1, max_workers=5))
        pool.close()

    assert ended_well(forked(child))
    assert pool.config().min_idle == 3
    assert set(workers(os.getpid())) == spares
    assert pool.stats() == before


def test_a_child_that_waits_for_all_its_children() -> None:
    """As an arbiter does: the statuses are stolen, the sessions are not disturbed."""

    def child() -> None:
        stop = threading.Event()

        def reap() -> None:
            while not stop.is_set():
                try:
                    os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    continue

        reaper = threading.Thread(target=reap)
        reaper.start()
        try:
            pool.configure(PoolConfig(min_idle=2, max_workers=20))
            for number in range(10):
                works(number)
            with isolated() as d:
                os.kill(d.sandbox.subprocess_pid or 0, signal.SIGKILL)
                assert isinstance(
                    d.execute_string("1").error, (exceptions.WorkerLostError, exceptions.WorkerKilledError)
                )
            pool.close()
        finally:
            stop.set()
            reaper.join()

    assert ended_well(forked(child))


def test_grandchildren() -> None:
    pool.configure(PoolConfig(min_idle=1, max_workers=20))

    def child() -> None:
        with isolated() as mine:
            mine.execute_string("x = 1")
            assert ended_well(forked(works))
            assert mine.execute_string("x").result == 1

    with isolated() as mine:
        mine.execute_string("x = 2")
        assert ended_well(forked(child))
        assert mine.execute_string("x").result == 2


def test_a_child_that_leaves_by_the_interpreters_end() -> None:
    """`sys.exit` in a child runs what was registered for the end.

    It ends the child's workers, not the parent's.
    """
    program = """
import os, sys
from opendxa.dana import Dana, PoolConfig, pool
pool.configure(PoolConfig(min_idle=2, max_workers=20))
parent = Dana(require_isolation=True, echo=False)
parent.execute_string("x = 1")
pool.warm(2)
for _ in range(5):
    child = os.fork()
    if child == 0:
        mine = Dana(require_isolation=True, echo=False)
        mine.execute_string("x = 2")
        pool.warm(2)
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    print(child)
assert parent.execute_string("x").result == 1
while pool.stats().starting:
    pass
assert pool.stats().idle >= 2
"""
    done = run(program)
    assert done.stderr == ""
    assert not workers(*map(int, done.stdout.split()))


MULTIPROCESSING = """
import asyncio, multiprocessing as mp, os, sys
from opendxa.dana import AsyncDana, Dana, PoolConfig, pool

def work(number):
    if pool.config().min_idle != 3:  # settings go along with a fork only
        pool.configure(PoolConfig(min_idle=3, max_workers=30))
    with Dana(require_isolation=True, echo=False) as d:
        value = d.execute_string(f"{number} * 2").result

    async def main():
        async with AsyncDana(require_isolation=True, echo=False) as d:
            return (await d.execute_string(f"{number} * 3")).result

    return os.getpid(), value, asyncio.run(main()), d.isolation.level.value

if __name__ == "__main__":
    way = sys.argv[1]
    if way == "forkserver":
        mp.set_forkserver_preload(["opendxa.dana", "__main__"])
    pool.configure(PoolConfig(min_idle=3, max_workers=30))
    pool.warm(3)
    with Dana(require_isolation=True, echo=False) as parent:
        parent.execute_string("x = 1")
        with mp.get_context(way).Pool(2) as processes:
            results = processes.map(work, range(8), chunksize=1)
            processes.close()
            processes.join()
        assert [(two, three) for _, two, three, _ in results] == [(2 * n, 3 * n) for n in range(8)], results
        assert parent.execute_string("x").result == 1
        assert pool.stats().died_idle == 0
    print(*{pid for pid, *_ in results})
"""


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_multiprocessing_with_a_pool(way: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(MULTIPROCESSING)
    command = [sys.executable, "-W", "ignore", str(program), way]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    hosts = [int(pid) for pid in done.stdout.split()]
    assert hosts
    eventually(lambda: not workers(*hosts))  # the processes of `multiprocessing` leave by `_exit`


@pytest.mark.parametrize("way", ["refilling", "opening", "on a loop"])
def test_workers_end_with_their_host_though_a_child_of_it_lives(way: str) -> None:
    """A child forked while workers are being started has no copy of their pipes that keeps them alive."""
    program = f"""
import asyncio, os, sys, threading
from opendxa.dana import AsyncDana, Dana, PoolConfig, pool

way = {way!r}
pool.configure(PoolConfig(min_idle=6 if way == "refilling" else 0, max_workers=60))

def opens():
    while True:
        Dana(require_isolation=True, echo=False).close()

async def opens_on_a_loop():
    while True:
        async with AsyncDana(require_isolation=True, echo=False):
            pass

if way == "opening":
    for _ in range(2):
        threading.Thread(target=opens, daemon=True).start()
elif way == "on a loop":
    threading.Thread(target=lambda: asyncio.run(opens_on_a_loop()), daemon=True).start()
for number in range(int(sys.argv[1])):
    if way == "refilling":
        with Dana(require_isolation=True, echo=False) as d:
            d.execute_string("1")
    else:
        spawned = pool.stats().spawned
        while pool.stats().spawned == spawned:
            pass
    child = os.fork()
    if child == 0:
        os.read(0, 1)
        os._exit(0)
    print(child, flush=True)
os.write(1, b"ready\\n")
os.kill(os.getpid(), 9)
"""
    command = [sys.executable, "-W", "ignore", "-c", program, str(FORKS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        *children, ready = [host.stdout.readline().strip() for _ in range(FORKS + 1)]
        assert (ready, len(children)) == ("ready", FORKS)
        with watched(workers(host.pid)) as left:
            ended = all_end(left)
        # The children end now: their standard input does.
    assert ended, "a worker outlived its host"
