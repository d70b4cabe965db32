"""The older import path of the errors; everything here lives in `opendxa.dana.exceptions`."""

from opendxa.dana.exceptions import (
    DanaCallError,
    DanaError,
    ResourceError,
    SecurityError,
    TypeConversionError,
)

__all__ = ["DanaCallError", "DanaError", "ResourceError", "SecurityError", "TypeConversionError"]
