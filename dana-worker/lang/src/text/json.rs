//! JSON without a tree of its own: a reader that reports what it meets, and a writer of texts.
//!
//! Our own because the values belong to the session's memory meter, big integers must survive, and depth and size
//! must be refused before anything is built; a general crate would build its tree first. The grammar is RFC 8259 plus
//! the `NaN`, `Infinity` and `-Infinity` that Python's `json` reads.

use std::fmt::Write as _;

use thiserror::Error;

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 200;

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Mistake {
    #[error("{what} at character {at}")]
    Syntax { what: &'static str, at: usize },
    #[error("JSON is nested deeper than {MAX_DEPTH} levels")]
    Depth,
}

/// What a reader meets. Strings are decoded; numbers are given as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    Null,
    Bool(bool),
    /// An integer literal of any length.
    Int(&'a str),
    Float(f64),
    Text(String),
    ListStart,
    ListEnd,
    DictStart,
    /// A key; its value follows.
    Key(String),
    DictEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    List,
    Dict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Value,
    /// A value or the end of a list just begun.
    ValueOrEnd,
    /// A key or the end of a dict just begun.
    KeyOrEnd,
    /// After a value.
    Next,
    Nothing,
}

/// Pulls events out of a text.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    levels: Vec<Level>,
    want: Want,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, levels: Vec::new(), want: Want::Value }
    }

    /// The next event; `None` when the one value of the text has been read and nothing follows it.
    pub fn next_event(&mut self) -> Result<Option<Event<'a>>, Mistake> {
        self.skip_blanks();
        let want = self.want;
        match want {
            Want::Nothing if self.at == self.text.len() => Ok(None),
            Want::Nothing => Err(self.mistake("extra data")),
            Want::Value => self.value().map(Some),
            Want::ValueOrEnd if self.take(b']') => Ok(Some(self.close(Event::ListEnd))),
            Want::ValueOrEnd => self.value().map(Some),
            Want::KeyOrEnd if self.take(b'}') => Ok(Some(self.close(Event::DictEnd))),
            Want::KeyOrEnd => self.key().map(Some),
            Want::Next => self.after_value().map(Some),
        }
    }

    /// Where the reader stands, in bytes.
    pub fn position(&self) -> usize {
        self.at
    }

    fn after_value(&mut self) -> Result<Event<'a>, Mistake> {
        match self.levels.last().copied() {
            Some(Level::List) if self.take(b']') => Ok(self.close(Event::ListEnd)),
            Some(Level::Dict) if self.take(b'}') => Ok(self.close(Event::DictEnd)),
            Some(level) => {
                if !self.take(b',') {
                    return Err(self.mistake("expected ',' or the end of the list or object"));
                }
                self.skip_blanks();
                match level {
                    Level::List => self.value(),
                    Level::Dict => self.key(),
                }
            }
            None => Err(self.mistake("extra data")),
        }
    }

    fn value(&mut self) -> Result<Event<'a>, Mistake> {
        let event = match self.peek() {
            Some(b'{') => return self.open(Level::Dict),
            Some(b'[') => return self.open(Level::List),
            Some(b'"') => Event::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        self.settle();
        Ok(event)
    }

    fn open(&mut self, level: Level) -> Result<Event<'a>, Mistake> {
        if self.levels.len() >= MAX_DEPTH {
            return Err(Mistake::Depth);
        }
        self.at += 1;
        self.levels.push(level);
        match level {
            Level::List => {
                self.want = Want::ValueOrEnd;
                Ok(Event::ListStart)
            }
            Level::Dict => {
                self.want = Want::KeyOrEnd;
                Ok(Event::DictStart)
            }
        }
    }

    fn close(&mut self, event: Event<'a>) -> Event<'a> {
        self.levels.pop();
        self.settle();
        event
    }

    fn settle(&mut self) {
        self.want = if self.levels.is_empty() { Want::Nothing } else { Want::Next };
    }

    fn key(&mut self) -> Result<Event<'a>, Mistake> {
        if self.peek() != Some(b'"') {
            return Err(self.mistake("expected a property name in double quotes"));
        }
        let key = self.string()?;
        self.skip_blanks();
        if !self.take(b':') {
            return Err(self.mistake("expected ':'"));
        }
        self.want = Want::Value;
        Ok(Event::Key(key))
    }

    fn word(&mut self) -> Result<Event<'a>, Mistake> {
        let words = [
            ("null", Event::Null),
            ("true", Event::Bool(true)),
            ("false", Event::Bool(false)),
            ("NaN", Event::Float(f64::NAN)),
            ("Infinity", Event::Float(f64::INFINITY)),
        ];
        for (word, event) in words {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(event);
            }
        }
        Err(self.mistake("expected a value"))
    }

    fn number(&mut self) -> Result<Event<'a>, Mistake> {
        let rest = self.rest();
        if rest.starts_with("-Infinity") {
            self.at += "-Infinity".len();
            return Ok(Event::Float(f64::NEG_INFINITY));
        }
        let bytes = rest.as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let sign = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(sign);
        if whole == 0 {
            return Err(self.mistake("expected a value"));
        }
        // A leading zero stands alone: `01` is `0` and then extra data.
        let mut end = sign + if bytes.get(sign) == Some(&b'0') { 1 } else { whole };
        let mut fractional = false;
        if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
            fractional = true;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            if digits(signed) > 0 {
                end = signed + digits(signed);
                fractional = true;
            }
        }
        let literal = rest.get(..end).unwrap_or_default();
        self.at += end;
        if fractional {
            return Ok(Event::Float(literal.parse().unwrap_or(f64::NAN)));
        }
        Ok(Event::Int(literal))
    }

    /// A string, its opening quote ahead.
    fn string(&mut self) -> Result<String, Mistake> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let Some(stop) = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')
            else {
                return Err(self.mistake("unterminated string"));
            };
            out.push_str(rest.get(..stop).unwrap_or_default());
            self.at += stop;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                // Models write line breaks into strings; nothing is lost by reading them.
                Some(control @ (b'\n' | b'\r' | b'\t')) => {
                    self.at += 1;
                    out.push(char::from(control));
                }
                _ => return Err(self.mistake("invalid control character in a string")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Mistake> {
        self.at += 1;
        let Some(mark) = self.peek() else { return Err(self.mistake("unterminated string")) };
        self.at += 1;
        out.push(match mark {
            b'"' | b'\\' | b'/' => char::from(mark),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode_escape()?,
            _ => {
                self.at -= 2;
                return Err(self.mistake("invalid escape"));
            }
        });
        Ok(())
    }

    /// The four digits after `\u`, with a surrogate's other half; a lone surrogate becomes U+FFFD.
    fn unicode_escape(&mut self) -> Result<char, Mistake> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if self.take(b'\\') && self.take(b'u') {
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        self.at = before;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Result<u32, Mistake> {
        let digits = self.rest().get(..4).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => Err(self.mistake("invalid \\uXXXX escape")),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn mistake(&self, what: &'static str) -> Mistake {
        Mistake::Syntax { what, at: self.at }
    }
}

/// Appends `text` as a JSON string, keeping what is printable as it is.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::{Event, MAX_DEPTH, Mistake, Reader, push_string};

    fn read(text: &str) -> Result<Vec<Event<'_>>, Mistake> {
        let mut reader = Reader::new(text);
        let mut events = Vec::new();
        while let Some(event) = reader.next_event()? {
            events.push(event);
        }
        Ok(events)
    }

    #[test]
    fn reads_every_kind() {
        let wanted = vec![
            Event::DictStart,
            Event::Key("a".to_owned()),
            Event::ListStart,
            Event::Int("1"),
            Event::Float(-2.5),
            Event::Bool(true),
            Event::Null,
            Event::ListEnd,
            Event::Key("\u{1F600}\n".to_owned()),
            Event::DictStart,
            Event::DictEnd,
            Event::DictEnd,
        ];
        assert_eq!(read(r#" {"a": [1, -2.5, true, null], "\ud83d\ude00\n": {}} "#), Ok(wanted));
    }

    #[test]
    fn refuses_what_is_not_json() {
        let bad = [
            "",
            "{",
            "[",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "01",
            "1.",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "tru",
            "[]]",
            "{\"a\" 1}",
            "'a'",
            "-",
            "nul",
            "\"a\u{1}\"",
        ];
        for text in bad {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_depth() {
        assert!(read(&("[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH))).is_ok());
        assert_eq!(read(&"[".repeat(1_000_000)), Err(Mistake::Depth));
    }

    #[test]
    fn written_strings_read_back() {
        let text = "a\"\\\u{0}\n\u{7f}é\u{1F600}";
        let mut out = String::new();
        push_string(&mut out, text);
        assert_eq!(read(&out), Ok(vec![Event::Text(text.to_owned())]));
    }
}
