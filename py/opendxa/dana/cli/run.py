"""``dana-bridge run``: runs a program, locked away, and prints what it prints.

Rule: standard output is the program's alone. If it defines ``__main__`` in the first column, that is called
afterwards with the values of the command line, as values.
"""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext, redirect_stdout
from io import StringIO, TextIOWrapper
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from . import session
from .usage import UsageError

if TYPE_CHECKING:
    import argparse

    from ..dana_module import Dana
    from ..result import ExecutionResult

__all__ = ["EPILOG", "HELP", "NAME", "REST", "arguments", "run"]

NAME = "run"
HELP = "run a program, isolated from this machine"
#: The option that takes words which come after others.
REST = "values"
EPILOG = f"""\
examples:
  dana-bridge run hello.na
  dana-bridge run plan.na city=Hue days=3 tags='["food", "sea"]'     call its __main__ with these
  dana-bridge run report.na rows=@sales.csv                          JSON, YAML, CSV, or text from a file
  echo 'print(6 * 7)' | dana-bridge run -
  dana-bridge run untrusted.na --require-isolation --limit wall_time=2s --limit memory=64MiB
  dana-bridge run ask.na --llm openai:gpt-4o-mini --limit model_calls=5
  dana-bridge run price.na --json | jq .result

values:
  A program that defines __main__ in the first column has it called with them. A value is JSON where it is
  JSON (3, true, [1, 2], "3"), and text otherwise. For text that begins with @ write '"@text"'.

{session.EPILOG}
exit status:
  0  done    1  the program failed    2  wrong usage, or no such file    3  isolation refused
  130  Ctrl-C: the worker is gone    141  nobody read the output
"""

_MAIN: Final = re.compile(r"^(?:sync[ \t]+)?def[ \t]+__main__[ \t]*\(", re.MULTILINE)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("program", metavar="FILE", help="the program; - reads it from standard input")
    parser.add_argument("values", nargs="*", metavar="key=value", help="what its __main__ is called with")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--result", action="store_true", help="also print the result, at the end")
    shown.add_argument(
        "--json", action="store_true", help="print one JSON document: result, output, error, usage, isolation"
    )
    session.arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run the program; return the exit status."""
    from ..exceptions import DanaError, IsolationUnavailableError  # noqa: PLC0415

    source, name, folders = _program(options.program)
    values = _values(options.values) if options.values else {}
    has_main = _MAIN.search(source) is not None
    if values and not has_main:
        raise _without_main(name, values)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # A document has what was printed in it.
    printed = StringIO() if options.json else None
    try:
        with session.opened(options, folders) as d:
            # Read now: a session that a limit ends has no level any more.
            level, begun = d.isolation.level.value if printed is not None else "", perf_counter()
            with redirect_stdout(printed) if printed is not None else nullcontext():
                outcome = d.execute_string(source, name)
                if outcome.success and has_main:
                    _call_main(d, outcome, name, values)
            if printed is not None:
                outcome.output, outcome.execution_time = printed.getvalue(), perf_counter() - begun
                return _tell_document(d, outcome, level)
            return _tell(outcome, options)
    except IsolationUnavailableError as error:
        _complain(error)
        return session.REFUSED
    except DanaError as error:
        _complain(error)
        return 1


def _values(words: list[str]) -> dict[str, Any]:
    """Read what stands behind the program."""
    from .inputs import read  # noqa: PLC0415 - loaded when there is any

    return read(words)


def _program(word: str) -> tuple[str, str, list[Any]]:
    """Return the source, the name that errors show, and the folders to look for modules in first."""
    from pathlib import Path  # noqa: PLC0415

    from ..exceptions import ResourceError  # noqa: PLC0415
    from ..modules import read  # noqa: PLC0415

    if word == "-":
        return _standard_input(), "<stdin>", []
    path = Path(word)
    try:
        return read(path), path.name, [path.absolute().parent]
    except ResourceError as error:
        raise UsageError(str(error)) from error


def _standard_input() -> str:
    """Return the program that is piped in."""
    from ..modules import MAX_SOURCE  # noqa: PLC0415

    if sys.stdin is None:
        raise UsageError("standard input is closed")
    data = sys.stdin.buffer.read(MAX_SOURCE + 1)
    if len(data) > MAX_SOURCE:
        raise UsageError(f"the program in standard input is larger than {MAX_SOURCE} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"the program in standard input is not UTF-8 text (byte {error.start})") from error


def _without_main(name: str, values: dict[str, Any]) -> UsageError:
    return UsageError(
        f"{name} defines no __main__ in its first column, so {next(iter(values))}=... has no meaning"
    )


def _call_main(d: Dana, outcome: ExecutionResult, name: str, values: dict[str, Any]) -> None:
    """Call ``__main__``; what comes of it is the outcome of the run."""
    from ..exceptions import DanaCallError, DanaError  # noqa: PLC0415

    try:
        d.get("__main__")
    except DanaCallError as error:
        if error.fault is None or error.fault.kind != "NameError":
            raise
        # What looked like its definition was in a text.
        if values:
            raise _without_main(name, values) from None
        return
    try:
        outcome.result = d.call("__main__", **values)
    except DanaError as error:
        outcome.success, outcome.result, outcome.error = False, None, error


def _tell_document(d: Dana, outcome: ExecutionResult, level: str) -> int:
    """Print the outcome as JSON; return the exit status."""
    from .document import of  # noqa: PLC0415 - loaded when it is wanted

    text, success = of(d, outcome, level)
    sys.stdout.write(text + "\n")
    return 0 if success else 1


def _tell(outcome: ExecutionResult, options: argparse.Namespace) -> int:
    """Show what is to be shown of the outcome; return the exit status."""
    if outcome.error is not None:
        _complain(outcome.error)
        return 1
    if options.result:
        from .values import shown  # noqa: PLC0415 - loaded when it is wanted

        sys.stdout.write(shown(outcome.result) + "\n")
    return 0


def _complain(error: BaseException) -> None:
    """Tell what went wrong on standard error, behind all of the output."""
    from .failures import tell  # noqa: PLC0415 - loaded when something failed
    from .terminal import Terminal  # noqa: PLC0415

    if sys.stdout is not None:
        sys.stdout.flush()
    tell(Terminal(sys.stderr), error)
