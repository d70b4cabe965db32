"""A server on loopback that speaks OpenAI's chat completions from a script, errors included.

Each reply of the script is taken for one request: a `Reply`. What was asked is kept in `requests`.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One answer of the server."""

    text: str = "hello"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    #: Sent instead of a well-formed answer.
    raw: bytes | None = None
    #: Stream the answer in pieces; None follows the request.
    stream: bool | None = None
    #: What must happen before the answer starts, and before its second piece.
    wait_before: threading.Event | None = None
    wait_between: threading.Event | None = None
    #: Break the connection in the middle of the answer.
    cut: bool = False
    input_tokens: int = 7
    output_tokens: int = 3


class ModelServer:
    """The server; a context manager."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                with server._lock:
                    index = min(len(server.requests), len(server.replies) - 1)
                    server.requests.append({"path": self.path, **body})
                    server.headers.append({name.lower(): value for name, value in self.headers.items()})
                server._answer(self, body, server.replies[index])

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        for reply in self.replies:
            for event in (reply.wait_before, reply.wait_between):
                if event is not None:
                    event.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], reply: Reply) -> None:
        if reply.wait_before is not None:
            reply.wait_before.wait(30)
        try:
            if reply.raw is not None or reply.status != 200:
                data = (
                    reply.raw
                    if reply.raw is not None
                    else json.dumps({"error": {"message": reply.text}}).encode()
                )
                self._send(handler, reply, data)
            elif body.get("stream") if reply.stream is None else reply.stream:
                self._stream(handler, reply)
            else:
                choice = {"message": {"role": "assistant", "content": reply.text}, "finish_reason": "stop"}
                answer = {"model": "served", "choices": [choice], "usage": self._usage(reply)}
                self._send(handler, reply, json.dumps(answer).encode())
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, data: bytes) -> None:
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _stream(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        half = len(reply.text) // 2
        self._event(handler, {"model": "served", "choices": [{"delta": {"content": reply.text[:half]}}]})
        if reply.wait_between is not None:
            reply.wait_between.wait(30)
        if reply.cut:
            return
        self._event(
            handler, {"choices": [{"delta": {"content": reply.text[half:]}, "finish_reason": "stop"}]}
        )
        self._event(handler, {"choices": [], "usage": self._usage(reply)})
        handler.wfile.write(b"data: [DONE]\n\n")

    def _event(self, handler: BaseHTTPRequestHandler, event: dict[str, Any]) -> None:
        handler.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        handler.wfile.flush()

    def _usage(self, reply: Reply) -> dict[str, int]:
        return {"prompt_tokens": reply.input_tokens, "completion_tokens": reply.output_tokens}
