//! Lines to text: indentation, empty lines, comments at the ends of lines.
//!
//! An empty line stands round a definition with a block, and wherever the source has one; two at top level where the
//! source has two; none at the start of a block. Comments at the ends of lines that follow each other stay in one
//! column if they stood in one; others stand two blanks behind the line.

use super::lines::{Lines, Piece, What, text};
use super::{INDENT, StyleError};
use crate::syntax::parser::MAX_SOURCE;
use crate::syntax::token::Kind;

/// A line of the result.
struct Row {
    blanks: u32,
    indent: usize,
    /// Its piece of the text.
    start: usize,
    end: usize,
    comment: Option<u32>,
}

struct Writer<'s> {
    source: &'s str,
    lines: &'s Lines,
    text: String,
    rows: Vec<Row>,
}

/// The text of all lines.
pub(super) fn write(source: &str, lines: &Lines) -> Result<String, StyleError> {
    let blanks = blanks(lines);
    let mut writer = Writer { source, lines, text: String::with_capacity(source.len()), rows: Vec::new() };
    for (unit, blanks) in lines.units.iter().zip(blanks) {
        let indent = unit.depth * INDENT;
        match unit.what {
            What::Comment(comment) => {
                writer.row(blanks, indent);
                writer.comment_alone(comment);
            }
            What::Line(line) => writer.line(line, blanks, indent),
        }
    }
    writer.finish()
}

impl Writer<'_> {
    fn row(&mut self, blanks: u32, indent: usize) {
        let start = self.text.len();
        self.rows.push(Row { blanks, indent, start, end: start, comment: None });
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
        if let Some(row) = self.rows.last_mut() {
            row.end = self.text.len();
        }
    }

    fn comment_alone(&mut self, comment: u32) {
        if let Some(comment) = self.lines.comments.get(comment as usize) {
            self.add(text(self.source, comment.start, comment.end));
        }
    }

    fn line(&mut self, line: usize, blanks: u32, indent: usize) {
        let Some(line) = self.lines.lines.get(line) else { return };
        let tokens = self.lines.tokens.get(line.tokens.clone()).unwrap_or_default();
        self.row(blanks, indent);
        // Brackets whose inside stands on lines of its own, and of each bracket whether it is one.
        let mut levels = 0;
        let mut open: Vec<bool> = Vec::new();
        for token in tokens {
            let closes = matches!(token.kind, Kind::RightParen | Kind::RightBracket | Kind::RightBrace);
            let fresh = self.comments_before(token, indent + levels * INDENT);
            if closes && open.pop() == Some(true) {
                levels -= 1;
            }
            if token.dropped {
                continue;
            }
            if token.breaks > 0 || !token.comments.is_empty() {
                let blank = token.breaks > 1 && !closes && !fresh;
                self.row(u32::from(blank), indent + levels * INDENT);
            } else if token.space {
                self.add(" ");
            }
            self.add(text(self.source, token.start, token.end));
            if token.comma {
                self.add(",");
            }
            if matches!(token.kind, Kind::LeftParen | Kind::LeftBracket | Kind::LeftBrace) {
                open.push(token.open);
                levels += usize::from(token.open);
            }
        }
        if let Some(row) = self.rows.last_mut() {
            row.comment = line.trailing;
        }
    }

    /// Comments inside a bracket, before a token. True: nothing stands in the bracket before the token.
    fn comments_before(&mut self, token: &Piece, indent: usize) -> bool {
        let opened = self.text.ends_with(['(', '[', '{']);
        let mut fresh = opened;
        for number in token.comments.clone() {
            let Some(comment) = self.lines.comments.get(number as usize) else { continue };
            if comment.alone {
                self.row(u32::from(comment.after_blank && !fresh), indent);
                self.comment_alone(number);
                fresh = false;
            } else if let Some(row) = self.rows.last_mut() {
                row.comment = Some(number);
            }
        }
        fresh
    }

    fn finish(self) -> Result<String, StyleError> {
        let end = match self.source.find('\n') {
            Some(at) if self.source.as_bytes().get(at.wrapping_sub(1)) == Some(&b'\r') => "\r\n",
            _ => "\n",
        };
        let mut out = String::with_capacity(self.text.len() + self.text.len() / 4);
        let columns = self.columns();
        for (row, column) in self.rows.iter().zip(columns) {
            let text = self.text.get(row.start..row.end).unwrap_or("");
            if out.len() + row.indent + text.len() + column > MAX_SOURCE {
                return Err(StyleError::TooLong);
            }
            for _ in 0..row.blanks {
                out.push_str(end);
            }
            blank(&mut out, row.indent);
            out.push_str(text);
            if let Some(comment) = row.comment.and_then(|it| self.lines.comments.get(it as usize)) {
                blank(&mut out, column.saturating_sub(self.width(row)).max(2));
                out.push_str(super::lines::text(self.source, comment.start, comment.end));
            }
            out.push_str(end);
        }
        Ok(out)
    }

    /// Where the comment of each line begins.
    fn columns(&self) -> Vec<usize> {
        let column = |row: &Row| {
            let comment = row.comment.and_then(|it| self.lines.comments.get(it as usize));
            comment.map(|comment| comment.column)
        };
        let mut columns = vec![0; self.rows.len()];
        let mut from = 0;
        while let Some(first) = self.rows.get(from) {
            let Some(shared) = column(first) else {
                from += 1;
                continue;
            };
            let rest = self.rows.get(from + 1..).unwrap_or_default();
            let more = rest.iter().take_while(|row| row.blanks == 0 && column(row) == Some(shared)).count();
            let run = from..from + 1 + more;
            let rows = self.rows.get(run.clone()).unwrap_or_default();
            let widest = rows.iter().map(|row| self.width(row)).max().unwrap_or(0);
            for place in columns.get_mut(run.clone()).unwrap_or_default() {
                *place = widest + 2;
            }
            from = run.end;
        }
        columns
    }

    /// Columns that the last line of a row's text takes.
    fn width(&self, row: &Row) -> usize {
        let text = self.text.get(row.start..row.end).unwrap_or("");
        match text.rfind('\n') {
            Some(at) => text[at + 1..].chars().count(),
            None => row.indent + text.chars().count(),
        }
    }
}

fn blank(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// What matters of a unit for the empty lines round it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Comment,
    Decorator,
    /// The header of a definition with a block.
    Definition,
    /// Another header of a block.
    Header,
    /// `else` and its like.
    Continuation,
    Plain,
}

/// Empty lines before each unit.
fn blanks(lines: &Lines) -> Vec<u32> {
    let roles: Vec<Role> = lines.units.iter().map(|unit| role(lines, unit.what)).collect();
    let mut out = Vec::with_capacity(roles.len());
    // By depth: the last unit there is a definition.
    let mut defined: Vec<bool> = Vec::new();
    // The line before, whatever comments follow it.
    let mut line = Role::Plain;
    for (at, (unit, &role)) in lines.units.iter().zip(&roles).enumerate() {
        let most = if unit.depth == 0 { 2 } else { 1 };
        let before = at.checked_sub(1).and_then(|before| lines.units.get(before).zip(roles.get(before)));
        let after_definition = defined.get(unit.depth) == Some(&true);
        let blanks = match before {
            None => 0,
            Some(_) if line == Role::Decorator || role == Role::Continuation => 0,
            Some((above, Role::Definition | Role::Header | Role::Continuation))
                if above.depth < unit.depth =>
            {
                0
            }
            Some((above, &above_role)) => {
                let attached = above_role == Role::Comment && above.depth == unit.depth && unit.blanks == 0;
                let defines = !attached && begins_definition(lines, &roles, at);
                unit.blanks.clamp(u32::from(defines || after_definition), most)
            }
        };
        out.push(blanks);
        defined.resize(unit.depth + 1, false);
        defined[unit.depth] = role == Role::Definition;
        if role != Role::Comment {
            line = role;
        }
    }
    out
}

/// Whether a unit is a definition's first line, or the first of the comments right above one.
fn begins_definition(lines: &Lines, roles: &[Role], at: usize) -> bool {
    let depth = lines.units.get(at).map(|unit| unit.depth);
    for (next, (unit, role)) in lines.units.iter().zip(roles).enumerate().skip(at) {
        if Some(unit.depth) != depth || (next > at && unit.blanks > 0) {
            return false;
        }
        match role {
            Role::Comment => {}
            Role::Definition | Role::Decorator => return true,
            _ => return false,
        }
    }
    false
}

fn role(lines: &Lines, what: What) -> Role {
    let What::Line(number) = what else { return Role::Comment };
    let Some(line) = lines.lines.get(number) else { return Role::Plain };
    let tokens = lines.tokens.get(line.tokens.clone()).unwrap_or_default();
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return Role::Plain };
    let block = last.kind == Kind::Colon;
    match first.kind {
        Kind::At => Role::Decorator,
        Kind::Def
        | Kind::Sync
        | Kind::Struct
        | Kind::Resource
        | Kind::AgentBlueprint
        | Kind::Workflow
        | Kind::Interface
        | Kind::Agent
            if block =>
        {
            Role::Definition
        }
        Kind::Elif | Kind::Else | Kind::Except | Kind::Finally => Role::Continuation,
        _ if block => Role::Header,
        _ => Role::Plain,
    }
}
