//! Places in a source text: byte offsets inside, lines and columns for people.

/// A range of byte offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(start: u32, end: u32) -> Self {
        Span { start, end }
    }

    /// The part of `self` before `end`.
    pub(super) fn clip(self, end: u32) -> Self {
        Span { start: self.start, end: self.end.min(end) }
    }

    /// From the start of `self` to the end of `last`.
    pub fn to(self, last: Span) -> Self {
        Span { start: self.start, end: last.end.max(self.start) }
    }
}

/// A source text with its line table.
#[derive(Debug, Clone)]
pub struct Source {
    text: Box<str>,
    /// Offset of the first byte of each line.
    lines: Box<[u32]>,
}

/// 1-based; the column counts code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Source {
    pub fn new(text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let lines = std::iter::once(0).chain(newlines.map(|(at, _)| at as u32 + 1)).collect();
        Source { text: text.into(), lines }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where an offset is. Offsets beyond the end count as the end.
    pub fn position(&self, offset: u32) -> Position {
        let offset = offset.min(self.text.len() as u32);
        let line = self.line_of(offset);
        let start = self.lines.get(line as usize - 1).copied().unwrap_or(0);
        let before = self.text.as_bytes().get(start as usize..offset as usize).unwrap_or_default();
        let column = before.iter().filter(|&&byte| byte & 0xC0 != 0x80).count() as u32 + 1;
        Position { line, column }
    }

    /// The 1-based line of an offset.
    pub fn line_of(&self, offset: u32) -> u32 {
        let offset = offset.min(self.text.len() as u32);
        self.lines.partition_point(|&start| start <= offset).max(1) as u32
    }

    /// Text of a 1-based line without its end of line; empty beyond the last.
    pub fn line(&self, line: u32) -> &str {
        let index = line.saturating_sub(1) as usize;
        let Some(&start) = self.lines.get(index) else { return "" };
        let end = self.lines.get(index + 1).map_or(self.text.len(), |&next| next as usize - 1);
        let line = self.text.get(start as usize..end).unwrap_or("");
        line.strip_suffix('\r').unwrap_or(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_code_points() {
        let source = Source::new("a\r\néx = 1\n\nlast");
        let cases =
            [(0, 1, 1), (3, 2, 1), (5, 2, 2), (6, 2, 3), (11, 3, 1), (12, 4, 1), (16, 4, 5), (99, 4, 5)];
        for (offset, line, column) in cases {
            assert_eq!(source.position(offset), Position { line, column }, "at {offset}");
        }
        let lines: Vec<_> = (0..7).map(|line| source.line(line)).collect();
        assert_eq!(lines, ["a", "a", "éx = 1", "", "last", "", ""]);
    }
}
