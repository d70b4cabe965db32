//! Strings: up to seven bytes inline, longer ones shared.
//!
//! Positions in Dana are code points. ASCII text maps them to bytes directly; other text builds a table of
//! byte positions, one for every 64 code points, when it is first indexed.

use std::cell::{Cell, OnceCell};
use std::ops::Deref;

use super::{Raise, memory};

const MARK_EVERY: usize = 64;

/// At most seven bytes of UTF-8: the bytes from the lowest up, the length in the highest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SmallStr(u64);

impl SmallStr {
    pub const CAPACITY: usize = 7;
    pub const EMPTY: SmallStr = SmallStr(0);

    #[inline]
    pub fn new(text: &str) -> Option<SmallStr> {
        let bytes = text.as_bytes();
        if bytes.len() > Self::CAPACITY {
            return None;
        }
        let mut packed = [0_u8; 8];
        packed[..bytes.len()].copy_from_slice(bytes);
        packed[7] = bytes.len() as u8;
        Some(SmallStr(u64::from_le_bytes(packed)))
    }

    /// Equal texts have equal bits.
    #[inline(always)]
    pub fn bits(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub fn len(self) -> usize {
        (self.0 >> 56) as usize
    }

    #[inline(always)]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The text's bytes, then whatever: the first [`SmallStr::len`] count.
    #[inline(always)]
    pub fn padded(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    #[inline(always)]
    pub fn is_ascii(self) -> bool {
        self.0 & 0x0080_8080_8080_8080 == 0
    }

    /// The text after `self`, when it still fits.
    #[inline]
    pub fn join(self, other: SmallStr) -> Option<SmallStr> {
        let (a, b) = (self.len(), other.len());
        if a + b > Self::CAPACITY {
            return None;
        }
        let low = self.0 & 0x00FF_FFFF_FFFF_FFFF;
        let high = (other.0 & 0x00FF_FFFF_FFFF_FFFF) << (8 * a);
        Some(SmallStr(low | high | (((a + b) as u64) << 56)))
    }

    #[inline(always)]
    pub fn text(self) -> Text<'static> {
        Text::Small(self.0.to_le_bytes())
    }

    /// The `at`th byte as text, for ASCII text.
    #[inline]
    pub fn ascii_at(self, at: usize) -> SmallStr {
        SmallStr(((self.0 >> (8 * at)) & 0x7F) | (1 << 56))
    }

    /// One ASCII character.
    #[inline]
    pub fn ascii(byte: u8) -> SmallStr {
        SmallStr(u64::from(byte & 0x7F) | (1 << 56))
    }
}

/// Borrowed text of a string value; use as `&str`.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// The bytes, then the length in the last.
    Small([u8; 8]),
    Heap(&'a str),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Heap(text) => text,
            Text::Small(packed) => {
                let [bytes @ .., len] = packed;
                bytes.get(..usize::from(*len)).and_then(|used| std::str::from_utf8(used).ok()).unwrap_or("")
            }
        }
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

/// More than seven bytes of text, with what is worth remembering about it.
#[derive(Debug)]
pub struct StrObj {
    text: String,
    ascii: bool,
    hash: Cell<u64>,
    chars: OnceCell<Box<CharTable>>,
}

#[derive(Debug)]
struct CharTable {
    count: usize,
    /// Byte position of every 64th code point.
    marks: Vec<u32>,
}

impl CharTable {
    /// Counts on where a text of `start` bytes grows by `more`.
    fn extend(&mut self, start: usize, more: &str) {
        for (at, _) in more.char_indices() {
            if self.count.is_multiple_of(MARK_EVERY) {
                self.marks.push((start + at) as u32);
            }
            self.count += 1;
        }
    }
}

impl StrObj {
    #[inline]
    pub fn new(text: String) -> StrObj {
        let ascii = text.is_ascii();
        StrObj::known(text, ascii)
    }

    /// Text of which is known whether it is ASCII only.
    #[inline]
    fn known(text: String, ascii: bool) -> StrObj {
        StrObj { text, ascii, hash: Cell::new(0), chars: OnceCell::new() }
    }

    #[inline]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[inline]
    pub fn is_ascii(&self) -> bool {
        self.ascii
    }

    /// Room left before an append must allocate.
    pub fn spare(&self) -> usize {
        self.text.capacity() - self.text.len()
    }

    /// Makes room to append so many bytes, within the memory limit.
    pub fn grow(&mut self, more: usize) -> Result<(), Raise> {
        let len = self.text.len();
        let wanted = match memory::reserve(len.saturating_mul(2).saturating_add(more)) {
            Ok(()) => len.max(more),
            // Near the limit it grows by little.
            Err(_) => {
                let wanted = more.saturating_add(len / 8);
                memory::reserve(len.saturating_add(wanted))?;
                wanted
            }
        };
        self.text.reserve_exact(wanted);
        Ok(())
    }

    /// Appends in place; only for a string nobody else holds.
    pub fn push_str(&mut self, more: &str) {
        self.ascii = self.ascii && more.is_ascii();
        if let Some(table) = self.chars.get_mut() {
            table.extend(self.text.len(), more);
        }
        self.text.push_str(more);
        self.hash.set(0);
    }

    #[inline]
    pub fn cached_hash(&self) -> u64 {
        self.hash.get()
    }

    #[inline]
    pub fn set_hash(&self, hash: u64) {
        self.hash.set(hash);
    }

    fn table(&self) -> &CharTable {
        self.chars.get_or_init(|| {
            let mut table =
                CharTable { count: 0, marks: Vec::with_capacity(self.text.len() / MARK_EVERY / 2) };
            table.extend(0, &self.text);
            Box::new(table)
        })
    }

    /// Length in code points.
    pub fn char_count(&self) -> usize {
        if self.ascii { self.text.len() } else { self.table().count }
    }

    /// Byte position of a code point; the text's length for one past the last.
    pub fn byte_of(&self, at: usize) -> usize {
        if self.ascii {
            return at.min(self.text.len());
        }
        let table = self.table();
        if at >= table.count {
            return self.text.len();
        }
        let start = table.marks.get(at / MARK_EVERY).copied().unwrap_or(0) as usize;
        let rest = self.text.get(start..).unwrap_or("");
        rest.char_indices().nth(at % MARK_EVERY).map_or(self.text.len(), |(offset, _)| start + offset)
    }
}

/// Code points of a string value.
pub fn char_count(text: &super::Value) -> usize {
    match text {
        super::Value::Small(small) if small.is_ascii() => small.len(),
        super::Value::Small(small) => small.text().chars().count(),
        super::Value::Str(object) => object.char_count(),
        _ => 0,
    }
}

/// The code point at a position inside the text.
pub fn char_at(text: &super::Value, at: usize) -> Option<super::Value> {
    match text {
        super::Value::Small(small) if small.is_ascii() => {
            (at < small.len()).then(|| super::Value::Small(small.ascii_at(at)))
        }
        super::Value::Small(small) => small.text().chars().nth(at).map(super::Value::char),
        super::Value::Str(object) if object.ascii => {
            object.text.as_bytes().get(at).map(|byte| super::Value::Small(SmallStr::ascii(*byte)))
        }
        super::Value::Str(object) => {
            let start = object.byte_of(at);
            object.text.get(start..).and_then(|rest| rest.chars().next()).map(super::Value::char)
        }
        _ => None,
    }
}

/// The code points from `start` to before `stop` (both inside the text, in order).
pub fn slice(text: &super::Value, start: usize, stop: usize) -> super::Value {
    match text {
        super::Value::Str(object) => {
            let (from, to) = (object.byte_of(start), object.byte_of(stop));
            super::Value::str(object.text.get(from..to).unwrap_or(""))
        }
        super::Value::Small(small) => {
            let part: String = small.text().chars().skip(start).take(stop.saturating_sub(start)).collect();
            super::Value::string(part)
        }
        other => other.clone(),
    }
}
