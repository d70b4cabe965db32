"""Writes calls.tsv: what CPython 3.12 answers for methods and builtin functions (run with that version).

A line is: name, receiver (or empty for a function), arguments, keyword arguments, answer, receiver afterwards. Values are
JSON; {"t": [...]} is a tuple, {"s": [...]} a set, {"r": [...]} a range, {"i": "..."} a big integer, {"f": "..."} a float.
Answers are printed forms, sets in order of their printed members; an error is `!Kind: message`.
"""

import json
import pathlib
import random
import sys

assert sys.version_info[:2] == (3, 12), "the language follows CPython 3.12"
pick = random.Random(7)
rows = []


def literal(v):
    if isinstance(v, bool) or v is None or isinstance(v, str):
        return v
    if isinstance(v, int):
        return v if -(2**63) <= v < 2**63 else {"i": str(v)}
    if isinstance(v, float):
        return {"f": repr(v)}
    if isinstance(v, list):
        return [literal(x) for x in v]
    if isinstance(v, tuple):
        return {"t": [literal(x) for x in v]}
    if isinstance(v, (set, frozenset)):
        return {"s": [literal(x) for x in v]}
    if isinstance(v, range):
        return {"r": [v.start, v.stop, v.step]}
    if isinstance(v, dict):
        return {"d": [[literal(k), literal(x)] for k, x in v.items()]}
    raise TypeError(v)


def printed(v):
    if isinstance(v, set):
        return "{" + ", ".join(sorted(map(printed, v))) + "}" if v else "set()"
    if isinstance(v, (enumerate, reversed, zip, map, filter)) or "iterator" in type(v).__name__:
        return printed(list(v))
    return repr(v)


def escaped(text):
    return "".join(c if " " <= c <= "~" and c != "\\" else "\\u{%x}" % ord(c) for c in text)


def row(name, receiver, args, kwargs=None, function=None):
    kwargs = kwargs or {}
    before = "" if function else json.dumps(literal(receiver))
    cells = [name, before, json.dumps(literal(list(args))), json.dumps({k: literal(v) for k, v in kwargs.items()})]
    try:
        answer = printed((function or getattr(receiver, name))(*args, **kwargs))
    except Exception as e:
        answer = f"!{type(e).__name__}: {e}"
    after = "" if function else printed(receiver)
    rows.append("\t".join(cells + [escaped(answer), escaped(after)]))


STR = ["", "a,b,c", "  x y  ", "Hello World", "äöü ÄÖÜ", "aXbXc", "1234", "x" * 20, "日本語テキスト", "tab\tx"]
for s in STR:
    for name in ["upper", "lower", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "title", "capitalize", "swapcase",
                 "casefold", "isalpha", "isdigit", "isalnum", "isspace", "isupper", "islower", "istitle", "isidentifier", "expandtabs"]:
        row(name, s, [])
    for name, args in [("find", ["b"]), ("find", ["", 2]), ("find", ["X", -3]), ("find", ["X", 1, -1]), ("rfind", ["X", None, 4]),
                       ("rfind", [""]), ("index", ["b"]), ("rindex", ["zz"]), ("find", [1]), ("count", ["X"]), ("count", [""]),
                       ("count", ["", 3, 5]), ("count", [None]), ("find", ["a", 1.5]), ("startswith", ["a"]), ("startswith", [("H", "a")]),
                       ("startswith", [5]), ("startswith", [("z", 5)]), ("endswith", ["c", -2]), ("endswith", [["c"]]), ("replace", ["X", "--"]),
                       ("replace", ["", "."]), ("replace", ["", ".", 2]), ("replace", ["X", "y", 1]), ("replace", ["X", 1]), ("replace", [1, "X"]),
                       ("split", [","]), ("split", ["X", 1]), ("split", [""]), ("split", [1]), ("split", [None, 1]), ("rsplit", ["X", 1]),
                       ("rsplit", [None, 1]), ("partition", ["X"]), ("partition", [""]), ("partition", [1]), ("rpartition", ["X"]), ("center", [12]),
                       ("center", [13, "*"]), ("center", [5, "ab"]), ("center", ["5"]), ("ljust", [12, "é"]), ("rjust", [12, 5]), ("zfill", [8]),
                       ("zfill", [2.5]), ("strip", ["x "]), ("strip", [1]), ("lstrip", [1]), ("rstrip", ["cX"]), ("removeprefix", ["a"]),
                       ("removesuffix", ["c"]), ("removeprefix", [1]), ("join", [["p", "q"]]), ("join", ["abc"]), ("join", [[]]), ("join", [["a", 1]]),
                       ("join", [5]), ("join", [("z",)]), ("join", [{"k": 1}]), ("expandtabs", [4]), ("splitlines", [True]),
                       ("translate", [{97: "1", 98: None, 88: 89}]), ("translate", [{97: 1.5}]), ("translate", [5]), ("encode", [])]:
        row(name, s, args)
    row("split", s, [], {"sep": "X", "maxsplit": 1})
    row("split", s, [], {"maxsplit": 1})
    row("splitlines", s, [], {"keepends": True})
    row("expandtabs", s, [], {"tabsize": 2})
FORMATS = [("{} {}", [1, "a"], {}), ("{1}{0}", [1, 2], {}), ("{a!r:>6}", [], {"a": "x"}), ("{:>{w}}|", ["x"], {"w": 5}), ("{:.2f}", [3.14159], {}),
           ("{{}}", [], {}), ("{", [], {}), ("}", [], {}), ("{}", [], {}), ("{x}", [], {}), ("{0}{}", [1, 2], {}), ("{}{0}", [1, 2], {}),
           ("{0[1]}", [[1, 2]], {}), ("{0[k]}", [{"k": 3}], {}), ("{0[z]}", [{"k": 3}], {}), ("{0[9]}", [[1]], {}), ("{a[0][1]}", [], {"a": [(5, 6)]}),
           ("{:d}", ["x"], {}), ("{:,}", [1234567], {}), ("{!a}", ["é"], {}), ("{:x}", [255], {}), ("{:5}|{:<5}|{:^5}", [1, 2, "x"], {}), ("{!z}", [1], {}),
           ("{:>10}", [None], {}), ("{:>10}", [[1]], {}), ("{}", [None], {}), ("{} {}", [[1, "a"], {"k": (1,)}], {}), ("{:{}}", [5, 4], {}), ("{:{:{}}}", [1, 2, 3], {}),
           ("{0.x}", [1], {}), ("{0[a]}", ["abc"], {}), ("{0[0]}", ["abc"], {}), ("{:b}", [True], {}), ("{:5}", [True], {}), ("{}", [True], {}), ("a{0}b", [1.0], {})]
for template, args, kwargs in FORMATS:
    row("format", template, args, kwargs)
PERCENT = [("%d", 5), ("%s %s", (1, "a")), ("%r", "x"), ("%5.1f|", 2.25), ("%%", ()), ("%d%%", 5), ("%(a)s %(b)d", {"a": 1, "b": 2}), ("%s", {"a": 1}),
           ("%d", "x"), ("%d", 3.9), ("%x", 255), ("%x", 1.5), ("%c", 65), ("%c", "z"), ("%c", "zz"), ("%s", ()), ("%s", (1, 2)), ("%(z)s", {"a": 1}),
           ("%(a)s", 5), ("%*d", (5, 3)), ("%.*f", (2, 3.14159)), ("%*d", ("a", 3)), ("%y", 5), ("%", 5), ("%s", [1, 2]), ("%s", None), ("abc", ()), ("abc", 5),
           ("abc", {}), ("%f", "x"), ("%e", 12345.678), ("%g", 1e-10), ("%i", 2**70), ("%-5d|", 3), ("%+d", 3), ("% d", 3), ("%05d", -3), ("%#x", 255), ("%s", (("t",),)),
           ("%.3s", "abcdef"), ("%5s|", "é"), ("%a", "é"), ("%d", True), ("%d", None), ("%c", -1), ("%c", 1.5)]
for template, value in PERCENT:
    row("%", None, [template, value], function=lambda t, v: t % v)
LISTS = [[], [1], [3, 1, 2], ["b", "a"], [1, "a", None], [[1], [2]], [1, 1.0, True], [2.5, float("nan"), 1.0], [(1, "b"), (1, "a")], [1, 2, 3, 4, 5]]
for x in LISTS:
    for name, args in [("append", [9]), ("extend", [[7, 8]]), ("extend", ["ab"]), ("extend", [5]), ("insert", [0, 9]), ("insert", [99, 9]),
                       ("insert", [-2, 9]), ("insert", ["a", 9]), ("pop", []), ("pop", [0]), ("pop", [-1]), ("pop", [9]), ("pop", [-9]), ("pop", ["a"]),
                       ("remove", [1]), ("remove", ["zz"]), ("index", [1]), ("index", [1, 1]), ("index", [3, -2]), ("index", [1, 0, 1]), ("count", [1]),
                       ("count", ["a"]), ("sort", []), ("reverse", []), ("copy", []), ("clear", [])]:
        row(name, json.loads(json.dumps(x)) if not any(isinstance(i, (tuple, float)) for i in x) else list(x), args)
    row("sort", list(x), [], {"reverse": True})
    row("count", tuple(x), [1])
    row("index", tuple(x), [1])
    for name in ["sum", "max", "min", "len", "sorted", "all", "any", "list", "tuple", "enumerate", "reversed", "set"]:
        row(name, None, [x], function=getattr(__builtins__, name))
    row("sorted", None, [x], {"reverse": True}, function=sorted)
    row("enumerate", None, [x], {"start": 5}, function=enumerate)
    row("zip", None, [x, "abc"], function=zip)
    row("max", None, [x], {"default": 7}, function=max)
DICTS = [{}, {"a": 1}, {"b": 2, "a": 1, "c": [1]}, {1: "x", 2.5: "y", None: "z", (1, 2): "t"}]
for d in DICTS:
    for name, args in [("get", ["a"]), ("get", ["zz"]), ("get", ["zz", 5]), ("get", [[1]]), ("keys", []), ("values", []), ("items", []), ("pop", ["a"]),
                       ("pop", ["zz"]), ("pop", ["zz", 0]), ("pop", [1]), ("popitem", []), ("setdefault", ["a", 9]), ("setdefault", ["n"]),
                       ("update", [{"a": 5, "q": 6}]), ("update", [[("k", 1), ["l", 2]]]), ("update", [[1]]), ("update", [[(1, 2, 3)]]), ("update", [5]),
                       ("update", []), ("clear", []), ("copy", []), ("fromkeys", [["a", "b"]]), ("fromkeys", ["ab", 0])]:
        row(name, dict(d), args)
    row("update", dict(d), [], {"z": 1, "a": 2})
    row("dict", None, [d], {"k": 1}, function=dict)
    row("len", None, [d], function=len)
    row("list", None, [d], function=list)
SETS = [set(), {1}, {1, 2, 3}, {"a", "b"}, {1, "a", None}]
for s in SETS:
    for name, args in [("add", [2]), ("add", [[1]]), ("remove", [1]), ("remove", ["zz"]), ("discard", [1]), ("discard", ["zz"]), ("clear", []), ("copy", []),
                       ("union", [[2, 9]]), ("union", []), ("union", [5]), ("union", [{1}, [2]]), ("intersection", [[1, 2]]), ("intersection", []),
                       ("difference", [[1]]), ("difference", [[1], {2}]), ("symmetric_difference", [[1, 9]]), ("update", [[5], "ab"]),
                       ("intersection_update", [[1]]), ("difference_update", [[1]]), ("symmetric_difference_update", [[1, 7]]), ("issubset", [[1, 2, 3, 4]]),
                       ("issuperset", [[1]]), ("isdisjoint", [[9]]), ("isdisjoint", [[1]]), ("issubset", [5])]:
        row(name, set(s), args)
row("pop", set(), [])
row("pop", {1}, [])
NUMBERS = [0, 1, -7, 255, 2**63 - 1, -(2**63), 2**100, -(10**30), 0.0, -0.5, 2.5, 3.5, 1e300, 2.675, 1234.5678, True, 15, 25, -15, 1e16, 5e-324]
for n in NUMBERS:
    for name in ["abs", "int", "float", "str", "round"]:
        row(name, None, [n], function=getattr(__builtins__, name))
    for digits in [0, 1, 2, -1, -2, 20, -20, 400, -400]:
        row("round", None, [n, digits], function=round)
    row("is_integer", n, [])
    if not isinstance(n, float):
        row("bit_length", n, [])
        row("bit_count", n, [])
    row("as_integer_ratio", n, [])
for args in [[float("inf")], [float("nan")], ["x"], [None], [[1]]]:
    for name in ["int", "float", "round", "abs", "len", "chr", "ord"]:
        row(name, None, args, function=getattr(__builtins__, name))
for text in ["12", " -3 ", "1_000", "x", "", "3.5", "1e5", "inf", "0x10", "٣"]:
    row("int", None, [text], function=int)
    row("float", None, [text], function=float)
row("int", None, ["ff", 16], function=int)
row("int", None, ["0b11", 0], function=int)
row("int", None, [], function=int)
row("float", None, [], function=float)
row("str", None, [], function=str)
for values in [[0.1] * 10, [1, 2.5], [1e308, 1e308], [1e16, 1.0, -1e16], [True, 2], [10**30, 1], [1.5, 10**20], [[1], [2]], ["a"], [1, None], [3, "a"]]:
    row("sum", None, [values], function=sum)
row("sum", None, [[[1], [2]], []], function=sum)
row("sum", None, [[(1,), (2,)], ()], function=sum)
row("sum", None, [[1], "a"], function=sum)
row("sum", None, [[1, 2]], {"start": 10}, function=sum)
for c in [65, 0x1F600, -1, 0x110000, 2**70, "a"]:
    row("chr", None, [c], function=chr)
for c in ["a", "😀", "", "ab", 5]:
    row("ord", None, [c], function=ord)
for args in [[3], [1, 4], [0, 10, 3], [5, 0, -2], [0, 5, 0], [1.5], ["a"], [0]]:
    row("range", None, args, function=range)
    row("list", None, [range(*args)] if all(isinstance(a, int) for a in args) and args[-1:] != [0] else [[]], function=list)
for r in [range(5), range(0, 10, 3), range(5, 0, -2), range(0)]:
    row("index", r, [3])
    row("count", r, [3])
    row("len", None, [r], function=len)
    row("reversed", None, [r], function=reversed)
    row("sum", None, [r], function=sum)
row("zip", None, [], function=zip)
row("zip", None, [[1, 2], [3, 4], "ab"], function=zip)
row("zip", None, [[1, 2], [3]], {"strict": True}, function=lambda *a, **k: list(zip(*a, **k)))
row("zip", None, [[1], [3, 4]], {"strict": True}, function=lambda *a, **k: list(zip(*a, **k)))
row("dict", None, [[("a", 1), ("b", 2)]], function=dict)
row("dict", None, [], {"x": 1}, function=dict)
row("max", None, [3, 9, 2], function=max)
row("min", None, ["b", "a"], function=min)
row("max", None, [[1, "a"]], function=max)
for count in [50, 300]:
    for make in [lambda: pick.randrange(100), lambda: round(pick.random(), 1), lambda: pick.choice("abcdefghij") * pick.randrange(4),
                 lambda: (pick.randrange(4), pick.choice("ab")), lambda: pick.choice([pick.randrange(9), pick.random() * 9])]:
        values = [make() for _ in range(count)]
        row("sorted", None, [values], function=sorted)
        row("sorted", None, [values], {"reverse": True}, function=sorted)

pathlib.Path(__file__).with_name("calls.tsv").write_text("\n".join(rows) + "\n")
