//! Tables: named columns, each in one piece, as a few buffers rather than cell by cell.
//!
//! The rule: what a [`Table`] gives has been checked as a whole. Every column has as many cells as the table has rows,
//! texts are UTF-8 between their ends, and codes name a category. What is no buffer (a column of any values) follows the
//! table as a list; that it has as many items is for the builder to check, as are equal names.

use crate::budget::{NODE_COST, PACKED_COST, TABLE_COST};

/// Columns of one table.
pub const COLUMNS: usize = 16 << 10;
/// Bytes of a table's note, which the host alone reads.
pub const NOTE_BYTES: usize = 256 << 10;
/// Bytes of a column's name, or of its type, which the host alone reads.
pub const LABEL_BYTES: usize = 4 << 10;

/// Charged against [`crate::Budget::memory`] for each column: what the host's libraries need to hold one.
pub(crate) const COLUMN_COST: usize = 2 << 10;

const VALID: u8 = 1;
const INDEX: u8 = 2;
const LONE: u8 = 1;

/// A whole table in a payload: a head, and columns that are read one by one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Table<'a> {
    pub rows: usize,
    /// One column by itself, beside those of the index.
    pub lone: bool,
    /// What the host wants to know again when the table comes back.
    pub note: &'a str,
    count: usize,
    columns: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column<'a> {
    pub name: &'a str,
    /// What the host calls the type of the cells.
    pub dtype: &'a str,
    /// Names the rows; no column to a program.
    pub index: bool,
    /// A bit for each cell, the lowest first, that is set where there is a value; without it there is one everywhere.
    pub valid: Option<&'a [u8]>,
    pub cells: Cells<'a>,
}

/// The cells of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cells<'a> {
    Plain(Plain<'a>),
    /// For each cell which of `count` categories it is, as an `i32`, least significant byte first; -1 for none.
    Codes {
        codes: &'a [u8],
        count: usize,
        categories: Plain<'a>,
        /// What the host calls the type of the categories.
        dtype: &'a str,
    },
    /// The cells follow the table, as a list.
    Values,
}

/// Cells that are buffers. Numbers have their least significant byte first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plain<'a> {
    /// `i64` each.
    Ints(&'a [u8]),
    /// `f64` each.
    Floats(&'a [u8]),
    /// A byte each, 0 or 1.
    Bools(&'a [u8]),
    /// Ticks since 1970, `i64` each; the smallest is no time. With `zoned`, of the universal time.
    Times { unit: Unit, zoned: bool, ticks: &'a [u8] },
    /// Ticks from one time to another, `i64` each; the smallest is none.
    Spans { unit: Unit, ticks: &'a [u8] },
    /// Where each text ends in `text`, as `u32`; it begins where the one before ends.
    Texts { ends: &'a [u8], text: &'a str },
}

/// What a tick is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Days,
}

impl Unit {
    const ALL: [Unit; 5] =
        [Unit::Nanoseconds, Unit::Microseconds, Unit::Milliseconds, Unit::Seconds, Unit::Days];

    fn byte(self) -> u8 {
        match self {
            Unit::Nanoseconds => b'n',
            Unit::Microseconds => b'u',
            Unit::Milliseconds => b'm',
            Unit::Seconds => b's',
            Unit::Days => b'D',
        }
    }

    /// Its letter in numpy's names of types.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "us",
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::Days => "D",
        }
    }

    /// The unit of that name.
    pub fn named(name: &str) -> Option<Unit> {
        Unit::ALL.into_iter().find(|unit| unit.name() == name)
    }
}

impl<'a> Table<'a> {
    /// Reads a table's whole body. `None` if it is not exactly one.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Checked<'a>> {
        let mut input = Input(body);
        let rows = usize::try_from(input.number()?).ok()?;
        let count = usize::try_from(input.number()?).ok()?;
        let lone = match input.byte()? {
            0 => false,
            LONE => true,
            _ => return None,
        };
        let note = input.label(NOTE_BYTES)?;
        let table = Table { rows, lone, note, count, columns: input.0, body };
        if count > COLUMNS || count == 0 && rows > 0 {
            return None;
        }
        let mut checked = Checked { table, values: 0, cost: TABLE_COST };
        let mut shown = 0_usize;
        for _ in 0..count {
            let column = input.column(rows)?;
            shown += usize::from(!column.index);
            checked.values += u32::from(column.cells == Cells::Values);
            checked.cost = checked.cost.saturating_add(column.cost());
        }
        (input.0.is_empty() && (!lone || shown == 1)).then_some(checked)
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// There are no columns, and so no rows.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The columns in their order.
    pub fn columns(&self) -> impl Iterator<Item = Column<'a>> + use<'a> {
        let (mut input, rows) = (Input(self.columns), self.rows);
        (0..self.count).map_while(move |_| input.column(rows))
    }
}

/// A table that was read to its end.
pub(crate) struct Checked<'a> {
    pub(crate) table: Table<'a>,
    /// Columns whose cells follow.
    pub(crate) values: u32,
    /// Bytes of memory that its cells take where it is built, at the most.
    pub(crate) cost: usize,
}

impl Column<'_> {
    fn cost(&self) -> usize {
        let cells = match self.cells {
            Cells::Plain(plain) => plain.cost(),
            Cells::Codes { codes, categories, .. } => (codes.len() / 4)
                .saturating_mul(PACKED_COST)
                .saturating_add(categories.cost())
                .saturating_add(COLUMN_COST),
            // They are charged when they come.
            Cells::Values => 0,
        };
        cells.saturating_add(COLUMN_COST).saturating_add(self.name.len()).saturating_add(self.dtype.len())
    }

    /// Bytes of it in a table.
    pub(crate) fn len(&self) -> usize {
        let cells = match self.cells {
            Cells::Plain(plain) => plain.len(),
            Cells::Codes { codes, categories, dtype, .. } => codes.len() + 9 + dtype.len() + categories.len(),
            Cells::Values => 0,
        };
        10 + self.name.len() + self.dtype.len() + self.valid.map_or(0, <[u8]>::len) + cells
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let kind = match self.cells {
            Cells::Plain(plain) => plain.kind(),
            Cells::Codes { .. } => b'c',
            Cells::Values => b'v',
        };
        let flags = if self.valid.is_some() { VALID } else { 0 } | if self.index { INDEX } else { 0 };
        out.extend_from_slice(&[kind, flags]);
        put_label(out, self.name);
        put_label(out, self.dtype);
        out.extend_from_slice(self.valid.unwrap_or_default());
        match self.cells {
            Cells::Plain(plain) => plain.put(out),
            Cells::Codes { codes, count, categories, dtype } => {
                out.extend_from_slice(codes);
                put_number(out, count);
                out.push(categories.kind());
                put_label(out, dtype);
                categories.put(out);
            }
            Cells::Values => {}
        }
    }
}

impl Plain<'_> {
    fn kind(&self) -> u8 {
        match self {
            Plain::Ints(_) => b'i',
            Plain::Floats(_) => b'f',
            Plain::Bools(_) => b'b',
            Plain::Times { zoned: false, .. } => b't',
            Plain::Times { zoned: true, .. } => b'z',
            Plain::Spans { .. } => b'd',
            Plain::Texts { .. } => b's',
        }
    }

    /// How many cells.
    pub fn count(&self) -> usize {
        match self {
            Plain::Ints(bytes)
            | Plain::Floats(bytes)
            | Plain::Times { ticks: bytes, .. }
            | Plain::Spans { ticks: bytes, .. } => bytes.len() / 8,
            Plain::Bools(bytes) => bytes.len(),
            Plain::Texts { ends, .. } => ends.len() / 4,
        }
    }

    fn cost(&self) -> usize {
        match self {
            Plain::Texts { text, .. } => {
                self.count().saturating_mul(NODE_COST).saturating_add(crate::reader::text_cost(text))
            }
            _ => self.count().saturating_mul(PACKED_COST),
        }
    }

    fn len(&self) -> usize {
        match self {
            Plain::Ints(bytes) | Plain::Floats(bytes) | Plain::Bools(bytes) => bytes.len(),
            Plain::Times { ticks, .. } | Plain::Spans { ticks, .. } => 1 + ticks.len(),
            Plain::Texts { ends, text } => ends.len() + text.len(),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Plain::Ints(bytes) | Plain::Floats(bytes) | Plain::Bools(bytes) => out.extend_from_slice(bytes),
            Plain::Times { unit, ticks, .. } | Plain::Spans { unit, ticks } => {
                out.push(unit.byte());
                out.extend_from_slice(ticks);
            }
            Plain::Texts { ends, text } => {
                out.extend_from_slice(ends);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// The bytes of a table's body.
pub(crate) fn length(note: &str, columns: &[Column<'_>]) -> usize {
    columns.iter().map(Column::len).fold(13 + note.len(), usize::saturating_add)
}

/// Writes what stands before the columns.
pub(crate) fn put_head(out: &mut Vec<u8>, rows: usize, columns: usize, lone: bool, note: &str) {
    put_number(out, rows);
    put_number(out, columns);
    out.push(if lone { LONE } else { 0 });
    put_label(out, note);
}

/// What does not fit is written as something that is refused.
fn put_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_label(out: &mut Vec<u8>, label: &str) {
    put_number(out, label.len());
    out.extend_from_slice(label.as_bytes());
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn label(&mut self, most: usize) -> Option<&'a str> {
        let len = usize::try_from(self.number()?).ok().filter(|len| *len <= most)?;
        str::from_utf8(self.take(len)?).ok()
    }

    fn column(&mut self, rows: usize) -> Option<Column<'a>> {
        let (kind, flags) = (self.byte()?, self.byte()?);
        if flags > VALID | INDEX {
            return None;
        }
        let (name, dtype) = (self.label(LABEL_BYTES)?, self.label(LABEL_BYTES)?);
        let valid = match flags & VALID {
            0 => None,
            _ => Some(self.validity(rows)?),
        };
        let cells = match kind {
            b'c' => self.codes(rows)?,
            b'v' => Cells::Values,
            kind => Cells::Plain(self.plain(kind, rows)?),
        };
        // What has a value for "none" needs no bits.
        let bits = !matches!(
            cells,
            Cells::Codes { .. } | Cells::Values | Cells::Plain(Plain::Times { .. } | Plain::Spans { .. })
        );
        (valid.is_none() || bits).then_some(Column { name, dtype, index: flags & INDEX != 0, valid, cells })
    }

    /// Bits for `rows` cells; those beyond are not set.
    fn validity(&mut self, rows: usize) -> Option<&'a [u8]> {
        let bits = self.take(rows.div_ceil(8))?;
        let used = rows % 8;
        let rest = bits.last().map_or(0, |last| if used == 0 { 0 } else { last >> used });
        (rest == 0).then_some(bits)
    }

    fn plain(&mut self, kind: u8, count: usize) -> Option<Plain<'a>> {
        Some(match kind {
            b'i' => Plain::Ints(self.take(count.checked_mul(8)?)?),
            b'f' => Plain::Floats(self.take(count.checked_mul(8)?)?),
            b'b' => Plain::Bools(self.take(count).filter(|bytes| bytes.iter().all(|byte| *byte <= 1))?),
            b't' | b'z' | b'd' => {
                let byte = self.byte()?;
                let unit = Unit::ALL.into_iter().find(|unit| unit.byte() == byte)?;
                let ticks = self.take(count.checked_mul(8)?)?;
                match kind {
                    b'd' => Plain::Spans { unit, ticks },
                    kind => Plain::Times { unit, zoned: kind == b'z', ticks },
                }
            }
            b's' => {
                let ends = self.take(count.checked_mul(4)?)?;
                let (last, mut before) = (end(ends, count.wrapping_sub(1)), 0);
                let text = str::from_utf8(self.take(last)?).ok()?;
                for at in ends.as_chunks::<4>().0 {
                    let at = u32::from_le_bytes(*at) as usize;
                    if at < before || !text.is_char_boundary(at) {
                        return None;
                    }
                    before = at;
                }
                Plain::Texts { ends, text }
            }
            _ => return None,
        })
    }

    fn codes(&mut self, rows: usize) -> Option<Cells<'a>> {
        let codes = self.take(rows.checked_mul(4)?)?;
        let count = self.number()?;
        let kind = self.byte()?;
        let dtype = self.label(LABEL_BYTES)?;
        let count = usize::try_from(count).ok()?;
        let categories = self.plain(kind, count)?;
        let fits = |code: &[u8; 4]| match i32::from_le_bytes(*code) {
            -1 => true,
            code => usize::try_from(code).is_ok_and(|code| code < count),
        };
        codes.as_chunks::<4>().0.iter().all(fits).then_some(Cells::Codes { codes, count, categories, dtype })
    }
}

/// Where the text at a place ends; 0 if there is none.
pub fn end(ends: &[u8], at: usize) -> usize {
    ends.as_chunks::<4>().0.get(at).map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}
