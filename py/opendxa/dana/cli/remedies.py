"""What to do about a layer that is missing."""

from __future__ import annotations

__all__ = ["remedy"]

_NAMESPACES = (
    "user namespaces: sysctl user.max_user_namespaces and, on Ubuntu, "
    "kernel.apparmor_restrict_unprivileged_userns=0; "
    "in Docker --security-opt seccomp=unconfined (or a profile that allows unshare) and apparmor=unconfined"
)
_REMEDIES = {
    "user_namespace": _NAMESPACES,
    "uts_namespace": _NAMESPACES,
    "ipc_namespace": _NAMESPACES,
    "cgroup_namespace": _NAMESPACES,
    "net_namespace": _NAMESPACES,
    "mount_namespace": _NAMESPACES,
    "pid_namespace": "start the host as root with CAP_SYS_ADMIN and ask for the level contained",
    "own_user": "start the host as root with CAP_SETUID and CAP_SETGID (Docker's default set has both)",
    "cgroup": "give the host a delegated control group: systemd-run --user --scope -p Delegate=yes, or in "
    "Docker a writable /sys/fs/cgroup (--privileged, or --cgroupns=private with the mount made writable)",
    "securebits": "needs CAP_SETPCAP: start the host as root; a plain user has nothing to lock",
    "bounding_set": "needs CAP_SETPCAP: start the host as root; a plain user has nothing to drop",
    "mdwe": "Linux 6.3 or later",
    "huge_pages": "Linux 3.15 or later with CONFIG_TRANSPARENT_HUGEPAGE",
    "speculation": "an option, off for its price: Dana(harden_speculation=True)",
    "landlock": "Linux 5.13 or later with landlock in /sys/kernel/security/lsm (boot with lsm=landlock,...); "
    "in Docker a seccomp profile of 2021 or later",
    "seccomp": "Linux 5.9 or later with CONFIG_SECCOMP_FILTER",
    "dumpable": "mount /proc without hidepid, or with gid= of a group of the host",
}


def remedy(layer: str) -> str:
    """Return what helps when this layer is missing; empty when nothing is known to."""
    return _REMEDIES.get(layer, "")
