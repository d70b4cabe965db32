//! Values to and from their wire encoding.
//!
//! Depth is bounded by the wire's budget, so recursion is safe. A value that contains itself, or something
//! that cannot leave the session, is an error that says where in the value it is.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::mem;
use std::rc::Rc;

use dana_wire::{
    Allowance, Budget, Cells as WireCells, Encoder, Reader, Table as WireTable, Token, Violation, floats,
    ints,
};

use crate::coerce;
use crate::session::Services;
use crate::value::grid::{Cells, Column};
use crate::value::{
    BigInt, BytesObj, ErrorObj, Grid, Iter, Literal, Raise, Table, Tail, Value, ViewObj, memory, repr,
};

/// Bytes from which on a bytes value crosses without being copied here.
const APART: usize = 64 << 10;

/// What came behind a message.
pub enum Payload<'a> {
    /// Somebody else's memory.
    Lent(&'a [u8]),
    /// The last so many bytes of a buffer, which was allocated outside the session and may become a part of it.
    Given(Vec<u8>, usize),
}

impl Payload<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Payload::Lent(bytes) => bytes,
            Payload::Given(buffer, length) => {
                buffer.get(buffer.len().saturating_sub(*length)..).unwrap_or_default()
            }
        }
    }
}

/// Functions the host holds, until it releases them.
#[derive(Default)]
pub struct Handles {
    held: HashMap<u64, Value>,
    next: u64,
}

impl Handles {
    pub fn get(&self, handle: u64) -> Option<Value> {
        self.held.get(&handle).cloned()
    }

    pub fn release(&mut self, handle: u64) {
        self.held.remove(&handle);
    }

    fn keep(&mut self, function: &Value) -> u64 {
        self.next += 1;
        self.held.insert(self.next, function.clone());
        self.next
    }

    fn mark(&self) -> u64 {
        self.next
    }

    fn forget_since(&mut self, mark: u64) {
        for handle in mark + 1..=self.next {
            self.held.remove(&handle);
        }
    }
}

/// Writes a payload of one value.
pub fn encode(value: &Value, out: &mut Vec<u8>, handles: &mut Handles) -> Result<(), Raise> {
    encode_all(std::slice::from_ref(value), out, handles)
}

/// Writes a payload of several values; they share one budget, so they go in one call. After an error `out`
/// and `handles` are as they were.
pub fn encode_all(values: &[Value], out: &mut Vec<u8>, handles: &mut Handles) -> Result<(), Raise> {
    let mark = handles.mark();
    let start = out.len();
    // A payload that grows exists twice for a moment, once at double the size.
    let payload_bytes = Budget::FROM_WORKER.payload_bytes.min(memory::room_and_reserve() / 3);
    let budget = Budget { payload_bytes, ..Budget::FROM_WORKER };
    let mut writer = Writer { encoder: Encoder::new(out, &budget), handles, path: Vec::new() };
    let written = values.iter().try_for_each(|value| writer.value(value));
    let finished = written.and_then(|()| match writer.encoder.finish() {
        Ok(_) => Ok(()),
        Err(fault) => Err(too_much(&fault, &[])),
    });
    if finished.is_err() {
        handles.forget_since(mark);
        out.truncate(start);
    }
    finished
}

/// As [`encode`], but the bytes of a large bytes value are not copied: they are the answer, to be sent behind `out`.
pub fn encode_apart<'v>(
    value: &'v Value,
    out: &mut Vec<u8>,
    handles: &mut Handles,
) -> Result<&'v [u8], Raise> {
    let Value::Bytes(bytes) = value else { return encode(value, out, handles).map(|()| &[][..]) };
    if bytes.0.len() < APART {
        return encode(value, out, handles).map(|()| &[][..]);
    }
    let mut encoder = Encoder::new(out, &Budget::FROM_WORKER);
    match encoder.bytes_apart(bytes.0.len()).and_then(|()| encoder.finish()) {
        Ok(_) => Ok(&bytes.0),
        Err(fault) => Err(too_much(&fault, &[])),
    }
}

/// Whether the value could be sent now.
pub fn try_encode(value: &Value, handles: &mut Handles) -> Result<(), Raise> {
    let mark = handles.mark();
    let result = encode(value, &mut Vec::new(), handles);
    handles.forget_since(mark);
    result
}

struct Writer<'a, 'b> {
    encoder: Encoder<'b>,
    handles: &'a mut Handles,
    /// The containers being written, by address, and where inside each.
    path: Vec<(usize, Step)>,
}

enum Step {
    Item(usize),
    Key(Value),
    Field(Rc<str>),
}

fn shown(path: &[(usize, Step)]) -> String {
    let mut out = "value".to_owned();
    for (_, step) in path {
        // Writing to a string cannot fail.
        let _ = match step {
            Step::Item(at) => write!(out, "[{at}]"),
            Step::Key(key) => write!(out, "[{}]", repr::repr(key).unwrap_or_default()),
            Step::Field(name) => write!(out, ".{name}"),
        };
    }
    out
}

fn too_much(fault: &Violation, path: &[(usize, Step)]) -> Raise {
    if let Violation::Exceeded { what: Allowance::PayloadBytes, limit } = fault
        && *limit < Budget::FROM_WORKER.payload_bytes
    {
        return Raise::memory(memory::limit());
    }
    Raise::value_error(format!("{} cannot be sent to the host: {fault}", shown(path)))
}

impl Writer<'_, '_> {
    fn fits(&self, result: Result<(), Violation>) -> Result<(), Raise> {
        result.map_err(|fault| too_much(&fault, &self.path))
    }

    fn enter(&mut self, address: usize, step: Step) -> Result<(), Raise> {
        if self.path.iter().any(|(other, _)| *other == address) {
            return Err(Raise::value_error(format!(
                "{} contains itself and cannot be sent to the host",
                shown(&self.path)
            )));
        }
        self.path.push((address, step));
        Ok(())
    }

    fn at(&mut self, step: Step) {
        if let Some((_, place)) = self.path.last_mut() {
            *place = step;
        }
    }

    /// The items of the container entered last, which ends with them.
    fn items<'v>(&mut self, items: impl Iterator<Item = &'v Value>) -> Result<(), Raise> {
        for (at, item) in items.enumerate() {
            self.at(Step::Item(at));
            self.value(item)?;
        }
        self.path.pop();
        Ok(())
    }

    fn list(&mut self, address: usize, items: &[Value]) -> Result<(), Raise> {
        if items.len() >= 4 && items.iter().all(|item| matches!(item, Value::Int(_))) {
            let numbers = items.iter().map(|item| if let Value::Int(number) = item { *number } else { 0 });
            let result = self.encoder.ints_from(numbers);
            return self.fits(result);
        }
        if items.len() >= 4 && items.iter().all(|item| matches!(item, Value::Float(_))) {
            let numbers = items.iter().map(|item| if let Value::Float(it) = item { it.get() } else { 0.0 });
            let result = self.encoder.floats_from(numbers);
            return self.fits(result);
        }
        self.enter(address, Step::Item(0))?;
        let result = self.encoder.list(items.len());
        self.fits(result)?;
        self.items(items.iter())
    }

    /// A table: its buffers, then the columns without.
    fn grid(&mut self, address: usize, grid: &Grid, lone: bool) -> Result<(), Raise> {
        let names: Vec<_> = grid.columns.iter().map(Column::name).collect();
        let columns: Vec<_> =
            grid.columns.iter().zip(&names).map(|(column, name)| column.wire(name)).collect();
        self.enter(address, Step::Item(0))?;
        let rows = if columns.is_empty() { 0 } else { grid.rows };
        let result = self.encoder.table(rows, lone, &grid.note, &columns);
        self.fits(result)?;
        for column in &grid.columns {
            let Cells::Values(values) = &column.cells else { continue };
            self.at(Step::Key(column.name.clone()));
            self.list(Rc::as_ptr(values) as usize, values.items())?;
        }
        self.path.pop();
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<(), Raise> {
        let result = match value {
            Value::None => self.encoder.none(),
            Value::True => self.encoder.bool(true),
            Value::False => self.encoder.bool(false),
            Value::Int(number) => self.encoder.int(*number),
            Value::Float(number) => self.encoder.float(number.get()),
            Value::Big(number) => self.encoder.bigint(&number.to_signed_bytes_le()),
            Value::Small(text) => self.encoder.str(&text.text()),
            Value::Str(text) => self.encoder.str(text.as_str()),
            Value::Type(name) => self.encoder.str(&name.0),
            Value::Bytes(bytes) => self.encoder.bytes(&bytes.0),
            Value::Literal(literal) => {
                let encoder = &mut self.encoder;
                literal.send(|literal| encoder.literal(literal))
            }
            Value::Promise(promise) => return self.value(&promise.observe()?),
            Value::Error(error) => self.encoder.exception(error.kind(), &error.message),
            Value::List(list) => return self.list(Rc::as_ptr(list) as usize, &list.items.borrow()),
            Value::Tuple(tuple) => {
                self.enter(Rc::as_ptr(tuple) as usize, Step::Item(0))?;
                let result = self.encoder.tuple(tuple.items().len());
                self.fits(result)?;
                return self.items(tuple.items().iter());
            }
            Value::Set(set) => {
                let table = set.table.borrow();
                self.enter(Rc::as_ptr(set) as usize, Step::Item(0))?;
                let result = if set.frozen {
                    self.encoder.frozen_set(table.len())
                } else {
                    self.encoder.set(table.len())
                };
                self.fits(result)?;
                return self.items(table.keys());
            }
            Value::Dict(dict) => {
                let table = dict.table.borrow();
                self.enter(Rc::as_ptr(dict) as usize, Step::Item(0))?;
                let result = self.encoder.dict(table.len());
                self.fits(result)?;
                for entry in table.iter() {
                    self.at(Step::Key(entry.key.clone()));
                    self.value(&entry.key)?;
                    self.value(&entry.value)?;
                }
                self.path.pop();
                return Ok(());
            }
            Value::Struct(it) => {
                let fields = it.fields.borrow();
                self.enter(Rc::as_ptr(it) as usize, Step::Item(0))?;
                let result = self.encoder.structure(&it.kind.name, it.kind.fields.len());
                self.fits(result)?;
                for (def, value) in it.kind.fields.iter().zip(fields.iter()) {
                    self.at(Step::Field(Rc::clone(&def.name)));
                    let result = self.encoder.str(&def.name);
                    self.fits(result)?;
                    self.value(value)?;
                }
                self.path.pop();
                return Ok(());
            }
            Value::Range(_) | Value::Iter(_) => {
                let items = Iter::of(value)?.collect()?;
                return self.list(0, &items);
            }
            Value::View(view) => {
                memory::reserve_values(view.dict.table.borrow().len())?;
                let items: Vec<Value> =
                    view.dict.table.borrow().iter().map(|e| ViewObj::element(view.which, e)).collect();
                return self.list(Rc::as_ptr(view) as usize, &items);
            }
            Value::Grid(grid) => return self.grid(Rc::as_ptr(grid) as usize, grid, false),
            Value::Column(column) => {
                return self.grid(Rc::as_ptr(column) as usize, &column.alone(), true);
            }
            Value::Func(_) | Value::Native(_) | Value::Bound(_) | Value::StructType(_) => {
                let name = name_of(value);
                let handle = self.handles.keep(value);
                self.encoder.function(handle, &name)
            }
            // Nothing of a module can be used outside, so that the program's last line may name one.
            Value::Module(module) => self.encoder.str(&format!("<module {}>", module.name)),
            Value::Unset | Value::Cell(_) => {
                return Err(Raise::type_error(format!(
                    "{} is a {} and cannot be sent to the host",
                    shown(&self.path),
                    value.type_name()
                )));
            }
        };
        self.fits(result)
    }
}

fn name_of(value: &Value) -> String {
    match value {
        Value::Func(it) => it.code.name.to_string(),
        Value::Native(it) => it.name.to_owned(),
        Value::StructType(it) => it.name.to_string(),
        Value::Bound(it) => name_of(&it.function),
        _ => "function".to_owned(),
    }
}

/// Why a payload gave no value.
pub enum Unread {
    /// The payload is no well-formed value.
    Violation(Violation),
    /// The value cannot be had in this session, such as a struct of an unknown type.
    Raise(Raise),
}

impl From<Violation> for Unread {
    fn from(violation: Violation) -> Self {
        Unread::Violation(violation)
    }
}

impl From<Raise> for Unread {
    fn from(raise: Raise) -> Self {
        Unread::Raise(raise)
    }
}

/// The length of the bytes value that is all there is in a buffer given to the session, and most of that buffer.
fn lone_bytes(payload: &Payload<'_>) -> Result<Option<usize>, Violation> {
    let Payload::Given(buffer, _) = payload else { return Ok(None) };
    let mut reader = Reader::new(payload.bytes(), &Budget::FROM_HOST)?;
    match reader.next()? {
        Token::Bytes(bytes) if reader.is_done() && bytes.len() >= buffer.capacity() / 2 => {
            Ok(Some(bytes.len()))
        }
        _ => Ok(None),
    }
}

/// Whether a table is the first value, and most of a large buffer that was given to the session: its columns then stay
/// where they are.
fn begins_with_table(payload: &Payload<'_>) -> Result<bool, Violation> {
    let Payload::Given(buffer, _) = payload else { return Ok(false) };
    let mut reader = Reader::new(payload.bytes(), &Budget::FROM_HOST)?;
    if reader.is_done() {
        return Ok(false);
    }
    let is_table = matches!(reader.next()?, Token::Table(_));
    let length = reader.position();
    Ok(is_table && length >= APART && length >= buffer.capacity() / 2)
}

/// What values are made with.
struct Source<'a> {
    handles: &'a Handles,
    services: &'a Services,
    /// The frame, if it belongs to the session now.
    frame: Option<&'a Rc<Vec<u8>>>,
}

/// All values of a payload.
pub fn decode(
    payload: &mut Payload<'_>,
    handles: &Handles,
    services: &Services,
) -> Result<Vec<Value>, Unread> {
    if let Some(length) = lone_bytes(payload)?
        && let Payload::Given(buffer, _) = payload
    {
        memory::reserve(buffer.capacity())?;
        dana_meter::adopt(buffer.capacity());
        return Ok(vec![Value::Bytes(Rc::new(BytesObj(Tail::of(mem::take(buffer), length))))]);
    }
    let mut shared = None;
    if begins_with_table(payload)?
        && let Payload::Given(buffer, length) = payload
    {
        memory::reserve(buffer.capacity())?;
        dana_meter::adopt(buffer.capacity());
        shared = Some((Rc::new(mem::take(buffer)), *length));
    }
    let bytes = match &shared {
        Some((frame, length)) => frame.get(frame.len().saturating_sub(*length)..).unwrap_or_default(),
        None => payload.bytes(),
    };
    let source = Source { handles, services, frame: shared.as_ref().map(|(frame, _)| frame) };
    let mut reader = Reader::new(bytes, &Budget::FROM_HOST)?;
    let mut values = Vec::new();
    while !reader.is_done() {
        values.push(read(&mut reader, &source)?);
    }
    reader.finish()?;
    Ok(values)
}

fn members(items: Vec<Value>) -> Result<Table<()>, Raise> {
    let mut table = Table::new();
    for member in items {
        table.add(member)?;
    }
    Ok(table)
}

fn read(reader: &mut Reader<'_>, source: &Source<'_>) -> Result<Value, Unread> {
    let items = |reader: &mut Reader<'_>, count: usize| -> Result<Vec<Value>, Unread> {
        memory::reserve_values(count)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(reader, source)?);
        }
        Ok(items)
    };
    Ok(match reader.next()? {
        Token::None => Value::None,
        Token::Bool(truth) => Value::bool(truth),
        Token::Int(number) => Value::Int(number),
        Token::BigInt(bytes) => {
            memory::reserve(bytes.len())?;
            Value::big(BigInt::from_signed_bytes_le(bytes))
        }
        Token::Float(number) => Value::float(number),
        Token::Str(text) => {
            memory::reserve(text.len())?;
            Value::str(text)
        }
        Token::Bytes(bytes) => {
            memory::reserve(bytes.len())?;
            Value::bytes(bytes.to_vec())
        }
        Token::Floats(packed) => {
            memory::reserve_values(packed.len() / 8)?;
            Value::list(floats(packed).map(Value::float).collect())
        }
        Token::Ints(packed) => {
            memory::reserve_values(packed.len() / 8)?;
            Value::list(ints(packed).map(Value::Int).collect())
        }
        Token::List(count) => Value::list(items(reader, count)?),
        Token::Tuple(count) => Value::tuple(items(reader, count)?),
        Token::Set(count) => Value::set(members(items(reader, count)?)?),
        Token::FrozenSet(count) => Value::frozen_set(members(items(reader, count)?)?),
        Token::Dict(count) => {
            memory::reserve(Table::<Value>::bytes(count))?;
            let mut table = Table::with_capacity(count);
            for _ in 0..count {
                let key = read(reader, source)?;
                let value = read(reader, source)?;
                table.insert(key, value)?;
            }
            Value::dict(table)
        }
        Token::Struct { name, fields } => {
            let kind = source.services.struct_type(name);
            let mut named = Vec::new();
            for _ in 0..fields {
                let field = read(reader, source)?;
                let value = read(reader, source)?;
                if let Some(field) = field.as_text() {
                    named.push((Rc::from(&*field), value));
                }
            }
            let kind = match kind {
                Some(kind) => kind,
                None => source.services.foreign_type(name, &named)?,
            };
            coerce::construct(&kind, &[], &named, source.services)?
        }
        Token::Table(table) => read_table(&table, reader, source)?,
        Token::Function { handle, name } => match source.handles.get(handle) {
            Some(function) => function,
            None => {
                let message = format!("the function '{name}' is not of this session, or was released");
                return Err(Unread::Raise(Raise::type_error(message)));
            }
        },
        Token::Literal { kind, text } => {
            memory::reserve(2 * text.len() + 128)?;
            match dana_wire::Literal::parse(kind, text) {
                Some(literal) => Literal::received(&literal).value(),
                None => return Err(Unread::Raise(Raise::value_error("a malformed literal"))),
            }
        }
        Token::Exception { kind, message } => Value::Error(Rc::new(ErrorObj::new(kind.to_owned(), message))),
    })
}

/// A table whose columns of any values are lists with an item a row.
fn read_table(table: &WireTable<'_>, reader: &mut Reader<'_>, source: &Source<'_>) -> Result<Value, Unread> {
    let mut values = Vec::new();
    for _ in table.columns().filter(|column| column.cells == WireCells::Values) {
        let at = reader.position();
        match read(reader, source)? {
            Value::List(list) if list.len() == table.rows => values.push(Value::List(list)),
            _ => return Err(Unread::Violation(Violation::Column { at })),
        }
    }
    Ok(Grid::received(table, values, source.frame)?)
}

#[cfg(test)]
mod tests {
    use dana_wire::SessionLimits;

    use super::*;
    use crate::value::ListObj;

    fn services() -> Services {
        let limits = SessionLimits { steps: None, memory: None, depth: 100, output: None };
        Services::new(limits, Vec::new())
    }

    fn round_trip(value: &Value) -> Value {
        let (mut bytes, mut handles) = (Vec::new(), Handles::default());
        assert!(encode(value, &mut bytes, &mut handles).is_ok());
        match decode(&mut Payload::Lent(&bytes), &handles, &services()) {
            Ok(mut back) => back.pop().unwrap(),
            Err(_) => panic!("what was written cannot be read"),
        }
    }

    fn refusal(value: &Value) -> String {
        let (mut bytes, mut handles) = (vec![1, 2], Handles::default());
        let raise = encode(value, &mut bytes, &mut handles).expect_err("it cannot be sent");
        assert_eq!(bytes, [1, 2], "nothing is left of a failed value");
        assert!(handles.held.is_empty(), "nor of its functions");
        raise.as_error().expect("an error").message.clone()
    }

    fn function() -> Value {
        Value::Native(crate::library::builtin("print").unwrap())
    }

    #[test]
    fn values_come_back_equal() {
        let big = Value::big(BigInt::from(-3).pow(99));
        let mixed = vec![
            Value::None,
            Value::True,
            Value::Int(-1),
            Value::float(0.5),
            big,
            Value::str("\u{fc}nic\u{f6}de"),
        ];
        let ints = Value::list((0..100).map(Value::Int).collect());
        let floats = Value::list((0..100).map(|n| Value::float(f64::from(n) / 3.0)).collect());
        let mut dict = Table::new();
        dict.insert(Value::tuple(vec![Value::Int(1), Value::str("a long text key")]), ints.clone()).unwrap();
        dict.insert(Value::Int(2), Value::bytes(vec![0, 255])).unwrap();
        let mut set = Table::new();
        set.add(Value::str("x")).unwrap();
        for value in [
            Value::list(mixed.clone()),
            Value::tuple(mixed),
            Value::dict(dict),
            Value::set(set),
            ints,
            floats,
            Value::list(Vec::new()),
        ] {
            assert_eq!(format!("{value:?}"), format!("{:?}", round_trip(&value)));
        }
        let error = round_trip(&Value::Error(Rc::new(ErrorObj::new("KeyError", "'k'"))));
        assert!(matches!(error, Value::Error(error) if error.kind() == "KeyError" && error.message == "'k'"));
    }

    #[test]
    fn refusals_name_the_place_and_keep_no_function() {
        let mut row = Table::new();
        row.insert(Value::str("price"), Value::Unset).unwrap();
        let rows = Value::list(vec![function(), Value::dict(row)]);
        let message = refusal(&rows);
        assert!(message.starts_with("value[1]['price'] is a "), "{message}");
    }

    #[test]
    fn a_trial_keeps_no_function_and_sending_does() {
        let (mut bytes, mut handles) = (Vec::new(), Handles::default());
        assert!(try_encode(&function(), &mut handles).is_ok());
        assert!(handles.held.is_empty());
        assert!(encode(&function(), &mut bytes, &mut handles).is_ok());
        assert_eq!(handles.held.len(), 1);
    }

    #[test]
    fn cycles_and_depth_are_told_apart() {
        let list = Rc::new(ListObj::new(Vec::new()));
        list.items.borrow_mut().push(Value::List(Rc::clone(&list)));
        let message = refusal(&Value::List(Rc::clone(&list)));
        assert!(message.contains("contains itself"), "{message}");
        list.items.borrow_mut().clear();

        let deep = (0..100_000).fold(Value::Int(1), |inner, _| Value::list(vec![inner]));
        let message = refusal(&deep);
        assert!(message.ends_with("cannot be sent to the host: nesting over the limit of 64"), "{message}");
    }

    #[test]
    fn a_value_shared_many_times_is_refused_before_it_fills_the_memory() {
        let wide = (0..60).fold(Value::Int(1), |inner, _| Value::list(vec![inner.clone(), inner]));
        let message = refusal(&wide);
        assert!(
            message.contains("cannot be sent to the host: values in a frame over the limit of"),
            "{message}"
        );
    }

    #[test]
    fn the_values_of_one_payload_share_its_budget() {
        let half = Value::list(vec![Value::None; 1_200_000]);
        let (mut bytes, mut handles) = (Vec::new(), Handles::default());
        assert!(encode(&half, &mut bytes, &mut handles).is_ok());
        bytes.clear();
        assert!(encode_all(&[half.clone(), half], &mut bytes, &mut handles).is_err());
        assert!(bytes.is_empty());
    }
}
