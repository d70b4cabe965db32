//! Dates, times, durations, decimals and UUIDs: values that come from the host and go back as the same Python type.

pub mod decimal;
pub mod moment;
mod value;

pub use decimal::{Decimal, Size};
pub use moment::{DateTime, Duration, Time};
pub use value::{Key, Literal, compare, equal, zone_text};
