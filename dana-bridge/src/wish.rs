//! How strong a wall is asked for, how weak a one is accepted, and how a worker is told.
//!
//! The rule: a wish decides what is tried and what is refused, never what is reported.

use crate::facts::Facts;
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
    /// Whether this host may give the worker a user of its own, and may still end it afterwards.
    pub(crate) own_user: bool,
}

/// First of the user and group ids that workers get where this host may give them: the range ends
/// with the highest process number (2^22 ids). Above what containers and systemd hand out, below
/// what some programs take for negative.
pub(crate) const OWN_USERS: u32 = 2_000_000_000;

/// The user and group id of a worker of its own: as free of others as its process number.
pub(crate) fn own_user(pid: i32) -> u32 {
    OWN_USERS.saturating_add(pid.unsigned_abs())
}

/// What the worker is told: the numbers of `dana_worker::arguments::Wishes`.
const LANDLOCK: u64 = 1;
const NAMESPACES: u64 = 2;
const SPECULATION: u64 = 4;
const LENIENT: u64 = 16;

impl Wish {
    pub(crate) fn new(level: Level, least: Level, harden_speculation: bool) -> Self {
        Wish { level, least, harden_speculation, own_user: may_give_users() }
    }

    /// Whether this layer is asked for. The base wall is, for every worker; a user of its own, where
    /// it can be had.
    pub(crate) fn wants(&self, layer: &Known) -> bool {
        match layer.wanted {
            _ if layer.name == "own_user" => self.own_user || self.level >= Level::Contained,
            None => self.harden_speculation,
            Some(level) => level <= self.level.max(Level::Filtered),
        }
    }

    /// The worker's last two arguments: the first id of the users it may become, and its layers.
    pub(crate) fn arguments(&self) -> [u64; 2] {
        let users = if self.own_user { OWN_USERS.into() } else { 0 };
        let mut layers = 0;
        for (wanted, layer) in [
            (self.level >= Level::Landlocked, LANDLOCK),
            (self.level >= Level::Namespaced, NAMESPACES),
            (self.harden_speculation, SPECULATION),
            (self.least < Level::Filtered, LENIENT),
        ] {
            if wanted {
                layers |= layer;
            }
        }
        [users, layers]
    }
}

/// The capabilities to change user and group, to keep the others while doing so, and to end a worker
/// that belongs to somebody else. (`linux/capability.h`)
const NEEDED: [u32; 4] = [5, 6, 7, 8];

fn may_give_users() -> bool {
    let set = Facts::own_capabilities().unwrap_or(0);
    NEEDED.iter().all(|capability| set >> capability & 1 == 1)
}
