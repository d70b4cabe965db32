"""The older import path of the types; everything here lives in `opendxa.dana.types`."""

from opendxa.dana.types import (
    DANA_TO_PYTHON_TYPES,
    PYTHON_TO_DANA_TYPES,
    DanaType,
    TypeConverter,
    format_type_error,
    get_dana_type,
    validate_python_type,
)

__all__ = [
    "DANA_TO_PYTHON_TYPES",
    "PYTHON_TO_DANA_TYPES",
    "DanaType",
    "TypeConverter",
    "format_type_error",
    "get_dana_type",
    "validate_python_type",
]
