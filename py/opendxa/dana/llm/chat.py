"""What Python code says in a question to a model: a prompt or messages, options, and how long it waits.

Rule: what makes no sense is refused by name, before anything is asked.
"""

from __future__ import annotations

import time
from asyncio import TimeoutError as AsyncTimeoutError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final

from opendxa.dana import options as reason_options
from opendxa.dana.exceptions import DanaCallError, DanaError, ModelError
from opendxa.dana.reasoning import ReasoningResult
from opendxa.dana.types import format_type_error

from .asking import told
from .openai_compatible import PASSED_ON
from .provider import Request
from .transport import Timeouts

if TYPE_CHECKING:
    from .asking import Asking
    from .provider import Response

__all__ = ["deadline", "failure", "late", "question", "result", "too_late"]

_OPTIONS: Final = frozenset({"system_message", "format", "model", *PASSED_ON})
#: What waiting for too long is, in every version of Python.
_TIMEOUTS: Final[tuple[type[Exception], ...]] = (TimeoutError, FutureTimeoutError, AsyncTimeoutError)


def question(
    prompt: str | list[dict[str, str]], options: dict[str, Any] | None, timeout: float | Timeouts | None
) -> Request:
    """Return the request for a prompt, or for chat messages."""
    given = _checked(options)
    messages = _messages(prompt, given.pop("system_message", None))
    timeouts = timeout if isinstance(timeout, Timeouts) else None
    return Request(messages, given, deadline=deadline(timeout), timeouts=timeouts)


def result(response: Response, asking: Asking) -> ReasoningResult[str]:
    """Return an answer as Python code gets it."""
    return ReasoningResult(
        response.text,
        usage=asking.used,
        model=response.model,
        cached=response.cached,
        attempts=response.attempts,
    )


def failure(asking: Asking, error: Exception) -> DanaError:
    """Return what to raise: a timeout of ours, or what the provider said."""
    if isinstance(error, _TIMEOUTS) and asking.request.remaining() == 0:
        return late(asking)
    return told(asking.provider, error)


def late(asking: Asking) -> ModelError:
    """Return the error for an answer that did not come in time."""
    return too_late(asking.model, int(asking.went_out))


def too_late(model: str, attempts: int = 1) -> ModelError:
    """Return the error for an answer of a model that did not come in time."""
    name = f" {model!r}" if model else ""
    return ModelError(f"the model{name} gave no answer within the timeout", attempts=attempts)


def _checked(options: dict[str, Any] | None) -> dict[str, Any]:
    """Return the options of a question as a new dictionary, or raise `DanaCallError`."""
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise TypeError(format_type_error(options, dict, "argument 'options'"))
    unknown = sorted(str(name) for name in options if name not in _OPTIONS)
    if unknown:
        allowed = ", ".join(sorted(_OPTIONS))
        raise DanaCallError(f"Invalid option keys: {unknown}; the options are {allowed}")
    reason_options.check({name: value for name, value in options.items() if name in reason_options.ALLOWED})
    return {name: value for name, value in options.items() if value is not None}


def _messages(prompt: str | list[dict[str, str]], system: str | None) -> list[dict[str, str]]:
    """Return the messages of a prompt, or those given."""
    if isinstance(prompt, str):
        if not prompt.strip():
            raise DanaCallError("the prompt is empty")
        said = [{"role": "user", "content": prompt}]
    elif isinstance(prompt, list) and prompt:
        said = []
        for item in prompt:
            role, content = (
                (item.get("role"), item.get("content")) if isinstance(item, dict) else (None, None)
            )
            if not isinstance(role, str) or not isinstance(content, str):
                raise TypeError(format_type_error(item, "dict with role and content", "a message"))
            said.append({"role": role, "content": content})
    else:
        raise TypeError(format_type_error(prompt, "str or list of messages", "argument 'prompt'"))
    return [{"role": "system", "content": system}, *said] if system else said


def deadline(timeout: float | Timeouts | None) -> float | None:
    """Return when a question that may take so long is late, by `time.monotonic`."""
    if isinstance(timeout, Timeouts):
        timeout = timeout.total
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(format_type_error(timeout, float, "argument 'timeout'"))
    return time.monotonic() + max(0.0, timeout)
