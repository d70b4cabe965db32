"""What `Dana` and `AsyncDana` have and sessions of a cluster do not, each with the reason.

Rule: every public name and argument of both classes is either there with the same signature or in one of
these tables; a test compares the lists.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ARGUMENTS_NOT_AVAILABLE", "NOT_AVAILABLE", "refuse"]

_IMPORTS: Final = "Python's import needs functions of this process; import in a Dana of your own"
_MODELS: Final = (
    "the session's model and its key are on the node; ask with reason(), or make a model of this process "
    "with opendxa.dana.llm"
)

#: Public names by the reason why sessions of a cluster do not have them.
NOT_AVAILABLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cache": "the cache of answers is on the node; cache=True switches it on",
        "disable_module_imports": _IMPORTS,
        "enable_module_imports": _IMPORTS,
        "get_llm": _MODELS,
        "get_llm_async": _MODELS,
        "imports_enabled": _IMPORTS,
        "models": _MODELS,
        "sandbox": "the session behind the object is in another process",
    }
)

#: Arguments of `Dana` and `AsyncDana` that `DanaCluster.session` does not take.
ARGUMENTS_NOT_AVAILABLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "busy_wait": "calls wait for the network, which takes far longer",
        "enable_imports": _IMPORTS,
    }
)


def refuse(kind: str, name: str) -> NoReturn:
    """Raise `AttributeError` for a name that a session does not have, with the reason if there is one."""
    text = f"{kind!r} object has no attribute {name!r}"
    if name in NOT_AVAILABLE:
        text = f"{kind} has no {name!r} across machines: {NOT_AVAILABLE[name]}"
    raise AttributeError(text)
