//! The link to a worker process: two pipes that do not block, and a process descriptor.
//!
//! The rule: whatever the other side does (not reading, not writing, both, dying), every wait ends
//! by the deadline, and what it sends costs no more memory than has really come.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use dana_wire::{
    Assembler, Budget, FrameError, Opening, ToHost, ToWorker, Violation, frame, open, open_bytes,
    write_header,
};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::time::TimeSpec;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::{Link, Signs};
use crate::patience::Patience;
use crate::stop::Stop;
use crate::sys;
use crate::watch::Watch;
use crate::worker::Worker;

/// A message of at least this many bytes is worth an effort.
const LARGE: usize = 256 << 10;
/// Bytes that a pipe holds, and that it is made to hold for a large message.
const USUAL: i32 = 64 << 10;
const WIDE: i32 = 1 << 20;
/// How long a worker that closed its end may take to end.
const ENDING: Duration = Duration::from_millis(200);
/// A send buffer larger than this is given back after use.
const KEPT_BUFFER: usize = 1 << 20;

/// The numbers of a pipe's two ends, known outside the lock that guards the pipe: a forked child cannot take a lock
/// that a thread of its parent holds.
#[derive(Debug)]
pub(crate) struct Ends([AtomicI32; 2]);

impl Default for Ends {
    fn default() -> Self {
        Ends([AtomicI32::new(-1), AtomicI32::new(-1)])
    }
}

impl Ends {
    fn set(&self, numbers: [i32; 2]) {
        self.0.iter().zip(numbers).for_each(|(end, number)| end.store(number, Ordering::Release));
    }

    /// In the child of a fork: lets go of the parent's pipe, so that the worker sees the end of its host.
    pub(crate) fn let_go(&self) {
        for end in &self.0 {
            let number = end.swap(-1, Ordering::AcqRel);
            if number >= 0 {
                sys::lead_nowhere(number);
            }
        }
    }
}

pub(crate) struct Pipe {
    ends: Arc<Ends>,
    worker: Arc<Worker>,
    requests: OwnedFd,
    replies: Replies,
    incoming: Assembler,
    outgoing: Vec<u8>,
    /// Bytes of `outgoing` that are whole messages and leave with the next one.
    held: usize,
    /// What follows `outgoing` from where it is.
    tail: Option<PyBackedBytes>,
    /// Bytes of `outgoing` and `tail` that have left.
    written: usize,
    /// Nothing has come since the last look.
    drained: bool,
    /// Bytes of the payload at the end of the last frame.
    payload: usize,
    /// A large bytes value on its way, and the message it belongs to.
    large: Option<(ToHost, sys::Incoming)>,
    /// The value when it was whole.
    bytes: Option<Py<PyBytes>>,
    /// Whether the frame at hand was looked at for one.
    looked: bool,
    /// The pipes have more room than usual.
    is_wide: bool,
}

struct Replies(OwnedFd);

impl Read for Replies {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(&self.0, into)?)
    }
}

impl Pipe {
    pub(crate) fn new(worker: Arc<Worker>, requests: OwnedFd, replies: OwnedFd, ends: Arc<Ends>) -> Self {
        ends.set([requests.as_raw_fd(), replies.as_raw_fd()]);
        Pipe {
            ends,
            worker,
            requests,
            replies: Replies(replies),
            incoming: Assembler::new(Budget::FROM_WORKER.frame_bytes),
            outgoing: Vec::new(),
            held: 0,
            tail: None,
            written: 0,
            drained: false,
            payload: 0,
            large: None,
            bytes: None,
            looked: false,
            is_wide: false,
        }
    }

    /// The numbers of both ends, for whoever must let go of them in the child of a fork.
    pub(crate) fn ends(&self) -> Arc<Ends> {
        self.ends.clone()
    }

    /// Where replies come from.
    pub(crate) fn replies(&self) -> &OwnedFd {
        &self.replies.0
    }

    /// Begins a message, behind what is held.
    pub(crate) fn begin(&mut self, header: &ToWorker) -> Result<&mut Vec<u8>, Violation> {
        if self.held == 0 && self.outgoing.capacity() > KEPT_BUFFER {
            self.outgoing = Vec::new();
        }
        self.tail = None;
        self.outgoing.truncate(self.held);
        self.outgoing.extend_from_slice(&[0; frame::PREFIX]);
        // Until it is to be sent there is nothing to send.
        self.written = usize::MAX;
        write_header(header, &mut self.outgoing)?;
        Ok(&mut self.outgoing)
    }

    /// Ends the message that was begun.
    fn end(&mut self) -> Result<(), FrameError> {
        let begun = self.outgoing.get_mut(self.held..).unwrap_or_default();
        let tail = self.tail.as_ref().map_or(0, |tail| tail.len());
        frame::end_with(begun, tail, Budget::FROM_HOST.frame_bytes)
    }

    /// Begins to send what was begun.
    pub(crate) fn start_sending(&mut self, patience: &Patience) -> Result<(), Stop> {
        self.end()?;
        (self.held, self.written) = (0, 0);
        if self.outgoing.len() + self.tail.as_ref().map_or(0, |tail| tail.len()) >= LARGE {
            self.widen();
        }
        // It has hardly begun to answer: looking at once would be a call for nothing.
        self.drained = true;
        // What ran in Python meanwhile may have forked, closed the session, or taken long.
        patience.left()?;
        self.write()
    }

    /// Waits for something to read, for room to write if something is unsent, for the bell, or for the worker's end.
    pub(crate) fn wait_for(&mut self, patience: &Patience, bell: Option<BorrowedFd<'_>>) -> Result<(), Stop> {
        loop {
            let time = TimeSpec::from_duration(patience.left()?);
            let replies = PollFd::new(self.replies.0.as_fd(), PollFlags::POLLIN);
            let other = match self.is_sent() {
                false => Some(PollFd::new(self.requests.as_fd(), PollFlags::POLLOUT)),
                true => bell.map(|bell| PollFd::new(bell, PollFlags::POLLIN)),
            };
            let (ready, readable) = match other {
                None => {
                    let mut fds = [replies];
                    (ppoll(&mut fds, Some(time), None), fds[0].any() == Some(true))
                }
                Some(other) => {
                    let mut fds = [replies, other];
                    (ppoll(&mut fds, Some(time), None), fds[0].any() == Some(true))
                }
            };
            match ready {
                Ok(0) | Err(Errno::EINTR) => {
                    patience.check_signals()?;
                    // Its end is the end of its pipe, unless it left that to a process of its own.
                    if ready == Ok(0) && !self.worker.is_alive() {
                        return if self.take()? { Ok(()) } else { Err(Stop::Gone) };
                    }
                }
                Ok(_) => {
                    self.drained = !readable;
                    // Whoever writes must read, or both sides wait for ever.
                    if readable && !self.is_sent() {
                        self.take()?;
                    }
                    return self.write();
                }
                Err(errno) => return Err(Stop::Host(errno)),
            }
        }
    }

    /// Takes what has come. `Ok(false)` if nothing had.
    fn take(&mut self) -> Result<bool, Stop> {
        let taken = match &mut self.large {
            Some((_, bytes)) if bytes.missing() == 0 => return Ok(false),
            Some((_, bytes)) => bytes.fill(self.replies.0.as_fd()).map_err(io::Error::from),
            None => self.incoming.fill(&mut self.replies),
        };
        match taken {
            Ok(0) => Err(self.end_of_stream()),
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                self.drained = true;
                Ok(false)
            }
            Err(error) => Err(Stop::Host(Errno::from_raw(error.raw_os_error().unwrap_or(0)))),
        }
    }

    /// Whether a whole message has come. When a large one has begun, makes room for it: in the pipe, and if it is a
    /// result of type bytes, where it is to be in the end.
    fn is_ready(&mut self) -> Result<bool, Stop> {
        if let Some((_, bytes)) = &self.large {
            return Ok(bytes.missing() == 0);
        }
        if self.incoming.is_ready()? {
            return Ok(true);
        }
        if self.looked {
            return Ok(false);
        }
        let Some((beginning, length)) = self.incoming.begun()? else { return Ok(false) };
        if length < LARGE {
            return Ok(false);
        }
        // The longest header of a result is shorter than this; it may come in pieces.
        let looked = beginning.len() >= 64;
        let large = match open_bytes::<ToHost>(beginning, length, &Budget::FROM_WORKER) {
            Some(Opening { header: header @ ToHost::Done { .. }, bytes, length }) => {
                Some((header, Python::attach(|py| sys::Incoming::new(py, length, bytes))?))
            }
            _ => None,
        };
        if large.is_some() {
            self.incoming.forgo();
        }
        self.large = large;
        self.looked = looked;
        self.widen();
        Ok(false)
    }

    /// Gives both pipes room for more, so that fewer changes between the processes are needed. Where the kernel refuses,
    /// they stay as they are.
    fn widen(&mut self) {
        if !self.is_wide {
            self.is_wide = true;
            self.set_room(WIDE);
        }
    }

    /// As much as usual: what all pipes of a user may hold is limited.
    fn narrow(&mut self) {
        if self.is_wide {
            self.is_wide = false;
            self.set_room(USUAL);
        }
    }

    fn set_room(&self, bytes: i32) {
        for pipe in [&self.requests, &self.replies.0] {
            // Refused while it holds more than it shall.
            let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(bytes));
        }
    }

    fn end_of_stream(&self) -> Stop {
        if self.worker.wait(ENDING).is_some() {
            return Stop::Gone;
        }
        Stop::Violation("it closed its reply pipe and lives on".to_owned())
    }

    /// Writes what the pipe takes. A worker that is gone is not an error here: what it said last
    /// is still to be read, and the reading side will find out.
    fn write(&mut self) -> Result<(), Stop> {
        let rest = match (self.outgoing.get(self.written..), &self.tail) {
            (Some([]) | None, Some(tail)) => {
                tail.get(self.written.saturating_sub(self.outgoing.len())..).unwrap_or_default()
            }
            (rest, _) => rest.unwrap_or_default(),
        };
        if rest.is_empty() {
            return Ok(());
        }
        let result = match sys::write_without_signal(self.requests.as_fd(), rest) {
            Some(result) => result,
            None if sys::sigpipe_kills() => write_quietly(&self.requests, rest),
            None => write(&self.requests, rest),
        };
        match result {
            Ok(written) => {
                self.written += written;
                if self.is_sent() {
                    self.tail = None;
                }
                Ok(())
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            Err(Errno::EPIPE) => Err(self.broken_pipe()),
            Err(errno) => Err(Stop::Host(errno)),
        }
    }

    fn broken_pipe(&self) -> Stop {
        if self.worker.wait(ENDING).is_some() {
            return Stop::Gone;
        }
        Stop::Violation("it closed its request pipe and lives on".to_owned())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.ends.set([-1, -1]);
    }
}

impl Link for Pipe {
    fn compose(&mut self, header: ToWorker) -> Result<&mut Vec<u8>, Violation> {
        self.begin(&header)
    }

    fn hold(&mut self, _: &mut Watch<'_>) -> Result<(), Stop> {
        self.end()?;
        self.held = self.outgoing.len();
        Ok(())
    }

    fn attach(&mut self, bytes: PyBackedBytes) {
        self.tail = Some(bytes);
    }

    fn send(&mut self, watch: &mut Watch<'_>) -> Result<(), Stop> {
        self.start_sending(&watch.patience)
    }

    fn push(&mut self) -> Result<(), Stop> {
        self.write()?;
        if !self.is_sent() {
            self.take()?;
        }
        Ok(())
    }

    fn is_sent(&self) -> bool {
        self.written >= self.outgoing.len() + self.tail.as_ref().map_or(0, |tail| tail.len())
    }

    fn poll(&mut self) -> Result<Option<ToHost>, Stop> {
        // Also while it talks without end: the answer may be what it needs to come to one.
        self.write()?;
        while !self.is_ready()? {
            if self.drained || !self.take()? {
                return Ok(None);
            }
        }
        self.looked = false;
        self.bytes = None;
        if self.is_sent() {
            self.narrow();
        }
        if let Some((message, bytes)) = self.large.take() {
            self.payload = 0;
            self.bytes = bytes.whole();
            return Ok(Some(message));
        }
        let body = self.incoming.frame()?.unwrap_or_default();
        let (message, payload) = open(body, &Budget::FROM_WORKER)?;
        self.payload = payload.len();
        Ok(Some(message))
    }

    fn wait(&mut self, watch: &Watch<'_>) -> Result<(), Stop> {
        self.wait_for(&watch.patience, watch.asks.bell())
    }

    fn look_again(&mut self) {
        self.drained = false;
    }

    fn unread(&self) -> usize {
        self.incoming.held()
    }

    fn signs(&self, watch: &Watch<'_>) -> Signs {
        Signs {
            replies: self.replies.0.as_raw_fd(),
            requests: if self.is_sent() { -1 } else { self.requests.as_raw_fd() },
            bell: watch.asks.bell().map_or(-1, |bell| bell.as_raw_fd()),
        }
    }

    fn payload(&self) -> &[u8] {
        let body = self.incoming.last();
        body.get(body.len().saturating_sub(self.payload)..).unwrap_or_default()
    }

    fn bytes(&mut self) -> Option<Py<PyBytes>> {
        self.bytes.take()
    }

    fn is_quiet(&self) -> bool {
        self.incoming.is_empty()
    }
}

fn write(pipe: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    nix::unistd::write(pipe, bytes)
}

/// Writes in a process where the signal of a broken pipe would be the end: keeps it off this
/// thread, and takes it away if it came.
fn write_quietly(pipe: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    let mut broken = SigSet::empty();
    broken.add(Signal::SIGPIPE);
    let before = broken.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let result = write(pipe, bytes);
    if result == Err(Errno::EPIPE) && !before.contains(Signal::SIGPIPE) {
        sys::take_sigpipe();
    }
    before.thread_set_mask()?;
    result
}
