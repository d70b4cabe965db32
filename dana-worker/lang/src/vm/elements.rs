//! Elements, fields and iteration: the quick paths; the rest is in `index` and `access`.

use std::rc::Rc;

use super::index;
use super::slow::Window;
use crate::coerce;
use crate::compile::code::AttrSite;
use crate::session::Services;
use crate::value::{Iter, Raise, SmallStr, StructObj, Value, cycles, memory, put};

#[inline(always)]
pub(super) fn get(container: &Value, key: &Value) -> Result<Value, Raise> {
    let quick = match (container, key) {
        (Value::List(list), Value::Int(at)) => {
            let items = list.items.borrow();
            let at = if *at < 0 { *at + items.len() as i64 } else { *at };
            usize::try_from(at).ok().and_then(|at| items.get(at).cloned())
        }
        (Value::Str(text), Value::Int(at)) if text.is_ascii() => usize::try_from(*at)
            .ok()
            .and_then(|at| text.as_str().as_bytes().get(at))
            .map(|byte| Value::Small(SmallStr::ascii(*byte))),
        (Value::Dict(dict), Value::Int(_) | Value::Small(_) | Value::Str(_)) => {
            match dict.table.borrow().get(key) {
                Ok(found) => found.cloned(),
                Err(_) => None,
            }
        }
        _ => None,
    };
    match quick {
        Some(value) => Ok(value),
        None => index::get(container, key),
    }
}

#[inline(always)]
pub(super) fn get_at(container: &Value, at: i32) -> Result<Value, Raise> {
    let quick = match container {
        Value::List(list) if at >= 0 => list.items.borrow().get(at as usize).cloned(),
        Value::Tuple(tuple) if at >= 0 => tuple.items().get(at as usize).cloned(),
        _ => None,
    };
    match quick {
        Some(value) => Ok(value),
        None => index::get(container, &Value::Int(i64::from(at))),
    }
}

#[inline(always)]
pub(super) fn set(container: &Value, key: &Value, value: &Value) -> Result<(), Raise> {
    if let (Value::List(list), Value::Int(at)) = (container, key)
        && let Ok(at) = usize::try_from(*at)
        && let Some(slot) = list.items.borrow_mut().get_mut(at)
        && slot.is_scalar()
    {
        cycles::stored(list, value);
        put(slot, value.clone());
        return Ok(());
    }
    index::set(container, key, value.clone())
}

/// A field by what the site remembers; none when it remembers another type.
#[inline(always)]
pub(super) fn field(object: &Value, site: Option<&AttrSite>) -> Option<Value> {
    let (Value::Struct(it), Some(site)) = (object, site) else { return None };
    let it: &StructObj = it;
    let (id, at) = site.cache.get();
    if id == it.kind.id { it.fields.borrow().get(at as usize).cloned() } else { None }
}

/// Sets a field by what the site remembers; false when it remembers another type.
#[inline(always)]
pub(super) fn set_field(
    object: &Value,
    site: Option<&AttrSite>,
    value: &Value,
    services: &Services,
) -> Result<bool, Raise> {
    let (Value::Struct(it), Some(site)) = (object, site) else { return Ok(false) };
    let (id, at) = site.cache.get();
    if id != it.kind.id {
        return Ok(false);
    }
    if !it.kind.accepts(at as usize, value) {
        coerce::assign_field(&it.kind, at as usize, value, services)?;
    }
    cycles::stored(it, value);
    let mut fields = it.fields.borrow_mut();
    let Some(slot) = fields.get_mut(at as usize) else { return Ok(false) };
    if slot.is_scalar() {
        put(slot, value.clone());
    } else {
        let old = std::mem::replace(slot, value.clone());
        // The object may be reachable from what goes.
        drop(fields);
        drop(old);
    }
    Ok(true)
}

/// Appends registers to a list under construction.
#[inline(always)]
pub(super) fn push(win: &Window, a: u8, first: u8, count: u8) -> Result<(), Raise> {
    if let Value::List(list) = &win[usize::from(a)] {
        let mut items = list.items.borrow_mut();
        memory::grow(&mut items, usize::from(count))?;
        for at in first..first.saturating_add(count) {
            cycles::stored(list, &win[usize::from(at)]);
            items.push(win[usize::from(at)].clone());
        }
    }
    Ok(())
}

/// `list.append(item)`; false when it is no list.
#[inline(always)]
pub(super) fn append(list: &Value, item: &Value) -> Result<bool, Raise> {
    let Value::List(list) = list else { return Ok(false) };
    cycles::stored(list, item);
    memory::push(&mut list.items.borrow_mut(), item.clone())?;
    Ok(true)
}

/// A list is walked by position, which stands in the next register; anything else by an iterator.
#[inline(always)]
pub(super) fn iterate(win: &mut Window, a: u8, b: u8) -> Result<(), Raise> {
    match &win[usize::from(b)] {
        Value::List(list) => {
            let list = Value::List(Rc::clone(list));
            put(&mut win[usize::from(a)], list);
            put(&mut win[usize::from(a.wrapping_add(1))], Value::Int(0));
        }
        other => {
            let iter = Iter::of(other)?;
            put(&mut win[usize::from(a)], Value::iterator(iter));
        }
    }
    Ok(())
}

#[inline(always)]
pub(super) fn next(win: &mut Window, b: u8) -> Result<Option<Value>, Raise> {
    match &win[usize::from(b)] {
        Value::List(list) => {
            let at = match &win[usize::from(b.wrapping_add(1))] {
                Value::Int(at) => *at,
                _ => 0,
            };
            let item = list.items.borrow().get(at as usize).cloned();
            put(&mut win[usize::from(b.wrapping_add(1))], Value::Int(at + 1));
            Ok(item)
        }
        Value::Iter(iter) => iter.inner.borrow_mut().next(),
        _ => Ok(None),
    }
}

#[inline(always)]
pub(super) fn unpack(win: &mut Window, a: u8, b: u8, count: u8) -> Result<(), Raise> {
    if let (2, Value::Tuple(tuple)) = (count, &win[usize::from(b)])
        && let [x, y] = tuple.items()
    {
        let (x, y) = (x.clone(), y.clone());
        put(&mut win[usize::from(a)], x);
        put(&mut win[usize::from(a.wrapping_add(1))], y);
        return Ok(());
    }
    let items = index::unpack(&win[usize::from(b)], usize::from(count))?;
    spread(win, a, items);
    Ok(())
}

#[inline(never)]
pub(super) fn unpack_loosely(win: &mut Window, a: u8, b: u8, count: u8) -> Result<(), Raise> {
    let items = index::unpack_loosely(&win[usize::from(b)], usize::from(count))?;
    spread(win, a, items);
    Ok(())
}

fn spread(win: &mut Window, first: u8, items: Vec<Value>) {
    for (at, item) in (first..).zip(items) {
        put(&mut win[usize::from(at)], item);
    }
}
