"""What can stand where the cursor is, in a session.

Rule: nothing runs to find it out. What the session has was told after its last turn; modules are looked for
as files, and their names are read from their text.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..description import Callee, Description, Type

__all__ = ["METHODS", "Names", "Suggestion", "suggest"]

#: Methods of builtin values; a test tries each.
METHODS: Final[dict[str, str]] = {
    "str": "capitalize casefold center count encode endswith expandtabs find format format_map index isalnum "
    "isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper "
    "join ljust lower lstrip partition removeprefix removesuffix replace rfind rindex rjust rpartition "
    "rsplit rstrip split splitlines startswith strip swapcase title translate upper zfill",
    "list": "append clear copy count extend index insert pop remove reverse sort",
    "tuple": "count index",
    "range": "count index",
    "dict": "clear copy fromkeys get items keys pop popitem setdefault update values",
    "set": "add clear copy difference discard intersection isdisjoint issubset issuperset pop remove "
    "symmetric_difference union update",
    "int": "as_integer_ratio bit_count bit_length conjugate is_integer",
    "bool": "as_integer_ratio bit_count bit_length conjugate is_integer",
    "float": "as_integer_ratio conjugate is_integer",
    "bytes": "decode hex",
}
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_COMMAND: Final = re.compile(r"(:\w*)$")
_MODULE: Final = re.compile(r"^[ \t]*(?:import|from)[ \t]+((?:\w+\.)*\w*)$")
_MEMBER_OF_MODULE: Final = re.compile(
    rf"^[ \t]*from[ \t]+({_NAME}(?:\.{_NAME})*)[ \t]+import[ \t]+(?:.*,[ \t]*)?(\w*)$"
)
_ATTRIBUTE: Final = re.compile(rf"(?<![\w.)\]\"'])({_NAME}(?:\.{_NAME})*)\.(\w*)$")
_OF_TEXT: Final = re.compile(r"[\"']\.(\w*)$")
_WORD: Final = re.compile(rf"(?<![\w.])({_NAME})?$")
_SCOPED: Final = re.compile(rf"\b(?:private|public|local|system):({_NAME})?$")
#: A definition or an assignment in the first column of a module.
_DEFINED: Final = re.compile(
    rf"^(?:(?:sync[ \t]+)?def|struct|resource|agent_blueprint|workflow|agent)[ \t]+({_NAME})"
    rf"|^({_NAME})[ \t]*(?::[^=\n]*)?=(?!=)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Suggestion:
    """Something that can stand at the cursor."""

    #: What replaces the last `replaces` characters.
    text: str
    replaces: int
    #: What it is, in a few words.
    about: str = ""


@dataclass(frozen=True)
class Names:
    """What a session has, as it was told after a turn."""

    values: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Callee] = field(default_factory=dict)
    types: dict[str, Type] = field(default_factory=dict)
    builtins: dict[str, Callee] = field(default_factory=dict)
    #: Names the modules that can be imported.
    modules: Callable[[], list[str]] = list
    #: Returns the text of a module, None when there is none.
    text_of: Callable[[str], str | None] = lambda _: None

    @classmethod
    def of(
        cls, told: Description, modules: Callable[[], list[str]], text_of: Callable[[str], str | None]
    ) -> Names:
        """Take what a session told of itself."""
        own = (*told.host_functions, *told.functions)
        return cls(
            values=dict(told.values),
            functions={one.name: one for one in own},
            types={one.name: one for one in told.types},
            builtins={one.name: one for one in told.builtins},
            modules=modules,
            text_of=text_of,
        )


def suggest(before: str, names: Names, commands: Iterable[str] = ()) -> list[Suggestion]:
    """Return what can follow the text before the cursor, the likeliest first."""
    line = before.rpartition("\n")[2]
    if before == line and (match := _COMMAND.fullmatch(line)):
        return _matching(match[1], ((name, "command") for name in commands))
    if _in_text(before):
        return []
    if match := _MEMBER_OF_MODULE.search(line):
        return _matching(match[2], ((name, match[1]) for name in _members_of_module(match[1], names)))
    if match := _MODULE.search(line):
        return _matching(match[1], ((name, "module") for name in names.modules()))
    if match := _OF_TEXT.search(line):
        return _matching(match[1], _members_of("str", names))
    if match := _ATTRIBUTE.search(line):
        return _matching(match[2], _members(match[1].split("."), names))
    if match := _SCOPED.search(line):
        return _matching(match[1] or "", names.values.items())
    match = _WORD.search(line)
    return _matching(match[1] or "", _words(names)) if match else []


def _matching(prefix: str, found: Iterable[tuple[str, str]]) -> list[Suggestion]:
    """Return what begins with a prefix, once; names that begin with ``_`` only when they are asked for."""
    known: dict[str, str] = {}
    for name, about in found:
        if name.startswith(prefix) and (prefix or not name.startswith("_")):
            known.setdefault(name, about)
    return [Suggestion(name, len(prefix), about) for name, about in known.items()]


def _in_text(before: str) -> bool:
    """Whether the cursor is inside a text or a comment."""
    from pygments.token import Comment, String  # noqa: PLC0415

    from ..pygments_lexer import DanaLexer  # noqa: PLC0415 - loaded with the first completion

    last = None
    # A word behind it tells where it stands.
    for _, kind, _text in DanaLexer().get_tokens_unprocessed(f"{before}x"):
        last = kind
    return last is not None and (last in Comment or (last in String and last not in String.Interpol))


def _words(names: Names) -> Iterator[tuple[str, str]]:
    """Return everything that can begin an expression or a statement."""
    from ..pygments_lexer import CONSTANTS, KEYWORDS, SCOPES, WORD_OPERATORS  # noqa: PLC0415

    yield from sorted(names.values.items())
    for name, callee in sorted(names.functions.items()):
        yield name, _about(callee)
    for name, kind in sorted(names.types.items()):
        yield name, f"{kind.kind}({', '.join(one.partition(' ')[0].rstrip(':') for one in kind.fields)})"
    for name, callee in sorted(names.builtins.items()):
        yield name, _about(callee)
    for word in (*KEYWORDS, *WORD_OPERATORS):
        yield word, "keyword"
    for word in CONSTANTS[::3]:
        yield word.lower(), "constant"
    for word in SCOPES:
        yield f"{word}:", "scope"


def _about(callee: Callee) -> str:
    """Tell how a function is called, and the first line of its documentation."""
    first = next((line.strip() for line in (callee.doc or "").splitlines() if line.strip()), "")
    return f"{callee.signature}  {first}" if first else callee.signature


def _members(path: list[str], names: Names) -> Iterator[tuple[str, str]]:
    """Return the members of what a dotted name names, as far as types tell."""
    kind = names.values.get(path[0])
    if kind == "module":
        yield from ((name, "") for name in _members_of_module(".".join(path), names))
        return
    for name in path[1:]:
        kind = _type_of_field(names.types.get(kind or ""), name)
    if kind is not None:
        yield from _members_of(kind, names)


def _members_of(kind: str, names: Names) -> Iterator[tuple[str, str]]:
    """Return the fields and methods of a type."""
    known = names.types.get(kind)
    if known is not None:
        for one in known.fields:
            yield one.partition(":")[0].strip(), one.partition("  #")[0].partition(":")[2].strip()
        for method in known.methods:
            yield method.name, _about(method)
    for name in METHODS.get(kind.partition("[")[0], "").split():
        yield name, f"method of {kind}"


def _type_of_field(kind: Type | None, name: str) -> str | None:
    """Return the type that a field is annotated with."""
    for one in kind.fields if kind is not None else ():
        known, colon, rest = one.partition(":")
        if known.strip() == name and colon:
            return rest.partition("  #")[0].partition("=")[0].strip()
    return None


def _members_of_module(name: str, names: Names) -> list[str]:
    """Return what a module defines in its first column, read from its text."""
    text = None
    with suppress(OSError):
        text = names.text_of(name)
    if text is None:
        return []
    found = {match[1] or match[2] for match in _DEFINED.finditer(text)}
    return sorted(one for one in found if not one.startswith("_"))
