"""The rows of the corpus without a test in this directory, and the parts of rows without any test."""

from __future__ import annotations

#: number, class, attack, expected, where
COVERED_ELSEWHERE = [
    (
        39,
        "files",
        "files, ports, signals and sockets with Landlock alone, without the filter",
        "refused by Landlock",
        "dana-worker/tests/landlock.rs",
    ),
    (
        100,
        "supervisor",
        "each step of the lockdown made to fail, or to seem to work",
        "no code runs, or exactly that layer is reported as missing",
        "dana-worker/tests/degraded.rs",
    ),
    (
        123,
        "honesty",
        "under Docker's default profile, as root and as nobody",
        "landlocked; namespaces refused and reported as missing",
        "tests/python/test_walls.py::test_under_dockers_profile",
    ),
]

#: number, part of its attack, why
NOT_COVERED: list[tuple[int, str, str]] = [
    (
        120,
        "free-threaded builds of CPython",
        "they do not load extensions of the stable ABI, and Debian 12 and 13 have none to test with",
    ),
    (
        120,
        "sanitizers on the whole extension",
        "the fuzz target of the host's decoder runs under AddressSanitizer; the extension's own `unsafe` is "
        "in one file and makes system calls, which Miri does not know",
    ),
]
