"""A session behind one interface, in a worker process or in the host process.

Rule: both kinds run the same code; they differ only in how the session is opened. What
`is_subprocess_isolated` says is read from the live worker at that moment, never remembered.
"""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from . import options as reason_options
from . import telemetry
from .exceptions import (
    DanaCallError,
    DanaError,
    IsolationUnavailableWarning,
    LimitExceededError,
    ResourceCallError,
    ResourceError,
    SessionClosedError,
    hides,
)
from .functions import HostFunction, check_count, check_name, named_functions
from .host import Host, asked_by, refuse_reentry
from .isolation import IsolationLevel, IsolationReport
from .limits import USUAL, Limits
from .models import Models
from .result import ExecutionResult, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ._bridge import Function, Session
    from .context import SandboxContext
    from .crossing import Types
    from .llm.cache import ReasoningCache
    from .resources import Resource
    from .wish import Wish

__all__ = [
    "SUBPROCESS_ISOLATION_CONFIG",
    "InProcessSandboxInterface",
    "SandboxInterface",
    "SubprocessSandboxInterface",
]

#: pytest leaves these frames out of the traceback of a Dana error.
__tracebackhide__ = hides

#: Seconds a worker may take until it stands locked and verified.
STARTUP_TIMEOUT = 10.0
#: What holds for isolated sessions unless something else is said; to be read, not to be changed.
SUBPROCESS_ISOLATION_CONFIG: Final[Mapping[str, bool | int | float | str | None]] = MappingProxyType(
    {
        "enabled": True,
        "default_timeout": Limits().wall_time,
        "restart_on_failure": False,
        "max_restart_attempts": 0,
        "subprocess_startup_timeout": STARTUP_TIMEOUT,
        "communication_protocol": "messagepack",
        "max_memory_mb": (Limits().memory or 0) // 2**20,
    }
)


@runtime_checkable
class SandboxInterface(Protocol):
    """What every kind of session offers."""

    def reason(self, prompt: str, options: dict[str, Any] | None = None) -> Any:
        """Ask the model; see `Dana.reason`."""

    def execute_function(
        self, func_name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a Dana function by name."""

    def exec_module(self, file_path: str | Path) -> ExecutionResult:
        """Execute a Dana file."""
        ...

    def close(self) -> None:
        """End the session."""


class _SessionInterface:
    """One session and the host's side of it. Calls from several threads take turns.

    `members` are what `python_modules.named_members` returns.
    """

    def __init__(
        self,
        debug: bool = False,
        *,
        limits: Limits | None = None,
        llm: object = None,
        functions: Mapping[str, Callable[..., Any]] | Iterable[Callable[..., Any]] | None = None,
        members: Mapping[str, HostFunction] | None = None,
        kinds: Mapping[str, Resource] | None = None,
        search_paths: Iterable[Path] | None = None,
        echo: bool = True,
        setup: Iterable[str | Path] = (),
        restart_on_failure: bool = False,
        busy_wait: float | None = None,
        prices: Mapping[str, Any] | None = None,
        cache: ReasoningCache | None = None,
    ) -> None:
        self.debug = debug
        self._busy_wait = busy_wait
        self._setup = list(setup)
        self._restart_on_failure = restart_on_failure
        self.limits: Limits = limits if limits is not None else USUAL
        shelf = None
        if kinds:
            from .resources import Shelf  # noqa: PLC0415 - loaded when there are resources

            shelf = Shelf(kinds)
        named = {**named_functions(functions), **(members or {})} if functions or members else {}
        self._host = Host(Models(llm, self.limits, prices, cache), named, search_paths, echo, shelf)
        #: The names of structs that were defined for Python's types, and the session they were defined in.
        self._defined: tuple[Session | None, set[str]] = (None, set())
        if self._host.functions:
            check_count(dict(self._host.table))
        self._session: Session | None = None
        self._types: Types | None = None
        #: Structs of bound classes, by name.
        self._definitions: dict[str, str] = {}
        self._life: telemetry.Life
        self._closed = False
        self._process = os.getpid()

    def _open(self) -> Session:
        """Open the session."""
        raise NotImplementedError

    @property
    def is_subprocess_isolated(self) -> bool:
        """Whether a live, verified worker of this process holds the session, read at this moment."""
        return self._session is not None and not self._closed and self._session.isolated

    @property
    def subprocess_pid(self) -> int | None:
        """The live worker's process id, None when there is none."""
        session = self._session
        return session.pid if session is not None and not self._closed and session.alive else None

    @property
    def usage(self) -> Usage:
        """What all turns so far used."""
        session = self._session
        return self._host.usage(session.used if session is not None else None)

    @property
    def isolation(self) -> IsolationReport:
        """Which walls stand round the session, and what proves it."""
        if self._closed:
            return IsolationReport.of_no_session()
        return IsolationReport.from_bridge(self._live().report(), None)

    def execute_string(self, source: str, filename: str | None = None) -> ExecutionResult:
        """Run Dana source text. A failure is returned, not raised; the session's state stays."""
        self._host.sources.add_text(filename, source)
        return self._execute(source, filename)

    def _execute(self, source: str, filename: str | None) -> ExecutionResult:
        """Run a program whose lines are known to the host's `sources`."""
        session = self._ready()
        value: Any = None
        failure: Exception | None = None
        turn = self._host.begin_turn(self.limits.wall_time)
        try:
            with telemetry.turn("execute", filename, self._life):
                value, turn.measured = session.run(source, filename, None, turn)
        except SessionClosedError:
            raise
        except DanaError as error:
            from .tracebacks import dana_part  # noqa: PLC0415 - loaded when something failed

            failure = error.with_traceback(dana_part(error.__traceback__))
            if isinstance(error, DanaCallError):
                turn.measured = error.measured
        return ExecutionResult(
            success=failure is None,
            result=value,
            error=failure,
            output=turn.text(),
            execution_time=turn.seconds,
            _usage=turn.usage,
            _snapshot=self._snapshot,
        )

    def execute_file(self, path: str | os.PathLike[str]) -> ExecutionResult:
        """Run a Dana file; its directory is searched first for modules, from now on."""
        from pathlib import Path  # noqa: PLC0415 - loaded with the first file

        from .modules import read  # noqa: PLC0415

        self._live()
        file = Path(path)
        try:
            source = read(file)
        except ResourceError as error:
            failure = ResourceCallError(str(error), error)
            failure.__cause__ = error
            return ExecutionResult(success=False, error=failure, _snapshot=self._snapshot)
        path = file.absolute()
        self._host.search_first(path.parent)
        self._host.sources.add_file(path.name, str(path))
        return self._execute(source, path.name)

    def exec_module(self, file_path: str | os.PathLike[str]) -> ExecutionResult:
        """Run a Dana file; a failure is raised as `DanaCallError`."""
        result = self.execute_file(file_path)
        if result.error is not None:
            if isinstance(result.error, LimitExceededError | ResourceCallError):
                raise result.error
            if not isinstance(result.error, DanaCallError):
                raise result.error
            raise prefixed("Dana module execution failed: ", result.error)
        return result

    def execute_function(
        self, func_name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a Dana function by name with Python values; return its value."""
        session = self._session
        # Every call pays for these lines: what is rare is looked at elsewhere.
        if session is None or self._restart_on_failure or asked_by():
            session = self._ready()
        observer = telemetry.observer
        if observer is not None:
            with observer.turn("call", func_name, self._life):
                return session.call(func_name, args, kwargs)
        try:
            return session.call(func_name, args, kwargs)
        except BaseException as error:
            self._life.failed(error)
            raise

    def reason(self, prompt: str, options: dict[str, Any] | None = None) -> Any:
        """Ask the model; the program's own `reason` builds the question and reads the answer."""
        return self._reason(prompt, reason_options.check(options))

    def _reason(self, prompt: str, options: dict[str, Any]) -> Any:
        try:
            return self.execute_function("reason", (prompt, options))
        except LimitExceededError:
            raise
        except DanaCallError as error:
            raise prefixed("Dana reasoning failed: ", error) from error.__cause__

    def inquire(self, prompt: str, options: dict[str, Any] | None, returns: Any, details: bool) -> Any:
        """Ask the model for an answer of a Python type, or for what is known of the answer besides."""
        from .typed import Inquiry  # noqa: PLC0415 - loaded when it is asked for

        checked = reason_options.check(options)
        with self._host.models.receipt(details) as (name, receipt):
            inquiry = Inquiry(prompt, checked, returns, name)
            self._define(self._ready(), inquiry.definitions)
            done, value = False, None
            while not done:
                done, value = inquiry.value(self._reason(*inquiry.arguments))
            return receipt.result(value) if details else value

    @property
    def models(self) -> Models:
        """Who answers the session's questions, and what they may cost."""
        return self._host.models

    @property
    def cache_enabled(self) -> bool:
        """Whether answers of models are remembered."""
        return self._host.models.cache is not None

    def get_cache_stats(self) -> dict[str, Any] | None:
        """Return the cache's figures, None when there is no cache."""
        cache = self._host.models.cache
        return cache.get_stats() if cache is not None else None

    def get_cache_info(self) -> str:
        """Return the cache's figures as a line of text."""
        cache = self._host.models.cache
        return cache.get_cache_info() if cache is not None else "ReasoningCache(disabled)"

    def clear_cache(self) -> None:
        """Forget the answers this session sees, and the figures."""
        view = self._host.models.view
        if view is not None:
            view.clear()

    def get(self, name: str) -> Any:
        """Return a variable of the session; ``name`` or ``scope:name``."""
        session = self._ready()
        with self._life:
            return session.get(name)

    def set(self, name: str, value: Any) -> None:
        """Set a variable of the session; ``name`` or ``scope:name``."""
        session = self._ready()
        with self._life:
            session.set(name, value)

    def describe(self, module: str | None = None, again: bool = False) -> dict[str, Any]:
        """Return what can be called in the session, or in a module, which is imported first.

        `again` runs a module that was imported before once more.
        """
        from .description import checked  # noqa: PLC0415 - loaded with the first module

        session = self._ready()
        turn = self._host.begin_turn(self.limits.wall_time)
        with telemetry.turn("import" if module else "describe", module, self._life):
            return checked(session, session.describe(module, again, None, turn), of_module=module is not None)

    def execute_handle(
        self, name: str, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call a Dana function that the session gave out; `name` is what operators see: not what it says."""
        self._ready()
        with telemetry.turn("call", name, self._life):
            return function(*args, **kwargs)

    def close(self) -> None:
        """End the session and, when it has one, its worker. Closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        self._end()
        if self._process == os.getpid():
            self._host.close()
            self._host.models.close()

    def register(self, name: str, function: Callable[..., Any], background: bool | None = None) -> None:
        """Let programs call a Python function, from the next turn on; see `Dana.register`."""
        host = self._host
        where = "argument 'name'"
        check_name(name, where)
        registered = HostFunction.of(function, background)
        check_count({**dict(host.table), name: registered})
        if self._session is not None and not self._closed:
            self._session.register([(name, registered.background)])
        host.functions[name] = registered

    def bind(self, python_type: type) -> None:
        """Have structs come back as objects of a class; see `Dana.bind`."""
        definitions = self._known().bind(python_type)
        self._definitions.update(definitions)
        if self._session is not None and not self._closed:
            self._define(self._ready(), definitions)

    def register_type(self, python_type: type, *how: Any) -> None:
        """Have objects of a class cross; see `opendxa.dana.types.register`."""
        self._known().register(python_type, *how)

    def _known(self) -> Types:
        """Return what the session knows of types."""
        if self._types is None:
            from .crossing import Types  # noqa: PLC0415 - loaded when there are types to know

            self._types = Types()
            if self._session is not None and not self._closed:
                self._session.set_types(self._types)
        return self._types

    def _define(self, session: Session, definitions: Mapping[str, str]) -> None:
        """Define the structs that the session does not have, once."""
        if self._defined[0] is not session:
            self._defined = (session, set())
        known = self._defined[1]
        new = [name for name in definitions if name not in known]
        missing = [definitions[name] for name in new if not _has(session, name)]
        if missing:
            session.run("".join(missing), "<types>")
        known.update(new)

    def restart_subprocess(self) -> None:
        """End the session and open a new one; its state is lost, what it used stays counted."""
        if self._closed:
            raise SessionClosedError("the session was closed\nHint: create a new Dana")
        refuse_reentry(self._host)
        self._end()
        self._live()

    def _end(self) -> None:
        """End the session at hand; what it used stays counted."""
        session, self._session = self._session, None
        if session is not None and self._process == os.getpid():
            self._life.closed()
            session.close()
            self._host.book(session.used)

    @property
    def ended(self) -> bool:
        """Whether the session is over, by `close` or by what happened in it (a limit, the worker's end)."""
        return self._closed or (self._session is not None and not self._session.alive)

    def _ready(self) -> Session:
        """Return the session for a turn."""
        refuse_reentry(self._host)
        return self._live()

    def _live(self) -> Session:
        """Return the session, opened when it is first needed."""
        if self._process != os.getpid():
            raise SessionClosedError(
                "this session belongs to the process that this one was forked from\n"
                "Hint: create a new Dana after the fork"
            )
        if self._closed:
            raise SessionClosedError("the session was closed\nHint: create a new Dana")
        if self._restart_on_failure and self._session is not None and not self._session.alive:
            self._replace()
        if self._session is None:
            with self._host.lock:
                if self._session is None:
                    with telemetry.Life() as life:
                        session = life.opened(self._prepared(self._open()))
                    self._life, self._session = life, session
        return self._session

    def _replace(self) -> None:
        """Let go of a session that is over, so that a new one takes its place."""
        import logging  # noqa: PLC0415 - loaded when something went wrong

        text = "a Dana session is over and is replaced: its state is lost"
        logging.getLogger("opendxa.dana").warning(text, extra={"dana_session": self._life.number})
        self._end()

    def _prepared(self, session: Session) -> Session:
        """Run the set-up in a new session; a failure of it is the failure to open the session."""
        try:
            if self._types is not None:
                session.set_types(self._types)
            for step in self._setup:
                session.run(*self._host.program(step), None, self._host.begin_turn(self.limits.wall_time))
            self._define(session, self._definitions)
        except BaseException:
            session.close()
            raise
        return session

    def _snapshot(self) -> SandboxContext | None:
        """Copy the session's variables, or None when there is no session any more."""
        from .context import told_by  # noqa: PLC0415 - loaded when it is asked for

        session = self._session
        if session is None or self._closed or not session.alive:
            return None
        return told_by(session, session.snapshot())


def _has(session: Session, name: str) -> bool:
    """Whether a program of the session can name it."""
    try:
        session.run(name)
    except DanaCallError:
        return False
    return True


class InProcessSandboxInterface(_SessionInterface):
    """A session inside the host process, opened when first used. It is not a sandbox and never says it is."""

    def _open(self) -> Session:
        from ._bridge import Session  # noqa: PLC0415 - loaded when a session is opened

        host = self._host
        return Session.in_process(
            limits=self.limits.to_dict(),
            functions=host.table,
            ask=host.ask,
            output=host.output,
            log=host.log,
            turn=host.begin_turn,
            failed=host.failed,
        )


class SubprocessSandboxInterface(_SessionInterface):
    """A session in a locked worker process of its own, opened at once.

    Raises `IsolationUnavailableError` when no sandbox can be had; whether to go on without one is not decided
    here. Raises `ResourceError` when the installation or the host is at fault: the worker program is missing,
    unfit or of another build, or descriptors have run out.
    """

    def __init__(
        self,
        debug: bool = False,
        *,
        wish: Wish | None = None,
        startup_timeout: float = STARTUP_TIMEOUT,
        **settings: Any,
    ) -> None:
        super().__init__(debug, **settings)
        from .wish import Wish  # noqa: PLC0415 - loaded when a worker is wanted

        level, least = IsolationLevel.LANDLOCKED, IsolationLevel.FILTERED
        self._wish = wish if wish is not None else Wish(level, least, falls_back=False)
        self._startup_timeout = startup_timeout
        self._live()

    @property
    def isolation(self) -> IsolationReport:
        """Which walls stand round the session, and what proves it."""
        if self._closed:
            return IsolationReport.of_no_session()
        session = self._live()
        if not session.alive:
            return IsolationReport.of_no_session().not_isolated("the worker has ended", self._wish.level)
        return IsolationReport.from_bridge(session.report(), session.pid)

    def _open(self) -> Session:
        from . import worker  # noqa: PLC0415 - loaded when a session is opened
        from ._bridge import Session  # noqa: PLC0415

        host = self._host
        return Session.spawn(
            worker.locate(),
            limits=self.limits.to_dict(),
            functions=host.table,
            ask=host.ask,
            output=host.output,
            log=host.log,
            turn=host.begin_turn,
            failed=host.failed,
            startup_timeout=self._startup_timeout,
            level=self._wish.level.value,
            min_level=self._wish.least.value,
            harden_speculation=self._wish.harden_speculation,
            busy_wait=self._busy_wait,
        )


def warn_of_fallback(reason: str, stacklevel: int) -> None:
    """Say loudly that a session is not isolated."""
    import logging  # noqa: PLC0415 - loaded only to report a fall-back
    import warnings  # noqa: PLC0415

    text = f"the Dana session is NOT isolated and runs inside this process: {reason}"
    logging.getLogger("opendxa.dana").warning(text, extra={"dana_reason": reason})
    warnings.warn(text, IsolationUnavailableWarning, stacklevel=stacklevel + 1)


def prefixed(prefix: str, error: DanaCallError) -> DanaCallError:
    """Return the same error with a text that starts with `prefix`; it takes the other's place."""
    from .tracebacks import dana_part  # noqa: PLC0415 - loaded when something failed

    told = type(error)(f"{prefix}{error}", error.original_error or error)
    told.fault, told.measured = error.fault, error.measured
    told.__cause__ = error.__cause__
    return told.with_traceback(dana_part(error.__traceback__))
