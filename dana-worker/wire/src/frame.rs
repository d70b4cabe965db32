//! Frames on a byte stream: a length of four bytes, least significant first, and so many bytes.
//!
//! The rule: memory grows with the bytes that come, never with the length that is claimed.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

/// Bytes of the length field.
pub const PREFIX: usize = 4;

/// Read at a time while a frame is still coming.
const STEP: usize = 64 << 10;

/// The room an [`Assembler`] begins with: what most messages need, and one page for the kernel to find.
const ROOM: usize = 4 << 10;

/// How many times as much room as what has come there may be.
const FORESIGHT: usize = 8;

/// The largest buffer that is kept when everything in it was handed out.
const KEPT: usize = 4 * STEP;

/// Why a frame could not be read or written. After any of these the stream is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The claimed length is beyond the limit. Nothing was read after it, or written at all.
    #[error("a frame of {length} bytes is over the limit of {limit}")]
    TooLong { length: usize, limit: usize },
    /// A frame without a body says nothing.
    #[error("an empty frame")]
    Empty,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame, {missing} bytes before its end")]
    Cut { missing: usize },
    /// The stream itself failed.
    #[error("the stream failed: {0}")]
    Stream(#[from] io::Error),
}

/// Reads one frame's body. `Ok(None)` is a clean end: the stream ended between frames.
pub fn read_frame(stream: &mut impl Read, limit: usize) -> Result<Option<Vec<u8>>, FrameError> {
    let mut body = Vec::new();
    let mut prefix = [0; PREFIX];
    let mut rest: &mut [u8] = &mut prefix;
    while !rest.is_empty() {
        match stream.read(rest) {
            Ok(0) if rest.len() == PREFIX => return Ok(None),
            Ok(0) => return Err(FrameError::Cut { missing: rest.len() }),
            Ok(read) => rest = rest.get_mut(read..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = checked(u32::from_le_bytes(prefix) as usize, limit)?;
    while body.len() < length {
        let step = (length - body.len()).min(body.len().max(STEP));
        body.reserve(step);
        // It stops at the step without asking again.
        let read = stream.by_ref().take(step as u64).read_to_end(&mut body)?;
        if read < step {
            return Err(FrameError::Cut { missing: length - body.len() });
        }
    }
    Ok(Some(body))
}

/// Writes one frame whose body is `header` and `payload` together, without copying them.
pub fn write_frame(
    stream: &mut impl Write,
    header: &[u8],
    payload: &[u8],
    limit: usize,
) -> Result<(), FrameError> {
    let length = checked(header.len().saturating_add(payload.len()), limit)?;
    let prefix = prefix(length, limit)?;
    let mut parts = [IoSlice::new(&prefix), IoSlice::new(header), IoSlice::new(payload)];
    let mut rest: &mut [IoSlice<'_>] = &mut parts;
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match stream.write_vectored(rest) {
            Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Begins a frame in a buffer: clears it and leaves room for the length. Append header and
/// payload, then [`end`].
pub fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(&[0; PREFIX]);
}

/// Ends a frame that [`begin`] began: fills in the length. The buffer is what to write.
pub fn end(buffer: &mut [u8], limit: usize) -> Result<(), FrameError> {
    end_with(buffer, 0, limit)
}

/// The same for a frame of which the last `more` bytes are elsewhere.
pub fn end_with(buffer: &mut [u8], more: usize, limit: usize) -> Result<(), FrameError> {
    let length = checked(buffer.len().saturating_sub(PREFIX).saturating_add(more), limit)?;
    let prefix = prefix(length, limit)?;
    buffer.iter_mut().zip(prefix).for_each(|(slot, byte)| *slot = byte);
    Ok(())
}

/// Puts frames together from whatever pieces a stream hands out, for readers that must not
/// block or that want many frames from one read. Each byte is moved a constant number of times,
/// however small the pieces.
#[derive(Debug)]
pub struct Assembler {
    /// Room that was cleared once; `start..end` of it is what came and was not handed out yet.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Length of the body handed out last; it ends at `start`.
    last: usize,
    limit: usize,
    /// How many times as much room as what has come there may be.
    foresight: usize,
}

impl Assembler {
    /// Accepts bodies of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Assembler { buffer: Vec::new(), start: 0, end: 0, last: 0, limit, foresight: FORESIGHT }
    }

    /// The same for a stream whose other end is believed what it says about the length of a frame: room for all of it
    /// is made at once.
    pub fn trusting(limit: usize) -> Self {
        Assembler { foresight: usize::MAX, ..Assembler::new(limit) }
    }

    /// Reads from `stream` once and returns how many bytes came: 0 is the stream's end.
    /// `WouldBlock` and `Interrupted` come back as they are; nothing is lost. Take every whole
    /// frame by [`Assembler::frame`] before filling again, or the buffer grows.
    pub fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.last = 0;
        self.make_room();
        let read = stream.read(self.buffer.get_mut(self.end..).unwrap_or_default())?;
        self.end = self.end.saturating_add(read).min(self.buffer.len());
        Ok(read)
    }

    /// The next whole frame's body, if it has come.
    pub fn frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let Some((prefix, behind)) = self.rest().split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = checked(u32::from_le_bytes(*prefix) as usize, self.limit)?;
        if behind.len() < length {
            return Ok(None);
        }
        self.start += PREFIX + length;
        self.last = length;
        Ok(Some(self.last()))
    }

    /// True if a whole frame has come.
    pub fn is_ready(&self) -> Result<bool, FrameError> {
        let Some((prefix, behind)) = self.rest().split_first_chunk::<PREFIX>() else { return Ok(false) };
        Ok(checked(u32::from_le_bytes(*prefix) as usize, self.limit)? <= behind.len())
    }

    /// The body handed out last, again; empty once more was read.
    pub fn last(&self) -> &[u8] {
        self.buffer.get(self.start.saturating_sub(self.last)..self.start).unwrap_or_default()
    }

    /// Gives the buffer away, with the body handed out last at its end; `None` if more has come behind that.
    pub fn give_last(&mut self) -> Option<Vec<u8>> {
        if self.start != self.end || self.last == 0 {
            return None;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.truncate(self.end);
        (self.start, self.end, self.last) = (0, 0, 0);
        Some(buffer)
    }

    /// What has come of the frame at hand, without the prefix, and how long its body claims to be; `None` if even that
    /// is not known yet.
    pub fn begun(&self) -> Result<Option<(&[u8], usize)>, FrameError> {
        let Some((prefix, behind)) = self.rest().split_first_chunk::<PREFIX>() else { return Ok(None) };
        Ok(Some((behind, checked(u32::from_le_bytes(*prefix) as usize, self.limit)?)))
    }

    /// Drops what has come of the frame at hand: whoever calls this reads the rest of it elsewhere.
    pub fn forgo(&mut self) {
        (self.start, self.end, self.last) = (0, 0, 0);
    }

    /// Bytes that came and were not handed out yet.
    pub fn held(&self) -> usize {
        self.end - self.start
    }

    /// True between frames: an end of the stream here is a clean one.
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// What an end of the stream at this place means: nothing is missing, or a frame is cut.
    pub fn end(&self) -> Result<(), FrameError> {
        match self.rest().len() {
            0 => Ok(()),
            held => Err(FrameError::Cut { missing: self.wanted().saturating_sub(held) }),
        }
    }

    /// Bytes of the frame at hand with its prefix, as far as is known.
    fn wanted(&self) -> usize {
        match self.rest().first_chunk::<PREFIX>() {
            // A length beyond the limit is for `frame` to refuse.
            Some(prefix) => PREFIX + (u32::from_le_bytes(*prefix) as usize).min(self.limit),
            None => PREFIX,
        }
    }

    /// Leaves at least one byte of room behind what is held. A full buffer is first emptied of what was handed out,
    /// if that is half of it. Else there is a new one that takes the whole frame at hand, but is never more than
    /// [`FORESIGHT`] times what has come. It is asked for cleared: so large a piece is fresh from the kernel, which has
    /// cleared it and finds memory for it only when it is written to.
    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > KEPT {
                self.buffer = Vec::new();
            }
        }
        if self.end < self.buffer.len() {
            return;
        }
        let held = self.end - self.start;
        if self.start >= self.buffer.len() / 2 && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
        } else {
            let most = held.saturating_mul(self.foresight).max(ROOM);
            // Whole frames that nobody takes are more than is wanted.
            let room = if self.wanted() > held { self.wanted().clamp(ROOM, most) } else { 2 * held };
            let mut larger = vec![0; room];
            if let (Some(to), Some(from)) = (larger.get_mut(..held), self.buffer.get(self.start..self.end)) {
                to.copy_from_slice(from);
            }
            self.buffer = larger;
        }
        (self.start, self.end) = (0, held);
    }
}

fn checked(length: usize, limit: usize) -> Result<usize, FrameError> {
    match length {
        0 => Err(FrameError::Empty),
        length if length > limit => Err(FrameError::TooLong { length, limit }),
        length => Ok(length),
    }
}

fn prefix(length: usize, limit: usize) -> Result<[u8; PREFIX], FrameError> {
    u32::try_from(length).map(u32::to_le_bytes).map_err(|_| FrameError::TooLong { length, limit })
}
