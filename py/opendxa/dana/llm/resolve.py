"""Which model answers when a program asks.

Rule: what the caller says wins; then the environment; then what is installed; and when there is nothing, an
error that says what to do.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from opendxa.dana.exceptions import ConfigurationError

from .callable import FromCallable
from .local import INSTALL, Local
from .openai_compatible import OpenAICompatible
from .scripted import Mock, Scripted

if TYPE_CHECKING:
    from .provider import Provider

__all__ = ["resolve"]

_OPENAI: Final = "https://api.openai.com/v1"
_OPENAI_MODEL: Final = "gpt-4o-mini"


def resolve(llm: object = None) -> Provider:
    """Return the provider for `llm`: a provider, a callable, text, or None to look for one.

    Text is ``openai:<model>`` (with ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``), ``local``, ``local:<path of
    a gguf file>``, ``mock``, or ``scripted:<reply>|<reply>|...``. None looks at ``DANA_MOCK_LLM=true``,
    ``DANA_LLM`` (such text), ``OPENAI_API_KEY`` (with ``OPENAI_BASE_URL`` and ``OPENAI_MODEL``), and the
    local model if it is installed.
    """
    if isinstance(llm, str):
        return _named(llm, "llm")
    if llm is not None:
        if callable(getattr(llm, "generate", None)):
            return llm  # type: ignore[return-value]
        if callable(llm):
            return FromCallable(llm)
        raise TypeError(f"Expected a provider, a callable or str, got {type(llm).__name__} at argument 'llm'")
    if os.environ.get("DANA_MOCK_LLM", "").lower() == "true":
        return Mock()
    if os.environ.get("DANA_LLM"):
        return _named(os.environ["DANA_LLM"], "DANA_LLM")
    if os.environ.get("OPENAI_API_KEY"):
        return _openai(os.environ.get("OPENAI_MODEL") or _OPENAI_MODEL)
    if Local.installed():
        return Local()
    raise ConfigurationError(
        "no language model is configured\n"
        "Hint: pass llm=... (a provider, or a callable fn(messages, options) -> str), set DANA_LLM or "
        "OPENAI_API_KEY (with OPENAI_BASE_URL for another server), or install a small local model: "
        f"{INSTALL}"
    )


def _named(text: str, where: str) -> Provider:
    """Return the provider that `text` names."""
    kind, _, rest = text.strip().partition(":")
    if kind == "openai":
        return _openai(rest or os.environ.get("OPENAI_MODEL") or _OPENAI_MODEL)
    if kind == "local":
        return Local(rest or None)
    if kind == "mock" and not rest:
        return Mock()
    if kind == "scripted":
        return Scripted(rest.split("|"))
    raise ConfigurationError(
        f"{where} names no known model: {text!r}\n"
        "Hint: openai:<model>, local, mock, or scripted:<reply>|<reply>|..."
    )


def _openai(model: str) -> Provider:
    """Return the model of an OpenAI-style server that the environment describes."""
    key = os.environ.get("OPENAI_API_KEY")
    url = os.environ.get("OPENAI_BASE_URL") or _OPENAI
    if not key and url == _OPENAI:
        raise ConfigurationError(
            f"the model {model!r} needs an API key\n"
            "Hint: set OPENAI_API_KEY, or OPENAI_BASE_URL for another server"
        )
    return OpenAICompatible(model=model, base_url=url, api_key=key)
