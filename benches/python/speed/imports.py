"""What an import adds to a Python that does nothing: a process with it, less one without, started in turn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from .raw import spawn_and_wait
from .sample import Series, each, told
from .stage import Stage


def series(stage: Stage) -> Iterator[Series]:
    programs = {"dana": "import opendxa.dana", "dana, class Dana": "from opendxa.dana import Dana"}
    if stage.monty:
        programs["monty"] = "import pydantic_monty"
    if stage.process_pool:
        programs["ProcessPool"] = "from concurrent.futures import ProcessPoolExecutor"
    for who, program in programs.items():
        yield Series("import", who, told(added_by(program)), 3)


def added_by(program: str) -> Callable[[], float]:
    bare = each(spawn_and_wait([sys.executable, "-c", "pass"]))
    full = each(spawn_and_wait([sys.executable, "-c", program]))
    return lambda: full(1)[0] - bare(1)[0]
