"""The isolation report: which walls stand round a session, and what proves it.

Rule: nothing here is a setting. A report is made from what the host read from the kernel about the live
worker; for a session inside the host process it says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["IsolationReport", "Layer"]


@dataclass(frozen=True)
class Layer:
    """One wall: whether it was wanted, whether it stands, and how that is known."""

    name: str
    wanted: bool
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
    level: str
    layers: tuple[Layer, ...] = ()
    #: The worker's process id, None when there is no worker.
    pid: int | None = None
    #: Why a session that should be isolated is not (any more), None otherwise.
    fallback_reason: str | None = None

    @classmethod
    def from_bridge(cls, data: Mapping[str, Any], pid: int | None, wanted: bool) -> IsolationReport:
        """Build the report from the extension's dictionary; `wanted` is whether isolation was asked for."""
        layers = tuple(
            Layer(
                name=str(item["name"]),
                wanted=wanted and bool(item["wanted"]),
                in_force=bool(item["in_force"]),
                evidence=str(item.get("evidence") or ""),
                value="" if item.get("value") is None else str(item["value"]),
                reason=str(item.get("reason") or ""),
            )
            for item in data.get("layers", ())
        )
        return cls(str(data["level"]), layers, pid)

    def not_isolated(self, reason: str) -> IsolationReport:
        """Return this report for a session that should be isolated and is not."""
        return IsolationReport(
            "none", tuple(replace(layer, wanted=True) for layer in self.layers), None, reason
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, ready for JSON."""
        return {
            "level": self.level,
            "pid": self.pid,
            "fallback_reason": self.fallback_reason,
            "layers": [dict(vars(layer)) for layer in self.layers],
        }

    def __str__(self) -> str:
        """Show the report as a table."""
        head = f"isolation level: {self.level}"
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
            proof = ": ".join(part for part in (layer.evidence, layer.value) if part)
            told = "; ".join(part for part in (proof, layer.reason) if part)
            lines.append(f"  {layer.name:<{width}}  {state}  {told}".rstrip())
        return "\n".join(lines)
