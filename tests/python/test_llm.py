"""Providers, against a real server on loopback that also misbehaves."""

from __future__ import annotations

import asyncio
import contextvars
import gzip
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from model_server import ModelServer, Reply
from opendxa.dana import Dana
from opendxa.dana.exceptions import DanaCallError, ModelError, ResourceError
from opendxa.dana.llm import (
    FromCallable,
    Local,
    Mock,
    OpenAICompatible,
    Provider,
    Request,
    Response,
    Scripted,
    Timeouts,
    generate,
    resolve,
)
from opendxa.dana.llm.transport import _Clock, _Late

QUESTION = Request(messages=[{"role": "user", "content": "Is it?"}], options={"temperature": 0.0})


def ask(server: ModelServer, request: Request = QUESTION, **settings: object) -> Response:
    return generate(OpenAICompatible("m", server.url, "sk-secret", **settings), request)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opendxa.dana.llm.transport._FIRST_WAIT", 0.001)


@pytest.mark.parametrize("stream", [True, False])
def test_answer_and_usage(stream: bool) -> None:
    with ModelServer(Reply("forty-two")) as server:
        response = ask(server, stream=stream)
    assert response == Response("forty-two", "served", input_tokens=7, output_tokens=3, attempts=1)
    sent = server.requests[0]
    assert sent["path"] == "/v1/chat/completions"
    assert sent["model"] == "m"
    assert sent["messages"] == QUESTION.messages
    assert sent["temperature"] == 0.0
    assert server.headers[0]["authorization"] == "Bearer sk-secret"


def test_server_that_ignores_stream() -> None:
    with ModelServer(Reply("whole", stream=False)) as server:
        assert ask(server).text == "whole"


def test_options_that_are_passed_on() -> None:
    request = Request(
        QUESTION.messages, {"max_tokens": 5, "system_message": "x", "data": [1], "model": "other"}
    )
    with ModelServer(Reply()) as server:
        ask(server, request)
    sent = server.requests[0]
    assert sent["max_tokens"] == 5
    assert sent["model"] == "m", "a program does not choose what the host pays for"
    assert not {"system_message", "data"} & set(sent)


def test_a_program_chooses_among_the_models_the_host_names() -> None:
    with ModelServer(Reply("a"), Reply("b"), Reply("c")) as server:
        provider = OpenAICompatible("m", server.url, models=["m-large", "m"])
        with Dana(llm=provider, echo=False) as d:
            chosen = d.execute_string(
                'r = [set_model("LARGE")]\nllm("1")\nr.append(set_model("m"))\nllm("2")\nr'
            )
            assert chosen.result == ["m-large", "m"]
            assert d.execute_string("set_model()").output == "model: m\nm\nm-large"
            assert d.execute_string('llm("3", {"model": "gold"})').result == "c"
        assert [sent["model"] for sent in server.requests] == ["m-large", "m", "m"]


def test_schema_is_sent_and_dropped_when_refused() -> None:
    request = Request(QUESTION.messages, schema={"type": "integer"}, expects="int")
    refusal = Reply("response_format is not supported", status=400)
    with ModelServer(refusal, Reply("7")) as server:
        provider = OpenAICompatible("m", server.url)
        assert generate(provider, request).text == "7"
        assert server.requests[0]["response_format"]["json_schema"]["schema"] == {"type": "integer"}
        assert "response_format" not in server.requests[1]
        generate(provider, request)
        assert "response_format" not in server.requests[2], "it was learnt"


def test_a_bad_request_is_not_blamed_on_the_schema() -> None:
    request = Request(QUESTION.messages, schema={"type": "integer"})
    with ModelServer(Reply("the context is too long", status=400)) as server:
        provider = OpenAICompatible("m", server.url)
        with pytest.raises(ModelError, match="HTTP 400: the context is too long"):
            generate(provider, request)
        server.replies = [Reply("7")]
        generate(provider, request)
        assert "response_format" in server.requests[-1]


def test_retry_after_is_honoured() -> None:
    with ModelServer(Reply("slow down", status=429, headers={"Retry-After": "0.3"}), Reply("ok")) as server:
        begin = time.monotonic()
        response = ask(server)
        assert time.monotonic() - begin >= 0.3
    assert response.text == "ok"
    assert response.attempts == 2


def test_retries_end() -> None:
    with ModelServer(Reply("overloaded", status=503)) as server, pytest.raises(ModelError) as caught:
        ask(server, max_retries=2)
    assert len(server.requests) == 3
    assert caught.value.attempts == 3
    assert caught.value.status == 503
    assert "(3 tries)" in str(caught.value)


@pytest.mark.parametrize("status", [200, 400, 503])
def test_an_answer_that_is_packed_is_not_unpacked(status: int) -> None:
    packed = gzip.compress(gzip.compress(b" " * 50_000_000))
    reply = Reply(status=status, raw=packed, headers={"Content-Encoding": "gzip, gzip"})
    with ModelServer(reply) as server, pytest.raises(ModelError, match=r"is packed \(gzip, gzip\)"):
        ask(server)
    assert [sent["accept-encoding"] for sent in server.headers] == ["identity"]


@pytest.mark.parametrize(("status", "before"), [(401, 190), (200, 190), (401, 490)])
def test_half_a_key_is_not_shown_either(status: int, before: int) -> None:
    key = "abcdef0123456789abcdef0123456789"
    text = "y" * before + key
    raw = json.dumps({"error": {"message": text}}).encode() if before > 200 else text.encode()
    with ModelServer(Reply(status=status, raw=raw)) as server, pytest.raises(ModelError) as caught:
        generate(OpenAICompatible("m", server.url, key, max_retries=0), QUESTION)
    assert "yyy" in str(caught.value)
    assert "abcdef" not in str(caught.value)


@pytest.mark.parametrize("year", ["9" * 20, "2030 00:00:00 +" + "9" * 20])
def test_a_rest_that_is_no_time_is_none(year: str) -> None:
    slow = Reply("slow down", status=429, headers={"Retry-After": f"Mon, 01 Jan {year} 00:00:00 GMT"})
    with ModelServer(slow, Reply("ok")) as server:
        assert ask(server).text == "ok"


def test_what_is_no_token_does_not_make_the_wait_for_one_longer() -> None:
    async def main() -> None:
        async def soon() -> None:
            await asyncio.sleep(0.03)

        clock = _Clock(Timeouts(between_tokens=0.1, total=None), None, tokens=True)
        for _ in range(5):
            await clock.within(soon())
            clock.started()
        for _ in range(5):
            await clock.within(soon())

    with pytest.raises(_Late, match="between_tokens"):
        asyncio.run(main())


def test_tokens_of_failed_tries_count() -> None:
    with ModelServer(Reply("half an answer", cut=True), Reply("whole")) as server:
        response = ask(server)
    assert response.text == "whole"
    assert response.attempts == 2


def test_a_wrong_key_is_not_retried_and_not_shown() -> None:
    with ModelServer(Reply("Incorrect API key", status=401)) as server, pytest.raises(ModelError) as caught:
        ask(server)
    assert len(server.requests) == 1
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(raw=b"<html>not json</html>"), "not JSON"),
        (Reply(raw=b"[1]"), "not a JSON object"),
        (Reply(raw=b'{"choices": []}'), "holds no text"),
        (Reply(raw=b"data: {broken\n\n", headers={"Content-Type": "text/event-stream"}), "not JSON"),
        (
            Reply(
                raw=b'data: {"error": {"message": "boom"}}\n\n', headers={"Content-Type": "text/event-stream"}
            ),
            "boom",
        ),
        (Reply("abcdef", cut=True), "in the middle"),
    ],
)
def test_nonsense(reply: Reply, text: str) -> None:
    with ModelServer(reply) as server, pytest.raises(ModelError, match=text) as caught:
        ask(server, max_retries=1)
    assert caught.value.attempts == 2


def test_no_server() -> None:
    with pytest.raises(ModelError, match="no connection") as caught:
        generate(OpenAICompatible("m", "http://127.0.0.1:9/v1", max_retries=0), QUESTION)
    assert "Hint: check that the server runs" in str(caught.value)


def behind(error: BaseException) -> list[BaseException]:
    """Return all errors that one holds, itself included."""
    found: list[BaseException] = []
    rest: list[BaseException | None] = [error]
    while rest:
        one = rest.pop()
        if one is not None and one not in found:
            found.append(one)
            rest += [one.__cause__, one.__context__]
    return found


@pytest.mark.parametrize("cut", [False, True])
def test_no_error_holds_a_request_with_its_key(cut: bool) -> None:
    """httpx's own have it, with all headers, and so have the frames that they passed."""
    import httpx

    with ModelServer(Reply("abcdef", cut=True)) as server:
        provider = OpenAICompatible(
            "m", server.url if cut else "http://127.0.0.1:9/v1", "sk-secret", max_retries=0
        )
        with pytest.raises(ModelError) as caught:
            generate(provider, QUESTION)
    held = behind(caught.value)
    assert isinstance(caught.value.__cause__, httpx.HTTPError) != cut
    for error in held:
        assert "sk-secret" not in repr(vars(error)) + str(error)
        if isinstance(error, httpx.HTTPError):
            assert (error._request, error.__traceback__) == (None, None)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_no_answer_is_longer_than_one_may_be(asynchronous: bool) -> None:
    text = "x" * (16 * 2**20 + 1)

    async def later(messages: object, options: object) -> str:
        return text

    provider = FromCallable(later) if asynchronous else Scripted([text, text])
    with pytest.raises(ModelError, match="longer than 16777216 characters"):
        generate(provider, QUESTION)
    with Dana(llm=provider, echo=False) as d, pytest.raises(DanaCallError) as caught:
        d.reason("?")
    assert "longer than 16777216 characters" in str(caught.value)


def test_no_stream_is_longer_than_an_answer_may_be() -> None:
    class Endless:
        model = "m"
        pieces = 0

        def generate(self, request: Request) -> str:
            raise AssertionError

        async def stream(self, request: Request) -> AsyncIterator[str | Response]:
            while True:
                self.pieces += 1
                yield "x" * 2**20

    provider = Endless()

    async def main() -> None:
        with Dana(llm=provider) as d:
            async with d.get_llm_async() as llm:
                async for _ in llm.stream("?"):
                    pass

    with pytest.raises(ModelError, match="longer than 16777216 characters"):
        asyncio.run(main())
    assert provider.pieces == 17


@pytest.mark.parametrize(
    ("model", "models", "found"),
    [
        ("mine", None, None),
        ("mine", ["mine", "other"], "other"),
        ("mine", ["mine"], None),
        (None, ["mine"], None),
        (None, None, "other"),
        (None, lambda: ["other"], "other"),
    ],
)
def test_a_provider_is_asked_for_no_model_that_is_not_booked(
    model: Any, models: Any, found: str | None
) -> None:
    """One with a `model` that also heeds the option was asked for any, and booked as its own."""
    seen: list[Any] = []

    class Obeying:
        def generate(self, request: Request) -> str:
            seen.append(request.options.get("model"))
            return "x"

    provider = Obeying()
    for name, told in (("model", model), ("models", models)):
        if told is not None:
            setattr(provider, name, told)
    with Dana(llm=provider, echo=False) as d:
        d.execute_string('x = reason("?", {"model": "other"}) + ""')
    assert seen == [found]


@pytest.mark.parametrize(
    ("reply", "timeouts", "text"),
    [
        (Reply(wait_before=threading.Event()), Timeouts(first_token=0.1), "no first token within 0.1 s"),
        (
            Reply(wait_between=threading.Event()),
            Timeouts(between_tokens=0.1),
            "no further token within 0.1 s",
        ),
        (Reply(wait_before=threading.Event()), Timeouts(total=0.1), "no answer within 0.1 s in all"),
    ],
)
def test_timeouts(reply: Reply, timeouts: Timeouts, text: str) -> None:
    with ModelServer(reply) as server, pytest.raises(ModelError, match=text):
        ask(server, timeouts=timeouts, max_retries=0)


def test_the_turns_deadline_bounds_everything() -> None:
    request = Request(QUESTION.messages, deadline=time.monotonic() + 0.1)
    with (
        ModelServer(Reply(wait_before=threading.Event())) as server,
        pytest.raises(ModelError, match="in all"),
    ):
        ask(server, request)


def test_bad_url() -> None:
    with pytest.raises(ValueError, match="http://"):
        OpenAICompatible("m", "localhost:8080")


async def later(messages: list[dict[str, str]], options: dict[str, object]) -> str:
    await asyncio.sleep(0)
    return messages[0]["content"] + "!"


def test_callables() -> None:
    assert (
        generate(FromCallable(lambda messages, options: f"{options['temperature']}"), QUESTION).text == "0.0"
    )
    assert generate(FromCallable(later), QUESTION).text == "Is it?!"
    with pytest.raises(ModelError, match="Expected str or Response, got int at the answer of FromCallable"):
        generate(FromCallable(lambda messages, options: 7), QUESTION)


def test_async_callable_inside_a_running_loop() -> None:
    async def main() -> str:
        return generate(FromCallable(later), QUESTION).text

    assert asyncio.run(main()) == "Is it?!"


def test_async_callable_sees_the_callers_context() -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")

    async def model(messages: object, options: object) -> str:
        return tenant.get()

    tenant.set("acme")
    assert generate(FromCallable(model), QUESTION).text == "acme"


def test_async_callable_that_calls_back_is_told() -> None:
    async def model(messages: object, options: object) -> str:
        return generate(FromCallable(later), QUESTION).text

    with pytest.raises(RuntimeError, match="wait for itself"):
        generate(FromCallable(model), QUESTION)


def test_loop_after_fork() -> None:
    generate(FromCallable(later), QUESTION)
    child = os.fork()
    if child == 0:
        good = generate(FromCallable(later), QUESTION).text == "Is it?!"
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_scripted() -> None:
    script = Scripted(["one", ValueError("two")])
    assert generate(script, QUESTION).text == "one"
    with pytest.raises(ValueError, match="two"):
        generate(script, QUESTION)
    with pytest.raises(ModelError, match="2 replies"):
        generate(script, QUESTION)
    assert script.requests[0] is QUESTION


@pytest.mark.parametrize(
    ("expects", "schema", "text"),
    [
        ("bool", None, "yes"),
        ("int", None, "42"),
        ("list[int]", {"type": "array", "items": {"type": "integer"}}, "[42]"),
        ("list[int]", None, '["item1", "item2", "item3"]'),
        ("dict", None, '{"result": "mock_data", "status": "success"}'),
        (
            "Verdict",
            {"type": "object", "properties": {"score": {"type": "integer"}, "fine": {"type": "boolean"}}},
            '{"score": 42, "fine": true}',
        ),
        (None, None, "This is a mock response. In a real run a model would answer: Is it?"),
    ],
)
def test_mock_goes_by_type(expects: str | None, schema: dict[str, object] | None, text: str) -> None:
    assert generate(Mock(), Request(QUESTION.messages, expects=expects, schema=schema)).text == text


class Own:
    def generate(self, request: Request) -> Response:
        return Response("own")


def test_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DANA_LLM", "DANA_MOCK_LLM", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Local, "installed", staticmethod(lambda: False))
    own = Own()
    assert isinstance(own, Provider)
    assert resolve(own) is own
    assert isinstance(resolve(lambda messages, options: ""), FromCallable)
    with pytest.raises(TypeError, match="Expected a provider, a callable or str, got int at argument 'llm'"):
        resolve(7)
    with pytest.raises(ResourceError, match="no language model is configured") as caught:
        resolve()
    for word in ("llm=", "DANA_LLM", "OPENAI_API_KEY", "pip install"):
        assert word in str(caught.value)

    monkeypatch.setattr(Local, "installed", staticmethod(lambda: True))
    assert isinstance(resolve(), Local)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_MODEL", "big")
    provider = resolve()
    assert isinstance(provider, OpenAICompatible)
    assert (provider.model, provider.base_url) == ("big", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("DANA_LLM", "scripted:yes|no")
    assert generate(resolve(), QUESTION).text == "yes"
    monkeypatch.setenv("DANA_LLM", "openai:small")
    provider = resolve()
    assert isinstance(provider, OpenAICompatible)
    assert provider.model == "small"
    monkeypatch.setenv("DANA_LLM", "nonsense")
    with pytest.raises(ResourceError, match="DANA_LLM names no known model: 'nonsense'"):
        resolve()
    monkeypatch.setenv("DANA_MOCK_LLM", "true")
    assert isinstance(resolve(), Mock)


def test_openai_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ResourceError, match="set OPENAI_API_KEY"):
        resolve("openai:gpt-4o-mini")


def test_local_model_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot be read: No such file"):
        Local(tmp_path / "none.gguf").start()
    path = tmp_path / "text.gguf"
    path.write_text("hello")
    with pytest.raises(ResourceError, match="not a model in GGUF format"):
        Local(path).start()


def test_local_model_that_is_damaged(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the local model's server is not installed")
    path = tmp_path / "damaged.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ResourceError, match="server ended with status"):
        Local(path).start()
