//! Iteration over every iterable value.
//!
//! No element is produced by Dana code, so `next` is an ordinary function. An iterator holds its container,
//! and a dict or set that changes size under it is an error.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::release::release;
use super::work::Walk;
use super::{DictObj, ListObj, Raise, RangeObj, SetObj, TupleObj, Value, ViewKind, ViewObj, memory, work};

/// Iterators over iterators over iterators, and so on.
const MAX_NESTING: u32 = 200;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

pub enum Iter {
    List {
        list: Rc<ListObj>,
        at: usize,
    },
    Tuple {
        tuple: Rc<TupleObj>,
        at: usize,
    },
    Dict {
        dict: Rc<DictObj>,
        which: ViewKind,
        at: usize,
        size: usize,
    },
    Set {
        set: Rc<SetObj>,
        at: usize,
        size: usize,
    },
    /// A string and the byte position of the next code point.
    Text {
        text: Value,
        byte: usize,
    },
    Range {
        next: i64,
        left: u64,
        step: i64,
    },
    Bytes {
        bytes: Value,
        at: usize,
    },
    /// Pairs of position and element.
    Enumerate {
        inner: Box<Iter>,
        at: i64,
    },
    /// From the back: the position after the next element.
    Reversed {
        of: Value,
        left: usize,
    },
    /// Rows of a table, or cells of a column.
    Rows {
        of: Value,
        at: usize,
    },
    /// Tuples of one element of each, until one ends.
    Zip(Vec<Iter>),
    /// The same iterator, shared with others.
    Shared(Rc<IterObj>),
    /// Elements already there.
    Values(std::vec::IntoIter<Value>),
}

impl Iter {
    /// Nothing more.
    pub const END: Iter = Iter::Range { next: 0, left: 0, step: 1 };

    /// Starts iterating, or `TypeError`.
    pub fn of(value: &Value) -> Result<Iter, Raise> {
        Ok(match value {
            Value::List(list) => Iter::List { list: Rc::clone(list), at: 0 },
            Value::Tuple(tuple) => Iter::Tuple { tuple: Rc::clone(tuple), at: 0 },
            Value::Dict(dict) => Iter::dict(dict, ViewKind::Keys),
            Value::View(view) => Iter::dict(&view.dict, view.which),
            Value::Set(set) => {
                set.settle();
                Iter::Set { set: Rc::clone(set), at: set.table.borrow().first(), size: set.len() }
            }
            Value::Small(_) | Value::Str(_) => Iter::Text { text: value.clone(), byte: 0 },
            Value::Range(range) => Iter::range(range),
            Value::Grid(_) | Value::Column(_) => Iter::Rows { of: value.clone(), at: 0 },
            Value::Bytes(_) => Iter::Bytes { bytes: value.clone(), at: 0 },
            Value::Iter(shared) => Iter::Shared(Rc::clone(shared)),
            Value::Promise(promise) => return Iter::of(&promise.observe()?),
            other => {
                return Err(Raise::type_error(format!("'{}' object is not iterable", other.type_name())));
            }
        })
    }

    pub fn range(range: &RangeObj) -> Iter {
        Iter::Range { next: range.start, left: range.len(), step: range.step }
    }

    fn dict(dict: &Rc<DictObj>, which: ViewKind) -> Iter {
        Iter::Dict { dict: Rc::clone(dict), which, at: dict.table.borrow().first(), size: dict.len() }
    }

    /// From the back of a list, tuple, string, range, dict or view.
    pub fn reversed(value: &Value) -> Result<Iter, Raise> {
        let value = value.observe()?;
        let left = match &value {
            Value::List(list) => list.len(),
            Value::Tuple(tuple) => tuple.items().len(),
            Value::Grid(grid) => grid.rows,
            Value::Column(column) => column.len(),
            Value::Small(_) | Value::Str(_) => super::text::char_count(&value),
            Value::Range(range) => {
                let len = range.len();
                if len == 0 {
                    return Ok(Iter::Range { next: 0, left: 0, step: 1 });
                }
                return Ok(Iter::Range {
                    next: range.at(len - 1),
                    left: len,
                    step: range.step.wrapping_neg(),
                });
            }
            Value::Dict(_) | Value::View(_) => {
                let mut items = Iter::of(&value)?.collect()?;
                items.reverse();
                return Ok(Iter::Values(items.into_iter()));
            }
            other => {
                return Err(Raise::type_error(format!("'{}' object is not reversible", other.type_name())));
            }
        };
        Ok(Iter::Reversed { of: value, left })
    }

    #[inline]
    #[expect(clippy::should_implement_trait, reason = "an element can fail to come")]
    pub fn next(&mut self) -> Result<Option<Value>, Raise> {
        match self {
            Iter::List { list, at } => {
                let item = list.get(*at);
                if item.is_some() {
                    *at += 1;
                } else {
                    // An exhausted iterator stays exhausted when the list grows.
                    *at = usize::MAX;
                }
                Ok(item)
            }
            Iter::Range { next, left, step } => {
                if *left == 0 {
                    return Ok(None);
                }
                let item = *next;
                *left -= 1;
                *next = next.wrapping_add(*step);
                Ok(Some(Value::Int(item)))
            }
            other => other.next_other(),
        }
    }

    fn next_other(&mut self) -> Result<Option<Value>, Raise> {
        match self {
            Iter::List { .. } | Iter::Range { .. } => self.next(),
            Iter::Tuple { tuple, at } => {
                let item = tuple.items().get(*at).cloned();
                *at += 1;
                Ok(item)
            }
            Iter::Dict { dict, which, at, size } => {
                let table = dict.table.borrow();
                if table.len() != *size {
                    return Err(Raise::runtime("dictionary changed size during iteration"));
                }
                while *at < table.slots() {
                    *at += 1;
                    if let Some(entry) = table.slot(*at - 1) {
                        return Ok(Some(ViewObj::element(*which, entry)));
                    }
                }
                Ok(None)
            }
            Iter::Set { set, at, size } => {
                let table = set.table.borrow();
                if table.len() != *size {
                    return Err(Raise::runtime("Set changed size during iteration"));
                }
                while *at < table.slots() {
                    *at += 1;
                    if let Some(entry) = table.slot(*at - 1) {
                        return Ok(Some(entry.key.clone()));
                    }
                }
                Ok(None)
            }
            Iter::Text { text, byte } => {
                let next = text.as_text().and_then(|text| text.get(*byte..)?.chars().next());
                *byte += next.map_or(0, char::len_utf8);
                Ok(next.map(Value::char))
            }
            Iter::Bytes { bytes, at } => {
                let Value::Bytes(bytes) = bytes else { return Ok(None) };
                let item = bytes.0.get(*at).map(|byte| Value::Int(i64::from(*byte)));
                *at += 1;
                Ok(item)
            }
            Iter::Rows { of, at } => {
                *at += 1;
                row(of, *at - 1)
            }
            Iter::Enumerate { inner, at } => Ok(inner.next()?.map(|item| {
                *at += 1;
                Value::tuple(vec![Value::Int(*at - 1), item])
            })),
            Iter::Reversed { of, left } => {
                if *left == 0 {
                    return Ok(None);
                }
                *left -= 1;
                Ok(match of {
                    Value::List(list) => list.get(*left),
                    Value::Tuple(tuple) => tuple.items().get(*left).cloned(),
                    of @ (Value::Grid(_) | Value::Column(_)) => row(of, *left)?,
                    text => super::text::char_at(text, *left),
                })
            }
            Iter::Zip(inner) => {
                let mut items = Vec::with_capacity(inner.len());
                for iter in inner.iter_mut() {
                    let Some(item) = iter.next()? else { return Ok(None) };
                    items.push(item);
                }
                Ok(if items.is_empty() { None } else { Some(Value::tuple(items)) })
            }
            Iter::Shared(shared) => {
                let Ok(mut inner) = shared.inner.try_borrow_mut() else {
                    return Err(Raise::value_error("iterator already executing"));
                };
                let depth = DEPTH.get();
                if depth > MAX_NESTING {
                    return Err(Raise::nesting("iterating"));
                }
                DEPTH.set(depth + 1);
                let next = inner.next();
                DEPTH.set(depth);
                next
            }
            Iter::Values(values) => Ok(values.next()),
        }
    }

    /// An estimate of what is left, to reserve with; never more than there is in memory anyway, except for
    /// ranges, which tell exactly.
    pub fn remaining(&self) -> u64 {
        self.remaining_below(0)
    }

    fn remaining_below(&self, depth: u32) -> u64 {
        match self {
            Iter::List { list, at } => list.len().saturating_sub(*at) as u64,
            Iter::Tuple { tuple, at } => tuple.items().len().saturating_sub(*at) as u64,
            Iter::Dict { dict, .. } => dict.len() as u64,
            Iter::Set { set, .. } => set.len() as u64,
            Iter::Range { left, .. } => *left,
            Iter::Text { text, byte } => {
                text.as_text().map_or(0, |text| text.len().saturating_sub(*byte)) as u64
            }
            Iter::Bytes { bytes: Value::Bytes(bytes), at } => bytes.0.len().saturating_sub(*at) as u64,
            Iter::Bytes { .. } => 0,
            Iter::Rows { of: Value::Grid(grid), at } => grid.rows.saturating_sub(*at) as u64,
            Iter::Rows { of: Value::Column(column), at } => column.len().saturating_sub(*at) as u64,
            Iter::Rows { .. } => 0,
            Iter::Enumerate { inner, .. } => inner.remaining_below(depth),
            Iter::Reversed { left, .. } => *left as u64,
            Iter::Zip(inner) => inner.iter().map(|inner| inner.remaining_below(depth)).min().unwrap_or(0),
            Iter::Shared(_) if depth > MAX_NESTING => 0,
            Iter::Shared(shared) => {
                shared.inner.try_borrow().map_or(0, |inner| inner.remaining_below(depth + 1))
            }
            Iter::Values(values) => values.len() as u64,
        }
    }

    /// The values it holds, for dropping them without deep recursion.
    pub fn dissolve(self, held: &mut Vec<Value>) {
        match self {
            Iter::List { list, .. } => held.push(Value::List(list)),
            Iter::Tuple { tuple, .. } => held.push(Value::Tuple(tuple)),
            Iter::Dict { dict, .. } => held.push(Value::Dict(dict)),
            Iter::Set { set, .. } => held.push(Value::Set(set)),
            Iter::Reversed { of, .. } | Iter::Rows { of, .. } => held.push(of),
            Iter::Enumerate { inner, .. } => inner.dissolve(held),
            Iter::Zip(inner) => inner.into_iter().for_each(|inner| inner.dissolve(held)),
            Iter::Shared(shared) => held.push(Value::Iter(shared)),
            Iter::Values(values) => held.extend(values),
            Iter::Text { .. } | Iter::Bytes { .. } | Iter::Range { .. } => {}
        }
    }

    /// Everything left, within the memory limit and charged as work.
    pub fn collect(mut self) -> Result<Vec<Value>, Raise> {
        let count = usize::try_from(self.remaining()).unwrap_or(usize::MAX);
        work::foresee(self.remaining())?;
        memory::reserve_values(count)?;
        if let Iter::List { list, at } = &self {
            return memory::copied(list.items.borrow().get(*at..).unwrap_or_default());
        }
        let mut items = Vec::with_capacity(count.min(1 << 20));
        let mut walk = Walk::default();
        while let Some(item) = self.next()? {
            walk.step()?;
            memory::push(&mut items, item)?;
        }
        Ok(items)
    }
}

/// A row of a table or a cell of a column; none behind the last.
fn row(of: &Value, at: usize) -> Result<Option<Value>, Raise> {
    match of {
        Value::Grid(grid) if at < grid.rows => grid.row(at).map(Some),
        Value::Column(column) => column.get(at),
        _ => Ok(None),
    }
}

/// An iterator as a value: one shot, shared by aliases.
pub struct IterObj {
    pub inner: RefCell<Iter>,
}

impl IterObj {
    pub fn new(inner: Iter) -> IterObj {
        IterObj { inner: RefCell::new(inner) }
    }
}

impl Drop for IterObj {
    fn drop(&mut self) {
        // Lists, tuples and dicts see to their contents themselves.
        if !matches!(
            self.inner.get_mut(),
            Iter::Enumerate { .. } | Iter::Zip(_) | Iter::Shared(_) | Iter::Set { .. } | Iter::Values(_)
        ) {
            return;
        }
        let mut held = Vec::new();
        self.inner.replace(Iter::END).dissolve(&mut held);
        release(held);
    }
}
