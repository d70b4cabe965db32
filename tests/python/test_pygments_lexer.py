"""Dana for Pygments: every Dana file of the repository, and chosen words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String, _TokenType

from opendxa.dana import Dana
from opendxa.dana._bridge import taken
from opendxa.dana.pygments_lexer import (
    BUILTINS,
    CONSTANTS,
    ERRORS,
    KEYWORDS,
    RESERVED,
    SCOPES,
    WORD_OPERATORS,
    DanaLexer,
)

ROOT = Path(__file__).resolve().parents[2]
#: Programs that are no Dana, in parts or whole.
BROKEN = ("syntax_error", "modules_syntax")


def lexed(text: str) -> list[tuple[_TokenType, str]]:
    """Return the tokens without white space; all of the text must have come back."""
    found = [(kind, part) for _, kind, part in DanaLexer().get_tokens_unprocessed(text)]
    assert "".join(part for _, part in found) == text
    return [(kind, part) for kind, part in found if part.strip()]


def test_every_file_of_the_repository() -> None:
    paths = [*ROOT.glob("examples/**/*.na"), *ROOT.glob("tests/**/*.na"), *ROOT.glob("benches/**/*.na")]
    assert len(paths) > 500
    for path in paths:
        tokens = lexed(path.read_text(encoding="utf-8"))
        if not any(part in str(path) for part in BROKEN):
            assert [part for kind, part in tokens if kind is Error] == [], path


def test_blocks_of_the_documentation() -> None:
    page = (ROOT / "docs" / "LANGUAGE.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```dana\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert [part for kind, part in lexed(block) if kind is Error] == []


def test_pygments_finds_it() -> None:
    for name in ("dana", "na"):
        assert isinstance(get_lexer_by_name(name), DanaLexer)
    assert isinstance(get_lexer_for_filename("program.na"), DanaLexer)


def test_words_are_the_languages() -> None:
    reserved = {*KEYWORDS, *CONSTANTS, *RESERVED, *SCOPES, *WORD_OPERATORS}
    assert all(taken(word) for word in reserved)
    with Dana() as d:
        known = {callee.name for callee in d.describe().builtins}
    assert known == {*BUILTINS, *ERRORS}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (
            "def f(x: int) -> int:",
            [
                (Keyword.Declaration, "def"),
                (Name.Function, "f"),
                (Punctuation, "("),
                (Name, "x"),
                (Punctuation, ":"),
                (Name.Builtin, "int"),
                (Punctuation, ")"),
                (Operator, "->"),
                (Name.Builtin, "int"),
                (Punctuation, ":"),
            ],
        ),
        ("struct P:", [(Keyword.Declaration, "struct"), (Name.Class, "P"), (Punctuation, ":")]),
        ("private:x", [(Keyword.Type, "private"), (Punctuation, ":"), (Name.Variable, "x")]),
        ("lambda :: 1", [(Keyword, "lambda"), (Punctuation, "::"), (Number.Integer, "1")]),
        ("@log_calls", [(Name.Decorator, "@log_calls")]),
        ("import a.b", [(Keyword.Namespace, "import"), (Name.Namespace, "a.b")]),
        (
            "from ..a import b",
            [
                (Keyword.Namespace, "from"),
                (Name.Namespace, "..a"),
                (Keyword.Namespace, "import"),
                (Name, "b"),
            ],
        ),
        ("d.in_stock", [(Name, "d"), (Punctuation, "."), (Name, "in_stock")]),
        ("add($$, .5)  # c", None),
        ("x = 1e3", [(Name, "x"), (Operator, "="), (Number.Float, "1e3")]),
        ("print", [(Name, "print")]),
        ("ValueError", [(Name.Exception, "ValueError")]),
        ("del", [(Keyword.Reserved, "del")]),
        ("not TRUE", [(Operator.Word, "not"), (Keyword.Constant, "TRUE")]),
        (r"'a\n\q'", [(String, "'"), (String, "a"), (String.Escape, r"\n"), (String, r"\q"), (String, "'")]),
        (r"r'\n'", [(String.Affix, "r"), (String, "'"), (String, r"\n"), (String, "'")]),
    ],
)
def test_tokens(text: str, tokens: list[tuple[_TokenType, str]] | None) -> None:
    found = lexed(text)
    if tokens is None:
        assert Error not in dict(found)
        assert found[-1] == (Comment.Single, "# c")
    else:
        assert found == tokens


def test_fields_of_texts() -> None:
    found = lexed("f\"{d['k']!r:>{width}} {{x}} {y=}\"")
    assert (String.Interpol, "{") in found
    assert (String.Interpol, "!r") in found
    assert (String.Interpol, ">") in found
    assert (Name, "width") in found
    assert (String.Escape, "{{") in found
    assert (String.Interpol, "=") in found
    assert Error not in dict(found)
    assert (Name, "after") in lexed('f"""{\n  x + (\n1)}\n"""\nafter')


def test_what_is_not_closed_ends_with_its_line() -> None:
    for text in ('"abc\nnext', "f'{x\nnext", "f'{x:>\nnext", "r'abc\nnext"):
        assert lexed(text)[-1] == (Name, "next"), text


@pytest.mark.parametrize(
    "text", ["", "\n", "\r\n", "'", '"""', "f'", "f'{", "((", "\u00e9", "\x1b[31m", "\\", "x\x00y", "?!`"]
)
def test_whatever_is_typed_comes_back(text: str) -> None:
    lexed(text)


def test_it_takes_no_time_that_grows_with_the_square() -> None:
    for text in ("(" * 20_000, "f'{" * 10_000, "'" * 20_001, "." * 20_000, "a" * 50_000, "{:" * 10_000):
        lexed(text)
