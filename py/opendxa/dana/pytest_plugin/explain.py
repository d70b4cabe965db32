"""Why an assertion failed, told as pytest tells it, from what the program's values were.

Rule: nothing is evaluated: it is all text that the interpreter sent with the failure, bounded and hostile.
What is said of it takes little time whatever it is.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from opendxa.dana.fault import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opendxa.dana.fault import Assertion, Operand

__all__ = ["explain"]

#: Most characters of a value within a line, and most lines of an explanation, unless all is asked for.
_VALUE: Final = 240
_LINES: Final = 30
_STRING: Final = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.DOTALL)


def explain(assertion: Assertion, *, whole: bool = False) -> list[str]:
    """Return the lines; `whole` leaves nothing out of what is known."""
    width = 10**6 if whole else _VALUE
    outer = _outer(assertion.operands)
    lines = [f"assert {_substituted(assertion.text, 0, len(assertion.text), outer, width)}"]
    for operand in outer:
        source = assertion.text[operand.start : operand.end]
        if _plain(source) == _plain(operand.text) or source.replace(":", "").isidentifier():
            continue
        inner = [other for other in assertion.operands if other is not operand and _within(other, operand)]
        told = _substituted(assertion.text, operand.start, operand.end, _outer(tuple(inner)), width)
        lines.append(f" +  where {_value(operand, width)} = {told}")
    if assertion.compared is not None and assertion.compared[1] == "==":
        lines += [f"  {line}" for line in _difference(assertion.compared[0], assertion.compared[2], width)]
    lines = [visible(line).replace("\n", " ") for line in lines]
    if len(lines) > _LINES and not whole:
        lines = [*lines[:_LINES], f"  ... {len(lines) - _LINES} more lines, use -vv to see them"]
    return lines


def _within(inner: Operand, outer: Operand) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _outer(operands: tuple[Operand, ...]) -> list[Operand]:
    """Return the operands that are no part of another, in the order of the text."""
    found: list[Operand] = []
    for operand in sorted(operands, key=lambda operand: (operand.start, -operand.end)):
        if not found or operand.start >= found[-1].end:
            found.append(operand)
    return found


def _substituted(text: str, start: int, end: int, operands: list[Operand], width: int) -> str:
    """Return a piece of the condition with values in the place of operands, in one line."""
    before, after = _balance(text[start:end])
    pieces = [before]
    for operand in operands:
        pieces += [_line(text[start : operand.start]), _value(operand, width)]
        start = operand.end
    return "".join([*pieces, _line(text[start:end]), after])


def _balance(text: str) -> tuple[str, str]:
    """Return the parentheses that stand round a piece of a program: its place does not have the outermost."""
    opened = missing = 0
    for char in _STRING.sub("", text):
        if char == "(":
            opened += 1
        elif char == ")" and opened:
            opened -= 1
        elif char == ")":
            missing += 1
    return "(" * missing, ")" * opened


def _line(text: str) -> str:
    """Return text of a program with its line breaks as spaces."""
    before, after = " " * text[:1].isspace(), " " * text[-1:].isspace()
    words = " ".join(text.split())
    return f"{before}{words}{after}" if words else before


def _value(operand: Operand, width: int) -> str:
    return _short(operand.text, width)


def _short(text: str, width: int) -> str:
    half = width // 2
    return text if len(text) <= width else f"{text[: half - 2]}...{text[-half + 1 :]}"


def _plain(text: str) -> str:
    """Return a text without what spellings of one literal differ in."""
    return "".join(text.split()).replace('"', "'").lower()


def _difference(left: Operand, right: Operand, width: int) -> Iterator[str]:
    """Tell what differs between two values that should be equal."""
    if left.shape != right.shape or left.shape == "plain":
        return
    if left.shape == "text" and left.parts and right.parts:
        yield from _of_texts(left.parts[0][1], right.parts[0][1])
    elif left.shape == "items":
        yield from _of_items(left, right, width)
    elif left.shape == "members":
        yield from _of_members(left, right, width)
    elif left.text.partition("(")[0] == right.text.partition("(")[0] or left.shape == "pairs":
        yield from _of_keys(left, right, width)


def _of_texts(left: str, right: str) -> Iterator[str]:
    if "\n" in left or "\n" in right:
        for line in difflib.unified_diff(right.split("\n"), left.split("\n"), lineterm="", n=2):
            if not line.startswith(("---", "+++", "@@")):
                yield f"{line[:1]} {line[1:]}"
        return
    pairs = enumerate(zip(left, right, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(left), len(right)))
    cut = max(0, same - 60)
    yield f"- {'...' * bool(cut)}{right[cut : same + 60]}"
    yield f"+ {'...' * bool(cut)}{left[cut : same + 60]}"
    yield f"? {' ' * (len(visible(left[cut:same])) + 3 * bool(cut))}^"


def _of_items(left: Operand, right: Operand, width: int) -> Iterator[str]:
    for at, (one, other) in enumerate(zip(left.parts, right.parts, strict=False)):
        if one != other:
            yield f"At index {at} diff: {_short(one[1], width)} != {_short(other[1], width)}"
            break
    for side, more, less in (("Left", left, right), ("Right", right, left)):
        surplus = more.count - less.count
        if surplus > 0:
            first = f", first extra item: {more.parts[less.count][1]}" if less.count < len(more.parts) else ""
            yield f"{side} contains {surplus} more item{'s' * (surplus > 1)}{_short(first, width)}"


def _of_members(left: Operand, right: Operand, width: int) -> Iterator[str]:
    if len(left.parts) < left.count or len(right.parts) < right.count:
        return
    for side, more, less in (("left", left, right), ("right", right, left)):
        known = set(less.parts)
        extra = sorted(part[1] for part in more.parts if part not in known)
        if extra:
            yield f"Extra items in the {side} set:"
            yield from (_short(item, width) for item in extra)


def _of_keys(left: Operand, right: Operand, width: int) -> Iterator[str]:
    """Tell the difference of dicts, or of structs of one type."""
    whole = len(left.parts) == left.count and len(right.parts) == right.count
    ours, theirs = dict(left.parts), dict(right.parts)
    pairs = left.shape == "pairs"
    what = "item" if pairs else "field"
    same = sum(ours[key] == theirs.get(key) for key in ours)
    if same:
        yield f"Omitting {same} identical {what}{'s' * (same > 1)}"
    differing = [key for key in ours if key in theirs and ours[key] != theirs[key]]
    if differing:
        yield f"Differing {what}s:"
    for key in differing:
        one, other = _short(ours[key], width), _short(theirs[key], width)
        yield f"{{{key}: {one}}} != {{{key}: {other}}}" if pairs else f"{key}: {one} != {other}"
    if not whole:
        return
    for side, mine, others in (("Left", ours, theirs), ("Right", theirs, ours)):
        extra = [key for key in mine if key not in others]
        if extra:
            yield f"{side} contains {len(extra)} more item{'s' * (len(extra) > 1)}:"
            yield from (f"{{{key}: {_short(mine[key], width)}}}" for key in extra)
