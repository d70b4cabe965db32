//! What a host does with the bytes of a hostile worker, up to the values it builds: frames are assembled from pieces,
//! headers and payloads read under the host's budget. Real messages are the start; the input edits their bytes, appends
//! payloads and cuts the stream. What is accepted is, byte for byte, what this crate writes, and reads the same twice.
#![no_main]

use std::io::Read;

use dana_wire::{Assembler, Budget, Capped, Datum, ToHost, Violation, open, validate, write_header};
use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "the other direction is another target's")]
#[path = "../../tests/wire/samples.rs"]
mod samples;

const BUDGET: Budget = Budget::FROM_WORKER;

/// Builds a stream out of messages, and edits it, as the input says.
fn stream(mut input: &[u8]) -> Vec<u8> {
    let templates = samples::to_host();
    let mut stream = Vec::new();
    while let [which, edits, payload, rest @ ..] = input {
        input = rest;
        let mut body = Vec::new();
        let template = &templates[usize::from(*which) % templates.len()];
        write_header(template, &mut body).expect("a sample can be written");
        for _ in 0..edits % 8 {
            let [at, kind, value, rest @ ..] = input else { break };
            input = rest;
            let at = usize::from(*at) % (body.len() + 1);
            match kind % 4 {
                0 if at < body.len() => body[at] ^= value,
                1 if at < body.len() => drop(body.remove(at)),
                2 => body.truncate(at),
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
        // Now and then the length is a lie.
        let claimed = if edits & 0xf0 == 0xf0 { u32::from(*payload) << 24 | 7 } else { body.len() as u32 };
        stream.extend_from_slice(&claimed.to_le_bytes());
        stream.append(&mut body);
    }
    stream
}

fn check(body: &[u8]) -> bool {
    let Ok((header, payload)) = open::<ToHost>(body, &BUDGET) else { return false };
    let mut again = Vec::new();
    write_header(&header, &mut again).expect("what was read can be written");
    assert_eq!(body, [again.as_slice(), payload].concat());
    let values = validate(payload, &BUDGET);
    assert_eq!(values, Ok(header.values()));
    match Datum::decode_all(payload, &BUDGET) {
        Ok(all) => assert_eq!(Ok(all.len()), values),
        Err(Violation::Key { .. } | Violation::Column { .. }) => return false,
        Err(violation) => panic!("validated, and then {violation}"),
    }
    true
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, input)) = input.split_first() else { return };
    let stream = stream(input);
    let mut rest = stream.as_slice();
    let mut incoming = Assembler::new(BUDGET.frame_bytes);
    loop {
        match incoming.frame() {
            Ok(Some(body)) => {
                if !check(body) {
                    return;
                }
            }
            Ok(None) => {
                let mut part = rest.by_ref().take(u64::from(*piece) + 1);
                if incoming.fill(&mut part).expect("slices do not fail") == 0 {
                    return;
                }
            }
            Err(_) => return,
        }
        assert!(incoming.held() <= stream.len(), "more is held than has come");
    }
});
