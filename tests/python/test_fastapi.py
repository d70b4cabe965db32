"""`opendxa.dana.fastapi` under a real uvicorn: requests, their ends, and the server's."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse

from hosts import all_end, eventually, watched, workers
from opendxa.dana import exceptions
from opendxa.dana.fastapi import DanaSession, dana_lifespan, dana_router
from servers import UVICORN, Answer, Server, serving
from test_asgi import Connection, asked, asyncly

ENDLESS = "while true:\n    pass"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("fastapi"), *UVICORN, "web_fastapi:app") as server:
        yield server


def name(answer: Answer) -> str:
    assert answer.is_problem, answer
    kind: str = answer.json["type"]
    return kind.removeprefix("urn:dana:problem:")


def test_a_request_has_a_worker_of_its_own(server: Server) -> None:
    first, second = server.run("seen = 1\ntwice(20) + 2"), server.run("seen")
    assert (first.status, first.json["value"], first.json["level"]) == (200, 42, "landlocked")
    assert (second.status, second.json["kind"]) == (422, "NameError")
    assert not Path(f"/proc/{first.json['worker']}").exists()


def test_a_plain_function_has_a_session_too(server: Server) -> None:
    assert server.run("twice(21)", "/plain-run").json["value"] == 42
    failed = server.run("1 / 0", "/plain-run", x_tenant="plain")
    assert (failed.status, name(failed)) == (422, "program-failed")


def test_a_hundred_at_once_see_nothing_of_each_other(server: Server) -> None:
    def ask(number: int) -> tuple[int, int]:
        told = server.run(f"mine = {number}\nx = 0\nwhile x < 2000:\n    x = x + 1\ntwice(mine) + x").json
        assert told["value"] == 2 * number + 2000
        return told["value"], told["worker"]

    with ThreadPoolExecutor(100) as clients:
        answers = list(clients.map(ask, range(100)))
    assert len({worker for _, worker in answers}) == 100


@pytest.mark.parametrize(
    ("program", "status", "kind"),
    [
        (ENDLESS, 408, "deadline"),
        ("def (", 422, "bad-program"),
        ("1 / 0", 422, "program-failed"),
        ("[0] * 10**10", 422, "memory"),
        ("def f():\n    return f()\nf()", 422, "depth"),
        ('while true:\n    print("x" * 1000)', 413, "output-too-large"),
        ("import os", 422, "program-failed"),
        ('reason("a")\nreason("b")', 429, "budget"),
    ],
)
def test_hostile_programs_are_problems(server: Server, program: str, status: int, kind: str) -> None:
    answer = server.run(program, x_seconds="0.5")
    assert (answer.status, name(answer)) == (status, kind)
    assert server.run("1 + 1").json["value"] == 2


def test_a_problem_tells_nothing_of_the_host(server: Server) -> None:
    answer = server.run("secret()")
    assert answer.status == 422
    told = answer.json
    assert (told["kind"], told["line"], told["column"]) == ("ValueError", 1, 1)
    assert told["detail"] == "A function that the program called failed."
    for hidden in (b"hunter2", b"shadow", str(Path(__file__).parent).encode(), b"Traceback"):
        assert hidden not in answer.body
    assert answer.headers["cache-control"] == "no-store"
    # The operator finds all of it by the number that the client got.
    assert told["instance"] in server.log
    assert "hunter2" in server.log


def test_text_of_a_program_stays_in_its_place(server: Server) -> None:
    answer = server.run('class_ = "<script>alert(1)</script>\\r\\nX: 1"\nraise ValueError(class_)')
    assert answer.status == 422
    assert b"script" not in answer.body
    assert "x" not in answer.headers


def test_errors_of_the_application_are_its_own(server: Server) -> None:
    wrong = server.ask("GET", "/wrong")
    assert (wrong.status, wrong.body) == (500, b"Internal Server Error")
    teapot = server.ask("GET", "/teapot")
    assert (teapot.status, teapot.json) == (418, {"detail": "short and stout"})
    assert server.ask("POST", "/run", {"wrong": 1}).json["detail"][0]["loc"] == ["body", "program"]
    assert server.ask("GET", "/nowhere").json == {"detail": "Not Found"}
    assert server.ask("HEAD", "/run").status == 405
    assert server.ask("OPTIONS", "/run").headers["allow"] == "POST"
    assert server.ask("GET", "/plain", x_tenant="nobody").status == 200
    assert server.run("1", x_tenant="nobody").json == {"detail": "who are you?"}


def test_a_body_that_is_too_large(server: Server) -> None:
    for path in ("/run", "/echo"):
        answer = server.run("x" * 200_000, path)
        assert (answer.status, name(answer)) == (413, "body-too-large")
    # In pieces, without a length.
    import http.client

    for path in ("/run", "/echo", "/late-body"):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        pieces = (b"x" * 10_000 for _ in range(20))
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, pieces, headers, encode_chunked=True)
        response = connection.getresponse()
        assert response.status == 413, response.read()
        assert json.loads(response.read())["type"] == "urn:dana:problem:body-too-large"
        connection.close()
    assert server.ask("POST", "/echo", b"x" * 100_000).json == {"length": 100_000}


def test_a_body_is_read_whole_while_the_client_is_watched(server: Server) -> None:
    assert server.ask("POST", "/late-body", b"x" * 99_000).json == {"length": 99_000}


def test_a_tenant_takes_nobody_elses_places(server: Server) -> None:
    held = [server.call("/run", ENDLESS, x_tenant="a") for _ in range(2)]
    server.working(2)
    refused = server.run("1", x_tenant="a")
    assert (refused.status, name(refused), refused.headers["retry-after"]) == (429, "tenant-busy", "1")
    assert server.run("1", x_tenant="b").status == 200
    assert server.run("1").status == 200
    for client in held:
        client.close()
    eventually(lambda: server.run("1", x_tenant="a").status == 200)


def test_everything_is_booked_to_its_tenant(server: Server) -> None:
    server.run("x = 0\nwhile x < 500:\n    x = x + 1\nx", x_tenant="booked")

    def used() -> list[int]:
        return [steps for tenant, steps in server.ask("GET", "/plain").json["used"] if tenant == "booked"]

    eventually(used)  # when the session has ended, which is after the answer
    assert used()[0] >= 500
    assert len(used()) == 1


def test_limits_are_the_requests_own(server: Server) -> None:
    counted = "x = 0\nwhile x < 3000000:\n    x = x + 1\nx"
    assert name(server.run(ENDLESS, x_seconds="0.05")) == "deadline"
    assert server.run(counted).json["value"] == 3_000_000


def test_any_value_is_an_answer(server: Server) -> None:
    assert server.run("[1e999, 10**5000, {1, 2}]").json["value"] == ["inf", "<int>", [1, 2]]


# The client's end


@pytest.mark.parametrize("path", ["/run", "/stream", "/endless-own-stream", "/plain-run"])
def test_a_client_that_goes_takes_its_worker_along(server: Server, path: str) -> None:
    client = server.call(path, ENDLESS)
    (pid,) = server.working()
    with watched([pid]) as left:
        client.close()
        assert all_end(left, 0.2)
    assert server.run("1 + 1").json["value"] == 2


def test_a_client_that_stops_reading_the_model_ends_the_question(server: Server) -> None:
    ended = server.ask("GET", "/plain").json["model"]["ended"]
    client = server.call("/say", method="GET")
    eventually(lambda: server.ask("GET", "/plain").json["model"]["pieces"] > 20)
    client.close()
    eventually(lambda: server.ask("GET", "/plain").json["model"]["ended"] == ended + 1)


def test_clients_that_go_at_any_moment_leave_nothing(server: Server) -> None:
    for _ in range(40):
        client = server.call("/run", "twice(1)")
        client.close()
    eventually(lambda: server.ask("GET", "/dana/ready").json["pool"]["busy"] == 0)
    assert server.run("1 + 1").json["value"] == 2
    assert "Task exception was never retrieved" not in server.log
    assert "without returning response" not in server.log


def test_a_worker_that_is_killed_is_a_problem(server: Server) -> None:
    def kill() -> None:
        (pid,) = server.working()
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    answer = server.run(ENDLESS)
    killer.join()
    assert (answer.status, name(answer)) == (503, "worker-lost")
    assert server.run("1 + 1").json["value"] == 2


# In the test's own process


@asyncly
async def test_handlers_of_the_application_come_first() -> None:
    app = FastAPI(lifespan=dana_lifespan())
    app.include_router(dana_router(), prefix="/dana")

    @app.exception_handler(exceptions.ParseError)
    def mine(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("mine", 400)

    @app.exception_handler(Exception)
    def all_others(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("other", 500)

    @app.middleware("http")
    async def passes(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    @app.get("/")
    async def run(program: str, d: DanaSession) -> Any:
        error = (await d.execute_string(program)).error
        raise error or KeyError("mine")

    assert (await asked(app, "/dana/ready")).status_code == 503
    for _ in range(2):  # an application may be started again
        async with app.router.lifespan_context(app):
            assert (await asked(app, "/dana/ready")).json()["ready"] is True
            assert (await asked(app, "/?program=def (")).text == "mine"
            assert (await asked(app, "/?program=1/0")).json()["kind"] == "ZeroDivisionError"
            assert (await asked(app, "/?program=1", raising=False)).text == "other"


@asyncly
async def test_who_stands_outside_sees_the_route() -> None:
    app = FastAPI(lifespan=dana_lifespan())
    seen: list[object] = []

    class Outside:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)
            seen.append(scope["endpoint"])

    app.add_middleware(Outside)

    @app.get("/")
    async def route(d: DanaSession) -> Any:
        return 1

    async with app.router.lifespan_context(app):
        await asked(app, "/")
    assert seen == [route]


@asyncly
async def test_a_websocket_has_a_session_until_it_closes() -> None:
    app = FastAPI(lifespan=dana_lifespan())
    pids: list[int] = []

    @app.websocket("/")
    async def chat(socket: WebSocket, d: DanaSession) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            pids.append(d.subprocess_pid or 0)
            await socket.send_json((await d.execute_string(text)).result)

    async with app.router.lifespan_context(app):
        connection = Connection(app, type="websocket", subprotocols=[], path="/")
        connection.inbox.put_nowait({"type": "websocket.connect"})
        for text in ("x = 20", "x + 1"):
            connection.inbox.put_nowait({"type": "websocket.receive", "text": text})
        told = [await connection.sent.get() for _ in range(3)]
        assert (told[0]["type"], told[2]["text"]) == ("websocket.accept", "21")
        assert pids[0] == pids[1]
        with watched(pids[:1]) as left:
            connection.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
            await connection.task
            assert all_end(left)


@asyncly
async def test_an_application_that_was_not_started_says_so() -> None:
    app = FastAPI(lifespan=dana_lifespan())

    @app.get("/")
    async def run(d: DanaSession) -> Any:
        return 1

    with pytest.raises(exceptions.ConfigurationError, match="have it started"):
        await asked(app, "/")


@asyncly
async def test_a_function_that_is_told_what_was_used_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    def fails(tenant: str | None, usage: object) -> None:
        raise KeyError("the ledger")

    app = FastAPI(lifespan=dana_lifespan(on_usage=fails))

    @app.get("/")
    async def run(d: DanaSession) -> Any:
        return 1

    async with app.router.lifespan_context(app):
        assert (await asked(app, "/")).json() == 1
    assert "the ledger" in caplog.text


def test_settings_that_make_no_sense_are_refused_before_a_start() -> None:
    with pytest.raises(TypeError, match="no setting 'limit'"):
        dana_lifespan(limit=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'tenant'"):
        dana_lifespan(tenant="a")  # type: ignore[arg-type]


# Streams


def events(body: bytes) -> list[tuple[str, str, str]]:
    """Read a stream as a browser does."""
    found = []
    for block in re.split(rb"\n\n", body):
        fields: dict[str, list[str]] = {}
        for line in re.split(r"\r\n|\r|\n", block.decode()):
            key, _, value = line.partition(":")
            if key:
                fields.setdefault(key, []).append(value.removeprefix(" "))
        if "data" in fields:
            event = fields.get("event", ["message"])[-1]
            found.append((event, fields.get("id", [""])[-1], "\n".join(fields["data"])))
    return found


def test_a_program_is_heard_while_it_runs(server: Server) -> None:
    with server.call("/stream", 'print("first\\nline")\nx: str = reason("go on")\nx') as client:
        seen = b""
        while seen.count(b":\n\n") < 2:  # it waits for an answer, and says so
            seen += client.recv(4096)
    assert b"event: output\nid: 1\ndata: first\ndata: line\ndata: \n\n" in seen
    headers = seen.partition(b"\r\n\r\n")[0].lower()
    for header in (b"content-type: text/event-stream", b"cache-control: no-store", b"x-accel-buffering: no"):
        assert header in headers


def test_a_stream_ends_with_what_came_of_it(server: Server) -> None:
    told = events(server.run('print("data: x\\n\\nevent: done\\ndata: y")\n6 * 7', "/stream").body)
    assert [event for event, _, _ in told] == ["output", "result", "done"]
    assert [number for _, number, _ in told] == ["1", "2", "3"]
    assert told[0][2] == "data: x\n\nevent: done\ndata: y\n"
    assert json.loads(told[1][2])["value"] == 42
    assert json.loads(told[2][2])["usage"]["output_bytes"] > 0
    failed = events(server.run("print(1)\n1 / 0", "/stream").body)
    assert [event for event, _, _ in failed] == ["output", "error"]
    problem: dict[str, Any] = json.loads(failed[1][2])
    assert (problem["status"], problem["kind"], problem["line"]) == (422, "ZeroDivisionError", 2)


def test_a_session_lives_as_long_as_its_stream(server: Server) -> None:
    assert server.run("", "/own-stream").body == b"0 True\n2 True\n4 True\n"


# Applications within applications, and monitoring


def test_an_application_that_is_mounted(server: Server) -> None:
    assert server.run("6 * 7", "/inner/run").json == {"value": 42}
    failed = server.run("1 / 0", "/inner/run")
    assert (failed.status, name(failed)) == (422, "program-failed")


def test_monitoring(server: Server) -> None:
    ready = server.ask("GET", "/dana/ready")
    assert (ready.status, ready.json["ready"], ready.json["isolation"]) == (200, True, "landlocked")
    assert ready.json["pool"]["max_workers"] == 300
    figures = server.ask("GET", "/dana/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"# TYPE dana_pool_workers gauge\n" in figures.body


def test_openapi_knows_the_problems(server: Server) -> None:
    told = server.ask("GET", "/openapi.json").json["paths"]["/run"]["post"]["responses"]
    assert set(told) >= {"200", "408", "413", "422", "429", "503"}
    assert "application/problem+json" in told["408"]["content"]


# The server's end


def test_a_server_that_ends_lets_requests_end_first(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with (
        serving(tmp_path, *UVICORN, "web_fastapi:app", GATE=str(gate)) as server,
        ThreadPoolExecutor(1) as clients,
    ):
        asked = clients.submit(server.run, "held() + 2")
        with gate.open("w") as release:  # opens when the program waits
            hosts = server.hosts()
            server.process.terminate()
            eventually(lambda: "Shutting down" in server.log)
            assert workers(*hosts)
            release.write("40")
        answer = asked.result()
        assert (answer.status, answer.json["value"]) == (200, 42)
        assert server.process.wait(timeout=60) in (0, -signal.SIGTERM)
        assert not workers(*hosts)
        assert "Application shutdown complete" in server.log


def test_a_full_pool_is_a_problem(tmp_path: Path) -> None:
    with serving(tmp_path, *UVICORN, "web_fastapi:app", MOST="2") as server:
        held = [server.call("/run", ENDLESS) for _ in range(2)]
        server.working(2)
        answer = server.run("1")
        assert (answer.status, name(answer), answer.headers["retry-after"]) == (503, "busy", "1")
        assert server.ask("GET", "/dana/ready").json["full"] is True
        for client in held:
            client.close()
        eventually(lambda: server.run("1").status == 200)


def test_a_server_without_isolation_does_not_start(tmp_path: Path) -> None:
    program = tmp_path / "dana-worker"
    program.write_text("#!/bin/sh\necho 'layer seccomp failed: EINVAL' >&2\nexit 70\n")
    program.chmod(0o755)
    with serving(tmp_path, *UVICORN, "web_fastapi:app", WORKER=str(program)) as server:
        assert server.process.wait(timeout=60) == 3
        assert "seccomp failed" in server.log
        assert "Application startup failed" in server.log
