//! The process that runs one Dana session behind a wall.
//!
//! A library only so that tests and tools can read the very policy the binary applies; the binary is `main.rs`.
//! Nothing here reads a byte of the request pipe before [`sandbox::lock`] has returned.

#![deny(unsafe_code)]

pub mod arguments;
pub mod crash;
pub mod exit;
pub mod heap;
pub mod sandbox;
pub mod serve;
