//! Where a blank stands between two tokens of a line.
//!
//! One round operators and after commas and colons; none inside brackets, round dots, before a call's bracket, round
//! the `=` of an argument or of a parameter without a type, and round the `:` of a scope or a slice.

use super::lines::Piece;
use crate::syntax::token::Kind;

/// What surrounds a token.
struct Around {
    bracket: Bracket,
    /// Lambdas whose `::` is to come.
    lambdas: u32,
    /// The parameter that is being read has a type.
    typed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// None: the statement itself.
    Statement,
    /// Of a call or of parameters.
    Call,
    /// Of an index or of a type.
    Subscript,
    Other,
}

impl Around {
    fn new(bracket: Bracket) -> Self {
        Around { bracket, lambdas: 0, typed: false }
    }
}

/// Decides for every token of a line.
pub(super) fn set(tokens: &mut [Piece]) {
    name_words(tokens);
    let mut stack = vec![Around::new(Bracket::Statement)];
    let mut before: Option<Kind> = None;
    // The token before takes no blank behind it.
    let mut tight = true;
    let from = tokens.first().is_some_and(|first| first.kind == Kind::From);
    for at in 0..tokens.len() {
        let kind = tokens[at].kind;
        let next = tokens.get(at + 1).map(|next| next.kind);
        let operand = before.is_some_and(ends_operand);
        let Some(around) = stack.last_mut() else { return };
        let argument = around.bracket == Bracket::Call || around.lambdas > 0;
        let scope = before.is_some_and(Kind::is_scope);
        let slice = around.bracket == Bracket::Subscript && around.lambdas == 0;
        let blank = match kind {
            Kind::Comma | Kind::Colon | Kind::RightParen | Kind::RightBracket | Kind::RightBrace => false,
            // `1 .x` is no float; `from .x` begins with dots.
            Kind::Dot if matches!(before, Some(Kind::Int | Kind::Float)) => tokens[at].apart,
            Kind::Dot => before == Some(Kind::From),
            Kind::LeftParen | Kind::LeftBracket => !operand,
            Kind::DoubleColon => around.lambdas > 0,
            Kind::Assign => !argument || around.typed,
            _ => true,
        };
        tokens[at].space = blank && !tight;
        tight = match kind {
            Kind::LeftParen | Kind::LeftBracket | Kind::LeftBrace | Kind::At => true,
            Kind::Dot => !(from && next == Some(Kind::Import)),
            Kind::Colon => scope || slice,
            Kind::DoubleColon => around.lambdas == 0,
            Kind::Assign => argument && !around.typed,
            Kind::Plus | Kind::Minus => !operand,
            _ => false,
        };
        match kind {
            Kind::Lambda => {
                around.lambdas += 1;
                around.typed = false;
            }
            Kind::DoubleColon => around.lambdas = around.lambdas.saturating_sub(1),
            Kind::Comma => around.typed = false,
            Kind::Colon if argument && !scope => around.typed = true,
            Kind::LeftParen if operand => stack.push(Around::new(Bracket::Call)),
            Kind::LeftBracket if operand => stack.push(Around::new(Bracket::Subscript)),
            Kind::LeftParen | Kind::LeftBracket | Kind::LeftBrace => stack.push(Around::new(Bracket::Other)),
            Kind::RightParen | Kind::RightBracket | Kind::RightBrace => drop(stack.pop()),
            _ => {}
        }
        before = Some(kind);
    }
}

/// Reserved words that are names where they stand: attributes and keywords of arguments.
fn name_words(tokens: &mut [Piece]) {
    let mut header = tokens.first().is_some_and(|first| first.kind == Kind::From);
    for at in 0..tokens.len() {
        let kind = tokens[at].kind;
        if header && kind == Kind::Import {
            header = false;
            continue;
        }
        if !kind.is_keyword() {
            continue;
        }
        let attribute = at > 0 && tokens[at - 1].kind == Kind::Dot;
        let keyword = tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Assign);
        if attribute || keyword {
            tokens[at].kind = Kind::Name;
        }
    }
}

/// Whether an operand may end with this token: what follows is an operator, a call or an index.
pub(super) fn ends_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Name
            | Kind::Int
            | Kind::Float
            | Kind::String
            | Kind::True
            | Kind::False
            | Kind::None
            | Kind::Placeholder
            | Kind::RightParen
            | Kind::RightBracket
            | Kind::RightBrace
    )
}
