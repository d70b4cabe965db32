"""Sessions that were lost: every way in which Ray says so becomes `WorkerLostError`.

Rule: it says that nothing was tried again, and that nobody knows how far the turn came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opendxa.dana.exceptions import SessionClosedError, WorkerLostError

if TYPE_CHECKING:
    import ray.exceptions

__all__ = ["cluster_closed", "from_ray", "lost", "over"]

_HINT = (
    "the session and its state are lost, and the turn may have run in part or whole: nothing was tried "
    "again; open a new session, or call restart_subprocess()"
)


def lost(node_id: str, observed: str) -> WorkerLostError:
    """Build the error of a turn whose node did not answer."""
    where = f"the node {node_id[:12]}" if node_id else "the node"
    return WorkerLostError(f"{where} of the session is lost: {observed}\nHint: {_HINT}")


def from_ray(node_id: str, error: ray.exceptions.RayError) -> WorkerLostError:
    """Build the error of a turn that Ray could not bring to its end; Ray's own is the cause."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    told = lost(node_id, f"{type(error).__name__}: {first}" if first else type(error).__name__)
    told.__cause__ = error
    return told


def over(observed: str) -> SessionClosedError:
    """Build the error of the use of a session that was lost before."""
    return SessionClosedError(f"{observed}\nHint: open a new session, or call restart_subprocess()")


def cluster_closed() -> SessionClosedError:
    """Build the error of the use of a session whose client has left the cluster."""
    return SessionClosedError("the DanaCluster was closed\nHint: make a new one")
