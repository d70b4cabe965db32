"""The arguments of `Dana` and `AsyncDana`, checked.

Rule: an argument that makes no sense is refused by name before anything is opened. What is rarely given is
checked by modules that are loaded only then: importing this stays cheap.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from .exceptions import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from .functions import HostFunction
    from .isolation import IsolationLevel
    from .limits import Limits
    from .resources import Resource
    from .wish import Wish

__all__ = ["REQUIRE_VARIABLE", "Arguments", "check", "check_variable", "folders"]

#: Set to 1, every session of the process is isolated or fails to open.
REQUIRE_VARIABLE: Final = "DANA_REQUIRE_ISOLATION"


class Arguments:
    """What a session is opened with."""

    __slots__ = ("settings", "wish")

    def __init__(self, wish: Wish | None, settings: dict[str, Any]) -> None:
        #: Which isolation; None is a session in the host process.
        self.wish: Wish | None = wish
        #: Keyword arguments of the classes in `opendxa.dana.sandbox`.
        self.settings: dict[str, Any] = settings

    @classmethod
    def checked(
        cls,
        *,
        debug: bool,
        use_subprocess_isolation: bool,
        enable_imports: bool,
        require_isolation: bool,
        isolation: IsolationLevel | str | None,
        min_isolation: IsolationLevel | str | None,
        harden_speculation: bool,
        limits: Limits | None,
        llm: object,
        functions: Mapping[str, Callable[..., Any]] | Iterable[Callable[..., Any]] | None,
        python_modules: Mapping[str, Iterable[str]] | None,
        search_paths: Iterable[str | os.PathLike[str]] | None,
        resources: Mapping[str, Resource] | None,
        echo: bool,
        setup: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None,
        restart_on_failure: bool,
        busy_wait: float | None = None,
        prices: object = None,
        cache: object = None,
    ) -> Arguments:
        """Check them; raises `TypeError` or `ValueError` with the name of what is wrong."""
        flags = {
            "debug": debug,
            "use_subprocess_isolation": use_subprocess_isolation,
            "enable_imports": enable_imports,
            "require_isolation": require_isolation,
            "harden_speculation": harden_speculation,
            "echo": echo,
            "restart_on_failure": restart_on_failure,
        }
        for name, value in flags.items():
            check(value, bool, name)
        if limits is not None:
            from .limits import Limits  # noqa: PLC0415

            check(limits, Limits, "limits")
        members: dict[str, HostFunction] = {}
        if functions is not None:
            from .functions import check_count, named_functions  # noqa: PLC0415

            members = named_functions(functions)
            check_count(members)
        kinds = None
        if resources is not None:
            from .resources import checked_kinds  # noqa: PLC0415

            kinds = checked_kinds(resources)
        if python_modules is not None:
            from .python_modules import named_members  # noqa: PLC0415

            members |= named_members(python_modules)
        places = None if search_paths is None else folders(search_paths)
        steps = [] if setup is None else _steps(setup)
        if prices is not None:
            from .llm.prices import Prices  # noqa: PLC0415

            prices = Prices(prices)  # type: ignore[arg-type]
        if cache is not None:
            from .llm.cache import checked  # noqa: PLC0415

            cache = checked(cache)
        if busy_wait is not None:
            _check_busy_wait(busy_wait)
        wish: Wish | None = None
        asked = (use_subprocess_isolation, require_isolation, harden_speculation, isolation, min_isolation)
        if REQUIRE_VARIABLE in os.environ or any(one not in (None, False) for one in asked):
            from .wish import resolve  # noqa: PLC0415 - a session in this process does without

            wish = resolve(
                use_subprocess_isolation, require_isolation, isolation, min_isolation, harden_speculation
            )
        settings = {
            "limits": limits,
            "llm": llm,
            "members": members,
            "search_paths": places,
            "kinds": kinds,
            "echo": echo,
            "setup": steps,
            "restart_on_failure": restart_on_failure,
            "busy_wait": busy_wait,
            "prices": prices,
            "cache": cache,
        }
        return cls(wish, settings)


def check(value: object, wanted: type, name: str) -> None:
    """Refuse an argument of the wrong type."""
    if not isinstance(value, wanted):
        from .types import format_type_error  # noqa: PLC0415 - loaded when something is wrong

        raise TypeError(format_type_error(value, wanted, f"argument '{name}'"))


def check_variable(name: object) -> None:
    """Refuse what is not the name of a variable: ``name``, or ``scope:name``."""
    if not isinstance(name, str):
        check(name, str, "name")
        return
    scope, colon, bare = name.rpartition(":")
    if colon:
        from .context import SCOPES  # noqa: PLC0415 - loaded with the first scope

        if scope not in SCOPES:
            text = f"unknown scope {scope!r} at argument 'name'"
            raise StateError(f"{text}; the scopes are {', '.join(SCOPES)}")
    if not (bare.isascii() and bare.isidentifier()):
        text = f"a variable's name has ASCII letters, digits and _, got {bare!r}"
        raise ValueError(f"{text} at argument 'name'")


def _check_busy_wait(busy_wait: object) -> None:
    """Refuse a time that is none, or so long that it would stop the process."""
    if isinstance(busy_wait, bool) or not isinstance(busy_wait, int | float):
        from .types import format_type_error  # noqa: PLC0415 - loaded when something is wrong

        raise TypeError(format_type_error(busy_wait, float, "argument 'busy_wait'"))
    if not 0 < busy_wait <= 0.001:
        raise ValueError(f"busy_wait is more than 0 and at most 0.001 seconds, got {busy_wait!r}")


def folders(paths: Any) -> list[Path]:
    """Return the folders to search for modules; they need not exist yet."""
    from pathlib import Path  # noqa: PLC0415 - loaded when there are any

    if isinstance(paths, str | os.PathLike) or not hasattr(paths, "__iter__"):
        from .types import format_type_error  # noqa: PLC0415 - loaded when something is wrong

        raise TypeError(format_type_error(paths, "list of paths", "argument 'search_paths'"))
    found = []
    for path in paths:
        if not isinstance(path, os.PathLike):
            check(path, str, "search_paths")
        found.append(Path(path).expanduser().absolute())
    return found


def _steps(setup: Any) -> list[str | Path]:
    """Return the programs of the set-up: text as it is, files as paths."""
    from pathlib import Path  # noqa: PLC0415 - loaded when there are any

    if isinstance(setup, str | os.PathLike):
        setup = [setup]
    elif not hasattr(setup, "__iter__"):
        from .types import format_type_error  # noqa: PLC0415 - loaded when something is wrong

        raise TypeError(format_type_error(setup, "text or paths", "argument 'setup'"))
    steps: list[str | Path] = []
    for step in setup:
        if isinstance(step, os.PathLike):
            steps.append(Path(step).expanduser().absolute())
        else:
            check(step, str, "setup")
            steps.append(step)
    return steps
