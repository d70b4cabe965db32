//! The wall. `policy` says what is allowed and why, as tables; each layer's mechanism is a file of its own; `lockdown`
//! applies the layers in their order. `sys` holds every line that the compiler cannot check.

mod capabilities;
mod empty_root;
mod environment;
mod error;
mod fds;
pub mod filter;
pub mod landlock;
mod lockdown;
mod memory;
mod namespaces;
mod own_user;
pub mod policy;
mod privileges;
mod rlimits;
mod seccomp;
mod session;
mod speculation;
pub(crate) mod sys;
mod threads;
mod traceability;

pub use error::SetupError;
pub use lockdown::lock;
pub use sys::{replies, requests};
