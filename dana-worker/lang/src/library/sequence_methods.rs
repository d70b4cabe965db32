//! Methods of `list`, `tuple` and `range`, as in Python 3.12. `list.sort` is in `sort`.

use std::cell::Ref;
use std::ops::Deref;
use std::rc::Rc;

use crate::value::work::Walk;
use crate::value::{ListObj, Raise, Value, cycles, eq, memory, repr, work};

use super::args::{index, natives, walk};
use super::native::Call;

natives! {
    /// In order of name: they are searched by halves.
    LIST:
    "append" ["self" Position, "object" Position] Plain append;
    "clear" ["self" Position] Plain clear;
    "copy" ["self" Position] Plain copy;
    "count" ["self" Position, "value" Position] Plain count;
    "extend" ["self" Position, "iterable" Position] Plain extend;
    "index" ["self" Position, "value" Position, "start" PositionOptional, "stop" PositionOptional] Plain position;
    "insert" ["self" Position, "index" Position, "object" Position] Plain insert;
    "pop" ["self" Position, "index" PositionOptional] Plain pop;
    "remove" ["self" Position, "value" Position] Plain remove;
    "reverse" ["self" Position] Plain reverse;
    "sort" ["self" Position, "key" Named, "reverse" Named] Steps super::sort::sort_method;
}

natives! {
    /// In order of name.
    TUPLE:
    "count" ["self" Position, "value" Position] Plain count;
    "index" ["self" Position, "value" Position, "start" PositionOptional, "stop" PositionOptional] Plain position;
}

natives! {
    /// In order of name.
    RANGE:
    "count" ["self" Position, "value" Position] Plain range_count;
    "index" ["self" Position, "value" Position] Plain range_index;
}

/// The list a method was called on.
pub(super) fn this<'a>(call: &Call<'a>) -> Result<&'a Rc<ListObj>, Raise> {
    match call.arg(0) {
        Value::List(list) => Ok(list),
        _ => Err(super::args::misapplied(call, "list")),
    }
}

/// The elements of a list or tuple. Comparing them runs no code of the program, so nothing changes them meanwhile.
enum Items<'a> {
    List(Ref<'a, Vec<Value>>),
    Tuple(&'a [Value]),
}

impl Deref for Items<'_> {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        match self {
            Items::List(items) => items,
            Items::Tuple(items) => items,
        }
    }
}

fn items<'a>(call: &Call<'a>) -> Result<Items<'a>, Raise> {
    match call.arg(0) {
        Value::Tuple(tuple) => Ok(Items::Tuple(tuple.items())),
        _ => Ok(Items::List(this(call)?.items.borrow())),
    }
}

/// Charges moving so many elements by one place.
fn moved(count: usize) -> Result<(), Raise> {
    work::bytes(count.saturating_mul(size_of::<Value>()) / 4)
}

fn append(call: &mut Call<'_>) -> Result<Value, Raise> {
    let list = this(call)?;
    cycles::stored(list, call.arg(1));
    let mut items = list.items.borrow_mut();
    memory::push(&mut items, call.arg(1).clone())?;
    Ok(Value::None)
}

fn clear(call: &mut Call<'_>) -> Result<Value, Raise> {
    let items = std::mem::take(&mut *this(call)?.items.borrow_mut());
    crate::value::release::release(items);
    Ok(Value::None)
}

fn copy(call: &mut Call<'_>) -> Result<Value, Raise> {
    let list = this(call)?;
    Ok(Value::list(memory::copied(&list.items.borrow())?))
}

fn extend(call: &mut Call<'_>) -> Result<Value, Raise> {
    let more = walk(call.arg(1))?.collect()?;
    cycles::stored_all(this(call)?, &more);
    let mut items = this(call)?.items.borrow_mut();
    memory::grow(&mut items, more.len())?;
    items.extend(more);
    Ok(Value::None)
}

fn insert(call: &mut Call<'_>) -> Result<Value, Raise> {
    let at = index(call.arg(1))?;
    let list = this(call)?;
    cycles::stored(list, call.arg(2));
    let mut items = list.items.borrow_mut();
    memory::grow(&mut items, 1)?;
    let at = clamped(at, items.len());
    moved(items.len() - at)?;
    items.insert(at, call.arg(2).clone());
    Ok(Value::None)
}

/// A position counted from the end when negative, moved inside `0..=length`.
fn clamped(at: i64, length: usize) -> usize {
    match usize::try_from(at) {
        Ok(at) => at.min(length),
        Err(_) => length.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

fn pop(call: &mut Call<'_>) -> Result<Value, Raise> {
    let at = call.given(1).map(index).transpose()?;
    let mut items = this(call)?.items.borrow_mut();
    let Some(at) = at else {
        return items.pop().ok_or_else(|| Raise::index_error("pop from empty list"));
    };
    if items.is_empty() {
        return Err(Raise::index_error("pop from empty list"));
    }
    let from_end = usize::try_from(at.unsigned_abs()).ok().and_then(|back| items.len().checked_sub(back));
    let place = if at < 0 { from_end } else { usize::try_from(at).ok() };
    match place.filter(|&place| place < items.len()) {
        Some(place) => {
            moved(items.len() - place)?;
            Ok(items.remove(place))
        }
        None => Err(Raise::index_error("pop index out of range")),
    }
}

fn remove(call: &mut Call<'_>) -> Result<Value, Raise> {
    let list = this(call)?;
    let place = place_of(&list.items.borrow(), call.arg(1))?;
    let Some(place) = place else { return Err(Raise::value_error("list.remove(x): x not in list")) };
    let removed = {
        let mut items = list.items.borrow_mut();
        moved(items.len().saturating_sub(place))?;
        if place < items.len() { items.remove(place) } else { Value::None }
    };
    crate::value::release::release_one(removed);
    Ok(Value::None)
}

fn place_of(items: &[Value], wanted: &Value) -> Result<Option<usize>, Raise> {
    let mut walk = Walk::default();
    for (at, item) in items.iter().enumerate() {
        walk.step()?;
        if eq::same(item, wanted) || eq::equal(item, wanted)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn reverse(call: &mut Call<'_>) -> Result<Value, Raise> {
    let list = this(call)?;
    work::elements(list.len())?;
    list.items.borrow_mut().reverse();
    Ok(Value::None)
}

fn count(call: &mut Call<'_>) -> Result<Value, Raise> {
    let mut found = 0;
    let mut walk = Walk::default();
    for item in items(call)?.iter() {
        walk.step()?;
        if eq::same(item, call.arg(1)) || eq::equal(item, call.arg(1))? {
            found += 1;
        }
    }
    Ok(Value::Int(found))
}

fn position(call: &mut Call<'_>) -> Result<Value, Raise> {
    let items = items(call)?;
    let edge = |at: usize, default: usize| -> Result<usize, Raise> {
        let given = call.given(at);
        if given.is_some_and(|value| !matches!(value, Value::Big(_)) && value.as_index().is_none()) {
            let text = "slice indices must be integers or have an __index__ method";
            return Err(Raise::type_error(text));
        }
        match super::args::bound(given)? {
            Some(at) => Ok(clamped(at, items.len())),
            None => Ok(default),
        }
    };
    let (start, stop) = (edge(2, 0)?, edge(3, items.len())?);
    let part = items.get(start..stop.max(start)).unwrap_or_default();
    match place_of(part, call.arg(1))? {
        Some(at) => Ok(Value::Int(i64::try_from(start + at).unwrap_or(i64::MAX))),
        None if matches!(call.arg(0), Value::Tuple(_)) => {
            Err(Raise::value_error("tuple.index(x): x not in tuple"))
        }
        None => Err(Raise::value_error(format!("{} is not in list", repr::shown(call.arg(1))?))),
    }
}

/// The place of a number in a range, without walking it.
fn range_place(call: &Call<'_>) -> Option<i64> {
    let Value::Range(range) = call.arg(0) else { return None };
    let number = match call.arg(1) {
        #[expect(clippy::cast_possible_truncation, reason = "the fraction was looked at")]
        Value::Float(number) if number.get().fract() == 0.0 && number.get().abs() < 9e15 => {
            number.get() as i64
        }
        other => other.as_index()?,
    };
    let steps = (i128::from(number) - i128::from(range.start)) / i128::from(range.step);
    range.contains(number).then(|| i64::try_from(steps).ok()).flatten()
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a native")]
fn range_count(call: &mut Call<'_>) -> Result<Value, Raise> {
    Ok(Value::Int(i64::from(range_place(call).is_some())))
}

fn range_index(call: &mut Call<'_>) -> Result<Value, Raise> {
    match range_place(call) {
        Some(at) => Ok(Value::Int(at)),
        None if call.arg(1).as_index().is_none() && !matches!(call.arg(1), Value::Big(_)) => {
            Err(Raise::value_error("sequence.index(x): x not in sequence"))
        }
        None => Err(Raise::value_error(format!("{} is not in range", repr::shown(call.arg(1))?))),
    }
}
