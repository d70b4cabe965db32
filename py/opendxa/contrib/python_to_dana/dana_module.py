"""The older import path of `opendxa.dana.Dana`."""

from opendxa.dana.dana_module import Dana

__all__ = ["Dana"]
