"""Dana programs that mean harm: each ends in an error of its own, in bounded time and memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .facts import demand, status
from .row import GotThroughError, Row

if TYPE_CHECKING:
    from .ground import Ground

__all__ = ["ROWS"]

MIB = 2**20
ENDLESS = "while true:\n    pass\n"


def _bounds(**changes: Any) -> Any:
    from ..limits import Limits  # noqa: PLC0415 - loaded with the first session

    return Limits(**{"memory": 64 * MIB, "wall_time": 20, **changes})


def _error(ground: Ground, source: str, **changes: Any) -> tuple[Exception, float, int]:
    """Run a program that must fail: its error, the seconds it took, and the worker's peak in bytes."""
    with ground.session(limits=_bounds(**changes)) as d:
        pid = ground.pid_of(d)
        begin = time.monotonic()
        result = d.execute_string(source, "attack.na")
        seconds = time.monotonic() - begin
        peak = 0
        if d.is_subprocess_isolated:
            peak = int(status(pid).get("VmHWM", "0 kB").split()[0]) << 10
        if result.error is None:
            raise GotThroughError(f"it ran: {source[:60]!r} gave {str(result.result)[:60]!r}")
        return result.error, seconds, peak


def _is(error: Exception, *names: str) -> None:
    kinds = {type(error).__name__, str(getattr(error, "kind", ""))}
    demand(bool(kinds & set(names)), f"{type(error).__name__} ({error}), expected {' or '.join(names)}")


def _fail(ground: Ground, sources: list[str], *names: str, within: float = 20, **changes: Any) -> str:
    longest, highest = 0.0, 0
    for source in sources:
        error, seconds, peak = _error(ground, source, **changes)
        _is(error, *names)
        demand(seconds < within, f"{source[:60]!r} took {seconds:.1f} s")
        demand(peak < 256 * MIB, f"{source[:60]!r} took {peak >> 20} MiB")
        longest, highest = max(longest, seconds), max(highest, peak)
    return f"{len(sources)} programs, each a {' or '.join(names)}"


def _growth(ground: Ground) -> str:
    sources = [
        "x = [0]\nwhile true:\n    x = x + x\n",
        "x = []\nwhile true:\n    x.append('x' * 1000)\n",
        "x = 'ab'\nwhile true:\n    x = x + x\n",
        "x = {}\ni = 0\nwhile true:\n    x[i] = [i]\n    i = i + 1\n",
    ]
    return _fail(ground, sources, "MemoryLimitError")


def _at_once(ground: Ground) -> str:
    sources = [
        "'a' * 10 ** 12", "[0] * 10 ** 10", "2 ** (10 ** 9)", "10 ** 10 ** 12", "list(range(10 ** 18))",
    ]  # fmt: skip
    return _fail(ground, sources, "MemoryLimitError", "OverflowError", "StepLimitError", within=10)


def _formats(ground: Ground) -> str:
    sources = [
        "x = 1\nf'{x:>10000000000}'", "'%10000000000d' % 1", "'x'.ljust(10 ** 11)",
        "('a' * 10 ** 6).replace('', 'b' * 10 ** 6)",
        "('b' * 10 ** 6).join(['a'] * 10 ** 6)",
    ]  # fmt: skip
    return _fail(ground, sources, "MemoryLimitError", "OverflowError", "ValueError", within=10)


def _numbers(ground: Ground) -> str:
    sources = ["x = 7\nwhile true:\n    x = x * x\n", "str(10 ** 100000)", "int('9' * 1000000)"]
    return _fail(ground, sources, "OverflowError", "ValueError")


def _collisions(ground: Ground) -> str:
    """Keys that collide for Python's hash take linear time here: hashes are seeded for each worker."""
    build = "d = {{}}\nfor i in range({n}):\n    d[i * (2 ** 61 - 1)] = i\nlen(d)"
    with ground.session(limits=_bounds(memory=512 * MIB)) as d:
        took = []
        for count in (20_000, 80_000):
            begin = time.monotonic()
            demand(d.execute_string(build.format(n=count)).result == count, "the table is wrong")
            took.append(time.monotonic() - begin)
    # Four times as many keys: four times as long when linear, sixteen times when quadratic.
    demand(took[1] < 10 * max(took[0], 0.02), f"{took[0]:.3f} s, then {took[1]:.3f} s for four times as many")
    return "80,000 keys that collide in Python take as long as others"


def _depth(ground: Ground) -> str:
    deep = 100_000
    sources = [
        "(" * deep + "1" + ")" * deep, "[" * deep + "]" * deep, "not " * deep + "1", "-" * deep + "1",
        "{1: " * deep + "1" + "}" * deep,
    ]  # fmt: skip
    calls = [
        "def f(n):\n    return f(n + 1)\nf(0)",
        "def a(n):\n    return b(n)\ndef b(n):\n    return a(n)\na(0)",
    ]
    with ground.session(limits=_bounds()) as d:
        for source in [*sources, *calls]:
            demand(not d.execute_string(source).success, f"it ran: {source[:30]}")
        demand(d.execute_string("1 + 1").result == 2, "the session is over")
    return f"{len(sources) + len(calls)} programs, each an error; the session goes on"


def _cycles(ground: Ground) -> str:
    with ground.session(limits=_bounds()) as d:
        demand(d.execute_string("x = []\nx.append(x)\nlen(str(x)) > 0").result is True, "no text of a cycle")
        for source in ("x", "y = []\ny.append(y)\nx == y", "hash((x,))", "d = {}\nd['d'] = d\nd"):
            result = d.execute_string(source)
            demand(not result.success or source.startswith("y"), f"it ran: {source}")
        demand(d.execute_string("1 + 1").result == 2, "the session is over")
    return "text, comparison, hash and sending of cycles end; the session goes on"


def _fragments(ground: Ground) -> str:
    source = (
        "x = []\nfor i in range(200000):\n    x.append('s' + str(i))\n"
        "for i in range(0, 200000, 2):\n    x[i] = 0\n'y' * 8000000\nlen(x)"
    )
    with ground.session(limits=_bounds(memory=128 * MIB)) as d:
        pid = ground.pid_of(d)
        result = d.execute_string(source)
        demand(result.result == 200_000, f"{result.error}")
        resident = int(status(pid)["VmRSS"].split()[0]) << 10
        demand(resident < 160 * MIB, f"{resident >> 20} MiB resident")
    return "a large value after 100,000 holes; resident memory below the limit"


def _deadline(ground: Ground, source: str, wall: float = 0.5, **settings: Any) -> str:
    with ground.session(limits=_bounds(wall_time=wall, memory=512 * MIB, output=None), **settings) as d:
        begin = time.monotonic()
        error = d.execute_string(source).error
        seconds = time.monotonic() - begin
        if error is None:
            raise GotThroughError(f"it ran to its end: {source[:60]!r}")
        _is(error, "DeadlineExceededError")
        # Generous: a busy machine runs late, an attack never ends.
        demand(wall <= seconds < wall + 10, f"ended after {seconds:.1f} s, {wall} s were allowed")
        demand(not d.is_subprocess_isolated, "the worker lives on")
    return "ended by the host's clock"


def _loop(ground: Ground) -> str:
    return _deadline(ground, ENDLESS)


def _native(ground: Ground) -> str:
    return _deadline(ground, "x = 3 ** 1300000\nwhile true:\n    y = x * x // x\n")


def _search(ground: Ground) -> str:
    source = "('a' * 200000 + 'b') in ('a' * 4000000)"
    with ground.session(limits=_bounds(wall_time=20, memory=512 * MIB)) as d:
        demand(d.execute_string(source).result is False, "the search found what is not there")
        pieces = "len(('a' * 2000000).split('a' * 1000 + 'b'))"
        demand(d.execute_string(pieces).result == 1, "the split found what is not there")
    return "searches for near misses end at once: no backtracking"


def _sleep(ground: Ground) -> str:
    with ground.session(limits=_bounds()) as d:
        for source in (
            "sleep(10 ** 18)",
            "sleep(-1)",
            "import time\ntime.sleep(5)",
            "import time.py\ntime.sleep(5)",
        ):
            begin = time.monotonic()
            demand(not d.execute_string(source).success, f"it ran: {source!r}")
            demand(time.monotonic() - begin < 10, f"{source!r} slept")
    return "there is nothing to sleep with"


def _flood(ground: Ground) -> str:
    return _deadline(ground, "while true:\n    print('0123456789' * 500)\n")


def _imports(ground: Ground) -> str:
    paths = [
        "../../etc/passwd",
        "/etc/passwd",
        "..passwd",
        "....etc.passwd",
        "~.x",
        "http://example.com/x",
        "a\\0b",
        "os.py",
        "subprocess.py",
        "ctypes.py",
    ]
    with ground.session(limits=_bounds()) as d:
        for path in paths:
            for source in (f"import {path}\n", f"from {path} import x\n"):
                result = d.execute_string(source)
                demand(not result.success, f"it was imported: {path}")
        demand(d.execute_string("1").result == 1, "the session is over")
    return f"{2 * len(paths)} imports, each an error"


def _former_session(ground: Ground) -> str:
    from .facts import memory  # noqa: PLC0415

    mark = "former-session-4f1d8c"
    with ground.session() as d:
        d.execute_string(
            f"public:left = '{mark}'\nkept = ['{mark}' + str(i) for i in range(1000)]\nlen(kept)"
        )
        former = ground.pid_of(d)
    with ground.session() as d:
        demand(ground.pid_of(d) != former, "the worker of another session is used again")
        for name in ("kept", "public:left"):
            demand(not d.execute_string(name).success, f"{name} of the former session is there")
        try:
            found = memory(ground.pid_of(d))
        except PermissionError:
            return "a fresh process without its variables (root could search its memory, too)"
        demand(mark.encode() not in found, "the former session's data is in memory")
    return "a fresh process; 0 hits in its memory"


def _clock(ground: Ground) -> str:
    names = ("time", "time_ns", "clock", "now", "perf_counter", "monotonic", "rdtsc", "datetime")
    with ground.session(limits=_bounds()) as d:
        there = [name for name in names if d.execute_string(name).success]
        demand(not there, f"clocks: {there}")
        for name in ("time", "datetime"):
            demand(not d.execute_string(f"import {name}").success, f"module {name}")
    return "no clock of any kind"


def _messages(ground: Ground) -> str:
    import os  # noqa: PLC0415
    import re  # noqa: PLC0415

    sources = [
        "1 / 0",
        "import nowhere",
        "open('/etc/passwd')",
        "x.y",
        "str(print)",
        "def f():\n    return 1\nstr(f)",
    ]
    told = ""
    with ground.session(limits=_bounds()) as d:
        for source in sources:
            result = d.execute_string(source)
            told += f"{result.error}\n{result.result}\n"
    for secret in {os.path.realpath(__file__), os.path.expanduser("~") + "/", os.getcwd() + "/"}:  # noqa: PTH109, PTH111
        demand(secret not in told, f"{secret} in {told!r}")
    demand(not re.search(r"0x[0-9a-f]{6,}", told), f"an address in {told!r}")
    return f"{len(sources)} errors and texts without paths or addresses"


C = "an error of its own, within bounds"

ROWS = (
    Row(16, "growing_without_end", "memory", "lists, strings and dicts that grow for ever", C, _growth),
    Row(
        17,
        "everything_at_once",
        "memory",
        "'a' * 10**12, [0] * 10**10, 2 ** 10**9, 10 ** 10**12, range to list",
        C,
        _at_once,
    ),
    Row(
        18,
        "widths_and_replacements",
        "memory",
        "format widths, ljust, replace and join that blow up",
        C,
        _formats,
    ),
    Row(19, "huge_integers", "memory", "squares without end, text of and from a million digits", C, _numbers),
    Row(20, "colliding_keys", "memory", "dict keys chosen to collide", "linear time", _collisions),
    Row(21, "deep_recursion", "memory", "100,000 brackets, endless and mutual recursion", C, _depth),
    Row(22, "cyclic_structures", "memory", "text, comparison, hash and sending of cycles", C, _cycles),
    Row(
        26,
        "fragmented_memory",
        "memory",
        "many small values, every second dropped, then a large one",
        "resident memory below the limit",
        _fragments,
    ),
    Row(28, "an_endless_loop", "cpu", "while true", "ended by the host's clock", _loop),
    Row(
        29,
        "one_huge_operation",
        "cpu",
        "arithmetic on integers of four million bits",
        "ended by the host's clock",
        _native,
    ),
    Row(30, "backtracking_searches", "cpu", "searches for near misses", "no backtracking", _search),
    Row(32, "sleeping_for_ever", "cpu", "sleep(10**18), sleep(-1), the module time", C, _sleep),
    Row(
        33,
        "output_that_starves_the_host",
        "cpu",
        "a loop that floods the output",
        "ended by the host's clock",
        _flood,
    ),
    Row(41, "imports_of_paths", "files", "import ../../etc, absolute paths, URLs, Python's os", C, _imports),
    Row(
        106,
        "state_of_a_former_session",
        "side channel",
        "variables and memory of the session before",
        "a fresh process",
        _former_session,
    ),
    Row(108, "clocks", "side channel", "tell the time", "no clock", _clock),
    Row(
        110,
        "errors_that_tell_secrets",
        "side channel",
        "look for paths and addresses in error messages",
        "none",
        _messages,
    ),
)
