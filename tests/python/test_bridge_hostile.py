"""The host against workers that lie, hang, flood, die and speak garbage.

Every test ends with the same demand: no process, descriptor or thread is left, and the host goes on.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import fake_worker
from leftovers import no_spares
from opendxa.dana import exceptions, pool
from opendxa.dana._bridge import BUILD, Session

LIMITS: dict[str, Any] = {"wall_time": 10}


def open_session(path: str, **changes: Any) -> Session:
    arguments: dict[str, Any] = {
        "limits": LIMITS,
        "functions": [],
        "ask": lambda turn, kind, payload: None,
        "output": lambda turn, text: None,
        "log": lambda level, text: None,
        "turn": lambda left: None,
        "startup_timeout": 10,
    }
    return Session.spawn(path, **{**arguments, **changes})


@pytest.fixture
def fake(tmp_path: Path, nothing_left: None) -> Any:
    """Open a session with a worker that plays a scenario."""
    opened: list[Session] = []

    def start(scenario: str, **changes: Any) -> Session:
        session = open_session(fake_worker.install(tmp_path, scenario, BUILD), **changes)
        opened.append(session)
        return session

    with no_spares():
        yield start
        for session in opened:
            session.close()


def children() -> set[str]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set((task / "children").read_text().split())
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def threads() -> int:
    """Count threads, without those that wait for other tests' sessions to ask something."""
    idle = {thread.native_id for thread in threading.enumerate() if thread.name.startswith("dana-")}
    return sum(int(task.name) not in idle for task in Path("/proc/self/task").iterdir())


@pytest.fixture(autouse=True)
def nothing_left() -> Any:
    pool.close()
    before = (children(), descriptors(), threads())
    yield
    pool.close()
    # Python's `Thread.join` returns while the kernel still removes the thread: a test's own get a moment.
    deadline = time.monotonic() + 5
    while threads() > before[2] and time.monotonic() < deadline:
        os.sched_yield()
    assert (children(), descriptors(), threads()) == before


# --- Before the session ----------------------------------------------------------------------------------


def test_missing_worker(tmp_path: Path) -> None:
    with pytest.raises(exceptions.ResourceError, match="No such file"):
        open_session(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("content", "mode", "text"),
    [
        (b"\x7fELF truncated", 0o755, "not a program of this machine"),
        (b"#!/bin/sh\n", 0o644, "not executable"),
        (b"#!/bin/sh\n", 0o777, "anybody"),
        (b"", 0o755, "not a program of this machine"),
    ],
)
def test_unfit_worker(tmp_path: Path, content: bytes, mode: int, text: str) -> None:
    program = tmp_path / "worker"
    program.write_bytes(content)
    program.chmod(mode)
    with pytest.raises(exceptions.ResourceError, match=text):
        open_session(str(program))


def test_directory_as_worker(tmp_path: Path) -> None:
    with pytest.raises(exceptions.ResourceError, match="not a regular file"):
        open_session(str(tmp_path))


def test_relative_path_is_refused() -> None:
    with pytest.raises(exceptions.ResourceError):
        open_session("dana-worker")


def test_garbage_instead_of_hello(fake: Any) -> None:
    with pytest.raises(exceptions.ProtocolViolationError):
        fake("garbage")


def test_started_instead_of_hello(fake: Any) -> None:
    with pytest.raises(exceptions.ProtocolViolationError, match="Started out of turn"):
        fake("started")


@pytest.mark.parametrize("scenario", ["silent", "drip"])
def test_no_hello_in_time(fake: Any, scenario: str) -> None:
    began = time.monotonic()
    with pytest.raises(exceptions.IsolationUnavailableError, match="not ready within 1"):
        fake(scenario, startup_timeout=1)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("scenario", ["build", "protocol"])
def test_wrong_build(fake: Any, scenario: str) -> None:
    with pytest.raises(exceptions.ResourceError, match="another build"):
        fake(scenario)


def test_failed_setup_names_the_layer(fake: Any) -> None:
    with pytest.raises(exceptions.IsolationUnavailableError, match="layer seccomp failed") as caught:
        fake("setup")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("layer", ["capabilities", "no_new_privs", "rlimits", "seccomp"])
def test_lying_worker_is_refused(fake: Any, layer: str) -> None:
    with pytest.raises(exceptions.IsolationUnavailableError, match=layer):
        fake(f"liar-{layer}")


def test_worker_that_claims_all_and_sets_none(fake: Any) -> None:
    with pytest.raises(exceptions.IsolationUnavailableError, match="seccomp"):
        fake("liar")


def test_lower_level_only_by_name(fake: Any) -> None:
    session = open_session_at_process(fake)
    assert not session.isolated
    assert session.report()["level"] == "process"


def open_session_at_process(fake: Any) -> Session:
    return fake("echoopen", min_level="process")


def test_unknown_level(fake: Any) -> None:
    with pytest.raises(ValueError, match="no isolation level"):
        fake("echo", min_level="very")


# --- A good session --------------------------------------------------------------------------------------


def test_good_session(fake: Any) -> None:
    session = fake("echo")
    assert session.isolated
    assert session.alive
    assert session.pid
    assert session.run("x")[0] == 1
    assert session.call("f", (1,)) == 2
    assert session.get("x") == 3
    session.close()
    session.close()
    assert not session.alive
    assert not session.isolated
    assert session.pid is None
    with pytest.raises(exceptions.SessionClosedError):
        session.run("x")


def test_report_tells_evidence(fake: Any) -> None:
    layers = {layer["name"]: layer for layer in fake("echo").report()["layers"]}
    assert layers["seccomp"]["evidence"] == "kernel"
    assert layers["landlock"]["evidence"] == "worker"
    assert all(layer["in_force"] == (layer["evidence"] != "none") for layer in layers.values())


# --- Ways to end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGSYS, exceptions.SandboxViolationError),
        (signal.SIGXCPU, exceptions.CpuLimitError),
        (signal.SIGKILL, exceptions.WorkerKilledError),
        (signal.SIGTERM, exceptions.WorkerKilledError),
        (signal.SIGABRT, exceptions.WorkerCrashedError),
        (signal.SIGSEGV, exceptions.WorkerCrashedError),
    ],
)
def test_signals(fake: Any, number: int, error: type[Exception]) -> None:
    session = fake(f"signal-{int(number)}")
    with pytest.raises(error) as caught:
        session.run("x")
    assert type(caught.value) is error
    assert getattr(caught.value, "signal", number) == number
    with pytest.raises(exceptions.SessionClosedError):
        session.run("x")


@pytest.mark.parametrize(
    ("code", "error"), [(0, exceptions.WorkerLostError), (3, exceptions.WorkerCrashedError)]
)
def test_exit_codes(fake: Any, code: int, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        fake(f"exit-{code}").run("x")
    assert type(caught.value) is error
    assert caught.value.exit_code == code
    assert "\x1b" not in str(caught.value)
    assert "going" in caught.value.stderr


def test_killed_while_idle(fake: Any) -> None:
    session = fake("echo")
    os.kill(session.pid, signal.SIGKILL)
    deadline = time.monotonic() + 2
    while session.alive and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not session.alive
    assert not session.isolated
    with pytest.raises(exceptions.WorkerKilledError):
        session.run("x")


@pytest.mark.parametrize("scenario", ["hang", "stop"])
def test_deadline(fake: Any, scenario: str) -> None:
    session = fake(scenario)
    began = time.monotonic()
    with pytest.raises(exceptions.DeadlineExceededError):
        session.run("x", timeout=0.3)
    assert 0.3 <= time.monotonic() - began < 1.5


def test_worker_that_never_reads(fake: Any) -> None:
    session = fake("deaf")
    began = time.monotonic()
    with pytest.raises(exceptions.DeadlineExceededError):
        session.run("#" * 10_000_000, timeout=0.5)
    assert time.monotonic() - began < 1.5


def test_worker_that_talks_and_never_reads(fake: Any) -> None:
    with pytest.raises((exceptions.ProtocolViolationError, exceptions.DeadlineExceededError)):
        fake("chatter").run("#" * 10_000_000, timeout=5)


def test_close_while_a_turn_is_under_way(fake: Any) -> None:
    session = fake("hang")
    timer = threading.Timer(0.2, session.close)
    timer.start()
    with pytest.raises(exceptions.SessionClosedError):
        session.run("x")
    timer.join()


def test_dropped_session_leaves_nothing(fake: Any, tmp_path: Path) -> None:
    session = open_session(fake_worker.install(tmp_path, "echo", BUILD))
    pid = session.pid
    del session
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# --- Violations ------------------------------------------------------------------------------------------

VIOLATIONS = [
    "twice", "turn", "hello", "halfclose", "flood", "stderr",
    "length-0", "length-134217729", "length-4294967295",
    "ask-unknown", "ask-extra", "ask-number", "ask-dunder", "ask-reused",
]  # fmt: skip
BODIES = [
    "empty", "trailing", "deep", "abyss", "array32", "map32", "str32", "bin32", "ext32", "reserved",
    "float32", "utf8", "surrogate", "nankey", "listkey", "duplicate", "bigint", "amplify", "nils", "ext",
    "date", "zone", "zonepath", "exponent", "duration", "uuid", "number", "twokeys", "twomembers",
]  # fmt: skip


@pytest.mark.parametrize("scenario", [*VIOLATIONS, *(f"body-{body}" for body in BODIES)])
def test_violation(fake: Any, scenario: str) -> None:
    session = fake(scenario)
    with pytest.raises(exceptions.ProtocolViolationError) as caught:
        session.run("x")
    assert str(caught.value).isprintable() or "\n" in str(caught.value)
    assert not session.alive
    with pytest.raises(exceptions.SessionClosedError):
        session.run("x")


def test_speaking_between_turns(fake: Any) -> None:
    session = fake("late")
    assert session.run("x")[0] == 1
    time.sleep(0.3)
    with pytest.raises(exceptions.ProtocolViolationError):
        session.run("x")


def test_end_inside_a_frame(fake: Any) -> None:
    with pytest.raises(exceptions.WorkerLostError):
        fake("cut").run("x")


MEGABYTE = bytes(range(256)) * 4096


@pytest.mark.parametrize("scenario", ["bytes-whole", "bytes-pieces"])
def test_large_bytes(fake: Any, scenario: str) -> None:
    session = fake(scenario)
    for _ in range(3):
        assert session.run("x")[0] == MEGABYTE


@pytest.mark.parametrize("scenario", ["bytes-longer", "bytes-shorter", "bytes-turn"])
def test_large_bytes_that_are_not_what_they_claim(fake: Any, scenario: str) -> None:
    session = fake(scenario)
    with pytest.raises(exceptions.ProtocolViolationError):
        session.run("x")
    assert not session.alive


def test_large_bytes_that_end_early(fake: Any) -> None:
    with pytest.raises(exceptions.WorkerLostError):
        fake("bytes-cut").run("x")


def test_large_bytes_that_do_not_come(fake: Any) -> None:
    session = fake("bytes-stall")
    with pytest.raises(exceptions.DeadlineExceededError):
        session.run("x", timeout=0.3)


def test_bytes_behind_large_bytes(fake: Any) -> None:
    session = fake("bytes-more")
    assert session.run("x")[0] == MEGABYTE
    with pytest.raises(exceptions.ProtocolViolationError):
        session.run("x")


def test_ask_flood_is_ended(fake: Any) -> None:
    calls = []
    session = fake("ask-flood", ask=lambda turn, kind, payload: calls.append(kind), limits={"asks": 10})
    with pytest.raises(exceptions.AskLimitError):
        session.run("x")
    assert len(calls) == 10


def test_stderr_is_capped_and_escaped(fake: Any) -> None:
    with pytest.raises(exceptions.WorkerCrashedError) as caught:
        fake("noise").run("x")
    error = caught.value
    assert error.stderr.rstrip().endswith("the very end")
    assert len(error.stderr) < 3 * 65536
    assert "\x1b" not in error.stderr
    assert "\x07" not in error.stderr


def test_fault_texts_are_escaped_and_no_class_is_chosen_by_them(fake: Any) -> None:
    session = fake("fault")
    with pytest.raises(exceptions.DanaCallError) as caught:
        session.run("x")
    assert type(caught.value) is exceptions.DanaCallError
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)
    assert session.alive


# --- Asks ------------------------------------------------------------------------------------------------


def test_function_ask(fake: Any) -> None:
    seen = []

    def ask(turn: object, kind: str, payload: dict[str, Any]) -> Any:
        seen.append((kind, payload))
        return 42

    session = fake("function", functions=["twice"], ask=ask)
    assert session.run("x")[0] == "Value"
    assert seen == [("function", {"name": "twice", "args": (21,), "kwargs": {"by": 2}})]


def test_exception_in_an_ask_is_told_to_the_program(fake: Any) -> None:
    def ask(turn: object, kind: str, payload: dict[str, Any]) -> Any:
        raise KeyError("nope")

    session = fake("function", functions=["twice"], ask=ask)
    assert session.run("x")[0] == ["KeyError", "'nope'"]
    assert session.alive


def test_unsendable_answer_is_told_to_the_program(fake: Any) -> None:
    session = fake("function", functions=["twice"], ask=lambda turn, kind, payload: {"a": [object()]})
    kind, message = session.run("x")[0]
    assert kind == "TypeConversionError"
    assert "the result of twice().a[0]" in message


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_exit_in_an_ask_ends_the_worker(fake: Any, error: type[BaseException]) -> None:
    def ask(turn: object, kind: str, payload: dict[str, Any]) -> Any:
        raise error

    session = fake("function", functions=["twice"], ask=ask)
    with pytest.raises(error):
        session.run("x")
    assert not session.alive


def test_session_used_from_its_own_ask_is_refused(fake: Any) -> None:
    inner: list[BaseException] = []

    def ask(turn: object, kind: str, payload: dict[str, Any]) -> Any:
        try:
            session.run("y")
        except exceptions.DanaCallError as error:
            inner.append(error)
        return 1

    session = fake("function", functions=["twice"], ask=ask)
    assert session.run("x")[0] == "Value"
    assert "cannot call back into it" in str(inner[0])


def test_session_closed_from_its_own_ask(fake: Any) -> None:
    session = fake("function", functions=["twice"], ask=lambda turn, kind, payload: session.close())
    with pytest.raises(exceptions.SessionClosedError):
        session.run("x")


def test_another_session_from_an_ask(fake: Any) -> None:
    other = fake("echo")
    session = fake("function", functions=["twice"], ask=lambda turn, kind, payload: other.run("y")[0])
    assert session.run("x")[0] == "Value"


# --- Asks that are answered later ------------------------------------------------------------------------


class Later:
    """A handler that promises every answer and keeps the promises when told."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []
        self.most = 0
        self.at_once = False

    def __call__(self, turn: object, kind: str, payload: dict[str, Any]) -> Future[Any]:
        self.futures.append(Future())
        if self.at_once:
            self.futures[-1].set_result(None)
        self.most = max(self.most, sum(not future.done() for future in self.futures))
        return self.futures[-1]


def test_more_asks_than_are_worked_on_at_once(fake: Any) -> None:
    later = Later()

    def answer_all() -> None:
        for index in range(40):
            while len(later.futures) <= index:
                time.sleep(0.001)
            later.futures[index].set_result(index)

    session = fake("asks-many", functions=[("slow", True)], ask=later)
    thread = threading.Thread(target=answer_all)
    thread.start()
    assert session.run("x")[0] == [[number, "Value"] for number in range(1, 41)]
    thread.join()
    assert later.most <= 16


def test_done_while_asks_are_open_is_a_violation(fake: Any) -> None:
    later = Later()
    session = fake("asks-done", functions=[("slow", True)], ask=later)
    with pytest.raises(exceptions.ProtocolViolationError, match="before its asks were answered"):
        session.run("x")
    assert later.futures[0].cancelled()


def test_failed_while_asks_are_open_cancels_them(fake: Any) -> None:
    later = Later()
    session = fake("asks-failed", functions=[("slow", True)], ask=later)
    with pytest.raises(exceptions.DanaCallError, match="ValueError: enough"):
        session.run("x")
    assert later.futures[0].cancelled()
    assert session.run("x")[0] == "next"


def test_worker_that_dies_with_asks_in_flight(fake: Any) -> None:
    later = Later()
    session = fake("asks-dead", functions=[("slow", True)], ask=later)
    with pytest.raises(exceptions.WorkerCrashedError):
        session.run("x")
    assert later.futures[0].cancelled()


def test_waiting_questions_are_bounded_in_bytes(fake: Any) -> None:
    """Of questions with ten million bytes each, 16 are worked on, 6 wait, and 4 are refused at once."""
    later = Later()

    def answer_all(turn: object, text: str) -> None:
        later.at_once = True
        for future in list(later.futures):
            future.set_result(None)

    session = fake("asks-hoard", functions=[("slow", True)], ask=later, output=answer_all)
    refused, answered = session.run("x")[0]
    assert refused == [[number, "Failed"] for number in range(23, 27)]
    assert answered == [[number, "Value"] for number in range(1, 23)]


def test_arguments_that_are_held_at_once_take_no_more_than_one_frame_may(fake: Any) -> None:
    later = Later()

    def answer_all(turn: object, text: str) -> None:
        for future in list(later.futures):
            future.set_result(None)

    session = fake("asks-heavy", functions=[("slow", True)], ask=later, output=answer_all)
    assert session.run("x")[0] == [[[3, "Failed"]], [[1, "Value"], [2, "Value"]]]


def test_a_worker_that_talks_while_a_large_answer_is_on_its_way(fake: Any) -> None:
    later = Later()
    printed: list[str] = []

    def output(turn: object, text: str) -> None:
        printed.append(text)
        if len(printed) == 3:
            later.futures[0].set_result("y" * 5_000_000)

    session = fake("asks-talk", functions=[("slow", True)], ask=later, output=output)
    assert session.run("x")[0] == [[1, "Value"]]
    assert len(printed) == 100


def test_deadline_with_asks_in_flight(fake: Any) -> None:
    later = Later()
    session = fake("asks-many", functions=[("slow", True)], ask=later)
    with pytest.raises(exceptions.DeadlineExceededError):
        session.run("x", timeout=0.3)
    assert len(later.futures) == 16
    assert all(future.cancelled() for future in later.futures)


# --- Threads, signals, forks -----------------------------------------------------------------------------


def test_one_session_from_many_threads(fake: Any) -> None:
    session = fake("echo")
    results: list[int] = []

    def work() -> None:
        results.extend(session.run("x")[0] for _ in range(50))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(results) == list(range(1, 401))


def test_control_c(fake: Any) -> None:
    session = fake("hang")
    timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        session.run("x")
    assert time.monotonic() - began < 1.5
    assert not session.alive
    timer.join()


def test_handler_of_another_signal_does_not_end_the_turn(fake: Any) -> None:
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    try:
        session = fake("hang")
        timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        timer.start()
        with pytest.raises(exceptions.DeadlineExceededError):
            session.run("x", timeout=0.5)
        assert seen == [1]
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_fork_does_not_share_a_session(fake: Any) -> None:
    session = fake("echo")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = f"{session.isolated} {session.alive} {session.pid} "
            try:
                session.run("x")
            except exceptions.SessionClosedError as error:
                told += "forked" if "forked" in str(error) else str(error)
            session.close()
            os.write(writer, told.encode())
        finally:
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 1000) == b"False False None forked"
    os.waitpid(child, 0)
    os.close(reader)
    assert session.run("x")[0] == 1


def test_fork_opens_its_own(fake: Any, tmp_path: Path) -> None:
    session = fake("echo")
    path = fake_worker.install(tmp_path, "echo", BUILD)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            own = open_session(path)
            code = 0 if own.run("x")[0] == 1 and own.isolated else 2
            own.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert session.run("x")[0] == 1


def test_fork_in_an_ask(fake: Any) -> None:
    """The child goes on in the handler and must not answer its parent's worker."""
    reader, writer = os.pipe()
    forked: list[int] = []

    def ask(turn: object, kind: str, payload: dict[str, Any]) -> Any:
        if not forked:
            forked.append(os.fork())
            if forked[0]:
                os.waitpid(forked[0], 0)
        return 1

    session = fake("function", functions=["twice"], ask=ask)
    try:
        told = session.run("x")[0]
    except exceptions.SessionClosedError:
        told = "closed"
    if forked[0] == 0:
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 100) == b"closed"
    os.close(reader)
    assert told == "Value"
    assert session.run("x")[0] == "Value"


def test_a_child_of_the_host_does_not_keep_its_workers(tmp_path: Path) -> None:
    path = fake_worker.install(tmp_path, "echo", BUILD)
    code = (
        "import os, time\n"
        "from opendxa.dana._bridge import Session\n"
        f"session = Session.spawn({path!r}, limits={{}}, functions=[], ask=print, output=print, log=print, "
        f"turn=print,"
        f""
        " startup_timeout=10)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    time.sleep(60)\n"
        "    os._exit(0)\n"
        "print(session.pid, child, flush=True)\n"
        "time.sleep(60)\n"
    )
    directory = Path(exceptions.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=directory, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout
        pid, child = map(int, host.stdout.readline().split())
        host.kill()
    deadline = time.monotonic() + 3
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text()


def test_ignored_sigchld(fake: Any) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(exceptions.WorkerLostError):
            fake("exit-0").run("x")
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_default_sigpipe(fake: Any) -> None:
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        session = fake("echo")
        os.kill(session.pid, signal.SIGKILL)
        time.sleep(0.1)
        with pytest.raises(exceptions.WorkerKilledError):
            session.run("x")
    finally:
        signal.signal(signal.SIGPIPE, before)


def test_worker_outlives_the_thread_that_started_it(fake: Any) -> None:
    sessions: list[Session] = []
    starter = threading.Thread(target=lambda: sessions.append(fake("echo")))
    starter.start()
    starter.join()
    time.sleep(0.1)
    assert sessions[0].run("x")[0] == 1


def test_other_threads_run_while_one_waits(fake: Any) -> None:
    session = fake("hang")
    ticks = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    with pytest.raises(exceptions.DeadlineExceededError):
        session.run("x", timeout=0.5)
    stop.set()
    ticker.join()
    assert max(b - a for a, b in itertools.pairwise(ticks)) < 0.4
