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

#[test]
fn chains_of_any_length_are_dropped() {
    let made = [
        "def mk(f):\n    def g():\n        return f\n    return g\nx = 0\nfor i in range(100000):\n    x = mk(x)\n",
        "x = 0\nfor i in range(100000):\n    def g(a=x):\n        return a\n    x = g\n",
        "def d(f):\n    return lambda :: f\ndef f():\n    return 1\nx = f\nfor i in range(100000):\n    x = d(x)\n",
        "def f():\n    return 1\nx = f\nfor i in range(100000):\n    x = log_calls(x)\n",
        "x = range(1)\nfor i in range(100000):\n    x = enumerate(x)\n",
        "x = range(1)\nfor i in range(100000):\n    x = zip(x)\n",
        "x = ValueError('a')\nfor i in range(100000):\n    try:\n        raise ValueError('b') from x\n    except ValueError as e:\n        x = e\n",
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
