//! Runs compute workloads in this process with the worker's own heap, without Python, pipes or sandbox.
//!
//! For profilers and for counting instructions (`benches/instructions.sh`): the same program does the same work each
//! time, since the seed of its hashes is fixed.
//!
//! Usage: workloads [FILE.na ...]: each program is loaded and its `run()` called once; prints name, milliseconds, result.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run says so and stops")]

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use dana_lang::{Closed, Outbox, Server};
use dana_meter::Counting;
use dana_wire::{Budget, Datum, SessionLimits, Start, Target, ToHost, ToWorker};
use dana_worker::heap::Heap;

#[global_allocator]
// SAFETY: this program starts no thread.
static HEAP: Counting<Heap> = Counting::new(unsafe { Heap::single_threaded() });

#[derive(Default)]
struct Last(Option<Result<Datum, String>>);

impl Outbox for Last {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Done { .. } => {
                self.0 =
                    Some(Datum::decode(payload, &Budget::FROM_WORKER).map_err(|error| error.to_string()));
            }
            ToHost::Failed { fault, .. } => self.0 = Some(Err(fault.message.clone())),
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

fn turn(server: &mut Server, message: ToWorker, payload: &[u8]) -> Datum {
    let mut last = Last::default();
    server.handle(message, payload, &mut last).expect("a message in turn");
    last.0.expect("a turn ends").expect("the program succeeds")
}

fn run(path: &Path) {
    let source = std::fs::read_to_string(path).expect("a readable program");
    let limits = SessionLimits { steps: None, memory: None, depth: 1000, output: None };
    let mut server = Server::new(Start { limits, seed: [1, 2], functions: Vec::new() });
    turn(&mut server, ToWorker::Run { turn: 1, filename: None, source }, &[]);
    let target = Target::Name("run".to_owned());
    let start = Instant::now();
    let call = ToWorker::Call { turn: 2, target, positional: 0, keywords: Vec::new() };
    let result = turn(&mut server, call, &[]);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    println!("{name:16}{:10.3} ms  {result:?}", start.elapsed().as_secs_f64() * 1e3);
}

fn main() {
    for path in std::env::args_os().skip(1) {
        run(Path::new(&path));
    }
}
