//! Any bytes as a payload: they are read or refused; what is read comes back the same; validating
//! and building agree; a small budget never lets through what a large one refuses.
#![no_main]

use dana_wire::{Budget, Datum, KeyFault, Violation, validate};
use libfuzzer_sys::fuzz_target;

const SMALL: Budget = Budget { payload_bytes: 64, nodes: 8, depth: 2, string_bytes: 8, memory: 1 << 10, ..Budget::FROM_WORKER };

fuzz_target!(|bytes: &[u8]| {
    let large = Budget::FROM_WORKER;
    let validated = validate(bytes, &large);
    if validate(bytes, &SMALL).is_ok() {
        assert!(validated.is_ok());
    }
    match Datum::decode_all(bytes, &large) {
        Ok(all) => {
            assert_eq!(validated, Ok(all.len()));
            for datum in all {
                let again = datum.encode(&large).expect("what was read can be written");
                let back = Datum::decode(&again, &large).expect("what was written can be read");
                assert_eq!(format!("{back:?}"), format!("{datum:?}"));
                if let Ok(small) = datum.encode(&SMALL) {
                    assert_eq!(validate(&small, &SMALL), Ok(1));
                }
            }
        }
        Err(Violation::Key { fault: KeyFault::Duplicate, .. } | Violation::Column { .. }) => {}
        Err(violation) => assert_eq!(validated, Err(violation)),
    }
});
