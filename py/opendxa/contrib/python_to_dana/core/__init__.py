"""The older import path of sessions, types and errors; everything here lives in `opendxa.dana`."""

from opendxa.dana.exceptions import DanaCallError, ResourceError, TypeConversionError
from opendxa.dana.sandbox import (
    SUBPROCESS_ISOLATION_CONFIG,
    InProcessSandboxInterface,
    SandboxInterface,
    SubprocessSandboxInterface,
)
from opendxa.dana.types import DanaType

__all__ = [
    "SUBPROCESS_ISOLATION_CONFIG",
    "DanaCallError",
    "DanaType",
    "InProcessSandboxInterface",
    "ResourceError",
    "SandboxInterface",
    "SubprocessSandboxInterface",
    "TypeConversionError",
]
