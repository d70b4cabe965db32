"""``dana-bridge fmt``: Dana files in the canonical style.

Rule: a file is replaced as a whole or not at all, and only by a text that is the same program with the
same comments. The exit status is 0 when all is well, 1 when a file is no Dana or, with ``--check``, not in
the style, 2 when a file cannot be read or written or the command line is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import stat
import sys
import tempfile
from pathlib import Path

from ..fault import visible
from .source_files import SourceFile, Unreadable, named
from .terminal import Terminal
from .usage import UsageError

__all__ = ["EPILOG", "HELP", "NAME", "arguments", "run"]

NAME = "fmt"
HELP = "bring Dana files into the one canonical style"
EPILOG = """\
examples:
  dana-bridge fmt agents/            rewrite all .na files of a folder that are not in the style
  dana-bridge fmt --check agents/    only tell which they are
  dana-bridge fmt --diff plan.na     only show what would change
  dana-bridge fmt - < plan.na        from standard input to standard output, for editors

exit status:
  0  all is well    1  a file is no Dana or, with --check, not in the style
  2  wrong usage, or a file that cannot be read or written
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="files, folders, or - for standard input to standard output"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if something would change"
    )
    parser.add_argument("--diff", action="store_true", help="write nothing; show what would change")


def run(options: argparse.Namespace) -> int:
    """Format the files; return the exit status."""
    from ..lint import FormatError, format_source  # noqa: PLC0415 - other commands do without

    if not options.files:
        raise UsageError("no file given: name files, folders, or - for standard input")
    terminal = Terminal()
    changed = unchanged = refused = failed = 0
    for file in named(options.files):
        if isinstance(file, Unreadable):
            failed += 1
            _wrong(f"{file.name}: {file.reason}")
            continue
        try:
            text = format_source(file.text)
        except FormatError as error:
            refused += 1
            _refuse(file, error)
            continue
        same = text == file.text
        changed, unchanged = (changed, unchanged + 1) if same else (changed + 1, unchanged)
        if options.diff:
            _show(terminal, file, text)
        elif options.check:
            if not same:
                terminal.line(f"would be formatted: {visible(file.name)}")
        elif file.path is None:
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()
        elif not same:
            try:
                _replace(file.path, file.data, text.encode())
            except OSError as error:
                failed += 1
                _wrong(f"{file.name}: {error.strerror or error}")
                continue
            terminal.line(f"formatted: {visible(file.name)}")
    if terminal.interactive and not options.diff and options.files != ["-"]:
        verb = "would be formatted" if options.check else "formatted"
        terminal.line(
            f"{changed} {verb}, {unchanged} left as they were, {refused + failed} not readable as Dana"
        )
    return 2 if failed else 1 if refused or (changed and options.check) else 0


def _wrong(message: str) -> None:
    sys.stderr.write(f"dana-bridge fmt: {visible(message)}\n")


def _refuse(file: SourceFile, error: Exception) -> None:
    """Tell why a file stays as it is."""
    finding = getattr(error, "finding", None)
    if finding is None:
        _wrong(f"{file.name}: {error}")
        return
    hint = f" ({finding.hint})" if finding.hint else ""
    text = " ".join(f"{file.name}:{finding.line}:{finding.column}: {finding.message}{hint}".split())
    sys.stderr.write(visible(text) + "\n")


def _show(terminal: Terminal, file: SourceFile, text: str) -> None:
    """Show the difference: as it is for programs, coloured and harmless on a terminal."""
    before, after = file.text.splitlines(keepends=True), text.splitlines(keepends=True)
    name = file.name.replace("\n", "\\n")
    for line in difflib.unified_diff(before, after, name, name):
        shown = line.rstrip("\n")
        if terminal.interactive:
            colour = {"+": "green", "-": "red", "@": "blue"}.get(line[0], "")
            shown = visible(shown.rstrip("\r"))
            shown = terminal.paint(shown, colour) if colour else shown
        terminal.line(shown)
        if not line.endswith("\n"):
            terminal.line("\\ No newline at end of file")


def _replace(path: Path, before: bytes, data: bytes) -> None:
    """Put new contents in a file's place in one step, with its mode and, where it can be had, its owner."""
    target = Path(os.path.realpath(path))
    facts = target.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(0, "is no regular file")
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), stat.S_IMODE(facts.st_mode))
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), facts.st_uid, facts.st_gid)
            os.fsync(file.fileno())
        if target.read_bytes() != before:
            raise OSError(0, "was changed by somebody else meanwhile; nothing was written")
        os.replace(name, target)  # noqa: PTH105 - beside the other calls of os
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108
        raise
