//! What a worker does with the bytes of its host: real requests, edited as the input says, read under the worker's
//! budget and served one after another. A message ends the session or is served; a turn has one last word; every reply
//! is one that the host takes.
#![no_main]

use std::alloc::System;
use std::ops::ControlFlow;

use dana_lang::serve::{Closed, Outbox, Server};
use dana_wire::{Budget, SessionLimits, Start, ToHost, ToWorker, open, write_header};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: dana_meter::Counting<System> = dana_meter::Counting::new(System);

#[expect(dead_code, reason = "the other direction is another target's")]
#[path = "../../../wire/tests/wire/samples.rs"]
mod samples;

const SOURCES: [&str; 4] = [
    "def f(a, b=1, *c, **k):\n    return [a, b, c, k]\nx = {'a': [1, 2.5, None], 'b': (1, 'z')}",
    "x = lookup(1, k=[2])\nx",
    "import m\nm.y",
    "agent_like = reason('why?')\nagent_like + 1",
];

#[derive(Default)]
struct Seen {
    begun: u32,
    ended: u32,
}

impl Outbox for Seen {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        let mut body = Vec::new();
        write_header(header, &mut body).expect("a reply within its caps");
        body.extend_from_slice(payload);
        open::<ToHost>(&body, &Budget::FROM_WORKER).expect("a reply that the host takes");
        if matches!(header, ToHost::Done { .. } | ToHost::Failed { .. }) {
            self.ended += 1;
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

fn templates() -> Vec<ToWorker> {
    let short = |message: &ToWorker| !matches!(message, ToWorker::Run { source, .. } if source.len() > 100);
    let mut all: Vec<_> = samples::to_worker().into_iter().filter(short).collect();
    all.extend(
        SOURCES.iter().map(|source| ToWorker::Run { turn: 1, filename: None, source: (*source).to_owned() }),
    );
    all
}

fuzz_target!(|input: &[u8]| {
    let templates = templates();
    let limits = SessionLimits { steps: Some(5_000), memory: Some(16 << 20), depth: 50, output: Some(1 << 12) };
    let mut server = Server::new(Start { limits, seed: [1, 2], functions: vec!["lookup".into()] });
    let mut seen = Seen::default();
    let mut input = input;
    while let [which, edits, payload, rest @ ..] = input {
        input = rest;
        let mut body = Vec::new();
        write_header(&templates[usize::from(*which) % templates.len()], &mut body).expect("a sample");
        for _ in 0..edits % 6 {
            let [at, kind, value, rest @ ..] = input else { break };
            input = rest;
            let at = usize::from(*at) % (body.len() + 1);
            match kind % 3 {
                0 if at < body.len() => body[at] ^= value,
                1 if at < body.len() => drop(body.remove(at)),
                _ => body.insert(at, *value),
            }
        }
        let (values, rest) = input.split_at(usize::from(*payload).min(input.len()));
        input = rest;
        if edits & 8 != 0 {
            // A table, whose bytes the values edit.
            let mut table = samples::table();
            for edit in values.chunks_exact(3).take(8) {
                let &[at, kind, value] = edit else { break };
                if table.is_empty() {
                    break;
                }
                let at = (usize::from(at) * 2 + usize::from(kind & 1)) % table.len();
                match kind % 7 {
                    0 => drop(table.remove(at)),
                    1 => table.insert(at, value),
                    2 => table.truncate(at.max(1)),
                    _ => table[at] ^= value,
                }
            }
            body.append(&mut table);
        } else {
            body.extend_from_slice(values);
        }
        let Ok((header, payload)) = open::<ToWorker>(&body, &Budget::FROM_HOST) else { return };
        let begins = !matches!(
            header,
            ToWorker::Answer { .. } | ToWorker::Release { .. } | ToWorker::Register { .. }
        );
        seen.begun += u32::from(begins);
        if server.handle(header, payload, &mut seen).is_err() {
            return;
        }
        assert!(seen.ended <= seen.begun);
        assert!(seen.begun <= seen.ended + 1, "a turn without a last word, and yet another");
    }
});
