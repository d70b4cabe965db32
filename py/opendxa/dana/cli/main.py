"""Reads the command line and hands over to a subcommand.

A subcommand is a module with `NAME`, `HELP`, `arguments(parser)` and `run(options) -> exit status`.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from . import attack, doctor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

COMMANDS = (doctor, attack)


class _Version(argparse.Action):
    """Shows the version, read from the installed package only when somebody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .. import __version__  # noqa: PLC0415

        parser.exit(message=f"dana-bridge {__version__}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="dana-bridge", description="Dana in Python, in locked processes")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.arguments(sub)
        sub.set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough. Nothing more can be told.
        sys.stderr.close()
        return 141
