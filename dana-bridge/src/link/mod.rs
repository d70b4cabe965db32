//! The way to an interpreter. Everything above this module is the same for a worker process and
//! for an interpreter in this process.

mod clock;
mod memory;
mod pipe;

use dana_wire::{ToHost, ToWorker, Violation};
use pyo3::Py;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::stop::Stop;
use crate::watch::Watch;

pub(crate) use clock::Clock;
pub(crate) use memory::Memory;
pub(crate) use pipe::{Ends, Pipe};

/// One conversation with one interpreter. The interpreter lives as long as the link.
pub(crate) trait Link: Send {
    /// Begins a message. The payload's values are to be appended to the buffer that is returned;
    /// nothing leaves before [`Link::send`], and beginning anew drops what was begun.
    fn compose(&mut self, header: ToWorker) -> Result<&mut Vec<u8>, Violation>;

    /// Adds bytes to the end of what was composed, which are not copied if the way to the interpreter spares it.
    fn attach(&mut self, bytes: PyBackedBytes);

    /// What was composed has no answer and leaves before, and together with, the next message.
    fn hold(&mut self, watch: &mut Watch<'_>) -> Result<(), Stop>;

    /// Begins to send what was composed; [`Link::poll`] sees to the rest.
    fn send(&mut self, watch: &mut Watch<'_>) -> Result<(), Stop>;

    /// Goes on with sending, as far as it goes without waiting, and takes in what has come meanwhile.
    fn push(&mut self) -> Result<(), Stop>;

    /// Whether all that was composed has left.
    fn is_sent(&self) -> bool;

    /// The next message that has come, which has passed every check of the wire with its payload. Never waits.
    fn poll(&mut self) -> Result<Option<ToHost>, Stop>;

    /// Waits until [`Link::poll`] may have something, or an answer to an ask is there.
    fn wait(&mut self, watch: &Watch<'_>) -> Result<(), Stop>;

    /// Something may have come that [`Link::poll`] has not seen: for those that wait elsewhere.
    fn look_again(&mut self);

    /// Bytes that came and are not looked at yet.
    fn unread(&self) -> usize;

    /// The payload of the message received last; empty if [`Link::bytes`] has it.
    fn payload(&self) -> &[u8];

    /// The payload of the message received last, if it was one large bytes value that came into its place at once.
    fn bytes(&mut self) -> Option<Py<PyBytes>>;

    /// False if an interpreter went on speaking after the last word of a turn.
    fn is_quiet(&self) -> bool;

    /// What to wait for instead, for those that wait for many sessions at once.
    fn signs(&self, watch: &Watch<'_>) -> Signs;
}

/// Descriptors to wait for until [`Link::poll`] may have something; -1 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signs {
    /// To become readable.
    pub(crate) replies: i32,
    /// To become writable.
    pub(crate) requests: i32,
    /// To become readable: an answer to an ask is there.
    pub(crate) bell: i32,
}

/// Bytes an interpreter may have sent before the host has finished telling it something.
const UNREAD: usize = 1 << 20;

/// Sends what was composed to its end.
pub(crate) fn dispatch(link: &mut dyn Link, watch: &mut Watch<'_>) -> Result<(), Stop> {
    link.send(watch)?;
    while !is_told(link)? {
        link.wait(watch)?;
    }
    Ok(())
}

/// Whether a request has left, to a side that listens before it talks.
pub(crate) fn is_told(link: &dyn Link) -> Result<bool, Stop> {
    if !link.is_sent() && link.unread() > UNREAD {
        return Err(Stop::Violation("it talks and does not listen".to_owned()));
    }
    Ok(link.is_sent())
}
