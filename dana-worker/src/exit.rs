//! Every status with which the worker ends itself. Signals are not here: a forbidden call ends in `SIGSYS`, a bug
//! in `SIGABRT` or `SIGSEGV`, the processor budget in `SIGXCPU`.
//!
//! The host never takes a status for success: only a `Done` frame is (a status can be lost or forged by who reaps).

use crate::sandbox::sys;

/// Why the worker ended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Exit {
    /// The host closed the request pipe between two messages.
    Closed = 0,
    /// The arguments are not the ones the host passes, or speak another protocol.
    Usage = 64,
    /// The host sent something that is not a message, or not in its turn.
    Protocol = 65,
    /// The interpreter produced something that cannot be sent.
    Bug = 68,
    /// The process was not set up as expected, or a layer of the wall could not be applied.
    Setup = 70,
    /// The interpreter aborted, in a process namespace: its first process does not die of `SIGABRT`.
    Aborted = 71,
    /// The host went away in the middle of a message or a turn.
    HostLost = 74,
    /// The budget of processor time is used up, in a process namespace: there `SIGXCPU` is ignored, too.
    Processor = 76,
}

impl Exit {
    /// Ends the process at once: no destructors, no exit handlers, one system call.
    pub fn leave(self) -> ! {
        sys::leave(self as i32)
    }
}
