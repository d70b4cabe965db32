//! What values and an idle interpreter take, by the allocator's own count: the same on every machine.

use std::ops::ControlFlow;

use dana_lang::{Closed, Outbox, Server};
use dana_meter::Counting;
use dana_wire::{SessionLimits, Start, ToHost, ToWorker};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new(std::alloc::System);

#[derive(Default)]
struct Peak(u64);

impl Outbox for Peak {
    fn send(&mut self, header: &ToHost, _payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Done { usage, .. } => self.0 = usage.memory_peak,
            ToHost::Failed { fault, .. } => panic!("{}", fault.message),
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

/// The most bytes that a session held while it ran the program.
fn peak(source: &str) -> u64 {
    let limits = SessionLimits { steps: None, memory: Some(256 << 20), depth: 1000, output: None };
    let mut server = Server::new(Start { limits, seed: [1, 2], functions: Vec::new() });
    let mut peak = Peak::default();
    let run = ToWorker::Run { turn: 1, filename: None, source: source.to_owned() };
    server.handle(run, &[], &mut peak).expect("a turn");
    peak.0
}

#[test]
fn an_idle_interpreter_holds_little() {
    let held = peak("pass");
    println!("an idle interpreter holds {held} bytes");
    assert!(held < 64 << 10, "{held} bytes");
}

/// A million values of 16 bytes, and the room that a growing list leaves.
#[test]
fn a_million_small_ints_take_at_most_17_mb() {
    for source in [
        "items = list(range(1000000))\nlen(items)",
        "items = [i for i in range(1000000)]\nlen(items)",
        "items = []\nfor i in range(1000000):\n    items.append(i)\nlen(items)",
    ] {
        let bytes = peak(source);
        println!("{bytes} bytes: {source:?}");
        assert!((16_000_000..=17_000_000).contains(&bytes), "{bytes} bytes: {source}");
    }
}

/// Texts of a few words cost little beside their bytes. Counted as allocators set memory aside, in multiples of 16
/// bytes: that is 7 % more here than the bytes asked for, which are below 11 MB.
#[test]
fn a_hundred_thousand_texts_of_twenty_bytes_take_at_most_12_mb() {
    let bytes = peak("items = [f\"text number {i + 10000000}\" for i in range(100000)]\nlen(items)");
    println!("{bytes} bytes");
    assert!(bytes <= 12_000_000, "{bytes} bytes");
}
