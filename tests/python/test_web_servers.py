"""Real web servers with two processes.

A fresh worker for every request, whatever happens to the processes.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from hosts import all_end, eventually, ticks, watched, workers

CLIENTS = 6
#: Requests at most: numbers of processes must not come round while a worker that serves twice is looked for.
#: uvicorn takes seconds to notice that a process was killed; the other one serves thousands meanwhile.
MOST = 10_000

GUNICORN = [
    "gunicorn",
    "--preload",
    "--workers=2",
    "--bind=fd://{fd}",
    "--graceful-timeout=10",
    "web_wsgi:app",
]
THREADS = ["--worker-class=gthread", "--threads=4"]
UVICORN = ["uvicorn", "--workers=2", "--fd={fd}", "--log-level=warning", "web_asgi:app"]
SERVERS = pytest.mark.parametrize(
    "command",
    [GUNICORN, [*GUNICORN, *THREADS], UVICORN],
    ids=["gunicorn", "gunicorn with threads", "uvicorn"],
)


class Server:
    """A server under test."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        #: Every process of the server that was seen.
        self.hosts = {process.pid}
        self._numbers = count(1)
        self._lock = threading.Lock()
        self.answered = 0
        #: Requests that got no answer.
        self.lost = 0
        #: Set when it is told to end: whoever gets no answer now does not ask again.
        self.stopping = False
        self._seen: set[int] = set()
        #: What clients found wrong: they ask no more then.
        self.wrong: list[BaseException] = []

    def children(self) -> list[int]:
        pid = self.process.pid
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]

    def ask(self, path: str = "/", number: int | None = None) -> dict[str, Any]:
        """Ask once; every answer is looked at."""
        with self._lock:
            number = next(self._numbers) if number is None else number
            assert number < MOST
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", f"{path}?n={number}")
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        assert response.status == 200, body
        told: dict[str, Any] = json.loads(body)
        with self._lock:
            assert told["value"] == 2 * number + 1
            assert (told["parents"], told["isolated"]) == ("refused", True)
            assert told["worker"] not in self._seen, "a worker served twice"
            self._seen.add(told["worker"])
            self.hosts.add(told["host"])
            self.answered += 1
        return told

    @contextmanager
    def load(self) -> Iterator[None]:
        """Have several clients ask, one request each at a time."""
        stop = threading.Event()
        wrong = self.wrong

        def client() -> None:
            while not stop.is_set() and not wrong:
                try:
                    self.ask()
                except (OSError, http.client.HTTPException):
                    if self.stopping:
                        return
                    with self._lock:
                        self.lost += 1
                except BaseException as error:
                    wrong.append(error)

        clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for one in clients:
            one.start()
        try:
            yield
        finally:
            stop.set()
            for one in clients:
                one.join()
        assert not wrong, wrong

    def until(self, true: Callable[[], object]) -> None:
        eventually(lambda: true() or self.wrong or self.process.poll() is not None)
        assert not self.wrong, self.wrong
        assert self.process.poll() is None, "the server has ended"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[list[str]], Server]]:
    started: list[Server] = []

    def start(command: list[str]) -> Server:
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
            fd = listener.fileno()
            program, *words = command
            arguments = [word.format(fd=fd) for word in words]
            if program == "gunicorn":
                arguments.append("--no-control-socket")
            with (tmp_path / "log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-m", program, *arguments],
                    pass_fds=[fd],
                    cwd=Path(__file__).parent,
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                )
            started.append(Server(process, listener.getsockname()[1]))
            return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            for pid in [*server.children(), server.process.pid]:
                os.kill(pid, signal.SIGKILL)
            server.process.wait()
    print((tmp_path / "log").read_text())


@SERVERS
def test_a_server_whose_process_is_killed_under_load(
    command: list[str], serve: Callable[[list[str]], Server]
) -> None:
    server = serve(command)
    with server.load():
        server.until(lambda: len(server.hosts) == 3 and server.answered > 30)
    assert server.lost == 0

    # One process holds an endless program when it is killed.
    def endless() -> None:
        with pytest.raises((OSError, http.client.HTTPException)):
            server.ask("/endless", 0)

    waiting = threading.Thread(target=endless)
    waiting.start()
    busy: list[int] = []

    def found() -> bool:
        busy[:] = [host for host in server.hosts for pid in workers(host) if ticks(pid) > 20]
        return bool(busy)

    server.until(found)
    answered = server.answered
    with server.load():
        server.until(lambda: server.answered > answered + 20)
        known = set(server.hosts)
        with watched(workers(busy[0])) as left:
            assert left
            os.kill(busy[0], signal.SIGKILL)
            assert all_end(left), "a worker outlived its host"
        server.until(lambda: server.hosts - known)
    waiting.join()
    # Each client had one request on its way when the process was killed.
    assert server.lost <= CLIENTS

    with server.load():
        answered = server.answered
        server.until(lambda: server.answered > answered + 20)
        server.stopping = True
        server.process.terminate()
        code = server.process.wait(timeout=60)
    assert code in (0, -signal.SIGTERM)
    assert not workers(*server.hosts), "a worker outlived its server"


@SERVERS
def test_a_server_that_is_killed(command: list[str], serve: Callable[[list[str]], Server]) -> None:
    """Its processes notice by themselves, at their own pace; the workers follow them."""
    quick = (
        ["--timeout=2"] if command is not UVICORN else []
    )  # gunicorn's look for their parent twice in that time
    server = serve([*command[:-1], *quick, command[-1]])
    with server.load():
        server.until(lambda: len(server.hosts) == 3)
    processes = server.hosts - {server.process.pid}
    with watched(workers(server.process.pid)) as own, watched(processes) as hosts:
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        assert all_end(own), "a worker outlived its host"
        for pid in processes if command is UVICORN else ():
            os.kill(pid, signal.SIGKILL)  # uvicorn's processes serve on without their parent
        assert all_end(hosts, 10)
    eventually(lambda: not workers(*server.hosts))
