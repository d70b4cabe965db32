"""Any server that speaks OpenAI's chat completions.

OpenAI itself, Azure, Ollama, vLLM, the llama.cpp server, LM Studio, OpenRouter and many others do.

Rule: only the protocol is here; asking, retrying and time limits are `transport`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from .transport import Answer, Retry, Server, Timeouts, count, message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .provider import Request

__all__ = ["PASSED_ON", "OpenAICompatible", "Timeouts"]

#: Options of a program that are passed on as they are. The model is not among them: the host pays, so a
#: program chooses among the models that the host names.
PASSED_ON: Final = (
    "temperature",
    "max_tokens",
    "top_p",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
)


class OpenAICompatible(Server):
    """A model behind an OpenAI-style server.

    `base_url` ends before ``/chat/completions``. `schema` says whether the server can hold a model to a JSON
    Schema: True, False, or ``auto`` (try, and go on without when the server refuses). `stream` reads the
    answer token by token, which is what gives `Timeouts.first_token` and `Timeouts.between_tokens` their
    meaning. `models` are further ones that programs may choose with ``set_model``.
    """

    _key_variable: ClassVar[str] = "OPENAI_API_KEY"

    def __init__(
        self,
        model: str,
        base_url: str = "https://api.openai.com/v1",
        api_key: str | None = None,
        *,
        timeouts: Timeouts | None = None,
        max_retries: int = 2,
        schema: bool | str = "auto",
        stream: bool = True,
        headers: dict[str, str] | None = None,
        max_tokens: int | None = None,
        models: Iterable[str] = (),
    ) -> None:
        super().__init__(
            model,
            base_url,
            api_key,
            headers=headers,
            timeouts=timeouts,
            max_retries=max_retries,
            schema=schema,
            stream=stream,
            max_tokens=max_tokens,
            models=models,
        )

    def _url(self, model: str) -> str:
        del model
        return f"{self.base_url}/chat/completions"

    def _body(self, request: Request, model: str) -> dict[str, Any]:
        options = request.options
        body: dict[str, Any] = {"model": model, "messages": request.messages}
        body.update({key: options[key] for key in PASSED_ON if options.get(key) is not None})
        if self._max_tokens is not None:
            body.setdefault("max_tokens", self._max_tokens)
        if self._stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        if self._schema is not False:
            body.update(response_format(request))
        return body

    def _event(self, data: dict[str, Any], answer: Answer) -> str:
        if data.get("error"):
            raise Retry(self._error(f"the stream reported an error: {message(data, self._secrets)}"))
        answer.model = str(data.get("model") or answer.model)
        self._book(data, answer)
        choice = first(data.get("choices"))
        if choice.get("finish_reason"):
            answer.finished = True
        content = (choice.get("delta") or {}).get("content")
        return content if isinstance(content, str) else ""

    def _whole(self, data: dict[str, Any], answer: Answer) -> None:
        answer.model = str(data.get("model") or "")
        self._book(data, answer)
        content = (first(data.get("choices")).get("message") or {}).get("content")
        if not isinstance(content, str):
            raise Retry(self._error(f"the answer holds no text: {self._shown(str(data))}"))
        answer.parts.append(content)

    def _book(self, data: dict[str, Any], answer: Answer) -> None:
        usage = data.get("usage")
        if isinstance(usage, dict):
            answer.input_tokens = count(usage.get("prompt_tokens"))
            answer.output_tokens = count(usage.get("completion_tokens"))


def response_format(request: Request) -> dict[str, Any]:
    """Say in OpenAI's words what form the answer must have."""
    if request.schema is not None:
        described = {"name": "answer", "schema": request.schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": described}}
    if request.options.get("format") == "json":
        return {"response_format": {"type": "json_object"}}
    return {}


def first(choices: Any) -> dict[str, Any]:
    """Return the first choice of an answer, empty when there is none."""
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
