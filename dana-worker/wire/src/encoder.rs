//! Writes values into a frame. The rule: what it writes under a budget, a reader with the same
//! budget accepts; what the reader would refuse is an error here, before it leaves.

use crate::budget::{Budget, MAX_DEPTH, PACKED_COST};
use crate::literal::{LITERAL_COST, Literal};
use crate::marker::*;
use crate::name::is_name;
use crate::put::*;
use crate::reader::{exception_cost, is_shortest_bigint, text_cost};
use crate::shape::{Form, Place, Shape};
use crate::table::{self, Cells, Column, Table};
use crate::violation::{Allowance, KeyFault, Violation};

/// Where a table begins whose columns are being written.
#[derive(Debug)]
pub struct OpenTable {
    at: usize,
    header: usize,
}

/// Appends values to a buffer, which may already hold a header. One call a token: after
/// `list(3)` follow three values, after `dict(2)` key, value, key, value, after `structure("P", 1)`
/// one `str` and one value. [`Encoder::finish`] refuses what is not complete.
///
/// After an error the buffer's tail is garbage: truncate or drop it.
#[derive(Debug)]
pub struct Encoder<'b> {
    out: &'b mut Vec<u8>,
    start: usize,
    /// Bytes that belong to the payload and are sent behind the buffer.
    apart: usize,
    shape: Shape,
}

impl<'b> Encoder<'b> {
    /// Appends to `out` what a reader with `budget` accepts.
    pub fn new(out: &'b mut Vec<u8>, budget: &Budget) -> Self {
        let budget = Budget { depth: budget.depth.min(MAX_DEPTH), ..*budget };
        Encoder { start: out.len(), out, apart: 0, shape: Shape::new(&budget) }
    }

    /// Ends the payload and returns how many values it holds. Fails if a container lacks items.
    pub fn finish(self) -> Result<usize, Violation> {
        match self.shape.depth() {
            0 => Ok(self.shape.complete()),
            _ => Err(Violation::Payload { found: "less" }),
        }
    }

    /// Bytes written so far.
    pub fn position(&self) -> usize {
        self.out.len() - self.start + self.apart
    }

    #[inline]
    pub fn none(&mut self) -> Result<(), Violation> {
        self.leaf(Place::Scalar, 0, 1)?;
        self.out.push(NIL);
        Ok(())
    }

    #[inline]
    pub fn bool(&mut self, truth: bool) -> Result<(), Violation> {
        self.leaf(Place::Scalar, 0, 1)?;
        self.out.push(if truth { TRUE } else { FALSE });
        Ok(())
    }

    #[inline]
    pub fn int(&mut self, int: i64) -> Result<(), Violation> {
        self.leaf(Place::Scalar, 0, 9)?;
        put_int(self.out, int);
        Ok(())
    }

    /// Two's complement, least significant byte first, of any length; written in shortest form.
    pub fn bigint(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let bytes = shortest(bytes);
        if let Some(int) = small(bytes) {
            return self.int(int);
        }
        self.string(bytes.len())?;
        self.leaf(Place::Scalar, bytes.len(), bytes.len() + 6)?;
        debug_assert!(is_shortest_bigint(bytes));
        put_extension(self.out, EXT_BIGINT, bytes.len());
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    pub fn float(&mut self, float: f64) -> Result<(), Violation> {
        self.leaf(if float.is_nan() { Place::Nan } else { Place::Scalar }, 0, 9)?;
        self.out.push(F64);
        self.out.extend_from_slice(&float.to_be_bytes());
        Ok(())
    }

    #[inline]
    pub fn str(&mut self, text: &str) -> Result<(), Violation> {
        self.string(text.len())?;
        if self.shape.expects_name() && !is_name(text) {
            return Err(Violation::Key { fault: KeyFault::Field, at: self.position() });
        }
        self.leaf(Place::Text, text_cost(text), text.len() + 5)?;
        put_str(self.out, text);
        Ok(())
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.string(bytes.len())?;
        self.leaf(Place::Scalar, bytes.len(), bytes.len() + 5)?;
        put_length(self.out, BIN8, bytes.len());
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// As [`Encoder::bytes`], for the last value of a payload: writes all but the bytes themselves, which the caller
    /// sends right behind the buffer. Whatever is written after this is no payload.
    pub fn bytes_apart(&mut self, length: usize) -> Result<(), Violation> {
        self.string(length)?;
        self.leaf(Place::Scalar, length, length.saturating_add(5))?;
        put_length(self.out, BIN8, length);
        self.apart = length;
        Ok(())
    }

    /// `items` values follow.
    #[inline]
    pub fn list(&mut self, items: usize) -> Result<(), Violation> {
        let count = self.container(Place::Unhashable, Form::Items, items, 1)?;
        put_array(self.out, count);
        Ok(())
    }

    /// `items` values follow.
    #[inline]
    pub fn tuple(&mut self, items: usize) -> Result<(), Violation> {
        let count = self.container(Place::Tuple, Form::Items, items, 1)?;
        put_tagged(self.out, KIND_TUPLE, count);
        Ok(())
    }

    /// `members` hashable values follow.
    pub fn set(&mut self, members: usize) -> Result<(), Violation> {
        let count = self.container(Place::Unhashable, Form::Members, members, 1)?;
        put_tagged(self.out, KIND_SET, count);
        Ok(())
    }

    /// `members` hashable values follow, of a set that never changes.
    pub fn frozen_set(&mut self, members: usize) -> Result<(), Violation> {
        let count = self.container(Place::Tuple, Form::Members, members, 1)?;
        put_tagged(self.out, KIND_FROZEN_SET, count);
        Ok(())
    }

    /// `pairs` times a hashable key and a value follow.
    #[inline]
    pub fn dict(&mut self, pairs: usize) -> Result<(), Violation> {
        self.container(Place::Unhashable, Form::Pairs, pairs, 2)?;
        put_map(self.out, pairs);
        Ok(())
    }

    /// A table of `rows` rows. Its columns of any values follow, each a list of `rows` items.
    pub fn table(
        &mut self,
        rows: usize,
        lone: bool,
        note: &str,
        columns: &[Column<'_>],
    ) -> Result<(), Violation> {
        let values = columns.iter().filter(|column| column.cells == Cells::Values).count();
        let open =
            self.open_table(rows, [columns.len(), values], lone, note, table::length(note, columns))?;
        columns.iter().try_for_each(|column| self.column(column))?;
        self.close_table(&open)
    }

    /// Begins a table whose columns are written one by one, by [`Encoder::column`]: so many, and so many of those of any
    /// values. About `length` bytes of columns will come; room for them is made now.
    pub fn open_table(
        &mut self,
        rows: usize,
        [columns, values]: [usize; 2],
        lone: bool,
        note: &str,
        length: usize,
    ) -> Result<OpenTable, Violation> {
        self.room(length.saturating_add(note.len()).saturating_add(32))?;
        let at = self.out.len() - self.start;
        self.out.reserve_exact(length + note.len() + 32);
        put_tagged(self.out, KIND_TABLE, values + 1);
        let header = self.out.len();
        // The longest header there is; a short body moves when its length is known.
        self.out.extend_from_slice(&[BIN32, 0, 0, 0, 0]);
        table::put_head(self.out, rows, columns, lone, note);
        Ok(OpenTable { at, header })
    }

    /// The next column of the table that was begun.
    pub fn column(&mut self, column: &Column<'_>) -> Result<(), Violation> {
        self.room(column.len())?;
        column.put(self.out);
        Ok(())
    }

    /// Ends a table: it must be what it was begun as.
    pub fn close_table(&mut self, open: &OpenTable) -> Result<(), Violation> {
        let malformed = Violation::Tagged { kind: "table", at: open.at };
        let body = open.header + 5;
        let length = self.out.len().saturating_sub(body);
        self.string(length)?;
        let Some(checked) = self.out.get(body..).and_then(Table::parse) else { return Err(malformed) };
        let (values, cost) = (checked.values, checked.cost);
        let mut header = Vec::with_capacity(5);
        put_length(&mut header, BIN8, length);
        self.out.splice(open.header..body, header);
        self.shape.charge(cost)?;
        self.shape.container(Place::Unhashable, Form::Items, values, open.at)
    }

    /// `fields` times a name (by [`Encoder::str`]; 1 to 255 bytes, no control characters) and a value follow.
    pub fn structure(&mut self, name: &str, fields: usize) -> Result<(), Violation> {
        self.named("struct", name)?;
        self.room(name.len() + 16)?;
        self.shape.charge(name.len())?;
        self.container(Place::Unhashable, Form::Fields, fields, 2)?;
        put_tagged(self.out, KIND_STRUCT, 2);
        put_str(self.out, name);
        put_map(self.out, fields);
        Ok(())
    }

    /// A function that stays on the writing side, by its handle there.
    pub fn function(&mut self, handle: u64, name: &str) -> Result<(), Violation> {
        self.named("function", name)?;
        self.leaf(Place::Scalar, name.len(), name.len() + 16)?;
        put_tagged(self.out, KIND_FUNCTION, 2);
        put_uint(self.out, handle);
        put_str(self.out, name);
        Ok(())
    }

    /// A value in its one text. Refused if its parts make no such value.
    pub fn literal(&mut self, literal: &Literal<'_>) -> Result<(), Violation> {
        let (kind, text) = (literal.kind(), literal.to_string());
        if Literal::parse(kind, &text).is_none() {
            return Err(Violation::Tagged { kind: kind.name(), at: self.position() });
        }
        self.string(text.len())?;
        let place = if literal.is_nan() { Place::Nan } else { Place::Scalar };
        self.leaf(place, text.len() + LITERAL_COST, text.len() + 16)?;
        put_tagged(self.out, kind.tag(), 1);
        put_str(self.out, &text);
        Ok(())
    }

    /// An exception as a value.
    pub fn exception(&mut self, kind: &str, message: &str) -> Result<(), Violation> {
        self.named("exception", kind)?;
        self.string(message.len())?;
        self.leaf(Place::Unhashable, exception_cost(kind, message), kind.len() + message.len() + 16)?;
        put_tagged(self.out, KIND_EXCEPTION, 2);
        put_str(self.out, kind);
        put_str(self.out, message);
        Ok(())
    }

    /// A whole list of floats in one piece.
    pub fn floats(&mut self, floats: &[f64]) -> Result<(), Violation> {
        self.floats_from(floats.iter().copied())
    }

    /// A whole list of integers in one piece.
    pub fn ints(&mut self, ints: &[i64]) -> Result<(), Violation> {
        self.ints_from(ints.iter().copied())
    }

    /// As [`Encoder::floats`], from an iterator, which must be as long as it says.
    pub fn floats_from(&mut self, floats: impl ExactSizeIterator<Item = f64>) -> Result<(), Violation> {
        self.packed(EXT_FLOATS, floats.len(), floats.map(|float| Some(float.to_le_bytes()))).map(drop)
    }

    /// As [`Encoder::ints`], from an iterator, which must be as long as it says.
    pub fn ints_from(&mut self, ints: impl ExactSizeIterator<Item = i64>) -> Result<(), Violation> {
        self.packed(EXT_INTS, ints.len(), ints.map(|int| Some(int.to_le_bytes()))).map(drop)
    }

    /// As [`Encoder::floats`], for a list of `count` items that may turn out not to be floats only: at the first `None`,
    /// or if there are fewer, nothing is written and the answer is false.
    pub fn floats_if(
        &mut self,
        count: usize,
        floats: impl Iterator<Item = Option<f64>>,
    ) -> Result<bool, Violation> {
        self.packed(EXT_FLOATS, count, floats.map(|float| float.map(f64::to_le_bytes)))
    }

    /// The same for integers.
    pub fn ints_if(
        &mut self,
        count: usize,
        ints: impl Iterator<Item = Option<i64>>,
    ) -> Result<bool, Violation> {
        self.packed(EXT_INTS, count, ints.map(|int| int.map(i64::to_le_bytes)))
    }

    fn packed(
        &mut self,
        kind: u8,
        count: usize,
        mut items: impl Iterator<Item = Option<[u8; 8]>>,
    ) -> Result<bool, Violation> {
        let len = count.saturating_mul(8);
        self.room(len.saturating_add(6))?;
        self.shape.affords(count.saturating_mul(PACKED_COST))?;
        let from = self.out.len();
        self.out.reserve_exact(len + 6);
        put_extension(self.out, kind, len);
        for _ in 0..count {
            let Some(item) = items.next().flatten() else {
                self.out.truncate(from);
                return Ok(false);
            };
            self.out.extend_from_slice(&item);
        }
        self.shape.leaf(Place::Unhashable, count.saturating_mul(PACKED_COST), from - self.start)?;
        Ok(true)
    }

    #[inline]
    fn leaf(&mut self, place: Place, extra: usize, bytes: usize) -> Result<(), Violation> {
        self.room(bytes)?;
        self.shape.leaf(place, extra, self.out.len() - self.start)
    }

    #[inline]
    fn container(&mut self, place: Place, form: Form, count: usize, each: u32) -> Result<usize, Violation> {
        let items = u32::try_from(count).ok().and_then(|count| count.checked_mul(each));
        let Some(items) = items else {
            return Err(Violation::Exceeded { what: Allowance::Nodes, limit: self.shape.budget().nodes });
        };
        self.room(items as usize + 8)?;
        self.shape.container(place, form, items, self.out.len() - self.start)?;
        Ok(count)
    }

    /// Checks that about `bytes` more still make a legal payload.
    #[inline]
    fn room(&self, bytes: usize) -> Result<(), Violation> {
        let limit = self.shape.budget().payload_bytes;
        if self.position().saturating_add(bytes) > limit {
            return Err(Violation::Exceeded { what: Allowance::PayloadBytes, limit });
        }
        Ok(())
    }

    fn named(&self, kind: &'static str, name: &str) -> Result<(), Violation> {
        if !is_name(name) {
            return Err(Violation::Tagged { kind, at: self.position() });
        }
        self.string(name.len())
    }

    #[inline]
    fn string(&self, bytes: usize) -> Result<(), Violation> {
        let limit = self.shape.budget().string_bytes;
        if bytes > limit {
            return Err(Violation::Exceeded { what: Allowance::StringBytes, limit });
        }
        Ok(())
    }
}

/// Cuts the bytes at the end that only repeat the sign.
fn shortest(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes {
        let sign = match rest {
            [.., before] if before & 0x80 != 0 => 0xff,
            _ => 0x00,
        };
        if *last != sign {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// The value, if it fits 64 bits.
fn small(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0x00 }; 8];
    wide.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
    Some(i64::from_le_bytes(wide))
}
