"""How values and errors of programs look in a notebook.

Rule: all text of a program is escaped: for HTML where it is HTML, for terminals everywhere.
"""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opendxa.dana import Struct
from opendxa.dana.fault import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["forget", "teach", "told"]

#: Most rows of a table, and most characters of a cell.
_ROWS: Final = 200
_CELL: Final = 300
Raised = TypeVar("Raised", bound=BaseException)
_RED, _PLAIN = "\033[31m", "\033[0m"


def teach(shell: InteractiveShell) -> None:
    """Show structs as tables, and lists of structs of one type."""
    html = _html_of(shell)
    html.for_type(Struct, _struct)
    html.for_type(list, _structs)


def forget(shell: InteractiveShell) -> None:
    """Show them as before."""
    html = _html_of(shell)
    for python_type in (Struct, list):
        html.pop(python_type, None)


def _html_of(shell: InteractiveShell) -> Any:
    return shell.display_formatter.formatters["text/html"]  # type: ignore[union-attr]


def _struct(value: Struct) -> str:
    rows = [[name, shown] for name, shown in value.attributes.items()]
    return _table(value.type_name, ["field", "value"], rows, len(rows))


def _structs(values: list[Any]) -> str | None:
    """Return a table, or None for a list that is shown as lists are."""
    if not values or type(values[0]) is not Struct:
        return None
    name, fields = values[0].type_name, list(values[0].attributes)
    shown = values[:_ROWS]
    if not all(type(value) is Struct and value.type_name == name for value in shown):
        return None
    rows = [[value.attributes.get(field) for field in fields] for value in shown]
    return _table(name, fields, rows, len(values))


def _table(caption: str, heads: list[str], rows: Iterable[list[Any]], count: int) -> str:
    pieces = [f"<table><caption>{_escaped(caption)}</caption><thead><tr>"]
    pieces += [f"<th>{_escaped(head)}</th>" for head in heads]
    pieces.append("</tr></thead><tbody>")
    for row in list(rows)[:_ROWS]:
        cells = "".join(f"<td>{_cell(value)}</td>" for value in row)
        pieces.append(f"<tr>{cells}</tr>")
    pieces.append("</tbody></table>")
    if count > _ROWS:
        pieces.append(f"<p>{count - _ROWS} more</p>")
    return "".join(pieces)


def _cell(value: Any) -> str:
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # Python does not print an int of more than some thousand digits
        text = f"<{type(value).__name__}>"
    return _escaped(text if len(text) <= _CELL else f"{text[: _CELL - 3]}...")


def _escaped(text: str) -> str:
    return escape(visible(text))


def told(error: Raised, text: str | None = None) -> Raised:
    """Return the error; IPython shows its text, without frames of Python that only carried it."""
    error._render_traceback_ = partial(_lines, text or str(error))  # type: ignore[attr-defined]
    return error


def _lines(text: str) -> list[str]:
    head, *rest = visible(text).split("\n")
    return [f"{_RED}{head}{_PLAIN}", *rest]
