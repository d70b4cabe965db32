//! Any text parses or is refused with an error that points into it.
#![no_main]

use dana_lang::syntax::{Source, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(fault) = parse(text) {
        assert!(fault.span.start <= fault.span.end && fault.span.end as usize <= text.len() + 1);
        assert!(text.is_char_boundary((fault.span.start as usize).min(text.len())));
        let position = Source::new(text).position(fault.span.start);
        assert!(position.line >= 1 && position.column >= 1);
    }
});
