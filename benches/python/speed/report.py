"""Writes what was measured into docs/PERFORMANCE.md, between two marks; the rest of the page stays."""

from __future__ import annotations

from pathlib import Path

from . import table
from .machine import ROOT
from .rows import PER_SECOND, SECONDS
from .sample import Samples

PAGE = ROOT / "docs" / "PERFORMANCE.md"
PLOTS = ROOT / "docs" / "performance"
BEGIN = "<!-- made by `make bench`: do not edit from here -->"
END = "<!-- to here -->"
PICTURES = {
    "calls.png": "Warm calls: how many were slower than so long",
    "others.png": "Warm calls on asyncio and beside a busy thread: how many were slower than so long",
    "sessions.png": "New sessions to their first result: how many were slower than so long",
    "payload.png": "Cost of bytes there and back against their number",
    "concurrency.png": "Fresh sessions per second against the number of threads or tasks that want them",
}


def section(samples: Samples, description: list[str]) -> str:
    """Return the text for the page."""
    pictures = "\n\n".join(f"![{text}](performance/{name})" for name, text in PICTURES.items())
    parts = [
        "\n".join(f"- {line}" for line in description),
        table.as_markdown(table.targets(samples)),
        pictures,
        "### Levels of isolation",
        table.as_markdown(table.levels(samples)),
        "### Payloads there and back",
        table.as_markdown(table.swept(samples, "payload", SECONDS, "bytes")),
        "### Fresh sessions per second",
        table.as_markdown(table.swept(samples, "crowd", PER_SECOND, "threads or tasks")),
        "### Every series",
        table.as_markdown(table.everything(samples)),
    ]
    return "\n\n".join(parts)


def replaced(page: str, text: str) -> str:
    """Return the page with the text between the marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def write(samples: Samples, description: list[str], page: Path = PAGE) -> None:
    """Write the section."""
    text = replaced(page.read_text(encoding="utf-8"), section(samples, description))
    page.write_text(text, encoding="utf-8")
