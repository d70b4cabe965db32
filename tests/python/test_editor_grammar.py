"""The grammar for editors, in the engine of VS Code: every Dana file of the repository, and chosen words.

`make` installs the engine (two npm packages) into the virtual environment; it needs Node.js, which comes from
PyPI where the machine has none.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from opendxa.dana._bridge import taken

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "examples" / "editors" / "vscode"
GRAMMAR = EXTENSION / "syntaxes" / "dana.tmLanguage.json"
TOKENS = Path(__file__).with_name("editor_tokens.cjs")
MODULES = Path(sys.prefix) / "node"
#: Programs that are no Dana, in parts or whole.
BROKEN = ("syntax_error", "modules_syntax")


def node() -> str:
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert found, "Node.js is missing: make .venv/node/installed"
    assert (MODULES / "node_modules").is_dir(), "the engine is missing: make .venv/node/installed"
    return found


def tokenised(texts: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [node(), str(TOKENS), str(MODULES), str(GRAMMAR)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


@lru_cache(maxsize=1)
def files() -> list[tuple[Path, dict[str, Any]]]:
    paths = sorted(
        [*ROOT.glob("examples/**/*.na"), *ROOT.glob("tests/**/*.na"), *ROOT.glob("benches/**/*.na")]
    )
    told = tokenised([path.read_text(encoding="utf-8") for path in paths])
    return list(zip(paths, told, strict=True))


def test_every_file_of_the_repository() -> None:
    assert len(files()) > 500
    for path, told in files():
        if any(part in str(path) for part in BROKEN):
            continue
        assert told["open"] == 0, f"{path}: a string or bracket is open at the end"
        bare = [(line, text) for line, text, scopes in told["tokens"] if not scopes]
        assert bare == [], f"{path}: words that the grammar does not know"
        wrong = [(line, text) for line, text, scopes in told["tokens"] if "invalid" in " ".join(scopes)]
        assert wrong == [], f"{path}: right words marked as mistakes"


def test_blocks_of_the_documentation() -> None:
    page = (ROOT / "docs" / "LANGUAGE.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```dana\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for told in tokenised(blocks):
        assert told["open"] == 0
        assert [text for _, text, scopes in told["tokens"] if not scopes] == []


#: A line, and what words of it are: the last scope that the grammar gives them, without ``.dana``.
CHOSEN = [
    (
        "private:count: int = 5",
        {"private": "storage.modifier.scope", "count": "variable.other.readwrite", "int": "support.type"},
    ),
    ("x = public:total + 1", {"public": "storage.modifier.scope", "1": "constant.numeric.integer"}),
    (
        "double = lambda x: int, y = 2 :: x * y",
        {
            "lambda": "storage.type.function.lambda",
            "::": "punctuation.section.lambda.begin",
            "int": "support.type",
            "*": "keyword.operator.arithmetic",
        },
    ),
    (
        "f = lambda (p: Point) d :: p.x",
        {"Point": "entity.name.type", "p": "variable.parameter", ".": "punctuation.accessor"},
    ),
    (
        "def p(x) = inc as a | add($$, a)",
        {
            "def": "storage.type.function",
            "|": "keyword.operator.pipe",
            "$$": "variable.language.placeholder",
            "as": "keyword.control",
            "add": "entity.name.function.call",
        },
    ),
    (
        "sync def (self: Point | Line) move(dx: int, by: float = 1.5) -> dict[str, any]:",
        {
            "sync": "storage.modifier.sync",
            "self": "variable.parameter",
            "Point": "entity.name.type",
            "move": "entity.name.function",
            "dx": "variable.parameter",
            "1.5": "constant.numeric.float",
            "->": "keyword.operator.returns",
            "dict": "support.type",
            "any": "support.type",
        },
    ),
    ("struct Point:", {"struct": "storage.type.struct", "Point": "entity.name.type"}),
    (
        "    name: str = 'a'   # shown to models",
        {
            "name": "variable.other.readwrite",
            "str": "support.type",
            " shown to models": "comment.line.number-sign",
        },
    ),
    ("resource Store:", {"resource": "storage.type.resource"}),
    (
        "agent_blueprint Cook:",
        {"agent_blueprint": "storage.type.agent_blueprint", "Cook": "entity.name.type"},
    ),
    (
        "agent Pat(Cook):",
        {"agent": "storage.type.agent", "Pat": "entity.name.type", "Cook": "entity.other.inherited-class"},
    ),
    ("workflow Line:", {"workflow": "storage.type.workflow"}),
    ("interface Shape:", {"interface": "storage.type.interface"}),
    (
        "    scale(k: float) -> Shape",
        {"scale": "entity.name.function.call", "->": "keyword.operator.returns", "Shape": "entity.name.type"},
    ),
    (
        "@log_with_prefix(prefix='a')",
        {"log_with_prefix": "entity.name.function.decorator", "prefix": "variable.parameter.function-call"},
    ),
    (
        "import math.py as m",
        {
            "import": "keyword.control.import",
            "math": "entity.name.namespace",
            "py": "support.other.python-module",
            "as": "keyword.control.as",
        },
    ),
    (
        "from ..shop.till import open, close as shut",
        {"from": "keyword.control.import", "shop": "entity.name.namespace", "shut": "entity.name.namespace"},
    ),
    ("from m import *", {"*": "constant.other.wildcard"}),
    (
        'n: int = reason("How many?", {"temperature": 0})',
        {"reason": "support.function.ai", "int": "support.type"},
    ),
    (
        "if not ready and x is not none or y in [1]:",
        {
            "if": "keyword.control.conditional",
            "not": "keyword.operator.logical",
            "none": "constant.language.none",
            "in": "keyword.operator.logical",
        },
    ),
    ("for k, v in d.items():", {"for": "keyword.control.loop", "items": "entity.name.function.member"}),
    (
        "except (ValueError, KeyError) as e:",
        {"except": "keyword.control.exception", "ValueError": "support.class.exception"},
    ),
    ("raise ValueError('x') from e", {"raise": "keyword.control.exception", "from": "keyword.control"}),
    ("while TRUE:", {"TRUE": "constant.language.boolean"}),
    (
        "s = f\"{x!r:>{w}} {{no}} {y=} {d['k']:.2f}\\n\"",
        {
            "f": "storage.type.string",
            "x": "variable.other.readwrite",
            "r": "storage.type.format",
            ".2f": "constant.other.format-spec",
            "{{": "constant.character.escape",
            "\\n": "constant.character.escape",
            "w": "variable.other.readwrite",
        },
    ),
    (r's = r"\n"', {"r": "storage.type.string"}),
    ("{(k: v) for k in s}", {"for": "keyword.control.loop", "k": "variable.other.readwrite"}),
    ("x.type = x.if_true", {"type": "variable.other.member", "if_true": "variable.other.member"}),
    (
        "print(len(xs[1::2]), 5., .5, 1e-3)",
        {
            "print": "support.function.builtin",
            "len": "support.function.builtin",
            "5.": "constant.numeric.float",
            ".5": "constant.numeric.float",
            "1e-3": "constant.numeric.float",
        },
    ),
    (
        "x += 1; y = -2 ** 2",
        {
            "+=": "keyword.operator.assignment.augmented",
            ";": "punctuation.separator",
            "**": "keyword.operator.arithmetic",
        },
    ),
    ("yield 1", {"yield": "invalid.illegal.reserved"}),
    ("with use('kb') as kb:", {"with": "keyword.control", "use": "support.function.ai"}),
    (
        "deliverable = exported",
        {"deliverable": "variable.other.readwrite", "exported": "variable.other.readwrite"},
    ),
]


@pytest.mark.parametrize("index", range(len(CHOSEN)), ids=[line.strip()[:40] for line, _ in CHOSEN])
def test_chosen_words(index: int) -> None:
    line, wanted = CHOSEN[index]
    scopes: dict[str, set[str]] = {}
    for _, text, given in chosen()[index]["tokens"]:
        scopes.setdefault(text.strip() if text.strip() in wanted else text, set()).add(
            given[-1].removesuffix(".dana")
        )
    for word, scope in wanted.items():
        assert scope in scopes.get(word, set()), f"{word!r} in {line!r}: {scopes.get(word)}"


@lru_cache(maxsize=1)
def chosen() -> list[dict[str, Any]]:
    return tokenised([line for line, _ in CHOSEN])


def test_a_text_over_lines_goes_on() -> None:
    source = "a = \"\"\"one # no comment\n  {not} code\n\"\"\"\nb = f'''\n{1 +\n  2}\n'''\n# comment"
    (told,) = tokenised([source])
    assert told["open"] == 0
    by_line = {(line, text.strip()): " ".join(scopes) for line, text, scopes in told["tokens"]}
    assert "string.quoted.triple" in by_line[(1, "one # no comment")]
    assert "string.quoted.triple" in by_line[(2, "{not} code")]
    assert "constant.numeric" in by_line[(6, "2")]
    assert "comment" in by_line[(8, "comment")] or "comment" in by_line[(8, "# comment")]


def test_reserved_words_are_those_of_the_language() -> None:
    lexer = (ROOT / "dana-worker" / "lang" / "src" / "syntax" / "token.rs").read_text(encoding="utf-8")
    words = re.findall(r'b"([A-Za-z_]+)"', lexer.partition(" fn keyword")[2])
    assert len(words) > 40
    for told, word in zip(tokenised([f"x = {word}" for word in words]), words, strict=True):
        scope = told["tokens"][-1][2][-1]
        assert scope.startswith(("keyword.", "storage.", "constant.language.", "invalid.")), (word, scope)


def test_builtins_are_those_of_the_language() -> None:
    grammar = json.loads(GRAMMAR.read_text(encoding="utf-8"))
    calls = [row["match"] for row in grammar["repository"]["call"]["patterns"][:3]]
    names = [name for match in calls for name in re.search(r"\(\?:([a-zA-Z_|]+)\)", match)[1].split("|")]  # type: ignore[index]
    assert len(names) > 70
    assert [name for name in names if taken(name) is None] == []


def test_the_extension_is_whole() -> None:
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    told = package["contributes"]
    assert told["languages"][0]["extensions"] == [".na"]
    for path in (
        told["languages"][0]["configuration"],
        told["grammars"][0]["path"],
        told["snippets"][0]["path"],
    ):
        assert json.loads((EXTENSION / path).read_text(encoding="utf-8"))
    rules = json.loads((EXTENSION / "language-configuration.json").read_text(encoding="utf-8"))[
        "indentationRules"
    ]
    for line in ("def f(x):", "sync def (a: B) f():  # c", "else:", "struct A:", "agent X(B):"):
        assert re.match(rules["increaseIndentPattern"], line)
    assert not re.match(rules["increaseIndentPattern"], "def f(x) = a | b")


def test_snippets_are_dana() -> None:
    from opendxa.dana import Dana

    snippets = json.loads((EXTENSION / "snippets" / "dana.json").read_text(encoding="utf-8"))
    with Dana(llm="mock", echo=False) as d:
        d.execute_string("struct Name:\n    field: str\nx = 1\nvalue = 1\n")
        d.execute_string("def first(x):\n    return x\ndef second(x):\n    return x")
        for name, snippet in snippets.items():
            text = re.sub(r"\$\{\d+:([^}]*)\}|\$\d+", r"\1", "\n".join(snippet["body"]))
            text = text.replace("struct Name", "struct Other").replace(
                "agent_blueprint Name", "agent_blueprint Third"
            )
            error = d.execute_string(text).error
            assert error is None, f"{name}: {error}"
