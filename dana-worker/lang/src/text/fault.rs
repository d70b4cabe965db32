//! Why a text function refused.
//!
//! The cases carry CPython's wording; the caller adds nothing but the location.

use thiserror::Error;

/// A refusal. Every case leaves all arguments untouched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Right type, wrong value (`ValueError`).
    #[error("{0}")]
    Value(String),
    /// Wrong type (`TypeError`).
    #[error("{0}")]
    Type(String),
    /// A number too large for what was asked (`OverflowError`).
    #[error("{0}")]
    Overflow(String),
    /// A position outside the arguments (`IndexError`).
    #[error("{0}")]
    Index(String),
    /// A name that is not among the arguments (`KeyError`); holds the key.
    #[error("{0}")]
    Key(String),
    /// The result would not fit into the memory left (`MemoryLimitError`).
    #[error("a text of about {0} bytes does not fit into the memory limit")]
    Memory(usize),
}

/// Passes when a result of `bytes` fits into `room`.
pub(super) fn fits(bytes: usize, room: usize) -> Result<(), Fault> {
    if bytes > room { Err(Fault::Memory(bytes)) } else { Ok(()) }
}
