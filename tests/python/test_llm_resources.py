"""`get_llm` and `get_llm_async`: places, streams, budgets, typed answers."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import pydantic
import pytest

from model_server import ModelServer, Reply
from opendxa.dana import AsyncDana, Dana, Limits
from opendxa.dana.exceptions import (
    CostLimitError,
    DanaCallError,
    ModelBusyError,
    ModelCallLimitError,
    ModelError,
    ResourceError,
    SessionClosedError,
    TokenLimitError,
    TypeConversionError,
)
from opendxa.dana.llm import (
    Anthropic,
    LLMPool,
    OpenAICompatible,
    Price,
    Prices,
    Request,
    Response,
    Scripted,
    Timeouts,
)
from opendxa.dana.types import ReasoningResult


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opendxa.dana.llm.transport._FIRST_WAIT", 0.001)


class Held:
    """Answers each question when told to; counts how many are under way."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.changed = threading.Condition()
        self.asked: list[str] = []
        self.busy = self.most = 0

    def generate(self, request: Request) -> str:
        text = request.messages[-1]["content"]
        with self.changed:
            self.asked.append(text)
            self.busy += 1
            self.most = max(self.most, self.busy)
            self.changed.notify_all()
        self.go.acquire(timeout=30)
        with self.changed:
            self.busy -= 1
        return f"re {text}"

    def wait_for(self, number: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= number, 30)


def until(condition: Any) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


# Asking


def test_generate() -> None:
    with ModelServer(Reply("forty-two")) as server, Dana(llm=OpenAICompatible("m", server.url)) as d:
        with d.get_llm() as llm:
            answer = llm.generate("Is it?", {"system_message": "Be brief.", "temperature": 0.0})
            assert answer == "forty-two"
            assert (answer.model, answer.attempts, answer.cached) == ("served", 1, False)
            assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 3)
            llm.generate([{"role": "user", "content": "Again?"}])
            assert llm.usage.tokens == 20
        assert server.requests[0]["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Is it?"},
        ]
        assert d.usage.model_calls == 2
        with pytest.raises(SessionClosedError, match="was closed"):
            llm.generate("?")
        with pytest.raises(SessionClosedError, match="was closed"), llm:
            pass


def test_generate_async() -> None:
    async def main() -> None:
        with ModelServer(Reply("forty-two")) as server:
            async with AsyncDana(llm=OpenAICompatible("m", server.url)) as d:
                async with d.get_llm_async() as llm:
                    answers = await asyncio.gather(*(llm.generate(f"{n}?") for n in range(20)))
                    assert answers == ["forty-two"] * 20
                    assert llm.usage.tokens == 200
                assert d.usage.model_calls == 20
                with pytest.raises(SessionClosedError):
                    await llm.generate("?")

    asyncio.run(main())


def test_the_session_need_not_be_open() -> None:
    async def main() -> str:
        async with AsyncDana(llm=Scripted(["a"])).get_llm_async() as llm:
            return str(await llm.generate("?"))

    assert asyncio.run(main()) == "a"
    with Dana(llm=lambda messages, options: "b").get_llm() as llm:
        assert llm.generate("?") == "b"


@pytest.mark.parametrize(
    ("prompt", "options", "error", "text"),
    [
        (3, None, TypeError, "Expected str or list of messages, got int"),
        ([], None, TypeError, "Expected str or list of messages"),
        ([{"role": "user"}], None, TypeError, "dict with role and content"),
        (" ", None, DanaCallError, "prompt is empty"),
        ("?", 3, TypeError, "Expected dict, got int"),
        ("?", {"temprature": 1}, DanaCallError, "Invalid option keys: \\['temprature'\\]"),
        ("?", {"temperature": 3}, DanaCallError, "between 0.0 and 2.0"),
    ],
)
def test_questions_that_make_no_sense(prompt: Any, options: Any, error: type[Exception], text: str) -> None:
    with Dana(llm=Scripted(["a"])) as d, d.get_llm() as llm, pytest.raises(error, match=text):
        llm.generate(prompt, options)


def test_what_is_wrong_with_the_arguments_is_told() -> None:
    with Dana(llm=Scripted([])) as d:
        for settings, error in [
            ({"pool": 3}, TypeError),
            ({"prices": {"m": 3}}, TypeError),
            ({"prices": {"m": (1, -1)}}, ValueError),
            ({"tokens": 0}, ValueError),
            ({"cost": "1"}, TypeError),
        ]:
            with pytest.raises(error):
                d.get_llm(**settings)  # type: ignore[arg-type]
    for arguments, error in [(("a",), TypeError), ((0,), ValueError), ((1, "a"), TypeError)]:
        with pytest.raises(error):
            LLMPool(*arguments)
    with pytest.raises(TypeError, match="argument 'cache'"):
        Dana(cache=3)  # type: ignore[arg-type]


def test_errors_are_the_providers_own() -> None:
    def model(messages: object, options: object) -> str:
        raise ValueError("no sk-abcdefghijklmn here")

    with Dana(llm=model) as d, d.get_llm() as llm:
        for ask in (llm.generate, llm.reason, lambda prompt: list(llm.stream(prompt))):
            with pytest.raises(ModelError, match=r"failed: ValueError: no \[key\] here"):
                ask("?")
        assert llm.usage.model_calls == 3
    with ModelServer(Reply("down", status=500)) as server:
        provider = OpenAICompatible("m", server.url, max_retries=1)
        with Dana(llm=provider) as d, d.get_llm() as llm:
            for ask in (llm.generate, llm.reason, lambda prompt: list(llm.stream(prompt))):
                with pytest.raises(ModelError, match="HTTP 500") as caught:
                    ask("?")
                assert caught.value.attempts == 2
            assert llm.usage.failed_attempts == 6
            assert d.usage.failed_attempts == 6


@pytest.mark.parametrize("wait", ["before", "between"])
def test_timeouts(wait: str) -> None:
    event = threading.Event()
    reply = Reply(**{f"wait_{wait}": event})  # type: ignore[arg-type]
    with ModelServer(reply) as server, Dana(llm=OpenAICompatible("m", server.url)) as d, d.get_llm() as llm:
        for ask in (
            llm.generate,
            llm.reason,
            lambda prompt, timeout: list(llm.stream(prompt, timeout=timeout)),
        ):
            with pytest.raises(ModelError, match=r"no answer within|timeout"):
                ask("?", timeout=0.1)
        assert llm.pool.stats.busy == 0


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("wait", "timeouts", "text"),
    [
        ("before", Timeouts(first_token=0.1), "no first token within 0.1 s"),
        ("between", Timeouts(between_tokens=0.1), "no further token within 0.1 s"),
        ("between", Timeouts(total=0.1), "no answer within|timeout"),
    ],
)
def test_time_limits_of_one_question(wait: str, timeouts: Timeouts, text: str, asynchronous: bool) -> None:
    with ModelServer(Reply(**{f"wait_{wait}": threading.Event()})) as server:  # type: ignore[arg-type]
        provider = OpenAICompatible("m", server.url, max_retries=0)

        async def main() -> None:
            async with AsyncDana(llm=provider).get_llm_async() as llm:
                with pytest.raises(ModelError, match=text):
                    await llm.generate("?", timeout=timeouts)
                with pytest.raises(ModelError, match=text):
                    await llm.reason("?", timeout=timeouts)
                with pytest.raises(ModelError, match=text):
                    _ = [piece async for piece in llm.stream("?", timeout=timeouts)]
                assert llm.pool.stats.busy == 0

        if asynchronous:
            asyncio.run(main())
            return
        with Dana(llm=provider) as d, d.get_llm() as llm:
            for ask in (
                llm.generate,
                llm.reason,
                lambda prompt, timeout: list(llm.stream(prompt, timeout=timeout)),
            ):
                with pytest.raises(ModelError, match=text):
                    ask("?", timeout=timeouts)
            assert llm.pool.stats.busy == 0


def test_a_timeout_of_the_provider_is_told_as_such() -> None:
    def model(messages: object, options: object) -> str:
        raise TimeoutError("the database")

    with (
        Dana(llm=model) as d,
        d.get_llm() as llm,
        pytest.raises(ModelError, match="TimeoutError: the database"),
    ):
        llm.generate("?", timeout=30)


def test_a_blocking_callable_is_not_waited_for_beyond_the_timeout() -> None:
    held = Held()
    with Dana(llm=held) as d, d.get_llm() as llm:
        for ask in (llm.generate, llm.reason):
            with pytest.raises(ModelError, match="within the timeout"):
                ask("?", timeout=0.05)
            held.go.release()
            until(lambda: llm.pool.stats.busy == 0)
        held.go.release()
        assert llm.reason("?", timeout=30) == "re ?"


# Places


def test_as_many_questions_as_there_are_places_and_the_others_in_their_order() -> None:
    held, pool = Held(), LLMPool(2)
    with Dana(llm=held) as d, d.get_llm(pool=pool) as llm, ThreadPoolExecutor(8) as threads:
        answers = []
        for number in range(8):
            answers.append(threads.submit(llm.generate, str(number)))
            until(lambda: len(held.asked) + pool.stats.waiting == number + 1)  # noqa: B023
        assert (pool.stats.busy, pool.stats.waiting) == (2, 6)
        for number in range(3, 9):
            held.go.release()
            held.wait_for(number)
        for _ in range(2):
            held.go.release()
        assert [future.result(30) for future in answers] == [f"re {number}" for number in range(8)]
    assert held.asked[2:] == [str(number) for number in range(2, 8)]
    assert held.most == 2
    stats = pool.stats
    assert (stats.busy, stats.waiting, stats.served, stats.gave_up) == (0, 0, 8, 0)
    assert stats.longest_wait > 0


def test_threads_and_tasks_wait_in_one_queue() -> None:
    pool, order = LLMPool(1), []
    held = Held()

    async def task(name: str) -> None:
        async with pool.place_async():
            order.append(name)

    async def tasks() -> None:
        await task("task 1")

    with Dana(llm=held) as d, d.get_llm(pool=pool) as llm, ThreadPoolExecutor(3) as threads:
        first = threads.submit(llm.generate, "first")
        held.wait_for(1)
        waiting = [threads.submit(asyncio.run, tasks())]
        until(lambda: pool.stats.waiting == 1)
        waiting.append(threads.submit(llm.generate, "second"))
        until(lambda: pool.stats.waiting == 2)
        held.go.release()
        held.wait_for(2)
        assert order == ["task 1"], "the task stood before the thread"
        held.go.release()
        for future in [first, *waiting]:
            future.result(30)


def test_who_gives_up_waiting_leaves_no_gap() -> None:
    held, pool = Held(), LLMPool(1, wait=0.05)
    with Dana(llm=held) as d, d.get_llm(pool=pool) as llm, ThreadPoolExecutor(1) as threads:
        first = threads.submit(llm.generate, "first")
        held.wait_for(1)
        for ask in (llm.generate, llm.reason, lambda prompt: list(llm.stream(prompt))):
            with pytest.raises(ModelBusyError, match="as many as may be at once") as caught:
                ask("late")
            assert caught.value.attempts == 0
        assert pool.stats.gave_up == 3
        held.go.release()
        first.result(30)
        held.go.release()
        assert llm.generate("now") == "re now"
        assert llm.usage.model_calls == 2, "who never had a place asked nothing"


def test_a_cancelled_task_gives_its_place_back() -> None:
    async def main() -> None:
        pool, began = LLMPool(1), asyncio.Event()

        async def model(messages: object, options: object) -> str:
            began.set()
            await asyncio.Event().wait()
            return ""

        async with AsyncDana(llm=model) as d, d.get_llm_async(pool=pool) as llm:
            tasks = [asyncio.create_task(llm.generate("?")) for _ in range(3)]
            await began.wait()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            assert (pool.stats.busy, pool.stats.waiting) == (0, 0)
            assert llm.usage.model_calls == 1

    asyncio.run(main())


# Streams


@pytest.fixture
def streaming() -> Iterator[tuple[ModelServer, Dana]]:
    with ModelServer(Reply("forty-two")) as server, Dana(llm=OpenAICompatible("m", server.url)) as d:
        yield server, d


def test_streams(streaming: tuple[ModelServer, Dana]) -> None:
    _, d = streaming
    with d.get_llm() as llm:
        stream = llm.stream("?")
        assert stream.result is None
        assert list(stream) == ["fort", "y-two"]
        assert list(stream) == []
        result = stream.result
        assert result is not None
        assert result == "forty-two"
        assert result.usage.tokens == 10
        assert llm.usage.tokens == 10


def test_closing_a_stream_in_the_middle_ends_the_request() -> None:
    event = threading.Event()
    with (
        ModelServer(Reply("forty-two " * 20_000, wait_between=event)) as server,
        Dana(llm=OpenAICompatible("m", server.url)) as d,
        d.get_llm() as llm,
    ):
        with llm.stream("?") as stream:
            assert next(stream).startswith("forty")
            assert llm.pool.stats.busy == 1
        assert llm.pool.stats.busy == 0
        assert list(stream) == []
        assert stream.result is None
        event.set()
        assert server.broken.wait(30), "the server noticed"
        assert llm.usage.model_calls == 1
        # One that nobody closes is closed with the resource, one that is dropped by itself.
        event.clear()
        left = llm.stream("?")
        next(left)
        dropped = llm.stream("?")
        next(dropped)
        del dropped
        gc.collect()
        until(lambda: llm.pool.stats.busy == 1)
        llm.close()
        assert llm.pool.stats.busy == 0
        assert next(left, None) is None
        event.set()


def test_what_was_told_of_a_stream_that_was_closed_counts() -> None:
    event = threading.Event()
    with (
        ModelServer(Reply("forty-two", wait_between=event)) as server,
        Dana(llm=Anthropic("m", server.root), prices={"m": (1.0, 1.0)}) as d,
        d.get_llm() as llm,
    ):
        with llm.stream("?") as stream:
            next(stream)
        event.set()
        assert (llm.usage.input_tokens, llm.usage.output_tokens) == (7, 1)
        assert (llm.usage.model_calls, llm.usage.failed_attempts) == (1, 0)
        assert d.usage.cost == pytest.approx(8 / 1e6)


def test_a_stream_that_breaks_is_not_begun_again() -> None:
    with (
        ModelServer(Reply("forty-two", cut=True), Reply("whole")) as server,
        Dana(llm=OpenAICompatible("m", server.url)) as d,
        d.get_llm() as llm,
    ):
        pieces = []
        with pytest.raises(ModelError, match="in the middle of the answer"):
            pieces.extend(llm.stream("?"))
        assert len(server.requests) == 1
        assert (llm.usage.model_calls, llm.usage.failed_attempts) == (1, 1)
    with (
        ModelServer(Reply("no", status=503), Reply("forty-two")) as server,
        Dana(llm=OpenAICompatible("m", server.url)) as d,
        d.get_llm() as llm,
    ):
        assert list(llm.stream("?")) == ["fort", "y-two"], "before its first piece it is"
        assert llm.usage.failed_attempts == 1


def test_async_streams() -> None:
    async def main() -> None:
        event = threading.Event()
        with ModelServer(Reply("forty-two"), Reply("forty-two " * 20_000, wait_between=event)) as server:
            async with AsyncDana(llm=OpenAICompatible("m", server.url)) as d, d.get_llm_async() as llm:
                stream = llm.stream("?")
                assert [piece async for piece in stream] == ["fort", "y-two"]
                assert stream.result == "forty-two"
                async with llm.stream("?") as stream:
                    async for _ in stream:
                        break
                assert llm.pool.stats.busy == 0
                event.set()
                assert await asyncio.to_thread(server.broken.wait, 30)
                left = llm.stream("?")
                await left.__anext__()
            assert llm.pool.stats.busy == 0

    asyncio.run(main())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_generator_is_a_stream(asynchronous: bool) -> None:
    closed = threading.Event()

    def plain(messages: list[dict[str, str]], options: object) -> Iterator[str]:
        try:
            yield "forty"
            yield "-two"
        finally:
            closed.set()

    async def later(messages: list[dict[str, str]], options: object) -> Any:
        try:
            yield "forty"
            yield "-two"
        finally:
            closed.set()

    with Dana(llm=later if asynchronous else plain, echo=False) as d, d.get_llm() as llm:
        stream = llm.stream("?")
        assert list(stream) == ["forty", "-two"]
        assert stream.result == llm.generate("?") == d.reason("?") == "forty-two"
        assert d.execute_string('llm("?")').result == "forty-two"
        closed.clear()
        with llm.stream("?") as stream:
            next(stream)
        assert closed.is_set()


def test_a_provider_that_cannot_stream_gives_one_piece() -> None:
    with Dana(llm=lambda messages, options: "whole") as d, d.get_llm() as llm:
        assert list(llm.stream("?")) == ["whole"]


# Budgets


def test_budgets_of_a_resource() -> None:
    prices = Prices({"scripted": (2.0, 10.0)})
    for limits, error in [
        ({"tokens": 4}, TokenLimitError),
        ({"model_calls": 2}, ModelCallLimitError),
        ({"cost": 0.00003}, CostLimitError),
    ]:
        provider = Scripted(["two words"] * 9)
        provider.model = "scripted"  # type: ignore[attr-defined]
        with Dana(llm=provider) as d, d.get_llm(prices=prices, **limits) as llm:  # type: ignore[arg-type]
            llm.generate("one")
            llm.generate("one")
            with pytest.raises(error):
                llm.generate("one")
            with pytest.raises(error):
                llm.reason("one")
            assert llm.usage.model_calls == 2
            assert llm.usage.cost == pytest.approx(2 * (1 * 2.0 + 2 * 10.0) / 1e6)
            assert d.get_llm().generate("one") == "two words", "the session itself has no limit"


def test_no_more_questions_are_asked_at_once_than_may_be_asked() -> None:
    held = Held()
    with Dana(llm=held) as d, d.get_llm(model_calls=3) as llm, ThreadPoolExecutor(8) as threads:
        for _ in range(8):
            held.go.release()
        answers = [threads.submit(llm.generate, str(number)) for number in range(8)]
        failures = [future.exception(30) for future in answers]
    assert sum(isinstance(failure, ModelCallLimitError) for failure in failures) == 5
    assert len(held.asked) == 3


def test_a_model_without_a_price_is_not_asked_where_money_is_limited() -> None:
    with Dana(llm=Scripted(["a"])) as d, d.get_llm(cost=1.0, prices={"other": Price(1, 1)}) as llm:
        with pytest.raises(ResourceError, match="its price is not known"):
            llm.generate("?")
        assert llm.usage.model_calls == 0


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (Limits(tokens=10), TokenLimitError),
        (Limits(model_calls=1), ModelCallLimitError),
        (Limits(cost=0.00001), CostLimitError),
    ],
)
def test_budgets_of_a_session(
    limits: Limits, error: type[Exception], asynchronous: bool, isolated: bool
) -> None:
    program = 'llm("one")\ntry:\n    llm("two")\nexcept Exception:\n    print("caught")\nllm("three")'
    with ModelServer(Reply("forty-two")) as server:
        settings: dict[str, Any] = {
            "llm": OpenAICompatible("m", server.url),
            "limits": limits,
            "prices": {"m": (1.0, 1.0)},
            "use_subprocess_isolation": isolated,
            "echo": False,
        }
        if asynchronous:

            async def main() -> Any:
                async with AsyncDana(**settings) as d:
                    return await d.execute_string(program), d.usage

            result, usage = asyncio.run(main())
        else:
            with Dana(**settings) as d:
                result, usage = d.execute_string(program), d.usage
                with pytest.raises(error), d.get_llm() as llm:
                    llm.generate("the session's limit holds for its resources")
        assert type(result.error) is error
        assert "caught" not in result.output
        assert len(server.requests) == 1
        assert usage.cost == pytest.approx(10 / 1e6)


# Typed answers


@dataclass
class Point:
    """A place."""

    x: int
    y: float = 0.5


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Review(pydantic.BaseModel):
    stars: int = pydantic.Field(ge=1, le=5)
    places: list[Point] = []


TYPED = [
    (list[int], "[1, 2]", [1, 2]),
    (dict[str, float], '{"a": 1}', {"a": 1.0}),
    (bool, "yes", True),
    (float, "FINAL_ANSWER: 2", 2.0),
    (str, "text", "text"),
    (int | None, "null", None),
    (tuple[int, str], '[1, "a"]', (1, "a")),
    (set[int], "[1, 2, 1]", {1, 2}),
    (Point, '{"x": 1}', Point(1)),
    (list[Point], '```json\n[{"x": 1, "y": 2}]\n```', [Point(1, 2.0)]),
    (Mood, "good", Mood.GOOD),
    (Literal["a", "b"], "b", "b"),
    (Review, '{"stars": 3, "places": [{"x": 1, "y": 1}]}', Review(stars=3, places=[Point(1, 1.0)])),
    (Any, "text", "text"),
]


@pytest.mark.parametrize(("returns", "reply", "value"), TYPED)
def test_typed_answers(returns: Any, reply: str, value: Any, isolated: bool) -> None:
    with Dana(llm=Scripted([reply]), use_subprocess_isolation=isolated) as d:
        answer = d.reason("?", returns=returns)
        assert answer == value
        assert type(answer) is type(value)


@pytest.mark.parametrize("isolated", [False, True])
def test_typed_answers_async(isolated: bool) -> None:
    async def main() -> None:
        replies = [reply for _, reply, _ in TYPED]
        async with AsyncDana(llm=Scripted(replies), use_subprocess_isolation=isolated) as d:
            for returns, _, value in TYPED:
                assert await d.reason("?", returns=returns) == value

    asyncio.run(main())


def test_a_question_says_the_type() -> None:
    script = Scripted(["good", '{"x": 1}'])
    with Dana(llm=script) as d:
        d.reason("How is it?", returns=Mood)
        d.reason("Where is it?", returns=Point)
    first, second = script.requests
    assert first.messages[-1]["content"].startswith("How is it?\n\nThe answer is one of: 'good', 'bad'.")
    assert first.expects == "str"
    assert second.schema is not None
    assert second.schema["description"] == "A place."
    assert second.schema["properties"] == {"x": {"type": "integer"}, "y": {"type": "number"}}
    assert "returns" not in second.options


def test_what_only_python_refuses_is_asked_for_again() -> None:
    script = Scripted(["so so", "good", '{"stars": 9}', '{"stars": 5}', *["bad one"] * 3])
    with Dana(llm=script) as d:
        answer = d.reason("?", returns=Mood, details=True)
        assert answer.value is Mood.GOOD
        assert (answer.attempts, answer.usage.model_calls) == (2, 2)
        assert "Expected one of 'good', 'bad', got 'so so'" in script.requests[1].messages[-1]["content"]
        assert d.reason("?", returns=Review).stars == 5
        with pytest.raises(DanaCallError, match="no usable answer in 3 attempts") as caught:
            d.reason("?", returns=Mood)
        assert isinstance(caught.value.original_error, TypeConversionError)


def test_nothing_of_the_programs_is_touched(isolated: bool) -> None:
    replies = ['{"x": 1}'] * 3
    with Dana(llm=Scripted(replies), use_subprocess_isolation=isolated, echo=False) as d:
        before = d.execute_string("struct Point:\n    name: str\np = Point(name='p')").final_context
        assert before is not None
        assert d.reason("?", returns=Point) == Point(1)
        after = d.execute_string("Point(name='q').name")
        assert after.result == "q"
        assert after.final_context is not None
        assert after.final_context.get_state().keys() == before.get_state().keys()
        assert d.reason("?", returns=list[Point] | Point) == Point(1)
        d.restart_subprocess()
        if isolated:
            assert d.reason("?", returns=Point) == Point(1)


def test_programs_may_name_the_type_too() -> None:
    with Dana(llm=Scripted(["[1]", "3"]), echo=False) as d:
        assert d.execute_string('reason("?", {"returns": "list[int]"})').result == [1]
        assert d.execute_string('reason("?", returns="int | None")').result == 3
        wrong = d.execute_string('reason("?", returns="list[")')
        assert "returns must be the text of a type" in str(wrong.error)
        assert "llm() always gives text" in str(d.execute_string('llm("?", returns="int")').error)


def test_types_without_a_dana_type_are_told_at_once() -> None:
    with (
        Dana(llm=Scripted([])) as d,
        pytest.raises(TypeConversionError, match="Dana has no type for complex"),
    ):
        d.reason("?", returns=complex)


def test_plain_answers_stay_plain() -> None:
    with Dana(llm=Scripted(["text", "3"])) as d:
        assert type(d.reason("?")) is str
        assert type(d.reason("?", None)) is int


def test_details() -> None:
    with (
        ModelServer(Reply("slow", status=503), Reply("42")) as server,
        Dana(llm=OpenAICompatible("m", server.url)) as d,
    ):
        answer = d.reason("?", details=True)
        assert type(answer) is ReasoningResult
        assert answer == 42
        assert (answer.model, answer.attempts, answer.cached) == ("served", 2, False)
        assert (answer.usage.failed_attempts, answer.usage.tokens) == (1, 10)
        assert not d.sandbox.models.receipts
        forged = d.execute_string('reason("?", {"receipt": "x"})')
        assert forged.result == 42
    assert all("receipt" not in request for request in server.requests)


@pytest.mark.parametrize("cached", [False, True])
def test_typed_answers_of_a_resource(cached: bool) -> None:
    with ModelServer(Reply("[1, 2]")) as server:
        with Dana(llm=OpenAICompatible("m", server.url), cache=cached) as d, d.get_llm() as llm:
            with ThreadPoolExecutor(4) as threads:
                ask = lambda number: llm.reason("?", returns=list[int])  # noqa: E731
                answers = list(threads.map(ask, range(8)))
            assert answers == [[1, 2]] * 8
            assert sum(answer.usage.tokens for answer in answers) == llm.usage.tokens
            assert llm.usage.tokens == (10 if cached else 80)
            assert sum(answer.cached for answer in answers) == (7 if cached else 0)
        assert len(server.requests) == (1 if cached else 8)


def test_typed_answers_of_an_async_resource() -> None:
    async def main() -> None:
        with ModelServer(Reply('{"x": 1}')) as server, Dana(llm=OpenAICompatible("m", server.url)) as d:
            async with d.get_llm_async() as llm:
                asked = [llm.reason(str(number), returns=Point) for number in range(12)]
                answers = await asyncio.gather(*asked)
                assert answers == [Point(1)] * 12
                assert [answer.model for answer in answers] == ["served"] * 12
                assert llm.usage.model_calls == 12

    asyncio.run(main())


# Results


def test_a_result_behaves_like_its_value() -> None:
    number = ReasoningResult(42, model="m", attempts=2)
    assert (number + 1, 1 + number, number - 2, 2 - number, -number, number / 4) == (
        43,
        43,
        40,
        -40,
        -42,
        10.5,
    )
    assert number == 42
    assert number != 41
    assert number == ReasoningResult(42)
    assert 41 < number < 43
    assert number > ReasoningResult(1)
    assert (int(number), float(number), f"{number:>4}", str(number), bool(number)) == (
        42,
        42.0,
        "  42",
        "42",
        True,
    )
    assert list(range(50))[number] == 42
    assert {42: "x"}[number] == "x"  # type: ignore[index]
    assert repr(number) == "ReasoningResult(42, model='m')"
    text = ReasoningResult("some text", cached=True)
    assert text.upper() == "SOME TEXT"
    assert (len(text), text[0], "some" in text, list(text)[:2], text + "!") == (
        9,
        "s",
        True,
        ["s", "o"],
        "some text!",
    )
    assert not ReasoningResult("")
    assert repr(text) == "ReasoningResult('some text', model='', cached)"
    assert ReasoningResult(Point(1)).x == 1
    with pytest.raises(AttributeError):
        _ = number.nonsense
    with pytest.raises(TypeError):
        json.dumps(number)
    assert json.dumps(number.value) == "42"
    for twin in (copy.copy(number), copy.deepcopy(number), pickle.loads(pickle.dumps(number))):
        assert (twin, twin.model, twin.attempts) == (42, "m", 2)


def test_prices() -> None:
    prices = Prices({"m": (1.0, 2.0), "big": Price(10, 20)})
    assert dict(prices) == {"m": Price(1.0, 2.0), "big": Price(10, 20)}
    assert prices.cost("m", "m-2024", 1_000_000, 500_000) == 2.0
    assert prices.cost("m", "big", 100_000, 0) == 1.0, "who answered counts"
    assert prices.cost("other", "other", 5, 5) == 0.0


def test_responses_of_a_provider_are_told_whole() -> None:
    class Own:
        def generate(self, request: Request) -> Response:
            return Response("3", "own", 5, 6, attempts=3)

    with Dana(llm=Own()) as d, d.get_llm() as llm:
        answer = llm.reason("?", returns=int)
        assert (answer, answer.model, answer.attempts, answer.usage.tokens) == (3, "own", 3, 11)
