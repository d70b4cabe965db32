"""Python modules that programs may import, named by the host one name at a time.

Rule: a program gets the names listed here and nothing that hangs on them; a module is data and functions,
never an object of Python's. What a function returns must be a value that Dana has too.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

from .functions import HostFunction
from .types import format_type_error

__all__ = ["named_members"]


def named_members(modules: object) -> dict[str, HostFunction]:
    """Import the modules of a mapping ``module: names`` and return what programs may ask for.

    A function is found under ``module.name``, any other value, as it is now, under ``module.name=``.
    """
    if modules is None:
        return {}
    if not isinstance(modules, dict):
        raise TypeError(format_type_error(modules, "dict of module names", "argument 'python_modules'"))
    members: dict[str, HostFunction] = {}
    for module, names in modules.items():
        where = f"argument 'python_modules[{module!r}]'"
        if not isinstance(module, str) or not all(part.isidentifier() for part in module.split(".")):
            raise ValueError(f"a module's name is dotted identifiers, got {module!r} at {where}")
        if not isinstance(names, list | tuple | set | frozenset):
            raise TypeError(format_type_error(names, "list of names", where))
        loaded = import_module(module)
        for name in names:
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
                raise ValueError(f"a public name is needed, got {name!r} at {where}")
            if not hasattr(loaded, name):
                raise ValueError(f"module {module!r} has no {name!r} at {where}")
            value = getattr(loaded, name)
            if callable(value):
                members[f"{module}.{name}"] = HostFunction.of(value)
            else:
                members[f"{module}.{name}="] = HostFunction(partial(_itself, value))
    return members


def _itself(value: object) -> object:
    """Return a value that a module holds."""
    return value
