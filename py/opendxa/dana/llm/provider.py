"""What a provider of model answers is: a question in, text and usage out.

Rule: a provider is anything with `generate`, plain or async; it is called from the host, never from a worker,
and finds in the request all it may know.
"""

from __future__ import annotations

import inspect
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from opendxa.dana.exceptions import ModelError
from opendxa.dana.types import format_type_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from .transport import Timeouts

__all__ = ["MAX_ANSWER", "Meter", "ModelError", "Provider", "Request", "Response", "check_length", "generate"]


#: Largest answer that is taken of any provider, in characters; of a server, in bytes.
MAX_ANSWER: Final = 16 * 2**20


@dataclass
class Meter:
    """What a question took so far: for one that is given up in the middle."""

    #: Tries made so far.
    attempts: int = 0
    #: Tokens of the question, of all tries that reported them.
    input_tokens: int = 0
    #: Tokens of answers, of all tries that reported them.
    output_tokens: int = 0


@dataclass(frozen=True)
class Request:
    """One question to a model."""

    #: Chat messages: dictionaries with ``role`` and ``content``.
    messages: list[dict[str, str]]
    #: The options of the program: ``temperature``, ``max_tokens``, ``format``, ...
    options: dict[str, Any] = field(default_factory=dict)
    #: The Dana type the answer will be read as, for example ``list[int]``; None for plain text.
    expects: str | None = None
    #: JSON Schema of that type, for providers that can hold a model to it.
    schema: dict[str, Any] | None = None
    #: When the turn ends, by `time.monotonic`; None for never.
    deadline: float | None = None
    #: The caller's time limits for this question, where they are not the provider's.
    timeouts: Timeouts | None = None
    #: Where a provider notes what the question took so far.
    meter: Meter | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_ask(cls, payload: Mapping[str, Any], deadline: float | None = None) -> Request:
        """Read an ask of kind ``reason``."""
        schema = payload.get("schema")
        if isinstance(schema, str):
            schema = json.loads(schema)
        messages = payload["messages"]
        return cls(
            messages=[{"role": str(item["role"]), "content": str(item["content"])} for item in messages],
            options=dict(payload.get("options") or {}),
            expects=payload.get("expects"),
            schema=schema if isinstance(schema, dict) else None,
            deadline=deadline,
        )

    def remaining(self) -> float | None:
        """Seconds until the turn ends, None for no end."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


@dataclass(frozen=True)
class Response:
    """A model's answer, and what it took."""

    #: The answer.
    text: str
    #: The model that answered, as it names itself.
    model: str = ""
    #: Tokens of the question, of all attempts that reported them.
    input_tokens: int = 0
    #: Tokens of answers, likewise.
    output_tokens: int = 0
    #: Tries made, the successful one included; none for an answer that was known already.
    attempts: int = 1
    #: Whether it came from a cache, or from an equal question that was asked at the same time.
    cached: bool = False


@runtime_checkable
class Provider(Protocol):
    """Answers questions. `generate` may be async; it is then awaited on a loop of its own.

    Questions that do not depend on each other are asked at the same time: a plain `generate` is called from
    several threads, unless the provider has a true attribute ``instant``: then from the thread that asks, one
    question after the other. `models`, a list or a function that returns one, names what a program may choose
    with ``set_model`` and finds under ``options["model"]``. A provider that has a `model` or lists some
    finds no other there: what goes out is what is booked.

    A provider may also have ``stream(request)``, an async iterator of pieces of text whose last item is the
    `Response`; without it, an answer is one piece. `cache_identity`, a text, is what a cache tells it apart
    from other providers by; without it, only this very object's answers are found again.
    """

    def generate(self, request: Request) -> Response | str | Awaitable[Response | str]:
        """Answer one question with text or a `Response`, or raise; `ModelError` tells best what happened."""
        ...


def generate(provider: Provider, request: Request) -> Response:
    """Get a provider's answer from synchronous code, also inside a running event loop."""
    answer = provider.generate(request)
    if inspect.isawaitable(answer):
        from opendxa.dana.background import run  # noqa: PLC0415 - asyncio is loaded when needed

        answer = run(answer)
    return as_response(provider, answer)


def as_response(provider: Provider, answer: object) -> Response:
    """Return a provider's answer in full form."""
    response = Response(text=answer) if isinstance(answer, str) else answer
    if not isinstance(response, Response):
        raise ModelError(format_type_error(answer, "str or Response", f"the answer of {provider!r}"))
    check_length(provider, len(response.text))
    return response


def check_length(provider: object, length: int) -> None:
    """Refuse an answer that is too long."""
    if length > MAX_ANSWER:
        raise ModelError(f"the answer of {provider!r} is longer than {MAX_ANSWER} characters")


def asked_model(provider: object, request: Request) -> str:
    """Return the name of the model a question goes to, empty where the provider does not say."""
    model = getattr(provider, "model", None)
    chosen, models = request.options.get("model"), getattr(provider, "models", None)
    # A function that lists them may take its time; what it makes of the name is the provider's business.
    listed = callable(models) or (isinstance(models, list | tuple) and chosen in models)
    if isinstance(chosen, str) and listed:
        return chosen
    if isinstance(model, str):
        return model
    # A provider that lists nothing decides itself what it makes of the name.
    return chosen if isinstance(chosen, str) and not isinstance(models, list | tuple) else ""
