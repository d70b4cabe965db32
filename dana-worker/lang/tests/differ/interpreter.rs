//! Dana as one side, in this process.

use std::ops::ControlFlow;

use dana_lang::{Closed, Outbox, Server};
use dana_wire::{SessionLimits, Start, ToHost, ToWorker};

use super::oracle::End;

#[derive(Default)]
struct Seen {
    output: String,
    end: Option<End>,
}

impl Outbox for Seen {
    fn send(&mut self, header: &ToHost, _payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Output { text } => self.output.push_str(text),
            ToHost::Done { .. } => self.end = Some(End::Done),
            ToHost::Failed { fault, .. } if fault.limit.is_some() => {
                self.end = Some(End::Skipped(fault.message.clone()));
            }
            ToHost::Failed { fault, .. } => {
                self.end = Some(End::Failed { kind: fault.kind.clone(), message: fault.message.clone() });
            }
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

/// Runs a program in a session of its own: all it printed, and how it ended.
pub(crate) fn run(program: &str) -> (String, End) {
    let limits =
        SessionLimits { steps: Some(20_000_000), memory: Some(256 << 20), depth: 200, output: Some(1 << 24) };
    let mut server = Server::new(Start { limits, seed: [5, 6], functions: Vec::new() });
    let mut seen = Seen::default();
    let run = ToWorker::Run { turn: 1, filename: None, source: program.to_owned() };
    server.handle(run, &[], &mut seen).expect("a turn");
    let end = seen.end.expect("a program that asks nothing ends");
    (seen.output, end)
}
