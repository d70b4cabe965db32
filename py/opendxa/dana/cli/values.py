"""How a result is shown to a person: as Python writes it, without anything that drives the terminal."""

from __future__ import annotations

from .usage import visible

__all__ = ["shown"]


def shown(value: object, most: int | None = None) -> str:
    """Return the text for a result; of more than `most` characters the beginning, and how many follow."""
    try:
        text = repr(value)
        if most is not None and len(text) > most:
            return f"{visible(text[:most])}... ({len(text) - most:,} more characters)"
        return visible(text)
    except ValueError as error:  # Python does not print an int of more than some thousand digits
        return f"<{type(value).__name__}: {error}>"
