"""Big values into a session and out of it: floats, bytes, a dict. One call each, its round trip included."""

from __future__ import annotations

import array
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import tasks
from .raw import Copier, pipes
from .sample import Series, Take
from .stage import Stage


def series(stage: Stage) -> Iterator[Series]:
    scale = stage.scale
    values: dict[str, tuple[Any, Callable[[int], Any]]] = {
        "floats": (tasks.floats(scale.floats), tasks.floats),
        "bytes": (tasks.data(scale.data), tasks.data),
        "dict": (tasks.pairs(scale.pairs), tasks.pairs),
    }
    raw = Copier(stage.stack.enter_context(pipes(stage.copy)))
    data = values["bytes"][0]
    packed = array.array("d", values["floats"][0]).tobytes()
    kept = bytearray(len(data))
    yield from both("floats", "raw", (lambda: raw.send(packed), lambda: raw.receive(len(packed))), None, 3)
    yield from both("bytes", "raw", (lambda: raw.send(data), lambda: raw.receive(len(data))), None, 2)
    reused = (lambda: raw.send(data, b"k"), lambda: raw.receive(len(data), kept))
    yield from both("bytes", "raw, memory kept", reused, None, 2)
    for name, (value, make) in values.items():
        yield from dana(stage, name, value)
        if stage.monty:
            yield from monty(stage, name, value)
        if stage.process_pool:
            yield from process_pool(stage, name, value, make)


def dana(stage: Stage, name: str, value: Any) -> Iterator[Series]:
    session = stage.dana()
    session.set("data", value)
    ways = (lambda: session.call("size", value), lambda: session.call("give"))
    yield from both(name, "dana", ways, value, 2)


def monty(stage: Stage, name: str, value: Any) -> Iterator[Series]:
    session = stage.monty_session()
    session.feed_run("kept = given", inputs={"given": value})
    into = {"x": value}
    ways = (lambda: session.feed_run("len(x)", inputs=into), lambda: session.feed_run("kept"))
    yield from both(name, "monty", ways, value, 1)


def process_pool(stage: Stage, name: str, value: Any, make: Callable[[int], Any]) -> Iterator[Series]:
    """Its processes keep what they made once."""
    executor = stage.executor("spawn")
    ways = (
        lambda: executor.submit(tasks.size, value).result(),
        lambda: executor.submit(make, len(value)).result(),
    )
    yield from both(name, "ProcessPool spawn", ways, value, 1)


def both(
    name: str, who: str, ways: tuple[Callable[[], Any], Callable[[], Any]], value: Any, steps: int
) -> Iterator[Series]:
    """Measure in and out; answers are compared with the value, unless there is none."""
    into, out = ways
    yield Series(f"{name}_in", who, checked(into, None if value is None else len(value)), steps)
    yield Series(f"{name}_out", who, checked(out, value), steps)


def checked(step: Callable[[], Any], expected: Any) -> Take:
    """Time the step, not the comparison."""

    def take(count: int) -> list[float]:
        samples = []
        for _ in range(count):
            began = time.perf_counter()
            answer = step()
            samples.append(time.perf_counter() - began)
            if expected is not None and answer != expected:
                raise AssertionError("wrong answer")
        return samples

    return take
