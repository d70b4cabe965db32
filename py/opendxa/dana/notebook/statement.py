"""Whether a program ends in an expression, whose value a notebook shows.

Rule: it is found in the text alone, and only decides what is shown: a program of which this is wrong still
runs as it is written.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["ends_in_expression"]

_TOKEN: Final = re.compile(
    r"""(?P<text>[rRfF]?(?:\"\"\"(?:\\.|[^\\])*?(?:\"\"\"|\Z)|'''(?:\\.|[^\\])*?(?:'''|\Z)
        |"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))
      | (?P<comment>\#[^\n]*) | (?P<open>[(\[{]) | (?P<close>[)\]}])
      | (?P<compare>[=!<>]=) | (?P<assign>[-+*/]?=) | (?P<line>\n) | (?P<end>;)
      | (?P<space>[^\S\n]+) | (?P<word>\w+) | (?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
#: Words that begin a statement that is no expression.
_STATEMENTS: Final = frozenset(
    (
        *(
            "agent",
            "agent_blueprint",
            "assert",
            "break",
            "continue",
            "def",
            "elif",
            "else",
            "except",
            "finally",
        ),
        *(
            "for",
            "from",
            "if",
            "import",
            "interface",
            "pass",
            "raise",
            "resource",
            "return",
            "struct",
            "sync",
        ),
        *("try", "while", "with", "workflow"),
    )
)


def ends_in_expression(source: str) -> bool:
    """Return whether the last statement at the margin is an expression."""
    depth, fresh, margin, first, assigns = 0, True, True, "", False
    for found in _TOKEN.finditer(source):
        kind, text = found.lastgroup or "", found[0]
        if kind in ("line", "end") and depth == 0:
            fresh, margin = True, kind == "line" or margin
        elif kind == "space":
            if fresh and depth == 0 and found.start() > 0 and source[found.start() - 1] == "\n":
                margin = False
        elif kind in ("comment", "line", "end"):
            continue
        else:
            if fresh and depth == 0:
                fresh = False
                if margin:
                    first, assigns = text, False
                elif first:
                    continue
            if kind == "open":
                depth += 1
            elif kind == "close":
                depth = max(0, depth - 1)
            elif kind == "assign" and depth == 0:
                assigns = True
    return bool(first) and not assigns and first not in _STATEMENTS and first != "@"
