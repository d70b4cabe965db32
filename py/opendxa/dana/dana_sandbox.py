"""`DanaSandbox`: a session under the name and with the methods that users of the older package know.

Rule: it is a `Dana` and nothing besides: what a program may do is decided there, and `Dana`'s own arguments
say it here too. A program that fails is a result with `success` False, never an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from .dana_module import Dana

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from types import TracebackType

    from .context import SandboxContext
    from .result import ExecutionResult

__all__ = ["DanaSandbox"]


class DanaSandbox:
    """One Dana session; see `Dana`, whose keyword arguments it takes besides its own.

    `context` holds variables to begin with; of those in it that are callable, programs may call the local
    ones by name. `module_search_paths` are folders searched for modules before the usual ones. Nothing is
    opened before the first use. With `use_subprocess_isolation` it has a locked worker process of its own.
    """

    _all: ClassVar[WeakSet[DanaSandbox]] = WeakSet()

    def __init__(
        self,
        debug_mode: bool = False,
        context: SandboxContext | None = None,
        module_search_paths: Iterable[str | os.PathLike[str]] | None = None,
        **settings: Any,
    ) -> None:
        if module_search_paths is not None:
            from .modules import usual_places  # noqa: PLC0415 - loaded when there are any

            settings["search_paths"] = [*module_search_paths, *usual_places()]
        self._dana = Dana(debug_mode, **settings)
        self._given = context
        DanaSandbox._all.add(self)

    @property
    def dana(self) -> Dana:
        """The session behind this object, its first variables set."""
        given, self._given = self._given, None
        if given is not None:
            for scope, values in given.get_state().items():
                for name, value in values.items():
                    if callable(value) and scope == "local":
                        self._dana.register(name, value)
                    else:
                        self._dana.set(f"{scope}:{name}", value)
        return self._dana

    def execute_string(self, source: str, filename: str | None = None) -> ExecutionResult:
        """Run Dana source text; `filename` is the name that errors show. See `Dana.execute_string`."""
        return self.dana.execute_string(source, filename)

    def execute_file(self, path: str | os.PathLike[str]) -> ExecutionResult:
        """Run a Dana file; its directory is then searched first for modules. See `Dana.execute_file`."""
        return self.dana.execute_file(path)

    @property
    def context(self) -> SandboxContext | None:
        """A copy of the session's variables as they are now; None when the session has ended."""
        return self.dana.execute_string("").final_context

    def is_healthy(self) -> bool:
        """Whether the session can be used: it is not closed, and did not end by a limit or a crash."""
        session = self._dana._sandbox
        return not self._dana._closed and (session is None or not session.ended)

    def close(self) -> None:
        """End the session and, when it has one, its worker. Closing twice is no error."""
        self._dana.close()

    def __enter__(self) -> DanaSandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DanaSandbox({self._dana!r})"

    @classmethod
    def execute_string_once(
        cls,
        source: str,
        filename: str | None = None,
        debug_mode: bool = False,
        context: SandboxContext | None = None,
        module_search_paths: Iterable[str | os.PathLike[str]] | None = None,
        **settings: Any,
    ) -> ExecutionResult:
        """Run Dana source text in a session of its own, which is closed then."""
        with cls(debug_mode, context, module_search_paths, **settings) as sandbox:
            return _kept(sandbox.execute_string(source, filename))

    @classmethod
    def execute_file_once(
        cls,
        path: str | os.PathLike[str],
        debug_mode: bool = False,
        context: SandboxContext | None = None,
        **settings: Any,
    ) -> ExecutionResult:
        """Run a Dana file in a session of its own, which is closed then."""
        with cls(debug_mode, context, **settings) as sandbox:
            return _kept(sandbox.execute_file(path))

    @classmethod
    def quick_eval(cls, source: str, *arguments: Any, **settings: Any) -> ExecutionResult:
        """Do what `execute_string_once` does, under an older name."""
        return cls.execute_string_once(source, *arguments, **settings)

    @classmethod
    def quick_run(cls, path: str | os.PathLike[str], *arguments: Any, **settings: Any) -> ExecutionResult:
        """Do what `execute_file_once` does, under an older name."""
        return cls.execute_file_once(path, *arguments, **settings)

    @classmethod
    def cleanup_all(cls) -> None:
        """Close all sandboxes of this process."""
        for sandbox in list(cls._all):
            sandbox.close()


def _kept(result: ExecutionResult) -> ExecutionResult:
    """Have a result fetch its variables while there is a session."""
    _ = result.final_context
    return result
