//! Any bytes as a stream, cut into pieces by its first byte: reading at once and assembling from
//! pieces find the same frames and end the same way.
#![no_main]

use std::io::Read;

use dana_wire::{Assembler, read_frame};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, stream)) = bytes.split_first() else { return };
    let mut rest = stream;
    let mut frames = Vec::new();
    let clean = loop {
        match read_frame(&mut rest, LIMIT) {
            Ok(Some(body)) => frames.push(body),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };

    let mut assembler = Assembler::new(LIMIT);
    let mut rest = stream;
    let mut found = frames.iter();
    let assembled = loop {
        match assembler.frame() {
            Ok(Some(body)) => assert_eq!(Some(body), found.next().map(Vec::as_slice)),
            Ok(None) => {
                let mut part = rest.by_ref().take(u64::from(*piece) + 1);
                if assembler.fill(&mut part).expect("slices do not fail") == 0 {
                    break assembler.is_empty();
                }
            }
            Err(_) => break false,
        }
    };
    assert!(found.next().is_none());
    assert_eq!(assembled, clean);
});
