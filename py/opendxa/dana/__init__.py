"""Run Dana programs from Python, each session in a locked process of its own when asked for.

    from opendxa.dana import Dana

    with Dana(use_subprocess_isolation=True) as d:
        d.execute_string("6 * 7").result       # 42
        d.execute_file("rules.na")             # defines a function, say
        d.call("price", "tea", quantity=3)     # its value, as Python's
        d.reason("What is 6 times 7?")         # asks the model that the host chose

`Dana` is a session and `AsyncDana` one for asyncio; `Limits` says what they may use, `exceptions` what can go
wrong, `pool` how many workers stand ready, `llm` which models there are.

Rule: importing this package starts no thread and no process, prints nothing and loads next to nothing; every
public name, the ready-made instance `dana` included, is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import exceptions, imports, llm, pool, sandbox, types
    from ._bridge import Function, Struct
    from .async_dana import AsyncDana
    from .context import SandboxContext
    from .dana_module import Dana
    from .dana_sandbox import DanaSandbox
    from .exceptions import DanaCallError, DanaError, IsolationUnavailableWarning
    from .isolation import IsolationLevel, IsolationReport
    from .limits import Limits
    from .pool import PoolConfig, PoolStats
    from .resources import Resource
    from .result import ExecutionResult

    #: The ready-made instance: one in-process session, opened when it is first used.
    dana: Dana
    #: The same, under another name of the older package.
    py2na: Dana
    __version__: str

__all__ = [
    "AsyncDana",
    "Dana",
    "DanaCallError",
    "DanaError",
    "DanaSandbox",
    "ExecutionResult",
    "Function",
    "IsolationLevel",
    "IsolationReport",
    "IsolationUnavailableWarning",
    "Limits",
    "PoolConfig",
    "PoolStats",
    "Resource",
    "SandboxContext",
    "Struct",
    "dana",
    "exceptions",
    "imports",
    "llm",
    "pool",
    "py2na",
    "sandbox",
    "types",
]

_HOMES = {
    "AsyncDana": "async_dana",
    "Dana": "dana_module",
    "DanaCallError": "exceptions",
    "DanaError": "exceptions",
    "DanaSandbox": "dana_sandbox",
    "ExecutionResult": "result",
    "Function": "_bridge",
    "IsolationLevel": "isolation",
    "IsolationReport": "isolation",
    "IsolationUnavailableWarning": "exceptions",
    "Limits": "limits",
    "PoolConfig": "pool",
    "PoolStats": "pool",
    "Resource": "resources",
    "SandboxContext": "context",
    "Struct": "_bridge",
}
_MODULES = frozenset({"exceptions", "imports", "llm", "pool", "sandbox", "types"})


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    from importlib import import_module  # noqa: PLC0415

    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    elif name == "dana":
        from .dana_module import Dana  # noqa: PLC0415

        value = Dana()
    elif name == "py2na":
        value = __getattr__("dana") if "dana" not in globals() else globals()["dana"]
    elif name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        value = version("dana-bridge")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what can be imported from here."""
    return sorted({*__all__, "__version__", *(name for name in globals() if name.startswith("__"))})
