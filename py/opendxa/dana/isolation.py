"""The isolation report: which walls stand round a session, and what proves it.

Rule: nothing here is a setting. A report is made from what the host read from the kernel about the live
worker; for a session inside the host process it says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["IsolationLevel", "IsolationReport", "Layer"]


class IsolationLevel(str, Enum):
    """How strong the wall round a session is; each level includes the ones before it.

    A member equals its name as text, and compares by strength: ``report.level >= "landlocked"`` is a question
    of strength, too. ``bool(level)`` is false for `NONE` alone.
    """

    #: Inside the host process: no wall at all.
    NONE = "none"
    #: A process of its own. It is not called isolated.
    PROCESS = "process"
    #: And system calls filtered, no privileges, not traceable, limits.
    FILTERED = "filtered"
    #: And Landlock. The default.
    LANDLOCKED = "landlocked"
    #: And namespaces of its own, with an empty root directory.
    NAMESPACED = "namespaced"
    #: And a control group with limits, and a user id or a process namespace of its own.
    CONTAINED = "contained"

    def __str__(self) -> str:
        """Return the name."""
        return str(self.value)

    def __bool__(self) -> bool:
        """Return whether there is a process of its own."""
        return self is not IsolationLevel.NONE

    def __hash__(self) -> int:
        """Hash as the name does."""
        return hash(str(self.value))

    def __eq__(self, other: object) -> bool:
        """Compare with a level or a level's name."""
        return str(self.value) == (other.value if isinstance(other, IsolationLevel) else other)

    def __lt__(self, other: str) -> bool:
        """Whether this level is weaker."""
        return _strength(self) < _strength(other)

    def __le__(self, other: str) -> bool:
        """Whether this level is weaker or the same."""
        return _strength(self) <= _strength(other)

    def __gt__(self, other: str) -> bool:
        """Whether this level is stronger."""
        return _strength(self) > _strength(other)

    def __ge__(self, other: str) -> bool:
        """Whether this level is stronger or the same."""
        return _strength(self) >= _strength(other)


def _strength(level: str) -> int:
    """Return the place of a level; a text that names none is an error."""
    return list(IsolationLevel).index(IsolationLevel(level))


@dataclass(frozen=True)
class Layer:
    """One wall: whether it was wanted, whether it stands, and how that is known."""

    #: As in the table of layers in SECURITY.md: ``seccomp``, ``landlock``, ...
    name: str
    #: Whether the level that was asked for has it.
    wanted: bool
    #: Whether it stands. Without evidence it does not.
    in_force: bool
    #: Where the host looked, for example ``/proc/<pid>/status Seccomp``.
    evidence: str = ""
    #: What it found there.
    value: str = ""
    #: Why the layer is not in force, when it is not.
    reason: str = ""


@dataclass(frozen=True)
class IsolationReport:
    """What isolates a session, layer by layer. ``str()`` is a table for people."""

    #: ``none`` (inside the host process), or the name of the level that the layers in force add up to.
    level: IsolationLevel
    #: Every layer there is, in the order in which they are applied.
    layers: tuple[Layer, ...] = ()
    #: The worker's process id, None when there is no worker.
    pid: int | None = None
    #: Why a session that should be isolated is not (any more), None otherwise.
    fallback_reason: str | None = None
    #: The level that was asked for.
    asked: IsolationLevel = IsolationLevel.NONE

    @classmethod
    def from_bridge(cls, data: Mapping[str, Any], pid: int | None) -> IsolationReport:
        """Build the report from the extension's dictionary."""
        layers = tuple(
            Layer(
                name=str(item["name"]),
                wanted=bool(item["wanted"]),
                in_force=bool(item["in_force"]),
                evidence=str(item.get("evidence") or ""),
                value="" if item.get("value") is None else str(item["value"]),
                reason=str(item.get("reason") or ""),
            )
            for item in data.get("layers", ())
        )
        level, asked = IsolationLevel(data["level"]), IsolationLevel(data["asked"])
        return cls(level, layers, pid, None, asked)

    @classmethod
    def of_no_session(cls) -> IsolationReport:
        """Build the report of a session that is closed."""
        return cls(IsolationLevel.NONE)

    def not_isolated(self, reason: str, asked: IsolationLevel) -> IsolationReport:
        """Return this report for a session that should be isolated and is not."""
        layers = tuple(replace(layer, wanted=True) for layer in self.layers)
        return IsolationReport(IsolationLevel.NONE, layers, None, reason, asked)

    def layer(self, name: str) -> Layer:
        """Return one layer by its name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, ready for JSON."""
        return {
            "level": self.level.value,
            "asked": self.asked.value,
            "pid": self.pid,
            "fallback_reason": self.fallback_reason,
            "layers": [dict(vars(layer)) for layer in self.layers],
        }

    def __str__(self) -> str:
        """Show the report as a table."""
        head = f"isolation level: {self.level}"
        if self.asked > self.level:
            head += f", asked for: {self.asked}"
        if self.pid is not None:
            head += f" (worker {self.pid})"
        if self.fallback_reason is not None:
            head += f"\nnot isolated: {self.fallback_reason}"
        width = max((len(layer.name) for layer in self.layers), default=0)
        lines = [head]
        if not any(layer.in_force for layer in self.layers):
            reasons = dict.fromkeys(layer.reason for layer in self.layers if layer.reason)
            return "\n".join([head, *(f"  no layer is in force: {reason}" for reason in reasons)])
        for layer in self.layers:
            state = "in force" if layer.in_force else "MISSING " if layer.wanted else "not used"
            proof = f"{layer.evidence}: {layer.value}" if layer.in_force else ""
            told = "; ".join(part for part in (proof, layer.reason) if part)
            lines.append(f"  {layer.name:<{width}}  {state}  {told}".rstrip())
        return "\n".join(lines)
