"""`opendxa.dana.django` under a real gunicorn (WSGI) and a real uvicorn (ASGI)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts import all_end, eventually, run, watched, workers
from servers import GUNICORN, UVICORN, Server, serving
from web_checks import *  # noqa: F403 - what every adapter promises
from web_checks import ENDLESS, name

WSGI = [*GUNICORN, "--preload", "--workers=2", "--worker-class=gthread", "--threads=8", "web_django:wsgi"]
ASGI = [*UVICORN, "web_django:asgi"]


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("django")
    if request.param == "wsgi":
        with serving(folder, *WSGI) as server:
            yield server
    else:
        with serving(folder, *ASGI, DANA_ASYNC="1") as server:
            yield server


def test_a_client_that_goes_in_a_stream_takes_its_worker_along(server: Server) -> None:
    client = server.call("/stream", ENDLESS)
    (pid,) = server.working()
    with watched([pid]) as left:
        client.close()
        assert all_end(left)


def test_answers_of_django_are_its_own(server: Server) -> None:
    assert server.ask("GET", "/forbidden").status == 403


def test_plain_and_async_code_have_a_session_each(server: Server) -> None:
    assert server.ask("GET", "/both").json == {"values": 2}
    assert server.run("6 * 7", "/plain-run").json["value"] == 42
    failed = server.run("1 / 0", "/plain-run")
    assert (failed.status, name(failed)) == (422, "program-failed")


def test_a_tenant_takes_nobody_elses_places(tmp_path: Path) -> None:
    with serving(tmp_path, *ASGI, DANA_ASYNC="1") as server:
        held = server.call("/run", ENDLESS, x_tenant="a")
        (pid,) = server.working()
        refused = server.run("1", x_tenant="a")
        assert (refused.status, name(refused), refused.headers["retry-after"]) == (429, "tenant-busy", "1")
        assert server.run("1", x_tenant="b").status == 200
        with watched([pid]) as left:
            held.close()
            assert all_end(left, 0.2)
        eventually(lambda: server.run("1", x_tenant="a").status == 200)
        hosts = server.hosts()
        server.stop()
        assert not workers(*hosts)


def test_settings_that_make_no_sense_are_refused() -> None:
    run(
        """
import django
from django.conf import settings
settings.configure()
from opendxa.dana import exceptions
from opendxa.dana.django import DanaMiddleware, ready
for told, text in (
    ([], "DANA is a dictionary, got list"),
    ({"limit": 1}, "there is no setting 'limit'"),
    ({"pool": 1}, "argument 'pool'"),
    ({"tenant": 3}, "DANA['tenant']"),
    ({"tenant": "no.such"}, "no"),
    ({"limits": 3}, "DANA['limits']"),
):
    settings.DANA = told
    try:
        DanaMiddleware(lambda request: None)
    except (exceptions.ConfigurationError, TypeError, ImportError) as error:
        assert text in str(error), error
    else:
        raise AssertionError(told)
try:
    ready(None)
except exceptions.ConfigurationError as error:
    assert "MIDDLEWARE needs" in str(error)
"""
    )
