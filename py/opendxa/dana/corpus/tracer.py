"""Forces system calls into another process from outside, as root: what whoever takes over a worker could do.

A program of its own, run by `captive.py`, because tracing belongs to one thread and its waits would take the
statuses that the host waits for. Reads one JSON order a line, answers with one JSON line. x86-64 only.
Rule: standard library only, and nothing of the product: what is attacked carries no hook.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import sys
import time
from pathlib import Path
from typing import Any

ATTACH, DETACH, POKE, GET_REGISTERS, SET_REGISTERS, STEP, CONTINUE = 16, 17, 4, 12, 13, 9, 7
GET_FILTER = 0x420C  # linux/ptrace.h
#: Longest wait for a worker to stand in its read.
PATIENCE = 10.0
INT80 = 0x80CD
ALL = (1 << 64) - 1


NAMES = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
)  # fmt: skip


class Registers(ctypes.Structure):
    """`struct user_regs_struct` of x86-64."""

    _fields_ = [(name, ctypes.c_ulonglong) for name in NAMES]


class Instruction(ctypes.Structure):
    """`struct sock_filter`."""

    _fields_ = [
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    ]


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.restype = ctypes.c_long
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request: int, pid: int, address: int = 0, data: Any = 0) -> int:
    result = int(_LIBC.ptrace(request, pid, address, data))
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


class Captive:
    """A process that was stopped in its read of descriptor 0."""

    def __init__(self, pid: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while not Path(f"/proc/{pid}/syscall").read_text().startswith("0 "):
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {pid} does not stand in a read")
            os.sched_yield()
        self.pid = pid
        _ptrace(ATTACH, pid)
        os.waitpid(pid, 0x40000000)  # __WALL
        self.calm: Registers = Registers()
        _ptrace(GET_REGISTERS, pid, 0, ctypes.addressof(self.calm))

    def call(self, number: int, arguments: list[int], gate: str) -> dict[str, Any]:
        """Make one call; tell what came of it."""
        registers = Registers.from_buffer_copy(self.calm)
        registers.orig_rax = ALL  # nothing to restart
        registers.rax = number & ALL
        given = [argument & ALL for argument in arguments]
        if gate == "int80":
            _ptrace(POKE, self.pid, self.calm.rip, INT80)
            names = ("rbx", "rcx", "rdx", "rsi", "rdi", "rbp")
        else:
            names = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
            registers.rip = self.calm.rip - 2
        for name, value in zip(names, given, strict=True):
            setattr(registers, name, value)
        if gate.startswith("vsyscall"):
            registers.rsp = self.calm.rsp - 256
            _ptrace(POKE, self.pid, registers.rsp, self.calm.rip)
            registers.rip = int(gate.partition(":")[2], 16)
        _ptrace(SET_REGISTERS, self.pid, 0, ctypes.addressof(registers))
        return self._go(STEP)

    def _go(self, request: int) -> dict[str, Any]:
        """Let it run one instruction, or to its end once a signal has come."""
        sent = 0
        while True:
            _ptrace(request, self.pid, 0, sent)
            _, status = os.waitpid(self.pid, 0x40000000)
            if os.WIFSIGNALED(status):
                return {"fate": "killed", "value": os.WTERMSIG(status)}
            if os.WIFEXITED(status):
                return {"fate": "exited", "value": os.WEXITSTATUS(status)}
            stopped = os.WSTOPSIG(status)
            if stopped == signal.SIGTRAP:
                registers = Registers()
                _ptrace(GET_REGISTERS, self.pid, 0, ctypes.addressof(registers))
                return {"fate": "returned", "value": ctypes.c_longlong(registers.rax).value}
            request, sent = CONTINUE, stopped

    def filter(self) -> list[list[int]]:
        """Return the newest filter, as the kernel holds it."""
        code = (Instruction * _ptrace(GET_FILTER, self.pid, 0, 0))()
        _ptrace(GET_FILTER, self.pid, 0, ctypes.addressof(code))
        return [[step.code, step.jt, step.jf, step.k] for step in code]

    def end(self) -> None:
        """Kill it; its parent hears of it."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0x40000000)
        except (ProcessLookupError, ChildProcessError):
            return  # it is gone


def obey(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order."""
    captive = Captive(order["pid"])
    try:
        if order["do"] == "filter":
            return {"filter": captive.filter()}
        return captive.call(order["number"], order["arguments"], order["gate"])
    finally:
        captive.end()


def main() -> None:
    """Obey until there are no more orders."""
    if platform.machine() != "x86_64":
        sys.exit("forcing system calls is written for x86-64")
    for line in sys.stdin:
        try:
            told = obey(json.loads(line))
        except OSError as error:
            told = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
