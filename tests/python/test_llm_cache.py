"""The cache of answers: what is equal, what is kept, who shares, and what happens to its file."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from model_server import ModelServer, Reply
from opendxa.dana import AsyncDana, Dana, Limits
from opendxa.dana.exceptions import ModelError, ResourceError
from opendxa.dana.llm import (
    FromCallable,
    LLMPool,
    OpenAICompatible,
    ReasoningCache,
    Request,
    Response,
    Scripted,
    Timeouts,
)
from opendxa.dana.llm import cache as cache_module
from opendxa.dana.llm.cache_key import digest


def boarded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the questions that were looked at, to be asked or waited for, as they come."""
    keys: list[str] = []
    board = ReasoningCache._board

    def noted(cache: ReasoningCache, key: str) -> Any:
        found = board(cache, key)
        keys.append(key)
        return found

    monkeypatch.setattr(ReasoningCache, "_board", noted)
    return keys


class Counting:
    """Answers with the number of the question."""

    def __init__(self, identity: str = "counting", models: tuple[str, ...] = ()) -> None:
        self.asked: list[Request] = []
        self.cache_identity = identity
        self.model = models[0] if models else "m"
        self.models = list(models)

    def generate(self, request: Request) -> Response:
        self.asked.append(request)
        return Response(f"answer {len(self.asked)}", self.model, 10, 5)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let tests move the time."""
    moved = [0.0]
    monotonic, now = time.monotonic, time.time
    fake = type("time", (), {"monotonic": lambda: monotonic() + moved[0], "time": lambda: now() + moved[0]})
    monkeypatch.setattr(cache_module, "time", fake)
    monkeypatch.setattr("opendxa.dana.llm.cache_store.time", fake)
    return moved


# By prompt


def test_the_key() -> None:
    cache = ReasoningCache()
    assert cache.put("Is it?", {"a": 1, "b": 2}, "yes")
    assert cache.get("Is it?", {"b": 2, "a": 1}) == "yes", "the order of options is none of the question"
    assert cache.get("  Is it?\n", {"a": 1, "b": 2}) == "yes", "nor are blanks round it"
    for prompt, options in [
        ("is it?", {"a": 1, "b": 2}),
        ("Is  it?", {"a": 1, "b": 2}),
        ("Is it?", {"a": 1}),
        ("Is it?", {"a": 1, "b": 2.0}),
        ("Is it?", {"a": True, "b": 2}),
        ("Is it?", {"a": 1, "b": "2"}),
        ("Is it?", None),
    ]:
        assert cache.get(prompt, options) is None, (prompt, options)
    assert cache.put("Is it?", {}, "plain")
    assert cache.get("Is it?") == cache.get("Is it?", {}) == "plain"


def test_keys_do_not_run_into_each_other() -> None:
    values: list[Any] = [
        None, True, 1, 1.0, "1", b"1", [1], (1,), {1}, {1: 2}, ["a", "b"], ["ab"], [["a"], "b"], [["a", "b"]],
        {"a": "b", "c": "d"}, {"a": {"b": "c"}}, "", [], (), {}, set(), 10**30, float("nan"), -0.0, 0.0, 0,
    ]  # fmt: skip
    digests = [digest(value) for value in values]
    assert None not in digests
    assert len(set(digests)) == len(values)
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({1, 2, 3}) == digest({3, 2, 1})
    loop: list[Any] = []
    loop.append(loop)
    for odd in (object(), [object()], {"a": object()}, "\ud800", loop):
        assert digest(odd) is None


def test_what_is_not_kept() -> None:
    cache = ReasoningCache(max_bytes=10_000)
    assert not cache.put("?", None, None)
    assert not cache.put("?", [1], "x")  # type: ignore[arg-type]
    assert not cache.put("?", {"data": object()}, "x")
    assert not cache.put(3, None, "x")  # type: ignore[arg-type]
    assert not cache.put("?", None, "x" * 20_000)
    assert cache.get("?", [1]) is None  # type: ignore[arg-type]
    assert cache.get_stats()["cache_size"] == 0


def test_what_is_kept_does_not_change_with_the_callers_object() -> None:
    cache, value = ReasoningCache(), {"a": [1]}
    cache.put("?", None, value)
    value["a"].append(2)
    found = cache.get("?")
    assert found == {"a": [1]}
    found["a"].append(3)
    assert cache.get("?") == {"a": [1]}


def test_time_to_live(clock: list[float]) -> None:
    cache = ReasoningCache(ttl_seconds=10)
    cache.put("old", None, 1)
    clock[0] = 9
    assert cache.get("old") == 1
    clock[0] = 10
    assert cache.get("old") is None
    assert cache.get_stats()["cache_size"] == 0
    cache.put("a", None, 1)
    clock[0] = 15
    cache.put("b", None, 1)
    clock[0] = 21
    cache.put("c", None, 1)
    assert cache.get_stats()["cache_size"] == 2, "what is too old goes when something comes"
    ever = ReasoningCache(ttl_seconds=None)
    ever.put("?", None, 1)
    clock[0] = 1e9
    assert ever.get("?") == 1


def test_the_least_used_go_first() -> None:
    cache = ReasoningCache(max_size=20)
    for number in range(20):
        cache.put(f"{number}", None, number)
    for number in range(18):
        cache.get(f"{number}")
    cache.put("new", None, "new")
    stats = cache.get_stats()
    assert (stats["cache_size"], stats["eviction_count"]) == (19, 2)
    assert cache.get("18") is cache.get("19") is None
    assert cache.get("new") == "new"
    cache = ReasoningCache(max_size=5)
    for number in range(6):
        cache.put(f"{number}", None, number)
    assert [cache.get(f"{number}") for number in range(6)] == [None, 1, 2, 3, 4, 5]


def test_the_bound_in_bytes() -> None:
    cache = ReasoningCache(max_bytes=100_000)
    for number in range(500):
        assert cache.put(f"{number}", None, "x" * (number * 20))
        assert cache.get_stats()["estimated_memory_bytes"] <= 100_000
    assert cache.get("499") == "x" * 9980
    cache.clear()
    assert cache.get_stats()["estimated_memory_bytes"] == 0


def test_statistics() -> None:
    cache = ReasoningCache(max_size=10, ttl_seconds=60)
    assert cache.get_stats()["hit_rate"] == 0.0
    cache.put("a", None, "x")
    for prompt in ("a", "a", "b"):
        cache.get(prompt)
    stats = cache.get_stats()
    assert (stats["hit_count"], stats["miss_count"], stats["total_requests"]) == (2, 1, 3)
    assert (stats["max_size"], stats["ttl_seconds"], stats["cache_size"]) == (10, 60, 1)
    assert repr(cache) == cache.get_cache_info()
    assert repr(cache) == "ReasoningCache(size=1/10, hits=2, misses=1, hit_rate=66.7%, evictions=0)"
    cache.clear()
    assert cache.get_stats()["total_requests"] == 0


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"max_size": 0}, ValueError),
        ({"max_size": True}, TypeError),
        ({"max_bytes": 1.5}, TypeError),
        ({"ttl_seconds": 0}, ValueError),
        ({"ttl_seconds": "1"}, TypeError),
        ({"ttl_seconds": float("nan")}, ValueError),
        ({"namespace": 1}, TypeError),
        ({"path": "x"}, ValueError),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        ReasoningCache(**settings)


# In sessions


def test_off_is_off() -> None:
    program = "import sys; from opendxa.dana import Dana\n"
    program += "with Dana(llm=lambda m, o: 'x') as d: d.reason('?')\n"
    program += "assert 'opendxa.dana.llm.cache' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
    provider = Counting()
    for off in (None, False):
        with Dana(llm=provider, cache=off) as d:
            assert d.reason("?") != d.reason("?")
            assert not d.sandbox.cache_enabled
            assert d.sandbox.get_cache_stats() is None
            assert "disabled" in d.sandbox.get_cache_info()
            d.sandbox.clear_cache()


def test_a_cached_answer_costs_nothing(isolated: bool) -> None:
    provider = Counting()
    settings: dict[str, Any] = {"prices": {"m": (1.0, 1.0)}, "limits": Limits(model_calls=2, tokens=30)}
    with Dana(llm=provider, cache=True, use_subprocess_isolation=isolated, echo=False, **settings) as d:
        first = d.reason("Is it?", details=True)
        again = d.reason("Is it?", details=True)
        assert first == again == "answer 1"
        assert (first.cached, first.usage.tokens, first.attempts) == (False, 15, 1)
        assert (again.cached, again.usage.tokens, again.attempts, again.usage.cost) == (True, 0, 0, 0.0)
        assert (again.usage.cached_answers, again.model) == (1, "m")
        other = d.execute_string('[reason("is it?"), reason("Is it?"), reason("is it?")]')
        assert other.result == ["answer 2", "answer 1", "answer 2"]
        assert (other.usage.model_calls, other.usage.cached_answers) == (1, 2)
        assert d.execute_string('reason("Is it?")').result == "answer 1", (
            "the budget is spent, known is known"
        )
        assert d.sandbox.cache_enabled
        stats = d.sandbox.get_cache_stats()
        assert stats is not None
        assert (stats["hit_count"], stats["miss_count"]) == (4, 2)
        assert d.usage.tokens == 30
        d.sandbox.clear_cache()
        assert d.sandbox.get_cache_stats()["cache_size"] == 0  # type: ignore[index]


def test_what_belongs_to_the_question() -> None:
    cache = ReasoningCache(namespace="all")

    def answers(provider: Any, *programs: str) -> list[Any]:
        with Dana(llm=provider, cache=cache, echo=False) as d:
            return [d.execute_string(program).result for program in programs]

    provider = Counting(models=("small", "big"))
    different = [
        'llm("?")',
        'llm("? ?")',
        'llm("?", {"temperature": 0.5})',
        'llm("?", {"temperature": 1})',
        'llm("?", {"model": "big"})',
        'llm("?", {"system_message": "s"})',
        'llm("?", {"format": "json"})',
        'x: str = reason("?")\nx',
        'reason("?", returns="list[str] | str")',
    ]
    first = answers(provider, *different)
    assert len(set(first)) == len(different)
    assert answers(provider, *different) == first
    assert answers(Counting("counting", ("small", "big")), *different) == first, (
        "another of the same identity"
    )
    assert answers(Counting("other", ("small", "big")), different[0]) == ["answer 1"]
    assert answers(provider, 'llm("?", {"model": "unknown"})') == [first[0]], "the model that is asked counts"
    twin = Counting("counting", ("other",))
    assert answers(twin, different[0]) == ["answer 1"], "so does its name"


def test_models_that_a_function_lists_are_told_apart() -> None:
    class Many:
        model = "a"

        def models(self) -> list[str]:
            return ["a", "b"]

        def generate(self, request: Request) -> str:
            return f"by {request.options.get('model', 'a')}"

    with Dana(llm=Many(), cache=True, echo=False) as d:
        program = 'x = llm("q")\nset_model("b")\ny = llm("q")\n[x, y]'
        assert d.execute_string(program).result == ["by a", "by b"]
    with Dana(llm=Many(), limits=Limits(cost=1.0), prices={"a": (1.0, 1.0)}, echo=False) as d:
        refused = d.execute_string('set_model("b")\nllm("q") + ""')
        assert "gave no answer" in str(refused.error), "a model without a price is not asked"
        assert d.usage.model_calls == 0


def test_callables_are_told_apart() -> None:
    cache = ReasoningCache(namespace="all")
    asked = []

    def make(name: str) -> Any:
        def model(messages: object, options: object) -> str:
            asked.append(name)
            return f"from {name}"

        return model

    a, b = make("a"), make("b")
    for model, answer in [(a, "from a"), (b, "from b"), (a, "from a"), (FromCallable(a), "from a")]:
        with Dana(llm=model, cache=cache) as d:
            assert d.reason("?") == answer
    assert asked == ["a", "b"]
    for model in (FromCallable(a, name="mine"), FromCallable(b, name="mine")):
        with Dana(llm=model, cache=cache) as d:
            assert d.reason("?") == "from a"


def test_sessions_share_only_a_namespace() -> None:
    private, shared = ReasoningCache(), ReasoningCache(namespace="team")
    for cache, answers in [(private, ["answer 1", "answer 2"]), (shared, ["answer 1", "answer 1"])]:
        provider = Counting()
        found = []
        for _ in range(2):
            with Dana(llm=provider, cache=cache) as d:
                found.append(d.reason("?"))
                assert d.reason("?") == found[-1]
        assert found == answers
        assert cache.get_stats()["hit_count"] == (2 if cache is private else 3)
    assert private.get_stats()["cache_size"] == 0, "what a closed session asked is of no use to anybody"
    assert shared.get_stats()["cache_size"] == 1


def test_a_session_cannot_plant_an_answer_for_others(isolated: bool) -> None:
    """A program may say what it likes in its own questions: nobody else's question is equal to them."""
    cache = ReasoningCache()
    hostile = """
for text in ["Is it safe?", " Is it safe?", "Is it safe?\\n"]:
    llm("Say yes.", {"system_message": text})
    reason(text, {"format": "text"})
    reason(text)
"""
    provider = Scripted(["yes"] * 9 + ["no"], repeat=True)
    with Dana(llm=provider, cache=cache, use_subprocess_isolation=isolated, echo=False) as attacker:
        assert attacker.execute_string(hostile).success
    asked = len(provider.requests)
    with Dana(llm=provider, cache=cache) as other:
        other.reason("Is it safe?")
    assert len(provider.requests) == asked + 1


def test_an_answer_that_did_not_fit_is_forgotten(isolated: bool) -> None:
    script = Scripted(["nonsense", "[1]", "[2]", "nonsense", "nonsense", "nonsense", "[3]"])
    program = 'x: list[int] = reason("numbers")\nx'
    with Dana(llm=script, cache=True, use_subprocess_isolation=isolated, echo=False) as d:
        assert d.execute_string(program).result == [1]
        assert d.execute_string(program).result == [2], "the first answer was of no use"
        assert d.execute_string(program).result == [2], "the second was"
        d.sandbox.clear_cache()
        assert not d.execute_string(program).success
        assert d.execute_string(program).result == [3]


def test_conversations_are_kept_whole() -> None:
    script = Scripted(["one", "two", "three"])
    said = [{"role": "user", "content": "?"}]
    more = [*said, {"role": "assistant", "content": "one"}, {"role": "user", "content": "And then?"}]
    with Dana(llm=script, cache=True) as d, d.get_llm() as llm:
        for _ in range(2):
            assert (llm.generate(said), llm.generate(more)) == ("one", "two")
        assert list(llm.stream(more)) == ["two"]
        again = [*more[:2], {"role": "user", "content": cache_module.AGAIN + "it is no number"}]
        assert list(llm.stream(again)) == ["three"]
        with pytest.raises(ModelError, match="asked for one more"):
            llm.generate(said)


def test_failures_are_not_kept() -> None:
    script = Scripted([ModelError("down"), "up", " "])
    with Dana(llm=script, cache=True) as d:
        with pytest.raises(ResourceError):
            d.reason("?")
        assert d.reason("?") == "up"
        for _ in range(2):
            d.execute_string('llm("nothing")')
        assert len(script.requests) == 4


# Equal questions at once


def test_equal_questions_at_once_are_asked_once() -> None:
    go, asked = threading.Event(), []

    def model(messages: list[dict[str, str]], options: object) -> str:
        asked.append(messages[-1]["content"])
        go.wait(30)
        return "once"

    cache = ReasoningCache(namespace="all")
    with ThreadPoolExecutor(8) as threads:

        def session(number: int) -> Any:
            with Dana(llm=model, cache=cache, echo=False) as d:
                return d.execute_string('[llm("same"), llm("same")]').result

        results = [threads.submit(session, number) for number in range(8)]
        while not asked:
            time.sleep(0.001)
        go.set()
        assert [result.result(30) for result in results] == [["once", "once"]] * 8
    assert asked == ["same"]
    stats = cache.get_stats()
    assert (stats["hit_count"], stats["miss_count"]) == (15, 1)


def test_equal_questions_of_threads_and_tasks_are_asked_once() -> None:
    asked = []
    go = threading.Event()

    async def model(messages: list[dict[str, str]], options: object) -> str:
        asked.append(messages[-1]["content"])
        await asyncio.to_thread(go.wait, 30)
        return "once"

    cache = ReasoningCache(namespace="all")

    async def tasks() -> list[Any]:
        async def one() -> Any:
            async with AsyncDana(llm=model, cache=cache) as d:
                return await d.reason("same")

        asking = [asyncio.create_task(one()) for _ in range(10)]
        while not asked:
            await asyncio.sleep(0.001)
        go.set()
        return await asyncio.gather(*asking)

    with ThreadPoolExecutor(1) as threads, Dana(llm=model, cache=cache) as d:
        thread = threads.submit(d.reason, "same")
        assert asyncio.run(tasks()) == ["once"] * 10
        assert thread.result(30) == "once"
    assert asked == ["same"]


def test_a_failure_is_told_to_all_who_wait_and_a_cancellation_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = boarded(monkeypatch)

    async def looked_at(number: int) -> None:
        while len(keys) < number:
            await asyncio.sleep(0.001)

    async def main() -> None:
        began, asked = asyncio.Event(), 0

        async def model(messages: object, options: object) -> str:
            nonlocal asked
            asked += 1
            began.set()
            if asked == 1:
                await asyncio.Event().wait()
            return "second"

        cache = ReasoningCache(namespace="all")
        async with (
            AsyncDana(llm=model, cache=cache) as first,
            AsyncDana(llm=model, cache=cache) as second,
        ):
            leader = asyncio.create_task(first.reason("same"))
            await began.wait()
            follower = asyncio.create_task(second.reason("same"))
            await looked_at(2)
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader
            assert await follower == "second"
        keys.clear()

        go, asked = asyncio.Event(), 0

        async def broken(messages: object, options: object) -> str:
            nonlocal asked
            asked += 1
            await go.wait()
            raise ModelError("down", attempts=3)

        sessions = [AsyncDana(llm=broken, cache=cache) for _ in range(4)]
        asking = [asyncio.create_task(session.reason("other")) for session in sessions]
        await looked_at(4)
        go.set()
        failures = await asyncio.gather(*asking, return_exceptions=True)
        assert all("down" in str(failure) for failure in failures)
        assert asked == 1
        assert sum(session.usage.failed_attempts for session in sessions) == 3
        for session in sessions:
            await session.close()

    asyncio.run(main())


@pytest.mark.parametrize("own", ["pool", "timeouts"])
def test_who_waits_does_not_share_the_askers_own_limits(own: str) -> None:
    async def main() -> None:
        cache, failing = ReasoningCache(namespace="all"), asyncio.Event()

        async def model(messages: object, options: object) -> str:
            if own == "timeouts" and not failing.is_set():
                failing.set()
                await asyncio.sleep(0.2)
                raise ModelError("no first token in time")
            return "answer"

        pool = LLMPool(size=1, wait=0.2)
        with Dana(llm=model, cache=cache) as d, Dana(llm=model, cache=cache) as e:
            async with (
                d.get_llm_async(pool=pool) as first,
                e.get_llm_async() as second,
                AsyncExitStack() as held,
            ):
                if own == "pool":
                    await held.enter_async_context(pool.place_async())
                leader = asyncio.create_task(first.generate("same", timeout=Timeouts(first_token=0.2)))
                await asyncio.sleep(0.05)
                assert await second.generate("same") == "answer"
                with pytest.raises(ModelError):
                    await leader

    asyncio.run(main())


def test_a_model_that_asks_its_own_question_does_not_wait_for_itself() -> None:
    cache = ReasoningCache(namespace="all")
    depth = []

    def model(messages: list[dict[str, str]], options: object) -> str:
        depth.append(1)
        if len(depth) < 3:
            with Dana(llm=model, cache=cache) as inner:
                return f"<{inner.reason('same')}>"
        return "end"

    with Dana(llm=model, cache=cache, limits=Limits(wall_time=20)) as d:
        assert d.reason("same") == "<<end>>"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("count", [2, 3])
def test_questions_that_ask_each_other_do_not_wait(count: int, asynchronous: bool) -> None:
    """Each model asks, for its own answer, what the next one is being asked: no limit of time ended that."""
    view = ReasoningCache(namespace="all").view()
    request = Request([{"role": "user", "content": "?"}])
    began = threading.Barrier(count)

    def leader(number: int) -> Response:
        began.wait(20)
        return view.answer(f"q{(number + 1) % count}", request, lambda: Response(f"within {number}"))

    async def task(number: int) -> Response:
        async def lead() -> Response:
            await asyncio.to_thread(began.wait, 20)
            return await view.answer_async(f"q{(number + 1) % count}", request, inside)

        async def inside() -> Response:
            return Response(f"within {number}")

        return await view.answer_async(f"q{number}", request, lead)

    if asynchronous:

        async def main() -> list[Response]:
            return await asyncio.gather(*map(task, range(count)))

        answers = asyncio.run(main())
    else:
        with ThreadPoolExecutor(count) as threads:
            asked = [
                threads.submit(view.answer, f"q{number}", request, partial(leader, number))
                for number in range(count)
            ]
            answers = [future.result(60) for future in asked]
    # One of them asked by itself, and its answer went round.
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].text.startswith("within")
    assert cache_module._waits == {}


def test_a_fork_waits_for_nobody() -> None:
    go, began = threading.Event(), threading.Event()

    def model(messages: object, options: object) -> str:
        began.set()
        go.wait(30)
        return "parent"

    cache = ReasoningCache(namespace="all")
    with ThreadPoolExecutor(1) as threads, Dana(llm=model, cache=cache) as d:
        waiting = threads.submit(d.reason, "same")
        began.wait(30)
        child = os.fork()
        if child == 0:
            go.set()
            with Dana(llm=model, cache=cache) as own:
                os._exit(0 if own.reason("same") == "parent" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        go.set()
        assert waiting.result(30) == "parent"


# Streams and resources


def test_streams_come_from_the_cache_too() -> None:
    with (
        ModelServer(Reply("forty-two")) as server,
        Dana(llm=OpenAICompatible("m", server.url), cache=True) as d,
        d.get_llm() as llm,
    ):
        assert list(llm.stream("?")) == ["fort", "y-two"]
        again = llm.stream("?")
        assert list(again) == ["forty-two"]
        assert again.result is not None
        assert again.result.cached
        assert llm.generate("?").cached
        assert llm.generate("?").usage.tokens == 0
        assert len(server.requests) == 1
        assert (llm.usage.tokens, llm.usage.cached_answers) == (10, 3)


# On disk


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "answers.db"


def test_answers_outlive_the_process(file: Path) -> None:
    program = f"""
from opendxa.dana import Dana
from opendxa.dana.llm import FromCallable, ReasoningCache
model = FromCallable(lambda messages, options: "first", name="tests")
with Dana(llm=model, cache=ReasoningCache(path={str(file)!r}, namespace="tests")) as d:
    assert d.reason("?") == "first"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    model = FromCallable(lambda messages, options: "second", name="tests")
    cache = ReasoningCache(path=file, namespace="tests")
    with Dana(llm=model, cache=cache) as d:
        answer = d.reason("?", details=True)
        assert (answer, answer.cached) == ("first", True)
        assert cache.get_stats()["disk_hit_count"] == 1
    with Dana(llm=model, cache=ReasoningCache(path=file, namespace="others")) as d:
        assert d.reason("?") == "second"
    cache.clear()
    cache = ReasoningCache(path=file, namespace="tests")
    with Dana(llm=model, cache=cache) as d:
        assert d.reason("?") == "second"
        assert d.cache is cache
    with Dana() as d:
        assert d.cache is None

    async def main() -> None:
        async with AsyncDana(llm=model, cache=ReasoningCache(path=file, namespace="tests")) as d:
            assert (await d.reason("?", details=True)).cached
            assert d.cache is not None
            assert d.cache.get_stats()["disk_hit_count"] == 1

    asyncio.run(main())


def test_values_on_disk(file: Path, clock: list[float]) -> None:
    cache = ReasoningCache(path=file, namespace="n", ttl_seconds=100)
    good = ["text", 1, 2.5, True, [1, {"a": None}], {"b": ["c"]}]
    for number, value in enumerate([*good, (1, 2), {1: 2}, b"x"]):
        assert cache.put(f"{number}", None, value)
    other = ReasoningCache(path=file, namespace="n", ttl_seconds=10)
    assert [other.get(f"{number}") for number in range(9)] == [*good, None, None, None]
    clock[0] = 50
    assert ReasoningCache(path=file, namespace="n", ttl_seconds=10).get("0") is None, "too old for this one"
    assert ReasoningCache(path=file, namespace="n", ttl_seconds=None).get("0") == "text"
    clock[0] = 100
    assert ReasoningCache(path=file, namespace="n", ttl_seconds=None).get("0") is None
    clock[0] = -50
    assert ReasoningCache(path=file, namespace="n").get("0") is None, "the clock was set back"


def test_the_file_is_bounded(file: Path) -> None:
    cache = ReasoningCache(path=file, namespace="n", max_bytes=100_000)
    for number in range(100):
        cache.put(f"{number}", None, "x" * 5_000)
    with sqlite3.connect(file) as database:
        (total,) = database.execute("SELECT sum(size) FROM answers").fetchone()
    database.close()
    assert 50_000 < total <= 100_000
    assert ReasoningCache(path=file, namespace="n").get("99") == "x" * 5_000


def writes(path: str, name: str, start: Any) -> None:
    cache = ReasoningCache(path=path, namespace="n")
    start.wait(90)
    for number in range(50):
        assert cache.put(f"{name} {number}", None, name)


def test_several_processes_use_one_file(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    workers = [context.Process(target=writes, args=(str(file), str(number), start)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(110)
        assert worker.exitcode == 0
    cache = ReasoningCache(path=file, namespace="n")
    assert all(cache.get(f"{name} {number}") == str(name) for name in range(3) for number in range(50))


def test_a_fork_uses_the_file_too(file: Path) -> None:
    cache = ReasoningCache(path=file, namespace="n")
    cache.put("parent", None, 1)
    child = os.fork()
    if child == 0:
        fresh = ReasoningCache(path=file, namespace="n")
        good = fresh.get("parent") == 1 and cache.put("child", None, 2) and cache.get("parent") == 1
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.get("child") == 2


def test_two_caches_of_a_process_use_one_file(file: Path) -> None:
    first = ReasoningCache(path=file, namespace="n")
    first.put("before", None, 1)
    second = ReasoningCache(path=file, namespace="n")
    # The last process to close the file takes its journal away: this one is still there.
    script = "import sys; from opendxa.dana.llm import ReasoningCache as C; C(path=sys.argv[1], namespace='')"
    subprocess.run([sys.executable, "-c", f"{script}.close()", str(file)], check=True)
    assert file.with_name("answers.db-wal").exists()
    assert first.put("after", None, 2)
    assert second.get("after") == 2
    second.close()
    first.close()
    assert ReasoningCache(path=file, namespace="n").get("after") == 2


@pytest.mark.parametrize("damage", ["garbage", "truncated", "pages"])
def test_a_damaged_file_is_put_aside(file: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = ReasoningCache(path=file, namespace="n")
    for number in range(200):
        cache.put(f"{number}", None, "x" * 200)
    cache.close()
    data = file.read_bytes()
    if damage == "garbage":
        data = b"not a database" * 500
    elif damage == "truncated":
        data = data[: len(data) // 2]
    else:
        data = data[:4096] + b"\xff" * (len(data) - 4096)
    file.write_bytes(data)
    with caplog.at_level(logging.ERROR, "opendxa.dana.cache"):
        fresh = ReasoningCache(path=file, namespace="n")
    assert "is damaged" in caplog.text
    assert fresh.put("new", None, "answer")
    assert file.with_name("answers.db.damaged").exists()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ReasoningCache(path=file, namespace="n").get("new") == "answer"


def test_a_damaged_file_that_cannot_be_put_aside_costs_no_question(file: Path) -> None:
    cache = ReasoningCache(path=file, namespace="n")
    cache.put("before", None, "answer")
    cache.close()
    file.write_bytes(b"not a database" * 500)
    (file.with_name("answers.db.damaged") / "full").mkdir(parents=True)
    with pytest.raises(ResourceError, match="cannot be put aside"):
        ReasoningCache(path=file, namespace="n")
    with Dana(llm="scripted:fine", cache=cache) as d:
        assert "fine" in d.reason("Is it?")
        assert d.reason("Is it?", details=True).cached


def test_a_file_damaged_while_it_is_used(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = ReasoningCache(path=file, namespace="n")
    for number in range(700):  # more than a connection keeps in memory
        cache.put(f"{number}", None, "x" * 5_000)
    other = sqlite3.connect(file)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    with file.open("r+b") as raw:
        raw.write(b"\0" * file.stat().st_size)
    with caplog.at_level(logging.ERROR, "opendxa.dana.cache"):
        assert cache.put("after", None, "answer")
    assert "is damaged" in caplog.text
    assert cache.get("after") == "answer"
    assert ReasoningCache(path=file, namespace="n").get("after") == "answer"


def test_an_answer_on_disk_that_is_none_is_not_used(file: Path) -> None:
    model = FromCallable(lambda messages, options: "asked", name="tests")
    with Dana(llm=model, cache=ReasoningCache(path=file, namespace="n")) as d:
        d.reason("?")
    for value in ("[1]", '{"text": 3}', "{", '{"model": "m"}', "3"):
        database = sqlite3.connect(file)
        with database:
            database.execute("UPDATE answers SET value = ?", (value,))
        database.close()
        with Dana(llm=model, cache=ReasoningCache(path=file, namespace="n")) as d:
            assert d.reason("?", details=True).cached is False


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_file_others_may_touch_is_refused(file: Path, mode: int) -> None:
    ReasoningCache(path=file, namespace="n").close()
    file.chmod(mode)
    with pytest.raises(ResourceError, match="may be read or written by others"):
        ReasoningCache(path=file, namespace="n")


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_journal_others_may_touch_is_refused(file: Path, suffix: str) -> None:
    ReasoningCache(path=file, namespace="n").close()
    beside = Path(f"{file}{suffix}")
    beside.touch()
    beside.chmod(0o666)
    with pytest.raises(ResourceError, match="may be read or written by others"):
        ReasoningCache(path=file, namespace="n")
    beside.unlink()
    beside.symlink_to(file)
    with pytest.raises(ResourceError, match="may be read or written by others"):
        ReasoningCache(path=file, namespace="n")
    beside.unlink()
    file.parent.chmod(0o1777)
    with pytest.raises(ResourceError, match="a folder that everybody may write to"):
        ReasoningCache(path=file, namespace="n")


def test_other_files_are_refused_and_left_alone(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(file)
    with pytest.raises(ResourceError, match="cannot be opened"):
        ReasoningCache(path=link, namespace="n")
    with pytest.raises(ResourceError, match="cannot be opened"):
        ReasoningCache(path=tmp_path, namespace="n")
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE mine (x)")
    database.close()
    file.chmod(0o600)
    with pytest.raises(ResourceError, match="something else"):
        ReasoningCache(path=file, namespace="n")
    cache = ReasoningCache(path=tmp_path / "newer.db", namespace="n")
    cache.close()
    database = sqlite3.connect(tmp_path / "newer.db")
    database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(ResourceError, match="the form 9, this package reads 1"):
        ReasoningCache(path=tmp_path / "newer.db", namespace="n")


def test_nobody_waits_for_the_file_beyond_its_own_time(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = ReasoningCache(path=file, namespace="n")
    view, store = cache.view(), cache._store
    assert store is not None
    view.save("k", Response("kept"), None)
    # Another thread of this process has it, for longer than anybody would wait.
    with caplog.at_level(logging.WARNING, "opendxa.dana.cache"), store._lock:
        late = Request([{"role": "user", "content": "?"}], deadline=time.monotonic())
        assert view.answer("k", late, lambda: Response("asked")).text == "asked"
        view.forget("other", 0.0)
    assert caplog.text.count("cannot be used at the moment: others use it") == 3
    # What is left of the time is how long another process is waited for.
    assert store.get("k", 0.25) is not None
    assert store._database is not None
    (patience,) = store._database.execute("PRAGMA busy_timeout").fetchone()
    assert patience <= 250


def test_a_busy_file_costs_no_question(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("opendxa.dana.llm.cache_store._PATIENCE", 0.05)
    cache = ReasoningCache(path=file, namespace="n")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with caplog.at_level(logging.WARNING, "opendxa.dana.cache"), Dana(llm=Counting(), cache=cache) as d:
        assert d.reason("?") == "answer 1"
        assert d.reason("?") == "answer 1", "in memory it is"
    assert "cannot be used at the moment" in caplog.text
    other.rollback()
    other.close()
