"""The host's side of a session: what a program may ask for, and what it prints.

Rule: a program gets only what is in the table `_ANSWERS`, by a name the host registered. What fails here
fails the program at the place that asked; the original exception is kept for the caller.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from inspect import isawaitable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from . import telemetry
from .exceptions import WITHHELD, ModelError, ModelLimitError, ResourceError, SecurityError, from_reentry
from .functions import HostFunction
from .models import RECEIPT
from .result import Usage
from .sources import Sources

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from .llm import Provider, Response
    from .llm.asking import Asking
    from .models import Models, Receipt
    from .resources import Shelf

__all__ = ["Host", "Turn", "printing"]

Value = TypeVar("Value")

#: The name under which the language's own `set_model` asks.
CHOOSE: Final = "set_model"

#: The turns that the running code answers for: using their sessions would wait for ever.
_asked_by: ContextVar[tuple[Turn, ...]] = ContextVar("dana_asked_by", default=())


#: Who besides the result hears what programs print that are begun in this context.
_listener: ContextVar[Callable[[str], None] | None] = ContextVar("dana_listener", default=None)


@contextmanager
def printing(listener: Callable[[str], None]) -> Iterator[None]:
    """Have a function hear what programs print, piece by piece, that are begun in this context meanwhile.

    It is called where the session is heard: on the event loop, or on another thread.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


#: Returns them; empty for code that no program asked for.
asked_by: Callable[[], tuple[Turn, ...]] = _asked_by.get


def refuse_reentry(host: Host) -> None:
    """Refuse what an asked function wants of the session that asks: it would wait for ever."""
    if any(turn.host is host and not turn.over for turn in _asked_by.get()):
        raise from_reentry()


class Turn:
    """One request that prints or asks, from the host's side: what was printed, and which models answered.

    The session makes one when the first of these happens; most calls never have one.
    """

    __slots__ = ("deadline", "host", "measured", "models", "output", "over", "started")

    def __init__(self, host: Host, left: float | None) -> None:
        self.host: Host = host
        self.started: float = monotonic()
        #: When the turn ends, by `time.monotonic`; None for never.
        self.deadline: float | None = None if left is None else self.started + left
        #: Set by the session when the turn has ended.
        self.over: bool = False
        self.output: list[str] = []
        self.models: Usage | None = None
        #: The interpreter's part of what it used, when it told.
        self.measured: Mapping[str, int] | None = None

    @property
    def seconds(self) -> float:
        """Seconds since the turn began."""
        return monotonic() - self.started

    def text(self) -> str:
        """Return what was printed, without the last line's newline."""
        return "".join(self.output).removesuffix("\n")

    def usage(self) -> Usage:
        """Return what the turn used."""
        models = self.models or Usage()
        return models.measured(self.measured) if self.measured else models


class Host:
    """Answers a session's asks. It does not hold the session, so that dropping the session ends it."""

    def __init__(
        self,
        models: Models,
        functions: Mapping[str, HostFunction],
        search_paths: Iterable[Path] | None,
        echo: bool,
        shelf: Shelf | None = None,
    ) -> None:
        self._shelf = shelf
        self.functions: dict[str, HostFunction] = {
            **functions,
            **(shelf.functions if shelf is not None else {}),
        }
        #: Whether the host named the places to search, so that no others are.
        self._own_paths = search_paths is not None
        self.search_paths: list[Path] = list(search_paths or ())
        self.echo = echo
        #: What programs were given to run, for those who look at their errors.
        self.sources: Sources = Sources()
        #: Which models answer, and what they may cost.
        self.models = models
        #: Held while the session is opened.
        self.lock: threading.Lock = threading.Lock()
        self._books = threading.Lock()
        self._measured = Usage()
        #: What the last session that ended used: most hosts have one session, and nobody asks.
        self._last: Mapping[str, int] = {}

    @property
    def table(self) -> list[tuple[str, bool]]:
        """The names programs may use, and whether a call is a promise."""
        named = [(name, function.background) for name, function in self.functions.items()]
        return [*named, (CHOOSE, False)]

    def close(self) -> None:
        """Close what programs left open."""
        if self._shelf is not None:
            self._shelf.close(self._finish)

    def _finish(self, closing: Awaitable[Any], timeout: float) -> None:
        """Wait for an asynchronous close."""
        from .background import run  # noqa: PLC0415 - loaded when something is asynchronous

        run(closing, timeout)

    def program(self, step: str | Path) -> tuple[str, str]:
        """Return a program of the set-up, and its name."""
        if isinstance(step, str):
            self.sources.add_text("<setup>", step)
            return step, "<setup>"
        from .modules import read  # noqa: PLC0415 - loaded with the first file

        self.search_first(step.parent)
        self.sources.add_file(step.name, str(step))
        return read(step), step.name

    def places(self) -> list[Path]:
        """Return the folders below which modules are looked for, first things first."""
        if self._own_paths:
            return list(self.search_paths)
        from .modules import usual_places  # noqa: PLC0415 - loaded with the first import

        return [*self.search_paths, *usual_places()]

    def search_first(self, folder: Path) -> None:
        """Have modules looked for in this folder before others."""
        if folder in self.search_paths:
            self.search_paths.remove(folder)
        self.search_paths.insert(0, folder)

    def usage(self, measured: Mapping[str, int] | None) -> Usage:
        """Return what all turns so far used; `measured` is what the session at hand tells."""
        used = self.models.used + self._measured + Usage(**self._last)
        return used + Usage(**measured) if measured else used

    def book(self, measured: Mapping[str, int]) -> None:
        """Keep what a session used that ends here."""
        if self._last:
            self._measured += Usage(**self._last)
        self._last = measured

    def begin_turn(self, left: float | None) -> Turn:
        """Make an object for a turn that may take `left` seconds more; None for no limit."""
        return Turn(self, left)

    def ask(self, turn: Turn, kind: str, payload: dict[str, Any]) -> Any:
        """Answer one ask, or return a future of the answer; an exception becomes the program's failure."""
        answer = _ANSWERS.get(kind)
        if answer is None:
            raise SecurityError(f"the host does not answer {kind!r}")
        asked_by = _asked_by.set((*_asked_by.get(), turn))
        try:
            observer = telemetry.observer
            if observer is not None:
                name = self._known(payload) if kind == "function" else None
                return observer.ask(kind, name, partial(answer, self, turn, payload))
            return answer(self, turn, payload)
        finally:
            _asked_by.reset(asked_by)

    def _known(self, payload: dict[str, Any]) -> str | None:
        """Return the name of a function that is asked for, if the host registered it."""
        name: str = payload["name"]
        return name if name in self.functions or name == CHOOSE else None

    def failed(self, error: BaseException) -> None:
        """Complete the error of a turn: its traceback shows the lines of the program."""
        from .tracebacks import complete  # noqa: PLC0415 - loaded when something failed

        complete(error, self.sources)

    def output(self, turn: Turn, text: str) -> None:
        """Take what the program printed."""
        turn.output.append(text)
        listener = _listener.get()
        if listener is not None:
            listener(text)
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
        return self.models.provider()

    def _reason(self, turn: Turn, payload: dict[str, Any]) -> str | Future[str]:
        """Ask the model. The program never hears from a provider but its answer."""
        from .llm import Mock, Request  # noqa: PLC0415 - loaded when a model is first asked
        from .llm.asking import Asking  # noqa: PLC0415
        from .llm.asking import is_async as is_awaited  # noqa: PLC0415

        options = payload["options"]
        name = options.pop(RECEIPT, None)
        receipt = self.models.receipts.get(name) if isinstance(name, str) else None
        request, models = Request.from_ask(payload, deadline=turn.deadline), self.models
        try:
            provider = Mock() if options.get("use_mock") else self.provider()
            asking = Asking(provider, request, models.ledger, models.view)
        except Exception as error:
            raise ModelError(WITHHELD) from error
        question = _Question(self, turn, receipt, asking)
        if getattr(provider, "instant", False):
            return question.ask()
        if is_awaited(provider):
            return self._schedule(question.ask_async())
        return self._elsewhere(question.ask)

    def _schedule(self, awaitable: Awaitable[Value]) -> Future[Value]:
        """Have something awaited while the program goes on."""
        from .background import schedule  # noqa: PLC0415 - loaded when something is asynchronous

        return schedule(awaitable)

    def _elsewhere(self, work: Callable[[], Value]) -> Value | Future[Value]:
        """Have something done on another thread, unless this one is there for that."""
        from . import background  # noqa: PLC0415 - loaded when something takes its time

        return work() if background.is_worker_thread() else background.submit(work)

    def _used(self, turn: Turn, usage: Usage) -> None:
        """Book what a model call used to the turn that asked."""
        with self._books:
            turn.models = turn.models + usage if turn.models is not None else usage

    def _choose_model(self, name: str | None) -> str | list[str]:
        """Resolve a model's name to the closest one there is; without one, list them."""
        from .llm.choice import available, check_name, closest  # noqa: PLC0415 - loaded when a program chooses

        if name is not None:
            check_name(name)
        try:
            models = available(self.provider())
        except (ResourceError, ModelError):
            models = []
        return models if name is None else closest(name, models)

    def _module(self, _turn: Turn, payload: dict[str, Any]) -> dict[str, Any]:
        """Find a module's source."""
        from .modules import find  # noqa: PLC0415 - loaded with the first import

        return find(str(payload["name"]), self.places(), self.sources.add_file)

    def _function(self, _turn: Turn, payload: dict[str, Any]) -> Any:
        """Call a Python function that the host registered."""
        name = payload["name"]
        if name == CHOOSE:
            return self._choose_model(*payload["args"])
        function = self.functions.get(name)
        if function is None:
            raise SecurityError(f"the host registered no function {name!r}")
        call = partial(function.call, *payload.get("args", ()), **payload.get("kwargs", {}))
        if function.background and not function.is_async:
            return self._elsewhere(lambda: self._whole(call()))
        value = call()
        return self._schedule(value) if isawaitable(value) else value

    def _whole(self, value: Any) -> Any:
        """Wait for what a function on a thread of its own returned, if it is to be awaited."""
        return self._schedule(value).result() if isawaitable(value) else value


class _Question:
    """One question of a program to a model: what it used is booked to the turn that asked."""

    def __init__(self, host: Host, turn: Turn, receipt: Receipt | None, asking: Asking) -> None:
        self._host = host
        self._turn = turn
        self._receipt = receipt
        self._asking = asking

    def ask(self) -> str:
        """Ask and wait."""
        response: Response | None = None
        try:
            response = self._asking.ask()
            return response.text
        except ModelLimitError:
            raise
        except Exception as error:
            raise ModelError(WITHHELD) from error
        finally:
            self._book(response)

    async def ask_async(self) -> str:
        """Ask a provider that waits without a thread."""
        response: Response | None = None
        try:
            response = await self._asking.ask_async()
            return response.text
        except ModelLimitError:
            raise
        except Exception as error:
            raise ModelError(WITHHELD) from error
        finally:
            self._book(response)

    def _book(self, response: Response | None) -> None:
        used = self._asking.used
        self._host._used(self._turn, used)
        if self._receipt is not None:
            self._receipt.note(used, response)


#: Everything a program can get from the host.
_ANSWERS: Final[dict[str, Callable[[Host, Turn, dict[str, Any]], Any]]] = {
    "reason": Host._reason,
    "module": Host._module,
    "function": Host._function,
}
