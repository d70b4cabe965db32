"""The filter as the kernel holds it, followed along every path: what it lets through, exactly.

Rule: the expected table stands here a second time, on its own: a worker that lets more through than this,
whatever its own table holds, has failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .row import GotThroughError, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ground import Ground

__all__ = ["EXPECTED", "EXPECTED_GLIBC", "ROWS", "Path", "explore", "reachable"]

LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
X86_64 = 0xC000003E
MOST = 0xFFFFFFFF

#: What a worker may call, by number: verdict and, for each limited argument, what it may be.
EXPECTED = {
    0: "allow arg0=0",
    1: "allow arg0=1 | arg0=2",
    9: "allow arg0=0 arg2=3 arg3=34",
    11: "allow",
    14: "fail 1",
    25: "allow arg3=1",
    200: "allow arg0=pid arg1=6",
    231: "allow",
    55930: "fail 3495",
}
#: tkill and tgkill, whose argument may be the worker's own process id.
ABORTS = (200, 234)
#: The same for a worker that was built against glibc: another way to abort.
EXPECTED_GLIBC = {
    **{number: verdict for number, verdict in EXPECTED.items() if number != 200},
    39: "allow",
    186: "allow",
    234: "allow arg0=pid arg1=pid arg2=6",
}


class Known(NamedTuple):
    """What is known of one word on a path: a range, less some values."""

    low: int = 0
    high: int = MOST
    but: frozenset[int] = frozenset()

    @property
    def possible(self) -> bool:
        """Whether any value is left."""
        width = self.high - self.low + 1
        return width > 0 and sum(self.low <= value <= self.high for value in self.but) < width


class Path(NamedTuple):
    """One way through the program."""

    known: dict[int, Known]
    verdict: int

    def exactly(self, word: int) -> int | None:
        """Return the value of a word, if only one is possible."""
        known = self.known.get(word, Known())
        return known.low if known.low == known.high else None


def explore(program: list[list[int]]) -> tuple[list[Path], set[int]]:
    """Return all feasible paths, and which instructions they reach."""
    paths: list[Path] = []
    visited: set[int] = set()
    pending: list[tuple[int, int | None, dict[int, Known]]] = [(0, None, {})]
    while pending:
        at, loaded, known = pending.pop()
        visited.add(at)
        code, if_true, if_false, value = program[at]
        if code == LOAD:
            pending.append((at + 1, value, known))
        elif code == RETURN:
            paths.append(Path(known, value))
        elif code in (EQUAL, AT_LEAST) and loaded is not None:
            for skip, now in zip(
                (if_true, if_false), _split(known.get(loaded, Known()), code, value), strict=True
            ):
                if now.possible:
                    pending.append((at + 1 + skip, loaded, {**known, loaded: now}))
        else:
            raise GotThroughError(f"instruction {at} of the filter is not understood: code {code:#x}")
    return paths, visited


def _split(word: Known, code: int, value: int) -> tuple[Known, Known]:
    if code == EQUAL:
        fits = word.low <= value <= word.high and value not in word.but
        return Known(value, value) if fits else Known(1, 0), word._replace(but=word.but | {value})
    return word._replace(low=max(word.low, value)), word._replace(high=min(word.high, value - 1))


def reachable(paths: list[Path], pid: int) -> dict[int, str]:
    """Describe what the paths let through, in the words of `EXPECTED`."""
    found: dict[int, set[str]] = {}
    for path in paths:
        if path.verdict == KILL_PROCESS:
            continue
        number = path.exactly(NUMBER)
        if number is None:
            raise GotThroughError("a path lets more than one number through")
        if path.verdict & 0xFFFF0000 == ERRNO:
            found.setdefault(number, set()).add(f"fail {path.verdict & 0xFFFF}")
        elif path.verdict == ALLOW:
            # Elsewhere an argument that is as small as a process id in its own namespace is just a number.
            own = pid if number in ABORTS else -1
            found.setdefault(number, set()).add(" ".join(_limits(path, own)))
        else:
            raise GotThroughError(f"call {number} has the verdict {path.verdict:#x}")
    return {number: _described(ways) for number, ways in sorted(found.items())}


def _described(ways: set[str]) -> str:
    if any(way.startswith("fail") for way in ways):
        return " | ".join(sorted(ways))
    return f"allow {' | '.join(sorted(ways))}".strip()


def _limits(path: Path, pid: int) -> Iterator[str]:
    for index in range(6):
        low, high = (path.exactly(ARGUMENTS + 8 * index + half) for half in (0, 4))
        if low is not None and high == 0:
            yield f"arg{index}={'pid' if low == pid else low}"
        elif ARGUMENTS + 8 * index in path.known:
            yield f"arg{index} in part"


def _golden(ground: Ground) -> str:
    pid, program = ground.filter()
    found = reachable(explore(program)[0], pid)
    if found not in (EXPECTED, EXPECTED_GLIBC):
        difference = {number: (found.get(number), EXPECTED.get(number)) for number in {*found, *EXPECTED}}
        told = "; ".join(
            f"{number}: {has}, expected {wanted}"
            for number, (has, wanted) in difference.items()
            if has != wanted
        )
        raise GotThroughError(f"the filter lets through what it must not: {told}")
    allowed = sum(verdict.startswith("allow") for verdict in found.values())
    limited = sum("=" in verdict for verdict in found.values())
    return f"{allowed} calls, {limited} of them limited by arguments; {len(found) - allowed} get an error"


def _architecture(ground: Ground) -> str:
    paths, _ = explore(ground.filter()[1])
    open_paths = [path for path in paths if path.verdict != KILL_PROCESS]
    if any(path.exactly(ARCHITECTURE) != X86_64 for path in open_paths):
        raise GotThroughError("a path lets a call of another architecture through")
    return f"0 of {len(paths)} paths"


def _lint(ground: Ground) -> str:
    _, program = ground.filter()
    _, visited = explore(program)
    if len(visited) != len(program):
        raise GotThroughError(
            f"instructions that nothing reaches: {sorted(set(range(len(program))) - visited)}"
        )
    return f"{len(program)} instructions, each on a path"


ROWS = (
    Row(
        2,
        "the_reachable_set",
        "syscall",
        "every path of the filter that the kernel holds",
        "exactly the table",
        _golden,
    ),
    Row(
        8,
        "other_architectures",
        "syscall",
        "paths for aarch64, arm or bogus architectures",
        "none",
        _architecture,
    ),
    Row(14, "rules_without_effect", "syscall", "redundant or shadowed rules", "none", _lint),
)
