"""`opendxa.dana.flask` under real gunicorns, with processes of one and of several threads."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask

from hosts import all_end, eventually, run, watched, workers
from opendxa.dana import exceptions
from opendxa.dana.flask import DanaFlask, dana_session
from servers import GUNICORN, Server, serving
from web_checks import *  # noqa: F403 - what every adapter promises
from web_checks import ENDLESS, name

PRELOADED = [*GUNICORN, "--preload", "--workers=2"]
THREADS = ["--worker-class=gthread", "--threads=8"]


@pytest.fixture(scope="module", params=["processes", "threads"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    threads = THREADS if request.param == "threads" else []
    with serving(tmp_path_factory.mktemp("flask"), *PRELOADED, *threads, "web_flask:app") as server:
        yield server


def test_the_application_was_made_before_the_fork(server: Server) -> None:
    assert server.run("1").json["preloaded"] is True


def test_no_more_of_a_body_in_pieces_is_read_than_it_may_have(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    pieces = (b"x" * 10_000 for _ in range(20))
    connection.request("POST", "/echo", pieces, encode_chunked=True)
    answer = connection.getresponse().read()
    connection.close()
    assert json.loads(answer) == {"length": 100_000}  # Werkzeug reads no further, and does not say so


def test_a_client_that_goes_in_a_stream_takes_its_worker_along(server: Server) -> None:
    client = server.call("/stream", ENDLESS)
    (pid,) = server.working()
    with watched([pid]) as left:
        client.close()  # noticed when the next comment is sent
        assert all_end(left)


def test_a_tenant_takes_nobody_elses_places(tmp_path: Path) -> None:
    with serving(tmp_path, *GUNICORN, *THREADS, "web_flask:app") as server:
        held = server.call("/run", ENDLESS, x_tenant="a", x_seconds="3")
        server.working()
        refused = server.run("1", x_tenant="a")
        assert (refused.status, name(refused), refused.headers["retry-after"]) == (429, "tenant-busy", "1")
        assert server.run("1", x_tenant="b").status == 200
        # And a server that ends lets requests end first.
        hosts = server.hosts()
        server.process.terminate()
        answer = held.recv(4096)
        held.close()
        code = server.process.wait(timeout=60)
        assert answer.startswith(b"HTTP/1.1 408")
        assert code in (0, -signal.SIGTERM)
        eventually(lambda: not workers(*hosts))


def test_several_applications_and_several_requests() -> None:
    def made(prefix: int) -> Flask:
        app = Flask(f"app{prefix}")
        DanaFlask(app, setup=f"base = {prefix}")

        @app.get("/<int:number>")
        def add(number: int) -> dict[str, object]:
            return {"sum": dana_session().execute_string(f"base + {number}").result}

        return app

    first, second = made(10), made(20)
    with ThreadPoolExecutor(8) as threads:
        for app, base in ((first, 10), (second, 20)):
            asked = threads.map(lambda number, app=app: app.test_client().get(f"/{number}").json, range(16))
            assert [told["sum"] for told in asked if told] == [base + number for number in range(16)]


def test_handlers_of_the_application_come_first() -> None:
    app = Flask(__name__)
    app.register_error_handler(exceptions.DanaError, lambda error: ("mine", 400))
    DanaFlask(app)
    app.add_url_rule("/", view_func=lambda: dana_session().call("nothing"))
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.text) == (400, "mine")
    app = Flask(__name__)
    DanaFlask(app, problems=False)
    app.add_url_rule("/", view_func=lambda: dana_session().call("nothing"))
    assert app.test_client().get("/").status_code == 500


def test_what_makes_no_sense_is_refused() -> None:
    app = Flask(__name__)
    extension = DanaFlask(app)
    with pytest.raises(exceptions.ConfigurationError, match="already"):
        extension.init_app(app)
    with pytest.raises(TypeError, match="there is no setting 'limit'"):
        DanaFlask(limit=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'pool'"):
        DanaFlask(pool=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sessions_per_tenant"):
        DanaFlask(sessions_per_tenant=0)
    with pytest.raises(RuntimeError, match="belongs to a request"), app.app_context():
        dana_session().call("f")
    app = Flask(__name__)
    with app.test_request_context(), pytest.raises(exceptions.ConfigurationError, match="DanaFlask"):
        dana_session().call("f")


def test_applications_of_a_process_cannot_want_different_pools() -> None:
    run(
        """
from flask import Flask
from opendxa.dana import PoolConfig, exceptions, pool
from opendxa.dana.flask import DanaFlask
known = [DanaFlask(Flask("a"), pool=PoolConfig(max_workers=10)), DanaFlask(Flask("c"))]
known.append(DanaFlask(Flask("b"), pool=PoolConfig(max_workers=10)))
try:
    DanaFlask(Flask("d"), pool=PoolConfig(max_workers=20))
except exceptions.ConfigurationError as error:
    assert "wants PoolConfig(min_idle=2, max_workers=10" in str(error)
else:
    raise AssertionError
assert pool.config().max_workers == 10
"""
    )


def test_a_tenant_function_that_is_async_is_refused() -> None:
    app = Flask(__name__)

    async def tenant(asked: object) -> str:
        return "a"

    DanaFlask(app, tenant=tenant)  # type: ignore[arg-type]
    with app.test_request_context(), pytest.raises(TypeError, match="'tenant' is async"):
        dana_session().call("f")
