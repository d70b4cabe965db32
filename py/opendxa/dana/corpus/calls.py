"""System calls forced into a locked worker: whatever is not in its table ends it, at once.

Rule: a call that comes back, with whatever error, has got through; only the few of `ALLOWED` may.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from .filter import EXPECTED_GLIBC, explore, reachable
from .numbers import NUMBERS
from .row import GotThroughError, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .ground import Fate, Ground

__all__ = ["ROWS"]

KILLED = ("killed", int(signal.SIGSYS))
WRONG = [-1] * 6
ARGUMENTS = ([0] * 6, WRONG, [1, 2, 3, 4, 5, 6])
CANARY = (0xDA7A, 0xDA7)
ANONYMOUS = 0x22  # MAP_PRIVATE | MAP_ANONYMOUS

Call = tuple[int, "Sequence[int]"]


def _killed(ground: Ground, calls: Iterable[Call], gate: str = "syscall") -> str:
    tried = 0
    for number, arguments in calls:
        _expect(ground.force(number, arguments, gate), KILLED, f"call {number:#x} {list(arguments)}")
        tried += 1
    return f"{tried} calls, each killed by SIGSYS"


def _expect(fate: Fate, wanted: Fate, what: str) -> None:
    if fate != wanted:
        raise GotThroughError(f"{what}: {fate[0]} {fate[1]}, expected {wanted[0]} {wanted[1]}")


def _named(names: str) -> list[Call]:
    return [(NUMBERS[name], arguments) for name in names.split() for arguments in ARGUMENTS]


def _all_of(names: str, *special: Call) -> Callable[[Ground], str]:
    return lambda ground: _killed(ground, [*special, *_named(names)])


# --- The table itself ------------------------------------------------------------------------------------


def _every_number(ground: Ground) -> str:
    returned = {NUMBERS["munmap"]: ("returned", -22), NUMBERS["exit_group"]: ("exited", 255)}
    returned[NUMBERS["rt_sigprocmask"]] = ("returned", -1)
    # Newer kernels let two numbers past every filter, for trampolines of their own: see SECURITY.md.
    # The first of them kills; a traced worker that is the first process of its namespace only sees it fail.
    trampolines = {335: [("killed", int(signal.SIGILL)), ("returned", -1)], 336: [("returned", -6)]}
    glibc = _is_of_glibc(ground)
    for number in range(600):
        fate = ground.force(number, WRONG)
        if fate in trampolines.get(number, []):
            continue
        if glibc and number in (NUMBERS["getpid"], NUMBERS["gettid"]) and fate[0] == "returned":
            continue
        _expect(fate, returned.get(number, KILLED), f"call {number} with wrong arguments")
    return f"600 numbers, killed by SIGSYS but {len(returned)} of the table and the kernel's own trampolines"


def _is_of_glibc(ground: Ground) -> bool:
    pid, program = ground.filter()
    return reachable(explore(program)[0], pid) == EXPECTED_GLIBC


def _perturbed(ground: Ground) -> str:
    page = 4096
    mapping = [0, page, 3, ANONYMOUS, -1, 0]
    limited = [
        ("read", [0, 0, 0], [0]),
        ("write", [1, 0, 0], [0]),
        ("mmap", mapping, [0, 2, 3]),
        ("mremap", [0, page, page, 1], [3]),
    ]
    calls: list[Call] = []
    for name, arguments, rules in limited:
        fate = ground.force(NUMBERS[name], arguments)
        if fate[0] != "returned":
            raise GotThroughError(f"{name} with the right arguments: {fate}")
        for index in rules:
            for change in (4, 5, 6, 7, 8, 0x10, 0x20, 0x40, 1 << 20, 1 << 31, (1 << 64) - 1):
                changed = list(arguments)
                changed[index] ^= change
                calls.append((NUMBERS[name], changed))
            for high in (1 << 32, 1 << 33, 1 << 63):
                changed = list(arguments)
                changed[index] |= high
                calls.append((NUMBERS[name], changed))
    return _killed(ground, calls)


def _int80(ground: Ground) -> str:
    numbers = (0, 1, 3, 4, 5, 11, 20, 90, 102, 120, 192, 252, 359)
    return _killed(ground, [(number, [0] * 6) for number in numbers], "int80")


def _x32(ground: Ground) -> str:
    return _killed(ground, [(0x40000000 + number, [0] * 6) for number in (*range(64), *range(512, 548))])


def _odd_numbers(ground: Ground) -> str:
    odd = (511, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, (1 << 32) + 511, (1 << 32) + NUMBERS["getppid"])
    return _killed(ground, [(number, [0] * 6) for number in odd])


def _vsyscall(ground: Ground) -> str:
    fates: dict[str, None] = {}
    for entry in (0, 0x400, 0x800):
        fate = ground.force(0, (), f"vsyscall:{0xFFFFFFFFFF600000 + entry:x}")
        if fate not in (KILLED, ("killed", int(signal.SIGSEGV))):
            raise GotThroughError(f"vsyscall {entry:#x}: {fate}")
        fates[signal.Signals(fate[1]).name] = None
    return f"3 calls, killed by {', '.join(fates)}"


def _canary(ground: Ground) -> str:
    _expect(ground.force(CANARY[0]), ("returned", -CANARY[1]), "the canary")
    return f"error {CANARY[1]}, which no system call has"


# --- Memory ----------------------------------------------------------------------------------------------


def _executable(ground: Ground) -> str:
    mmap = NUMBERS["mmap"]
    calls: list[Call] = [(mmap, [0, 4096, protection, ANONYMOUS, -1, 0]) for protection in (7, 5, 4, 6)]
    return _killed(ground, [*calls, *_named("mprotect pkey_mprotect")])


def _placed(ground: Ground) -> str:
    mmap, fixed = NUMBERS["mmap"], ANONYMOUS | 0x10
    calls: list[Call] = [
        (mmap, [0, 4096, 3, fixed, -1, 0]),
        (mmap, [0x400000, 4096, 3, fixed, -1, 0]),
        (mmap, [0, 4096, 3, 0x21, -1, 0]),  # shared
        (mmap, [0, 4096, 3, 0x02, 0, 0]),  # of a descriptor
        (mmap, [0, 1 << 21, 3, ANONYMOUS | 0x40000, -1, 0]),  # huge pages
        (mmap, [0, 4096, 0x1000003, ANONYMOUS, -1, 0]),  # grows down
        (mmap, [0, 4096, 3, ANONYMOUS | 0x100, -1, 0]),
        (mmap, [0, 4096, 3, ANONYMOUS | 0x2000, -1, 0]),  # locked
    ]
    return _killed(ground, [*calls, *_named("madvise mlock mlockall remap_file_pages brk")])


def _terabyte(ground: Ground) -> str:
    without_access = ground.force(NUMBERS["mmap"], [0, 1 << 40, 0, ANONYMOUS, -1, 0])
    _expect(without_access, KILLED, "a terabyte without access")
    _expect(ground.force(NUMBERS["mmap"], [0, 1 << 40, 3, ANONYMOUS, -1, 0]), ("returned", -12), "a terabyte")
    return "ENOMEM; killed by SIGSYS when asked for without access"


# --- Network and processes -------------------------------------------------------------------------------


def _sockets(ground: Ground) -> str:
    socket = NUMBERS["socket"]
    return _killed(ground, [(socket, [family, kind, 0]) for family in range(48) for kind in (1, 2, 3, 5, 10)])


def _signals(ground: Ground) -> str:
    host = os.getpid()
    kill, tkill, tgkill = NUMBERS["kill"], NUMBERS["tkill"], NUMBERS["tgkill"]
    calls: list[Call] = [
        (kill, [host, 0]),
        (kill, [host, 9]),
        (kill, [-1, 0]),
        (kill, [0, 9]),
        (tkill, [host, 6]),
        (tgkill, [host, host, 6]),
    ]
    seen = _killed(ground, calls)
    first = ground.force_with(lambda pid: (tkill, [1 if pid != 1 else 2, 6]))
    _expect(first, KILLED, "tkill of another process")
    for number in (0, 1, 2, 9, 10, 11, 15, 19, 31, 64):
        fate = ground.force_with(lambda pid, number=number: (tkill, [pid, number]))
        _expect(fate, KILLED, f"tkill to itself with signal {number}")
    return f"{seen}; so are 10 signals to itself other than SIGABRT"


def _tracing(ground: Ground) -> str:
    host, ptrace = os.getpid(), NUMBERS["ptrace"]
    with ground.session() as sibling:
        other = ground.pid_of(sibling)
        calls: list[Call] = [
            (ptrace, [0]),
            *((ptrace, [way, pid]) for way in (16, 0x4206) for pid in (host, other)),
        ]
        return _killed(ground, calls)


def _host_limits(ground: Ground) -> str:
    prlimit = NUMBERS["prlimit64"]
    return _killed(
        ground, [(prlimit, [os.getpid(), 7, 0, 0]), (prlimit, [0, 9, 0, 0]), *_named("setrlimit getrlimit")]
    )


def _owner_signals(ground: Ground) -> str:
    fcntl = NUMBERS["fcntl"]
    return _killed(ground, [(fcntl, [0, 8, os.getpid()]), (fcntl, [0, 10, 9]), (fcntl, [0, 4, 0o20000])])


def _pipe_size(ground: Ground) -> str:
    return _killed(ground, [(NUMBERS["fcntl"], [fd, 1031, 1 << 20]) for fd in range(3)])


def _wrong_ends(ground: Ground) -> str:
    special: list[Call] = [
        (NUMBERS["write"], [0, 0, 0]),
        (NUMBERS["read"], [1, 0, 0]),
        (NUMBERS["read"], [2, 0, 0]),
    ]
    others = _named("ioctl dup dup2 dup3 close close_range lseek flock fsync sync")
    vectored = _named("readv writev pread64 pwrite64 preadv2 pwritev2")
    return _killed(ground, [*special, *others, *vectored])


KILL = "killed by SIGSYS"

ROWS = (
    Row(
        1,
        "every_system_call_number",
        "syscall",
        "every number 0 to 599 with arguments that no rule accepts",
        "killed by SIGSYS, but for the table",
        _every_number,
    ),
    Row(
        3,
        "perturbed_arguments",
        "syscall",
        "each limited argument changed a little, and in its high half",
        KILL,
        _perturbed,
    ),
    Row(
        4,
        "the_32_bit_gate",
        "syscall",
        "i386 calls through int 0x80: open, getpid, socketcall and others",
        KILL,
        _int80,
    ),
    Row(5, "x32_numbers", "syscall", "x32 numbers, 0x40000000 and above", KILL, _x32),
    Row(6, "odd_numbers", "syscall", "negative and huge numbers, 2^32 + getppid", KILL, _odd_numbers),
    Row(
        7,
        "the_vsyscall_page",
        "syscall",
        "calls through the legacy vsyscall page",
        "killed (SIGSEGV where the kernel has no such page)",
        _vsyscall,
    ),
    Row(
        9,
        "processes_threads_and_programs",
        "syscall",
        "clone3, fork, vfork, clone, execve, execveat",
        KILL,
        _all_of("fork vfork clone clone3 execve execveat set_tid_address set_robust_list rseq"),
    ),
    Row(
        10,
        "another_filter",
        "syscall",
        "seccomp, prctl, arch_prctl",
        KILL,
        _all_of("seccomp prctl arch_prctl"),
    ),
    Row(
        11,
        "io_uring_and_aio",
        "syscall",
        "io_uring_setup, enter, register; io_setup, io_submit",
        KILL,
        _all_of("io_uring_setup io_uring_enter io_uring_register io_setup io_submit"),
    ),
    Row(
        12,
        "kernel_machinery",
        "syscall",
        "userfaultfd, bpf, perf, keys, modify_ldt, membarrier, landlock",
        KILL,
        _all_of(
            "userfaultfd bpf perf_event_open keyctl add_key request_key modify_ldt membarrier "
            "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
        ),
    ),
    Row(13, "the_canary", "syscall", "the number that only this filter answers", "its own error", _canary),
    Row(23, "executable_memory", "memory", "mmap and mprotect with execution", KILL, _executable),
    Row(
        24,
        "placed_and_shared_memory",
        "memory",
        "mmap at 0, over the code, shared, huge, growing, locked",
        KILL,
        _placed,
    ),
    Row(25, "a_terabyte_of_address_space", "memory", "reserve 1 TiB", "ENOMEM", _terabyte),
    Row(
        34,
        "scheduling",
        "cpu",
        "real-time scheduling, priorities, affinity",
        KILL,
        _all_of("sched_setscheduler sched_setattr sched_setaffinity sched_yield setpriority ioprio_set"),
    ),
    Row(
        35,
        "opening_files",
        "files",
        "open /etc/passwd, the home directory, the package",
        KILL,
        _all_of("open openat creat access readlink stat lstat"),
    ),
    Row(
        36,
        "files_by_newer_calls",
        "files",
        "openat2, handles, statx, getdents",
        KILL,
        _all_of(
            "openat2 open_by_handle_at name_to_handle_at statx getdents getdents64 newfstatat faccessat2"
        ),
    ),
    Row(
        37,
        "creating_files",
        "files",
        "create, link, rename, remove; memfd_create, mknod",
        KILL,
        _all_of(
            "memfd_create memfd_secret mknod mknodat mkdir mkdirat link linkat symlink rename renameat2 "
            "unlink unlinkat truncate ftruncate chmod fchmod chown utimensat setxattr"
        ),
    ),
    Row(
        38,
        "changing_the_file_system",
        "files",
        "chdir, chroot, pivot_root, mount and the newer mount calls",
        KILL,
        _all_of(
            "chdir fchdir chroot pivot_root mount umount2 fsopen fsmount fsconfig open_tree move_mount "
            "mount_setattr"
        ),
    ),
    Row(
        42,
        "looking_at_the_file_system",
        "files",
        "inotify, fanotify, statfs, sysinfo, uname, syslog",
        KILL,
        _all_of(
            "inotify_init1 inotify_add_watch fanotify_init statfs fstatfs sysinfo uname syslog quotactl "
            "lookup_dcookie getcwd"
        ),
    ),
    Row(43, "sockets_of_every_family", "network", "socket() of 48 families and 5 types", KILL, _sockets),
    Row(
        44,
        "sending_without_connecting",
        "network",
        "sendto with fast open, UDP, netlink, and the like",
        KILL,
        _all_of("sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg connect bind listen accept accept4"),
    ),
    Row(
        47,
        "metadata_and_names",
        "network",
        "reach the metadata address or a name server: no socket at all",
        KILL,
        _all_of(
            "",
            (NUMBERS["socket"], [2, 1, 6]),
            (NUMBERS["socket"], [2, 2, 17]),
            (NUMBERS["socket"], [10, 2, 17]),
            (NUMBERS["connect"], [0, 0, 16]),
            (NUMBERS["connect"], [1, 0, 16]),
        ),
    ),
    Row(
        48,
        "local_sockets",
        "network",
        "abstract sockets, D-Bus, docker.sock",
        KILL,
        _all_of(
            "socketpair getsockopt setsockopt getsockname getpeername shutdown",
            (NUMBERS["socket"], [1, 1, 0]),
            (NUMBERS["connect"], [0, 0, 110]),
        ),
    ),
    Row(
        49,
        "signals_to_the_host",
        "process",
        "kill the host, everybody, the group; tkill, tgkill; to itself",
        KILL,
        _signals,
    ),
    Row(
        50,
        "process_descriptors_and_memory",
        "process",
        "pidfd_*, process_vm_*, process_madvise, kcmp",
        KILL,
        _all_of(
            "pidfd_open pidfd_getfd pidfd_send_signal process_vm_readv process_vm_writev process_madvise "
            "kcmp process_mrelease"
        ),
    ),
    Row(
        51,
        "tracing_others",
        "process",
        "ptrace: be traced, attach to the host and to a sibling",
        KILL,
        _tracing,
    ),
    Row(
        53, "limits_of_the_host", "process", "prlimit of the host, its own limits raised", KILL, _host_limits
    ),
    Row(54, "signals_by_descriptor", "process", "F_SETOWN, F_SETSIG, O_ASYNC", KILL, _owner_signals),
    Row(
        55,
        "signals_by_timer",
        "process",
        "timer_create, setitimer, rt_sigqueueinfo",
        KILL,
        _all_of(
            "timer_create timer_settime setitimer alarm rt_sigqueueinfo rt_tgsigqueueinfo timerfd_create"
        ),
    ),
    Row(
        56,
        "namespaces_of_its_own",
        "process",
        "unshare, setns, clone with new namespaces",
        KILL,
        _all_of(
            "unshare setns", (NUMBERS["clone"], [0x10000000, 0, 0, 0, 0]), (NUMBERS["unshare"], [0x10000000])
        ),
    ),
    Row(
        59,
        "signal_handlers",
        "process",
        "sigaction, sigreturn, sigaltstack, waiting, sleeping",
        KILL,
        _all_of(
            "rt_sigaction rt_sigreturn rt_sigsuspend sigaltstack wait4 waitid setpgid setsid getppid pause "
            "nanosleep clock_nanosleep futex restart_syscall"
        ),
    ),
    Row(
        60,
        "proc_of_processes",
        "/proc",
        "open self/mem, environ, maps, the host's files there",
        KILL,
        _all_of(
            "",
            *(
                (NUMBERS[name], [at, 0, flags, 0])
                for name in ("openat", "openat2", "open")
                for at in (-100, 0, 3)
                for flags in (0, 2)
            ),
        ),
    ),
    Row(
        61,
        "proc_of_the_kernel",
        "/proc",
        "open kallsyms, kcore, sysrq-trigger, core_pattern; sysctl",
        KILL,
        _all_of("_sysctl", *((NUMBERS["openat"], [-100, 0, flags, 0o600]) for flags in (0, 1, 2, 0o2000000))),
    ),
    Row(
        64,
        "user_ids_and_capabilities",
        "privilege",
        "setuid(0), setgroups, capset, personality",
        KILL,
        _all_of(
            "setuid setgid setreuid setresuid setresgid setgroups setfsuid setfsgid capset capget personality"
        ),
    ),
    Row(
        66,
        "settings_of_the_process",
        "privilege",
        "set dumpable, clear the death signal, become a reaper",
        KILL,
        _all_of(
            "",
            *(
                (NUMBERS["prctl"], [option, value])
                for option, value in (
                    (4, 1),
                    (1, 0),
                    (36, 1),
                    (22, 0),
                    (38, 0),
                    (8, 1),
                    (28, 0),
                    (47, 2),
                    (65, 0),
                )
            ),
        ),
    ),
    Row(
        67,
        "the_machine",
        "privilege",
        "ports, modules, kexec, reboot, swap, clock, host name",
        KILL,
        _all_of(
            "iopl ioperm init_module finit_module delete_module kexec_load kexec_file_load reboot acct "
            "swapon swapoff settimeofday clock_settime adjtimex sethostname setdomainname vhangup umask"
        ),
    ),
    Row(
        68,
        "channels",
        "ipc",
        "SysV and POSIX queues, shared memory, eventfd, epoll, pipe, splice",
        KILL,
        _all_of(
            "shmget shmat shmctl msgget msgsnd semget semop mq_open eventfd2 epoll_create1 epoll_ctl "
            "signalfd4 pipe pipe2 splice vmsplice tee sendfile copy_file_range poll ppoll select pselect6"
        ),
    ),
    Row(69, "larger_pipes", "ipc", "F_SETPIPE_SZ to 1 MiB", KILL, _pipe_size),
    Row(
        71,
        "descriptors_used_the_wrong_way",
        "fds",
        "write to 0, read from 1, ioctl, dup, close",
        KILL,
        _wrong_ends,
    ),
)
