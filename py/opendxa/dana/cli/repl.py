"""``dana-bridge repl``: a prompt for Dana, the session behind it isolated.

Rule: on a terminal it edits, colours and completes; with other input it reads statements line by line and
shows no prompts. Only the former loads what draws on a terminal.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import session

if TYPE_CHECKING:
    import argparse

    from .console import Console

__all__ = ["EPILOG", "HELP", "NAME", "arguments", "run"]

NAME = "repl"
HELP = "type Dana and see what comes of it, isolated from this machine"
EPILOG = f"""\
examples:
  dana-bridge repl
  dana-bridge repl --llm local                          ask a model that runs on this machine
  dana-bridge repl --isolation contained --limit wall_time=10s
  echo 'x = 6; x * 7' | dana-bridge repl                 no prompts: prints 42

at the prompt:
  Tab completes names, fields, methods and modules. An empty line ends a block; Alt-Enter breaks a line.
  Ctrl-R searches the history, Ctrl-C stops what runs (and the session with it), Ctrl-D leaves.
  :help lists commands such as :load FILE, :type EXPR, :isolation and :reset.

history:
  $XDG_STATE_HOME/dana-bridge/history, or ~/.local/state/dana-bridge/history; only you can read it. Lines that
  begin with a blank are not kept.

without a terminal:
  Statements are read line by line, and a block ends where the next statement begins. A statement that fails
  is told on standard error, the ones after it are run all the same.

{session.EPILOG}
exit status:
  0  done    1  without a terminal: a statement failed    2  wrong usage    3  isolation refused
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--no-history", action="store_true", help="read and keep no history")
    session.arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Read, execute and show until there is no more; return the exit status."""
    from ..exceptions import DanaError, IsolationUnavailableError  # noqa: PLC0415
    from .console import Console, LeaveError  # noqa: PLC0415

    try:
        with session.opened(options) as d:
            console = Console(d)
            try:
                if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
                    from .prompt import converse  # noqa: PLC0415 - loads prompt_toolkit

                    converse(console, keeps_history=not options.no_history)
                    return 0
                _read(console)
            except LeaveError:
                pass
            return 1 if console.failed else 0
    except DanaError as error:
        from .failures import tell  # noqa: PLC0415
        from .terminal import Terminal  # noqa: PLC0415

        tell(Terminal(sys.stderr), error)
        return session.REFUSED if isinstance(error, IsolationUnavailableError) else 1


def _read(console: Console) -> None:
    """Run the statements of a script of lines."""
    from .statements import split  # noqa: PLC0415

    for statement in split(sys.stdin or ()):
        console.enter(statement)
