"""docs/LIMITS.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from opendxa.dana import Limits, PoolConfig, background, resources, sources, typed
from opendxa.dana.llm import LLMPool, ReasoningCache, Timeouts, local, transport
from opendxa.dana.modules import MAX_SOURCE
from opendxa.dana.sandbox import STARTUP_TIMEOUT

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "LIMITS.md").read_text(encoding="utf-8")
UNITS = {"s": 1, "MiB": 2**20, "": 1}


def test_limits_of_a_session() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+|none) ?(s|MiB|) \|", PAGE, re.MULTILINE)
    told = {
        name: None if figure == "none" else int(figure.replace(",", "")) * UNITS[unit]
        for name, figure, unit in rows
    }
    assert told == {**Limits().to_dict(), **vars(PoolConfig())}


def test_fixed_caps() -> None:
    def constant(file: str, name: str) -> int:
        text = (ROOT / file).read_text(encoding="utf-8")
        found = re.search(rf"\b{name}:[^=\n]*?(?:= )?([\d_]+)(?: << (\d+))?[;,]", text)
        assert found is not None, f"{name} is not in {file}"
        return int(found[1].replace("_", "")) << int(found[2] or 0)

    wire, lang = "dana-worker/wire/src", "dana-worker/lang/src"
    assert constant(f"{wire}/budget.rs", "frame_bytes") == 128 * 2**20
    assert constant(f"{wire}/budget.rs", "payload_bytes") == 110 * 2**20
    assert constant(f"{wire}/budget.rs", "nodes") == 2_000_000
    assert constant(f"{wire}/budget.rs", "depth") == 64
    assert constant(f"{wire}/budget.rs", "MAX_DEPTH") == 128
    assert constant(f"{wire}/caps.rs", "TEXT_BYTES") == 16 * 2**20
    assert constant(f"{lang}/syntax/parser.rs", "MAX_DEPTH") == 200
    assert constant(f"{lang}/value/bigint.rs", "MAX_BITS") == 4_194_304
    assert constant(f"{lang}/text/integer.rs", "MAX_TEXT_DIGITS") == 4300
    assert constant(f"{lang}/value/mod.rs", "MAX_VISITS") == 30_000_000
    assert constant(f"{lang}/value/repr.rs", "SHOWN") == 1000
    assert constant(f"{lang}/library/exceptions.rs", "LONGEST") == 4000
    assert constant(f"{lang}/text/json.rs", "MAX_DEPTH") == 200
    assert constant(f"{lang}/compile/expr.rs", "ARGUMENTS") == 100
    assert constant(f"{lang}/reason/functions.rs", "ASKED_AGAIN") + 1 == 3
    assert constant("dana-bridge/src/asks.rs", "IN_FLIGHT") == 16
    assert constant("dana-bridge/src/asks.rs", "REFUSED") == 64
    assert constant("dana-bridge/src/asks.rs", "CROWDED_OUT") == 4096
    assert constant("dana-bridge/src/asks.rs", "WAITING_BYTES") == 64 * 2**20
    assert constant(f"{wire}/caps.rs", "FUNCTIONS") == 4096
    assert constant(f"{lang}/vm/unwind.rs", "TRACE") == 60
    assert (sources.MAX_TEXTS, sources.MAX_TEXT) == (32, 131_072)
    assert (sources.MAX_NAMES, sources.MAX_PATHS) == (1000, 4)
    assert constant(f"{wire}/table.rs", "COLUMNS") == 16_384
    assert constant(f"{wire}/table.rs", "LABEL_BYTES") == 4096
    assert constant(f"{lang}/value/grid_text.rs", "MODEL_BYTES") == 16 * 2**10
    assert constant(f"{lang}/reason/options.rs", "DATA_BYTES") == 32 * 2**10
    assert constant(f"{lang}/value/grid_text.rs", "ROWS") == 20
    assert constant(f"{lang}/value/grid_text.rs", "COLUMNS") == 20
    assert constant(f"{lang}/value/grid_text.rs", "CELL") == 40
    assert background.MOST_THREADS == 64
    assert resources.MOST_OPEN == 256
    assert MAX_SOURCE == 4 * 2**20
    assert transport._MAX_ANSWER == 16 * 2**20
    assert (local._MAX_TOKENS, local._CONTEXT) == (300, 4096)
    assert Timeouts().total == 120
    assert transport._LONGEST_RETRY_AFTER == 120
    assert typed._ASKED_AGAIN == 2
    assert constant(f"{lang}/reason/returns.rs", "LONGEST") == 4096
    assert constant(f"{lang}/reason/returns.rs", "DEEPEST") == 64
    assert (LLMPool().size, LLMPool().wait) == (8, 60)
    cache = ReasoningCache()
    assert (cache.max_size, cache.max_bytes, cache.ttl_seconds) == (1000, 64 * 2**20, 300)
    assert STARTUP_TIMEOUT == 10
    for figure in ("128 MiB", "110 MiB", "2,000,000", "4,000,000", "200 levels", "4,194,304", "120 s"):
        assert figure in PAGE
