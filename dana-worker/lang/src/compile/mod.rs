//! From the syntax tree to code for the register machine.

pub mod code;
