"""A provider that lets somebody listen while a program waits for its model.

Rule: the program asks as ever and hears the whole answer; whoever called `listening` in the same task hears
of each question, and of each piece of an answer when it comes. Who stops listening has stopped the request.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from itertools import count
from typing import Any

from opendxa.dana.llm import ModelError, Request, Response, resolve

__all__ = ["Heard", "listening"]

#: Takes the name of an event and its data.
Listener = Callable[[str, dict[str, Any]], None]
_listener: ContextVar[tuple[Listener, Iterator[int]] | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` hear of the questions of this task's programs."""
    token = _listener.set((listener, count(1)))
    try:
        yield
    finally:
        _listener.reset(token)


class Heard:
    """Asks another provider, piece by piece. The option ``label`` of a question says what it is about.

    `llm` is what `Dana(llm=...)` takes; it is looked for when first asked, so that a service without a model
    starts, and says so to whoever wants a plan.
    """

    is_async = True

    def __init__(self, llm: object = None) -> None:
        self._llm = llm
        self._provider: Any = None

    @property
    def provider(self) -> Any:
        """Who answers; raises `ConfigurationError` when there is nobody."""
        if self._provider is None:
            self._provider = resolve(self._llm)
        return self._provider

    @property
    def model(self) -> str:
        """What it is called."""
        return str(getattr(self.provider, "model", "")) or type(self.provider).__name__

    async def generate(self, request: Request) -> Response:
        """Ask, and tell the listener of this task."""
        options = dict(request.options)
        label = str(options.pop("label", "Question"))
        tell, numbers = _listener.get() or (_nobody, count(1))
        number = next(numbers)
        tell("question", {"question": number, "label": label, "form": request.expects})
        async with aclosing(self._pieces(replace(request, options=options))) as pieces:
            async for piece in pieces:
                if isinstance(piece, Response):
                    # By its own name: a server may call it by the path of its file.
                    told = {"model": self.model, "tokens": piece.output_tokens}
                    tell("answered", {"question": number, **told})
                    return piece
                tell("piece", {"question": number, "text": piece})
        raise ModelError(f"the stream of {self.provider!r} ended without a Response")

    async def _pieces(self, request: Request) -> AsyncIterator[str | Response]:
        if callable(getattr(self.provider, "stream", None)):
            async with aclosing(self.provider.stream(request)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        ask = self.provider.generate
        answer = ask(request) if inspect.iscoroutinefunction(ask) else await asyncio.to_thread(ask, request)
        if inspect.isawaitable(answer):
            answer = await answer
        response = answer if isinstance(answer, Response) else Response(str(answer))
        yield response.text
        yield response

    def __repr__(self) -> str:
        return f"Heard({self._provider if self._provider is not None else self._llm!r})"


def _nobody(event: str, data: dict[str, Any]) -> None:
    """Hear nothing."""
