"""`AsyncDana`: a Dana session for asyncio.

Rule: what `Dana` does, without ever holding up the event loop. Functions and models of the host may be sync
or async: coroutines run on the caller's loop, what blocks on threads. One session serves one task at a time,
in order.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from . import options as reason_options
from . import telemetry
from .arguments import Arguments, check, check_variable
from .exceptions import (
    DanaCallError,
    DanaError,
    IsolationUnavailableError,
    LimitExceededError,
    ResourceCallError,
    ResourceError,
    SessionClosedError,
    hides,
)
from .functions import HostFunction, check_count, check_name
from .host import refuse_reentry
from .isolation import IsolationReport
from .limits import USUAL, Limits
from .loop_host import LoopHost
from .models import Models
from .result import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from .async_session import AsyncSession
    from .context import SandboxContext
    from .crossing import Types
    from .description import Description
    from .isolation import IsolationLevel
    from .llm import AsyncLLM, LLMPool, Price, Provider, ReasoningCache
    from .reasoning import ReasoningResult
    from .resources import Resource
    from .result import Usage
    from .types import TypeConverter
    from .wish import Wish

__all__ = ["AsyncDana"]

#: pytest leaves these frames out of the traceback of a Dana error.
__tracebackhide__ = hides
T = TypeVar("T")
Value = TypeVar("Value")


class AsyncDana:
    """One Dana session for asyncio: ``async with AsyncDana(use_subprocess_isolation=True) as d``.

    The arguments are those of `Dana`. The session is opened by ``async with``, by `open`, or by its first
    use, and belongs to the event loop it is opened on; a call from a task of another loop raises
    `RuntimeError`.

    A task that is cancelled while it waits for a call ends the session: its worker is killed at once. Calls
    of several tasks on one session take turns in order; use a session each for tasks that should run at the
    same time.
    """

    def __init__(
        self,
        debug: bool = False,
        use_subprocess_isolation: bool = False,
        enable_imports: bool = False,
        *,
        require_isolation: bool = False,
        isolation: IsolationLevel | str | None = None,
        min_isolation: IsolationLevel | str | None = None,
        harden_speculation: bool = False,
        limits: Limits | None = None,
        llm: Provider | Callable[..., Any] | str | None = None,
        functions: Mapping[str, Callable[..., Any]] | Iterable[Callable[..., Any]] | None = None,
        python_modules: Mapping[str, Iterable[str]] | None = None,
        search_paths: Iterable[str | os.PathLike[str]] | None = None,
        resources: Mapping[str, Resource] | None = None,
        echo: bool = True,
        setup: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
        restart_on_failure: bool = False,
        prices: Mapping[str, Price | tuple[float, float]] | None = None,
        cache: ReasoningCache | bool | None = None,
    ) -> None:
        arguments = Arguments.checked(
            debug=debug,
            use_subprocess_isolation=use_subprocess_isolation,
            enable_imports=enable_imports,
            require_isolation=require_isolation,
            isolation=isolation,
            min_isolation=min_isolation,
            harden_speculation=harden_speculation,
            limits=limits,
            llm=llm,
            functions=functions,
            python_modules=python_modules,
            search_paths=search_paths,
            resources=resources,
            echo=echo,
            setup=setup,
            restart_on_failure=restart_on_failure,
            prices=prices,
            cache=cache,
        )
        if enable_imports:
            raise ValueError(
                "Python's import does not wait: enable_imports=True is for Dana, AsyncDana has none\n"
                "Hint: await execute_file() and call(), or enable the imports of a Dana"
            )
        self._settings = arguments.settings
        self._wish = arguments.wish
        self.limits: Limits = limits if limits is not None else USUAL
        self.models: Models = Models(llm, self.limits, self._settings["prices"], self._settings["cache"])
        #: The names of structs that were defined for Python's types, and the session they were defined in.
        self._defined: tuple[AsyncSession | None, set[str]] = (None, set())
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Lock | None = None
        self._host: LoopHost | None = None
        self._session: AsyncSession | None = None
        self._life: telemetry.Life
        self._closed = False
        self._fallback_reason: str | None = None
        self._types: Types | None = None
        #: Structs of bound classes, by name, and those the session at hand is still to be told of.
        self._definitions: dict[str, str] = {}
        self._undefined: dict[str, str] = {}

    # Opening and closing

    async def open(self) -> AsyncDana:
        """Open the session, if it is not open yet. Raises what `Dana` raises."""
        await self._ready()
        return self

    async def close(self) -> None:
        """End the session, and wait until nothing is left of its worker. Closing twice is no error."""
        self._closed = True
        if self._process != os.getpid():
            return
        self.models.close()
        session, self._session = self._session, None
        if session is not None and self._host is not None:
            self._life.closed()
            await session.close()
            self._host.book(session.session.used)
            if self._settings["kinds"]:
                # Resources may be closed by coroutines of this loop, which must go on meanwhile.
                await asyncio.to_thread(self._host.close)

    async def restart_subprocess(self) -> None:
        """Replace the session by a new one, with its functions and its set-up; its state is lost."""
        self._refuse_closed()
        if self._host is not None:
            refuse_reentry(self._host)
        await self._end()
        await self._ready()

    async def __aenter__(self) -> AsyncDana:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Turns

    async def execute_string(self, source: str, filename: str | None = None) -> ExecutionResult:
        """Run Dana source text; see `Dana.execute_string`. It has no `final_context`: see `snapshot`."""
        check(source, str, "source")
        if filename is not None:
            check(filename, str, "filename")
        _, host = await self._ready()
        host.sources.add_text(filename, source)
        return await self._execute(source, filename)

    async def _execute(self, source: str, filename: str | None) -> ExecutionResult:
        """Run a program whose lines are known to the host's `sources`."""
        session, host = await self._ready()
        value: Any = None
        failure: Exception | None = None
        turn = host.begin_turn(self.limits.wall_time)
        try:
            with telemetry.turn("execute", filename, self._life):
                value, turn.measured = await session.run(source, filename, turn)
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
        )

    async def execute_file(self, path: str | os.PathLike[str]) -> ExecutionResult:
        """Run a Dana file; see `Dana.execute_file`. The file is read on a thread."""
        from pathlib import Path  # noqa: PLC0415 - loaded with the first file

        from .modules import read  # noqa: PLC0415

        if not isinstance(path, os.PathLike):
            check(path, str, "path")
        _, host = await self._ready()
        file = Path(path)
        try:
            source = await asyncio.to_thread(read, file)
        except ResourceError as error:
            failure = ResourceCallError(str(error), error)
            failure.__cause__ = error
            return ExecutionResult(success=False, error=failure)
        place = file.absolute()
        host.search_first(place.parent)
        host.sources.add_file(place.name, str(place))
        return await self._execute(source, place.name)

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a Dana function by name and return its value; a failure raises `DanaCallError`."""
        check(name, str, "name")
        session, _ = await self._ready()
        observer = telemetry.observer
        if observer is not None:
            with observer.turn("call", name, self._life):
                return await session.call(name, args, kwargs)
        try:
            return await session.call(name, args, kwargs)
        except BaseException as error:
            self._life.failed(error)
            raise

    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: type[Value],
        details: Literal[False] = False,
    ) -> Value: ...
    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: type[Value],
        details: Literal[True],
    ) -> ReasoningResult[Value]: ...
    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        details: Literal[True],
    ) -> ReasoningResult[Any]: ...
    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        details: bool = False,
    ) -> Any: ...
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        details: bool = False,
    ) -> Any:
        """Ask the model and return its answer; see `Dana.reason`."""
        check(prompt, str, "prompt")
        if options is not None:
            check(options, dict, "options")
        checked = reason_options.check(options)
        if returns is None and not details:
            return await self._reason(prompt, checked)
        from .typed import Inquiry  # noqa: PLC0415 - loaded when it is asked for

        with self.models.receipt(details) as (name, receipt):
            inquiry = Inquiry(prompt, checked, returns, name)
            await self._define((await self._ready())[0], inquiry.definitions)
            done, value = False, None
            while not done:
                done, value = inquiry.value(await self._reason(*inquiry.arguments))
            return receipt.result(value) if details else value

    async def _reason(self, prompt: str, options: dict[str, Any]) -> Any:
        try:
            return await self.call("reason", prompt, options)
        except LimitExceededError:
            raise
        except DanaCallError as error:
            from .sandbox import prefixed  # noqa: PLC0415 - loaded when something failed

            raise prefixed("Dana reasoning failed: ", error) from error.__cause__

    def get_llm_async(
        self,
        llm: Provider | Callable[..., Any] | str | None = None,
        *,
        pool: LLMPool | None = None,
        prices: Mapping[str, Price | tuple[float, float]] | None = None,
        tokens: int | None = None,
        model_calls: int | None = None,
        cost: float | None = None,
    ) -> AsyncLLM:
        """Return a model for Python code; see `Dana.get_llm`."""
        from .llm.resource import AsyncLLM  # noqa: PLC0415 - loaded when it is asked for

        models = self.models
        return AsyncLLM.of(models, llm, pool, prices, tokens=tokens, model_calls=model_calls, cost=cost)

    async def get(self, name: str) -> Any:
        """Return a variable of the session; ``name`` or ``scope:name``."""
        check_variable(name)
        session, _ = await self._ready()
        with self._life:
            return await session.get(name)

    async def set(self, name: str, value: Any) -> None:
        """Set a variable of the session; ``name`` or ``scope:name``."""
        check_variable(name)
        session, _ = await self._ready()
        with self._life:
            await session.set(name, value)

    async def snapshot(self) -> SandboxContext:
        """Return a copy of the session's variables."""
        from .context import told_by  # noqa: PLC0415 - loaded when it is asked for

        session, _ = await self._ready()
        with self._life:
            return told_by(session.session, await session.snapshot())

    async def describe(self) -> Description:
        """Tell what a program can call here; see `Dana.describe`."""
        from .description import Description, checked  # noqa: PLC0415 - loaded when it is asked for

        session, host = await self._ready()
        with self._life:
            return Description.of(checked(session.session, await session.describe()), host.functions)

    def register(self, name: str, function: Callable[..., Any], *, background: bool | None = None) -> None:
        """Let programs call a Python function by `name`, from the next turn on; see `Dana.register`."""
        check(name, str, "name")
        if not callable(function):
            from .types import format_type_error  # noqa: PLC0415 - loaded when something is wrong

            raise TypeError(format_type_error(function, "callable", "argument 'function'"))
        if background is not None:
            check(background, bool, "background")
        check_name(name, "argument 'name'")
        registered = HostFunction.of(function, background)
        members = self._settings["members"]
        known = dict(self._host.table) if self._host is not None else members
        check_count({**known, name: registered})
        if self._host is not None and self._session is not None:
            self._session.session.register([(name, registered.background)])
            self._host.functions[name] = registered
        members[name] = registered

    def bind(self, python_type: type[T]) -> type[T]:
        """Have structs come back as objects of a class, from the next turn on; see `Dana.bind`."""
        definitions = self._known().bind(python_type)
        self._definitions.update(definitions)
        if self._session is not None:
            self._undefined.update(definitions)
        return python_type

    def register_type(
        self,
        python_type: type[T],
        to_dana: Callable[[T], Any] | TypeConverter,
        *,
        name: str | None = None,
        from_dana: Callable[[dict[str, Any]], T] | None = None,
    ) -> None:
        """Have objects of a class cross in this session; see `opendxa.dana.types.register`."""
        from .types import checked_registration  # noqa: PLC0415 - loaded with the first registration

        self._known().register(*checked_registration(python_type, to_dana, name, from_dana))

    def _known(self) -> Types:
        """Return what the session knows of types."""
        if self._types is None:
            from .crossing import Types  # noqa: PLC0415 - loaded when there are types to know

            self._types = Types()
            if self._session is not None:
                self._session.session.set_types(self._types)
        return self._types

    async def _define(self, session: AsyncSession, definitions: Mapping[str, str]) -> None:
        """Define the structs that the session does not have, once."""
        if self._defined[0] is not session:
            self._defined = (session, set())
        known = self._defined[1]
        new = [name for name in definitions if name not in known]
        missing = [definitions[name] for name in new if not await _has(session, name)]
        if missing:
            await session.run("".join(missing), "<types>", None)
        known.update(new)

    # What is known

    @property
    def is_subprocess_isolated(self) -> bool:
        """Whether a live worker, locked and verified, holds the session at this moment."""
        return self._session is not None and not self._closed and self._session.session.isolated

    @property
    def subprocess_pid(self) -> int | None:
        """The live worker's process id, None when there is none."""
        return self._session.session.pid if self._session is not None else None

    @property
    def isolation(self) -> IsolationReport:
        """Which walls stand round the session, and what proves it."""
        if self._session is None or self._closed:
            return IsolationReport.of_no_session()
        session = self._session.session
        if self._wish is not None and self._fallback_reason is None and not session.alive:
            return IsolationReport.of_no_session().not_isolated("the worker has ended", self._wish.level)
        report = IsolationReport.from_bridge(session.report(), session.pid)
        if self._fallback_reason is None or self._wish is None:
            return report
        return report.not_isolated(self._fallback_reason, self._wish.level)

    @property
    def cache(self) -> ReasoningCache | None:
        """The cache of answers, None when nothing is remembered."""
        return self.models.cache

    @property
    def usage(self) -> Usage:
        """What all turns so far used, tokens of failed attempts included."""
        from .result import Usage  # noqa: PLC0415 - loaded when it is asked for

        if self._host is None:
            return Usage()
        return self._host.usage(self._session.session.used if self._session is not None else None)

    def __repr__(self) -> str:
        isolation = "subprocess-isolated" if self.is_subprocess_isolated else "in-process"
        state = "closed" if self._closed else "open" if self._session is not None else "not open"
        return f"AsyncDana({isolation}, {state})"

    # The session behind it

    async def _ready(self) -> tuple[AsyncSession, LoopHost]:
        """Return the session for a turn, opened when it is first needed."""
        session, host = self._session, self._host
        if session is None or host is None:
            return await self._opened()
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("the AsyncDana session belongs to another event loop: open one on each loop")
        refuse_reentry(host)
        if self._undefined and session.session.alive:
            definitions, self._undefined = self._undefined, {}
            await self._define(session, definitions)
        if self._settings["restart_on_failure"] and not session.session.alive:
            import logging  # noqa: PLC0415 - loaded when something went wrong

            text = "a Dana session is over and is replaced: its state is lost"
            logging.getLogger("opendxa.dana").warning(text, extra={"dana_session": self._life.number})
            await self._end()
            return await self._opened()
        return session, host

    def _refuse_closed(self) -> None:
        if self._process != os.getpid():
            raise SessionClosedError(
                "this session belongs to the process that this one was forked from\n"
                "Hint: create a new AsyncDana after the fork"
            )
        if self._closed:
            raise SessionClosedError("the session was closed\nHint: create a new AsyncDana")

    async def _opened(self) -> tuple[AsyncSession, LoopHost]:
        """Open the session; tasks that come meanwhile wait."""
        self._refuse_closed()
        if self._opening is None:
            self._loop = asyncio.get_running_loop()
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._session is None or self._host is None:
                self._refuse_closed()
                host = self._host or self._new_host()
                with telemetry.Life() as life:
                    session = await self._open(host)
                    try:
                        if self._types is not None:
                            session.session.set_types(self._types)
                        for step in self._settings["setup"]:
                            source, name = await asyncio.to_thread(host.program, step)
                            await session.run(source, name, host.begin_turn(self.limits.wall_time))
                        await self._define(session, self._definitions)
                        self._undefined.clear()
                        self._refuse_closed()  # it may have been closed meanwhile
                    except BaseException:
                        session.drop()
                        raise
                    life.opened(session.session)
                self._life, self._host, self._session = life, host, session
            return self._session, self._host

    def _new_host(self) -> LoopHost:
        settings = self._settings
        shelf = None
        if settings["kinds"]:
            from .resources import Shelf  # noqa: PLC0415 - loaded when there are resources

            shelf = Shelf(settings["kinds"])
        return LoopHost(self.models, settings["members"], settings["search_paths"], settings["echo"], shelf)

    async def _open(self, host: LoopHost) -> AsyncSession:
        """Open a session by the rules of the fall-back."""
        from ._bridge import Session  # noqa: PLC0415 - loaded when a session is opened
        from .async_session import ThreadSession, WorkerSession, starts  # noqa: PLC0415

        wish = self._wish
        self._fallback_reason = None
        if wish is not None:
            try:
                # A thousand starts at once would all be late on a busy machine.
                async with starts():
                    return await WorkerSession.opened(self._spawned(host, wish), self._turn_time())
            except IsolationUnavailableError as error:
                if not wish.falls_back:
                    raise
                self._fallback_reason = str(error).partition("\n")[0]
            from .sandbox import warn_of_fallback  # noqa: PLC0415 - loaded only to report a fall-back

            warn_of_fallback(self._fallback_reason, stacklevel=2)
        return ThreadSession(Session.in_process(**self._face(host)))

    def _turn_time(self) -> float | None:
        """Seconds after which the loop looks whether a turn is late: the turn's or the session's."""
        times = [time for time in (self.limits.wall_time, self.limits.session_time) if time is not None]
        return min(times, default=None)

    def _face(self, host: LoopHost) -> dict[str, Any]:
        return {
            "limits": self.limits.to_dict(),
            "functions": host.table,
            "ask": host.ask,
            "output": host.output,
            "log": host.log,
            "turn": host.begin_turn,
            "failed": host.failed,
        }

    def _spawned(self, host: LoopHost, wish: Wish) -> Any:
        from . import worker  # noqa: PLC0415 - loaded when a worker is wanted
        from ._bridge import Session  # noqa: PLC0415
        from .sandbox import STARTUP_TIMEOUT  # noqa: PLC0415

        return Session.spawn(
            worker.locate(),
            **self._face(host),
            startup_timeout=STARTUP_TIMEOUT,
            level=wish.level.value,
            min_level=wish.least.value,
            harden_speculation=wish.harden_speculation,
            wait=False,
        )

    async def _end(self) -> None:
        """End the session at hand; what it used stays counted."""
        session, self._session = self._session, None
        if session is not None and self._host is not None:
            self._life.closed()
            await session.close()
            self._host.book(session.session.used)


async def _has(session: AsyncSession, name: str) -> bool:
    """Whether a program of the session can name it."""
    try:
        await session.run(name, None, None)
    except DanaCallError:
        return False
    return True
