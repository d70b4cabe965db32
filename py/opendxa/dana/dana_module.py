"""`Dana`: what a Python program holds of a Dana session.

Rule: arguments are checked here, with errors that name them; everything else is the session's. Whether the
session is isolated is decided here once, when it is opened, and told loudly when it is not what was asked
for. Sessions and what they need are loaded when the first one opens: importing this stays cheap.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from .arguments import Arguments, check, check_variable
from .exceptions import (
    DanaCallError,
    DanaError,
    IsolationUnavailableError,
    SessionClosedError,
    hides,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from .description import Description
    from .imports import Imports
    from .isolation import IsolationLevel, IsolationReport
    from .limits import Limits
    from .llm import LLM, AsyncLLM, LLMPool, Price, Provider, ReasoningCache
    from .reasoning import ReasoningResult
    from .resources import Resource
    from .result import ExecutionResult, Usage
    from .sandbox import InProcessSandboxInterface, SubprocessSandboxInterface
    from .types import TypeConverter
    from .wish import Wish

__all__ = ["Dana"]

#: pytest leaves these frames out of the traceback of a Dana error.
__tracebackhide__ = hides
T = TypeVar("T")
Value = TypeVar("Value")


class Dana:
    """One Dana session.

    `use_subprocess_isolation` puts it in a locked worker process; where no sandbox can be had it falls back
    to the host process with an `IsolationUnavailableWarning`. `require_isolation`, or the environment
    variable ``DANA_REQUIRE_ISOLATION=1``, isolates the session and turns the fall-back into
    `IsolationUnavailableError`.

    `isolation` is the level to try for: ``none``, ``process``, ``filtered``, ``landlocked`` (the default of
    an isolated session), ``namespaced`` or ``contained``; see `IsolationLevel`. What cannot be had of it is
    left out and reported by `isolation`, down to `min_isolation` (``filtered`` unless said otherwise); below
    that `IsolationUnavailableError` is raised. With ``min_isolation="none"`` the session falls back to the
    host process instead, with the warning. `harden_speculation` also restrains the processor's speculation,
    which makes calls slower.

    `llm` is a provider, a callable ``fn(messages, options) -> str``, or text such as ``openai:gpt-4o-mini``;
    without it, see `opendxa.dana.llm.resolve`. `functions` are Python functions that programs may call; of
    those that are async a program goes on and waits where it looks at the value. `python_modules`, such as
    ``{"math": ["sqrt", "pi"]}``, are what programs may import (``import math.py``). `search_paths` are the
    folders below which Dana modules are looked for, after that of a file being run; without it the usual
    ones: the current folder, its folder ``dana``, ``~/.dana/libs`` and those in ``DANAPATH``. `resources`,
    such as ``{"kb": Resource(KnowledgeBase, ["query"])}``, are what programs may ``use("kb")``. `echo` also
    writes what programs print to `sys.stdout`. `setup` is run whenever a session is opened, before anything
    else: Dana source text, a path, or several of them. `restart_on_failure` replaces a session that is over
    (a limit, a crash) at the next use by a new one, with its functions and its set-up; what it had computed
    is lost, and the log says so. Without it the next use raises.

    `prices`, such as ``{"gpt-4o-mini": (0.15, 0.60)}``, say what a million tokens of questions and of answers
    cost, for `Limits.cost` and `Usage.cost`. `cache` remembers what models answered: True, or a
    `opendxa.dana.llm.ReasoningCache`; without it nothing is remembered.

    `busy_wait`, at most 0.001 seconds, is for calls of an isolated session beside Python threads that
    compute: so long a call looks for its answer before it lets them run, which gives it more calls and them
    less time.
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
        busy_wait: float | None = None,
        prices: Mapping[str, Price | tuple[float, float]] | None = None,
        cache: ReasoningCache | bool | None = None,
    ) -> None:
        self._sandbox: InProcessSandboxInterface | SubprocessSandboxInterface | None = None
        self._imports: Imports | None = None
        self._closed = False
        self._calls = 0
        self._fallback_reason: str | None = None
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
            busy_wait=busy_wait,
            prices=prices,
            cache=cache,
        )
        self._debug = debug
        self._settings = arguments.settings
        self._wish = arguments.wish
        if self._wish is not None:
            self._sandbox = self._open(self._wish)
        if enable_imports:
            self.enable_module_imports()

    def _open(self, wish: Wish | None) -> InProcessSandboxInterface | SubprocessSandboxInterface:
        """Open the session, by the rules of the fall-back."""
        from .sandbox import (  # noqa: PLC0415 - see above
            InProcessSandboxInterface,
            SubprocessSandboxInterface,
            warn_of_fallback,
        )

        self._fallback_reason = None
        if wish is None:
            return InProcessSandboxInterface(self._debug, **self._settings)
        try:
            return SubprocessSandboxInterface(self._debug, wish=wish, **self._settings)
        except IsolationUnavailableError as error:
            if not wish.falls_back:
                raise
            self._fallback_reason = str(error).partition("\n")[0]
        warn_of_fallback(self._fallback_reason, stacklevel=3)
        return InProcessSandboxInterface(self._debug, **self._settings)

    def execute_string(self, source: str, filename: str | None = None) -> ExecutionResult:
        """Run Dana source text; `filename` is the name that errors show.

        State persists in the session. A failing program is a result with `success` False, never an exception.
        """
        check(source, str, "source")
        if filename is not None:
            check(filename, str, "filename")
        return self.sandbox.execute_string(source, filename)

    def execute_file(self, path: str | os.PathLike[str]) -> ExecutionResult:
        """Run a Dana file, read by the host as UTF-8; its directory is then searched first for modules.

        A failure, a file that cannot be read included, is a result with `success` False.
        """
        if not isinstance(path, os.PathLike):
            check(path, str, "path")
        return self.sandbox.execute_file(path)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a Dana function by name and return its value as Python's; a failure raises `DanaCallError`."""
        if not isinstance(name, str):
            check(name, str, "name")
        sandbox = self._sandbox
        if sandbox is None:
            sandbox = self.sandbox
        return sandbox.execute_function(name, args, kwargs)

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
        """Ask the model and return its answer; text that is just a number or a yes or no comes as that.

        `returns` is the Python type the answer is to be of: ``int``, ``list[str]``, ``bool | None``, an
        ``Enum``, a dataclass, a pydantic model, and what can be made of them. `details` gives a
        `ReasoningResult` instead, which behaves like the answer and tells model, usage, attempts and whether
        it came from the cache.

        Options: ``system_message``, ``temperature`` (0 to 2), ``max_tokens``, ``format`` (``text`` or
        ``json``), ``data`` (Python values the question is about), ``enable_ipv``, ``use_original``. Raises
        `TypeError` for arguments of the wrong type and `DanaCallError` for everything that fails later.
        """
        check(prompt, str, "prompt")
        if options is not None:
            check(options, dict, "options")
        self._calls += 1
        if self._debug:
            given = sorted(map(str, options or {}))
            self._trace(f"Dana call #{self._calls}: reason({prompt[:80]!r}, options={given})")
        try:
            if returns is None and not details:
                answer = self.sandbox.reason(prompt, options)
            else:
                answer = self.sandbox.inquire(prompt, options, returns, details)
        except (TypeError, DanaError):
            raise
        except Exception as error:
            raise DanaCallError(f"Unexpected error in reasoning: {error}", error) from error
        if self._debug:
            self._trace(f"Dana call #{self._calls} returned {type(answer).__name__}")
        return answer

    def register(self, name: str, function: Callable[..., Any], *, background: bool | None = None) -> None:
        """Let programs call a Python function by `name`, from the next execution or call on.

        A `background` call goes on while the program does, which waits where it looks at the value: so are
        coroutine functions unless `background` is False. An ordinary function in the background runs on a
        thread of its own. Raises `ValueError` for a name that programs could not call, or one too many.
        """
        check(name, str, "name")
        if not callable(function):
            from .types import format_type_error  # noqa: PLC0415 - loaded when something is wrong

            raise TypeError(format_type_error(function, "callable", "argument 'function'"))
        if background is not None:
            check(background, bool, "background")
        self.sandbox.register(name, function, background)

    def bind(self, python_type: type[T]) -> type[T]:
        """Have structs come back as objects of a class, checked. Returns the class: it can be a decorator.

        A dataclass, a ``NamedTuple``, an ``Enum``, a class of attrs or a pydantic model. Programs may use the
        struct of its name, which is defined if the session has none. A value that does not fit raises
        `TypeConversionError` with its place, such as ``rows[3].price``. See docs/TYPES.md.
        """
        self.sandbox.bind(python_type)
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

        self.sandbox.register_type(*checked_registration(python_type, to_dana, name, from_dana))

    def get(self, name: str) -> Any:
        """Return a variable of the session as a Python value; ``name`` or ``scope:name``."""
        check_variable(name)
        return self.sandbox.get(name)

    def set(self, name: str, value: Any) -> None:
        """Set a variable of the session; ``name`` or ``scope:name``."""
        check_variable(name)
        self.sandbox.set(name, value)

    def get_llm(
        self,
        llm: Provider | Callable[..., Any] | str | None = None,
        *,
        pool: LLMPool | None = None,
        prices: Mapping[str, Price | tuple[float, float]] | None = None,
        tokens: int | None = None,
        model_calls: int | None = None,
        cost: float | None = None,
    ) -> LLM:
        """Return a model for Python code: ``with dana.get_llm() as llm: llm.generate("...")``.

        Without `llm` it is the session's, with its cache. `pool` says how many questions may be under way at
        once; without it, all resources of this object share one `LLMPool`. `tokens`, `model_calls` and `cost`
        limit this resource; the session's own limits hold for it too.
        """
        from .llm.resource import LLM  # noqa: PLC0415 - loaded when it is asked for

        models = self.sandbox.models
        return LLM.of(models, llm, pool, prices, tokens=tokens, model_calls=model_calls, cost=cost)

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
        """Return a model for asyncio: ``async with dana.get_llm_async() as llm``; see `get_llm`."""
        from .llm.resource import AsyncLLM  # noqa: PLC0415 - loaded when it is asked for

        models = self.sandbox.models
        return AsyncLLM.of(models, llm, pool, prices, tokens=tokens, model_calls=model_calls, cost=cost)

    def restart_subprocess(self) -> None:
        """Replace the worker by a new one; the session's state is lost.

        In the host process only a session that has ended, by a limit for example, is replaced.

        An isolated session never comes back unisolated: when no new sandbox can be had this raises.
        """
        from .sandbox import SubprocessSandboxInterface  # noqa: PLC0415

        if isinstance(self._sandbox, SubprocessSandboxInterface):
            self._sandbox.restart_subprocess()
        elif self._sandbox is not None and self._fallback_reason is not None:
            self._sandbox.close()
            self._sandbox = self._open(self._wish)
        elif self._sandbox is not None and self._sandbox.ended:
            self._sandbox.restart_subprocess()

    def close(self) -> None:
        """End the session and its worker. Closing twice is no error."""
        self._closed = True
        if self._imports is not None:
            self._imports.close()
        if self._sandbox is not None:
            self._sandbox.close()

    def set_debug(self, debug: bool) -> None:
        """Switch the printing of ``DEBUG:`` lines."""
        check(debug, bool, "debug")
        self._debug = debug
        if self._sandbox is not None:
            self._sandbox.debug = debug

    @property
    def debug(self) -> bool:
        """Whether calls print ``DEBUG:`` lines."""
        return self._debug

    def enable_module_imports(self, search_paths: Iterable[str | os.PathLike[str]] | None = None) -> Imports:
        """Have Python's ``import`` find Dana modules, which run in this session, until they are disabled.

        They are looked for in the folder of the file that calls this, in `search_paths`, then in the
        session's own places. A name that Python can import otherwise is never taken for a Dana module. In a
        ``with`` block imports are disabled at its end. While they are enabled nothing happens.
        """
        if self._imports is None or not self._imports.enabled:
            from .arguments import folders  # noqa: PLC0415
            from .imports import Imports  # noqa: PLC0415 - loaded when imports are enabled

            self._imports = Imports(self, None if search_paths is None else folders(search_paths))
        return self._imports

    def disable_module_imports(self) -> None:
        """Have Python's ``import`` find no more Dana modules; those that were imported stay and work."""
        if self._imports is not None:
            self._imports.close()

    def list_modules(self, search_paths: Iterable[str | os.PathLike[str]] | None = None) -> list[str]:
        """Return the names of the modules and packages that lie in these folders, sorted.

        Without folders those that the session looks in.
        """
        from .modules import list_available  # noqa: PLC0415

        if search_paths is None:
            return list_available(self.sandbox._host.places())
        from .arguments import folders  # noqa: PLC0415

        return list_available(folders(search_paths))

    def describe(self) -> Description:
        """Tell what a program can call here, with signatures: its own, the host's, the language's.

        ``str()`` of it is text for a prompt to a model that writes Dana; ``to_dict()`` is the same as data.
        """
        from .description import Description  # noqa: PLC0415 - loaded when it is asked for

        sandbox = self.sandbox
        return Description.of(sandbox.describe(), sandbox._host.functions)

    @property
    def imports_enabled(self) -> bool:
        """Whether Python's import finds ``.na`` files through this session."""
        return self._imports is not None and self._imports.enabled

    @property
    def is_subprocess_isolated(self) -> bool:
        """Whether a live worker, locked and verified, holds the session at this moment."""
        return self._sandbox is not None and self._sandbox.is_subprocess_isolated

    @property
    def isolation(self) -> IsolationReport:
        """Which walls stand round the session, and what proves it."""
        report = self.sandbox.isolation
        if self._fallback_reason is None or self._wish is None:
            return report
        return report.not_isolated(self._fallback_reason, self._wish.level)

    @property
    def sandbox(self) -> InProcessSandboxInterface | SubprocessSandboxInterface:
        """The session behind this object."""
        if self._sandbox is None:
            if self._closed:
                raise SessionClosedError("the session was closed\nHint: create a new Dana")
            self._sandbox = self._open(None)
        return self._sandbox

    @property
    def cache(self) -> ReasoningCache | None:
        """The cache of answers, None when nothing is remembered."""
        return self._settings["cache"]  # type: ignore[no-any-return]

    @property
    def usage(self) -> Usage:
        """What all turns so far used, tokens of failed attempts included."""
        return self.sandbox.usage

    def __enter__(self) -> Dana:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:
            return

    def __repr__(self) -> str:
        mode = "debug" if self._debug else "normal"
        isolation = "subprocess-isolated" if self.is_subprocess_isolated else "in-process"
        imports = "imports-enabled" if self.imports_enabled else "imports-disabled"
        return f"Dana(mode={mode}, isolation={isolation}, {imports}, calls={self._calls})"

    @staticmethod
    def _trace(text: str) -> None:
        """Print a debug line."""
        print(f"DEBUG: {text}")  # noqa: T201 - that is what debug mode is
