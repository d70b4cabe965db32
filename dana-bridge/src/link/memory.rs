//! The link to an interpreter in this process: the same messages, without pipes.
//!
//! The rule: the interpreter runs only inside [`Link::dispatch`], on the thread that has the turn,
//! without the GIL, and looks up every few milliseconds for the clock, for Ctrl-C and for the
//! closing of the session. What belongs to the host is never charged to the program. Left out:
//! isolation; the interpreter's own meters are the only wall here.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dana_lang::{Closed, Outbox, Server};
use dana_meter::outside;
use dana_wire::{Capped, ToHost, ToWorker, Violation};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use pyo3::Py;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::clock::wind;
use super::{Link, Signs};
use crate::stop::Stop;
use crate::sys::Moved;
use crate::watch::Watch;

/// A payload of at least this many bytes is the interpreter's to keep.
const LARGE: usize = 64 << 10;
/// How long the closing of a session may go unnoticed while all it does is wait for answers.
const CLOSING_CHECK: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(crate) struct Memory {
    server: Option<Moved<Server>>,
    header: Option<ToWorker>,
    outgoing: Vec<u8>,
    incoming: VecDeque<(ToHost, Vec<u8>)>,
    payload: Vec<u8>,
}

impl Link for Memory {
    fn compose(&mut self, header: ToWorker) -> Result<&mut Vec<u8>, Violation> {
        header.check()?;
        self.header = Some(header);
        self.outgoing.clear();
        Ok(&mut self.outgoing)
    }

    fn attach(&mut self, bytes: PyBackedBytes) {
        // The interpreter takes the buffer over.
        self.outgoing.reserve_exact(bytes.len());
        self.outgoing.extend_from_slice(&bytes);
    }

    fn hold(&mut self, watch: &mut Watch<'_>) -> Result<(), Stop> {
        self.send(watch)
    }

    fn send(&mut self, watch: &mut Watch<'_>) -> Result<(), Stop> {
        let header = match self.header.take() {
            None => return Ok(()),
            Some(ToWorker::Start(start)) => {
                self.server = Some(Moved::new(Server::new(start)));
                self.incoming.push_back((ToHost::Started, Vec::new()));
                return Ok(());
            }
            Some(header) => header,
        };
        let server = self.server.as_mut().ok_or(Stop::Gone)?.get();
        watch.patience.left()?;
        let wound = wind(watch.clock());
        let mut desk = Desk { incoming: &mut self.incoming, watch, stop: None };
        // A bug of the interpreter ends its session, not the host.
        let outgoing = &mut self.outgoing;
        let served = catch_unwind(AssertUnwindSafe(|| match outgoing.len() {
            length @ LARGE.. => server.handle_given(header, std::mem::take(outgoing), length, &mut desk),
            _ => server.handle(header, outgoing, &mut desk),
        }));
        match (desk.stop.take().or_else(|| wound.stop()), served) {
            (Some(stop), _) => Err(stop),
            (None, Ok(Ok(()))) => Ok(()),
            (None, Ok(Err(error))) => Err(Stop::Bug(error.to_string())),
            (None, Err(_)) => Err(Stop::Bug("the interpreter panicked".to_owned())),
        }
    }

    fn push(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn is_sent(&self) -> bool {
        self.header.is_none()
    }

    fn poll(&mut self) -> Result<Option<ToHost>, Stop> {
        let Some((header, payload)) = self.incoming.pop_front() else { return Ok(None) };
        self.payload = payload;
        Ok(Some(header))
    }

    fn wait(&mut self, watch: &Watch<'_>) -> Result<(), Stop> {
        let Some(bell) = watch.asks.bell() else {
            return Err(Stop::Bug("the interpreter said nothing and waits for nothing".to_owned()));
        };
        // Nothing but the bell can be waited for here: the session may be closed meanwhile.
        let patience = watch.patience.left()?.min(CLOSING_CHECK);
        match ppoll(
            &mut [PollFd::new(bell, PollFlags::POLLIN)],
            Some(TimeSpec::from_duration(patience)),
            None,
        ) {
            Ok(0) | Err(Errno::EINTR) => watch.patience.check_signals(),
            Ok(_) => Ok(()),
            Err(errno) => Err(Stop::Host(errno)),
        }
    }

    fn look_again(&mut self) {}

    fn unread(&self) -> usize {
        0
    }

    fn signs(&self, _: &Watch<'_>) -> Signs {
        Signs { replies: -1, requests: -1, bell: -1 }
    }

    fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn bytes(&mut self) -> Option<Py<PyBytes>> {
        None
    }

    fn is_quiet(&self) -> bool {
        self.incoming.is_empty()
    }
}

/// Where the interpreter's messages go while it runs.
struct Desk<'a, 'w> {
    incoming: &'a mut VecDeque<(ToHost, Vec<u8>)>,
    watch: &'a mut Watch<'w>,
    /// Why the run is to end.
    stop: Option<Stop>,
}

impl Desk<'_, '_> {
    fn look_up(&mut self, message: &ToHost) -> Result<(), Stop> {
        self.watch.notice(message, &[])?;
        self.watch.patience.left()?;
        self.watch.patience.check_signals()
    }
}

impl Outbox for Desk<'_, '_> {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        self.send_pieces(header, payload, &[])
    }

    fn send_pieces(&mut self, header: &ToHost, payload: &[u8], rest: &[u8]) -> Result<(), Closed> {
        let _uncharged = outside();
        // A last word is for when the interpreter has come to rest; only it has a payload in pieces.
        if matches!(header, ToHost::Done { .. } | ToHost::Failed { .. }) {
            self.incoming.push_back((header.clone(), [payload, rest].concat()));
            return Ok(());
        }
        self.watch.notice(header, payload).map_err(|stop| {
            self.stop = Some(stop);
            Closed
        })
    }

    fn pulse(&mut self, steps: u64, file: Option<&str>, line: u32) -> ControlFlow<String> {
        let _uncharged = outside();
        match self.look_up(&ToHost::Pulse { steps, file: file.map(str::to_owned), line }) {
            Ok(()) => ControlFlow::Continue(()),
            Err(stop) => {
                let reason = stop.to_string();
                self.stop = Some(stop);
                ControlFlow::Break(reason)
            }
        }
    }
}
