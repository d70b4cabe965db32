"""Real web servers in processes of their own, on a free port each; and a client that can hang up."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hosts import eventually, workers

UVICORN = ["uvicorn", "--fd={fd}", "--log-level=info"]
GUNICORN = ["gunicorn", "--bind=fd://{fd}", "--graceful-timeout=20", "--no-control-socket"]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        return (
            self.headers["content-type"] == "application/problem+json" and self.json["status"] == self.status
        )


class Server:
    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ask(self, method: str, path: str, told: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = told if isinstance(told, bytes) or told is None else json.dumps(told).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **names})
            response = connection.getresponse()
            answer = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, answer, response.read())
        finally:
            connection.close()

    def run(self, program: str, path: str = "/run", **headers: str) -> Answer:
        return self.ask("POST", path, {"program": program}, **headers)

    def call(self, path: str, program: str = "", method: str = "POST", **headers: str) -> socket.socket:
        """Ask and do not wait for an answer."""
        body = json.dumps({"program": program}).encode() if method == "POST" else b""
        lines = [f"{method} {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/json"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return client

    def stop(self) -> int:
        """Tell it to end, as whoever deploys it does."""
        self.process.terminate()
        return self.process.wait(timeout=60)

    def children(self) -> list[int]:
        found: list[int] = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
                found += map(int, (task / "children").read_text().split())
        return found

    def hosts(self) -> list[int]:
        """The processes that may have workers."""
        return [self.process.pid, *self.children()]

    def working(self, count: int = 1, *, seen: set[int] | None = None) -> set[int]:
        """Wait until so many workers have computed for long, and return them."""
        found: set[int] = set()

        def look() -> bool:
            assert self.process.poll() is None, self.log
            found.clear()
            found.update(pid for pid in workers(*self.hosts()) if _ticks(pid) > 10)
            return len(found) >= count

        eventually(look)
        return found


def _ticks(pid: int) -> int:
    from hosts import ticks

    return ticks(pid)


@contextlib.contextmanager
def serving(folder: Path, *command: str, **environment: str) -> Iterator[Server]:
    """Start a server and end it, with everything that it started."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        program, *words = command
        place = folder / f"log {program} {port}"
        with place.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", program, *(word.format(fd=fd) for word in words)],
                pass_fds=[fd],
                cwd=Path(__file__).parent,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
    server = Server(process, port, place)
    try:
        yield server
    finally:
        if process.poll() is None:
            for pid in [*server.children(), process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
        print(server.log)
