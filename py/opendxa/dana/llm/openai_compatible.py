"""Any server that speaks OpenAI's chat completions.

OpenAI itself, Azure, Ollama, vLLM, the llama.cpp server, LM Studio, OpenRouter and many others do.

Rule: four time limits that mean what they say, a bounded number of retries that honour the server's
``Retry-After``, and errors that say who answered what and what to do. Tokens of failed tries are counted when
the server reports them. An error never shows a key.
"""

from __future__ import annotations

import json
import os
import random
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .provider import ModelError, Request, Response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Iterable

    import httpx

__all__ = ["OpenAICompatible", "Timeouts"]

Value = TypeVar("Value")

#: Options of a program that are passed on as they are. The model is not among them: the host pays, so a
#: program chooses among the models that the host names.
_PASSED_ON: Final = (
    "temperature",
    "max_tokens",
    "top_p",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
)
_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 8.0
#: Largest answer that is read, in bytes.
_MAX_ANSWER: Final = 16 * 2**20


@dataclass(frozen=True)
class Timeouts:
    """Seconds a request may take; None for no limit."""

    connect: float | None = 10.0
    #: Until the first token of a streamed answer.
    first_token: float | None = 60.0
    #: Between two tokens of a streamed answer.
    between_tokens: float | None = 30.0
    #: For everything, retries included.
    total: float | None = 120.0


@dataclass
class _Tally:
    """Tries and tokens of one question."""

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, usage: Any) -> None:
        """Book what a server reported."""
        if isinstance(usage, dict):
            self.input_tokens += _count(usage.get("prompt_tokens"))
            self.output_tokens += _count(usage.get("completion_tokens"))

    def totals(self) -> dict[str, int]:
        """Return the figures by name."""
        return dict(vars(self))


@dataclass
class _Answer:
    """What has been read of one answer."""

    parts: list[str] = field(default_factory=list)
    model: str = ""
    usage: Any = None
    finished: bool = False


class _Retry(Exception):  # noqa: N818 - not an error for the caller
    """A try failed in a way that may pass."""

    def __init__(self, error: ModelError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class _Late(Exception):  # noqa: N818 - not an error for the caller
    """A token did not come in time."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self.name = name
        self.seconds = seconds


class _Clock:
    """Waits no longer than the limits for tokens allow."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._begin = time.monotonic()
        self._talking = False

    def started(self) -> None:
        """Take note of a token."""
        self._talking = True

    async def within(self, awaitable: Awaitable[Value]) -> Value:
        """Wait for the next token, or raise `_Late`."""
        import asyncio  # noqa: PLC0415

        name = "between_tokens" if self._talking else "first_token"
        seconds: float | None = getattr(self._timeouts, name)
        spent = 0.0 if self._talking else time.monotonic() - self._begin
        limit = None if seconds is None else max(0.0, seconds - spent)
        try:
            return await asyncio.wait_for(awaitable, limit)
        except asyncio.TimeoutError:
            raise _Late(name, seconds or 0.0) from None


class OpenAICompatible:
    """A model behind an OpenAI-style server.

    `base_url` ends before ``/chat/completions``. `schema` says whether the server can hold a model to a JSON
    Schema: True, False, or ``auto`` (try, and go on without when the server refuses). `stream` reads the
    answer token by token, which is what gives `Timeouts.first_token` and `Timeouts.between_tokens` their
    meaning. `models` are further ones that programs may choose with ``set_model``.
    """

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
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"a model server's base URL begins with http:// or https://, got {base_url!r}")
        self.model = model
        #: What programs may choose with ``set_model``.
        self.models: list[str] = [model, *(name for name in models if name != model)]
        self.base_url: str = base_url.rstrip("/")
        self._headers = {**({"Authorization": f"Bearer {api_key}"} if api_key else {}), **(headers or {})}
        self._timeouts = timeouts if timeouts is not None else Timeouts()
        self._max_retries = max_retries
        self._schema = schema
        self._stream = stream
        self._max_tokens = max_tokens
        self._client: tuple[object, httpx.AsyncClient] | None = None

    def __repr__(self) -> str:
        return f"OpenAICompatible(model={self.model!r}, base_url={self.base_url!r})"

    async def generate(self, request: Request) -> Response:
        """Ask the server; raise `ModelError` when no try gave an answer."""
        import asyncio  # noqa: PLC0415 - loaded when a model is asked

        limits = [limit for limit in (self._timeouts.total, request.remaining()) if limit is not None]
        total = min(limits) if limits else None
        tally = _Tally()
        try:
            return await asyncio.wait_for(self._attempts(request, tally), total)
        except asyncio.TimeoutError:
            text = f"{self._name()} gave no answer within {total:g} s in all"
            hint = "raise Timeouts(total=...) or Limits(wall_time=...)"
            raise ModelError(f"{text}\nHint: {hint}", **tally.totals()) from None

    async def _attempts(self, request: Request, tally: _Tally) -> Response:
        """Try until an answer comes or the retries are used up."""
        import asyncio  # noqa: PLC0415

        body = self._body(request)
        wait, retries, unconstrained = _FIRST_WAIT, 0, False
        while True:
            tally.attempts += 1
            try:
                response = await self._attempt(body, tally)
            except _Retry as failed:
                refused = failed.error.status == 400
                if refused and self._schema == "auto" and body.pop("response_format", None):
                    unconstrained = True
                    continue
                if refused or retries >= self._max_retries:
                    raise self._final(failed.error, tally) from failed.__cause__
                retries += 1
                pause = failed.wait if failed.wait is not None else random.uniform(0, wait)  # noqa: S311
                wait = min(2 * wait, _LONGEST_WAIT)
                await asyncio.sleep(pause)
            else:
                if unconstrained:
                    self._schema = False
                return response

    def _connected(self) -> httpx.AsyncClient:
        """Return the client of the running event loop; connections are kept for the next question."""
        import asyncio  # noqa: PLC0415

        import httpx  # noqa: PLC0415 - loaded when a model is asked

        loop = asyncio.get_running_loop()
        if self._client is None or self._client[0] is not loop:
            client = httpx.AsyncClient(
                timeout=httpx.Timeout(None, connect=self._timeouts.connect),
                headers=self._headers,
                # Loading certificates takes longer than a call on this machine.
                verify=self.base_url.startswith("https://"),
                trust_env=not self._on_loopback(),
            )
            self._client = (loop, client)
            weakref.finalize(self, _close, os.getpid(), loop, client)
        return self._client[1]

    def _on_loopback(self) -> bool:
        """Whether the server is on this machine; proxies are for the others."""
        from urllib.parse import urlsplit  # noqa: PLC0415

        host = urlsplit(self.base_url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    def _final(self, error: ModelError, tally: _Tally) -> ModelError:
        """Return the last error with the figures of all tries."""
        tries = f" ({tally.attempts} tries)" if tally.attempts > 1 else ""
        first, newline, rest = str(error).partition("\n")
        return ModelError(f"{first}{tries}{newline}{rest}", status=error.status, **tally.totals())

    def _body(self, request: Request) -> dict[str, Any]:
        """Build the request's JSON."""
        options = request.options
        chosen = options.get("model")
        model = chosen if chosen in self.models else self.model
        body: dict[str, Any] = {"model": model, "messages": request.messages}
        body.update({key: options[key] for key in _PASSED_ON if options.get(key) is not None})
        if self._max_tokens is not None:
            body.setdefault("max_tokens", self._max_tokens)
        if self._stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        if request.schema is not None and self._schema is not False:
            described = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": described}
        elif options.get("format") == "json" and self._schema is not False:
            body["response_format"] = {"type": "json_object"}
        return body

    async def _attempt(self, body: dict[str, Any], tally: _Tally) -> Response:
        """Make one try."""
        import httpx  # noqa: PLC0415

        answer = _Answer()
        client = self._connected()
        clock = _Clock(self._timeouts if self._stream else Timeouts(first_token=None, between_tokens=None))
        try:
            call = client.build_request("POST", f"{self.base_url}/chat/completions", json=body)
            reply = await clock.within(client.send(call, stream=True))
            try:
                if reply.status_code != 200:
                    raise await self._refusal(reply, tally)
                await self._read(reply, clock, answer)
            finally:
                await reply.aclose()
        except _Late as late:
            what = "no first token" if late.name == "first_token" else "no further token"
            hint = f"raise Timeouts({late.name}=...)"
            raise _Retry(self._error(f"{what} within {late.seconds:g} s", hint)) from None
        except httpx.ConnectTimeout as error:
            raise _Retry(self._error(f"no connection within {self._timeouts.connect:g} s")) from error
        except httpx.ConnectError as error:
            hint = "check that the server runs and that the address is right"
            raise _Retry(self._error(f"no connection ({error})", hint)) from error
        except httpx.HTTPError as error:
            raise _Retry(self._error(f"the connection broke ({type(error).__name__}: {error})")) from error
        finally:
            tally.add(answer.usage)
        if not answer.finished and not answer.parts:
            raise _Retry(self._error("the answer was empty"))
        return Response(text="".join(answer.parts), model=answer.model or self.model, **tally.totals())

    async def _read(self, reply: httpx.Response, clock: _Clock, answer: _Answer) -> None:
        """Read an answer, streamed or whole; no piece may be late, and all together must be bounded."""
        streamed = reply.headers.get("content-type", "").startswith("text/event-stream")
        pieces = reply.aiter_text()
        size, rest = 0, ""
        while (piece := await clock.within(_next(pieces))) is not None:
            size += len(piece)
            if size > _MAX_ANSWER:
                raise self._error(f"the answer is longer than {_MAX_ANSWER} bytes")
            rest += piece
            if streamed:
                *lines, rest = rest.split("\n")
                if any(self._line(line, answer, clock) for line in lines):
                    return
        if not streamed:
            self._whole(rest, answer)
        elif not self._line(rest, answer, clock) and not answer.finished:
            raise _Retry(self._error("the stream ended in the middle of the answer"))

    def _line(self, line: str, answer: _Answer, clock: _Clock) -> bool:
        """Take one line of a stream; say whether it was the last."""
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data == "[DONE]":
            answer.finished = True
            return True
        if data:
            clock.started()
            self._piece(data, answer)
        return False

    def _piece(self, data: str, answer: _Answer) -> None:
        """Take one event of a stream."""
        event = self._json(data)
        if event.get("error"):
            raise _Retry(self._error(f"the stream reported an error: {_message(event)}"))
        answer.model = str(event.get("model") or answer.model)
        answer.usage = event.get("usage") or answer.usage
        choice = _first(event.get("choices"))
        content = (choice.get("delta") or {}).get("content")
        if isinstance(content, str):
            answer.parts.append(content)
        if choice.get("finish_reason"):
            answer.finished = True

    def _whole(self, text: str, answer: _Answer) -> None:
        """Take an answer that came in one piece."""
        data = self._json(text)
        answer.model = str(data.get("model") or "")
        answer.usage = data.get("usage")
        content = (_first(data.get("choices")).get("message") or {}).get("content")
        if not isinstance(content, str):
            raise _Retry(self._error(f"the answer holds no text: {text[:200]!r}"))
        answer.parts.append(content)
        answer.finished = True

    def _json(self, text: str) -> dict[str, Any]:
        """Parse what the server sent."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise _Retry(self._error(f"the answer is not JSON: {text[:200]!r}")) from error
        if not isinstance(data, dict):
            raise _Retry(self._error(f"the answer is not a JSON object: {text[:200]!r}"))
        return data

    async def _refusal(self, reply: httpx.Response, tally: _Tally) -> Exception:
        """Return the error for an answer that is not 200."""
        text = (await reply.aread())[:_MAX_ANSWER].decode("utf-8", "replace")
        data: dict[str, Any] = {}
        with suppress(ValueError):
            parsed = json.loads(text)
            data = parsed if isinstance(parsed, dict) else {}
        tally.add(data.get("usage"))
        status = reply.status_code
        hint = {
            401: "check the API key (OPENAI_API_KEY)",
            403: "check what the API key may use",
            404: "check the base URL and the model's name",
            429: "the server limits requests; wait, or lower the load",
        }.get(status)
        told = _message(data) or text[:200].strip() or reply.reason_phrase
        error = self._error(f"HTTP {status}: {told}", hint, status)
        if status in _RETRIED or status == 400:
            return _Retry(error, _retry_after(reply.headers.get("retry-after")))
        error.attempts, error.input_tokens, error.output_tokens = tally.totals().values()
        return error

    def _error(self, problem: str, hint: str | None = None, status: int | None = None) -> ModelError:
        """Say what the server did."""
        return ModelError(f"{self._name()}: {problem}" + (f"\nHint: {hint}" if hint else ""), status=status)

    def _name(self) -> str:
        """Name the model and the server, without what a URL may carry besides."""
        from urllib.parse import urlsplit  # noqa: PLC0415

        parts = urlsplit(self.base_url)
        return f"the model {self.model!r} at {parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _close(process: int, loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> None:
    """Close the connections of a provider that is gone, on the loop they belong to."""
    import asyncio  # noqa: PLC0415

    if process == os.getpid() and loop.is_running():
        asyncio.run_coroutine_threadsafe(client.aclose(), loop)


async def _next(pieces: AsyncIterator[str]) -> str | None:
    """Return the next piece, None at the end."""
    async for piece in pieces:
        return piece
    return None


def _first(choices: Any) -> dict[str, Any]:
    """Return the first choice of an answer, empty when there is none."""
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _count(value: Any) -> int:
    """Read a number of tokens."""
    return value if isinstance(value, int) and value > 0 else 0


def _message(data: dict[str, Any]) -> str:
    """Find the text of an error in what servers send."""
    error = data.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or error)[:500]
    return str(error or data.get("message") or "")[:500]


def _retry_after(value: str | None) -> float | None:
    """Read ``Retry-After``: seconds, or a date."""
    if not value:
        return None
    with suppress(ValueError):
        return max(0.0, float(value))
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None
