//! Runs a Dana file in this process: `cargo run -p dana-lang --example run -- FILE`.
//!
//! For looking at the interpreter alone. It has no host: every ask fails.

use std::io::Write as _;
use std::ops::ControlFlow;

use dana_lang::{Closed, Outbox, Server};
use dana_wire::{Datum, Fault, Outcome, SessionLimits, Start, ToHost, ToWorker};

#[global_allocator]
static HEAP: dana_meter::Counting<std::alloc::System> = dana_meter::Counting::new(std::alloc::System);

#[derive(Default)]
struct Terminal {
    asks: Vec<u32>,
    fault: Option<Fault>,
    value: Option<Datum>,
}

impl Outbox for Terminal {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Output { text } => {
                std::io::stdout().write_all(text.as_bytes()).map_err(|_| Closed)?;
            }
            ToHost::Ask { ask, .. } => self.asks.push(*ask),
            ToHost::Failed { fault, .. } => self.fault = Some(fault.clone()),
            ToHost::Done { .. } => {
                self.value = Datum::decode(payload, &dana_wire::Budget::FROM_WORKER).ok();
            }
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: run FILE");
        std::process::exit(64);
    };
    let source = match std::fs::read_to_string(&path) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("{path}: {error}");
            std::process::exit(66);
        }
    };
    let limits = SessionLimits { steps: None, memory: Some(1 << 30), depth: 1000, output: None };
    let mut server = Server::new(Start { limits, seed: [1, 2], functions: Vec::new() });
    let mut terminal = Terminal::default();
    let mut next = Some(ToWorker::Run { turn: 1, filename: Some(path), source });
    while let Some(message) = next.take() {
        if let Err(error) = server.handle(message, &[], &mut terminal) {
            eprintln!("{error}");
            std::process::exit(70);
        }
        next = terminal.asks.pop().map(|ask| ToWorker::Answer {
            ask,
            outcome: Outcome::Failed { kind: "SandboxError".into(), message: "there is no host".into() },
        });
    }
    if let Some(fault) = terminal.fault {
        eprintln!("{}: {} (line {}, column {})", fault.kind, fault.message, fault.line, fault.column);
        if let Some(excerpt) = fault.excerpt {
            eprintln!("  {excerpt}");
        }
        if let Some(hint) = fault.hint {
            eprintln!("  hint: {hint}");
        }
        for frame in fault.trace {
            eprintln!("  in {} line {}", frame.function, frame.line);
        }
        std::process::exit(1);
    }
    if std::env::var_os("DANA_RESULT").is_some() {
        println!("=> {:?}", terminal.value);
    }
}
