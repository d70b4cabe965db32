"""Every protocol against a server on loopback that also misbehaves: the same promises hold for each."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import openai
import pytest

from model_server import ModelServer, Reply
from opendxa.dana import Dana, background
from opendxa.dana.exceptions import ModelError, ResourceError
from opendxa.dana.llm import (
    Anthropic,
    AzureOpenAI,
    FromLiteLLM,
    FromOpenAI,
    Ollama,
    OpenAICompatible,
    Request,
    Response,
    Timeouts,
    generate,
    resolve,
)
from opendxa.dana.llm.transport import count

QUESTION = Request(
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it?"}],
    {"temperature": 0.5, "max_tokens": 9, "stop": "END"},
)
SECRET = "very-secret-value-1234"

PROVIDERS: dict[str, Callable[..., Any]] = {
    "openai": lambda server, **more: OpenAICompatible("m", server.url, SECRET, **more),
    "azure": lambda server, **more: AzureOpenAI("m", server.root, SECRET, **more),
    "anthropic": lambda server, **more: Anthropic("m", server.root, SECRET, **more),
    "ollama": lambda server, **more: Ollama("m", server.root, SECRET, **more),
}
STREAM_TYPES = {"ollama": "application/x-ndjson"}


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opendxa.dana.llm.transport._FIRST_WAIT", 0.001)


@pytest.fixture(params=PROVIDERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(kind: str, server: ModelServer, request: Request = QUESTION, **settings: Any) -> Response:
    return generate(PROVIDERS[kind](server, **settings), request)


@pytest.mark.parametrize("stream", [True, False])
def test_answer_and_usage(kind: str, stream: bool) -> None:
    with ModelServer(Reply("forty-two")) as server:
        response = ask(kind, server, stream=stream)
    assert response == Response("forty-two", "served", input_tokens=7, output_tokens=3, attempts=1)


def test_what_is_sent(kind: str) -> None:
    with ModelServer(Reply()) as server:
        ask(kind, server)
    sent, headers = server.requests[0], server.headers[0]
    said = [QUESTION.messages[1]]
    if kind == "anthropic":
        assert sent["path"] == "/v1/messages"
        assert (sent["system"], sent["messages"]) == ("Be brief.", said)
        assert (sent["model"], sent["max_tokens"], sent["stop_sequences"]) == ("m", 9, ["END"])
        assert (headers["x-api-key"], headers["anthropic-version"]) == (SECRET, "2023-06-01")
    elif kind == "ollama":
        assert sent["path"] == "/api/chat"
        assert sent["messages"] == QUESTION.messages
        assert sent["options"] == {"temperature": 0.5, "num_predict": 9, "stop": "END"}
        assert headers["authorization"] == f"Bearer {SECRET}"
    elif kind == "azure":
        assert sent["path"] == "/openai/deployments/m/chat/completions?api-version=2024-10-21"
        assert "model" not in sent
        assert headers["api-key"] == SECRET
        assert "authorization" not in headers
    else:
        assert sent["path"] == "/v1/chat/completions"
        assert sent["model"] == "m"


POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


@pytest.mark.parametrize("stream", [True, False])
def test_schemas(kind: str, stream: bool) -> None:
    request = Request(QUESTION.messages, schema=POINT, expects="Point")
    with ModelServer(Reply('{"x": 3}')) as server:
        assert json.loads(ask(kind, server, request, stream=stream).text) == {"x": 3}
    sent = server.requests[0]
    if kind == "anthropic":
        assert sent["tools"][0]["input_schema"] == POINT
        assert sent["tool_choice"] == {"type": "tool", "name": "answer"}
    elif kind == "ollama":
        assert sent["format"] == POINT
    else:
        assert sent["response_format"]["json_schema"]["schema"] == POINT


def test_an_answer_that_is_no_object_comes_out_of_its_tool() -> None:
    schema = {"type": "array", "items": {"$ref": "#/$defs/P"}, "$defs": {"P": POINT}}
    with ModelServer(Reply('{"value": [{"x": 1}]}')) as server:
        request = Request(QUESTION.messages, schema=schema, expects="list[P]")
        assert json.loads(ask("anthropic", server, request).text) == [{"x": 1}]
    sent = server.requests[0]["tools"][0]["input_schema"]
    assert sent["$defs"] == {"P": POINT}
    assert sent["properties"]["value"] == {"type": "array", "items": {"$ref": "#/$defs/P"}}


def test_a_schema_is_dropped_when_refused(kind: str) -> None:
    request = Request(QUESTION.messages, schema=POINT)
    with ModelServer(Reply("not supported", status=400), Reply('{"x": 7}')) as server:
        provider = PROVIDERS[kind](server)
        assert generate(provider, request).text == '{"x": 7}'
        assert not {"response_format", "format", "tools", "tool_choice"} & set(server.requests[1])
        identity = PROVIDERS[kind](server).cache_identity
        generate(provider, request)
        assert not {"response_format", "format", "tools", "tool_choice"} & set(server.requests[2])
        assert provider.cache_identity == identity, "what was learnt is none of the question"


def test_retry_after_is_honoured(kind: str) -> None:
    with ModelServer(Reply("slow down", status=429, headers={"Retry-After": "0.3"}), Reply("ok")) as server:
        begin = time.monotonic()
        response = ask(kind, server)
        assert time.monotonic() - begin >= 0.3
    assert (response.text, response.attempts) == ("ok", 2)


@pytest.mark.parametrize("wait", ["3600", "nan", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_server_that_wants_too_much_rest_is_not_waited_for(kind: str, wait: str) -> None:
    replies = (Reply("slow down", status=429, headers={"Retry-After": wait}), Reply("ok"))
    with ModelServer(*replies) as server:
        if wait == "nan":
            assert ask(kind, server).text == "ok"
            return
        with pytest.raises(ModelError, match="of rest") as caught:
            ask(kind, server)
    assert (caught.value.status, caught.value.attempts) == (429, 1)


@pytest.mark.parametrize("status", [500, 503, 529])
def test_retries_end(kind: str, status: int) -> None:
    with ModelServer(Reply("overloaded", status=status)) as server, pytest.raises(ModelError) as caught:
        ask(kind, server, max_retries=1)
    assert len(server.requests) == 2
    assert (caught.value.status, caught.value.attempts) == (status, 2)
    assert f"HTTP {status}: overloaded (2 tries)" in str(caught.value)


@pytest.mark.parametrize("header", ["", "Bearer "])
def test_no_error_and_no_repr_shows_a_key(kind: str, header: str) -> None:
    told = f"Incorrect API key provided: {header}{SECRET}, or sk-proj-abcdefgh12345678"
    with ModelServer(Reply(told, status=401)) as server:
        provider = PROVIDERS[kind](server)
        with pytest.raises(ModelError) as caught:
            generate(provider, QUESTION)
    assert len(server.requests) == 1
    for text in (str(caught.value), repr(caught.value), repr(provider)):
        assert SECRET not in text
        assert "sk-proj" not in text
    assert "[key]" in str(caught.value)


def test_addresses_with_passwords_are_not_shown() -> None:
    provider = Ollama("m", "http://user:pass-word@127.0.0.1:9", max_retries=0)
    assert "pass-word" not in repr(provider)
    with pytest.raises(ModelError) as caught:
        generate(provider, QUESTION)
    assert "pass-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(raw=b"<html>not json</html>"), "not JSON"),
        (Reply(raw=b"[1]"), "not a JSON object"),
        (Reply(raw=b"{}"), "holds no text"),
        (Reply(raw=b"[" * 100_000), "not JSON"),
        (Reply("abcdef", cut=True), "in the middle"),
    ],
)
def test_nonsense(kind: str, reply: Reply, text: str) -> None:
    with ModelServer(reply) as server, pytest.raises(ModelError, match=text) as caught:
        ask(kind, server, max_retries=1)
    assert caught.value.attempts == 2


def test_errors_inside_streams(kind: str) -> None:
    raw = {
        "ollama": b'{"error": "boom"}\n',
        "anthropic": b'event: error\ndata: {"type": "error", "error": {"message": "boom"}}\n\n',
    }.get(kind, b'data: {"error": {"message": "boom"}}\n\n')
    reply = Reply(raw=raw, headers={"Content-Type": STREAM_TYPES.get(kind, "text/event-stream")})
    with ModelServer(reply, Reply("fine")) as server:
        assert ask(kind, server).attempts == 2
    with ModelServer(reply) as server, pytest.raises(ModelError, match="reported an error: boom"):
        ask(kind, server, max_retries=0)


def test_tokens_of_failed_tries_count_where_they_are_reported() -> None:
    with ModelServer(Reply("half an answer", cut=True), Reply("whole")) as server:
        response = ask("anthropic", server)
    assert (response.attempts, response.input_tokens, response.output_tokens) == (2, 14, 4)


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
        (Reply(wait_between=threading.Event()), Timeouts(total=0.1), "no answer within 0.1 s in all"),
    ],
)
def test_timeouts(kind: str, reply: Reply, timeouts: Timeouts, text: str) -> None:
    again = Reply(reply.text, wait_before=reply.wait_before, wait_between=reply.wait_between)
    for event in (again.wait_before, again.wait_between):
        if event is not None:
            event.clear()
    with ModelServer(again) as server, pytest.raises(ModelError, match=text):
        ask(kind, server, timeouts=timeouts, max_retries=0)


def test_no_server(kind: str) -> None:
    nowhere: Any = SimpleNamespace(url="http://127.0.0.1:9/v1", root="http://127.0.0.1:9")
    with pytest.raises(ModelError, match="no connection"):
        ask(kind, nowhere, max_retries=0)


def test_a_missing_model_of_ollama_says_what_to_do() -> None:
    with ModelServer(Reply("model 'm' not found", status=404)) as server, pytest.raises(ModelError) as caught:
        ask("ollama", server)
    assert "ollama pull m" in str(caught.value)


def test_a_program_asks_through_each(kind: str) -> None:
    text = '{"value": [1, 2]}' if kind == "anthropic" else "[1, 2]"
    with (
        ModelServer(Reply(text)) as server,
        Dana(llm=PROVIDERS[kind](server), echo=False) as d,
    ):
        assert d.execute_string('x: list[int] = reason("two numbers")\nx').result == [1, 2]
        assert (d.usage.input_tokens, d.usage.model_calls) == (7, 1)


# Clients of other libraries


@contextmanager
def openai_client(server: ModelServer, asynchronous: bool) -> Iterator[Any]:
    """A client of the real package, closed where it was used."""
    settings = {"base_url": server.url, "api_key": SECRET, "max_retries": 0}
    if not asynchronous:
        with openai.OpenAI(**settings) as client:  # type: ignore[arg-type]
            yield client
        return
    client = openai.AsyncOpenAI(**settings)  # type: ignore[arg-type]
    yield client
    background.run(client.close())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_openai_client(asynchronous: bool) -> None:
    with (
        ModelServer(Reply('{"x": 1}'), Reply("busy", status=429)) as server,
        openai_client(server, asynchronous) as client,
    ):
        provider = FromOpenAI(client, "m", models=["m2"])
        request = Request(QUESTION.messages, {"model": "m2", "temperature": 0.5}, schema=POINT)
        assert generate(provider, request) == Response('{"x": 1}', "served", 7, 3)
        sent = server.requests[0]
        assert (sent["model"], sent["temperature"]) == ("m2", 0.5)
        assert sent["response_format"]["type"] == "json_schema"
        with pytest.raises(ModelError, match="RateLimitError") as caught:
            generate(provider, request)
    assert caught.value.status == 429
    assert SECRET not in repr(provider) + str(caught.value)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_streams_of_an_openai_client(asynchronous: bool) -> None:
    with ModelServer(Reply("forty-two")) as server, openai_client(server, asynchronous) as client:
        provider = FromOpenAI(client, "m")
        with Dana() as d, d.get_llm(provider) as llm:
            stream = llm.stream("?")
            assert list(stream) == ["fort", "y-two"]
            assert stream.result == "forty-two"
            assert stream.result.usage.input_tokens == 7


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put a module in litellm's place that answers as litellm does: the real one is 300 MB."""
    asked: list[dict[str, Any]] = []

    async def acompletion(**arguments: Any) -> Any:
        asked.append(arguments)
        if arguments["model"] == "broken":
            error = RuntimeError("AuthenticationError: key sk-abcdefghijkl is wrong")
            error.status_code = 401  # type: ignore[attr-defined]
            raise error
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        if arguments.get("stream"):

            async def chunks() -> Any:
                for text in ("fort", "y-two"):
                    yield {"model": "served", "choices": [{"delta": {"content": text}}]}
                yield {"model": "served", "choices": [], "usage": usage}

            return chunks()
        message = {"message": {"content": "forty-two"}}
        return {"model": "served", "choices": [message], "usage": usage}

    module = ModuleType("litellm")
    module.acompletion = acompletion  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "litellm", module)
    return asked


def test_litellm(litellm: list[dict[str, Any]]) -> None:
    provider = resolve("litellm:groq/small")
    assert generate(provider, QUESTION) == Response("forty-two", "served", 7, 3)
    assert (litellm[0]["model"], litellm[0]["max_tokens"]) == ("groq/small", 9)
    with Dana() as d, d.get_llm(provider) as llm:
        assert "".join(llm.stream("?")) == "forty-two"
    with pytest.raises(ModelError, match="RuntimeError: AuthenticationError") as caught:
        generate(FromLiteLLM("broken"), QUESTION)
    assert caught.value.status == 401
    assert "sk-abc" not in str(caught.value)


def test_settings_tell_models_of_litellm_apart() -> None:
    def known(**settings: Any) -> str:
        return FromLiteLLM("groq/small", **settings).cache_identity

    assert known(max_tokens=1) != known(max_tokens=2)
    assert known(api_key="one") == known(api_key="two")
    assert "secret" not in known(api_key="secret", aws_session_token="secret")


def test_absurd_numbers_of_tokens() -> None:
    assert count(10**4000) == 10**12
    assert [count(value) for value in (-1, True, "7", None, 7)] == [0, 0, 0, 0, 7]


def test_litellm_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(ResourceError, match="pip install litellm"):
        generate(FromLiteLLM("groq/small"), QUESTION)


# Text that names a model


def test_models_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC", "AZURE_OPENAI", "OLLAMA", "OPENAI", "LITELLM"):
        for rest in ("API_KEY", "BASE_URL", "MODEL", "ENDPOINT", "AD_TOKEN", "HOST", "API_VERSION"):
            monkeypatch.delenv(f"{name}_{rest}", raising=False)
    for text, hint in [
        ("anthropic:claude", "ANTHROPIC_API_KEY"),
        ("anthropic:", "ANTHROPIC_MODEL"),
        ("azure:gpt", "AZURE_OPENAI_ENDPOINT"),
        ("ollama:", "OLLAMA_MODEL"),
        ("openai:gpt", "OPENAI_API_KEY"),
        ("gemini:pro", "anthropic:<model>"),
    ]:
        with pytest.raises(ResourceError, match=f"Hint: .*{hint}"):
            resolve(text)
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com/")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", SECRET)
    monkeypatch.setenv("OPENAI_API_VERSION", "2030-01-01")
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:1234")
    shown = [
        repr(resolve(text)) for text in ("anthropic:claude", "azure:gpt", "ollama:llama3:8b", "litellm:x/y")
    ]
    assert shown == [
        "Anthropic(model='claude', base_url='https://api.anthropic.com')",
        "AzureOpenAI(model='gpt', base_url='https://x.openai.azure.com')",
        "Ollama(model='llama3:8b', base_url='http://127.0.0.1:1234')",
        "FromLiteLLM('x/y')",
    ]
    azure = resolve("azure:gpt")
    assert isinstance(azure, AzureOpenAI)
    assert azure._headers == {"Authorization": f"Bearer {SECRET}"}
    assert azure._url("gpt").endswith("?api-version=2030-01-01")
