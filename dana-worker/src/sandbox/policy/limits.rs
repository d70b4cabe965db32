//! The table of resource limits. Backstops: the interpreter counts more exactly, and ends a run with a better message.

use nix::sys::resource::Resource;

use crate::arguments::Budget;

/// A soft and a hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Where the kernel starts to refuse (or, for processor time, to signal).
    pub soft: u64,
    /// What the process may never raise `soft` beyond.
    pub hard: u64,
}

/// One limit.
#[derive(Debug)]
pub struct Row {
    /// Which resource.
    pub resource: Resource,
    /// Its name, as in `setrlimit(2)`.
    pub name: &'static str,
    /// The ceiling for a budget; `None` leaves what was inherited.
    pub ceiling: fn(Budget) -> Option<Ceiling>,
    /// Why.
    pub reason: &'static str,
}

/// Bytes the process may map beyond the session's budget: one frame each way, and 160 MiB for the image, the stack
/// and what the heap keeps for later (80 MiB at most).
pub const OVERHEAD: u64 = (dana_wire::Budget::FROM_HOST.frame_bytes
    + dana_wire::Budget::FROM_WORKER.frame_bytes) as u64
    + (160 << 20);

/// Bytes of stack. The parser and the interpreter limit their own depth far below it.
pub const STACK: u64 = 8 << 20;

/// Every limit that is set.
pub const LIMITS: &[Row] = &[
    Row {
        resource: Resource::RLIMIT_CORE,
        name: "RLIMIT_CORE",
        ceiling: |_| fixed(0),
        reason: "no memory on disk",
    },
    Row {
        resource: Resource::RLIMIT_FSIZE,
        name: "RLIMIT_FSIZE",
        ceiling: |_| fixed(0),
        reason: "no file grows",
    },
    Row {
        resource: Resource::RLIMIT_NOFILE,
        name: "RLIMIT_NOFILE",
        ceiling: |_| fixed(3),
        reason: "the three pipes",
    },
    Row {
        resource: Resource::RLIMIT_NPROC,
        name: "RLIMIT_NPROC",
        ceiling: |_| fixed(0),
        reason: "no fork (void for uid 0)",
    },
    Row {
        resource: Resource::RLIMIT_MEMLOCK,
        name: "RLIMIT_MEMLOCK",
        ceiling: |_| fixed(0),
        reason: "nothing pinned",
    },
    Row {
        resource: Resource::RLIMIT_MSGQUEUE,
        name: "RLIMIT_MSGQUEUE",
        ceiling: |_| fixed(0),
        reason: "no queues",
    },
    Row {
        resource: Resource::RLIMIT_SIGPENDING,
        name: "RLIMIT_SIGPENDING",
        ceiling: |_| fixed(16),
        reason: "no signal queue to speak of",
    },
    Row {
        resource: Resource::RLIMIT_RTPRIO,
        name: "RLIMIT_RTPRIO",
        ceiling: |_| fixed(0),
        reason: "no real-time priority",
    },
    Row {
        resource: Resource::RLIMIT_NICE,
        name: "RLIMIT_NICE",
        ceiling: |_| fixed(0),
        reason: "no higher priority",
    },
    Row {
        resource: Resource::RLIMIT_STACK,
        name: "RLIMIT_STACK",
        ceiling: |_| fixed(STACK),
        reason: "recursion ends in a fault, not in swap",
    },
    Row {
        resource: Resource::RLIMIT_AS,
        name: "RLIMIT_AS",
        ceiling: |budget| address_space(budget.memory),
        reason: "memory, behind the interpreter's meter",
    },
    Row {
        resource: Resource::RLIMIT_CPU,
        name: "RLIMIT_CPU",
        ceiling: |budget| processor(budget.cpu),
        reason: "processor time, behind the host's clock; SIGXCPU a second before SIGKILL",
    },
];

#[expect(
    clippy::unnecessary_wraps,
    reason = "the rows of the table want the type of a row that may be lifted"
)]
const fn fixed(value: u64) -> Option<Ceiling> {
    Some(Ceiling { soft: value, hard: value })
}

/// A quarter more than the budget for what the allocator cannot use, and the overhead.
fn address_space(memory: Option<u64>) -> Option<Ceiling> {
    fixed(memory?.saturating_add(memory? / 4).saturating_add(OVERHEAD))
}

fn processor(cpu: Option<u64>) -> Option<Ceiling> {
    Some(Ceiling { soft: cpu?, hard: cpu?.saturating_add(1) })
}
