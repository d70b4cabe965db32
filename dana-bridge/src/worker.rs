//! One worker process as its host sees it: alive or not, killed by whom, ended how.
//!
//! The rule: every signal and every wait goes through the process descriptor, and only in the
//! process that started the worker. Left out: the pipes of the conversation.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::cgroup::Cgroup;
use crate::pool::Permit;
use crate::stderr::Tail;
use crate::sys::{self, process};

/// Why this host killed a worker. The first reason counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Why {
    /// A turn ran out of time.
    Deadline = 1,
    /// The session is no longer wanted, or can no longer be trusted.
    Ended = 2,
    /// It filled its standard error without end.
    Flood = 3,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    /// Somebody else took the status, or the kernel threw it away.
    Unknown,
}

/// A worker process this process started.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) pid: i32,
    host: u32,
    pidfd: OwnedFd,
    stderr: OwnedFd,
    tail: Mutex<Tail>,
    /// Until it has ended.
    cgroup: Mutex<Option<Cgroup>>,
    /// To exist; until it has ended.
    permit: Mutex<Option<Permit>>,
    ran_out: AtomicBool,
    exit: Mutex<Option<Exit>>,
    killed: AtomicU8,
    /// Milliseconds after [`Worker::born`]; 0 is no deadline.
    deadline: AtomicU64,
    born: Instant,
    watched: Arc<Watched>,
}

/// Longest wait for a killed process to be gone: one stuck in the kernel must not hold up the host.
const DYING: Duration = Duration::from_secs(5);
/// Longest wait for the supervisor to let go of a dead worker.
const LETTING_GO: Duration = Duration::from_secs(1);

impl Worker {
    pub(crate) fn new(
        pid: i32,
        pidfd: OwnedFd,
        stderr: OwnedFd,
        cgroup: Option<Cgroup>,
        permit: Permit,
    ) -> Self {
        Worker {
            pid,
            host: process(),
            pidfd,
            stderr,
            tail: Mutex::new(Tail::default()),
            cgroup: Mutex::new(cgroup),
            permit: Mutex::new(Some(permit)),
            ran_out: AtomicBool::new(false),
            exit: Mutex::new(None),
            killed: AtomicU8::new(0),
            deadline: AtomicU64::new(0),
            born: Instant::now(),
            watched: Arc::default(),
        }
    }

    /// False in a process forked from the one that started it.
    pub(crate) fn is_ours(&self) -> bool {
        self.host == process()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.is_ours() && !gone(self.pidfd.as_fd(), PollTimeout::ZERO)
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    pub(crate) fn stderr(&self) -> BorrowedFd<'_> {
        self.stderr.as_fd()
    }

    /// Ends the process. It is gone soon, but not yet.
    pub(crate) fn kill(&self, why: Why) {
        if self.is_ours() {
            // The status of one that has ended by itself is taken first: the reason stays its own.
            if self.exit().is_none() {
                let _ = self.killed.compare_exchange(0, why as u8, Ordering::AcqRel, Ordering::Relaxed);
                // Fails only for a process that has ended.
                let _ = sys::kill(self.pidfd.as_fd());
            }
        }
    }

    /// Why we killed it, if we did.
    pub(crate) fn killed(&self) -> Option<Why> {
        match self.killed.load(Ordering::Acquire) {
            1 => Some(Why::Deadline),
            2 => Some(Why::Ended),
            3 => Some(Why::Flood),
            _ => None,
        }
    }

    /// How it ended, if it has: takes the status from the kernel, so that no zombie stays.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let mut exit = lock(&self.exit);
        if exit.is_none() && self.is_ours() {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
            *exit = match waitid(Id::PIDFd(self.pidfd.as_fd()), flags) {
                Ok(WaitStatus::Exited(_, code)) => Some(Exit::Code(code)),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(Exit::Signal(signal as i32)),
                Err(Errno::ECHILD) if gone(self.pidfd.as_fd(), PollTimeout::ZERO) => Some(Exit::Unknown),
                _ => None,
            };
            if exit.is_some() {
                if let Some(group) = lock(&self.cgroup).take() {
                    self.ran_out.store(group.ran_out(), Ordering::Relaxed);
                }
                drop(lock(&self.permit).take());
            }
        }
        *exit
    }

    /// Whether the kernel ended it for the memory its control group took.
    pub(crate) fn ran_out(&self) -> bool {
        self.ran_out.load(Ordering::Relaxed)
    }

    /// What shows that it is in a control group of its own, or why not; `None` if none was made.
    pub(crate) fn group_evidence(&self) -> Option<Result<String, String>> {
        lock(&self.cgroup).as_ref().map(|group| group.evidence(self.pid))
    }

    /// Waits until it has ended by itself or by [`Worker::kill`].
    pub(crate) fn wait(&self, at_most: Duration) -> Option<Exit> {
        let end = Instant::now() + at_most;
        loop {
            if let Some(exit) = self.exit() {
                return Some(exit);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            gone(self.pidfd.as_fd(), PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        }
    }

    /// Kills it if need be, and waits until no process, zombie or event is left of it.
    pub(crate) fn finish(&self, why: Why) -> Exit {
        if !self.is_ours() {
            return Exit::Unknown;
        }
        self.kill(why);
        let exit = self.wait(DYING).unwrap_or(Exit::Unknown);
        self.watched.finish();
        exit
    }

    /// Whether the supervisor holds it.
    pub(crate) fn watched(&self) -> Arc<Watched> {
        self.watched.clone()
    }

    /// Until when the turn under way may take.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        let after = deadline.map_or(0, |at| at.saturating_duration_since(self.born).as_millis().max(1));
        self.deadline.store(u64::try_from(after).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// True if a turn should have ended so long ago that whoever runs it must be stuck elsewhere.
    pub(crate) fn is_overdue(&self, grace: Duration) -> bool {
        match self.deadline.load(Ordering::Relaxed) {
            0 => false,
            after => self.born.elapsed().saturating_sub(grace) > Duration::from_millis(after),
        }
    }

    /// Takes what is on its standard error. False when there will be no more.
    pub(crate) fn drain_stderr(&self) -> bool {
        let (open, flooded) = {
            let mut tail = lock(&self.tail);
            (tail.drain(self.stderr.as_fd()), tail.is_flooded())
        };
        if flooded {
            self.kill(Why::Flood);
        }
        open && !flooded
    }

    /// The end of what it wrote to its standard error, fit to be shown.
    pub(crate) fn last_words(&self) -> String {
        self.drain_stderr();
        lock(&self.tail).text()
    }
}

/// Whether the supervisor holds a worker and its descriptors. Apart from the worker, so that it can
/// be told after the last of them was let go.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    state: Mutex<WatchState>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WatchState {
    /// Not yet: most sessions are over before the supervisor looks.
    #[default]
    Free,
    Held,
    /// Not any more: whoever ended it has seen to everything.
    Over,
}

impl Watched {
    /// False if there is nothing to hold any more.
    pub(crate) fn begin(&self) -> bool {
        let mut state = lock(&self.state);
        if *state == WatchState::Free {
            *state = WatchState::Held;
        }
        *state == WatchState::Held
    }

    /// The supervisor has let go.
    pub(crate) fn end(&self) {
        *lock(&self.state) = WatchState::Over;
        self.changed.notify_all();
    }

    /// Whether it was let go of for good.
    pub(crate) fn is_over(&self) -> bool {
        *lock(&self.state) == WatchState::Over
    }

    fn finish(&self) {
        let held = |state: &mut WatchState| *state == WatchState::Held;
        let waited = self.changed.wait_timeout_while(lock(&self.state), LETTING_GO, held);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *state = WatchState::Over;
    }
}

/// Waits until the process behind the descriptor has ended.
fn gone(pidfd: BorrowedFd<'_>, timeout: PollTimeout) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::POLLIN)];
    matches!(poll(&mut fds, timeout), Ok(1..))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
