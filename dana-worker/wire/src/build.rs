//! Which build this is. Bridge and worker carry the same text only if they were made from the
//! same sources by the same compiler; see `build.rs` of this crate.

/// A hash of the workspace's sources, its locked dependencies and the compiler's version.
pub const BUILD: &str = env!("DANA_BUILD");
