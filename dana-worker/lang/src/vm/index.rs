//! `a[i]`, `a[i:j:k]`, their assignment, `in`, and unpacking.

use std::rc::Rc;

use crate::value::work::Walk;
use crate::value::{ColumnObj, Iter, Raise, RangeObj, Value, arith, cycles, eq, memory, repr, text, work};

pub(super) fn get(object: &Value, index: &Value) -> Result<Value, Raise> {
    if let (Value::Promise(_), _) | (_, Value::Promise(_)) = (object, index) {
        return get(&object.observe()?, &index.observe()?);
    }
    match object {
        Value::Dict(dict) => match dict.get(index)? {
            Some(value) => Ok(value),
            None => Err(missing_key(dict, index)?),
        },
        Value::List(list) => {
            let at = position(object, index, list.len())?;
            Ok(list.get(at).unwrap_or(Value::None))
        }
        Value::Tuple(tuple) => {
            let at = position(object, index, tuple.items().len())?;
            Ok(tuple.items().get(at).cloned().unwrap_or(Value::None))
        }
        Value::Small(_) | Value::Str(_) => {
            let at = position(object, index, text::char_count(object))?;
            Ok(text::char_at(object, at).unwrap_or(Value::None))
        }
        Value::Range(range) => {
            let len = usize::try_from(range.len()).unwrap_or(usize::MAX);
            Ok(Value::Int(range.at(position(object, index, len)? as u64)))
        }
        Value::Grid(grid) => match index.as_text() {
            Some(name) => grid
                .find(&name)?
                .and_then(|at| ColumnObj::of(grid, at))
                .ok_or_else(|| crate::library::no_column(grid, &name)),
            None => grid.row(position(object, index, grid.rows)?),
        },
        Value::Column(column) => {
            let at = position(object, index, column.len())?;
            Ok(column.get(at)?.unwrap_or(Value::None))
        }
        Value::Bytes(bytes) => {
            let at = position(object, index, bytes.0.len())?;
            Ok(Value::Int(bytes.0.get(at).copied().map_or(0, i64::from)))
        }
        other => Err(Raise::type_error(format!("'{}' object is not subscriptable", other.type_name()))),
    }
}

fn missing_key(dict: &crate::value::DictObj, key: &Value) -> Result<Raise, Raise> {
    let mut known = Vec::new();
    for key in dict.table.borrow().keys().take(5) {
        known.push(repr::shown(key)?);
    }
    let known = if known.is_empty() {
        "the dict is empty".to_owned()
    } else {
        let more = if dict.len() > 5 { ", ..." } else { "" };
        format!("available keys: {}{more}", known.join(", "))
    };
    Ok(Raise::key_error(format!("key {} not found; {known}", repr::shown(key)?)))
}

/// The element's position from the front.
fn position(object: &Value, index: &Value, len: usize) -> Result<usize, Raise> {
    let Some(number) = index.as_index() else {
        if matches!(index, Value::Big(_)) {
            return Err(out_of_range(object, index, len));
        }
        return Err(Raise::type_error(format!(
            "{} indices must be integers, not {}",
            object.type_name(),
            index.type_name()
        )));
    };
    let at = if number < 0 { number + len as i64 } else { number };
    usize::try_from(at).ok().filter(|at| *at < len).ok_or_else(|| out_of_range(object, index, len))
}

fn out_of_range(object: &Value, index: &Value, len: usize) -> Raise {
    let shown = repr::repr(index).unwrap_or_default();
    Raise::index_error(format!("index {shown} is out of range for {} of length {len}", object.type_name()))
}

pub(super) fn set(object: &Value, index: &Value, value: Value) -> Result<(), Raise> {
    if let (Value::Promise(_), _) | (_, Value::Promise(_)) = (object, index) {
        return set(&object.observe()?, &index.observe()?, value);
    }
    match object {
        Value::List(list) => {
            let at = position(object, index, list.len())?;
            cycles::stored(list, &value);
            let old = list.items.borrow_mut().get_mut(at).map(|slot| std::mem::replace(slot, value));
            drop(old);
            Ok(())
        }
        Value::Dict(dict) => {
            cycles::stored(dict, &value);
            cycles::stored(dict, index);
            dict.insert(index.clone(), value)
        }
        other => {
            Err(Raise::type_error(format!("'{}' object does not support item assignment", other.type_name())))
        }
    }
}

/// A bound of a slice; none when left out.
fn bound(value: &Value) -> Result<Option<i64>, Raise> {
    let value = value.observe()?;
    match &value {
        Value::None => Ok(None),
        Value::Big(_) => Err(Raise::value_error("slice bound out of range")),
        other => match other.as_index() {
            Some(number) => Ok(Some(number)),
            None => Err(Raise::type_error(format!(
                "slice indices must be integers or None, not {}",
                other.type_name()
            ))),
        },
    }
}

/// `object[start:stop:step]`. Out of range bounds are errors in Dana.
pub(super) fn slice(object: &Value, bounds: &[Value; 3]) -> Result<Value, Raise> {
    if let Value::Promise(promise) = object {
        return slice(&promise.observe()?, bounds);
    }
    let len = match object {
        Value::List(list) => list.len(),
        Value::Tuple(tuple) => tuple.items().len(),
        Value::Small(_) | Value::Str(_) => text::char_count(object),
        Value::Range(range) => usize::try_from(range.len()).unwrap_or(usize::MAX),
        Value::Bytes(bytes) => bytes.0.len(),
        Value::Grid(grid) => grid.rows,
        Value::Column(column) => column.len(),
        other => return Err(not_sliceable(other)),
    };
    let [start, stop, step] = bounds;
    let (start, stop, step) = (bound(start)?, bound(stop)?, bound(step)?);
    check(object, start, stop, step, len)?;
    let step = step.unwrap_or(1);
    let (from, to) = resolve(start, stop, step, len);
    if let Value::Range(range) = object {
        return Ok(Value::Range(Rc::new(range.slice(from, to, step))));
    }
    if step == 1 {
        let (from, to) = (from.max(0) as usize, to.max(from).max(0) as usize);
        return whole(object, from, to.min(len));
    }
    let count = usize::try_from(RangeObj { start: from, stop: to, step }.len()).unwrap_or(usize::MAX);
    memory::reserve(count.saturating_mul(8))?;
    let mut positions = Vec::with_capacity(count);
    let mut at = from;
    for _ in 0..count {
        positions.push(at as usize);
        at = at.saturating_add(step);
    }
    pick(object, &positions)
}

/// Python's clamping.
fn resolve(start: Option<i64>, stop: Option<i64>, step: i64, len: usize) -> (i64, i64) {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |bound: i64| if bound < 0 { (bound + len).max(low) } else { bound.min(high) };
    let from = start.map_or(if step > 0 { low } else { high }, clamp);
    let to = stop.map_or(if step > 0 { high } else { low }, clamp);
    (from, to)
}

fn check(
    object: &Value,
    start: Option<i64>,
    stop: Option<i64>,
    step: Option<i64>,
    len: usize,
) -> Result<(), Raise> {
    let kind = object.type_name();
    let size = i64::try_from(len).unwrap_or(i64::MAX);
    if step == Some(0) {
        return Err(Raise::value_error("slice step cannot be zero"));
    }
    if let Some(start) = start
        && start >= size
    {
        return Err(Raise::value_error(format!(
            "slice start {start} is out of range for {kind} of length {len}"
        )));
    }
    if let Some(stop) = stop
        && stop > size
    {
        return Err(Raise::value_error(format!(
            "slice stop {stop} is out of range for {kind} of length {len}"
        )));
    }
    if let (Some(start), Some(stop), Some(step)) = (start, stop, step)
        && step < 0
        && start <= stop
        && start != -1
        && stop != -1
    {
        return Err(Raise::value_error(format!(
            "slice with the negative step {step} needs its start ({start}) beyond its stop ({stop})"
        )));
    }
    Ok(())
}

fn whole(object: &Value, from: usize, to: usize) -> Result<Value, Raise> {
    let count = to.saturating_sub(from);
    Ok(match object {
        Value::List(list) => {
            Value::list(memory::copied(list.items.borrow().get(from..to).unwrap_or_default())?)
        }
        Value::Tuple(tuple) => Value::tuple(memory::copied(tuple.items().get(from..to).unwrap_or_default())?),
        Value::Grid(_) | Value::Column(_) => {
            memory::reserve(count.saturating_mul(8))?;
            pick(object, &(from..to.max(from)).collect::<Vec<_>>())?
        }
        Value::Bytes(bytes) => {
            memory::reserve(count)?;
            work::bytes(count)?;
            Value::bytes(bytes.0.get(from..to).unwrap_or_default().to_vec())
        }
        text_value => {
            memory::reserve(count.saturating_mul(4))?;
            work::bytes(count)?;
            text::slice(text_value, from, to)
        }
    })
}

fn pick(object: &Value, positions: &[usize]) -> Result<Value, Raise> {
    memory::reserve_values(positions.len())?;
    work::charge((positions.len() / 4) as u64)?;
    match object {
        Value::Small(_) | Value::Str(_) => {
            let text = object.as_text().unwrap_or(crate::value::Text::Heap(""));
            if text.is_ascii() {
                let bytes = text.as_bytes();
                let picked = positions.iter().filter_map(|at| bytes.get(*at)).map(|byte| char::from(*byte));
                return Ok(Value::string(picked.collect()));
            }
            memory::reserve(text.len().saturating_mul(4).saturating_add(positions.len().saturating_mul(4)))?;
            work::bytes(text.len())?;
            let chars: Vec<char> = text.chars().collect();
            Ok(Value::string(positions.iter().filter_map(|at| chars.get(*at)).collect()))
        }
        Value::Grid(grid) => Ok(Value::Grid(Rc::new(grid.pick(positions)?))),
        Value::Column(column) => column.pick(positions),
        Value::Bytes(bytes) => {
            Ok(Value::bytes(positions.iter().filter_map(|at| bytes.0.get(*at)).copied().collect()))
        }
        Value::Tuple(tuple) => {
            Ok(Value::tuple(positions.iter().filter_map(|at| tuple.items().get(*at)).cloned().collect()))
        }
        Value::List(list) => {
            let items = list.items.borrow();
            Ok(Value::list(positions.iter().filter_map(|at| items.get(*at)).cloned().collect()))
        }
        other => Err(not_sliceable(other)),
    }
}

#[cold]
fn not_sliceable(object: &Value) -> Raise {
    Raise::type_error(format!("'{}' object is not sliceable", object.type_name()))
}

/// `object[start:stop:step] = value`, by Python's list rules.
pub(super) fn set_slice(object: &Value, bounds: &[Value; 3], value: &Value) -> Result<(), Raise> {
    let object = object.observe()?;
    let Value::List(list) = &object else {
        return Err(Raise::type_error(match object {
            Value::Dict(_) => "unhashable type: 'slice'".to_owned(),
            _ => format!("'{}' object does not support item assignment", object.type_name()),
        }));
    };
    let [start, stop, step] = bounds;
    let (start, stop, step) = (bound(start)?, bound(stop)?, bound(step)?.unwrap_or(1));
    if step == 0 {
        return Err(Raise::value_error("slice step cannot be zero"));
    }
    let refusal =
        if step == 1 { "can only assign an iterable" } else { "must assign iterable to extended slice" };
    let new = Iter::of(value).map_err(|_| Raise::type_error(refusal))?.collect()?;
    let (from, to) = resolve(start, stop, step, list.len());
    cycles::stored_all(list, &new);
    memory::reserve_values(new.len() + list.len())?;
    let old: Vec<Value> = if step == 1 {
        let (from, to) = (from.max(0) as usize, to.max(from).max(0) as usize);
        work::elements(list.len() - from)?;
        list.items.borrow_mut().splice(from..to, new).collect()
    } else {
        let count = RangeObj { start: from, stop: to, step }.len();
        if count != new.len() as u64 {
            return Err(Raise::value_error(format!(
                "attempt to assign sequence of size {} to extended slice of size {count}",
                new.len()
            )));
        }
        let mut items = list.items.borrow_mut();
        let mut replaced = Vec::new();
        let mut at = from;
        for value in new {
            if let Some(slot) = items.get_mut(at as usize) {
                replaced.push(std::mem::replace(slot, value));
            }
            at = at.saturating_add(step);
        }
        replaced
    };
    crate::value::release::release(old);
    Ok(())
}

/// `needle in object`.
pub(super) fn contains(object: &Value, needle: &Value) -> Result<bool, Raise> {
    if let (Value::Promise(_), _) | (_, Value::Promise(_)) = (object, needle) {
        return contains(&object.observe()?, &needle.observe()?);
    }
    match object {
        Value::Dict(dict) => dict.table.borrow().contains(needle),
        Value::Set(set) => set.table.borrow().contains(needle),
        Value::Small(_) | Value::Str(_) => match (object.as_text(), needle.as_text()) {
            (Some(text), Some(part)) => {
                work::bytes(text.len())?;
                Ok(text.contains(&*part))
            }
            _ => Err(Raise::sandbox(format!(
                "'in <string>' requires string as left operand, not {}",
                needle.type_name()
            ))),
        },
        Value::Range(range) => match needle.as_index() {
            Some(number) => Ok(range.contains(number)),
            None => Ok(match needle {
                Value::Float(number) if number.get().fract() == 0.0 => {
                    let number = number.get();
                    (-9e15..9e15).contains(&number) && range.contains(number as i64)
                }
                _ => false,
            }),
        },
        Value::List(list) => {
            let items = list.items.borrow();
            let mut walk = Walk::default();
            for item in items.iter() {
                walk.step()?;
                if eq::same(item, needle) || eq::equal(item, needle)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::View(view) if view.which == crate::value::ViewKind::Keys => {
            view.dict.table.borrow().contains(needle)
        }
        Value::Grid(grid) => match needle.as_text() {
            Some(name) => Ok(grid.find(&name)?.is_some()),
            None => Ok(false),
        },
        Value::Tuple(_) | Value::Iter(_) | Value::View(_) | Value::Bytes(_) | Value::Column(_) => {
            let mut iter = Iter::of(object)?;
            let mut walk = Walk::default();
            while let Some(item) = iter.next()? {
                walk.step()?;
                if eq::same(&item, needle) || eq::equal(&item, needle)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        other => Err(Raise::sandbox(format!("argument of type '{}' is not iterable", other.type_name()))),
    }
}

/// The `count` elements of a value.
pub(super) fn unpack(value: &Value, count: usize) -> Result<Vec<Value>, Raise> {
    let value = value.observe()?;
    if let Value::Tuple(tuple) = &value
        && tuple.items().len() == count
    {
        return Ok(tuple.items().to_vec());
    }
    let mut iter = Iter::of(&value)
        .map_err(|_| Raise::type_error(format!("cannot unpack non-iterable {} object", value.type_name())))?;
    let mut items = Vec::with_capacity(count);
    while let Some(item) = iter.next()? {
        if items.len() == count {
            return Err(Raise::type_error(format!("too many values to unpack (expected {count})")));
        }
        items.push(item);
    }
    if items.len() < count {
        return Err(Raise::type_error(format!(
            "not enough values to unpack (expected {count}, got {})",
            items.len()
        )));
    }
    Ok(items)
}

/// The same for a comprehension: anything but a list or tuple of that length goes whole into the first.
pub(super) fn unpack_loosely(value: &Value, count: usize) -> Result<Vec<Value>, Raise> {
    let value = value.observe()?;
    let items = match &value {
        Value::Tuple(tuple) if tuple.items().len() == count => tuple.items().to_vec(),
        Value::List(list) if list.len() == count => list.to_vec(),
        _ => {
            let mut items = vec![Value::None; count];
            if let Some(first) = items.first_mut() {
                *first = value.clone();
            }
            items
        }
    };
    Ok(items)
}

/// `a op b` where `b` is a small constant.
#[inline(never)]
pub(super) fn with_int(op: arith::Arith, a: &Value, b: i32) -> Result<Value, Raise> {
    arith::binary(op, a, &Value::Int(i64::from(b)))
}
