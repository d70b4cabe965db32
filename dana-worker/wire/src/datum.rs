//! A plain owned value, for tests and for users who want a tree rather than tokens. Neither the
//! interpreter nor the bridge goes through it.

use std::collections::HashSet;

use crate::budget::Budget;
use crate::encoder::Encoder;
use crate::literal::{Literal, LiteralKind};
use crate::reader::Reader;
use crate::table::{Cells, Table};
use crate::token::{Token, floats, ints};
use crate::violation::{KeyFault, Violation};

/// One value. Lists come back as `List` whether or not they travelled packed.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    None,
    Bool(bool),
    Int(i64),
    /// Two's complement, least significant byte first, shortest form, beyond 64 bits.
    BigInt(Vec<u8>),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Datum>),
    Tuple(Vec<Datum>),
    Set(Vec<Datum>),
    FrozenSet(Vec<Datum>),
    Dict(Vec<(Datum, Datum)>),
    Struct {
        name: String,
        fields: Vec<(String, Datum)>,
    },
    /// A table's body as it travels, and the columns that follow it.
    Table {
        body: Vec<u8>,
        values: Vec<Datum>,
    },
    Function {
        handle: u64,
        name: String,
    },
    /// A value in its one text.
    Literal {
        kind: LiteralKind,
        text: String,
    },
    Exception {
        kind: String,
        message: String,
    },
}

impl Datum {
    /// Reads exactly one value.
    pub fn decode(payload: &[u8], budget: &Budget) -> Result<Datum, Violation> {
        let mut reader = Reader::new(payload, budget)?;
        let datum = Datum::read(payload, &mut reader)?;
        reader.finish()?;
        Ok(datum)
    }

    /// Reads every value of a payload.
    pub fn decode_all(payload: &[u8], budget: &Budget) -> Result<Vec<Datum>, Violation> {
        let mut reader = Reader::new(payload, budget)?;
        let mut all = Vec::new();
        while !reader.is_done() {
            all.push(Datum::read(payload, &mut reader)?);
        }
        Ok(all)
    }

    /// The value's encoding. Lists of floats only and of integers only travel packed.
    pub fn encode(&self, budget: &Budget) -> Result<Vec<u8>, Violation> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, budget);
        self.write(&mut encoder)?;
        encoder.finish()?;
        Ok(out)
    }

    /// Appends the value to a payload.
    pub fn write(&self, encoder: &mut Encoder<'_>) -> Result<(), Violation> {
        match self {
            Datum::None => encoder.none(),
            Datum::Bool(truth) => encoder.bool(*truth),
            Datum::Int(int) => encoder.int(*int),
            Datum::BigInt(bytes) => encoder.bigint(bytes),
            Datum::Float(float) => encoder.float(*float),
            Datum::Str(text) => encoder.str(text),
            Datum::Bytes(bytes) => encoder.bytes(bytes),
            Datum::List(items) => write_list(items, encoder),
            Datum::Tuple(items) => {
                encoder.tuple(items.len())?;
                items.iter().try_for_each(|item| item.write(encoder))
            }
            Datum::Set(members) => {
                encoder.set(members.len())?;
                members.iter().try_for_each(|member| member.write(encoder))
            }
            Datum::FrozenSet(members) => {
                encoder.frozen_set(members.len())?;
                members.iter().try_for_each(|member| member.write(encoder))
            }
            Datum::Dict(pairs) => {
                encoder.dict(pairs.len())?;
                pairs.iter().try_for_each(|(key, value)| {
                    key.write(encoder)?;
                    value.write(encoder)
                })
            }
            Datum::Struct { name, fields } => {
                encoder.structure(name, fields.len())?;
                fields.iter().try_for_each(|(field, value)| {
                    encoder.str(field)?;
                    value.write(encoder)
                })
            }
            Datum::Table { body, values } => {
                let Some(table) = Table::parse(body).map(|checked| checked.table) else {
                    return Err(Violation::Tagged { kind: "table", at: encoder.position() });
                };
                let columns: Vec<_> = table.columns().collect();
                encoder.table(table.rows, table.lone, table.note, &columns)?;
                values.iter().try_for_each(|column| column.write(encoder))
            }
            Datum::Function { handle, name } => encoder.function(*handle, name),
            Datum::Literal { kind, text } => match Literal::parse(*kind, text) {
                Some(literal) => encoder.literal(&literal),
                None => Err(Violation::Tagged { kind: kind.name(), at: encoder.position() }),
            },
            Datum::Exception { kind, message } => encoder.exception(kind, message),
        }
    }

    /// Recursion is bounded by the budget's depth, at most [`crate::MAX_DEPTH`].
    fn read(payload: &[u8], reader: &mut Reader<'_>) -> Result<Datum, Violation> {
        Ok(match reader.next()? {
            Token::None => Datum::None,
            Token::Bool(truth) => Datum::Bool(truth),
            Token::Int(int) => Datum::Int(int),
            Token::BigInt(bytes) => Datum::BigInt(bytes.to_vec()),
            Token::Float(float) => Datum::Float(float),
            Token::Str(text) => Datum::Str(text.to_owned()),
            Token::Bytes(bytes) => Datum::Bytes(bytes.to_vec()),
            Token::Floats(packed) => Datum::List(floats(packed).map(Datum::Float).collect()),
            Token::Ints(packed) => Datum::List(ints(packed).map(Datum::Int).collect()),
            Token::List(count) => {
                Datum::List((0..count).map(|_| Datum::read(payload, reader)).collect::<Result<_, _>>()?)
            }
            Token::Tuple(count) => {
                Datum::Tuple((0..count).map(|_| Datum::read(payload, reader)).collect::<Result<_, _>>()?)
            }
            Token::Set(count) => {
                let mut keys = Keys::new(payload);
                Datum::Set((0..count).map(|_| keys.read(reader)).collect::<Result<_, _>>()?)
            }
            Token::FrozenSet(count) => {
                let mut keys = Keys::new(payload);
                Datum::FrozenSet((0..count).map(|_| keys.read(reader)).collect::<Result<_, _>>()?)
            }
            Token::Dict(count) => {
                let mut keys = Keys::new(payload);
                let pair = |_| Ok((keys.read(reader)?, Datum::read(payload, reader)?));
                Datum::Dict((0..count).map(pair).collect::<Result<_, _>>()?)
            }
            Token::Struct { name, fields } => {
                let mut keys = Keys::new(payload);
                let field = |_| {
                    let at = reader.position();
                    let Datum::Str(field) = keys.read(reader)? else {
                        return Err(Violation::Key { fault: KeyFault::Field, at });
                    };
                    Ok((field, Datum::read(payload, reader)?))
                };
                let fields = (0..fields).map(field).collect::<Result<_, _>>()?;
                Datum::Struct { name: name.to_owned(), fields }
            }
            Token::Table(table) => table_of(table, payload, reader)?,
            Token::Function { handle, name } => Datum::Function { handle, name: name.to_owned() },
            Token::Literal { kind, text } => Datum::Literal { kind, text: text.to_owned() },
            Token::Exception { kind, message } => {
                Datum::Exception { kind: kind.to_owned(), message: message.to_owned() }
            }
        })
    }
}

/// A table whose columns of any values have as many items as it has rows, and whose columns have names of their own.
fn table_of(table: Table<'_>, payload: &[u8], reader: &mut Reader<'_>) -> Result<Datum, Violation> {
    let at = reader.position();
    let mut names = HashSet::new();
    if !table.columns().all(|column| column.index || names.insert(column.name)) {
        return Err(Violation::Key { fault: KeyFault::Duplicate, at });
    }
    let mut values = Vec::new();
    for _ in table.columns().filter(|column| column.cells == Cells::Values) {
        let column = Datum::read(payload, reader)?;
        if !matches!(&column, Datum::List(items) if items.len() == table.rows) {
            return Err(Violation::Column { at });
        }
        values.push(column);
    }
    Ok(Datum::Table { body: table.body.to_vec(), values })
}

fn write_list(items: &[Datum], encoder: &mut Encoder<'_>) -> Result<(), Violation> {
    let floats =
        items.iter().map_while(|item| if let Datum::Float(float) = item { Some(*float) } else { None });
    let floats: Vec<f64> = floats.collect();
    if floats.len() == items.len() && !items.is_empty() {
        return encoder.floats(&floats);
    }
    let ints = items.iter().map_while(|item| if let Datum::Int(int) = item { Some(*int) } else { None });
    let ints: Vec<i64> = ints.collect();
    if ints.len() == items.len() && !items.is_empty() {
        return encoder.ints(&ints);
    }
    encoder.list(items.len())?;
    items.iter().try_for_each(|item| item.write(encoder))
}

/// Finds keys given twice, by their bytes: equal bytes are equal keys, and that equal keys of
/// different kinds (`1`, `1.0`) stay apart is no harm in a tree of pairs.
struct Keys<'a> {
    payload: &'a [u8],
    seen: HashSet<&'a [u8]>,
}

impl<'a> Keys<'a> {
    fn new(payload: &'a [u8]) -> Self {
        Keys { payload, seen: HashSet::new() }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<Datum, Violation> {
        let at = reader.position();
        let key = Datum::read(self.payload, reader)?;
        let bytes = self.payload.get(at..reader.position()).unwrap_or_default();
        if !self.seen.insert(bytes) {
            return Err(Violation::Key { fault: KeyFault::Duplicate, at });
        }
        Ok(key)
    }
}
