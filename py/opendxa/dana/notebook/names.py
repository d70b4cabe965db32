"""Completion inside ``%%dana`` cells.

Rule: completing runs nothing and asks the session nothing: the names are those it told after the last cell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from IPython.core.completer import SimpleCompletion, context_matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from IPython.core.completer import CompletionContext, SimpleMatcherResult

__all__ = ["KEYWORDS", "Names", "matcher"]

#: Words that a program may begin something with.
KEYWORDS: Final = (
    *(
        "agent",
        "agent_blueprint",
        "and",
        "as",
        "assert",
        "break",
        "continue",
        "def",
        "elif",
        "else",
        "except",
    ),
    *("false", "finally", "for", "from", "if", "import", "in", "is", "lambda", "none", "not", "or", "pass"),
    *("private", "public", "raise", "resource", "return", "struct", "sync", "system", "true", "try", "while"),
    *("with", "workflow"),
)
_CELL: Final = re.compile(r"\s*%%?dana\b")
_WORD: Final = re.compile(r"(?:[A-Za-z_]\w*)?\Z")


class Names:
    """What a program of the session can name."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, description: dict[str, Any]) -> None:
        """Take over what a session told of itself."""
        known: dict[str, str] = {}
        kinds = (
            ("builtins", "function"),
            ("functions", "function"),
            ("types", "class"),
            ("values", "instance"),
        )
        for key, kind in kinds:
            known.update(dict.fromkeys(description[key], kind))
        known.update(dict.fromkeys(description["host"], "function"))
        self._known = known

    def forget(self) -> None:
        """Know only the language again."""
        self._known = {}

    def beginning(self, word: str) -> Iterable[tuple[str, str]]:
        """Return names that begin so, with what they are, sorted."""
        every = {**dict.fromkeys(KEYWORDS, "keyword"), **self._known}
        return sorted((name, kind) for name, kind in every.items() if name.startswith(word))


def matcher(names: Names) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """Return what IPython asks for completions."""

    @context_matcher(identifier="opendxa.dana")  # type: ignore[untyped-decorator, unused-ignore]
    def dana_names(context: CompletionContext) -> SimpleMatcherResult:
        before = context.full_text[: _position(context)]
        in_body = _CELL.match(context.full_text) is not None and (
            "\n" in before if before.lstrip().startswith("%%") else _CELL.match(before) is not None
        )
        if not in_body:
            return _result([], "", suppress=False)
        found = _WORD.search(before)
        word = found[0] if found else ""
        attribute = before[: len(before) - len(word)].endswith(".")
        every = [] if attribute else names.beginning(word)
        completions = [SimpleCompletion(name, type=kind) for name, kind in every]
        return _result(completions, word, suppress=True)

    made: Callable[[CompletionContext], SimpleMatcherResult] = dana_names
    return made


def _result(found: list[SimpleCompletion], word: str, *, suppress: bool) -> SimpleMatcherResult:
    return {
        "completions": found,
        "matched_fragment": word,
        "suppress": suppress,
        "do_not_suppress": set(),
        "ordered": False,
    }


def _position(context: CompletionContext) -> int:
    """Return where the cursor is in the whole text."""
    lines = context.full_text.split("\n")
    return sum(len(line) + 1 for line in lines[: context.cursor_line]) + context.cursor_position
