"""A model that says what a test has it say, and remembers what it was asked.

Rule: a question too many fails the question; a reply too many fails the test.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import Any

from opendxa.dana.llm.provider import ModelError, Request, Response

__all__ = ["Delayed", "ScriptedLLM"]


class Delayed:
    """A reply that takes its time."""

    def __init__(self, seconds: float, reply: str) -> None:
        self.seconds: float = seconds
        self.reply: str = reply


class ScriptedLLM:
    """Gives replies in the order of the questions: ``scripted_llm("42", [1, 2], ModelError("busy"))``.

    A reply is text, a value that is sent as JSON, an exception that is raised, or what `after` returns.
    Called without replies it only tells what was asked. Programs can call it too, as a parameter of a test.
    """

    def __init__(self) -> None:
        self._replies: deque[Any] = deque()
        self._lock = threading.Lock()
        self._given = 0
        self._woken = threading.Event()
        #: What was asked, in order, with options and expected types.
        self.requests: list[Request] = []

    def __call__(self, *replies: Any) -> list[str]:
        """Add replies; return the questions that were asked so far."""
        for reply in replies:
            if not isinstance(reply, str | Exception | Delayed):
                json.dumps(reply)  # what cannot be sent is an error here, not at the question
        with self._lock:
            self._replies.extend(replies)
            return self._questions()

    @property
    def questions(self) -> list[str]:
        """The texts that were asked, without system messages."""
        with self._lock:
            return self._questions()

    def _questions(self) -> list[str]:
        return [str(request.messages[-1]["content"]) if request.messages else "" for request in self.requests]

    @property
    def unused(self) -> int:
        """How many replies nobody asked for yet."""
        return len(self._replies)

    @staticmethod
    def after(seconds: float, reply: Any) -> Delayed:
        """Return a reply that comes that late, unless the turn is over before."""
        return Delayed(seconds, _text(reply))

    def generate(self, request: Request) -> Response:
        """Give the next reply."""
        with self._lock:
            self.requests.append(request)
            if not self._replies:
                asked = self._questions()[-1]
                raise ModelError(
                    f"the script has {self._given} replies, one more was asked: {asked!r}", attempts=0
                )
            reply = self._replies.popleft()
            self._given += 1
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Delayed):
            left = request.remaining()
            self._woken.wait(reply.seconds if left is None else min(left, reply.seconds))
            reply = reply.reply
        return Response(text=_text(reply), model="scripted")

    def close(self) -> None:
        """Wait for no reply any more."""
        self._woken.set()

    def __repr__(self) -> str:
        return f"ScriptedLLM({len(self.requests)} asked, {self.unused} unused)"


def _text(reply: Any) -> str:
    return reply if isinstance(reply, str) else json.dumps(reply)
