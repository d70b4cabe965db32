//! Starts a worker: three pipes, one process, nothing inherited.
//!
//! The rule: no code of ours runs between clone and exec, and the worker gets three pipe ends and
//! four numbers. Left out: what the worker says once it runs, and whether to believe it.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

use crate::sys::{ChildStep, Image, spawn};

/// Why no worker process could be had. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("the worker binary {path} cannot be used: {error}")]
    Binary { path: String, error: io::Error },
    #[error("the worker binary {path} cannot be used: {reason}")]
    Unfit { path: String, reason: &'static str },
    #[error("no pipe for the worker: {0}")]
    Pipe(Errno),
    #[error("the worker {path} could not be started: {step}: {error}")]
    Process { path: String, step: ChildStep, error: Explained },
}

/// An error number with what it means here.
#[derive(Debug)]
pub(crate) struct Explained(Errno);

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Errno::ENOEXEC => {
                f.write_str("not a program of this machine (truncated, or of another architecture)")
            }
            Errno::EACCES => {
                f.write_str("not allowed (a mount with noexec, or a directory that may not be entered)")
            }
            Errno::ENOSYS => {
                f.write_str("this kernel has no process descriptors (Linux 5.3 or later is needed)")
            }
            Errno::EAGAIN => f.write_str("the limit of processes is reached"),
            errno => write!(f, "{} ({errno:?})", errno.desc()),
        }
    }
}

/// The host's side of a fresh worker. Its pipe ends do not block.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) requests: OwnedFd,
    pub(crate) replies: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Starts the program at `path` as `dana-worker <arguments>`.
pub(crate) fn start(path: &Path, arguments: &[String]) -> Result<Spawned, SpawnError> {
    check(path)?;
    let shown = || path.display().to_string();
    let unfit = |reason| SpawnError::Unfit { path: shown(), reason };
    let program =
        CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| unfit("a zero byte in its path"))?;
    let words: Vec<CString> = std::iter::once("dana-worker")
        .chain(arguments.iter().map(String::as_str))
        .filter_map(|word| CString::new(word).ok())
        .collect();
    let words: Vec<_> = words.iter().map(CString::as_c_str).collect();
    let (worker_in, requests) = pipe().map_err(SpawnError::Pipe)?;
    let (replies, worker_out) = pipe().map_err(SpawnError::Pipe)?;
    let (stderr, worker_err) = pipe().map_err(SpawnError::Pipe)?;
    for ours in [&requests, &replies, &stderr] {
        fcntl(ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(SpawnError::Pipe)?;
    }
    let streams = [worker_in.as_fd(), worker_out.as_fd(), worker_err.as_fd()];
    let (pid, pidfd) = spawn(&Image { path: &program, arguments: &words, streams })
        .map_err(|(step, errno)| SpawnError::Process { path: shown(), step, error: Explained(errno) })?;
    Ok(Spawned { pid, pidfd, requests, replies, stderr })
}

/// Refuses what could not be a worker of ours, with a better reason than the kernel's.
fn check(path: &Path) -> Result<(), SpawnError> {
    let shown = || path.display().to_string();
    let unfit = |reason| Err(SpawnError::Unfit { path: shown(), reason });
    let found = fs::metadata(path).map_err(|error| SpawnError::Binary { path: shown(), error })?;
    if !path.is_absolute() {
        return unfit("its path is not absolute");
    }
    if !found.is_file() {
        return unfit("not a regular file");
    }
    if found.permissions().mode() & 0o111 == 0 {
        return unfit("not executable");
    }
    if found.permissions().mode() & 0o002 != 0 {
        return unfit("anybody on this machine may change it");
    }
    Ok(())
}

/// A pipe whose ends are both 3 or above, so that neither can be taken for a standard stream of a
/// host that closed its own.
fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((lift(reader)?, lift(writer)?))
}

fn lift(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    // `try_clone_to_owned` duplicates to 3 or above, closed on exec.
    fd.try_clone().map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}
