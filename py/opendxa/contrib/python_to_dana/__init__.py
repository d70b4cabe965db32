"""The older import path; everything here lives in `opendxa.dana`."""

from opendxa.dana.dana_module import Dana

__all__ = ["Dana"]
