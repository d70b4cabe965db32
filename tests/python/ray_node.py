"""What the tests of `opendxa.dana.ray` have on the nodes: functions, classes and models to be named."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from opendxa.dana.llm import OpenAICompatible, Request, Response, Scripted


@dataclass
class Point:
    x: int
    y: float = 0.0


class Account:
    def __init__(self, name: str) -> None:
        self.name = name

    def balance(self) -> int:
        return len(self.name)


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


def money(fields: dict[str, int]) -> Money:
    return Money(fields["cents"])


def cents(it: Money) -> dict[str, int]:
    return {"cents": it.cents}


def note(path: str, token: str) -> int:
    """Leave a trace of having been called, and say by which process."""
    with Path(path).open("a") as file:
        file.write(token + "\n")
    return os.getpid()


def price(item: str) -> float:
    return {"tea": 3.5}[item]


class GuardedError(Exception):
    """An exception that travels, with what it holds."""

    def __init__(self, text: str, secret: str = "") -> None:
        super().__init__(text)
        self.secret = secret


def careless() -> None:
    raise GuardedError("it failed", os.environ["RAY_NODE_API_KEY"])


def scripted() -> Scripted:
    return Scripted(["[2, 3, 5]", "41", "42"])


def unreachable() -> OpenAICompatible:
    """A model that has the node's key, and a server that nobody reaches."""
    return OpenAICompatible(
        model="m", base_url="http://127.0.0.1:9/v1", api_key=os.environ["RAY_NODE_API_KEY"]
    )


class Careless:
    """A model whose failures hold the key, as those of many clients do."""

    model = "m"

    def generate(self, request: Request) -> Response:
        raise GuardedError("nobody answers", os.environ["RAY_NODE_API_KEY"])


def ends() -> None:
    sys.exit(3)


def has_key() -> bool:
    return "RAY_NODE_API_KEY" in os.environ
