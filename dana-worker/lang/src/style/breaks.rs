//! Where a line is broken inside its brackets.
//!
//! A break that the source has inside a bracket is kept, and opens that bracket: its inside then begins and ends on
//! lines of its own. A line that is too long is broken once: the items of its last bracket, one on each line. Items of an
//! open bracket end with a comma, those of a closed one do not, where a comma means nothing.

use super::lines::{Piece, text};
use super::spacing::ends_operand;
use super::{INDENT, WIDTH};
use crate::syntax::token::Kind;

/// A pair of brackets.
struct Pair {
    open: usize,
    close: usize,
    /// Commas between its items.
    commas: u32,
    /// Items may be put on lines of their own, with a comma behind the last.
    listed: bool,
    call: bool,
}

struct Level {
    pair: usize,
    lambdas: u32,
}

/// Decides for every token of a line.
pub(super) fn set(source: &str, tokens: &mut [Piece], depth: usize) {
    if !tokens.iter().any(|token| opens(token.kind)) {
        return;
    }
    for at in 0..tokens.len().saturating_sub(1) {
        if tokens[at].kind == Kind::Comma && tokens[at].comments.is_empty() {
            let breaks = std::mem::take(&mut tokens[at].breaks);
            tokens[at + 1].breaks = tokens[at + 1].breaks.max(breaks);
        }
    }
    let pairs = pairs(tokens);
    let mut broken = false;
    for pair in &pairs {
        let last = pair.close - 1;
        let empty = last == pair.open;
        if tokens[pair.open].open && empty && tokens[pair.close].comments.is_empty() {
            tokens[pair.open].open = false;
            tokens[pair.close].breaks = 0;
        } else if tokens[pair.open].open {
            broken = true;
            open(tokens, pair);
        } else if !empty && tokens[last].kind == Kind::Comma {
            tokens[last].dropped = match tokens[pair.open].kind {
                Kind::LeftParen if !pair.call => pair.commas > 1,
                _ => pair.listed,
            };
        }
    }
    if !broken {
        shorten(source, tokens, &pairs, depth * INDENT);
    }
}

fn open(tokens: &mut [Piece], pair: &Pair) {
    tokens[pair.open].open = true;
    tokens[pair.open + 1].breaks = 1;
    tokens[pair.close].breaks = 1;
    let last = &mut tokens[pair.close - 1];
    last.comma = pair.listed && pair.commas > 0 && last.kind != Kind::Comma;
}

/// The pairs of a line in the order in which they close; those that hold a line break are marked as open.
fn pairs(tokens: &mut [Piece]) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut stack: Vec<Level> = Vec::new();
    for at in 0..tokens.len() {
        if (tokens[at].breaks > 0 || !tokens[at].comments.is_empty())
            && let Some(level) = stack.last()
        {
            let around = pairs[level.pair].open;
            tokens[around].open = true;
        }
        let kind = tokens[at].kind;
        if opens(kind) {
            let before = at.checked_sub(1).map(|before| tokens[before].kind);
            let operand = before.is_some_and(ends_operand);
            let listed = !(operand && kind == Kind::LeftBracket) && before != Some(Kind::For);
            let call = operand && kind == Kind::LeftParen;
            stack.push(Level { pair: pairs.len(), lambdas: 0 });
            pairs.push(Pair { open: at, close: at + 1, commas: 0, listed, call });
            continue;
        }
        let Some(level) = stack.last_mut() else { continue };
        let pair = &mut pairs[level.pair];
        match kind {
            Kind::RightParen | Kind::RightBracket | Kind::RightBrace => {
                pair.close = at;
                stack.pop();
            }
            Kind::Comma if level.lambdas == 0 => pair.commas += 1,
            Kind::Lambda => level.lambdas += 1,
            Kind::DoubleColon => level.lambdas = level.lambdas.saturating_sub(1),
            // A comprehension.
            Kind::For => pair.listed = false,
            _ => {}
        }
    }
    pairs
}

fn opens(kind: Kind) -> bool {
    matches!(kind, Kind::LeftParen | Kind::LeftBracket | Kind::LeftBrace)
}

/// A piece of a line that may be too long.
struct Stretch {
    from: usize,
    to: usize,
    indent: usize,
    /// What stands before it on its line makes it too long in any case.
    long: bool,
}

/// Breaks a line that is too long.
fn shorten(source: &str, tokens: &mut [Piece], pairs: &[Pair], indent: usize) {
    let mut ends = Vec::with_capacity(tokens.len() + 1);
    let mut end = 0;
    ends.push(end);
    for token in &*tokens {
        if !token.dropped {
            let text = text(source, token.start, token.end);
            if token.kind == Kind::String && text.contains('\n') {
                return;
            }
            end += usize::from(token.space) + text.chars().count();
        }
        ends.push(end);
    }
    if indent + end <= WIDTH {
        return;
    }
    // Pairs by the place of their bracket.
    let mut at_bracket = vec![usize::MAX; tokens.len()];
    for (number, pair) in pairs.iter().enumerate() {
        at_bracket[pair.open] = number;
    }
    let mut work = vec![Stretch { from: 0, to: tokens.len(), indent, long: false }];
    while let Some(Stretch { from, to, indent, long }) = work.pop() {
        if !long && indent + ends[to] - ends[from] <= WIDTH {
            continue;
        }
        let Some(pair) = last_pair(tokens, pairs, &at_bracket, from, to) else { continue };
        // Where the bracket begins too far to the right, its inside is not what makes the line long.
        if !long && indent + ends[pair.open + 1] - ends[from] > WIDTH {
            continue;
        }
        let tail = tokens.get(pair.close + 1..to).unwrap_or_default();
        let fits = match tail.first().map(|first| first.kind) {
            None | Some(Kind::Arrow) => true,
            Some(Kind::Colon | Kind::Comma) => tail.len() == 1,
            _ => false,
        };
        if !fits || pair.close == pair.open + 1 {
            continue;
        }
        if !pair.listed || pair.commas == 0 {
            work.push(Stretch { from: pair.open + 1, to: pair.close, indent, long: true });
            continue;
        }
        open(tokens, pair);
        if tokens[pair.close - 1].dropped {
            tokens[pair.close - 1].dropped = false;
        }
        let mut start = pair.open + 1;
        let mut lambdas = 0_u32;
        let mut at = start;
        while at <= pair.close {
            let kind = tokens[at].kind;
            if at == pair.close || (kind == Kind::Comma && lambdas == 0) {
                if start < at {
                    tokens[start].breaks = 1;
                    work.push(Stretch { from: start, to: at, indent: indent + INDENT, long: false });
                }
                start = at + 1;
            }
            match kind {
                Kind::Lambda => lambdas += 1,
                Kind::DoubleColon => lambdas = lambdas.saturating_sub(1),
                _ => {}
            }
            at = match at_bracket[at] {
                usize::MAX => at + 1,
                number => pairs[number].close + 1,
            };
        }
    }
}

/// The last bracket of a stretch that is in no other one of it, and stands before the type of a result.
fn last_pair<'p>(
    tokens: &[Piece],
    pairs: &'p [Pair],
    at_bracket: &[usize],
    from: usize,
    to: usize,
) -> Option<&'p Pair> {
    let mut last = None;
    let mut at = from;
    while at < to && tokens[at].kind != Kind::Arrow {
        at = match at_bracket[at] {
            usize::MAX => at + 1,
            number => {
                last = pairs.get(number);
                pairs[number].close + 1
            }
        };
    }
    last
}
