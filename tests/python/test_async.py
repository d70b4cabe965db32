"""`AsyncDana`: sessions on an event loop, which is never held up."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opendxa.dana import AsyncDana, Limits, PoolConfig, Resource, exceptions, pool
from opendxa.dana._bridge import pool_configure

Kind = dict[str, Any]
BOTH = pytest.mark.parametrize("kind", [{"require_isolation": True}, {}], ids=["worker", "here"])


@pytest.fixture(autouse=True)
def fresh_pool() -> Iterator[None]:
    pool.close()
    yield
    pool.close()
    pool_configure(**vars(PoolConfig()), eager=False)


def isolated(**settings: Any) -> AsyncDana:
    return AsyncDana(require_isolation=True, echo=False, **settings)


@BOTH
def test_turns(kind: Kind) -> None:
    async def main() -> None:
        async with AsyncDana(echo=False, **kind) as d:
            assert d.is_subprocess_isolated == bool(kind)
            result = await d.execute_string("def double(x):\n    return 2 * x\nprint('told')\n40 + 2")
            assert (result.result, result.output) == (42, "told")
            assert await d.call("double", 21) == 42
            await d.set("name", {"a": [1, None]})
            assert await d.get("name") == {"a": [1, None]}
            assert (await d.snapshot()).get("local:name") == {"a": [1, None]}
            failed = await d.execute_string("1 / 0")
            assert isinstance(failed.error, exceptions.DanaCallError)
            assert failed.error.kind == "ZeroDivisionError"
            with pytest.raises(exceptions.DanaCallError, match="not found"):
                await d.call("nothing")
            with pytest.raises(exceptions.TypeConversionError):
                await d.set("x", object())
            assert await d.call("double", 4) == 8
            assert d.usage.output_bytes == 5
        with pytest.raises(exceptions.SessionClosedError):
            await d.call("double", 1)

    asyncio.run(main())


@BOTH
def test_functions_and_models_sync_and_async(kind: Kind) -> None:
    here = contextvars.ContextVar("here", default="nowhere")
    seen: list[object] = []

    async def later(x: int) -> int:
        seen.append((asyncio.get_running_loop() is loop, here.get()))
        await asyncio.sleep(0)
        return x + 1

    def blocking(x: int) -> int:
        seen.append(here.get())
        return x * 10

    async def model(messages: list[dict[str, str]], options: dict[str, Any]) -> str:
        seen.append(asyncio.get_running_loop() is loop)
        return "7"

    async def main() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        async with AsyncDana(functions=[later, blocking], llm=model, echo=False, **kind) as d:
            here.set("the caller's")
            result = await d.execute_string("a = later(1)\nb = later(2)\nblocking(a + b)")
            assert result.result == 50
            assert seen == [(True, "the caller's"), (True, "the caller's"), "the caller's"]
            assert await d.reason("what?") == 7
            assert seen[-1] is True

    loop: asyncio.AbstractEventLoop | None = None
    asyncio.run(main())


@BOTH
def test_asks_do_not_hold_up_the_loop(kind: Kind) -> None:
    """The function ends when the loop has gone on: it would wait for ever if it held the loop up."""
    asked: list[Callable[[], object]] = []

    def blocking() -> str:
        import threading

        went_on = threading.Event()
        asked.append(went_on.set)
        assert went_on.wait(60)
        return "done"

    async def main() -> None:
        async with AsyncDana(functions=[blocking], echo=False, **kind) as d:
            turn = asyncio.create_task(d.execute_string("blocking()"))
            while not asked:
                await asyncio.sleep(0.001)
            asked[0]()
            assert (await turn).result == "done"

    asyncio.run(main())


@BOTH
def test_programs_do_not_hold_up_the_loop(kind: Kind) -> None:
    async def main() -> None:
        async with AsyncDana(limits=Limits(wall_time=0.3), echo=False, **kind) as d:
            rounds = 0
            turn = asyncio.create_task(d.execute_string("while true:\n    pass"))
            while not turn.done():
                await asyncio.sleep(0)
                rounds += 1
            assert isinstance((await turn).error, exceptions.DeadlineExceededError)
            assert rounds > 10

    asyncio.run(main())


@BOTH
def test_a_cancelled_task_ends_its_session(kind: Kind) -> None:
    async def main() -> None:
        d = AsyncDana(echo=False, **kind)
        await d.open()
        pid = d.subprocess_pid
        turn = asyncio.create_task(d.execute_string("while true:\n    pass"))
        await asyncio.sleep(0.02)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert not d.is_subprocess_isolated
        with pytest.raises(exceptions.SessionClosedError):
            await d.execute_string("1")
        if pid is not None:
            while Path(f"/proc/{pid}").exists():
                await asyncio.sleep(0.001)
        await d.close()

    asyncio.run(main())


def test_cancelled_asks_are_cancelled() -> None:
    async def main() -> None:
        cancelled = asyncio.Event()
        asked = asyncio.Event()

        async def forever() -> None:
            asked.set()
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        async with isolated(functions=[forever]) as d:
            turn = asyncio.create_task(d.execute_string("forever() + 1"))
            await asked.wait()
            turn.cancel()
            await cancelled.wait()

    asyncio.run(main())


def test_cancelled_while_it_opens() -> None:
    async def main() -> None:
        for pause in (0, 0.0002, 0.001):
            opening = asyncio.create_task(isolated().open())
            await asyncio.sleep(pause)
            opening.cancel()
            # It may have been quicker than the one who no longer wants it.
            with contextlib.suppress(asyncio.CancelledError):
                await (await opening).close()
        while pool.stats().busy:
            await asyncio.sleep(0.001)

    asyncio.run(main())


def test_closed_while_it_opens() -> None:
    """By another task, or by the set-up itself: whoever waits for it is told, and no worker is left."""

    async def main() -> None:
        async def leave() -> None:
            await d.close()

        d = isolated(setup=["leave()"], functions=[leave])
        with pytest.raises(exceptions.SessionClosedError):
            await d.execute_string("1")
        assert d.subprocess_pid is None

    asyncio.run(main())
    assert pool.stats().busy == 0


def test_tasks_of_one_session_take_turns() -> None:
    async def main() -> None:
        async with isolated() as d:
            await d.execute_string("n = 0\ndef step(k):\n    n = k\n    return n")
            results = await asyncio.gather(*(d.call("step", k) for k in range(50)))
            assert results == list(range(50))

    asyncio.run(main())


def test_a_function_that_calls_back_is_refused() -> None:
    async def main() -> None:
        async def back() -> Any:
            return await d.call("str", 1)

        async with isolated(functions=[back]) as d:
            result = await d.execute_string("back()")
            assert "cannot call back into it" in str(result.error)

    asyncio.run(main())


def test_a_thousand_sessions_on_one_loop() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))

    async def one(number: int, opened: list[int]) -> Any:
        async with isolated() as d:
            opened.append(number)
            while len(opened) < 1000:
                await asyncio.sleep(0.01)
            return (await d.execute_string(f"{number} * 2")).result

    async def main() -> None:
        opened: list[int] = []
        results = await asyncio.gather(*(one(number, opened) for number in range(1000)))
        assert results == [number * 2 for number in range(1000)]

    try:
        asyncio.run(main())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_full_pool_is_waited_for_without_the_loop() -> None:
    pool.configure(PoolConfig(min_idle=0, max_workers=2, acquire_timeout=30))

    async def one(number: int) -> Any:
        async with isolated() as d:
            return (await d.execute_string(f"{number}")).result

    async def main() -> None:
        assert await asyncio.gather(*map(one, range(20))) == list(range(20))
        pool.configure(PoolConfig(min_idle=0, max_workers=1, acquire_timeout=0.05))
        async with isolated():
            with pytest.raises(exceptions.PoolExhaustedError):
                await isolated().open()
        async with isolated() as d:
            assert d.is_subprocess_isolated

    asyncio.run(main())


def test_a_spare_is_taken() -> None:
    pool.configure(PoolConfig(min_idle=2, max_workers=10))
    pool.warm(2)
    hits = pool.stats().hits

    async def main() -> None:
        async with isolated() as d:
            assert (await d.execute_string("1 + 1")).result == 2

    asyncio.run(main())
    assert pool.stats().hits == hits + 1


@BOTH
def test_large_values_both_ways(kind: Kind) -> None:
    async def main() -> None:
        async with AsyncDana(echo=False, **kind) as d:
            value = {"text": "x" * 3_000_000, "numbers": list(range(100_000))}
            await d.set("x", value)
            assert await d.get("x") == value
            await d.execute_string("def same(v):\n    return v")
            assert await d.call("same", value) == value

    asyncio.run(main())


def test_a_worker_that_dies() -> None:
    async def main() -> None:
        async with isolated() as d:
            os.kill(d.subprocess_pid or 0, signal.SIGKILL)
            with pytest.raises(exceptions.WorkerKilledError):
                await d.call("str", 1)
        async with isolated() as d:
            turn = asyncio.create_task(d.execute_string("while true:\n    pass"))
            await asyncio.sleep(0.02)
            os.kill(d.subprocess_pid or 0, signal.SIGKILL)
            assert isinstance((await turn).error, exceptions.WorkerKilledError)

    asyncio.run(main())


def test_a_session_restarts_with_its_set_up() -> None:
    async def main() -> None:
        async with isolated(setup="def f():\n    return g() + 1", restart_on_failure=True) as d:
            d.register("g", lambda: 41)
            assert await d.call("f") == 42
            pid = d.subprocess_pid
            os.kill(pid or 0, signal.SIGKILL)
            while d.is_subprocess_isolated:
                await asyncio.sleep(0.001)
            assert await d.call("f") == 42
            assert d.subprocess_pid != pid
            await d.restart_subprocess()
            assert await d.call("f") == 42

    asyncio.run(main())


def test_the_time_of_a_session() -> None:
    async def main() -> None:
        async with isolated(limits=Limits(session_time=0.1, wall_time=None)) as d:
            result = await d.execute_string("while true:\n    pass")
            assert isinstance(result.error, exceptions.DeadlineExceededError)
            assert "session's time" in str(result.error)

    asyncio.run(main())


def test_resources_are_closed_on_the_callers_loop() -> None:
    closed: list[bool] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        class Store:
            async def get(self, key: str) -> str:
                return key.upper()

            async def close(self) -> None:
                closed.append(asyncio.get_running_loop() is loop)

        async with isolated(resources={"store": Resource(Store, ["get"])}) as d:
            result = await d.execute_string('s = use("store")\ns.get("a")')
            assert result.result == "A", result
        assert closed == [True]

    asyncio.run(main())


def test_another_loop_is_refused() -> None:
    async def begin() -> AsyncDana:
        d = isolated()
        await d.open()
        return d

    d = asyncio.run(begin())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(d.call("str", 1))
    del d
    gc.collect()


def test_dropped_without_closing() -> None:
    async def main() -> None:
        d = isolated()
        await d.open()
        pid = d.subprocess_pid
        await d.execute_string("1")
        del d
        gc.collect()
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.001)
        # Its descriptors are used again: nothing may be left of it in the loop.
        async with isolated() as other:
            assert (await other.execute_string("6 * 7")).result == 42

    asyncio.run(main())


def test_a_question_that_is_dropped_before_it_began_is_no_warning() -> None:
    begun = []

    async def answer() -> None:
        begun.append(1)

    async def main() -> None:
        async with isolated() as d:
            assert d._host is not None
            future = d._host._schedule(answer())
            future.cancel()
            await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()  # Python says "never awaited" when it lets go of one
    assert not begun


def test_anyio() -> None:
    anyio = pytest.importorskip("anyio", reason="comes with httpx")

    async def main() -> None:
        async with isolated() as d:
            with anyio.move_on_after(0.05) as scope:
                await d.execute_string("while true:\n    pass")
            assert scope.cancelled_caught
            assert not d.is_subprocess_isolated
        async with isolated() as first, isolated() as second, anyio.create_task_group() as group:
            group.start_soon(first.call, "str", 1)
            group.start_soon(second.call, "str", 2)

    anyio.run(main)
