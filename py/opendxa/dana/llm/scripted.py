"""Models that are no models, for tests: a list of replies, and answers made from the expected type alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from .provider import ModelError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Mock", "Scripted"]


class Scripted:
    """Gives the replies in order; an exception among them is raised. `requests` keeps what was asked."""

    #: Answers come in the order of the questions, on the thread that asks.
    instant = True

    def __init__(self, replies: Iterable[str | Exception], repeat: bool = False) -> None:
        self._replies = list(replies)
        self._repeat = repeat
        self._lock = threading.Lock()
        self.requests: list[Request] = []

    def generate(self, request: Request) -> Response:
        """Give the next reply."""
        with self._lock:
            index = len(self.requests)
            self.requests.append(request)
        if self._repeat and self._replies:
            index %= len(self._replies)
        if index >= len(self._replies):
            raise ModelError(
                f"the script has {len(self._replies)} replies and was asked for one more", attempts=0
            )
        reply = self._replies[index]
        if isinstance(reply, Exception):
            raise reply
        words = sum(len(message["content"].split()) for message in request.messages)
        return Response(text=reply, model="scripted", input_tokens=words, output_tokens=len(reply.split()))

    def __repr__(self) -> str:
        return f"Scripted({len(self._replies)} replies)"


class Mock:
    """Answers by the expected type, never by the words of the question. ``DANA_MOCK_LLM=true`` selects it."""

    #: No thread is needed to wait for it.
    instant = True
    cache_identity = "mock"

    def generate(self, request: Request) -> Response:
        """Make an answer of the expected type."""
        import json  # noqa: PLC0415

        expects = (request.expects or "").strip()
        if expects in _BY_TYPE:
            text = _BY_TYPE[expects]
        elif request.schema is not None:
            text = json.dumps(_example(request.schema))
        elif expects.partition("[")[0] in _BY_TYPE:
            text = _BY_TYPE[expects.partition("[")[0]]
        else:
            question = request.messages[-1]["content"] if request.messages else ""
            text = f"This is a mock response. In a real run a model would answer: {question[:100]}"
        return Response(text=text, model="mock")

    def __repr__(self) -> str:
        return "Mock()"


_BY_TYPE: Final = {
    "bool": "yes",
    "int": "42",
    "float": "3.14",
    "list": '["item1", "item2", "item3"]',
    "dict": '{"result": "mock_data", "status": "success"}',
}
_BY_SCHEMA_TYPE: Final[dict[str, Any]] = {
    "boolean": True,
    "integer": 42,
    "number": 3.14,
    "string": "mock",
    "null": None,
}


def _example(schema: dict[str, Any], root: dict[str, Any] | None = None, depth: int = 0) -> Any:
    """Make a small value that fits a JSON Schema."""
    root = root if root is not None else schema
    if depth > 8:
        return None
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target: Any = root
        for part in reference.removeprefix("#").strip("/").split("/"):
            target = target.get(part, {}) if isinstance(target, dict) else {}
        return _example(target, root, depth + 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _example(schema[key][0], root, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        return {name: _example(part, root, depth + 1) for name, part in properties.items()}
    if kind == "array":
        items = schema.get("items")
        return [_example(items, root, depth + 1)] if isinstance(items, dict) else ["item1", "item2", "item3"]
    return _BY_SCHEMA_TYPE.get(kind if isinstance(kind, str) else "", "mock")
