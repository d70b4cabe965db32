"""The older import path; everything here lives in `opendxa.dana`.

Rule: re-exports only. `docs/NAMES.md` says of every name of the older package what became of it.
"""

from opendxa.dana.dana_module import Dana
from opendxa.dana.imports import (
    disable_dana_imports,
    enable_dana_imports,
    install_import_hook,
    list_available_modules,
    list_dana_modules,
    uninstall_import_hook,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    #: The ready-made instance.
    dana: Dana

__all__ = [
    "Dana",
    "dana",
    "disable_dana_imports",
    "enable_dana_imports",
    "install_import_hook",
    "list_available_modules",
    "list_dana_modules",
    "uninstall_import_hook",
]


def __getattr__(name: str) -> object:
    """Load the ready-made instance when it is first used."""
    if name == "dana":
        import opendxa.dana  # noqa: PLC0415

        return opendxa.dana.dana
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what can be imported from here."""
    return sorted({*globals(), *__all__})
