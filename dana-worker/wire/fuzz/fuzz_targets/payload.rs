//! Any bytes as a payload: they are read or refused; what is read comes back the same; validating
//! and building agree; a small budget never lets through what a large one refuses.
#![no_main]

use dana_wire::{Budget, Cells, Datum, KeyFault, Plain, Reader, Table, Token, Violation, end, validate};
use libfuzzer_sys::fuzz_target;

const SMALL: Budget = Budget { payload_bytes: 64, nodes: 8, depth: 2, string_bytes: 8, memory: 1 << 10, ..Budget::FROM_WORKER };

/// Every column of a table has what it says.
fn check(table: &Table<'_>) {
    let plain = |plain: &Plain<'_>, count: usize| {
        assert_eq!(plain.count(), count);
        if let Plain::Texts { ends, text } = plain {
            let mut from = 0;
            for at in 0..count {
                let to = end(ends, at);
                assert!(text.get(from..to).is_some());
                from = to;
            }
        }
    };
    assert_eq!(table.columns().count(), table.len());
    for column in table.columns() {
        assert!(column.valid.is_none_or(|bits| bits.len() == table.rows.div_ceil(8)));
        match &column.cells {
            Cells::Plain(cells) => plain(cells, table.rows),
            Cells::Codes { codes, count, categories, .. } => {
                plain(categories, *count);
                assert_eq!(codes.len(), table.rows * 4);
                let codes = codes.chunks_exact(4).map(|code| i32::from_le_bytes(code.try_into().unwrap()));
                assert!(codes.into_iter().all(|code| code == -1 || (code as usize) < *count));
            }
            Cells::Values => {}
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let large = Budget::FROM_WORKER;
    let validated = validate(bytes, &large);
    if validate(bytes, &SMALL).is_ok() {
        assert!(validated.is_ok());
    }
    if validated.is_ok() {
        let mut reader = Reader::new(bytes, &large).expect("it was validated");
        while !reader.is_done() {
            if let Token::Table(table) = reader.next().expect("it was validated") {
                check(&table);
            }
        }
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
