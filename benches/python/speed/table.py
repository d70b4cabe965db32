"""Tables of what was measured: the targets and whether they are met, then every series."""

from __future__ import annotations

from .rows import BYTES, COUNT, PER_SECOND, ROWS, SECONDS, SHARE, Row
from .sample import Samples

Table = list[list[str]]


def targets(samples: Samples) -> Table:
    """Our median beside the target, and the peers' medians."""
    lines = [["measure", "target", "median", "ratio (quartiles by round)", "target met", "others, median"]]
    for row in ROWS:
        if (row.name, "dana") not in samples.rounds:
            continue
        ours = samples.median(row.name, "dana")
        ratio, met = "", "reported"
        if row.target is not None:
            figure = ours
            if row.target.against is not None:
                figure = samples.ratio((row.name, "dana"), row.target.against)
                low, high = samples.ratio_by_round((row.name, "dana"), row.target.against)
                ratio = f"{figure:.2f} ({low:.2f} to {high:.2f})"
            met = "yes" if row.target.is_met(figure) else "**no**"
        others = [
            f"{who} {shown(samples.median(row.name, who), row.unit)}"
            for who in samples.who(row.name)
            if not who.startswith("dana")
        ]
        target = row.target.text if row.target else ""
        lines.append([row.title, target, shown(ours, row.unit), ratio, met, "; ".join(others)])
    return lines


def everything(samples: Samples) -> Table:
    """Every series with its spread, and how its median compares with ours."""
    lines = [["measure", "who", "n", "minimum", "median", "p90", "p99", "x dana"]]
    for row in ROWS:
        lines += [[row.title, who, *_spread(samples, row, who)] for who in samples.who(row.name)]
    return lines


def _spread(samples: Samples, row: Row, who: str) -> list[str]:
    taken = samples.all(row.name, who)
    figures = [min(taken), samples.median(row.name, who)]
    figures += [samples.percentile(row.name, who, percent) for percent in (90, 99)]
    cells = [shown(figure, row.unit) for figure in figures]
    if len(taken) < 100:
        cells[3] = ""
    if len(taken) < 10:
        cells[2] = ""
    ours = samples.median(row.name, "dana") if (row.name, "dana") in samples.rounds else 0
    return [str(len(taken)), *cells, f"{figures[1] / ours:.2f}" if ours else ""]


def levels(samples: Samples) -> Table:
    """What each level of isolation costs."""
    lines = [["level", "a session", "p90", "a warm call", "p90"]]
    for who in samples.who("level"):
        cells = [
            shown(figure, SECONDS)
            for row in ("level", "level_call")
            for figure in (samples.median(row, who), samples.percentile(row, who, 90))
        ]
        lines.append([who, *cells])
    return lines


def swept(samples: Samples, prefix: str, unit: str, label: str) -> Table:
    """One line for each value that was swept, one column for each contestant."""
    rows = list(dict.fromkeys(row for row, _ in samples.rounds if row.startswith(f"{prefix}:")))
    columns = list(dict.fromkeys(who for row, who in samples.rounds if row in rows))
    lines = [[label, *columns]]
    for row in rows:
        value = int(row.partition(":")[2])
        found = set(samples.who(row))
        cells = [shown(samples.median(row, who), unit) if who in found else "" for who in columns]
        lines.append([f"{value:,}", *cells])
    return lines


def shown(figure: float, unit: str) -> str:
    """Show a figure with a unit that suits its size."""
    if unit == SECONDS:
        for size, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(figure) >= size or name == "µs":
                return f"{rounded(figure / size)} {name}"
    if unit == BYTES:
        return f"{figure / 2**20:.2f} MiB"
    if unit == PER_SECOND:
        return f"{figure:,.0f}/s"
    if unit == SHARE:
        return f"{figure:.2f}"
    if unit == COUNT:
        return f"{figure:g}"
    raise AssertionError(f"no such unit: {unit}")


def rounded(figure: float) -> str:
    """Show three digits."""
    return f"{figure:.3g}" if abs(figure) < 100 else f"{figure:.0f}"


def as_text(table: Table) -> str:
    """Lay a table out for a terminal."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in table]
    return "\n".join("  ".join(line).rstrip() for line in padded)


def as_markdown(table: Table) -> str:
    """Write a table for a document."""
    head, *lines = [f"| {' | '.join(line)} |" for line in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *lines])
