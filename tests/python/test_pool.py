"""The pool of spare workers: ready before anybody asks, handed out once, never more than there may be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opendxa.dana import Dana, Limits, PoolConfig, exceptions, pool
from opendxa.dana._bridge import pool_configure

#: Processes of earlier tests.
others: set[str] = set()


@pytest.fixture(autouse=True)
def fresh_pool() -> Iterator[None]:
    pool.close()
    others.clear()
    others.update(_all_children())
    yield
    pool.close()
    defaults = PoolConfig()
    pool.configure(defaults)
    pool_configure(**vars(defaults), eager=False)


def isolated(**settings: Any) -> Dana:
    return Dana(require_isolation=True, echo=False, **settings)


def eventually(true: Callable[[], bool]) -> None:
    """Wait until something holds; a test that waits in vain fails by its timeout."""
    while not true():
        time.sleep(0.001)


def use(d: Dana) -> int | None:
    assert d.execute_string("6 * 7").result == 42
    return d.sandbox.subprocess_pid


def test_spares_are_kept_from_the_second_session_on() -> None:
    with isolated() as d:
        use(d)
        assert pool.stats().idle == pool.stats().starting == 0
    with isolated() as d:
        use(d)
        eventually(lambda: pool.stats().idle == PoolConfig().min_idle)
    spares = pool.stats().idle
    assert spares == PoolConfig().min_idle


def test_a_spare_serves_one_session_ever() -> None:
    pool.configure(PoolConfig(min_idle=3, max_workers=20))
    pool.warm(3)
    seen = set()
    for number in range(12):
        with isolated() as d:
            d.set("mark", number)
            seen.add(use(d))
    assert len(seen) == 12


def test_a_warm_pool_is_hit() -> None:
    pool.configure(PoolConfig(min_idle=4, max_workers=20))
    assert pool.warm(4) >= 4
    before = pool.stats()
    with isolated() as d:
        use(d)
        assert d.is_subprocess_isolated
        assert d.isolation.level == "landlocked"
        assert d.isolation.layer("seccomp").evidence == "kernel"
    after = pool.stats()
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 0)
    eventually(lambda: pool.stats().idle == 4)


def test_spares_are_of_the_kind_that_is_asked_for() -> None:
    pool.configure(PoolConfig(min_idle=1, max_workers=20))
    pool.warm(1)
    before = pool.stats()
    with isolated(limits=Limits(memory=64 * 2**20)) as d:
        result = d.execute_string("x = 'a' * 100000000")
        assert isinstance(result.error, exceptions.MemoryLimitError)
    with isolated(isolation="filtered") as d:
        assert d.isolation.level == "filtered"
        use(d)
    assert pool.stats().misses - before.misses == 2


def abs_of(number: int) -> int:
    return abs(number)


def test_functions_are_told_to_spares_too() -> None:
    pool.configure(PoolConfig(min_idle=2, max_workers=20))
    pool.warm(2)
    hits = pool.stats().hits
    with isolated(functions=[abs_of]) as d:
        assert d.execute_string("abs_of(-2)").result == 2
    with isolated(functions={"twice": lambda x: 2 * x}) as d:
        assert d.execute_string("twice(4)").result == 8
    assert pool.stats().hits == hits + 2


def test_a_spare_that_dies_is_replaced_and_never_handed_out() -> None:
    pool.configure(PoolConfig(min_idle=2, max_workers=20))
    pool.warm(2)
    victims = [int(pid) for pid in _children()]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    eventually(lambda: not any(_runs(str(victim)) for victim in victims))
    with isolated() as d:
        assert use(d) not in victims
    eventually(lambda: pool.stats().idle == 2)
    assert pool.stats().died_idle >= 2
    assert not set(victims) & {int(pid) for pid in _children()}


def test_a_full_pool_makes_sessions_wait_in_order() -> None:
    pool.configure(PoolConfig(min_idle=0, max_workers=1, acquire_timeout=30))
    first = isolated()
    order: list[int] = []

    def ask(number: int) -> None:
        with isolated() as d:
            use(d)
            order.append(number)

    threads = []
    for number in range(4):
        threads.append(threading.Thread(target=ask, args=(number,)))
        threads[-1].start()
        eventually(lambda: pool.stats().waiting == len(threads))
    first.close()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]
    assert pool.stats().workers == 0
    assert pool.stats().longest_wait > 0


def test_a_full_pool_fails_clearly_at_the_deadline() -> None:
    pool.configure(PoolConfig(min_idle=0, max_workers=1, acquire_timeout=0.05))
    with isolated() as d:
        with pytest.raises(exceptions.PoolExhaustedError, match=r"all 1 workers .*max_workers") as caught:
            isolated()
        assert isinstance(caught.value, exceptions.ResourceError)
        use(d)
    with isolated() as d:
        use(d)
    assert pool.stats().timeouts >= 1


def test_more_room_lets_in_those_who_wait() -> None:
    pool.configure(PoolConfig(min_idle=0, max_workers=1, acquire_timeout=30))
    with isolated() as first:
        thread = threading.Thread(target=lambda: use(isolated()))
        thread.start()
        eventually(lambda: pool.stats().waiting == 1)
        pool.configure(PoolConfig(min_idle=0, max_workers=2, acquire_timeout=30))
        thread.join()
        use(first)


def test_spares_of_another_kind_make_room() -> None:
    pool.configure(PoolConfig(min_idle=2, max_workers=2, acquire_timeout=30))
    pool.warm(2)
    with isolated(isolation="filtered") as d:
        use(d)
    assert pool.stats().retired >= 1


def test_interrupt_while_waiting_for_a_worker() -> None:
    pool.configure(PoolConfig(min_idle=0, max_workers=1, acquire_timeout=30))

    def interrupt() -> None:
        eventually(lambda: pool.stats().waiting == 1)
        os.kill(os.getpid(), signal.SIGINT)

    with isolated() as d:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            isolated()
        thread.join()
        assert pool.stats().waiting == 0
        use(d)


def test_spares_that_nobody_asks_for_are_ended() -> None:
    pool.configure(PoolConfig(min_idle=2, max_workers=20, idle_timeout=0.2))
    pool.warm(2)
    eventually(lambda: pool.stats().idle == 0)
    assert pool.stats().retired >= 2
    eventually(lambda: not _children())


def test_fewer_spares_at_run_time() -> None:
    pool.configure(PoolConfig(min_idle=4, max_workers=20))
    pool.warm(4)
    pool.configure(PoolConfig(min_idle=1, max_workers=20))
    assert pool.stats().idle == 1
    assert pool.config().min_idle == 1


def test_closing_leaves_nothing() -> None:
    pool.configure(PoolConfig(min_idle=3, max_workers=20))
    pool.warm(3)
    pool.close()
    assert not _children()
    assert pool.stats().workers == 0
    assert not any("dana-supervisor" in (task / "comm").read_text() for task in _tasks())


def test_endings_are_counted_by_reason() -> None:
    before = pool.stats().ended
    with isolated(limits=Limits(wall_time=0.05)) as d:
        d.execute_string("while true:\n    pass")
    with isolated(limits=Limits(steps=100)) as d:
        d.execute_string("while true:\n    pass")
    with isolated() as d:
        os.kill(d.sandbox.subprocess_pid or 0, signal.SIGKILL)
        d.execute_string("1")
    after = pool.stats().ended
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"deadline", "steps", "killed"}


def test_figures_for_prometheus() -> None:
    text = pool.stats().prometheus()
    assert "# TYPE dana_pool_idle gauge\ndana_pool_idle 0\n" in text
    assert "# TYPE dana_pool_spawned_total counter\n" in text
    assert 'dana_sessions_ended_total{reason="deadline"}' in text
    assert text.count("# TYPE dana_sessions_ended_total") == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"min_idle": -1}, "min_idle"),
        ({"max_workers": 0}, "max_workers"),
        ({"min_idle": 300}, "min_idle"),
        ({"min_idle": 5, "max_workers": 4}, "max_workers"),
        ({"acquire_timeout": 0}, "acquire_timeout"),
    ],
)
def test_settings_without_sense(arguments: dict[str, int], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        PoolConfig(**arguments)


def test_settings_of_the_wrong_type() -> None:
    with pytest.raises(TypeError, match="Expected int, got str at argument 'min_idle'"):
        PoolConfig(min_idle="2")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="PoolConfig"):
        pool.configure({"min_idle": 2})  # type: ignore[arg-type]


def test_a_forked_child_has_a_pool_of_its_own() -> None:
    pool.configure(PoolConfig(min_idle=2, max_workers=20))
    pool.warm(2)
    spares = set(_children())
    child = os.fork()
    if child == 0:
        code = 1
        try:
            empty = pool.stats().workers == 0 and pool.config().min_idle == 2
            with isolated() as d:
                mine = use(d)
            code = 0 if empty and str(mine) not in spares else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.stats().idle == 2
    assert spares == set(_children())
    with isolated() as d:
        assert str(use(d)) in spares


def test_spares_end_with_their_host_though_a_child_of_it_lives() -> None:
    program = (
        "import os, sys\n"
        "from opendxa.dana import PoolConfig, pool\n"
        "pool.configure(PoolConfig(min_idle=2))\n"
        "pool.warm(2)\n"
        "tasks = os.listdir('/proc/self/task')\n"
        "spares = ' '.join(open(f'/proc/self/task/{t}/children').read() for t in tasks)\n"
        "if os.fork() == 0:\n"
        "    sys.stdin.read()\n"
        "    os._exit(0)\n"
        "print(spares, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        spares = host.stdout.readline().split()
        assert len(spares) >= 2
        eventually(lambda: not any(_runs(pid) for pid in spares))
        assert host.stdin is not None
        host.stdin.close()


def test_a_pool_is_gone_with_its_interpreter() -> None:
    program = (
        "import os\n"
        "from opendxa.dana import PoolConfig, pool\n"
        "pool.configure(PoolConfig(min_idle=3))\n"
        "pool.warm(3)\n"
        "print(*(open(f'/proc/self/task/{t}/children').read() for t in os.listdir('/proc/self/task')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    spares = done.stdout.split()
    assert len(spares) >= 3
    assert done.stderr == ""
    assert not any(_runs(pid) for pid in spares)


def test_a_session_that_is_out_of_time() -> None:
    with isolated(limits=Limits(session_time=0.2)) as d:
        use(d)
        result = d.execute_string("while true:\n    pass")
        assert isinstance(result.error, exceptions.DeadlineExceededError)
        assert "session's time of 0.2 s" in str(result.error)
    with isolated(limits=Limits(session_time=0.05)) as d:
        pid = use(d)
        # Idle, it is ended too.
        eventually(lambda: not _runs(str(pid)))
        result = d.execute_string("1")
        assert isinstance(result.error, exceptions.DeadlineExceededError)


def test_a_session_restarts_with_its_set_up(caplog: pytest.LogCaptureFixture) -> None:
    with isolated(setup="base = 40\ndef plus(x):\n    return base + x", restart_on_failure=True) as d:
        d.register("ten", lambda: 10)
        d.set("lost", 1)
        assert d.call("plus", 2) == 42
        _kill(d.sandbox.subprocess_pid)
        assert d.call("plus", 2) == 42
        # In the middle of a turn it is an error, and the next use has a new session.
        threading.Thread(target=_kill_busy, args=(d,)).start()
        assert isinstance(d.execute_string("while true:\n    pass").error, exceptions.WorkerKilledError)
        assert d.call("plus", 2) == 42
        assert d.execute_string("ten()").result == 10
        assert not d.execute_string("lost").success
    assert "its state is lost" in caplog.text


def test_without_it_a_session_stays_over() -> None:
    with isolated() as d:
        use(d)
        _kill(d.sandbox.subprocess_pid)
        with pytest.raises(exceptions.WorkerKilledError):
            d.call("str", 1)
        with pytest.raises(exceptions.SessionClosedError, match="over"):
            d.call("str", 1)


def test_a_set_up_that_fails_is_the_failure_to_open() -> None:
    with pytest.raises(exceptions.DanaCallError, match="ZeroDivisionError"):
        isolated(setup="1 / 0")
    assert pool.stats().busy == 0


def test_tokens_of_models_are_limited() -> None:
    from opendxa.dana.llm import Response

    def model(messages: list[dict[str, str]], options: dict[str, Any]) -> Response:
        return Response(text="7", input_tokens=10, output_tokens=5)

    for settings in ({"require_isolation": True}, {}):
        with Dana(llm=model, echo=False, limits=Limits(tokens=25), **settings) as d:  # type: ignore[arg-type]
            assert d.reason("one") == 7
            assert d.reason("two") == 7
            program = "try:\n    reason('three') + 1\nexcept Exception:\n    'caught'"
            result = d.execute_string(program)
            assert isinstance(result.error, exceptions.TokenLimitError), result
            assert "30 tokens of models are used, the limit is 25" in str(result.error)
            assert d.usage.tokens == 30
            with pytest.raises(exceptions.SessionClosedError):
                d.execute_string("1")


def _kill(pid: int | None) -> None:
    """End a worker from outside, and wait until it has ended."""
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not _runs(str(pid)))


def _kill_busy(d: Dana) -> None:
    """End a worker that computes."""
    pid = d.sandbox.subprocess_pid
    assert pid is not None
    eventually(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "R")
    os.kill(pid, signal.SIGKILL)


def _tasks() -> list[Path]:
    return list(Path("/proc/self/task").iterdir())


def _children() -> list[str]:
    return [pid for pid in _all_children() if pid not in others]


def _all_children() -> list[str]:
    return [pid for task in _tasks() for pid in (task / "children").read_text().split()]


def _runs(pid: str) -> bool:
    """Whether the process still is one of ours that has not ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    return "Name:\tdana-worker" in status and "State:\tZ" not in status
