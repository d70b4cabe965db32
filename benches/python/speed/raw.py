"""The raw limits: what CPython and the kernel take when the other end does nothing but pass bytes."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
#: Bytes a pipe may hold, the most that a plain user may set.
PIPE = 1 << 20


def build(name: str, folder: Path) -> Path:
    """Compile one of the C programs beside this file, statically and with the system's C library."""
    program = folder / name
    source = HERE / f"{name}.c"
    subprocess.run(["cc", "-O2", "-static", "-o", str(program), str(source)], check=True)
    return program


class Ends(NamedTuple):
    """Descriptors that lead to a process and from it."""

    there: int
    back: int
    pid: int


@contextmanager
def pipes(program: Path) -> Iterator[Ends]:
    """Start a program with pipes to it and from it."""
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Ends(process.stdin.fileno(), process.stdout.fileno(), process.pid)
        finally:
            process.kill()  # closing is not enough: forked processes of pools hold the pipe open


def ping_pong(there: int, back: int) -> Callable[[], None]:
    """One byte there and back through two pipes, the GIL given up for each system call, as CPython does."""

    def round_trip() -> None:
        os.write(there, b"x")
        if os.read(back, 16) != b"x":
            raise AssertionError("the echo did not come back")

    return round_trip


def echoing(ends: Ends) -> Callable[[], None]:
    """Do the ping-pong with a process."""
    return ping_pong(ends.there, ends.back)


def spawn_and_wait(command: list[str]) -> Callable[[], None]:
    """A program whose standard input is empty, so that it ends at once: spawned and waited for."""
    empty = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]

    def step() -> None:
        process = os.posix_spawn(command[0], command, {}, file_actions=empty)
        if os.waitpid(process, 0)[1] != 0:
            raise AssertionError("the program failed")

    return step


class Copier:
    """Bytes to and from `copy.c`, through pipes of 1 MiB."""

    def __init__(self, ends: Ends) -> None:
        self.there, self.back = ends.there, ends.back
        for descriptor in (ends.there, ends.back):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE)

    def _send(self, command: bytes, length: int, data: bytes = b"") -> None:
        rest = [struct.pack("<cQ", command, length), data]
        while rest:
            sent = os.writev(self.there, rest)
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if rest:
                rest[0] = memoryview(rest[0])[sent:]  # type: ignore[call-overload]

    def _receive(self, into: bytearray) -> None:
        room = memoryview(into)
        while room:
            room = room[os.readv(self.back, [room]) :]

    def send(self, data: bytes, command: bytes = b"n") -> None:
        """Send bytes and wait until they are there: in new memory (n) or in memory used before (k)."""
        self._send(command, len(data), data)
        if os.read(self.back, 1) != b"!":
            raise AssertionError("the bytes did not arrive")

    def receive(self, length: int, into: bytearray | None = None) -> bytearray:
        """Fetch so many bytes, into new memory unless there is some."""
        received = bytearray(length) if into is None else into
        self._send(b"o", length)
        self._receive(received)
        return received

    def echo(self, data: bytes) -> bytearray:
        """Send bytes and take the same back, in new memory on both sides."""
        self._send(b"e", len(data), data)
        received = bytearray(len(data))
        self._receive(received)
        return received
