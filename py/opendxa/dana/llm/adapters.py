"""Models that another library asks: an `openai` client of the caller's, and `litellm`.

Rule: the library is the caller's: its keys, addresses, time limits and retries hold, and it is imported when
it is first asked. Its errors become `ModelError`, without keys.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

from opendxa.dana.exceptions import ResourceError

from .callable import identity
from .openai_compatible import PASSED_ON, first, response_format
from .provider import ModelError, Request, Response
from .transport import count, redacted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

__all__ = ["FromLiteLLM", "FromOpenAI"]


class FromOpenAI:
    """A client of the package `openai`: ``OpenAI()``, ``AsyncOpenAI()``, ``AzureOpenAI()`` and the like.

    `schema` says whether its server can hold a model to a JSON Schema. `models` are further ones that
    programs may choose with ``set_model``. `settings` are further arguments of each completion.
    """

    provider_name = "openai"

    def __init__(
        self, client: Any, model: str, *, schema: bool = True, models: Iterable[str] = (), **settings: Any
    ) -> None:
        self.model = model
        self.models: list[str] = [model, *(name for name in models if name != model)]
        self._client = client
        self._schema = schema
        self._settings = settings
        #: `generate` only makes a coroutine, and needs no thread to wait in.
        self.is_async: bool = type(client).__name__.startswith("Async")
        url = getattr(client, "base_url", None)
        self.base_url: str = str(url) if url is not None else ""
        place = redacted(self.base_url) if self.base_url else identity(client)
        self.cache_identity: str = f"openai {place} {schema} {sorted(map(repr, settings.items()))}"

    def generate(self, request: Request) -> Any:
        """Ask through the client."""
        if self.is_async:
            return self._ask_async(request)
        with _told(self.model):
            return _response(self._create()(**self._arguments(request)), self.model)

    async def _ask_async(self, request: Request) -> Response:
        with _told(self.model):
            return _response(await self._create()(**self._arguments(request)), self.model)

    async def stream(self, request: Request) -> AsyncIterator[str | Response]:
        """Ask through the client and hand out the answer piece by piece; the last item is the `Response`."""
        arguments = {
            **self._arguments(request),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        with _told(self.model):
            if self.is_async:
                chunks = _Chunks(await self._create()(**arguments))
            else:
                import asyncio  # noqa: PLC0415 - loaded when it is needed

                chunks = _Chunks(await asyncio.to_thread(lambda: self._create()(**arguments)))
            try:
                async for text in chunks:
                    yield text
            finally:
                await chunks.close()
        yield chunks.response(self.model)

    def _create(self) -> Callable[..., Any]:
        create: Callable[..., Any] = self._client.chat.completions.create
        return create

    def _arguments(self, request: Request) -> dict[str, Any]:
        return _arguments(request, self.model, self.models, self._schema, self._settings)

    def __repr__(self) -> str:
        return f"FromOpenAI({type(self._client).__name__}, model={self.model!r})"


class FromLiteLLM:
    """Any model that `litellm` knows, named as there: ``anthropic/claude-sonnet-4-5``, ``groq/...``.

    `settings` are further arguments of ``litellm.acompletion``. The package takes seconds to import, and is
    kept from asking the network for its list of prices while it does.
    """

    is_async = True

    def __init__(
        self, model: str, *, schema: bool = True, models: Iterable[str] = (), **settings: Any
    ) -> None:
        self.model = model
        self.models: list[str] = [model, *(name for name in models if name != model)]
        self._schema = schema
        self._settings = settings
        self.provider_name: str = model.partition("/")[0] if "/" in model else "litellm"
        shown = {key: value for key, value in settings.items() if not key.endswith(("key", "token"))}
        self.cache_identity: str = f"litellm {schema} {sorted(map(repr, shown.items()))}"

    async def generate(self, request: Request) -> Response:
        """Ask through the package."""
        completion = await _litellm()
        with _told(self.model):
            return _response(await completion(**self._arguments(request)), self.model)

    async def stream(self, request: Request) -> AsyncIterator[str | Response]:
        """Ask through the package and hand out the answer piece by piece; the last item is the `Response`."""
        completion = await _litellm()
        arguments = {
            **self._arguments(request),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        with _told(self.model):
            chunks = _Chunks(await completion(**arguments))
            try:
                async for text in chunks:
                    yield text
            finally:
                await chunks.close()
        yield chunks.response(self.model)

    def _arguments(self, request: Request) -> dict[str, Any]:
        return _arguments(request, self.model, self.models, self._schema, self._settings)

    def __repr__(self) -> str:
        return f"FromLiteLLM({self.model!r})"


async def _litellm() -> Callable[..., Any]:
    """Import the package, on a thread: it takes seconds."""
    import asyncio  # noqa: PLC0415 - loaded when it is needed
    from importlib import import_module  # noqa: PLC0415

    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        package = await asyncio.to_thread(import_module, "litellm")
    except ModuleNotFoundError as error:
        raise ResourceError(f"litellm is not installed ({error})\nHint: pip install litellm") from error
    completion: Callable[..., Any] = package.acompletion
    return completion


def _arguments(
    request: Request, model: str, models: list[str], schema: bool, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a completion, as both libraries take them."""
    options = request.options
    chosen = options.get("model")
    arguments: dict[str, Any] = {
        "model": chosen if chosen in models else model,
        "messages": [dict(message) for message in request.messages],
        **settings,
    }
    arguments.update({key: options[key] for key in PASSED_ON if options.get(key) is not None})
    if schema:
        arguments.update(response_format(request))
    left = request.remaining()
    if left is not None:
        arguments["timeout"] = min(left, settings.get("timeout") or left)
    return arguments


class _told:  # noqa: N801 - reads as a statement
    """Makes a library's error a `ModelError` that shows no key."""

    def __init__(self, model: str) -> None:
        self._model = model

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, ModelError):
            return
        status = getattr(error, "status_code", None)
        text = redacted(str(error))[:500]
        raise ModelError(
            f"the model {self._model!r}: {type(error).__name__}: {text}",
            status=status if isinstance(status, int) else None,
        ) from None


def _response(completion: Any, model: str) -> Response:
    """Read a completion, an object of either library."""
    data = completion if isinstance(completion, dict) else completion.model_dump()
    content = (first(data.get("choices")).get("message") or {}).get("content")
    if not isinstance(content, str):
        raise ModelError(f"the model {model!r}: the answer holds no text: {redacted(str(data))[:200]}")
    return Response(content, str(data.get("model") or model), *_tokens(data))


def _tokens(data: dict[str, Any]) -> tuple[int, int]:
    usage = data.get("usage") or {}
    return count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))


class _Chunks:
    """The chunks of a stream of either library; what blocks does so on a thread."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._parts: list[str] = []
        self._model = ""
        self._tokens = (0, 0)

    async def __aiter__(self) -> AsyncIterator[str]:
        async for chunk in self._chunks():
            data = chunk if isinstance(chunk, dict) else chunk.model_dump()
            self._model = str(data.get("model") or self._model)
            if data.get("usage"):
                self._tokens = _tokens(data)
            content = (first(data.get("choices")).get("delta") or {}).get("content")
            if isinstance(content, str) and content:
                self._parts.append(content)
                yield content

    async def _chunks(self) -> AsyncIterator[Any]:
        if hasattr(self._stream, "__aiter__"):
            async for chunk in self._stream:
                yield chunk
            return
        import asyncio  # noqa: PLC0415

        chunks, end = iter(self._stream), object()
        while (chunk := await asyncio.to_thread(next, chunks, end)) is not end:
            yield chunk

    async def close(self) -> None:
        """Let go of the connection."""
        close = getattr(self._stream, "close", None) or getattr(self._stream, "aclose", None)
        closing = close() if close is not None else None
        if inspect.isawaitable(closing):
            await closing

    def response(self, model: str) -> Response:
        """Return what all chunks together say."""
        return Response("".join(self._parts), self._model or model, *self._tokens)
