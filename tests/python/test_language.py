"""The language programs of `tests/language/`, run as a user runs them: isolated and in the host process.

What each program prints and the text of its error stand beside it, with the modules that it imports and what
the model answers. The interpreter's own test runs the same programs in Rust; here they cross the pipe, the
bridge and the package, and both modes must agree to the letter.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from opendxa.dana import Dana

PROGRAMS = sorted((Path(__file__).parent.parent / "language").glob("*.na"))


class Script:
    """A model that follows a script: ``>>> part of the question``, then the reply, each given once."""

    def __init__(self, program: Path) -> None:
        path = program.with_suffix(".replies")
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        blocks = text.split(">>>")[1:] if text.startswith(">>>") else []
        pairs = [block.partition("\n") for block in blocks]
        self._replies = [(part.strip(), reply.removesuffix("\n")) for part, _, reply in pairs]
        self._lock = threading.Lock()
        self.asked: list[str] = []

    def __call__(self, messages: list[dict[str, str]], options: dict[str, object]) -> str:
        """Give the first reply not yet given that is for this question; ``!!`` stands for a failure."""
        with self._lock:
            lines = [f"[{message['role']}] {message['content']}\n" for message in messages]
            self.asked.append("".join(lines))
            for at, (part, reply) in enumerate(self._replies):
                if part in messages[-1]["content"]:
                    del self._replies[at]
                    if reply == "!!":
                        raise RuntimeError("the script says so")
                    return reply
        raise AssertionError(f"no reply is left for {messages} {options}")


def observed(program: Path, *, isolated: bool) -> tuple[str, str | None, list[str]]:
    """Run one program; returns what it printed, the whole text of its error, and what it asked the model."""
    source = program.read_text(encoding="utf-8")
    script = Script(program)
    with Dana(
        use_subprocess_isolation=isolated,
        require_isolation=isolated,
        llm=script,
        search_paths=[program.with_suffix("")],
        echo=False,
    ) as d:
        result = d.execute_string(source, filename=program.name)
        assert d.is_subprocess_isolated is isolated
    return result.output, None if result.error is None else str(result.error), sorted(script.asked)


def expected(program: Path, kind: str) -> str | None:
    """Return what stands beside a program."""
    path = program.with_suffix(kind)
    return path.read_text(encoding="utf-8").rstrip("\n") if path.exists() else None


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_program(program: Path) -> None:
    seen = observed(program, isolated=True)
    assert seen == observed(program, isolated=False), "isolated and in-process differ"
    output, error, asked = seen

    text = expected(program, ".err")
    # A model's failure brings the host's exception with it, which the interpreter's own test does not see.
    told = error.partition("\nCaused by RuntimeError: the script")[0] if error is not None else None
    assert told == text, f"it printed: {output}"
    if (text := expected(program, ".out")) is not None:
        assert output.rstrip("\n") == text
    if (text := expected(program, ".asked")) is not None:
        assert asked == sorted(f"{question}\n" for question in f"\n{text}".split("\n===\n")[1:])


def test_there_are_programs() -> None:
    assert len(PROGRAMS) > 100
