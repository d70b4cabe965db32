"""The prompt on a terminal: editing over lines, colours, completion, history.

Rule: prompt_toolkit is loaded by nothing but this module, and this module by nothing but ``dana-bridge repl``
on a terminal.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from ..pygments_lexer import DanaLexer
from .completion import Names, suggest
from .console import COMMANDS, Console, LeaveError
from .statements import INDENT, indentation, is_finished
from .usage import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.key_binding import KeyPressEvent

__all__ = ["converse", "history_file"]

_PROMPT: Final = "dana> "
_GOES_ON: Final = " ...  "
_STYLE: Final = Style.from_dict({
    "prompt": "ansigreen bold",
    "goes-on": "ansibrightblack",
    "pygments.keyword": "ansimagenta",
    "pygments.keyword.constant": "ansicyan",
    "pygments.keyword.type": "ansicyan",
    "pygments.operator.word": "ansimagenta",
    "pygments.name.builtin": "ansicyan",
    "pygments.name.function": "ansiblue",
    "pygments.name.class": "ansiblue bold",
    "pygments.name.namespace": "ansiblue",
    "pygments.name.exception": "ansired",
    "pygments.name.decorator": "ansiyellow",
    "pygments.literal.string": "ansigreen",
    "pygments.literal.string.interpol": "ansiyellow",
    "pygments.literal.string.escape": "ansiyellow",
    "pygments.literal.number": "ansiyellow",
    "pygments.comment": "ansibrightblack italic",
})  # fmt: skip


def converse(console: Console, *, keeps_history: bool, **devices: Any) -> None:
    """Prompt and run until the user leaves; `devices` are an input and an output for tests."""
    print(console.banner())  # noqa: T201 - that is what it is for
    names = _Names()
    prompt: PromptSession[str] = PromptSession(
        [("class:prompt", _PROMPT)],
        multiline=True,
        prompt_continuation=[("class:goes-on", _GOES_ON)],
        lexer=PygmentsLexer(DanaLexer),
        style=_STYLE,
        color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None,
        completer=names,
        complete_while_typing=False,
        complete_in_thread=True,
        auto_suggest=AutoSuggestFromHistory() if keeps_history else None,
        history=_history() if keeps_history else InMemoryHistory(),
        key_bindings=_bindings(),
        include_default_pygments_style=False,
        enable_suspend=True,
        **devices,
    )
    while True:
        try:
            names.names = console.names()
            text = prompt.prompt()
        except KeyboardInterrupt:
            continue  # the line is dropped
        except EOFError:
            return
        if not text.strip():
            continue
        try:
            console.enter(text.strip() if text.startswith(":") else text.rstrip())
        except LeaveError:
            return
        except KeyboardInterrupt:
            continue  # pressed once more while a new session began


def history_file() -> Path:
    """Return where lines are kept that were typed."""
    base = os.environ.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    folder = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return folder / "dana-bridge" / "history"


class _History(FileHistory):
    """A file of lines, but for those that begin with a blank."""

    def store_string(self, string: str) -> None:
        if not string.startswith(" "):
            super().store_string(string)


def _history() -> History:
    """Open the history, which only its owner can read; without a place for it, it lasts for this session."""
    try:
        path = history_file()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(file, 0o600)
        finally:
            os.close(file)
    except (OSError, RuntimeError) as error:  # there may be no home folder
        print(f"The history is not kept: {visible(str(error))}")  # noqa: T201
        return InMemoryHistory()
    return _History(str(path))


class _Names(Completer):
    """Completes with what the session had after its last turn."""

    def __init__(self) -> None:
        self.names = Names()
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Return what can follow the cursor."""
        before = document.text_before_cursor
        if before.startswith(":load "):
            word = before.removeprefix(":load ").lstrip()
            yield from self._paths.get_completions(Document(word), complete_event)
            return
        for one in suggest(before, self.names, COMMANDS):
            yield Completion(one.text, -one.replaces, display_meta=visible(one.about))


def _bindings() -> KeyBindings:
    """Return what Enter, Tab and Backspace do."""
    bindings = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)

    @Condition
    def in_indentation() -> bool:
        """Whether nothing but blanks is before the cursor in its line."""
        before = get_app().current_buffer.document.current_line_before_cursor
        return not before.strip()

    @Condition
    def in_deep_indentation() -> bool:
        before = get_app().current_buffer.document.current_line_before_cursor
        return bool(before) and not before.strip(" ") and len(before) % INDENT == 0

    @bindings.add("enter", filter=typing)
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None
            return
        behind = buffer.document.text_after_cursor
        if is_finished(buffer.text) and not behind.strip():
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n" + " " * indentation(buffer.document.text_before_cursor))

    @bindings.add("escape", "enter", filter=typing)
    def break_line(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        buffer.insert_text("\n" + " " * indentation(buffer.document.text_before_cursor))

    @bindings.add("tab", filter=typing & in_indentation)
    def indent(event: KeyPressEvent) -> None:
        column = event.current_buffer.document.cursor_position_col
        event.current_buffer.insert_text(" " * (INDENT - column % INDENT))

    @bindings.add("backspace", filter=typing & in_deep_indentation)
    def dedent(event: KeyPressEvent) -> None:
        event.current_buffer.delete_before_cursor(INDENT)

    return bindings
