"""Dana sessions on the nodes of a Ray cluster: ``pip install 'dana-bridge[ray]'``.

    from opendxa.dana.ray import DanaCluster

    with DanaCluster() as cluster:                       # or DanaCluster("auto"), or an address
        with cluster.session(llm="openai:gpt-4o-mini") as d:
            d.execute_string("6 * 7").result             # 42, from a locked worker of some node
        async with cluster.async_session() as d:         # the same for asyncio
            await d.call("str", 1)

Each node has one actor, which holds the node's pool of workers and all sessions placed there. A session stays
where it was placed, in one worker, until it ends. Models are asked by the node, with the node's own keys.

Rule: nothing is done twice behind the caller's back. A turn whose node, actor or connection goes away ends
with `WorkerLostError`, whether or not the program had run by then; what to do next is the caller's decision.
"""

from __future__ import annotations

try:
    import ray as _ray  # noqa: F401 - looked for here, so that whoever lacks it is told at once
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"Ray is not installed ({_missing})\nHint: pip install 'dana-bridge[ray]'", name=_missing.name
    ) from _missing

from .async_session import AsyncClusterSession
from .cluster import DanaCluster
from .differences import NOT_AVAILABLE
from .report import ClusterStats, NodeStats
from .session import ClusterSession

__all__ = [
    "NOT_AVAILABLE",
    "AsyncClusterSession",
    "ClusterSession",
    "ClusterStats",
    "DanaCluster",
    "NodeStats",
]
