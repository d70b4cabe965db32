"""The rows of the corpus that have no test in this directory: tested elsewhere, or not, with the reason."""

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

#: number, attack, why
NOT_COVERED: list[tuple[int, str, str]] = [
    (
        120,
        "free-threaded and debug builds of CPython; sanitizers on the bridge",
        "the extension is built for the stable ABI, which free-threaded builds do not load; "
        "the fuzz targets run the decoders under AddressSanitizer",
    ),
]
