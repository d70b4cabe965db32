"""Names of Dana's types, and the texts that name them.

Rule: a type error has one form, ``Expected <wanted>, got <actual> at <where>``.
Left out: conversion; the extension moves values itself.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

__all__ = ["DANA_TO_PYTHON_TYPES", "PYTHON_TO_DANA_TYPES", "DanaType", "format_type_error", "get_dana_type"]


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
