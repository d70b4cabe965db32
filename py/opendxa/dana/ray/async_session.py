"""`AsyncClusterSession`: a session on some node of a Ray cluster, for asyncio.

Rule: what `AsyncDana` does, but for what `differences` lists. The loop is never held up; a task that is
cancelled while it waits ends the session, and its worker on the node.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from opendxa.dana import options as reason_options
from opendxa.dana.arguments import check, check_variable
from opendxa.dana.exceptions import DanaError, ResourceError, SessionClosedError, hides
from opendxa.dana.modules import read

from . import face
from .core import packed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from opendxa.dana.context import SandboxContext
    from opendxa.dana.description import Description
    from opendxa.dana.isolation import IsolationReport
    from opendxa.dana.limits import Limits
    from opendxa.dana.reasoning import ReasoningResult
    from opendxa.dana.result import ExecutionResult, Usage
    from opendxa.dana.types import TypeConverter

    from .core import Core
    from .loop import ClientLoop

__all__ = ["AsyncClusterSession"]

#: pytest leaves these frames out of the traceback of a Dana error.
__tracebackhide__ = hides
T = TypeVar("T")
Value = TypeVar("Value")


class AsyncClusterSession(face.Face):
    """One session on a node; `DanaCluster.async_session` makes it.

    It is opened by ``async with``, by `open`, or by its first use. What is known of it without waiting
    (`isolation`, `usage`, ...) is what the node said with its last answer; `refresh` asks anew.
    """

    def __init__(self, core: Core, loop: ClientLoop, limits: Limits, *, echo: bool, send_code: bool) -> None:
        super().__init__(core, echo=echo, send_code=send_code)
        self._loop = loop
        self.limits: Limits = limits
        #: What was registered and is not sent yet: `register` and `bind` do not wait.
        self._untold: list[tuple[str, bytes]] = []
        weakref.finalize(self, loop.soon, core.drop).atexit = False

    async def open(self) -> AsyncClusterSession:
        """Open the session, if it is not open yet. Raises what `AsyncDana` raises."""
        await self._wait(self._core.open())
        await self._tell()
        return self

    async def close(self) -> None:
        """End the session, and wait until nothing is left of its worker. Closing twice is no error."""
        if self._process == os.getpid() and not (self._core.closed or self._loop.stopped):
            await self._loop.wait(self._core.close())

    async def restart_subprocess(self) -> None:
        """Replace the session by a new one, on the node with the fewest; its state is lost."""
        await self._wait(self._core.restart())

    async def __aenter__(self) -> AsyncClusterSession:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def execute_string(self, source: str, filename: str | None = None) -> ExecutionResult:
        """Run Dana source text; see `AsyncDana.execute_string`."""
        return await self._execute(self._text(source, filename))

    async def execute_file(self, path: str | os.PathLike[str]) -> ExecutionResult:
        """Run a Dana file, which is read here. Modules that it imports are looked for on the node."""
        if not isinstance(path, os.PathLike):
            check(path, str, "path")
        file = Path(path)
        try:
            source = await asyncio.to_thread(read, file)
        except ResourceError as error:
            return face.unreadable(error)
        return await self._execute(self._file(file, source))

    async def _execute(self, data: bytes) -> ExecutionResult:
        try:
            return self._executed(await self._ask("execute", data))
        except SessionClosedError:
            raise
        except DanaError as error:
            return face.failed(error)

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a Dana function by name and return its value; a failure raises `DanaCallError`."""
        check(name, str, "name")
        return self._value(await self._ask("call", packed(name, *args, **kwargs)))

    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: type[Value],
        details: Literal[False] = False,
    ) -> Value: ...
    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: type[Value],
        details: Literal[True],
    ) -> ReasoningResult[Value]: ...
    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        details: Literal[True],
    ) -> ReasoningResult[Any]: ...
    @overload
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        details: bool = False,
    ) -> Any: ...
    async def reason(
        self,
        prompt: str,
        options: dict[str, Any] | None = None,
        *,
        returns: Any = None,
        details: bool = False,
    ) -> Any:
        """Ask the node's model and return its answer; see `Dana.reason`."""
        check(prompt, str, "prompt")
        if options is not None:
            check(options, dict, "options")
        question = face.Question(prompt, reason_options.check(options), returns, details)
        done, answer = False, None
        while not done:
            done, answer = question.answered(self._value(await self._ask("reason", question.packed())))
        return answer

    async def get(self, name: str) -> Any:
        """Return a variable of the session; ``name`` or ``scope:name``."""
        check_variable(name)
        return self._value(await self._ask("get", packed(name)))

    async def set(self, name: str, value: Any) -> None:
        """Set a variable of the session; ``name`` or ``scope:name``."""
        check_variable(name)
        self._value(await self._ask("set", packed(name, value)))

    async def snapshot(self) -> SandboxContext:
        """Return a copy of the session's variables."""
        context: SandboxContext = self._value(await self._ask("snapshot", packed()))
        return context

    async def describe(self) -> Description:
        """Tell what a program can call here; see `Dana.describe`."""
        described: Description = self._value(await self._ask("describe", packed()))
        return described

    async def refresh(self) -> AsyncClusterSession:
        """Ask the node how the session stands; raises `WorkerLostError` where it does not answer."""
        self._value(await self._ask("status", packed()))
        return self

    def register(self, name: str, function: Callable[..., Any], *, background: bool | None = None) -> None:
        """Let programs call a Python function, which runs on the node, from the next turn on."""
        self._untold.append(("register", self._registered(name, function, background)))

    def bind(self, python_type: type[T]) -> type[T]:
        """Have structs come back as objects of a class, from the next turn on; see `ClusterSession.bind`."""
        self._untold.append(("bind", self._bound(python_type)))
        return python_type

    def register_type(
        self,
        python_type: type[T],
        to_dana: Callable[[T], Any] | TypeConverter,
        *,
        name: str | None = None,
        from_dana: Callable[[dict[str, Any]], T] | None = None,
    ) -> None:
        """Have objects of a class cross, converted on the node, from the next turn on."""
        self._untold.append(("register_type", self._type(python_type, to_dana, name, from_dana)))

    @property
    def is_subprocess_isolated(self) -> bool:
        """Whether a live worker, locked and verified, held the session when the node last answered."""
        return self._core.node is not None and self._core.status.isolated

    @property
    def subprocess_pid(self) -> int | None:
        """The worker's process id on its node, as of the node's last answer."""
        return self._core.status.pid

    @property
    def node_id(self) -> str | None:
        """Ray's id of the session's node, None when it has none (yet, or any more)."""
        node = self._core.node
        return node.node_id if node is not None else None

    @property
    def isolation(self) -> IsolationReport:
        """Which walls stood round the session when the node last told, and what proved it."""
        report = self._core.status.isolation
        return report if report is not None else self._gone()

    @property
    def usage(self) -> Usage:
        """What all turns so far used, as of the node's last answer."""
        return self._core.status.usage

    def __repr__(self) -> str:
        state = "closed" if self._core.closed else f"node={self.node_id and self.node_id[:12]}"
        return f"AsyncClusterSession({state})"

    async def _ask(self, what: str, data: bytes) -> bytes:
        """Do one thing with the session, and wait for it."""
        await self._tell()
        answer: bytes = await self._wait(self._core.turn(what, data))
        return answer

    async def _tell(self) -> None:
        """Tell the session what was registered meanwhile."""
        while self._untold:
            what, data = self._untold.pop(0)
            await self._wait(self._core.known(what, data))

    async def _wait(self, work: Any) -> Any:
        try:
            self._refuse_fork()
        except SessionClosedError:
            work.close()
            raise
        return await self._loop.wait(work)
