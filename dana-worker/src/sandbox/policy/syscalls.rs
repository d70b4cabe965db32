//! Every system call that the locked worker can make, and why. A call that is not here ends the process.
//!
//! The interpreter has no threads, files, clock or sockets, and its allocator asks the kernel for pages only, so this
//! is all that is left. Each value is compared in full, all 64 bits of the argument.

/// What one system call may do.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name, as in `syscalls(2)`.
    pub name: &'static str,
    /// Number on x86-64.
    pub x86_64: u32,
    /// Number on aarch64.
    pub aarch64: u32,
    /// The filter's answer.
    pub verdict: Verdict,
    /// Why the row is here.
    pub reason: &'static str,
}

/// The filter's answer to a call in the table.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Allowed if every check holds; otherwise the process is killed.
    Allow(&'static [Check]),
    /// Never carried out: fails with this error, so that a crash can still run its course.
    Fail(u16),
}

/// A condition on one argument, counted from 0.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// It is one of these.
    OneOf(usize, &'static [u32]),
    /// It is the worker's own process id.
    OwnPid(usize),
}

/// A number that is no system call and that only the filter answers, with an error that no call has.
#[derive(Clone, Copy, Debug)]
pub struct Canary {
    /// The number.
    pub number: u32,
    /// The error.
    pub answer: u16,
}

/// How the worker, and whoever watches it, can tell that this very filter is in force.
pub const CANARY: Canary = Canary { number: 0xda7a, answer: 0xda7 };

const PROT_READ_WRITE: u32 = (libc::PROT_READ | libc::PROT_WRITE) as u32;
const PRIVATE_ANONYMOUS: u32 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u32;
const MAY_MOVE: u32 = libc::MREMAP_MAYMOVE as u32;
const ABORT: u32 = libc::SIGABRT as u32;
const EPERM: u16 = libc::EPERM as u16;

/// The table, in the order in which the filter looks: the calls of a turn first.
pub const TABLE: &[Row] = &[
    Row {
        name: "read",
        x86_64: 0,
        aarch64: 63,
        verdict: Verdict::Allow(&[Check::OneOf(0, &[0])]),
        reason: "the next request",
    },
    Row {
        name: "write",
        x86_64: 1,
        aarch64: 64,
        verdict: Verdict::Allow(&[Check::OneOf(0, &[1, 2])]),
        reason: "replies; last words on standard error",
    },
    Row {
        name: "mmap",
        x86_64: 9,
        aarch64: 222,
        verdict: Verdict::Allow(&[
            Check::OneOf(0, &[0]),
            Check::OneOf(2, &[PROT_READ_WRITE]),
            Check::OneOf(3, &[PRIVATE_ANONYMOUS]),
        ]),
        reason: "pages for the heap: private, anonymous, never executable, never at a chosen address",
    },
    Row {
        name: "munmap",
        x86_64: 11,
        aarch64: 215,
        verdict: Verdict::Allow(&[]),
        reason: "pages given back by the heap",
    },
    Row {
        name: "mremap",
        x86_64: 25,
        aarch64: 216,
        verdict: Verdict::Allow(&[Check::OneOf(3, &[MAY_MOVE])]),
        reason: "a large list or string grows without a copy; never to a chosen address",
    },
    #[cfg(target_env = "musl")]
    Row {
        name: "tkill",
        x86_64: 200,
        aarch64: 130,
        verdict: Verdict::Allow(&[Check::OwnPid(0), Check::OneOf(1, &[ABORT])]),
        reason: "abort, so that a bug is told apart from an attack (musl's way)",
    },
    #[cfg(not(target_env = "musl"))]
    Row {
        name: "tgkill",
        x86_64: 234,
        aarch64: 131,
        verdict: Verdict::Allow(&[Check::OwnPid(0), Check::OwnPid(1), Check::OneOf(2, &[ABORT])]),
        reason: "abort, so that a bug is told apart from an attack (glibc's way)",
    },
    #[cfg(not(target_env = "musl"))]
    Row {
        name: "getpid",
        x86_64: 39,
        aarch64: 172,
        verdict: Verdict::Allow(&[]),
        reason: "asked by glibc's abort",
    },
    #[cfg(not(target_env = "musl"))]
    Row {
        name: "gettid",
        x86_64: 186,
        aarch64: 178,
        verdict: Verdict::Allow(&[]),
        reason: "asked by glibc's abort",
    },
    Row { name: "exit_group", x86_64: 231, aarch64: 94, verdict: Verdict::Allow(&[]), reason: "the end" },
    Row {
        name: "rt_sigprocmask",
        x86_64: 14,
        aarch64: 135,
        verdict: Verdict::Fail(EPERM),
        reason: "abort blocks signals first, and goes on without",
    },
    Row {
        name: "canary",
        x86_64: CANARY.number,
        aarch64: CANARY.number,
        verdict: Verdict::Fail(CANARY.answer),
        reason: "proof that this filter is in force",
    },
];
