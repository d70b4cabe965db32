//! What the parser reports when a text is not Dana.

use super::span::Span;

/// A syntax error: the first one found; nothing of the text was run.
///
/// Rendered elsewhere as `Syntax Error (line L, column C)`, with the position of `span.start`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxFault {
    pub message: String,
    pub span: Span,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

/// Why a source gave no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error(transparent)]
    Syntax(#[from] Box<SyntaxFault>),
    /// The room given for tokens and tree was not enough; all of it is free again.
    #[error("the source is too large for the memory that is left")]
    Memory,
}

impl From<SyntaxFault> for ParseError {
    fn from(fault: SyntaxFault) -> Self {
        ParseError::Syntax(Box::new(fault))
    }
}

impl SyntaxFault {
    pub(crate) fn new(message: impl Into<String>, span: Span) -> Self {
        SyntaxFault { message: message.into(), span, hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        SyntaxFault { hint: Some(hint.into()), ..self }
    }
}
