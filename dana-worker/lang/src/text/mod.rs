//! Text as pure functions: numbers to text and back, quoting, formatting, searching, JSON, truth.
//!
//! Nothing here knows a `Value`. A function whose result can outgrow its input takes `room`, the number of bytes
//! that may still be built, and refuses with [`Fault::Memory`] before it builds. Semantics are CPython 3.12's.

mod case;
mod case_tables;
mod fault;
mod float;
mod integer;
pub mod json;
mod near;
mod number_format;
mod pad;
pub mod percent;
mod predicate;
mod quote;
mod reply;
mod search;
mod spec;
mod split;
mod strftime;
pub mod template;
mod truth;
mod unicode;
mod unicode_tables;

pub use case::{capitalize, casefold, lower, swapcase, title, upper};
pub use fault::Fault;
pub use float::{parse_float, repr_float};
pub use integer::{MAX_TEXT_DIGITS, format_bigint, parse_bigint, parse_decimal};
pub use near::nearest;
pub use number_format::{Integer, assemble, big_to_float, format_float, format_int, format_str};
pub use pad::{center, expandtabs, ljust, rjust, zfill};
pub use predicate::{
    is_alnum, is_alpha, is_ascii, is_decimal, is_digit, is_identifier, is_lower, is_numeric, is_printable,
    is_space, is_title, is_upper,
};
pub use quote::{beginning, quote, quote_bytes};
pub use reply::{final_answer, unfenced};
pub use search::{
    Bounds, byte_offset, char_len, clamp, count, ends_with, find, replace, rfind, slice_chars, starts_with,
};
pub use spec::{Align, Grouping, Sign, Spec};
pub use split::{
    count_lines, count_words, partition, rpartition, rsplit, rsplit_space, split, split_lines, split_space,
    strip, strip_end, strip_start,
};
pub use strftime::{Parts, strftime};
pub use truth::fuzzy_truth;
