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

    /// Sends what was composed, or the rest of it, to its end.
    fn dispatch(&mut self, watch: &mut Watch<'_>) -> Result<(), Stop>;

    /// Begins to send what was composed; [`Link::next`] sees to the rest.
    fn send(&mut self, watch: &mut Watch<'_>) -> Result<(), Stop>;

    /// Whether all that was composed has left.
    fn is_sent(&self) -> bool;

    /// Waits for the next message, which has passed every check of the wire with its payload; `None` when answers to
    /// asks should be looked for first.
    fn next(&mut self, watch: &mut Watch<'_>) -> Result<Option<ToHost>, Stop>;

    /// Waits for the next message where nothing is asked.
    fn receive(&mut self, watch: &mut Watch<'_>) -> Result<ToHost, Stop> {
        loop {
            if let Some(message) = self.next(watch)? {
                return Ok(message);
            }
        }
    }

    /// The payload of the message received last.
    fn payload(&self) -> &[u8];

    /// Refuses an interpreter that goes on speaking after the last word of a turn.
    fn is_quiet(&self) -> bool;
}
