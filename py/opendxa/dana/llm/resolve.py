"""Which model answers when a program asks.

Rule: what the caller says wins; then the environment; then what is installed; and when there is nothing, an
error that says what to do. A provider's module is loaded when it is named.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from opendxa.dana.exceptions import ConfigurationError

from .callable import FromCallable
from .scripted import Mock, Scripted

if TYPE_CHECKING:
    from .provider import Provider

__all__ = ["resolve"]

_OPENAI: Final = "https://api.openai.com/v1"
_OPENAI_MODEL: Final = "gpt-4o-mini"
_ANTHROPIC: Final = "https://api.anthropic.com"
_OLLAMA: Final = "http://127.0.0.1:11434"
_FORMS: Final = (
    "openai:<model>, anthropic:<model>, azure:<deployment>, ollama:<model>, litellm:<model>, local, mock, "
    "or scripted:<reply>|<reply>|..."
)


def resolve(llm: object = None) -> Provider:
    """Return the provider for `llm`: a provider, a callable, text, or None to look for one.

    Text is one of these, with the variables of the environment that the makers' own libraries read:

    - ``openai:<model>``: ``OPENAI_API_KEY``, ``OPENAI_BASE_URL``, ``OPENAI_MODEL``
    - ``anthropic:<model>``: ``ANTHROPIC_API_KEY``, ``ANTHROPIC_BASE_URL``, ``ANTHROPIC_MODEL``
    - ``azure:<deployment>``: ``AZURE_OPENAI_ENDPOINT``, ``AZURE_OPENAI_API_KEY`` or
      ``AZURE_OPENAI_AD_TOKEN``, ``OPENAI_API_VERSION``
    - ``ollama:<model>``: ``OLLAMA_HOST``
    - ``litellm:<model>``: those of the model's maker
    - ``local``, ``local:<path of a gguf file>``, ``mock``, ``scripted:<reply>|<reply>|...``

    None looks at ``DANA_MOCK_LLM=true``, ``DANA_LLM`` (such text), ``OPENAI_API_KEY`` (with
    ``OPENAI_BASE_URL`` and ``OPENAI_MODEL``), and the local model if it is installed.
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
        return _openai("")
    from .local import INSTALL, Local  # noqa: PLC0415 - looked for last

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
    if kind == "mock" and not rest:
        return Mock()
    if kind == "scripted":
        return Scripted(rest.split("|"))
    if kind == "local":
        from .local import Local  # noqa: PLC0415

        return Local(rest or None)
    maker = _MAKERS.get(kind)
    if maker is None:
        raise ConfigurationError(f"{where} names no known model: {text!r}\nHint: {_FORMS}")
    return maker(rest.strip())


def _openai(model: str) -> Provider:
    """Return the model of an OpenAI-style server that the environment describes."""
    from .openai_compatible import OpenAICompatible  # noqa: PLC0415

    model = model or os.environ.get("OPENAI_MODEL") or _OPENAI_MODEL
    key = os.environ.get("OPENAI_API_KEY")
    url = os.environ.get("OPENAI_BASE_URL") or _OPENAI
    if not key and url == _OPENAI:
        raise ConfigurationError(
            f"the model {model!r} needs an API key\n"
            "Hint: set OPENAI_API_KEY, or OPENAI_BASE_URL for another server"
        )
    return OpenAICompatible(model=model, base_url=url, api_key=key)


def _anthropic(model: str) -> Provider:
    """Return a model of Anthropic's."""
    from .anthropic import Anthropic  # noqa: PLC0415

    model = _told("anthropic", model, "ANTHROPIC_MODEL")
    key = os.environ.get("ANTHROPIC_API_KEY")
    url = os.environ.get("ANTHROPIC_BASE_URL") or _ANTHROPIC
    if not key and url == _ANTHROPIC:
        raise ConfigurationError(f"the model {model!r} needs an API key\nHint: set ANTHROPIC_API_KEY")
    return Anthropic(model, url, key)


def _azure(deployment: str) -> Provider:
    """Return a deployment of Azure OpenAI."""
    from .azure import API_VERSION, AzureOpenAI  # noqa: PLC0415

    deployment = _told("azure", deployment, "AZURE_OPENAI_DEPLOYMENT")
    endpoint = os.environ.get("AZURE_OPENAI_ENDPOINT")
    key, token = os.environ.get("AZURE_OPENAI_API_KEY"), os.environ.get("AZURE_OPENAI_AD_TOKEN")
    if not endpoint or not (key or token):
        raise ConfigurationError(
            f"the deployment {deployment!r} needs an address and a key\n"
            "Hint: set AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY (or AZURE_OPENAI_AD_TOKEN)"
        )
    headers = {"Authorization": f"Bearer {token}"} if token and not key else None
    version = os.environ.get("OPENAI_API_VERSION") or API_VERSION
    return AzureOpenAI(deployment, endpoint, key, api_version=version, headers=headers)


def _ollama(model: str) -> Provider:
    """Return a model of an Ollama server."""
    from .ollama import Ollama  # noqa: PLC0415

    model = _told("ollama", model, "OLLAMA_MODEL")
    host = os.environ.get("OLLAMA_HOST", "").strip() or _OLLAMA
    if "://" not in host:
        host = f"http://{host}" + ("" if ":" in host else ":11434")
    # A server told to listen everywhere is asked on this machine.
    return Ollama(model, host.replace("://0.0.0.0", "://127.0.0.1"))


def _litellm(model: str) -> Provider:
    """Return a model that litellm knows."""
    from .adapters import FromLiteLLM  # noqa: PLC0415

    return FromLiteLLM(_told("litellm", model, "LITELLM_MODEL"))


def _told(kind: str, model: str, variable: str) -> str:
    """Return which model is meant: there is none by default."""
    name = model or os.environ.get(variable)
    if not name:
        raise ConfigurationError(f"{kind}: names no model\nHint: {kind}:<model>, or set {variable}")
    return name


_MAKERS: Final = {
    "openai": _openai,
    "anthropic": _anthropic,
    "azure": _azure,
    "ollama": _ollama,
    "litellm": _litellm,
}
