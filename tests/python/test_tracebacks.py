"""Python tracebacks that show the lines of Dana programs: in plain Python, IPython, pytest and debuggers."""

from __future__ import annotations

import asyncio
import copy
import gc
import linecache
import pdb
import pickle
import subprocess
import sys
import traceback
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

from opendxa.dana import AsyncDana, Dana, DanaCallError, Limits
from opendxa.dana.exceptions import (
    DeadlineExceededError,
    HostError,
    ParseError,
    StepLimitError,
    WorkerCrashedError,
    from_crash,
    from_fault,
)
from opendxa.dana.sources import MAX_NAMES, MAX_PATHS, MAX_TEXT, MAX_TEXTS, Sources
from opendxa.dana.tracebacks import complete, dana_part

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """\
def share(total, people):
    return total / people

def outer(n):
    return share(n, 0)
"""


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def d(request: pytest.FixtureRequest) -> Iterator[Dana]:
    with Dana(require_isolation=request.param, echo=False) as session:
        yield session


def entries(trace: TracebackType | None) -> list[tuple[str, int, str, str]]:
    """File, line, function and source line of the Dana frames."""
    frames = traceback.extract_tb(dana_part(trace))
    return [(frame.filename, frame.lineno or 0, frame.name, frame.line or "") for frame in frames]


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def listed() -> list[str]:
    return [name for name in linecache.cache if name.startswith("<") and " #" in name]


def test_a_call_shows_its_frames_below_the_caller(d: Dana) -> None:
    d.execute_string(PROGRAM)
    with pytest.raises(DanaCallError) as caught:
        d.call("outer", 3)
    frames = entries(caught.value.__traceback__)
    assert [frame[1:] for frame in frames] == [
        (5, "outer", "return share(n, 0)"),
        (2, "share", "return total / people"),
    ]
    every = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert every[0] == "test_a_call_shows_its_frames_below_the_caller"
    assert every[-2:] == ["outer", "share"], "nothing is below the Dana frames"
    told = shown(caught.value)
    assert '#1>", line 5, in outer\n    return share(n, 0)\n' in told.replace(frames[0][0], "<dana #1>")
    assert told.index(", in outer") < told.index("DanaCallError: ZeroDivisionError: division by zero")


def test_functions_and_lambdas_of_the_session_too(d: Dana) -> None:
    function = d.execute_string(PROGRAM + "outer").result
    with pytest.raises(DanaCallError) as caught:
        function(4)
    assert [frame[2] for frame in entries(caught.value.__traceback__)] == ["outer", "share"]


def test_a_result_keeps_the_frames_and_nothing_else(d: Dana) -> None:
    error = d.execute_string(PROGRAM + "\nouter(1)\n", "rules.na").error
    assert error is not None
    frames = entries(error.__traceback__)
    assert [frame[1:3] for frame in frames] == [(7, "<module>"), (5, "outer"), (2, "share")]
    assert all(frame[0].startswith("<rules.na #") for frame in frames)
    assert error.__traceback__ is dana_part(error.__traceback__), "no frame of the host is kept alive"
    with pytest.raises(DanaCallError) as caught:
        raise error
    every = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert every == ["test_a_result_keeps_the_frames_and_nothing_else", "<module>", "outer", "share"]


def test_files_and_modules_are_shown_by_their_paths(d: Dana, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.na").write_text("")
    module = tmp_path / "shop" / "prices.na"
    module.write_text("# prices\ndef quote(n):\n    return 100 / n\n")
    program = tmp_path / "main.na"
    program.write_text("from shop.prices import quote\n\nquote(0)\n")
    error = d.execute_file(program).error
    assert error is not None
    assert entries(error.__traceback__) == [
        (str(program), 3, "<module>", "quote(0)"),
        (str(module), 3, "quote", "return 100 / n"),
    ]
    with pytest.raises(DanaCallError) as caught:
        d.sandbox.exec_module(program)
    assert str(caught.value).startswith("Dana module execution failed: ZeroDivisionError")
    assert [frame[0] for frame in entries(caught.value.__traceback__)] == [str(program), str(module)]
    assert caught.value.__cause__ is None, "it is told once"


def test_a_file_of_the_same_name_elsewhere(d: Dana, tmp_path: Path) -> None:
    for number, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.na").write_text(f"def f{number}(n):\n    return {number + 1} / n\n")
        assert d.execute_file(tmp_path / folder / "same.na").success
    for number, folder in enumerate(("a", "b")):
        with pytest.raises(DanaCallError) as caught:
            d.call(f"f{number}", 0)
        path = str(tmp_path / folder / "same.na")
        assert entries(caught.value.__traceback__) == [(path, 2, f"f{number}", f"return {number + 1} / n")]


def test_texts_of_one_session_are_told_apart(d: Dana) -> None:
    d.execute_string("def first(n):\n    return 1 / n")
    d.execute_string("def second(n):\n    return 2 / n")
    for name, line in (("first", "return 1 / n"), ("second", "return 2 / n")):
        with pytest.raises(DanaCallError) as caught:
            d.call(name, 0)
        assert entries(caught.value.__traceback__)[0][2:] == (name, line)


def test_what_was_set_up(tmp_path: Path) -> None:
    (tmp_path / "base.na").write_text("def base(n):\n    return 1 / n\n")
    setup = [tmp_path / "base.na", "def top(n):\n    return base(n)"]
    with Dana(setup=setup, echo=False) as d, pytest.raises(DanaCallError) as caught:
        d.call("top", 0)
    top, base = entries(caught.value.__traceback__)
    assert top[0].startswith("<setup #")
    assert (top[3], base[0]) == ("return base(n)", str(tmp_path / "base.na"))


def test_a_syntax_error_shows_its_line(d: Dana, tmp_path: Path) -> None:
    error = d.execute_string("x = 1\ny = (2 +\n").error
    assert isinstance(error, ParseError)
    assert [frame[1:] for frame in entries(error.__traceback__)] == [(2, "<module>", "y = (2 +")]
    assert (error.line_num, error.line_content) == (2, "y = (2 +")
    (tmp_path / "broken.na").write_text("def f(:\n    return 1\n")
    program = tmp_path / "main.na"
    program.write_text("import broken\n")
    error = d.execute_file(program).error
    assert error is not None
    assert (str(tmp_path / "broken.na"), 1) in [frame[:2] for frame in entries(error.__traceback__)]


def test_reason_and_set_up_failures(d: Dana) -> None:
    with pytest.raises(DanaCallError) as caught:
        d.reason("")
    assert str(caught.value).startswith("Dana reasoning failed: ")
    with pytest.raises(DanaCallError) as caught:
        Dana(require_isolation=True, setup="1 / 0")
    assert entries(caught.value.__traceback__)[0][1:] == (1, "<module>", "1 / 0")


def test_reason_within_a_program_shows_where_it_was_asked() -> None:
    def model(messages: object, options: object) -> str:
        raise OSError("the line is dead")

    program = 'def ask():\n    return reason("who?") + 1\n'
    with Dana(llm=model, echo=False) as d:
        d.execute_string(program)
        with pytest.raises(DanaCallError) as caught:
            d.call("ask")
    assert entries(caught.value.__traceback__)[0][1:] == (2, "ask", 'return reason("who?") + 1')
    assert "the line is dead" in shown(caught.value)


@pytest.mark.parametrize("isolated", [False, True])
def test_asyncio(isolated: bool, tmp_path: Path) -> None:
    program = tmp_path / "late.na"
    program.write_text(PROGRAM)

    async def main() -> tuple[BaseException, BaseException | None]:
        async with AsyncDana(use_subprocess_isolation=isolated, echo=False) as d:
            await d.execute_file(program)
            failed = await d.execute_string("outer(1)")
            try:
                await d.call("outer", 1)
            except DanaCallError as error:
                return error, failed.error
            raise AssertionError("it did not fail")

    raised, returned = asyncio.run(main())
    places = [(str(program), 5, "outer"), (str(program), 2, "share")]
    assert [frame[:3] for frame in entries(raised.__traceback__)] == places
    assert next(iter(traceback.extract_tb(raised.__traceback__))).name == "main"
    assert returned is not None
    assert [frame[:3] for frame in entries(returned.__traceback__)][1:] == places


def test_the_exception_of_a_python_function_is_the_cause(d: Dana) -> None:
    def price(item: str) -> float:
        stock = {"tea": 3.5}
        return stock[item]

    d.register("price", price)
    d.execute_string("def buy(item):\n    return price(item) * 2")
    with pytest.raises(DanaCallError) as caught:
        d.call("buy", "gold")
    error = caught.value
    assert isinstance(error.__cause__, KeyError)
    assert error.__cause__ is error.original_error
    told = shown(error)
    assert "return stock[item]" in told, "the Python line"
    assert "return price(item) * 2" in told, "the Dana line"
    assert "host.py" not in told, "frames of this package are left out"
    assert (
        told.index("return stock[item]") < told.index("direct cause") < told.index("return price(item) * 2")
    )
    assert "__cause__" in error.__notes__[0]  # type: ignore[attr-defined]


def test_limits_say_what_they_counted() -> None:
    with Dana(limits=Limits(steps=50_000), echo=False) as d:
        error = d.execute_string("n = 0\nwhile true:\n    n += 1").error
    assert isinstance(error, StepLimitError)
    assert entries(error.__traceback__)[-1][0].startswith("<dana #")
    assert "steps" in error.__notes__[0]  # type: ignore[attr-defined]


def test_a_deadline_shows_where_it_was_last_seen(tmp_path: Path) -> None:
    program = tmp_path / "spin.na"
    program.write_text("n = 0\nwhile true:\n    n += 1\n")
    with Dana(require_isolation=True, limits=Limits(wall_time=0.5, cpu_time=None), echo=False) as d:
        error = d.execute_file(program).error
    assert isinstance(error, DeadlineExceededError)
    frames = entries(error.__traceback__)
    assert [frame[0] for frame in frames] == [str(program)]
    assert frames[0][2] == "<last seen here>"
    assert error.fault is not None
    assert error.line in (2, 3)


# What a worker may not do


HOSTILE = {"kind": "ValueError", "message": "m", "line": 1, "column": 1, "excerpt": "x"}


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../../etc/passwd", "setup.py", "os.py", "", "a\nb", "\x1b[2J", "<frozen os>"]
)
def test_a_name_from_a_worker_is_no_path(name: str) -> None:
    error = from_fault({**HOSTILE, "file": name, "excerpt": None})
    complete(error, Sources())
    trace = error.__traceback__
    assert trace is not None
    file = trace.tb_frame.f_code.co_filename
    assert file.startswith("<")
    assert file.endswith(">")
    assert "\x1b" not in file
    assert "\n" not in file
    assert traceback.extract_tb(trace)[0].line in ("", None)
    assert "root:" not in shown(error)


def test_a_file_the_host_served_is_shown_only_where_it_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.na"
    path.write_text("one\ntwo\n")
    sources = Sources()
    sources.add_file("a.na", str(path))
    error = from_fault({**HOSTILE, "file": "a.na", "line": 2, "excerpt": "two"})
    complete(error, sources)
    assert entries(error.__traceback__) == [(str(path), 2, "<module>", "two")]
    error = from_fault({**HOSTILE, "file": "a.na", "line": 2, "excerpt": "changed"})
    complete(error, sources)
    (frame,) = entries(error.__traceback__)
    assert frame[0].startswith("<a.na #")
    assert frame[3] == "changed"
    path.write_text("one\nchanged\n")
    again = from_fault({**HOSTILE, "file": "a.na", "line": 2, "excerpt": "changed"})
    complete(again, sources)
    assert entries(again.__traceback__)[0][0] == str(path)


def test_places_beyond_everything() -> None:
    frames = [
        {"function": "f", "file": "a", "line": line, "column": 2**32 - 1, "source": "x"}
        for line in (0, 1, 5001, 2**32 - 1)
    ]
    error = from_fault({**HOSTILE, "trace": frames, "line": 2**32 - 1})
    complete(error, Sources())
    assert "ValueError: m" in shown(error)
    assert max(len(linecache.getlines(name)) for name in listed()) <= 5000


def test_frames_hold_nothing_and_run_nothing(d: Dana) -> None:
    error = d.execute_string("secret = 5\nsecret / 0").error
    assert error is not None
    assert error.__traceback__ is not None
    frame = error.__traceback__.tb_frame
    assert dict(frame.f_locals) == {}
    assert frame.f_back is None
    assert set(frame.f_globals) == {"__name__", "__dana__"}


def test_lines_leave_linecache_with_the_error(d: Dana) -> None:
    before = set(listed())
    gc.disable()
    try:
        for number in range(50):
            error = d.execute_string(f"x = {number}\nx / 0", f"program {number}").error
            assert error is not None
            assert len(set(listed()) - before) == 1
            assert "x / 0" in shown(error)
            del error
            assert set(listed()) == before, "no collector was needed"
        d.execute_string("def f(n):\n    return 1 / n")
        first = second = None
        for _ in range(2):
            try:
                d.call("f", 0)
            except DanaCallError as error:
                first, second = second, error
        assert len(set(listed()) - before) == 1, "errors of one text share its lines"
        del first, second
        assert set(listed()) == before
    finally:
        gc.enable()


def test_what_a_session_keeps_is_bounded() -> None:
    sources = Sources()
    for number in range(MAX_TEXTS * 3):
        sources.add_text("t", f"x = {number}")
        sources.add_text("t", f"x = {number}")
    assert len(sources.texts("t")) == MAX_TEXTS
    again = sources.texts("t")[-1]
    sources.add_text("t", again.text)
    assert sources.texts("t")[0] is again, "kept once, as the newest"
    assert len(sources.texts("t")) == MAX_TEXTS
    sources.add_text("large", "x" * (MAX_TEXT + 1))
    assert sources.texts("large") == []
    for number in range(MAX_NAMES * 2):
        sources.add_file(f"f{number}", "/a")
        sources.add_file("same", f"/{number}")
    assert len(sources.paths("same")) == MAX_PATHS
    assert sources.paths("same")[0] == f"/{MAX_NAMES * 2 - 1}"
    assert sources.paths("f0") == []
    assert sources.paths(f"f{MAX_NAMES * 2 - 1}") == ["/a"]
    assert sources.paths(None) == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python keeps columns from 3.11 on")
def test_the_word_is_marked(d: Dana) -> None:
    error = d.execute_string('x = "日本"; y = nothing + 1').error
    assert error is not None
    lines = "".join(traceback.format_tb(error.__traceback__)).splitlines()
    source, marks = lines[-2], lines[-1]
    assert marks.strip() == "^" * len("nothing")
    assert source.strip() == 'x = "日本"; y = nothing + 1'


def test_a_recursion_is_as_deep_as_the_trace_that_was_sent(d: Dana) -> None:
    error = d.execute_string("def f(n):\n    return f(n + 1)\nf(0)").error
    assert isinstance(error, DanaCallError)
    assert error.fault is not None
    assert len(list(traceback.walk_tb(error.__traceback__))) == len(error.fault.frames) >= 50
    assert "Previous line repeated" in shown(error)


# Tools


SCRIPT = """
import sys
from pathlib import Path
from opendxa.dana import Dana
d = Dana(echo=False)
if len(sys.argv) > 1:
    d.execute_file(sys.argv[1])
else:
    d.execute_string('''{program}''')
"""
STRANGE = "half = lambda n :: n / 0\ndef outer(n):\n    return half(n)  # Dana, not Python\n"


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("program", [PROGRAM, STRANGE], ids=["like Python", "unlike Python"])
@pytest.mark.parametrize("mode", ["Plain", "Context", "Verbose", "Minimal"])
def test_ipython(tmp_path: Path, mode: str, program: str) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.format(program=program) + "d.call('outer', 3)\n")
    told = run(
        tmp_path,
        "-m",
        "IPython",
        "--no-banner",
        "--InteractiveShell.colors=NoColor",
        f"--InteractiveShell.xmode={mode}",
        "--simple-prompt",
        "script.py",
    )
    assert "ZeroDivisionError: division by zero" in told
    assert "Traceback" in told or mode == "Minimal"
    assert "Internal Python error" not in told
    assert "Unrecognized" not in told
    assert ("name = 'outer'" in told) == (mode == "Verbose"), "only that mode shows variables"
    if mode != "Minimal":
        assert ("return share(n, 0)" if program == PROGRAM else "return half(n)") in told.partition(
            "DanaCallError: "
        )[0]


@pytest.mark.parametrize("style", ["long", "short", "native", "auto"])
def test_pytest(tmp_path: Path, style: str) -> None:
    (tmp_path / "main.na").write_text(STRANGE)
    (tmp_path / "test_it.py").write_text(
        "from opendxa.dana import Dana\n"
        "def test_it():\n"
        "    with Dana(echo=False) as d:\n"
        "        d.execute_file('main.na')\n"
        "        d.call('outer', 3)\n"
    )
    told = run(tmp_path, "-m", "pytest", f"--tb={style}", "-p", "no:cacheprovider", "test_it.py")
    before, _, _ = told.partition("DanaCallError: ")
    assert "d.call('outer', 3)" in before
    assert "return half(n)  # Dana, not Python" in before
    assert "main.na" in before
    assert ("sandbox.py" in before) == (style == "native"), "pytest leaves out this package's own frames"


def test_an_error_that_nobody_catches(tmp_path: Path) -> None:
    (tmp_path / "main.na").write_text(STRANGE)
    (tmp_path / "script.py").write_text(SCRIPT.format(program="") + "d.call('outer', 3)\n")
    told = run(tmp_path, "script.py", "main.na")
    assert f'File "{tmp_path}/main.na", line 3, in outer\n    return half(n)  # Dana, not Python\n' in told


def test_a_debugger(d: Dana) -> None:
    error = d.execute_string(PROGRAM + "\nouter(1)\n").error
    assert error is not None
    out = StringIO()
    debugger = pdb.Pdb(
        stdin=StringIO("where\nlist\nargs\nup\nlist\np 1 + 1\nquit\n"),
        stdout=out,
        nosigint=True,
        readrc=False,
    )
    debugger.reset()
    debugger.interaction(None, error.__traceback__)
    told = out.getvalue()
    assert "return total / people" in told
    assert "return share(n, 0)" in told, "one frame up"
    assert "\n(Pdb) 2\n" in told


# Errors that travel


class AwkwardError(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def failing(d: Dana, problem: Exception) -> DanaCallError:
    def fail() -> None:
        raise problem

    d.register("fail", fail)
    error = d.execute_string("fail()").error
    assert isinstance(error, DanaCallError)
    return error


def test_pickled_with_its_cause(d: Dana) -> None:
    error = failing(d, LookupError("why"))
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert copied.fault == error.fault
    assert copied.measured == error.measured
    assert isinstance(copied.__cause__, LookupError)
    assert copied.__cause__ is copied.original_error
    assert copied.__notes__ == error.__notes__  # type: ignore[attr-defined]


def test_what_cannot_be_pickled_has_a_stand_in(d: Dana) -> None:
    error = failing(d, AwkwardError(1, 2))
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied.original_error) is HostError
    assert copied.__cause__ is copied.original_error
    assert str(copied.original_error) == "AwkwardError: 1 and 2"
    assert copied.original_error.type_name == "AwkwardError"
    assert "raise problem" in copied.original_error.__notes__[0]
    assert isinstance(error.original_error, AwkwardError), "the error itself stays as it is"


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_copies(d: Dana, way: object) -> None:
    error = failing(d, AwkwardError(1, 2))
    copied = way(error)  # type: ignore[operator]
    assert copied is not error
    assert vars(copied) == vars(error)
    assert copied.__cause__ is error.__cause__
    assert copied.__traceback__ is error.__traceback__
    copied.__notes__.append("more")
    assert "more" not in error.__notes__  # type: ignore[attr-defined]


def test_crashes_travel() -> None:
    error = from_crash("crashed", {"signal": 11, "stderr": "oops", "file": "a.na", "line": 3})
    complete(error, Sources())
    assert entries(error.__traceback__)[0][1:3] == (3, "<last seen here>")
    copied = pickle.loads(pickle.dumps(error))
    assert isinstance(copied, WorkerCrashedError)
    assert vars(copied) == vars(error)


# When something goes wrong in the host meanwhile


def test_a_mishap_on_the_way_leaves_the_error_as_it_is(d: Dana, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_value))
    monkeypatch.setattr("opendxa.dana.tracebacks.complete", lambda error, sources: error.nothing)
    error = d.execute_string("1 / 0").error
    assert isinstance(error, DanaCallError)
    assert error.kind == "ZeroDivisionError"
    assert [type(mishap) for mishap in told] == [AttributeError]


def test_ctrl_c_on_the_way_is_heard(d: Dana, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(error: object, sources: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("opendxa.dana.tracebacks.complete", interrupted)
    with pytest.raises(KeyboardInterrupt):
        d.execute_string("1 / 0")
    assert d.execute_string("1").result == 1, "the session goes on"
