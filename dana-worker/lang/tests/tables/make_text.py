"""Writes text.tsv: what CPython 3.12 answers for the functions of src/text (run with that version).

A line is: function, arguments, answer, separated by tabs. Texts are escaped (backslash, \\n, \\t, \\xHH...); lists are
joined by `|`; an error is `!Kind: message`. Floats are given by their bits.
"""

import pathlib
import random
import struct
import sys

assert sys.version_info[:2] == (3, 12), "the language follows CPython 3.12"
pick = random.Random(20240131)
rows = []


def escaped(text):
    out = []
    for c in text:
        if c in "\\|":
            out.append("\\u{%x}" % ord(c))
        elif " " < c <= "~" or c == " ":
            out.append(c)
        else:
            out.append("\\u{%x}" % ord(c))
    return "".join(out)


def shown(answer):
    if isinstance(answer, (list, tuple)):
        return "|".join(map(escaped, answer))
    return escaped(str(answer))


def row(name, arguments, act):
    try:
        answer = shown(act())
    except (ValueError, TypeError, OverflowError) as e:
        answer = f"!{type(e).__name__}: {escaped(str(e))}"
    rows.append("\t".join([name, *(escaped(str(a)) for a in arguments), answer]))


def bits(value):
    return struct.pack(">d", value).hex()


FLOATS = [0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 1.5, 2.5, 0.25, 0.35, 3.14159, 1e15, 1e16, 123456789012345680.0, 1e17, 1e-4, 1e-5,
          1.23e-5, 9.999999999999999e22, 1e22, 1e23, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, float("inf"),
          float("-inf"), float("nan"), 100.0, 99999.5, 999999.5, 1234567.891, 0.000123456, 0.00001234, 12345678.9, 2**53 + 0.0,
          9.5, 99.95, 0.05, 0.045, 1e100, -1234.5678]
FLOATS += [struct.unpack(">d", pick.randbytes(8))[0] for _ in range(60)]
FLOATS += [round(pick.uniform(-1e6, 1e6), pick.randrange(6)) for _ in range(60)]
INTS = [0, 1, -1, 7, 42, -42, 255, 1000, -1000, 12345, 123456, 1234567, -1234567, 10**9, 2**31, 2**63 - 1, -(2**63), 2**63,
        2**64, -(2**70), 10**40, 65, 0x1F600, 0x110000, 0xD7FF]
TEXTS = ["", "a", "abc", "hello world", "Hello World", "HELLO", "  padded  ", "\t\n x \r\n", "é", "naïve café", "ß", "straße",
         "ΣΑΣ", "Σ", "ὈΔΥΣΣΕΎΣ", "ǅ", "ǆungla", "ﬁsh", "İstanbul", "i̇", "日本語", "😀a😀", "don't stop", "it's 3rd-rate", "a,b,,c",
         "one\ntwo\r\nthree\rfour\x0bfive\x1csix\x85seven\u2028eight", "\n", "\r\n", "a\n", "1234", "-12", "+5", "--1", "٣٤", "²", "½",
         "Ⅷ", "tab\tsep\tx", "\t", "ab\tc\nd\te", "aaaa", "abcabcabc", "\u00a0x\u00a0", "\x1fx", "_id1", "1x", "ident", "Title Case",
         "TitleCase", "ALL CAPS 1", "mixed CASE", "\x00\x7f\u200b\ue000\U000e0001", "'", '"', "'\"", "\\", "Ab Σ. Σa aΣ aΣ. a'Σ", "ᾳ", "ŉ"]
ALPHABETS = ["ab ", "abcé ,", "Aa1 _-", "ab\n\r\t ", "ΣσςaA.' "]
TEXTS += ["".join(pick.choice(alphabet) for _ in range(pick.randrange(1, 12))) for alphabet in ALPHABETS for _ in range(8)]
SPECS = ["", "d", "5", "<5", ">8", "^9", "=8", "05", "+", "-", " ", "+d", " d", "#x", "#X", "#b", "#o", "x", "X", "b", "o", "c", "n", "e", "E",
         "f", "F", "g", "G", "%", ".2f", ".0f", ".3e", ".3g", ".10g", "#.3g", "#g", "#.0f", "#.0e", ",", "_", ",d", "_x", "_b", ",.2f", "_.3f",
         "010,", "012_x", "08,d", "011,.1f", "*^12", "é>6", "<<6", "=+8", "0=8", "0<8", "z", "z.1f", "z.0f", "+z.2f", ".0%", ".1%", "s", "5s", ".2",
         ".2s", ".3", ".1", ".0", "10.3", ".15g", ".17g", ".20f", ".30e", "#", "#10", "+010.2f", " ^+9,.1f", ",x", ",_", "_,", ",c", "_c", ",n", ".",
         ".f", "5.", "q", "1q", "ss", "xx", "é", ">", "=", "^^^", "999999999999999999999", ".99999999999999999999", ".2147483648f", "\x07", "+c", "#c",
         "#s", "+s", " s", "zs", "=5s", "zd", ".2d", "05s", "<05", "^05", "٥", "#_x", "#012_x", "020_b", "_o", "_d", "_n", "+_", "#,", "#e",
         "#.3e", "#.0g", "010", "+010", "-010", "0", "00", "010n", "#010x", "#010b", "-#x", "x<+#012,.2f", ".50g", ".400f", "30.2f", "^30"]
NUMBERS = ["0", "1", "-1", "+7", " 42 ", "1_000", "_1", "1_", "1__0", "", " ", "-", "+-1", "0x1f", "0X1F", "0b101", "0o17", "0b2", "010", "0_0", "00",
           "0x", "0x_f", "z", "Zz", "12a", "9" * 30, "-" + "9" * 25, "9" * 4300, "9" * 4301, "٣٤", "1 2", "1.0", "\u00a05\u3000", "1e5", "ff", "0", "1\n"]
REALS = ["1", "1.", ".5", "-.5e3", "1e5", "1E-5", "1_0.0_1", "1_.0", "._1", "1__0", "inf", "-Infinity", "NaN", "+nan", "infin", " 1 ", "", ".", "e5",
         "1e", "1e+", "0x1", "٣.٥", "1e400", "-1e400", "1e-400", "--1", "+-1", "1 2", "nan1", "i nf", "1_e5", "1e_5", "1e1_0", "-inf", "++inf"]
MARKS = ["", "a", "b", "ab", "l", " ", ",", "é", "\n", "Σ", "abc", "zz"]

for f in FLOATS:
    row("repr_float", [bits(f)], lambda: repr(f))
    for spec in SPECS if f in FLOATS[:12] else pick.sample(SPECS, 9):
        row("format_float", [bits(f), spec], lambda: format(f, spec))
for i in INTS:
    for spec in SPECS if i in INTS[:8] else pick.sample(SPECS, 30):
        row("format_int", [i, spec], lambda: format(i, spec))
for text in TEXTS:
    for spec in pick.sample(SPECS, 14):
        row("format_str", [text, spec], lambda: format(text, spec))
for text in TEXTS:
    row("quote", [text], lambda: repr(text))
    for name in "upper lower title capitalize swapcase casefold".split():
        row(name, [text], lambda: getattr(text, name)())
    for name in "isalpha isalnum isdecimal isdigit isnumeric isspace isascii isprintable isidentifier isupper islower istitle".split():
        row(name, [text], lambda: getattr(text, name)())
    row("splitlines", [text, 0], lambda: text.splitlines())
    row("splitlines", [text, 1], lambda: text.splitlines(True))
    for limit in [-1, 0, 1, 2]:
        row("split_space", [text, limit], lambda: text.split(None, limit))
        row("rsplit_space", [text, limit], lambda: text.rsplit(None, limit))
    for mark in pick.sample(MARKS, 5):
        limit = pick.choice([-1, 0, 1, 2])
        start, end = pick.choice(["", -3, 0, 1, 2, 5, 99]), pick.choice(["", -2, 0, 1, 3, 99])
        a, b = (None if start == "" else start), (None if end == "" else end)
        row("find", [text, mark, start, end], lambda: text.find(mark, a, b))
        row("rfind", [text, mark, start, end], lambda: text.rfind(mark, a, b))
        row("count", [text, mark, start, end], lambda: text.count(mark, a, b))
        row("startswith", [text, mark, start, end], lambda: text.startswith(mark, a, b))
        row("endswith", [text, mark, start, end], lambda: text.endswith(mark, a, b))
        row("replace", [text, mark, "<>", limit], lambda: text.replace(mark, "<>", limit))
        row("strip", [text, mark], lambda: text.strip(mark))
        if mark:
            row("split", [text, mark, limit], lambda: text.split(mark, limit))
            row("rsplit", [text, mark, limit], lambda: text.rsplit(mark, limit))
            row("partition", [text, mark], lambda: text.partition(mark))
            row("rpartition", [text, mark], lambda: text.rpartition(mark))
    row("strip", [text, ""], lambda: text.strip(""))
    row("strip_space", [text], lambda: text.strip())
    for width in [0, 3, 8, 9]:
        fill = pick.choice(" *é")
        row("center", [text, width, fill], lambda: text.center(width, fill))
        row("ljust", [text, width, fill], lambda: text.ljust(width, fill))
        row("rjust", [text, width, fill], lambda: text.rjust(width, fill))
        row("zfill", [text, width], lambda: text.zfill(width))
        row("expandtabs", [text, width], lambda: text.expandtabs(width))
for text in NUMBERS:
    for base in [10, 16, 2, 0, 36, 8]:
        row("int", [text, base], lambda: int(text, base))
for text in REALS:
    row("float", [text], lambda: bits(float(text)) if float(text) == float(text) else "nan")
FLAGS = ["", "-", "0", "+", " ", "#", "-0", "+0", "#0", " 0", "0-", "+ "]
for _ in range(500):
    width, precision = pick.choice(["", "3", "8", "12"]), pick.choice(["", "", ".", ".0", ".2", ".5", ".12"])
    template = "%" + pick.choice(FLAGS) + width + precision + pick.choice("diuoxXdx")
    i = pick.choice(INTS[:-4])
    row("percent_int", [template, i], lambda: template % i)
    template = template[:-1] + pick.choice("eEfFgG")
    f = pick.choice(FLOATS)
    row("percent_float", [template, bits(f)], lambda: template % f)
    template = template[:-1] + "s"
    s = pick.choice(TEXTS)
    row("percent_str", [template, s], lambda: template % s)

pathlib.Path(__file__).with_name("text.tsv").write_text("\n".join(rows) + "\n")
