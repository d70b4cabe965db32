"""Calls in a session that is there: warm, asynchronous, in this process; and what an ask adds to one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from opendxa.dana import AsyncDana

from . import tasks
from .placement import everywhere
from .raw import echoing, pipes
from .sample import Series, Take, blocks, each, told
from .stage import ISOLATED, PROGRAM, Stage


def series(stage: Stage) -> Iterator[Series]:
    block = stage.scale.block

    def raw(row: str, steps: int, taking: Callable[[Callable[[], None]], Take]) -> Iterator[Series]:
        def opened() -> tuple[Series, int]:
            echo = stage.stack.enter_context(pipes(stage.echo))
            return Series(row, "raw", taking(echoing(echo)), steps), echo.pid

        return everywhere(opened)

    def dana(row: str, steps: int, taking: Callable[[Any], Take]) -> Iterator[Series]:
        def opened() -> tuple[Series, int]:
            session = stage.dana()
            return Series(row, "dana", taking(session), steps), worker(session)

        return everywhere(opened)

    yield from raw("call", 200, each)
    yield from dana("call", 200, lambda session: each(warm(session)))
    if stage.monty:
        yield Series("call", "monty", each(warm_monty(stage.monty_session())), 100)
    if stage.process_pool:
        yield Series("call", "ProcessPool", each(warm_task(stage.executor("fork"))), 60)

    yield from raw("ask", 12, lambda step: blocks(step, block))
    yield from dana("ask", 12, lambda session: told(ask(session, block)))
    if stage.monty:
        yield Series("ask", "monty", told(ask_monty(stage.monty_session(), block)), 6)

    yield from raw("async", 200, each)
    yield from asynchronous(stage)

    inside = stage.dana(use_subprocess_isolation=False, require_isolation=False)
    yield Series("inside", "dana", blocks(warm(inside), block), 20)


def worker(session: Any) -> int:
    """Return the process id of a session's worker."""
    pid = session.sandbox.subprocess_pid
    if pid is None:
        raise AssertionError("the session has no worker")
    return int(pid)


def warm(session: Any) -> Callable[[], None]:
    def step() -> None:
        if session.call("double", 21) != 42:
            raise AssertionError("wrong answer")

    return step


def warm_monty(session: Any) -> Callable[[], None]:
    """The text of a call: the cheapest way in, cheaper than `inputs`."""

    def step() -> None:
        if session.feed_run("double(21)") != 42:
            raise AssertionError("wrong answer")

    return step


def warm_task(executor: Any) -> Callable[[], None]:
    def step() -> None:
        if executor.submit(tasks.double, 21).result() != 42:
            raise AssertionError("wrong answer")

    return step


def ask(session: Any, count: int) -> Callable[[], float]:
    """A loop that calls a Python function, less the same loop without, for each call."""
    session.register("ping", lambda x: x)
    return _difference(lambda: session.call("asking", count), lambda: session.call("counting", count), count)


def ask_monty(session: Any, count: int) -> Callable[[], float]:
    lookup = {"ping": lambda x: x}
    return _difference(
        lambda: session.feed_run(f"asking({count})", external_lookup=lookup),
        lambda: session.feed_run(f"counting({count})", external_lookup=lookup),
        count,
    )


def _difference(asking: Callable[[], Any], counting: Callable[[], Any], count: int) -> Callable[[], float]:
    total = count * (count - 1) // 2

    def step() -> float:
        began = time.perf_counter()
        first = asking()
        between = time.perf_counter()
        second = counting()
        ended = time.perf_counter()
        if (first, second) != (total, total):
            raise AssertionError("wrong answer")
        return ((between - began) - (ended - between)) / count

    return step


def asynchronous(stage: Stage) -> Iterator[Series]:
    """The warm call again, awaited on a running loop."""
    loop = asyncio.new_event_loop()
    stage.stack.callback(loop.close)

    def awaited(call: Callable[[], Awaitable[Any]], expected: object) -> Take:
        async def take(count: int) -> list[float]:
            samples = []
            for _ in range(count):
                began = time.perf_counter()
                answer = await call()
                samples.append(time.perf_counter() - began)
                if answer != expected:
                    raise AssertionError("wrong answer")
            return samples

        return lambda count: loop.run_until_complete(take(count))

    opened_ones = AsyncExitStack()
    stage.stack.callback(lambda: loop.run_until_complete(opened_ones.aclose()))

    def opened(context: Any) -> Any:
        return loop.run_until_complete(opened_ones.enter_async_context(context))

    def dana() -> tuple[Series, int]:
        session = opened(AsyncDana(**ISOLATED))
        loop.run_until_complete(session.execute_string(PROGRAM))
        calls = awaited(lambda: session.call("double", 21), 42)
        return Series("async", "dana", calls, 200), session.subprocess_pid

    yield from everywhere(dana)
    if stage.monty:
        monty = opened(opened(stage.monty.AsyncMonty()).checkout())
        awaited(lambda: monty.feed_run("def double(x):\n    return x * 2"), None)(1)
        yield Series("async", "monty", awaited(lambda: monty.feed_run("double(21)"), 42), 100)
    if stage.process_pool:
        executor = stage.executor("fork")
        task = awaited(lambda: loop.run_in_executor(executor, tasks.double, 21), 42)
        yield Series("async", "ProcessPool", task, 60)

    echo = opened(_echoing(stage))

    async def round_trip() -> Any:
        echo.stdin.write(b"x")
        return await echo.stdout.read(16)

    yield Series("async", "asyncio streams", awaited(round_trip, b"x"), 100)


@asynccontextmanager
async def _echoing(stage: Stage) -> AsyncIterator[Any]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(stage.echo, stdin=pipe, stdout=pipe)
    try:
        yield process
    finally:
        process.kill()
        await process.wait()
