"""`opendxa.dana.asgi`: what happens between a server and any application, message by message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from hosts import all_end, run, watched
from opendxa.dana import AsyncDana, Limits, exceptions, worker
from opendxa.dana.asgi import DanaMiddleware, Event, EventStream, dana_session, event_stream, program_events
from opendxa.dana.llm import ReasoningCache
from opendxa.dana.web.exchange import Inbox

ENDLESS = "while true:\n    pass"


def asyncly(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test on a loop of its own."""

    def run(**fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(**fixtures), 60))

    run.__name__ = test.__name__
    run.__signature__ = __import__("inspect").signature(test)  # type: ignore[attr-defined]
    return run


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """An application without a framework and without a lifespan."""
    assert scope["type"] == "http"
    if scope["path"] == "/none":
        body = b"untouched"
    else:
        d = await dana_session(scope)
        result = await d.execute_string(unquote(scope["query_string"].decode()))
        if result.error is not None:
            raise result.error
        body = json.dumps({"value": result.result, "worker": d.subprocess_pid}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def asked(app: Any, path: str, **settings: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=settings.pop("raising", True))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path, **settings)


class Connection:
    """A server's side of one request, in the test's hand."""

    def __init__(self, app: Any, path: str = "/", query: str = "", **more: Any) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.received = 0
        scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode()}
        scope |= {"headers": [], "asgi": {"spec_version": "2.3"}, **more}
        self.task = asyncio.create_task(app(scope, self._receive, self.sent.put))

    async def _receive(self) -> Any:
        message = await self.inbox.get()
        self.received += 1
        return message

    def body(self, body: bytes, more: bool = False) -> None:
        self.inbox.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        self.inbox.put_nowait({"type": "http.disconnect"})


# Requests


@asyncly
async def test_an_application_without_a_framework() -> None:
    app = DanaMiddleware(bare, setup="base = 40")
    first, second = await asked(app, "/?base%2B2"), await asked(app, "/?base%2B3")
    assert (first.json()["value"], second.json()["value"]) == (42, 43)
    assert first.json()["worker"] != second.json()["worker"]
    assert (await asked(app, "/none")).text == "untouched"
    failed = await asked(app, "/?1/0")
    assert (failed.status_code, failed.headers["content-type"]) == (422, "application/problem+json")


@asyncly
async def test_starlette_with_applications_within() -> None:
    async def run(request: Request) -> JSONResponse:
        d = await dana_session(request.scope)
        assert d is await dana_session(request.scope)
        return JSONResponse({"value": (await d.execute_string("7 * 6")).result, "path": request.url.path})

    async def plainly(request: Request) -> PlainTextResponse:
        raise KeyError("mine")

    async def fails(request: Request) -> JSONResponse:
        result = await (await dana_session(request.scope)).execute_string("1 / 0")
        raise result.error or AssertionError

    inner = Starlette(routes=[Route("/run", run)])
    routes = [Mount("/under", inner), Route("/wrong", plainly), Route("/fails", fails)]
    app = Starlette(routes=routes, middleware=[Middleware(DanaMiddleware)])
    async with app.router.lifespan_context(app):
        failed = await asked(app, "/fails")
        assert (failed.status_code, failed.json()["kind"]) == (422, "ZeroDivisionError")
    assert (await asked(app, "/under/run")).json() == {"value": 42, "path": "/under/run"}
    assert (await asked(app, "/wrong", raising=False)).text == "Internal Server Error"


@asyncly
async def test_several_applications_of_a_process() -> None:
    short = DanaMiddleware(bare, limits=Limits(wall_time=0.2), problem_base="https://a.example/")
    loud = DanaMiddleware(bare, limits=lambda scope: Limits(steps=1000), messages=True)
    late, many = await asyncio.gather(
        asked(short, "/?while true:%0A pass"), asked(loud, "/?while true:%0A pass")
    )
    assert (late.status_code, late.json()["type"]) == (408, "https://a.example/deadline")
    assert (many.status_code, many.json()["limit"]) == (422, "steps")
    assert many.json()["message"] == "step limit of 1000 reached"


@asyncly
async def test_no_problem_after_an_answer_has_begun() -> None:
    async def late(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise exceptions.DanaCallError("too late")

    connection = Connection(DanaMiddleware(late))
    with pytest.raises(exceptions.DanaCallError):
        await connection.task
    assert connection.sent.qsize() == 1


@asyncly
async def test_errors_pass_where_no_problems_are_wanted() -> None:
    with pytest.raises(exceptions.DanaCallError):
        await asked(DanaMiddleware(bare, problems=False), "/?1/0")


@asyncly
async def test_a_session_outside_of_a_request() -> None:
    with pytest.raises(exceptions.ConfigurationError, match="wrap it in DanaMiddleware"):
        await dana_session({"type": "http"})
    kept: list[Any] = []

    async def keeps(scope: Any, receive: Any, send: Any) -> None:
        kept.append((scope, await dana_session(scope)))
        await bare({**scope, "path": "/none"}, receive, send)

    await asked(DanaMiddleware(keeps), "/")
    scope, d = kept[0]
    with pytest.raises(exceptions.SessionClosedError):
        await d.execute_string("1")
    with pytest.raises(exceptions.SessionClosedError, match="the request is over"):
        await dana_session(scope)


@asyncly
async def test_a_request_that_is_cancelled_leaves_nothing() -> None:
    app = DanaMiddleware(bare, tenant=lambda scope: "a", sessions_per_tenant=1)
    for _ in range(3):
        for rounds in range(0, 30, 3):
            connection = Connection(app, query=ENDLESS)
            for _ in range(rounds):
                await asyncio.sleep(0)
            connection.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connection.task
            assert app.service.tenants.open() == {}
    assert (await asked(app, "/?6*7")).json()["value"] == 42


@asyncly
async def test_a_tenant_has_places_of_its_own() -> None:
    app = DanaMiddleware(
        bare, tenant=lambda scope: dict(scope["headers"])[b"t"].decode(), sessions_per_tenant=1
    )
    held = Connection(app, query=ENDLESS, headers=[(b"t", b"a")])
    while not app.service.tenants.open():
        await asyncio.sleep(0)
    refused = await asked(app, "/?1", headers={"t": "a"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (await asked(app, "/?1", headers={"t": "b"})).status_code == 200
    held.leave()
    await held.task
    assert (await asked(app, "/?1", headers={"t": "a"})).status_code == 200
    assert app.service.tenants.open() == {}


@pytest.mark.parametrize("on_disk", [False, True])
@asyncly
async def test_tenants_share_no_answers_of_models(on_disk: bool, tmp_path: Path) -> None:
    questions: list[str] = []

    def model(messages: Any, options: Any) -> str:
        questions.append(messages[-1]["content"])
        return f"answer {len(questions)}"

    cache = ReasoningCache(namespace="service", path=tmp_path / "answers.db" if on_disk else None)
    app = DanaMiddleware(
        bare,
        tenant=lambda scope: dict(scope["headers"]).get(b"t", b"").decode() or None,
        cache=cache,
        llm=model,
    )

    async def ask(tenant: str) -> str:
        answer: str = (await asked(app, '/?reason("q")', headers={"t": tenant})).json()["value"]
        return answer

    assert [await ask(tenant) for tenant in ("a", "b", "a", "b")] == [
        "answer 1", "answer 2", "answer 1", "answer 2",
    ]  # fmt: skip
    await app.stop()
    cache.close()


@asyncly
async def test_a_stranger_finds_no_modules_unless_told_where(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "inside.na").write_text("x = 42")
    monkeypatch.chdir(tmp_path)
    program = "/?import inside%0Ainside.x"
    hidden = await asked(DanaMiddleware(bare, messages=True), program)
    assert (hidden.status_code, "inside" in hidden.json()["message"]) == (422, True)
    found = await asked(DanaMiddleware(bare, search_paths=[tmp_path]), program)
    assert found.json()["value"] == 42


# The client's end, and its messages


@asyncly
async def test_a_client_that_goes_while_a_session_opens_or_runs() -> None:
    app = DanaMiddleware(bare)
    for rounds in range(0, 40, 2):
        connection = Connection(app, query=ENDLESS)
        for _ in range(rounds):
            await asyncio.sleep(0)
        connection.leave()
        await connection.task
        assert connection.sent.empty()


@asyncly
async def test_messages_are_handed_on_in_their_order() -> None:
    pieces: list[bytes] = []

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        d = await dana_session(scope)
        for number in range(50):
            assert (await d.execute_string(f"{number}")).result == number
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            pieces.append(message["body"])

    connection = Connection(DanaMiddleware(reads))
    for number in range(100):
        connection.body(b"%d" % number, more=number < 99)
    while len(pieces) < 100:
        await asyncio.sleep(0)
    connection.leave()
    await connection.task
    assert pieces == [b"%d" % number for number in range(100)]


@asyncly
async def test_a_large_body_is_not_read_far_ahead() -> None:
    inbox_size = 0

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        nonlocal inbox_size
        d = await dana_session(scope)
        await d.execute_string(ENDLESS)

    connection = Connection(DanaMiddleware(waits, limits=Limits(wall_time=0.3)))
    for _ in range(100):
        connection.body(b"x" * 2**18, more=True)
    await connection.task
    assert connection.received <= 6  # a MiB, and the piece that went over


@pytest.mark.parametrize("reads", [True, False])
@asyncly
async def test_a_body_that_turns_out_too_large_while_the_client_is_watched(reads: bool) -> None:
    async def computes(scope: Any, receive: Any, send: Any) -> None:
        d = await dana_session(scope)
        if reads:
            while not scope["dana"].inbox.too_large:
                await asyncio.sleep(0)
            while (await receive())["more_body"]:
                pass
        try:
            await d.execute_string(ENDLESS)
        finally:
            with pytest.raises(exceptions.BodyTooLargeError):
                await scope["dana"].thread_session()

    connection = Connection(DanaMiddleware(computes, max_body=1000))
    connection.body(b"x" * 999, more=True)
    connection.body(b"xx")  # the last message that the server has, and the client waits
    await connection.task
    assert (await connection.sent.get())["status"] == 413


@asyncly
async def test_a_receive_that_is_cancelled_loses_nothing() -> None:
    messages: asyncio.Queue[Any] = asyncio.Queue()
    inbox = Inbox(messages.get)
    watching = asyncio.create_task(inbox.until_gone())
    for _ in range(3):
        waiting = asyncio.create_task(inbox.receive())
        await asyncio.sleep(0)
        waiting.cancel()
    messages.put_nowait({"type": "http.request", "body": b"a"})
    assert (await inbox.receive())["body"] == b"a"
    messages.put_nowait({"type": "http.disconnect"})
    await watching
    assert (await inbox.receive())["type"] == "http.disconnect"
    assert (await inbox.receive())["type"] == "http.disconnect"


@asyncly
async def test_a_websocket_has_a_session_until_it_closes() -> None:
    answers: list[Any] = []

    async def chat(scope: Any, receive: Any, send: Any) -> None:
        d = await dana_session(scope)
        while (message := await receive())["type"] == "websocket.receive":
            answers.append((await d.execute_string(message["text"])).result)
            answers.append(d.subprocess_pid)

    connection = Connection(DanaMiddleware(chat), type="websocket")
    for text in ("x = 20", "x + 1"):
        connection.inbox.put_nowait({"type": "websocket.receive", "text": text})
    while len(answers) < 4:
        await asyncio.sleep(0)
    with watched([answers[1]]) as left:
        connection.inbox.put_nowait({"type": "websocket.disconnect"})
        await connection.task
        assert all_end(left)
    assert answers[2] == 21
    assert answers[1] == answers[3]


# The application's life


@asyncly
async def test_an_application_starts_and_stops_with_its_own_lifespan() -> None:
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        order.append("up")
        yield
        order.append("down")

    for inner in (Starlette(lifespan=lifespan), bare):
        app = DanaMiddleware(inner)
        life = Connection(app, type="lifespan")
        life.inbox.put_nowait({"type": "lifespan.startup"})
        assert (await life.sent.get())["type"] == "lifespan.startup.complete"
        assert app.service.isolation is not None
        assert app.service.isolation.level >= "filtered"
        life.inbox.put_nowait({"type": "lifespan.shutdown"})
        assert (await life.sent.get())["type"] == "lifespan.shutdown.complete"
        await life.task
        assert app.service.stopping
        over = await asked(app, "/?1") if inner is bare else None
        assert over is None or over.status_code == 503
    assert order == ["up", "down"]


@asyncly
async def test_an_application_that_cannot_start() -> None:
    @asynccontextmanager
    async def broken(app: Any) -> AsyncIterator[None]:
        raise KeyError("mine")
        yield

    life = Connection(DanaMiddleware(Starlette(lifespan=broken)), type="lifespan")
    life.inbox.put_nowait({"type": "lifespan.startup"})
    with pytest.raises(KeyError):
        await life.task
    told = await life.sent.get()
    assert told["type"] == "lifespan.startup.failed"
    assert "mine" in told["message"]


@asyncly
async def test_no_start_without_isolation(tmp_path: Path, monkeypatch: Any) -> None:
    program = tmp_path / "dana-worker"
    program.write_text("#!/bin/sh\necho 'layer seccomp failed: EINVAL' >&2\nexit 70\n")
    program.chmod(0o755)
    monkeypatch.setattr(worker, "PATH", str(program))
    life = Connection(DanaMiddleware(bare), type="lifespan")
    life.inbox.put_nowait({"type": "lifespan.startup"})
    await life.task
    told = await life.sent.get()
    assert told["type"] == "lifespan.startup.failed"
    assert "seccomp failed" in told["message"]
    refused = await asked(DanaMiddleware(bare), "/?1")
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:dana:problem:isolation-unavailable")
    # Who says that it need not be, gets the fall-back, and is told so.
    monkeypatch.delenv("DANA_REQUIRE_ISOLATION", raising=False)
    with pytest.warns(exceptions.IsolationUnavailableWarning, match="NOT isolated"):
        fallen = await asked(DanaMiddleware(bare, require_isolation=False), "/?6*7")
    assert fallen.json() == {"value": 42, "worker": None}


@asyncly
async def test_a_stop_waits_for_requests_and_then_does_not() -> None:
    patient = DanaMiddleware(bare, tenant=lambda scope: "a")
    hurried = DanaMiddleware(bare, tenant=lambda scope: "a", drain=0)
    running = Connection(patient, query="x = 0\nwhile x < 2000000:\n    x = x + 1\nx")
    stuck = Connection(hurried, query=ENDLESS)
    while not (patient.service.tenants.open() and hurried.service.tenants.open()):
        await asyncio.sleep(0)
    await asyncio.gather(patient.stop(), hurried.stop())
    await asyncio.gather(running.task, stuck.task)
    assert (await running.sent.get())["status"] == 200
    assert (await stuck.sent.get())["status"] == 503


# Streams


async def of(*pieces: Any) -> AsyncIterator[Any]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        await asyncio.sleep(0)
        yield piece


async def collected(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in stream])


@asyncly
async def test_a_stream_is_pieces_and_an_end() -> None:
    told = await collected(event_stream(of("a", {"b": 1}, Event("c", "named", "own")), retry=100))
    assert told == (
        b'retry: 100\n\nid: 1\ndata: a\n\nid: 2\ndata: {"b": 1}\n\n'
        b'event: named\nid: own\ndata: c\n\nevent: done\nid: 4\ndata: {"usage": null}\n\n'
    )


@asyncly
async def test_an_error_is_the_last_event(caplog: pytest.LogCaptureFixture) -> None:
    told = await collected(event_stream(of("a", exceptions.LLMRateLimitError("sk-secret"))))
    last = told.split(b"\n\n")[1]
    assert last.startswith(b"event: error\nid: 2\ndata: {")
    assert b'"status": 429' in last
    assert b"secret" not in told
    stream = event_stream(of(KeyError("mine")))
    last = await stream.__anext__()
    assert b'"status": 500' in last
    assert b"mine" not in last
    with pytest.raises(KeyError, match="mine"):
        await stream.__anext__()


@asyncly
async def test_silence_is_filled_and_the_source_is_closed() -> None:
    closed = asyncio.Event()

    async def silent() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    stream = event_stream(silent(), heartbeat=0.01)
    assert [await stream.__anext__() for _ in range(3)] == [b"id: 1\ndata: first\n\n", b":\n\n", b":\n\n"]
    await stream.aclose()
    assert closed.is_set()


@asyncly
async def test_a_client_that_leaves_a_stream_ends_it() -> None:
    closed = asyncio.Event()

    async def forever() -> AsyncIterator[str]:
        try:
            while True:
                await asyncio.sleep(0)
                yield "x"
        finally:
            closed.set()

    connection = Connection(EventStream(forever()))
    connection.body(b"")
    for _ in range(10):
        await connection.sent.get()
    connection.leave()
    await connection.task
    assert closed.is_set()


@asyncly
async def test_output_of_programs_is_heard_by_those_who_asked() -> None:
    """Two programs at once, each with a listener: nobody hears the other."""

    async def heard(word: str) -> list[Any]:
        async with AsyncDana(echo=False) as d:
            source = f'print("{word}")\nawait_me()\nprint("{word} again")\n"{word} value"'

            async def await_me() -> int:
                await asyncio.sleep(0.01)
                return 1

            d.register("await_me", await_me)
            events = program_events(d, source)
            told = [event async for event in events]
            assert events.result is not None
            assert events.result.output.startswith(word)
            return [event.data if event.event == "output" else event.data["value"] for event in told]

    for told, word in zip(await asyncio.gather(heard("one"), heard("two")), ("one", "two"), strict=True):
        assert "".join(told[:-1]) == f"{word}\n{word} again\n"
        assert told[-1] == f"{word} value"


@asyncly
async def test_whoever_stops_reading_a_program_ends_it() -> None:
    async with AsyncDana(require_isolation=True, echo=False) as d:
        pid = d.subprocess_pid
        assert pid is not None
        with watched([pid]) as left:
            events = program_events(d, f'print("a")\nwait()\n{ENDLESS}')

            async def wait() -> None:
                await asyncio.Event().wait()

            d.register("wait", wait, background=False)
            async for event in events:
                assert event.data == "a\n"
                break
            await events.aclose()
            assert all_end(left)


# What is loaded, and what makes no sense


def test_no_framework_is_loaded_unless_it_is_asked_for() -> None:
    run(
        """
import sys
import opendxa.dana
assert not any(name.startswith("opendxa.dana.web") for name in sys.modules)
import opendxa.dana.asgi, opendxa.dana.web.sync
assert not {"fastapi", "starlette", "flask", "werkzeug", "django"} & set(sys.modules)
"""
    )


@pytest.mark.parametrize("framework", ["fastapi", "flask", "django"])
def test_a_framework_that_is_missing_is_named(framework: str) -> None:
    run(
        f"""
import sys
sys.modules[{framework!r}] = None
try:
    import opendxa.dana.{framework}
except ModuleNotFoundError as error:
    assert "pip install 'dana-bridge[{framework}]'" in str(error), error
else:
    raise AssertionError
"""
    )


def test_settings_that_make_no_sense_are_refused() -> None:
    for settings, text in (
        ({"tenant": 1}, "argument 'tenant'"),
        ({"limits": 1}, "argument 'limits'"),
        ({"pool": 1}, "argument 'pool'"),
        ({"max_body": 0}, "max_body"),
        ({"max_body": True}, "max_body"),
        ({"sessions_per_tenant": None}, "sessions_per_tenant"),
        ({"drain": -1}, "drain"),
        ({"on_usage": 1}, "on_usage"),
        ({"messages": 1}, "messages"),
        ({"problem_base": 1}, "problem_base"),
        ({"use_subprocess_isolation": False}, "no setting 'use_subprocess_isolation'"),
        ({"isolation": "strong"}, "strong"),
        ({"functions": [1]}, "functions"),
        ({"cache": 3}, "cache"),
    ):
        with pytest.raises((TypeError, ValueError), match=text):
            DanaMiddleware(bare, **settings)  # type: ignore[arg-type]
