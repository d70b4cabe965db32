//! The memory limit holds to a tenth for every program, and cyclic garbage does not pile up.

use std::alloc::System;
use std::ops::ControlFlow;

use dana_lang::{Closed, Outbox, Server};
use dana_wire::{Budget, Datum, Outcome, SessionLimits, Start, ToHost, ToWorker};

#[global_allocator]
static HEAP: dana_meter::Counting<System> = dana_meter::Counting::new(System);

const LIMIT: u64 = 16 << 20;
/// What a session may hold at most.
const MOST: u64 = LIMIT + LIMIT / 10;

/// How a turn ended: the kind of its error, or none; what it held at most; the ask it waits for.
#[derive(Default)]
struct End {
    ended: Option<Option<String>>,
    message: String,
    peak: u64,
    steps: u64,
    ask: Option<u32>,
}

impl Outbox for End {
    fn send(&mut self, header: &ToHost, _payload: &[u8]) -> Result<(), Closed> {
        // What is sent counts until it is sent.
        self.peak = self.peak.max(dana_meter::peak() as u64);
        match header {
            ToHost::Done { usage, .. } => {
                self.ended = Some(None);
                self.steps = usage.steps;
                self.peak = self.peak.max(usage.memory_peak);
            }
            ToHost::Failed { fault, usage, .. } => {
                self.ended = Some(Some(fault.kind.clone()));
                self.message.clone_from(&fault.message);
                self.peak = self.peak.max(usage.memory_peak);
            }
            ToHost::Ask { ask, .. } => self.ask = Some(*ask),
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

struct Session {
    server: Server,
    turn: u32,
}

impl Session {
    fn new() -> Session {
        let limits = SessionLimits {
            steps: Some(400_000_000),
            memory: Some(LIMIT),
            depth: 1000,
            output: Some(256 << 20),
        };
        let start = Start { limits, seed: [5, 6], functions: vec!["host".into()] };
        Session { server: Server::new(start), turn: 0 }
    }

    fn send(&mut self, message: ToWorker, payload: &[u8]) -> End {
        let mut end = End::default();
        self.server.handle(message, payload, &mut end).expect("a message in its turn");
        end
    }

    fn run(&mut self, source: &str) -> End {
        self.turn += 1;
        self.send(ToWorker::Run { turn: self.turn, filename: None, source: source.to_owned() }, &[])
    }

    /// Answers with a text.
    fn answer(&mut self, ask: u32, text: &str) -> End {
        let payload = Datum::Str(text.to_owned()).encode(&Budget::FROM_HOST).expect("a payload");
        self.send(ToWorker::Answer { ask, outcome: Outcome::Value }, &payload)
    }

    fn call(&mut self, target: &str, value: &Datum) -> End {
        self.turn += 1;
        let payload = value.encode(&Budget::FROM_HOST).expect("a payload");
        let target = dana_wire::Target::Name(target.to_owned());
        let call = ToWorker::Call { turn: self.turn, target, positional: 1, keywords: Vec::new() };
        self.send(call, &payload)
    }
}

/// Why a program that must end with the memory limit, and never hold more than a tenth beyond it, did otherwise.
fn wrong(name: &str, end: &End) -> Option<String> {
    if end.ended != Some(Some("MemoryLimitError".to_owned())) {
        return Some(format!(
            "{name}: {:?} {}",
            end.ended,
            end.message.chars().take(200).collect::<String>()
        ));
    }
    held(name, end)
}

/// Why a program that must never hold more than a tenth beyond the limit did otherwise.
fn held(name: &str, end: &End) -> Option<String> {
    (end.peak > MOST).then(|| format!("{name}: held {} of {LIMIT}", end.peak))
}

#[test]
fn whatever_grows_ends_at_the_limit() {
    let mut failures = Vec::new();
    for (name, source) in [
        ("append", "x = []\nwhile true:\n    x.append(1)"),
        ("append of lists", "x = []\nwhile true:\n    x.append([1])"),
        ("append of texts", "x = []\ni = 0\nwhile true:\n    i = i + 1\n    x.append(f'number {i}')"),
        ("append of tuples", "x = []\nwhile true:\n    x.append((1, 2, 3))"),
        ("list in place", "x = [1]\nwhile true:\n    x += x"),
        ("list sum", "x = [1]\nwhile true:\n    x = x + x"),
        ("extend", "x = [1]\nwhile true:\n    x.extend(x)"),
        ("insert", "x = []\nwhile true:\n    x.insert(len(x), 'a')"),
        ("repetition", "x = [0]\nwhile true:\n    x = x * 2"),
        ("nested", "x = []\nwhile true:\n    x = [x]"),
        ("nested tuples", "x = ()\nwhile true:\n    x = (x, x)"),
        ("dict", "d = {}\ni = 0\nwhile true:\n    d[i] = i\n    i = i + 1"),
        ("dict of texts", "d = {}\ni = 0\nwhile true:\n    d[f'some key {i}'] = i\n    i = i + 1"),
        ("dict of dicts", "d = {}\ni = 0\nwhile true:\n    d[i] = {'a': i, 'b': {}}\n    i = i + 1"),
        ("chain of dicts", "d = {}\nwhile true:\n    d = {'next': d}"),
        ("set", "s = set()\ni = 0\nwhile true:\n    s.add(i)\n    i = i + 1"),
        ("set of tuples", "s = set()\ni = 0\nwhile true:\n    s.add((i, 'x'))\n    i = i + 1"),
        ("update", "d = {}\ni = 0\nwhile true:\n    d.update({i: [i]})\n    i = i + 1"),
        ("text in place", "s = 'a'\nwhile true:\n    s = s + 'some more text'"),
        ("text doubled", "s = 'a'\nwhile true:\n    s = s + s"),
        ("text repeated", "s = 'ab'\nwhile true:\n    s = s * 3"),
        ("f-string", "s = 'a'\nwhile true:\n    s = f'{s}{s}'"),
        ("padded", "i = 1\nwhile true:\n    i = i * 2\n    s = f'{i:>{i}}'"),
        ("center", "i = 1\nwhile true:\n    i = i * 2\n    s = 'x'.center(i)"),
        ("replace", "s = 'a'\nwhile true:\n    s = s.replace('a', 'aa')"),
        ("join", "s = ['ab', 'cd']\nwhile true:\n    s = [','.join(s), ','.join(s)]"),
        ("format", "s = 'a'\nwhile true:\n    s = '{0}{0}'.format(s)"),
        ("percent", "s = 'a'\nwhile true:\n    s = '%s%s' % (s, s)"),
        ("upper", "s = 'a' * 50000000\ns.upper()"),
        ("expandtabs", "('\\t' * 1000000).expandtabs(100)"),
        ("split", "('a ' * 20000000).split()"),
        ("split by", "('a,' * 20000000).split(',')"),
        ("splitlines", "('abcdefghi\\n' * 3000000).splitlines()"),
        ("list of a text", "list('ab' * 20000000)"),
        ("list of a range", "list(range(10000000))"),
        ("list of enumerate", "list(enumerate(range(10000000)))"),
        ("set of a range", "set(range(10000000))"),
        ("dict of pairs", "dict(zip(range(10000000), range(10000000)))"),
        ("fromkeys", "{}.fromkeys(range(10000000))"),
        ("sorted", "sorted(range(3000000), key=lambda x :: -x)"),
        ("sort of texts", "x = [f'text {i}' for i in range(500000)]\ny = sorted(x + x)\nz = sorted(y + y)"),
        ("map", "map(lambda x :: [x], range(10000000))"),
        ("filter", "filter(lambda x :: true, range(10000000))"),
        ("comprehension", "[i for i in range(10000000)]"),
        ("nested comprehension", "[[j for j in range(1000)] for i in range(10000)]"),
        ("dict comprehension", "{i: i for i in range(10000000)}"),
        ("set comprehension", "{i for i in range(10000000)}"),
        ("slices", "x = list(range(100000))\ny = []\nwhile true:\n    y.append(x[1:])"),
        ("slice assignment", "x = [1]\nwhile true:\n    x[0:0] = x"),
        ("stepped slices", "x = list(range(1000000))\ny = []\nwhile true:\n    y.append(x[::-1])"),
        ("text slices", "x = 'abc' * 100000\ny = []\nwhile true:\n    y.append(x[1:])"),
        ("stepped text slices", "x = '\u{e4}bc' * 5000000\nx[::-1]"),
        ("integers", "x = []\nn = 2 ** 100000\nwhile true:\n    n = n + 1\n    x.append(n)"),
        (
            "closures",
            "def mk(a):\n    def g():\n        return a\n    return g\nx = []\nwhile true:\n    x.append(mk(x))",
        ),
        ("lambdas", "x = []\nwhile true:\n    x.append(lambda a = 1 :: a)"),
        ("structs", "struct P:\n    a: int\n    b: int\nx = []\nwhile true:\n    x.append(P(a=1, b=2))"),
        ("chain of structs", "struct P:\n    a: any\nx = none\nwhile true:\n    x = P(a=x)"),
        ("errors", "x = []\nwhile true:\n    x.append(ValueError('some longer message'))"),
        (
            "caught errors",
            "x = []\nwhile true:\n    try:\n        1 / 0\n    except Exception as e:\n        x.append(e)",
        ),
        (
            "chain of errors",
            "x = ValueError('a')\nwhile true:\n    try:\n        raise ValueError('b') from x\n    except ValueError as e:\n        x = e",
        ),
        ("errors of huge texts", "x = []\nt = 'x' * 1000000\nwhile true:\n    x.append(ValueError(t + 'y'))"),
        ("bound methods", "x = []\nwhile true:\n    x.append(x.append)"),
        ("iterators", "x = []\nwhile true:\n    x.append(enumerate(x))"),
        ("views", "x = []\nd = {}\nwhile true:\n    x.append(d.items())"),
        ("ranges", "x = []\nwhile true:\n    x.append(range(3))"),
        ("types", "x = []\nwhile true:\n    x.append(type(1))"),
        ("output", "while true:\n    print('x' * 1000)\n    x = ['y' * 30000000, 'z' * 40000000]"),
        ("repr", "x = 'x' * 1000000\ny = [x] * 100\nstr(y)"),
        ("repr of control characters", "x = chr(1) * 20000000\nstr([x])"),
        ("bytes", "x = ('a' * 20000000).encode()\ny = x + x"),
        ("hex of bytes", "x = ('a' * 30000000).encode()\nx.hex()"),
        ("recursion", "def f(n):\n    x = ['a'] * 100000\n    return f(n + 1) + len(x)\nf(0)"),
        (
            "memory of many small objects after others",
            "x = ['a' * (i % 50 + 8) for i in range(200000)]\ny = x[::2]\nx = none\nz = []\nwhile true:\n    z.append([1, 2])",
        ),
        ("a long body", &format!("x = []\nwhile true:\n{}", "    x.append(lambda :: x)\n".repeat(2000))),
        (
            "sets together",
            "a = set(range(300000))\nb = set(range(300000, 600000))\nc = a.union(b)\nd = c.union(set(range(600000, 900000)))\ne = d.symmetric_difference(a)\nf = e.union(d)",
        ),
        (
            "copies of a dict",
            "d = {i: i for i in range(100000)}\nx = []\nwhile true:\n    x.append(d.copy())",
        ),
        ("globals", "x = 'y' * 30000000\npublic:z = x + 'a'\nprivate:w = x + 'b'"),
        ("sum of lists", "sum([[1] * 100000] * 1000, [])"),
        ("translate", "('a' * 1000000).translate({97: 'b' * 100})"),
        ("text of an integer", "x = []\nn = 10 ** 4000\nwhile true:\n    x.append(str(n))"),
    ] {
        failures.extend(wrong(name, &Session::new().run(source)));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn whatever_else_ends_keeps_to_the_limit() {
    let mut failures = Vec::new();
    for (name, source) in [
        ("asks", "x = []\nwhile true:\n    y = host(1)\n    x.append([y])".to_owned()),
        (
            "asks of huge texts",
            "x = []\nt = 'x' * 1000000\nwhile true:\n    y = host(t)\n    x.append([y])".to_owned(),
        ),
        ("a large result", "[1.5] * 900000".to_owned()),
        ("a result of texts", "['abcdefgh'] * 500000".to_owned()),
        ("a result of lists", "[[1, 2]] * 400000".to_owned()),
        ("a long text", "'x' * 15000000".to_owned()),
        ("a dict", "{i: str(i) for i in range(80000)}".to_owned()),
        ("a failing key", "x = list(range(250000))\nx.sort(key=lambda v :: 1 / (v - 249999))".to_owned()),
        ("a huge literal", format!("x = [{}]", "1, ".repeat(250_000))),
        ("a huge text", format!("x = '{}'", "y".repeat(5_000_000))),
        ("huge sources", "x = 1\n".repeat(250_000)),
        ("names", (0..50_000).map(|i| format!("x{i} = {i}\n")).collect()),
        ("functions", (0..8_000).map(|i| format!("def f{i}(a, b=1):\n    return a + b\n")).collect()),
        ("f-strings", "x = f'{1}{2}{3}'\n".repeat(50_000)),
        ("structs", (0..5_000).map(|i| format!("struct S{i}:\n    a: int\n    b: list[str]\n")).collect()),
        ("comments", "# nothing\n".repeat(400_000)),
        ("brackets", "[".repeat(2_000_000)),
        ("large numbers", format!("x = {}", "9".repeat(3_000_000))),
        ("one line", "x=1;".repeat(500_000)),
        ("an error in a huge line", format!("x = '{}' +", "y".repeat(4_000_000))),
    ] {
        failures.extend(held(name, &Session::new().run(&source)));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_the_host_sends_keeps_to_the_limit() {
    let mut failures = Vec::new();
    for (name, text) in [
        ("numbers", format!("[{}1]", "1,".repeat(800_000))),
        ("empty lists", format!("[{}[]]", "[],".repeat(500_000))),
        ("empty objects", format!("[{}{{}}]", "{},".repeat(500_000))),
        (
            "objects",
            format!("{{{}\"z\":1}}", (0..100_000).map(|i| format!("\"k{i}\":{i},")).collect::<String>()),
        ),
        ("texts", format!("[{}\"\"]", "\"some text\",".repeat(200_000))),
        ("a text", format!("[\"{}\"]", "a".repeat(6_000_000))),
        ("escapes", format!("[\"{}\"]", "\\u00e4".repeat(500_000))),
    ] {
        for annotation in ["list", "dict", "any", "list[int]", "list[dict]", "str"] {
            let mut session = Session::new();
            let asked = session.run(&format!("x: {annotation} = reason('what')\ny = [x]"));
            failures.extend(held(name, &asked));
            let ask = asked.ask.expect("an ask");
            failures.extend(held(&format!("{name} as {annotation}"), &session.answer(ask, &text)));
        }
    }
    for (name, value) in [
        ("lists", Datum::List(vec![Datum::List(Vec::new()); 400_000])),
        ("texts", Datum::List(vec![Datum::Str("abcdefghi".to_owned()); 250_000])),
        ("numbers", Datum::List(vec![Datum::Int(1); 900_000])),
    ] {
        let mut session = Session::new();
        session.run("def f(x):\n    return [x, x]");
        failures.extend(held(name, &session.call("f", &value)));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn cyclic_garbage_does_not_pile_up() {
    let loops = [
        "for i in range(100000):\n    a = []\n    a.append(a)",
        "for i in range(100000):\n    d = {}\n    d['self'] = d",
        "for i in range(100000):\n    a = [1]\n    b = {'a': a}\n    a.append(b)",
        "for i in range(100000):\n    a = [1, 2]\n    a[0] = (a, a)",
        "struct P:\n    n: any\nfor i in range(100000):\n    p = P(n=none)\n    q = P(n=p)\n    p.n = q",
        "def mk():\n    def g(n):\n        return g\n    return g\nfor i in range(100000):\n    mk()",
        "def mk():\n    x = []\n    f = lambda :: x\n    x.append(f)\n    return f\nfor i in range(100000):\n    mk()",
        "for i in range(100000):\n    a = []\n    a += [a, 'b' * 20]",
        "for i in range(100000):\n    a = []\n    a.append(enumerate(a))",
        "for i in range(100000):\n    a = []\n    a.append(a.append)",
        "for i in range(100000):\n    a = {}\n    a['v'] = a.values()",
        "for i in range(50000):\n    a = [0]\n    a[0:1] = [a, a, [a]]",
        "for i in range(50000):\n    a = []\n    a.insert(0, {'k': [a]})\n    a.extend([a])",
        "for i in range(50000):\n    e = ValueError('x')\n    f = KeyError('y')\n    try:\n        raise e from f\n    except ValueError as g:\n        1\n    try:\n        raise f from e\n    except KeyError as g:\n        1",
        "for i in range(50000):\n    s = set()\n    f = lambda a = [s] :: a\n    s.add(f)",
        "for i in range(50000):\n    d = {}\n    d.setdefault('a', [d])\n    d.update({'b': [d]})",
        "for i in range(1000):\n    x = none\n    first = {}\n    x = first\n    for j in range(100):\n        x = {'next': x}\n    first['next'] = x",
    ];
    let mut session = Session::new();
    let mut most = 0;
    for _ in 0..5 {
        for source in loops {
            let end = session.run(&format!("{source}\n0"));
            assert_eq!(end.ended, Some(None), "{source}: {}", end.message);
            most = most.max(end.peak);
        }
    }
    assert!(most <= 14 << 20, "held {most}");
}

#[test]
fn what_is_held_survives_the_search_for_cycles() {
    let mut session = Session::new();
    let source = "struct P:\n    n: any\n    v: int\n\
        rows = []\nfor i in range(2000):\n    p = P(n=none, v=i)\n    p.n = [p, rows]\n    rows.append(p)\n\
        def counter():\n    n = [0]\n    def step():\n        n[0] = n[0] + 1\n        return step\n    n.append(step)\n    return n\n\
        kept = counter()\nring = {}\nring['a'] = {'ring': ring, 't': (ring,)}\nwalk = enumerate(rows)\nnone";
    assert_eq!(session.run(source).ended, Some(None));
    let churn = "for i in range(100000):\n    g = [rows, kept, ring, walk]\n    g.append(g)\nnone";
    for _ in 0..5 {
        assert_eq!(session.run(churn).ended, Some(None));
    }
    let check = "assert len(rows) == 2000\nassert sum([p.v for p in rows]) == 1999000\n\
        assert rows[7].n[0].v == 7 and len(rows[7].n[1]) == 2000\nkept[1]()()\nassert kept[0] == 2\n\
        assert ring['a']['ring'] is ring and ring['a']['t'][0] is ring\n\
        n = 0\nfor pair in walk:\n    n = n + pair[1].v\nassert n == 1999000";
    let end = session.run(check);
    assert_eq!(end.ended, Some(None), "{}", end.message);
}

#[test]
fn a_search_for_cycles_among_much_that_lives_stays_linear() {
    let mut session = Session::new();
    let source =
        "rows = []\nfor i in range(30000):\n    r = [i, none]\n    r[1] = (r, rows)\n    rows.append(r)";
    let first = session.run(source);
    assert_eq!(first.ended, Some(None), "{}", first.message);
    assert!(first.steps < 1_000_000, "{} steps", first.steps);
    let end = session.run("for i in range(100000):\n    a = [rows]\n    a.append(a)\nlen(rows)");
    assert_eq!(end.ended, Some(None), "{}", end.message);
    assert!(end.steps < 2_000_000, "{} steps", end.steps);
}
