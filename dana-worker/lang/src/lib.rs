//! The Dana language.

pub mod syntax;
pub mod text;
