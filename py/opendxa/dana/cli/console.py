"""The session behind the prompt: runs statements and commands, and goes on with a new session when it must.

Rule: a statement never ends the console, whatever it does; what is lost with a session is said.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from . import failures, quantities
from .completion import Names
from .session import told_of_isolation
from .statements import shows_value
from .terminal import Terminal
from .usage import did_you_mean, visible
from .values import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dana_module import Dana

__all__ = ["COMMANDS", "Console", "LeaveError"]

#: Characters of a value that are shown.
SHOWN: Final = 20_000
#: Seconds that a session may take to tell what it has.
PATIENCE: Final = 0.5


class LeaveError(Exception):
    """The user wants to leave."""


class _Written:
    """Standard output while a program runs, and whether its last line has ended."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.ended = True

    def write(self, text: str) -> None:
        """Pass it on."""
        if text:
            self.ended = text.endswith("\n")
        self._stream.write(text)

    def flush(self) -> None:
        """Pass it on."""
        self._stream.flush()


class Console:
    """A session that statements are typed into."""

    def __init__(self, session: Dana) -> None:
        self._session = session
        self._out = Terminal(sys.stdout)
        self._err = Terminal(sys.stderr)
        self._count = 0
        self._listed: list[str] | None = None
        self._tells = True
        #: How many statements failed.
        self.failed: int = 0

    def enter(self, text: str) -> None:
        """Run a statement or a command. Raises `LeaveError`."""
        from ..exceptions import DanaError  # noqa: PLC0415

        try:
            if text.startswith(":"):
                self._command(text)
            else:
                self._execute(text)
        except KeyboardInterrupt:
            if self._err.interactive:
                self._err.line()  # behind the ^C that the terminal shows
            self._err.line(self._err.paint("interrupted", "bold red"))
            self.failed += 1
        except DanaError as error:
            self._fail(error)
        if self._session.sandbox.ended:
            self._begin_anew()

    def names(self) -> Names:
        """Ask the session what it has, for completion; between turns it answers at once.

        A session that has so much that telling takes long is not asked again.
        """
        from ..exceptions import DanaError  # noqa: PLC0415

        self._listed = None
        names = Names()
        try:
            begun = monotonic()
            if self._tells:
                names = Names.of(self._session.describe(), self._modules, self._text_of)
            self._tells = self._tells and monotonic() - begun < PATIENCE
        except KeyboardInterrupt:
            self._tells = False
        except DanaError as error:
            self._fail(error)
        if self._session.sandbox.ended:
            self._begin_anew()
        return names

    def banner(self) -> str:
        """Return two lines of what this is."""
        from .. import __version__  # noqa: PLC0415

        out, session = self._out, self._session
        isolated = session.is_subprocess_isolated
        level = out.paint(told_of_isolation(session), "green" if isolated else "bold red")
        pid = session.isolation.pid
        where = f" (worker {pid})" if isolated and pid else " (in this process)" if not isolated else ""
        first = f"{out.paint('Dana', 'bold')}, dana-bridge {__version__}   isolation: {level}{where}"
        return f"{first}   model: {out.paint(_model(session), 'cyan')}\n" + out.paint(
            ":help lists commands. Tab completes, Ctrl-C stops a program, Ctrl-D leaves.", "dim"
        )

    def _execute(self, source: str) -> None:
        self._count += 1
        before = self.failed
        self._run(lambda: self._session.execute_string(source, f"<input {self._count}>"), shows_value(source))
        meant = _OF_OTHERS.get(source.strip().removesuffix("()"))
        if meant is not None and self.failed > before:
            self._err.line(f"{self._err.paint('Hint:', 'blue')} {meant}")

    def _run(self, execute: Callable[[], Any], shows: bool) -> None:
        """Execute, show the value or the failure."""
        written = _Written(sys.stdout)
        try:
            with redirect_stdout(written):  # type: ignore[type-var]
                outcome = execute()
        finally:
            if not written.ended:
                sys.stdout.write("\n")
        if outcome.error is not None:
            self._fail(outcome.error)
        elif shows and outcome.result is not None:
            self._out.line(shown(outcome.result, SHOWN))

    def _fail(self, error: BaseException) -> None:
        self.failed += 1
        sys.stdout.flush()
        failures.tell(self._err, error)

    def _begin_anew(self) -> None:
        """Replace a session that is over. What stops that stops the console."""
        self._session.sandbox.restart_subprocess()
        self._tells = True
        text = "The session is over, and what it held is lost: a new one begins."
        self._err.line(self._err.paint(text, "yellow"))

    # ---------------------------------------------------------------------------- commands

    def _command(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        command = _COMMANDS.get(name)
        if command is None:
            hint = did_you_mean(name, _COMMANDS) or "; :help lists them"
            self.failed += 1
            self._err.line(visible(f"there is no command {name}{hint}"))
            return
        _, _, carry_out = command
        carry_out(self, rest.strip())

    def _help(self, _: str) -> None:
        out = self._out
        for name, (argument, about, _carry_out) in _COMMANDS.items():
            out.line(f"  {out.paint(f'{name} {argument}'.ljust(13), 'cyan')} {about}")
        out.line("An empty line ends a block. Alt-Enter breaks a line, Ctrl-R searches the history.")

    def _isolation(self, _: str) -> None:
        report = self._session.isolation
        self._out.line(visible(str(report)))

    def _limits(self, _: str) -> None:
        for name, value in self._session.sandbox.limits.to_dict().items():
            self._out.line(f"  {name:<14}{quantities.written(name, value)}")

    def _usage(self, _: str) -> None:
        used = self._session.usage
        for name, value in vars(used).items():
            self._out.line(f"  {name:<17}{value:,}")

    def _names(self, _: str) -> None:
        told = self._session.describe()
        lines = [f"  {one}" for one in told.functions]
        lines += [f"  {one.kind} {one.name}({', '.join(one.fields)})" for one in told.types]
        lines += [f"  {name}: {kind}" for name, kind in told.values.items()]
        self._out.line(visible("\n".join(lines) or "  nothing yet"))

    def _load(self, word: str) -> None:
        from pathlib import Path  # noqa: PLC0415

        if not word:
            self.failed += 1
            self._err.line(":load needs a file")
            return
        self._run(lambda: self._session.execute_file(Path(word).expanduser()), False)

    def _type(self, source: str) -> None:
        if not source:
            self.failed += 1
            self._err.line(":type needs an expression")
            return
        # In lines of its own, so that a comment behind the expression hides nothing.
        outcome = self._session.execute_string(f"type(\n{source}\n)", "<:type>")
        if outcome.error is not None:
            self._fail(outcome.error)
        else:
            self._out.line(visible(str(outcome.result)))

    def _reset(self, _: str) -> None:
        self._session.sandbox.restart_subprocess()
        self._tells = True
        self._out.line("A new session begins.")

    def _quit(self, _: str) -> None:
        raise LeaveError

    # ---------------------------------------------------------------------------- modules

    def _modules(self) -> list[str]:
        if self._listed is None:
            self._listed = self._session.list_modules()
        return self._listed

    def _text_of(self, name: str) -> str | None:
        from ..exceptions import DanaError  # noqa: PLC0415
        from ..modules import locate, read  # noqa: PLC0415

        try:
            place = locate(name, self._session.sandbox._host.places())
            return read(place.path) if place is not None and place.path is not None else None
        except (DanaError, ImportError):
            return None


def _model(session: Dana) -> str:
    """Return who answers questions, in a word or two."""
    from ..exceptions import ResourceError  # noqa: PLC0415

    try:
        provider = session.sandbox._host.provider()
    except ResourceError:
        return "none (see --llm)"
    name = getattr(provider, "model", None)
    return visible(str(name)) if isinstance(name, str) and name else type(provider).__name__.lower()


#: What other prompts know, and what it is here.
_OF_OTHERS: Final = {
    "exit": ":quit or Ctrl-D leaves",
    "quit": ":quit or Ctrl-D leaves",
    "help": ":help lists commands",
}
#: By name: the argument, what it does, and how.
_COMMANDS: Final[dict[str, tuple[str, str, Callable[[Console, str], None]]]] = {
    ":help": ("", "this list", Console._help),
    ":names": ("", "what the session has: functions, types, variables", Console._names),
    ":type": ("EXPR", "the type of an expression, which is run", Console._type),
    ":load": ("FILE", "run a file in this session", Console._load),
    ":isolation": ("", "which walls stand round the session, and what proves it", Console._isolation),
    ":limits": ("", "what the session may use", Console._limits),
    ":usage": ("", "what it has used", Console._usage),
    ":reset": ("", "begin a new session; what this one holds is lost", Console._reset),
    ":quit": ("", "leave; so does Ctrl-D", Console._quit),
}
COMMANDS: Final = tuple(_COMMANDS)
