//! How strong a wall is asked for, and how weak a one is accepted.
//!
//! The rule: a wish decides what is tried and what is refused, never what is reported.

use crate::report::{Known, Level};

/// What a session is to be opened with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Everything up to this level is tried.
    pub(crate) level: Level,
    /// What is reached below this level is refused.
    pub(crate) least: Level,
    /// Whether the processor's speculation is restrained, for its price.
    pub(crate) harden_speculation: bool,
}

impl Wish {
    /// Whether this layer is asked for. The base wall is, for every worker.
    pub(crate) fn wants(&self, layer: &Known) -> bool {
        match layer.wanted {
            None => self.harden_speculation,
            Some(level) => level <= self.level.max(Level::Filtered),
        }
    }
}

/// First of the user and group ids that workers get where this host may give them: the range ends
/// with the highest process number (2^22 ids). Above what containers and systemd hand out, below
/// what some programs take for negative.
pub(crate) const OWN_USERS: u32 = 2_000_000_000;

/// The user and group id of a worker of its own: as free of others as its process number.
pub(crate) fn own_user(pid: i32) -> u32 {
    OWN_USERS.saturating_add(pid.unsigned_abs())
}
