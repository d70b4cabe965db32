"""What the log says of sessions and of the pool, and what it never says."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from leftovers import children
from opendxa.dana import AsyncDana, Dana, Limits, PoolConfig, exceptions, pool, telemetry
from opendxa.dana._bridge import pool_configure
from sessions import open_dana

SECRET = "sesame-open-42"


@pytest.fixture(autouse=True)
def fresh_pool() -> Iterator[None]:
    pool.close()
    yield
    pool.close()
    pool_configure(**vars(PoolConfig()), eager=False)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "opendxa.dana"):
        yield caplog


def records(log: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    """The fields of one logger's records, with level and text."""
    return [
        {key: value for key, value in vars(record).items() if key.startswith("dana_")}
        | {"level": record.levelname, "text": record.getMessage()}
        for record in log.records
        if record.name == f"opendxa.dana.{name}"
    ]


def ends(log: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(item["dana_reason"], item["level"]) for item in records(log, "session") if "dana_reason" in item]


def kill(pid: int | None) -> None:
    """Kill a worker and wait until it is gone."""
    assert pid is not None
    watch = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([watch], [], [])
    os.close(watch)


def test_a_session_in_order(log: pytest.LogCaptureFixture, isolated: bool) -> None:
    with open_dana(isolated) as d:
        d.execute_string(f"x = '{SECRET}'")
        d.call("str", SECRET)
        pid, level = d.sandbox.subprocess_pid, d.isolation.level.value
    opened, ended = records(log, "session")
    assert opened["level"] == ended["level"] == "DEBUG"
    assert (opened["dana_pid"], opened["dana_level"]) == (pid, level)
    assert (ended["dana_pid"], ended["dana_reason"]) == (pid, "closed")
    assert opened["dana_session"] == ended["dana_session"]
    assert 0 < opened["dana_opening_seconds"] <= ended["dana_seconds"]
    assert SECRET not in str([vars(record) for record in log.records])


def test_limits_are_ordinary(log: pytest.LogCaptureFixture, isolated: bool) -> None:
    with open_dana(isolated, limits=Limits(steps=1000)) as d:
        d.execute_string("while true:\n    pass")
    with open_dana(isolated, limits=Limits(wall_time=0.05)) as d:
        d.execute_string("while true:\n    pass")
    with open_dana(isolated) as d:
        # Nothing of this ends a session.
        d.execute_string("1 / 0")
        d.execute_string("def f(n):\n    return f(n + 1)\nf(0)")
        with pytest.raises(exceptions.DanaCallError):
            d.call("missing")
    assert ends(log)[0] == ("steps", "INFO")
    assert ends(log)[1:] == [("deadline", "INFO"), ("closed", "DEBUG")]
    assert records(log, "session")[1]["dana_error"] == "StepLimitError"


def test_what_a_program_logs_is_there_when_it_is_ended(log: pytest.LogCaptureFixture, isolated: bool) -> None:
    with open_dana(isolated, limits=Limits(wall_time=0.3)) as d:
        ended = d.execute_string('log("begun", "warn")\nprint("working")\nwhile true:\n    pass')
    assert ends(log) == [("deadline", "INFO")]
    assert ended.output == "working"
    (begun,) = records(log, "program")
    assert (begun["text"], begun["level"]) == ("begun", "WARNING")


@pytest.mark.parametrize("use", ["call", "execute_string", "get"])
def test_a_worker_that_is_killed(log: pytest.LogCaptureFixture, use: str) -> None:
    with open_dana(True) as d:
        d.set("str", 1)
        kill(d.sandbox.subprocess_pid)
        if use == "execute_string":
            assert isinstance(d.execute_string("1").error, exceptions.WorkerKilledError)
        else:
            with pytest.raises(exceptions.WorkerKilledError):
                getattr(d, use)("str")
        with pytest.raises(exceptions.SessionClosedError):
            d.call("str")
    assert ends(log) == [("killed", "WARNING")]
    ended = records(log, "session")[-1]
    assert (ended["dana_error"], ended["dana_signal"]) == ("WorkerKilledError", signal.SIGKILL)


def test_a_worker_that_goes_between_turns(log: pytest.LogCaptureFixture) -> None:
    d = open_dana(True)
    kill(d.sandbox.subprocess_pid)
    d.close()
    assert ends(log) == [("lost", "WARNING")]


def test_asynchronous_sessions(log: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with AsyncDana(require_isolation=True, echo=False) as d:
            await d.execute_string("1")
        async with AsyncDana(require_isolation=True, echo=False) as d:
            kill(d.subprocess_pid)
            with pytest.raises(exceptions.WorkerKilledError):
                await d.call("str", 1)
        async with AsyncDana(require_isolation=True, echo=False) as d:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(d.execute_string("while true:\n    pass"), 0.05)
        dropped = AsyncDana(require_isolation=True, echo=False)
        await dropped.open()
        del dropped

    asyncio.run(main())
    assert ends(log) == [
        ("closed", "DEBUG"),
        ("killed", "WARNING"),
        ("cancelled", "INFO"),
        ("dropped", "DEBUG"),
    ]


def test_a_session_that_is_replaced(log: pytest.LogCaptureFixture) -> None:
    with open_dana(True, restart_on_failure=True, limits=Limits(steps=1000)) as d:
        assert not d.execute_string("while true:\n    pass").success
        assert d.call("str", 1) == "1"
    (replaced,) = [record for record in log.records if record.name == "opendxa.dana"]
    assert replaced.levelno == logging.WARNING
    first, second = [item["dana_session"] for item in records(log, "session") if "dana_level" in item]
    assert vars(replaced)["dana_session"] == first
    assert second > first
    assert [reason for reason, _ in ends(log)] == ["steps", "closed"]


def test_a_fall_back(log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    from opendxa.dana import sandbox

    def unavailable(self: Any) -> Any:
        raise exceptions.IsolationUnavailableError("no sandbox can be had: seccomp is missing\nHint: none")

    monkeypatch.setattr(sandbox.SubprocessSandboxInterface, "_open", unavailable)
    with pytest.warns(exceptions.IsolationUnavailableWarning):
        Dana(use_subprocess_isolation=True).close()
    (refused,) = records(log, "session")
    assert (refused["level"], refused["dana_error"]) == ("WARNING", "IsolationUnavailableError")
    (fallen,) = [record for record in log.records if record.name == "opendxa.dana"]
    assert fallen.levelno == logging.WARNING
    assert vars(fallen)["dana_reason"] == "no sandbox can be had: seccomp is missing"


def test_a_set_up_that_fails(log: pytest.LogCaptureFixture) -> None:
    with pytest.raises(exceptions.DanaCallError):
        open_dana(True, setup=f"raise ValueError('{SECRET}')")
    (refused,) = records(log, "session")
    assert (refused["level"], refused["dana_error"]) == ("WARNING", "DanaCallError")
    assert SECRET not in str([vars(record) for record in log.records])


def test_an_exhausted_pool(log: pytest.LogCaptureFixture) -> None:
    pool.configure(PoolConfig(min_idle=0, max_workers=1, acquire_timeout=0.05))
    with open_dana(True), pytest.raises(exceptions.PoolExhaustedError):
        open_dana(True)
    (record,) = records(log, "pool")
    assert (record["level"], record["dana_error"]) == ("WARNING", "PoolExhaustedError")
    assert record["dana_max_workers"] == 1
    assert record["dana_opening_seconds"] >= 0.05


def test_spares_that_fail(log: pytest.LogCaptureFixture) -> None:
    before = pool.stats()
    log.clear()
    figures = vars(before) | {"failed": before.failed + 2, "died_idle": before.died_idle + 1}
    later = pool.PoolStats(**figures)
    assert telemetry.told(later) is later
    telemetry.told(later)
    failed, died = records(log, "pool")
    assert (failed["dana_count"], failed["dana_total"]) == (2, before.failed + 2)
    assert (died["dana_count"], died["dana_total"]) == (1, before.died_idle + 1)
    assert failed["level"] == died["level"] == "WARNING"
    telemetry.told(before)


def test_a_spare_that_died_is_told_by_the_figures(log: pytest.LogCaptureFixture) -> None:
    pool.configure(PoolConfig(min_idle=2, max_workers=20))
    pool.warm(2)
    before = pool.stats().died_idle
    for pid in children():
        kill(int(pid))
    with open_dana(True) as d:
        d.execute_string("1")
    later = pool.stats().died_idle
    told = [item["dana_count"] for item in records(log, "pool")]
    assert sum(told) == later - before >= 2


def test_silence_where_no_logging_is_set_up() -> None:
    source = (
        "import os, signal, sys\n"
        "from opendxa.dana import Dana\n"
        "d = Dana(require_isolation=True, echo=False)\n"
        "assert 'logging' not in sys.modules\n"
        "import logging\n"
        "d.close()\n"
        "d = Dana(require_isolation=True, echo=False)\n"
        "os.kill(d.sandbox.subprocess_pid, signal.SIGKILL)\n"
        "assert not d.execute_string('1').success\n"
        "d.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_fork_says_nothing_of_its_parents_sessions(log: pytest.LogCaptureFixture) -> None:
    d = AsyncDana(echo=False)

    async def main() -> None:
        await d.open()

    asyncio.run(main())
    log.clear()
    life = d._life
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            life.__del__()
            os.write(writer, str(len(log.records)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    told = os.read(reader, 10)
    os.close(reader)
    os.waitpid(pid, 0)
    assert told == b"0"
