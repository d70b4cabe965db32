"""Typed lines, and the statements they make: where one ends, and whether its value is shown.

Rule: the language itself says what is complete. A block ends with an empty line at a prompt, and with the
next statement in a script of lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .._bridge import is_complete

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["indentation", "is_finished", "shows_value", "split"]

INDENT: Final = 4
#: Statements that go on with a block that came before.
_CONTINUES: Final = re.compile(r"(?:else|elif|except|finally)\b")
_LEAVES: Final = re.compile(r"\s*(?:return|raise|break|continue|pass)\b")


def is_finished(text: str) -> bool:
    """Whether what was typed is to be run now: a command, or statements that nothing is missing from."""
    return text.startswith(":") or is_complete(text)


def split(lines: Iterable[str]) -> Iterator[str]:
    """Return the statements and commands of a script, each as soon as it is known to have ended."""
    text = ""
    for ended in lines:
        line = ended.rstrip("\r\n")
        if text and _starts_anew(line) and is_complete(f"{text}\n"):
            yield text
            text = ""
        if not text and (not line.strip() or line.startswith(":")):
            if line.strip():
                yield line.rstrip()
            continue
        text = f"{text}\n{line}" if text else line
        # An empty line may stand in the middle of a block, unlike at a prompt.
        if line.strip() and is_complete(text):
            yield text
            text = ""
    if text.strip():
        yield text


def indentation(before: str) -> int:
    """Return by how many columns the line after this text is indented."""
    line = before.rpartition("\n")[2]
    columns = len(line) - len(line.lstrip(" "))
    code = line.partition("#")[0].rstrip()
    if code.endswith(":") and not code.endswith("::"):
        return columns + INDENT
    return max(columns - INDENT, 0) if _LEAVES.match(line) else columns


def shows_value(source: str) -> bool:
    """Whether the last statement is an expression: only such values are shown, as Python's prompt does."""
    from pygments.token import Keyword, Name, Operator, Punctuation, Token, Whitespace  # noqa: PLC0415

    from ..pygments_lexer import DanaLexer  # noqa: PLC0415 - loaded with the first statement

    depth, indented, fresh, in_line, expression, in_lambda = 0, False, True, False, False, False
    for _, kind, text in DanaLexer().get_tokens_unprocessed(source):
        if kind in Whitespace or kind in Token.Comment:
            if depth == 0 and "\n" in text:
                fresh, in_line, indented = True, False, False
            elif not in_line and kind in Whitespace:
                indented = True
            continue
        in_line = True
        if fresh:
            fresh, in_lambda = False, False
            # A word like ``if`` begins a statement, a scope or a constant a value.
            begins = kind in Keyword and kind not in Keyword.Constant and kind is not Keyword.Type
            expression = not indented and (text == "lambda" or not (begins or kind in Name.Decorator))
        if text == "lambda":
            in_lambda = True
        elif kind in Punctuation and text in "([{":
            depth += 1
        elif kind in Punctuation and text in ")]}":
            depth = max(depth - 1, 0)
        elif kind in Punctuation and text == ";" and depth == 0:
            fresh = True
        elif text == "::":
            in_lambda = False
        elif kind is Operator and text in ("=", "+=", "-=", "*=", "/=") and depth == 0 and not in_lambda:
            expression = False
    return expression


def _starts_anew(line: str) -> bool:
    """Whether a line is in the first column and goes on with nothing."""
    return line[:1] not in ("", " ", "\t", "#") and not _CONTINUES.match(line)
