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
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "python"))

import fake_worker
from opendxa.dana._bridge import BUILD, Session
from opendxa.dana.exceptions import DanaError

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
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error


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
        startup_timeout=10,
    )
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
            session.snapshot()
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
