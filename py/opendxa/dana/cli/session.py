"""The options that say what a session of `run` and `repl` is like, and the session they open.

Rule: isolated unless the command line says otherwise. What is not as it was asked for is told on standard
error; with ``--require-isolation`` it is refused instead.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from .usage import UsageError, isolation_level, visible

if TYPE_CHECKING:
    import argparse
    import os
    from collections.abc import Iterable, Iterator

    from ..dana_module import Dana
    from ..limits import Limits

__all__ = ["EPILOG", "REFUSED", "arguments", "opened", "told_of_isolation"]

#: Exit status when the isolation that was required cannot be had.
REFUSED: Final = 3
#: As `IsolationLevel` has them; a test compares. That module is not loaded to read a command line.
LEVELS: Final = ("none", "process", "filtered", "landlocked", "namespaced", "contained")

EPILOG: Final = """\
isolation:
  The program runs in a worker process of its own, which the kernel has locked before it reads the first
  byte of the program: no files, no network, no other processes, no environment. What it asks for (a model's
  answer, a module) is done by this command and may be refused. Where no sandbox can be had, it runs inside
  this process after a warning; --require-isolation or DANA_REQUIRE_ISOLATION=1 refuse that.

limits:
  wall_time, session_time, cpu_time (2s, 500ms, 1min), memory, output (64MiB, 1GB), steps, depth, asks,
  tokens, model_calls (1000, 10M), cost (0.50); none lifts one. One letter after bytes is binary: 64M = 64MiB.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the session may be like."""
    group = parser.add_argument_group("the session")
    group.add_argument(
        "--isolation",
        metavar="LEVEL",
        help=f"how strong the wall is to be: {', '.join(LEVELS[2:])} (usually landlocked)",
    )
    group.add_argument(
        "--require-isolation",
        action="store_true",
        help=f"fail with status {REFUSED} rather than run with less",
    )
    group.add_argument(
        "--in-process", action="store_true", help="run inside this process: this is no sandbox at all"
    )
    group.add_argument(
        "--limit",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="what the program may use, such as wall_time=2s or memory=64MiB",
    )
    group.add_argument(
        "--llm",
        metavar="MODEL",
        help="who answers reason(): openai:NAME, anthropic:NAME, ollama:NAME, azure:NAME, litellm:NAME, "
        "local, mock, or scripted:REPLY|REPLY (without it the environment says)",
    )
    group.add_argument(
        "-I",
        "--search-path",
        metavar="FOLDER",
        action="append",
        default=[],
        help="look for modules here before the usual places; may be given several times",
    )


@contextmanager
def opened(options: argparse.Namespace, first: Iterable[str | os.PathLike[str]] = ()) -> Iterator[Dana]:
    """Open a session as the command line says; `first` are the folders to look in before all others.

    Meanwhile, what programs log goes to standard error.
    """
    import warnings  # noqa: PLC0415

    from ..dana_module import Dana  # noqa: PLC0415 - not needed to read a command line
    from ..exceptions import IsolationUnavailableWarning  # noqa: PLC0415

    settings = _isolation(options)
    settings["limits"] = _limits(options.limit) if options.limit else None
    settings["llm"] = _model(options.llm) if options.llm is not None else None
    settings["search_paths"] = _places(options.search_path, first)
    with _shown_logs():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", IsolationUnavailableWarning)
            session = Dana(**settings)
        with session:
            for warning in caught:
                _say(f"warning: {warning.message}")
            _compare(session, options)
            yield session


def told_of_isolation(session: Dana) -> str:
    """Return the level of a session in a word, or that it has no wall."""
    return session.isolation.level.value if session.is_subprocess_isolated else "NOT isolated"


def _isolation(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `Dana` for what was asked."""
    level = options.isolation
    if level is not None:
        isolation_level(level)
    if options.in_process or level == "none":
        if options.require_isolation or level not in (None, "none"):
            other = "--require-isolation" if options.require_isolation else f"--isolation {level}"
            raise UsageError(
                f"{'--in-process' if options.in_process else '--isolation none'} contradicts {other}"
            )
        return {"isolation": "none"}
    if level == "process" and options.require_isolation:
        raise UsageError("--isolation process contradicts --require-isolation: it is not called isolated")
    settings: dict[str, Any] = {
        "use_subprocess_isolation": True,
        "require_isolation": options.require_isolation,
    }
    if level is not None:
        settings["isolation"] = level
        if options.require_isolation:
            settings["min_isolation"] = level
    return settings


def _limits(words: list[str]) -> Limits | None:
    from .quantities import limits  # noqa: PLC0415 - loaded when a limit is named

    return limits(words)


def _model(text: str) -> object:
    """Return the provider, so that a name that means nothing is refused before anything runs."""
    from ..exceptions import ResourceError  # noqa: PLC0415
    from ..llm.resolve import resolve  # noqa: PLC0415 - loaded when a model is named

    try:
        return resolve(text)
    except (ResourceError, ValueError) as error:
        raise UsageError(f"--llm: {error}") from error


def _places(given: list[str], first: Iterable[str | os.PathLike[str]]) -> list[str | os.PathLike[str]] | None:
    """Return the folders to look for modules in; None for the usual ones alone."""
    from pathlib import Path  # noqa: PLC0415

    from ..modules import usual_places  # noqa: PLC0415

    for folder in given:
        if not Path(folder).expanduser().is_dir():
            raise UsageError(f"--search-path: there is no folder {folder}")
    return [*first, *given, *usual_places()]


def _compare(session: Dana, options: argparse.Namespace) -> None:
    """Say so when less was reached than the command line named."""
    if options.isolation in (None, "none") or options.in_process:
        return
    report = session.isolation
    if report.level < options.isolation:
        missing = ", ".join(layer.name for layer in report.layers if layer.wanted and not layer.in_force)
        _say(
            f"warning: isolation {options.isolation!r} was asked for, {report.level.value!r} is in force; "
            f"missing: {missing} (dana-bridge doctor tells more)"
        )


def _say(text: str) -> None:
    """Tell on standard error."""
    from .terminal import Terminal  # noqa: PLC0415 - loaded when there is something to tell

    terminal = Terminal(sys.stderr)
    terminal.line(terminal.paint("dana-bridge:", "yellow") + f" {visible(text)}")


@contextmanager
def _shown_logs() -> Iterator[None]:
    """Have what programs log written to standard error; what the package logs of itself is told otherwise."""
    import logging  # noqa: PLC0415

    class Lines(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return visible(f"{record.levelname}: {record.getMessage()}").replace("\n", "\\n")

    package, programs = logging.getLogger("opendxa.dana"), logging.getLogger("opendxa.dana.program")
    quiet, handler = logging.NullHandler(), logging.StreamHandler()
    handler.setFormatter(Lines())
    before = package.propagate, programs.level
    package.addHandler(quiet)
    programs.addHandler(handler)
    package.propagate = False
    programs.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        package.propagate = before[0]
        programs.setLevel(before[1])
        package.removeHandler(quiet)
        programs.removeHandler(handler)
