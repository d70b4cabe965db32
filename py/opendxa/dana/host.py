"""The host's side of a session: what a program may ask for, and what it prints.

Rule: a program gets only what is in the table `_ANSWERS`, by a name the host registered. What fails here
fails the program at the place that asked; the original exception is kept for the caller.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from .exceptions import DanaCallError, ModelError, ResourceCallError, ResourceError, SecurityError
from .result import Usage
from .types import format_type_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from .llm import Provider

__all__ = ["Host", "Turn", "named_functions"]

#: What a program hears when a model fails: the provider's own text may hold addresses and keys.
WITHHELD: Final = "the model gave no answer; the host was told why"


def refuse_reentry(host: Host) -> None:
    """Refuse what an asked function wants of the session that asks: it would wait for ever."""
    if host.holder == get_ident():
        raise DanaCallError(
            "the session is busy: a function it asked for cannot call back into it\n"
            "Hint: use a second Dana, or return the value instead"
        )


class Turn:
    """One request, from the host's side: what was printed, which models answered, what failed.

    Inside ``with``, the session is this thread's alone. Every call pays for this class, so it is small.
    """

    __slots__ = ("_host", "failure", "models", "output", "started", "wall_time")

    def __init__(self, host: Host, wall_time: float | None) -> None:
        self._host = host
        self.wall_time = wall_time
        self.output: list[str] | None = None
        self.models: Usage | None = None
        #: The last exception that an ask ended with.
        self.failure: Exception | None = None

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

    def explain(self, error: DanaCallError) -> DanaCallError:
        """Attach the host's exception behind a failed ask, when that is what the program failed with."""
        cause, fault = self.failure, error.fault
        if cause is None or fault is None:
            return error
        name = type(cause).__name__
        if fault.kind != name and f"{name}: " not in fault.message and WITHHELD not in fault.message:
            return error  # the program handled that one; this is another
        text = str(error)
        if str(cause) not in text:
            text += f"\nCaused by {name}: {cause}"
        kind = type(error)
        if isinstance(cause, ResourceError) and kind is DanaCallError:
            kind = ResourceCallError
        error = kind(text)
        error.fault = fault
        error.original_error = cause
        error.__cause__ = cause
        return error


class Host:
    """Answers a session's asks. It does not hold the session, so that dropping the session ends it."""

    def __init__(
        self,
        llm: object,
        functions: Mapping[str, Callable[..., Any]],
        search_paths: Iterable[Path] | None,
        echo: bool,
    ) -> None:
        self._llm = llm
        self._provider: Provider | None = None
        self.functions = dict(functions)
        #: Whether the host named the places to search, so that no others are.
        self._own_paths = search_paths is not None
        self.search_paths = list(search_paths or ())
        self.echo = echo
        self.turn: Turn | None = None
        self.lock = threading.Lock()
        self.holder: int | None = None
        self._models = Usage()
        self._measured = [0, 0, 0, 0]

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
        """Answer one ask; an exception becomes the program's failure."""
        try:
            answer = _ANSWERS.get(kind)
            if answer is None:
                raise SecurityError(f"the host does not answer {kind!r}")
            return answer(self, payload)
        except Exception as error:
            if self.turn is not None and (
                error.__cause__ is None or self.turn.failure is not error.__cause__
            ):
                self.turn.failure = error
            raise

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
        """Take what the program logged."""
        import logging  # noqa: PLC0415 - loaded when a program logs

        number = logging.getLevelName(level.upper())
        logger = logging.getLogger("opendxa.dana.program")
        logger.log(number if isinstance(number, int) else logging.INFO, "%s", text)

    def provider(self) -> Provider:
        """Return the model's provider, found when it is first needed."""
        if self._provider is None:
            from .llm import resolve  # noqa: PLC0415 - loaded when a model is first asked

            self._provider = resolve(self._llm)
        return self._provider

    def _reason(self, payload: dict[str, Any]) -> str:
        """Ask the model. The program never hears from a provider but its answer."""
        from .llm import Mock, Request, generate  # noqa: PLC0415

        turn = self.turn
        provider = Mock() if payload["options"].get("use_mock") else self.provider()
        request = Request.from_ask(payload, deadline=turn.deadline if turn is not None else None)
        failed_attempts, tokens = 1, (0, 0)
        try:
            response = generate(provider, request)
            failed_attempts = response.attempts - 1
            tokens = (response.input_tokens, response.output_tokens)
        except Exception as error:
            failed_attempts = getattr(error, "attempts", 0)
            tokens = (getattr(error, "input_tokens", 0), getattr(error, "output_tokens", 0))
            if turn is not None:
                turn.failure = error
            raise ModelError(WITHHELD) from error
        finally:
            used = Usage(
                model_calls=1,
                failed_attempts=failed_attempts,
                input_tokens=tokens[0],
                output_tokens=tokens[1],
            )
            self._used(used)
        return response.text

    def _used(self, usage: Usage) -> None:
        """Book what a model call used."""
        self._models += usage
        if self.turn is not None:
            self.turn.models = self.turn.models + usage if self.turn.models is not None else usage

    def _module(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Find a module's source."""
        from .modules import find, usual_places  # noqa: PLC0415 - loaded with the first import

        places = self.search_paths if self._own_paths else [*self.search_paths, *usual_places()]
        return find(str(payload["name"]), places)

    def _function(self, payload: dict[str, Any]) -> Any:
        """Call a Python function that the host registered."""
        function = self.functions.get(payload["name"])
        if function is None:
            raise SecurityError(f"the host registered no function {payload['name']!r}")
        return function(*payload.get("args", ()), **payload.get("kwargs", {}))


#: Everything a program can get from the host.
_ANSWERS: Final[dict[str, Callable[[Host, dict[str, Any]], Any]]] = {
    "reason": Host._reason,
    "module": Host._module,
    "function": Host._function,
}


def named_functions(functions: object) -> dict[str, Callable[..., Any]]:
    """Return functions by name, from a mapping or from functions that have names."""
    if functions is None:
        return {}
    if not isinstance(functions, dict):
        try:
            functions = {item.__name__: item for item in functions}  # type: ignore[attr-defined]
        except (TypeError, AttributeError):
            raise TypeError(
                format_type_error(functions, "dict or functions", "argument 'functions'")
            ) from None
    for name, function in functions.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"a function's name must be an identifier, got {name!r} at argument 'functions'")
        if not callable(function):
            raise TypeError(format_type_error(function, "callable", f"argument 'functions[{name!r}]'"))
    return dict(functions)
