//! The Dana language.

pub mod syntax;
