"""Answers that are remembered, so that an equal question costs nothing.

Two questions are equal when provider, model, messages, options and the wanted type are: upper and lower case
count, blanks round a text and the order of options do not. What the model said is remembered, not what was
made of it. An answer that turns out not to fit its type is forgotten, and one that was asked for again is
never kept.

Rule: sessions share answers only where their owner gave them a namespace to share. Whoever may ask in it
learns by the time an answer takes what others asked, and what a model once told one of them it tells all.
Nothing is kept, looked up or counted where no cache was asked for.
"""

from __future__ import annotations

import copy
import os
import sys
import threading
import time
import weakref
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from opendxa.dana.exceptions import ModelBusyError, ModelError
from opendxa.dana.types import format_type_error

from .cache_key import digest, prompt_key
from .callable import identity
from .provider import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .cache_store import Store
    from .provider import Provider, Request

__all__ = ["ReasoningCache", "View", "checked"]

#: How a question begins that Dana asks again.
AGAIN: Final = "That reply cannot be used: "
#: Bytes an entry takes besides key and value.
_OVERHEAD: Final = 256
#: A question in a cache.
_Asked = tuple[int, str]
#: The questions this code is asking: asking one of them again inside would wait for itself.
_leading: ContextVar[tuple[_Asked, ...]] = ContextVar("dana_cache_leading", default=())
#: For which questions those who ask a question wait meanwhile.
_waits: dict[_Asked, list[_Asked]] = {}
_waits_lock = threading.Lock()


@contextmanager
def _waiting(wanted: _Asked) -> Iterator[bool]:
    """Note what this code waits for. False if it must not: who asks that waits, in the end, for this code."""
    leads = _leading.get()
    with _waits_lock:
        reached, rest = {wanted}, [wanted]
        while rest:
            further = set(_waits.get(rest.pop(), ())) - reached
            reached |= further
            rest += further
        may = reached.isdisjoint(leads)
        if may:
            for lead in leads:
                _waits.setdefault(lead, []).append(wanted)
    try:
        yield may
    finally:
        if may:
            with _waits_lock:
                for lead in leads:
                    _waits[lead].remove(wanted)
                    if not _waits[lead]:
                        del _waits[lead]


@dataclass
class _Entry:
    value: Any
    namespace: str
    size: int
    created: float
    count: int = 1


class ReasoningCache:
    """Remembers up to `max_size` answers and `max_bytes` bytes, each for `ttl_seconds` (None: for ever).

    When it is full, a tenth of the entries goes: those least often used, of these the oldest. Sessions that
    it is given to have each their own answers, unless it has a `namespace`: then they share those of that
    name, also with other caches on the same `path`. `path` is a file that keeps the answers beyond this
    process, and needs a namespace; it is its owner's alone, and may be used by several processes at once.
    """

    def __init__(
        self,
        max_size: int = 1000,
        ttl_seconds: float | None = 300.0,
        *,
        max_bytes: int = 64 * 2**20,
        namespace: str | None = None,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        for name, value in (("max_size", max_size), ("max_bytes", max_bytes)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(format_type_error(value, int, f"argument '{name}'"))
            if value <= 0:
                raise ValueError(f"{name} must be positive, got {value!r}")
        if ttl_seconds is not None:
            if isinstance(ttl_seconds, bool) or not isinstance(ttl_seconds, int | float):
                raise TypeError(format_type_error(ttl_seconds, float, "argument 'ttl_seconds'"))
            if not ttl_seconds > 0:
                raise ValueError(f"ttl_seconds must be positive, or None for ever; got {ttl_seconds!r}")
        if namespace is not None and not isinstance(namespace, str):
            raise TypeError(format_type_error(namespace, str, "argument 'namespace'"))
        if path is not None and namespace is None:
            raise ValueError("a cache on disk needs a namespace: it is what its sessions are to share")
        self.max_size = max_size
        self.ttl_seconds = ttl_seconds
        self.max_bytes = max_bytes
        self.namespace = namespace
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._flights: dict[str, Future[Any]] = {}
        self._bytes = 0
        self._hits = self._misses = self._evictions = self._joined = self._disk_hits = 0
        self._store: Store | None = None
        if path is not None:
            from .cache_store import Store  # noqa: PLC0415 - loaded when it is asked for

            self._store = Store(path, max_bytes=max_bytes)
        _caches.add(self)

    # By prompt: what a caller keeps in it

    def get(self, prompt: str, options: dict[str, Any] | None = None) -> Any:
        """Return what was put for this prompt and these options, or None."""
        key = prompt_key(self.namespace or "", prompt, options)
        if key is None:
            return None
        found = self._find(key)
        if found is None and self._store is not None:
            found = self._load(key, self.namespace or "")
        with self._lock:
            self._count(found is not None)
        return copy.deepcopy(found)

    def put(self, prompt: str, options: dict[str, Any] | None, result: Any) -> bool:
        """Keep a result; False when it cannot be kept: None, too large, or options that have no equal."""
        key = prompt_key(self.namespace or "", prompt, options)
        if key is None or result is None:
            return False
        kept = self._keep(key, self.namespace or "", copy.deepcopy(result))
        if kept and self._store is not None:
            self._save(key, result)
        return kept

    def clear(self, namespace: str | None = None) -> None:
        """Forget everything, or one namespace, and the figures; on disk what is in this cache's namespace."""
        self._leave(namespace)
        with self._lock:
            self._hits = self._misses = self._evictions = self._joined = self._disk_hits = 0
        if self._store is not None and namespace in (None, self.namespace):
            self._store.clear(self.namespace or "")

    def get_stats(self) -> dict[str, Any]:
        """Return the figures."""
        with self._lock:
            requests = self._hits + self._misses
            return {
                "cache_size": len(self._entries),
                "max_size": self.max_size,
                "hit_count": self._hits,
                "miss_count": self._misses,
                "hit_rate": self._hits / requests if requests else 0.0,
                "eviction_count": self._evictions,
                "ttl_seconds": self.ttl_seconds,
                "estimated_memory_bytes": self._bytes,
                "total_requests": requests,
                "max_bytes": self.max_bytes,
                # Hits that another's equal question, or the disk, answered.
                "joined_count": self._joined,
                "disk_hit_count": self._disk_hits,
            }

    def get_cache_info(self) -> str:
        """Return the figures as a line of text."""
        figures = self.get_stats()
        return (
            f"ReasoningCache(size={figures['cache_size']}/{figures['max_size']}, "
            f"hits={figures['hit_count']}, misses={figures['miss_count']}, "
            f"hit_rate={figures['hit_rate']:.1%}, evictions={figures['eviction_count']})"
        )

    def __repr__(self) -> str:
        return self.get_cache_info()

    def close(self) -> None:
        """Let go of the file on disk; what is in memory stays usable."""
        if self._store is not None:
            self._store.close()

    def view(self) -> View:
        """Return what a session sees of it: answers of its own, or those of the namespace."""
        return View(self, self.namespace if self.namespace is not None else f"session {token_hex(16)}")

    # By key

    def _find(self, key: str) -> Any:
        """Look a key up in memory."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if self._stale(entry):
                self._drop(key)
                return None
            entry.count += 1
            return entry.value

    def _stale(self, entry: _Entry) -> bool:
        return self.ttl_seconds is not None and time.monotonic() - entry.created >= self.ttl_seconds

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size

    def _count(self, hit: bool) -> None:
        if hit:
            self._hits += 1
        else:
            self._misses += 1

    def _keep(self, key: str, namespace: str, value: Any, age: float = 0.0) -> bool:
        """Store a value in memory; make room for it first."""
        size = _OVERHEAD + len(key) + _size(value)
        if size > self.max_bytes:
            return False
        with self._lock:
            self._drop(key)
            for old, entry in list(self._entries.items()):
                if not self._stale(entry):
                    break  # they are in the order of their age
                self._drop(old)
            if len(self._entries) >= self.max_size:
                self._evict(max(1, self.max_size // 10))
            while self._bytes + size > self.max_bytes:
                self._evict(max(1, len(self._entries) // 10))
            self._entries[key] = _Entry(value, namespace, size, time.monotonic() - age)
            self._bytes += size
        return True

    def _leave(self, namespace: str | None) -> None:
        """Drop the entries of a namespace, or all."""
        with self._lock:
            for key, entry in list(self._entries.items()):
                if namespace is None or entry.namespace == namespace:
                    self._drop(key)

    def _evict(self, number: int) -> None:
        """Drop the entries that are worth least."""
        ranked = sorted(self._entries.items(), key=lambda item: (item[1].count, item[1].created))
        for key, _ in ranked[:number]:
            self._drop(key)
            self._evictions += 1

    def _load(self, key: str, namespace: str, left: float | None = None) -> Any:
        """Look a key up on disk, and remember what is found."""
        if self._store is None:
            return None
        found = self._store.get(key, left)
        if found is None:
            return None
        value, age = found
        if self.ttl_seconds is not None and age >= self.ttl_seconds:
            return None
        self._keep(key, namespace, value, age)
        with self._lock:
            self._disk_hits += 1
        return value

    def _save(self, key: str, value: Any, left: float | None = None) -> None:
        if self._store is not None:
            self._store.put(key, self.namespace or "", value, self.ttl_seconds, left)

    def _forget(self, key: str, left: float | None) -> None:
        with self._lock:
            self._drop(key)
        if self._store is not None:
            self._store.forget(key, left)

    def _board(self, key: str) -> tuple[Future[Any], bool]:
        """Return the flight that asks this question, and whether the caller is to ask it."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Future()
            flight.set_running_or_notify_cancel()  # whoever waits for it cannot cancel it
            return flight, True

    def _land(self, key: str, flight: Future[Any], outcome: Response | ModelError | None) -> None:
        """Tell those who wait; None sends them to ask themselves."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
        flight.set_result(outcome)

    def _after_fork(self) -> None:
        """Forget who held the lock and who was asking: they are not in this process."""
        self._lock = threading.Lock()
        self._flights = {}
        if self._store is not None:
            self._store.after_fork()


class View:
    """The answers of one namespace, for questions as providers get them."""

    def __init__(self, cache: ReasoningCache, namespace: str) -> None:
        self.cache = cache
        self.namespace = namespace

    def key(self, provider: Provider, request: Request, model: str) -> tuple[str, bool] | None:
        """Return what a question is kept under, and whether it is asked again because the answer did not fit.

        None for a question that is not to be kept.
        """
        told = getattr(provider, "cache_identity", None)
        options = {name: value for name, value in request.options.items() if name != "model"}
        again = _is_again(request.messages)
        messages = request.messages[:-2] if again else request.messages
        question: list[Any] = [
            self.namespace,
            told if isinstance(told, str) else identity(provider),
            model,
            [[item["role"], item["content"].strip()] for item in messages],
            options,
            request.expects,
            request.schema,
        ]
        key = digest(question)
        return None if key is None else (key, again)

    def forget(self, key: str, left: float | None) -> None:
        """Forget an answer that did not fit; wait for the disk no longer than `left` seconds."""
        self.cache._forget(key, left)

    async def forget_async(self, key: str, left: float | None) -> None:
        """Do as `forget`, without holding up the loop."""
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        await asyncio.to_thread(self.cache._forget, key, left)

    async def known_async(self, key: str, left: float | None) -> Response | None:
        """Look for an answer, in memory and on disk."""
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        found = self.find(key)
        if found is None and self.cache._store is not None:
            found = await asyncio.to_thread(self._load, key, left)
        if found is None:
            with self.cache._lock:
                self.cache._count(False)
            return None
        return self._hit(found)

    async def save_async(self, key: str, response: Response, left: float | None) -> None:
        """Store an answer on disk."""
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        await asyncio.to_thread(self.save, key, response, left)

    def find(self, key: str) -> Response | None:
        """Look for an answer in memory."""
        found = self.cache._find(key)
        return found if isinstance(found, Response) else None

    def answer(self, key: str, request: Request, ask: Callable[[], Response]) -> Response:
        """Answer from the cache, from an equal question under way, or by asking."""
        while True:
            found = self.find(key) or self._load(key, request.remaining())
            if found is not None:
                return self._hit(found)
            flight, leads = self.cache._board(key)
            if leads:
                return self._asked(key, flight, request, ask)
            with _waiting((id(self.cache), key)) as may:
                if not may:
                    return self._asked(key, None, request, ask)
                try:
                    outcome = flight.result(request.remaining())
                except FutureTimeoutError:
                    raise _waited() from None
            answered = self._joined(outcome)
            if answered is not None:
                return answered

    async def answer_async(
        self, key: str, request: Request, ask: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Do as `answer`, without a thread."""
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        while True:
            found = self.find(key)
            if found is None and self.cache._store is not None:
                found = await asyncio.to_thread(self._load, key, request.remaining())
            if found is not None:
                return self._hit(found)
            flight, leads = self.cache._board(key)
            if leads:
                return await self._asked_async(key, flight, request, ask)
            with _waiting((id(self.cache), key)) as may:
                if not may:
                    return await self._asked_async(key, None, request, ask)
                try:
                    waiting = asyncio.shield(asyncio.wrap_future(flight))
                    outcome = await asyncio.wait_for(waiting, request.remaining())
                except asyncio.TimeoutError:
                    raise _waited() from None
            answered = self._joined(outcome)
            if answered is not None:
                return answered

    def keep(self, key: str, response: Response) -> bool:
        """Store an answer in memory; say whether it is to go to the disk too."""
        if response.cached or not response.text.strip():
            return False
        return self.cache._keep(key, self.namespace, response) and self.cache._store is not None

    def save(self, key: str, response: Response, left: float | None) -> None:
        """Store an answer on disk; wait for it no longer than `left` seconds."""
        self.cache._save(key, {"text": response.text, "model": response.model}, left)

    def close(self) -> None:
        """Forget the answers that nobody can ask for any more: those of a session that is over."""
        if self.cache.namespace is None:
            self.cache._leave(self.namespace)

    def clear(self) -> None:
        """Forget the answers of this namespace, and the figures."""
        self.cache.clear(self.namespace)

    def _load(self, key: str, left: float | None) -> Response | None:
        found = self.cache._load(key, self.namespace, left)
        if isinstance(found, Response):
            return found
        if not isinstance(found, dict) or not isinstance(found.get("text"), str):
            return None
        response = Response(found["text"], str(found.get("model") or ""))
        self.cache._keep(key, self.namespace, response)
        return response

    def _hit(self, response: Response) -> Response:
        with self.cache._lock:
            self.cache._count(True)
        return replace(response, cached=True, attempts=0, input_tokens=0, output_tokens=0)

    def _joined(self, outcome: Response | ModelError | None) -> Response | None:
        """Take what an equal question brought."""
        if isinstance(outcome, ModelError):
            raise ModelError(str(outcome), status=outcome.status, attempts=0)
        if outcome is None:
            return None
        with self.cache._lock:
            self.cache._joined += 1
        return self._hit(outcome)

    def _asked(
        self, key: str, flight: Future[Any] | None, request: Request, ask: Callable[[], Response]
    ) -> Response:
        with self._flying(key, flight, request) as flown:
            flown.outcome = response = ask()
            if self.keep(key, response):
                self.save(key, response, request.remaining())
            return response

    async def _asked_async(
        self, key: str, flight: Future[Any] | None, request: Request, ask: Callable[[], Awaitable[Response]]
    ) -> Response:
        with self._flying(key, flight, request) as flown:
            flown.outcome = response = await ask()
            if self.keep(key, response):
                await self.save_async(key, response, request.remaining())
            return response

    @contextmanager
    def _flying(self, key: str, flight: Future[Any] | None, request: Request) -> Iterator[_Flown]:
        """Ask a question, and tell those who wait for the flight how it ended."""
        leading = _leading.set((*_leading.get(), (id(self.cache), key)))
        flown = _Flown()
        try:
            with self.cache._lock:
                self.cache._count(False)
            yield flown
        except ModelError as error:
            flown.outcome = _shared(error, request)
            raise
        finally:
            _leading.reset(leading)
            if flight is not None:
                self.cache._land(key, flight, flown.outcome)


@dataclass
class _Flown:
    """How the asking of a question ended; None says nothing to others."""

    outcome: Response | ModelError | None = None


def checked(cache: object) -> ReasoningCache | None:
    """Return the cache that an argument `cache` stands for: a cache, True for a new one, or None."""
    if cache is None or cache is False:
        return None
    if cache is True:
        return ReasoningCache()
    if isinstance(cache, ReasoningCache):
        return cache
    raise TypeError(format_type_error(cache, "ReasoningCache or bool", "argument 'cache'"))


def _is_again(messages: list[dict[str, str]]) -> bool:
    """Whether Dana asks once more because it could not use a reply: the last message but one."""
    return (
        len(messages) > 2
        and messages[-2]["role"] == "assistant"
        and messages[-1]["content"].startswith(AGAIN)
    )


def _shared(error: ModelError, request: Request) -> ModelError | None:
    """Return a failure for those who wait; one of the asker's own time or place says nothing to them."""
    own = isinstance(error, ModelBusyError) or request.timeouts is not None or request.remaining() == 0
    return None if own else error


def _waited() -> ModelError:
    text = "an equal question was being asked, and brought no answer in time"
    return ModelError(f"{text}\nHint: raise Limits(wall_time=...)", attempts=0)


def _size(value: Any, depth: int = 0) -> int:
    """Estimate the bytes of a value."""
    size = sys.getsizeof(value, 64)
    if depth > 32:
        return size
    if isinstance(value, dict):
        return size + sum(_size(part, depth + 1) for item in value.items() for part in item)
    if isinstance(value, list | tuple | set | frozenset):
        return size + sum(_size(item, depth + 1) for item in value)
    if hasattr(value, "__dict__"):
        return size + _size(vars(value), depth + 1)
    return size


_caches: weakref.WeakSet[ReasoningCache] = weakref.WeakSet()


def _after_fork() -> None:
    global _waits_lock  # noqa: PLW0603 - whoever held it is not in this process
    _waits_lock = threading.Lock()
    _waits.clear()
    for cache in list(_caches):
        cache._after_fork()


os.register_at_fork(after_in_child=_after_fork)
