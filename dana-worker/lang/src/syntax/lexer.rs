//! Bytes to tokens in one pass, with indentation, brackets and the structure of f-strings resolved.
//!
//! Comments vanish before indentation is looked at; a block that holds only comments becomes a `pass`. The lexer
//! never fails as a whole: what it cannot read becomes a last token of kind [`Kind::Fault`], so that an earlier
//! error of the parser is the one reported. It leaves conversion of numbers and escapes to the parser.

mod fstring;
mod number;

use super::error::SyntaxFault;
use super::parser::Room;
use super::span::Span;
use super::token::{Kind, Token, keyword};

/// The tokens of a source. The last one is `End` or `Fault`.
pub(crate) struct Tokens {
    pub(crate) list: Vec<Token>,
    /// Why the last token is a `Fault`.
    pub(super) fault: Option<SyntaxFault>,
    /// Set when the text ended inside a bracket: where that was opened.
    pub(super) unclosed: Option<u32>,
    /// Set when the text ended inside triple quotes: more lines could close them.
    pub(super) open_text: bool,
}

/// Columns a tab counts.
pub(crate) const TAB: u32 = 8;

/// Tokens for which there is always place before the next one is read.
const MARGIN: usize = 64;

/// None: there is not `room` for the tokens.
pub(crate) fn lex(text: &str, room: Room<'_>) -> Option<Tokens> {
    let expected = text.len() / 4 + MARGIN;
    if room() < expected * size_of::<Token>() {
        return None;
    }
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: if text.starts_with('\u{feff}') { 3 } else { 0 },
        tokens: Vec::with_capacity(expected),
        indents: vec![0],
        tabs: false,
        opened: Vec::new(),
        fstrings: Vec::new(),
        room,
    };
    let outcome = lexer.run();
    let mut unclosed = None;
    let mut open_text = false;
    let mut starved = false;
    let fault = outcome.err().map(|stop| match stop {
        Stop::Fault(fault) => *fault,
        Stop::Unclosed(at, fault) => {
            unclosed = Some(at);
            *fault
        }
        Stop::OpenText(fault) => {
            open_text = true;
            *fault
        }
        Stop::Memory => {
            starved = true;
            SyntaxFault::new("out of memory", Span::default())
        }
    });
    if starved {
        return None;
    }
    let kind = if fault.is_some() { Kind::Fault } else { Kind::End };
    let at = lexer.at as u32;
    lexer.tokens.push(Token { kind, start: at, end: at });
    Some(Tokens { list: lexer.tokens, fault, unclosed, open_text })
}

struct Lexer<'s> {
    text: &'s str,
    bytes: &'s [u8],
    at: usize,
    tokens: Vec<Token>,
    /// Columns of the blocks that are open; never empty.
    indents: Vec<u32>,
    /// Some line was indented with a tab.
    tabs: bool,
    /// Brackets and f-string fields that are open, outermost first.
    opened: Vec<Opened>,
    fstrings: Vec<fstring::FString>,
    room: Room<'s>,
}

#[derive(Clone, Copy)]
struct Opened {
    kind: Bracket,
    at: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Paren,
    Square,
    Brace,
    /// `{` of an f-string. `in_spec`: inside a format spec. `lambda`: a `lambda` still waits for its `::`.
    Field {
        in_spec: bool,
        lambda: bool,
    },
}

enum Stop {
    Fault(Box<SyntaxFault>),
    Unclosed(u32, Box<SyntaxFault>),
    OpenText(Box<SyntaxFault>),
    Memory,
}

type Lexed<T> = Result<T, Stop>;

impl Lexer<'_> {
    fn run(&mut self) -> Lexed<()> {
        self.line_start()?;
        while let Some(byte) = self.skip_blanks()? {
            // More tokens than a line start or an f-string adds at once, so that no push grows unseen.
            if self.tokens.capacity() - self.tokens.len() < MARGIN {
                let more = self.tokens.capacity().max(MARGIN);
                if (self.room)() < (self.tokens.capacity() + more) * size_of::<Token>() {
                    return Err(Stop::Memory);
                }
                self.tokens.reserve_exact(more + MARGIN);
            }
            self.token(byte)?;
        }
        self.finish()
    }

    /// To the next token within the line (or the brackets); none at the end of the text.
    fn skip_blanks(&mut self) -> Lexed<Option<u8>> {
        loop {
            match self.peek(0) {
                Some(b' ' | b'\t' | b'\r' | 0x0C) => self.at += 1,
                Some(b'\n') => self.newline()?,
                Some(b'#') => {
                    if let Some(open) = self.fstrings.last() {
                        let fault =
                            SyntaxFault::new("a comment cannot stand inside an f-string", self.here(1));
                        let hint = format!("the f-string started on line {}", self.line_of(open.start));
                        return Err(stop(fault.hint(hint)));
                    }
                    self.skip_line();
                }
                other => return Ok(other),
            }
        }
    }

    fn newline(&mut self) -> Lexed<()> {
        if let Some(open) = self.fstrings.iter().find(|open| !open.triple) {
            return Err(self.unterminated(open.start, "f-string"));
        }
        if self.opened.is_empty() {
            let start = self.tokens.last().map_or(0, |token| token.end);
            self.tokens.push(Token { kind: Kind::Newline, start, end: self.at as u32 });
            self.at += 1;
            return self.line_start();
        }
        self.at += 1;
        Ok(())
    }

    /// Past blank and comment lines to the next line with code, and the layout tokens it calls for.
    fn line_start(&mut self) -> Lexed<()> {
        let current = self.indents.last().copied().unwrap_or(0);
        let mut comment = None;
        loop {
            let line = self.at;
            let mut column = 0;
            loop {
                match self.peek(0) {
                    Some(b' ') => column += 1,
                    Some(b'\t') => column += TAB,
                    Some(b'\r' | 0x0C) => {}
                    _ => break,
                }
                self.at += 1;
            }
            match self.peek(0) {
                Some(b'\n') => self.at += 1,
                Some(b'#') => {
                    if column > current && comment.is_none() {
                        comment = Some(self.at as u32);
                    }
                    self.skip_line();
                }
                None => {
                    self.comment_block(comment);
                    return Ok(());
                }
                Some(_) => {
                    self.tabs |= self.bytes[line..self.at].contains(&b'\t');
                    if column <= current {
                        self.comment_block(comment);
                    }
                    return self.indent(column);
                }
            }
        }
    }

    /// A header followed by nothing but comments, at least one of them indented: an empty block.
    fn comment_block(&mut self, comment: Option<u32>) {
        let header = match self.tokens.as_slice() {
            [.., colon, newline] => colon.kind == Kind::Colon && newline.kind == Kind::Newline,
            _ => false,
        };
        if let (true, Some(at)) = (header, comment) {
            for kind in [Kind::Indent, Kind::Pass, Kind::Newline, Kind::Dedent] {
                self.tokens.push(Token { kind, start: at, end: at });
            }
        }
    }

    fn indent(&mut self, column: u32) -> Lexed<()> {
        let at = self.at as u32;
        let current = self.indents.last().copied().unwrap_or(0);
        if column > current {
            self.indents.push(column);
            self.tokens.push(Token { kind: Kind::Indent, start: at, end: at });
            return Ok(());
        }
        while self.indents.last().is_some_and(|&open| open > column) {
            self.indents.pop();
            self.tokens.push(Token { kind: Kind::Dedent, start: at, end: at });
        }
        if self.indents.last() == Some(&column) {
            return Ok(());
        }
        let fault =
            SyntaxFault::new("this line is indented like no block that is open", Span::new(at, at + 1));
        Err(stop(if self.tabs {
            fault.hint(format!("tabs and spaces are mixed: a tab counts as {TAB} columns; use only spaces"))
        } else {
            fault.hint("lines of one block start in the same column")
        }))
    }

    fn finish(&mut self) -> Lexed<()> {
        if let Some(open) = self.opened.last() {
            let at = open.at;
            let fault = if let Bracket::Field { .. } = open.kind {
                let start = self.fstrings.last().map_or(at, |fstring| fstring.start);
                return Err(self.unterminated(start, "f-string"));
            } else {
                SyntaxFault::new(format!("{} is never closed", open.kind.open()), Span::new(at, at + 1))
            };
            return Err(Stop::Unclosed(at, Box::new(fault)));
        }
        let end = self.at as u32;
        if self
            .tokens
            .last()
            .is_some_and(|last| !matches!(last.kind, Kind::Newline | Kind::Dedent | Kind::Indent))
        {
            let start = self.tokens.last().map_or(end, |token| token.end);
            self.tokens.push(Token { kind: Kind::Newline, start, end });
        }
        for _ in 1..self.indents.len() {
            self.tokens.push(Token { kind: Kind::Dedent, start: end, end });
        }
        Ok(())
    }

    fn token(&mut self, byte: u8) -> Lexed<()> {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|next| next.is_ascii_digit()) => self.number(),
            b'"' | b'\'' => self.string(0),
            b'(' => {
                self.open(Bracket::Paren, Kind::LeftParen);
                Ok(())
            }
            b'[' => {
                self.open(Bracket::Square, Kind::LeftBracket);
                Ok(())
            }
            b'{' => {
                self.open(Bracket::Brace, Kind::LeftBrace);
                Ok(())
            }
            b')' => self.close(Bracket::Paren, Kind::RightParen),
            b']' => self.close(Bracket::Square, Kind::RightBracket),
            b'}' => match self.opened.last().map(|open| open.kind) {
                Some(Bracket::Field { .. }) => self.field_end(),
                _ => self.close(Bracket::Brace, Kind::RightBrace),
            },
            b':' | b'!' | b'=' if self.field_mark(byte)? => Ok(()),
            0x80.. => Err(self.foreign_letter()),
            _ => self.operator(byte),
        }
    }

    fn word(&mut self) -> Lexed<()> {
        let start = self.at;
        while self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        match self.peek(0) {
            Some(b'"' | b'\'') if word.len() <= 2 => {
                let raw = word.iter().any(|letter| letter.eq_ignore_ascii_case(&b'r'));
                let formatted = word.iter().any(|letter| letter.eq_ignore_ascii_case(&b'f'));
                if usize::from(raw) + usize::from(formatted) == word.len() {
                    return if formatted { self.fstring(start, raw) } else { self.string(word.len()) };
                }
            }
            Some(0x80..) => return Err(self.foreign_letter()),
            _ => {}
        }
        let kind = keyword(word).unwrap_or(Kind::Name);
        if kind == Kind::Lambda {
            self.note_lambda(true);
        }
        self.tokens.push(Token { kind, start: start as u32, end: self.at as u32 });
        Ok(())
    }

    /// At the opening quote; `prefix` letters of it were read.
    fn string(&mut self, prefix: usize) -> Lexed<()> {
        let start = self.at - prefix;
        let quote = self.bytes[self.at];
        let triple = self.bytes[self.at..].starts_with(&[quote; 3]);
        self.check_nested_quote(quote, triple, start)?;
        self.at += if triple { 3 } else { 1 };
        loop {
            match self.peek(0) {
                Some(byte) if byte == quote => {
                    if !triple {
                        self.at += 1;
                        break;
                    }
                    if self.bytes[self.at..].starts_with(&[quote; 3]) {
                        self.at += 3;
                        break;
                    }
                    self.at += 1;
                }
                Some(b'\\') => match self.peek(1) {
                    Some(b'\n') if !triple => return Err(self.unterminated(start as u32, "string")),
                    Some(_) => self.at += 2,
                    None => return Err(self.unterminated(start as u32, "string")),
                },
                Some(b'\n') if !triple => return Err(self.unterminated(start as u32, "string")),
                None => return Err(self.unterminated(start as u32, "string")),
                Some(_) => self.at += 1,
            }
        }
        self.tokens.push(Token { kind: Kind::String, start: start as u32, end: self.at as u32 });
        Ok(())
    }

    fn open(&mut self, bracket: Bracket, kind: Kind) {
        self.opened.push(Opened { kind: bracket, at: self.at as u32 });
        self.push(kind, 1);
    }

    fn close(&mut self, bracket: Bracket, kind: Kind) -> Lexed<()> {
        match self.opened.last() {
            Some(open) if open.kind == bracket => {
                self.opened.pop();
                self.push(kind, 1);
                Ok(())
            }
            Some(open) => {
                let line = self.line_of(open.at);
                let message =
                    format!("{} does not close the {} of line {line}", kind.describe(), open.kind.open());
                Err(stop(SyntaxFault::new(message, self.here(1))))
            }
            None => {
                let message = format!("{} closes nothing: no bracket is open", kind.describe());
                Err(stop(SyntaxFault::new(message, self.here(1))))
            }
        }
    }

    fn operator(&mut self, byte: u8) -> Lexed<()> {
        let rest = &self.bytes[self.at..];
        // Longest first.
        for foreign in ["**=", "//=", ">>=", "<<=", "===", "!=="] {
            if rest.starts_with(foreign.as_bytes()) {
                self.push(Kind::Foreign, 3);
                return Ok(());
            }
        }
        let two = match rest {
            [b'*', b'*', ..] => Some(Kind::DoubleStar),
            [b'/', b'/', ..] => Some(Kind::DoubleSlash),
            [b'=', b'=', ..] => Some(Kind::Equal),
            [b'!', b'=', ..] => Some(Kind::NotEqual),
            [b'<', b'=', ..] => Some(Kind::LessEqual),
            [b'>', b'=', ..] => Some(Kind::GreaterEqual),
            [b'+', b'=', ..] => Some(Kind::PlusAssign),
            [b'-', b'=', ..] => Some(Kind::MinusAssign),
            [b'*', b'=', ..] => Some(Kind::StarAssign),
            [b'/', b'=', ..] => Some(Kind::SlashAssign),
            [b'-', b'>', ..] => Some(Kind::Arrow),
            [b':', b':', ..] => Some(Kind::DoubleColon),
            [b'$', b'$', ..] => Some(Kind::Placeholder),
            [b'%' | b'&' | b'|' | b'^' | b':' | b'@', b'=', ..]
            | [b'<', b'<', ..]
            | [b'>', b'>', ..]
            | [b'&', b'&', ..]
            | [b'|', b'|', ..]
            | [b'=', b'>', ..]
            | [b'<', b'>', ..]
            | [b'|', b'>', ..] => Some(Kind::Foreign),
            _ => None,
        };
        if let Some(kind) = two {
            if kind == Kind::DoubleColon {
                self.note_lambda(false);
            }
            self.push(kind, 2);
            return Ok(());
        }
        let one = match byte {
            b',' => Kind::Comma,
            b':' => Kind::Colon,
            b';' => Kind::Semicolon,
            b'.' => Kind::Dot,
            b'@' => Kind::At,
            b'|' => Kind::Pipe,
            b'+' => Kind::Plus,
            b'-' => Kind::Minus,
            b'*' => Kind::Star,
            b'/' => Kind::Slash,
            b'%' => Kind::Percent,
            b'<' => Kind::Less,
            b'>' => Kind::Greater,
            b'=' => Kind::Assign,
            b'&' | b'^' | b'~' | b'!' | b'?' => Kind::Foreign,
            b'\\' => {
                let fault = SyntaxFault::new("unexpected '\\'", self.here(1));
                let hint = if self.fstrings.is_empty() {
                    "a line goes on inside parentheses; there is no line continuation with a backslash"
                } else {
                    "an expression inside an f-string has no backslash; use the other kind of quote in it"
                };
                return Err(stop(fault.hint(hint)));
            }
            b'$' => {
                let fault = SyntaxFault::new("unexpected '$'", self.here(1));
                return Err(stop(fault.hint("the place of the piped value is written $$")));
            }
            _ => {
                let message = if byte.is_ascii_graphic() {
                    format!("unexpected character '{}'", byte as char)
                } else {
                    format!("unexpected control character U+{byte:04X}")
                };
                return Err(stop(SyntaxFault::new(message, self.here(1))));
            }
        };
        self.push(one, 1);
        Ok(())
    }

    fn push(&mut self, kind: Kind, len: usize) {
        let start = self.at as u32;
        self.at += len;
        self.tokens.push(Token { kind, start, end: self.at as u32 });
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// To the end of the line, not past it.
    fn skip_line(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }

    fn here(&self, len: u32) -> Span {
        Span::new(self.at as u32, self.at as u32 + len)
    }

    fn line_of(&self, offset: u32) -> usize {
        self.bytes[..offset as usize].iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    fn unterminated(&self, start: u32, what: &str) -> Stop {
        let fault =
            SyntaxFault::new(format!("this {what} is never closed"), Span::new(start, self.at as u32));
        let quotes = self.text[start as usize..].trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let triple = quotes.starts_with("\"\"\"") || quotes.starts_with("'''");
        if triple && self.fstrings.iter().all(|open| open.triple) {
            return Stop::OpenText(Box::new(fault));
        }
        stop(if triple { fault } else { fault.hint("text over several lines goes between triple quotes") })
    }

    /// A character outside ASCII where code is expected.
    fn foreign_letter(&self) -> Stop {
        let letter = self.text[self.at..].chars().next().unwrap_or('?');
        let span = self.here(letter.len_utf8() as u32);
        let code = letter as u32;
        stop(match letter {
            '“' | '”' | '„' | '‘' | '’' | '«' | '»' => {
                SyntaxFault::new(format!("unexpected typographic quote {letter}"), span)
                    .hint("strings stand between \" or '")
            }
            '–' | '—' | '−' => SyntaxFault::new(format!("unexpected '{letter}' (U+{code:04X})"), span)
                .hint("minus is written -"),
            _ if letter.is_whitespace() || letter.is_control() || code == 0x200B || code == 0xFEFF => {
                SyntaxFault::new(format!("unexpected invisible character U+{code:04X}"), span)
                    .hint("only blanks and tabs separate words; the character may come from copied text")
            }
            _ if letter.is_alphanumeric() => {
                SyntaxFault::new(format!("unexpected letter '{letter}' in a name"), span)
                    .hint("names have only the letters a-z and A-Z, digits and _")
            }
            _ => SyntaxFault::new(format!("unexpected character '{letter}' (U+{code:04X})"), span),
        })
    }
}

impl Bracket {
    fn open(self) -> &'static str {
        match self {
            Bracket::Paren => "'('",
            Bracket::Square => "'['",
            Bracket::Brace | Bracket::Field { .. } => "'{'",
        }
    }
}

fn stop(fault: SyntaxFault) -> Stop {
    Stop::Fault(Box::new(fault))
}
