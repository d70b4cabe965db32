//! How many bytes the running session holds.
//!
//! The rule: every allocation of a thread is counted, by its layout size, to the session whose
//! [`Turn`] is open on that thread, and to nobody else. Nothing here refuses an allocation: the
//! interpreter reads [`held`] and ends the run with a clean error while there is still room.
//!
//! Left out: what other libraries of the process take from C's `malloc` behind Rust's back.

mod meter;
mod sys;
mod tally;

pub use meter::{Meter, Outside, Turn, outside};
pub use sys::Counting;
pub use tally::{adopt, forget_peak, held, peak};
