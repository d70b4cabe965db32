"""Questions that go on while the program does: how they overlap, where it waits, and how they end.

No test looks at a clock: a model that answers only when three have asked shows that three were asked at once.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from opendxa.dana import Dana, DanaCallError, Limits
from opendxa.dana.exceptions import (
    AskLimitError,
    CostLimitError,
    DeadlineExceededError,
    ProtocolViolationError,
    SessionClosedError,
    TokenLimitError,
)
from opendxa.dana.llm import Request, Response
from sessions import open_dana, value


class Meeting:
    """A model whose answers come only when `size` questions are there; each answer is its question."""

    def __init__(self, size: int, replies: dict[str, str] | None = None) -> None:
        self.barrier = threading.Barrier(size)
        self.replies = replies or {}
        self.asked: list[str] = []

    def __call__(self, messages: list[dict[str, str]], options: dict[str, Any]) -> str:
        prompt = messages[-1]["content"]
        self.asked.append(prompt)
        self.barrier.wait(30)
        for start, reply in self.replies.items():
            if prompt.startswith(start):
                return reply
        return prompt


class OneByOne:
    """A model that answers when told, in the order it is told."""

    def __init__(self) -> None:
        self.futures: dict[str, Future[str]] = {}
        self.all_asked = threading.Event()
        self.wanted = 0

    async def __call__(self, messages: list[dict[str, str]], options: dict[str, Any]) -> str:
        future: Future[str] = Future()
        self.futures[messages[-1]["content"]] = future
        if len(self.futures) == self.wanted:
            self.all_asked.set()
        return await asyncio.wrap_future(future)


# --- Overlap ---------------------------------------------------------------------------------------------


def test_three_questions_take_the_time_of_one(isolated: bool) -> None:
    with open_dana(isolated, llm=Meeting(3)) as d:
        assert value(d, 'a = llm("x")\nb = reason("y")\nc = llm("z")\nf"{a}{b}{c}"') == "xyz"


def test_three_async_questions_take_the_time_of_one(isolated: bool) -> None:
    met: list[str] = []
    event = asyncio.Event()

    async def model(messages: list[dict[str, str]], options: dict[str, Any]) -> str:
        met.append(messages[-1]["content"])
        if len(met) == 3:
            event.set()
        await event.wait()
        return messages[-1]["content"]

    with open_dana(isolated, llm=model) as d:
        assert value(d, '[llm("x"), llm("y"), llm("z")]') == ["x", "y", "z"]


def test_typed_questions_overlap_also_when_they_are_asked_again(isolated: bool) -> None:
    barrier = threading.Barrier(3)
    asked: dict[str, int] = {}
    lock = threading.Lock()

    def model(messages: list[dict[str, str]], options: dict[str, Any]) -> str:
        question = messages[1]["content"][:1]
        with lock:
            asked[question] = asked.get(question, 0) + 1
            attempt = asked[question]
        barrier.wait(30)
        return "no idea" if attempt < 3 else f"FINAL_ANSWER: {ord(question)}"

    with open_dana(isolated, llm=model) as d:
        source = 'a: int = reason("a")\nb: int = reason("b")\nc: int = reason("c")\n[a, b, c]'
        assert value(d, source) == [97, 98, 99]
        assert asked == {"a": 3, "b": 3, "c": 3}
        assert d.usage.asks == 9


def test_questions_go_out_while_the_program_computes(isolated: bool) -> None:
    """The program's loop ends only when the host has been asked; nothing in it looks at the answer."""
    asked = threading.Event()

    def model(messages: object, options: object) -> str:
        asked.set()
        return "there"

    def is_asked() -> bool:
        return asked.wait(30)

    with open_dana(isolated, llm=model, functions=[is_asked]) as d:
        assert value(d, 'a = llm("x")\nwhile not is_asked():\n    pass\na') == "there"


def test_answers_in_any_order(isolated: bool) -> None:
    model = OneByOne()
    model.wanted = 3

    def answer_backwards() -> None:
        assert model.all_asked.wait(30)
        for prompt in ("c", "a", "b"):
            model.futures[prompt].set_result(prompt.upper())

    thread = threading.Thread(target=answer_backwards)
    thread.start()
    with open_dana(isolated, llm=model) as d:
        assert value(d, 'a = llm("a")\nb = llm("b")\nc = llm("c")\na + b + c') == "ABC"
    thread.join()


def test_many_more_than_are_worked_on_at_once(isolated: bool) -> None:
    running = 0
    most = 0

    async def model(messages: list[dict[str, str]], options: dict[str, Any]) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(3):
            await asyncio.sleep(0)
        running -= 1
        return messages[-1]["content"]

    with open_dana(isolated, llm=model) as d:
        source = 'r = []\nfor i in range(200):\n    r.append(llm(f"q{i}"))\n",".join(r)'
        assert value(d, source) == ",".join(f"q{i}" for i in range(200))
        assert most <= 16


@pytest.mark.parametrize(
    ("limits", "error"), [(Limits(tokens=10), TokenLimitError), (Limits(cost=0.001), CostLimitError)]
)
def test_a_budget_is_exceeded_by_no_more_than_is_under_way(
    limits: Limits, error: type[Exception], isolated: bool
) -> None:
    """SECURITY.md: `tokens` and `cost` are looked at before a question goes out."""

    class Model:
        model = "m"
        asked = 0

        def __init__(self) -> None:
            self.all_asked = asyncio.Event()

        async def generate(self, request: Request) -> Response:
            self.asked += 1
            if self.asked == 16:
                self.all_asked.set()
            await self.all_asked.wait()
            return Response("x", "m", input_tokens=1000)

    model = Model()
    with open_dana(isolated, llm=model, limits=limits, prices={"m": (1.0, 1.0)}) as d:
        result = d.execute_string('r = []\nfor i in range(60):\n    r.append(llm(f"q{i}"))\n",".join(r)')
        assert type(result.error) is error
        assert model.asked == 16
        assert d.usage.input_tokens == 16_000


def test_async_functions_overlap_with_models_and_each_other(isolated: bool) -> None:
    barrier = threading.Barrier(2)
    met = asyncio.Event()
    here: list[int] = []

    async def fetch(n: int) -> int:
        here.append(n)
        if len(here) == 2:
            met.set()
        await met.wait()
        return n * 10

    def model(messages: list[dict[str, str]], options: dict[str, Any]) -> str:
        barrier.wait(30)
        return "m"

    def slow(n: int) -> int:
        barrier.wait(30)
        return n

    with open_dana(isolated, llm=model, functions=[fetch]) as d:
        d.register("slow", slow, background=True)
        source = 'a = fetch(1)\nb = fetch(2)\nc = llm("x")\ne = slow(7)\n[a + b, c, e]'
        assert value(d, source) == [30, "m", 7]


def test_plain_functions_and_modules_stay_in_program_order(isolated: bool) -> None:
    seen: list[str] = []

    def note(text: str) -> str:
        seen.append(f"{text} on {threading.current_thread() is threading.main_thread()}")
        return text

    with open_dana(isolated, functions=[note]) as d:
        assert value(d, 'x = note("a")\ny = note("b")\nnote("c")\n[x, y]') == ["a", "b"]
    assert seen == ["a on True", "b on True", "c on True"]


# --- Where a program waits -------------------------------------------------------------------------------

STORED = """
def later(x):
    return llm(x)
def keep(p):
    return p
struct Box:
    content: any
a = later("a")
b = keep(llm("b"))
box = Box(content=llm("c"))
items = [llm("d")]
items.append(llm("e"))
table = {"k": llm("f")}
def make():
    inner = llm("g")
    def get():
        return inner
    return get
get = make()
t = (llm("h"), 1)
pick = llm("i") if true else "no"
box.content = [box.content, llm("j")]
private:p = llm("k")
copy = [x for x in [1]]
alias = a
"""


def test_what_does_not_wait(isolated: bool) -> None:
    """All eleven questions are under way at once, for none of them is answered before the last is asked."""
    with open_dana(isolated, llm=Meeting(11)) as d:
        source = (
            STORED
            + 'a + b + box.content[0] + items[0] + items[1] + table["k"] + get() + t[0] + pick'
            + " + box.content[1] + private:p"
        )
        assert value(d, source) == "abcdefghijk"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('llm("1") + "2"', "12"),
        ('"2" + llm("1")', "21"),
        ('llm("a") == "a"', True),
        ('"yes" if llm("no") else "empty"', "yes"),
        ('x = 0\nif llm("no"):\n    x = 1\nx', 0),
        ('x = 0\nif llm("Yes, of course"):\n    x = 1\nx', 1),
        ('n = 0\nwhile llm("no"):\n    n = n + 1\nn', 0),
        ('not llm("x")', False),
        ('llm("abc")[1]', "b"),
        ('llm("abc")[0:2]', "ab"),
        ('llm("abc").upper()', "ABC"),
        ("f\"<{llm('abc')}>\"", "<abc>"),
        ("f\"<{llm('abc'):>5}>\"", "<  abc>"),
        ('{llm("k"): 1}', {"k": 1}),
        ('d = {"k": 1}\nd[llm("k")]', 1),
        ('d = {"k": 1}\nllm("k") in d', True),
        ('{llm("a"), "a"}', {"a"}),
        ('[c for c in llm("abc")]', ["a", "b", "c"]),
        ('[x for x in [llm("a"), llm("b")] if x != "a"]', ["b"]),
        ('r = ""\nfor c in llm("abc"):\n    r = c + r\nr', "cba"),
        ('len(llm("abc"))', 3),
        ('"-".join([llm("a"), llm("b")])', "a-b"),
        ('sorted([llm("b"), llm("a")])', ["a", "b"]),
        ('max(llm("a"), llm("b"))', "b"),
        ('str(llm("5")) + "1"', "51"),
        ('int(llm("5")) + 1', 6),
        ('type(llm("5"))', "str"),
        ('isinstance(llm("5"), "str")', True),
        ('x: int = llm("5")\nx + 1', 6),
        ('x: bool = llm("Yes.")\nx', True),
        ('x: list = llm("[1, 2]")\nx', [1, 2]),
        ('p = llm("5")\nx: int = p\ny: float = p\n[p, x, y]', ["5", 5, 5.0]),
        ('def f() -> str:\n    return llm("z")\nx: int = 3\nf()', "z"),
        ('d = {"k": llm("5")}\nx: int = d.get("k")\nx', 5),
        ('x: int = reason("12")\nx', 12),
        ('reason("12")', 12),
        ('match = lambda s :: s + "!"\nmatch(llm("a"))', "a!"),
        ('map(lambda s :: s + "!", [llm("a")])', ["a!"]),
        ('llm(llm("nested"))', "nested"),
        ('echo(llm("a"))', "a"),
        ('echo([llm("a"), {"k": llm("b")}])', ["a", {"k": "b"}]),
        ('echo(x=llm("a"))', "a"),
        ('llm("a")', "a"),
        ('[llm("a"), (llm("b"), {"c": llm("d")})]', ["a", ("b", {"c": "d"})]),
        ('x = llm("a")', "a"),
        ('def p(x) = echo | llm\np("a")', "a"),
        ('case((llm("x") == "x", lambda :: 1), lambda :: 2)', 1),
        ('a = llm("a")\na is a', True),
        ('x = [llm("a")]\nx == ["a"]', True),
        ('llm("a,b").split(",")', ["a", "b"]),
        ('"%s" % llm("a")', "a"),
        ('"{}".format(llm("a"))', "a"),
        ('x = llm("a")\nx += llm("b")\nx', "ab"),
    ],
)
def test_where_a_program_looks_at_an_answer(isolated: bool, source: str, expected: Any) -> None:
    def echo(x: Any = None) -> Any:
        assert "romise" not in type(x).__name__
        return x

    with open_dana(isolated, llm=lambda messages, options: _echoed(messages), functions=[echo]) as d:
        assert value(d, source) == expected


def _echoed(messages: list[dict[str, str]]) -> str:
    """Answer with the question, without what a type adds to it."""
    return messages[-1]["content"].partition("\n")[0]


def test_printing_waits_and_keeps_its_order(isolated: bool) -> None:
    with open_dana(isolated, llm=lambda messages, options: _echoed(messages)) as d:
        result = d.execute_string('print("one")\na = llm("two")\nprint(a)\nprint([llm("three")], "four")')
        assert result.output == "one\ntwo\n['three'] four"


def test_no_promise_leaks_to_python(isolated: bool) -> None:
    with open_dana(isolated, llm=lambda messages, options: _echoed(messages)) as d:
        result = d.execute_string('a = llm("x")\nb = [llm("y"), {"k": llm("z")}]\nc: int = llm("5")\n7')
        assert result.result == 7
        context = result.final_context
        assert context is not None
        assert (context.get("a"), context.get("b"), context.get("c")) == ("x", ["y", {"k": "z"}], 5)
        assert d.get("a") == "x"
        assert d.execute_string("a + b[0]").result == "xy", "it is there in the next run"
        d.execute_string("def ask(q):\n    return llm(q)\ndef two(q):\n    return [llm(q), llm(q)]")
        assert d.call("ask", "q") == "q"
        assert d.call("two", "q") == ["q", "q"]


def test_an_expression_statement_waits_at_its_end(isolated: bool) -> None:
    seen: list[str] = []

    async def note(text: str) -> None:
        await asyncio.sleep(0)
        seen.append(text)

    def look() -> list[str]:
        return list(seen)

    with open_dana(isolated, functions=[note, look]) as d:
        assert value(d, 'note("a")\nlook()') == ["a"]
        assert value(d, 'x = note("b")\n1') == 1, "a program ends when all it asked for has"
        assert seen == ["a", "b"]


# --- Failures --------------------------------------------------------------------------------------------


def failing(messages: list[dict[str, str]], options: object) -> str:
    prompt = _echoed(messages)
    if prompt.startswith("bad"):
        raise ValueError(f"cannot say {prompt}")
    return prompt


def test_a_failure_is_raised_where_it_is_looked_at(isolated: bool) -> None:
    with open_dana(isolated, llm=failing) as d:
        source = (
            'a = llm("bad")\nr = "unset"\n'
            'try:\n    b = a\n    r = "passed"\nexcept Exception:\n    r = "early"\n'
            "try:\n    print(a)\nexcept Exception as e:\n    r = r + e.type\nr"
        )
        assert value(d, source) == "passedSandboxError"


def test_a_failure_nobody_looked_at_fails_the_program_at_the_call(isolated: bool) -> None:
    with open_dana(isolated, llm=failing) as d:
        error = d.execute_string('x = 1\n\ny = llm("bad")\nx + 1', "p.na").error
        assert isinstance(error, DanaCallError)
        assert error.fault is not None
        assert (error.fault.line, error.fault.file) == (3, "p.na")
        assert isinstance(error.original_error, ValueError)
        assert "Caused by ValueError: cannot say bad" in str(error)
        assert d.execute_string("x").result == 1, "the session goes on"


def test_each_failure_has_its_own_cause(isolated: bool) -> None:
    with open_dana(isolated, llm=failing) as d:
        error = d.execute_string('a = llm("bad 1")\nb = llm("bad 2")\nprint(b)').error
        assert "cannot say bad 2" in str(error.__cause__)  # type: ignore[union-attr]
        error = d.execute_string('a = llm("bad 1")\nb = llm("bad 2")\nprint(a)').error
        assert "cannot say bad 1" in str(error.__cause__)  # type: ignore[union-attr]
        error = d.execute_string('try:\n    print(llm("bad 1"))\nexcept Exception:\n    pass\n1 / 0').error
        assert isinstance(error, DanaCallError)
        assert error.__cause__ is None, "the program handled that one"


def test_a_typed_target_fails_where_it_is_looked_at(isolated: bool) -> None:
    with open_dana(isolated, llm=failing) as d:
        source = 'x: int = llm("no number")\ny = 2\n'
        error = d.execute_string(source + "y + x").error
        assert isinstance(error, DanaCallError)
        assert error.fault is not None
        assert error.fault.line == 3
        assert "assignment to 'x' failed: cannot coerce value 'no number' to type 'int'" in str(error)
        error = d.execute_string(source + "y").error
        assert isinstance(error, DanaCallError)
        assert error.fault is not None
        assert error.fault.line == 1
        caught = source + 'try:\n    y + x\nexcept SandboxError:\n    y = "caught"\ny'
        assert d.execute_string(caught).result == "caught"


def test_a_program_that_fails_cancels_what_it_asked(isolated: bool) -> None:
    cancelled = threading.Event()
    begun = threading.Event()

    async def model(messages: object, options: object) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    with open_dana(isolated, llm=model, functions={"begun": begun.is_set}) as d:
        result = d.execute_string('a = llm("x")\nwhile not begun():\n    pass\n1 / 0')
        assert "ZeroDivisionError" in str(result.error)
        assert cancelled.wait(30)
        assert d.execute_string("1 + 1").result == 2
        assert d.execute_string("a").error is not None, "what was never answered is an error, not a wait"


# --- Limits and endings ----------------------------------------------------------------------------------


def test_the_budget_counts_when_a_question_is_asked(isolated: bool) -> None:
    with open_dana(isolated, llm=failing, limits=Limits(asks=5)) as d:
        assert value(d, 'r = [llm("a"), llm("b"), llm("c"), llm("d"), llm("e")]\n"".join(r)') == "abcde"
        error = d.execute_string('[llm("a"), llm("b"), llm("c"), llm("d"), llm("e"), llm("f")]').error
        assert isinstance(error, AskLimitError)


def test_asking_without_end_and_without_looking_ends_the_session(isolated: bool) -> None:
    """With the limit of asks lifted there is still one: of questions that wait."""

    async def never() -> None:
        await asyncio.Event().wait()

    with open_dana(isolated, functions=[never], limits=Limits(asks=None)) as d:
        try:
            error: Exception | None = d.execute_string("while true:\n    x = never()").error
        except ProtocolViolationError as violation:
            error = violation
        assert isinstance(error, ProtocolViolationError)
        assert "it asks without end" in str(error)


class Never:
    """A model that does not answer; `ended` tells of each question that was cancelled."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.cancelled = threading.Semaphore(0)

    async def generate(self, request: Request) -> str:
        self.asked.release()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.release()
        return ""


THREE = 'a = llm("x")\nb = llm("y")\nc = llm("z")\nprint(a)'


def test_deadline(isolated: bool) -> None:
    model = Never()
    with open_dana(isolated, llm=model, limits=Limits(wall_time=0.5)) as d:
        assert isinstance(d.execute_string(THREE).error, DeadlineExceededError)
        for _ in range(3):
            assert model.cancelled.acquire(timeout=30)


def test_close_from_another_thread(isolated: bool) -> None:
    model = Never()
    d = open_dana(isolated, llm=model, limits=Limits(wall_time=None))
    failure: list[BaseException] = []

    def work() -> None:
        try:
            d.execute_string(THREE)
        except SessionClosedError as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(3):
        assert model.asked.acquire(timeout=30)
    d.close()
    thread.join(30)
    assert not thread.is_alive()
    assert len(failure) == 1
    for _ in range(3):
        assert model.cancelled.acquire(timeout=30)


@pytest.mark.parametrize("mode", ["", "isolated"])
def test_control_c(mode: str) -> None:
    program = """
import asyncio, os, signal, sys, threading
from opendxa.dana import Dana, Limits
signal.signal(signal.SIGINT, signal.default_int_handler)
async def model(messages, options):
    if messages[-1]["content"] == "z":
        os.kill(os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()
d = Dana(require_isolation=sys.argv[1] == "isolated", llm=model, limits=Limits(wall_time=None))
try:
    d.execute_string('a = llm("x")\\nb = llm("y")\\nc = llm("z")\\nprint(a)')
except KeyboardInterrupt:
    print("interrupted")
d.close()
"""
    done = run_python(program, mode)
    assert done.stdout == "interrupted\n", done.stderr


@pytest.mark.parametrize("mode", ["", "isolated"])
def test_the_interpreter_ends_with_questions_in_flight(mode: str) -> None:
    """One on the loop, one on a thread that waits for ever, in a session of a daemon thread."""
    program = """
import asyncio, sys, threading
from opendxa.dana import Dana, Limits
both = threading.Barrier(3)
async def wait():
    threading.Thread(target=both.wait, daemon=True).start()
    await asyncio.Event().wait()
def model(messages, options):
    both.wait()
    threading.Event().wait()
isolated = sys.argv[1] == "isolated"
d = Dana(require_isolation=isolated, llm=model, functions=[wait], limits=Limits(wall_time=None))
def work():
    d.execute_string('a = llm("x")\\nb = wait()\\nprint(a)')
threading.Thread(target=work, daemon=True).start()
both.wait()
print("end", flush=True)
"""
    done = run_python(program, mode)
    assert done.stdout == "end\n", done.stderr


def run_python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program that must end by itself."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_fork_with_questions_in_flight(isolated: bool) -> None:
    """The child has its own threads and loop; what the parent asked is the parent's."""
    children: list[int] = []

    def fork() -> bool:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                with open_dana(False, llm=model) as other:
                    code = 0 if value(other, 'llm("in the child")') == "in the child" else 2
            finally:
                os._exit(code)
        children.append(pid)
        return True

    async def model(messages: list[dict[str, str]], options: object) -> str:
        return messages[-1]["content"]

    with open_dana(isolated, llm=model, functions=[fork]) as d:
        source = 'a = llm("x")\nfork()\nb = llm("y")\na + b'
        assert value(d, source) == "xy"
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


def test_a_question_cannot_call_back_into_its_session(isolated: bool) -> None:
    opened: list[Dana] = []

    async def back() -> object:
        return opened[0].execute_string("1").result

    def back_from_a_thread() -> object:
        return opened[0].execute_string("1").result

    with open_dana(isolated, functions=[back]) as d:
        d.register("thread", back_from_a_thread, background=True)
        opened.append(d)
        for call in ("back()", "thread()"):
            assert "cannot call back into it" in str(d.execute_string(call).error)
        opened.clear()


def test_sessions_within_answers(isolated: bool) -> None:
    """A model that itself asks a model, deeper than there would be threads for."""

    def model(messages: list[dict[str, str]], options: object) -> str:
        depth = int(messages[-1]["content"])
        if depth == 0:
            return "bottom"
        with open_dana(False, llm=model) as inner:
            return str(value(inner, f'print(1)\nx = llm("{depth - 1}")\nx'))

    with open_dana(isolated, llm=model) as d:
        assert value(d, 'a = llm("20")\nb = llm("20")\n[a, b]') == ["bottom", "bottom"]


def test_what_a_failed_turn_used_is_counted(isolated: bool) -> None:
    with open_dana(isolated, llm=failing) as d:
        result = d.execute_string('print("hello")\na = llm("x")\nfor i in range(100):\n    pass\n1 / 0')
        assert result.error is not None
        assert result.usage.steps >= 100
        assert result.usage.output_bytes == 6
        assert result.usage.asks == 1
        assert d.usage.asks == 1
        with pytest.raises(DanaCallError):
            d.call("nothing")
        assert d.usage.steps >= 100
