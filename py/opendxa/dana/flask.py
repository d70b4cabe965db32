"""Dana sessions for Flask: ``pip install 'dana-bridge[flask]'``.

    app = Flask(__name__)
    DanaFlask(app, pool=PoolConfig(min_idle=4, max_workers=200))

    @app.post("/run")
    def run():
        result = dana_session().execute_string(request.get_json()["program"])
        if result.error is not None:
            raise result.error          # becomes a problem (RFC 9457)
        return {"value": result.result}

Rule: a session is one request's alone, isolated unless the application said that it need not be, and ends
with the answer, streams included. Errors of the package become problems unless the application handles them
itself; its own errors are never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

try:
    from flask import Blueprint, Flask, Request, Response, current_app, g, request
    from werkzeug.exceptions import RequestEntityTooLarge
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"Flask is not installed ({_missing})\nHint: pip install 'dana-bridge[flask]'", name=_missing.name
    ) from _missing

from .exceptions import BodyTooLargeError, ConfigurationError, DanaError
from .limits import Limits
from .web.events import HEADERS, MEDIA_TYPE, Event, plain
from .web.health import METRICS_TYPE, metrics, ready_now
from .web.problems import MEDIA_TYPE as PROBLEM_TYPE
from .web.problems import log, problem_of
from .web.service import Service, checked_function
from .web.sync import ThreadExchange, event_lines, program_events

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .dana_module import Dana
    from .result import Usage
    from .web.service import ServiceSettings

__all__ = [
    "DanaFlask",
    "Event",
    "dana_blueprint",
    "dana_session",
    "event_stream",
    "plain",
    "problem_of",
    "program_events",
]

#: Where an application keeps the extension, and a request its session.
_NAME = "dana"
_OF_REQUEST = "_dana_exchange"


class DanaFlask:
    """The extension: ``DanaFlask(app, ...)``, or ``dana = DanaFlask(...)`` and ``dana.init_app(app)`` later.

    `tenant` says whose a request is, `limits` what it may use; both are called with the request, `limits` may
    also be the same for all. docs/WEB.md has the other settings. Nothing is started before the first request
    of a process, so that it may be made before a server forks.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        tenant: Callable[[Request], str | None] | None = None,
        limits: Limits | Callable[[Request], Limits | None] | None = None,
        **settings: Unpack[ServiceSettings],
    ) -> None:
        fixed = limits if isinstance(limits, Limits) else None
        self.service: Service = Service(limits=fixed, limits_known=not callable(limits), **settings)
        self._tenant = checked_function(tenant, "tenant")
        self._limits = checked_function(None if isinstance(limits, Limits) else limits, "limits")
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give an application's requests sessions."""
        if _NAME in app.extensions:
            raise ConfigurationError("the application has a DanaFlask already")
        app.extensions[_NAME] = self
        self.service.configure()
        app.after_request(_hand_to_stream)
        app.teardown_appcontext(_close)
        known = app.error_handler_spec[None][None]
        if self.service.problems and DanaError not in known:
            app.register_error_handler(DanaError, self._answer)
        if self.service.max_body is not None:
            app.config["MAX_CONTENT_LENGTH"] = self.service.max_body
            if self.service.problems and RequestEntityTooLarge not in app.error_handler_spec[None].get(
                413, {}
            ):
                app.register_error_handler(RequestEntityTooLarge, self._answer_too_large)

    def warm(self) -> None:
        """Fill the pool of this process, and see that isolation can be had: for a hook after a fork."""
        self.service.start()

    def session(self) -> Dana:
        """Return the session of the request at hand, opened when it is first asked for."""
        if not request:
            raise RuntimeError("a Dana session belongs to a request, and there is none here")
        exchange = g.get(_OF_REQUEST)
        if exchange is None:
            asked = cast("Any", request)._get_current_object()
            exchange = ThreadExchange(
                self.service,
                partial(self._tenant, asked) if self._tenant is not None else None,
                partial(self._limits, asked) if self._limits is not None else None,
            )
            setattr(g, _OF_REQUEST, exchange)
        session: Dana = exchange.session()
        return session

    def _answer(self, error: DanaError) -> Response:
        problem = problem_of(error, messages=self.service.messages, base=self.service.problem_base)
        log(problem, error)
        return Response(problem.body(), problem.status, dict(problem.headers()), content_type=PROBLEM_TYPE)

    def _answer_too_large(self, _: RequestEntityTooLarge) -> Response:
        return self._answer(BodyTooLargeError("the body of the request is larger than it may be"))


def dana_session() -> Dana:
    """Return the session of the request at hand, opened when it is first asked for."""
    return _extension().session()


def event_stream(
    source: Iterable[Any],
    *,
    usage: Callable[[], Usage | None] | None = None,
    retry: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer of server-sent events: of a model's stream, or of `program_events`.

    What `source` yields is an `Event`, or the data of one; at its end comes ``done`` with what it used, or
    ``error`` with a problem. The session lives until the stream has ended. A client's end is noticed when
    something is sent: WSGI has no other sign of it.
    """
    service = _extension().service
    told = {"messages": service.messages, "base": service.problem_base}
    lines = event_lines(source, usage=usage, retry=retry, **told)  # type: ignore[arg-type]
    return Response(
        lines, headers={**HEADERS, **(headers or {})}, content_type=f"{MEDIA_TYPE}; charset=utf-8"
    )


def dana_blueprint(name: str = "dana_monitoring") -> Blueprint:
    """Return routes for monitoring: ``app.register_blueprint(dana_blueprint(), url_prefix="/dana")``.

    ``/ready`` answers 200 or 503, ``/metrics`` has figures for Prometheus, both of the process that answers.
    """
    blueprint = Blueprint(name, __name__)

    def ready() -> Response:
        is_ready, told = ready_now(_extension().service)
        answer = cast("Response", current_app.json.response(told))
        answer.status_code = 200 if is_ready else 503
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def figures() -> Response:
        return Response(metrics(), content_type=METRICS_TYPE)

    blueprint.add_url_rule("/ready", view_func=ready)
    blueprint.add_url_rule("/metrics", view_func=figures)
    return blueprint


def _extension() -> DanaFlask:
    found = current_app.extensions.get(_NAME)
    if not isinstance(found, DanaFlask):
        raise ConfigurationError("this application has no Dana sessions\nHint: DanaFlask(app)")
    return found


def _hand_to_stream(response: Response) -> Response:
    """Have the session of a stream end with it: the application's own context ends before."""
    exchange = g.get(_OF_REQUEST)
    if exchange is not None and response.is_streamed:
        g.pop(_OF_REQUEST)
        response.call_on_close(exchange.close)
    return response


def _close(_: BaseException | None) -> None:
    exchange = g.pop(_OF_REQUEST, None)
    if exchange is not None:
        exchange.close()
