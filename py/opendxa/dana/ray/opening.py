"""What a session is opened with: checked by the client, sent as names and plain values, made on the node.

Rule: no key leaves the client. Providers, and callables that ask models, are refused; functions, classes and
resources go as the names under which the node imports them, unless the caller has said that code may be sent;
and what is sent is searched for the keys of the client's own environment before it goes.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ray import cloudpickle

from opendxa.dana import wish
from opendxa.dana.arguments import Arguments, check
from opendxa.dana.exceptions import ConfigurationError, SecurityError
from opendxa.dana.modules import read
from opendxa.dana.resources import Resource
from opendxa.dana.types import format_type_error

from .parcel import pack

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Code", "Named", "Opening", "found", "made", "refuse_keys", "sent"]

_KINDS: Final = frozenset(
    {"anthropic", "azure", "factory", "litellm", "local", "mock", "ollama", "openai", "scripted"}
)
_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
#: Names of variables whose values are taken for keys, and how short a value is not.
_SECRET: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_SHORTEST: Final = 8
#: What keys of the known makers look like.
_KEY: Final = re.compile(rb"\b(sk|pk|rk)-[A-Za-z0-9_-]{16,}|://[^/\s:@'\"]+:[^/\s@'\"]+@")


@dataclass(frozen=True)
class Named:
    """Something the node imports: ``package.module:name``."""

    path: str


@dataclass(frozen=True)
class Code:
    """Something the caller agreed to send as it is, with all that hangs on it."""

    data: bytes


@dataclass
class Opening:
    """The arguments of a session, ready to be sent."""

    settings: dict[str, Any]
    limits: Any
    #: Seconds the set-up may take, by the limits of its turns; None for no limit.
    setup_seconds: float | None

    @classmethod
    def checked(
        cls,
        *,
        isolation: Any,
        min_isolation: Any,
        harden_speculation: bool,
        limits: Any,
        llm: Any,
        functions: Any,
        python_modules: Any,
        search_paths: Any,
        resources: Any,
        echo: bool,
        setup: Any,
        restart_on_failure: bool,
        prices: Any,
        cache: Any,
        send_code: bool,
    ) -> Opening:
        """Check the arguments; raises what `Dana` raises, and `ValueError` for what cannot be sent."""
        if llm is not None and not isinstance(llm, str):
            _refuse_provider(llm)
        if isinstance(llm, str):
            _check_model(llm)
        if cache is not None and not isinstance(cache, bool):
            raise ValueError(
                "a cache of this process cannot serve sessions on other machines at argument 'cache'\n"
                "Hint: cache=True has each session remember answers on its node"
            )
        named = _functions(functions, send_code)
        kinds = _resources(resources, send_code)
        if python_modules is not None:
            _check_modules(python_modules)
        arguments = Arguments.checked(
            debug=False,
            use_subprocess_isolation=False,
            enable_imports=False,
            require_isolation=False,
            isolation=None,
            min_isolation=None,
            harden_speculation=False,
            limits=limits,
            llm=None,
            functions=None if named is None else dict.fromkeys(named, _stand_in),
            python_modules=None,
            search_paths=search_paths,
            resources=None
            if kinds is None
            else {kind: Resource(_stand_in, methods) for kind, (_, methods) in kinds.items()},
            echo=echo,
            setup=setup,
            restart_on_failure=restart_on_failure,
            prices=prices,
            cache=None,
        )
        check(harden_speculation, bool, "harden_speculation")
        wish.resolve(False, True, isolation, min_isolation, harden_speculation)
        steps = [read(step) if isinstance(step, Path) else step for step in arguments.settings["setup"]]
        settings = {
            "require_isolation": True,
            "isolation": isolation,
            "min_isolation": min_isolation,
            "harden_speculation": harden_speculation,
            "limits": limits,
            "llm": llm,
            "functions": named,
            "python_modules": python_modules,
            # Paths of the node, where nothing is searched that was not named.
            "search_paths": [] if search_paths is None else [os.fspath(path) for path in search_paths],
            "resources": kinds,
            "setup": steps or None,
            "restart_on_failure": restart_on_failure,
            "prices": prices,
            "cache": cache,
        }
        turn = arguments.settings["limits"].wall_time if limits is not None else _USUAL_TURN
        return cls(settings, limits, None if turn is None else turn * len(steps))

    def packed(self) -> bytes:
        """Return it as bytes, or raise `SecurityError` where a key is among them."""
        data = pack(self.settings, "what the session is opened with")
        refuse_keys(data, "what the session is opened with")
        return data


def made(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `AsyncDana` that were sent: everything named is imported. Runs on the node."""
    arguments = dict(settings)
    arguments["echo"] = False
    llm = settings["llm"]
    if isinstance(llm, str) and llm.startswith("factory:"):
        arguments["llm"] = found(Named(llm.removeprefix("factory:").strip()))()
    if settings["functions"] is not None:
        arguments["functions"] = {name: found(one) for name, one in settings["functions"].items()}
    if settings["resources"] is not None:
        arguments["resources"] = {
            kind: Resource(found(opener), methods)
            for kind, (opener, methods) in settings["resources"].items()
        }
    return arguments


def sent(value: Any, where: str, send_code: bool) -> Named | Code:
    """Return how a function or class is sent: by its name if it has one, else as code if that is allowed."""
    if isinstance(value, str):
        if not _NAME.fullmatch(value):
            raise ValueError(f"a name on the node is 'package.module:name', got {value!r} at {where}")
        return Named(value)
    if not (callable(value) or hasattr(value, "to_dana")):
        raise TypeError(format_type_error(value, "callable or 'package.module:name'", where))
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "<")
    if isinstance(module, str) and module != "__main__" and "<" not in name:
        it: Any = sys.modules.get(module)
        for part in name.split("."):
            it = getattr(it, part, None)
        if it is value:
            return Named(f"{module}:{name}")
    if not send_code:
        raise ValueError(
            f"{name} is no function or class that a node could import by its name at {where}\n"
            "Hint: define it at the top of a module that the nodes have, or name one 'package.module:name'; "
            "DanaCluster(send_code=True) sends the code itself, with all the values that it uses"
        )
    return Code(pack(value, f"{name} at {where}"))


def found(reference: Named | Code) -> Any:
    """Return what was sent, imported or as it came. Runs on the node."""
    if isinstance(reference, Code):
        return cloudpickle.loads(reference.data)
    module, _, name = reference.path.partition(":")
    try:
        it: Any = import_module(module)
        for part in name.split("."):
            it = getattr(it, part)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"the node cannot import {reference.path!r}: {error}\n"
            "Hint: install the package that has it on every node"
        ) from error
    return it


def refuse_keys(data: bytes, what: str) -> None:
    """Raise `SecurityError` if a key is among bytes that are about to be sent; its value is not repeated."""
    for name, value in os.environ.items():
        if (
            _SECRET.search(name)
            and len(value) >= _SHORTEST
            and value.encode(errors="surrogateescape") in data
        ):
            raise SecurityError(
                f"{what} holds the value of the environment variable {name}: keys are not sent to other "
                "machines\nHint: give the key to the nodes, in their environment or in the file that "
                "DanaCluster(secrets=...) names"
            )
    if _KEY.search(data):
        raise SecurityError(
            f"{what} holds what looks like a key or a password: keys are not sent to other machines\n"
            "Hint: give the key to the nodes, in their environment or in the file that "
            "DanaCluster(secrets=...) names"
        )


#: The wall-clock limit of a turn where no limits are given.
_USUAL_TURN: Final = 60.0


def _stand_in() -> None:
    """Stands for a function of the node where only its name is checked."""


def _refuse_provider(llm: Any) -> None:
    """Refuse what is no text: whatever it is, it may hold a key."""
    if callable(getattr(llm, "generate", None)) or callable(llm):
        raise SecurityError(
            f"a model of this process ({type(llm).__name__}) is not sent to other machines at argument "
            "'llm': it may hold a key\n"
            "Hint: name it, such as 'openai:gpt-4o-mini', or 'factory:package.module:function' for a "
            "function that makes a provider on the node"
        )
    raise TypeError(format_type_error(llm, str, "argument 'llm'"))


def _check_model(llm: str) -> None:
    """Refuse text that names no model, before it travels."""
    refuse_keys(llm.encode(errors="surrogatepass"), "the argument 'llm'")
    kind, _, rest = llm.strip().partition(":")
    if kind not in _KINDS:
        raise ConfigurationError(
            f"llm names no known model: {llm!r}\nHint: one of {', '.join(sorted(_KINDS))}"
        )
    if kind == "factory" and not _NAME.fullmatch(rest.strip()):
        raise ConfigurationError(f"a factory is named 'factory:package.module:name', got {llm!r}")


def _functions(functions: Any, send_code: bool) -> dict[str, Named | Code] | None:
    """Return by name how each function is sent."""
    where = "argument 'functions'"
    if functions is None:
        return None
    if isinstance(functions, dict):
        return {name: sent(one, f"{where}[{name!r}]", send_code) for name, one in functions.items()}
    if isinstance(functions, str) or not hasattr(functions, "__iter__"):
        raise TypeError(format_type_error(functions, "dict or functions", where))
    named: dict[str, Named | Code] = {}
    for one in functions:
        name = one.rpartition(":")[2].rpartition(".")[2] if isinstance(one, str) else _own_name(one, where)
        if name in named:
            raise ValueError(f"two functions are named {name!r} at {where}")
        named[name] = sent(one, f"{where}[{name!r}]", send_code)
    return named


def _own_name(function: Callable[..., Any], where: str) -> str:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(format_type_error(function, "function", where))
    return name


def _resources(resources: Any, send_code: bool) -> dict[str, tuple[Named | Code, tuple[str, ...]]] | None:
    """Return by kind how each resource is opened on the node, and its methods."""
    if resources is None:
        return None
    if not isinstance(resources, dict):
        raise TypeError(format_type_error(resources, "dict of resources", "argument 'resources'"))
    kinds: dict[str, tuple[Named | Code, tuple[str, ...]]] = {}
    for kind, resource in resources.items():
        where = f"argument 'resources[{kind!r}]'"
        if not isinstance(resource, Resource):
            raise TypeError(format_type_error(resource, "Resource", where))
        if isinstance(resource.methods, str):
            raise TypeError(format_type_error(resource.methods, "names of methods", where))
        kinds[kind] = (sent(resource.open, where, send_code), tuple(resource.methods))
    return kinds


def _check_modules(modules: Any) -> None:
    """Refuse what is no mapping of names; whether there are such modules is for the node to say."""
    where = "argument 'python_modules'"
    if not isinstance(modules, dict):
        raise TypeError(format_type_error(modules, "dict of module names", where))
    for module, names in modules.items():
        if not isinstance(module, str) or not isinstance(names, list | tuple | set | frozenset):
            raise TypeError(format_type_error(names, "list of names", f"{where}[{module!r}]"))
