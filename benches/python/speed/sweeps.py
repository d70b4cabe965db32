"""Cost against the size of a payload, and against the number of threads or tasks that make requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import tasks
from .payloads import checked
from .raw import Copier, pipes
from .requests import contestants, tasks_of_asyncio
from .sample import Series
from .stage import Stage, keep_none, keep_spares

#: Bytes that one series moves in a round, at the most; and samples, at the most.
MOVED, SAMPLES = 4 << 20, 30


def payloads(stage: Stage) -> Iterator[Series]:
    """Bytes to a session and back, by their number: `payload:65536`."""
    copier = Copier(stage.stack.enter_context(pipes(stage.copy)))
    session = stage.dana()
    echoes: dict[str, Callable[[bytes], Any]] = {
        "raw": copier.echo,
        "dana": lambda data: session.call("same", data),
    }
    if stage.monty:
        monty = stage.monty_session()
        echoes["monty"] = lambda data: monty.feed_run("x", inputs={"x": data})
    if stage.process_pool:
        executor = stage.executor("spawn")
        echoes["ProcessPool"] = lambda data: executor.submit(tasks.same, data).result()
    for size in stage.scale.sizes:
        data = tasks.data(size)
        for who, echo in echoes.items():
            step = checked(lambda echo=echo, data=data: echo(data), data)
            yield Series(f"payload:{size}", who, step, max(1, min(SAMPLES, MOVED // size)))


def crowds(stage: Stage) -> Iterator[Series]:
    """Fresh sessions per second, by the number of those who ask for them: `crowd:8`."""
    left_out = {"ProcessPool, one task a child", "bubblewrap", "dana, no spares"}
    for size in stage.scale.crowds:
        for who, take in contestants(stage, size, stage.scale.seconds).items():
            if who not in left_out:
                yield from _counted(f"crowd:{size}", who, take)
        yield from _counted(f"crowd:{size}", "dana, asyncio", _asyncio(size, stage.scale.seconds))


def _counted(row: str, who: str, take: Callable[[list[float]], Any]) -> Iterator[Series]:
    """Stop at the first wrong answer: a rate with errors in it says nothing."""
    errors: list[float] = []
    rates = take(errors)

    def counted(count: int) -> list[float]:
        taken = rates(count)
        if any(errors):
            raise AssertionError(f"{row}, {who}: {errors[0]:.0f} wrong answers")
        return list(taken)

    yield Series(row, who, counted, 1)


def _asyncio(size: int, seconds: float) -> Callable[[list[float]], Any]:
    def take(errors: list[float]) -> Any:
        def rates(_count: int) -> list[float]:
            keep_spares()
            rate = tasks_of_asyncio(size, seconds, errors)
            keep_none()
            return [rate]

        return rates

    return take
