//! The process by itself: a session of its own, signals as the kernel delivers them, no working directory of note.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, chdir, getpid, getppid, getsid, setsid};

use super::lockdown::Applied;
use super::{SetupError, sys};

/// Leaves the host's session and terminal, and undoes what `exec` lets a host hand down.
///
/// A write to a pipe whose reader is gone must be an error, not a death, and a file size limit likewise: `SIGPIPE` and
/// `SIGXFSZ` are ignored. Every other signal gets its default back.
///
/// Nor may a host that runs before others, at a negative nice value or in real time, hand that down.
///
/// The first process of a namespace cannot see its parent: the host, which started it there, is 0.
pub(crate) fn detach(host: Pid, is_first: bool) -> Applied {
    let host = if is_first { Pid::from_raw(0) } else { host };
    if getppid() != host {
        return Err(SetupError::unexpected(format!("parent is {}, not the host", getppid())));
    }
    for signal in Signal::iterator() {
        let wanted = match signal {
            Signal::SIGKILL | Signal::SIGSTOP => continue, // cannot be changed
            Signal::SIGPIPE | Signal::SIGXFSZ => sys::Disposition::Ignore,
            _ => sys::Disposition::Default,
        };
        sys::set_disposition(signal, wanted).map_err(SetupError::at("sigaction"))?;
    }
    sys::report_faults().map_err(SetupError::at("sigaction SIGSEGV"))?;
    if is_first {
        sys::leave_on_signals().map_err(SetupError::at("sigaction SIGABRT"))?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(SetupError::at("sigprocmask"))?;
    sys::claim_no_priority().map_err(SetupError::at("sched_setscheduler"))?;
    lead_session()?;
    umask(Mode::from_bits_truncate(0o077));
    chdir("/").map_err(SetupError::at("chdir /"))?;
    Ok("own session, default signals, no priority, no terminal".into())
}

/// Starts a session; a host that already made the worker a leader has done this.
fn lead_session() -> Result<(), SetupError> {
    match setsid() {
        Ok(_) => Ok(()),
        Err(Errno::EPERM) if getsid(None) == Ok(getpid()) => Ok(()),
        Err(errno) => Err(SetupError::Refused { step: "setsid", errno }),
    }
}
