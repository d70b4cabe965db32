"""Traces and metrics by OpenTelemetry: ``pip install 'dana-bridge[otel]'``, then `instrument` once.

Spans are children of the caller's span, wherever their work is done: ``dana.session`` (from opening to end),
``dana.execute`` and ``dana.call NAME`` (a turn), ``dana.ask KIND`` (what a program asks of the host), and
``chat MODEL`` by the GenAI conventions. docs/OPERATIONS.md lists attributes and metrics.

Rule: prompts and answers are recorded only when `instrument` or the environment says so; texts of errors,
values and programs never. What a program may choose freely names no span and labels no metric.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import Future
from dataclasses import fields
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from . import telemetry

try:
    from opentelemetry import context as context_api
    from opentelemetry import metrics, trace
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"OpenTelemetry is not installed ({_missing})\nHint: pip install 'dana-bridge[otel]'",
        name=_missing.name,
    ) from _missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from ._bridge import Session
    from .llm import Provider, Request, Response
    from .telemetry import Life

__all__ = ["instrument", "uninstrument"]

#: The version of the semantic conventions that the names are from.
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"
#: What other instrumentations of models look at as well.
_CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CAPTURED: Final = frozenset({"true", "1", "span_only", "span_and_event"})
#: Longest name of a function in a span's name, in characters: callers may pass any text to `Dana.call`.
_LONGEST_NAME: Final = 100

# Bounds of buckets; those of gen_ai are the conventions'.
_TOKENS: Final = [4**power for power in range(14)]
_OPERATION: Final = [0.01 * 2**power for power in range(14)]
_TURN: Final = [
    1e-5,
    2.5e-5,
    5e-5,
    1e-4,
    2.5e-4,
    5e-4,
    1e-3,
    2.5e-3,
    5e-3,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
]
_SESSION: Final = [1e-4, 1e-3, 5e-3, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800, 3600]

#: By the end of a server's host name: whose models they are. All of them speak OpenAI's protocol.
_SERVERS: Final = {
    "openai.azure.com": "azure.ai.openai",
    "anthropic.com": "anthropic",
    "deepseek.com": "deepseek",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "groq.com": "groq",
    "mistral.ai": "mistral_ai",
    "perplexity.ai": "perplexity",
    "x.ai": "x_ai",
}
#: Options of a question that are numbers, and what the conventions call them.
_OPTIONS: Final = ("temperature", "max_tokens", "top_p", "seed", "frequency_penalty", "presence_penalty")
#: Ends of sessions that nobody need look into.
_IN_ORDER: Final = frozenset({"closed", "dropped"})


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    capture_content: bool | None = None,
) -> None:
    """Report spans and metrics of this process's sessions from now on, by default to the global providers.

    `capture_content` also records prompts and answers of models in their spans; None looks at the environment
    variable ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` (``true``, ``span_only`` or
    ``span_and_event``). Calling this again replaces what was said before.
    """
    if capture_content is None:
        capture_content = os.environ.get(_CAPTURE, "").strip().lower() in _CAPTURED
    uninstrument()
    telemetry.observer = _Observer(
        trace.get_tracer("opendxa.dana", _version(), tracer_provider, _SCHEMA),
        metrics.get_meter("opendxa.dana", _version(), meter_provider, _SCHEMA),
        capture_content,
    )


def uninstrument() -> None:
    """Report nothing more. Spans under way still end."""
    observer, telemetry.observer = telemetry.observer, None
    if isinstance(observer, _Observer):
        observer.active = False


class _Observer:
    """Makes spans and figures of what `telemetry` tells."""

    def __init__(self, tracer: Tracer, meter: Meter, capture_content: bool) -> None:
        self.tracer = tracer
        self.capture_content = capture_content
        #: What observes the pool cannot be taken back, only be silent.
        self.active = True
        self.sessions = _histogram(
            meter, "dana.session.duration", "s", "Sessions from their opening to their end", _SESSION
        )
        self.turns = _histogram(meter, "dana.turn.duration", "s", "Executions and calls", _TURN)
        self.asks = _histogram(meter, "dana.ask.duration", "s", "What programs asked of the host", _TURN)
        text = "GenAI operation duration"
        self.operations = _histogram(meter, "gen_ai.client.operation.duration", "s", text, _OPERATION)
        text = "Number of input and output tokens used"
        self.tokens = _histogram(meter, "gen_ai.client.token.usage", "{token}", text, _TOKENS)
        _observe_pool(meter, self)

    def session(self, life: Life) -> _Session:
        """A session begins."""
        return _Session(self, life)

    def turn(self, kind: str, name: str | None, life: Life) -> _Turn:
        """A turn of a session."""
        return _Turn(self, kind, name, life)

    def ask(self, kind: str, name: str | None, answer: Callable[[], Any]) -> Any:
        """Answer an ask, and see how long that takes."""
        attributes = {"dana.ask.kind": kind}
        labels = dict(attributes)
        if name is not None:
            attributes["dana.function.name"] = name
        span = _Span(self.tracer, f"dana.ask {kind}/{name}" if name else f"dana.ask {kind}", attributes)
        span.enter()
        try:
            value = answer()
        except BaseException as error:
            span.leave(error)
            self.asks.record(span.end(error), {**labels, **span.failure})
            raise
        span.leave()
        if isinstance(value, Future):
            value.add_done_callback(partial(self._answered, span, labels))
        else:
            self.asks.record(span.end(), labels)
        return value

    def _answered(self, span: _Span, labels: dict[str, str], future: Future[Any]) -> None:
        """The answer is there, or nobody wants it any more."""
        if future.cancelled():
            span.failure = {"error.type": "cancelled"}
            seconds = span.end()
        else:
            seconds = span.end(future.exception())
        self.asks.record(seconds, {**labels, **span.failure}, span.context)

    def chat(self, provider: Provider, request: Request) -> _Chat:
        """A question to a model."""
        return _Chat(self, provider, request)


class _Span:
    """One span, its time, and whether it is the current one."""

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        attributes: Mapping[str, Any],
        *,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        links: Iterable[trace.Link] = (),
    ) -> None:
        self.span: Span = tracer.start_span(name, kind=kind, attributes=attributes, links=list(links))
        #: The caller's context with this span in it.
        self.context: Context = trace.set_span_in_context(self.span)
        #: What labels a figure of something that failed.
        self.failure: dict[str, str] = {}
        self._began = monotonic()
        self._token: Token[Context] | None = None

    def enter(self) -> None:
        """Make it the current span."""
        self._token = context_api.attach(self.context)

    def leave(self, error: BaseException | None = None) -> None:
        """Make the span before it the current one."""
        token, self._token = self._token, None
        # A coroutine that is thrown away is not in its context any more.
        if token is not None and not isinstance(error, GeneratorExit):
            context_api.detach(token)

    def end(self, error: BaseException | None = None) -> float:
        """End it; return its seconds."""
        if error is not None:
            self.failure = {"error.type": telemetry.error_type(error)}
            kind = telemetry.error_kind(error)
            if kind is not None:
                self.span.set_attribute("dana.error.kind", kind)
        if self.failure:
            self.span.set_attributes(self.failure)
            self.span.set_status(trace.StatusCode.ERROR)
        self.span.end()
        return monotonic() - self._began


class _Session:
    """The span of a session. It is current while the session is opened; later turns are linked to it."""

    def __init__(self, observer: _Observer, life: Life) -> None:
        self._observer = observer
        self._labels = {"dana.isolation.level": "none"}
        self._span = _Span(
            observer.tracer, "dana.session", {"dana.session.id": f"{os.getpid()}-{life.number}"}
        )
        #: What links the session's turns to it.
        self.links = [trace.Link(self._span.span.get_span_context())]

    def enter(self) -> None:
        """The session is being opened."""
        self._span.enter()

    def leave(self) -> None:
        """Opening is over."""
        self._span.leave()

    def opened(self, session: Session) -> None:
        """The session is open."""
        self._labels = {"dana.isolation.level": str(session.report()["level"])}
        span = self._span.span
        span.set_attributes(self._labels)
        if session.pid is not None:
            span.set_attribute("dana.worker.pid", session.pid)
        span.add_event("dana.session.opened")

    def ended(self, reason: str, seconds: float) -> None:
        """The session is over."""
        self._span.span.set_attribute("dana.session.end.reason", reason)
        if reason not in _IN_ORDER:
            self._span.failure = {"error.type": reason}
        self._span.end()
        labels = {**self._labels, "dana.session.end.reason": reason}
        self._observer.sessions.record(seconds, labels, self._span.context)


class _Turn:
    """The span of a turn."""

    def __init__(self, observer: _Observer, kind: str, name: str | None, life: Life) -> None:
        self._observer = observer
        self._life = life
        self._labels = {"dana.turn.kind": kind}
        attributes: dict[str, Any] = {**self._labels, "dana.session.id": f"{os.getpid()}-{life.number}"}
        title = f"dana.{kind}"
        if name is not None and kind == "call":
            shown = attributes["dana.function.name"] = name[:_LONGEST_NAME]
            title = f"dana.call {shown}"
        elif name is not None:
            attributes["dana.program.name"] = name
        sight = life.sight
        links = sight.links if isinstance(sight, _Session) else ()
        self._span = _Span(observer.tracer, title, attributes, links=links)

    def __enter__(self) -> _Turn:
        self._span.enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._span.leave(error)
        seconds = self._span.end(error)
        self._observer.turns.record(seconds, {**self._labels, **self._span.failure}, self._span.context)
        if error is not None:
            self._life.failed(error)


class _Chat:
    """The span of a question to a model, by the GenAI conventions."""

    def __init__(self, observer: _Observer, provider: Provider, request: Request) -> None:
        self._observer = observer
        self._labels: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _provider_name(provider),
        }
        model = _model(provider, request)
        if model is not None:
            self._labels["gen_ai.request.model"] = model
        self._labels.update(_address(provider))
        attributes = {**self._labels, **_options(request)}
        if observer.capture_content:
            attributes["gen_ai.input.messages"] = _messages(request)
        self._named = model is not None
        title = f"chat {model}" if model is not None else "chat"
        self._span = _Span(observer.tracer, title, attributes, kind=trace.SpanKind.CLIENT)

    def __enter__(self) -> Callable[[Response], Response]:
        self._span.enter()
        return self._answered

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._span.leave(error)
        if error is not None:
            self._used(getattr(error, "input_tokens", 0), getattr(error, "output_tokens", 0))
            status = getattr(error, "status", None)
            if isinstance(status, int):
                self._span.span.set_attribute("http.response.status_code", status)
        seconds = self._span.end(error)
        labels = {**self._labels, **self._span.failure}
        self._observer.operations.record(seconds, labels, self._span.context)

    def _answered(self, response: Response) -> Response:
        """Take note of an answer."""
        span = self._span.span
        if response.model:
            self._labels["gen_ai.response.model"] = response.model
            span.set_attribute("gen_ai.response.model", response.model)
            if not self._named:
                span.update_name(f"chat {response.model}")
        if response.attempts > 1:
            span.set_attribute("dana.model.attempts", response.attempts)
        self._used(response.input_tokens, response.output_tokens)
        if self._observer.capture_content:
            parts = [{"type": "text", "content": response.text}]
            told = [{"role": "assistant", "parts": parts, "finish_reason": "stop"}]
            span.set_attribute("gen_ai.output.messages", json.dumps(told))
        return response

    def _used(self, input_tokens: Any, output_tokens: Any) -> None:
        """Report tokens; none means that nobody counted them."""
        for kind, count in (("input", input_tokens), ("output", output_tokens)):
            if isinstance(count, int) and count > 0:
                self._span.span.set_attribute(f"gen_ai.usage.{kind}_tokens", count)
                labels = {**self._labels, "gen_ai.token.type": kind}
                self._observer.tokens.record(count, labels, self._span.context)


def _provider_name(provider: Provider) -> str:
    """Return whose models a provider asks: what it says of itself, or what its address or its class tells."""
    told = getattr(provider, "provider_name", None)
    if isinstance(told, str) and told:
        return told
    url = getattr(provider, "base_url", None)
    if isinstance(url, str):
        host = urlsplit(url).hostname or ""
        for end, name in _SERVERS.items():
            if host == end or host.endswith(f".{end}"):
                return name
        return "openai"
    kind = type(provider)
    own = kind.__module__.startswith("opendxa.dana.")
    return f"dana.{kind.__name__.lower()}" if own else kind.__name__.lower()


def _model(provider: Provider, request: Request) -> str | None:
    """Return the model that is asked: one that a program chose only if the provider has it."""
    chosen, models = request.options.get("model"), getattr(provider, "models", None)
    # A function that lists them may take its time.
    if isinstance(chosen, str) and isinstance(models, list | tuple) and chosen in models:
        return chosen
    model = getattr(provider, "model", None)
    return model if isinstance(model, str) and model else None


def _address(provider: Provider) -> dict[str, Any]:
    """Return where a provider's server is; never what else an address may hold."""
    url = getattr(provider, "base_url", None)
    if not isinstance(url, str):
        return {}
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    return {
        "server.address": parts.hostname,
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
    }


def _options(request: Request) -> dict[str, Any]:
    """Return the options of a question that are figures; a program may write anything there."""
    found: dict[str, Any] = {}
    for name in _OPTIONS:
        value = request.options.get(name)
        if not isinstance(value, bool) and isinstance(value, int | float) and abs(value) < 2**63:
            found[f"gen_ai.request.{name}"] = value
    if request.schema is not None or request.options.get("format") == "json":
        found["gen_ai.output.type"] = "json"
    return found


def _messages(request: Request) -> str:
    """Return a question in the conventions' form."""
    told = [
        {"role": item["role"], "parts": [{"type": "text", "content": item["content"]}]}
        for item in request.messages
    ]
    return json.dumps(told)


def _histogram(meter: Meter, name: str, unit: str, text: str, bounds: list[Any]) -> Histogram:
    return meter.create_histogram(name, unit, text, explicit_bucket_boundaries_advisory=bounds)


def _observe_pool(meter: Meter, observer: _Observer) -> None:
    """Have the pool's figures looked at whenever metrics are collected."""
    from .pool import PoolStats, stats  # noqa: PLC0415 - loaded when somebody observes

    def look(name: str, _: CallbackOptions) -> Iterable[Observation]:
        if not observer.active:
            return []
        return [
            metrics.Observation(value, {f"dana.session.end.{key}": text for key, text in labels.items()})
            for known, labels, value in stats().metrics()
            if known == name
        ]

    nothing: dict[str, Any] = {item.name: 0 for item in fields(PoolStats)}
    for name, _, _ in PoolStats(**{**nothing, "ended": {"": 0}}).metrics():
        seconds = "seconds" in name
        told = name.removesuffix("_total").removesuffix("_seconds")
        told = told.replace("dana_pool_", "dana.pool.").replace("dana_sessions_", "dana.sessions.")
        create = meter.create_observable_counter if name.endswith("_total") else meter.create_observable_gauge
        unit = "s" if seconds else "{session}" if told == "dana.sessions.ended" else "{worker}"
        create(told, [partial(look, name)], unit, "See opendxa.dana.PoolStats")


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - loaded when somebody observes

    return version("dana-bridge")
