"""Asking a model's server over HTTP: what all protocols have in common.

Rule: four time limits that mean what they say, a bounded number of retries that honour the server's
``Retry-After``, and errors that say who answered what and what to do. Tokens of failed tries are counted when
the server reports them. What was handed out of a stream is never asked for again. An error never shows a key.
Left out: what is sent and how answers are spelled; see the protocols, `Server`'s subclasses.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
import weakref
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from .provider import MAX_ANSWER, Meter, ModelError, Request, Response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Mapping

    import httpx

__all__ = ["Answer", "Retry", "Server", "Timeouts", "count", "redacted"]

Value = TypeVar("Value")

_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 8.0
#: A server that wants to be left alone for longer is not asked again.
_LONGEST_RETRY_AFTER: Final = 120.0
#: Largest answer that is read, in bytes.
_MAX_ANSWER: Final = MAX_ANSWER
#: Most characters that are read of a refusal.
_MAX_REFUSAL: Final = 65536
#: Most tokens of one answer that are counted: what a server says beyond is no number of tokens.
_MOST_TOKENS: Final = 10**12
#: What looks like a key, wherever a server repeats it.
_KEYS: Final = re.compile(r"(?i)\b(?:sk|pk|rk|gsk|xai)[-_][\w-]{8,}|\bbearer\s+\S+")
#: Headers whose values nobody may see.
_SECRET_HEADERS: Final = re.compile(r"(?i)key|auth|token|secret|cookie")
_CREDENTIALS: Final = re.compile(r"//[^/\s@]+@")


@dataclass(frozen=True)
class Timeouts:
    """Seconds a request may take; None for no limit."""

    #: Until the server is reached.
    connect: float | None = 10.0
    #: Until the first token of a streamed answer.
    first_token: float | None = 60.0
    #: Between two tokens of a streamed answer.
    between_tokens: float | None = 30.0
    #: For everything, retries included.
    total: float | None = 120.0


@dataclass
class Answer:
    """What has been read of one answer."""

    parts: list[str] = field(default_factory=list)
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    finished: bool = False


class Retry(Exception):  # noqa: N818 - not an error for the caller
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
    """Waits no longer than the limits allow: those for tokens, and the one for everything."""

    def __init__(self, timeouts: Timeouts, remaining: float | None, tokens: bool) -> None:
        limits = [limit for limit in (timeouts.total, remaining) if limit is not None]
        self.total: float | None = min(limits) if limits else None
        self.timeouts = timeouts
        self._tokens = tokens
        self._start = self._begin = time.monotonic()
        self._talking = False
        #: Seconds waited since the last token: what is no token does not make the wait for one longer.
        self._waited = 0.0

    def begin(self) -> None:
        """A try begins."""
        self._begin = time.monotonic()
        self._talking = False

    def started(self) -> None:
        """Take note of a token."""
        self._talking = True
        self._waited = 0.0

    def left(self) -> float | None:
        """Seconds left for everything."""
        return None if self.total is None else max(0.0, self._start + self.total - time.monotonic())

    async def within(self, awaitable: Awaitable[Value]) -> Value:
        """Wait for the next token, or raise `_Late`."""
        import asyncio  # noqa: PLC0415

        name = "between_tokens" if self._talking else "first_token"
        seconds: float | None = getattr(self.timeouts, name) if self._tokens else None
        begin = time.monotonic()
        spent = self._waited if self._talking else begin - self._begin
        limit = None if seconds is None else max(0.0, seconds - spent)
        left = self.left()
        if left is not None and (limit is None or left < limit):
            name, seconds, limit = "total", self.total, left
        try:
            return await asyncio.wait_for(awaitable, limit)
        except asyncio.TimeoutError:
            raise _Late(name, seconds or 0.0) from None
        finally:
            self._waited += time.monotonic() - begin


class Server:
    """A model behind an HTTP server. The subclasses know the protocol."""

    #: What names the model's maker in traces.
    provider_name: ClassVar[str] = ""
    #: The variable that usually holds the key, for a hint.
    _key_variable: ClassVar[str] = ""
    #: The name of the option under which a schema is sent, so that it can be left out when it is refused.
    _constraint: ClassVar[str] = "response_format"

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key: str | None,
        *,
        headers: Mapping[str, str] | None,
        timeouts: Timeouts | None = None,
        max_retries: int = 2,
        schema: bool | str = "auto",
        stream: bool = True,
        max_tokens: int | None = None,
        models: Iterable[str] = (),
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            shown = redacted(base_url)
            raise ValueError(f"a model server's base URL begins with http:// or https://, got {shown!r}")
        self.model = model
        #: What programs may choose with ``set_model``.
        self.models: list[str] = [model, *(name for name in models if name != model)]
        self.base_url: str = base_url.rstrip("/")
        self._headers: dict[str, str] = {**self._authorization(api_key), **(headers or {})}
        hidden = [value for name, value in self._headers.items() if _SECRET_HEADERS.search(name)]
        self._secrets = [secret for secret in (api_key, *hidden) if secret and len(secret) > 3]
        self._timeouts = timeouts if timeouts is not None else Timeouts()
        self._max_retries = max_retries
        self._schema = self._asked_schema = schema
        self._stream = stream
        self._max_tokens = max_tokens
        self._clients: dict[int, tuple[asyncio.AbstractEventLoop, httpx.AsyncClient]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r}, base_url={redacted(self.base_url)!r})"

    @property
    def cache_identity(self) -> str:
        """What a cache tells this provider apart by, besides the model."""
        return f"{type(self).__name__} {self.base_url} {self._asked_schema!r} {self._max_tokens}"

    # What a protocol says

    def _authorization(self, api_key: str | None) -> dict[str, str]:
        """Return the headers that a key is sent in, and others that the protocol wants."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def _url(self, model: str) -> str:
        """Where questions to a model go."""
        raise NotImplementedError

    def _body(self, request: Request, model: str) -> dict[str, Any]:
        """Build the request's JSON."""
        raise NotImplementedError

    def _event(self, data: dict[str, Any], answer: Answer) -> str:
        """Take one event of a stream; return the text in it."""
        raise NotImplementedError

    def _whole(self, data: dict[str, Any], answer: Answer) -> None:
        """Take an answer that came in one piece."""
        raise NotImplementedError

    def _unconstrain(self, body: dict[str, Any]) -> bool:
        """Leave out what holds the model to a schema; say whether there was anything."""
        return body.pop(self._constraint, None) is not None

    def _finish(self, request: Request, text: str) -> str:
        """Return the answer's text from what was read."""
        del request
        return text

    def _book(self, data: dict[str, Any], answer: Answer) -> None:
        """Book tokens that a refusal reports."""

    def _framed(self, content_type: str) -> bool | None:
        """Whether an answer is a stream of events, True, of lines of JSON, False, or whole, None."""
        return True if content_type.startswith("text/event-stream") else None

    # Asking

    def chosen(self, request: Request) -> str:
        """Return the model a request goes to: a program chooses among those that the host names."""
        name = request.options.get("model")
        return name if isinstance(name, str) and name in self.models else self.model

    async def generate(self, request: Request) -> Response:
        """Ask the server; raise `ModelError` when no try gave an answer."""
        response: Response | str | None = None
        async with aclosing(self._tries(request, handing_out=False)) as pieces:
            async for piece in pieces:
                response = piece
        if not isinstance(response, Response):
            raise self._error("the answer was empty")
        return response

    def stream(self, request: Request) -> AsyncGenerator[str | Response, None]:
        """Ask the server and hand out its answer piece by piece; the last item is the `Response`.

        A try that fails before its first piece is repeated; one that fails later is the stream's failure.
        """
        return self._tries(request, handing_out=True)

    async def _tries(self, request: Request, handing_out: bool) -> AsyncGenerator[str | Response, None]:
        """Try until an answer comes or the retries are used up."""
        import asyncio  # noqa: PLC0415 - loaded when a model is asked

        model = self.chosen(request)
        body = self._body(request, model)
        timeouts = request.timeouts if request.timeouts is not None else self._timeouts
        tally = request.meter if request.meter is not None else Meter()
        clock = _Clock(timeouts, request.remaining(), self._stream)
        wait, retries, unconstrained, handed_out = _FIRST_WAIT, 0, False, False
        while True:
            tally.attempts += 1
            clock.begin()
            answer = Answer()
            try:
                try:
                    async with aclosing(self._attempt(model, body, clock, answer)) as pieces:
                        async for piece in pieces:
                            if handing_out and piece:
                                handed_out = True
                                yield piece
                finally:
                    tally.input_tokens += answer.input_tokens
                    tally.output_tokens += answer.output_tokens
            except Retry as failed:
                refused = failed.error.status == 400
                if refused and self._schema == "auto" and self._unconstrain(body):
                    unconstrained = True
                    continue
                if refused or handed_out or retries >= self._max_retries:
                    raise self._final(failed.error, tally) from failed.__cause__
                retries += 1
                pause = failed.wait if failed.wait is not None else random.uniform(0, wait)  # noqa: S311
                wait = min(2 * wait, _LONGEST_WAIT)
                left = clock.left()
                if pause > _LONGEST_RETRY_AFTER or (left is not None and pause >= left):
                    raise self._final(failed.error, tally, f"the server wants {pause:g} s of rest") from None
                await asyncio.sleep(pause)
            except _Late as late:
                raise self._too_late(late, tally) from None
            except ModelError as error:
                raise self._final(error, tally) from error.__cause__
            else:
                if unconstrained:
                    self._schema = False
                text = self._finish(request, "".join(answer.parts))
                name = answer.model or model
                yield Response(text, name, tally.input_tokens, tally.output_tokens, tally.attempts)
                return

    async def _attempt(
        self, model: str, body: dict[str, Any], clock: _Clock, answer: Answer
    ) -> AsyncGenerator[str, None]:
        """Make one try."""
        import httpx  # noqa: PLC0415

        client = self._connected()
        broken: tuple[Retry, httpx.HTTPError] | None = None
        try:
            connecting = httpx.Timeout(None, connect=clock.timeouts.connect)
            call = client.build_request("POST", self._url(model), json=body, timeout=connecting)
            reply = await clock.within(client.send(call, stream=True))
            try:
                # Nothing bounds what a few bytes unfold to, and answers that are packed were not asked for.
                packed = reply.headers.get("content-encoding", "identity")
                if packed.lower() != "identity":
                    raise self._error(f"the answer is packed ({packed[:50]})", status=reply.status_code)
                if reply.status_code != 200:
                    raise await self._refusal(reply, clock, answer)
                async with aclosing(self._read(reply, clock, answer)) as pieces:
                    async for piece in pieces:
                        yield piece
            finally:
                await reply.aclose()
        except _Late as late:
            if late.name == "total":
                raise
            what = "no first token" if late.name == "first_token" else "no further token"
            hint = f"raise Timeouts({late.name}=...)"
            raise Retry(self._error(f"{what} within {late.seconds:g} s", hint)) from None
        except httpx.ConnectTimeout as error:
            told = self._error(f"no connection within {clock.timeouts.connect:g} s")
            broken = Retry(told), self._bare(error)
        except httpx.ConnectError as error:
            hint = "check that the server runs and that the address is right"
            broken = Retry(self._error(f"no connection ({error})", hint)), self._bare(error)
        except httpx.HTTPError as error:
            told = self._error(f"the connection broke ({type(error).__name__}: {error})")
            broken = Retry(told), self._bare(error)
        if broken is not None:
            # Here, where no other error is being handled that it would hold.
            raise broken[0] from broken[1]
        if not answer.finished and not answer.parts:
            raise Retry(self._error("the answer was empty"))

    def _connected(self) -> httpx.AsyncClient:
        """Return the client of the running event loop; connections are kept for the next question."""
        import asyncio  # noqa: PLC0415

        import httpx  # noqa: PLC0415 - loaded when a model is asked

        loop = asyncio.get_running_loop()
        known = self._clients.get(id(loop))
        if known is not None and known[0] is loop:
            return known[1]
        for key, (other, _) in list(self._clients.items()):
            if other.is_closed():
                self._clients.pop(key, None)
        client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=self._timeouts.connect),
            headers={"accept-encoding": "identity", **self._headers},
            # Loading certificates takes longer than a call on this machine.
            verify=self.base_url.startswith("https://"),
            trust_env=not self._on_loopback(),
        )
        self._clients[id(loop)] = (loop, client)
        weakref.finalize(self, _close, os.getpid(), loop, client)
        return client

    def _on_loopback(self) -> bool:
        """Whether the server is on this machine; proxies are for the others."""
        from urllib.parse import urlsplit  # noqa: PLC0415

        host = urlsplit(self.base_url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    # Reading

    async def _read(self, reply: httpx.Response, clock: _Clock, answer: Answer) -> AsyncGenerator[str, None]:
        """Read an answer, streamed or whole; no piece may be late, and all together must be bounded."""
        events = self._framed(reply.headers.get("content-type", ""))
        pieces = reply.aiter_text()
        size = 0
        #: Pieces of what is not whole yet, a line or the answer: however many they are, they are joined once.
        held: list[str] = []
        while (piece := await clock.within(_next(pieces))) is not None:
            size += len(piece)
            if size > _MAX_ANSWER:
                raise self._error(f"the answer is longer than {_MAX_ANSWER} bytes")
            held.append(piece)
            if events is None or "\n" not in piece:
                continue
            *lines, rest = "".join(held).split("\n")
            held = [rest]
            for line in lines:
                text = self._line(line, events, answer, clock)
                if text:
                    yield text
                elif text is None:
                    return
        if events is None:
            self._whole(self._json("".join(held)), answer)
            answer.finished = True
            yield "".join(answer.parts)
            return
        text = self._line("".join(held), events, answer, clock)
        if text:
            yield text
        if text is not None and not answer.finished:
            raise Retry(self._error("the stream ended in the middle of the answer"))

    def _line(self, line: str, events: bool, answer: Answer, clock: _Clock) -> str | None:
        """Take one line of a stream and return the text in it; None when it was the last."""
        data = line.strip()
        if events:
            data = data.removeprefix("data:").strip() if data.startswith("data:") else ""
        if data == "[DONE]":
            answer.finished = True
            return None
        if not data:
            return ""
        clock.started()
        text = self._event(self._json(data), answer)
        if text:
            answer.parts.append(text)
        return text

    def _json(self, text: str) -> dict[str, Any]:
        """Parse what the server sent."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Retry(self._error(f"the answer is not JSON: {self._shown(text)!r}")) from error
        if not isinstance(data, dict):
            raise Retry(self._error(f"the answer is not a JSON object: {self._shown(text)!r}"))
        return data

    # Errors

    async def _refusal(self, reply: httpx.Response, clock: _Clock, answer: Answer) -> Exception:
        """Return the error for an answer that is not 200."""
        text, pieces = "", reply.aiter_text()
        while len(text) < _MAX_REFUSAL and (piece := await clock.within(_next(pieces))) is not None:
            text += piece
        data: dict[str, Any] = {}
        with suppress(ValueError, RecursionError):
            parsed = json.loads(text)
            data = parsed if isinstance(parsed, dict) else {}
        self._book(data, answer)
        status = reply.status_code
        told = message(data, self._secrets) or self._shown(text).strip() or reply.reason_phrase
        error = self._error(f"HTTP {status}: {told}", self._hint(status), status)
        if status in _RETRIED or status == 400:
            return Retry(error, _retry_after(reply.headers))
        return error

    def _hint(self, status: int) -> str | None:
        """Say what to do about a refusal."""
        key = f" ({self._key_variable})" if self._key_variable else ""
        return {
            401: f"check the API key{key}",
            403: "check what the API key may use",
            404: "check the base URL and the model's name",
            429: "the server limits requests; wait, or lower the load",
        }.get(status)

    def _shown(self, text: str) -> str:
        """Return the beginning of a text; half a key would not be known for one, so keys go first."""
        return redacted(text[:_MAX_REFUSAL], self._secrets)[:200]

    def _error(self, problem: str, hint: str | None = None, status: int | None = None) -> ModelError:
        """Say what the server did."""
        text = f"{self._name()}: {redacted(problem, self._secrets)}"
        return ModelError(text + (f"\nHint: {hint}" if hint else ""), status=status)

    def _final(self, error: ModelError, tally: Meter, reason: str = "") -> ModelError:
        """Return the last error with the figures of all tries."""
        tries = f" ({tally.attempts} tries)" if tally.attempts > 1 else ""
        first, newline, rest = str(error).partition("\n")
        reason = f"; {reason}" if reason else ""
        return ModelError(f"{first}{reason}{tries}{newline}{rest}", status=error.status, **vars(tally))

    def _too_late(self, late: _Late, tally: Meter) -> ModelError:
        text = f"{self._name()} gave no answer within {late.seconds:g} s in all"
        hint = "raise Timeouts(total=...) or Limits(wall_time=...)"
        return ModelError(f"{text}\nHint: {hint}", **vars(tally))

    def _bare(self, error: httpx.HTTPError) -> httpx.HTTPError:
        """Return an error without its request, whose headers have the key, and without frames."""
        return type(error)(redacted(str(error), self._secrets))

    def _name(self) -> str:
        """Name the model and the server, without what a URL may carry besides."""
        from urllib.parse import urlsplit  # noqa: PLC0415

        parts = urlsplit(self.base_url)
        return f"the model {self.model!r} at {parts.hostname}" + (f":{parts.port}" if parts.port else "")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without keys: those that are known, and what looks like one."""
    for secret in secrets:
        text = text.replace(secret, "[key]").replace(secret.removeprefix("Bearer "), "[key]")
    return _CREDENTIALS.sub("//[key]@", _KEYS.sub("[key]", text))


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


def count(value: Any) -> int:
    """Read a number of tokens; what no model can have read is cut, so that it can be counted with."""
    return min(max(value, 0), _MOST_TOKENS) if isinstance(value, int) and not isinstance(value, bool) else 0


def message(data: dict[str, Any], secrets: Iterable[str] = ()) -> str:
    """Find the text of an error in what servers send."""
    error = data.get("error")
    told = error.get("message") or error if isinstance(error, dict) else error or data.get("message") or ""
    return redacted(str(told)[:_MAX_REFUSAL], secrets)[:500]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``: seconds, or a date; some servers also send milliseconds."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None:
            with suppress(ValueError):
                seconds = float(value) / unit
                return max(0.0, seconds) if seconds == seconds else None  # noqa: PLR0124 - not for "nan"
    value = headers.get("retry-after")
    if not value:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None
