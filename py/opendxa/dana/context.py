"""A copy of a session's variables, by scope.

Rule: it is plain data on the host's side. Changing it changes nothing in the session; use `Dana.set` for
that.
Left out: functions, types and modules of the session, and values that cannot leave it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .exceptions import ProtocolViolationError, StateError

if TYPE_CHECKING:
    from ._bridge import Session

__all__ = ["SCOPES", "SandboxContext", "told_by"]

_SECRET_WORDS: Final = ("password", "passwd", "secret", "token", "api_key", "apikey", "credential")

#: The scopes of Dana; a name without one is local.
SCOPES: Final = ("local", "private", "public", "system")


class SandboxContext:
    """Variables by scope. Keys are ``name`` (local), ``scope:name`` or the older ``scope.name``."""

    def __init__(self, scopes: dict[str, dict[str, Any]] | None = None) -> None:
        self._scopes: dict[str, dict[str, Any]] = {scope: {} for scope in SCOPES}
        for scope, values in (scopes or {}).items():
            self._scope(scope).update(values)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a variable, or `default`."""
        scope, name = _split(key)
        return self._scopes.get(scope, {}).get(name, default)

    def set(self, key: str, value: Any) -> None:
        """Set a variable of this copy."""
        scope, name = _split(key)
        self._scope(scope)[name] = value

    def has(self, key: str) -> bool:
        """Say whether there is such a variable."""
        scope, name = _split(key)
        return name in self._scopes.get(scope, {})

    def delete(self, key: str) -> None:
        """Remove a variable from this copy; an unknown one is no error."""
        scope, name = _split(key)
        self._scope(scope).pop(name, None)

    def get_scope(self, scope: str) -> dict[str, Any]:
        """Return the variables of one scope, as a new dictionary."""
        return dict(self._scope(scope))

    def set_scope(self, scope: str, values: dict[str, Any]) -> None:
        """Replace the variables of one scope of this copy."""
        self._scope(scope)
        self._scopes[scope] = dict(values)

    def get_from_scope(self, name: str, scope: str = "local") -> Any:
        """Return a variable of one scope, or None."""
        return self._scope(scope).get(name)

    def set_in_scope(self, name: str, value: Any, scope: str = "local") -> None:
        """Set a variable of one scope of this copy."""
        self._scope(scope)[name] = value

    def get_state(self) -> dict[str, dict[str, Any]]:
        """Return all variables by scope, as new dictionaries."""
        return {scope: dict(values) for scope, values in self._scopes.items()}

    def set_state(self, state: dict[str, dict[str, Any]]) -> None:
        """Replace all variables of this copy."""
        self._scopes = SandboxContext(state)._scopes

    def copy(self) -> SandboxContext:
        """Return a deep copy."""
        return SandboxContext(copy.deepcopy(self._scopes))

    def create_child_context(self) -> SandboxContext:
        """Return a copy whose local scope is empty."""
        child = self.copy()
        child.clear("local")
        return child

    def clear(self, scope: str | None = None) -> None:
        """Empty one scope of this copy, or all."""
        for name in SCOPES if scope is None else (scope,):
            self._scope(name).clear()

    def merge(self, other: SandboxContext) -> None:
        """Take over the variables of another copy; its values win."""
        for scope, values in other._scopes.items():
            self._scopes[scope].update(values)

    def sanitize(self) -> SandboxContext:
        """Return a copy without the private and system scopes, with values that look secret masked."""
        kept = {
            scope: {
                name: "***" if _looks_secret(name) else value for name, value in self._scopes[scope].items()
            }
            for scope in ("local", "public")
        }
        return SandboxContext(kept)

    @classmethod
    def from_dict(cls, data: dict[str, Any], base_context: SandboxContext | None = None) -> SandboxContext:
        """Build a copy from keys and values, on top of `base_context`."""
        made = base_context.copy() if base_context is not None else cls()
        for key, value in data.items():
            made.set(key, value)
        return made

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        return isinstance(other, SandboxContext) and self._scopes == other._scopes

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show how many variables each scope holds."""
        sizes = ", ".join(f"{scope}={len(values)}" for scope, values in self._scopes.items())
        return f"SandboxContext({sizes})"

    def _scope(self, scope: str) -> dict[str, Any]:
        """Return the live dictionary of a scope."""
        if scope not in self._scopes:
            raise StateError(f"unknown scope {scope!r}; the scopes are {', '.join(SCOPES)}")
        return self._scopes[scope]


def told_by(session: Session, told: object) -> SandboxContext:
    """Return what a session told of its variables; one that tells something else is ended."""
    if type(told) is not dict or not all(map(_are_variables, told.items())):
        session.close()
        raise ProtocolViolationError(
            "what the session told of its variables has another form; the session was ended"
        )
    return SandboxContext(told)


def _are_variables(told: tuple[object, object]) -> bool:
    """Whether these are a scope and variables by name."""
    scope, values = told
    known = type(scope) is str and scope in SCOPES
    return known and type(values) is dict and all(type(name) is str for name in values)


def _split(key: str) -> tuple[str, str]:
    """Split a key into scope and name."""
    if ":" in key:
        scope, _, name = key.partition(":")
        return scope, name
    scope, dot, name = key.partition(".")
    return (scope, name) if dot and scope in SCOPES else ("local", key)


def _looks_secret(name: str) -> bool:
    """Guess from its name whether a variable holds a secret."""
    lowered = name.lower()
    return any(word in lowered for word in _SECRET_WORDS)
