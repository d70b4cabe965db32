//! Dana values.
//!
//! A [`Value`] is 16 bytes: a tag and exactly one 8-byte integer or pointer, so that the compiler passes it
//! in two registers. Payloads of any other shape (a `bool`, an `f64`, a byte array) would silently lose that.
//! Variants up to [`Value::Unset`] own nothing; the interpreter drops them without looking.

pub mod arith;
pub mod bigint;
pub mod cycles;
pub mod eq;
pub mod error;
pub mod function;
pub mod grid;
pub mod grid_text;
mod grid_time;
pub mod hash;
pub mod iter;
pub mod list;
pub mod literal;
pub mod memory;
pub mod module;
pub mod order;
pub mod promise;
pub mod range;
pub mod release;
pub mod repr;
pub mod set_order;
pub mod structure;
pub mod table;
pub mod text;
pub mod truth;
pub mod work;

use std::fmt;
use std::mem;
use std::rc::Rc;

pub use error::{ErrorObj, Raise};
pub use function::{BoundObj, CellObj, FuncObj};
pub use grid::{ColumnObj, Grid};
pub use iter::{Iter, IterObj};
pub use list::{BytesObj, ListObj, Tail, TupleObj};
pub use literal::Literal;
pub use module::{ModuleObj, Namespace};
pub use num_bigint::BigInt;
pub use promise::PromiseObj;
pub use range::RangeObj;
pub use structure::{StructObj, StructType};
pub use table::{DictObj, SetObj, Table, ViewKind, ViewObj};
pub use text::{SmallStr, StrObj, Text};

use crate::library::native::Native;

/// Elements one comparison, hash or printing looks at: structures may share their parts, and so be far larger than the
/// memory they take.
pub const MAX_VISITS: u64 = 30_000_000;

/// The bits of a float, so that a float is an integer payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FloatBits(u64);

impl FloatBits {
    #[inline(always)]
    pub fn new(number: f64) -> Self {
        FloatBits(number.to_bits())
    }

    #[inline(always)]
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Debug for FloatBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// One Dana value. Cloning aliases whatever is mutable, as assignment does in Dana.
#[repr(u8)]
pub enum Value {
    None,
    False,
    True,
    Int(i64),
    Float(FloatBits),
    /// A string of at most seven bytes. Shorter strings are always this, longer ones never.
    Small(SmallStr),
    Native(&'static Native),
    /// No value: an unassigned variable, a removed table entry, an argument that was not given.
    Unset,
    Str(Rc<StrObj>),
    List(Rc<ListObj>),
    Dict(Rc<DictObj>),
    Tuple(Rc<TupleObj>),
    Struct(Rc<StructObj>),
    Func(Rc<FuncObj>),
    Set(Rc<SetObj>),
    Range(Rc<RangeObj>),
    /// An integer that does not fit `i64`. One that fits is always `Int`.
    Big(Rc<BigInt>),
    Bytes(Rc<BytesObj>),
    Bound(Rc<BoundObj>),
    StructType(Rc<StructType>),
    Error(Rc<ErrorObj>),
    Iter(Rc<IterObj>),
    /// `d.keys()`, `d.values()`, `d.items()`.
    View(Rc<ViewObj>),
    /// A table, which never changes.
    Grid(Rc<Grid>),
    /// A column of one.
    Column(Rc<ColumnObj>),
    /// What `type(x)` gives: prints as and equals its text.
    Type(Rc<TypeName>),
    Module(Rc<ModuleObj>),
    /// A date, a time, a duration, a decimal or a UUID.
    Literal(Rc<Literal>),
    Promise(Rc<PromiseObj>),
    /// Storage of a captured variable; never seen by a program.
    Cell(Rc<CellObj>),
}

/// The text of a type value.
#[derive(Debug, PartialEq, Eq)]
pub struct TypeName(pub Box<str>);

const _: () = assert!(size_of::<Value>() == 16);

impl Clone for Value {
    #[inline(always)]
    fn clone(&self) -> Self {
        match self {
            Value::Int(number) => Value::Int(*number),
            Value::Float(number) => Value::Float(*number),
            Value::Small(text) => Value::Small(*text),
            Value::None => Value::None,
            Value::False => Value::False,
            Value::True => Value::True,
            other => clone_shared(other),
        }
    }
}

#[inline]
fn clone_shared(value: &Value) -> Value {
    match value {
        Value::None => Value::None,
        Value::False => Value::False,
        Value::True => Value::True,
        Value::Int(it) => Value::Int(*it),
        Value::Float(it) => Value::Float(*it),
        Value::Small(it) => Value::Small(*it),
        Value::Native(it) => Value::Native(it),
        Value::Unset => Value::Unset,
        Value::Str(it) => Value::Str(Rc::clone(it)),
        Value::List(it) => Value::List(Rc::clone(it)),
        Value::Dict(it) => Value::Dict(Rc::clone(it)),
        Value::Tuple(it) => Value::Tuple(Rc::clone(it)),
        Value::Struct(it) => Value::Struct(Rc::clone(it)),
        Value::Func(it) => Value::Func(Rc::clone(it)),
        Value::Set(it) => Value::Set(Rc::clone(it)),
        Value::Range(it) => Value::Range(Rc::clone(it)),
        Value::Big(it) => Value::Big(Rc::clone(it)),
        Value::Bytes(it) => Value::Bytes(Rc::clone(it)),
        Value::Bound(it) => Value::Bound(Rc::clone(it)),
        Value::StructType(it) => Value::StructType(Rc::clone(it)),
        Value::Error(it) => Value::Error(Rc::clone(it)),
        Value::Iter(it) => Value::Iter(Rc::clone(it)),
        Value::View(it) => Value::View(Rc::clone(it)),
        Value::Grid(it) => Value::Grid(Rc::clone(it)),
        Value::Column(it) => Value::Column(Rc::clone(it)),
        Value::Type(it) => Value::Type(Rc::clone(it)),
        Value::Module(it) => Value::Module(Rc::clone(it)),
        Value::Literal(it) => Value::Literal(Rc::clone(it)),
        Value::Promise(it) => Value::Promise(Rc::clone(it)),
        Value::Cell(it) => Value::Cell(Rc::clone(it)),
    }
}

/// Stores `value` and drops what was there, without drop glue when it owned nothing.
#[inline(always)]
pub fn put(slot: &mut Value, value: Value) {
    let old = mem::replace(slot, value);
    if old.is_scalar() {
        mem::forget(old);
    } else {
        drop_slow(old);
    }
}

/// Takes the value out, leaving [`Value::Unset`].
#[inline(always)]
pub fn take(slot: &mut Value) -> Value {
    mem::replace(slot, Value::Unset)
}

#[inline(never)]
fn drop_slow(value: Value) {
    drop(value);
}

impl Value {
    /// Owns no memory: copying and dropping are free.
    #[inline(always)]
    pub fn is_scalar(&self) -> bool {
        matches!(
            self,
            Value::None
                | Value::False
                | Value::True
                | Value::Int(_)
                | Value::Float(_)
                | Value::Small(_)
                | Value::Native(_)
                | Value::Unset
        )
    }

    #[inline(always)]
    pub fn bool(truth: bool) -> Value {
        if truth { Value::True } else { Value::False }
    }

    #[inline(always)]
    pub fn float(number: f64) -> Value {
        Value::Float(FloatBits::new(number))
    }

    #[inline]
    pub fn str(text: &str) -> Value {
        match SmallStr::new(text) {
            Some(small) => Value::Small(small),
            None => Value::Str(Rc::new(StrObj::new(text.to_owned()))),
        }
    }

    #[inline]
    pub fn string(text: String) -> Value {
        match SmallStr::new(&text) {
            Some(small) => Value::Small(small),
            None => Value::Str(Rc::new(StrObj::new(text))),
        }
    }

    pub fn char(c: char) -> Value {
        let mut buffer = [0; 4];
        Value::str(c.encode_utf8(&mut buffer))
    }

    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Rc::new(ListObj::new(items)))
    }

    pub fn tuple(items: Vec<Value>) -> Value {
        Value::Tuple(Rc::new(TupleObj::new(items)))
    }

    pub fn dict(table: Table<Value>) -> Value {
        Value::Dict(Rc::new(DictObj::new(table)))
    }

    pub fn set(table: Table<()>) -> Value {
        Value::Set(Rc::new(SetObj::new(table)))
    }

    pub fn frozen_set(table: Table<()>) -> Value {
        Value::Set(Rc::new(SetObj::frozen(table)))
    }

    pub fn bytes(bytes: Vec<u8>) -> Value {
        Value::Bytes(Rc::new(BytesObj(bytes.into())))
    }

    pub fn iterator(iter: Iter) -> Value {
        Value::Iter(Rc::new(IterObj::new(iter)))
    }

    pub fn type_named(text: &str) -> Value {
        Value::Type(Rc::new(TypeName(text.into())))
    }

    /// The canonical integer: `Int` when it fits.
    pub fn big(number: BigInt) -> Value {
        match i64::try_from(&number) {
            Ok(small) => Value::Int(small),
            Err(_) => Value::Big(Rc::new(number)),
        }
    }

    #[inline]
    pub fn as_text(&self) -> Option<Text<'_>> {
        match self {
            Value::Small(small) => Some(small.text()),
            Value::Str(text) => Some(Text::Heap(text.as_str())),
            _ => None,
        }
    }

    #[inline(always)]
    pub fn is_text(&self) -> bool {
        matches!(self, Value::Small(_) | Value::Str(_))
    }

    /// The value as a machine integer: an `Int` or a bool.
    pub fn as_index(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::True => Some(1),
            Value::False => Some(0),
            _ => None,
        }
    }

    /// `None`, and nothing else.
    #[inline(always)]
    pub fn is_none(&self) -> bool {
        matches!(self, Value::None)
    }

    #[inline(always)]
    pub fn is_unset(&self) -> bool {
        matches!(self, Value::Unset)
    }

    /// Follows a settled promise to its value. An unsettled one is [`Raise::pending`]: the operation is
    /// abandoned and executed again when the answer is there.
    #[inline]
    pub fn observe(&self) -> Result<Value, Raise> {
        match self {
            Value::Promise(promise) => promise.observe(),
            other => Ok(other.clone()),
        }
    }

    /// A number for the variant, for caches by type.
    pub fn tag(&self) -> u8 {
        match self {
            Value::None => 0,
            Value::False | Value::True => 1,
            Value::Int(_) => 2,
            Value::Float(_) => 3,
            Value::Small(_) => 4,
            Value::Native(_) => 5,
            Value::Unset => 6,
            Value::Str(_) => 4,
            Value::List(_) => 8,
            Value::Dict(_) => 9,
            Value::Tuple(_) => 10,
            Value::Struct(_) => 11,
            Value::Func(_) => 12,
            Value::Set(_) => 13,
            Value::Range(_) => 14,
            Value::Big(_) => 2,
            Value::Bytes(_) => 16,
            Value::Bound(_) => 17,
            Value::StructType(_) => 18,
            Value::Error(_) => 19,
            Value::Iter(_) => 20,
            Value::View(_) => 21,
            Value::Grid(_) => 26,
            Value::Column(_) => 27,
            Value::Type(_) => 22,
            Value::Module(_) => 23,
            Value::Promise(_) => 24,
            Value::Cell(_) => 25,
            Value::Literal(_) => 26,
        }
    }

    /// Python's name of the type, as used in messages.
    pub fn type_name(&self) -> &str {
        match self {
            Value::None => "NoneType",
            Value::False | Value::True => "bool",
            Value::Int(_) | Value::Big(_) => "int",
            Value::Float(_) => "float",
            Value::Small(_) | Value::Str(_) => "str",
            Value::Native(_) => "function",
            Value::Unset => "unset",
            Value::List(_) => "list",
            Value::Dict(_) => "dict",
            Value::Tuple(_) => "tuple",
            Value::Struct(it) => it.kind.name.as_str(),
            Value::Func(_) => "function",
            Value::Set(it) if it.frozen => "frozenset",
            Value::Set(_) => "set",
            Value::Range(_) => "range",
            Value::Bytes(_) => "bytes",
            Value::Bound(_) => "function",
            Value::StructType(_) => "type",
            Value::Error(it) => it.kind(),
            Value::Iter(_) => "iterator",
            Value::View(it) => it.which.type_name(),
            Value::Grid(_) => "table",
            Value::Column(_) => "column",
            Value::Type(_) => "type",
            Value::Module(_) => "module",
            Value::Literal(it) => it.type_name(),
            Value::Promise(_) => "promise",
            Value::Cell(_) => "cell",
        }
    }

    /// Can be called.
    pub fn is_callable(&self) -> bool {
        matches!(self, Value::Native(_) | Value::Func(_) | Value::Bound(_) | Value::StructType(_))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match repr::repr(self) {
            Ok(text) => f.write_str(&text),
            Err(_) => write!(f, "<{}>", self.type_name()),
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::str(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::string(text)
    }
}

impl Default for Value {
    /// No value.
    fn default() -> Self {
        Value::Unset
    }
}
