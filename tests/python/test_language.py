"""The language programs of `tests/language/`, run as a user runs them: isolated and in the host process.

Each program's printed text, or the first line of its error, stands beside it. The interpreter's own test
runs the same programs in Rust; here they cross the pipe, the bridge and the package, and both modes must
agree to the letter.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from opendxa.dana import Dana

PROGRAMS = sorted((Path(__file__).parent.parent / "language").glob("*.na"))


def answer(messages: list[dict[str, str]], options: dict[str, object]) -> str:
    """Stand in for a model: the language tests ask none."""
    raise AssertionError(f"no program here asks a model: {messages} {options}")


def observed(source: str, name: str, *, isolated: bool) -> tuple[str, str | None]:
    """Run one program; returns what it printed and the whole text of its error."""
    with Dana(use_subprocess_isolation=isolated, require_isolation=isolated, llm=answer, echo=False) as d:
        result = d.execute_string(source, filename=name)
        assert d.is_subprocess_isolated is isolated
    return result.output, None if result.error is None else str(result.error)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_program(program: Path) -> None:
    source = program.read_text(encoding="utf-8")
    output, error = observed(source, program.name, isolated=True)
    assert (output, error) == observed(source, program.name, isolated=False), "isolated and in-process differ"

    expected_error = program.with_suffix(".err")
    if expected_error.exists():
        assert error is not None, f"no error; it printed: {output}"
        assert error.splitlines()[0] == expected_error.read_text(encoding="utf-8").splitlines()[0]
    else:
        assert error is None, error
    expected_output = program.with_suffix(".out")
    if expected_output.exists():
        assert output.rstrip("\n") == expected_output.read_text(encoding="utf-8").rstrip("\n")


def test_there_are_programs() -> None:
    assert len(PROGRAMS) > 100
