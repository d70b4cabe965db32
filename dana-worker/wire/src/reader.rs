//! Pulls tokens out of a payload. The rule: nothing is believed before it is checked, nothing is
//! allocated at all, and every limit of the budget holds at every token.
//!
//! Every value has one form, the shortest MessagePack has for it; a longer one is a violation. So
//! equal bytes and equal values of one kind are the same thing.

use crate::budget::{Budget, EXCEPTION_COST, EXCEPTION_TEXT_COST, MAX_DEPTH, PACKED_COST};
use crate::literal::{LITERAL_COST, Literal, LiteralKind};
use crate::marker::*;
use crate::name::is_name;
use crate::shape::{Form, Place, Shape};
use crate::table::Table;
use crate::token::Token;
use crate::violation::{Allowance, KeyFault, Violation};

/// A checked walk over a payload: zero or more values, back to back, under one budget.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
    shape: Shape,
}

impl<'a> Reader<'a> {
    /// Starts at the first value of `payload`. Fails only if the payload is longer than one may be.
    #[inline]
    pub fn new(payload: &'a [u8], budget: &Budget) -> Result<Self, Violation> {
        if payload.len() > budget.payload_bytes {
            return Err(Violation::Exceeded { what: Allowance::PayloadBytes, limit: budget.payload_bytes });
        }
        let budget = Budget { depth: budget.depth.min(MAX_DEPTH), ..*budget };
        Ok(Reader { rest: payload, total: payload.len(), shape: Shape::new(&budget) })
    }

    /// True when every byte was read and no container is open.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty() && self.shape.depth() == 0
    }

    /// Containers that are open, that is, whose last item was not yet read.
    pub fn depth(&self) -> usize {
        self.shape.depth()
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.total - self.rest.len()
    }

    /// Estimated bytes of memory of what was read so far.
    pub fn charged(&self) -> usize {
        self.shape.charged()
    }

    /// Ends the walk: refuses bytes left over and containers left open.
    pub fn finish(self) -> Result<(), Violation> {
        if self.shape.depth() != 0 {
            return Err(Violation::Truncated { at: self.position() });
        }
        if !self.rest.is_empty() {
            return Err(Violation::Payload { found: "more" });
        }
        Ok(())
    }

    /// The next token. After an error the reader is of no further use.
    #[expect(clippy::should_implement_trait, reason = "an error ends the walk, so this is no iterator")]
    #[inline]
    pub fn next(&mut self) -> Result<Token<'a>, Violation> {
        let at = self.position();
        let marker = self.byte()?;
        match marker {
            0x00..=0x7f => self.int(i64::from(marker), at),
            0xe0..=0xff => self.int(i64::from(marker.cast_signed()), at),
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f), at),
            0x90..=0x9f => self.array(u32::from(marker & 0x0f), at),
            0x80..=0x8f => self.map(u32::from(marker & 0x0f), at),
            NIL => self.scalar(Token::None, at),
            FALSE => self.scalar(Token::Bool(false), at),
            TRUE => self.scalar(Token::Bool(true), at),
            F64 => self.float(at),
            U8 | U16 | U32 | U64 => {
                let int = i64::try_from(self.unsigned(marker, at)?).map_err(|_| Violation::Integer { at })?;
                self.int(int, at)
            }
            I8 | I16 | I32 | I64 => {
                let int = self.signed(marker, at)?;
                self.int(int, at)
            }
            STR8 | STR16 | STR32 => {
                let len = self.length(marker - STR8, 32, at)?;
                self.text(len as usize, at)
            }
            BIN8 | BIN16 | BIN32 => {
                let len = self.length(marker - BIN8, 0, at)?;
                self.bytes(len as usize, at)
            }
            ARRAY16 | ARRAY32 => {
                let count = self.length(marker - ARRAY16 + 1, 16, at)?;
                self.array(count, at)
            }
            MAP16 | MAP32 => {
                let count = self.length(marker - MAP16 + 1, 16, at)?;
                self.map(count, at)
            }
            FIXEXT8 | FIXEXT16 => self.extension(1 << (marker - FIXEXT1), at),
            EXT8 | EXT16 | EXT32 => {
                let len = self.length(marker - EXT8, 0, at)?;
                if matches!(len, 1 | 2 | 4 | 8 | 16) {
                    return Err(Violation::Byte { byte: marker, at });
                }
                self.extension(len as usize, at)
            }
            _ => Err(Violation::Byte { byte: marker, at }),
        }
    }

    #[inline]
    fn scalar(&mut self, token: Token<'a>, at: usize) -> Result<Token<'a>, Violation> {
        self.shape.leaf(Place::Scalar, 0, at)?;
        Ok(token)
    }

    #[inline]
    fn int(&mut self, int: i64, at: usize) -> Result<Token<'a>, Violation> {
        self.scalar(Token::Int(int), at)
    }

    #[inline]
    fn float(&mut self, at: usize) -> Result<Token<'a>, Violation> {
        let float = f64::from_be_bytes(self.fixed()?);
        self.shape.leaf(if float.is_nan() { Place::Nan } else { Place::Scalar }, 0, at)?;
        Ok(Token::Float(float))
    }

    #[inline]
    fn text(&mut self, len: usize, at: usize) -> Result<Token<'a>, Violation> {
        let text = self.utf8(len, at)?;
        if self.shape.expects_name() && !is_name(text) {
            return Err(Violation::Key { fault: KeyFault::Field, at });
        }
        self.shape.leaf(Place::Text, text_cost(text), at)?;
        Ok(Token::Str(text))
    }

    fn bytes(&mut self, len: usize, at: usize) -> Result<Token<'a>, Violation> {
        let bytes = self.string(len, at)?;
        self.shape.leaf(Place::Scalar, len, at)?;
        Ok(Token::Bytes(bytes))
    }

    #[inline]
    fn map(&mut self, pairs: u32, at: usize) -> Result<Token<'a>, Violation> {
        let items = self.items(pairs, 2, at)?;
        self.shape.container(Place::Unhashable, Form::Pairs, items, at)?;
        Ok(Token::Dict(pairs as usize))
    }

    #[inline]
    fn array(&mut self, count: u32, at: usize) -> Result<Token<'a>, Violation> {
        if let [FIXEXT1, EXT_TAG, kind, rest @ ..] = self.rest
            && count > 0
        {
            self.rest = rest;
            return self.tagged(*kind, count - 1, at);
        }
        self.items(count, 1, at)?;
        self.shape.container(Place::Unhashable, Form::Items, count, at)?;
        Ok(Token::List(count as usize))
    }

    /// The rest of a tagged array: `count` items after the tag.
    fn tagged(&mut self, kind: u8, count: u32, at: usize) -> Result<Token<'a>, Violation> {
        match kind {
            KIND_TUPLE => {
                self.items(count, 1, at)?;
                self.shape.container(Place::Tuple, Form::Items, count, at)?;
                Ok(Token::Tuple(count as usize))
            }
            KIND_SET => {
                self.items(count, 1, at)?;
                self.shape.container(Place::Unhashable, Form::Members, count, at)?;
                Ok(Token::Set(count as usize))
            }
            KIND_TABLE => self.table(count, at),
            KIND_FROZEN_SET => {
                self.items(count, 1, at)?;
                self.shape.container(Place::Tuple, Form::Members, count, at)?;
                Ok(Token::FrozenSet(count as usize))
            }
            KIND_STRUCT if count == 2 => {
                let name = self.name("struct", at)?;
                let fields = self.map_header("struct", at)?;
                let items = self.items(fields, 2, at)?;
                self.shape.charge(name.len())?;
                self.shape.container(Place::Unhashable, Form::Fields, items, at)?;
                Ok(Token::Struct { name, fields: fields as usize })
            }
            KIND_FUNCTION if count == 2 => {
                let handle = self.handle(at)?;
                let name = self.name("function", at)?;
                self.shape.leaf(Place::Scalar, name.len(), at)?;
                Ok(Token::Function { handle, name })
            }
            KIND_EXCEPTION if count == 2 => {
                let kind = self.name("exception", at)?;
                let message = self.raw_text("exception", at)?;
                self.shape.leaf(Place::Unhashable, exception_cost(kind, message), at)?;
                Ok(Token::Exception { kind, message })
            }
            KIND_STRUCT => Err(Violation::Tagged { kind: "struct", at }),
            KIND_FUNCTION => Err(Violation::Tagged { kind: "function", at }),
            KIND_EXCEPTION => Err(Violation::Tagged { kind: "exception", at }),
            tag => match LiteralKind::tagged(tag) {
                Some(kind) => self.literal(kind, count, at),
                None => Err(Violation::Tagged { kind: "tag", at }),
            },
        }
    }

    /// A table's body, then the columns that are lists.
    fn table(&mut self, count: u32, at: usize) -> Result<Token<'a>, Violation> {
        let malformed = Violation::Tagged { kind: "table", at };
        let marker = self.byte()?;
        if !matches!(marker, BIN8 | BIN16 | BIN32) {
            return Err(malformed);
        }
        let len = self.length(marker - BIN8, 0, at)?;
        let body = self.string(len as usize, at)?;
        let Some(checked) = Table::parse(body) else { return Err(malformed) };
        if count.checked_sub(1) != Some(checked.values) {
            return Err(malformed);
        }
        self.items(checked.values, 1, at)?;
        self.shape.charge(checked.cost)?;
        self.shape.container(Place::Unhashable, Form::Items, checked.values, at)?;
        Ok(Token::Table(checked.table))
    }

    fn literal(&mut self, kind: LiteralKind, count: u32, at: usize) -> Result<Token<'a>, Violation> {
        let malformed = Violation::Tagged { kind: kind.name(), at };
        if count != 1 {
            return Err(malformed);
        }
        let text = self.raw_text(kind.name(), at)?;
        let Some(literal) = Literal::parse(kind, text) else { return Err(malformed) };
        let place = if literal.is_nan() { Place::Nan } else { Place::Scalar };
        self.shape.leaf(place, text.len() + LITERAL_COST, at)?;
        Ok(Token::Literal { kind, text })
    }

    fn extension(&mut self, len: usize, at: usize) -> Result<Token<'a>, Violation> {
        let kind = self.byte()?;
        match kind {
            EXT_BIGINT => {
                let bytes = self.string(len, at)?;
                if !is_shortest_bigint(bytes) {
                    return Err(Violation::Integer { at });
                }
                self.shape.leaf(Place::Scalar, len, at)?;
                Ok(Token::BigInt(bytes))
            }
            EXT_FLOATS => Ok(Token::Floats(self.packed(len, at)?)),
            EXT_INTS => Ok(Token::Ints(self.packed(len, at)?)),
            _ => Err(Violation::Byte { byte: kind, at }),
        }
    }

    fn packed(&mut self, len: usize, at: usize) -> Result<&'a [u8], Violation> {
        if !len.is_multiple_of(8) {
            return Err(Violation::Tagged { kind: "packed list", at });
        }
        let bytes = self.take(len, at)?;
        self.shape.leaf(Place::Unhashable, (len / 8).saturating_mul(PACKED_COST), at)?;
        Ok(bytes)
    }

    /// A name inside a tagged array: no node of its own.
    fn name(&mut self, kind: &'static str, at: usize) -> Result<&'a str, Violation> {
        let name = self.raw_text(kind, at)?;
        if !is_name(name) {
            return Err(Violation::Tagged { kind, at });
        }
        Ok(name)
    }

    fn raw_text(&mut self, kind: &'static str, at: usize) -> Result<&'a str, Violation> {
        let marker = self.byte()?;
        let len = match marker {
            0xa0..=0xbf => usize::from(marker & 0x1f),
            STR8 | STR16 | STR32 => self.length(marker - STR8, 32, at)? as usize,
            _ => return Err(Violation::Tagged { kind, at }),
        };
        self.utf8(len, at)
    }

    fn map_header(&mut self, kind: &'static str, at: usize) -> Result<u32, Violation> {
        let marker = self.byte()?;
        match marker {
            0x80..=0x8f => Ok(u32::from(marker & 0x0f)),
            MAP16 | MAP32 => self.length(marker - MAP16 + 1, 16, at),
            _ => Err(Violation::Tagged { kind, at }),
        }
    }

    fn handle(&mut self, at: usize) -> Result<u64, Violation> {
        match self.byte()? {
            small @ 0x00..=0x7f => Ok(u64::from(small)),
            marker @ (U8 | U16 | U32 | U64) => self.unsigned(marker, at),
            _ => Err(Violation::Tagged { kind: "function", at }),
        }
    }

    /// Checks that `count` items of at least `each` bytes can still be there; returns their sum.
    #[inline]
    fn items(&self, count: u32, each: u32, at: usize) -> Result<u32, Violation> {
        match count.checked_mul(each) {
            Some(items) if items as usize <= self.rest.len() => Ok(items),
            _ => Err(Violation::Count { claimed: u64::from(count), at }),
        }
    }

    #[inline]
    fn utf8(&mut self, len: usize, at: usize) -> Result<&'a str, Violation> {
        let bytes = self.string(len, at)?;
        str::from_utf8(bytes).map_err(|_| Violation::Text { at })
    }

    #[inline]
    fn string(&mut self, len: usize, at: usize) -> Result<&'a [u8], Violation> {
        if len > self.shape.budget().string_bytes {
            let limit = self.shape.budget().string_bytes;
            return Err(Violation::Exceeded { what: Allowance::StringBytes, limit });
        }
        self.take(len, at)
    }

    #[inline]
    fn take(&mut self, len: usize, at: usize) -> Result<&'a [u8], Violation> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(Violation::Count { claimed: len as u64, at });
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Violation> {
        let Some((byte, rest)) = self.rest.split_first() else {
            return Err(Violation::Truncated { at: self.total });
        };
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let Some((bytes, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(Violation::Truncated { at: self.total });
        };
        self.rest = rest;
        Ok(*bytes)
    }

    /// The integer behind one of the four unsigned markers, if it needs that many bytes.
    #[inline]
    fn unsigned(&mut self, marker: u8, at: usize) -> Result<u64, Violation> {
        let (int, least) = match marker {
            U8 => (self.fixed().map(|[n]| u64::from(n))?, 0x80),
            U16 => (self.fixed().map(|n| u64::from(u16::from_be_bytes(n)))?, 1 << 8),
            U32 => (self.fixed().map(|n| u64::from(u32::from_be_bytes(n)))?, 1 << 16),
            _ => (self.fixed().map(u64::from_be_bytes)?, 1 << 32),
        };
        if int < least { Err(Violation::Integer { at }) } else { Ok(int) }
    }

    /// The integer behind one of the four signed markers, which is negative and needs that many bytes.
    #[inline]
    fn signed(&mut self, marker: u8, at: usize) -> Result<i64, Violation> {
        let (int, most) = match marker {
            I8 => (self.fixed().map(|n| i64::from(i8::from_be_bytes(n)))?, -33),
            I16 => (self.fixed().map(|n| i64::from(i16::from_be_bytes(n)))?, i64::from(i8::MIN) - 1),
            I32 => (self.fixed().map(|n| i64::from(i32::from_be_bytes(n)))?, i64::from(i16::MIN) - 1),
            _ => (self.fixed().map(i64::from_be_bytes)?, i64::from(i32::MIN) - 1),
        };
        if int > most { Err(Violation::Integer { at }) } else { Ok(int) }
    }

    /// A length of 1, 2 or 4 bytes (as `width` is 0, 1 or 2), if it needs that many; `least` is the
    /// smallest that needs the first width its kind has.
    #[inline]
    fn length(&mut self, width: u8, least: u32, at: usize) -> Result<u32, Violation> {
        let (length, least) = match width {
            0 => (self.fixed().map(|[n]| u32::from(n))?, least),
            1 => (
                self.fixed().map(|n| u32::from(u16::from_be_bytes(n)))?,
                if least == 16 { 16 } else { 1 << 8 },
            ),
            _ => (self.fixed().map(u32::from_be_bytes)?, 1 << 16),
        };
        if length < least { Err(Violation::Integer { at }) } else { Ok(length) }
    }
}

/// Reads all of `payload` and returns how many values it holds. No allocation; after it, a
/// `Reader` with the same budget meets no violation.
pub fn validate(payload: &[u8], budget: &Budget) -> Result<usize, Violation> {
    let mut reader = Reader::new(payload, budget)?;
    while !reader.is_done() {
        reader.next()?;
    }
    Ok(reader.shape.complete())
}

/// Bytes a string takes beyond its node. Python stores a string with one wide character at four
/// bytes a character; short strings drown in the cost of their node.
#[inline]
pub(crate) fn text_cost(text: &str) -> usize {
    if text.len() <= 64 || text.is_ascii() { text.len() } else { text.len().saturating_mul(4) }
}

/// Bytes an exception takes beyond its node: in Python it is an error object with a report of its own, and its message
/// is told with its control characters escaped, several times over while it is put together.
pub(crate) fn exception_cost(kind: &str, message: &str) -> usize {
    message
        .len()
        .saturating_mul(EXCEPTION_TEXT_COST)
        .saturating_add(kind.len())
        .saturating_add(EXCEPTION_COST)
}

/// True for two's complement that does not fit 64 bits and whose last byte is needed.
pub(crate) fn is_shortest_bigint(bytes: &[u8]) -> bool {
    match bytes {
        [.., before, last] if bytes.len() > 8 => {
            let sign = if before & 0x80 == 0 { 0x00 } else { 0xff };
            *last != sign
        }
        _ => false,
    }
}
