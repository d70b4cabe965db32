//! Values on their way across the pipe, both ways.
//!
//! The rule: what arrives equals what was sent, or the sender gets an error that names the place inside the
//! value (`rows[3].price`). Nothing is sent in part: a caller drops the buffer of a failed [`encode`]. The
//! recursion here is bounded by the depth that the wire allows.

use std::rc::Rc;

use dana_wire::{Budget, Encoder, Reader, Token, Violation, floats, ints};

use super::{BigInt, ErrorObj, Iter, Raise, Table, Value, memory, repr};

/// From this length on, a list of only floats or only integers is sent as one block.
const PACKED: usize = 8;

/// What a session knows that values on the wire refer to.
pub trait Handles {
    /// A number that stands for a function until the host releases it.
    fn export(&mut self, function: &Value) -> u64;
    /// The function behind a number.
    fn import(&self, handle: u64) -> Option<Value>;
    /// An instance of a struct type of the session.
    fn structure(&mut self, name: &str, fields: Vec<(Rc<str>, Value)>) -> Result<Value, Raise>;
}

/// Appends one value to `out`, as its whole payload.
pub fn encode(value: &Value, out: &mut Vec<u8>, handles: &mut dyn Handles) -> Result<(), Raise> {
    encode_all(std::slice::from_ref(value), out, handles)
}

/// Appends the values of one payload to `out`: they share its budget, so they go in one call.
pub fn encode_all(values: &[Value], out: &mut Vec<u8>, handles: &mut dyn Handles) -> Result<(), Raise> {
    let start = out.len();
    let mut writer = Writer { encoder: Encoder::new(out, &Budget::FROM_WORKER), handles, open: Vec::new() };
    let written = values.iter().try_for_each(|value| writer.value(value)).and_then(|()| writer.finish());
    written.map_err(|refused| {
        out.truncate(start);
        refused.into_raise()
    })
}

/// Whether a value is worth trying to send: data, as opposed to modules, iterators and the like.
pub fn is_data(value: &Value) -> bool {
    !matches!(value, Value::Module(_) | Value::Iter(_) | Value::Cell(_) | Value::Unset)
}

/// Reads one value.
pub fn decode(reader: &mut Reader<'_>, handles: &mut dyn Handles) -> Result<Value, Raise> {
    let token = reader.next().map_err(|violation| Raise::value_error(violation.to_string()))?;
    build(token, reader, handles)
}

/// Why a value cannot be sent, and where inside it.
struct Refused {
    why: Why,
    /// Innermost step first.
    path: Vec<String>,
}

enum Why {
    Cannot(String),
    /// Not the value's fault: a pending promise, or the memory limit.
    Raised(Raise),
}

impl Refused {
    fn cannot(reason: impl Into<String>) -> Refused {
        Refused { why: Why::Cannot(reason.into()), path: Vec::new() }
    }

    fn at(mut self, step: String) -> Refused {
        self.path.push(step);
        self
    }

    fn into_raise(self) -> Raise {
        match self.why {
            Why::Raised(raise) => raise,
            Why::Cannot(reason) if self.path.is_empty() => Raise::new("TypeConversionError", reason),
            Why::Cannot(reason) => {
                let path: String = self.path.iter().rev().map(String::as_str).collect();
                Raise::new("TypeConversionError", format!("{reason} at value{path}"))
            }
        }
    }
}

impl From<Raise> for Refused {
    fn from(raise: Raise) -> Self {
        Refused { why: Why::Raised(raise), path: Vec::new() }
    }
}

struct Writer<'a, 'b> {
    encoder: Encoder<'b>,
    handles: &'a mut dyn Handles,
    /// Addresses of the containers around the value at hand.
    open: Vec<usize>,
}

impl Writer<'_, '_> {
    /// Ends the payload.
    fn finish(self) -> Result<(), Refused> {
        let finished = self.encoder.finish();
        finished
            .map(drop)
            .map_err(|violation| Refused::cannot(format!("the value cannot leave: {violation}")))
    }

    fn value(&mut self, value: &Value) -> Result<(), Refused> {
        let written = match value {
            Value::None => self.encoder.none(),
            Value::False => self.encoder.bool(false),
            Value::True => self.encoder.bool(true),
            Value::Int(number) => self.encoder.int(*number),
            Value::Float(number) => self.encoder.float(number.get()),
            Value::Small(text) => self.encoder.str(&text.text()),
            Value::Str(text) => self.encoder.str(text.as_str()),
            Value::Big(number) => self.encoder.bigint(&number.to_signed_bytes_le()),
            Value::Bytes(bytes) => self.encoder.bytes(&bytes.0),
            Value::Type(name) => self.encoder.str(&name.0),
            Value::Error(error) => self.encoder.exception(error.kind(), &error.message),
            Value::Promise(promise) => return self.value(&promise.observe()?),
            Value::List(list) => {
                let items = list.items.borrow();
                return self.inside(Rc::as_ptr(list).addr(), |writer| writer.list(&items));
            }
            Value::Tuple(tuple) => {
                return self.inside(Rc::as_ptr(tuple).addr(), |writer| {
                    writer.begin(|encoder| encoder.tuple(tuple.items().len()))?;
                    writer.items(tuple.items())
                });
            }
            Value::Set(set) => {
                let table = set.table.borrow();
                return self.inside(Rc::as_ptr(set).addr(), |writer| {
                    writer.begin(|encoder| encoder.set(table.len()))?;
                    table.keys().try_for_each(|member| writer.value(member))
                });
            }
            Value::Dict(dict) => {
                let table = dict.table.borrow();
                return self.inside(Rc::as_ptr(dict).addr(), |writer| writer.dict(&table));
            }
            Value::Struct(object) => {
                let fields = object.fields.borrow();
                return self.inside(Rc::as_ptr(object).addr(), |writer| {
                    writer.begin(|encoder| encoder.structure(&object.kind.name, fields.len()))?;
                    object.kind.fields.iter().zip(fields.iter()).try_for_each(|(field, value)| {
                        writer.begin(|encoder| encoder.str(&field.name))?;
                        writer.value(value).map_err(|refused| refused.at(format!(".{}", field.name)))
                    })
                });
            }
            Value::Range(range) => {
                let count = usize::try_from(range.len()).unwrap_or(usize::MAX);
                memory::reserve(count.saturating_mul(8))?;
                let numbers = (0..count).map(|at| range.at(at as u64));
                self.encoder.ints_from(numbers)
            }
            Value::View(_) => {
                let items = Iter::of(value)?.collect()?;
                return self.list(&items);
            }
            Value::Func(_) | Value::Native(_) | Value::Bound(_) | Value::StructType(_) => {
                let handle = self.handles.export(value);
                self.encoder.function(handle, &function_name(value))
            }
            Value::Iter(_) | Value::Module(_) | Value::Cell(_) | Value::Unset => {
                return Err(Refused::cannot(format!(
                    "a value of type {} cannot leave the session",
                    value.type_name()
                )));
            }
        };
        written.map_err(|violation| self.refused(&violation))
    }

    /// Runs `write` with one more container open.
    fn inside(
        &mut self,
        address: usize,
        write: impl FnOnce(&mut Self) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.open.push(address);
        let written = write(self);
        self.open.pop();
        written
    }

    fn begin(
        &mut self,
        write: impl FnOnce(&mut Encoder<'_>) -> Result<(), Violation>,
    ) -> Result<(), Refused> {
        write(&mut self.encoder).map_err(|violation| self.refused(&violation))
    }

    fn list(&mut self, items: &[Value]) -> Result<(), Refused> {
        if items.len() >= PACKED {
            if items.iter().all(|item| matches!(item, Value::Float(_))) {
                let numbers =
                    items.iter().map(|item| if let Value::Float(it) = item { it.get() } else { 0.0 });
                return self.begin(|encoder| encoder.floats_from(numbers));
            }
            if items.iter().all(|item| matches!(item, Value::Int(_))) {
                let numbers = items.iter().map(|item| if let Value::Int(it) = item { *it } else { 0 });
                return self.begin(|encoder| encoder.ints_from(numbers));
            }
        }
        self.begin(|encoder| encoder.list(items.len()))?;
        self.items(items)
    }

    fn items(&mut self, items: &[Value]) -> Result<(), Refused> {
        for (at, item) in items.iter().enumerate() {
            self.value(item).map_err(|refused| refused.at(format!("[{at}]")))?;
        }
        Ok(())
    }

    fn dict(&mut self, table: &Table<Value>) -> Result<(), Refused> {
        self.begin(|encoder| encoder.dict(table.len()))?;
        for entry in table.iter() {
            let step = || format!("[{}]", repr::repr(&entry.key).unwrap_or_else(|_| "?".to_owned()));
            self.value(&entry.key).map_err(|refused| refused.at(step()))?;
            self.value(&entry.value).map_err(|refused| refused.at(step()))?;
        }
        Ok(())
    }

    /// The sender's words for what the encoder refused.
    fn refused(&self, violation: &Violation) -> Refused {
        if let Violation::Exceeded { what: dana_wire::Allowance::Depth, limit } = violation {
            let cyclic =
                self.open.iter().enumerate().any(|(at, address)| {
                    self.open.get(at + 1..).is_some_and(|inner| inner.contains(address))
                });
            return Refused::cannot(if cyclic {
                "a value that contains itself cannot leave the session".to_owned()
            } else {
                format!("a value nested more than {limit} deep cannot leave the session")
            });
        }
        Refused::cannot(format!("the value cannot leave the session: {violation}"))
    }
}

fn function_name(value: &Value) -> String {
    match value {
        Value::Func(function) => function.code.name.to_string(),
        Value::Native(native) => native.name.to_owned(),
        Value::StructType(kind) => kind.name.to_string(),
        Value::Bound(bound) => function_name(&bound.function),
        other => other.type_name().to_owned(),
    }
}

fn build(token: Token<'_>, reader: &mut Reader<'_>, handles: &mut dyn Handles) -> Result<Value, Raise> {
    Ok(match token {
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
        Token::List(count) => Value::list(items(count, reader, handles)?),
        Token::Tuple(count) => Value::tuple(items(count, reader, handles)?),
        Token::Floats(packed) => {
            let numbers = floats(packed);
            memory::reserve_values(numbers.len())?;
            Value::list(numbers.map(Value::float).collect())
        }
        Token::Ints(packed) => {
            let numbers = ints(packed);
            memory::reserve_values(numbers.len())?;
            Value::list(numbers.map(Value::Int).collect())
        }
        Token::Set(count) => {
            memory::reserve_values(count.saturating_mul(3))?;
            let mut table = Table::with_capacity(count);
            for _ in 0..count {
                if !table.add(decode(reader, handles)?)? {
                    return Err(Raise::value_error("a set with equal members was sent"));
                }
            }
            Value::set(table)
        }
        Token::Dict(count) => {
            memory::reserve_values(count.saturating_mul(3))?;
            let mut table = Table::with_capacity(count);
            for _ in 0..count {
                let key = decode(reader, handles)?;
                if table.insert(key, decode(reader, handles)?)?.is_some() {
                    return Err(Raise::value_error("a dict with equal keys was sent"));
                }
            }
            Value::dict(table)
        }
        Token::Struct { name, fields } => {
            memory::reserve_values(fields.saturating_mul(2))?;
            let mut given = Vec::with_capacity(fields);
            for _ in 0..fields {
                let field = decode(reader, handles)?;
                let field: Rc<str> = field.as_text().map_or_else(|| Rc::from(""), |text| Rc::from(&*text));
                given.push((field, decode(reader, handles)?));
            }
            handles.structure(name, given)?
        }
        Token::Function { handle, name } => handles
            .import(handle)
            .ok_or_else(|| Raise::value_error(format!("function '{name}' is not one of this session's")))?,
        Token::Exception { kind, message } => {
            Value::Error(Rc::new(ErrorObj::new(kind.to_owned(), message.to_owned())))
        }
    })
}

fn items(count: usize, reader: &mut Reader<'_>, handles: &mut dyn Handles) -> Result<Vec<Value>, Raise> {
    memory::reserve_values(count)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(decode(reader, handles)?);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoHandles;

    impl Handles for NoHandles {
        fn export(&mut self, _function: &Value) -> u64 {
            7
        }

        fn import(&self, _handle: u64) -> Option<Value> {
            None
        }

        fn structure(&mut self, name: &str, _fields: Vec<(Rc<str>, Value)>) -> Result<Value, Raise> {
            Err(Raise::value_error(format!("no struct {name}")))
        }
    }

    fn round_trip(value: &Value) -> Value {
        let mut bytes = Vec::new();
        encode(value, &mut bytes, &mut NoHandles).expect("it can be sent");
        let mut reader = Reader::new(&bytes, &Budget::FROM_WORKER).expect("it fits");
        let back = decode(&mut reader, &mut NoHandles).expect("it is whole");
        assert!(reader.is_done());
        back
    }

    fn refusal(value: &Value) -> String {
        let mut bytes = vec![1, 2];
        let raise = encode(value, &mut bytes, &mut NoHandles).expect_err("it cannot be sent");
        assert_eq!(bytes, [1, 2], "nothing is left of a failed value");
        raise.as_error().expect("an error").message.clone()
    }

    #[test]
    fn values_come_back_equal() {
        let big = Value::big(BigInt::from(-3).pow(99));
        let mixed =
            vec![Value::None, Value::True, Value::Int(-1), Value::float(0.5), big, Value::str("ünïcode")];
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
    fn refusals_name_the_place() {
        let module = Value::iterator(Iter::of(&Value::list(Vec::new())).unwrap());
        let mut row = Table::new();
        row.insert(Value::str("price"), module).unwrap();
        let rows = Value::list(vec![Value::Int(1), Value::dict(row)]);
        assert_eq!(refusal(&rows), "a value of type iterator cannot leave the session at value[1]['price']");
    }

    #[test]
    fn cycles_and_depth_are_told_apart() {
        let list = Rc::new(super::super::ListObj::new(Vec::new()));
        list.items.borrow_mut().push(Value::List(Rc::clone(&list)));
        let message = refusal(&Value::List(Rc::clone(&list)));
        assert!(message.starts_with("a value that contains itself cannot leave the session"), "{message}");
        list.items.borrow_mut().clear();

        let deep = (0..100_000).fold(Value::Int(1), |inner, _| Value::list(vec![inner]));
        let message = refusal(&deep);
        assert!(
            message.starts_with("a value nested more than 64 deep cannot leave the session"),
            "{message}"
        );
    }
}
