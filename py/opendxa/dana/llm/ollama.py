"""Ollama's own protocol: ``/api/chat``, answers as lines of JSON, schemas held by the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from .transport import Answer, Retry, Server, Timeouts, count, message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .provider import Request

__all__ = ["Ollama"]

#: Ollama's names of the options that programs may set.
_OPTIONS: Final = {
    "temperature": "temperature",
    "max_tokens": "num_predict",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}


class Ollama(Server):
    """A model of an Ollama server. `options` are further ones of Ollama's, such as ``{"num_ctx": 8192}``.

    `api_key` is for servers behind a proxy that asks for one. `schema`, `stream` and `models` are as in
    `OpenAICompatible`.
    """

    provider_name: ClassVar[str] = "ollama"
    _constraint: ClassVar[str] = "format"

    def __init__(
        self,
        model: str,
        base_url: str = "http://127.0.0.1:11434",
        api_key: str | None = None,
        *,
        timeouts: Timeouts | None = None,
        max_retries: int = 2,
        schema: bool | str = "auto",
        stream: bool = True,
        headers: dict[str, str] | None = None,
        max_tokens: int | None = None,
        models: Iterable[str] = (),
        options: dict[str, Any] | None = None,
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
        self._options = dict(options or {})

    @property
    def cache_identity(self) -> str:
        """What a cache tells this provider apart by, besides the model."""
        return f"{super().cache_identity} {sorted(self._options.items())!r}"

    def _url(self, model: str) -> str:
        del model
        return f"{self.base_url}/api/chat"

    def _body(self, request: Request, model: str) -> dict[str, Any]:
        given = request.options
        options = dict(self._options)
        if self._max_tokens is not None:
            options["num_predict"] = self._max_tokens
        options.update({name: given[key] for key, name in _OPTIONS.items() if given.get(key) is not None})
        body: dict[str, Any] = {"model": model, "messages": request.messages, "stream": self._stream}
        if options:
            body["options"] = options
        if self._schema is not False:
            if request.schema is not None:
                body["format"] = request.schema
            elif given.get("format") == "json":
                body["format"] = "json"
        return body

    def _framed(self, content_type: str) -> bool | None:
        return False if content_type.startswith("application/x-ndjson") else None

    def _event(self, data: dict[str, Any], answer: Answer) -> str:
        if data.get("error"):
            raise Retry(self._error(f"the stream reported an error: {message(data, self._secrets)}"))
        answer.model = str(data.get("model") or answer.model)
        if data.get("done"):
            self._book(data, answer)
            answer.finished = True
        content = (data.get("message") or {}).get("content")
        return content if isinstance(content, str) else ""

    def _whole(self, data: dict[str, Any], answer: Answer) -> None:
        answer.model = str(data.get("model") or "")
        self._book(data, answer)
        content = (data.get("message") or {}).get("content")
        if not isinstance(content, str):
            raise Retry(self._error(f"the answer holds no text: {self._shown(str(data))}"))
        answer.parts.append(content)

    def _book(self, data: dict[str, Any], answer: Answer) -> None:
        answer.input_tokens = count(data.get("prompt_eval_count"))
        answer.output_tokens = count(data.get("eval_count"))

    def _hint(self, status: int) -> str | None:
        if status == 404:
            return f"fetch the model with: ollama pull {self.model}"
        return super()._hint(status)
