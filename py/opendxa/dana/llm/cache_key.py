"""What an answer is remembered under: a hash of the whole question.

Rule: two questions have one key only if nothing tells them apart but blanks round a text and the order of
options. What cannot be compared by value has no key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["digest", "prompt_key"]


def prompt_key(namespace: str, prompt: object, options: object) -> str | None:
    """Return the key of a prompt and its options, None for what is not kept."""
    if not isinstance(prompt, str) or not (options is None or isinstance(options, dict)):
        return None
    return digest([namespace, "prompt", prompt.strip(), options or {}])


def digest(question: Any) -> str | None:
    """Return the hash of a question; None when it holds something that has no equal."""
    hasher = hashlib.sha256()
    try:
        _feed(hasher.update, question)
    except (TypeError, RecursionError, UnicodeEncodeError):
        return None
    return hasher.hexdigest()


def _feed(update: Callable[[bytes], object], value: Any) -> None:
    """Feed a value to a hash so that no two different ones feed the same."""
    kind = type(value)
    if kind is dict:
        update(b"d%d:" % len(value))
        parts = []
        for key, item in value.items():
            collected: list[bytes] = []
            _feed(collected.append, key)
            first = b"".join(collected)
            _feed(collected.append, item)
            parts.append((first, b"".join(collected)))
        for _, part in sorted(parts):
            update(part)
    elif kind in (list, tuple):
        update(b"%s%d:" % (b"l" if kind is list else b"t", len(value)))
        for item in value:
            _feed(update, item)
    elif kind in (set, frozenset):
        update(b"s%d:" % len(value))
        members = []
        for item in value:
            collected = []
            _feed(collected.append, item)
            members.append(b"".join(collected))
        for member in sorted(members):
            update(member)
    elif kind is bytes or kind is str:
        data = value if kind is bytes else value.encode()
        update(b"%s%d:" % (b"b" if kind is bytes else b"u", len(data)))
        update(data)
    elif value is None or kind in (bool, int, float):
        text = format(value, "x") if kind is int else repr(value)
        data = f"{kind.__name__}:{text};".encode()
        update(data)
    else:
        raise TypeError(kind.__name__)
