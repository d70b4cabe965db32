"""Computation in Dana against CPython 3.11, in one run: per-workload ratios and their geometric means.

The same programs (`compute/*.na`) run in-process, in an isolated worker, through Debian's optimised
CPython, and through pydantic-monty where it is installed (`make bench` installs it). The Dana sources are
turned into Python by the few textual differences between the languages; results must agree. The runners take
turns, the minimum of the rounds counts.

Usage: python benches/python/compute.py [--rounds N] [--python PATH] [--only NAME] [--json FILE]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from opendxa.dana import Dana, Limits

PROGRAMS = Path(__file__).parent / "compute"
NO_LIMITS = Limits(wall_time=None, cpu_time=None, steps=None)

# Reads one program a line (JSON), answers with the seconds and the result of `run()`.
CHILD = """
import json, sys, time
for line in sys.stdin:
    scope = {}
    exec(compile(json.loads(line), "program", "exec"), scope)
    run = scope["run"]
    start = time.perf_counter()
    result = run()
    print(json.dumps([time.perf_counter() - start, result]), flush=True)
"""

Runner = Callable[[], tuple[float, Any]]


def to_python(source: str) -> str:
    """Turn a benchmark's Dana source into Python: structs, receivers, lambdas, pipelines and scopes."""
    source = re.sub(
        r"^struct (\w+):\n((?:    \w+: \w+\n)+)",
        lambda m: f"import dataclasses\n@dataclasses.dataclass\nclass {m[1]}:\n{m[2]}",
        source,
        flags=re.M,
    )
    source = re.sub(
        r"^def \((\w+): (\w+)\) (\w+)\(([^)]*)\):\n((?:    .*\n)+)",
        lambda m: f"def _{m[3]}({m[1]}, {m[4]}):\n{m[5]}{m[2]}.{m[3]} = _{m[3]}\n",
        source,
        flags=re.M,
    )
    source = re.sub(r"lambda (\w+) ::", r"lambda \1:", source)
    source = re.sub(
        r"^def (\w+)\((\w+)\) = (.*)$",
        lambda m: f"def {m[1]}({m[2]}):\n    return " + nest(m[3].split(" | "), m[2]),
        source,
        flags=re.M,
    )
    if "private:" in source:
        shared = r"^def (\w+)\(\):\n(?=(?:    .*\n)*?    .*private:)"
        source = re.sub(shared, r"def \1():\n    global text\n", source, flags=re.M)
        source = source.replace("private:", "")
    return source


def nest(stages: list[str], argument: str) -> str:
    """`a | b | c` applied to x is `c(b(a(x)))`."""
    for stage in stages:
        argument = f"{stage.strip()}({argument})"
    return argument


@contextmanager
def cpython(python: str) -> Iterator[Callable[[str], Runner]]:
    """A CPython process; gives what makes a runner of a program in it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([python, "-c", CHILD], **pipes) as child:

        def load(source: str) -> Runner:
            line = json.dumps(to_python(source)) + "\n"

            def run() -> tuple[float, Any]:
                child.stdin.write(line)
                child.stdin.flush()
                took, result = json.loads(child.stdout.readline())
                return took, result

            return run

        yield load
        child.stdin.close()


def dana(source: str, sessions: ExitStack, *, isolated: bool) -> Runner:
    """The program in a session of its own."""
    settings = {"use_subprocess_isolation": isolated, "require_isolation": isolated}
    session = sessions.enter_context(Dana(limits=NO_LIMITS, **settings))
    loaded = session.execute_string(source)
    if not loaded.success:
        raise loaded.error

    def run() -> tuple[float, Any]:
        start = time.perf_counter()
        result = session.call("run")
        return time.perf_counter() - start, result

    return run


@contextmanager
def monty() -> Iterator[Callable[[str, ExitStack], Runner]]:
    """A pool of monty's workers; gives what makes a runner of a program in a session of its own."""
    from pydantic_monty import Monty  # noqa: PLC0415 (an optional peer)

    with Monty() as pool:

        def load(source: str, sessions: ExitStack) -> Runner:
            session = sessions.enter_context(pool.checkout())
            session.feed_run(to_python(source))

            def run() -> tuple[float, Any]:
                start = time.perf_counter()
                result = session.feed_run("run()")
                return time.perf_counter() - start, result

            return run

        yield load


def geometric_mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def measure(runners: dict[str, Runner], rounds: int) -> dict[str, float | str]:
    """The best time of each runner in seconds; for a peer that cannot run the program, why."""
    best: dict[str, float | str] = {}
    results = {}
    for _ in range(rounds):
        for name, run in runners.items():
            if isinstance(best.get(name), str):
                continue
            try:
                took, results[name] = run()
            except Exception as error:
                if name != "monty":
                    raise
                best[name] = f"{type(error).__name__}: {error}".splitlines()[0]
                results.pop(name, None)
            else:
                best[name] = min(best.get(name, math.inf), took)
        if any(result != results["cpython"] for result in results.values()):
            sys.exit(f"results differ: {results}")
    return best


def header(python: str) -> str:
    """What was measured, on what."""
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    with Path("/proc/cpuinfo").open() as lines:
        models = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    model = ", ".join(sorted(models)) or platform.machine()
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, {version} ({python})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute workloads against CPython.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--python", default="/usr/bin/python3.11", help="the CPython to compare with")
    parser.add_argument("--only", help="run only the workload of this name")
    parser.add_argument("--json", type=Path, help="also write the ratios to this file")
    options = parser.parse_args()
    if not Path(options.python).exists():
        sys.exit(f"{options.python} is not there: give the CPython 3.11 to compare with as --python PATH")

    columns = ["in-process", "worker", "monty"]
    ratios: dict[str, dict[str, float]] = {name: {} for name in columns}
    notes = []
    with ExitStack() as stack:
        in_cpython = stack.enter_context(cpython(options.python))
        try:
            in_monty = stack.enter_context(monty())
            peer = f"pydantic-monty {importlib.metadata.version('pydantic-monty')}"
        except ImportError:
            in_monty = None
            peer = "pydantic-monty is not installed here: pip install pydantic-monty"
        print(f"{header(options.python)}, {peer}")
        print(f"\n{'ratio to CPython':18}{'CPython ms':>12}" + "".join(f"{name:>12}" for name in columns))
        for path in sorted(PROGRAMS.glob("*.na")):
            if options.only and path.stem != options.only:
                continue
            source = path.read_text()
            refused = None
            with ExitStack() as sessions:
                runners = {
                    "cpython": in_cpython(source),
                    "in-process": dana(source, sessions, isolated=False),
                    "worker": dana(source, sessions, isolated=True),
                }
                if in_monty:
                    try:
                        runners["monty"] = in_monty(source, sessions)
                    except Exception as error:
                        refused = f"{type(error).__name__}: {error}".splitlines()[0]
                best = measure(runners, options.rounds)
            reason = refused or best.get("monty")
            if isinstance(reason, str):
                notes.append(f"monty cannot run {path.stem}: {reason}")
            line = f"{path.stem:18}{best['cpython'] * 1e3:12.2f}"
            for name in columns:
                if isinstance(best.get(name), float):
                    ratios[name][path.stem] = best[name] / best["cpython"]
                    line += f"{ratios[name][path.stem]:12.2f}"
                else:
                    line += f"{'-':>12}"
            print(line, flush=True)
    means = {name: geometric_mean(list(of.values())) for name, of in ratios.items() if of}
    print(f"{'geometric mean':30}" + "".join(f"{means[name]:12.2f}" for name in means))
    print(f"{'largest':30}" + "".join(f"{max(ratios[name].values()):12.2f}" for name in means))
    print("".join(f"\n{note}" for note in notes), end="\n" if notes else "")
    if options.json:
        options.json.write_text(json.dumps({"ratios": ratios, "geometric_means": means}, indent=2) + "\n")


if __name__ == "__main__":
    main()
