"""`ClusterSession`: a session on some node of a Ray cluster, for threads.

Rule: what `Dana` does, but for what `differences` lists. Calls wait on the client's own loop; Ctrl-C while
one waits ends the session, and its worker on the node.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from opendxa.dana import options as reason_options
from opendxa.dana.arguments import check, check_variable, folders
from opendxa.dana.exceptions import DanaError, ResourceError, SessionClosedError, hides
from opendxa.dana.modules import read

from . import face
from .core import packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from opendxa.dana.context import SandboxContext
    from opendxa.dana.description import Description
    from opendxa.dana.isolation import IsolationReport
    from opendxa.dana.reasoning import ReasoningResult
    from opendxa.dana.result import ExecutionResult, Usage
    from opendxa.dana.types import TypeConverter

    from .core import Core
    from .loop import ClientLoop

__all__ = ["ClusterSession"]

#: pytest leaves these frames out of the traceback of a Dana error.
__tracebackhide__ = hides
T = TypeVar("T")
Value = TypeVar("Value")


class ClusterSession(face.Face):
    """One session on a node; `DanaCluster.session` makes it, and opens it at once.

    Several threads may use it: their calls take turns. What a program prints arrives with the result, and is
    then written to `sys.stdout` unless ``echo=False``.
    """

    def __init__(self, core: Core, loop: ClientLoop, *, debug: bool, echo: bool, send_code: bool) -> None:
        super().__init__(core, echo=echo, send_code=send_code)
        self._loop = loop
        self._debug = debug
        self._calls = 0
        weakref.finalize(self, loop.soon, core.drop).atexit = False

    def execute_string(self, source: str, filename: str | None = None) -> ExecutionResult:
        """Run Dana source text; see `Dana.execute_string`. Losing the session is a failure like others."""
        return self._execute(self._text(source, filename))

    def execute_file(self, path: str | os.PathLike[str]) -> ExecutionResult:
        """Run a Dana file, which is read here. Modules that it imports are looked for on the node."""
        if not isinstance(path, os.PathLike):
            check(path, str, "path")
        file = Path(path)
        try:
            source = read(file)
        except ResourceError as error:
            return face.unreadable(error)
        return self._execute(self._file(file, source))

    def _execute(self, data: bytes) -> ExecutionResult:
        try:
            return self._executed(self._ask("execute", data), self._snapshot)
        except SessionClosedError:
            raise
        except DanaError as error:
            return face.failed(error)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a Dana function by name and return its value as Python's; a failure raises `DanaCallError`."""
        check(name, str, "name")
        return self._value(self._ask("call", packed(name, *args, **kwargs)))

    @overload
    def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: type[Value],
        details: Literal[False] = False,
    ) -> Value: ...
    @overload
    def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: type[Value],
        details: Literal[True],
    ) -> ReasoningResult[Value]: ...
    @overload
    def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        details: Literal[True],
    ) -> ReasoningResult[Any]: ...
    @overload
    def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        details: bool = False,
    ) -> Any: ...
    def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        details: bool = False,
    ) -> Any:
        """Ask the node's model and return its answer; see `Dana.reason`."""
        check(prompt, str, "prompt")
        if options is not None:
            check(options, dict, "options")
        self._calls += 1
        if self._debug:
            given = sorted(map(str, options or {}))
            print(f"DEBUG: Dana call #{self._calls}: reason({prompt[:80]!r}, options={given})")  # noqa: T201
        question = face.Question(prompt, reason_options.check(options), returns, details)
        try:
            done, answer = False, None
            while not done:
                done, answer = question.answered(self._value(self._ask("reason", question.packed())))
        except (TypeError, DanaError):
            raise
        except Exception as error:
            raise face.unexpected(error) from error
        if self._debug:
            print(f"DEBUG: Dana call #{self._calls} returned {type(answer).__name__}")  # noqa: T201
        return answer

    def register(self, name: str, function: Callable[..., Any], *, background: bool | None = None) -> None:
        """Let programs call a Python function, which runs on the node; see `Dana.register`."""
        self._tell("register", self._registered(name, function, background))

    def bind(self, python_type: type[T]) -> type[T]:
        """Have structs come back as objects of a class, which the node must have too; see `Dana.bind`."""
        self._tell("bind", self._bound(python_type))
        return python_type

    def register_type(
        self,
        python_type: type[T],
        to_dana: Callable[[T], Any] | TypeConverter,
        *,
        name: str | None = None,
        from_dana: Callable[[dict[str, Any]], T] | None = None,
    ) -> None:
        """Have objects of a class cross, converted on the node; see `opendxa.dana.types.register`."""
        self._tell("register_type", self._type(python_type, to_dana, name, from_dana))

    def get(self, name: str) -> Any:
        """Return a variable of the session as a Python value; ``name`` or ``scope:name``."""
        check_variable(name)
        return self._value(self._ask("get", packed(name)))

    def set(self, name: str, value: Any) -> None:
        """Set a variable of the session; ``name`` or ``scope:name``."""
        check_variable(name)
        self._value(self._ask("set", packed(name, value)))

    def restart_subprocess(self) -> None:
        """Replace the session by a new one, on the node with the fewest; the session's state is lost.

        This is also how to go on after `WorkerLostError`.
        """
        self._run(self._core.restart())

    def close(self) -> None:
        """End the session and its worker. Closing twice is no error."""
        if self._process == os.getpid() and not (self._core.closed or self._loop.stopped):
            self._loop.run(self._core.close())

    def set_debug(self, debug: bool) -> None:
        """Switch the printing of ``DEBUG:`` lines."""
        check(debug, bool, "debug")
        self._debug = debug

    @property
    def debug(self) -> bool:
        """Whether calls print ``DEBUG:`` lines."""
        return self._debug

    def list_modules(self, search_paths: Iterable[str | os.PathLike[str]] | None = None) -> list[str]:
        """Return the names of the modules in these folders of the node; see `Dana.list_modules`."""
        paths = None if search_paths is None else [str(path) for path in folders(search_paths)]
        names: list[str] = self._value(self._ask("list_modules", packed(paths)))
        return names

    def describe(self) -> Description:
        """Tell what a program can call here, with signatures; see `Dana.describe`."""
        described: Description = self._value(self._ask("describe", packed()))
        return described

    @property
    def is_subprocess_isolated(self) -> bool:
        """Whether a live worker, locked and verified, holds the session: the node is asked."""
        return self._refreshed() and self._core.status.isolated

    @property
    def subprocess_pid(self) -> int | None:
        """The live worker's process id on its node, None when there is none: the node is asked."""
        return self._core.status.pid if self._refreshed() else None

    @property
    def node_id(self) -> str | None:
        """Ray's id of the session's node, None when it has none (any more)."""
        node = self._core.node
        return node.node_id if node is not None else None

    @property
    def isolation(self) -> IsolationReport:
        """Which walls stand round the session, and what proves it: the node is asked."""
        report = self._core.status.isolation if self._refreshed() else None
        return report if report is not None else self._gone()

    @property
    def usage(self) -> Usage:
        """What all turns so far used, as far as the node could tell."""
        self._refreshed()
        return self._core.status.usage

    def __enter__(self) -> ClusterSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._core.closed else f"node={self.node_id and self.node_id[:12]}"
        return f"ClusterSession({state}, calls={self._calls})"

    def _ask(self, what: str, data: bytes) -> bytes:
        """Do one thing with the session, and wait for it."""
        answer: bytes = self._run(self._core.turn(what, data))
        return answer

    def _tell(self, what: str, data: bytes) -> None:
        self._run(self._core.known(what, data))

    def _run(self, work: Any) -> Any:
        try:
            self._refuse_fork()
        except SessionClosedError:
            work.close()
            raise
        return self._loop.run(work)

    def _refreshed(self) -> bool:
        """Ask the node how the session stands; False when it does not stand any more."""
        if self._process != os.getpid() or self._core.closed or self._core.node is None:
            return False
        try:
            self._value(self._ask("status", packed()))
        except DanaError:
            return False
        return self._core.status.alive

    def _snapshot(self) -> SandboxContext | None:
        """Copy the session's variables, or None when there is no session any more."""
        if not self._refreshed():
            return None
        context: SandboxContext = self._value(self._ask("snapshot", packed()))
        return context
