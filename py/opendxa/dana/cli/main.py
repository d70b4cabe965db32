"""Reads the command line and hands over to a subcommand.

A subcommand is a module with `NAME`, `HELP`, `arguments(parser)` and `run(options) -> exit status`; it may
have `EPILOG`, text that its help ends with, and `REST`, the option that takes words which stand between or
after options.

Rule: only the module of the command that was named is loaded, so that `run` starts fast.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from .usage import UsageError, did_you_mean, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

#: In the order in which the help lists them; each is a module of this package.
COMMANDS = ("run", "repl", "check", "fmt", "doctor", "attack", "bench")

ABOUT = "Run Dana programs, each in a locked process of its own that can only compute."
EPILOG = """\
examples:
  dana-bridge run plan.na city=Hue days=3    run a program, locked away from this machine
  dana-bridge doctor                         see which isolation can be had here

'dana-bridge COMMAND --help' tells what a command takes.

exit status:
  0  done    1  the program failed, or a check found something    2  wrong usage, or no such file
  3  the isolation that was required cannot be had    130  ended by Ctrl-C    141  nobody read the output
"""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose texts keep their lines and whose errors name what may be meant."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong in two lines; the usage in full is in the help."""
        self.exit(2, f"{self.prog}: {visible(message)}\nHint: {self.prog} --help\n")

    def unknown(self, word: str) -> NoReturn:
        """Refuse a word that is not understood."""
        option = word.partition("=")[0]
        if option.startswith("-"):
            known = [name for action in self._actions for name in action.option_strings]
            self.error(f"there is no option {option}{did_you_mean(option, known)}")
        self.error(f"one word too many: {word!r}")


class _Version(argparse.Action):
    """Shows the version, read from the installed package only when somebody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .. import __version__  # noqa: PLC0415

        sys.stdout.write(f"dana-bridge {__version__}\n")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] not in COMMANDS:
        return _without_command(words)
    command = import_module(f".{words[0]}", __package__)
    parser = _Parser(
        prog=f"dana-bridge {command.NAME}",
        description=command.HELP[:1].upper() + command.HELP[1:] + ".",
        epilog=getattr(command, "EPILOG", None),
    )
    command.arguments(parser)
    options, surplus = parser.parse_known_args(words[1:])
    rest = getattr(command, "REST", None)
    for word in surplus:
        if rest is None or word.startswith("-"):
            parser.unknown(word)
        getattr(options, rest).append(word)
    return _carry_out(command, options)


def _carry_out(command: Any, options: argparse.Namespace) -> int:
    """Run a command; return the exit status."""
    try:
        return int(command.run(options))
    except UsageError as error:
        _complain(f"dana-bridge {command.NAME}: {visible(str(error))}")
        return 2
    except KeyboardInterrupt:
        _complain("")
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough. What Python still holds of it is not to fail at the exit.
        _discard_output()
        return 141
    except OSError as error:
        _discard_output()
        _complain(f"dana-bridge {command.NAME}: {visible(str(error))}")
        return 1


def _complain(text: str) -> None:
    """Write a line to standard error, if there is any."""
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")


def _discard_output() -> None:
    """Let what is written to standard output from now on go nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _without_command(words: list[str]) -> int:
    """Show the general help, the version, or what was wrong with the first word."""
    parser = _Parser(prog="dana-bridge", usage="dana-bridge COMMAND ...", epilog=EPILOG)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    if not words or words[0] in ("-h", "--help"):
        listed = (f"  {name:<8} {import_module(f'.{name}', __package__).HELP}" for name in COMMANDS)
        parser.description = "\n".join([ABOUT, "", "commands:", *listed])
    if not words:
        parser.print_help()
        return 2
    if not words[0].startswith("-"):
        parser.error(f"there is no command {words[0]!r}{did_you_mean(words[0], COMMANDS)}")
    parser.parse_known_args(words[:1])
    return parser.unknown(words[0])
