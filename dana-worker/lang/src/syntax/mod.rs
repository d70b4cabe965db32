//! Source text to syntax tree: lexer, parser, tree, positions, syntax errors.

pub mod ast;
#[cfg(test)]
mod dump;
pub mod error;
pub(crate) mod lexer;
pub mod name;
pub mod parser;
mod same;
pub mod span;
#[cfg(test)]
mod tests;
pub(crate) mod token;
mod tree;

pub use ast::{Module, Tree};
pub use error::{ParseError, SyntaxFault};
pub use name::{Name, Names};
pub use parser::{is_complete, parse, parse_within};
pub use span::{Position, Source, Span};

/// Whether a word is reserved, with or without a meaning.
pub fn is_reserved(word: &str) -> bool {
    token::keyword(word.as_bytes()).is_some()
}
