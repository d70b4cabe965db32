"""Dana for Pygments: colours in the prompt of ``dana-bridge repl``, on documentation pages, in notebooks.

Rule: the words are those of the language's own lexer, and every text comes back whole: what is no Dana is
marked, never dropped. Pygments finds it by the names ``dana`` and ``na``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from pygments.lexer import RegexLexer, bygroups, include, words
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DanaLexer"]

#: Words with a meaning of their own, but for those that name values.
KEYWORDS: Final = (
    "agent", "agent_blueprint", "as", "assert", "break", "continue", "def", "elif", "else", "except",
    "finally", "for", "from", "if", "import", "interface", "lambda", "pass", "raise", "resource",
    "return", "struct", "sync", "try", "while", "with", "workflow",
)  # fmt: skip
#: Operators that are words.
WORD_OPERATORS: Final = ("and", "in", "is", "not", "or")
CONSTANTS: Final = (
    "True", "true", "TRUE", "False", "false", "FALSE", "None", "none", "NONE", "null", "NULL",
)  # fmt: skip
#: Reserved, and without any use.
RESERVED: Final = ("del", "deliver", "export", "global", "nonlocal", "yield")
SCOPES: Final = ("private", "public", "local", "system")
TYPES: Final = (
    "any", "bool", "bytes", "dict", "float", "frozenset", "int", "list", "range", "set", "str", "tuple",
)  # fmt: skip
#: Functions of the language; a test compares them with a session's own list.
BUILTINS: Final = (
    "abs", "add_four", "add_one", "add_three", "add_two", "all", "any", "basic_max", "basic_min",
    "basic_sum", "bool", "capitalize_words", "case", "cast", "chr", "context_aware_reason", "dict",
    "enumerate", "factorial", "feedback", "filter", "float", "get_resource", "int", "is_even", "is_odd",
    "isinstance", "len", "list", "llm", "log", "log_calls", "log_level", "log_with_prefix", "map",
    "max", "min", "noop", "ord", "poet", "print", "range", "reason", "repeat", "reversed", "round",
    "set", "set_model", "sorted", "str", "sum", "sum_range", "table", "title_case", "tuple", "type",
    "use", "validate_args", "zip",
)  # fmt: skip
ERRORS: Final = (
    "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "ConnectionError",
    "EOFError", "Exception", "FileNotFoundError", "FloatingPointError", "IOError", "ImportError",
    "IndexError", "KeyError", "LookupError", "ModuleNotFoundError", "NameError", "NotImplementedError",
    "OSError", "OverflowError", "PermissionError", "RecursionError", "RuntimeError", "SandboxError",
    "StateError", "StopIteration", "TimeoutError", "TypeError", "UnicodeError", "ValueError",
    "ZeroDivisionError",
)  # fmt: skip

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_DOTTED: Final = rf"{_NAME}(?:\.{_NAME})*"
#: What stands in front of a word that is no member of something.
_FREE: Final = r"(?<![A-Za-z0-9_.])"
_QUOTES: Final = {'"""': "long_double", "'''": "long_single", '"': "double", "'": "single"}


def _beginnings() -> list[Any]:
    """Return the rules for where texts begin."""
    rules: list[Any] = []
    for quote, state in _QUOTES.items():
        rules += [
            (
                rf"{_FREE}([fF][rR]|[rR][fF])({quote})",
                bygroups(String.Affix, String),
                f"formatted_raw_{state}",
            ),
            (rf"{_FREE}([fF])({quote})", bygroups(String.Affix, String), f"formatted_{state}"),
            (rf"{_FREE}([rR])({quote})", bygroups(String.Affix, String), f"raw_{state}"),
            (quote, String, state),
        ]
    return rules


def _insides() -> dict[str, list[Any]]:
    """Return a state for every kind of text."""
    states: dict[str, list[Any]] = {}
    for quote, state in _QUOTES.items():
        long = len(quote) == 3
        # A text of one line ends with it, whatever is missing: the next line is Dana again.
        ending: list[Any] = [(quote, String, "#pop")] + ([] if long else [(r"(?=\n)", String, "#pop")])
        escapes: list[Any] = [
            (r"\\(?:[0nrt\\\"\']|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})", String.Escape),
            (r"\\[^\n]", String),
        ]
        fields: list[Any] = [
            (r"\{\{|\}\}", String.Escape),
            (r"\{", String.Interpol, "long_field" if long else "field"),
        ]
        rest: list[Any] = [(r"[^\\\n{}\"\']+", String), (r"[\\\n{}\"\']", String)]
        states[state] = [*ending, *escapes, *rest]
        states[f"raw_{state}"] = [*ending, *escapes[1:], *rest]
        states[f"formatted_{state}"] = [*ending, *escapes, *fields, *rest]
        states[f"formatted_raw_{state}"] = [*ending, *escapes[1:], *fields, *rest]
    return states


#: What a field of an f-string holds besides its expression.
_FIELD: Final[list[Any]] = [
    (r"\}", String.Interpol, "#pop"),
    (r"=[ \t]*(?=[!:}])|![rsa](?=[:}])", String.Interpol),
    (r":(?!:)", String.Interpol, "specification"),
    include("expression"),
]


class DanaLexer(RegexLexer):  # type: ignore[misc, unused-ignore]
    """The lexer that Pygments uses for Dana."""

    name: ClassVar[str] = "Dana"
    aliases: ClassVar[Sequence[str]] = ["dana", "na"]
    filenames: ClassVar[Sequence[str]] = ["*.na"]
    mimetypes: ClassVar[Sequence[str]] = ["text/x-dana"]

    tokens: ClassVar[dict[str, list[Any]]] = {
        "root": [
            (rf"^([ \t]*)(@[ \t]*{_DOTTED})", bygroups(Whitespace, Name.Decorator)),
            (
                rf"^([ \t]*)(import)([ \t]+)({_DOTTED})",
                bygroups(Whitespace, Keyword.Namespace, Whitespace, Name.Namespace),
            ),
            (
                rf"^([ \t]*)(from)([ \t]+)(\.*[ \t]*(?:(?!import\b){_DOTTED})?)([ \t]*)(import)?\b",
                bygroups(
                    Whitespace, Keyword.Namespace, Whitespace, Name.Namespace, Whitespace, Keyword.Namespace
                ),
            ),
            (r"\n", Whitespace),
            include("expression"),
        ],
        "expression": [
            (r"[ \t\r\f]+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            *_beginnings(),
            (rf"{_FREE}(def)([ \t]+)({_NAME})", bygroups(Keyword.Declaration, Whitespace, Name.Function)),
            (
                rf"{_FREE}(struct|resource|agent_blueprint|workflow|interface|agent)([ \t]+)({_NAME})",
                bygroups(Keyword.Declaration, Whitespace, Name.Class),
            ),
            (
                rf"{_FREE}(private|public|local|system)(:)({_NAME})",
                bygroups(Keyword.Type, Punctuation, Name.Variable),
            ),
            (words(CONSTANTS, prefix=_FREE, suffix=r"\b"), Keyword.Constant),
            (words(RESERVED, prefix=_FREE, suffix=r"\b"), Keyword.Reserved),
            (words(WORD_OPERATORS, prefix=_FREE, suffix=r"\b"), Operator.Word),
            (words(KEYWORDS, prefix=_FREE, suffix=r"\b"), Keyword),
            (words(SCOPES, prefix=_FREE, suffix=r"\b"), Keyword.Type),
            (words(BUILTINS, prefix=_FREE, suffix=r"(?=[ \t]*\()"), Name.Builtin),
            (words(ERRORS, prefix=_FREE, suffix=r"\b"), Name.Exception),
            (words(TYPES, prefix=_FREE, suffix=r"\b"), Name.Builtin),
            (rf"{_NAME}(?=[ \t]*\()", Name.Function),
            (_NAME, Name),
            (r"(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+", Number.Float),
            (r"[0-9]+", Number.Integer),
            (r"\$\$", Name.Variable.Magic),
            (r"->|\*\*|//|[-+*/]=|[=!<>]=|[-+*/%<>=|@]", Operator),
            (r"::|[:;,.)\]}]", Punctuation),
            (r"[(\[{]", Punctuation, "bracket"),
            (r"[^\n]", Error),
        ],
        "bracket": [
            (r"[)\]}]", Punctuation, "#pop"),
            (r"\n", Whitespace),
            include("expression"),
        ],
        # A field of one line ends with it, as its text does.
        "field": [(r"(?=\n)", String, "#pop"), *_FIELD],
        "long_field": [(r"\n", Whitespace), *_FIELD],
        "specification": [
            (r"(?=[}\n])", String.Interpol, "#pop"),
            (r"\{", String.Interpol, "field"),
            (r"[^{}\n]+", String.Interpol),
        ],
        **_insides(),
    }
