//! Every way in which bytes can fail to be what the protocol allows.

use std::fmt;

/// Why bytes were refused. Whoever reads from a peer must end the conversation with it: what
/// follows the offence cannot be trusted to be a frame boundary. Whoever was *writing* may simply
/// drop what was written; nothing has left yet.
///
/// Positions (`at`) are byte offsets into the slice that was being read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The bytes end inside a value.
    #[error("the data end inside a value at byte {at}")]
    Truncated { at: usize },
    /// A container or string claims more than the rest of the data can hold.
    #[error("a count of {claimed} at byte {at} exceeds the data")]
    Count { claimed: u64, at: usize },
    /// A byte that begins nothing in this encoding (reserved, 32-bit float, unknown or misplaced extension).
    #[error("unexpected byte {byte:#04x} at byte {at}")]
    Byte { byte: u8, at: usize },
    /// A string that is not UTF-8.
    #[error("a string that is not UTF-8 at byte {at}")]
    Text { at: usize },
    /// An integer (or a length) that is not in its shortest form, or a native one outside 64 bits signed.
    #[error("a number out of form at byte {at}")]
    Integer { at: usize },
    /// A tagged array that is not what its kind demands.
    #[error("malformed {kind} at byte {at}")]
    Tagged { kind: &'static str, at: usize },
    /// A column of a table that is not a list of as many items as there are rows. Only builders can see it.
    #[error("a column with other rows than its table at byte {at}")]
    Column { at: usize },
    /// A dict key, set member or struct field that cannot be one.
    #[error("{fault} at byte {at}")]
    Key { fault: KeyFault, at: usize },
    /// A limit of the budget, or a cap of a message field.
    #[error("{what} over the limit of {limit}")]
    Exceeded { what: Allowance, limit: usize },
    /// Values missing from, or left over in, a payload.
    #[error("the payload holds {found} than its message calls for")]
    Payload { found: &'static str },
    /// A header that is not exactly one known message. Safe to print.
    #[error("not a message: {reason}")]
    Header { reason: String },
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// Not a number, so never equal to itself.
    Nan,
    /// A list, dict, set that may change, struct or exception.
    Unhashable,
    /// The field name of a struct that is not a string of 1 to 255 bytes without control characters.
    Field,
    /// The same key twice. Only builders of containers can see it; the reader cannot.
    Duplicate,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyFault::Nan => "a key that is not a number",
            KeyFault::Unhashable => "an unhashable key",
            KeyFault::Field => "a bad field name",
            KeyFault::Duplicate => "a key given twice",
        })
    }
}

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// See [`crate::Budget::frame_bytes`].
    FrameBytes,
    /// See [`crate::Budget::payload_bytes`].
    PayloadBytes,
    /// See [`crate::Budget::nodes`].
    Nodes,
    /// See [`crate::Budget::depth`].
    Depth,
    /// See [`crate::Budget::string_bytes`].
    StringBytes,
    /// See [`crate::Budget::memory`].
    Memory,
    /// A field of a message header, by its name.
    Field(&'static str),
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowance::FrameBytes => f.write_str("bytes of a frame"),
            Allowance::PayloadBytes => f.write_str("bytes of a frame's values"),
            Allowance::Nodes => f.write_str("values in a frame"),
            Allowance::Depth => f.write_str("nesting"),
            Allowance::StringBytes => f.write_str("bytes of a string"),
            Allowance::Memory => f.write_str("memory of a frame's values"),
            Allowance::Field(name) => write!(f, "message field '{name}'"),
        }
    }
}
