"""What every adapter promises, whatever the framework: tests for a fixture `server`.

The applications (web_flask.py, web_django.py) answer the same requests.
"""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hosts import eventually
from servers import Answer, Server

ENDLESS = "while true:\n    pass"


def name(answer: Answer) -> str:
    assert answer.is_problem, answer
    kind: str = answer.json["type"]
    return kind.removeprefix("urn:dana:problem:")


def events(body: bytes) -> list[tuple[str, str, str]]:
    """Read a stream as a browser does: event, id, data."""
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


def test_a_request_has_a_worker_of_its_own(server: Server) -> None:
    first, second = server.run("seen = 1\ntwice(20) + 2"), server.run("seen")
    assert (first.status, first.json["value"], first.json["level"]) == (200, 42, "landlocked")
    assert (second.status, second.json["kind"]) == (422, "NameError")
    eventually(lambda: not Path(f"/proc/{first.json['worker']}").exists())


def test_a_hundred_at_once_see_nothing_of_each_other(server: Server) -> None:
    def ask(number: int) -> int:
        told = server.run(f"mine = {number}\nx = 0\nwhile x < 2000:\n    x = x + 1\ntwice(mine) + x").json
        assert told["value"] == 2 * number + 2000
        worker: int = told["worker"]
        return worker

    with ThreadPoolExecutor(100) as clients:
        assert len(set(clients.map(ask, range(100)))) == 100


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
    ],
)
def test_hostile_programs_are_problems(server: Server, program: str, status: int, kind: str) -> None:
    answer = server.run(program, x_seconds="0.5")
    assert (answer.status, name(answer)) == (status, kind)
    assert server.run("1 + 1").json["value"] == 2


def test_any_value_is_an_answer(server: Server) -> None:
    assert server.run("[1e999, 10**5000, {1, 2}, (1, none), {2: 3}]").json["value"] == [
        "inf", "<int>", [1, 2], [1, None], {"2": 3},
    ]  # fmt: skip


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
    answer = server.run('bad = "<script>alert(1)</script>\\r\\nX: 1"\nraise ValueError(bad)')
    assert answer.status == 422
    assert b"script" not in answer.body
    assert "x" not in answer.headers


def test_errors_of_the_application_are_its_own(server: Server) -> None:
    wrong = server.ask("GET", "/wrong")
    assert wrong.status == 500
    assert b"urn:dana" not in wrong.body
    assert server.ask("GET", "/teapot").status == 418
    assert server.ask("GET", "/nowhere").status == 404
    assert server.ask("HEAD", "/plain").status == 200
    assert server.ask("OPTIONS", "/run").status in (200, 400, 405)


def test_a_body_that_is_too_large(server: Server) -> None:
    for path in ("/run", "/echo"):
        answer = server.run("x" * 200_000, path)
        assert (answer.status, name(answer)) == (413, "body-too-large")
    assert server.ask("POST", "/echo", b"x" * 100_000).json == {"length": 100_000}


def test_a_worker_that_is_killed_is_a_problem(server: Server) -> None:
    def kill() -> None:
        for pid in server.working():
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    answer = server.run(ENDLESS)
    killer.join()
    assert (answer.status, name(answer)) == (503, "worker-lost")
    assert server.run("1 + 1").json["value"] == 2


def test_a_stream_ends_with_what_came_of_it(server: Server) -> None:
    answer = server.run('print("data: x\\n\\nevent: done\\ndata: y")\n6 * 7', "/stream")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    told = events(answer.body)
    assert [event for event, _, _ in told] == ["output", "result", "done"]
    assert [number for _, number, _ in told] == ["1", "2", "3"]
    assert told[0][2] == "data: x\n\nevent: done\ndata: y\n"
    assert json.loads(told[1][2])["value"] == 42
    assert json.loads(told[2][2])["usage"]["output_bytes"] > 0
    failed = events(server.run("print(1)\n1 / 0", "/stream").body)
    assert [event for event, _, _ in failed] == ["output", "error"]
    problem = json.loads(failed[1][2])
    assert (problem["status"], problem["kind"], problem["line"]) == (422, "ZeroDivisionError", 2)


def test_a_model_is_heard(server: Server) -> None:
    told = events(server.ask("GET", "/say").body)
    assert [event for event, _, _ in told][-1] == "done"
    assert "".join(data for event, _, data in told if event == "message") == "one"


def test_a_silent_program_is_given_comments(server: Server) -> None:
    answer = server.run(ENDLESS, "/stream", x_seconds="0.3")
    assert answer.body.count(b":\n\n") >= 2
    assert json.loads(events(answer.body)[-1][2])["status"] == 408


def test_a_session_lives_as_long_as_its_stream(server: Server) -> None:
    assert server.run("", "/own-stream").body == b"0 True\n2 True\n4 True\n"


def test_monitoring(server: Server) -> None:
    ready = server.ask("GET", "/dana/ready")
    assert (ready.status, ready.json["ready"], ready.json["isolation"]) == (200, True, "landlocked")
    assert ready.json["pool"]["max_workers"] == 300
    figures = server.ask("GET", "/dana/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"# TYPE dana_pool_workers gauge\n" in figures.body
