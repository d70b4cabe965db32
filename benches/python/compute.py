"""Computation in Dana against CPython 3.11, in one run: per-workload ratios and their geometric mean.

The same programs (`compute/*.na`) run in-process, in an isolated worker, through Debian's optimised
CPython, and, where it is installed, through pydantic-monty. The Dana sources are turned into Python by the
few textual differences between the languages; results must agree. The runners take turns, the minimum of
the rounds counts.

Usage: python benches/python/compute.py [--rounds N] [--python PATH] [--only NAME]
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable
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


def cpython(child: subprocess.Popen[str], source: str) -> Runner:
    """The program in a CPython process of its own."""
    line = json.dumps(to_python(source)) + "\n"

    def run() -> tuple[float, Any]:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(line)
        child.stdin.flush()
        took, result = json.loads(child.stdout.readline())
        return took, result

    return run


def dana(source: str, *, isolated: bool) -> Runner:
    """The program in a session of its own."""
    session = Dana(use_subprocess_isolation=isolated, require_isolation=isolated, limits=NO_LIMITS)
    loaded = session.execute_string(source)
    if not loaded.success:
        raise loaded.error

    def run() -> tuple[float, Any]:
        start = time.perf_counter()
        result = session.call("run")
        return time.perf_counter() - start, result

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute workloads against CPython.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default="/usr/bin/python3.11", help="the CPython to compare with")
    parser.add_argument("--only", help="run only the workload of this name")
    options = parser.parse_args()

    logs: list[float] = []
    with subprocess.Popen(
        [options.python, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        print(f"{'workload':16}{'CPython ms':>12}{'in-process':>12}{'worker':>9}   (ratios to CPython)")
        for path in sorted(PROGRAMS.glob("*.na")):
            if options.only and path.stem != options.only:
                continue
            source = path.read_text()
            runners = {
                "cpython": cpython(child, source),
                "inside": dana(source, isolated=False),
                "worker": dana(source, isolated=True),
            }
            best = dict.fromkeys(runners, math.inf)
            for _ in range(options.rounds):
                results = {}
                for name, run in runners.items():
                    took, results[name] = run()
                    best[name] = min(best[name], took)
                if any(result != results["cpython"] for result in results.values()):
                    sys.exit(f"{path.stem}: results differ: {results}")
            inside, worker = best["inside"] / best["cpython"], best["worker"] / best["cpython"]
            logs.append(math.log(worker))
            print(f"{path.stem:16}{best['cpython'] * 1e3:12.2f}{inside:12.2f}{worker:9.2f}", flush=True)
        assert child.stdin is not None
        child.stdin.close()
    print(f"{'geometric mean':16}{'':24}{math.exp(sum(logs) / len(logs)):9.2f}")


if __name__ == "__main__":
    main()
