//! Texts and the trees or errors they must give.

use super::dump::dump;
use super::{ParseError, Source, is_complete, parse, parse_within};

fn tree_of(source: &str) -> String {
    match parse(source) {
        Ok(module) => dump(&module),
        Err(fault) => {
            let position = Source::new(source).position(fault.span.start);
            format!("error {}:{} {}", position.line, position.column, fault.message)
        }
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<_> = cases
        .iter()
        .map(|(source, expected)| (source, tree_of(source), expected))
        .filter(|(_, got, expected)| got != *expected)
        .map(|(source, got, expected)| format!("--- {source}\n got {got}\nwant {expected}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn operators() {
    check(&[
        ("1 + 2 * 3 - 4", "(- (+ 1 (* 2 3)) 4)"),
        ("1 - 2 - 3", "(- (- 1 2) 3)"),
        ("a * b / c // d % e", "(% (// (/ (* a b) c) d) e)"),
        ("-2 ** 2", "(** -2 2)"),
        ("-x ** 2", "(** (Minus x) 2)"),
        ("2 ** -1", "(** 2 -1)"),
        ("2 ** 3 ** 2", "(** 2 (** 3 2))"),
        ("- - +x", "(Minus (Minus (Plus x)))"),
        ("--5", "5"),
        ("-1.5", "-1.5"),
        ("-x.y", "(Minus (. x y))"),
        ("1 < 2 < 3", "(< (< 1 2) 3)"),
        ("a == b != c", "(!= (== a b) c)"),
        ("a in b", "(in a b)"),
        ("a not in b", "(not in a b)"),
        ("a is none", "(is a none)"),
        ("a is not none", "(is not a none)"),
        ("not a == b", "(Not (== a b))"),
        ("not not a and b", "(And (Not (Not a)) b)"),
        ("a or b and c or d", "(Or a (And b c) d)"),
        ("a and not b in c", "(And a (Not (in b c)))"),
        ("a if b else c", "(a if b else c)"),
        ("a if b else c if d else e", "(a if b else c if d else e)"),
        ("(a if b else c) if d else e", "((a if b else c) if d else e)"),
        ("a + b if c or d else e", "((+ a b) if (Or c d) else e)"),
        ("$$", "$$"),
    ]);
}

#[test]
fn literals() {
    check(&[
        ("True; true; TRUE; False; none; None; NULL; null", "true true true false none none none none"),
        ("0; 007; 123456789012345678901234567890", "0 7 123456789012345678901234567890n"),
        ("9223372036854775807; 9223372036854775808", "9223372036854775807 9223372036854775808n"),
        ("1.5; .5; 5.; 1e3; 1.5e-3; 2E+1", "1.5 0.5 5.0 1000.0 0.0015 20.0"),
        ("1e999", "inf"),
        (r#""a\nb\t\\\"\'""#, r#""a\nb\t\\\"'""#),
        (r#"'\x41\u00e9\U0001F600\0\033'"#, "\"Aé😀\\0\\u{1b}\""),
        (r#"'\d\q'"#, r#""\\d\\q""#),
        (r#"r'a\nb' ; R"\d" ; r"\"""#, r#""a\\nb" "\\d" "\\\"""#),
        ("\"\"\"a\n \"b\" \"\"\"", r#""a\n \"b\" ""#),
        ("'''it''s'''", r#""it''s""#),
        ("\"\"\"a\\\nb\"\"\"", r#""ab""#),
        ("'#not a comment' # comment", r##""#not a comment""##),
        (r#"''"#, r#""""#),
        (r#""""""""#, r#""""#),
        ("'é'", "\"é\""),
    ]);
}

#[test]
fn fstrings() {
    check(&[
        (r#"f"a{x}b""#, r#"(f "a" {x} "b")"#),
        (r#"f"""#, "(f )"),
        (r#"F'{x}{y}'"#, "(f {x} {y})"),
        (r#"f"{{x}} {{{x}}}""#, r#"(f "{x} {" {x} "}")"#),
        (r#"f"{x:.2f}""#, r#"(f {x:".2f"})"#),
        (r#"f"{x:>{w}.{p}}""#, r#"(f {x:">" {w} "." {p}})"#),
        (r#"f"{x!r:>10}""#, r#"(f {x!Repr:">10"})"#),
        (r#"f"{x!s} {y!a}""#, r#"(f {x!Str} " " {y!Ascii})"#),
        (r#"f"{x=}""#, r#"(f "x=" {x!Repr})"#),
        (r#"f"{x + 1 = :.1f}""#, r#"(f "x + 1 = " {(+ x 1):".1f"})"#),
        (r#"f"{x = !s}""#, r#"(f "x = " {x!Str})"#),
        (r#"f"{a == b} {a != b} {a <= b}""#, r#"(f {(== a b)} " " {(!= a b)} " " {(<= a b)})"#),
        (r#"f"{d['k']} {f(x=1)} {a[1:2]}""#, r#"(f {(@ d "k")} " " {(call f x=1)} " " {(@ a 1:2:_)})"#),
        (r#"f"{private:x} {private:x:>5}""#, r#"(f {Private:x} " " {Private:x:">5"})"#),
        (r#"f"{(lambda x :: x)(1)}""#, "(f {(call (lambda (x) x) 1)})"),
        (r#"f"{lambda x :: x}""#, "(f {(lambda (x) x)})"),
        (r#"f"{'a' if x else 'b'}""#, r#"(f {("a" if x else "b")})"#),
        (r#"f"{ {'a': 1}['a'] }""#, r#"(f {(@ {"a":1} "a")})"#),
        (r#"f"{f'{x}'}""#, "(f {(f {x})})"),
        ("f\"\"\"a\n{x}\n\"b\" \"\"\"", "(f \"a\\n\" {x} \"\\n\\\"b\\\" \")"),
        ("f\"\"\"{\nx\n}\"\"\"", "(f {x})"),
        (r#"f"\n{x}\t""#, r#"(f "\n" {x} "\t")"#),
        (r#"rf"\n{x}""#, r#"(f "\\n" {x})"#),
        (r#"f"\{x}""#, r#"(f "\\" {x})"#),
        (r#"f"{x:%Y-%m-%d}""#, r#"(f {x:"%Y-%m-%d"})"#),
        (r#"f"{x::>5}""#, r#"(f {x:":>5"})"#),
        (r#"f"{x:=10}""#, r#"(f {x:"=10"})"#),
        (r#"f"{x"#, "error 1:1 this f-string is never closed"),
        (r#"f"{x""#, "error 1:5 this quote ends the f-string while its '{' is still open"),
        (r#"f"{d["k"]}""#, "error 1:6 this quote ends the f-string while its '{' is still open"),
        (r#"f"{}""#, "error 1:3 the braces of this f-string hold no expression"),
        (r#"f"{x!z}""#, "error 1:5 unknown conversion in an f-string"),
        (r#"f"a}b""#, "error 1:4 single '}' in an f-string"),
        (r#"f"{1, 2}""#, "error 1:5 a tuple in an f-string needs parentheses"),
        (r#"f"{x y}""#, "error 1:6 expected '}' after the expression in the f-string, found 'y'"),
        (r#"f"{x # c}""#, "error 1:6 a comment cannot stand inside an f-string"),
        (r#"f"{x:{y:{z}}}""#, "error 1:9 fields of an f-string are nested too deeply"),
        ("f\"a\nb\"", "error 1:1 this f-string is never closed"),
        ("f\"{a +\nb}\"", "error 1:1 this f-string is never closed"),
    ]);
}

#[test]
fn postfix() {
    check(&[
        ("f()", "(call f )"),
        ("f(1, x=2,)", "(call f 1 x=2)"),
        ("m.f(1).g(2)[3].h", "(. (@ (.g (.f m 1) 2) 3) h)"),
        ("d['f'](3)", "(call (@ d \"f\") 3)"),
        ("(lambda x :: x)(1)", "(call (lambda (x) x) 1)"),
        ("x.system.from", "(. (. x system) from)"),
        ("f(from=1, system=2)", "(call f from=1 system=2)"),
        ("a[i]; a[i:j]; a[i:]; a[:j]; a[:]", "(@ a i) (@ a i:j:_) (@ a i:_:_) (@ a _:j:_) (@ a _:_:_)"),
        (
            "a[::s]; a[i::s]; a[:j:s]; a[i:j:s]; a[::]; a[i:j:]",
            "(@ a _:_:s) (@ a i:_:s) (@ a _:j:s) (@ a i:j:s) (@ a _:_:_) (@ a i:j:_)",
        ),
        ("a[0, 1:2]", "(@ a 0 1:2:_)"),
        ("a[private:x]; a[private:x:private:y]", "(@ a Private:x) (@ a Private:x:Private:y:_)"),
        ("private:d['k'].x", "(. (@ Private:d \"k\") x)"),
        ("f(\n  1, # one\n  2\n)", "(call f 1 2)"),
        ("(x\n  .a()\n  .b())", "(.b (.a x ) )"),
        ("f(g, $$)", "(call f g $$)"),
    ]);
}

#[test]
fn displays() {
    check(&[
        ("(); (1,); (1, 2); (1); (1, 2,)", "(tuple ) (tuple 1) (tuple 1 2) 1 (tuple 1 2)"),
        ("[]; [1]; [1, 2,]", "[] [1] [1 2]"),
        ("{}; {1}; {1, 2}; {'a': 1, 'b': 2,}", "{} (set 1) (set 1 2) {\"a\":1 \"b\":2}"),
        ("[\n  1,  # one\n\n  # two\n  2\n]", "[1 2]"),
        ("{'a': x if y else z}", "{\"a\":(x if y else z)}"),
        ("[x if y else z]", "[(x if y else z)]"),
        ("[x*2 for x in xs if x > 1]", "(list (* x 2) for x in xs if (> x 1))"),
        ("{x for x in xs}", "(set x for x in xs)"),
        ("{k: v for k, v in d.items()}", "(dict k:v for k,v in (.items d ))"),
        ("{(k: v) for k, v in ps}", "(dict k:v for k,v in ps)"),
        ("{(k: v + 1) for (k, v) in ps if v}", "(dict k:(+ v 1) for k,v in ps if v)"),
        ("{(a, b): 1}", "{(tuple a b):1}"),
        ("{(a): 1}", "{a:1}"),
        ("{(a)}", "(set a)"),
        ("{(a).b + 1, 2}", "(set (+ (. a b) 1) 2)"),
        ("{(lambda x: int :: x)}", "(set (lambda (x:int) x))"),
        ("{(private:x)}", "(set Private:x)"),
        ("{(private:x: 1) for y in z}", "(dict Private:x:1 for y in z)"),
        ("{({1: 2}): 3}", "{{1:2}:3}"),
        ("[(a if b else c) for x in y]", "(list (a if b else c) for x in y)"),
        ("[x for x in (a if b else c)]", "(list x for x in (a if b else c))"),
        ("[[y for y in x] for x in xs]", "(list (list y for y in x) for x in xs)"),
    ]);
}

#[test]
fn lambdas() {
    check(&[
        ("lambda :: 42", "(lambda () 42)"),
        ("lambda x, y :: x + y", "(lambda (x y) (+ x y))"),
        ("lambda x: int, y: list[int] = [] :: x", "(lambda (x:int y:list[int]=[]) x)"),
        ("lambda x: int | str :: x", "(lambda (x:int|str) x)"),
        ("lambda x=5 :: x", "(lambda (x=5) x)"),
        ("lambda (p: Point) d :: p.x + d", "(lambda <p:Point> (d) (+ (. p x) d))"),
        ("lambda (p: Point) :: p", "(lambda <p:Point> () p)"),
        ("lambda x :: x if x else 0", "(lambda (x) (x if x else 0))"),
        ("lambda x :: lambda y :: x + y", "(lambda (x) (lambda (y) (+ x y)))"),
        ("f(lambda x :: x, 2)", "(call f (lambda (x) x) 2)"),
        ("1 + lambda x :: x", "(+ 1 (lambda (x) x))"),
        ("lambda x: x + 1", "error 1:9 expected '::' before the value of the lambda"),
        ("lambda: 1", "error 1:7 expected '::' before the value of the lambda"),
        ("lambda x: (1)", "error 1:9 expected '::' before the value of the lambda"),
        ("f(lambda x: x)", "error 1:11 expected '::' before the value of the lambda"),
        ("lambda x, x :: x", "error 1:11 parameter 'x' is named twice"),
        ("lambda x", "error 1:9 expected '::' after the parameters of the lambda, found the end of the line"),
    ]);
}

#[test]
fn assignments() {
    check(&[
        ("x = 1", "(= x 1)"),
        ("x: int = 1", "(= x:int 1)"),
        ("x: dict[str, list[int]] | None = none", "(= x:dict[str,list[int]]|None none)"),
        ("private:n: int = 5", "(= Private:n:int 5)"),
        ("public:a = system:b", "(= Public:a System:b)"),
        ("local:x = 1", "(= Local:x 1)"),
        ("a.b.c = 1", "(= (. (. a b) c) 1)"),
        ("a[0][1:2] = []", "(= (@ (@ a 0) 1:2:_) [])"),
        ("a[0, 1] = 2", "(= (@ a 0 1) 2)"),
        ("private:d['k'] = 2", "(= (@ Private:d \"k\") 2)"),
        ("x += 1; x -= 1; x *= 2; x /= 2", "(+= x 1) (-= x 1) (*= x 2) (/= x 2)"),
        ("a.b[0] += 1", "(+= (@ (. a b) 0) 1)"),
        ("f(x).y = 1", "(= (. (call f x) y) 1)"),
        ("x = 1; y = 2;", "(= x 1) (= y 2)"),
        ("x = 1 ; y = 2", "(= x 1) (= y 2)"),
    ]);
}

#[test]
fn blocks() {
    check(&[
        ("", ""),
        ("\n\n  # only a comment\n", ""),
        ("\u{feff}x", "x"),
        ("if a:\n    b\nelif c:\n    d\nelse:\n    e\nf", "(if [a b] [c d] else [e]) f"),
        ("if a:\n\tb\n\tc\n", "(if [a b c])"),
        ("if a:\r\n    b\r\nc\r\n", "(if [a b]) c"),
        ("if a: # why\n    # first\n  # second\n    b\n# third\n    c\n", "(if [a b c])"),
        ("if a:\n    # nothing\nb", "(if [a pass]) b"),
        ("if a:\n    # nothing", "(if [a pass])"),
        ("def f():\n    # nothing\n\n# more\ndef g():\n    pass", "(def f() [pass]) (def g() [pass])"),
        ("while a:\n  if b:\n    break\n  continue", "(while a [(if [b break]) continue])"),
        ("for x in y:\n  x", "(for x y [x])"),
        ("for a, b in y:\n  a; b", "(for a,b y [a b])"),
        ("for (a, b) in y:\n  a", "(for a,b y [a])"),
        ("try:\n  a\nexcept:\n  b", "(try [a] except() [b])"),
        (
            "try:\n  a\nexcept A:\n  b\nexcept (B, C) as e:\n  c\nexcept as e:\n  d\nfinally:\n  f",
            "(try [a] except(A) [b] except(B,C) as e [c] except() as e [d] finally [f])",
        ),
        ("try:\n  a\nfinally:\n  b", "(try [a] finally [b])"),
        ("with f(1) as x:\n  x", "(with (call f 1) as x [x])"),
        ("raise\nraise E('x')\nraise a from b", "(raise) (raise (call E \"x\")) (raise a b)"),
        ("assert x\nassert x == 1, 'm'", "(assert x) (assert (== x 1) \"m\")"),
        ("if a:\n    x = [\n1,\n2]\n    y", "(if [a (= x [1 2]) y])"),
        ("if a:\n    x = \"\"\"\n1\n\"\"\"\n    y", "(if [a (= x \"\\n1\\n\") y])"),
    ]);
}

#[test]
fn functions() {
    check(&[
        ("def f():\n  pass", "(def f() [pass])"),
        (
            "def f(a, b: int = 2, c=[1,2],) -> str:\n  return a",
            "(def f(a b:int=2 c=[1 2])->str [(return a)])",
        ),
        ("sync def f():\n  return", "(sync def f() [(return)])"),
        ("def (self: A | B) f(x) -> None:\n  return self", "(def <self:A|B> f(x)->None [(return self)])"),
        ("@a\n@b(1, k=2)\ndef f():\n  pass", "(@a @b(1 k=2) def f() [pass])"),
        ("def f():\n  def g():\n    return 1\n  return g", "(def f() [(def g() [(return 1)]) (return g)])"),
        ("def f(\n  a,  # one\n  b\n):\n  a", "(def f(a b) [a])"),
        ("def f(x) = g", "(def f(x) g)"),
        (
            "def f(x: int) -> int = g | h(1, $$) | [i, j(2)] as k",
            "(def f(x:int)->int g | h(1 $$) | [i j(2)] as k)",
        ),
        ("def f(x) = g as a | h(b=$$)\nf(1)", "(def f(x) g as a | h(b=$$)) (call f 1)"),
        ("def f(x) = [g, [h, i]]", "(def f(x) [g [h i]])"),
        ("def f(x) = m.g | m.n.h(1)", "(def f(x) (. m g) | (. (. m n) h)(1))"),
        (
            "while a:\n  def f():\n    for x in y:\n      break\n  break",
            "(while a [(def f() [(for x y [break])]) break])",
        ),
    ]);
}

#[test]
fn definitions() {
    check(&[
        (
            "struct P:\n    \"\"\"A point.\"\"\"\n    x: int   # across\n    # between\n    y: int = 2\n    t: str = '#'  # tag # here\n",
            "(Struct P \"A point.\" (x:int #\"across\") (y:int=2) (t:str=\"#\" #\"tag # here\"))",
        ),
        (
            "struct P:\n  x: int\n  def m(self, d):\n    return self.x\n  y: str",
            "(Struct P (x:int) (y:str) (def m(self d) [(return (. self x))]))",
        ),
        ("resource R:\n  n: str = 's'", "(Resource R (n:str=\"s\"))"),
        ("agent_blueprint B:\n  n: str", "(AgentBlueprint B (n:str))"),
        ("workflow W:\n  n: list[str] | None = none", "(Workflow W (n:list[str]|None=none))"),
        (
            "interface S:\n  area() -> float\n  scale(k: float, n=1) -> S  # c\n  Named\n",
            "(interface S area()->float scale(k:float n=1)->S [Named])",
        ),
        ("agent X", "(agent X _)"),
        ("agent X(B)", "(agent X B)"),
        ("agent X(B):\n  n = 1\n  m = 'a'", "(agent X B n=1 m=\"a\")"),
        ("agent (B):\n  n = 1", "(agent _ B n=1)"),
        ("import a.b as c", "(import a,b:c)"),
        ("import math.py", "(import math!py)"),
        ("import math.py as m", "(import math!py:m)"),
        ("import py", "(import py)"),
        ("from a.b import c, d as e", "(from a,b c d:e)"),
        ("from json.py import dumps", "(from json!py dumps)"),
        ("from m import *", "(from m *)"),
        ("from .m import x; from ..p.m import y; from . import z", "(from .m x) (from ..p,m y) (from . z)"),
    ]);
}

#[test]
fn errors() {
    check(&[
        // layout
        ("if a: b", "error 1:7 nothing may follow ':' on the line"),
        ("def f(): return 1", "error 1:10 nothing may follow ':' on the line"),
        ("if a:\nb", "error 2:1 expected an indented block after the condition of 'if', found 'b'"),
        (
            "if a:",
            "error 1:6 expected an indented block after the condition of 'if', found the end of the program",
        ),
        ("if a\n  b", "error 1:5 expected ':' after the condition of 'if', found the end of the line"),
        ("  a", "error 1:3 this line is indented without a reason"),
        ("a\n  b", "error 2:3 this line is indented without a reason"),
        ("if a:\n    b\n  c", "error 3:3 this line is indented like no block that is open"),
        ("if a:\n\tb\n    c", "error 3:5 this line is indented like no block that is open"),
        ("x = (1,\ny = 2\n", "error 1:5 '(' is never closed"),
        ("x = [1, 2", "error 1:5 '[' is never closed"),
        ("foo(\n  bar(1)\n\ndef f():\n  pass\n", "error 1:4 '(' is never closed"),
        ("x = (1]", "error 1:7 ']' does not close the '(' of line 1"),
        ("x = 1)", "error 1:6 ')' closes nothing: no bracket is open"),
        ("x = 'abc", "error 1:5 this string is never closed"),
        ("x = \"\"\"abc", "error 1:5 this string is never closed"),
        ("x = 1 \\\n + 2", "error 1:7 unexpected '\\'"),
        ("x = 1; if y:\n  z", "error 1:8 only simple statements may follow ';'"),
        // forms of other languages and of older Dana
        ("private.x = 1", "error 1:1 the scope 'private' is followed by ':'"),
        ("private = 1", "error 1:1 expected ':' and a name after 'private'"),
        ("deliver 5", "error 1:1 'deliver' is reserved and has no meaning in Dana"),
        ("global x", "error 1:1 'global' is reserved and has no meaning in Dana"),
        ("del x[0]", "error 1:1 'del' is reserved and has no meaning in Dana"),
        ("x = yield", "error 1:5 'yield' is reserved and has no meaning in Dana"),
        ("p = f | g", "error 1:7 '|' outside a declarative function"),
        ("5 | f", "error 1:3 '|' outside a declarative function"),
        ("f(a | b)", "error 1:5 '|' outside a declarative function"),
        ("a, b = 1, 2", "error 1:2 an assignment has one target"),
        ("(a, b) = c", "error 1:1 an assignment has one target"),
        ("a = b = 1", "error 1:7 an assignment has one target"),
        ("a = 1, 2", "error 1:6 a tuple needs parentheses"),
        ("1, 2", "error 1:2 a tuple needs parentheses"),
        ("def f():\n  return 1, 2", "error 2:11 a tuple needs parentheses"),
        ("for x in 1, 2:\n  x", "error 1:11 a tuple needs parentheses"),
        ("match x:\n  pass", "error 1:1 there is no 'match' statement"),
        ("class A:\n  pass", "error 1:1 there is no 'class' statement"),
        ("enum A:\n  pass", "error 1:1 there is no 'enum' statement"),
        ("async def f():\n  pass", "error 1:1 there is no 'async' statement"),
        ("use x", "error 1:1 there is no 'use' statement"),
        ("print 'a'", "error 1:1 'print' is a function"),
        ("if a:\n  b\nelsif c:\n  d", "error 3:1 there is no 'elsif' statement"),
        ("if a:\n  b\nelse if c:\n  d", "error 3:6 'else if' is one word"),
        ("x //= 2", "error 1:3 there is no operator '//='"),
        ("x = a & b", "error 1:7 there is no operator '&'"),
        ("x = a << b", "error 1:7 there is no operator '<<'"),
        ("if a && b:\n  c", "error 1:6 there is no operator '&&'"),
        ("if (x := 1):\n  c", "error 1:7 there is no operator ':='"),
        ("if x = 1:\n  c", "error 1:6 '=' in a condition"),
        ("while x = 1:\n  c", "error 1:9 '=' in a condition"),
        ("x = 0x1F", "error 1:5 '0x1F' is not a number"),
        ("x = 1_000", "error 1:5 '1_000' is not a number"),
        ("x = 2j", "error 1:5 '2j' is not a number"),
        ("x = 1e", "error 1:5 '1e' is not a number"),
        ("5.triple()", "error 1:1 '5.triple' is not a number"),
        ("2x = 1", "error 1:1 '2x' is not a number"),
        ("é = 1", "error 1:1 unexpected letter 'é' in a name"),
        ("naïve = 1", "error 1:3 unexpected letter 'ï' in a name"),
        ("x = “a”", "error 1:5 unexpected typographic quote “"),
        ("x = $y", "error 1:5 unexpected '$'"),
        ("x = 'a' 'b'", "error 1:9 expected the end of the line, found a string"),
        ("x = '\\xZ'", "error 1:6 \\x needs 2 hexadecimal digits"),
        ("x = '\\ud800'", "error 1:6 U+D800 is not a character"),
        ("x: int", "error 1:2 a variable with a type needs a value"),
        ("f(*a)", "error 1:3 arguments cannot be unpacked with * or **"),
        ("def f(*a):\n  pass", "error 1:7 there are no * and ** parameters"),
        ("f(x for x in y)", "error 1:5 there are no generator expressions"),
        ("(x for x in y)", "error 1:4 there are no generator expressions"),
        (
            "[a if b else c for x in y]",
            "error 1:2 the element of a comprehension is a conditional expression without parentheses",
        ),
        ("[x for x in y if a if b]", "error 1:20 a comprehension has one 'if'"),
        ("[x for x in y for z in x]", "error 1:15 a comprehension has one 'for'"),
        ("x++", "error 1:2 there is no operator '++'"),
        ("y = x--", "error 1:6 there is no operator '--'"),
        ("y = + + ", "error 1:8 expected an expression, found the end of the line"),
        ("x := 1", "error 1:3 there is no operator ':='"),
        ("x ? 1 : 2", "error 1:3 there is no operator '?'"),
        ("x @ y", "error 1:3 expected the end of the line, found '@'"),
        ("...", "error 1:1 expected an expression, found '.'"),
        // placement
        ("return 1", "error 1:1 'return' outside a function"),
        ("break", "error 1:1 'break' outside a loop"),
        ("if a:\n  continue", "error 2:3 'continue' outside a loop"),
        ("while a:\n  def f():\n    break", "error 3:5 'break' outside a loop"),
        ("else:\n  a", "error 1:1 'else' without 'if'"),
        ("for x in y:\n  x\nelse:\n  z", "error 3:1 a loop has no 'else'"),
        ("try:\n  a\nb", "error 3:1 expected 'except' or 'finally' after the block of 'try', found 'b'"),
        ("try:\n  a\nexcept A, B:\n  b", "error 3:9 unexpected ',' after 'except'"),
        // calls and definitions
        ("f(a b)", "error 1:5 expected ',' or ')' after the argument, found 'b'"),
        ("f(a=1, 2)", "error 1:8 a positional argument cannot follow a keyword argument"),
        ("f(a=1, a=2)", "error 1:8 argument 'a' is given twice"),
        ("def f(a, a):\n  pass", "error 1:10 parameter 'a' is named twice"),
        ("def f(x) = x + 1", "error 1:14 '+' cannot stand in a pipeline"),
        ("def f(x) = 5", "error 1:12 expected a stage of the pipeline, found '5'"),
        ("f() = 1", "error 1:1 cannot assign to the result of a call"),
        ("x + 1 = 2", "error 1:1 cannot assign to an operation"),
        ("true = 2", "error 1:1 cannot assign to 'true'"),
        ("5 = x", "error 1:1 cannot assign to a literal"),
        ("x + 1 += 2", "error 1:1 cannot assign to an operation"),
        ("struct P:\n  pass", "error 1:8 a struct needs at least one field"),
        ("struct P:\n  x = 1", "error 2:3 every field needs a type"),
        ("struct P:\n  x: int\n  x: str", "error 3:3 field 'x' is defined twice"),
        ("struct P(Q):\n  x: int", "error 1:9 there is no inheritance"),
        ("interface I:\n  def f()", "error 2:3 a method of an interface has no 'def'"),
        ("agent X:\n  x: int", "error 1:8 an agent with a body needs a blueprint"),
        ("import a, b", "error 1:9 an 'import' names one module"),
        ("from a import (b)", "error 1:15 imported names have no parentheses"),
        ("1 + not a", "error 1:5 'not' cannot stand after this operator"),
        ("not", "error 1:4 expected an expression, found the end of the line"),
        ("if", "error 1:3 expected an expression, found the end of the line"),
        ("x = if", "error 1:5 expected an expression, found 'if'"),
        ("if = 3", "error 1:1 'if' is a reserved word and cannot be a name"),
        ("agent = 3", "error 1:1 'agent' is a reserved word and cannot be a name"),
        ("sync = 3", "error 1:1 'sync' is a reserved word and cannot be a name"),
        ("x = is = 3", "error 1:5 'is' is a reserved word and cannot be a name"),
        ("def f(in=1):\n  pass", "error 1:7 'in' is a reserved word and cannot be a name"),
        ("for i, (a, b) in x:\n  pass", "error 1:8 the variables of a loop do not nest"),
        ("@a.b\ndef f():\n  pass", "error 1:3 the name of a decorator has no '.'"),
        ("struct P:\n  x: int, y: int", "error 2:9 expected the end of the line after the field, found ','"),
        ("def if():\n  pass", "error 1:5 expected the name of the function after 'def', found 'if'"),
        ("with x:\n  y", "error 1:7 expected 'as' and a name after the value of 'with', found ':'"),
        ("foo(x):\n  y", "error 1:7 unexpected ':'"),
        ("x: m.T = 1", "error 1:5 the name of a type has no '.'"),
    ]);
}

#[test]
fn hints_name_the_right_form() {
    let cases = [
        ("private.x = 1", "write private:x"),
        ("x = a | b", "'|' joins the stages"),
        ("f = lambda x: x", "two colons"),
        ("x %= 2", "x = x op y"),
        ("if a:\n\tb\n    c", "tabs and spaces are mixed"),
        ("a <> b", "!="),
        ("x = 'a' 'b'", "use +"),
        ("deliver 1", "use 'return'"),
        ("x = b'abc'", "no bytes literals"),
        ("class A:\n  pass", "struct Name:"),
        ("x = 0b1", "decimal"),
        ("struct P:\n  x", "write x: type"),
        ("def f(x):\n  match = 1\n  match match:\n    pass", "if and elif"),
        ("x++", "write x += 1"),
        ("x--", "write x -= 1"),
        ("x := 1", "no assignment inside an expression"),
        ("x ? 1 : 2", "a if condition else b"),
        ("x @ y", "only starts a decorator"),
        ("...", "pass"),
        ("agent = 3", "another name"),
        ("a, b = 1, 2", "index it"),
        ("a = b = 1", "one assignment a line"),
        ("global x", "private: or public:"),
        ("del x", ".pop(...)"),
        ("else if a:\n  b", "same column as its 'if'"),
        ("if a:\n  b\nelse if c:\n  d", "write elif"),
        ("if a:\n  b\nelseif c:\n  d", "write elif"),
        ("try:\n  a\ncatch:\n  b", "write except"),
        ("try:\n  a\nexcept E e:\n  b", "after 'as'"),
        ("if a then:\n  b", "no 'then'"),
        ("for x of y:\n  x", "for x in"),
        ("for i, (a, b) in x:\n  a", "index it"),
        ("unless a:\n  b", "if not"),
        ("x = new P(1)", "calling its type"),
        ("def f():\n  retrun 1", "did you mean 'return'?"),
        ("whlie a:\n  b", "did you mean 'while'?"),
        ("enum C:\n  R", "a struct or a dict"),
        ("throw 'x'", "write raise"),
        ("print 'x'", "print(...)"),
        ("use mcp", "use is a function"),
        ("if true: x", "indented lines"),
        ("x = [1,\n  2\ny = (3]", "'[' of line 1 is still open"),
    ];
    for (source, part) in cases {
        let hint = parse(source).err().and_then(|fault| fault.hint).unwrap_or_default();
        assert!(hint.contains(part), "{source}: {hint}");
    }
}

/// Names that are words elsewhere stay ordinary names.
#[test]
fn words_of_other_languages_are_names() {
    check(&[
        ("match = 1; case = 2; type = 3; use(match)", "(= match 1) (= case 2) (= type 3) (call use match)"),
        ("class.async = enum", "(= (. class async) enum)"),
        ("print(x)", "(call print x)"),
    ]);
}

#[test]
fn nesting_is_an_error_not_an_overflow() {
    let n = 100_000;
    let deep = [
        "(".repeat(n),
        format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        format!("x = {}1", "not ".repeat(n)),
        format!("x = {}1", "-".repeat(n)),
        format!("x = {}1", "lambda :: ".repeat(n)),
        format!("x = {}1", "lambda (p: T) a = ".repeat(n)),
        format!("x = {}1", "2 ** ".repeat(n)),
        "[".repeat(n),
        "{".repeat(n),
        "{(".repeat(n),
        "{1:".repeat(n),
        "f(".repeat(n),
        "a[".repeat(n),
        "a[1:".repeat(n),
        "f'''{".repeat(n),
        "f'{f\"{".repeat(n),
        "f'{x:{".repeat(n),
        format!("x: {} = 1", "list[".repeat(n)),
        format!("def f(x) = {}", "[".repeat(n)),
        "[x for x in ".repeat(n),
        "1 if ".repeat(n),
        (0..2000).map(|i| format!("{}if x:\n", " ".repeat(i))).collect(),
        (0..2000).map(|i| format!("{}def f():\n", " ".repeat(i))).collect(),
        (0..2000).map(|i| format!("{}try:\n", " ".repeat(i))).collect(),
        (0..300).map(|_| "(not -f(a or b and c == d + e * 2 ** [lambda x :: ".to_string()).collect(),
    ];
    for source in &deep {
        assert!(parse(source).is_err(), "{}", &source[..30]);
    }
}

/// The deepest nesting that is allowed fits a small stack, even without optimisation.
#[test]
fn the_limit_fits_a_small_stack() {
    let widest = "f(a or b and c == d + e * g[h if i else ".repeat(300);
    let statements: String =
        (0..300).map(|i| format!("{0}if a:\n{0} x = 1\n{0} for a in b:\n", " ".repeat(i * 2))).collect();
    for source in [widest, statements] {
        let thread = std::thread::Builder::new().stack_size(3 << 19);
        let parsed = thread.spawn(move || parse(&source).map(|_| ())).map(std::thread::JoinHandle::join);
        let message = match parsed {
            Ok(Ok(Err(fault))) => fault.message,
            other => panic!("{other:?}"),
        };
        assert!(message.contains("nested too deeply"), "{message}");
    }
}

#[test]
fn repetition_is_no_nesting() {
    let n = 100_000;
    let long = [
        format!("x = 1{}", " + 1".repeat(n)),
        format!("x = a{}", " and a".repeat(n)),
        format!("x = a{}", " or b and c".repeat(n)),
        format!("x = 1{}", " < 1".repeat(n)),
        format!("x = a{}", " if b else c".repeat(n)),
        format!("x = a{}", ".b".repeat(n)),
        format!("x = a{}", ".b()".repeat(n)),
        format!("x = a{}", "(1)".repeat(n)),
        format!("x = a{}", "[1]".repeat(n)),
        format!("if a:\n  b\n{}", "elif a:\n  b\n".repeat(n)),
        format!("try:\n  b\n{}", "except A:\n  b\n".repeat(n)),
        format!("x = [{}]", "1, ".repeat(n)),
        format!("def f(x) = g{}", " | g".repeat(n)),
        format!("x: a{} = 1", " | b".repeat(n)),
        format!("{}\ndef f():\n  pass", "@a\n".repeat(n).trim_end()),
        "x = 1;".repeat(n),
        format!("x = f'{}'", "{x}".repeat(n)),
        format!("x = f({})", (0..n).map(|i| format!("a{i}=1")).collect::<Vec<_>>().join(",")),
    ];
    for source in &long {
        if let Err(fault) = parse(source) {
            panic!("{}: {fault}", &source[..30]);
        }
    }
}

#[test]
fn the_limit_allows_what_people_write() {
    for n in [50, 190] {
        let source = format!("x = {}1{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&source).is_ok(), "{n} brackets");
    }
    let blocks: String = (0..100).map(|i| format!("{}if x:\n", " ".repeat(i))).collect();
    assert!(parse(&format!("{blocks}{}y", " ".repeat(100))).is_ok());
}

#[test]
fn a_source_that_needs_too_much_memory_is_refused() {
    for source in ["1;".repeat(100_000), "pass;".repeat(100_000), format!("x = [{}]", "1,".repeat(100_000))] {
        let error = parse_within(&source, &|| 1 << 20).err();
        assert_eq!(error, Some(ParseError::Memory), "{}", &source[..10]);
        assert!(parse_within(&source, &|| 1 << 26).is_ok());
    }
    assert!(parse_within("x = 1", &|| 1 << 12).is_ok());
}

/// What is typed so far, and whether more lines are needed.
#[test]
fn complete_or_wrong_or_open() {
    let complete = [
        "",
        "  ",
        "# a comment",
        "x = 1",
        "x = 1;",
        "x = [1,\n2]",
        "x = [1,\n\n2]",
        "x = '''a\nb'''",
        "def f(x) = g | h",
        "agent A",
        "if x:\n  y\n",
        "if x:\n  y\n  ",
        "if x:\n  y\n\n",
        "if x:\n  # nothing\n",
        "if x:\n  y\nz = 1",
        "try:\n  x\nexcept:\n  y\n",
        "@d\ndef f():\n  x\n",
        // wrong already
        "x =",
        "if x",
        "if x:\n  y z",
        "f(1 2",
        "x = (\n1 2",
        "x = )",
        "x = 'a",
        "f'{x",
        r#"f"""{f'{x"#,
        r#"f"{'''x"#,
        "return 1",
        "  x",
        "if x:\n    y\n  z",
        "x = $",
        "struct P:\n  x: int\n  x: int\n",
        "struct P:\n  pass\n",
        "def f(x) = ",
        "lambda x: x",
        "@d x",
    ];
    let open = [
        "x = [1,",
        "x = [1,\n",
        "f(",
        "x = {\n\n",
        "x = {'a': (1, [",
        "x = '''a",
        "x = '''a\n\n",
        "x = '''a\\",
        "f'''a",
        "f'''a {x",
        "f'''a {x\n",
        "f'''a {\"\"\"x\n",
        "f'''a {x:>",
        "if x:",
        "if x:\n",
        "if x:\n\n\n",
        "if x: # why",
        "if x:\n  y",
        "if x:\n  # nothing",
        "if x:\n  y\nelse:",
        "if x:\n  if y:\n    z",
        "for x in y:\n  z = [\n",
        "def f():",
        "def f(",
        "def f():\n  return 1",
        "def f():\n  if x:\n",
        "@d",
        "@d\n",
        "@d(1)\n@e",
        "@d\n\n",
        "try:",
        "try:\n  x",
        "try:\n  x\n",
        "try:\n  x\nexcept:\n",
        "try:\n  x\nfinally:",
        "with a as b:",
        "while true:\n",
        "struct P:",
        "struct P:\n  '''A point.'''",
        "struct P:\n  x: int",
        "struct P:\n  def f(self):",
        "interface I:\n",
        "agent A(B):",
        "x = lambda y :: [",
    ];
    for (sources, wanted) in [(&complete[..], true), (&open[..], false)] {
        for source in sources {
            assert_eq!(is_complete(source), wanted, "{source:?}");
            assert_eq!(is_complete(&source.replace('\n', "\r\n")), wanted, "{source:?} with CRLF");
        }
    }
}
