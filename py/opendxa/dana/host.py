"""The host's side of a session: what a program may ask for, and what it prints.

Rule: a program gets only what is in the table `_ANSWERS`, by a name the host registered. What fails here
fails the program at the place that asked; the original exception is kept for the caller.
"""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from .exceptions import WITHHELD, DanaCallError, ModelError, ResourceError, SecurityError
from .functions import HostFunction, is_async
from .result import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from .llm import Provider, Request, Response
    from .resources import Shelf

__all__ = ["Host", "Turn"]

#: The name under which the language's own `set_model` asks.
CHOOSE: Final = "set_model"

#: The turns that the running code answers for: using their sessions would wait for ever.
_asked_by: ContextVar[tuple[Turn, ...]] = ContextVar("dana_asked_by", default=())


def refuse_reentry(host: Host) -> None:
    """Refuse what an asked function wants of the session that asks: it would wait for ever."""
    if host.holder == get_ident() or (host.turn is not None and host.turn in _asked_by.get()):
        raise DanaCallError(
            "the session is busy: a function it asked for cannot call back into it\n"
            "Hint: use a second Dana, or return the value instead"
        )


class Turn:
    """One request, from the host's side: what was printed, which models answered, what failed.

    Inside ``with``, the session is this thread's alone. Every call pays for this class, so it is small.
    """

    __slots__ = ("_host", "models", "output", "started", "wall_time")

    def __init__(self, host: Host, wall_time: float | None) -> None:
        self._host = host
        self.wall_time = wall_time
        self.output: list[str] | None = None
        self.models: Usage | None = None

    def __enter__(self) -> Turn:
        host = self._host
        refuse_reentry(host)
        host.lock.acquire()
        host.holder = get_ident()
        host.turn = self
        self.started = monotonic()
        return self

    def __exit__(self, *error: object) -> None:
        host = self._host
        host.turn = None
        host.holder = None
        host.lock.release()

    @property
    def seconds(self) -> float:
        """Seconds since the request was made."""
        return monotonic() - self.started

    @property
    def deadline(self) -> float | None:
        """When the turn ends, by `time.monotonic`; None for never."""
        return None if self.wall_time is None else self.started + self.wall_time

    def text(self) -> str:
        """Return what was printed, without the last line's newline."""
        return "".join(self.output or ()).removesuffix("\n")

    def usage(self, measured: Mapping[str, int] | None) -> Usage:
        """Return what the turn used; `measured` is the interpreter's part."""
        models = self.models or Usage()
        return models.measured(measured) if measured else models


class Host:
    """Answers a session's asks. It does not hold the session, so that dropping the session ends it."""

    def __init__(
        self,
        llm: object,
        functions: Mapping[str, HostFunction],
        search_paths: Iterable[Path] | None,
        echo: bool,
        shelf: Shelf | None = None,
    ) -> None:
        self._llm = llm
        self._provider: Provider | None = None
        self._shelf = shelf
        self.functions = {**functions, **(shelf.functions if shelf is not None else {})}
        #: Whether the host named the places to search, so that no others are.
        self._own_paths = search_paths is not None
        self.search_paths = list(search_paths or ())
        self.echo = echo
        self.turn: Turn | None = None
        self.lock = threading.Lock()
        self.holder: int | None = None
        self._books = threading.Lock()
        self._models = Usage()
        self._measured = [0, 0, 0, 0]

    @property
    def table(self) -> list[tuple[str, bool]]:
        """The names programs may use, and whether a call is a promise."""
        named = [(name, function.background) for name, function in self.functions.items()]
        return [*named, (CHOOSE, False)]

    def close(self) -> None:
        """Close what programs left open."""
        if self._shelf is not None:
            self._shelf.close()

    @property
    def usage(self) -> Usage:
        """What all turns so far used."""
        steps, peak, printed, asks = self._measured
        return replace(self._models, steps=steps, memory_peak=peak, output_bytes=printed, asks=asks)

    def book(self, measured: Mapping[str, int]) -> None:
        """Add what the interpreter measured for a turn; every call pays for this."""
        total = self._measured
        total[0] += measured["steps"]
        total[1] = max(total[1], measured["memory_peak"])
        total[2] += measured["output_bytes"]
        total[3] += measured["asks"]

    def ask(self, kind: str, payload: dict[str, Any]) -> Any:
        """Answer one ask, or return a future of the answer; an exception becomes the program's failure."""
        answer = _ANSWERS.get(kind)
        if answer is None:
            raise SecurityError(f"the host does not answer {kind!r}")
        asked_by = _asked_by.set((*_asked_by.get(), self.turn) if self.turn is not None else ())
        try:
            return answer(self, payload)
        finally:
            _asked_by.reset(asked_by)

    def output(self, text: str) -> None:
        """Take what the program printed."""
        if self.turn is not None:
            if self.turn.output is None:
                self.turn.output = []
            self.turn.output.append(text)
        if self.echo and sys.stdout is not None:
            sys.stdout.write(text)
            sys.stdout.flush()

    def log(self, level: str, text: str) -> None:
        """Take what the program logged: one line, so that it cannot pass for two."""
        import logging  # noqa: PLC0415 - loaded when a program logs

        number = logging.getLevelName(level.upper())
        logger = logging.getLogger("opendxa.dana.program")
        logger.log(number if isinstance(number, int) else logging.INFO, "%s", text.replace("\n", "\\n"))

    def provider(self) -> Provider:
        """Return the model's provider, found when it is first needed."""
        if self._provider is None:
            from .llm import resolve  # noqa: PLC0415 - loaded when a model is first asked

            self._provider = resolve(self._llm)
        return self._provider

    def _reason(self, payload: dict[str, Any]) -> str | Future[str]:
        """Ask the model. The program never hears from a provider but its answer."""
        from .llm import Mock, Request  # noqa: PLC0415

        turn = self.turn
        question = _Question(self, turn)
        try:
            provider = Mock() if payload["options"].get("use_mock") else self.provider()
        except Exception as error:
            raise question.failed(error) from error
        request = Request.from_ask(payload, deadline=turn.deadline if turn is not None else None)
        if getattr(provider, "instant", False):
            return question.ask(provider, request)
        from . import background  # noqa: PLC0415 - loaded when a model that takes its time is asked

        if iscoroutinefunction(provider.generate) or getattr(provider, "is_async", False):
            return background.schedule(question.ask_async(provider, request))
        if background.is_worker_thread():
            return question.ask(provider, request)
        return background.submit(lambda: question.ask(provider, request))

    def _used(self, turn: Turn | None, usage: Usage) -> None:
        """Book what a model call used."""
        with self._books:
            self._models += usage
            if turn is not None:
                turn.models = turn.models + usage if turn.models is not None else usage

    def _choose_model(self, name: str | None) -> str | list[str]:
        """Resolve a model's name to the closest one there is; without one, list them."""
        from .llm.choice import available, closest  # noqa: PLC0415 - loaded when a program chooses

        try:
            models = available(self.provider())
        except (ResourceError, ModelError):
            models = []
        return models if name is None else closest(name, models)

    def _module(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Find a module's source."""
        from .modules import find, usual_places  # noqa: PLC0415 - loaded with the first import

        places = self.search_paths if self._own_paths else [*self.search_paths, *usual_places()]
        return find(str(payload["name"]), places)

    def _function(self, payload: dict[str, Any]) -> Any:
        """Call a Python function that the host registered."""
        name = payload["name"]
        if name == CHOOSE:
            return self._choose_model(*payload["args"])
        function = self.functions.get(name)
        if function is None:
            raise SecurityError(f"the host registered no function {name!r}")
        call = partial(function.call, *payload.get("args", ()), **payload.get("kwargs", {}))
        if function.background and not is_async(function.call):
            from . import background  # noqa: PLC0415 - see below

            if not background.is_worker_thread():
                return background.submit(lambda: _whole(call()))
        value = call()
        if isawaitable(value):
            from .background import schedule  # noqa: PLC0415 - loaded when something is asynchronous

            return schedule(value)
        return value


class _Question:
    """One question to a model: asked, and its use booked to the turn that asked."""

    def __init__(self, host: Host, turn: Turn | None) -> None:
        self._host = host
        self._turn = turn

    def ask(self, provider: Provider, request: Request) -> str:
        """Ask and wait."""
        from .llm import generate  # noqa: PLC0415

        try:
            return self._answered(generate(provider, request))
        except Exception as error:
            raise self.failed(error) from error

    async def ask_async(self, provider: Provider, request: Request) -> str:
        """Ask a provider that waits without a thread."""
        from .llm.provider import as_response  # noqa: PLC0415

        try:
            answer: Any = provider.generate(request)
            return self._answered(as_response(provider, await answer))
        except Exception as error:
            raise self.failed(error) from error

    def _answered(self, response: Response) -> str:
        self._book(response.attempts - 1, response.input_tokens, response.output_tokens)
        return response.text

    def failed(self, error: Exception) -> ModelError:
        """Book a failure; return what the program is told of it."""
        self._book(
            getattr(error, "attempts", 0),
            getattr(error, "input_tokens", 0),
            getattr(error, "output_tokens", 0),
        )
        return ModelError(WITHHELD)

    def _book(self, failed_attempts: int, input_tokens: int, output_tokens: int) -> None:
        used = Usage(
            model_calls=1,
            failed_attempts=failed_attempts,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )
        self._host._used(self._turn, used)


def _whole(value: Any) -> Any:
    """Wait for what a function on a thread of its own returned, if it is to be awaited."""
    if isawaitable(value):
        from .background import run  # noqa: PLC0415

        return run(value)
    return value


#: Everything a program can get from the host.
_ANSWERS: Final[dict[str, Callable[[Host, dict[str, Any]], Any]]] = {
    "reason": Host._reason,
    "module": Host._module,
    "function": Host._function,
}
