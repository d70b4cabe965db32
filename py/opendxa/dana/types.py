"""Names of Dana's types, the texts that name them, and converters for types of one's own.

Rule: a type error has one form, ``Expected <wanted>, got <actual> at <where>``. What is registered here for a
class goes before what is known of it otherwise; what a session was told goes before what the process was.
Left out: moving values, which the extension does, and `docs/TYPES.md`, which says what crosses as what.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, runtime_checkable

from .exceptions import TypeConversionError

if TYPE_CHECKING:
    from .reasoning import ReasoningResult

__all__ = [
    "DANA_TO_PYTHON_TYPES",
    "PYTHON_TO_DANA_TYPES",
    "BasicTypeConverter",
    "DanaType",
    "ReasoningResult",
    "TypeConverter",
    "format_type_error",
    "get_dana_type",
    "register",
    "validate_and_convert",
    "validate_python_type",
]

T = TypeVar("T")


class DanaType(Enum):
    """The types of Dana values that Python has too."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"
    BOOL = "bool"
    LIST = "list"
    DICT = "dict"
    TUPLE = "tuple"
    SET = "set"
    NULL = "null"
    ANY = "any"


#: The type in Dana of each type of Python that has one.
PYTHON_TO_DANA_TYPES: Final[dict[type, DanaType]] = {
    int: DanaType.INT,
    float: DanaType.FLOAT,
    str: DanaType.STRING,
    bool: DanaType.BOOL,
    list: DanaType.LIST,
    dict: DanaType.DICT,
    tuple: DanaType.TUPLE,
    set: DanaType.SET,
    type(None): DanaType.NULL,
}
#: The other way round.
DANA_TO_PYTHON_TYPES: Final[dict[DanaType, type]] = {
    **{dana: python for python, dana in PYTHON_TO_DANA_TYPES.items()},
    DanaType.ANY: object,
}


def get_dana_type(value: Any) -> DanaType:
    """Name the Dana type of a Python value by its exact type; anything else, subclasses included, is ANY."""
    return PYTHON_TO_DANA_TYPES.get(type(value), DanaType.ANY)


def format_type_error(value: Any, expected: type | str, context: str = "") -> str:
    """Say that `value` has the wrong type; `context` says where, for example ``argument 'prompt'``."""
    wanted = expected if isinstance(expected, str) else expected.__name__
    return f"Expected {wanted}, got {type(value).__name__}" + (f" at {context}" if context else "")


def validate_python_type(value: Any, expected: type) -> bool:
    """Say whether a value is of a Python type, by `isinstance`: True is an int too."""
    return isinstance(value, expected)


def validate_and_convert(value: T, expected: type, context: str = "") -> T:
    """Return the value if it is of a Python type, by `isinstance`; raise TypeError otherwise."""
    if not validate_python_type(value, expected):
        raise TypeError(format_type_error(value, expected, context))
    return value


def brief(value: Any) -> str:
    """Show a value in an error, in a few characters: a program may have made it as large as it likes."""
    kind = type(value)
    if kind in {str, bytes}:
        shown = repr(value[:80])
    elif kind is int:
        shown = repr(value) if value.bit_length() < 256 else "a large int"
    elif value is None or kind in {bool, float} or kind.__module__ in {"datetime", "decimal", "uuid"}:
        shown = repr(value)
    else:
        shown = str(getattr(value, "type_name", None) or kind.__name__)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def alike(one: Any, other: Any) -> bool:
    """Whether two values are of one type and equal: what a program made may not even compare to a truth."""
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:
        return False


@runtime_checkable
class TypeConverter(Protocol):
    """What converts values of some types; see `register`."""

    def to_dana(self, value: Any) -> tuple[DanaType, Any]:
        """Say a Python value in Dana: its type there, and the value that is sent."""
        raise NotImplementedError

    def from_dana(self, dana_type: DanaType, value: Any) -> Any:
        """Make the Python value of what came back; fields of a struct come as a DICT."""
        raise NotImplementedError


class BasicTypeConverter:
    """The conversions of the older package: JSON-like values, everything else as a description of it.

    Calls do not use it: they move values themselves, and more kinds of them (docs/TYPES.md).
    """

    def to_dana(self, value: Any) -> tuple[DanaType, Any]:
        """Say a Python value in Dana; tuples and sets become lists, objects a dict of their attributes."""
        kind = get_dana_type(value)
        if kind in (DanaType.LIST, DanaType.TUPLE, DanaType.SET):
            return DanaType.LIST, [self.to_dana(item)[1] for item in value]
        if kind is DanaType.DICT:
            for key in value:
                if not isinstance(key, str):
                    problem = format_type_error(key, str, "a key of a dict")
                    raise TypeConversionError(problem, type(key), DanaType.DICT)
            return DanaType.DICT, {key: self.to_dana(item)[1] for key, item in value.items()}
        if kind is not DanaType.ANY:
            return kind, value
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            described = {"_type": "object", "class": type(value).__name__, "data": dict(attributes)}
            return DanaType.DICT, described
        return DanaType.STRING, str(value)

    def from_dana(self, dana_type: DanaType, value: Any) -> Any:
        """Return the Python value of a Dana value; raise `TypeConversionError` where they do not fit."""
        if dana_type is DanaType.NULL:
            return None
        if dana_type in (DanaType.LIST, DanaType.TUPLE, DanaType.SET) and not isinstance(value, list):
            raise TypeConversionError(format_type_error(value, list), type(value), dana_type)
        if dana_type is DanaType.DICT and not isinstance(value, dict):
            raise TypeConversionError(format_type_error(value, dict), type(value), dana_type)
        return value


def register(
    python_type: type[T],
    to_dana: Callable[[T], Any] | TypeConverter,
    *,
    name: str | None = None,
    from_dana: Callable[[dict[str, Any]], T] | None = None,
) -> None:
    """Have objects of a class cross in every session of the process, open ones included.

    `to_dana` makes of an object any value that crosses, which may hold other objects. With `name`, a dict of
    it crosses as the fields of a struct of that name; `from_dana` then makes an object of the fields of every
    struct of that name that comes back. A `TypeConverter` can stand for both functions. It goes for
    subclasses too that have no converter of their own. Registering a class again replaces what was said.

    Raises `ValueError` for a class that crosses by itself, such as ``str`` or a subclass of it.
    """
    from . import crossing  # noqa: PLC0415 - loaded with the first registration

    crossing.register_everywhere(*checked_registration(python_type, to_dana, name, from_dana))


def checked_registration(
    python_type: Any, to_dana: Any, name: str | None, from_dana: Any
) -> tuple[type, Callable[[Any], Any], str | None, Callable[[dict[str, Any]], Any] | None]:
    """Check what `register` was given, and take a converter apart."""
    from .crossing import check_registration  # noqa: PLC0415 - loaded with the first registration

    if isinstance(to_dana, TypeConverter) and not isinstance(to_dana, type):
        converter = to_dana
        if name is not None and from_dana is None:
            from_dana = _back_by(converter)
        to_dana = _out_by(converter)
    for function, argument in ((to_dana, "to_dana"), (from_dana, "from_dana")):
        if not callable(function) and not (function is None and argument == "from_dana"):
            raise TypeError(format_type_error(function, "callable", f"argument '{argument}'"))
    check_registration(python_type, name, from_dana)
    return python_type, to_dana, name, from_dana


def _out_by(converter: TypeConverter) -> Callable[[Any], Any]:
    return lambda value: converter.to_dana(value)[1]


def _back_by(converter: TypeConverter) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: converter.from_dana(DanaType.DICT, fields)


def __getattr__(name: str) -> object:
    """Load `ReasoningResult` when it is first used."""
    if name != "ReasoningResult":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .reasoning import ReasoningResult  # noqa: PLC0415 - few need it

    return ReasoningResult
