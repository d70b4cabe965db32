//! How a session ended, told apart: the table from what the kernel and the host saw to a kind.
//!
//! The rule: success is never read off an exit status; a worker that ended in a turn has failed,
//! whatever its status says.

use std::time::Duration;

use nix::libc;

use crate::stop::Stop;
use crate::watch::Position;
use crate::worker::{Exit, Why, Worker};

/// The kinds of endings, each an error class of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ended by its own fault.
    Crashed,
    /// There was no memory for what it needed.
    Memory,
    /// Killed by somebody else.
    Killed,
    /// Killed by the kernel for a forbidden system call.
    Violation,
    /// Nobody knows how.
    Lost,
    Cpu,
    Deadline,
    /// It broke the protocol and was killed for it.
    Protocol,
    Closed,
    /// It never came to be a session.
    Isolation,
}

/// What is told about an ending. Texts are escaped.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) kind: Kind,
    /// Empty if kind, signal and exit code say it all.
    pub(crate) message: String,
    pub(crate) signal: Option<i32>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) position: Position,
    /// The limit that was reached.
    pub(crate) seconds: Option<f64>,
}

impl Ending {
    pub(crate) fn of(kind: Kind) -> Self {
        Ending {
            kind,
            message: String::new(),
            signal: None,
            exit_code: None,
            stderr: String::new(),
            position: Position::default(),
            seconds: None,
        }
    }

    /// A deadline that was reached.
    pub(crate) fn deadline(limit: Option<Duration>) -> Self {
        Ending { seconds: limit.map(|limit| limit.as_secs_f64()), ..Ending::of(Kind::Deadline) }
    }

    /// An offence of the other side.
    pub(crate) fn protocol(offence: String) -> Self {
        Ending { message: offence, ..Ending::of(Kind::Protocol) }
    }

    /// Reads the ending of a worker that is gone.
    pub(crate) fn of_worker(
        worker: &Worker,
        exit: Exit,
        time: Option<Duration>,
        cpu: Option<Duration>,
    ) -> Self {
        let stderr = worker.last_words();
        match worker.killed() {
            Some(Why::Deadline) => Ending::deadline(time),
            Some(Why::Ended) => Ending::of(Kind::Closed),
            Some(Why::Flood) => Ending::protocol("a flood on its standard error".to_owned()),
            None if worker.ran_out() => Ending {
                message: "the kernel ended it for the memory its control group took".to_owned(),
                stderr,
                kind: Kind::Memory,
                ..Ending::of_exit(exit, cpu)
            },
            None if aborted(exit) && stderr.contains(OUT_OF_MEMORY) => {
                Ending { stderr, kind: Kind::Memory, ..Ending::of_exit(exit, cpu) }
            }
            None => Ending { stderr, ..Ending::of_exit(exit, cpu) },
        }
    }

    fn of_exit(exit: Exit, cpu: Option<Duration>) -> Self {
        match exit {
            Exit::Signal(signal) => Ending {
                signal: Some(signal),
                seconds: cpu.filter(|_| signal == libc::SIGXCPU).map(|limit| limit.as_secs_f64()),
                ..Ending::of(of_signal(signal))
            },
            Exit::Code(PROCESSOR) => {
                Ending { seconds: cpu.map(|limit| limit.as_secs_f64()), ..Ending::of(Kind::Cpu) }
            }
            Exit::Code(code) => Ending {
                exit_code: Some(code),
                message: format!("it exited with status {code}: {}", meaning(code)),
                ..Ending::of(if code == 0 { Kind::Lost } else { Kind::Crashed })
            },
            Exit::Unknown => Ending {
                message: "its status was taken by somebody else in this process, or SIGCHLD is ignored here"
                    .to_owned(),
                ..Ending::of(Kind::Lost)
            },
        }
    }
}

fn of_signal(signal: i32) -> Kind {
    match signal {
        libc::SIGSYS => Kind::Violation,
        libc::SIGXCPU => Kind::Cpu,
        libc::SIGKILL
        | libc::SIGTERM
        | libc::SIGINT
        | libc::SIGHUP
        | libc::SIGQUIT
        | libc::SIGUSR1
        | libc::SIGUSR2 => Kind::Killed,
        _ => Kind::Crashed,
    }
}

/// What Rust's allocator says before it aborts.
const OUT_OF_MEMORY: &str = "memory allocation of ";
/// What a worker says for `SIGABRT` in a process namespace.
const ABORTED: i32 = 71;

fn aborted(exit: Exit) -> bool {
    matches!(exit, Exit::Signal(libc::SIGABRT) | Exit::Code(ABORTED))
}

/// What a worker says for `SIGXCPU` in a process namespace, where no signal can end it.
const PROCESSOR: i32 = 76;

/// The worker's table of statuses, as seen from here.
fn meaning(code: i32) -> &'static str {
    match code {
        0 => "it left in the middle of a conversation",
        64 => "it does not understand how it was started",
        65 => "it was sent what is no message",
        68 => "a bug of the interpreter: it made what cannot be sent",
        70 => "it was not set up as expected, or a layer of the sandbox failed",
        71 => "a bug of the interpreter, the end of memory, or a stack overflow",
        74 => "it believes its host to be gone",
        101 => "a bug of the interpreter: it panicked",
        _ => "not a status of the worker's",
    }
}

/// What a stop means for the session, once its worker (if it has one) is gone.
pub(crate) fn of_stop(
    stop: &Stop,
    worker: Option<(&Worker, Exit)>,
    time: Option<Duration>,
    cpu: Option<Duration>,
) -> Ending {
    match stop {
        Stop::Deadline => Ending::deadline(time),
        Stop::Violation(offence) => Ending::protocol(offence.clone()),
        Stop::Gone => match worker {
            Some((worker, exit)) => Ending::of_worker(worker, exit, time, cpu),
            None => Ending::of(Kind::Lost),
        },
        Stop::Closed | Stop::Forked | Stop::Python(_) | Stop::Asks => {
            Ending { message: stop.to_string(), ..Ending::of(Kind::Closed) }
        }
        Stop::Bug(_) => Ending { message: stop.to_string(), ..Ending::of(Kind::Crashed) },
        Stop::Host(_) => Ending { message: stop.to_string(), ..Ending::of(Kind::Lost) },
    }
}
