"""Language models, on the host's side.

Rule: keys, addresses and model files never reach a worker; a program sends a question and gets text. Each
provider's module and its dependencies are loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .callable import FromCallable
from .provider import ModelError, Provider, Request, Response, generate
from .resolve import resolve
from .scripted import Mock, Scripted

if TYPE_CHECKING:
    from .adapters import FromLiteLLM, FromOpenAI
    from .anthropic import Anthropic
    from .azure import AzureOpenAI
    from .cache import ReasoningCache
    from .gate import LLMPool, LLMPoolStats
    from .local import Local
    from .ollama import Ollama
    from .openai_compatible import OpenAICompatible
    from .prices import Price, Prices
    from .resource import LLM, AsyncLLM
    from .streams import AsyncLLMStream, LLMStream
    from .transport import Timeouts

__all__ = [
    "LLM",
    "Anthropic",
    "AsyncLLM",
    "AsyncLLMStream",
    "AzureOpenAI",
    "FromCallable",
    "FromLiteLLM",
    "FromOpenAI",
    "LLMPool",
    "LLMPoolStats",
    "LLMStream",
    "Local",
    "Mock",
    "ModelError",
    "Ollama",
    "OpenAICompatible",
    "Price",
    "Prices",
    "Provider",
    "ReasoningCache",
    "Request",
    "Response",
    "Scripted",
    "Timeouts",
    "generate",
    "resolve",
]

_HOMES = {
    "LLM": "resource",
    "Anthropic": "anthropic",
    "AsyncLLM": "resource",
    "AsyncLLMStream": "streams",
    "AzureOpenAI": "azure",
    "FromLiteLLM": "adapters",
    "FromOpenAI": "adapters",
    "LLMPool": "gate",
    "LLMPoolStats": "gate",
    "LLMStream": "streams",
    "Local": "local",
    "Ollama": "ollama",
    "OpenAICompatible": "openai_compatible",
    "Price": "prices",
    "Prices": "prices",
    "ReasoningCache": "cache",
    "Timeouts": "transport",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    from importlib import import_module  # noqa: PLC0415

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what can be imported from here."""
    return sorted({*globals(), *__all__})
