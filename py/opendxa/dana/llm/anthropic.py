"""Anthropic's messages: the system's words apart, typed answers through a tool that the model must use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .transport import Answer, Retry, Server, Timeouts, count, message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .provider import Request

__all__ = ["Anthropic"]

_VERSION: Final = "2023-06-01"
#: Longest answer in tokens when nobody says; the protocol wants a number.
_MAX_TOKENS: Final = 4096
#: The tool whose input is the answer, and the field in it for an answer that is no object.
_TOOL: Final = "answer"
_FIELD: Final = "value"


class Anthropic(Server):
    """A model of Anthropic's, or of a server that speaks its protocol.

    With `schema` an answer of a type comes as the input of a tool; False asks for text only. The further
    arguments are those of `OpenAICompatible`.
    """

    provider_name: ClassVar[str] = "anthropic"
    _key_variable: ClassVar[str] = "ANTHROPIC_API_KEY"
    _constraint: ClassVar[str] = "tools"

    def __init__(
        self,
        model: str,
        base_url: str = "https://api.anthropic.com",
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
            base_url.rstrip("/").removesuffix("/v1"),
            api_key,
            headers=headers,
            timeouts=timeouts,
            max_retries=max_retries,
            schema=schema,
            stream=stream,
            max_tokens=max_tokens,
            models=models,
        )

    def _authorization(self, api_key: str | None) -> dict[str, str]:
        return {"anthropic-version": _VERSION, **({"x-api-key": api_key} if api_key else {})}

    def _url(self, model: str) -> str:
        del model
        return f"{self.base_url}/v1/messages"

    def _body(self, request: Request, model: str) -> dict[str, Any]:
        options = request.options
        system = "\n\n".join(item["content"] for item in request.messages if item["role"] == "system")
        said = [item for item in request.messages if item["role"] != "system"]
        limit = options.get("max_tokens") or self._max_tokens or _MAX_TOKENS
        body: dict[str, Any] = {"model": model, "max_tokens": limit, "messages": said}
        if system:
            body["system"] = system
        if options.get("temperature") is not None:
            body["temperature"] = min(float(options["temperature"]), 1.0)  # its scale ends there
        if options.get("top_p") is not None:
            body["top_p"] = options["top_p"]
        if options.get("stop") is not None:
            stop = options["stop"]
            body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
        if self._stream:
            body["stream"] = True
        if request.schema is not None and self._schema is not False:
            tool = {"name": _TOOL, "description": "Give the answer.", "input_schema": _object(request.schema)}
            body["tools"] = [tool]
            body["tool_choice"] = {"type": "tool", "name": _TOOL}
        return body

    def _unconstrain(self, body: dict[str, Any]) -> bool:
        body.pop("tool_choice", None)
        return super()._unconstrain(body)

    def _event(self, data: dict[str, Any], answer: Answer) -> str:
        kind = data.get("type")
        if kind == "error":
            raise Retry(self._error(f"the stream reported an error: {message(data, self._secrets)}"))
        if kind == "message_start":
            begun = data.get("message") or {}
            answer.model = str(begun.get("model") or "")
            self._book(begun, answer)
        elif kind == "message_delta":
            self._book(data, answer)
        elif kind == "message_stop":
            answer.finished = True
        elif kind == "content_block_delta":
            delta = data.get("delta") or {}
            text = delta.get("text") if delta.get("type") == "text_delta" else delta.get("partial_json")
            return text if isinstance(text, str) else ""
        return ""

    def _whole(self, data: dict[str, Any], answer: Answer) -> None:
        answer.model = str(data.get("model") or "")
        self._book(data, answer)
        blocks = [block for block in data.get("content") or () if isinstance(block, dict)]
        inputs = [json.dumps(block.get("input")) for block in blocks if block.get("type") == "tool_use"]
        texts = [str(block.get("text")) for block in blocks if block.get("type") == "text"]
        if not inputs and not texts:
            raise Retry(self._error(f"the answer holds no text: {self._shown(str(data))}"))
        answer.parts += inputs[:1] or texts

    def _finish(self, request: Request, text: str) -> str:
        """Take an answer that is no object out of the object it had to be in."""
        if request.schema is None or self._schema is False or _is_object(request.schema):
            return text
        try:
            found = json.loads(text)
        except ValueError:
            return text
        if isinstance(found, dict) and set(found) == {_FIELD}:
            return json.dumps(found[_FIELD])
        return text

    def _book(self, data: dict[str, Any], answer: Answer) -> None:
        """Take the figures; each event tells those so far."""
        usage = data.get("usage")
        if isinstance(usage, dict):
            names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
            answer.input_tokens = sum(count(usage.get(name)) for name in names) or answer.input_tokens
            answer.output_tokens = count(usage.get("output_tokens")) or answer.output_tokens


def _is_object(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _object(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a tool's input, which must be an object."""
    if _is_object(schema):
        return schema
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    wrapped = {"type": "object", "properties": {_FIELD: inner}, "required": [_FIELD]}
    return {**wrapped, **({"$defs": schema["$defs"]} if "$defs" in schema else {})}
