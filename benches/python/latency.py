"""What a session and a call cost, as a Python caller sees it, beside the raw limit measured in the same run.

Prints the median, the 90th percentile and the ratio to the raw limit of the same kind: a ping-pong of
`os.write` and `os.read` with a static C program over pipes for calls, `posix_spawn` of that program plus
wait for new sessions. The measures take turns in short rounds, so that a machine that changes its speed
changes all of them. Every answer is checked: a benchmark that does not look at its answers measures
nothing.

Usage: python benches/python/latency.py [--rounds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from opendxa.dana import Dana

HERE = Path(__file__).parent
PROGRAM = """
def double(x):
    return x * 2

def ask():
    return llm("ping")
"""

Measure = Callable[[], None]


def build_echo(folder: Path) -> Path:
    """Compile the raw limit's other end; returns the program's path."""
    program = folder / "echo"
    subprocess.run(["cc", "-O2", "-static", "-o", str(program), str(HERE / "echo.c")], check=True)
    return program


@contextmanager
def ping_pong(echo: Path) -> Iterator[Measure]:
    """One byte there and back through two pipes."""
    with subprocess.Popen([echo], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        there, back = process.stdin.fileno(), process.stdout.fileno()

        def measure() -> None:
            os.write(there, b"x")
            if os.read(back, 16) != b"x":
                raise AssertionError("the echo did not come back")

        yield measure
        process.stdin.close()


def spawn_and_wait(echo: Path) -> Measure:
    """A process that ends at once (its standard input is empty), spawned and waited for."""
    path = os.fspath(echo)
    empty = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]

    def measure() -> None:
        process = os.posix_spawn(path, [path], {}, file_actions=empty)
        if os.waitpid(process, 0)[1] != 0:
            raise AssertionError("the program failed")

    return measure


def warm_call(session: Dana) -> Measure:
    """A Dana function called with one number."""

    def measure() -> None:
        if session.call("double", 21) != 42:
            raise AssertionError("wrong answer")

    return measure


def warm_ask(session: Dana) -> Measure:
    """A Dana function that asks the host one question."""

    def measure() -> None:
        if session.call("ask") != "pong":
            raise AssertionError("wrong answer")

    return measure


def new_session(*, isolated: bool) -> Measure:
    """A fresh session from nothing to its first result, and its end."""

    def measure() -> None:
        with Dana(use_subprocess_isolation=isolated, require_isolation=isolated) as session:
            if session.execute_string("6 * 7").result != 42:
                raise AssertionError("wrong answer")

    return measure


def take_turns(measures: dict[str, tuple[Measure, int]], rounds: int) -> dict[str, list[float]]:
    """Run each measure in short rounds, one after the other; returns seconds for each single step."""
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds + 1):
        for name, (measure, steps) in measures.items():
            for _ in range(steps):
                start = time.perf_counter()
                measure()
                took = time.perf_counter() - start
                if number:  # The first round warms up.
                    samples[name].append(took)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description="Latency of sessions and calls beside the raw limit.")
    parser.add_argument("--rounds", type=int, default=20, help="rounds over all measures (default 20)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        echo = build_echo(folder)
        isolated = stack.enter_context(
            Dana(
                use_subprocess_isolation=True, require_isolation=True, llm=lambda _messages, _options: "pong"
            )
        )
        inside = stack.enter_context(Dana(llm=lambda _messages, _options: "pong"))
        for session in (isolated, inside):
            if not session.execute_string(PROGRAM).success:
                raise AssertionError("the program failed")
        measures: dict[str, tuple[Measure, int]] = {
            "raw ping-pong": (stack.enter_context(ping_pong(echo)), 300),
            "warm call": (warm_call(isolated), 300),
            "ask round trip": (warm_ask(isolated), 40),
            "warm call, in-process": (warm_call(inside), 300),
            "raw spawn and wait": (spawn_and_wait(echo), 20),
            "new session": (new_session(isolated=True), 20),
            "new session, in-process": (new_session(isolated=False), 20),
        }
        samples = take_turns(measures, options.rounds)
        level = isolated.isolation.level

    limits = {"new session": "raw spawn and wait", "new session, in-process": "raw spawn and wait"}
    print(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, ", end="")
    print(f"CPython {platform.python_version()}, isolation level {level}\n")
    print(f"{'measure':26}{'median µs':>12}{'p90 µs':>12}{'x raw':>8}")
    figures = {}
    for name, taken in samples.items():
        limit = limits.get(name, "raw spawn and wait" if name == "raw spawn and wait" else "raw ping-pong")
        median = statistics.median(taken)
        p90 = statistics.quantiles(taken, n=10)[-1]
        ratio = median / statistics.median(samples[limit])
        figures[name] = {"median_us": median * 1e6, "p90_us": p90 * 1e6, "ratio_to_raw": ratio}
        print(f"{name:26}{median * 1e6:12.1f}{p90 * 1e6:12.1f}{ratio:8.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
