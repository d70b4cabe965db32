"""What each layer of the sandbox stops, in a few words, as SECURITY.md tells it at length."""

from __future__ import annotations

from typing import Final

__all__ = ["ADDS", "STOPS"]

#: What each level of isolation adds to the one before.
ADDS: Final = {
    "process": "a process of its own; this alone is not called isolated",
    "filtered": "only the system calls that computing needs, no privileges, limits",
    "landlocked": "files, ports and signals refused a second time (the default)",
    "namespaced": "an empty root directory, no network, one user",
    "contained": "a control group, a user or a process namespace of its own",
}
STOPS: Final = {
    "process": "sharing memory with the host",
    "threads": "a second thread that a layer would miss",
    "fds": "descriptors that the host forgot to close",
    "environment": "keys in variables",
    "session": "the terminal, inherited signal settings",
    "own_user": "files and processes of the host's user",
    "user_namespace": "privileges towards anything outside",
    "uts_namespace": "the host's name",
    "ipc_namespace": "shared memory and queues of others",
    "cgroup_namespace": "the names of control groups",
    "net_namespace": "the network, a third time",
    "mount_namespace": "paths: there is an empty directory",
    "pid_namespace": "the numbers of other processes",
    "securebits": "capabilities for user id 0",
    "bounding_set": "capabilities gained by exec",
    "capabilities": "every privilege of root",
    "dumpable": "tracing, reading memory, core dumps",
    "no_new_privs": "gaining privileges by exec",
    "mdwe": "memory that becomes executable",
    "huge_pages": "more memory than was asked for",
    "speculation": "leaks by speculation (an option)",
    "landlock": "files, ports, signals, sockets",
    "cgroup": "memory that nothing else counts",
    "rlimits": "memory, time and files without bound",
    "seccomp": "every system call but a few",
}
