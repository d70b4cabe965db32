"""Sessions under conditions that cannot be taken back: for tests of what a host can have where.

Run as a program: reads a list of cases as JSON, opens a session for each in a process of its own, and prints
what came of it. A case may refuse system calls by a filter that host and worker inherit, take capabilities
away, change the user, go into a user namespace that knows this user alone, have a /proc of its own with
options, and move into a control group of version 2. Numbers are those of x86-64.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

#: A rule: system call, argument, bits of it or (bits 0) its value, value, error. Argument -1 is any.
Rule = tuple[int, int, int, int, int]

CLONE, PRCTL, MKDIR, MKDIRAT = 56, 157, 83, 258
NEW_NAMESPACES = 0x7E020000


def call(number: int, error: int) -> Rule:
    """Refuse a system call."""
    return (number, -1, 0, 0, error)


def first(number: int, value: int, error: int) -> Rule:
    """Refuse a system call with this first argument."""
    return (number, 0, 0, value, error)


#: What Docker's default profile refuses to a container without CAP_SYS_ADMIN, as far as a lockdown tries it,
#: and the directories of control groups, which are mounted read-only there.
DOCKER: list[Rule] = [
    *(
        call(number, errno.EPERM)
        for number in (
            *(155, 163, 165, 166, 167, 168, 169, 170, 171, 175, 176, 179, 212, 246, 248, 249, 250),
            *(272, 298, 300, 304, 308, 310, 311, 312, 313, 320, 321, 323, 428, 429, 430, 431, 432, 433),
        )
    ),
    (CLONE, 0, NEW_NAMESPACES, 0, errno.EPERM),
    call(435, errno.ENOSYS),  # clone3: its flags are behind a pointer
    call(MKDIR, errno.EROFS),
    call(MKDIRAT, errno.EROFS),
]
#: The capabilities that Docker leaves to root.
DOCKER_CAPABILITIES = 0xA80425FB

_LIBC = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def _instruction(code: int, yes: int, no: int, value: int) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def refuse(rules: list[Rule]) -> None:
    """Load a filter that refuses these and permits the rest."""
    load, equal, bits, leave = 0x20, 0x15, 0x45, 0x06
    code = b""
    for number, argument, mask, value, error in rules:
        code += _instruction(load, 0, 0, 0)
        if argument < 0:
            code += _instruction(equal, 0, 1, number)
        else:
            code += _instruction(equal, 0, 3, number) + _instruction(load, 0, 0, 16 + 8 * argument)
            code += _instruction(bits if mask else equal, 0, 1, mask or value)
        code += _instruction(leave, 0, 0, 0x00050000 | error)
    code += _instruction(leave, 0, 0, 0x7FFF0000)
    program = _Program(len(code) // 8, code)
    if _LIBC.prctl(38, 1, 0, 0, 0) or _LIBC.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "the outer filter")


def keep_capabilities(mask: int) -> None:
    """Give up every other capability, for good."""
    for number in range(64):
        if not mask >> number & 1:
            _LIBC.prctl(24, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    if _LIBC.capset(header, (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)):
        raise OSError(ctypes.get_errno(), "capset")


def in_other_conditions(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Open a session for each case, by running this file as a program."""
    program = str(Path(__file__).resolve())
    done = subprocess.run(
        [sys.executable, program], input=json.dumps(cases), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _leave(flag: int) -> None:
    if _LIBC.unshare(flag):
        raise OSError(ctypes.get_errno(), "unshare")


def mount_proc(options: str) -> None:
    """Have a mount of /proc of one's own."""
    _leave(0x00020000)
    if _LIBC.mount(None, b"/", None, 0x44000, None) or _LIBC.mount(
        b"proc", b"/proc", b"proc", 0, options.encode()
    ):
        raise OSError(ctypes.get_errno(), "mount")


def see_own_group_as_the_top() -> None:
    """Have the view of control groups that a container has."""
    _leave(0x02000000 | 0x00020000)
    if (
        _LIBC.mount(None, b"/", None, 0x44000, None)
        or _LIBC.umount2(b"/sys/fs/cgroup", 2)
        or _LIBC.mount(b"none", b"/sys/fs/cgroup", b"cgroup2", 0, None)
    ):
        raise OSError(ctypes.get_errno(), "mount")


def know_one_user() -> None:
    """Go into a user namespace that knows this user by his number, and nobody else, as other sandboxes do."""
    user, group = os.getuid(), os.getgid()
    _LIBC.prctl(4, 1, 0, 0, 0)
    _leave(0x10000000)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    keep_capabilities(0)


def become(user: int) -> None:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def _open(case: dict[str, Any]) -> dict[str, Any]:
    from opendxa.dana import Dana
    from opendxa.dana.exceptions import DanaError

    if case.get("group"):
        (Path("/sys/fs/cgroup") / case["group"].strip("/") / "cgroup.procs").write_text("0")
    if case.get("own_view"):
        see_own_group_as_the_top()
    if case.get("proc"):
        mount_proc(case["proc"])
    refuse([tuple(rule) for rule in case["rules"]])
    if case.get("capabilities") is not None:
        keep_capabilities(case["capabilities"])
    if case.get("user"):
        become(case["user"])
    if case.get("one_user"):
        know_one_user()
    warnings.simplefilter("ignore")
    try:
        with Dana(echo=False, **case["settings"]) as d:
            report = d.isolation
            return {
                "level": report.level.value,
                "isolated": d.is_subprocess_isolated,
                "answer": d.execute_string("6 * 7").result,
                "missing": {
                    item.name: item.reason for item in report.layers if item.wanted and not item.in_force
                },
                "evidence": {item.name: item.evidence for item in report.layers if item.in_force},
            }
    except DanaError as error:
        return {"error": type(error).__name__, "text": str(error)}


def main() -> None:
    from opendxa.dana import Dana, worker

    # What is loaded late is loaded now: the user of a case may not be allowed to read it.
    for level in ("none", "filtered"):
        with Dana(isolation=level, echo=False) as d:
            d.execute_string("1")
            d.execute_string("1 / 0")
    logging.disable()

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        worker.PATH = shutil.copy(worker.PATH, folder)
        for case in json.load(sys.stdin):
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.write(writer, json.dumps(_open(case)).encode())
                os._exit(0)
            os.close(writer)
            with os.fdopen(reader, "rb") as stream:
                print(stream.read().decode() or '{"error": "the host died"}')
            os.waitpid(child, 0)


if __name__ == "__main__":
    sys.path.pop(0)
    main()
