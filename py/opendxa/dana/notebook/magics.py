"""What a notebook can say: ``%%dana``, ``%dana``, ``%dana_reset`` and ``%dana_info``.

Rule: a session's settings are those it was opened with; a cell that asks for others says ``--fresh`` too, or
nothing runs. Errors show the program, never the Python that carried it there.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from opendxa.dana import Dana, Function
from opendxa.dana.exceptions import DanaError
from opendxa.dana.isolation import IsolationLevel
from opendxa.dana.limits import Limits

from .display import forget, teach, told
from .names import Names, matcher
from .statement import ends_in_expression

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Magics"]

_LEVELS: Final = [level.value for level in IsolationLevel]
_LIMITS: Final = [field.name for field in fields(Limits)]
_MAGICS: Final[tuple[tuple[Literal["line", "line_cell"], str], ...]] = (
    ("line_cell", "dana"),
    ("line", "dana_reset"),
    ("line", "dana_info"),
)


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong as IPython does, instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what IPython shows in one line."""
        raise UsageError(f"{self.prog}: {message}\n{self.format_usage()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002
        """Stop here; `--help` was printed."""
        raise UsageError(message or f"{self.prog}: nothing was run")


def _parser(name: str, *, cell: bool) -> _Parser:
    parser = _Parser(prog=name, add_help=cell, description="Run the cell as a Dana program.")
    if cell:
        parser.add_argument(
            "-i", "--in", dest="given", type=_names, action="extend", default=[], metavar="NAME,...",
            help="variables of the notebook that the program gets, functions too",
        )  # fmt: skip
        parser.add_argument(
            "-o", "--out", type=_names, action="extend", default=[], metavar="NAME,...",
            help="variables of the program that the notebook gets",
        )  # fmt: skip
        parser.add_argument("--fresh", action="store_true", help="end the session and begin with a new one")
    parser.add_argument("--isolation", choices=_LEVELS, help="its level; none is the kernel's own process")
    parser.add_argument(
        "--limit", type=_limit, action="append", default=[], metavar="NAME=VALUE",
        help=f"a limit of the session, or none: {', '.join(_LIMITS)}",
    )  # fmt: skip
    parser.add_argument("--llm", metavar="MODEL", help="its model: a variable, or text such as openai:gpt-4o")
    return parser


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if not name.isidentifier() or not name.isascii():
            raise argparse.ArgumentTypeError(f"{name!r} is no name of a variable")
    return names


def _limit(text: str) -> tuple[str, float | int | None]:
    name, equals, value = text.partition("=")
    if not equals or name not in _LIMITS:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE with one of {', '.join(_LIMITS)}")
    try:
        number: float | int | None
        if value.lower() == "none":
            number = None
        else:
            number = float(value) if any(char in value for char in ".eE") else int(value)
        Limits(**{name: number})  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name, number


class Magics:
    """The notebook's session, and what is done with it."""

    _loaded: Magics | None = None

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._session: Dana | None = None
        #: What the session at hand was asked for, or the next one will be.
        self._settings: dict[str, Any] = {}
        self._names = Names()
        self._matcher = matcher(self._names)

    @classmethod
    def load(cls, shell: InteractiveShell) -> None:
        """Register the magics with a shell, anew if they were."""
        cls.unload(shell)
        magics = cls._loaded = Magics(shell)
        functions: dict[str, Callable[..., Any]] = {
            "dana": magics.dana,
            "dana_reset": magics.dana_reset,
            "dana_info": magics.dana_info,
        }
        for kind, name in _MAGICS:
            shell.magics_manager.register_function(functions[name], kind, name)
        shell.Completer.custom_matchers.append(magics._matcher)
        teach(shell)

    @classmethod
    def unload(cls, shell: InteractiveShell) -> None:
        """Take the magics away and end the session."""
        magics, cls._loaded = cls._loaded, None
        if magics is None:
            return
        magics._end()
        for kind, name in _MAGICS:
            for one in kind.split("_"):
                shell.magics_manager.magics[one].pop(name, None)
        if magics._matcher in shell.Completer.custom_matchers:
            shell.Completer.custom_matchers.remove(magics._matcher)
        forget(shell)

    # Braces are Dana's: IPython would put values of Python in their place.
    @no_var_expand
    def dana(self, line: str, cell: str | None = None) -> Any:
        """Run the cell, or the expression behind ``%dana``, as a Dana program in the notebook's session.

        ``%%dana --help`` tells the options.
        """
        if cell is None:
            if not line.strip():
                raise UsageError("%dana: an expression is missing, as in %dana 1 + 2")
            return self._run(line, "%dana", show=True)
        options = _parser("%%dana", cell=True).parse_args(self._split(line))
        values = {name: self._value(name) for name in options.given}
        self._choose(options, fresh=options.fresh)
        session = self._opened()
        for name, value in values.items():
            self._give(session, name, value)
        # Lines count as the notebook shows them, from that of the magic itself.
        shown = ends_in_expression(cell)
        value = self._run(f"\n{cell}", f"cell {self._shell.execution_count}", show=shown)
        for name, taken in [(name, self._taken(name)) for name in options.out]:
            self._shell.user_ns[name] = taken
        return value

    def dana_reset(self, line: str) -> None:
        """End the session: the next cell begins with a new one, with the settings that are named here."""
        options = _parser("%dana_reset", cell=False).parse_args(self._split(line))
        self._end()
        self._settings = {}
        self._choose(options, fresh=True)

    def dana_info(self, line: str) -> None:
        """Tell where the session runs, what isolates it, and what it used."""
        if line.strip():
            raise UsageError("%dana_info takes no arguments")
        session = self._session
        if session is None:
            print("no session: the next %%dana cell opens one")  # noqa: T201 - it is asked for
            return
        state = "the session is over; the next cell opens a new one" if session.sandbox.ended else "open"
        used = {name: value for name, value in vars(session.usage).items() if value}
        figures = ", ".join(f"{name} {value:,}" for name, value in used.items()) or "nothing"
        print(f"session: {state}\n{session.isolation}\nused: {figures}")  # noqa: T201

    @staticmethod
    def _split(line: str) -> list[str]:
        try:
            return shlex.split(line)
        except ValueError as error:
            raise UsageError(f"%%dana: {error} in {line!r}") from None

    def _choose(self, options: argparse.Namespace, *, fresh: bool) -> None:
        """Take over settings for the session; other ones than it has need a fresh one."""
        wanted: dict[str, Any] = {}
        if options.isolation:
            wanted["isolation"] = options.isolation
        if options.limit:
            wanted["limits"] = dict(options.limit)
        if options.llm is not None:
            wanted["llm"] = options.llm
        if self._session is not None and not fresh and not self._session.sandbox.ended:
            for name, value in wanted.items():
                if self._settings.get(name) != value:
                    raise UsageError(
                        f"%%dana: the session was opened with another --{name.removesuffix('s')}: "
                        "add --fresh to begin with a new one, whose state is empty"
                    )
            return
        if fresh:
            self._end()
        self._settings = {**self._settings, **wanted}

    def _opened(self) -> Dana:
        """Return the session; open one where there is none, or where it is over."""
        session = self._session
        if session is not None and not session.sandbox.ended:
            return session
        if session is not None:
            self._tell("the Dana session was over: this cell begins with a new one, and what it held is lost")
            self._end()
        settings: dict[str, Any] = {}
        level = self._settings.get("isolation")
        if level != "none":
            settings["use_subprocess_isolation"] = True
            if level is not None:
                settings |= {"isolation": level, "min_isolation": level, "require_isolation": True}
        if "limits" in self._settings:
            settings["limits"] = Limits(**self._settings["limits"])
        if "llm" in self._settings:
            name = self._settings["llm"]
            settings["llm"] = self._shell.user_ns.get(name, name)
        try:
            session = self._session = Dana(**settings)
        except DanaError as error:
            raise told(error) from None
        if level != "none" and not session.is_subprocess_isolated:
            self._tell(
                "this Dana session is NOT isolated: it runs in the kernel's own process; see %dana_info"
            )
        return session

    def _end(self) -> None:
        session, self._session = self._session, None
        self._names.forget()
        if session is not None:
            session.close()

    @staticmethod
    def _tell(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    def _value(self, name: str) -> Any:
        if name not in self._shell.user_ns:
            raise UsageError(f"%%dana: the notebook has no variable {name!r}")
        return self._shell.user_ns[name]

    def _give(self, session: Dana, name: str, value: Any) -> None:
        """Set a variable of the program; a function of Python is registered."""
        try:
            if callable(value) and not isinstance(value, type | Function):
                session.register(name, value)
            else:
                session.set(name, value)
        except DanaError as error:
            error.args = (f"-i {name}: {error}",)
            raise told(error) from None
        except (TypeError, ValueError) as error:
            raise UsageError(f"%%dana: -i {name}: {error}") from None

    def _taken(self, name: str) -> Any:
        """Return a variable of the program."""
        try:
            return self._opened().get(name)
        except DanaError as error:
            error.args = (f"-o {name}: {error}",)
            raise told(error) from None

    def _run(self, source: str, name: str, *, show: bool) -> Any:
        """Run a program; its value is shown, its failure raised."""
        session = self._opened()
        try:
            result = session.execute_string(source, name)
        except KeyboardInterrupt as interrupt:
            over = "the session is over" if session.sandbox.ended else "the session goes on"
            raise told(interrupt, f"KeyboardInterrupt: the program was stopped; {over}") from None
        if not session.sandbox.ended:
            self._names.learn(session.sandbox.describe())
        if result.error is not None:
            error = result.error
            raise (told(error) if isinstance(error, DanaError) else error) from error.__cause__
        return result.result if show else None
