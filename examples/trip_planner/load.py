"""How many trips a second: ``python examples/trip_planner/load.py`` (needs ``wrk``: ``apt-get install wrk``).

The same wish is planned by a Dana program in a fresh worker for each request, by the same program in a
session of the server's own process, and by a plain FastAPI handler that does in Python what the program does:
all on one server with one scripted model, taking turns in one run. Then the first once more, with hostile
programs among the requests.

Rule: every kind of request is looked at before and after; an answer that is wrong or missing ends the run.
On a machine that others use, rates and times say little and the processor time of a request says most.
Left out: the time a model takes, which in a real service is nearly all of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

import httpx

HERE: Final = Path(__file__).resolve().parent
WISH: Final = {"destination": "Rome", "days": 1, "interests": ["food"], "budget": 100}
KINDS: Final = {
    "plain": "plain FastAPI handler",
    "in-process": "Dana, in the server's process",
    "fresh-process": "Dana, a fresh worker each",
    "hostile": "the same, {share} % hostile",
}


class WrongAnswerError(Exception):
    """A server answered something else than it should."""


@dataclass(frozen=True)
class Sample:
    """What one run of wrk tells. Times are in microseconds."""

    requests: int
    microseconds: int
    lost: int
    refused: int
    p50: int
    p90: int
    p99: int
    #: Seconds of processor time that the server took meanwhile, its workers included.
    busy: float

    @property
    def cost(self) -> float:
        """Seconds of processor time a request."""
        return self.busy / self.requests

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests * 1e6 / self.microseconds


def main() -> None:
    wanted = arguments()
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("wrk is missing: apt-get install wrk")
    print(conditions(wanted))
    samples: dict[str, list[Sample]] = {kind: [] for kind in KINDS}
    with served(wanted.workers) as (server, url, attacks):
        for number in range(wanted.rounds + 1):
            for kind in KINDS:
                command = wrk_command(wrk, wanted, url, kind, attacks)
                before = processor_seconds(server)
                done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - wrk
                if done.returncode:
                    sys.exit(f"wrk failed: {done.stderr or done.stdout}")
                busy = processor_seconds(server) - before
                sample = Sample(**json.loads(done.stdout.splitlines()[-1]), busy=busy)
                look(url)
                if sample.lost or sample.refused or not sample.requests:
                    raise WrongAnswerError(f"{kind}: {sample}")
                if number:  # the first round warms up
                    samples[kind].append(sample)
    print(table(samples, wanted.share))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the trip planner under load, with wrk.")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement (5)")
    parser.add_argument("--rounds", type=int, default=5, help="of each kind, after one that warms up (5)")
    parser.add_argument("--connections", type=int, default=8, help="at once, up to 16 (8)")
    parser.add_argument("--workers", type=int, default=1, help="processes of the server (1)")
    parser.add_argument("--share", type=float, default=5, help="hostile requests in a hundred (5)")
    wanted = parser.parse_args()
    if not (wanted.seconds > 0 and wanted.rounds > 0 and 0 < wanted.connections <= 16 and wanted.workers > 0):
        parser.error("numbers are greater than 0; more than 16 connections measure the wait for the pool")
    if not 0 < wanted.share < 100:
        parser.error("--share is between 0 and 100")
    return wanted


@contextmanager
def served(workers: int) -> Iterator[tuple[int, str, list[str]]]:
    """Start the server; yield its process, its address and the bodies of the hostile requests."""
    # Not --fd: uvicorn takes such a socket for a Unix one, and leaves Nagle's delays on.
    command = [sys.executable, "-m", "uvicorn", f"{HERE.name}.load_app:app", f"--app-dir={HERE.parent}"]
    command += ["--port=0", "--no-access-log", f"--workers={workers}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)  # noqa: S603
    url = address(process)
    try:
        attacks = httpx.get(f"{url}/api/attacks", timeout=60).json()
        look(url)
        yield process.pid, url, [json.dumps({"code": attack["code"]}) for attack in attacks]
    finally:
        process.terminate()
        process.wait()


def address(process: subprocess.Popen[str]) -> str:
    """Return where a server listens, from what it says; trouble that it tells of is passed on."""
    assert process.stderr is not None
    lines = process.stderr
    for line in lines:
        found = re.search(r"running on (http://\S+)", line)
        if found is not None:
            threading.Thread(target=pass_on, args=[lines], daemon=True).start()
            return found[1]
        if not line.startswith("INFO:"):
            sys.stderr.write(line)
    raise WrongAnswerError(f"the server ended with status {process.wait()}")


def pass_on(lines: TextIO) -> None:
    """Pass on what is more than information."""
    for line in lines:
        if not line.startswith("INFO:"):
            sys.stderr.write(line)


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and of all its descendants, those that have ended included."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
                ticks[int(entry.name)] = sum(map(int, fields[11:15]))
    total = 0
    for one, spent in ticks.items():
        above = one
        while above not in (pid, 0):
            above = parents.get(above, 0)
        total += spent if above == pid else 0
    return total / os.sysconf("SC_CLK_TCK")


def look(url: str) -> None:
    """See that all kinds of request get the one right answer, and hostile ones theirs."""
    answers = {}
    for kind in ("plain", "in-process", "fresh-process"):
        response = httpx.post(f"{url}/load/{kind}", json=WISH, timeout=60)
        answers[kind] = response.text
        if response.status_code != 200 or '"place":"Trastevere"' not in response.text:
            raise WrongAnswerError(f"{kind}: {response.status_code} {response.text[:200]}")
    if len(set(answers.values())) != 1:
        raise WrongAnswerError(f"the answers differ: {answers}")
    response = httpx.post(f"{url}/api/sandbox", json={"code": "1 / 0"}, timeout=60)
    if response.status_code != 200 or response.json()["error"] != "ZeroDivisionError":
        raise WrongAnswerError(f"the sandbox: {response.status_code} {response.text[:200]}")


def wrk_command(wrk: str, wanted: argparse.Namespace, url: str, kind: str, attacks: list[str]) -> list[str]:
    """Return the command of one measurement."""
    hostile = kind == "hostile"
    path = f"/load/{'fresh-process' if hostile else kind}"
    settings = [f"-c{wanted.connections}", "-t1", f"-d{max(1, round(wanted.seconds))}", "--timeout=60"]
    told = [path, json.dumps(WISH), str(wanted.share), *(attacks if hostile else ())]
    return [wrk, *settings, "-s", str(HERE / "load.lua"), url, "--", *told]


def conditions(wanted: argparse.Namespace) -> str:
    """Say on what, and how, this is measured."""
    from opendxa.dana import __version__  # noqa: PLC0415 - nothing else here needs it

    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, Linux {platform.release()}, CPython {platform.python_version()}, "
        f"dana-bridge {__version__}; load {load} when it began, {time.strftime('%d %B %Y')}\n"
        f"uvicorn with {wanted.workers} process(es), wrk with {wanted.connections} connections; "
        f"medians of {wanted.rounds} rounds of {max(1, round(wanted.seconds))} s\n"
    )


def table(samples: dict[str, list[Sample]], share: float) -> str:
    """Return the result as a table; ratios are of medians of this run."""

    def median(kind: str, what: str) -> float:
        return float(statistics.median(getattr(sample, what) for sample in samples[kind]))

    lines = [
        "| requests | a second | ratio | p50 | p90 | p99 | processor time each |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, title in KINDS.items():
        rate = median(kind, "rate")
        times: list[Any] = [median(kind, name) / 1000 for name in ("p50", "p90", "p99")]
        shown = " | ".join(f"{time:.1f} ms" for time in times)
        name = title.format(share=f"{share:g}")
        ratio, cost = rate / median("plain", "rate"), median(kind, "cost") * 1000
        lines.append(f"| {name} | {rate:,.0f} | {ratio:.2f} | {shown} | {cost:.2f} ms |")
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except (WrongAnswerError, httpx.HTTPError) as error:
        sys.exit(f"load test failed: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
