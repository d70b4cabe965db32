//! Asking a language model: what is sent, and what its reply becomes.
//!
//! The type that the program expects shapes the prompt, goes along as a JSON schema, and decides how the reply is read.
//! A reply that does not fit is asked for again with the reason, a fixed number of times; then the program fails.
//! Which model answers, and with which key, is the host's business.

mod fit;
mod functions;
mod options;
mod prompt;
mod reply;
mod returns;
mod schema;
mod untyped;

pub(crate) use functions::{FUNCTIONS, failed};
pub(crate) use options::defaults;

#[cfg(test)]
mod tests;
