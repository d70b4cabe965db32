"""The sizing table of docs/DEPLOY.md, computed from measured figures.

    python benches/python/sizing.py              # the table, as the page has it
    python benches/python/sizing.py --write      # put it there
    python benches/python/sizing.py --measure    # measure here what docs/PERFORMANCE.md does not have
    python benches/python/sizing.py --session-seconds 3 --program-cpu 0.2 --peak 10 --node 16,64

Rule: a figure is measured or an assumption, and the page says which. What is measured is read from
docs/PERFORMANCE.md, or stands in `MEASURED` with how it was taken: processor time, never time on a clock, so
that a busy machine says nearly the same.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "DEPLOY.md"
BEGIN, END = "<!-- made by benches/python/sizing.py: do not edit -->", "<!-- end of what is made -->"
MIB = 2**20


@dataclass(frozen=True)
class Measured:
    """What one core and one process take, on the machine of docs/PERFORMANCE.md."""

    #: Milliseconds of processor time for a request that opens a session, runs a line and closes it: server
    #: (uvicorn, FastAPI), session and worker together. `--measure`.
    request_ms: float
    #: Milliseconds more for each question to a model over HTTP, without TLS. `--measure`.
    question_ms: float
    #: MiB of a server process (CPython, FastAPI, uvicorn, this package), and more for each open session.
    #: `--measure`.
    process_mib: float
    session_mib: float


MEASURED = Measured(request_ms=3.3, question_ms=3.3, process_mib=40.0, session_mib=0.02)


@dataclass(frozen=True)
class Assumed:
    """What you know better."""

    #: Seconds a session lasts, most of them waiting for a model.
    session_seconds: float = 10.0
    #: Questions it asks.
    questions: int = 3
    #: Seconds of processor time that its program takes.
    program_cpu: float = 0.02
    #: MiB that its program holds.
    program_mib: float = 8.0
    #: The busiest minute beside the average one.
    peak: float = 5.0
    #: Share of the processors and of the memory that is used in that minute.
    busy: float = 0.5
    full: float = 0.7
    #: A node: processors, GiB.
    node: tuple[int, int] = (8, 32)


def read_performance(page: str) -> tuple[float, float]:
    """Return fresh sessions per second and core, and MiB of an idle worker, as docs/PERFORMANCE.md says."""
    cores = _found(page, r"^- .*?, (\d+) cores", "the cores")
    rate = _found(
        page, r"^\| a fresh process a request, 2 threads \| dana \|[^|]*\|[^|]*\| ([\d,]+)/s", "the rate"
    )
    worker = _found(
        page, r"^\| idle worker: resident memory \| dana \|[^|]*\|[^|]*\| ([\d.]+) MiB", "the memory"
    )
    return rate / cores, worker


def _found(page: str, pattern: str, what: str) -> float:
    found = re.search(pattern, page, re.MULTILINE)
    if found is None:
        raise SystemExit(f"docs/PERFORMANCE.md does not have {what} where it was")
    return float(found[1].replace(",", ""))


def table(assumed: Assumed, measured: Measured = MEASURED) -> str:
    """Return what the page shows."""
    rate, worker = read_performance((ROOT / "docs" / "PERFORMANCE.md").read_text(encoding="utf-8"))
    cpu_ms = measured.request_ms + assumed.questions * measured.question_ms + 1000 * assumed.program_cpu
    session_mib = worker + assumed.program_mib + measured.session_mib
    cores, gib = assumed.node
    taken = "measured: `sizing.py --measure`"
    page = "measured: [PERFORMANCE.md](PERFORMANCE.md)"
    figures = [
        ("sessions that a core opens, uses and ends when it does nothing else", f"{rate:,.0f}/s", page),
        ("an idle worker, resident", f"{worker:g} MiB", page),
        (
            "processor time of a request with a session, web server included",
            f"{measured.request_ms:g} ms",
            taken,
        ),
        ("more for each question to a model", f"{measured.question_ms:g} ms", taken),
        ("a server process", f"{measured.process_mib:g} MiB", taken),
        ("more for each open session", f"{measured.session_mib:g} MiB", taken),
        ("how long a session lasts, mostly waiting", f"{assumed.session_seconds:g} s", "assumed"),
        ("questions it asks", f"{assumed.questions}", "assumed"),
        ("processor time of its program", f"{1000 * assumed.program_cpu:g} ms", "assumed"),
        ("what its program holds", f"{assumed.program_mib:g} MiB", "assumed"),
        ("the busiest minute beside the average one", f"{assumed.peak:g} times", "assumed"),
        ("of the processors in use then", f"{assumed.busy:.0%}", "assumed"),
        ("of the memory in use then", f"{assumed.full:.0%}", "assumed"),
        ("a node", f"{cores} cores, {gib} GiB", "assumed"),
        ("nodes more than needed; two are the least", "1", "assumed"),
        ("**processor time of a session**", f"**{cpu_ms:.1f} ms**", "computed"),
        ("**memory of a session**", f"**{session_mib:.1f} MiB**", "computed"),
    ]
    lines = [
        "| figure | | |",
        "|---|---|---|",
        *(f"| {' | '.join(figure)} |" for figure in figures),
        "",
        "| sessions a day | average | busiest minute | open at once | cores in use | memory in use | nodes |",
        "|---|---|---|---|---|---|---|",
    ]
    for a_day in (1_000, 10_000, 100_000, 1_000_000, 10_000_000):
        average = a_day / 86_400
        busiest = average * assumed.peak
        at_once = busiest * assumed.session_seconds
        used = busiest * cpu_ms / 1000
        # A process of Python uses one core.
        processes = max(2, math.ceil(used / assumed.busy))
        memory = at_once * session_mib + processes * measured.process_mib
        nodes = max(used / (cores * assumed.busy), memory / (gib * 1024 * assumed.full))
        row = [
            f"{a_day:,}",
            f"{_round(average)}/s",
            f"{_round(busiest)}/s",
            f"{math.ceil(at_once):,}",
            f"{used:.2f}",
            f"{memory / 1024:.1f} GiB",
            f"{max(2, math.ceil(nodes) + 1)}",
        ]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _round(number: float) -> str:
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"


def written(page: str, made: str) -> str:
    """Return the page with the table in its place."""
    head, _, rest = page.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise SystemExit("docs/DEPLOY.md does not have the marks between which the table stands")
    return f"{head}{BEGIN}\n\n{made}\n\n{END}{tail}"


# What is measured here


SERVICE = """
import os
from fastapi import FastAPI
from opendxa.dana import AsyncDana, PoolConfig, pool
from opendxa.dana.llm import OpenAICompatible

pool.configure(PoolConfig(min_idle=4, max_workers=500))
app = FastAPI()
model = OpenAICompatible(model="m", base_url=os.environ["MODEL"], api_key="none")

@app.get("/{questions}")
async def run(questions: int):
    source = "\\n".join(f"a{n}: str = reason('question {n}')" for n in range(questions)) + "\\n6 * 7"
    async with AsyncDana(require_isolation=True, llm=model, echo=False) as d:
        result = await d.execute_string(source)
    return {"result": result.result}
"""

SESSIONS = """
import asyncio, json, sys
import fastapi, uvicorn
from opendxa.dana import AsyncDana, PoolConfig, pool
def mib():
    with open("/proc/self/smaps_rollup") as file:
        told = {line.split()[0]: int(line.split()[1]) / 1024 for line in file if line.endswith("kB\\n")}
    return told["Pss:"]
async def main():
    pool.configure(PoolConfig(min_idle=0, max_workers=1000))
    async with AsyncDana(require_isolation=True, echo=False) as d:
        await d.execute_string("1")
    before = mib()
    sessions = [AsyncDana(require_isolation=True, echo=False, llm="mock") for _ in range(200)]
    for d in sessions:
        await d.execute_string("x = reason('a question')")
    after = mib()
    for d in sessions:
        await d.close()
    print(json.dumps([before, (after - before) / len(sessions)]))
asyncio.run(main())
"""


class Model(BaseHTTPRequestHandler):
    """A model's server that answers at once."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a question."""
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = {
            "model": "m",
            "choices": [{"message": {"role": "assistant", "content": "an answer"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def ticks(pid: int) -> float:
    """Seconds of processor time of a process and of the children it has waited for."""
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, told[11:15])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def service() -> Iterator[tuple[int, int]]:
    """Start the service and its model; yield the process and the port."""
    model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port = listener.getsockname()[1]
        program = f"{SERVICE}\nimport uvicorn\nuvicorn.run(app, fd={listener.fileno()}, log_level='warning')"
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            pass_fds=[listener.fileno()],
            env={**os.environ, "MODEL": f"http://127.0.0.1:{model.server_port}/v1"},
        )
    try:
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()
        model.shutdown()
        model.server_close()


def cpu_ms(pid: int, port: int, questions: int, requests: int) -> float:
    """Milliseconds of processor time that a request takes, eight clients asking."""

    def client(count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(count):
            connection.request("GET", f"/{questions}")
            response = connection.getresponse()
            body = response.read()
            if response.status != 200 or json.loads(body) != {"result": 42}:
                raise SystemExit(f"the service answered {response.status}: {body[:200]!r}")
        connection.close()

    before = ticks(pid)
    clients = [threading.Thread(target=client, args=(requests // 8,)) for _ in range(8)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    time.sleep(0.2)  # the last workers are waited for
    return 1000 * (ticks(pid) - before) / (requests // 8 * 8)


def measure() -> Measured:
    """Measure on this machine."""
    with service() as (pid, port):
        cpu_ms(pid, port, 1, 80)
        plain, asked = [], []
        for _ in range(5):
            plain.append(cpu_ms(pid, port, 0, 400))
            asked.append(cpu_ms(pid, port, 4, 200))
    request = median(plain)
    command = [sys.executable, "-c", SESSIONS]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    process, session = json.loads(told)
    return Measured(
        request_ms=round(request, 1),
        question_ms=round((median(asked) - request) / 4, 1),
        process_mib=float(round(process)),
        session_mib=round(session, 2),
    )


def main() -> None:
    """Print the table, or what is asked for."""
    parser = argparse.ArgumentParser(description="Sizes a service, from measured figures.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/DEPLOY.md")
    parser.add_argument("--measure", action="store_true", help="measure on this machine instead")
    for item in fields(Assumed):
        known: Any = item.default
        kind: Any = _node if item.name == "node" else type(known)
        shown = ",".join(map(str, known)) if item.name == "node" else known
        parser.add_argument(
            f"--{item.name.replace('_', '-')}", type=kind, default=known, help=f"default {shown}"
        )
    options = vars(parser.parse_args())
    write, wanted = options.pop("write"), options.pop("measure")
    if wanted:
        print(measure())
        return
    made = table(Assumed(**options))
    if write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    else:
        print(made)


def _node(text: str) -> tuple[int, int]:
    cores, gib = map(int, text.split(","))
    return cores, gib


if __name__ == "__main__":
    main()
