"""The host as programs really are: threads, forks, event loops, handlers that raise, ends in disorder."""

from __future__ import annotations

import asyncio
import os
import re
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opendxa.dana import Dana, DanaCallError, exceptions
from opendxa.dana.corpus.hosts import in_a_child

LOOP = "while true:\n    pass\n"


def isolated(**settings: object) -> Dana:
    return Dana(require_isolation=True, echo=False, **settings)  # type: ignore[arg-type]


def pid_of(d: Dana) -> int:
    pid = d.sandbox.subprocess_pid
    assert pid is not None
    return pid


@pytest.mark.row(
    111, "host", "a session that a parent opened, used in its forked child", "a clear error; a new one works"
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_row_111_a_session_of_the_parent(seen) -> None:
    with isolated() as d:
        assert d.execute_string("x = 41").success
        refused = in_a_child(lambda: str(d.execute_string("x")))
        assert refused.partition(":")[0] == "SessionClosedError"
        assert in_a_child(lambda: str(isolated().execute_string("6 * 7").result)) == "42"
        assert d.execute_string("x + 1").result == 42
    seen("SessionClosedError; a new session in the child works; the parent's goes on")


@pytest.mark.row(112, "host", "os.fork in the middle of a turn; the child exits", "the parent's turn goes on")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_row_112_a_fork_in_the_middle_of_a_turn(seen) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> int:
        begun.set()
        go_on.wait()
        return 42

    results: list[object] = []
    with isolated(functions=[wait]) as d:
        turn = threading.Thread(target=lambda: results.append(d.execute_string("wait()").result))
        turn.start()
        begun.wait()
        assert in_a_child(lambda: str(d.is_subprocess_isolated)) == "False"
        go_on.set()
        turn.join()
        assert results == [42]
        assert d.execute_string("1").result == 1
    seen("the turn ended as if nothing had been")


@pytest.mark.row(
    113, "host", "multiprocessing by fork, spawn and forkserver", "each child has sessions of its own"
)
def test_row_113_multiprocessing(tmp_path: Path, seen) -> None:
    program = tmp_path / "prefork.py"
    program.write_text(
        "import multiprocessing as mp, sys, warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "from opendxa.dana import Dana\n"
        "def work(number):\n"
        "    with Dana(require_isolation=True, echo=False) as d:\n"
        "        assert d.is_subprocess_isolated\n"
        "        return d.execute_string(f'{number} * 2').result\n"
        "if __name__ == '__main__':\n"
        "    with Dana(require_isolation=True, echo=False) as parent:\n"
        "        parent.execute_string('x = 1')\n"
        "        for way in sys.argv[1:]:\n"
        "            with mp.get_context(way).Pool(2) as pool:\n"
        "                assert pool.map(work, range(4)) == [0, 2, 4, 6], way\n"
        "        print(parent.execute_string('x').result)\n"
    )
    ways = ["fork", "spawn", "forkserver"]
    command = [sys.executable, str(program), *ways]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "1", done.stderr
    seen("fork, spawn and forkserver")


@pytest.mark.row(114, "host", "32 threads with sessions of their own; 16 on one", "no mix-up")
def test_row_114_threads(seen) -> None:
    wrong: list[object] = []

    def own(number: int) -> None:
        with isolated() as d:
            d.execute_string(f"x = {number}")
            wrong.extend(found for _ in range(10) if (found := d.execute_string("x").result) != number)

    def shared(d: Dana, number: int) -> None:
        wrong.extend(
            found for _ in range(10) if (found := d.execute_string(f"{number} + 1").result) != number + 1
        )

    with isolated() as one:
        workers = [threading.Thread(target=own, args=(number,)) for number in range(32)]
        workers += [threading.Thread(target=shared, args=(one, number)) for number in range(16)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert not wrong
    seen("480 answers, each its asker's")


@pytest.mark.row(
    115,
    "host",
    "100 sessions in threads of an event loop, 50 of them cancelled",
    "the loop goes on, no worker stays",
)
def test_row_115_an_event_loop(seen) -> None:
    async def one(number: int) -> object:
        d = await asyncio.to_thread(isolated)
        pids.append(pid_of(d))
        try:
            source = LOOP if number % 2 else f"{number} * 2"
            return (await asyncio.to_thread(d.execute_string, source)).result
        finally:
            d.close()

    async def all_of_them() -> tuple[list[object], int]:
        ticks = 0
        tasks = [asyncio.create_task(one(number)) for number in range(100)]
        calm = [task for number, task in enumerate(tasks) if number % 2 == 0]
        while not all(task.done() for task in calm):
            ticks += 1
            await asyncio.sleep(0.001)
            if ticks % 5 == 0:
                for task in tasks[1::2]:
                    task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [task.result() for task in calm], ticks

    pids: list[int] = []
    results, ticks = asyncio.run(all_of_them())
    assert results == [number * 2 for number in range(0, 100, 2)]
    assert ticks > 5, "the loop stood still"
    assert not [pid for pid in pids if Path(f"/proc/{pid}/comm").exists()], "a worker lives on"
    seen("50 answers; the loop ran meanwhile; cancelled sessions left no worker")


@pytest.mark.row(
    116,
    "host",
    "KeyboardInterrupt, SystemExit and errors in handlers and callbacks",
    "kept, the worker ended",
)
def test_row_116_handlers_that_raise(seen) -> None:
    class OwnError(Exception):
        pass

    for error in (KeyboardInterrupt, SystemExit, GeneratorExit):

        def leave(error: type[BaseException] = error) -> None:
            raise error

        with isolated(functions={"leave": leave}) as d:
            pidfd = os.pidfd_open(pid_of(d))
            with pytest.raises(error):
                d.execute_string("leave()")
            assert select.select([pidfd], [], [], 10)[0]
            os.close(pidfd)

    def fail(messages: object = None, options: object = None) -> str:
        raise OwnError("of its own")

    with isolated(functions={"fail": fail}, llm=fail) as d:
        for source in ("fail()", "x = not reason('why?')"):
            error_of = d.execute_string(source).error
            assert isinstance(error_of, DanaCallError)
            assert "of its own" in str(error_of)
        assert d.execute_string("1").result == 1
    seen("exits leave at once and end the worker; errors are the program's to catch, with their cause")


@pytest.mark.row(
    117, "host", "a callback that opens, uses and closes sessions, its own too", "works, or a clear error"
)
def test_row_117_callbacks_that_come_back(seen) -> None:
    told: list[object] = []

    def other() -> object:
        with isolated() as inner:
            return inner.execute_string("20 + 1").result

    def again() -> None:
        try:
            d.execute_string("1")
        except exceptions.DanaError as error:
            told.append(str(error))

    def close() -> None:
        d.close()

    with isolated(functions=[other, again, close]) as d:
        assert d.execute_string("other() * 2").result == 42
        d.execute_string("again()")
        assert told
        with pytest.raises(exceptions.SessionClosedError):
            d.execute_string("close()")
    seen("another session works; its own is refused; closing it ends the turn")


ENDS = {
    "left open": "d = Dana(require_isolation=True)\nprint(d.sandbox.subprocess_pid)\n",
    "in a daemon thread": (
        "import threading\n"
        "d = Dana(require_isolation=True)\nprint(d.sandbox.subprocess_pid)\n"
        "loop = 'while true:\\n    pass\\n'\n"
        "threading.Thread(target=d.execute_string, args=(loop,), daemon=True).start()\n"
    ),
    "in a daemon thread, in this process": (
        "import threading\n"
        "with Dana(require_isolation=True) as d:\n    print(d.sandbox.subprocess_pid)\n"
        "begun = threading.Event()\n"
        "d = Dana(functions={'begun': begun.set})\nloop = 'begun()\\nwhile true:\\n    pass\\n'\n"
        "threading.Thread(target=d.execute_string, args=(loop,), daemon=True).start()\nbegun.wait()\n"
    ),
    "at exit": (
        "import atexit\nd = Dana(require_isolation=True)\nprint(d.sandbox.subprocess_pid)\n"
        "atexit.register(lambda: d.execute_string('1 + 1'))\n"
    ),
    "in a finalizer": (
        "class Keeper:\n    def __del__(self):\n        self.d.close()\n"
        "k = Keeper()\nk.d = Dana(require_isolation=True)\nk.me = k\nprint(k.d.sandbox.subprocess_pid)\n"
    ),
    "by os._exit": (
        "import os\nd = Dana(require_isolation=True)\n"
        "print(d.sandbox.subprocess_pid, flush=True)\nos._exit(0)\n"
    ),
}


@pytest.mark.row(
    118,
    "host",
    "sessions open at the interpreter's end: daemon threads, atexit, finalizers, os._exit",
    "no hang, no worker left",
)
def test_row_118_ends_in_disorder(seen) -> None:
    for how, program in [*ENDS.items()] * 3:
        source = f"from opendxa.dana import Dana\n{program}"
        done = subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, f"{how}: {done.stderr}"
        # A daemon thread may be told that its session is closed, while the interpreter's streams go away.
        assert not re.search("Fatal|panicked|Traceback", done.stderr) or how.startswith("in a daemon"), (
            done.stderr
        )
        pid = int(done.stdout)
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended = bool(select.select([pidfd], [], [], 10)[0])
        os.close(pidfd)
        assert ended, how
    seen(f"{len(ENDS)} ways to end")
