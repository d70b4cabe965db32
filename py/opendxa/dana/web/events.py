"""Server-sent events: what a stream of a model or the output of a program looks like on the wire.

Rule: one stream is pieces, then exactly one last event: ``done``, or ``error`` with a problem. Text of
programs and models can end no event and begin no field. Whoever stops reading ends what makes the pieces.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from opendxa.dana.exceptions import DanaError
from opendxa.dana.host import printing
from opendxa.dana.result import Usage

from .problems import TYPE_BASE, log, problem_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable

    from opendxa.dana.async_dana import AsyncDana
    from opendxa.dana.result import ExecutionResult

__all__ = [
    "BEAT",
    "HEADERS",
    "HEARTBEAT",
    "MEDIA_TYPE",
    "Event",
    "ProgramEvents",
    "event_stream",
    "numbered",
    "plain",
    "program_events",
]

MEDIA_TYPE: Final = "text/event-stream"
#: Neither caches nor proxies may hold a stream back.
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
#: Seconds of silence after which a comment is sent: proxies keep the connection, and its end is noticed.
HEARTBEAT: Final = 15.0
#: What ends a line for a browser.
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
#: A comment: nobody hears it, and it keeps a connection.
BEAT: Final = b":\n\n"


@dataclass(frozen=True)
class Event:
    """One event. `data` is text, or anything that JSON can say; the latter goes as JSON in one line."""

    data: Any = ""
    #: What `addEventListener` listens to; None is ``message``.
    event: str | None = None
    #: None takes the number of the event in the stream.
    id: str | None = None
    #: Milliseconds after which a browser that lost the stream asks again.
    retry: int | None = None

    def encode(self) -> bytes:
        """Return the bytes of the event; raises `ValueError` for a name or id that is more than one line."""
        lines = []
        for name in ("event", "id"):
            value = getattr(self, name)
            if value is not None:
                if _LINE_END.search(value) or "\0" in value:
                    raise ValueError(f"the {name} of an event is one line of text, got {value[:100]!r}")
                lines.append(f"{name}: {value}")
        if self.retry is not None:
            lines.append(f"retry: {int(self.retry)}")
        text = self.data if isinstance(self.data, str) else json.dumps(self.data)
        lines += [f"data: {line}" for line in _LINE_END.split(text)]
        # Halves of surrogate pairs, which Dana's text may hold, are no UTF-8.
        return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")


async def event_stream(
    source: AsyncIterable[Any],
    *,
    usage: Callable[[], Usage | None] | None = None,
    heartbeat: float | None = HEARTBEAT,
    retry: int | None = None,
    messages: bool = False,
    base: str = TYPE_BASE,
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a stream of events.

    What `source` yields is an `Event`, or the data of one: a model's stream, for example. At its end comes
    ``done`` with what it used: what `usage` returns, or what the result of a model's stream tells. An error
    becomes ``error``, with a problem as its data; one that is not the package's is raised as well, for the
    server to log. With `heartbeat` seconds of silence a comment is sent. `retry` is told first.
    """
    if retry is not None:
        yield f"retry: {int(retry)}\n\n".encode()
    number = 0
    try:
        async with _Pieces(source, heartbeat) as pieces:
            async for piece in pieces:
                if piece is _SILENCE:
                    yield BEAT
                    continue
                number += 1
                yield numbered(piece, number)
    except Exception as error:
        problem = problem_of(error, messages=messages, base=base)
        log(problem, error)
        yield numbered(Event(problem.to_dict(), "error"), number + 1)
        if not isinstance(error, DanaError):
            raise
        return
    used = usage() if usage is not None else getattr(getattr(source, "result", None), "usage", None)
    told = asdict(used) if isinstance(used, Usage) else None
    yield numbered(Event({"usage": told}, "done"), number + 1)


def program_events(dana: AsyncDana, source: str, filename: str | None = None) -> ProgramEvents:
    """Run a program and yield what it prints as it prints it, then its result.

    The events are ``output``, each with a piece of text, then ``result`` with ``{"value": ..., "seconds":
    ...}``; they are meant for an `event_stream`.
    A program that fails raises its error. Whoever stops reading ends the session.
    """
    return ProgramEvents(dana, source, filename)


class ProgramEvents:
    """The events of one program: see `program_events`. It begins to run when it is first read."""

    def __init__(self, dana: AsyncDana, source: str, filename: str | None = None) -> None:
        #: What came of it, once it has ended.
        self.result: ExecutionResult | None = None
        self._events = self._run(dana, source, filename)

    def __aiter__(self) -> AsyncGenerator[Event, None]:
        return self._events

    async def aclose(self) -> None:
        """Stop, which ends the session if the program still runs."""
        await self._events.aclose()

    async def _run(self, dana: AsyncDana, source: str, filename: str | None) -> AsyncGenerator[Event, None]:
        printed: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def put(text: str) -> None:
            loop.call_soon_threadsafe(printed.put_nowait, text)

        with printing(put):  # the task copies this context
            running = loop.create_task(dana.execute_string(source, filename))
        running.add_done_callback(lambda _: printed.put_nowait(None))
        try:
            while (text := await printed.get()) is not None:
                yield Event(text, "output")
            self.result = await running
            if self.result.error is not None:
                raise self.result.error
            yield Event({"value": plain(self.result.result), "seconds": self.result.execution_time}, "result")
        finally:
            running.cancel()
            await asyncio.wait([running])


def plain(value: Any) -> Any:
    """Return a value of a program as JSON can say it; what it cannot is told as text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -(2**53) < value < 2**53 else _text(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # JSON has no inf and nan
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _text(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    fields = getattr(value, "to_dict", None)
    if callable(fields):
        return plain(fields())
    return _text(value)


def _text(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # Python does not print an int of more than some thousand digits
        return f"<{type(value).__name__}>"


def numbered(piece: Any, number: int) -> bytes:
    """Return the bytes of a piece of a stream, with its number unless it has an id of its own."""
    event = piece if isinstance(piece, Event) else Event(piece)
    if event.id is None:
        event = Event(event.data, event.event, str(number), event.retry)
    return event.encode()


_SILENCE: Final = object()


class _Pieces:
    """What a source yields, and `_SILENCE` where it yields nothing for so long."""

    def __init__(self, source: AsyncIterable[Any], heartbeat: float | None) -> None:
        self._source = source
        self._pieces = source.__aiter__()
        self._heartbeat = heartbeat
        self._next: asyncio.Future[Any] | None = None

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> Any:
        if self._next is None:
            self._next = asyncio.ensure_future(_next(self._pieces))
        done, _ = await asyncio.wait([self._next], timeout=self._heartbeat)
        if not done:
            return _SILENCE
        piece, self._next = self._next.result(), None
        if piece is _END:
            raise StopAsyncIteration
        return piece

    async def __aenter__(self) -> _Pieces:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
        for closed in {id(self._pieces): self._pieces, id(self._source): self._source}.values():
            if callable(getattr(closed, "aclose", None)):
                async with aclosing(closed):  # type: ignore[type-var]
                    pass


_END: Final = object()


async def _next(pieces: Any) -> Any:
    """Return the next piece, or `_END`: futures take no StopAsyncIteration."""
    try:
        return await pieces.__anext__()
    except StopAsyncIteration:
        return _END
