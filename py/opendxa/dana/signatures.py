"""Signatures of Dana functions as `inspect` knows them, from what a session tells.

Rule: what a worker tells is text and plain values, whatever it claims: it is read strictly, and names that
mean something to Python are refused. Annotations are Dana's own words, as text of one line; nothing is looked
up by them.
"""

from __future__ import annotations

import keyword
from inspect import Parameter, Signature
from typing import Any, Final

from ._bridge import Function
from .fault import one_line, visible

__all__ = ["MODULE", "SESSION", "Written", "check", "documentation", "parameters", "signature"]

_KINDS: Final = {
    "position": Parameter.POSITIONAL_ONLY,
    "either": Parameter.POSITIONAL_OR_KEYWORD,
    "named": Parameter.KEYWORD_ONLY,
    "rest": Parameter.VAR_POSITIONAL,
    "keywords": Parameter.VAR_KEYWORD,
}
_GATHER: Final = frozenset({"rest", "keywords"})
#: What is told of a module and of a session.
MODULE: Final = ("file", "doc", "package", "functions", "types", "values", "unsent")
SESSION: Final = ("functions", "types", "values", "builtins", "host")
#: Kinds of types, and the largest int that is told as one: others come as their text.
_TYPE_KINDS: Final = frozenset({"struct", "resource", "agent", "workflow"})
_LARGEST: Final = 1 << 63
_FUNCTION: Final = ("parameters", "returns", "doc", "line", "function")
_TYPE: Final = ("kind", "doc", "fields", "methods", "function")


class Written:
    """Something that prints as this text: a default that is no plain value, for example."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text: str = text

    def __repr__(self) -> str:
        return self.text


def signature(told: dict[str, Any]) -> Signature:
    """Return the signature of a function, or of a type's constructor."""
    listed = told["parameters"] if "parameters" in told else [field for field, _ in told["fields"]]
    returns = told.get("returns")
    # Dana takes parameters without a default behind some that have one: `inspect` has no word for that.
    return Signature(
        parameters(listed),
        return_annotation=Signature.empty if returns is None else one_line(returns),
        __validate_parameters__=False,
    )


def documentation(told: dict[str, Any]) -> str | None:
    """Return the documentation of a function, a type or a module: it is shown on terminals."""
    text: str | None = told["doc"]
    return None if text is None else visible(text)


def parameters(listed: list[Any]) -> list[Parameter]:
    """Return parameters from their name, how they take their argument, their annotation and their default."""
    made = []
    for name, take, annotation, default in listed:
        value: Any = Parameter.empty
        if default is not None:
            value = Written(one_line(default[0][0])) if isinstance(default[0], list) else default[0]
        note = Parameter.empty if annotation is None else one_line(annotation)
        # A word of Python's is no name of a parameter for `inspect`.
        shown = f"{name}_" if keyword.iskeyword(name) else name
        made.append(Parameter(shown, _KINDS[take], default=value, annotation=note))
    return made


def check(told: Any, keys: tuple[str, ...], *, handles: bool) -> dict[str, Any]:
    """Return what a session told, if it has the form that it should have; raises `ValueError` if not."""
    whole: dict[str, Any] = _dict(told, keys)
    for name, function in _names(whole["functions"]):
        _check_function(name, function, handles)
    for name, kind in _names(whole["types"]):
        _check_type(name, kind, handles)
    _names(whole["values"])
    if keys is SESSION:
        for name, function in _names(whole["builtins"]):
            _check_function(name, function, False)
        _require(_texts(whole["host"]), "host")
        _require(_texts(list(whole["values"].values())), "values")
    else:
        _names(whole["unsent"])
        _require(_texts(list(whole["unsent"].values())), "unsent")
        _require(_optional(whole["file"]) and _optional(whole["doc"]), "file or doc")
    return whole


def _dict(told: Any, keys: tuple[str, ...]) -> Any:
    _require(type(told) is dict and tuple(told) == keys, f"an entry of {', '.join(keys)}")
    return told


def _names(told: Any) -> Any:
    """Return the items of a dictionary by name; one that begins with ``_`` would mean something to Python."""
    _require(type(told) is dict, "names")
    for name in told:
        _require(type(name) is str and name.isidentifier() and not name.startswith("_"), "a public name")
    return told.items()


def _check_function(name: str, told: Any, handles: bool) -> None:
    known = _dict(told, _FUNCTION)
    _check_parameters(name, known["parameters"])
    texts = _optional(known["returns"]) and _optional(known["doc"])
    _require(texts and type(known["line"]) is int and _handle(known["function"], handles), name)


def _check_type(name: str, told: Any, handles: bool) -> None:
    known = _dict(told, _TYPE)
    _require(type(known["kind"]) is str and known["kind"] in _TYPE_KINDS and _optional(known["doc"]), name)
    listed = []
    for field in _list(name, known["fields"]):
        _require(type(field) is tuple and len(field) == 2 and _optional(field[1]), name)
        listed.append(field[0])
    _check_parameters(name, listed)
    _require(_handle(known["function"], handles), name)
    for method, function in _names(known["methods"]):
        _check_function(method, function, False)


def _check_parameters(name: str, listed: Any) -> None:
    for parameter in _list(name, listed):
        _require(type(parameter) is tuple and len(parameter) == 4, name)
        called, take, annotation, default = parameter
        right = type(called) is str and called.isidentifier() and _optional(annotation)
        _require(right and type(take) is str and take in _KINDS, name)
        # `inspect` knows no default of what takes all others.
        _require(default is None or (take not in _GATHER and _is_default(default)), name)


def _list(name: str, value: Any) -> Any:
    _require(type(value) is list, name)
    return value


def _is_default(default: Any) -> bool:
    """Whether it is a list of a plain value, or of a list of a text."""
    if type(default) is not list or len(default) != 1:
        return False
    [value] = default
    if type(value) is list:
        return len(value) == 1 and type(value[0]) is str
    if type(value) is int:
        return -_LARGEST <= value < _LARGEST
    return value is None or type(value) in {str, bool, float}


def _handle(value: Any, wanted: bool) -> bool:
    return isinstance(value, Function) if wanted else value is None


def _optional(value: Any) -> bool:
    return value is None or type(value) is str


def _texts(values: Any) -> bool:
    return type(values) is list and all(type(value) is str for value in values)


def _require(right: bool, what: str) -> None:
    if not right:
        raise ValueError(f"what the session told of {what} has another form")
