"""Sessions with workers that speak nearly well: whatever they say, the host answers, refuses, and goes on.

    python tests/soak/hostile.py [SESSIONS [SEED]]

Every session is determined by its seed. Exit status 1, and the seed, if the host did what it must not.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "python"))

import pandas  # noqa: F401 - what is loaded is used for tables that come back
import polars  # noqa: F401
import pyarrow  # noqa: F401

import fake_worker
from opendxa.dana._bridge import BUILD, Session
from opendxa.dana.context import told_by
from opendxa.dana.crossing import Types
from opendxa.dana.description import Description, checked
from opendxa.dana.exceptions import DanaError
from opendxa.dana.imports import DanaModuleWrapper

#: Seconds one turn may take, and how much longer the host may be on a busy machine.
DEADLINE, GRACE = 0.5, 10.0
TURNS = 8


def attack(sessions: int, seed: int) -> Counter[str]:
    """Live so many sessions; return how their turns ended."""
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(seed, seed + sessions):
            _named(Path(folder), number, ends)
    return ends


def _named(folder: Path, seed: int, ends: Counter[str]) -> None:
    try:
        _session(folder, seed, ends)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error


@dataclass
class Point:
    """A class that the host bound."""

    x: int | str
    y: float | list[Any] | None = None


class Colour(Enum):
    """Another."""

    RED = 1
    PAIR = (1, 2)


@dataclass
class Tree:
    """One that holds itself, in two ways."""

    left: Tree | Point | list[Tree] | tuple[Tree, ...] | None
    right: Any = None


class Money:
    """One with a converter."""

    def __init__(self, cents: Any) -> None:
        self.cents = cents


def _types() -> Types:
    types = Types()
    for kind in (Point, Colour, Tree):
        types.bind(kind)
    types.register(Money, lambda it: {"cents": it.cents}, "Money", lambda fields: Money(fields["cents"]))
    return types


class _Interface:
    """What a module asks of its session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def describe(self, module: str, again: bool) -> dict[str, Any]:
        return checked(self._session, self._session.describe(module, again), of_module=True)


def _session(folder: Path, seed: int, ends: Counter[str]) -> None:
    chance = random.Random(seed)
    texts: list[str] = []

    def ask(turn: object, kind: str, payload: dict[str, Any]) -> Any:
        assert kind in ("reason", "module", "function"), kind
        assert kind != "function" or payload["name"] == "twice", payload
        if chance.random() < 0.2:
            raise ValueError("no")
        return chance.choice([None, 1, "text", [1, 2], {"source": "", "filename": "f", "package": False}])

    def log(level: str, text: str) -> None:
        assert level in ("debug", "info", "warning", "error"), level
        texts.append(text)

    path = fake_worker.install(folder, f"fuzz-{seed}", BUILD)
    session = Session.spawn(
        path,
        limits={"wall_time": DEADLINE, "asks": 50, "output": 1 << 20},
        functions=["twice"],
        ask=ask,
        output=lambda turn, text: None,
        log=log,
        turn=lambda left: None,
        startup_timeout=60,
    )
    session.set_types(_types())
    for _ in range(TURNS):
        begin = time.monotonic()
        try:
            _turn(session, chance)
            ends["value"] += 1
        except DanaError as error:
            ends[type(error).__name__] += 1
            told = str(error)
            assert not set("\x1b\x00\u202e\x07") & set(told), repr(told)
        assert time.monotonic() - begin < DEADLINE + GRACE, "a turn that did not end"
        if not session.alive:
            break
    session.close()
    assert not session.alive
    assert session.pid is None
    assert not any(set("\x1b\x00\u202e") & set(text) for text in texts), texts
    for file in folder.iterdir():
        file.unlink()


def _turn(session: Session, chance: random.Random) -> None:
    match chance.randrange(12):
        case 0:
            session.call("f", (1, "x"), {"k": [1]})
        case 1:
            session.get("x")
        case 2:
            session.set("x", {"a": [1, 2]})
        case 3:
            told_by(session, session.snapshot())
        case 4 | 5:
            told = Description.of(checked(session, session.describe()), {})
            assert not set("\x1b\x00\u202e\x07") & set(str(told)), str(told)
        case 6 | 7:
            module = DanaModuleWrapper("m", _Interface(session))  # type: ignore[arg-type]
            for name in dir(module):
                shown = str(getattr(getattr(module, name, None), "__doc__", ""))
                assert "\x1b" not in shown, shown
        case _:
            session.run("x")


def main() -> int:
    """Attack as the command line says."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    begin = time.monotonic()
    try:
        ends = attack(sessions, seed)
    except AssertionError as error:
        sys.stdout.write(f"FOUND: {error}\n")
        return 1
    told = ", ".join(f"{name} {count}" for name, count in ends.most_common())
    sys.stdout.write(f"{sessions} sessions in {time.monotonic() - begin:.0f} s: {told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
