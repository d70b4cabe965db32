"""The host against a worker that was taken over: it speaks, and what it says is a lie or an attack."""

from __future__ import annotations

import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import fake_worker
import hostile
from fake_worker import frame, pack
from leftovers import forget_peak, resident
from opendxa.dana import Dana, exceptions
from opendxa.dana.sources import Sources
from opendxa.dana.tracebacks import complete, dana_part

MIB = 2**20
NEVER_BUILT = 64 * MIB
DONE = {"Done": [1, fake_worker.USAGE]}
LARGEST = 128 * MIB
VIOLATION = "the worker's end"


def refused(fake: Callable[..., object], *sayings: bytes, **changes: object) -> str:
    """Each is a violation of its own, and the end of its session; return how many."""
    for saying in sayings:
        session = fake("say", saying, **changes)
        with pytest.raises(exceptions.ProtocolViolationError) as caught:
            session.run("x")  # type: ignore[attr-defined]
        told = str(caught.value)
        assert all(char.isprintable() or char == "\n" for char in told), repr(told)
        assert not session.alive  # type: ignore[attr-defined]
        with pytest.raises(exceptions.SessionClosedError):
            session.run("x")  # type: ignore[attr-defined]
    return f"{len(sayings)} violations, each the end of its session"


def done(payload: bytes) -> bytes:
    return frame(DONE, payload)


@pytest.mark.row(76, "protocol", "frames of length 0, 1, the largest, one more, 2^32 - 1", VIOLATION)
def test_row_076_absurd_lengths(fake, seen) -> None:
    def length(claimed: int) -> bytes:
        return struct.pack("<I", claimed) + b"\0" * 64

    forget_peak()
    before = resident()
    told = refused(fake, length(0), length(1), length(LARGEST + 1), length(2**32 - 1))
    with pytest.raises(exceptions.DeadlineExceededError):
        fake("say", length(LARGEST)).run("x", timeout=0.3)
    grown = resident("VmHWM") - before
    assert grown < 16 * MIB, f"{grown >> 20} MiB for frames that never came"
    seen(f"{told}; the largest that never comes is ended by the deadline")


@pytest.mark.row(
    77, "protocol", "half a header, half a frame, an end in the middle, bytes behind the value", VIOLATION
)
def test_row_077_truncated_frames(fake, seen) -> None:
    whole = pack(DONE)
    cut = [struct.pack("<I", size) + whole[:size] for size in (1, 3, len(whole) - 1, len(whole))]
    told = refused(fake, *cut, done(b"\x01\x02"), done(b"\x92\x01"))
    with pytest.raises(exceptions.WorkerLostError):
        fake("cut").run("x")
    seen(f"{told}; an end in the middle is a lost worker")


@pytest.mark.row(78, "protocol", "a frame that comes byte by byte, for ever", "the deadline")
def test_row_078_one_byte_at_a_time(fake, seen) -> None:
    session = fake("say-0.1", done(pack("x" * 1000)))
    begin = time.monotonic()
    with pytest.raises(exceptions.DeadlineExceededError):
        session.run("x", timeout=0.5)
    assert 0.5 <= time.monotonic() - begin < 10
    seen("ended by the deadline")


@pytest.mark.row(79, "protocol", "arrays and maps nested 65, 129, 1,025 and 100,000 deep", VIOLATION)
def test_row_079_deep_nesting(fake, seen) -> None:
    depths = (65, 129, 1025, 100_000)
    arrays = [done(b"\x91" * depth + b"\xc0") for depth in depths]
    maps = [done(b"\x81\xa1a" * depth + b"\xc0") for depth in depths]
    seen(refused(fake, *arrays, *maps))


def many(marker: bytes, count: int) -> bytes:
    return done(b"\xdd" + struct.pack(">I", count) + marker * count)


@pytest.mark.row(80, "protocol", "8 MiB of empty arrays, maps, nils", "less than 64 MiB, other threads run")
def test_row_080_amplification(fake, seen) -> None:
    sayings = [many(marker, 8 * MIB) for marker in (b"\x90", b"\x80", b"\xc0")]
    forget_peak()
    before = resident()
    told = refused(fake, *sayings)
    grown = resident("VmHWM") - before
    assert grown < NEVER_BUILT, f"{grown >> 20} MiB"
    gaps = [longest_gap(lambda saying=saying: refused(fake, saying)) for saying in sayings]
    assert max(gaps) < 0.05, f"other threads stood still for {[round(gap * 1000) for gap in gaps]} ms"
    seen(f"{told}; {grown >> 20} MiB; no other thread stood still for 50 ms")


def longest_gap(act: Callable[[], object]) -> float:
    """Return the longest time another thread did not run while `act` did.

    On a busy machine a thread may not run for reasons of its own; what holds the interpreter's lock does so
    every time. So the least of some attempts counts.
    """
    found = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.001)
    try:
        for _ in range(6):
            found.append(_gap(act))
            if found[-1] < 0.05:
                break
    finally:
        sys.setswitchinterval(interval)
    return min(found)


def _gap(act: Callable[[], object]) -> float:
    stop = threading.Event()
    longest = [0.0]

    def tick() -> None:
        last = time.perf_counter()
        while not stop.wait(0.001):
            now = time.perf_counter()
            longest[0] = max(longest[0], now - last)
            last = now

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        act()
    finally:
        stop.set()
        ticker.join()
    return longest[0]


@pytest.mark.row(81, "protocol", "arrays, maps, strings, bytes and extensions of 2^32 - 1", VIOLATION)
def test_row_081_huge_claims(fake, seen) -> None:
    forget_peak()
    before = resident()
    told = refused(fake, *(done(bytes([marker]) + b"\xff" * 5) for marker in (0xDD, 0xDF, 0xDB, 0xC6, 0xC9)))
    assert resident("VmHWM") - before < 16 * MIB
    seen(told)


@pytest.mark.row(
    82, "protocol", "invalid UTF-8, surrogates; ANSI, RTL and newlines in messages", "refused or escaped"
)
def test_row_082_texts_that_drive_terminals(fake, seen, caplog) -> None:
    refused(fake, done(b"\xa2\xff\xff"), done(b"\xa3\xed\xa0\x80"), frame({"Log": ["Error", "\udcff"]}))
    session = fake("fault")
    with pytest.raises(exceptions.DanaCallError) as caught:
        session.run("x")
    assert not set("\x1b\x07\u202e") & set(str(caught.value))
    logged: list[str] = []
    words = frame({"Log": ["Error", "a\x1b[2J\u202ec\x00"]})
    session = fake("say", words, log=lambda level, text: logged.append(text))
    with pytest.raises(exceptions.DeadlineExceededError):
        session.run("x", timeout=0.3)
    assert len(logged) == 1
    assert not set("\x1b\u202e\x00") & set(logged[0])
    with caplog.at_level("DEBUG"), Dana(require_isolation=True, echo=False) as d:
        assert d.execute_string("log('fine\\nERROR root: all is lost')").success
    logged = [record.getMessage() for record in caplog.records if record.name == "opendxa.dana.program"]
    assert logged == ["fine\\nERROR root: all is lost"]
    with pytest.raises(exceptions.WorkerCrashedError) as crash:
        fake("noise").run("x")
    assert not set("\x1b\x07") & set(crash.value.stderr)
    seen("refused where it is not UTF-8; escaped in faults, log lines and standard error")


@pytest.mark.row(
    83,
    "protocol",
    "duplicate and unknown keys, wrong types, extensions, NaN keys, integers out of range",
    VIOLATION,
)
def test_row_083_values_out_of_order(fake, seen) -> None:
    nan = b"\xcb\x7f\xf8" + b"\0" * 6
    payloads = [
        b"\x82\x01\x01\x01\x02", b"\x81" + nan + b"\x01", b"\x81\x90\x01", b"\xd4\x63\x01", b"\xc1",
        b"\xca\0\0\0\0", b"\xcf" + b"\xff" * 8, b"",
    ]  # fmt: skip
    headers: list[object] = [
        {"Done": [1, fake_worker.USAGE, "more"]}, {"Done": ["1", fake_worker.USAGE]}, {"Done": {"turn": 1}},
        {"Finished": [1]}, {"Done": [1, fake_worker.USAGE], "Failed": []}, {"Log": ["Loud", "x"]},
        {"Pulse": [-1, None, 1]}, [1], 7, None,
    ]  # fmt: skip
    seen(refused(fake, *map(done, payloads), *(frame(header) for header in headers)))


@pytest.mark.row(
    84, "protocol", "messages out of turn: Hello or the result twice, another turn, reused asks", VIOLATION
)
def test_row_084_messages_out_of_turn(fake, seen) -> None:
    with pytest.raises(exceptions.ProtocolViolationError):
        fake("started")
    ask = frame({"Ask": [5, {"Module": ["m", 0, None]}]})
    told = refused(
        fake,
        done(b"\x01") * 2,
        frame({"Done": [2, fake_worker.USAGE]}, b"\x01"),
        frame({"Hello": [1, "x", []]}),
        frame("Started"),
        ask * 2,
    )
    session = fake("late")
    session.run("x")
    time.sleep(0.3)  # it speaks after a tenth of a second
    with pytest.raises(exceptions.ProtocolViolationError):
        session.run("x", timeout=5)
    seen(f"{told}; so are Started instead of Hello and a word between turns")


@pytest.mark.row(85, "protocol", "small frames, output and log lines without end", VIOLATION)
def test_row_085_floods(fake, seen) -> None:
    for scenario in ("flood", "stderr"):
        with pytest.raises(exceptions.ProtocolViolationError):
            fake(scenario).run("x")
    lines = frame({"Log": ["Info", "x"]}) * 30_000
    output = frame({"Output": ["y" * 60_000]}) * 200
    refused(fake, lines)
    refused(fake, output, limits={"wall_time": 10, "output": MIB})
    seen("pulses, standard error, log lines and output beyond its limit are violations")


@pytest.mark.row(
    86, "protocol", "asks for models: a flood, URLs and headers inside, a giant prompt", "refused"
)
def test_row_086_asks_for_models(fake, seen) -> None:
    asked: list[object] = []
    changes = {"ask": lambda turn, kind, payload: asked.append(kind), "limits": {"wall_time": 10, "asks": 10}}
    with pytest.raises(exceptions.AskLimitError):
        fake("ask-flood", **changes).run("x")
    assert len(asked) == 10
    message = ["user", "hi"]
    told = refused(
        fake,
        frame({"Ask": [1, {"Reason": ["reason", [message], None, None, "http://evil"]}]}, b"\x80"),
        frame({"Ask": [1, {"Reason": ["reason", [[*message, "key"]], None, None]}]}, b"\x80"),
        frame({"Ask": [1, {"Reason": {"url": "http://evil"}}]}, b"\x80"),
        frame({"Ask": [1, {"Reason": ["reason", [["user", "x" * (17 * MIB)]], None, None]}]}, b"\x80"),
        frame({"Ask": [1, {"Shell": ["id"]}]}),
    )
    seen(f"10 of a flood answered, then AskLimitError; {told}")


@pytest.mark.row(
    87, "protocol", "calls of __class__, os.system, look-alikes of a registered function", VIOLATION
)
def test_row_087_names_of_functions(fake, seen) -> None:
    called: list[object] = []
    names = [
        "__class__",
        "os.system",
        "twice.__globals__",
        "twice ",
        "twic\u0435",
        "TWICE",
        "",
        "../twice",
        "twice\0",
    ]
    sayings = [frame({"Ask": [1, {"Function": [name, 0, []]}]}) for name in names]
    changes = {"functions": ["twice"], "ask": lambda turn, kind, payload: called.append(payload)}
    told = refused(fake, *sayings, **changes)
    assert not called
    seen(f"{told}; no function was called")


@pytest.mark.row(
    88, "protocol", "faults that pose as the host: class names, host paths, escapes", "a fixed class, escaped"
)
def test_row_088_faults_that_pose_as_the_host(fake, seen) -> None:
    session = fake("fault")
    with pytest.raises(exceptions.DanaCallError) as caught:
        session.run("x")
    assert type(caught.value) is exceptions.DanaCallError, "not the SystemExit that the fault claims to be"
    assert caught.value.__cause__ is None
    assert session.alive
    session = fake("fault", failed=lambda error: complete(error, Sources()))
    with pytest.raises(exceptions.DanaCallError) as caught:
        session.run("x")
    frames = traceback.extract_tb(dana_part(caught.value.__traceback__))
    assert len(frames) == 2, "the call, and the place of the fault"
    assert all(frame.filename.startswith("<") and frame.filename.endswith(">") for frame in frames), "no path"
    told = "".join(traceback.format_exception(caught.value))
    assert not set("\x1b\x07\u202e") & set(told)
    seen("DanaCallError with the fault's texts escaped")


@pytest.mark.row(
    89,
    "protocol",
    "workers that speak nearly well: any order, edited, cut, any payload",
    "a value or a clear error, in time",
)
def test_row_089_nearly_well_spoken_workers(seen) -> None:
    ends = hostile.attack(sessions=40, seed=89)
    assert ends["value"] > 20, ends
    assert ends["ProtocolViolationError"] > 20, ends
    seen(f"40 sessions, {sum(ends.values())} turns, no finding; the decoders are fuzzed besides")


@pytest.mark.row(90, "protocol", "a worker that claims every layer and sets none, or all but one", "refused")
def test_row_090_false_claims(fake, seen) -> None:
    for layer in ("", "-capabilities", "-no_new_privs", "-rlimits", "-seccomp"):
        with pytest.raises(exceptions.IsolationUnavailableError, match=layer.strip("-") or "seccomp"):
            fake(f"liar{layer}")
    seen("5 liars, each refused, the missing layer named")


@pytest.mark.row(
    91,
    "supervisor",
    "ends by SIGKILL, SEGV, ABRT, SYS, XCPU; exit 0 without a result; exit 3",
    "each its own error",
)
def test_row_091_ways_to_end(fake, seen) -> None:
    ends = {
        "signal-31": exceptions.SandboxViolationError,
        "signal-24": exceptions.CpuLimitError,
        "signal-9": exceptions.WorkerKilledError,
        "signal-6": exceptions.WorkerCrashedError,
        "signal-11": exceptions.WorkerCrashedError,
        "exit-0": exceptions.WorkerLostError,
        "exit-3": exceptions.WorkerCrashedError,
    }
    for scenario, error in ends.items():
        with pytest.raises(error) as caught:
            fake(scenario).run("x")
        assert type(caught.value) is error
    seen("7 ends, each its own class; none is success")


@pytest.mark.row(93, "supervisor", "a worker that never reads", "the deadline")
def test_row_093_a_worker_that_never_reads(fake, seen) -> None:
    with pytest.raises(exceptions.DeadlineExceededError):
        fake("deaf").run("#" * 10_000_000, timeout=0.5)
    with pytest.raises((exceptions.ProtocolViolationError, exceptions.DeadlineExceededError)):
        fake("chatter").run("#" * 10_000_000, timeout=5)
    seen("ended by the deadline; one that talks meanwhile is a violation")


@pytest.mark.row(94, "supervisor", "a worker that closes its pipes and lives on", VIOLATION)
def test_row_094_closed_pipes(fake, seen) -> None:
    with pytest.raises(exceptions.ProtocolViolationError, match="closed its reply pipe"):
        fake("halfclose").run("x")
    session = fake("closein")
    session.run("x")
    with pytest.raises(exceptions.ProtocolViolationError, match="closed its request pipe"):
        session.run("x")
    seen("violations")


def test_the_corpus_speaks_as_the_fake_worker_does(tmp_path: Path) -> None:
    value = {"a": [1, -1, 2**40, 1.5, None, True, "text", {"b": []}]}
    assert fake_worker.unpack(pack(value)) == (value, len(pack(value)))
