"""How a failed program is told on a terminal: what happened, where, the line with a caret, what helps.

Rule: the words are the error's own, see `opendxa.dana.fault`; here they only get their colours, and none of
them can drive the terminal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .usage import visible

if TYPE_CHECKING:
    from .terminal import Terminal

__all__ = ["tell"]


def tell(terminal: Terminal, error: BaseException) -> None:
    """Write what went wrong."""
    text = visible(str(error)) or type(error).__name__
    in_excerpt = False
    for number, line in enumerate(text.split("\n")):
        if number == 0 or line.startswith("Caused by "):
            terminal.line(_headline(terminal, line))
        elif line.startswith(("  File ", "Dana trace ")):
            terminal.line(terminal.paint(line, "cyan"))
        elif line.startswith("Hint: "):
            terminal.line(terminal.paint("Hint:", "blue") + _hint(line.removeprefix("Hint:")))
        elif in_excerpt and line.strip() == "^":
            terminal.line(terminal.paint(line, "bold red"))
        else:
            terminal.line(line)
        in_excerpt = line.startswith("    ")
    for note in getattr(error, "__notes__", ()):
        terminal.line(terminal.paint(note, "dim"))


def _hint(text: str) -> str:
    """Say the command line's words for the arguments of `Dana` that an error advises."""
    text = text.replace("a lower min_isolation accepts less", "a lower --isolation asks for less")
    return re.sub(r"Limits\((\w+)=\.\.\.\)( or lift it with None)?", _option, text)


def _option(match: re.Match[str]) -> str:
    lifted = f", or lift it with {match[1]}=none" if match[2] else ""
    return f"--limit {match[1]}=...{lifted}"


def _headline(terminal: Terminal, line: str) -> str:
    """Colour the kind of an error."""
    kind, colon, message = line.partition(": ")
    return terminal.paint(kind, "bold red") + colon + message
