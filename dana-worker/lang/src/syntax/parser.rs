//! Tokens to tree: recursive descent, one file a subject.
//!
//! Every construct that nests counts against [`MAX_DEPTH`], so hostile text ends in an error and never in a
//! stack overflow; everything that merely repeats is a loop. The first error ends the parse.

mod definitions;
mod expressions;
mod fstrings;
mod functions;
mod imports;
mod literals;
mod message;
mod pipelines;
mod statements;
mod types;

use super::ast::{Block, Expr, ExprId, ExprKind, Ident, List, Module, Tree};
use super::error::{ParseError, SyntaxFault};
use super::lexer::{Tokens, lex};
use super::name::Name;
use super::span::Span;
use super::token::{Kind, Token};

/// Levels of nesting a source may have: brackets, blocks, unary operators, `**`, lambdas, fields of f-strings.
/// Within one level a tree has at most ten nodes above each other.
pub const MAX_DEPTH: u32 = 200;

/// Levels a function counts for: a compiler needs much more stack for a function than for a bracket.
const FUNCTION_LEVELS: u32 = 5;

/// Bytes a source may have: keeps every offset and node number far below `u32::MAX`.
pub const MAX_SOURCE: usize = 1 << 28;

/// Parses a whole source text. An empty one is an empty module.
pub fn parse(source: &str) -> Result<Module, SyntaxFault> {
    match parse_within(source, &|| usize::MAX) {
        Ok(module) => Ok(module),
        Err(ParseError::Syntax(fault)) => Err(*fault),
        Err(ParseError::Memory) => Err(SyntaxFault::new(ParseError::Memory.to_string(), Span::default())),
    }
}

/// Parses a whole source text, and stops when `room` (the bytes that may still be taken) runs out.
pub fn parse_within(source: &str, room: Room<'_>) -> Result<Module, ParseError> {
    if source.len() > MAX_SOURCE {
        let message = format!("the source is longer than {MAX_SOURCE} bytes");
        return Err(SyntaxFault::new(message, Span::default()).into());
    }
    let tokens = lex(source, room).ok_or(ParseError::Memory)?;
    let mut parser = Parser::new(source, &tokens, room);
    match parser.module() {
        Ok(body) => Ok(Module { body, tree: parser.tree }),
        Err(_) if parser.starved => Err(ParseError::Memory),
        Err(fault) => Err(prefer_unclosed(source, &tokens, *fault).into()),
    }
}

/// Whether a source that is being typed line by line is all there, or wrong already: nothing that follows could mend it.
///
/// As in Python, a block stays open until a blank line. What is missing more than that (a bracket, a quote, a block,
/// the `def` of a decorator, the `except` of a `try`) is missing whatever lines are blank.
pub fn is_complete(source: &str) -> bool {
    if source.len() > MAX_SOURCE {
        return true;
    }
    let Some(tokens) = lex(source, &|| usize::MAX) else { return true };
    let mut parser = Parser::new(source, &tokens, &|| usize::MAX);
    let parsed = parser.module();
    match (parser.peek(), parsed) {
        (Kind::Fault, Err(_)) => tokens.unclosed.is_none() && !tokens.open_text,
        // Blocks that the end of the text closes are not closed yet.
        (Kind::End | Kind::Dedent, Err(fault))
            if fault.span == parser.token().span() && fault.span.start as usize == source.len() =>
        {
            false
        }
        (Kind::End, _) => {
            let layout = |kind| matches!(kind, Kind::End | Kind::Newline);
            let last = tokens.list.iter().rev().find(|token| !layout(token.kind));
            let in_block = last.is_some_and(|token| token.kind == Kind::Dedent);
            !in_block || source.rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
        }
        _ => true,
    }
}

/// Tells how many bytes may still be taken.
pub type Room<'r> = &'r dyn Fn() -> usize;

/// A bracket that is never closed makes nonsense of the lines after it: report the bracket, not the nonsense.
fn prefer_unclosed(source: &str, tokens: &Tokens, fault: SyntaxFault) -> SyntaxFault {
    let Some(open) = tokens.unclosed else { return fault };
    let between = source.as_bytes().get(open as usize..fault.span.start as usize).unwrap_or_default();
    match &tokens.fault {
        Some(unclosed) if between.contains(&b'\n') => unclosed.clone(),
        _ => fault,
    }
}

type Parsed<T> = Result<T, Box<SyntaxFault>>;

struct Parser<'s> {
    text: &'s str,
    tokens: &'s [Token],
    /// Why the last token is a fault, if it is.
    fault: Option<&'s SyntaxFault>,
    /// Index of the next token; the last token is never passed.
    at: usize,
    tree: Tree,
    depth: u32,
    place: Place,
    /// Per name, the last list in which it was seen.
    seen: Vec<u32>,
    lists: u32,
    /// Variables that `reason(..., context={...})` makes in the function being parsed.
    entries: Vec<Ident>,
    room: Room<'s>,
    /// Constructs parsed; the room is looked at every [`LOOK`] of them.
    parsed: u32,
    /// The room ran out.
    starved: bool,
}

const LOOK: u32 = 1024;

/// What the statement being parsed stands in.
#[derive(Clone, Copy, Default)]
struct Place {
    function: bool,
    loop_body: bool,
}

impl<'s> Parser<'s> {
    fn new(text: &'s str, tokens: &'s Tokens, room: Room<'s>) -> Self {
        Parser {
            text,
            tokens: &tokens.list,
            fault: tokens.fault.as_ref(),
            at: 0,
            tree: Tree::default(),
            depth: 0,
            place: Place::default(),
            seen: Vec::new(),
            lists: 0,
            entries: Vec::new(),
            room,
            parsed: 0,
            starved: false,
        }
    }

    fn module(&mut self) -> Parsed<Block> {
        let mut body = Vec::new();
        while self.peek() != Kind::End {
            self.statement(&mut body)?;
        }
        Ok(self.tree.add_list(body))
    }

    fn token(&self) -> Token {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> Token {
        let last = self.tokens.len().saturating_sub(1);
        self.tokens.get((self.at + count).min(last)).copied().unwrap_or(Token {
            kind: Kind::End,
            start: 0,
            end: 0,
        })
    }

    fn previous(&self) -> Token {
        self.tokens.get(self.at.saturating_sub(1)).copied().unwrap_or(self.token())
    }

    fn peek(&self) -> Kind {
        self.token().kind
    }

    fn peek_next(&self) -> Kind {
        self.ahead(1).kind
    }

    fn bump(&mut self) -> Token {
        let token = self.token();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    /// Takes the next token if it is of this kind.
    fn accept(&mut self, kind: Kind) -> Option<Token> {
        (self.peek() == kind).then(|| self.bump())
    }

    /// The next token must be of this kind; `after` completes "expected ... ".
    fn expect(&mut self, kind: Kind, after: &str) -> Parsed<Token> {
        match self.accept(kind) {
            Some(token) => Ok(token),
            None => Err(self.unexpected(&format!("{} {after}", kind.describe()))),
        }
    }

    fn slice(&self, span: Span) -> &'s str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// One level deeper, within the limit.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.deeper(1, parse)
    }

    /// In the body of a function; also returns the variables that questions inside make.
    fn in_function<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<(T, List<Ident>)> {
        let around = std::mem::take(&mut self.entries);
        let parsed = self.deeper(FUNCTION_LEVELS, parse);
        let entries = std::mem::replace(&mut self.entries, around);
        Ok((parsed?, self.tree.add_list(entries)))
    }

    fn deeper<T>(&mut self, levels: u32, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth + levels > MAX_DEPTH {
            let message = format!("nested too deeply: more than {MAX_DEPTH} levels");
            return Err(Box::new(SyntaxFault::new(message, self.token().span())));
        }
        self.look_at_room()?;
        self.depth += levels;
        let parsed = parse(self);
        self.depth -= levels;
        parsed
    }

    /// Every now and then: stops when what may be asked for until the next look might not be there.
    fn look_at_room(&mut self) -> Parsed<()> {
        self.parsed = self.parsed.wrapping_add(1);
        // Until then the largest vector can double, so can a list of statements (a third larger than the
        // expressions in them), and that list is copied once: six times the largest vector is enough.
        if self.parsed.is_multiple_of(LOOK) && (self.room)() < self.tree.largest() * 6 {
            self.starved = true;
            return fail("out of memory", self.token().span());
        }
        Ok(())
    }

    fn expr(&mut self, kind: ExprKind, span: Span) -> ExprId {
        self.tree.add(Expr { kind, span })
    }

    fn span_of(&self, expr: ExprId) -> Span {
        self.tree.get(expr).span
    }

    /// From a token's start to the end of what was read last.
    fn span_from(&self, start: Token) -> Span {
        start.span().to(self.previous().span())
    }

    fn intern(&mut self, token: Token) -> Name {
        let text = self.slice(token.span());
        self.tree.names.intern(text)
    }

    fn ident(&mut self, what: &str) -> Parsed<Ident> {
        match self.peek() {
            Kind::Name => Ok(self.ident_of()),
            _ => Err(self.unexpected(what)),
        }
    }

    /// The next token, whatever word it is, as a name.
    fn ident_of(&mut self) -> Ident {
        let token = self.bump();
        Ident { name: self.intern(token), span: token.span() }
    }

    /// The first name that occurs a second time.
    fn repeated(&mut self, names: impl Iterator<Item = Ident>) -> Option<Ident> {
        self.lists += 1;
        for ident in names {
            let index = ident.name.index();
            if index >= self.seen.len() {
                self.seen.resize(self.tree.names.len().max(index + 1), 0);
            }
            if std::mem::replace(&mut self.seen[index], self.lists) == self.lists {
                return Some(ident);
            }
        }
        None
    }
}

fn fail<T>(message: impl Into<String>, span: Span) -> Parsed<T> {
    Err(Box::new(SyntaxFault::new(message, span)))
}

fn fail_hint<T>(message: impl Into<String>, span: Span, hint: impl Into<String>) -> Parsed<T> {
    Err(Box::new(SyntaxFault::new(message, span).hint(hint)))
}
