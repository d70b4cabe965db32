"""What there is to measure: C programs for the raw limits, sessions, the peers that are installed, sizes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opendxa.dana import Dana, PoolConfig, pool

from .raw import build

#: Sessions for measures, in a worker or not at all.
ISOLATED: dict[str, Any] = {"use_subprocess_isolation": True, "require_isolation": True, "echo": False}
#: Spares are kept ready.
READY = PoolConfig(min_idle=4, max_workers=64)
#: There are none: every session spawns its worker on the calling thread.
EMPTY = PoolConfig(min_idle=0, max_workers=64)
#: A session of monty's ends after 1,000 calls of host functions unless told otherwise.
UNLIMITED = {"max_suspensions": 1_000_000_000}

PROGRAM = """
def double(x):
    return x * 2

def size(x):
    return len(x)

def same(x):
    return x

def give():
    return data

def asking(count):
    total = 0
    for i in range(count):
        total = total + ping(i)
    return total

def counting(count):
    total = 0
    for i in range(count):
        total = total + i
    return total

def endless():
    while true:
        pass
"""


def keep_spares() -> None:
    """Fill the pool, and keep it full."""
    pool.configure(READY)
    pool.warm(READY.min_idle)


def keep_none() -> None:
    """Empty the pool; when this returns no spare exists, nor is one being started."""
    pool.configure(EMPTY)
    pool.close()


@dataclass(frozen=True)
class Scale:
    """How much is done for one sample."""

    #: Calls in a block, asks in a loop.
    block: int
    #: Seconds that a measure of a rate lasts.
    seconds: float
    floats: int
    data: int
    pairs: int
    #: Bytes of the payloads there and back.
    sizes: tuple[int, ...]
    #: Threads, or tasks, that make requests at the same time.
    crowds: tuple[int, ...]


FULL = Scale(
    block=50,
    seconds=0.5,
    floats=1_000_000,
    data=64 << 20,
    pairs=100_000,
    sizes=(1, 64, 1 << 10, 16 << 10, 128 << 10, 1 << 20, 8 << 20, 64 << 20),
    crowds=(1, 2, 4, 8, 16, 32),
)
#: Everything once, as small as it can be: for the tests.
SMALL = Scale(block=5, seconds=0.02, floats=1000, data=1 << 16, pairs=100, sizes=(1, 1 << 16), crowds=(1, 2))


@dataclass
class Stage:
    """Opens what the measures need; all of it ends with `stack`."""

    stack: ExitStack
    scale: Scale
    echo: Path
    copy: Path
    #: The module `pydantic_monty`, if it takes part.
    monty: Any = None
    #: Whether `ProcessPoolExecutor` takes part.
    process_pool: bool = False
    #: The command that runs the echo program in bubblewrap, if that takes part.
    bubblewrap: list[str] | None = None
    #: Why a peer does not take part.
    absent: list[str] = field(default_factory=list)

    @classmethod
    def of_ours(cls, stack: ExitStack, scale: Scale) -> Stage:
        """Set the stage for Dana and the raw limits. Where spares are wanted, a measure asks for them."""
        keep_none()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # bubblewrap may look from another user's place
        return cls(stack, scale, build("echo", folder), build("copy", folder))

    @classmethod
    def of_all(cls, stack: ExitStack, scale: Scale) -> Stage:
        """Set the stage for the peers, too; those that are absent are told in `absent`."""
        stage = cls.of_ours(stack, scale)
        stage.process_pool = True
        try:
            import pydantic_monty  # noqa: PLC0415 - an optional peer
        except ImportError as error:
            stage.absent.append(f"pydantic-monty: {error}")
        else:
            stage.monty = pydantic_monty
        stage.bubblewrap, reason = _bubblewrap(stage.echo)
        if reason:
            stage.absent.append(f"bubblewrap: {reason}")
        return stage

    def dana(self, **settings: Any) -> Dana:
        """Open a session that has loaded `PROGRAM`."""
        session = self.stack.enter_context(Dana(**(ISOLATED | settings)))
        result = session.execute_string(PROGRAM)
        if result.error is not None:
            raise result.error
        return session

    def monty_pool(self, **settings: Any) -> Any:
        """Open a pool of monty's."""
        return self.stack.enter_context(self.monty.Monty(**settings))

    def monty_session(self) -> Any:
        """Open a session of monty's, in a pool of its own, that has loaded what is Python of `PROGRAM`."""
        session = self.stack.enter_context(self.monty_pool().checkout(limits=UNLIMITED))
        session.feed_run(PROGRAM.partition("def endless")[0])
        return session

    def executor(self, method: str, **settings: Any) -> ProcessPoolExecutor:
        """Open a pool of processes."""
        return self.stack.enter_context(executor(method, **settings))


def executor(method: str, **settings: Any) -> ProcessPoolExecutor:
    """Return a pool of Python's, of one process unless said otherwise; it starts with the first task."""
    return ProcessPoolExecutor(
        settings.pop("workers", 1), mp_context=multiprocessing.get_context(method), **settings
    )


def _bubblewrap(program: Path) -> tuple[list[str] | None, str | None]:
    """Return the command that runs a static program in bubblewrap; or None, and why it cannot."""
    found = shutil.which("bwrap")
    if found is None:
        return None, "bwrap is not installed here (Debian: apt-get install bubblewrap)"
    command = [found, "--unshare-all", "--die-with-parent", "--ro-bind", os.fspath(program), "/echo", "/echo"]
    tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return None, f"it does not run here: {tried.stderr.strip()}"
    return command, None
