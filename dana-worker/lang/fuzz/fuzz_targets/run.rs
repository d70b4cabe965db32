//! Any text, run as a program under tight limits, ends in `Done` or in `Failed`, within its memory.
#![no_main]

use std::alloc::System;
use std::ops::ControlFlow;

use dana_lang::serve::{Closed, Outbox, Server};
use dana_wire::{Outcome, SessionLimits, Start, ToHost, ToWorker};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: dana_meter::Counting<System> = dana_meter::Counting::new(System);

const MEMORY: u64 = 16 << 20;

#[derive(Default)]
struct Seen {
    asks: Vec<u32>,
    ends: u32,
    peak: u64,
}

impl Outbox for Seen {
    fn send(&mut self, header: &ToHost, _payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Ask { ask, .. } => self.asks.push(*ask),
            ToHost::Done { usage, .. } | ToHost::Failed { usage, .. } => {
                self.ends += 1;
                self.peak = usage.memory_peak;
            }
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

fuzz_target!(|text: &str| {
    let limits = SessionLimits { steps: Some(20_000), memory: Some(MEMORY), depth: 100, output: Some(1 << 16) };
    let mut server = Server::new(Start { limits, seed: [1, 2], functions: vec!["lookup".into()] });
    // The second turn finds what the first one left.
    for turn in 1..=2 {
        let mut seen = Seen::default();
        let run = ToWorker::Run { turn, filename: None, source: text.to_owned() };
        server.handle(run, &[], &mut seen).expect("a turn");
        let mut answered = 0;
        while let Some(ask) = seen.asks.pop() {
            answered += 1;
            let outcome = if answered > 50 {
                Outcome::Limit { message: "enough".into() }
            } else {
                Outcome::Failed { kind: "ResourceError".into(), message: "nobody to ask".into() }
            };
            server.handle(ToWorker::Answer { ask, outcome }, &[], &mut seen).expect("an answer in turn");
        }
        assert_eq!(seen.ends, 1);
        assert!(seen.peak <= MEMORY + MEMORY / 10, "held {} bytes", seen.peak);
    }
});
