"""A worker that is locked as the real one is and then misbehaves as told: for tests of the host.

`install(directory, scenario)` writes a program the bridge can start as a worker. Rule: it uses the standard
library only and shares no code with the product, so that a bug in the wire cannot hide itself here.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import random
import resource
import select
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

# --- What a test uses ------------------------------------------------------------------------------------


def install(directory: Path, scenario: str, build: str, data: bytes = b"") -> str:
    """Write a worker that plays `scenario` (the name of a function below) and claims to be of `build`.

    `data` is what the scenario `say` says.
    """
    program = directory / f"worker-{scenario}"
    words = directory / f"words-{scenario}"
    words.write_bytes(data)
    here = str(Path(__file__).resolve().parent)
    program.write_text(
        f"#!{os.path.realpath(sys.executable)} -IS\n"
        "import sys\n"
        f"sys.path.insert(0, {here!r})\n"
        "import fake_worker\n"
        f"fake_worker.WORDS = {str(words)!r}\n"
        f"fake_worker.play({scenario!r}, {build!r})\n"
    )
    program.chmod(0o755)
    return str(program)


# --- MessagePack, as much as the protocol needs ----------------------------------------------------------


def pack(value: Any) -> bytes:
    """Encode in the shortest form."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogateescape")
        return _head(len(raw), 0xA0, 32, (0xD9, 0xDA, 0xDB)) + raw
    if isinstance(value, list | tuple):
        return _head(len(value), 0x90, 16, (None, 0xDC, 0xDD)) + b"".join(map(pack, value))
    if isinstance(value, dict):
        items = b"".join(pack(key) + pack(item) for key, item in value.items())
        return _head(len(value), 0x80, 16, (None, 0xDE, 0xDF)) + items
    raise TypeError(type(value))


def _pack_int(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes([value])
    if -32 <= value < 0:
        return struct.pack("b", value)
    forms = ((0xCC, ">B"), (0xCD, ">H"), (0xCE, ">I"), (0xCF, ">Q"))
    if value < 0:
        forms = ((0xD0, ">b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q"))
    for marker, form in forms:
        bits = 8 * struct.calcsize(form) - form[1].islower()
        if -(1 << bits) <= value < 1 << bits:
            return bytes([marker]) + struct.pack(form, value)
    raise OverflowError(value)


def _head(size: int, fixed: int, below: int, markers: tuple[int | None, int, int]) -> bytes:
    if size < below:
        return bytes([fixed | size])
    for marker, form, most in zip(markers, (">B", ">H", ">I"), (0xFF, 0xFFFF, 0xFFFFFFFF), strict=True):
        if marker is not None and size <= most:
            return bytes([marker]) + struct.pack(form, size)
    raise OverflowError(size)


def unpack(data: bytes, at: int = 0) -> tuple[Any, int]:
    """Decode one value; return it and where it ended."""
    marker = data[at]
    at += 1
    if marker < 0x80:
        return marker, at
    if marker >= 0xE0:
        return marker - 256, at
    if marker < 0x90:
        return _unpack_map(data, at, marker & 15)
    if marker < 0xA0:
        return _unpack_list(data, at, marker & 15)
    if marker < 0xC0:
        return _unpack_str(data, at, marker & 31)
    fixed: dict[int, Any] = {0xC0: None, 0xC2: False, 0xC3: True}
    if marker in fixed:
        return fixed[marker], at
    numbers = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    if marker in numbers or marker == 0xCB:
        form = numbers.get(marker, ">d")
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    sized = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
    form = sized[marker]
    size = struct.unpack_from(form, data, at)[0]
    read = _unpack_str if marker < 0xDC else _unpack_list if marker < 0xDE else _unpack_map
    return read(data, at + struct.calcsize(form), size)


def _unpack_str(data: bytes, at: int, size: int) -> tuple[str, int]:
    return data[at : at + size].decode(), at + size


def _unpack_list(data: bytes, at: int, size: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(size):
        item, at = unpack(data, at)
        items.append(item)
    return items, at


def _unpack_map(data: bytes, at: int, size: int) -> tuple[dict[Any, Any], int]:
    found = {}
    for _ in range(size):
        key, at = unpack(data, at)
        found[key], at = unpack(data, at)
    return found, at


# --- The lock, as far as the kernel shows it to the host -------------------------------------------------

_LIBC = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter))]


def lock(skip: str = "") -> None:
    """Show the host every fact it looks for; the filter permits everything."""
    if skip != "capabilities":
        for number in range(64):
            _LIBC.prctl(24, number, 0, 0, 0)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        if _LIBC.capset(header, (ctypes.c_uint32 * 6)()):
            raise OSError(ctypes.get_errno(), "capset")
    _LIBC.prctl(4, 0, 0, 0, 0)
    if skip != "no_new_privs":
        _LIBC.prctl(38, 1, 0, 0, 0)
    if skip != "rlimits":
        names = ("CORE", "FSIZE", "NPROC", "MEMLOCK", "MSGQUEUE")
        numbers = (4, 1, 6, 8, 12)
        for _, number in zip(names, numbers, strict=True):
            resource.setrlimit(number, (0, 0))
        for number, most in ((11, 16), (13, 0), (14, 0), (resource.RLIMIT_STACK, 8 << 20)):
            resource.setrlimit(number, (most, most))
        if skip != "budget":
            _keep_to_the_budget()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    if skip not in {"seccomp", "no_new_privs"}:
        allow = _Filter(0x06, 0, 0, 0x7FFF0000)
        program = _Program(1, ctypes.pointer(allow))
        if _LIBC.prctl(22, 2, ctypes.byref(program), 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")


def _keep_to_the_budget() -> None:
    """Set the limits that the host's arguments name, with room for this interpreter's own work."""
    memory, seconds = (int(word) for word in sys.argv[3:5])
    if memory:
        most = memory + memory // 4 + (416 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    if seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


# Namespaces: the flags of unshare(2), by the layer that they make.
UNSHARE = {
    "user_namespace": 0x10000000,
    "uts_namespace": 0x04000000,
    "ipc_namespace": 0x08000000,
    "cgroup_namespace": 0x02000000,
    "net_namespace": 0x40000000,
    "mount_namespace": 0x00020000,
}


def unshare(skip: str) -> None:
    """Make every namespace but one, as root, and show the host what it looks for."""
    for layer, flag in UNSHARE.items():
        if layer == skip:
            continue
        if _LIBC.unshare(flag):
            raise OSError(ctypes.get_errno(), layer)
        if layer == "user_namespace":
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text("0 0 1")
            Path("/proc/self/gid_map").write_text("0 0 1")
        if layer == "mount_namespace":
            _empty_root()


def _empty_root() -> None:
    _LIBC.mount(None, b"/", None, 0x44000, None)
    _LIBC.mount(b"none", b"/proc", b"tmpfs", 0xF, b"nr_inodes=1")
    os.chdir("/proc")
    if _LIBC.syscall(155, b".", b".") or _LIBC.umount2(b".", 2):
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.chdir("/")


CLAIMS = [
    [name, True, "so it says"]
    for name in [
        "threads",
        "fds",
        "environment",
        "session",
        "own_user",
        *UNSHARE,
        "pid_namespace",
        "securebits",
        "bounding_set",
        "capabilities",
        "dumpable",
        "no_new_privs",
        "mdwe",
        "huge_pages",
        "speculation",
        "landlock",
        "cgroup",
        "rlimits",
        "seccomp",
    ]
]

# --- Speaking --------------------------------------------------------------------------------------------


def send_raw(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def send_body(body: bytes) -> None:
    send_raw(struct.pack("<I", len(body)) + body)


def send(header: Any, *values: Any) -> None:
    send_body(pack(header) + b"".join(map(pack, values)))


def receive() -> tuple[str, list[Any]]:
    """Read one message: its name and fields. Leave when the host has closed the pipe."""
    length = struct.unpack("<I", _exactly(4))[0]
    header, _ = unpack(_exactly(length))
    if isinstance(header, str):
        return header, []
    ((name, fields),) = header.items()
    return name, fields


def _exactly(size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(0, size - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


PROTOCOL = 4
USAGE = [1, 2, 3, 0]
_BUILD = ""


def hello(protocol: int = PROTOCOL, build: str | None = None) -> None:
    send({"Hello": [protocol, _BUILD if build is None else build, CLAIMS]})


def ready() -> None:
    """Lock, greet, and take Start."""
    lock()
    hello()
    name, _ = receive()
    if name != "Start":
        os._exit(65)
    send("Started")


def turn() -> int:
    """Wait for a request; return the number of its turn."""
    while True:
        name, fields = receive()
        if name not in ("Release", "Register"):
            return fields[0] if isinstance(fields, list) else 0


def done(number: int, value: Any = None) -> None:
    send({"Done": [number, USAGE]}, value)


def sleep_for_ever() -> None:
    while True:
        time.sleep(1)


def play(scenario: str, build: str) -> None:
    """Run as a worker."""
    global _BUILD  # noqa: PLW0603 - one process plays one scenario
    _BUILD = build
    name, _, argument = scenario.partition("-")
    action = globals()[f"act_{name}"]
    action(argument) if argument else action()
    os._exit(0)


# --- Before the session ----------------------------------------------------------------------------------


def act_garbage() -> None:
    send_raw(b"HTTP/1.1 200 OK\r\n\r\n" * 100)
    sleep_for_ever()


def act_silent() -> None:
    sleep_for_ever()


def act_drip() -> None:
    body = pack({"Hello": [PROTOCOL, _BUILD, CLAIMS]})
    for byte in struct.pack("<I", len(body)) + body:
        send_raw(bytes([byte]))
        time.sleep(0.2)


def act_liar(skip: str = "all") -> None:
    if skip != "all":
        lock(skip)
    hello()
    sleep_for_ever()


def act_traced() -> None:
    """Be locked as any other, with a tracer that was there before."""
    me = os.getpid()
    reader, writer = os.pipe()
    _LIBC.prctl(0x59616D61, -1, 0, 0, 0)  # PR_SET_PTRACER: where the kernel asks for it
    if os.fork() == 0:
        seized = _LIBC.ptrace(0x4206, me, 0, 0)
        for fd in (0, 1, 2):
            os.close(fd)
        os.write(writer, b"no" if seized else b"ok")
        with contextlib.suppress(ChildProcessError):
            while not os.WIFSIGNALED(os.waitpid(me, 0x40000000)[1]):  # __WALL
                pass
        os._exit(0)
    if os.read(reader, 2) != b"ok":
        os._exit(3)
    os.close(reader)
    os.close(writer)
    act_echo()


def act_boaster() -> None:
    """Claim a layer that does not exist, and lines of the report that the host did not write."""
    CLAIMS.append(["virtual_machine", True, "a kernel of its own"])
    CLAIMS.insert(0, ["landlock", True, "x\n  net_namespace  in force  kernel: net:[1]"])
    act_echo()


def act_boxed(skip: str = "") -> None:
    """Be in namespaces of its own, but for one, and claim all."""
    unshare(skip)
    act_echo()


def act_build() -> None:
    lock()
    hello(build="0" * 32)
    sleep_for_ever()


def act_protocol() -> None:
    lock()
    hello(protocol=999)
    sleep_for_ever()


def act_started() -> None:
    lock()
    send("Started")
    sleep_for_ever()


def act_setup() -> None:
    os.write(2, b"layer seccomp failed: \x1b[31mEPERM\n")
    os._exit(70)


WORDS = ""


def act_say(pause: str = "0") -> None:
    """Say what the test has written down, in the middle of a turn; byte by byte with a pause."""
    words = Path(WORDS).read_bytes()
    ready()
    turn()
    if pause != "0":
        for byte in words:
            send_raw(bytes([byte]))
            time.sleep(float(pause))
    send_raw(words)
    sleep_for_ever()


def frame(header: Any, payload: bytes = b"") -> bytes:
    """Return a whole frame."""
    return _frame(pack(header) + payload)


# --- In the session --------------------------------------------------------------------------------------


def act_echo() -> None:
    """Behave: answer every turn with its number."""
    ready()
    while True:
        number = turn()
        done(number, number)


def act_echoopen() -> None:
    """The same, without a lock."""
    hello()
    receive()
    send("Started")
    while True:
        number = turn()
        done(number, number)


def act_exit(code: str) -> None:
    ready()
    turn()
    os.write(2, b"going \x1b[2Jaway\n")
    os._exit(int(code))


def act_signal(number: str) -> None:
    ready()
    turn()
    signal.signal(int(number), signal.SIG_DFL) if int(number) not in {9, 19} else None
    os.kill(os.getpid(), int(number))
    sleep_for_ever()


def act_hang() -> None:
    ready()
    turn()
    sleep_for_ever()


def act_deaf() -> None:
    """Read nothing after the start."""
    ready()
    sleep_for_ever()


def act_chatter() -> None:
    """Read nothing and talk without end."""
    ready()
    while True:
        send({"Output": ["x" * 60000]})


def act_flood() -> None:
    """Send as many small messages as the pipe takes."""
    ready()
    turn()
    body = pack({"Pulse": [1, None, 1]})
    many = (struct.pack("<I", len(body)) + body) * 1000
    while True:
        send_raw(many)


def act_stderr() -> None:
    ready()
    turn()
    while True:
        os.write(2, b"no end " * 1000)


def act_noise() -> None:
    """Write more to standard error than is kept, then end."""
    ready()
    turn()
    for line in range(5000):
        os.write(2, f"line {line} \x1b]0;title\x07\n".encode())
    os.write(2, b"the very end\n")
    os._exit(3)


def act_halfclose() -> None:
    """Close the reply pipe and live on."""
    ready()
    turn()
    os.close(1)
    sleep_for_ever()


def act_twice() -> None:
    ready()
    number = turn()
    send_raw(b"".join(_frame(pack({"Done": [number, USAGE]}) + b"\x01") for _ in range(2)))
    sleep_for_ever()


def act_late() -> None:
    """Speak between turns."""
    ready()
    number = turn()
    done(number, 1)
    time.sleep(0.1)
    done(number, 2)
    sleep_for_ever()


def act_turn() -> None:
    ready()
    done(turn() + 1)
    sleep_for_ever()


def act_hello() -> None:
    ready()
    turn()
    hello()
    sleep_for_ever()


def act_cut() -> None:
    """End inside a frame."""
    ready()
    turn()
    send_raw(struct.pack("<I", 100) + b"only a part")
    os._exit(0)


def act_length(length: str) -> None:
    ready()
    turn()
    send_raw(struct.pack("<I", int(length)) + b"\x00" * 64)
    sleep_for_ever()


def act_body(which: str) -> None:
    """Send a `Done` whose payload is hostile."""
    ready()
    header = pack({"Done": [turn(), USAGE]})
    payloads = {
        "empty": b"",
        "trailing": b"\x01\x02",
        "deep": b"\x91" * 100 + b"\xc0",
        "abyss": b"\x91" * 100_000 + b"\xc0",
        "array32": b"\xdd\xff\xff\xff\xff",
        "map32": b"\xdf\xff\xff\xff\xff",
        "str32": b"\xdb\xff\xff\xff\xff",
        "bin32": b"\xc6\xff\xff\xff\xff",
        "ext32": b"\xc9\xff\xff\xff\xff\x01",
        "reserved": b"\xc1",
        "float32": b"\xca\x00\x00\x00\x00",
        "utf8": b"\xa2\xff\xff",
        "surrogate": b"\xa3\xed\xa0\x80",
        "nankey": b"\x81\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x01",
        "listkey": b"\x81\x90\x01",
        "duplicate": b"\x82\x01\x01\x01\x02",
        "bigint": b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        "amplify": b"\xdd" + struct.pack(">I", 8 << 20) + b"\x90" * (8 << 20),
        "nils": b"\xdd" + struct.pack(">I", 8 << 20) + b"\xc0" * (8 << 20),
        "ext": b"\xd4\x63\x01",
        # Literals that Python could not build, a zone the host never sent, one key with two texts.
        "date": b"\x92\xd4\x01d\xaa2026-02-30",
        "zone": b"\x92\xd4\x01m\xb72026-01-02T03:04:05[UTC]",
        "zonepath": b"\x92\xd4\x01m\xd9\x252026-01-02T03:04:05[../../etc/passwd]",
        "exponent": b"\x92\xd4\x01n\xb51E9999999999999999999",
        "duration": b"\x92\xd4\x01l\xb486400000000000000000",
        "uuid": b"\x92\xd4\x01u\xa41234",
        "number": b"\x92\xd4\x01n\x01",
        "twokeys": b"\x82\x92\xd4\x01n\xa31E0\x01\x92\xd4\x01n\xa510E-1\x02",
        "twomembers": b"\x93\xd4\x01z\x01\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00",
    }
    send_body(header + payloads[which])
    sleep_for_ever()


def act_bytes(which: str) -> None:
    """Answer each turn with a megabyte of bytes, and in some way that is not quite right."""
    ready()
    while True:
        number = turn()
        size = 1 << 20
        data = bytes(range(256)) * (size // 256)
        header = pack({"Done": [number + (which == "turn"), USAGE]})
        claimed = size + {"longer": 1, "shorter": -1}.get(which, 0)
        body = header + b"\xc6" + struct.pack(">I", claimed) + data
        whole = struct.pack("<I", len(body)) + body
        if which == "pieces":
            for at in range(100):
                send_raw(whole[at : at + 1])
            send_raw(whole[100:])
        elif which in {"cut", "stall"}:
            send_raw(whole[: size // 2])
            if which == "cut":
                os._exit(0)
        elif which == "more":
            send_raw(whole + b"\x00")
        else:
            send_raw(whole)
        if which == "stall":
            sleep_for_ever()


def act_ask(which: str) -> None:
    """Ask for what must not be asked."""
    ready()
    turn()
    asks: dict[str, Any] = {
        "unknown": {"Ask": [1, {"Shell": ["id"]}]},
        "extra": {"Ask": [1, {"Module": ["m", 0, None, "http://evil"]}]},
        "number": {"Ask": ["1", {"Module": ["m", 0, None]}]},
    }
    if which in asks:
        send(asks[which])
    elif which == "dunder":
        send({"Ask": [1, {"Function": ["__class__", 0, []]}]})
    elif which == "reused":
        send({"Ask": [5, {"Module": ["m", 0, None]}]})
        receive()
        send({"Ask": [5, {"Module": ["m", 0, None]}]})
    elif which == "flood":
        number = 0
        while True:
            number += 1
            send({"Ask": [number, {"Module": ["m", 0, None]}]})
            receive()
    sleep_for_ever()


def act_asks(which: str) -> None:
    """Ask for several things at once, and end turns in ways of its own."""
    ready()
    number = turn()
    first = itertools.count(1)

    def ask(*values: Any) -> None:
        send({"Ask": [next(first), {"Function": ["slow", len(values), []]}]}, *values)

    def outcomes(count: int) -> list[Any]:
        answers = [receive()[1] for _ in range(count)]
        return sorted(
            [asked, outcome if isinstance(outcome, str) else next(iter(outcome))]
            for asked, outcome in answers
        )

    if which == "done":
        ask()
        done(number)
    elif which == "many":
        for _ in range(40):
            ask()
        done(number, outcomes(40))
    elif which == "hoard":
        for _ in range(26):
            ask("x" * 10_000_000)
        refused = outcomes(4)
        send({"Output": ["refused"]})
        done(number, [refused, outcomes(22)])
    elif which == "heavy":
        # A letter that costs four bytes in Python, as far as the host knows.
        for _ in range(3):
            ask("\u00e9" * 30_000_000)
        refused = outcomes(1)
        send({"Output": ["refused"]})
        done(number, [refused, outcomes(2)])
    elif which == "failed":
        ask()
        send({"Failed": [number, ["ValueError", "enough", *NOTHING], USAGE]})
        while True:
            name, fields = receive()
            if name == "Run":
                done(fields[0], "next")
    elif which == "dead":
        ask()
        os._exit(3)
    elif which == "talk":
        ask()
        for _ in range(100):
            send({"Output": ["x" * 30_000]})
        done(number, outcomes(1))
    sleep_for_ever()


#: The rest of a fault after its kind and message.
NOTHING = [None, 0, 0, None, None, [], None, False, None, None, None]


def act_function() -> None:
    """Ask for the function `twice` with a value, and return what came back as the outcome's name."""
    ready()
    while True:
        number = turn()
        send({"Ask": [number, {"Function": ["twice", 1, ["by"]]}]}, 21, 2)
        _, fields = receive()
        outcome = fields[1]
        done(number, outcome if isinstance(outcome, str) else next(iter(outcome.values())))


def act_stop() -> None:
    ready()
    turn()
    os.kill(os.getpid(), signal.SIGSTOP)
    sleep_for_ever()


def act_fault() -> None:
    """Fail a turn with texts that try to drive a terminal and to pose as the host."""
    ready()
    evil = "\x1b[31mred\x07 \u202ertl\nFile /etc/passwd"
    frame = [evil, "/host/app.py", 1, 1, evil]
    while True:
        fault = ["SystemExit", evil, evil, 3, 4, evil, evil, [frame], None, False, None, None, None]
        send({"Failed": [turn(), fault, USAGE]})


def _frame(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body


def act_mirror() -> None:
    """Send back the value of every call as it came; for `function`, hand out two function handles."""
    ready()
    while True:
        length = struct.unpack("<I", _exactly(4))[0]
        body = _exactly(length)
        header, end = unpack(body)
        ((name, fields),) = header.items()
        if name == "Release":
            _RELEASED.extend(fields[0])
        elif fields[1] == {"Name": "functions"}:
            handle = b"\x93\xd4\x01f\x07\xa1f"
            send_body(pack({"Done": [fields[0], USAGE]}) + b"\x92" + handle + handle)
        elif fields[1] == {"Name": "released"}:
            done(fields[0], _RELEASED)
        else:
            send_body(pack({"Done": [fields[0], USAGE]}) + body[end:])


_RELEASED: list[int] = []


def act_closein() -> None:
    """Answer one turn, close the request pipe and live on."""
    ready()
    number = turn()
    os.close(0)
    done(number, number)
    sleep_for_ever()


def act_fuzz(seed: str) -> None:
    """Speak nearly well: more or less in order, edited, cut, with payloads of any kind."""
    chance = random.Random(int(seed))
    wild = chance.choice([0.0, 0.02, 0.1, 0.4])
    ready()
    asks = 0
    while True:
        number = turn()
        for _ in range(chance.randrange(4)):
            asks += 1
            _say_something(chance, number, asks, wild)
        if chance.random() >= wild / 4:
            well = chance.choice([b"\x01", b"\xc0", b"\x92\xa1x\x01", b"\x80", pack("text")])
            told = _any_description(chance, wild) if chance.random() < 0.4 else None
            value = told or (_any_value(chance) if chance.random() < wild else well)
            send_raw(_edited(chance, frame({"Done": [number, USAGE]}, value), wild / 2))
        elif chance.random() < 0.5:
            os._exit(chance.randrange(4))


def _say_something(chance: random.Random, number: int, ask: int, wild: float) -> None:
    text = chance.choice(["", "x", "\x1b[2J", "\u202e\x00", "y" * 5000, "line\nline"])
    said: list[tuple[Any, bytes]] = [
        ({"Output": [text]}, b""),
        ({"Log": [chance.choice(["Info", "Error"]), text]}, b""),
        ({"Pulse": [chance.randrange(2**40), chance.choice([None, text]), 1]}, b""),
        ({"Ask": [ask, {"Reason": ["reason", [["user", text]], None, None]}]}, b"\x80"),
        ({"Ask": [ask, {"Module": [chance.choice(["m", "../x", text]), chance.randrange(3), None]}]}, b""),
        ({"Ask": [ask, {"Function": ["twice", 1, ["by"]]}]}, b"\x01\x02"),
    ]
    if chance.random() < wild:
        told = [chance.choice(["ValueError", "SystemExit", text]), text]
        fault = [*told, None, 1, 1, None, None, [], None, False, None]
        said = [
            ({"Failed": [number, fault, USAGE]}, b""),
            ({"Hello": [1, _BUILD, CLAIMS]}, b""),
            ("Started", b""),
            ({"Ask": [chance.choice([1, ask - 1, 2**32 - 1]), {"Function": ["twice", 0, []]}]}, b""),
            ({"Ask": [ask, {"Function": [chance.choice(["__class__", text]), 0, []]}]}, b""),
            ({"Ask": [ask, {"Function": ["twice", 2, ["by"]]}]}, _any_value(chance)),
        ]
    header, payload = chance.choice(said)
    send_raw(_edited(chance, frame(header, payload), wild / 2))
    if "Ask" in header and select.select([0], [], [], 0.2)[0]:
        receive()


def _any_value(chance: random.Random, depth: int = 0) -> bytes:
    if depth < 4 and chance.random() < 0.4:
        items = chance.randrange(5)
        if chance.random() < 0.5:
            return bytes([0x90 | items]) + b"".join(_any_value(chance, depth + 1) for _ in range(items))
        pairs = (_any_value(chance, 9) + _any_value(chance, depth + 1) for _ in range(items))
        return bytes([0x80 | items]) + b"".join(pairs)
    if chance.random() < 0.2:
        return _any_table(chance)
    if chance.random() < 0.3:
        return _any_tagged(chance, depth)
    plain = [None, True, 0, -1, 2**62, 1.5, float("nan"), "", "k", "\x1b", "z" * 300]
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(1, 12))
    return pack(chance.choice(plain))


def _tagged(tag: str, *items: bytes) -> bytes:
    return bytes([0x91 + len(items)]) + b"\xd4\x01" + tag.encode() + b"".join(items)


def _any_tagged(chance: random.Random, depth: int) -> bytes:
    """A struct, an exception, a function, a literal, a set, a tuple or a very large int."""
    names = ["Point", "Colour", "Money", "Tree", "x", "\x1b", "__class__", ""]
    fields = [
        "x",
        "y",
        "name",
        "value",
        "cents",
        "left",
        "right",
        "__array_interface__",
        "__html__",
        "_repr_html_",
    ]
    texts = {
        "d": ["2026-02-28", "2026-02-30", "0000-01-01"],
        "m": ["2026-01-02T03:04:05", "2026-01-02T03:04:05[UTC]", "9999-12-31T23:59:59-23:59"],
        "l": ["86400000000", "-1", "99999999999999999999"],
        "n": ["1E0", "-110E-2", "sNaN", "1E99999999999999999", "9" * 4300 + "E0"],
        "u": ["12345678-1234-5678-1234-567812345678"],
    }

    def inner() -> bytes:
        return _any_value(chance, depth + 1)

    match chance.randrange(7):
        case 0:
            count = chance.randrange(4)
            named = b"".join(pack(name) + inner() for name in chance.sample(fields, count))
            return _tagged("S", pack(chance.choice(names)), bytes([0x80 | count]) + named)
        case 1:
            return _tagged("e", pack(chance.choice(names)), pack(chance.choice(["", "m", "\x1b" * 99])))
        case 2:
            return _tagged("f", pack(chance.randrange(4)), pack(chance.choice(names)))
        case 3:
            tag = chance.choice(list(texts))
            return _tagged(tag, pack(chance.choice(texts[tag])))
        case 4:
            return _tagged(chance.choice("sz"), *(pack(number) for number in range(chance.randrange(4))))
        case 5:
            return _tagged("t", *(inner() for _ in range(chance.randrange(4))))
        case _:
            size = chance.choice([9, 200, 2500])
            head = bytes([0xC7, size]) if size < 256 else b"\xc8" + struct.pack(">H", size)
            return head + b"\x02" + b"\x07" * size


def _any_description(chance: random.Random, wild: float) -> bytes:
    """What a session or a module tells of what can be called, more or less."""

    def one(*usual: Any) -> bytes:
        return _any_value(chance, 3) if chance.random() < wild / 4 else pack(chance.choice(usual))

    def entry(**parts: bytes) -> bytes:
        kept = {name: part for name, part in parts.items() if chance.random() >= wild / 20}
        return bytes([0x80 | len(kept)]) + b"".join(pack(name) + part for name, part in kept.items())

    def listed(make: Any) -> bytes:
        items = [make() for _ in range(chance.randrange(3))]
        return bytes([0x90 | len(items)]) + b"".join(items)

    def parameter() -> bytes:
        default = chance.choice(
            [b"\xc0", b"\x91" + one(1, "x", 1.5, None), b"\x91\x91" + one("repr", "\x1b")]
        )
        take = one("position", "either", "named", "rest", "keywords")
        return _tagged("t", one("a", "class", "_b", "a b"), take, one(None, "int", "\x1b\n"), default)

    def function() -> bytes:
        handle = chance.choice([b"\xc0", _tagged("f", pack(chance.randrange(4)), pack("f"))])
        return entry(
            parameters=listed(parameter),
            returns=one(None, "int"),
            doc=one(None, "It does.", "\x1b[2J"),
            line=one(0, 7),
            function=handle,
        )

    def kind() -> bytes:
        return entry(
            kind=one("struct", "agent", "x"),
            doc=one(None, "A thing."),
            fields=listed(lambda: _tagged("t", parameter(), one(None, "note"))),
            methods=named(function),
            function=chance.choice([b"\xc0", _tagged("f", pack(1), pack("f"))]),
        )

    def named(make: Any) -> bytes:
        names = chance.sample(["f", "g", "Point", "__class__", "mro", "a b"], chance.randrange(3))
        return bytes([0x80 | len(names)]) + b"".join(pack(name) + make() for name in names)

    parts = {"functions": named(function), "types": named(kind)}
    if chance.random() < 0.5:
        parts |= {"values": named(lambda: one("int", 1)), "builtins": named(function)}
        return entry(**parts, host=listed(lambda: one("twice")))
    first = {"file": one(None, "m.na"), "doc": one(None, "\x1b"), "package": one(True, False)}
    values = named(lambda: _any_value(chance, 2))
    return entry(**first, **parts, values=values, unsent=named(lambda: one("file")))


def _any_table(chance: random.Random) -> bytes:
    """A table that is one, as often as not."""
    rows = chance.choice([0, 1, 3, 9])

    def number(it: int) -> bytes:
        return struct.pack("<I", it)

    def label(text: str) -> bytes:
        return number(len(text)) + text.encode()

    def cells(kind: str, count: int) -> bytes:
        if kind == "s":
            return b"".join(number(at + 1) for at in range(count)) + b"t" * count
        if kind in "tzd":
            return chance.choice([b"n", b"s", b"D"]) + chance.randbytes(8 * count)
        return {"b": b"\x01" * count, "v": b""}.get(kind, chance.randbytes(8 * count))

    columns = []
    for at in range(chance.randrange(4)):
        kind = chance.choice("ifbtzdscv")
        types = [
            "",
            "str",
            "bytes",
            "uint64",
            "UInt64",
            "range",
            "string[pyarrow]",
            "datetime64[s, dateutil//etc/passwd]",
            "Int8",
            "Categorical",
            "dictionary",
            "int8",
            "float64",
            "object",
            "category",
            "datetime64[ns]",
            "datetime64[s, UTC]",
            "Int64",
            "V9",
        ]
        flags = chance.choice([0, 0, 0, 2])
        head = (
            kind.encode()
            + bytes([flags])
            + label(chance.choice(["a", f"c{at}"]))
            + label(chance.choice(types))
        )
        if kind == "c":
            of = chance.choice("is")
            columns.append(head + b"\xff" * 4 * rows + number(2) + of.encode() + label("") + cells(of, 2))
        else:
            columns.append(head + cells(kind, rows))
    values = sum(column[:1] == b"v" for column in columns)
    notes = ["", "{}", '{"of":"pandas"}', '{"of":"numpy"}', '{"of":"polars"}', '{"of":"pyarrow"}', "["]
    lone = bytes([chance.randrange(2)])
    body = number(rows if columns else 0) + number(len(columns)) + lone + label(chance.choice(notes))
    body = _edited(chance, body + b"".join(columns), 0.2)
    length = bytes([0xC4, len(body)]) if len(body) < 256 else b"\xc5" + struct.pack(">H", len(body))
    return bytes([0x92 + values]) + b"\xd4\x01T" + length + body + pack([None] * rows) * values


def _edited(chance: random.Random, data: bytes, share: float) -> bytes:
    if chance.random() >= share:
        return data
    at = chance.randrange(len(data))
    kind = chance.randrange(4)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + chance.randbytes(1) + data[at + 1 :]
    if kind == 2:
        return data[:at] + chance.randbytes(chance.randrange(1, 9)) + data[at:]
    return data[:at] + data[at + 1 :]
