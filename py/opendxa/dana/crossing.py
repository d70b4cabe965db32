"""Objects that cross between Python and Dana: records, members of an Enum, numpy's scalars, registered types.

The extension moves plain values itself and asks here about what it does not know: `outgoing` says what goes
into Dana in an object's place, `restored` makes objects of structs that come back.

Rule: a struct becomes an object only of a class that the host bound or registered under that name; no class
is looked up otherwise. On the way out no code of an object runs (no property, no ``__iter__``, no
conversion method) but what was registered for its class, and nothing is imported to recognise it.
"""

from __future__ import annotations

import sys
from enum import Enum, EnumMeta
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from ._bridge import Struct, restore_structs
from .exceptions import TypeConversionError
from .fault import said, visible
from .types import alike, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["PROCESS", "Types", "outgoing", "restore_arguments", "restored"]

#: What the extension knows by itself, subclasses included: converters for these would never be asked.
_OWN: Final = (bool, int, float, str, bytes, bytearray, list, dict, set, frozenset, type(None), Struct)

_class_dict = type.__dict__["__dict__"].__get__
_class_mro = type.__dict__["__mro__"].__get__


class Types:
    """What a session, or the whole process, knows of types beyond the usual ones."""

    def __init__(self) -> None:
        self._out: dict[type, Callable[[Any], Any]] = {}
        self._back: dict[str, Callable[[Struct, str], Any]] = {}
        self._owners: dict[str, type] = {}
        #: Per bound class, the name of its struct, and fields that its struct does not have: none takes them.
        self.bound: dict[type, str] = {}
        self.hidden: dict[type, frozenset[str]] = {}

    def bind(self, kind: type) -> Mapping[str, str]:
        """Have structs come back as objects of a class. Returns the structs' definitions by name."""
        from .annotations import describe  # noqa: PLC0415 - loaded with the first class that is bound
        from .records import Record, record_of  # noqa: PLC0415

        if isinstance(kind, type) and issubclass(kind, Enum):
            name = Record(kind, (), dict).name
            definitions: Mapping[str, str] = {name: f"struct {name}:\n    name: str\n    value: any\n"}
            back: Callable[[Struct, str], Any] = _member_of(kind)
        else:
            record = record_of(kind)
            if record is None:
                given = kind.__name__ if isinstance(kind, type) else type(kind).__name__
                raise TypeError(
                    "Expected a dataclass, a NamedTuple, an Enum, a class of attrs or a pydantic model,"
                    f" got {given} at argument 'python_type'"
                )
            described = describe(kind, literal="any")
            name, definitions, back = record.name, described.structs, _object_of(kind)
            self.hidden[kind] = _not_taken(kind, {item.name for item in record.fields})
        self._own(name, kind, back)
        self.bound[kind] = name
        return definitions

    def register(
        self,
        kind: type,
        to_dana: Callable[[Any], Any],
        name: str | None = None,
        from_dana: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        """Have objects of a class cross as what `to_dana` makes of them; see `types.register`."""
        if name is not None and from_dana is not None:
            self._own(name, kind, _called(from_dana, kind))
        self._out[kind] = _converted(to_dana, kind, name)

    def _own(self, name: str, kind: type, back: Callable[[Struct, str], Any]) -> None:
        owner = self._owners.get(name, kind)
        if owner is not kind and (owner.__module__, owner.__qualname__) != (
            kind.__module__,
            kind.__qualname__,
        ):
            raise ValueError(f"structs named {name!r} come back as {owner.__qualname__} already")
        if self._owners.get(name) is not kind:
            self.bound.pop(owner, None)
        self._owners[name] = kind
        self._back[name] = back

    def converter(self, base: type) -> Callable[[Any], Any] | None:
        """Return what was registered for exactly this class."""
        return self._out.get(base)

    def maker(self, name: str) -> Callable[[Struct, str], Any] | None:
        """Return what makes objects of the structs of a name."""
        return self._back.get(name)

    @property
    def converts(self) -> bool:
        """Whether anything was registered."""
        return bool(self._out)


#: What every session of the process knows.
PROCESS: Final = Types()


def register_everywhere(
    kind: type,
    to_dana: Callable[[Any], Any],
    name: str | None = None,
    from_dana: Callable[[dict[str, Any]], Any] | None = None,
) -> None:
    """Register a type for all sessions, also those that are open."""
    PROCESS.register(kind, to_dana, name, from_dana)
    if from_dana is not None:
        restore_structs()


def check_registration(kind: Any, name: str | None, from_dana: object) -> None:
    """Refuse what could never take effect."""
    from .records import dana_name  # noqa: PLC0415 - loaded with the first registration

    if not isinstance(kind, type):
        raise TypeError(f"Expected a class, got {type(kind).__name__} at argument 'python_type'")
    plain_tuple = issubclass(kind, tuple) and _looked_up(kind, "_field_defaults") is None
    if issubclass(kind, _OWN) or plain_tuple or any(kind is base for base, _ in _bases()):
        raise ValueError(f"{kind.__qualname__} crosses as it is: no converter would ever be asked")
    if name is not None and dana_name(name) != name:
        raise ValueError(f"{name!r} is not a name in Dana")
    if from_dana is not None and name is None:
        raise ValueError("from_dana needs a name: only a struct says what it is when it comes back")


# --- on the way out ----------------------------------------------------------------------------------------


def outgoing(value: Any, types: Types | None) -> Any:
    """Return what goes into Dana in the place of an object; NotImplemented when nothing does."""
    kind = type(value)
    known = PROCESS if types is None else types
    if known.converts or PROCESS.converts:
        for base in _class_mro(kind):
            converter = known.converter(base) or PROCESS.converter(base)
            if converter is not None:
                return converter(value)
    if issubclass(type(kind), EnumMeta):
        return _of_member(value, kind, known)
    plan = _plans.get(kind)
    if plan is None:
        plan = _plans[kind] = _plan(kind)
    stands = plan(value)
    hidden = known.hidden.get(kind)
    if not hidden:
        return stands
    fields = {name: item for name, item in stands.attributes.items() if name not in hidden}
    return Struct(stands.type_name, fields)


def _of_member(value: Any, kind: Any, known: Types) -> Any:
    """Return a member's value; a struct when its class is bound."""
    plain = object.__getattribute__(value, "_value_")
    name = known.bound.get(kind)
    if name is None:
        return plain
    return Struct(name, {"name": object.__getattribute__(value, "_name_"), "value": plain})


_plans: WeakKeyDictionary[type, Callable[[Any], Any]] = WeakKeyDictionary()


def _unknown(_: Any) -> Any:
    return NotImplemented


def _plan(kind: type) -> Callable[[Any], Any]:
    """Look at a class once: how its objects are taken apart."""
    if issubclass(kind, tuple):
        names = _looked_up(kind, "_fields")
        return _of_tuple(kind, names) if isinstance(names, tuple) else _unknown
    if isinstance(_looked_up(kind, "__dataclass_fields__"), dict) and "dataclasses" in sys.modules:
        fields = sys.modules["dataclasses"].fields(kind)
        return _of_record(kind, [field.name for field in fields])
    if isinstance(_looked_up(kind, "__attrs_attrs__"), tuple):
        attributes = _looked_up(kind, "__attrs_attrs__")
        return _of_record(kind, [attribute.name for attribute in attributes])
    if isinstance(_looked_up(kind, "__pydantic_fields__"), dict):
        return _of_model(kind, list(_looked_up(kind, "__pydantic_fields__")))
    return _of_library(kind) or _of_base(kind) or _unknown


def _looked_up(kind: type, name: str) -> Any:
    """Find an attribute of a class, without asking its metaclass."""
    for base in _class_mro(kind):
        own = _class_dict(base)
        if name in own:
            return own[name]
    return None


def _not_taken(kind: type, taken: set[str]) -> frozenset[str]:
    """Name the fields of a dataclass or a class of attrs that its objects are not made with."""
    from .records import dana_name  # noqa: PLC0415 - loaded with the first class that is bound

    own = _looked_up(kind, "__dataclass_fields__") or ()
    names = {*own, *(attribute.name for attribute in _looked_up(kind, "__attrs_attrs__") or ())}
    return frozenset(dana_name(name) or name for name in names - taken)


def _named(kind: type, names: Iterable[str]) -> tuple[str, list[tuple[str, str]]]:
    """Say what a class and its fields are called in Dana."""
    from .records import Record, dana_name  # noqa: PLC0415 - loaded with the first record

    spelled = []
    for name in names:
        dana = dana_name(name)
        if dana is None:
            raise TypeConversionError(f"field {name!r} of {kind.__qualname__} has no name in Dana", kind)
        spelled.append((name, dana))
    return Record(kind, (), dict).name, spelled


def _of_tuple(kind: type, names: tuple[str, ...]) -> Callable[[Any], Any]:
    name, fields = _named(kind, names)
    return lambda value: Struct(
        name, {dana: tuple.__getitem__(value, at) for at, (_, dana) in enumerate(fields)}
    )


def _of_record(kind: type, names: Iterable[str]) -> Callable[[Any], Any]:
    name, fields = _named(kind, names)
    slots = {
        field: slot for field, _ in fields if type(slot := _looked_up(kind, field)) is MemberDescriptorType
    }

    def taken_apart(value: Any) -> Struct:
        held = _held(value)
        parts = {}
        for field, dana in fields:
            if field in held:
                parts[dana] = held[field]
            else:
                parts[dana] = _slot(value, kind, field, slots)
        return Struct(name, parts)

    return taken_apart


def _of_model(kind: type, names: Iterable[str]) -> Callable[[Any], Any]:
    """Take a pydantic model apart, with the fields it was given beyond its own."""
    whole = _of_record(kind, names)
    extra = _looked_up(kind, "__pydantic_extra__")

    def taken_apart(value: Any) -> Struct:
        struct: Struct = whole(value)
        more = extra.__get__(value, kind) if type(extra) is MemberDescriptorType else None
        if not more:
            return struct
        _, fields = _named(kind, more)
        return Struct(struct.type_name, {**struct.attributes, **{dana: more[name] for name, dana in fields}})

    return taken_apart


def _held(value: Any) -> dict[str, Any]:
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return held if type(held) is dict else {}


def _slot(value: Any, kind: type, field: str, slots: Mapping[str, Any]) -> Any:
    if field in slots:
        try:
            return slots[field].__get__(value, kind)
        except AttributeError:
            pass
    raise TypeConversionError(
        f"field {field!r} of a {kind.__qualname__} holds no value (computed fields do not cross)", kind
    )


def _of_library(kind: type) -> Callable[[Any], Any] | None:
    """Take scalars of numpy and pandas as Python's own, where the program has loaded those."""
    generic = getattr(sys.modules.get("numpy"), "generic", None)
    if generic is not None and issubclass(kind, generic):
        return _of_numpy
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return None
    if kind in (type(getattr(pandas, "NaT", None)), type(getattr(pandas, "NA", None))):
        return lambda _: None
    if kind is getattr(pandas, "Timestamp", None):
        return _of_timestamp
    if kind is getattr(pandas, "Timedelta", None):
        return _of_timedelta
    return None


def _of_numpy(value: Any) -> Any:
    kind = type(value)
    if value.dtype.kind in "mM" and value.dtype.name.endswith(("[ns]", "[ps]", "[fs]", "[as]")):
        shorter = value.astype(f"{value.dtype.kind}8[us]")
        if shorter == value or shorter.item() is None:
            return shorter.item()
        raise TypeConversionError("a time that has nanoseconds cannot be sent to Dana: round it", kind)
    plain = value.item()
    # A duration in months has no length, a time beyond the year 9999 no object.
    if type(plain) is kind or (value.dtype.kind in "mM" and type(plain) is int):
        return NotImplemented
    return plain


def _of_timestamp(value: Any) -> Any:
    if value.nanosecond:
        raise TypeConversionError(
            "a Timestamp that has nanoseconds cannot be sent to Dana: round it", type(value)
        )
    return value.to_pydatetime()


def _of_timedelta(value: Any) -> Any:
    if value.nanoseconds:
        raise TypeConversionError(
            "a Timedelta that has nanoseconds cannot be sent to Dana: round it", type(value)
        )
    return value.to_pytimedelta()


def _of_base(kind: type) -> Callable[[Any], Any] | None:
    """Take an object of a class derived from a date, a Decimal and so on as what it is derived from."""
    for base, convert in _bases():
        if issubclass(kind, base) and kind is not base:
            return convert
    return None


def _bases() -> Iterable[tuple[type, Callable[[Any], Any]]]:
    datetime, decimal, uuid = (sys.modules.get(name) for name in ("datetime", "decimal", "uuid"))
    if datetime is not None:
        moment, day, clock, span = datetime.datetime, datetime.date, datetime.time, datetime.timedelta
        # By the base's own methods: the class may have others of these names.
        parts = [day.year, day.month, day.day]
        hours = [moment.hour, moment.minute, moment.second, moment.microsecond, moment.tzinfo]
        times = [clock.hour, clock.minute, clock.second, clock.microsecond, clock.tzinfo]
        yield moment, lambda value: moment(*_read(value, parts + hours), fold=moment.fold.__get__(value))
        yield day, lambda value: day(*_read(value, parts))
        yield clock, lambda value: clock(*_read(value, times), fold=clock.fold.__get__(value))
        yield span, lambda value: span(*_read(value, [span.days, span.seconds, span.microseconds]))
    if decimal is not None:
        yield decimal.Decimal, decimal.Decimal
    if uuid is not None:
        yield uuid.UUID, lambda value: uuid.UUID(int=uuid.UUID.int.__get__(value))


def _read(value: Any, descriptors: Iterable[Any]) -> list[Any]:
    return [descriptor.__get__(value) for descriptor in descriptors]


def _converted(to_dana: Callable[[Any], Any], kind: type, name: str | None) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        try:
            made = to_dana(value)
        except TypeConversionError:
            raise
        except Exception as error:
            raise TypeConversionError(
                f"the converter of {kind.__qualname__} failed: {said(error)}", kind
            ) from error
        return Struct(name, made) if name is not None and isinstance(made, dict) else made

    return convert


# --- on the way back ---------------------------------------------------------------------------------------


def restored(value: Any, types: Types | None) -> Any:
    """Return a value with objects in the places of structs that the host has classes for."""
    return _walked(value, "value", PROCESS if types is None else types)


def restore_arguments(payload: dict[str, Any], types: Types | None) -> None:
    """Do the same for the arguments of a call of a host's function."""
    known = PROCESS if types is None else types
    if "args" in payload:
        payload["args"] = tuple(
            _walked(item, f"args[{at}]", known) for at, item in enumerate(payload["args"])
        )
    if "kwargs" in payload:
        payload["kwargs"] = {name: _walked(item, name, known) for name, item in payload["kwargs"].items()}


def _walked(value: Any, path: str, types: Types) -> Any:
    kind = type(value)
    if kind is Struct:
        for name, item in value.attributes.items():
            if type(item) in _HOLDERS:
                _replace(value.set_field_value, name, item, _walked(item, f"{path}.{name}", types))
        make = types.maker(value.type_name) or PROCESS.maker(value.type_name)
        return value if make is None else make(value, path)
    if kind is list:
        for at, item in enumerate(value):
            if type(item) in _HOLDERS:
                value[at] = _walked(item, f"{path}[{at}]", types)
    elif kind is dict:
        for key, item in value.items():
            if type(item) in _HOLDERS:
                # An existing key: the dictionary does not change its size.
                value[key] = _walked(item, f"{path}[{brief(key)}]", types)
    elif kind is tuple:
        items = [_walked(item, f"{path}[{at}]", types) for at, item in enumerate(value)]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            return tuple(items)
    return value


_HOLDERS: Final = frozenset({Struct, list, dict, tuple})


def _replace(store: Callable[[str, Any], None], name: str, old: Any, new: Any) -> None:
    if new is not old:
        store(name, new)


def _object_of(kind: type) -> Callable[[Struct, str], Any]:
    def make(struct: Struct, path: str) -> Any:
        from .annotations import build  # noqa: PLC0415 - loaded with the first class that is bound

        try:
            return build(kind, struct, path)
        except TypeConversionError:
            raise
        except Exception as error:  # of the class's own code
            problem = f"{kind.__qualname__} cannot be made of what came at {path}: {said(error)}"
            raise TypeConversionError(visible(problem), kind) from error

    return make


def _member_of(kind: type[Enum]) -> Callable[[Struct, str], Any]:
    def make(struct: Struct, path: str) -> Any:
        from .annotations import build  # noqa: PLC0415 - loaded with the first class that is bound

        fields = struct.attributes
        name = fields.get("name")
        member = kind.__members__.get(name) if type(name) is str else None
        if member is not None and alike(member.value, fields.get("value")):
            return member
        return build(kind, fields.get("value"), path)

    return make


def _called(from_dana: Callable[[dict[str, Any]], Any], kind: type) -> Callable[[Struct, str], Any]:
    def make(struct: Struct, path: str) -> Any:
        try:
            return from_dana(struct.attributes)
        except Exception as error:
            problem = f"{kind.__qualname__} cannot be made of what came at {path}: {said(error)}"
            raise TypeConversionError(visible(problem), kind) from error

    return make
