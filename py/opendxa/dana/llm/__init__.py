"""Language models, on the host's side.

Rule: keys, addresses and model files never reach a worker; a program sends a question and gets text. Each
provider's dependencies are loaded when it is first used.
"""

from __future__ import annotations

from .callable import FromCallable
from .local import Local
from .openai_compatible import OpenAICompatible, Timeouts
from .provider import ModelError, Provider, Request, Response, generate
from .resolve import resolve
from .scripted import Mock, Scripted

__all__ = [
    "FromCallable",
    "Local",
    "Mock",
    "ModelError",
    "OpenAICompatible",
    "Provider",
    "Request",
    "Response",
    "Scripted",
    "Timeouts",
    "generate",
    "resolve",
]
