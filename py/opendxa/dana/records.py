"""Python classes that are records (named fields with types), each kind seen the same way.

Rule: attrs and pydantic are recognised only where the program itself has loaded them; a class is looked at
once.
Left out: what the types mean in Dana, see `annotations`.
"""

from __future__ import annotations

import dataclasses
import inspect
import keyword
import sys
import typing
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from .exceptions import TypeConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["ABSENT", "MADE", "Field", "Record", "record_of"]


class _Absent(Enum):
    """A default there is none of, or that has to be made anew for each object."""

    ABSENT = "absent"
    MADE = "made"


ABSENT: Final = _Absent.ABSENT
MADE: Final = _Absent.MADE

#: Names that Dana keeps for itself: a field of such a name gets an underscore behind it.
_RESERVED: Final = frozenset(
    """
    private public local system break continue pass return deliver sync if else elif while for def
    struct resource workflow interface try except finally raise assert import from with agent
    agent_blueprint lambda yield global nonlocal del and or not in is export as True true TRUE False
    false FALSE None none NONE null NULL
    """.split()  # noqa: SIM905 - a list of so many words is one
)
#: What constraints of annotated_types (pydantic's too) are called when a model is told of them.
_BOUNDS: Final = {
    "gt": "more than",
    "ge": "at least",
    "lt": "less than",
    "le": "at most",
    "multiple_of": "a multiple of",
    "min_length": "length at least",
    "max_length": "length at most",
    "pattern": "pattern",
}
#: What makes a pydantic field accept other values than its type says.
_VALIDATORS: Final = frozenset({"BeforeValidator", "PlainValidator", "WrapValidator"})


def dana_name(name: str) -> str | None:
    """Return how a Python name is spelled in Dana; None when it cannot be."""
    if not name.isascii() or not name.isidentifier():
        return None
    return name + "_" if name in _RESERVED else name


@dataclass(frozen=True)
class Field:
    """One field of a record."""

    #: Its attribute in Python.
    name: str
    #: Its name in Dana.
    dana: str
    type: Any
    #: The keyword its class is called with.
    keyword: str
    default: Any = ABSENT
    #: What is said about it.
    note: str = ""


@dataclass(frozen=True)
class Record:
    """A class of a known kind."""

    type: type
    fields: tuple[Field, ...]
    #: Makes the object from values by keyword.
    make: Callable[[dict[str, Any]], Any]
    #: What is said about it.
    note: str = ""
    #: Whether it checks its values itself, by rules of its own.
    lenient: bool = False
    #: Whether its fields are the keys of a dictionary.
    keyed: bool = False

    @property
    def name(self) -> str:
        """Its name in Dana."""
        text = "".join(
            char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in self.type.__name__
        )
        text = text.strip("_") or "Record"
        return f"T{text}" if text[0].isdigit() or keyword.iskeyword(text) or text in _RESERVED else text


_known: WeakKeyDictionary[type, Record | None] = WeakKeyDictionary()


def record_of(kind: Any) -> Record | None:
    """Return how a class is seen as a record; None when it is none."""
    if not isinstance(kind, type):
        return None
    try:
        return _known[kind]
    except KeyError:
        pass
    found = _look(kind)
    _known[kind] = found
    return found


def _look(kind: type) -> Record | None:
    if _is_pydantic(kind):
        return _pydantic(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    if "__attrs_attrs__" in vars(kind) and "attr" in sys.modules:
        return _attrs(kind)
    if issubclass(kind, tuple) and hasattr(kind, "_fields") and hasattr(kind, "_field_defaults"):
        return _named_tuple(kind)
    if typing.is_typeddict(kind) or _is_foreign_typed_dict(kind):
        return _typed_dict(kind)
    return None


def _is_foreign_typed_dict(kind: type) -> bool:
    """Whether it is a TypedDict of `typing_extensions`, which older Pythons need."""
    return issubclass(kind, dict) and hasattr(kind, "__required_keys__") and hasattr(kind, "__total__")


def _hints(kind: type) -> dict[str, Any]:
    """Read the annotations of a class, its own name known inside it."""
    module = sys.modules.get(kind.__module__)
    try:
        return typing.get_type_hints(
            kind, vars(module) if module else None, {kind.__name__: kind}, include_extras=True
        )
    except NameError as error:
        raise TypeConversionError(
            f"the annotations of {kind.__qualname__} cannot be read: {error}; define the types it names"
            " at the top of a module",
            python_type=kind,
        ) from error
    except TypeError as error:
        problem = f"the annotations of {kind.__qualname__} cannot be read: {error}"
        raise TypeConversionError(problem, python_type=kind) from error


def _field(
    kind: type, name: str, hint: Any, default: Any = ABSENT, note: str = "", key: str | None = None
) -> Field:
    spelled = dana_name(name)
    if spelled is None:
        problem = (
            f"field {name!r} of {kind.__qualname__} has no name in Dana: use ASCII letters, digits and '_'"
        )
        raise TypeConversionError(problem, python_type=kind)
    return Field(name, spelled, hint, key or name, default, "; ".join(filter(None, (note, *_said(hint)))))


def _said(hint: Any) -> Iterator[str]:
    """Tell what the metadata of ``Annotated`` say in words."""
    for item in getattr(hint, "__metadata__", ()):
        if isinstance(item, str):
            yield item
        else:
            yield from _bounds(item)


def _bounds(constraint: Any) -> Iterator[str]:
    """Tell constraints by their usual names, wherever they come from."""
    for name, words in _BOUNDS.items():
        value = getattr(constraint, name, None)
        if isinstance(value, int | float | str):
            yield f"{words} {value}"


def _doc(kind: type) -> str:
    """Return a class's own first paragraph; what Python wrote itself says nothing."""
    doc = inspect.cleandoc(vars(kind).get("__doc__") or "")
    if doc.startswith(f"{kind.__name__}("):
        return ""
    return " ".join(doc.partition("\n\n")[0].split())


def _dataclass(kind: type) -> Record:
    hints = _hints(kind)
    fields = []
    for item in dataclasses.fields(kind):
        if not item.init:
            continue
        default = item.default if item.default is not dataclasses.MISSING else ABSENT
        if item.default_factory is not dataclasses.MISSING:
            default = MADE
        note = str(item.metadata.get("description") or item.metadata.get("doc") or "")
        fields.append(_field(kind, item.name, hints.get(item.name, Any), default, note))
    return Record(kind, tuple(fields), lambda values: kind(**values), _doc(kind))


def _attrs(kind: Any) -> Record:
    nothing = sys.modules["attr"].NOTHING
    hints = _hints(kind)
    fields = []
    for item in kind.__attrs_attrs__:
        if not item.init:
            continue
        made = type(item.default).__name__ == "Factory"
        default = ABSENT if item.default is nothing else MADE if made else item.default
        hint = hints.get(item.name, Any if item.type is None else item.type)
        note = str(item.metadata.get("description") or "")
        name: str = item.name
        key = getattr(item, "alias", None) or name.lstrip("_")
        fields.append(_field(kind, name, hint, default, note, key))
    return Record(kind, tuple(fields), lambda values: kind(**values), _doc(kind))


def _named_tuple(kind: Any) -> Record:
    hints = _hints(kind)
    defaults: Mapping[str, Any] = kind._field_defaults
    fields = [_field(kind, name, hints.get(name, Any), defaults.get(name, ABSENT)) for name in kind._fields]
    return Record(kind, tuple(fields), lambda values: kind(**values), _doc(kind))


def _typed_dict(kind: Any) -> Record:
    required: frozenset[str] = kind.__required_keys__
    fields = []
    for name, hint in _hints(kind).items():
        default = ABSENT if name in required else MADE
        fields.append(_field(kind, name, hint, default))
    return Record(kind, tuple(fields), dict, _doc(kind), keyed=True)


def _is_pydantic(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic")
    base = getattr(pydantic, "BaseModel", None)
    return base is not None and issubclass(kind, base)


def _pydantic(kind: Any) -> Record:
    fields = []
    for name, item in kind.model_fields.items():
        default: Any = ABSENT
        if not item.is_required():
            default = MADE if item.default_factory is not None else item.default
        hint = item.annotation
        if any(type(rule).__name__ in _VALIDATORS for rule in item.metadata):
            hint = Any
        said = [item.description or "", *(text for rule in item.metadata for text in _bounds(rule))]
        alias = item.validation_alias or item.alias
        key = alias if isinstance(alias, str) else name
        fields.append(_field(kind, name, hint, default, "; ".join(filter(None, said)), key))
    return Record(kind, tuple(fields), partial(_validated, kind), _doc(kind), lenient=True)


def _validated(kind: Any, values: dict[str, Any]) -> Any:
    return kind.model_validate(values)
