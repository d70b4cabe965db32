//! Any text is formatted or is no Dana. What is formatted is the same program with the same comments (the formatter
//! proves it or refuses: here it never refuses), and stays as it is when it is formatted again. Nothing that is said of a
//! text by the checker lies outside of it.
#![no_main]

use dana_lang::lint::{Options, check};
use dana_lang::style::{StyleError, format};
use dana_lang::syntax::{is_complete, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = parse(text);
    match format(text) {
        Ok(once) => {
            assert!(parsed.is_ok());
            assert_eq!(format(&once).as_ref(), Ok(&once), "not idempotent");
        }
        Err(StyleError::Syntax(fault)) => assert_eq!(parsed.err(), Some(fault)),
        Err(error) => panic!("{error}"),
    }
    for finding in check(text, &Options::default()) {
        let (start, end) = (finding.span.start as usize, finding.span.end as usize);
        assert!(start <= end && end <= text.len() + 1, "{finding:?}");
    }
    is_complete(text);
});
