"""The options of `reason`, and what is wrong with them.

Rule: an option that does not exist or makes no sense is refused before anything runs; existing callers match
these texts, so they stay as they are.
"""

from __future__ import annotations

from typing import Any, Final

from .exceptions import DanaCallError

__all__ = ["ALLOWED", "check"]

#: ``data`` holds Python values that the question is about.
ALLOWED: Final = frozenset(
    {"data", "enable_ipv", "format", "max_tokens", "system_message", "temperature", "use_original"}
)


def check(options: Any) -> dict[str, Any]:
    """Return the options as a new dictionary, or raise `DanaCallError`."""
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise DanaCallError("Options parameter must be a dictionary")
    unknown = [key for key in options if key not in ALLOWED]
    if unknown:
        allowed = ", ".join(sorted(ALLOWED))
        raise DanaCallError(f"Invalid option keys: {sorted(map(str, unknown))}; the options are {allowed}")
    if "temperature" in options:
        value = options["temperature"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 2.0:
            raise DanaCallError("temperature must be a number between 0.0 and 2.0")
    if "max_tokens" in options:
        value = options["max_tokens"]
        if not isinstance(value, int) or value <= 0:
            raise DanaCallError("max_tokens must be a positive integer")
    if "format" in options and options["format"] not in ("text", "json"):
        raise DanaCallError("format must be 'text' or 'json'")
    if "system_message" in options and not isinstance(options["system_message"], str):
        raise DanaCallError("system_message must be a string")
    for key in ("enable_ipv", "use_original"):
        if key in options and not isinstance(options[key], bool):
            raise DanaCallError(f"{key} must be a boolean")
    return dict(options)
