//! Everything that ends a session before its turn is over.

use dana_wire::{FrameError, Violation};
use pyo3::PyErr;

/// Why a turn has no result. After any of these the interpreter is ended and the session is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// Python wants out: Ctrl-C, or an ask handler raised what is not an ordinary error.
    #[error("interrupted")]
    Python(#[from] PyErr),
    /// The host's clock says so.
    #[error("out of time")]
    Deadline,
    /// The interpreter sent what it must not send. The text is for people, and escaped.
    #[error("{0}")]
    Violation(String),
    /// The worker has ended, or its pipe has.
    #[error("the worker has ended")]
    Gone,
    /// The session was closed while the turn was under way.
    #[error("the session was closed")]
    Closed,
    /// This process was forked in the middle of the turn, and the session stays with the other one.
    #[error("the session stays with the process that this one was forked from")]
    Forked,
    /// The program asked more than it may, and went on asking when told so.
    #[error("too many asks")]
    Asks,
    /// The interpreter in this process failed where it must not.
    #[error("a bug of the interpreter: {0}")]
    Bug(String),
    /// The host lacks something: descriptors, memory for a pipe.
    #[error("the host cannot go on: {0}")]
    Host(nix::errno::Errno),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Stop::Violation(violation.to_string())
    }
}

impl From<FrameError> for Stop {
    fn from(error: FrameError) -> Self {
        Stop::Violation(error.to_string())
    }
}
