"""What is measured, in the order of the table, and the targets. Data: no code that measures is here."""

from __future__ import annotations

from dataclasses import dataclass

from .placement import ON_ONE, ON_TWO

#: Units of samples.
SECONDS, PER_SECOND, BYTES, COUNT, SHARE = "s", "/s", "B", "", "share"


@dataclass(frozen=True)
class Target:
    """What the median of `dana` must keep to; `against` a series of the same run, or as it is."""

    text: str
    at_most: float | None = None
    at_least: float | None = None
    against: tuple[str, str] | None = None

    def is_met(self, figure: float) -> bool:
        """Whether a figure (a ratio, if there is something to compare with) keeps to it."""
        return (self.at_most is None or figure <= self.at_most) and (
            self.at_least is None or figure >= self.at_least
        )


@dataclass(frozen=True)
class Row:
    """One measure."""

    name: str
    title: str
    unit: str
    target: Target | None = None


def _times(limit: float, row: str, what: str, who: str = "raw") -> Target:
    return Target(f"<= {limit:g}x {what}", at_most=limit, against=(row, who))


def _everywhere(name: str, title: str, limit: float) -> tuple[Row, ...]:
    """Return the rows of each placement of the two ends; it is judged where both are held."""
    held = {ON_ONE: ", on one core", ON_TWO: ", on two cores"}
    return (
        Row(name, title, SECONDS),
        *(
            Row(name + suffix, title + where, SECONDS, _times(limit, name + suffix, "raw ping-pong"))
            for suffix, where in held.items()
        ),
    )


ROWS = (
    *_everywhere("call", 'warm call `d.call("f", 1)`', 1.3),
    *_everywhere("ask", "ask: what a call of a Python function adds", 1.5),
    *_everywhere("async", "warm call on asyncio", 3),
    Row("busy", "warm call beside a busy Python thread", SECONDS),
    Row("busy_rate", "the same: calls per second", PER_SECOND),
    Row("busy_progress", "the same: progress of the busy thread", SHARE),
    Row("pooled", "new session from the pool, to its result", SECONDS, _times(5, "pooled", "raw ping-pong")),
    Row("cold", "new session, empty pool, to its result", SECONDS, _times(2, "cold", "posix_spawn + wait")),
    Row("cold_inside", "new session in-process, to its result", SECONDS),
    Row("requests", "a fresh process a request, 2 threads", PER_SECOND, Target(">= 2,000/s", at_least=2000)),
    Row("request_errors", "the same: wrong or missing answers", COUNT, Target("none", at_most=0)),
    Row("rss", "idle worker: resident memory", BYTES, Target("<= 4 MiB", at_most=4 << 20)),
    Row("dirty", "idle worker: private dirty memory", BYTES, Target("<= 1 MiB", at_most=1 << 20)),
    Row("kill", "kill -9 to the exception", SECONDS, Target("<= 1 ms", at_most=1e-3)),
    Row(
        "recover",
        "kill -9 to the next good result",
        SECONDS,
        _times(2, "pooled", "a session from the pool", "dana"),
    ),
    Row("floats_in", "1,000,000 floats in", SECONDS, Target("<= 40 ms", at_most=0.040)),
    Row("floats_out", "1,000,000 floats out", SECONDS, Target("<= 40 ms", at_most=0.040)),
    Row("bytes_in", "64 MiB of bytes in", SECONDS, _times(1.3, "bytes_in", "raw copy")),
    Row("bytes_out", "64 MiB of bytes out", SECONDS, _times(1.3, "bytes_out", "raw copy")),
    Row("dict_in", "dict of 100,000 str to int in", SECONDS, Target("<= 20 ms", at_most=0.020)),
    Row("dict_out", "dict of 100,000 str to int out", SECONDS, Target("<= 30 ms", at_most=0.030)),
    Row("inside", "warm call in-process", SECONDS, Target("<= 2 µs", at_most=2e-6)),
    Row("import", "`import opendxa.dana` over bare Python", SECONDS, Target("<= 30 ms", at_most=0.030)),
)
