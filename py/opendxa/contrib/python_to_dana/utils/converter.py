"""The older import path of the converters; everything here lives in `opendxa.dana.types`."""

from opendxa.dana.types import BasicTypeConverter, validate_and_convert

__all__ = ["BasicTypeConverter", "validate_and_convert"]
