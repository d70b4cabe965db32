"""Every code block of the documentation works: what a reader copies does what the page says.

A block of Python runs in a fresh process, like a reader's script, with a mock model so that no key is needed.
A block of Dana runs in an isolated session. Of a console block every command exists, with its options;
settings parse; what a Dockerfile takes from the project is there. A block of another kind is marked text.
After a program, one with title="prints" is what it prints, to the letter; "..." stands for any text.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from opendxa.dana import Dana
from opendxa.dana.cli.main import main

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest brings it there
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: What begins a line of a Dockerfile.
INSTRUCTIONS = re.compile("CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|RUN|USER|WORKDIR")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def programs() -> list[object]:
    """Tell the programs of all pages, with what they print where the page says it."""
    found = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        matches = list(BLOCK.finditer(text))
        for match, after in zip(matches, [*matches, None][1:], strict=True):
            told = after is not None and re.match(r'```text title="prints"\n', after[0])
            if match[1] in ("python", "dana"):
                line = text.count("\n", 0, match.start()) + 1
                prints = after[2] if after is not None and told else None
                found.append(pytest.param(match[1], match[2], prints, id=f"{path.relative_to(ROOT)}:{line}"))
    return found


def blocks(*languages: str) -> list[object]:
    found = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            if match[1] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(pytest.param(match[1], match[2], id=f"{path.relative_to(ROOT)}:{line}"))
    return found


def test_blocks_have_a_language() -> None:
    known = {"console", "dana", "dockerfile", "html", "javascript", "json", "python", "text", "toml", "yaml"}
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert {match[1] for match in BLOCK.finditer(text)} <= known, path
        assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(BLOCK.findall(text)), path


@pytest.mark.parametrize(("language", "source", "prints"), programs())
def test_block(language: str, source: str, prints: str | None, tmp_path: Path) -> None:
    if language == "dana":
        with Dana(use_subprocess_isolation=True, llm="mock", echo=False) as d:
            result = d.execute_string(source, "documentation.na")
        assert result.success, str(result.error)
        printed = result.output
    else:
        environment = {**os.environ, "DANA_MOCK_LLM": "true", "PYTHONWARNINGS": "error"}
        done = subprocess.run(
            [sys.executable, "-c", source],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed = done.stdout
    if prints is not None:
        pattern = ".*?".join(map(re.escape, prints.strip("\n").split("...")))
        assert re.fullmatch(pattern, printed.strip("\n"), re.DOTALL), printed


@pytest.mark.parametrize(("language", "source"), blocks("json", "toml", "yaml"))
def test_settings_parse(language: str, source: str) -> None:
    if language == "json":
        json.loads(source)
    elif language == "toml":
        tomllib.loads(source)
    else:
        assert list(yaml.safe_load_all(source))


@pytest.mark.parametrize(("language", "source"), blocks("console"))
def test_commands_exist(language: str, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^[$#] (.*(?:\\\n.*)*)", source, re.MULTILINE)
    assert commands, "a command begins with a dollar sign, one for root with a number sign"
    for command in commands:
        check_command(command, capsys)


@pytest.mark.parametrize(("language", "source"), blocks("dockerfile"))
def test_dockerfiles(language: str, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    steps = re.sub(r"^#.*\n|\\\n", "", source, flags=re.MULTILINE).splitlines()
    steps = [step for step in steps if step]
    assert steps[0].startswith("FROM ")
    for step in steps:
        instruction, _, rest = step.partition(" ")
        assert INSTRUCTIONS.fullmatch(instruction), step
        if instruction == "RUN":
            check_command(rest, capsys)
        elif rest.startswith("["):
            check_command(shlex.join(json.loads(rest)), capsys)


def check_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that the commands of a line are there, and of ours that they have these options."""
    words: list[str] = []
    for word in [*shlex.split(command, comments=True), "|"]:
        if word not in ("|", "&&", ";"):
            words.append(word)
        elif words:
            check_one(words, command, capsys)
            words = []


def check_one(words: list[str], command: str, capsys: pytest.CaptureFixture[str]) -> None:
    while words and (words[0] == "sudo" or re.match(r"\w+=", words[0])):
        del words[0]
    program, *arguments = words
    program = Path(program).name
    if program == "python" and arguments[:2] == ["-m", "opendxa.dana"]:
        program, arguments = "dana-bridge", arguments[2:]
    if program == "docker" and "dana-bridge" in arguments:
        program, arguments = "dana-bridge", arguments[arguments.index("dana-bridge") + 1 :]
    if program == "dana-bridge":
        check_ours(arguments, capsys)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert [word for word in arguments if "=" not in word and word not in targets] == [], command
    elif program == "pip":
        for extra in re.findall(r"dana-bridge\[([\w,]+)\]", command):
            assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"]), command
    elif program == "python":
        # A file with a folder is one of the project's, any other the reader's.
        assert arguments[0].startswith("-") or "/" not in arguments[0] or (ROOT / arguments[0]).exists()


def check_ours(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Check a subcommand and its options against what its help says."""
    words = [word for word in arguments if not word.startswith("-")]
    with pytest.raises(SystemExit) as ended:
        main([*words[:1], "--help"])
    told = capsys.readouterr()
    assert ended.value.code == 0, told.err
    for option in arguments:
        if option.startswith("-"):
            name = option.partition("=")[0]
            assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", told.out), told.out
