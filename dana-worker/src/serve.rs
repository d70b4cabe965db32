//! The pipe loop: a frame in, the interpreter's frames out, until the host closes the pipe.
//!
//! Both buffers live as long as the process. A short request comes with one read. A reply goes out with one write; a large payload is written from where it
//! is, since a copy costs more than a call from there on. While a program runs, its pulse is what notices that the host
//! is gone, so a busy worker does not outlive it.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

use dana_lang::{Closed, Outbox, Server};
use dana_wire::{
    Assembler, Budget, FrameError, Hello, LINE_BYTES, LayerClaim, PROTOCOL, ToHost, ToWorker, Violation,
    clip, frame, open, write_frame, write_header,
};

use crate::exit::Exit;
use crate::sandbox;

/// Bytes the buffer for replies starts with: what most turns need.
const ROOM: usize = 16 << 10;

/// Bytes beyond which a buffer is given back after the frame it was needed for.
const KEPT: usize = 1 << 20;

/// A payload of at least this many bytes is written from where it is.
const LARGE: usize = 64 << 10;

/// Why the conversation ended other than by the host closing its end. The process can only end now.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The request pipe broke off, failed, or announced a frame that is too long or empty.
    #[error("request pipe: {0}")]
    Requests(FrameError),
    /// The host sent a frame that is not a message, or whose payload is not what the message says.
    #[error("the host sent a bad frame: {0}")]
    BadRequest(Violation),
    /// A message came that is not in its turn.
    #[error("the host sent {0} out of turn")]
    OutOfTurn(&'static str),
    /// The host no longer reads, or a reply is longer than a frame may be.
    #[error("reply pipe: {0}")]
    Replies(#[from] FrameError),
    /// The interpreter made a message that the wire does not take.
    #[error("bug: {0}")]
    BadReply(#[from] Violation),
}

impl ServeError {
    /// The status to end with.
    pub fn exit(&self) -> Exit {
        match self {
            ServeError::BadRequest(_)
            | ServeError::OutOfTurn(_)
            | ServeError::Requests(FrameError::TooLong { .. } | FrameError::Empty) => Exit::Protocol,
            ServeError::Requests(FrameError::Cut { .. } | FrameError::Stream(_))
            | ServeError::Replies(FrameError::Stream(_) | FrameError::Cut { .. }) => Exit::HostLost,
            ServeError::Replies(FrameError::TooLong { .. } | FrameError::Empty) | ServeError::BadReply(_) => {
                Exit::Bug
            }
        }
    }
}

/// Says Hello and serves until the host closes the request pipe.
pub fn serve(layers: Vec<LayerClaim>) -> Result<(), ServeError> {
    let mut requests = Requests { incoming: Assembler::trusting(Budget::FROM_HOST.frame_bytes) };
    let mut replies = Replies { buffer: Vec::with_capacity(ROOM), failure: None };
    let hello = Hello { protocol: PROTOCOL, build: dana_wire::BUILD.to_owned(), layers };
    replies.write(&ToHost::Hello(hello), &[], &[])?;
    let Some(mut server) = start(&mut requests)? else { return Ok(()) };
    replies.write(&ToHost::Started, &[], &[])?;
    while let Some((message, length)) = requests.receive()? {
        let served = match requests.give(length) {
            Some(buffer) => server.handle_given(message, buffer, length, &mut replies),
            None => server.handle(message, requests.payload(length), &mut replies),
        };
        served.map_err(|error| replies.explain(error))?;
    }
    // The process ends here; taking the session apart first would be time for nothing.
    std::mem::forget(server);
    Ok(())
}

/// Waits for the message that comes first; `None` if the host closed the pipe instead.
fn start(requests: &mut Requests) -> Result<Option<Server>, ServeError> {
    match requests.receive()? {
        None => Ok(None),
        Some((ToWorker::Start(start), _)) => Ok(Some(Server::new(start))),
        Some(_) => Err(ServeError::OutOfTurn("a message before Start")),
    }
}

/// The pipe from the host.
struct Requests {
    incoming: Assembler,
}

impl Requests {
    /// The next message and the length of its payload, with one read if it is short; `None` when the host closed the
    /// pipe between two frames.
    fn receive(&mut self) -> Result<Option<(ToWorker, usize)>, ServeError> {
        while !self.incoming.is_ready().map_err(ServeError::Requests)? {
            match self.incoming.fill(&mut Pipe(sandbox::requests())) {
                Ok(0) => return self.incoming.end().map(|()| None).map_err(ServeError::Requests),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ServeError::Requests(error.into())),
            }
        }
        let body = self.incoming.frame().map_err(ServeError::Requests)?.unwrap_or_default();
        let (message, payload) = open(body, &Budget::FROM_HOST).map_err(ServeError::BadRequest)?;
        Ok(Some((message, payload.len())))
    }

    /// The payload of the last message, which has this length.
    fn payload(&self, length: usize) -> &[u8] {
        let body = self.incoming.last();
        body.get(body.len().saturating_sub(length)..).unwrap_or_default()
    }

    /// The buffer that ends with it, if it is large.
    fn give(&mut self, length: usize) -> Option<Vec<u8>> {
        if length >= LARGE { self.incoming.give_last() } else { None }
    }
}

/// The pipe to the host.
struct Replies {
    buffer: Vec<u8>,
    /// Why the last message could not be sent.
    failure: Option<ServeError>,
}

impl Replies {
    fn write(&mut self, header: &ToHost, payload: &[u8], rest: &[u8]) -> Result<(), ServeError> {
        let limit = Budget::FROM_WORKER.frame_bytes;
        let mut pipe = Pipe(sandbox::replies());
        if !rest.is_empty() {
            self.buffer.clear();
            write_header(header, &mut self.buffer)?;
            self.buffer.extend_from_slice(payload);
            write_frame(&mut pipe, &self.buffer, rest, limit)?;
        } else if payload.len() >= LARGE {
            self.buffer.clear();
            write_header(header, &mut self.buffer)?;
            write_frame(&mut pipe, &self.buffer, payload, limit)?;
        } else {
            frame::begin(&mut self.buffer);
            write_header(header, &mut self.buffer)?;
            self.buffer.extend_from_slice(payload);
            frame::end(&mut self.buffer, limit)?;
            pipe.write_all(&self.buffer).map_err(FrameError::Stream)?;
        }
        slim(&mut self.buffer);
        Ok(())
    }

    /// The interpreter's reason, or the one behind it when it only knows that a message could not be sent.
    fn explain(&mut self, error: dana_lang::ServeError) -> ServeError {
        match error {
            dana_lang::ServeError::OutOfTurn(what) => ServeError::OutOfTurn(what),
            dana_lang::ServeError::Payload(violation) => ServeError::BadRequest(violation),
            dana_lang::ServeError::Closed(Closed) => {
                let unknown = || FrameError::Stream(io::ErrorKind::BrokenPipe.into()).into();
                self.failure.take().unwrap_or_else(unknown)
            }
        }
    }
}

impl Outbox for Replies {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        self.send_pieces(header, payload, &[])
    }

    fn send_pieces(&mut self, header: &ToHost, payload: &[u8], rest: &[u8]) -> Result<(), Closed> {
        self.write(header, payload, rest).map_err(|error| {
            self.failure = Some(error);
            Closed
        })
    }

    fn pulse(&mut self, steps: u64, file: Option<&str>, line: u32) -> ControlFlow<String> {
        let mut file = file.map(str::to_owned);
        if let Some(file) = &mut file {
            clip(file, LINE_BYTES);
        }
        match self.send(&ToHost::Pulse { steps, file, line }, &[]) {
            Ok(()) => ControlFlow::Continue(()),
            Err(Closed) => ControlFlow::Break(Closed.to_string()),
        }
    }
}

/// Gives back what a buffer needed once for a large frame.
fn slim(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT {
        *buffer = Vec::with_capacity(ROOM);
    }
}

/// A pipe end as a stream.
struct Pipe(BorrowedFd<'static>);

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(self.0, into)?)
    }
}

impl Write for Pipe {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        Ok(nix::unistd::write(self.0, from)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
