//! Values to and from their wire encoding.
//!
//! Depth is bounded by the wire's budget, so recursion is safe. A value that contains itself, or something
//! that cannot leave the session, is an error that says where in the value it is.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use dana_wire::{Budget, Encoder, Reader, Token, Violation, floats, ints};

use crate::coerce;
use crate::session::Services;
use crate::value::{BigInt, ErrorObj, Iter, Raise, Table, Value, ViewObj, memory, repr};

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

/// Appends a value to a payload.
pub fn encode(value: &Value, out: &mut Vec<u8>, handles: &mut Handles) -> Result<(), Raise> {
    let mark = handles.mark();
    let start = out.len();
    let mut writer = Writer { encoder: Encoder::new(out, &Budget::FROM_WORKER), handles, path: Vec::new() };
    let result = writer.value(value);
    let finished = match result {
        Ok(()) => writer.encoder.finish().map(|_| ()).map_err(|fault| too_much(&fault, &[])),
        Err(raise) => Err(raise),
    };
    if finished.is_err() {
        handles.forget_since(mark);
        out.truncate(start);
    }
    finished
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

    fn items(&mut self, items: &[Value]) -> Result<(), Raise> {
        for (at, item) in items.iter().enumerate() {
            self.at(Step::Item(at));
            self.value(item)?;
        }
        self.path.pop();
        Ok(())
    }

    fn list(&mut self, address: usize, items: &[Value]) -> Result<(), Raise> {
        if items.len() >= 4 && items.iter().all(|item| matches!(item, Value::Int(_))) {
            let numbers: Vec<i64> = items.iter().filter_map(Value::as_index).collect();
            let result = self.encoder.ints(&numbers);
            return self.fits(result);
        }
        if items.len() >= 4 && items.iter().all(|item| matches!(item, Value::Float(_))) {
            let numbers: Vec<f64> = items
                .iter()
                .filter_map(|item| if let Value::Float(number) = item { Some(number.get()) } else { None })
                .collect();
            let result = self.encoder.floats(&numbers);
            return self.fits(result);
        }
        self.enter(address, Step::Item(0))?;
        let result = self.encoder.list(items.len());
        self.fits(result)?;
        self.items(items)
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
            Value::Promise(promise) => return self.value(&promise.observe()?),
            Value::Error(error) => self.encoder.exception(error.kind(), &error.message),
            Value::List(list) => return self.list(Rc::as_ptr(list) as usize, &list.to_vec()),
            Value::Tuple(tuple) => {
                self.enter(Rc::as_ptr(tuple) as usize, Step::Item(0))?;
                let result = self.encoder.tuple(tuple.items().len());
                self.fits(result)?;
                return self.items(tuple.items());
            }
            Value::Set(set) => {
                let members: Vec<Value> = set.table.borrow().keys().cloned().collect();
                self.enter(Rc::as_ptr(set) as usize, Step::Item(0))?;
                let result = self.encoder.set(members.len());
                self.fits(result)?;
                return self.items(&members);
            }
            Value::Dict(dict) => {
                let pairs: Vec<(Value, Value)> =
                    dict.table.borrow().iter().map(|e| (e.key.clone(), e.value.clone())).collect();
                self.enter(Rc::as_ptr(dict) as usize, Step::Item(0))?;
                let result = self.encoder.dict(pairs.len());
                self.fits(result)?;
                for (key, value) in pairs {
                    self.at(Step::Key(key.clone()));
                    self.value(&key)?;
                    self.value(&value)?;
                }
                self.path.pop();
                return Ok(());
            }
            Value::Struct(it) => {
                let fields = it.fields.borrow().clone();
                self.enter(Rc::as_ptr(it) as usize, Step::Item(0))?;
                let result = self.encoder.structure(&it.kind.name, fields.len());
                self.fits(result)?;
                for (def, value) in it.kind.fields.iter().zip(&fields) {
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
                let items: Vec<Value> =
                    view.dict.table.borrow().iter().map(|e| ViewObj::element(view.which, e)).collect();
                return self.list(Rc::as_ptr(view) as usize, &items);
            }
            Value::Func(_) | Value::Native(_) | Value::Bound(_) | Value::StructType(_) => {
                let name = name_of(value);
                let handle = self.handles.keep(value);
                self.encoder.function(handle, &name)
            }
            Value::Module(_) | Value::Unset | Value::Cell(_) => {
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

/// All values of a payload.
pub fn decode(payload: &[u8], handles: &Handles, services: &Services) -> Result<Vec<Value>, Unread> {
    let mut reader = Reader::new(payload, &Budget::FROM_HOST)?;
    let mut values = Vec::new();
    while !reader.is_done() {
        values.push(read(&mut reader, handles, services)?);
    }
    reader.finish()?;
    Ok(values)
}

fn read(reader: &mut Reader<'_>, handles: &Handles, services: &Services) -> Result<Value, Unread> {
    let items = |reader: &mut Reader<'_>, count: usize| -> Result<Vec<Value>, Unread> {
        memory::reserve_values(count)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(reader, handles, services)?);
        }
        Ok(items)
    };
    Ok(match reader.next()? {
        Token::None => Value::None,
        Token::Bool(truth) => Value::bool(truth),
        Token::Int(number) => Value::Int(number),
        Token::BigInt(bytes) => Value::big(BigInt::from_signed_bytes_le(bytes)),
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
        Token::Set(count) => {
            let mut table = Table::new();
            for member in items(reader, count)? {
                table.add(member)?;
            }
            Value::set(table)
        }
        Token::Dict(count) => {
            let mut table = Table::new();
            for _ in 0..count {
                let key = read(reader, handles, services)?;
                let value = read(reader, handles, services)?;
                memory::reserve(table.growth())?;
                table.insert(key, value)?;
            }
            Value::dict(table)
        }
        Token::Struct { name, fields } => {
            let kind = services.struct_type(name);
            let mut named = Vec::new();
            for _ in 0..fields {
                let field = read(reader, handles, services)?;
                let value = read(reader, handles, services)?;
                if let Some(field) = field.as_text() {
                    named.push((Rc::from(&*field), value));
                }
            }
            let Some(kind) = kind else {
                let message = format!("the session has no struct type '{name}'");
                return Err(Unread::Raise(Raise::type_error(message)));
            };
            coerce::construct(&kind, &[], &named, services)?
        }
        Token::Function { handle, name } => match handles.get(handle) {
            Some(function) => function,
            None => {
                let message = format!("the function '{name}' is not of this session, or was released");
                return Err(Unread::Raise(Raise::type_error(message)));
            }
        },
        Token::Exception { kind, message } => Value::Error(Rc::new(ErrorObj::new(kind.to_owned(), message))),
    })
}
