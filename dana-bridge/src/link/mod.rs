//! The way to an interpreter. Everything above this module is the same for a worker process and
//! for an interpreter in this process.

mod clock;
mod memory;
mod pipe;

use dana_wire::{ToHost, ToWorker, Violation};

use crate::stop::Stop;
use crate::watch::Watch;

pub(crate) use clock::Clock;
pub(crate) use memory::Memory;
pub(crate) use pipe::{Ends, Pipe};

/// One conversation with one interpreter. The interpreter lives as long as the link.
pub(crate) trait Link: Send {
    /// Begins a message. The payload's values are to be appended to the buffer that is returned;
    /// nothing leaves before [`Link::dispatch`], and beginning anew drops what was begun.
    fn compose(&mut self, header: ToWorker) -> Result<&mut Vec<u8>, Violation>;

    /// Sends what was composed.
    fn dispatch(&mut self, watch: &mut Watch<'_>) -> Result<(), Stop>;

    /// Waits for the next message. It and its payload have passed every check of the wire.
    fn receive(&mut self, watch: &mut Watch<'_>) -> Result<ToHost, Stop>;

    /// The payload of the message received last.
    fn payload(&self) -> &[u8];

    /// Refuses an interpreter that goes on speaking after the last word of a turn.
    fn is_quiet(&self) -> bool;
}
