//! The Dana language: source text to value, with no access to anything outside.

#![forbid(unsafe_code)]

pub mod coerce;
pub mod compile;
pub mod convert;
mod describe;
pub mod fault;
pub mod library;
pub mod lint;
pub mod reason;
pub mod serve;
pub mod session;
pub mod style;
pub mod syntax;
pub mod text;
pub mod value;
pub mod vm;

pub use serve::{Closed, Outbox, ServeError, Server};
