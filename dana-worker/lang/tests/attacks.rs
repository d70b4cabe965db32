//! Attacks on single operations: each ends in a clear error or a value, in an amount of work that was charged.

use std::alloc::System;
use std::ops::ControlFlow;

use dana_lang::{Closed, Outbox, Server};
use dana_wire::{SessionLimits, Start, ToHost, ToWorker};

#[global_allocator]
static HEAP: dana_meter::Counting<System> = dana_meter::Counting::new(System);

const STEPS: u64 = 50_000_000;
/// What is to run into the limit of steps runs into this one.
const FEW_STEPS: u64 = 1_000_000;
const MEMORY: u64 = 64 << 20;

#[derive(Default)]
struct End {
    /// Kind and message of the error, if there was one.
    error: Option<(String, String)>,
    ended: bool,
    peak: u64,
}

impl Outbox for End {
    fn send(&mut self, header: &ToHost, _payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Done { usage, .. } => (self.ended, self.peak) = (true, usage.memory_peak),
            ToHost::Failed { fault, usage, .. } => {
                self.error = Some((fault.kind.clone(), fault.message.clone()));
                (self.ended, self.peak) = (true, usage.memory_peak);
            }
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

fn run(source: &str, steps: u64) -> End {
    let limits =
        SessionLimits { steps: Some(steps), memory: Some(MEMORY), depth: 1000, output: Some(1 << 20) };
    let mut server = Server::new(Start { limits, seed: [7, 8], functions: Vec::new() });
    let mut end = End::default();
    let run = ToWorker::Run { turn: 1, filename: None, source: source.to_owned() };
    server.handle(run, &[], &mut end).expect("a turn");
    assert!(end.ended && end.peak <= MEMORY + MEMORY / 10, "{source}: held {}", end.peak);
    end
}

/// The programs and how each ends: `kind: message` or its beginning, or nothing when it succeeds.
fn each_ends(table: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (source, expected) in table {
        let steps = if *expected == STEP_ERROR { FEW_STEPS } else { STEPS };
        let end = run(source, steps);
        let told = end.error.map(|(kind, message)| format!("{kind}: {message}")).unwrap_or_default();
        if !told.starts_with(expected) || expected.is_empty() && !told.is_empty() {
            wrong.push(format!("{source}\n    {}", told.chars().take(150).collect::<String>()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const MEMORY_ERROR: &str = "MemoryLimitError: memory limit of 67108864 bytes reached";
const STEP_ERROR: &str = "StepLimitError: step limit of 1000000 reached";
const TOO_LARGE: &str = "OverflowError: integer too large: more than 4194304 bits";

#[test]
fn enormous_results_are_refused_before_anything_is_made() {
    each_ends(&[
        ("'a' * 10 ** 12", MEMORY_ERROR),
        ("[0] * 10 ** 12", MEMORY_ERROR),
        ("(0,) * 10 ** 30", MEMORY_ERROR),
        ("x = list(range(10 ** 8))", MEMORY_ERROR),
        ("x = list(range(10 ** 18))", STEP_ERROR),
        ("x = set(range(10 ** 18))", STEP_ERROR),
        ("x = sorted(range(10 ** 18))", STEP_ERROR),
        ("x = tuple(enumerate(range(10 ** 18)))", STEP_ERROR),
        ("x = max(enumerate(range(10 ** 18)))", STEP_ERROR),
        ("x = sum(range(10 ** 18), 0.5)", STEP_ERROR),
        ("x = 2 ** 10 ** 9", TOO_LARGE),
        ("x = 2 ** 10 ** 30", TOO_LARGE),
        ("x = 10 ** 1000000 * 10 ** 1000000", TOO_LARGE),
        ("x = 5\nfor i in range(100):\n    x = x * x", TOO_LARGE),
        ("str(10 ** 5000)", "ValueError: Exceeds the limit (4300 digits)"),
        ("int('9' * 5000)", "ValueError: Exceeds the limit (4300 digits)"),
        ("x = f'{1:>1000000000}'", MEMORY_ERROR),
        ("x = f'{1.5:.1000000000f}'", MEMORY_ERROR),
        ("x = 'x'.center(10 ** 12)", MEMORY_ERROR),
        ("x = 'x'.ljust(10 ** 12)", MEMORY_ERROR),
        ("x = '1'.zfill(10 ** 12)", MEMORY_ERROR),
        ("x = '\\t'.expandtabs(10 ** 9)", MEMORY_ERROR),
        ("x = '%1000000000d' % 1", MEMORY_ERROR),
        ("x = '%.1000000000d' % 1", MEMORY_ERROR),
        ("x = '%*d' % (10 ** 9, 1)", MEMORY_ERROR),
        ("x = '{:>1000000000}'.format(1)", MEMORY_ERROR),
        ("x = '{:>{}}'.format(1, 10 ** 9)", MEMORY_ERROR),
        ("x = ('a' * 1000000).replace('', 'b' * 1000)", MEMORY_ERROR),
        ("x = ('a' * 1000).join(['b'] * 1000000)", MEMORY_ERROR),
        ("x = ('ab' * 1000000).translate({97: 'c' * 1000})", MEMORY_ERROR),
        ("x = round(10 ** 1000, -10 ** 18)", ""),
        ("x = factorial(10 ** 7)", TOO_LARGE),
    ]);
}

#[test]
fn looking_for_what_was_meant_is_charged_and_bounded() {
    let names: String = (0..100_000).map(|i| format!("name{i} = 0\n")).collect();
    let caught = "for i in range(20000):\n    try:\n        q\n    except NameError:\n        pass\n";
    let error = run(&format!("{names}{caught}"), FEW_STEPS).error;
    assert_eq!(error.map(|(kind, _)| kind).as_deref(), Some("StepLimitError"));
}

#[test]
fn long_operations_are_charged() {
    each_ends(&[
        ("x = [1] * 1000000\nwhile true:\n    x == list(x)", STEP_ERROR),
        ("x = 'a' * 20000000\nwhile true:\n    'b' in x", STEP_ERROR),
        ("x = 'a' * 5000000\nwhile true:\n    y = x.upper()", STEP_ERROR),
        ("x = 'a' * 20000000\nwhile true:\n    y = x.count('b')", STEP_ERROR),
        ("x = 'a' * 20000000\nwhile true:\n    y = x.find('b')", STEP_ERROR),
        ("x = 'a' * 5000000\nwhile true:\n    y = x.replace('b', 'c')", STEP_ERROR),
        ("x = 'a' * 20000000\nwhile true:\n    y = x.isalpha()", STEP_ERROR),
        ("x = 'a' * 5000000\nwhile true:\n    y = x[1:]", STEP_ERROR),
        ("x = 'a' * 20000000\ny = 'a' * 20000000\nwhile true:\n    x == y", STEP_ERROR),
        ("x = [1] * 1000000\nwhile true:\n    2 in x", STEP_ERROR),
        ("x = [1] * 1000000\nwhile true:\n    x.count(2)", STEP_ERROR),
        ("x = [1] * 1000000\nwhile true:\n    x.reverse()", STEP_ERROR),
        ("x = [1] * 1000000\nwhile true:\n    x.insert(0, 1)\n    x.pop(0)", STEP_ERROR),
        ("x = [1] * 1000000\nwhile true:\n    y = x[::2]", STEP_ERROR),
        ("x = [1] * 1000000\nwhile true:\n    y = x.copy()", STEP_ERROR),
        ("x = list(range(1000000))\nwhile true:\n    x.sort()", STEP_ERROR),
        ("x = [1] * 1000000\nwhile true:\n    y = sum(x)", STEP_ERROR),
        ("x = [1] * 1000000\nwhile true:\n    y = max(x)", STEP_ERROR),
        ("x = [1] * 1000000\nwhile true:\n    y = all(x)", STEP_ERROR),
        ("x = [1] * 500000\nwhile true:\n    y = str(x)", STEP_ERROR),
        ("x = set(range(50000))\nwhile true:\n    y = x.intersection(x)", STEP_ERROR),
        ("x = set(range(300000))\nwhile true:\n    x == x.copy()", STEP_ERROR),
        ("x = dict(zip(range(200000), range(200000)))\nwhile true:\n    y = x.copy()", STEP_ERROR),
        ("x = dict(zip(range(200000), range(200000)))\ny = x.copy()\nwhile true:\n    x == y", STEP_ERROR),
        ("x = (1,) * 1000000\nwhile true:\n    y = {x: 1}", STEP_ERROR),
        ("x = ['ab'] * 1000000\nwhile true:\n    y = ''.join(x)", STEP_ERROR),
        ("x = 'a ' * 200000\nwhile true:\n    y = x.split()", STEP_ERROR),
        ("x = 'a\\n' * 200000\nwhile true:\n    y = x.splitlines()", STEP_ERROR),
        ("x = 'a' * 5000000\nwhile true:\n    y = f'{x:>6000000}'", STEP_ERROR),
        ("x = 3 ** 130000\nwhile true:\n    y = x * x", STEP_ERROR),
        ("x = 3 ** 200000\ny = 3 ** 100000\nwhile true:\n    z = x % y", STEP_ERROR),
        ("x = list(range(100000))\nwhile true:\n    y = dict(zip(x, x))", STEP_ERROR),
        ("x = 'a' * 5000000\nwhile true:\n    y = x.encode()", STEP_ERROR),
        ("x = 'a' * 5000000\nwhile true:\n    y = f'{x!r}'", STEP_ERROR),
    ]);
}

#[test]
fn what_looks_harmless_is_not_quadratic() {
    each_ends(&[
        // Appending to a text and asking for its length, also beyond ASCII.
        ("s = ''\nfor i in range(100000):\n    s = s + '\u{e4}'\n    n = len(s)\nassert n == 100000", ""),
        ("s = '\u{e4}'\nfor i in range(100000):\n    s += 'b'\n    c = s[-1]\nassert c == 'b'", ""),
        // A dict as a queue.
        (
            "d = {i: i for i in range(50000)}\nfor i in range(50000):\n    for k in d:\n        break\n    d.pop(k)\n    d[50000 + i] = i\nassert len(d) == 50000",
            "",
        ),
        ("d = {i: i for i in range(100000)}\nwhile d:\n    d.popitem()", ""),
        ("s = set(range(100000))\nwhile s:\n    s.pop()", ""),
        (
            "s = 'ab' * 50000\nn = 0\nfor i in range(len(s)):\n    if s[i] == 'a':\n        n = n + 1\nassert n == 50000",
            "",
        ),
        (
            "s = '\u{e4}b' * 50000\nn = 0\nfor i in range(len(s)):\n    if s[i] == 'b':\n        n = n + 1\nassert n == 50000",
            "",
        ),
        (
            "x = []\nfor i in range(200000):\n    x = x + [] if false else x\n    x.append(i)\nassert len(x) == 200000",
            "",
        ),
        // Adversarial patterns of searching.
        ("('a' * 2000000).find('a' * 1000000 + 'b')", ""),
        ("('ab' * 1000000).count('ab' * 1000 + 'b')", ""),
        ("('a' * 1000000).split('a' * 500000 + 'b')", ""),
        ("('a' * 1000000).strip('b' * 500000)", ""),
        ("('a' * 1000000 + 'b').partition('a' * 1000 + 'b')", ""),
        ("('a' * 1000000).rfind('b' + 'a' * 500000)", ""),
        ("('\u{3a3}' * 100000).lower()", ""),
        ("x = ['b' * 1000000] * 200\nx.sort()", ""),
    ]);
}

#[test]
fn depth_of_every_kind_is_an_error() {
    let nest = "x = 1\nfor i in range(100000):\n    x = [x]\n";
    let both = &format!("{nest}y = 1\nfor i in range(100000):\n    y = [y]\n");
    let tuples = "x = 1\nfor i in range(100000):\n    x = (x,)\n";
    let dicts = "x = 1\nfor i in range(100000):\n    x = {'a': x}\n";
    each_ends(&[
        (&format!("{nest}str(x)"), "RecursionError: structure nested too deeply while printing"),
        (&format!("{both}x == y"), "RecursionError: structure nested too deeply while comparing"),
        (&format!("{both}x < y"), "RecursionError: structure nested too deeply while comparing"),
        (&format!("{both}x in [y]"), "RecursionError: structure nested too deeply while comparing"),
        (&format!("{tuples}{{x: 1}}"), "RecursionError: structure nested too deeply while hashing"),
        (&format!("{dicts}f'{{x}}'"), "RecursionError: structure nested too deeply while printing"),
        (&format!("{nest}x"), "ValueError: value[0][0]"),
        (&format!("{nest}x = none"), ""),
        (&format!("{tuples}x = none"), ""),
        (&format!("{dicts}x = none"), ""),
        ("def f(n):\n    return f(n + 1)\nf(0)", "RecursionError: maximum call depth of 1000 exceeded"),
        (
            "struct P:\n    _p: any\np = P(_p=none)\np._p = p\np.nothing",
            "RecursionError: structure nested too deeply while following delegation",
        ),
        ("x = []\nx.append(x)\nassert str(x) == '[[...]]'", ""),
        (
            "x = []\nx.append(x)\ny = []\ny.append(y)\nx == y",
            "RecursionError: structure nested too deeply while comparing",
        ),
        ("x = {}\nx['a'] = x\nassert str(x) == \"{'a': {...}}\"", ""),
        ("x = []\nx.append(x)\nx", "ValueError: value[0] contains itself"),
    ]);
}

#[test]
fn a_key_that_cannot_be_compared_is_an_error() {
    each_ends(&[
        (
            "x = [1]\nfor i in range(40):\n    x = [x, x]\nd = {}\nd[x] = 1",
            "TypeError: unhashable type: 'list'",
        ),
        (
            "x = ()\nfor i in range(40):\n    x = (x, x)\nd = {}\nd[x] = 1",
            "RecursionError: structure too large while hashing",
        ),
    ]);
}

#[test]
fn failing_keys_and_changes_under_way_are_errors() {
    each_ends(&[
        ("x = [3, 1, 2]\nx.sort(key=lambda v :: 1 / 0)", "ZeroDivisionError"),
        (
            "x = [3, 1, 2]\ntry:\n    x.sort(key=lambda v :: 1 / 0)\nexcept ZeroDivisionError:\n    1\nassert x == [3, 1, 2]",
            "",
        ),
        ("x = [3, 1, 2]\nx.sort(key=lambda v :: x.append(1) or v)", "ValueError: list modified during sort"),
        ("x = [1, 'a', none]\nsorted(x)", "SandboxError"),
        (
            "d = {1: 2}\nfor k in d:\n    d[k + 1] = 1",
            "RuntimeError: dictionary changed size during iteration",
        ),
        ("s = {1}\nfor k in s:\n    s.add(k + 1)", "RuntimeError: Set changed size during iteration"),
        ("x = [1]\nfor v in x:\n    x.append(v)", MEMORY_ERROR),
        ("{[1]: 2}", "TypeError: unhashable type: 'list'"),
        ("{1: 2}[{}]", "TypeError: unhashable type: 'dict'"),
    ]);
}
