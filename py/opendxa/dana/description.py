"""What a program can call in a session, for people and for models that write Dana.

Rule: it is what the session and its host say at that moment, and nothing is called to find it out. The text
is made for a prompt: a line for each function, with the first of its documentation, by its origin.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .exceptions import ProtocolViolationError
from .fault import one_line, visible
from .signatures import MODULE, SESSION, Written, check, documentation, parameters, signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._bridge import Session
    from .functions import HostFunction

__all__ = ["Callee", "Description", "Type", "checked"]

_STARS: Final[dict[object, str]] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


@dataclass(frozen=True)
class Callee:
    """A function, and how it is called."""

    #: Its name, as programs write it.
    name: str
    #: As it is written in Dana, or in Python for a function of the host; ``(...)`` where it is not known.
    signature: str
    #: Its documentation; None without any.
    doc: str | None = None
    #: A call goes on while the program does, which waits where it looks at the value.
    background: bool = False

    def __str__(self) -> str:
        return f"{self.name}{self.signature}"


@dataclass(frozen=True)
class Type:
    """A type of the program: its fields and methods."""

    #: Its name.
    name: str
    #: ``struct``, ``resource``, ``agent`` or ``workflow``.
    kind: str
    #: Fields as they are written: ``price: float = 1.0``.
    fields: tuple[str, ...]
    #: Functions that take it first, or stand in its body.
    methods: tuple[Callee, ...] = ()
    #: Its documentation; None without any.
    doc: str | None = None

    def __str__(self) -> str:
        lines = [f"{self.kind} {self.name}:", *(f"    {one}" for one in self.fields or ("pass",))]
        return "\n".join([*lines, *(f"    def {method}" for method in self.methods)])


@dataclass(frozen=True)
class Description:
    """What can be called in a session."""

    #: Functions that the program defined, or imported by name.
    functions: tuple[Callee, ...] = ()
    #: Types that the program defined.
    types: tuple[Type, ...] = ()
    #: Variables, and the names of their types.
    values: dict[str, str] = field(default_factory=dict)
    #: Python functions that the host registered.
    host_functions: tuple[Callee, ...] = ()
    #: By the name of a Python module that programs may import: its functions, then its values.
    python_modules: dict[str, tuple[Callee | str, ...]] = field(default_factory=dict)
    #: By kind, for ``use(kind)``: the methods of a resource, the first entry being how it is opened.
    resources: dict[str, tuple[Callee, ...]] = field(default_factory=dict)
    #: Functions of the language.
    builtins: tuple[Callee, ...] = ()

    @classmethod
    def of(cls, told: dict[str, Any], functions: Mapping[str, HostFunction]) -> Description:
        """Make it from what a session told and what its host registered."""
        own = {name: one for name, one in functions.items() if name.isidentifier()}
        return cls(
            functions=_callees(told["functions"]),
            types=tuple(_type(name, kind) for name, kind in sorted(told["types"].items())),
            values={name: one_line(kind) for name, kind in sorted(told["values"].items())},
            host_functions=tuple(_host_callee(name, own[name]) for name in sorted(own)),
            python_modules=_python_modules(functions),
            resources=_resources(functions),
            builtins=_callees(told["builtins"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain dictionaries, lists and texts."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it as text for a prompt."""
        parts = [
            _part("Functions of the program", map(_line, self.functions)),
            _part("Types of the program", map(str, self.types)),
            _part("Variables", (f"{name}: {kind}" for name, kind in self.values.items())),
            _part("Functions of the host", map(_line, self.host_functions)),
        ]
        for module, members in self.python_modules.items():
            last = module.rpartition(".")[2]
            title = f"Python module {module}: import {module}.py as {last}"
            lines = (f"{last}.{_line(one) if isinstance(one, Callee) else one}" for one in members)
            parts.append(_part(title, lines))
        for kind, methods in self.resources.items():
            opened, *others = methods
            title = f'Resource {kind}: with use("{kind}", ...) as it, opened with {opened.signature}'
            parts.append(_part(title, (f"it.{_line(method)}" for method in others)))
        errors = [one.name for one in self.builtins if one.name[0].isupper()]
        named = (one for one in self.builtins if not one.name[0].isupper())
        parts.append(_part("Functions of the language", map(_line, named)))
        parts.append(_part("Errors of the language", [", ".join(errors)] if errors else []))
        return visible("\n\n".join(part for part in parts if part))


def checked(session: Session, told: object, *, of_module: bool = False) -> dict[str, Any]:
    """Return what a session told of itself or of a module; one that tells something else is ended."""
    try:
        return check(told, MODULE if of_module else SESSION, handles=of_module)
    except ValueError as error:
        session.close()
        raise ProtocolViolationError(f"{error}; the session was ended") from error


def _part(title: str, lines: Iterable[str]) -> str:
    listed = list(lines)
    return "\n".join([f"# {title}", *listed]) if listed else ""


def _line(callee: Callee) -> str:
    """Write a function in a line, with the first line of its documentation."""
    first = next((line.strip() for line in (callee.doc or "").splitlines() if line.strip()), "")
    return f"{callee}  # {first}" if first else str(callee)


def _callees(told: Mapping[str, Any]) -> tuple[Callee, ...]:
    return tuple(_callee(name, one) for name, one in sorted(told.items()))


def _callee(name: str, told: dict[str, Any]) -> Callee:
    return Callee(name, _written(signature(told)), documentation(told))


def _written(known: inspect.Signature) -> str:
    """Write a signature as Dana does: annotations without quotes, no marks for how an argument is taken."""
    taken = [_STARS.get(one.kind, "") + _field(one) for one in known.parameters.values()]
    returns = "" if known.return_annotation is known.empty else f" -> {known.return_annotation}"
    return f"({', '.join(taken)}){returns}"


def _field(parameter: inspect.Parameter) -> str:
    text = parameter.name
    if parameter.annotation is not parameter.empty:
        text += f": {parameter.annotation}"
    if parameter.default is not parameter.empty:
        text += f" = {parameter.default!r}" if ":" in text else f"={parameter.default!r}"
    return text


def _type(name: str, told: dict[str, Any]) -> Type:
    listed = [known for known, _ in told["fields"]]
    comments = [comment for _, comment in told["fields"]]
    fields = []
    for parameter, comment in zip(parameters(listed), comments, strict=True):
        fields.append(_field(parameter) + (f"  # {one_line(comment)}" if comment else ""))
    return Type(name, told["kind"], tuple(fields), _callees(told["methods"]), documentation(told))


def _host_callee(name: str, function: HostFunction) -> Callee:
    return Callee(name, _of_python(function.call), _doc(function.call), function.background)


def _of_python(call: object, bound: bool = False) -> str:
    """Write the signature of a Python function, without what it is bound to; some written in C have none."""
    try:
        known = inspect.signature(call)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"
    taken = [one.replace(annotation=_unquoted(one.annotation)) for one in known.parameters.values()]
    returns = known.empty if inspect.isclass(call) else _unquoted(known.return_annotation)
    return str(known.replace(parameters=taken[1:] if bound else taken, return_annotation=returns))


def _unquoted(annotation: object) -> object:
    """Return an annotation that prints without quotes though it is text."""
    return Written(annotation) if isinstance(annotation, str) else annotation


def _doc(call: object) -> str | None:
    return inspect.getdoc(call) if call is not None else None


def _python_modules(functions: Mapping[str, HostFunction]) -> dict[str, tuple[Callee | str, ...]]:
    modules: dict[str, list[Callee | str]] = {}
    for whole, function in sorted(functions.items()):
        module, dot, name = whole.rpartition(".")
        if not dot or whole.startswith("use "):
            continue
        member: Callee | str = name[:-1] if name.endswith("=") else _host_callee(name, function)
        modules.setdefault(module, []).append(member)
    return {module: tuple(members) for module, members in modules.items()}


def _resources(functions: Mapping[str, HostFunction]) -> dict[str, tuple[Callee, ...]]:
    kinds: dict[str, list[Callee]] = {}
    for whole, function in functions.items():
        if not whole.startswith("use "):
            continue
        kind, dot, method = whole.removeprefix("use ").partition(".")
        behind = function.behind
        if not dot:
            kinds[kind] = [Callee(kind, _of_python(behind), _doc(behind))]
        elif not method.startswith("__"):
            known = _of_python(behind, bound=True)
            kinds[kind].append(Callee(method, known, _doc(behind), function.background))
    return {kind: tuple(methods) for kind, methods in kinds.items()}
