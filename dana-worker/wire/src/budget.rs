//! What one frame may cost whoever reads it. Policy only: the rule book for [`crate::Reader`] and
//! [`crate::Encoder`], which keep it from opposite ends of the pipe.

/// The deepest nesting any budget can allow. The reader's stack is this many entries, on its own
/// stack frame, so that reading never allocates.
pub const MAX_DEPTH: usize = 128;

/// Charged against [`Budget::memory`] for each value: a Rust value of the interpreter with its
/// slot in a container is at most this, and so is a small Python object with its list slot.
pub const NODE_COST: usize = 72;

/// Charged for each element of a packed list: a Python int or float with its list slot.
pub const PACKED_COST: usize = 40;

/// Charged for each exception, and for each byte of its message.
pub const EXCEPTION_COST: usize = 1 << 10;
pub const EXCEPTION_TEXT_COST: usize = 16;

/// Charged for each table, whatever is in it: the object that a library makes of it.
pub const TABLE_COST: usize = 4 << 10;

/// The limits of one frame. Every value a frame holds is checked against them before anything is
/// allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of a frame's body: header and payload.
    pub frame_bytes: usize,
    /// Bytes of a payload. Enough less than a frame that the largest header fits before it.
    pub payload_bytes: usize,
    /// Values, counting containers, their items, and keys. Elements of packed lists count as memory only.
    pub nodes: usize,
    /// Containers inside each other; a scalar has depth 0. More than [`MAX_DEPTH`] means that.
    pub depth: usize,
    /// Bytes of one string, bytes object or big integer.
    pub string_bytes: usize,
    /// Estimated bytes of everything built from the frame.
    pub memory: usize,
}

impl Budget {
    /// What the host accepts from a worker.
    pub const FROM_WORKER: Budget = Budget {
        frame_bytes: 128 << 20,
        payload_bytes: 110 << 20,
        nodes: 2_000_000,
        depth: 64,
        string_bytes: 110 << 20,
        memory: 640 << 20,
    };

    /// What a worker accepts from its host.
    pub const FROM_HOST: Budget = Budget { nodes: 4_000_000, depth: MAX_DEPTH, ..Budget::FROM_WORKER };
}
