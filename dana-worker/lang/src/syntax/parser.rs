//! Tokens to tree.

/// Levels of nesting (brackets, blocks, operators that nest) a source may have.
pub const MAX_DEPTH: u32 = 200;
