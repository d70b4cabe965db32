//! What may cross the pipe between host and worker: values, messages, frames, budgets.
//!
//! The rule: whatever comes from the other side is hostile until it is checked, and it is checked
//! before anything is allocated for it. Left out: pipes, processes, clocks, Python and the
//! interpreter's own values.

#![forbid(unsafe_code)]

mod body;
mod budget;
mod build;
mod caps;
mod datum;
mod encoder;
pub mod frame;
mod hot;
mod literal;
mod marker;
mod message;
mod name;
mod put;
mod reader;
mod shape;
mod table;
mod token;
mod violation;

pub use body::{Header, Opening, open, open_bytes, write_header};
pub use budget::{
    Budget, EXCEPTION_COST, EXCEPTION_TEXT_COST, MAX_DEPTH, NODE_COST, PACKED_COST, TABLE_COST,
};
pub use build::BUILD;
pub use caps::{
    ASSERTION_BYTES, CAUSES, Capped, FUNCTIONS, HANDLES, KEYWORDS, LAYERS, LINE_BYTES, MESSAGE_BYTES,
    MESSAGES, OPERANDS, PARTS, TEXT_BYTES, TRACE_FRAMES, clip,
};
pub use datum::Datum;
pub use encoder::{Encoder, OpenTable};
pub use frame::{Assembler, FrameError, read_frame, write_frame};
pub use literal::{
    Clock, DAY_MICROS, DECIMAL_DIGITS, DECIMAL_EXPONENT, Day, Decimal, Literal, LiteralKind, Offset, Size,
    ZONE_BYTES, Zone, days_in_month, is_duration, is_leap, is_zone_key,
};
pub use message::{
    Assertion, Compared, Fault, Hello, HostFunction, LayerClaim, LimitKind, LogLevel, Message, Operand,
    Outcome, PROTOCOL, Part, Question, SessionLimits, Shape, Start, Target, ToHost, ToWorker, TraceFrame,
    Usage,
};
pub use name::NAME_BYTES;
pub use reader::{Reader, validate};
pub use table::{COLUMNS, Cells, Column, LABEL_BYTES, NOTE_BYTES, Plain, Table, Unit, end};
pub use token::{Token, floats, ints};
pub use violation::{Allowance, KeyFault, Violation};
