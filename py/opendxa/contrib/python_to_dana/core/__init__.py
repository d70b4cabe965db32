"""The older import path of sessions, types and errors; everything here lives in `opendxa.dana`."""

from opendxa.dana.exceptions import DanaCallError, ResourceError, TypeConversionError
from opendxa.dana.imports import (
    DanaModuleLoader,
    DanaModuleWrapper,
    install_import_hook,
    list_available_modules,
    uninstall_import_hook,
)
from opendxa.dana.sandbox import (
    SUBPROCESS_ISOLATION_CONFIG,
    InProcessSandboxInterface,
    SandboxInterface,
    SubprocessSandboxInterface,
)
from opendxa.dana.types import DanaType, TypeConverter

__all__ = [
    "SUBPROCESS_ISOLATION_CONFIG",
    "DanaCallError",
    "DanaModuleLoader",
    "DanaModuleWrapper",
    "DanaType",
    "InProcessSandboxInterface",
    "ResourceError",
    "SandboxInterface",
    "SubprocessSandboxInterface",
    "TypeConversionError",
    "TypeConverter",
    "install_import_hook",
    "list_available_modules",
    "uninstall_import_hook",
]
