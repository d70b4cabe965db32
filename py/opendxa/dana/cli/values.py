"""How a result is shown to a person: as Python writes it, without anything that drives the terminal."""

from __future__ import annotations

from .usage import visible

__all__ = ["shown"]


def shown(value: object) -> str:
    """Return the text for a result."""
    try:
        return visible(repr(value))
    except ValueError as error:  # Python does not print an int of more than some thousand digits
        return f"<{type(value).__name__}: {error}>"
