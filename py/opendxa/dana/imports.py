"""Python's ``import`` for Dana modules: ``import pricing`` finds ``pricing.na``.

Rule: a name that Python can import otherwise is Python's. Only files below the session's search paths are
found, and the session that enabled imports runs them: in its worker when it is isolated. A module's functions
are called by handle, each in its own module; its values are copies, taken when it is imported.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from .exceptions import DanaError, SessionClosedError
from .fault import one_line
from .modules import list_available, locate
from .signatures import documentation, signature
from .tracebacks import without_host_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from types import TracebackType

    from .context import SandboxContext
    from .dana_module import Dana
    from .sandbox import _SessionInterface

__all__ = [
    "DanaModuleLoader",
    "DanaModuleWrapper",
    "Imports",
    "disable_dana_imports",
    "enable_dana_imports",
    "install_import_hook",
    "list_available_modules",
    "list_dana_modules",
    "uninstall_import_hook",
]

#: Where modules are listed from when nothing is said.
_USUAL: Final = (".", "dana")


class DanaModuleWrapper:
    """A Dana module as a session has it: functions, types and values as attributes.

    When the session has been replaced by a new one, after a crash for example, the module is imported there
    at its next use.
    """

    def __init__(
        self,
        name: str,
        sandbox_interface: _SessionInterface,
        context: SandboxContext | None = None,  # noqa: ARG002 - the older package's; the session has its own
        debug: bool = False,  # noqa: ARG002 - the same
    ) -> None:
        self._name = name
        self._sandbox = sandbox_interface
        self._session: object = None
        self._told: dict[str, Any] = {}
        self._functions: dict[str, Callable[..., Any]] = {}
        self._take_in(again=False)

    def _take_in(self, *, again: bool) -> None:
        """Import the module in the session, or run it once more, and take in what it has."""
        self._told = self._sandbox.describe(self._name, again)
        self._session = self._sandbox._session
        made = {**self._told["functions"], **self._told["types"]}
        known, self._functions = self._functions, {}
        for name, told in made.items():
            function = known.get(name)
            self._functions[name] = function if function is not None else self._function(name)
            _dress(self._functions[name], self._name, name, told)

    def _function(self, name: str) -> Callable[..., Any]:
        """Make the Python function for one of the module: the one frame of this package in tracebacks."""

        def call(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            try:
                return self._call(name, args, kwargs)
            except DanaError as error:
                raise without_host_part(error)  # noqa: B904 - it is the same error

        return call

    def _call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function of the module."""
        if self._sandbox._ready() is not self._session:
            self._take_in(again=False)
        made = self._told["functions"].get(name) or self._told["types"].get(name)
        if made is None:
            raise AttributeError(f"module {self._name!r} has no function {name!r} any more")
        return self._sandbox.execute_handle(f"{self._name}.{name}", made["function"], args, kwargs)

    def _fill(self, module: ModuleType) -> None:
        """Give a Python module what this one has; what an earlier run of it had is taken away."""
        contents = vars(module)
        for name in contents.pop("__all__", ()):
            contents.pop(name, None)
        public = {**self._told["values"], **self._functions}
        contents.update(public)
        contents["__all__"] = list(public)
        contents["__doc__"] = documentation(self._told)
        contents["__dana_wrapper__"] = self
        contents["__dana_sandbox__"] = self._sandbox
        contents["__dana_context__"] = self._context()

    def _context(self) -> SandboxContext:
        """Return the values of the module, by scope."""
        from .context import SandboxContext  # noqa: PLC0415 - loaded with the first module

        return SandboxContext({"local": dict(self._told["values"])})

    def _missing(self, name: str) -> Any:
        """Say that there is no such attribute, and why if it is there in Dana."""
        kind = self._told["unsent"].get(name)
        text = f"module {self._name!r} has no attribute {name!r}"
        if kind is not None:
            text += f": a {one_line(kind)} cannot leave the session"
        raise AttributeError(text, name=name, obj=self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module has no attribute {name!r}", name=name, obj=self)
        if name in self._functions:
            return self._functions[name]
        values: dict[str, Any] = self._told["values"]
        return values[name] if name in values else self._missing(name)

    def __dir__(self) -> list[str]:
        extra = ("__dana_context__", "__dana_sandbox__", "__dana_wrapper__")
        return sorted([*self._functions, *self._told["values"], *extra])

    def __repr__(self) -> str:
        functions, values = len(self._functions), len(self._told["values"])
        return f"DanaModule({self._name!r}, {functions} functions, {values} variables)"


def _dress(function: Callable[..., Any], module: str, name: str, told: dict[str, Any]) -> None:
    """Make a function look as it is written in Dana."""
    described = signature(told)
    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    function.__doc__ = documentation(told)
    function.__annotations__ = {
        parameter.name: parameter.annotation
        for parameter in described.parameters.values()
        if parameter.annotation is not parameter.empty
    }
    if described.return_annotation is not described.empty:
        function.__annotations__["return"] = described.return_annotation
    vars(function)["__signature__"] = described
    vars(function)["__dana_function__"] = True


class _Module(ModuleType):
    """A Dana module in Python; what it has not says why."""

    def __getattr__(self, name: str) -> Any:
        wrapper = vars(self).get("__dana_wrapper__")
        if isinstance(wrapper, DanaModuleWrapper):
            return wrapper._missing(name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)


class DanaModuleLoader(MetaPathFinder, Loader):
    """Finds and loads the Dana modules of one session; stands in `sys.meta_path` while imports are enabled.

    Without `search_paths` the current folder and its folder ``dana`` are searched, in front of the session's
    own places. `sandbox_interface` is the session; without it that of the ready-made `opendxa.dana.dana`.
    """

    def __init__(
        self,
        search_paths: Iterable[str | PathLike[str]] | None = None,
        sandbox_interface: _SessionInterface | None = None,
        debug: bool = False,
    ) -> None:
        self.search_paths: list[Path] = [
            Path(path).absolute() for path in (_USUAL if search_paths is None else search_paths)
        ]
        self.debug = debug
        self._given = sandbox_interface
        if sandbox_interface is not None:
            self._announce(sandbox_interface)

    @property
    def sandbox(self) -> _SessionInterface:
        """The session that runs the modules."""
        if self._given is None:
            from . import dana  # noqa: PLC0415 - made when it is first used

            self._given = dana.sandbox
            self._announce(self._given)
        return self._given

    def _announce(self, sandbox: _SessionInterface) -> None:
        """Have the session look where this one looks: it asks for a module's source by name."""
        for folder in reversed(self.search_paths):
            sandbox._host.search_first(folder)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a Dana module is; None for what is none, or is Python's."""
        if fullname.startswith("_") or not fullname.isascii():
            return None
        place = locate(fullname, self.sandbox._host.places())
        if place is None or _pythons(fullname, path, target, place.path is None):
            return None
        if place.path is None:
            # Python makes the package of folders itself.
            spec = ModuleSpec(fullname, None, is_package=True)
        else:
            spec = ModuleSpec(fullname, self, origin=str(place.path), is_package=bool(place.folders))
            spec.has_location = True
        if place.folders:
            spec.submodule_search_locations = [str(folder) for folder in place.folders]
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the module, which is empty yet."""
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module in the session; once more if it is reloaded."""
        known = vars(module).get("__dana_wrapper__")
        name = module.__name__
        try:
            if isinstance(known, DanaModuleWrapper) and known._sandbox is self.sandbox:
                known._take_in(again=True)
                wrapper = known
            else:
                wrapper = DanaModuleWrapper(name, self.sandbox, debug=self.debug)
        except SessionClosedError:
            raise
        except DanaError as error:
            path = module.__spec__.origin if module.__spec__ is not None else None
            raise ImportError(
                f"cannot import the Dana module {name!r}: {error}", name=name, path=path
            ) from error
        wrapper._fill(module)

    def __repr__(self) -> str:
        return f"DanaModuleLoader({[str(path) for path in self.search_paths]})"


def _pythons(name: str, path: Sequence[str] | None, target: ModuleType | None, of_folders: bool) -> bool:
    """Whether Python has a module of that name; a bare folder only counts against another."""
    for finder in sys.meta_path:
        if isinstance(finder, DanaModuleLoader) or not hasattr(finder, "find_spec"):
            continue
        spec = finder.find_spec(name, path, target)
        if spec is not None:
            return of_folders or spec.has_location or spec.origin is not None
    return False


class Imports:
    """The imports of one `Dana`: enabled until `close`, or until the end of a ``with`` block."""

    def __init__(self, dana: Dana, search_paths: Iterable[str | PathLike[str]] | None) -> None:
        paths = [_folder_of_caller(), *(search_paths or ())]
        #: An enabled hook is a use of the session: it keeps it.
        self._dana: Dana | None = dana
        self._loader = DanaModuleLoader(paths, dana.sandbox, dana.debug)
        # In front: for a folder `shop` with Dana files Python would make an empty package.
        sys.meta_path.insert(0, self._loader)

    @property
    def enabled(self) -> bool:
        """Whether ``import`` finds the session's modules."""
        return self._loader in sys.meta_path

    def close(self) -> None:
        """Disable them. Modules that were imported stay, and work as long as the session does."""
        if self._loader in sys.meta_path:
            sys.meta_path.remove(self._loader)
        self._dana = None

    def __enter__(self) -> Imports:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _folder_of_caller() -> Path:
    """Return the folder of the file that calls this package; the current one where there is no file."""
    package = __name__.rpartition(".")[0]
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(package):
        frame = frame.f_back
    file = frame.f_globals.get("__file__")
    return Path(file).absolute().parent if isinstance(file, str) else Path.cwd()


def list_available_modules(search_paths: Iterable[str | PathLike[str]] | None = None) -> list[str]:
    """Return the names of the modules in these folders, sorted; see `DanaModuleLoader` for None."""
    return list_available(Path(path) for path in (_USUAL if search_paths is None else search_paths))


def install_import_hook(
    search_paths: Iterable[str | PathLike[str]] | None = None,
    sandbox_interface: _SessionInterface | None = None,
    debug: bool = False,
) -> None:
    """Put a loader in front of `sys.meta_path`; nothing happens if `install_import_hook` did already."""
    if not any(isinstance(finder, _Installed) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Installed(search_paths, sandbox_interface, debug))


def uninstall_import_hook() -> None:
    """Take away what `install_import_hook` put there, if it did."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Installed)]


class _Installed(DanaModuleLoader):
    """The loader of `install_import_hook`, of which there is one."""


def enable_dana_imports(
    search_paths: Iterable[str | PathLike[str]] | None = None, debug: bool = False
) -> Imports:
    """Enable the imports of the ready-made `opendxa.dana.dana`; see `Dana.enable_module_imports`."""
    from . import dana  # noqa: PLC0415 - made when it is first used

    if debug:
        dana.set_debug(debug)
    return dana.enable_module_imports(search_paths)


def disable_dana_imports() -> None:
    """Disable the imports of the ready-made `opendxa.dana.dana`."""
    from . import dana  # noqa: PLC0415 - made when it is first used

    dana.disable_module_imports()


def list_dana_modules(search_paths: Iterable[str | PathLike[str]] | None = None) -> list[str]:
    """Return what the ready-made `opendxa.dana.dana` could import; see `Dana.list_modules`."""
    from . import dana  # noqa: PLC0415 - made when it is first used

    return dana.list_modules(search_paths)
