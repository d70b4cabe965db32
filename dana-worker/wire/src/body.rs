//! The body of a frame: a header (one message) and the payload behind it.
//!
//! The rule: a header is accepted only if it is, byte for byte, what this crate writes for that
//! message. That closes every leniency of the deserialiser at once (fields by name, numbers in
//! longer forms, bytes for strings), and it is checked without building anything. The messages of which every call
//! consists have a shortcut of the same strictness: see `hot`.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::budget::{Budget, NODE_COST};
use crate::caps::{Capped, clip};
use crate::hot::Hot;
use crate::marker::*;
use crate::message::{ToHost, ToWorker};
use crate::reader::validate;
use crate::violation::{Allowance, Violation};

/// Values a header may hold, all of them small.
const HEADER_NODES: usize = 128 << 10;
/// Nesting of a header: a chain of faults takes three levels a cause.
const HEADER_DEPTH: usize = 32;

/// A message of either direction.
pub trait Header: Capped + Hot + Serialize + DeserializeOwned {}
impl Header for ToWorker {}
impl Header for ToHost {}

/// Appends `header` to `out`. Fails, leaving `out` as it was, if a field is beyond its cap.
pub fn write_header<H: Header>(header: &H, out: &mut Vec<u8>) -> Result<(), Violation> {
    header.check()?;
    if header.write(out) {
        return Ok(());
    }
    let start = out.len();
    if let Err(error) = header.serialize(&mut rmp_serde::Serializer::new(&mut *out)) {
        out.truncate(start);
        return Err(refused(&error));
    }
    Ok(())
}

/// Takes a whole body apart: the message, and the payload, which is proven: it holds the values
/// the message calls for, no more and no less, and a [`crate::Reader`] with `budget` reads it to
/// its end without a violation.
pub fn open<'a, H: Header>(body: &'a [u8], budget: &Budget) -> Result<(H, &'a [u8]), Violation> {
    if body.len() > budget.frame_bytes {
        return Err(Violation::Exceeded { what: Allowance::FrameBytes, limit: budget.frame_bytes });
    }
    let (header, payload) = match H::read(body) {
        Some(read) => read,
        None => read_any(body)?,
    };
    header.check()?;
    let expected = header.values();
    match validate(payload, budget)?.cmp(&expected) {
        std::cmp::Ordering::Less => Err(Violation::Payload { found: "less" }),
        std::cmp::Ordering::Equal => Ok((header, payload)),
        std::cmp::Ordering::Greater => Err(Violation::Payload { found: "more" }),
    }
}

/// A body of which only the beginning has come, and whose payload is a single bytes value to the end of it.
#[derive(Debug)]
pub struct Opening<'a, H> {
    /// The message.
    pub header: H,
    /// The first of the bytes.
    pub bytes: &'a [u8],
    /// How many there are in all.
    pub length: usize,
}

/// Takes the beginning of a body of `length` bytes apart, as [`open`] does a whole one, if it is a message for one
/// value and that value is of type bytes, so that there is nothing left to be checked in what is still to come. `None`
/// for any other: [`open`] judges it when it is there.
pub fn open_bytes<'a, H: Header>(
    beginning: &'a [u8],
    length: usize,
    budget: &Budget,
) -> Option<Opening<'a, H>> {
    // Results have a shortcut; whatever has none is judged when it is there.
    let (header, rest) = H::read(beginning)?;
    let (&[marker, a, b, c, d], bytes) = rest.split_first_chunk::<5>()?;
    let count = u32::from_be_bytes([a, b, c, d]) as usize;
    let payload = count.checked_add(5)?;
    let fits = marker == BIN32
        && count > usize::from(u16::MAX)
        && payload == length.checked_sub(beginning.len() - rest.len())?
        && length <= budget.frame_bytes
        && payload <= budget.payload_bytes
        && count <= budget.string_bytes
        && count.checked_add(NODE_COST)? <= budget.memory
        && bytes.len() <= count
        && header.values() == 1
        && header.check().is_ok();
    fits.then_some(Opening { header, bytes, length: count })
}

/// The general way.
fn read_any<H: Header>(body: &[u8]) -> Result<(H, &[u8]), Violation> {
    let payload = skim(body)?;
    let (head, _) = body.split_at_checked(body.len() - payload.len()).unwrap_or((body, &[]));
    let header: H = rmp_serde::from_slice(head).map_err(|error| refused(&error))?;
    header.check()?;
    let mut rewritten = Compare { expected: head };
    let same = header.serialize(&mut rmp_serde::Serializer::new(&mut rewritten)).is_ok();
    if !same || !rewritten.expected.is_empty() {
        return Err(Violation::Header { reason: "not in the form we write".to_owned() });
    }
    Ok((header, payload))
}

/// Finds the end of the header without building anything; returns what follows. Refuses what no
/// header contains, counts beyond the data, and too much of anything.
fn skim(body: &[u8]) -> Result<&[u8], Violation> {
    let mut open = [0_u32; HEADER_DEPTH];
    let mut depth = 0;
    let mut rest = body;
    let truncated = || Violation::Truncated { at: body.len() };
    for _ in 0..HEADER_NODES {
        let at = body.len() - rest.len();
        let (&marker, behind) = rest.split_first().ok_or_else(truncated)?;
        // Bytes to the next value, and how many values the one at hand still contains.
        let (skip, items) = match marker {
            0x00..=0x7f | 0xe0..=0xff | NIL | FALSE | TRUE => (0, 0),
            0xa0..=0xbf => (usize::from(marker & 0x1f), 0),
            0x90..=0x9f => (0, u32::from(marker & 0x0f)),
            // Only enums are maps, of one pair.
            0x81 => (0, 2),
            U8 | I8 => (1, 0),
            U16 | I16 => (2, 0),
            U32 | I32 => (4, 0),
            U64 | I64 => (8, 0),
            STR8 | STR16 | STR32 => {
                let width = 1 << (marker - STR8);
                (width + number(behind, width).ok_or_else(truncated)? as usize, 0)
            }
            ARRAY16 | ARRAY32 => {
                let width = 2 << (marker - ARRAY16);
                (width, number(behind, width).ok_or_else(truncated)?)
            }
            _ => return Err(Violation::Byte { byte: marker, at }),
        };
        rest = behind.get(skip..).ok_or_else(truncated)?;
        if items > 0 {
            if items as usize > rest.len() {
                return Err(Violation::Count { claimed: u64::from(items), at });
            }
            let Some(slot) = open.get_mut(depth) else {
                return Err(Violation::Exceeded { what: Allowance::Depth, limit: HEADER_DEPTH });
            };
            *slot = items;
            depth += 1;
            continue;
        }
        // One value is whole; so is each container whose last it was.
        while let Some(left) = depth.checked_sub(1).and_then(|top| open.get_mut(top)) {
            *left -= 1;
            if *left > 0 {
                break;
            }
            depth -= 1;
        }
        if depth == 0 {
            return Ok(rest);
        }
    }
    Err(Violation::Exceeded { what: Allowance::Nodes, limit: HEADER_NODES })
}

/// The length in the first `width` bytes.
#[inline]
fn number(bytes: &[u8], width: usize) -> Option<u32> {
    Some(bytes.get(..width)?.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

/// A sink that wants to be written exactly what it expects.
struct Compare<'a> {
    expected: &'a [u8],
}

impl io::Write for Compare<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.expected.strip_prefix(bytes) {
            Some(rest) => {
                self.expected = rest;
                Ok(bytes.len())
            }
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The serialiser's reason, which may quote the peer: escaped and short.
fn refused(error: &impl ToString) -> Violation {
    let mut reason: String = error.to_string().chars().take(200).flat_map(char::escape_debug).collect();
    clip(&mut reason, 300);
    Violation::Header { reason }
}
