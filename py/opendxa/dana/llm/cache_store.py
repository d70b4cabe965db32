"""A cache's answers on disk: one SQLite file that several processes may use at once.

Rule: the file is its owner's alone (mode 0600); one that others may write is refused, for they could plant
answers. Nothing in it is ever executed: values are JSON. A file that is damaged is put aside and begun anew;
a disk that fails costs the answers on it, never a question. All of that is told to the log.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opendxa.dana.exceptions import ResourceError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

__all__ = ["Store"]

Value = TypeVar("Value")

_log: Final = logging.getLogger("opendxa.dana.cache")
#: Marks our files, and their form.
_APPLICATION: Final = 0x44414E41
_VERSION: Final = 1
#: Seconds to wait for others that use the file, threads and processes, at the most.
_PATIENCE: Final = 2.0
#: What SQLite keeps beside the file.
_JOURNALS: Final = ("-journal", "-wal", "-shm")
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    value TEXT NOT NULL,
    size INTEGER NOT NULL,
    created REAL NOT NULL,
    expires REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_age ON answers (created);
"""


class Store:
    """The file. It is opened by each process that uses it, when it does."""

    def __init__(self, path: str | os.PathLike[str], max_bytes: int) -> None:
        self.path: Path = Path(path).expanduser().absolute()
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        #: Seconds that who uses the file at the moment waits for other processes.
        self._patience = _PATIENCE
        self._process = os.getpid()
        self._database: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._begin()

    def _begin(self) -> None:
        """Open the file for the first time, so that one that may not be used is refused at once."""
        import sqlite3  # noqa: PLC0415 - loaded with the first file

        try:
            self._opened()
        except sqlite3.OperationalError as error:
            _log.warning("the cache %s cannot be used at the moment: %s", self.path, error)

    def after_fork(self) -> None:
        """Forget who held the lock: it is not in this process."""
        self._lock = threading.Lock()

    def get(self, key: str, left: float | None = None) -> tuple[Any, float] | None:
        """Return a value and its age in seconds; wait for the file no longer than `left` seconds."""
        row = self._do(
            lambda database: database.execute(
                "SELECT value, created, expires FROM answers WHERE key = ?", (key,)
            ).fetchone(),
            left,
        )
        if row is None:
            return None
        text, created, expires = row
        now = time.time()
        # A clock that was set back makes an answer older than it says, not younger.
        if not isinstance(created, float) or created > now or (expires is not None and now >= expires):
            return None
        try:
            return json.loads(text), now - created
        except (ValueError, TypeError, RecursionError):
            self.forget(key, left)
            return None

    def put(self, key: str, namespace: str, value: Any, ttl: float | None, left: float | None = None) -> bool:
        """Store a value; False for one that is not the same after it was JSON."""
        try:
            text = json.dumps(value, allow_nan=False)
            same = _same(json.loads(text), value)
        except (ValueError, TypeError, RecursionError):
            return False
        size = len(text) + len(key) + 64
        if not same or size > self._max_bytes:
            return False
        now = time.time()
        expires = None if ttl is None else now + ttl

        def write(database: sqlite3.Connection) -> bool:
            with database:
                database.execute("BEGIN IMMEDIATE")
                database.execute("DELETE FROM answers WHERE expires <= ? OR created > ?", (now, now + 60))
                database.execute(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
                    (key, namespace, text, size, now, expires),
                )
                (total,) = database.execute("SELECT coalesce(sum(size), 0) FROM answers").fetchone()
                if total > self._max_bytes:
                    self._make_room(database, total)
            return True

        return self._do(write, left) is True

    def forget(self, key: str, left: float | None = None) -> None:
        """Drop a value."""

        def drop(database: sqlite3.Connection) -> None:
            with database:
                database.execute("DELETE FROM answers WHERE key = ?", (key,))

        self._do(drop, left)

    def clear(self, namespace: str) -> None:
        """Drop all values of a namespace."""

        def drop(database: sqlite3.Connection) -> None:
            with database:
                database.execute("DELETE FROM answers WHERE namespace = ?", (namespace,))

        self._do(drop)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            self._let_go()

    def _make_room(self, database: sqlite3.Connection, total: int) -> None:
        """Drop the oldest values until a tenth is free."""
        goal = total - self._max_bytes * 9 // 10
        for key, size in database.execute("SELECT key, size FROM answers ORDER BY created").fetchall():
            if goal <= 0:
                break
            database.execute("DELETE FROM answers WHERE key = ?", (key,))
            goal -= size

    def _do(self, work: Callable[[sqlite3.Connection], Value], left: float | None = None) -> Value | None:
        """Do something with the file; a file that is damaged is replaced, and the work done once more.

        Others that use it, in this process or another, are waited for until `left` seconds have passed.
        """
        import sqlite3  # noqa: PLC0415 - loaded with the first file

        patience = _PATIENCE if left is None else min(_PATIENCE, left)
        until = time.monotonic() + patience
        lock = self._lock
        if not lock.acquire(timeout=patience):
            _log.warning("the cache %s cannot be used at the moment: others use it", self.path)
            return None
        try:
            self._patience = max(0.0, until - time.monotonic())
            try:
                return work(self._opened())
            except sqlite3.OperationalError as error:
                # Busy for too long, a full disk, one that went away: the answer is just not there.
                _log.warning("the cache %s cannot be used at the moment: %s", self.path, error)
                self._let_go()
                return None
            except sqlite3.DatabaseError as error:
                self._put_aside(error)
            except (ResourceError, OSError) as error:
                _log.warning("the cache %s cannot be used: %s", self.path, error)
                return None
            try:
                return work(self._opened())
            except (sqlite3.Error, ResourceError, OSError) as error:
                _log.warning("the cache %s cannot be used: %s", self.path, error)
                return None
        finally:
            lock.release()

    def _opened(self) -> sqlite3.Connection:
        """Return this process's connection."""
        import sqlite3  # noqa: PLC0415

        if self._process != os.getpid():
            # A connection is not to be used, nor closed, by a process it was not made in.
            _inherited.append(self._database)
            self._database, self._process = None, os.getpid()
        if self._database is not None:
            self._database.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")
            return self._database
        self._inode = self._own()
        database = sqlite3.connect(
            str(self.path), timeout=self._patience, check_same_thread=False, isolation_level=None
        )
        try:
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            (application,) = database.execute("PRAGMA application_id").fetchone()
            (version,) = database.execute("PRAGMA user_version").fetchone()
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and application != _APPLICATION:
                raise ResourceError(f"{self.path} is a database of something else\nHint: choose another path")
            if tables and version != _VERSION:
                raise ResourceError(
                    f"the cache {self.path} has the form {version}, this package reads {_VERSION}\n"
                    "Hint: delete the file, or choose another path"
                )
            found = database.execute("PRAGMA quick_check(1)").fetchone()
            if found != ("ok",):
                raise sqlite3.DatabaseError(str(found[0]))
            # A cache may lose its last answers with the power; what it has stays whole.
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            if not tables:
                database.executescript(
                    f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION};"
                    f"PRAGMA user_version = {_VERSION}; {_TABLE} COMMIT;"
                )
        except sqlite3.DatabaseError as error:
            database.close()
            if isinstance(error, sqlite3.OperationalError):
                raise
            if not self._put_aside(error):
                raise ResourceError(
                    f"the cache {self.path} is damaged ({error}) and cannot be put aside\n"
                    "Hint: delete the file, or choose another path"
                ) from error
            return self._opened()
        except BaseException:
            database.close()
            raise
        self._database = database
        return database

    def _own(self) -> tuple[int, int]:
        """See that the file is there, ours, and nobody else's; return which one it is."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with suppress(FileExistsError):
                os.close(os.open(self.path, flags, 0o600))
            # One that was there is only looked at: closing it would drop the locks that other connections of
            # this process have on it.
            facts = self.path.lstat()
        except OSError as error:
            problem = error.strerror or str(error)
            raise ResourceError(f"the cache {self.path} cannot be opened: {problem}") from error
        if not stat.S_ISREG(facts.st_mode):
            raise ResourceError(f"the cache {self.path} cannot be opened: it is not a file")
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            raise ResourceError(
                f"the cache {self.path} may be read or written by others, who could plant answers\n"
                f"Hint: chmod 600 {self.path}, or choose another path"
            )
        self._see_beside()
        return facts.st_dev, facts.st_ino

    def _see_beside(self) -> None:
        """See that nobody else can have a part in the journals, which are read as the file itself is."""
        folder = self.path.parent
        if folder.stat().st_mode & 0o002:
            raise ResourceError(
                f"the cache {self.path} is in a folder that everybody may write to, who could plant answers\n"
                f"Hint: choose a folder of your own below {folder}"
            )
        for suffix in _JOURNALS:
            beside = Path(f"{self.path}{suffix}")
            try:
                facts = beside.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
                raise ResourceError(
                    f"the cache's {beside} may be read or written by others, who could plant answers\n"
                    "Hint: delete it, or choose another path"
                )

    def _put_aside(self, error: Exception) -> bool:
        """Rename a damaged file, if it is still the one that was opened; False when it cannot be."""
        self._let_go()
        try:
            facts = self.path.lstat()
            if (facts.st_dev, facts.st_ino) == self._inode:
                aside = self.path.with_name(f"{self.path.name}.damaged")
                self.path.replace(aside)
                _log.error(
                    "the cache %s is damaged (%s): it is begun anew, the old file is %s",
                    self.path,
                    error,
                    aside,
                )
                for suffix in _JOURNALS:
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        except OSError as problem:
            _log.warning("the damaged cache %s cannot be put aside: %s", self.path, problem)
            return False
        return True

    def _let_go(self) -> None:
        import sqlite3  # noqa: PLC0415

        database, self._database = self._database, None
        if database is not None and self._process == os.getpid():
            try:
                database.close()
            except sqlite3.Error as error:
                _log.warning("the cache %s could not be closed: %s", self.path, error)


#: Connections of the processes this one was forked from.
_inherited: list[Any] = []


def _same(found: Any, value: Any) -> bool:
    """Whether two values are equal in their types too."""
    if type(found) is not type(value):
        return False
    if isinstance(value, dict):
        return found.keys() == value.keys() and all(_same(found[key], value[key]) for key in value)
    if isinstance(value, list):
        return len(found) == len(value) and all(map(_same, found, value))
    return bool(found == value)
