"""Python types as Dana annotations, and Dana values as objects of those types.

`describe` says a Python type in Dana: the annotation, and the structs it names. `build` makes the Python
object from what came back, strictly: what does not fit is a `TypeConversionError` that says where
(``rows[3].price``).

Rule: nothing is guessed. A number never becomes text, nor text a number; only an int stands for a float, and
text for what Dana has no type for (dates, ``Decimal``, ``UUID``, members of an ``Enum``). A pydantic model
checks by its own rules on top.
"""

from __future__ import annotations

import datetime
import types
import typing
from collections import abc
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Union
from uuid import UUID

from .exceptions import TypeConversionError
from .fault import said, visible
from .records import ABSENT, MADE, Field, Record, record_of
from .types import alike, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Description", "build", "describe"]

#: Longest text of a class or a field that is told.
_NOTE_LENGTH: Final = 500
#: Most characters of what is told of a value that a class refuses.
_LONGEST_PROBLEM: Final = 4000
#: Most members of a set, or keys of a dict, of one hash.
_SAME_HASH: Final = 1000
#: Values that hold others.
_NESTED: Final = (list, tuple, dict, set, frozenset)
#: How deep types may be written in each other; names of structs end a path.
_DEPTH: Final = 64

_PLAIN: Final[dict[Any, str]] = {
    int: "int",
    float: "float",
    str: "str",
    bool: "bool",
    None: "None",
    type(None): "None",
    Any: "any",
    object: "any",
    list: "list",
    tuple: "tuple",
    dict: "dict",
    set: "set",
    frozenset: "set",
}
_LISTS: Final = (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
_SETS: Final = (set, frozenset, abc.Set, abc.MutableSet)
_DICTS: Final = (dict, abc.Mapping, abc.MutableMapping)
#: Kinds that travel as text, and how text becomes one of them.
_FROM_TEXT: Final[dict[type, Callable[[str], Any]]] = {
    datetime.datetime: lambda text: datetime.datetime.fromisoformat(_with_offset(text)),
    datetime.date: datetime.date.fromisoformat,
    datetime.time: lambda text: datetime.time.fromisoformat(_with_offset(text)),
    Decimal: Decimal,
    UUID: UUID,
}
_TEXT_NOTES: Final[dict[type, str]] = {
    datetime.datetime: "date and time in ISO 8601 form",
    datetime.date: "date in ISO 8601 form",
    datetime.time: "time in ISO 8601 form",
    Decimal: "decimal number as text",
    UUID: "UUID",
}


def _with_offset(text: str) -> str:
    """Spell UTC so that Python 3.10 reads it too."""
    return text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text


@dataclass(frozen=True)
class Description:
    """A Python type, said in Dana."""

    #: The annotation, for example ``list[Point] | None``.
    annotation: str
    #: Per name of a struct in it, the definition; they may name each other.
    structs: Mapping[str, str]
    #: Per name of a struct in it, the Python type behind it.
    origins: Mapping[str, Any]
    #: What the annotation cannot say, in words: the choices of an ``Enum`` or ``Literal``.
    note: str = ""

    @property
    def source(self) -> str:
        """A program that defines the structs."""
        return "".join(self.structs.values())


def describe(python_type: Any, rename: Callable[[str], str] = str, literal: str | None = None) -> Description:
    """Say a Python type in Dana; `rename` gives the structs their names, from those of their classes.

    `literal` is the annotation of what Python has and a model can only write as text: dates, ``Decimal``,
    ``UUID``, members of an ``Enum``.
    """
    writer = _Writer(rename, literal)
    annotation = writer.annotation(python_type, _Bound())
    # A struct's fields may name others, which are written in turn.
    return Description(annotation, writer.structs, writer.origins, _note(python_type))


def build(python_type: Any, value: Any, path: str = "value") -> Any:
    """Make the object of a Python type that a Dana value stands for; `path` is what errors call the value."""
    try:
        return _build(python_type, value, path, _Bound())
    except RecursionError:
        problem = f"{path} is nested too deeply, or holds itself"
        raise TypeConversionError(problem, python_type=python_type) from None


# --- seeing through types ----------------------------------------------------------------------------------


class _Bound(dict[Any, Any]):
    """What type variables stand for where a generic class is looked at, and what unions came to so far."""

    def __init__(self, types: Iterable[tuple[Any, Any]] = (), tried: dict[Any, _Tried] | None = None) -> None:
        super().__init__(types)
        #: By value and union. A union in a union in a union would be tried twice as often with each of them.
        self.tried: dict[Any, _Tried] = {} if tried is None else tried


@dataclass(frozen=True)
class _Tried:
    """What a value became of a union, or why it is none; holds what it was asked for by identity."""

    of: tuple[Any, ...]
    made: Any = None
    problem: str | None = None


def _seen(hint: Any, bound: _Bound) -> Any:
    """Take off what only decorates a type: ``Annotated``, ``Required``, aliases, ``NewType``, variables."""
    for _ in range(_DEPTH):
        origin = typing.get_origin(hint)
        if isinstance(hint, TypeVar):
            known = bound.get(hint)
            hint = known if known is not None else hint.__bound__ if hint.__bound__ is not None else Any
        elif hasattr(hint, "__metadata__"):
            hint = hint.__origin__
        elif getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar"):
            hint = typing.get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif _is_alias(hint):
            hint = hint.__value__ if origin is None else origin.__value__[typing.get_args(hint)]
        else:
            return hint
    raise TypeConversionError(f"the type {hint!r} stands for itself", python_type=hint)


def _is_alias(hint: Any) -> bool:
    """Whether it was made by ``type X = ...``, which may hold itself."""
    return type(typing.get_origin(hint) or hint).__name__ == "TypeAliasType"


def _union(hint: Any) -> tuple[Any, ...] | None:
    """Return the members of a union."""
    origin = typing.get_origin(hint)
    return typing.get_args(hint) if origin is Union or origin is types.UnionType else None


def _record(hint: Any, bound: _Bound) -> tuple[Record, _Bound] | None:
    """Return a class of fields, and what its type variables stand for."""
    origin = typing.get_origin(hint)
    found = record_of(hint if origin is None else origin)
    if found is None:
        return None
    parameters = getattr(origin, "__parameters__", ())
    arguments = [_resolved(argument, bound) for argument in typing.get_args(hint)]
    return found, _Bound(zip(parameters, arguments, strict=False), bound.tried)


def _resolved(hint: Any, bound: _Bound) -> Any:
    return bound.get(hint, hint) if isinstance(hint, TypeVar) else hint


def _name(hint: Any) -> str:
    """Name a type in an error."""
    if hint is None or hint is type(None):
        return "None"
    return (
        hint.__name__
        if isinstance(hint, type) and not typing.get_args(hint)
        else str(hint).replace("typing.", "")
    )


def _choices(hint: Any) -> tuple[Any, ...] | None:
    """Return the values a type consists of."""
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(member.value for member in hint)
    return None


def _is_literal(hint: Any) -> bool:
    """Whether Dana takes its values from Python as they are, or by what they stand for."""
    return isinstance(hint, type) and (
        hint in _FROM_TEXT or issubclass(hint, Enum) or hint is datetime.timedelta
    )


def _note(hint: Any, inside: tuple[Any, ...] = ()) -> str:
    """Say what Dana's annotation cannot; `inside` are the aliases that are being looked at."""
    if hint in inside:
        return ""
    inside = (*inside, hint) if _is_alias(hint) else inside
    hint = _seen(hint, _Bound())
    choices = _choices(hint)
    if choices is not None:
        return "one of: " + ", ".join(repr(choice) for choice in choices)
    if isinstance(hint, type) and hint in _TEXT_NOTES:
        return _TEXT_NOTES[hint]
    notes = [_note(argument, inside) for argument in typing.get_args(hint) if argument is not Ellipsis]
    return "; ".join(filter(None, notes))


# --- saying a type in Dana ---------------------------------------------------------------------------------


class _Writer:
    """Writes annotations, and the structs they need, each once."""

    def __init__(self, rename: Callable[[str], str], literal: str | None = None) -> None:
        self._rename = rename
        self._literal = literal
        #: Those being written at the moment.
        self._aliases: list[Any] = []
        self.structs: dict[str, str] = {}
        self.origins: dict[str, Any] = {}

    def annotation(self, hint: Any, bound: _Bound, lenient: bool = False) -> str:
        if hint in self._aliases:
            return "any"  # it holds itself: what is further down is not said
        if not _is_alias(hint):
            return self._plain(hint, bound, lenient)
        self._aliases.append(hint)
        try:
            return self._plain(hint, bound, lenient)
        finally:
            self._aliases.pop()

    def _plain(self, hint: Any, bound: _Bound, lenient: bool) -> str:
        hint = _seen(hint, bound)
        members = _union(hint)
        if members is not None:
            terms = [self.annotation(member, bound, lenient) for member in members]
            return _joined(terms)
        if self._literal is not None and _is_literal(hint):
            return self._literal
        choices = _choices(hint)
        if choices is not None:
            return _joined([_PLAIN.get(type(choice), "any") for choice in choices])
        record = _record(hint, bound)
        if record is not None:
            return self._struct(hint, *record)
        if hint in _PLAIN:
            return _PLAIN[hint]
        origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin is tuple:
            arguments = (
                () if arguments == ((),) else tuple(item for item in arguments if item is not Ellipsis)
            )
        for kinds, name in ((_LISTS, "list"), (_SETS, "set"), (_DICTS, "dict"), ((tuple,), "tuple")):
            if origin in kinds:
                inner = [self.annotation(item, bound, lenient) for item in arguments]
                return f"{name}[{', '.join(inner)}]" if inner else name
        if origin in _FROM_TEXT:
            return "str"
        if origin is datetime.timedelta:
            return "float"
        if isinstance(origin, str | typing.ForwardRef):
            raise TypeConversionError(f"the type is only a name here: {_name(hint)}", python_type=hint)
        if origin is bytes or lenient:
            return "any"
        if isinstance(origin, type):
            for base in (bool, int, float, str, list, dict, tuple, set):
                if issubclass(origin, base):
                    return base.__name__
        advice = (
            "use a dataclass, a pydantic model, or a type made of int, float, str, bool, None, list, dict"
        )
        raise TypeConversionError(f"Dana has no type for {_name(hint)}: {advice}", python_type=hint)

    def _struct(self, hint: Any, record: Record, bound: _Bound) -> str:
        for name, known in self.origins.items():
            if known == hint:
                return name
        if not record.fields:
            raise TypeConversionError(
                f"{record.type.__qualname__} has no fields to ask for", python_type=record.type
            )
        wanted = self._rename(record.name)
        name, count = wanted, 1
        while name in self.origins:  # another class of the same name
            count += 1
            name = f"{wanted}{count}"
        # The place is taken before the fields are written: they may name this struct.
        self.origins[name] = hint
        self.structs[name] = ""
        lines = [f"struct {name}:"]
        if record.note:
            lines.append(f'    """{_quoted(record.note)}"""')
        lines += [self._field(item, record, bound) for item in record.fields]
        self.structs[name] = "\n".join(lines) + "\n"
        return name

    def _field(self, item: Field, record: Record, bound: _Bound) -> str:
        annotation = self.annotation(item.type, bound, lenient=record.lenient)
        default = ""
        if item.default is not ABSENT:
            # What is made anew for each object is Python's to make.
            literal = "None" if item.default is MADE else _literal(item.default) or "None"
            if literal == "None" and annotation != "any":
                annotation = _joined([annotation, "None"])
            default = f" = {literal}"
        note = "; ".join(filter(None, (item.note, _note(item.type))))
        comment = f"  # {_line(note)}" if note else ""
        return f"    {item.dana}: {annotation}{default}{comment}"


def _joined(terms: Iterable[str]) -> str:
    """Write a union, each member once."""
    members: dict[str, None] = {}
    for term in terms:
        members.update(dict.fromkeys(_split(term)))
    return "any" if "any" in members else " | ".join(members)


def _split(annotation: str) -> list[str]:
    """Take a union apart, but not those inside brackets."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(annotation):
        depth += (char == "[") - (char == "]")
        if char == "|" and depth == 0:
            parts.append(annotation[start:at].strip())
            start = at + 1
    return [*parts, annotation[start:].strip()]


def _line(note: str) -> str:
    """Make one line of a text, so that it stays a comment."""
    text = " ".join("".join(char if char.isprintable() else " " for char in note).split())
    return text if len(text) <= _NOTE_LENGTH else text[: _NOTE_LENGTH - 3] + "..."


def _quoted(note: str) -> str:
    """Write a text between triple quotes."""
    return _line(note).replace("\\", "\\\\").replace('"', '\\"')


def _literal(value: Any) -> str | None:
    """Write a default as Dana does; None for what has no literal, or is shared if it had."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or type(value) in (bool, int):
        return repr(value)
    if type(value) is float:
        return repr(value) if isfinite(value) else None
    if type(value) is str:
        text = "".join(
            char if char.isprintable() and char != "'" else _escaped(char)
            for char in value.replace("\\", "\\\\")
        )
        return f"'{text}'" if not any(0xD800 <= ord(char) <= 0xDFFF for char in value) else None
    return None


def _escaped(char: str) -> str:
    number = ord(char)
    return "\\'" if char == "'" else f"\\U{number:08x}" if number > 0xFFFF else f"\\u{number:04x}"


# --- making objects ----------------------------------------------------------------------------------------


def _misfit(hint: Any, value: Any, path: str, extra: str = "") -> TypeConversionError:
    got = _kind(value)
    return _refused(f"Expected {_name(hint)}, got {got} at {path}{extra}", hint)


def _refused(problem: str, hint: Any) -> TypeConversionError:
    """Say what is wrong with what came; names in it may be a worker's."""
    return TypeConversionError(visible(problem), python_type=hint)


def _kind(value: Any) -> str:
    """Name what a value is; a struct goes by its own name."""
    return str(value.type_name) if _is_struct(value) else type(value).__name__


def _is_struct(value: Any) -> bool:
    from ._bridge import Struct  # noqa: PLC0415 - describing types needs no extension

    return isinstance(value, Struct)


def _build(hint: Any, value: Any, path: str, bound: _Bound, lenient: bool = False) -> Any:
    hint = _seen(hint, bound)
    if hint is Any or hint is object:
        return value
    members = _union(hint)
    if members is not None:
        return _one_of(hint, members, value, path, bound, lenient)
    choices = _choices(hint)
    if choices is not None:
        return _choice(hint, choices, value, path)
    record = _record(hint, bound)
    if record is not None:
        return _object(record[0], value, path, record[1])
    if hint is None or hint is type(None):
        if value is None:
            return None
        raise _misfit(hint, value, path)
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in _LISTS:
        return _list(hint, arguments, value, path, bound, lenient)
    if origin is tuple:
        return _tuple(hint, arguments, value, path, bound, lenient)
    if origin in _SETS:
        return _set(hint, origin, arguments, value, path, bound, lenient)
    if origin in _DICTS:
        return _dict(hint, arguments, value, path, bound, lenient)
    return _leaf(hint, origin, value, path, lenient)


def _leaf(hint: Any, kind: Any, value: Any, path: str, lenient: bool) -> Any:
    """Make what has no parts."""
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise _misfit(hint, value, path, ": the number is too large") from None
    if kind in _FROM_TEXT:
        return _from_text(hint, kind, value, path)
    if kind is datetime.timedelta and type(value) in (int, float):
        try:
            return datetime.timedelta(seconds=value)
        except (OverflowError, ValueError) as error:
            raise _misfit(hint, value, path, f": {error}") from error
    if not isinstance(kind, type):
        if lenient:
            return value
        raise _misfit(hint, value, path)
    # A subclass of its own (``class Euro(float)``, a Path) takes the plain value it extends.
    if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
        return value
    for base in (int, float, str):
        if kind is not base and kind is not bool and issubclass(kind, base) and type(value) is base:
            return kind(value)
    if issubclass(kind, PurePath) and type(value) is str:
        return kind(value)
    if lenient and kind not in _PLAIN:
        return value
    raise _misfit(hint, value, path)


def _from_text(hint: Any, kind: type, value: Any, path: str) -> Any:
    if isinstance(value, kind):
        return value
    number = kind is Decimal and type(value) in (int, float)
    if type(value) is not str and not number:
        raise _misfit(hint, value, path)
    try:
        return _FROM_TEXT[kind](str(value))
    except (ValueError, InvalidOperation) as error:
        raise _misfit(hint, value, path, f": {str(value)[:80]!r} is no {_TEXT_NOTES[kind]}") from error


def _choice(hint: Any, choices: tuple[Any, ...], value: Any, path: str) -> Any:
    """Find a member by its value, an Enum's also by its name."""
    named: dict[str, Any] = {}
    members = choices
    if isinstance(hint, type) and issubclass(hint, Enum):
        if isinstance(value, hint):
            return value
        named, members = dict(hint.__members__), tuple(hint)
    for choice, member in zip(choices, members, strict=True):
        if alike(choice, value):
            return member
    if isinstance(value, str) and value in named:
        return named[value]
    shown = ", ".join(repr(choice) for choice in choices)
    raise _refused(f"Expected one of {shown}, got {brief(value)} at {path}", hint)


def _one_of(hint: Any, members: tuple[Any, ...], value: Any, path: str, bound: _Bound, lenient: bool) -> Any:
    """Make the member of a union that fits best: what the value is already goes before what it can become."""
    if value is None and any(member is None or member is type(None) for member in members):
        return None
    wanted = [member for member in members if member is not None and member is not type(None)]
    if len(wanted) == 1:
        return _build(wanted[0], value, path, bound, lenient)
    asked = _asked(members, value, bound, lenient) if type(value) in _NESTED or _is_struct(value) else None
    known = bound.tried.get(asked)
    if known is None:
        known, first = _try_all(hint, wanted, value, path, bound, lenient)
        if asked is not None and not first:
            bound.tried[asked] = replace(known, of=(value, members, *bound.items()))
    if known.problem is not None:
        raise TypeConversionError(known.problem, python_type=hint)
    return known.made


def _asked(members: tuple[Any, ...], value: Any, bound: _Bound, lenient: bool) -> tuple[Any, ...]:
    """Say what is asked of a union, so that it need not be asked twice."""
    kinds: tuple[Any, ...] = members
    try:
        hash(members)
    except TypeError:  # ``Annotated`` with something that has no hash
        kinds = tuple(map(id, members))
    variables = tuple((id(variable), id(known)) for variable, known in bound.items())
    return id(value), kinds, variables, lenient


def _try_all(
    hint: Any, members: list[Any], value: Any, path: str, bound: _Bound, lenient: bool
) -> tuple[_Tried, bool]:
    """Try the members of a union, the nearest first. Return also whether the first one fits."""
    members.sort(key=lambda member: not _is_already(_seen(member, bound), value))
    for member in members:
        with suppress(TypeConversionError):
            return _Tried((), _build(member, value, path, bound, lenient)), member is members[0]
    return _Tried((), problem=str(_misfit(hint, value, path))), False


def _is_already(member: Any, value: Any) -> bool:
    kind = typing.get_origin(member) or member
    if type(value) is kind:
        return True
    record = record_of(kind)
    return record is not None and _is_struct(value) and value.type_name == record.name


def _arguments(arguments: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    return arguments if len(arguments) == count else (Any,) * count


def _list(
    hint: Any, arguments: tuple[Any, ...], value: Any, path: str, bound: _Bound, lenient: bool
) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _misfit(hint, value, path)
    (inner,) = _arguments(arguments, 1)
    return [_build(inner, item, f"{path}[{at}]", bound, lenient) for at, item in enumerate(value)]


def _tuple(
    hint: Any, arguments: tuple[Any, ...], value: Any, path: str, bound: _Bound, lenient: bool
) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _misfit(hint, value, path)
    if hint is tuple:
        kinds: tuple[Any, ...] = (Any,) * len(value)
    elif len(arguments) == 2 and arguments[1] is Ellipsis:
        kinds = (arguments[0],) * len(value)
    else:
        kinds = () if arguments == ((),) else arguments
    if len(kinds) != len(value):
        problem = f"Expected {len(kinds)} elements, got {len(value)} at {path}"
        raise _refused(problem, hint)
    parts = zip(kinds, value, strict=True)
    return tuple(_build(kind, item, f"{path}[{at}]", bound, lenient) for at, (kind, item) in enumerate(parts))


def _set(
    hint: Any, origin: Any, arguments: tuple[Any, ...], value: Any, path: str, bound: _Bound, lenient: bool
) -> Any:
    if not isinstance(value, set | frozenset | list | tuple):
        raise _misfit(hint, value, path)
    (inner,) = _arguments(arguments, 1)
    made: set[Any] = set()
    spread = _Spread()
    for at, item in enumerate(value):
        member = _build(inner, item, f"{path}[{at}]", bound, lenient)
        try:
            if member not in made:
                spread.count(member, hint, value, path)
            made.add(member)
        except TypeError as error:
            raise _misfit(hint, value, path, f": {error}") from error
    return frozenset(made) if origin is frozenset else made


class _Spread:
    """How many members of a set, or keys of a dict, have the same hash: with many of them each takes long."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def count(self, member: Any, hint: Any, value: Any, path: str) -> None:
        """Take one that is not there yet."""
        code = hash(member)
        count = self._counts[code] = self._counts.get(code, 0) + 1
        if count > _SAME_HASH:
            raise _misfit(hint, value, path, f": more than {_SAME_HASH} different ones have the same hash")


def _dict(
    hint: Any, arguments: tuple[Any, ...], value: Any, path: str, bound: _Bound, lenient: bool
) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _misfit(hint, value, path)
    key_kind, kind = _arguments(arguments, 2)
    made: dict[Any, Any] = {}
    spread = _Spread()
    for key, item in value.items():
        place = f"{path}[{brief(key)}]"
        name = _build(key_kind, key, f"the key {place}", bound, lenient)
        part = _build(kind, item, place, bound, lenient)
        try:
            if name not in made:
                spread.count(name, hint, value, path)
            made[name] = part
        except TypeError as error:
            raise _misfit(hint, value, path, f": {error}") from error
    return made


def _object(record: Record, value: Any, path: str, bound: _Bound) -> Any:
    """Make an object of a class of fields from a struct or a dictionary."""
    if not record.keyed and isinstance(value, record.type):
        return value
    if _is_struct(value):
        given: Mapping[str, Any] = value.attributes
    elif isinstance(value, dict):
        given = value
    elif issubclass(record.type, tuple) and isinstance(value, list | tuple):
        if len(value) > len(record.fields):
            raise _misfit(record.type, value, path, f": it has {len(value)} elements")
        given = {item.dana: part for item, part in zip(record.fields, value, strict=False)}
    else:
        raise _misfit(record.type, value, path)
    values: dict[str, Any] = {}
    missing = []
    for item in record.fields:
        place = f"{path}.{item.name}"
        names = (item.dana, item.name, item.keyword)
        name = next((name for name in names if name in given), None)
        if name is None:
            if item.default is ABSENT:
                missing.append(item.name)
            continue
        part = given[name]
        # None stands for "not given" where there is a default and None is no value of the type.
        if part is None and item.default is not ABSENT and not _takes_none(item.type, bound):
            continue
        values[item.keyword] = _build(item.type, part, place, bound, record.lenient)
    if missing:
        problem = f"{', '.join(missing)} of {record.type.__name__} missing at {path}"
        raise _refused(problem, record.type)
    known = {name for item in record.fields for name in (item.dana, item.name, item.keyword)}
    surplus = [name for name in given if name not in known]
    if record.lenient:  # its own rules say what becomes of them
        values.update((name, given[name]) for name in surplus)
    elif surplus:
        named = ", ".join(
            name if type(name) is str and len(name) < 80 else brief(name) for name in surplus[:10]
        )
        problem = f"{record.type.__name__} has no {named}, given at {path}"
        raise _refused(problem, record.type)
    return _made(record, values, path)


def _takes_none(hint: Any, bound: _Bound) -> bool:
    hint = _seen(hint, bound)
    members = _union(hint)
    return hint in (None, type(None), Any, object) or any(
        _takes_none(member, bound) for member in members or ()
    )


def _made(record: Record, values: dict[str, Any], path: str) -> Any:
    """Call the class; what it refuses is told with its place."""
    try:
        return record.make(values)
    except (TypeError, ValueError) as error:
        errors: Any = getattr(error, "errors", None)
        if errors is not None:  # pydantic says where, itself
            first = errors()[0]
            place = path + "".join(
                f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]
            )
            why = first["msg"]
        else:
            place, why = path, said(error)
        problem = f"{record.type.__name__} refuses its values at {place}: {why}"
        raise _refused(problem[:_LONGEST_PROBLEM], record.type) from error
