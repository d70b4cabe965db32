"""Real sessions through the extension alone, in a worker and in this process: the same in both."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opendxa.dana import exceptions, pool, worker
from opendxa.dana._bridge import Session, Struct

Open = Callable[..., Session]


@pytest.fixture(params=["worker", "here"])
def open_session(request: pytest.FixtureRequest) -> Iterator[Open]:
    opened: list[Session] = []

    def open_it(**changes: Any) -> Session:
        arguments: dict[str, Any] = {
            "limits": {"wall_time": 20},
            "functions": [],
            "ask": lambda turn, kind, payload: None,
            "output": lambda turn, text: None,
            "log": lambda level, text: None,
            "turn": lambda left: None,
            **changes,
        }
        if request.param == "here":
            session = Session.in_process(**arguments)
        else:
            session = Session.spawn(worker.locate(), startup_timeout=10, **arguments)
        assert session.isolated == (request.param == "worker")
        opened.append(session)
        return session

    yield open_it
    for session in opened:
        session.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_values_and_state(open_session: Open) -> None:
    session = open_session()
    value, usage = session.run("x = 40\nx + 2")
    assert value == 42
    assert set(usage) == {"steps", "memory_peak", "output_bytes", "asks"}
    assert session.get("x") == 40
    session.set("y", [1, {"a": (2.5, None)}])
    assert session.run("y")[0] == [1, {"a": (2.5, None)}]
    assert session.snapshot()["local"]["x"] == 40


def test_calls(open_session: Open) -> None:
    session = open_session()
    session.run("struct P:\n    a: int\n\ndef f(n, by=1):\n    return P(a=n * by)\n")
    assert session.call("f", (3,), {"by": 2}) == Struct("P", a=6)
    double = session.run("lambda n :: n * 2")[0]
    assert double(21) == 42
    with pytest.raises(exceptions.DanaCallError):
        session.call("nothing", ())
    with pytest.raises(exceptions.DanaCallError):
        session.call("f", (1, 2, 3))
    assert session.alive


def test_faults_have_a_place(open_session: Open) -> None:
    session = open_session()
    with pytest.raises(exceptions.DanaCallError) as caught:
        session.run("def f(n):\n    return 1 / n\n\nf(0)", filename="place.na")
    error = caught.value
    assert (error.kind, error.filename, error.line) == ("ZeroDivisionError", "place.na", 2)
    assert error.fault.trace
    with pytest.raises(exceptions.DanaCallError) as caught:
        session.run("x = = 1")
    assert caught.value.fault.syntax
    assert session.run("1 + 1")[0] == 2


def test_output_comes_in_order_and_before_the_end(open_session: Open) -> None:
    shown: list[str] = []
    session = open_session(output=lambda turn, text: shown.append(text))
    session.run("for i in range(2000):\n    print('line', i)\n")
    assert "".join(shown) == "".join(f"line {i}\n" for i in range(2000))


def test_an_error_while_showing_output_ends_the_turn(open_session: Open) -> None:
    def output(turn: object, text: str) -> None:
        raise OSError("disk full")

    session = open_session(output=output)
    with pytest.raises(OSError, match="disk full"):
        session.run("print('x')")
    assert not session.alive


def test_functions_of_the_host(open_session: Open) -> None:
    def ask(turn: object, kind: str, payload: dict[str, Any]) -> Any:
        assert kind == "function"
        if payload["name"] == "fail":
            raise LookupError("not there")
        return [payload["args"], payload["kwargs"]]

    session = open_session(functions=["show", "fail"], ask=ask)
    assert session.run("show(1, 'a', k=[2])")[0] == [(1, "a"), {"k": [2]}]
    with pytest.raises(exceptions.DanaCallError, match="not there") as caught:
        session.run("fail()")
    assert isinstance(caught.value.__cause__, LookupError)
    assert session.run("show()")[0] == [(), {}]


def test_reason(open_session: Open) -> None:
    asked: list[dict[str, Any]] = []

    def ask(turn: object, kind: str, payload: dict[str, Any]) -> Any:
        asked.append({"kind": kind, **payload})
        return "42"

    session = open_session(ask=ask)
    assert session.run("answer: int = reason('six times seven?')\nanswer")[0] == 42
    assert asked[0]["kind"] == "reason"
    assert asked[0]["expects"] == "int"


def test_deadline(open_session: Open) -> None:
    session = open_session()
    began = time.monotonic()
    with pytest.raises(exceptions.DeadlineExceededError):
        session.run("while True:\n    pass\n", timeout=0.2)
    assert 0.2 <= time.monotonic() - began < 2  # milliseconds in a release build
    assert not session.alive
    with pytest.raises(exceptions.SessionClosedError):
        session.run("1")


@pytest.mark.parametrize(
    ("limits", "source", "error"),
    [
        ({"steps": 1000}, "while True:\n    pass\n", exceptions.StepLimitError),
        (
            {"memory": 16 << 20},
            "x = []\nwhile True:\n    x.append('y' * 1000)\n",
            exceptions.MemoryLimitError,
        ),
        ({"memory": 16 << 20}, "x = 'y' * 100000000000", exceptions.MemoryLimitError),
        ({"output": 1000}, "while True:\n    print('y' * 100)\n", exceptions.OutputLimitError),
    ],
)
def test_limits(open_session: Open, limits: dict[str, Any], source: str, error: type[Exception]) -> None:
    session = open_session(limits={"wall_time": 30, **limits})
    with pytest.raises(error):
        session.run(source)
    assert not session.alive


def test_depth_is_no_end(open_session: Open) -> None:
    session = open_session(limits={"depth": 50})
    with pytest.raises(exceptions.DanaCallError):
        session.run("def f(n):\n    return f(n + 1)\n\nf(0)")
    assert session.run("1")[0] == 1


def test_deep_nesting(open_session: Open) -> None:
    session = open_session()
    with pytest.raises(exceptions.DanaCallError):
        session.run("x = " + "(" * 100_000 + ")" * 100_000)
    with pytest.raises(exceptions.DanaCallError):
        session.run("x = " + "[" * 100_000 + "]" * 100_000)
    assert session.run("1")[0] == 1


def test_asks_are_limited(open_session: Open) -> None:
    session = open_session(functions=["f"], limits={"asks": 3, "wall_time": 20})
    with pytest.raises(exceptions.AskLimitError):
        session.run("for i in range(10):\n    f()\n")
    # Whoever goes on and on is ended.
    session = open_session(functions=["f"], limits={"asks": 3, "wall_time": 20})
    with pytest.raises(exceptions.AskLimitError):
        session.run("while True:\n    try:\n        f()\n    except Exception:\n        pass\n")
    assert not session.alive


def test_control_c(open_session: Open) -> None:
    session = open_session()
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        session.run("while True:\n    pass\n")
    assert time.monotonic() - began < 2  # milliseconds in a release build
    assert not session.alive
    timer.join()


def test_close_from_another_thread(open_session: Open) -> None:
    session = open_session()
    timer = threading.Timer(0.2, session.close)
    timer.start()
    with pytest.raises(exceptions.SessionClosedError):
        session.run("while True:\n    pass\n")
    timer.join()


def test_other_threads_run_meanwhile(open_session: Open) -> None:
    session = open_session()
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    with pytest.raises(exceptions.DeadlineExceededError):
        session.run("while True:\n    pass\n", timeout=0.3)
    stop.set()
    ticker.join()
    assert ticks > 20


def test_one_session_moves_between_threads(open_session: Open) -> None:
    session = open_session()
    session.run("def step(by):\n    return by * 2\n")
    results: list[int] = []

    def work(number: int) -> None:
        results.extend(session.call("step", (number,)) for _ in range(20))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted([number * 2 for number in range(6)] * 20)


def test_functions_keep_their_session(open_session: Open) -> None:
    function = open_session().run("lambda n :: n + 1")[0]
    gc.collect()
    assert function(1) == 2


def test_sessions_are_collected(open_session: Open) -> None:
    class Owner:
        def __init__(self) -> None:
            self.session = open_session(ask=self.ask)
            self.function = self.session.run("lambda n :: n + 1")[0]

        def ask(self, turn: object, kind: str, payload: dict[str, Any]) -> Any:
            return None

    owner = Owner()
    pid = owner.session.pid
    gone = weakref.ref(owner)
    # The fixture holds the session; let it go.
    cells = open_session.__closure__ or ()
    for cell in cells:
        if isinstance(cell.cell_contents, list):
            cell.cell_contents.clear()
    del owner
    gc.collect()
    assert gone() is None
    if pid is not None:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_many_sessions_leave_nothing(open_session: Open) -> None:
    pool.close()
    before = descriptors()
    for number in range(50):
        session = open_session()
        assert session.run(f"{number} + 1")[0] == number + 1
        session.close()
    pool.close()
    assert descriptors() == before


def test_memory_is_charged_to_its_own_session(open_session: Open) -> None:
    limits = {"memory": 32 << 20, "wall_time": 20}
    first, second = open_session(limits=limits), open_session(limits=limits)
    first.run("x = 'a' * 20000000\n1")
    second.run("x = 'b' * 20000000\n1")
    for _ in range(5):
        assert first.run("len(x)")[0] == second.run("len(x)")[0] == 20_000_000
    with pytest.raises(exceptions.MemoryLimitError):
        first.run("y = x + x")
    assert second.run("len(x)")[0] == 20_000_000


def test_programs_do_not_lift_their_own_limit(open_session: Open) -> None:
    """Text that was sent to a session and dropped there must not be counted as given back."""
    session = open_session(limits={"memory": 32 << 20, "wall_time": 30})
    comment = "#" + "x" * 1_000_000
    for _ in range(40):
        session.run(f"1\n{comment}")
        session.set("y", "z" * 1_000_000)
    kept = "".join(f"kept{number} = 'a' * 9000000\n" for number in range(5))
    with pytest.raises(exceptions.MemoryLimitError):
        session.run(kept)


def test_import_starts_nothing() -> None:
    code = (
        "import os, opendxa.dana._bridge\n"
        "assert len(os.listdir('/proc/self/task')) == 1\n"
        "assert open(f'/proc/self/task/{os.getpid()}/children').read() == ''\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(worker.__file__).parents[2])


def test_exit_with_open_sessions_ends_their_workers() -> None:
    code = (
        "from opendxa.dana import worker\n"
        "from opendxa.dana._bridge import Session\n"
        "kept = [Session.spawn(worker.locate(), limits={}, functions=[], ask=print, output=print, log=print, "
        "turn=print,"
        ""
        " startup_timeout=10) for _ in range(3)]\n"
        "print(*(session.pid for session in kept))\n"
    )
    directory = Path(worker.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=directory, capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    for pid in done.stdout.split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_workers_end_with_a_killed_host() -> None:
    code = (
        "import time, threading\n"
        "from opendxa.dana import worker\n"
        "from opendxa.dana._bridge import Session\n"
        "kept = [Session.spawn(worker.locate(), limits={}, functions=[], ask=print, output=print, log=print, "
        "turn=print,"
        ""
        " startup_timeout=10) for _ in range(2)]\n"
        "threading.Thread(target=kept[0].run, args=('while True:\\n    pass\\n',), daemon=True).start()\n"
        "time.sleep(0.2)\n"
        "print(*(session.pid for session in kept), flush=True)\n"
        "time.sleep(60)\n"
    )
    directory = Path(worker.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=directory, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout
        pids = [int(pid) for pid in host.stdout.readline().split()]
        host.kill()
    deadline = time.monotonic() + 2
    left = pids
    while left and time.monotonic() < deadline:
        left = [pid for pid in left if Path(f"/proc/{pid}/cmdline").exists() and runs(pid)]
        time.sleep(0.01)
    assert len(pids) == 2
    assert not left


def runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
