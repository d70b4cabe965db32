"""Plots of what was measured. Logarithmic axes say so, rates begin at zero, a contestant keeps its colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, NullLocator
from PIL import Image

from .sample import Samples
from .table import rounded

COLOURS = {
    "raw": "#444444",
    "raw, after 2 ms": "#a0a0a0",
    "asyncio streams": "#a0a0a0",
    "dana": "#c1272d",
    "dana, asyncio": "#ee8a1d",
    "monty": "#0b6fa4",
    "monty, fresh": "#0b6fa4",
    "monty, reused": "#7fb8d6",
    "ProcessPool": "#3a8f3a",
    "ProcessPool spawn": "#9acd8a",
    "bubblewrap": "#8456a8",
}
#: What is raw in each row.
RAW = {
    "call": "raw ping-pong",
    "call_one": "raw ping-pong",
    "call_two": "raw ping-pong",
    "async": "raw ping-pong",
    "busy": "raw ping-pong",
    "pooled": "raw ping-pong",
    "cold": "posix_spawn + wait, static C",
    "payload": "raw copy, C over pipes",
    "crowd": "posix_spawn + wait, static C",
}
#: Marks on the axis of percents: so many are slower.
MARKS = {50: "median", 10: "p90", 1: "p99", 0.1: "p99.9"}


def draw(samples: Samples, folder: Path) -> None:
    """Draw all plots into a folder."""
    folder.mkdir(exist_ok=True)
    calls = {
        "call": "warm call",
        "call_one": "warm call, both ends on one core",
        "call_two": "warm call, both ends on two cores",
    }
    distributions(samples, calls, 0.1, folder / "calls.png")
    others = {
        "async": "warm call on asyncio",
        "busy": "warm call beside a busy Python thread",
    }
    distributions(samples, others, 0.1, folder / "others.png")
    sessions = {
        "pooled": "new session to its first result, from the pool",
        "cold": "the same, nothing prepared",
    }
    distributions(samples, sessions, 1, folder / "sessions.png")
    sweep(samples, "payload", folder / "payload.png")
    sweep(samples, "crowd", folder / "concurrency.png")


def distributions(samples: Samples, rows: dict[str, str], least: float, path: Path) -> None:
    """Show for each latency which share of the samples was slower, down to `least` percent."""
    figure, axes = plt.subplots(
        1, len(rows), figsize=(4.3 * len(rows), 4.4), sharex=True, sharey=True, squeeze=False
    )
    for axis, (row, title) in zip(axes[0], rows.items(), strict=True):
        for who in samples.who(row):
            ordered = sorted(samples.all(row, who))
            slower = [100 * (len(ordered) - place) / len(ordered) for place in range(len(ordered))]
            label = RAW[row] if who == "raw" else who
            axis.step(ordered, slower, where="post", label=label, **_style(who))
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_ylim(least, 110)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("time, logarithmic")
        axis.xaxis.set_major_formatter(FuncFormatter(_seconds))
        marks = [mark for mark in MARKS if mark >= least]
        axis.set_yticks(marks, [f"{mark:g} %\n{MARKS[mark]}" for mark in marks])
        axis.yaxis.set_minor_locator(NullLocator())
        axis.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False)
        _grid(axis)
    axes[0][0].set_ylabel("samples that were slower, logarithmic")
    _save(figure, path)


def sweep(samples: Samples, prefix: str, path: Path) -> None:
    """Show medians against what was swept, with the middle eighty percent of the samples."""
    figure, axis = plt.subplots(figsize=(6.6, 4.4))
    found: dict[str, list[int]] = {}
    for row, who in samples.rounds:
        if row.startswith(f"{prefix}:"):
            found.setdefault(who, []).append(int(row.partition(":")[2]))
    for who, values in found.items():
        names = [f"{prefix}:{value}" for value in values]
        label = RAW[prefix] if who == "raw" else who
        style = _style(who)
        middle = [samples.median(name, who) for name in names]
        axis.plot(values, middle, marker="o", markersize=3, label=label, **style)
        low = [samples.percentile(name, who, 10) for name in names]
        high = [samples.percentile(name, who, 90) for name in names]
        axis.fill_between(values, low, high, alpha=0.12, color=style["color"], linewidth=0)
    ticks = sorted({value for values in found.values() for value in values})
    axis.set_xscale("log", base=2)
    if prefix == "payload":
        axis.set_yscale("log")
        axis.set_ylabel("time, logarithmic; line: median, band: p10 to p90", fontsize=9)
        axis.yaxis.set_major_formatter(FuncFormatter(_seconds))
        axis.set_xlabel("bytes to a session and back, logarithmic")
        axis.set_xticks(ticks, [_bytes(tick) for tick in ticks], fontsize=8)
    else:
        axis.set_ylim(bottom=0)
        axis.set_ylabel("fresh sessions per second; band: slowest to fastest round", fontsize=9)
        axis.set_xlabel("threads, or tasks of asyncio, that want sessions; logarithmic")
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.legend(fontsize=8, frameon=False)
    _grid(axis)
    _save(figure, path)


def _style(who: str) -> dict[str, Any]:
    return {"color": COLOURS.get(who, "#000000"), "linewidth": 2.2 if who.startswith("dana") else 1.3}


def _grid(axis: Any) -> None:
    axis.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(48, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def _seconds(value: float, _place: int) -> str:
    for size, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size * 0.999:
            return f"{rounded(value / size)} {name}"
    return f"{rounded(value * 1e9)} ns"


def _bytes(value: int) -> str:
    for size, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= size:
            return f"{value // size} {name}"
    return f"{value} B"
