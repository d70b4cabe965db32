"""One trip: the program's run, told as events while it goes on.

Rule: the events are ``worker``, then for each question ``question``, ``piece``..., ``answered``, then
``trip``, and last ``closed``, when the worker's process is gone. Who stops reading ends the worker.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from opendxa.dana import AsyncDana, Limits
from opendxa.dana.exceptions import DanaCallError, DanaError, ModelError

from .model import listening
from .shapes import Trip, TripRequest
from .workers import watched

__all__ = ["LIMITS", "PROGRAM", "plan"]

PROGRAM: Final = Path(__file__).with_name("planner.na")
#: Seven days are fourteen questions, half of them asked up to three times: minutes for a small model.
LIMITS: Final = Limits(
    wall_time=300,
    cpu_time=5,
    memory=64 * 2**20,
    steps=50_000_000,
    output=64 * 2**10,
    asks=64,
    model_calls=64,
    tokens=200_000,
)

#: The name of an event and its data.
Told = tuple[str, dict[str, Any]]


async def plan(d: AsyncDana, wish: TripRequest) -> AsyncGenerator[Told, None]:
    """Run the program in a session that has it, and tell what happens. The session is closed at the end."""
    begin = time.monotonic()
    events: asyncio.Queue[Told | None] = asyncio.Queue()

    async def run() -> Trip:
        with listening(lambda event, data: events.put_nowait((event, data))):
            try:
                made = await d.call("plan", wish.destination, wish.days, wish.interests, wish.budget)
            except DanaCallError as error:
                raise _behind(error) from error
        return Trip.model_validate(made.to_dict())

    with watched(d) as worker:
        yield "worker", worker.worker.model_dump()
        running = asyncio.create_task(run())
        running.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            trip = await running
            yield "trip", trip.model_dump()
        finally:
            running.cancel()
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()  # who left does not want to hear of it
            used = d.usage
            await d.close()
        seconds = time.monotonic() - begin
        yield "closed", {"worker_ended": worker.ended, "seconds": seconds, "usage": asdict(used)}


def _behind(error: DanaCallError) -> DanaError:
    """Return what made the program fail: it asks nothing of the host but the model."""
    behind = error.original_error
    if behind is None or isinstance(behind, DanaError):
        return behind or error
    return ModelError(f"the model failed: {type(behind).__name__}")
