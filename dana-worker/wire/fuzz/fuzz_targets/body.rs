//! Any bytes as a frame's body, in both directions: what is accepted is, byte for byte, what this
//! crate writes, and its payload holds no violation.
#![no_main]

use dana_wire::{Budget, Header, ToHost, ToWorker, open, open_bytes, validate, write_header};
use libfuzzer_sys::fuzz_target;

fn check<H: Header>(bytes: &[u8], budget: &Budget) {
    if let Some(opening) = open_bytes::<H>(bytes, bytes.len(), budget) {
        let (header, payload) = open::<H>(bytes, budget).expect("what is taken at its beginning is taken whole");
        assert_eq!(header.values(), opening.header.values());
        assert_eq!(payload.get(5..), Some(opening.bytes));
    }
    if let Ok((header, payload)) = open::<H>(bytes, budget) {
        let mut again = Vec::new();
        write_header(&header, &mut again).expect("what was read can be written");
        assert_eq!(bytes, [again.as_slice(), payload].concat());
        assert_eq!(validate(payload, budget), Ok(header.values()));
    }
}

fuzz_target!(|bytes: &[u8]| {
    check::<ToHost>(bytes, &Budget::FROM_WORKER);
    check::<ToWorker>(bytes, &Budget::FROM_HOST);
});
