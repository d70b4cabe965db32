//! The pipe loop: a frame in, the interpreter's frames out, until the host closes the pipe.
//!
//! Both buffers live as long as the process. A reply goes out with one write, or two when its payload is large: a
//! copy costs more than a call from there on.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;

use dana_wire::{
    Budget, FrameError, Hello, LayerClaim, PROTOCOL, ToHost, ToWorker, Violation, frame, open,
    read_frame_into, write_frame, write_header,
};

use crate::exit::Exit;
use crate::sandbox;

/// Bytes each buffer starts with: what most turns need.
const ROOM: usize = 16 << 10;

/// A payload of at least this many bytes is written from where it is.
const LARGE: usize = 64 << 10;

/// Why the conversation ended other than by the host closing its end. The process can only end now.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The request pipe broke off, failed, or announced a frame that is too long or empty.
    #[error("request pipe: {0}")]
    Requests(FrameError),
    /// The host sent a frame that is not a message.
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

/// The two pipes and their buffers.
#[derive(Debug)]
pub struct Link {
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Default for Link {
    fn default() -> Self {
        Link { request: Vec::with_capacity(ROOM), reply: Vec::with_capacity(ROOM) }
    }
}

impl Link {
    /// The next frame's body; `None` when the host closed the pipe between two frames.
    fn receive(&mut self) -> Result<Option<&[u8]>, ServeError> {
        let more =
            read_frame_into(&mut Pipe(sandbox::requests()), Budget::FROM_HOST.frame_bytes, &mut self.request)
                .map_err(ServeError::Requests)?;
        Ok(more.then_some(&self.request))
    }

    /// Sends one message with its payload.
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), ServeError> {
        let limit = Budget::FROM_WORKER.frame_bytes;
        if payload.len() >= LARGE {
            self.reply.clear();
            write_header(header, &mut self.reply)?;
            write_frame(&mut Pipe(sandbox::replies()), &self.reply, payload, limit)?;
            return Ok(());
        }
        frame::begin(&mut self.reply);
        write_header(header, &mut self.reply)?;
        self.reply.extend_from_slice(payload);
        frame::end(&mut self.reply, limit)?;
        Pipe(sandbox::replies()).write_all(&self.reply).map_err(FrameError::Stream)?;
        Ok(())
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

/// Says Hello and serves until the host closes the request pipe.
pub fn serve(layers: Vec<LayerClaim>) -> Result<(), ServeError> {
    let mut link = Link::default();
    let hello = Hello { protocol: PROTOCOL, build: dana_wire::BUILD.to_owned(), layers };
    link.send(&ToHost::Hello(hello), &[])?;
    match link.receive()? {
        None => Ok(()),
        Some(body) => match open(body, &Budget::FROM_HOST).map_err(ServeError::BadRequest)? {
            (ToWorker::Start(_), _) => Ok(()),
            _ => Err(ServeError::OutOfTurn("a message before Start")),
        },
    }
}
