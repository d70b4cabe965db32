"""What large values cost on their way in and out of an isolated session, beside the raw copy through a pipe.

`in` sets a variable of the session, `out` gets it; every answer is compared with what was sent. The raw limit
is the same number of bytes between `os.write` or `os.readv` and a C program through a pipe of 1 MiB: once into
memory that is there already, and once into new memory, which whoever receives a value needs, and which on some
machines costs more than the copy. The measures take turns in short rounds, so that a machine that changes its
speed changes all of them.

`held` is the longest time for which another Python thread did not get to run meanwhile.

Usage: python benches/python/payload.py [--rounds N] [--only TEXT] [--json FILE]
"""

from __future__ import annotations

import argparse
import fcntl
import json
import mmap
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from opendxa.dana import Dana, Limits

HERE = Path(__file__).parent
MEGABYTES = 64
PIPE = 1 << 20

Measure = Callable[[], None]

VALUES: dict[str, Callable[[], Any]] = {
    "1 M floats": lambda: [number * 0.5 for number in range(1_000_000)],
    "1 M ints": lambda: [number * 1_000_003 for number in range(1_000_000)],
    f"{MEGABYTES} MB of bytes": lambda: os.urandom(MEGABYTES << 20),
    "dict of 100 k": lambda: {f"key{number}": number * 7 for number in range(100_000)},
    "1.9 M empty lists": lambda: [[] for _ in range(1_900_000)],
    "1 M strings": lambda: [f"item {number}" for number in range(1_000_000)],
}
TARGETS = {
    "1 M floats, in": 40.0,
    "1 M floats, out": 40.0,
    "1 M ints, in": 40.0,
    "1 M ints, out": 40.0,
    "dict of 100 k, in": 20.0,
    "dict of 100 k, out": 30.0,
}


@contextmanager
def raw_pipe() -> Iterator[dict[str, Measure]]:
    """The same bytes to a C program, and from it."""
    size = MEGABYTES << 20
    room = memoryview(bytearray(b"x" * size))
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "pour"
        subprocess.run(["cc", "-O2", "-static", "-o", str(program), str(HERE / "pour.c")], check=True)
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            there, back = process.stdin.fileno(), process.stdout.fileno()
            for end in (there, back):
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PIPE)

            def into(order: bytes) -> None:
                os.write(there, order + size.to_bytes(8, "little"))
                sent = 0
                while sent < size:
                    sent += os.write(there, room[sent:])
                if os.read(back, 1) != order:
                    raise AssertionError("not taken")

            def out(place: Any) -> None:
                os.write(there, b"o" + size.to_bytes(8, "little"))
                come = 0
                with memoryview(place) as view:
                    while come < size:
                        come += os.readv(back, [view[come:]])

            def out_new() -> None:
                with mmap.mmap(-1, size) as place:
                    out(place)

            yield {
                "in": lambda: into(b"i"),
                "out": lambda: out(room),
                "in, new": lambda: into(b"n"),
                "out, new": out_new,
            }
            process.stdin.close()


@contextmanager
def beside() -> Iterator[list[float]]:
    """Another thread that wants to run all the time; tells for how long it did not, at most, in seconds."""
    longest = [0.0]
    stop = threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not stop.is_set():
            time.sleep(0)
            now = time.perf_counter()
            longest[0] = max(longest[0], now - last)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield longest
    finally:
        stop.set()
        thread.join()


def timed(step: Measure) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds over all measures (default 9)")
    parser.add_argument("--only", default="", help="only values with this in their name")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    values = {name: make() for name, make in VALUES.items() if options.only in name}
    samples: dict[str, list[float]] = {}
    held: dict[str, float] = {}
    with ExitStack() as stack:
        limits = Limits(memory=1 << 30)
        session = stack.enter_context(
            Dana(use_subprocess_isolation=True, require_isolation=True, limits=limits)
        )
        raw = stack.enter_context(raw_pipe())
        got: list[Any] = [None]

        def send(value: Any) -> Measure:
            return lambda: session.set("value", value)

        def receive() -> None:
            got[0] = session.get("value")

        for number in range(options.rounds + 1):
            taken = {f"raw, {MEGABYTES} MB {way}": timed(step) for way, step in raw.items()}
            for name, value in values.items():
                taken[f"{name}, in"] = timed(send(value))
                taken[f"{name}, out"] = timed(receive)
                if got[0] != value:
                    raise AssertionError(f"{name} came back changed")
                got[0] = None
                session.set("value", None)
            if number:  # The first round warms up.
                for name, seconds in taken.items():
                    samples.setdefault(name, []).append(seconds)
        for name, value in values.items():
            for way, step in (("in", send(value)), ("out", receive)):
                with beside() as longest:
                    step()
                held[f"{name}, {way}"] = longest[0]
            got[0] = None
            session.set("value", None)
        level = session.isolation.level

    print(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, ", end="")
    print(f"CPython {platform.python_version()}, isolation level {level}")
    print(f"switch interval {sys.getswitchinterval() * 1e3:.0f} ms\n")
    print(f"{'measure':26}{'median ms':>11}{'fastest':>9}{'target':>9}{'x raw':>8}{'x new':>8}{'held ms':>9}")
    figures: dict[str, dict[str, float]] = {}
    for name, seconds in samples.items():
        figure = figures[name] = {"median_ms": statistics.median(seconds) * 1e3}
        row = [f"{figure['median_ms']:11.1f}", f"{min(seconds) * 1e3:9.1f}"]
        row.append(f"{TARGETS[name]:9.0f}" if name in TARGETS else " " * 9)
        for new in ("", ", new"):
            limit = f"raw, {MEGABYTES} MB {name.rpartition(' ')[2]}{new}"
            if f"{MEGABYTES} MB of" in name:
                figure[f"ratio{new}"] = statistics.median(seconds) / statistics.median(samples[limit])
            row.append(f"{figure[f'ratio{new}']:8.2f}" if f"ratio{new}" in figure else " " * 8)
        if name in held:
            figure["held_ms"] = held[name] * 1e3
            row.append(f"{figure['held_ms']:9.1f}")
        print(f"{name:26}" + "".join(row))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
