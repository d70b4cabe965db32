//! JSON text as a value.
//!
//! Memory is charged while the value grows; depth is bounded by the reader.

use num_bigint::BigInt;

use crate::text::{
    self,
    json::{Event, Mistake, Reader},
};
use crate::value::{Raise, Table, Value, memory};

/// Why a text gives no value: it is no JSON, or the value is too much.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("{0}")]
    Mistake(#[from] Mistake),
    #[error("{0:?}")]
    Raise(Raise),
}

impl From<Raise> for Unreadable {
    fn from(raise: Raise) -> Self {
        Unreadable::Raise(raise)
    }
}

enum Open {
    List(Vec<Value>),
    Dict(Table<Value>, Value),
}

/// The value of a JSON text that is nothing but JSON.
pub fn value_of(source: &str) -> Result<Value, Unreadable> {
    let mut reader = Reader::new(source);
    let mut open: Vec<Open> = Vec::new();
    let mut seen = 0_usize;
    loop {
        let Some(event) = reader.next_event()? else { return Ok(Value::None) };
        seen += 1;
        if seen.is_multiple_of(256) {
            // A dict entry with its index, or a list element and its spare room, is well below this.
            memory::reserve(256 * 128)?;
        }
        let done = match event {
            Event::ListStart => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::DictStart => {
                open.push(Open::Dict(Table::new(), Value::Unset));
                continue;
            }
            Event::Key(name) => {
                if let Some(Open::Dict(_, key)) = open.last_mut() {
                    *key = Value::string(name);
                }
                continue;
            }
            Event::ListEnd | Event::DictEnd => match open.pop() {
                Some(Open::List(items)) => Value::list(items),
                Some(Open::Dict(table, _)) => Value::dict(table),
                None => Value::None,
            },
            Event::Null => Value::None,
            Event::Bool(truth) => Value::bool(truth),
            Event::Float(number) => Value::float(number),
            Event::Text(text) => Value::string(text),
            Event::Int(literal) => integer(literal)?,
        };
        match open.last_mut() {
            Some(Open::List(items)) => {
                if items.len() == items.capacity() {
                    memory::reserve_values(items.len())?;
                }
                items.push(done);
            }
            Some(Open::Dict(table, key)) => {
                memory::reserve(table.growth())?;
                table.insert(std::mem::take(key), done)?;
            }
            None => {
                // Whatever follows is a mistake.
                reader.next_event()?;
                return Ok(done);
            }
        }
    }
}

fn integer(literal: &str) -> Result<Value, Unreadable> {
    match literal.parse::<i64>() {
        Ok(small) => Ok(Value::Int(small)),
        Err(_) => {
            let big: BigInt = text::parse_bigint(literal, 10, literal).map_err(Raise::from)?;
            Ok(Value::big(big))
        }
    }
}

/// The value of the JSON list or object in a text that may say other things around it: in a markdown fence, or from
/// the first bracket to the last one that matches its kind.
pub fn value_in(source: &str) -> Result<Value, Unreadable> {
    let bare = text::unfenced(source);
    let mistake = match value_of(bare) {
        Err(Unreadable::Mistake(mistake)) => mistake,
        other => return other,
    };
    let Some(start) = bare.find(['[', '{']) else { return Err(mistake.into()) };
    let close = if bare.get(start..).is_some_and(|rest| rest.starts_with('[')) { ']' } else { '}' };
    let Some(part) = bare.rfind(close).and_then(|end| bare.get(start..=end)) else {
        return Err(mistake.into());
    };
    match value_of(part) {
        Err(Unreadable::Mistake(_)) => Err(mistake.into()),
        other => other,
    }
}
