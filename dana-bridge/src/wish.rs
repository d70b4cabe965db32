//! How strong a wall is asked for, how weak a one is accepted, and how a worker is told.
//!
//! The rule: a wish decides what is tried and what is refused, never what is reported.

use crate::report::{Known, Level};
use crate::sys::capabilities;

/// A layer that failed on the host's side, and why.
pub(crate) type Failure = (&'static str, String);

/// What a session is to be opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Everything up to this level is tried.
    pub(crate) level: Level,
    /// What is reached below this level is refused.
    pub(crate) least: Level,
    /// Whether the processor's speculation is restrained, for its price.
    pub(crate) harden_speculation: bool,
    /// Whether this host may give the worker a user of its own, and may still end it afterwards.
    pub(crate) own_user: bool,
    /// Whether the worker is started as the first process of a process namespace.
    pub(crate) own_pids: bool,
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
const FIRST_PROCESS: u64 = 8;
const LENIENT: u64 = 16;

impl Wish {
    pub(crate) fn new(level: Level, least: Level, harden_speculation: bool) -> Self {
        let capabilities = capabilities();
        let has = |needed: &[u32]| needed.iter().all(|capability| capabilities >> capability & 1 == 1);
        Wish {
            level,
            least,
            harden_speculation,
            own_user: has(TO_GIVE_USERS),
            own_pids: level >= Level::Contained && has(TO_GIVE_PIDS),
        }
    }

    /// Whether the worker gets a control group of its own.
    pub(crate) fn cgroup(&self) -> bool {
        self.level >= Level::Contained
    }

    /// The layers of `contained` that this host may not give at all.
    pub(crate) fn impossible(&self) -> Vec<Failure> {
        let wanted = self.level >= Level::Contained;
        [
            ("own_user", self.own_user, "CAP_SETUID, CAP_SETGID, CAP_SETPCAP and CAP_KILL"),
            ("pid_namespace", self.own_pids, "CAP_SYS_ADMIN"),
        ]
        .into_iter()
        .filter(|(_, given, _)| wanted && !given)
        .map(|(layer, _, needed)| (layer, format!("this host may not give it: it needs {needed}")))
        .collect()
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
    pub(crate) fn arguments(&self, is_first: bool) -> [u64; 2] {
        let users = if self.own_user { OWN_USERS.into() } else { 0 };
        let mut layers = 0;
        for (wanted, layer) in [
            (self.level >= Level::Landlocked, LANDLOCK),
            (self.level >= Level::Namespaced, NAMESPACES),
            (self.harden_speculation, SPECULATION),
            (is_first, FIRST_PROCESS),
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
const TO_GIVE_USERS: &[u32] = &[5, 6, 7, 8];
/// The capability to start a process in a namespace without a user namespace around it.
const TO_GIVE_PIDS: &[u32] = &[21];
