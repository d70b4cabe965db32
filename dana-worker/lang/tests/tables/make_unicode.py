"""Writes src/text/unicode_tables.rs and src/text/case_tables.rs from the Unicode data of CPython 3.12 (run with that version)."""

import pathlib
import sys
import unicodedata

assert sys.version_info[:2] == (3, 12), "the language follows CPython 3.12"
ALL = [chr(c) for c in range(0x110000)]


def bounds(test):
    edges, inside = [], False
    for c, ch in enumerate(ALL):
        if test(ch) != inside:
            edges.append(c)
            inside = not inside
    return edges + ([0x110000] if inside else [])


def flat(name, doc, numbers):
    out, line = [f"/// {doc}", f"pub(super) static {name}: [u32; {len(numbers)}] = ["], "   "
    for number in numbers:
        item = f" {number:#x},"
        if len(line) + len(item) > 110:
            out.append(line)
            line = "   "
        line += item
    return "\n".join([*out, line, "];\n"])


def mapping(name, doc, pairs):
    """Four numbers an entry: the character and up to three replacements, padded with zero."""
    rows = [[ord(ch), *map(ord, to), 0, 0][:4] for ch, to in pairs]
    return flat(name, doc, [number for row in rows for number in row])


def main():
    digit = [ch for ch in ALL if ch.isdecimal()]
    starts = [ord(ch) for ch in digit if unicodedata.decimal(ch) == 0]
    parts = [
        "//! Unicode 15.0 properties as CPython 3.12 sees them. Written by `tests/tables/make_unicode.py`.\n"
        "//!\n//! A property is a sorted list of edges: a code point has it when an odd number of edges is not above it.\n",
        flat("PRINTABLE", "`str.isprintable`.", bounds(str.isprintable)),
        flat("ALPHA", "`str.isalpha`.", bounds(str.isalpha)),
        flat("UPPER", "`str.isupper` of one character.", bounds(str.isupper)),
        flat("LOWER", "`str.islower` of one character.", bounds(str.islower)),
        flat("TITLE", "Title-case letters (Lt).", bounds(lambda c: unicodedata.category(c) == "Lt")),
        flat("SPACE", "`str.isspace`.", bounds(str.isspace)),
        flat("DIGIT", "`str.isdigit`.", bounds(str.isdigit)),
        flat("NUMERIC", "`str.isnumeric`.", bounds(str.isnumeric)),
        flat("NAME_START", "May begin an identifier.", bounds(str.isidentifier)),
        flat("NAME_PART", "May go on with an identifier.", bounds(lambda c: ("a" + c).isidentifier())),
        flat("DECIMAL_ZEROS", "The zero of each run of ten decimal digits.", starts),
    ]
    cases = [
        "//! Case mappings of Unicode 15.0 where they differ from the standard library's. Written by\n"
        "//! `tests/tables/make_unicode.py`.\n",
        mapping(
            "FOLDS",
            "`casefold` where it differs from `lower`: the character, then its replacement padded with zeros to three.",
            [(c, c.casefold()) for c in ALL if c.casefold() != c.lower()],
        ),
        mapping(
            "TITLES",
            "Title case where it differs from `upper`: the character, then its replacement padded with zeros to three.",
            [(c, c.title()) for c in ALL if c.title() != c.upper()],
        ),
    ]
    for zero in starts:
        assert all(unicodedata.decimal(chr(zero + d)) == d for d in range(10))
    source = pathlib.Path(__file__).parents[2] / "src/text"
    (source / "unicode_tables.rs").write_text("\n".join(parts))
    (source / "case_tables.rs").write_text("\n".join(cases))


main()
