//! Programs that try to exhaust the interpreter: deep chains, huge values, structures that share their parts.

use std::ops::ControlFlow;

use dana_lang::{Closed, Outbox, Server};
use dana_wire::{Budget, Datum, Fault, SessionLimits, Start, ToHost, ToWorker};

#[global_allocator]
static HEAP: dana_meter::Counting<std::alloc::System> = dana_meter::Counting::new(std::alloc::System);

#[derive(Default)]
struct Host {
    output: String,
    ended: Option<Result<Datum, Fault>>,
}

impl Outbox for Host {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Output { text } => self.output.push_str(text),
            ToHost::Done { .. } => {
                self.ended = Some(Ok(Datum::decode(payload, &Budget::FROM_WORKER).expect("well-formed")));
            }
            ToHost::Failed { fault, .. } => self.ended = Some(Err(fault.clone())),
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

/// Runs a program in a session of its own, which is gone afterwards.
fn run(source: &str) -> (String, Result<Datum, Fault>) {
    let limits = SessionLimits {
        steps: Some(50_000_000),
        memory: Some(512 << 20),
        depth: 1000,
        output: Some(1 << 20),
    };
    let mut server = Server::new(Start { limits, seed: [3, 4], functions: Vec::new() });
    let mut host = Host::default();
    let run = ToWorker::Run { turn: 1, filename: Some("t.na".into()), source: source.into() };
    server.handle(run, &[], &mut host).expect("served");
    drop(server);
    (host.output, host.ended.expect("ended"))
}

#[track_caller]
fn prints(source: &str, expected: &str) {
    match run(source) {
        (output, Ok(_)) => assert_eq!(output, expected, "{source}"),
        (output, Err(fault)) => panic!("{source}\n{output}\n{fault:?}"),
    }
}

#[track_caller]
fn fails(source: &str, kind: &str, message: &str) {
    let fault = run(source).1.expect_err(source);
    assert_eq!((fault.kind.as_str(), fault.message.as_str()), (kind, message), "{source}");
}

#[test]
fn chains_of_any_length_are_dropped() {
    let made = [
        "def mk(f):\n    def g():\n        return f\n    return g\nx = 0\nfor i in range(30000):\n    x = mk(x)\n",
        "x = 0\nfor i in range(30000):\n    def g(a=x):\n        return a\n    x = g\n",
        "def d(f):\n    return lambda :: f\ndef f():\n    return 1\nx = f\nfor i in range(30000):\n    x = d(x)\n",
        "def f():\n    return 1\nx = f\nfor i in range(30000):\n    x = log_calls(x)\n",
        "x = range(1)\nfor i in range(30000):\n    x = enumerate(x)\n",
        "x = range(1)\nfor i in range(30000):\n    x = zip(x)\n",
        "x = ValueError('a')\nfor i in range(30000):\n    try:\n        raise ValueError('b') from x\n    except ValueError as e:\n        x = e\n",
    ];
    for source in made {
        // Dropped by the program, and with the session.
        prints(&format!("{source}x = 0\nprint('over')"), "over\n");
        prints(&format!("{source}print('over')"), "over\n");
    }
}

#[test]
fn iterators_over_iterators_are_iterated() {
    for make in ["enumerate", "zip"] {
        prints(
            &format!("x = range(3)\nfor i in range(2000):\n    x = {make}(x)\nfor y in x:\n    print(1)\n"),
            "1\n1\n1\n",
        );
    }
}

#[test]
fn integers_from_text_keep_to_the_largest_integer() {
    for (digit, count, base) in [("f", 1_100_000, 16), ("1", 5_000_000, 2), ("7", 1_400_000, 8)] {
        let source = format!("int('{digit}' * {count}, {base})");
        fails(&source, "OverflowError", "integer too large: more than 4194304 bits");
    }
    prints("print(int('f' * 1000000, 16) > 0, round(1, -(10**18)), int('ff', 16))", "True 0 255\n");
    let message = "Exceeds the limit (4300 digits) for integer string conversion: value has 10000000 digits";
    fails("int('9' * 10000000)", "ValueError", message);
}

#[test]
fn huge_texts_are_read_and_quoted_in_little_memory() {
    prints(
        "x = '9' * 20000000\nprint(x == 3.5, x == 3, ' 1_0.5 ' == 10.5, float('-inf'))",
        "False False True -inf\n",
    );
    let clipped = format!("could not convert string to float: '{}'", "x".repeat(1000));
    fails("float('x' * 20000000)", "ValueError", &clipped);
    let clipped = format!("invalid literal for int() with base 10: '{}", "x".repeat(199));
    fails("int('x' * 20000000)", "ValueError", &clipped);
    let clipped = format!("key '{}' not found; the dict is empty", "x".repeat(1000));
    fails("d = {}\nd['x' * 20000000]", "KeyError", &clipped);
}

const BOTH: &str = "x = []\ny = []\nfor i in range(60):\n    x = [x, x]\n    y = [y, y]\n";

#[test]
fn equality_of_structures_that_share_their_parts_is_bounded() {
    fails(&format!("{BOTH}x == y"), "RecursionError", "structure too large while comparing");
}

#[test]
fn order_of_structures_that_share_their_parts_is_bounded() {
    fails(&format!("{BOTH}x < y"), "RecursionError", "structure too large while comparing");
}

#[test]
fn printing_structures_that_share_their_parts_is_bounded() {
    fails(&format!("{BOTH}str(x)"), "RecursionError", "structure too large while printing");
    let filled = BOTH.replacen("[]", "['some longer text than that']", 1);
    assert_eq!(run(&format!("{filled}str(x)")).1.expect_err("too large").kind, "MemoryLimitError");
}

#[test]
fn hashing_structures_that_share_their_parts_is_bounded() {
    let tuples = "x = ()\nfor i in range(60):\n    x = (x, x)\n{x: 1}\n";
    fails(tuples, "RecursionError", "structure too large while hashing");
}

#[test]
fn errors_made_of_errors_do_not_grow() {
    prints("e = 1\nfor i in range(5000):\n    e = ValueError(e)\nprint(len(str(e)) < 5000)", "True\n");
}
