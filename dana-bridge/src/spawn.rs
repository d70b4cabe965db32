//! Starts a worker: three pipes, one process, nothing inherited.
//!
//! The rule: no code of ours runs between clone and exec, and the worker gets three pipe ends and
//! six numbers. Left out: what the worker says once it runs, and whether to believe it.

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

use crate::cgroup::Cgroup;
use crate::sys::{ChildStep, Image, Started, spawn};
use crate::wish::{Failure, Wish};

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
    pub(crate) cgroup: Option<Cgroup>,
    /// Layers that could not be put up on the way, and why.
    pub(crate) failures: Vec<Failure>,
}

/// Starts the program at `path` as `dana-worker <numbers> <what the wish says>`, in what the wish asks
/// for and this host can give: what it cannot is a failure of a layer, not of the start.
pub(crate) fn start(
    path: &Path,
    numbers: [u64; 4],
    wish: &Wish,
    memory: Option<u64>,
) -> Result<Spawned, SpawnError> {
    check(path)?;
    let mut failures = wish.impossible();
    let (cgroup, doors) = group(wish, memory, &mut failures);
    let shown = || path.display().to_string();
    let unfit = |reason| SpawnError::Unfit { path: shown(), reason };
    let program =
        CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| unfit("a zero byte in its path"))?;
    let (worker_in, requests) = pipe().map_err(SpawnError::Pipe)?;
    let (replies, worker_out) = pipe().map_err(SpawnError::Pipe)?;
    let (stderr, worker_err) = pipe().map_err(SpawnError::Pipe)?;
    for ours in [&requests, &replies, &stderr] {
        fcntl(ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(SpawnError::Pipe)?;
    }
    let streams = [worker_in.as_fd(), worker_out.as_fd(), worker_err.as_fd()];
    let attempt = |own_pids: bool| {
        let numbers = numbers.into_iter().chain(wish.arguments(own_pids));
        let words: Vec<CString> = std::iter::once("dana-worker".to_owned())
            .chain(numbers.map(|number| number.to_string()))
            .filter_map(|word| CString::new(word).ok())
            .collect();
        let words: Vec<_> = words.iter().map(CString::as_c_str).collect();
        spawn(&Image { path: &program, arguments: &words, streams, groups: &doors, own_pids })
    };
    let started = match attempt(wish.own_pids) {
        Err((ChildStep::Clone, errno)) if wish.own_pids => {
            failures.push(("pid_namespace", format!("clone CLONE_NEWPID: {errno}")));
            attempt(false)
        }
        other => other,
    };
    let Started { pid, pidfd, outside } = started.map_err(|(step, errno)| SpawnError::Process {
        path: shown(),
        step,
        error: Explained(errno),
    })?;
    if let Some(errno) = outside {
        failures.push(("cgroup", format!("write cgroup.procs: {errno}")));
    }
    Ok(Spawned { pid, pidfd, requests, replies, stderr, cgroup, failures })
}

/// A control group for the worker and the files that lead into it, if the wish asks for one.
fn group(wish: &Wish, memory: Option<u64>, failures: &mut Vec<Failure>) -> (Option<Cgroup>, Vec<OwnedFd>) {
    if !wish.cgroup() {
        return (None, Vec::new());
    }
    let made = Cgroup::make(memory).and_then(|group| {
        let doors = group.doors()?;
        Ok((group, doors))
    });
    match made {
        // Never the number of a standard stream: those are replaced first.
        Ok((group, doors)) => match doors.into_iter().map(lift).collect() {
            Ok(doors) => (Some(group), doors),
            Err(errno) => {
                failures.push(("cgroup", format!("dup: {errno}")));
                (None, Vec::new())
            }
        },
        Err(error) => {
            failures.push(("cgroup", error.to_string()));
            (None, Vec::new())
        }
    }
}

/// Writable for anybody; entries of a directory may be replaced by their owners alone.
const WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;

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
    if found.permissions().mode() & WRITABLE != 0 {
        return unfit("anybody on this machine may change it");
    }
    let folder = path.parent().map(fs::metadata);
    if let Some(Ok(folder)) = folder
        && folder.permissions().mode() & (WRITABLE | STICKY) == WRITABLE
    {
        return unfit("anybody on this machine may put another in its place");
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
