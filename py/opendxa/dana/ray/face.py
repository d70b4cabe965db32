"""What the session of threads and that of asyncio have in common: arguments checked, answers made.

Rule: what `Dana` says of an argument is said here too, before anything is sent.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from opendxa.dana.arguments import check
from opendxa.dana.exceptions import DanaCallError, DanaError, ResourceCallError, SessionClosedError
from opendxa.dana.functions import check_name
from opendxa.dana.isolation import IsolationReport
from opendxa.dana.models import Receipt
from opendxa.dana.result import ExecutionResult
from opendxa.dana.sources import Sources
from opendxa.dana.tracebacks import complete, dana_part
from opendxa.dana.typed import Inquiry
from opendxa.dana.types import checked_registration, format_type_error

from .core import packed
from .differences import refuse
from .opening import refuse_keys, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opendxa.dana.context import SandboxContext

    from .core import Core
    from .node import Outcome

__all__ = ["Face", "Question"]


class Face:
    """The common half of `ClusterSession` and `AsyncClusterSession`."""

    def __init__(self, core: Core, *, echo: bool, send_code: bool) -> None:
        self._core = core
        self._echo = echo
        self._send_code = send_code
        self._process = os.getpid()
        #: What was run, so that tracebacks show its lines.
        self._sources = Sources()

    def __getattr__(self, name: str) -> NoReturn:
        refuse(type(self).__name__, name)

    def _refuse_fork(self) -> None:
        if self._process != os.getpid():
            raise SessionClosedError(
                "this session belongs to the process that this one was forked from\n"
                "Hint: connect to the Ray cluster after the fork"
            )

    def _text(self, source: str, filename: str | None) -> bytes:
        """Return an execution of text, ready to be sent."""
        check(source, str, "source")
        if filename is not None:
            check(filename, str, "filename")
        self._sources.add_text(filename, source)
        return packed(source, filename)

    def _file(self, path: Path, source: str) -> bytes:
        """Return an execution of a file that was read here."""
        place = path.absolute()
        self._sources.add_file(place.name, str(place))
        return packed(source, place.name)

    def _value(self, data: bytes) -> Any:
        """Return what an answer holds; an error of a program shows the program's lines."""
        try:
            return self._core.read(data)
        except DanaError as error:
            complete(error, self._sources)
            raise

    def _executed(
        self, data: bytes, snapshot: Callable[[], SandboxContext | None] | None = None
    ) -> ExecutionResult:
        """Return the result of an execution; what was printed is written here now."""
        outcome: Outcome = self._value(data)
        if self._echo and outcome.output:
            print(outcome.output)  # noqa: T201 - that is what echo means
        error = outcome.error
        if error is not None:
            complete(error, self._sources)
            error.__traceback__ = dana_part(error.__traceback__)
        return ExecutionResult(
            success=outcome.success,
            result=outcome.result,
            error=error if error is None or isinstance(error, Exception) else None,
            output=outcome.output,
            execution_time=outcome.execution_time,
            _usage=lambda: outcome.usage,
            _snapshot=snapshot,
        )

    def _registered(self, name: str, function: Any, background: bool | None) -> bytes:
        """Return a function that programs may call, ready to be sent."""
        check(name, str, "name")
        if not callable(function) and not isinstance(function, str):
            raise TypeError(format_type_error(function, "callable", "argument 'function'"))
        if background is not None:
            check(background, bool, "background")
        check_name(name, "argument 'name'")
        return self._code(name, sent(function, "argument 'function'", self._send_code), background)

    def _bound(self, python_type: Any) -> bytes:
        """Return a class whose objects structs come back as."""
        if not isinstance(python_type, type):
            raise TypeError(format_type_error(python_type, "class", "argument 'python_type'"))
        return self._code(sent(python_type, "argument 'python_type'", self._send_code))

    def _type(self, python_type: Any, to_dana: Any, name: str | None, from_dana: Any) -> bytes:
        """Return a class and its converters."""
        checked_registration(python_type, to_dana, name, from_dana)
        back = None if from_dana is None else sent(from_dana, "argument 'from_dana'", self._send_code)
        given = sent(to_dana, "argument 'to_dana'", self._send_code)
        python_type = sent(python_type, "argument 'python_type'", self._send_code)
        return self._code(python_type, given, name, back)

    def _code(self, *arguments: Any) -> bytes:
        """Return what may be code, ready to be sent, if no key is in it."""
        data = packed(*arguments)
        refuse_keys(data, "what is registered")
        return data

    def _gone(self) -> IsolationReport:
        """Return the report of a session without a worker."""
        return IsolationReport.of_no_session()


def failed(error: DanaError) -> ExecutionResult:
    """Return the result of an execution that failed before the program could say anything."""
    return ExecutionResult(success=False, error=error)


def unreadable(error: Exception) -> ExecutionResult:
    """Return the result of a file that cannot be read."""
    failure = ResourceCallError(str(error), error)
    failure.__cause__ = error
    return ExecutionResult(success=False, error=failure)


class Question:
    """One `reason`: asked by the node, of a Python type that only this side knows."""

    def __init__(self, prompt: str, options: dict[str, Any], returns: Any, details: bool) -> None:
        self._inquiry = Inquiry(prompt, options, returns, None)
        self._details = details
        self._receipt = Receipt()

    def packed(self) -> bytes:
        """Return it as it is asked now."""
        definitions: Mapping[str, str] = dict(self._inquiry.definitions)
        return packed(*self._inquiry.arguments, definitions, self._details)

    def answered(self, told: tuple[Any, Receipt]) -> tuple[bool, Any]:
        """Return whether an answer is one of the type, and it; otherwise it is to be asked again."""
        answer, receipt = told
        mine = self._receipt
        mine.usage += receipt.usage
        mine.attempts += receipt.attempts
        mine.model, mine.cached = receipt.model, receipt.cached
        done, value = self._inquiry.value(answer)
        return done, mine.result(value) if done and self._details else value


def unexpected(error: Exception) -> DanaCallError:
    """Return the error of a question that failed in a way nobody thought of."""
    return DanaCallError(f"Unexpected error in reasoning: {error}", error)
