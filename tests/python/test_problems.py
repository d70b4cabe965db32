"""Which error is which answer, and what a client may hear of it; events as they are on the wire."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest

from opendxa.dana import Dana, exceptions
from opendxa.dana.exceptions import DanaError, ModelError, ResourceCallError
from opendxa.dana.web.events import Event, plain
from opendxa.dana.web.problems import ROWS, problem_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "WEB.md"


def every_error(kind: type[DanaError] = DanaError) -> set[type[DanaError]]:
    below = (every_error(one) for one in kind.__subclasses__() if one.__module__.startswith("opendxa."))
    return {kind}.union(*below)


def failure(program: str, **settings: object) -> Exception:
    with Dana(echo=False, **settings) as d:  # type: ignore[arg-type]
        error = d.execute_string(program).error
    assert error is not None
    return error


def test_every_error_has_a_row_of_its_own() -> None:
    named = {getattr(exceptions, name) for name in exceptions.__all__}
    errors = {one for one in named if isinstance(one, type) and issubclass(one, DanaError)}
    assert every_error() | errors == set(ROWS)


def test_statuses_are_those_that_are_promised() -> None:
    assert {row.status for row in ROWS.values()} == {408, 413, 422, 429, 500, 503}
    assert all(row.status in (429, 503) for row in ROWS.values() if row.retry_after)
    assert all(re.fullmatch("[a-z-]+", row.name) for row in ROWS.values())


def test_the_page_has_every_row() -> None:
    rows = set(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| (.+) \|$", PAGE.read_text(), re.MULTILINE))
    told = {(name, int(status)): set(re.findall(r"`(\w+)`", errors)) for name, status, errors in rows}
    built: dict[tuple[str, int], set[str]] = {}
    for kind, row in ROWS.items():
        built.setdefault((row.name, row.status), set()).add(kind.__name__)
    assert told == built


@pytest.mark.parametrize("kind", sorted(every_error(), key=lambda kind: kind.__name__))
def test_no_problem_repeats_an_error_of_the_host(kind: type[DanaError]) -> None:
    secret = "sk-123 /srv/app/keys.py https://user:pw@model"
    error = kind(secret)
    problem = problem_of(error, messages=True)
    assert problem == problem_of(error, messages=True).__class__(**vars(problem))
    told = json.loads(problem.body())
    assert not re.search("sk-123|srv|pw@", json.dumps(told))
    assert (told["type"], told["status"]) == (f"urn:dana:problem:{ROWS[kind].name}", ROWS[kind].status)
    headers = dict(problem.headers())
    assert headers["Content-Type"] == "application/problem+json"
    assert headers.get("Retry-After") == (str(told["retry_after"]) if "retry_after" in told else None)
    assert type(pickle.loads(pickle.dumps(error))) is kind


def test_other_exceptions_are_internal() -> None:
    problem = problem_of(KeyError("/etc/shadow"))
    assert (problem.status, problem.type) == (500, "urn:dana:problem:internal")
    assert b"shadow" not in problem.body()


def test_occurrences_are_told_apart() -> None:
    assert problem_of(DanaError()).instance != problem_of(DanaError()).instance


def test_a_place_in_the_program() -> None:
    problem = problem_of(failure("x = 1\nx / 0"), base="https://example.org/problems/")
    assert problem.to_dict() == {
        "type": "https://example.org/problems/program-failed",
        "status": 422,
        "title": "The program failed",
        "detail": "The program failed.",
        "instance": problem.instance,
        "kind": "ZeroDivisionError",
        "line": 2,
        "column": 3,
    }


def test_messages_are_told_where_a_service_allows_it() -> None:
    error = failure('raise ValueError("<b>mine</b>")')
    assert "message" not in problem_of(error).more
    assert problem_of(error, messages=True).more["message"] == "<b>mine</b>"
    assert problem_of(failure("def ("), messages=True).more["message"]


def test_what_the_host_says_is_never_told() -> None:
    def key() -> str:
        raise OSError("no file /root/.ssh/id_rsa")

    def model(messages: object, options: object) -> str:
        raise ModelError("https://u:p@host refused sk-secret", status=429)

    for program, kind in (("key()", "program-failed"), ('reason("my prompt")', "model-rate")):
        error = failure(program, functions=[key], llm=model)
        problem = problem_of(error, messages=True)
        assert problem.type.endswith(kind)
        assert not re.search(rb"id_rsa|sk-secret|u:p|my prompt", problem.body())


def test_what_stands_behind_a_call_decides() -> None:
    for behind, name in (
        (exceptions.LLMAuthenticationError("key"), "model-unavailable"),
        (exceptions.LLMContextLengthError("long"), "question-too-long"),
        (exceptions.ModelBusyError("busy"), "model-busy"),
        (exceptions.PoolExhaustedError("full"), "busy"),
        (OSError("other"), "unavailable"),
        (None, "unavailable"),
    ):
        assert problem_of(ResourceCallError("told", behind)).type == f"urn:dana:problem:{name}"


def test_a_programs_own_name_for_an_error_is_one_short_line() -> None:
    error = failure("x = 1\nx / 0")
    assert isinstance(error, exceptions.DanaCallError)
    assert error.fault is not None
    object.__setattr__(error.fault, "kind", "A\r\nB\x1b[31m\ud800" + "x" * 5000)
    body = problem_of(error).body()
    assert len(json.loads(body)["kind"]) <= 100
    assert body.isascii()
    assert b"\n" not in body


# Events


def test_an_event_is_what_it_says() -> None:
    assert Event("a", "b", "c", 5).encode() == b"event: b\nid: c\nretry: 5\ndata: a\n\n"
    assert Event("").encode() == b"data: \n\n"
    assert Event({"a": [1, "ä"]}).encode() == b'data: {"a": [1, "\\u00e4"]}\n\n'
    assert Event("ä\u2028b").encode() == "data: ä\u2028b\n\n".encode()
    assert Event("half \ud800 pair").encode() == b"data: half ? pair\n\n"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_text_begins_no_field_and_ends_no_event(end: str) -> None:
    text = f"a{end}{end}event: done{end}data: b{end}"
    encoded = Event(text).encode()
    assert encoded == b"data: a\ndata: \ndata: event: done\ndata: data: b\ndata: \n\n"
    for wrong in (f"a{end}b", "a\0b"):
        with pytest.raises(ValueError, match="one line"):
            Event("", wrong).encode()
        with pytest.raises(ValueError, match="one line"):
            Event("", None, wrong).encode()


def test_values_of_programs_as_json() -> None:
    with Dana(echo=False) as d:
        value = d.execute_string(
            """
struct P:
    x: int
[1, 2.5, "t", true, none, (1, 2), {"a": P(x=1)}, {1: 2}, 10**30, 1e999, 10**5000]
"""
        ).result
    told = json.loads(json.dumps(plain(value), allow_nan=False))
    assert told == [
        1, 2.5, "t", True, None, [1, 2], {"a": {"x": 1}}, {"1": 2}, str(10**30), "inf", "<int>",
    ]  # fmt: skip
