"""Hostile code, run and reported.

Rule: a program gets a fresh worker, tight limits, no modules, no functions, and a model that only ever says
no, so that nothing it does costs anything. Whatever it did, another fresh worker is asked afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Final

from opendxa.dana import AsyncDana, Limits
from opendxa.dana.exceptions import (
    AskLimitError,
    CpuLimitError,
    DanaCallError,
    DeadlineExceededError,
    DepthLimitError,
    LimitExceededError,
    MemoryLimitError,
    OutputLimitError,
    StepLimitError,
    WorkerOutOfMemoryError,
)
from opendxa.dana.llm import Scripted

from .shapes import Tested, Verdict
from .workers import watched

__all__ = ["LIMITS", "run"]

LIMITS: Final = Limits(
    wall_time=1,
    cpu_time=2,
    memory=64 * 2**20,
    steps=1_000_000_000,
    depth=200,
    output=64 * 2**10,
    asks=20,
)
#: Characters of output, of an error and of a result that are shown.
_SHOWN: Final = 4_000
_REACHED: Final = {
    DeadlineExceededError: "wall_time",
    CpuLimitError: "cpu_time",
    MemoryLimitError: "memory",
    WorkerOutOfMemoryError: "memory",
    StepLimitError: "steps",
    DepthLimitError: "depth",
    OutputLimitError: "output",
    AskLimitError: "asks",
}


@asynccontextmanager
async def _sandbox() -> AsyncIterator[AsyncDana]:
    arguments: dict[str, Any] = {"limits": LIMITS, "llm": Scripted(["no"], repeat=True), "search_paths": ()}
    async with AsyncDana(require_isolation=True, echo=False, **arguments) as d:
        yield d


async def run(code: str) -> Verdict:
    """Run a program and tell what became of it."""
    async with _sandbox() as d:
        with watched(d) as worker:
            begin = time.monotonic()
            done = await d.execute_string(code, "hostile.na")
            seconds = time.monotonic() - begin
            await d.close()
            ended = worker.ended
    error = done.error
    # On a thread: a program may leave a million values behind, and the loop serves others.
    result = None if error is not None else await asyncio.to_thread(_text, done.result)
    return Verdict(
        outcome=_outcome(error),
        error=_name(error),
        message=None if error is None else str(error)[:_SHOWN],
        limit=_REACHED.get(type(error)) if error is not None else None,
        limits={name: value for name, value in LIMITS.to_dict().items() if value is not None},
        output=done.output[:_SHOWN],
        output_left_out=max(0, len(done.output) - _SHOWN),
        result=result,
        seconds=seconds,
        usage=asdict(done.usage),
        worker=worker.worker,
        worker_ended=ended,
        afterwards=await still_answers(),
    )


async def still_answers() -> Tested:
    """Ask another fresh worker."""
    begin = time.monotonic()
    async with _sandbox() as d:
        with watched(d) as worker:
            answer = (await d.execute_string("6 * 7")).result
    return Tested(pid=worker.worker.pid, answer=answer, seconds=time.monotonic() - begin)


def _outcome(error: Exception | None) -> Any:
    if error is None:
        return "finished"
    if isinstance(error, LimitExceededError | WorkerOutOfMemoryError):
        return "limit"
    return "error" if isinstance(error, DanaCallError) else "lost"


def _name(error: Exception | None) -> str | None:
    """Return what an error is called: one of the program's own by its kind in Dana."""
    if type(error) is DanaCallError and error.kind is not None:
        return error.kind[:100]
    return None if error is None else type(error).__name__


def _text(value: object) -> str:
    try:
        return repr(value)[:_SHOWN]
    except ValueError:  # Python does not print an int of more than some thousand digits
        return f"<{type(value).__name__}>"
