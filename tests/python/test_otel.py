"""Spans and metrics, as the real SDK of OpenTelemetry collects them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from model_server import ModelServer, Reply
from opendxa.dana import AsyncDana, Dana, Limits, exceptions, otel, pool, telemetry
from opendxa.dana.llm import OpenAICompatible, Request, Response, Scripted
from sessions import open_dana

SECRET = "sesame-open-42"
BOTH = pytest.mark.parametrize("kind", [{"require_isolation": True}, {}], ids=["worker", "here"])


class Seen:
    """What was exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.traces = TracerProvider(shutdown_on_exit=False)
        self.traces.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracer = self.traces.get_tracer("test")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def one(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def clear(self) -> None:
        self._exporter.clear()

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def everything(self) -> str:
        """All that left the process, as text."""
        return "".join(span.to_json() for span in self.spans) + str(self._reader.get_metrics_data())


@pytest.fixture
def seen() -> Iterator[Seen]:
    found = Seen()
    otel.instrument(found.traces, found.meters, capture_content=False)
    yield found
    otel.uninstrument()


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def identity(span: ReadableSpan) -> int:
    return span.context.span_id


def test_session_and_turns(seen: Seen, isolated: bool) -> None:
    with seen.tracer.start_as_current_span("request") as request, open_dana(isolated) as d:
        assert d.execute_string("def double(x):\n    return 2 * x", "lib.na").success
        assert d.call("double", 21) == 42
        pid, level = d.sandbox.subprocess_pid, d.isolation.level.value
    session, run, call = (seen.one(name) for name in ("dana.session", "dana.execute", "dana.call double"))
    caller = request.get_span_context()
    for span in (session, run, call):
        assert parent(span) == caller.span_id
        assert span.context.trace_id == caller.trace_id
        assert span.kind is trace.SpanKind.INTERNAL
        assert span.status.status_code is trace.StatusCode.UNSET
    for span in (run, call):
        assert [link.context.span_id for link in span.links] == [identity(session)]
        assert span.attributes["dana.session.id"] == session.attributes["dana.session.id"]
    assert run.attributes["dana.program.name"] == "lib.na"
    assert call.attributes["dana.function.name"] == "double"
    assert session.attributes["dana.isolation.level"] == level
    assert session.attributes.get("dana.worker.pid") == pid
    assert session.attributes["dana.session.end.reason"] == "closed"
    assert [event.name for event in session.events] == ["dana.session.opened"]
    (point,) = seen.points("dana.session.duration")
    assert point.attributes == {"dana.isolation.level": level, "dana.session.end.reason": "closed"}
    turns = {point.attributes["dana.turn.kind"]: point.count for point in seen.points("dana.turn.duration")}
    assert turns == {"execute": 1, "call": 1}


def test_asks_are_children_of_the_turn(seen: Seen, isolated: bool) -> None:
    current: list[int] = []

    def look(x: int) -> int:
        current.append(trace.get_current_span().get_span_context().span_id)
        return x + 1

    async def later(x: int) -> int:
        await asyncio.sleep(0)
        current.append(trace.get_current_span().get_span_context().span_id)
        return x + 2

    def elsewhere(x: int) -> int:
        current.append(trace.get_current_span().get_span_context().span_id)
        return x + 3

    with open_dana(isolated, functions={"look": look, "later": later}) as d:
        d.register("elsewhere", elsewhere, background=True)
        assert d.execute_string("look(1) + later(1) + elsewhere(1)").result == 9
    run = seen.one("dana.execute")
    asks = [seen.one(f"dana.ask function/{name}") for name in ("look", "later", "elsewhere")]
    assert {parent(ask) for ask in asks} == {identity(run)}
    assert sorted(current) == sorted(identity(ask) for ask in asks)
    assert [ask.attributes["dana.function.name"] for ask in asks] == ["look", "later", "elsewhere"]
    (point,) = seen.points("dana.ask.duration")
    assert point.attributes == {"dana.ask.kind": "function"}
    assert point.count == 3


@BOTH
def test_the_callers_context_on_an_event_loop(seen: Seen, kind: dict[str, Any]) -> None:
    current: dict[str, int] = {}

    def span_id() -> int:
        return trace.get_current_span().get_span_context().span_id

    def blocking() -> int:
        current["blocking"] = span_id()
        return 1

    async def waiting() -> int:
        await asyncio.sleep(0)
        current["waiting"] = span_id()
        return 2

    async def model(messages: Any, options: Any) -> str:
        await asyncio.sleep(0)
        current["model"] = span_id()
        return "yes"

    async def request(number: int) -> None:
        functions = {"blocking": blocking, "waiting": waiting}
        with seen.tracer.start_as_current_span(f"request {number}"):
            async with AsyncDana(echo=False, functions=functions, llm=model, **kind) as d:
                result = await d.execute_string('blocking() + waiting()\nstr(reason("well?"))')
                assert result.success, result.error
                await d.call("str", number)

    async def main() -> None:
        await asyncio.gather(*(request(number) for number in range(3)))

    asyncio.run(main())
    for number in range(3):
        caller = seen.one(f"request {number}")
        mine = [span for span in seen.spans if span.context.trace_id == caller.context.trace_id]
        found = {span.name: span for span in mine}
        assert sorted(found) == sorted(
            [
                *(caller.name, "dana.session", "dana.execute", "dana.call str", "chat"),
                *("dana.ask function/blocking", "dana.ask function/waiting", "dana.ask reason"),
            ]
        )
        for name in ("dana.session", "dana.execute", "dana.call str"):
            assert parent(found[name]) == identity(caller)
        for name, span in found.items():
            if name.startswith("dana.ask"):
                assert parent(span) == identity(found["dana.execute"])
        assert parent(found["chat"]) == identity(found["dana.ask reason"])
    ids = {name: [identity(span) for span in seen.spans if span.name == name] for name in set(seen.names())}
    assert current["blocking"] in ids["dana.ask function/blocking"]
    assert current["waiting"] in ids["dana.ask function/waiting"]
    assert current["model"] in ids["chat"]


def test_failures_say_what_kind_and_nothing_else(seen: Seen, isolated: bool) -> None:
    def broken() -> None:
        raise LookupError(SECRET)

    with open_dana(isolated, functions={"broken": broken}) as d:
        assert not d.execute_string(f"x = '{SECRET}'\n1 / 0").success
        assert not d.execute_string(f"raise ValueError('{SECRET}')").success
        assert not d.execute_string("broken()").success
        with pytest.raises(exceptions.DanaCallError):
            d.call("missing", SECRET)
    divided, raised, called = [span for span in seen.spans if span.name == "dana.execute"]
    assert divided.attributes["error.type"] == "DanaCallError"
    assert divided.attributes["dana.error.kind"] == "ZeroDivisionError"
    assert raised.attributes["dana.error.kind"] == "ValueError"
    ask = seen.one("dana.ask function/broken")
    assert ask.attributes["error.type"] == "LookupError"
    for span in (divided, raised, called, ask, seen.one("dana.call missing")):
        assert span.status.status_code is trace.StatusCode.ERROR
        assert span.status.description is None
        assert not span.events
    assert SECRET not in seen.everything()
    failed = [point for point in seen.points("dana.turn.duration") if "error.type" in point.attributes]
    assert {(point.attributes["dana.turn.kind"], point.count) for point in failed} == {
        ("execute", 3),
        ("call", 1),
    }


def test_what_a_program_makes_up_names_nothing(seen: Seen, isolated: bool) -> None:
    with open_dana(isolated, search_paths=[]) as d:
        assert not d.execute_string(f"import {SECRET.replace('-', '_')}").success
    assert "dana.ask module" in seen.names()
    assert SECRET.replace("-", "_") not in seen.everything()


def test_a_worker_that_is_killed(seen: Seen) -> None:
    with open_dana(True) as d:
        d.execute_string("1")
        os.kill(d.sandbox.subprocess_pid, signal.SIGKILL)
        with pytest.raises(exceptions.WorkerKilledError):
            d.call("str", 1)
    session, call = seen.one("dana.session"), seen.one("dana.call str")
    assert call.attributes["error.type"] == "WorkerKilledError"
    assert session.attributes["dana.session.end.reason"] == "killed"
    assert session.attributes["error.type"] == "killed"
    assert session.status.status_code is trace.StatusCode.ERROR
    killed = [
        point.value
        for point in seen.points("dana.sessions.ended")
        if point.attributes == {"dana.session.end.reason": "killed"}
    ]
    assert killed == [pool.stats().ended["killed"]]


def test_a_limit_ends_a_session(seen: Seen, isolated: bool) -> None:
    with open_dana(isolated, limits=Limits(steps=1000)) as d:
        assert isinstance(d.execute_string("while true:\n    pass").error, exceptions.StepLimitError)
    assert seen.one("dana.session").attributes["dana.session.end.reason"] == "steps"
    assert seen.one("dana.execute").attributes["error.type"] == "StepLimitError"


@BOTH
def test_a_cancelled_task(seen: Seen, kind: dict[str, Any]) -> None:
    async def main() -> None:
        running = asyncio.Event()

        async def forever() -> None:
            running.set()
            await asyncio.Event().wait()

        d = AsyncDana(echo=False, functions={"forever": forever}, **kind)
        await d.open()
        task = asyncio.create_task(d.execute_string("print(forever())"))
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await d.close()
        # In this process the turn notices on its own thread.
        while "dana.ask function/forever" not in seen.names():
            await asyncio.sleep(0)

    asyncio.run(main())
    assert seen.one("dana.session").attributes["dana.session.end.reason"] == "cancelled"
    assert seen.one("dana.execute").attributes["error.type"] == "CancelledError"
    assert seen.one("dana.ask function/forever").attributes["error.type"] in ("cancelled", "CancelledError")


def test_setup_belongs_to_the_session(seen: Seen, isolated: bool) -> None:
    with open_dana(isolated, functions={"load": lambda: 42}, setup="x = load()") as d:
        assert d.get("x") == 42
    assert parent(seen.one("dana.ask function/load")) == identity(seen.one("dana.session"))


def test_a_session_that_cannot_be_opened(seen: Seen) -> None:
    with pytest.raises(exceptions.DanaCallError):
        open_dana(True, setup="1 / 0")
    assert seen.one("dana.session").attributes["dana.session.end.reason"] == "refused"
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_session_that_is_dropped(seen: Seen) -> None:
    async def main() -> None:
        d = AsyncDana(echo=False)
        await d.execute_string("1")

    asyncio.run(main())
    assert seen.one("dana.session").attributes["dana.session.end.reason"] == "dropped"


def test_a_question_to_a_server(seen: Seen, isolated: bool) -> None:
    with ModelServer(Reply(f"the {SECRET}", input_tokens=9, output_tokens=4)) as server:
        model = OpenAICompatible("tiny", server.url, api_key=SECRET)
        with open_dana(isolated, llm=model) as d:
            source = f'reason("open {SECRET}", temperature=0.5, max_tokens=7)'
            assert SECRET in str(d.execute_string(source).result)
    span = seen.one("chat tiny")
    assert span.kind is trace.SpanKind.CLIENT
    assert parent(span) == identity(seen.one("dana.ask reason"))
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "tiny",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 7,
        "gen_ai.response.model": "served",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 4,
        "server.address": "127.0.0.1",
        "server.port": urlsplit(server.url).port,
    }
    # Collecting takes the exemplars away: this comes first.
    (duration,) = seen.points("gen_ai.client.operation.duration")
    assert isinstance(duration, HistogramDataPoint)
    assert duration.explicit_bounds[0] == 0.01
    assert duration.attributes["gen_ai.request.model"] == "tiny"
    assert duration.exemplars[0].span_id == identity(span)
    tokens = {
        point.attributes["gen_ai.token.type"]: point for point in seen.points("gen_ai.client.token.usage")
    }
    assert {kind: point.sum for kind, point in tokens.items()} == {"input": 9, "output": 4}
    assert tokens["input"].explicit_bounds[:4] == (1, 4, 16, 64)
    assert SECRET not in seen.everything()


def test_a_model_that_fails(seen: Seen, isolated: bool) -> None:
    error = exceptions.ModelError(f"key {SECRET} is refused", status=401, input_tokens=3)
    with open_dana(isolated, llm=Scripted([error])) as d:
        assert not d.execute_string('str(reason("?"))').success
    span = seen.one("chat")
    assert span.attributes["error.type"] == "LLMAuthenticationError"
    assert span.attributes["http.response.status_code"] == 401
    assert span.attributes["gen_ai.usage.input_tokens"] == 3
    assert span.attributes["gen_ai.provider.name"] == "dana.scripted"
    (duration,) = seen.points("gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == "LLMAuthenticationError"
    assert SECRET not in seen.everything()


def test_a_provider_says_what_it_is(seen: Seen) -> None:
    class Own:
        provider_name = "acme"
        model = "rocket"
        models = ("rocket", "anvil")
        instant = True

        def generate(self, request: Request) -> Response:
            return Response("up", model="rocket-2", input_tokens=1)

    with Dana(echo=False, llm=Own()) as d:
        assert d.execute_string('set_model("anvil")\nstr(reason("?"))').success
        assert d.execute_string('set_model("rocket")\nstr(reason("?"))').success
    assert seen.one("chat anvil").attributes["gen_ai.provider.name"] == "acme"
    assert seen.one("chat rocket").attributes["gen_ai.response.model"] == "rocket-2"


def test_prompts_and_answers_are_recorded_on_demand_only(
    seen: Seen, isolated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_dana(isolated, llm=Scripted([SECRET], repeat=True)) as d:
        d.execute_string(f'str(reason("say {SECRET}"))')
        assert SECRET not in seen.everything()
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
        otel.instrument(seen.traces, Seen().meters)
        d.execute_string(f'str(reason("say {SECRET}"))')
    plain, told = [span for span in seen.spans if span.name == "chat scripted"]
    assert "gen_ai.input.messages" not in plain.attributes
    asked = json.loads(told.attributes["gen_ai.input.messages"])
    assert asked[-1]["role"] == "user"
    assert SECRET in asked[-1]["parts"][0]["content"]
    answered = json.loads(told.attributes["gen_ai.output.messages"])
    part = {"type": "text", "content": SECRET}
    assert answered == [{"role": "assistant", "parts": [part], "finish_reason": "stop"}]


def test_the_pool(seen: Seen) -> None:
    with open_dana(True) as d:
        d.execute_string("1")
        stats = pool.stats()
        busy = [point.value for point in seen.points("dana.pool.busy")]
        spawned = [point.value for point in seen.points("dana.pool.spawned")]
    assert busy == [stats.busy]
    assert spawned[0] >= stats.spawned
    assert {
        point.attributes["dana.session.end.reason"] for point in seen.points("dana.sessions.ended")
    } == set(stats.ended)


def test_nothing_is_seen_without_instruments(seen: Seen, isolated: bool) -> None:
    with open_dana(isolated) as d:
        d.execute_string("1")
        otel.uninstrument()
        seen.clear()
        assert telemetry.observer is None
        assert d.call("str", 1) == "1"
        otel.instrument(seen.traces, seen.meters)
        # A session that is older than the instruments has no span of its own to link to.
        assert d.call("str", 2) == "2"
        otel.uninstrument()
    with open_dana(isolated) as d:
        d.call("str", 3)
    assert seen.names() == ["dana.call str"] or seen.names() == ["dana.call str", "dana.session"]
    assert seen.points("dana.pool.busy") == []


def test_many_threads(seen: Seen) -> None:
    def work(number: int) -> None:
        with seen.tracer.start_as_current_span(f"thread {number}"), Dana(echo=False) as d:
            for _ in range(20):
                d.call("str", number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        caller = seen.one(f"thread {number}")
        calls = [span for span in seen.spans if parent(span) == identity(caller)]
        assert sorted(span.name for span in calls) == ["dana.call str"] * 20 + ["dana.session"]


def test_the_extra_is_needed_only_where_it_is_used() -> None:
    source = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "from opendxa.dana import Dana\n"
        "assert Dana(echo=False).call('str', 1) == '1'\n"
        "try:\n"
        "    from opendxa.dana import otel\n"
        "except ModuleNotFoundError as error:\n"
        "    assert 'dana-bridge[otel]' in str(error), error\n"
        "else:\n"
        "    raise AssertionError\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
