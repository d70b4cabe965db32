"""Dana sessions for Django: ``pip install 'dana-bridge[django]'``.

    MIDDLEWARE = [..., "opendxa.dana.django.DanaMiddleware"]
    DANA = {"pool": PoolConfig(min_idle=4, max_workers=200)}

    def run(request):
        result = request.dana.execute_string(request.POST["program"])
        if result.error is not None:
            raise result.error          # becomes a problem (RFC 9457)
        return JsonResponse({"value": result.result})

    async def run(request):
        result = await request.adana.execute_string(request.POST["program"])
        ...

`request.dana` is a `Dana` for plain views, `request.adana` an `AsyncDana` for async ones; each is opened when
it is first used.

Rule: a session is one request's alone, isolated unless the settings say that it need not be, and ends with
the answer, streams included. Errors of the package that leave a view become problems; other errors are never
touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django import conf as django_conf
    from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.http.response import HttpResponseBase
    from django.utils.functional import SimpleLazyObject
    from django.utils.module_loading import import_string
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"Django is not installed ({_missing})\nHint: pip install 'dana-bridge[django]'", name=_missing.name
    ) from _missing

from .async_dana import AsyncDana
from .exceptions import BodyTooLargeError, ConfigurationError, DanaError
from .limits import Limits
from .web.events import HEADERS, MEDIA_TYPE, Event, plain, program_events
from .web.events import event_stream as events_of
from .web.health import METRICS_TYPE, ready_now
from .web.health import metrics as figures
from .web.problems import MEDIA_TYPE as PROBLEM_TYPE
from .web.problems import log, problem_of
from .web.service import Service, checked_function
from .web.sync import ThreadExchange, event_lines, told
from .web.sync import program_events as program_events_sync

if TYPE_CHECKING:
    from .result import Usage
    from .web.service import Visit

__all__ = [
    "DanaMiddleware",
    "Event",
    "event_stream",
    "metrics",
    "plain",
    "problem_of",
    "program_events",
    "program_events_sync",
    "ready",
]

_OF_REQUEST = "_dana_visits"


class DanaMiddleware:
    """Gives each request sessions of its own: `request.dana` and `request.adana`.

    The setting ``DANA`` is a dictionary of what docs/WEB.md lists, with `tenant` and `limits`, which are
    plain functions of the request (or their dotted names); `limits` may also be the same for all.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response: Callable[[HttpRequest], Any] = get_response
        self.service: Service
        self.service, self._tenant, self._limits = _settings()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request, and end its sessions with the answer."""
        if self._is_async:
            return self._answer(request)
        visits = self._begin(request)
        try:
            response: Any = self._refused(request) or self.get_response(request)
        except BaseException:
            visits.close()
            raise
        if response.streaming:
            response.streaming_content = _Closing(response.streaming_content, visits)
        else:
            visits.close()
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        visits = self._begin(request)
        try:
            response: Any = self._refused(request) or await self.get_response(request)
        except BaseException:
            await visits.aclose()
            raise
        if not response.streaming:
            await visits.aclose()
        elif response.is_async:
            response.streaming_content = _AsyncClosing(response.streaming_content, visits)
        else:
            response.streaming_content = _Closing(response.streaming_content, visits)
        return cast("HttpResponseBase", response)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:  # noqa: ARG002
        """Make a problem of an error of the package that left a view."""
        if not isinstance(error, DanaError) or not self.service.problems:
            return None
        return self._problem(error)

    def _begin(self, request: Any) -> _Visits:
        visits = _Visits(
            self.service,
            partial(self._tenant, request) if self._tenant is not None else None,
            partial(self._limits, request) if self._limits is not None else None,
        )
        setattr(request, _OF_REQUEST, visits)
        request.dana = SimpleLazyObject(visits.sync.session)
        request.adana = SimpleLazyObject(visits.session)
        return visits

    def _refused(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer to a body that says that it is too large."""
        most, length = self.service.max_body, request.META.get("CONTENT_LENGTH") or "0"
        if most is None or not length.isdigit() or int(length[:20]) <= most:
            return None
        return self._problem(BodyTooLargeError("the body of the request is larger than it may be"))

    def _problem(self, error: DanaError) -> HttpResponse:
        problem = problem_of(error, messages=self.service.messages, base=self.service.problem_base)
        log(problem, error)
        headers = dict(problem.headers())
        del headers["Content-Type"]
        return HttpResponse(problem.body(), PROBLEM_TYPE, problem.status, headers=headers)


def event_stream(
    request: HttpRequest,
    source: Iterable[Any] | AsyncIterable[Any],
    *,
    usage: Callable[[], Usage | None] | None = None,
    heartbeat: float | None = 15.0,
    retry: int | None = None,
) -> StreamingHttpResponse:
    """Return an answer of server-sent events: of a model's stream, or of `program_events`.

    What `source` yields is an `Event`, or the data of one; at its end comes ``done`` with what it used, or
    ``error`` with a problem. Give an async source in ASGI and a plain one in WSGI: Django collects the whole
    of one that does not fit. The sessions of the request live until the stream has ended.
    """
    service = _visits(request).service
    told: dict[str, Any] = {"messages": service.messages, "base": service.problem_base}
    lines: Any
    if isinstance(source, AsyncIterable):
        lines = events_of(source, usage=usage, heartbeat=heartbeat, retry=retry, **told)
    else:
        lines = event_lines(source, usage=usage, retry=retry, **told)
    kind = f"{MEDIA_TYPE}; charset=utf-8"
    return StreamingHttpResponse(lines, content_type=kind, headers=HEADERS)


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 or 503, for a readiness probe: ``path("ready", opendxa.dana.django.ready)``."""
    is_ready, told = ready_now(_visits(request).service)
    return JsonResponse(told, status=200 if is_ready else 503, headers={"Cache-Control": "no-store"})


def metrics(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    """Answer with figures for Prometheus, of the process that answers."""
    return HttpResponse(figures().encode(), METRICS_TYPE)


class _Visits:
    """The sessions of one request."""

    def __init__(
        self, service: Service, tenant: Callable[[], Any] | None, limits: Callable[[], Any] | None
    ) -> None:
        self.service = service
        self.sync = ThreadExchange(service, tenant, limits)
        self._tenant = tenant
        self._limits = limits
        self._visit: Visit | None = None
        self._dana: AsyncDana | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def session(self) -> AsyncDana:
        """Return the session for async views; it is opened by its first use."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("request.adana is for async views\nHint: use request.dana") from None
        self._visit = self.service.enter(told(self._tenant, "tenant"), told(self._limits, "limits"))
        self._dana = AsyncDana(**self._visit.arguments)
        return self._dana

    async def aclose(self) -> None:
        """End them, from the loop."""
        try:
            if self._dana is not None:
                await self._dana.close()
        finally:
            self._leave()
            await asyncio.to_thread(self.sync.close)

    def close(self) -> None:
        """End them, from a thread."""
        try:
            if self._dana is not None and self._loop is not None and not self._loop.is_closed():
                asyncio.run_coroutine_threadsafe(self._dana.close(), self._loop).result()
        finally:
            self._leave()
            self.sync.close()

    def _leave(self) -> None:
        visit, self._visit = self._visit, None
        if visit is not None and self._dana is not None:
            self.service.leave(visit, self._dana.usage)


class _Closing:
    """The content of a stream, which ends the sessions of its request with itself."""

    def __init__(self, content: Iterable[bytes], visits: _Visits) -> None:
        self._content = content
        self._pieces = iter(content)
        self._visits = visits

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End both; Django calls it when the answer is sent or cannot be."""
        try:
            close = getattr(self._content, "close", None)
            if callable(close):
                close()
        finally:
            self._visits.close()


class _AsyncClosing:
    """The same for a stream of the loop."""

    def __init__(self, content: AsyncIterable[bytes], visits: _Visits) -> None:
        self._content = content
        self._pieces = content.__aiter__()
        self._visits = visits

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._pieces.__anext__()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End both."""
        try:
            for closed in (self._pieces, self._content):
                close: Any = getattr(closed, "aclose", None)
                if close is not None:
                    await close()
        finally:
            await self._visits.aclose()

    def close(self) -> None:
        """End the sessions; Django calls it, on a thread, when the answer is sent or cannot be."""
        self._visits.close()


def _visits(request: HttpRequest) -> _Visits:
    found = getattr(request, _OF_REQUEST, None)
    if not isinstance(found, _Visits):
        raise ConfigurationError(
            "this request has no Dana sessions\nHint: MIDDLEWARE needs 'opendxa.dana.django.DanaMiddleware'"
        )
    return found


def _settings() -> tuple[Service, Any, Any]:
    """Read the setting ``DANA``."""
    told = getattr(django_conf.settings, "DANA", {})
    if not isinstance(told, dict):
        raise ConfigurationError(f"the setting DANA is a dictionary, got {type(told).__name__}")
    settings = dict(told)
    tenant, limits = (_function(settings.pop(name, None), name) for name in ("tenant", "limits"))
    fixed = limits if isinstance(limits, Limits) else None
    service = Service(limits=fixed, limits_known=not callable(limits), **settings)
    service.configure()
    return service, tenant, None if fixed is not None else limits


def _function(value: Any, name: str) -> Any:
    """Return a function that the settings name, or that is one."""
    if isinstance(value, Limits) and name == "limits":
        return value
    return checked_function(import_string(value) if isinstance(value, str) else value, f"DANA[{name!r}]")
