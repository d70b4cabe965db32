//! A source as logical lines: tokens, the comments among them, and how deep each stands.
//!
//! The lexer drops comments; they are found again in what lies between its tokens. An f-string is one token here.

use std::ops::Range;

use crate::syntax::lexer::{TAB, lex};
use crate::syntax::token::{Kind, Token};

/// A token with what the style says of it.
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
    /// Line breaks before it, within its line: none, one, or one and an empty line.
    pub(super) breaks: u8,
    /// A blank before it, where no line break is.
    pub(super) space: bool,
    /// White space stood before it.
    pub(super) apart: bool,
    /// Left out: a comma that means nothing.
    pub(super) dropped: bool,
    /// A comma is added behind it.
    pub(super) comma: bool,
    /// A bracket whose inside stands on lines of its own.
    pub(super) open: bool,
    /// Comments before it, within its line.
    pub(super) comments: Range<u32>,
}

pub(super) struct Comment {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Nothing but white space stands before it on its line.
    pub(super) alone: bool,
    /// An empty line stood before it.
    pub(super) after_blank: bool,
    /// Characters before it on its line.
    pub(super) column: u32,
}

/// A logical line.
pub(super) struct Line {
    pub(super) tokens: Range<usize>,
    pub(super) depth: usize,
    /// The comment at its end.
    pub(super) trailing: Option<u32>,
}

/// What stands on lines of its own, in order.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) what: What,
    pub(super) depth: usize,
    /// Empty lines before it.
    pub(super) blanks: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Line(usize),
    Comment(u32),
}

#[derive(Default)]
pub(super) struct Lines {
    pub(super) tokens: Vec<Piece>,
    pub(super) comments: Vec<Comment>,
    pub(super) lines: Vec<Line>,
    pub(super) units: Vec<Unit>,
}

/// The logical lines of a source that parses.
pub(super) fn read(source: &str, tokens: &[Token]) -> Lines {
    let start = if source.starts_with('\u{feff}') { 3 } else { 0 };
    let mut reader = Reader { source, tokens, out: Lines::default(), levels: vec![0], first: 0, blanks: 0 };
    reader.between_lines(start, None);
    reader.run();
    reader.out
}

/// All comments of a source in order, each with its place.
pub(crate) fn comments(source: &str) -> Vec<(usize, &str)> {
    let tokens = lex(source, &|| usize::MAX).map(|tokens| tokens.list).unwrap_or_default();
    let lines = read(source, &tokens);
    lines.comments.iter().map(|it| (it.start as usize, text(source, it.start, it.end))).collect()
}

pub(super) fn text(source: &str, start: u32, end: u32) -> &str {
    source.get(start as usize..end as usize).unwrap_or("")
}

struct Reader<'s> {
    source: &'s str,
    tokens: &'s [Token],
    out: Lines,
    /// Columns of the blocks that are open.
    levels: Vec<u32>,
    /// First token of the line that is being read.
    first: usize,
    /// Empty lines before it.
    blanks: u32,
}

impl Reader<'_> {
    fn run(&mut self) {
        let mut end = 0_u32;
        let mut at = 0;
        while let Some(&token) = self.tokens.get(at) {
            at += 1;
            match token.kind {
                Kind::Newline => {
                    self.line_end();
                    self.trailing(token);
                    self.between_lines(token.end as usize + 1, Some(at));
                }
                Kind::Semicolon => {
                    self.line_end();
                    end = token.end;
                }
                Kind::Indent => {
                    let column = self.column(token.start as usize);
                    self.levels.push(column);
                }
                Kind::Dedent => {
                    self.levels.pop();
                }
                Kind::Pass if token.start == token.end => {
                    // A block of comments: its line break is no line.
                    at += 1;
                }
                Kind::End | Kind::Fault => {}
                kind => {
                    let (kind, last) = match kind {
                        Kind::FStart => (Kind::String, self.fstring(&mut at)),
                        _ => (kind, token.end),
                    };
                    self.piece(kind, token.start, last, end);
                    end = last;
                }
            }
        }
    }

    /// Past the end of an f-string.
    fn fstring(&self, at: &mut usize) -> u32 {
        let mut open = 1_u32;
        let mut end = 0;
        while open > 0
            && let Some(token) = self.tokens.get(*at)
        {
            match token.kind {
                Kind::FStart => open += 1,
                Kind::FEnd => open -= 1,
                _ => {}
            }
            end = token.end;
            *at += 1;
        }
        end
    }

    fn piece(&mut self, kind: Kind, start: u32, end: u32, before: u32) {
        let comments = self.out.comments.len() as u32;
        let mut breaks = 0;
        let inside = self.out.tokens.len() > self.first;
        if inside && before < start {
            breaks = self.inside_line(before, start);
        }
        self.out.tokens.push(Piece {
            kind,
            start,
            end,
            breaks,
            space: false,
            apart: inside && before < start,
            dropped: false,
            comma: false,
            open: false,
            comments: comments..self.out.comments.len() as u32,
        });
    }

    /// Comments and line breaks between two tokens of a line.
    fn inside_line(&mut self, from: u32, to: u32) -> u8 {
        let between = text(self.source, from, to);
        if !between.contains('\n') {
            return 0;
        }
        let mut at = from;
        let mut blank = false;
        let mut parts = between.split('\n').peekable();
        let mut first = true;
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            match part.find('#') {
                Some(offset) => {
                    self.comment(at + offset as u32, at + part.len() as u32, !first, blank);
                    blank = false;
                }
                None if !first && !last => blank = true,
                None => {}
            }
            at += part.len() as u32 + 1;
            first = false;
        }
        if blank { 2 } else { 1 }
    }

    fn comment(&mut self, start: u32, end: u32, alone: bool, after_blank: bool) -> u32 {
        let end = start + text(self.source, start, end).trim_end().len() as u32;
        let before = self.source.get(..start as usize).unwrap_or("");
        let column = if alone { 0 } else { before.chars().rev().take_while(|&it| it != '\n').count() as u32 };
        self.out.comments.push(Comment { start, end, alone, after_blank, column });
        self.out.comments.len() as u32 - 1
    }

    fn line_end(&mut self) {
        let tokens = self.first..self.out.tokens.len();
        if tokens.is_empty() {
            return;
        }
        self.first = tokens.end;
        let depth = self.levels.len().saturating_sub(1);
        let what = What::Line(self.out.lines.len());
        self.out.units.push(Unit { what, depth, blanks: std::mem::take(&mut self.blanks) });
        self.out.lines.push(Line { tokens, depth, trailing: None });
    }

    /// The comment at the end of the line that just ended.
    fn trailing(&mut self, newline: Token) {
        if let Some(offset) = text(self.source, newline.start, newline.end).find('#') {
            let comment = self.comment(newline.start + offset as u32, newline.end, false, false);
            if let Some(line) = self.out.lines.last_mut() {
                line.trailing = Some(comment);
            }
        }
    }

    /// Empty lines and comments up to the next line; `next` is the token after the line break.
    ///
    /// A comment stands as deep as the line after it. Where blocks end before that line, the comment belongs to the
    /// innermost of them whose column it reaches.
    fn between_lines(&mut self, from: usize, next: Option<usize>) {
        let before = self.levels.len() - 1;
        let mut depth = before;
        let mut empty_block = false;
        let mut to = self.source.len();
        for token in self.tokens.get(next.unwrap_or(0)..).unwrap_or_default() {
            match token.kind {
                Kind::Indent => depth += 1,
                Kind::Dedent => depth = depth.saturating_sub(1),
                Kind::Pass if token.start == token.end => empty_block = true,
                Kind::Newline if token.start == token.end && empty_block => {}
                Kind::End => {
                    depth = 0;
                    break;
                }
                _ => {
                    to = token.start as usize;
                    break;
                }
            }
        }
        self.blanks = 0;
        let Some(gap) = self.source.get(from..to) else { return };
        if !gap.contains('\n') && !gap.contains('#') {
            return;
        }
        let base = self.levels.last().copied().unwrap_or(0);
        // In a block of comments everything up to its first comment that is indented belongs to it.
        let mut waiting = empty_block;
        let mut deepest = if empty_block { before + 1 } else { before };
        let mut at = from;
        let mut lines = gap.split('\n').peekable();
        while let Some(line) = lines.next() {
            let last = lines.peek().is_none();
            let stripped = line.trim_start_matches([' ', '\t', '\r', '\u{c}']);
            if stripped.starts_with('#') {
                let start = at + line.len() - stripped.len();
                let column = self.column(start);
                let level = if waiting {
                    waiting = column <= base;
                    before + 1
                } else if depth >= before && !empty_block {
                    depth
                } else {
                    let reached = (depth..=before).rev().find(|&level| {
                        level == depth || self.levels.get(level).is_some_and(|&open| open <= column)
                    });
                    let level =
                        if empty_block && column > base { before + 1 } else { reached.unwrap_or(depth) };
                    deepest = deepest.min(level);
                    deepest
                };
                let comment = self.comment(start as u32, (at + line.len()) as u32, true, false);
                let blanks = std::mem::take(&mut self.blanks);
                self.out.units.push(Unit { what: What::Comment(comment), depth: level, blanks });
            } else if !last {
                self.blanks += 1;
            }
            at += line.len() + 1;
        }
    }

    /// The column of a place as the lexer counts it.
    fn column(&self, at: usize) -> u32 {
        let before = self.source.get(..at).unwrap_or("");
        let line = before.rsplit('\n').next().unwrap_or("");
        line.bytes()
            .map(|byte| match byte {
                b' ' => 1,
                b'\t' => TAB,
                _ => 0,
            })
            .sum()
    }
}
