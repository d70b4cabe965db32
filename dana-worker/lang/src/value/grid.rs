//! Tables as values: named columns, each a few buffers, that never change.
//!
//! A column as a value is a place in its table, so that taking one costs nothing; a cell becomes a value when it is
//! looked at. Times and spans are dates, datetimes and timedeltas to a program; with their column they leave as they came.
//! The types' names and the note belong to the host, which gets them back as they were.

use std::ops::Deref;
use std::rc::Rc;

use dana_wire::{Cells as WireCells, Column as WireColumn, Plain, Table as WireTable, Unit, end};

use super::{Raise, Table, Text, TupleObj, Value, memory, work};

/// A table. Columns may be shared with others.
pub struct Grid {
    pub rows: usize,
    pub note: Rc<str>,
    pub columns: Vec<Column>,
}

/// One column of a table.
#[derive(Clone)]
pub struct Column {
    /// A text.
    pub name: Value,
    pub dtype: Rc<str>,
    /// Names the rows; programs do not see it.
    pub index: bool,
    /// A bit for each cell that has a value; none if all have.
    pub valid: Option<Bytes>,
    pub cells: Cells,
}

/// The cells of a column: numbers with their least significant byte first, as on the wire.
#[derive(Clone)]
pub enum Cells {
    Ints(Bytes),
    Floats(Bytes),
    Bools(Bytes),
    Times { unit: Unit, zoned: bool, ticks: Bytes },
    Spans { unit: Unit, ticks: Bytes },
    Texts(Rc<Texts>),
    Codes { codes: Bytes, categories: Rc<Categories> },
    Values(Rc<TupleObj>),
}

/// A part of a buffer: that of the frame that a large table came in, or one of its own.
#[derive(Clone)]
pub struct Bytes {
    whole: Rc<Vec<u8>>,
    from: usize,
    len: usize,
}

impl From<Vec<u8>> for Bytes {
    fn from(own: Vec<u8>) -> Bytes {
        Bytes { from: 0, len: own.len(), whole: Rc::new(own) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.whole.get(self.from..self.from + self.len).unwrap_or_default()
    }
}

/// Texts, one behind the other; UTF-8.
pub struct Texts {
    ends: Bytes,
    text: Bytes,
}

/// Texts while they are gathered.
#[derive(Default)]
struct Gathered {
    ends: Vec<u8>,
    text: Vec<u8>,
}

/// What the codes of a column stand for.
pub struct Categories {
    count: usize,
    dtype: Rc<str>,
    /// Not codes, and no values.
    cells: Cells,
}

/// A column as a value.
pub struct ColumnObj {
    pub grid: Rc<Grid>,
    at: usize,
}

impl Grid {
    /// The columns that a program sees, with their places.
    pub fn shown(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.index)
    }

    /// The values of the columns that are no buffers, as tuples.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        self.columns.iter().filter_map(|column| match &column.cells {
            Cells::Values(values) => Some(Value::Tuple(Rc::clone(values))),
            _ => None,
        })
    }

    /// The columns of the index.
    pub fn index(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.index)
    }

    /// The place of a column by its name.
    pub fn find(&self, name: &str) -> Result<Option<usize>, Raise> {
        work::elements(self.columns.len())?;
        Ok(self.shown().find(|(_, column)| &*column.name() == name).map(|(at, _)| at))
    }

    /// A row as a dict.
    pub fn row(&self, at: usize) -> Result<Value, Raise> {
        memory::reserve(Table::<Value>::bytes(self.columns.len()))?;
        work::elements(self.columns.len().saturating_mul(2))?;
        let mut table = Table::with_capacity(self.columns.len());
        for (_, column) in self.shown() {
            table.insert(column.name.clone(), column.cell(at)?)?;
        }
        Ok(Value::dict(table))
    }

    /// The table with these rows only, in this order.
    pub fn pick(&self, rows: &[usize]) -> Result<Grid, Raise> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            columns.push(column.pick(rows)?);
        }
        Ok(Grid { rows: rows.len(), note: Rc::clone(&self.note), columns })
    }

    /// The table with these columns only, in this order, and its index.
    pub fn select(&self, places: &[usize]) -> Grid {
        let chosen = places.iter().filter_map(|at| self.columns.get(*at));
        let columns = self.index().chain(chosen).cloned().collect();
        Grid { rows: self.rows, note: Rc::clone(&self.note), columns }
    }

    /// The value of a table on the wire, of which the columns of any values are `values`, in their order.
    /// What is in `frame`, which belongs to the session, stays there.
    pub fn received(
        table: &WireTable<'_>,
        values: Vec<Value>,
        frame: Option<&Rc<Vec<u8>>>,
    ) -> Result<Value, Raise> {
        let mut values = values.into_iter();
        let mut columns: Vec<Column> = Vec::with_capacity(table.len());
        for column in table.columns() {
            columns.push(Column::received(&column, &mut values, frame)?);
        }
        let at = columns.iter().position(|column| !column.index).unwrap_or(0);
        let grid = Rc::new(Grid { rows: table.rows, note: table.note.into(), columns });
        Ok(if table.lone { Value::Column(Rc::new(ColumnObj { grid, at })) } else { Value::Grid(grid) })
    }
}

impl ColumnObj {
    /// A column of a table; none if there is none.
    pub fn of(grid: &Rc<Grid>, at: usize) -> Option<Value> {
        grid.columns.get(at).map(|_| Value::Column(Rc::new(ColumnObj { grid: Rc::clone(grid), at })))
    }

    /// The column itself.
    pub fn column(&self) -> Option<&Column> {
        self.grid.columns.get(self.at)
    }

    pub fn len(&self) -> usize {
        self.grid.rows
    }

    pub fn is_empty(&self) -> bool {
        self.grid.rows == 0
    }

    pub fn get(&self, at: usize) -> Result<Option<Value>, Raise> {
        match self.column() {
            Some(column) if at < self.grid.rows => column.cell(at).map(Some),
            _ => Ok(None),
        }
    }

    /// The column with these rows only.
    pub fn pick(&self, rows: &[usize]) -> Result<Value, Raise> {
        let grid = self.alone().pick(rows)?;
        let at = grid.columns.len().saturating_sub(1);
        Ok(Value::Column(Rc::new(ColumnObj { grid: Rc::new(grid), at })))
    }

    /// A table of this column, the last, and the index.
    pub fn alone(&self) -> Grid {
        self.grid.select(&[self.at])
    }
}

/// Bytes of a frame, shared with it if it stays, else copied.
fn kept(bytes: &[u8], frame: Option<&Rc<Vec<u8>>>) -> Result<Bytes, Raise> {
    if let Some(frame) = frame {
        let from = bytes.as_ptr().addr().wrapping_sub(frame.as_ptr().addr());
        if from.checked_add(bytes.len()).is_some_and(|end| end <= frame.len()) {
            return Ok(Bytes { whole: Rc::clone(frame), from, len: bytes.len() });
        }
    }
    memory::reserve(bytes.len())?;
    work::bytes(bytes.len() / 16)?;
    Ok(bytes.to_vec().into())
}

impl Column {
    pub fn name(&self) -> Text<'_> {
        self.name.as_text().unwrap_or(Text::Heap(""))
    }

    fn received(
        column: &WireColumn<'_>,
        values: &mut impl Iterator<Item = Value>,
        frame: Option<&Rc<Vec<u8>>>,
    ) -> Result<Column, Raise> {
        let cells = match &column.cells {
            WireCells::Plain(plain) => Cells::received(plain, frame)?,
            WireCells::Codes { codes, count, categories, dtype } => {
                let cells = Cells::received(categories, frame)?;
                let categories = Categories { count: *count, dtype: (*dtype).into(), cells };
                Cells::Codes { codes: kept(codes, frame)?, categories: Rc::new(categories) }
            }
            WireCells::Values => match values.next() {
                Some(Value::List(list)) => Cells::Values(Rc::new(TupleObj::new(list.items.take()))),
                _ => Cells::Values(Rc::new(TupleObj::new(Vec::new()))),
            },
        };
        Ok(Column {
            name: Value::str(column.name),
            dtype: column.dtype.into(),
            index: column.index,
            valid: column.valid.map(|bits| kept(bits, frame)).transpose()?,
            cells,
        })
    }

    /// The column as it goes to the host.
    pub fn wire<'a>(&'a self, name: &'a str) -> WireColumn<'a> {
        let cells = match &self.cells {
            Cells::Codes { codes, categories } => WireCells::Codes {
                codes,
                count: categories.count,
                categories: categories.cells.plain().unwrap_or(Plain::Ints(&[])),
                dtype: &categories.dtype,
            },
            cells => cells.plain().map_or(WireCells::Values, WireCells::Plain),
        };
        let valid = self.valid.as_deref();
        WireColumn { name, dtype: &self.dtype, index: self.index, valid, cells }
    }

    /// A column of values, in the densest form that gives them back; whole numbers among floats become floats.
    pub fn made(name: Value, values: Vec<Value>) -> Result<Column, Raise> {
        work::elements(values.len().saturating_mul(2))?;
        memory::reserve(values.len().saturating_mul(8))?;
        let missing = values.iter().any(Value::is_none);
        let all = |fits: fn(&Value) -> bool| {
            values.iter().all(|value| value.is_none() || fits(value)) && values.iter().any(|it| !it.is_none())
        };
        let eights =
            |each: fn(&Value) -> [u8; 8]| Bytes::from(values.iter().flat_map(each).collect::<Vec<u8>>());
        let cells = if all(|value| matches!(value, Value::Int(_))) {
            Cells::Ints(eights(|value| if let Value::Int(int) = value { *int } else { 0 }.to_le_bytes()))
        } else if all(is_number) {
            Cells::Floats(eights(|value| as_float(value).to_le_bytes()))
        } else if all(|value| matches!(value, Value::True | Value::False)) {
            Cells::Bools(
                values.iter().map(|it| u8::from(matches!(it, Value::True))).collect::<Vec<u8>>().into(),
            )
        } else if all(Value::is_text) {
            let mut texts = Gathered::default();
            for value in &values {
                texts.push(value.as_text().as_deref().unwrap_or(""))?;
            }
            Cells::Texts(Rc::new(texts.done()))
        } else {
            let cells = Cells::Values(Rc::new(TupleObj::new(values)));
            return Ok(Column { name, dtype: "".into(), index: false, valid: None, cells });
        };
        let valid = missing.then(|| bits(values.iter().map(|it| !it.is_none()), values.len()).into());
        Ok(Column { name, dtype: "".into(), index: false, valid, cells })
    }

    /// A cell as a value.
    pub fn cell(&self, at: usize) -> Result<Value, Raise> {
        match &self.valid {
            Some(bits) if !is_set(bits, at) => Ok(Value::None),
            _ => self.cells.get(at),
        }
    }

    fn pick(&self, rows: &[usize]) -> Result<Column, Raise> {
        let valid = match &self.valid {
            None => None,
            Some(old) => {
                memory::reserve(rows.len() / 8)?;
                Some(bits(rows.iter().map(|row| is_set(old, *row)), rows.len()).into())
            }
        };
        let cells = self.cells.pick(rows)?;
        Ok(Column { name: self.name.clone(), dtype: Rc::clone(&self.dtype), index: self.index, valid, cells })
    }

    /// Whether two columns of as many rows have the same buffers; none if that does not decide whether they are equal.
    pub fn same_bytes(&self, other: &Column) -> Result<Option<bool>, Raise> {
        if self.valid.as_deref() != other.valid.as_deref() {
            return Ok(None);
        }
        let decided = match (&self.cells, &other.cells) {
            // Bytes that differ may be zeros of both signs, and bits that differ cells without a value.
            (Cells::Floats(a), Cells::Floats(b)) => {
                return equal_bytes(a, b).map(|same| same.then_some(true));
            }
            (Cells::Ints(a), Cells::Ints(b)) | (Cells::Bools(a), Cells::Bools(b)) => equal_bytes(a, b)?,
            (Cells::Texts(a), Cells::Texts(b)) => {
                equal_bytes(&a.ends, &b.ends)? && equal_bytes(&a.text, &b.text)?
            }
            _ => return Ok(None),
        };
        Ok(if decided || self.valid.is_none() { Some(decided) } else { None })
    }

    /// The numbers of a column of whole numbers or floats, right-aligned when printed.
    pub fn is_number(&self) -> bool {
        matches!(self.cells, Cells::Ints(_) | Cells::Floats(_))
    }
}

impl Cells {
    fn received(plain: &Plain<'_>, frame: Option<&Rc<Vec<u8>>>) -> Result<Cells, Raise> {
        Ok(match plain {
            Plain::Ints(bytes) => Cells::Ints(kept(bytes, frame)?),
            Plain::Floats(bytes) => Cells::Floats(kept(bytes, frame)?),
            Plain::Bools(bytes) => Cells::Bools(kept(bytes, frame)?),
            Plain::Times { unit, zoned, ticks } => {
                Cells::Times { unit: *unit, zoned: *zoned, ticks: kept(ticks, frame)? }
            }
            Plain::Spans { unit, ticks } => Cells::Spans { unit: *unit, ticks: kept(ticks, frame)? },
            Plain::Texts { ends, text } => {
                let (ends, text) = (kept(ends, frame)?, kept(text.as_bytes(), frame)?);
                Cells::Texts(Rc::new(Texts { ends, text }))
            }
        })
    }

    /// As on the wire; none for codes and values.
    fn plain(&self) -> Option<Plain<'_>> {
        Some(match self {
            Cells::Ints(bytes) => Plain::Ints(bytes),
            Cells::Floats(bytes) => Plain::Floats(bytes),
            Cells::Bools(bytes) => Plain::Bools(bytes),
            Cells::Times { unit, zoned, ticks } => Plain::Times { unit: *unit, zoned: *zoned, ticks },
            Cells::Spans { unit, ticks } => Plain::Spans { unit: *unit, ticks },
            Cells::Texts(texts) => {
                Plain::Texts { ends: &texts.ends, text: str::from_utf8(&texts.text).unwrap_or_default() }
            }
            Cells::Codes { .. } | Cells::Values(_) => return None,
        })
    }

    fn get(&self, at: usize) -> Result<Value, Raise> {
        Ok(match self {
            Cells::Ints(bytes) => Value::Int(eight(bytes, at)),
            Cells::Floats(bytes) => Value::float(f64::from_bits(eight(bytes, at).cast_unsigned())),
            Cells::Bools(bytes) => Value::bool(bytes.get(at).is_some_and(|byte| *byte != 0)),
            Cells::Times { unit, zoned, ticks } => match eight(ticks, at) {
                i64::MIN => Value::None,
                ticks => super::grid_time::time(ticks, *unit, *zoned),
            },
            Cells::Spans { unit, ticks } => match eight(ticks, at) {
                i64::MIN => Value::None,
                ticks => super::grid_time::span(ticks, *unit),
            },
            Cells::Texts(texts) => {
                let text = texts.get(at);
                memory::reserve(text.len())?;
                work::bytes(text.len())?;
                Value::str(text)
            }
            Cells::Codes { codes, categories } => {
                let code = codes.as_chunks::<4>().0.get(at).map_or(-1, |bytes| i32::from_le_bytes(*bytes));
                return usize::try_from(code).map_or(Ok(Value::None), |code| categories.cells.get(code));
            }
            Cells::Values(values) => values.items().get(at).cloned().unwrap_or(Value::None),
        })
    }

    fn pick(&self, rows: &[usize]) -> Result<Cells, Raise> {
        Ok(match self {
            Cells::Ints(bytes) => Cells::Ints(gathered::<8>(bytes, rows)?),
            Cells::Floats(bytes) => Cells::Floats(gathered::<8>(bytes, rows)?),
            Cells::Bools(bytes) => Cells::Bools(gathered::<1>(bytes, rows)?),
            Cells::Times { unit, zoned, ticks } => {
                Cells::Times { unit: *unit, zoned: *zoned, ticks: gathered::<8>(ticks, rows)? }
            }
            Cells::Spans { unit, ticks } => Cells::Spans { unit: *unit, ticks: gathered::<8>(ticks, rows)? },
            Cells::Texts(texts) => {
                let mut picked = Gathered::default();
                work::elements(rows.len())?;
                for row in rows {
                    picked.push(texts.get(*row))?;
                }
                Cells::Texts(Rc::new(picked.done()))
            }
            Cells::Codes { codes, categories } => {
                Cells::Codes { codes: gathered::<4>(codes, rows)?, categories: Rc::clone(categories) }
            }
            Cells::Values(values) => {
                work::elements(rows.len())?;
                memory::reserve_values(rows.len())?;
                let picked = rows.iter().filter_map(|row| values.items().get(*row)).cloned().collect();
                Cells::Values(Rc::new(TupleObj::new(picked)))
            }
        })
    }
}

impl Texts {
    fn get(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| end(&self.ends, before));
        let bytes = self.text.get(start..end(&self.ends, at)).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Gathered {
    fn push(&mut self, text: &str) -> Result<(), Raise> {
        work::bytes(text.len())?;
        memory::grow(&mut self.ends, 4)?;
        memory::grow(&mut self.text, text.len())?;
        self.text.extend_from_slice(text.as_bytes());
        let at = u32::try_from(self.text.len())
            .map_err(|_| Raise::value_error("the texts of a column are more than 4 GiB"))?;
        self.ends.extend_from_slice(&at.to_le_bytes());
        Ok(())
    }

    fn done(self) -> Texts {
        Texts { ends: self.ends.into(), text: self.text.into() }
    }
}

fn equal_bytes(a: &[u8], b: &[u8]) -> Result<bool, Raise> {
    work::bytes(a.len().min(b.len()) / 8)?;
    Ok(a == b)
}

fn eight(bytes: &[u8], at: usize) -> i64 {
    bytes.as_chunks::<8>().0.get(at).map_or(0, |bytes| i64::from_le_bytes(*bytes))
}

/// The elements of `N` bytes at these places.
fn gathered<const N: usize>(bytes: &[u8], rows: &[usize]) -> Result<Bytes, Raise> {
    work::elements(rows.len())?;
    memory::reserve(rows.len().saturating_mul(N))?;
    let all = bytes.as_chunks::<N>().0;
    let mut picked = Vec::with_capacity(rows.len().saturating_mul(N));
    for row in rows {
        picked.extend_from_slice(all.get(*row).unwrap_or(&[0; N]));
    }
    Ok(picked.into())
}

fn is_set(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

fn bits(values: impl Iterator<Item = bool>, count: usize) -> Vec<u8> {
    let mut bits = vec![0_u8; count.div_ceil(8)];
    for (at, value) in values.enumerate() {
        if value && let Some(byte) = bits.get_mut(at / 8) {
            *byte |= 1 << (at % 8);
        }
    }
    bits
}

/// A float, or a whole number that one can hold exactly.
fn is_number(value: &Value) -> bool {
    match value {
        Value::Float(_) => true,
        Value::Int(int) => int.unsigned_abs() <= 1 << 53,
        _ => false,
    }
}

fn as_float(value: &Value) -> f64 {
    match value {
        Value::Float(float) => float.get(),
        Value::Int(int) => *int as f64,
        _ => 0.0,
    }
}
