"""A server on loopback that speaks the protocols of model servers from a script, errors included.

Each reply of the script is taken for one request: a `Reply`. What was asked is kept in `requests`. The
address says the protocol: OpenAI's, Azure's, Anthropic's, Ollama's.
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
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}/v1"
        #: Set when a client went away in the middle of an answer.
        self.broken = threading.Event()
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
        protocol = _protocol(handler.path)
        try:
            if reply.raw is not None or reply.status != 200:
                error = json.dumps({"error": protocol.error(reply.text)}).encode()
                self._send(handler, reply, reply.raw if reply.raw is not None else error)
            elif body.get("stream") if reply.stream is None else reply.stream:
                self._stream(handler, reply, protocol.events(body, reply), protocol)
            else:
                self._send(handler, reply, json.dumps(protocol.whole(body, reply)).encode())
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
            self.broken.set()

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, data: bytes) -> None:
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _stream(
        self, handler: BaseHTTPRequestHandler, reply: Reply, events: list[list[dict[str, Any]]], protocol: Any
    ) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", protocol.stream_type)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        before, after = events
        for event in before:
            handler.wfile.write(protocol.frame(event))
        handler.wfile.flush()
        if reply.wait_between is not None:
            reply.wait_between.wait(30)
        if reply.cut:
            return
        for event in after:
            handler.wfile.write(protocol.frame(event))
            handler.wfile.flush()
        handler.wfile.write(protocol.end)


class _OpenAI:
    """Chat completions."""

    stream_type = "text/event-stream"
    end = b"data: [DONE]\n\n"

    def error(self, text: str) -> Any:
        return {"message": text}

    def frame(self, event: dict[str, Any]) -> bytes:
        return b"data: " + json.dumps(event).encode() + b"\n\n"

    def usage(self, reply: Reply) -> dict[str, int]:
        return {"prompt_tokens": reply.input_tokens, "completion_tokens": reply.output_tokens}

    def whole(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        choice = {
            "message": {"role": "assistant", "content": reply.text},
            "finish_reason": "stop",
            "index": 0,
        }
        return {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "served",
            "choices": [choice],
            "usage": self.usage(reply),
        }

    def events(self, body: dict[str, Any], reply: Reply) -> list[list[dict[str, Any]]]:
        first, rest = _halves(reply.text)
        common = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "served"}
        return [
            [{**common, "choices": [{"index": 0, "delta": {"content": first}, "finish_reason": None}]}],
            [
                {**common, "choices": [{"index": 0, "delta": {"content": rest}, "finish_reason": "stop"}]},
                {**common, "choices": [], "usage": self.usage(reply)},
            ],
        ]


class _Anthropic:
    """Messages."""

    stream_type = "text/event-stream; charset=utf-8"
    end = b""

    def error(self, text: str) -> Any:
        return {"type": "api_error", "message": text}

    def frame(self, event: dict[str, Any]) -> bytes:
        return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()

    def whole(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "text", "text": reply.text}
        if "tools" in body:
            block = {"type": "tool_use", "id": "t", "name": "answer", "input": json.loads(reply.text)}
        usage = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
        return {"type": "message", "model": "served", "content": [block], "usage": usage}

    def events(self, body: dict[str, Any], reply: Reply) -> list[list[dict[str, Any]]]:
        first, rest = _halves(reply.text)
        tool = "tools" in body

        def delta(text: str) -> dict[str, Any]:
            inner = (
                {"type": "input_json_delta", "partial_json": text}
                if tool
                else {"type": "text_delta", "text": text}
            )
            return {"type": "content_block_delta", "index": 0, "delta": inner}

        start = {"model": "served", "usage": {"input_tokens": reply.input_tokens, "output_tokens": 1}}
        return [
            [
                {"type": "message_start", "message": start},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "ping"},
                delta(first),
            ],
            [
                delta(rest),
                {"type": "content_block_stop", "index": 0},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": reply.output_tokens},
                },
                {"type": "message_stop"},
            ],
        ]


class _Ollama:
    """Ollama's chat: lines of JSON."""

    stream_type = "application/x-ndjson"
    end = b""

    def error(self, text: str) -> Any:
        return text

    def frame(self, event: dict[str, Any]) -> bytes:
        return json.dumps(event).encode() + b"\n"

    def whole(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        return {
            "model": "served",
            "message": {"role": "assistant", "content": reply.text},
            "done": True,
            "prompt_eval_count": reply.input_tokens,
            "eval_count": reply.output_tokens,
        }

    def events(self, body: dict[str, Any], reply: Reply) -> list[list[dict[str, Any]]]:
        first, rest = _halves(reply.text)

        def said(text: str) -> dict[str, Any]:
            return {"model": "served", "message": {"role": "assistant", "content": text}, "done": False}

        last = self.whole(body, reply)
        last["message"]["content"] = ""
        return [[said(first)], [said(rest), last]]


def _protocol(path: str) -> Any:
    if path.endswith("/v1/messages"):
        return _Anthropic()
    return _Ollama() if path.endswith("/api/chat") else _OpenAI()


def _halves(text: str) -> tuple[str, str]:
    half = len(text) // 2
    return text[:half], text[half:]
