//! One canonical style: source text to the same program, laid out as everybody lays it out.
//!
//! The rule: nothing but layout changes. Tokens are moved, never rewritten; the result is parsed again, and handed out
//! only if its tree and its comments are those of the source. Left out: any opinion on names, quotes or the order of
//! things.

mod breaks;
mod layout;
mod lines;
mod spacing;

pub(crate) use lines::comments;

use crate::syntax::error::SyntaxFault;
use crate::syntax::lexer::lex;
use crate::syntax::parser::{MAX_SOURCE, parse};
use crate::syntax::span::Span;

/// Columns of a line; what cannot be broken simply may be longer.
pub const WIDTH: usize = 100;

/// Columns of a level.
const INDENT: usize = 4;

/// Why a source is not laid out. The source is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StyleError {
    /// It is no Dana.
    #[error(transparent)]
    Syntax(#[from] SyntaxFault),
    /// With its lines indented as the style wants it, it would be longer than a source may be.
    #[error("the formatted text would be longer than {MAX_SOURCE} bytes")]
    TooLong,
    /// A mistake of this formatter, found before it could do harm.
    #[error("the formatted text would be another program; nothing was changed (please report this source)")]
    Changed,
}

/// The source in the canonical style.
///
/// Idempotent; every comment is kept. Lines end as the first line of the source does.
pub fn format(source: &str) -> Result<String, StyleError> {
    let module = parse(source)?;
    let text = lay_out(source)?;
    let same = match parse(&text) {
        Ok(again) => again.body == module.body && again.tree.same(&module.tree),
        Err(_) => false,
    };
    let texts = |source| comments(source).into_iter().map(|(_, comment)| comment);
    if !same || !texts(source).eq(texts(&text)) {
        return Err(StyleError::Changed);
    }
    Ok(text)
}

fn lay_out(source: &str) -> Result<String, StyleError> {
    let Some(tokens) = lex(source, &|| usize::MAX) else {
        return Err(StyleError::Syntax(SyntaxFault::new("out of memory", Span::default())));
    };
    let mut lines = lines::read(source, &tokens.list);
    drop(tokens);
    for line in &lines.lines {
        let tokens = &mut lines.tokens[line.tokens.clone()];
        spacing::set(tokens);
        breaks::set(source, tokens, line.depth);
    }
    layout::write(source, &lines)
}
