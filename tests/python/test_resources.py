"""`use("kind")` in Dana: objects that stay with the host, reached by number and by the names it gave."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any, ClassVar

import pytest

from opendxa.dana import AsyncDana, Dana, DanaCallError, Resource
from opendxa.dana.exceptions import ResourceError
from sessions import value


class KnowledgeBase:
    """A resource with more methods than programs may call."""

    closed: ClassVar[list[str]] = []

    def __init__(self, name: str = "main", *, items: list[str] | None = None) -> None:
        self.name = name
        self.items = list(items or [])

    def add(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)

    async def query(self, part: str) -> list[str]:
        return [item for item in self.items if part in item]

    def fail(self) -> None:
        raise KeyError(self.name)

    def secret(self) -> str:
        return "secret"

    def close(self) -> None:
        self.closed.append(self.name)


KINDS = {"kb": Resource(KnowledgeBase, ["add", "query", "fail"])}


@pytest.fixture
def d(isolated: bool) -> Any:
    KnowledgeBase.closed.clear()
    with Dana(require_isolation=isolated, resources=KINDS, echo=False) as session:
        yield session


def failure(session: Dana, source: str) -> DanaCallError:
    error = session.execute_string(source).error
    assert isinstance(error, DanaCallError)
    return error


def test_use(d: Dana) -> None:
    source = 'k = use("kb", "books", items=["Dune"])\nk.add("Emma")\nk.query("m")'
    assert value(d, source) == ["Emma"]
    assert value(d, 'k.query("")') == ["Dune", "Emma"], "it is there in the next run"
    assert value(d, 'other = get_resource("kb")\nother.add("x")') == 1
    assert value(d, 'a = k.query("D")\nb = k.query("E")\na + b') == ["Dune", "Emma"]
    assert value(d, "str(k)") == "kb(state='RUNNING', name='kb', number=1)"


class Slow:
    closed = False

    async def query(self, n: int) -> int:
        await asyncio.sleep(0.05)
        assert not self.closed
        return 2 * n

    def close(self) -> None:
        self.closed = True


class SlowToClose(Slow):
    ended: ClassVar[list[int]] = []

    async def close(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0.01)
        self.ended.append(1)
        self.closed = True


@pytest.mark.parametrize("kind", [Slow, SlowToClose])
def test_leaving_waits_for_calls_under_way(isolated: bool, kind: type[Slow]) -> None:
    source = 'with use("slow") as s:\n    a = s.query(2)\n    b = s.query(3)\na + b'
    resources = {"slow": Resource(kind, ["query"])}
    SlowToClose.ended.clear()
    for _ in range(3):
        with Dana(require_isolation=isolated, resources=resources) as session:
            assert value(session, source) == 10
            kept = failure(session, 'with use("slow") as s:\n    kept = s\n    s.query(1)\nkept.query(2)')
            assert "is closed" in str(kept)

    async def main() -> None:
        async with AsyncDana(require_isolation=isolated, resources=resources) as session:
            result = await session.execute_string(source)
            assert result.result == 10

    asyncio.run(main())
    assert len(SlowToClose.ended) == (7 if kind is SlowToClose else 0)


def test_with(d: Dana) -> None:
    source = 'with use("kb", "inner") as k:\n    k.add("x")\n    n = k.add("y")\nn'
    assert value(d, source) == 2
    assert KnowledgeBase.closed == ["inner"]
    failing = 'with use("kb", "failing") as k:\n    kept = k\n    1 / 0'
    assert failure(d, failing).kind == "ZeroDivisionError"
    assert KnowledgeBase.closed == ["inner", "failing"]
    assert "is closed" in str(failure(d, 'with use("kb", "a") as k:\n    kept = k\nkept.add("x")'))


def test_errors(d: Dana) -> None:
    assert value(d, 'k = use("kb", "n")\ntry:\n    k.fail()\nexcept KeyError as e:\n    e.message') == "'n'"
    error = failure(d, "k.fail()")
    assert isinstance(error.original_error, KeyError)
    assert failure(d, 'use("kb", 1, 2, 3)').kind == "TypeError"
    unknown = failure(d, 'use("mcp", url="http://example.org")')
    assert "use('mcp') is not available: the host has registered no resource of that kind" in str(unknown)
    assert "it has: kb" in str(unknown)
    assert "is not available" in str(failure(d, "use(3)"))


@pytest.mark.parametrize("method", ["secret", "close", "__init__", "__class__", "items", "name_", "_use"])
def test_other_attributes_are_not_there(d: Dana, method: str) -> None:
    assert failure(d, f'k = use("kb")\nk.{method}()').kind in ("AttributeError", "SandboxError")


@pytest.mark.parametrize("number", ["99", "-1", "0", "true", '"1"', "1.0", "none", "[1]"])
def test_numbers_that_are_not_its_own(d: Dana, number: str) -> None:
    source = f'k = use("kb")\nk = use("kb")\nr = "no"\ntry:\n    k.number = {number}\n    r = k.add("x")\n'
    assert value(d, source + 'except Exception as e:\n    r = "refused"\nr') == "refused"


def test_kinds_are_kept_apart(isolated: bool) -> None:
    kinds = {**KINDS, "other": Resource(KnowledgeBase, ["secret"])}
    with Dana(require_isolation=isolated, resources=kinds, echo=False) as d:
        source = 'a = use("kb")\nb = use("other")\nb.number = a.number\nb.secret()'
        assert isinstance(failure(d, source).original_error, ResourceError)


def test_open_resources_are_bounded_and_closed_with_the_session(isolated: bool) -> None:
    KnowledgeBase.closed.clear()
    with Dana(require_isolation=isolated, resources=KINDS, echo=False) as d:
        error = failure(d, 'for i in range(300):\n    use("kb", str(i))')
        assert isinstance(error.original_error, ResourceError)
        assert "at most 256 resources" in str(error)
    assert len(KnowledgeBase.closed) == 256


def test_a_close_that_fails_is_logged(isolated: bool, caplog: pytest.LogCaptureFixture) -> None:
    class Stuck:
        def close(self) -> None:
            raise OSError("stuck")

    with (
        caplog.at_level(logging.ERROR),
        Dana(require_isolation=isolated, resources={"stuck": Resource(Stuck, [])}, echo=False) as d,
    ):
        value(d, 's = use("stuck")\n1')
    assert "closing the resource 'stuck' failed" in caplog.text


def test_an_async_close_that_never_ends_is_cancelled(
    isolated: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opendxa.dana.resources.CLOSING", 0.05)
    cancelled = threading.Event()

    class Endless:
        async def close(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    with Dana(require_isolation=isolated, resources={"endless": Resource(Endless, [])}) as d:
        value(d, 'kept = use("endless")')
    assert cancelled.wait(30)
    assert "closing the resource 'endless' failed" in caplog.text


def test_async_factories_and_closing(isolated: bool) -> None:
    closed: list[bool] = []

    class Later:
        def get(self) -> str:
            return "got"

        async def close(self) -> None:
            closed.append(True)

    async def opened() -> Later:
        return Later()

    with Dana(require_isolation=isolated, resources={"later": Resource(opened, ["get"])}, echo=False) as d:
        assert value(d, 'with use("later") as r:\n    x = r.get()\nx') == "got"
        assert closed == [True]
        value(d, 'r = use("later")\n1')
    assert closed == [True, True]


@pytest.mark.parametrize(
    ("resources", "error", "text"),
    [
        ([KnowledgeBase], TypeError, "dict of resources"),
        ({"kb": KnowledgeBase}, TypeError, "Resource"),
        ({"k b": Resource(KnowledgeBase, [])}, ValueError, "identifier"),
        ({"kb.x": Resource(KnowledgeBase, [])}, ValueError, "identifier"),
        ({3: Resource(KnowledgeBase, [])}, ValueError, "identifier"),
        ({"kb": Resource(KnowledgeBase, ["__class__"])}, ValueError, "public"),
        ({"kb": Resource(KnowledgeBase, ["a.b"])}, ValueError, "identifier"),
        ({"kb": Resource(KnowledgeBase, "add")}, TypeError, "names of methods"),
        ({"kb": Resource(3, [])}, TypeError, "callable"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense_is_refused(resources: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Dana(resources=resources)


def test_choosing_a_model(isolated: bool) -> None:
    asked: list[Any] = []

    class Models:
        models = ("openai:gpt-4o", "openai:gpt-4o-mini", "local")

        def generate(self, request: Any) -> str:
            asked.append(request.options.get("model"))
            return "x"

    with Dana(require_isolation=isolated, llm=Models(), echo=False) as d:
        assert value(d, 'set_model("gpt-4o-mini")') == "openai:gpt-4o-mini"
        value(d, 'llm("q")')
        assert value(d, 'set_model("gpt4o")') == "openai:gpt-4o"
        value(d, 'reason("q")')
        value(d, 'BasicAgent().solve("q")')
        assert asked == ["openai:gpt-4o-mini", "openai:gpt-4o", "openai:gpt-4o"]
        result = d.execute_string("set_model()")
        assert result.result is None
        assert result.output == "model: openai:gpt-4o\nopenai:gpt-4o\nopenai:gpt-4o-mini\nlocal"
    with Dana(require_isolation=isolated, llm=lambda messages, options: options["model"], echo=False) as d:
        assert value(d, 'set_model("anything")\nllm("q")') == "anything"
