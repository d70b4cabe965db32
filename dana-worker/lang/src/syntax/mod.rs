//! Source text to syntax tree: lexer, parser, tree, positions, syntax errors.

pub mod ast;
pub mod error;
pub mod name;
pub mod parser;
pub mod span;

pub use ast::{Module, Tree};
pub use error::SyntaxFault;
pub use name::{Name, Names};
pub use span::{Position, Source, Span};
