//! Methods of `dict` and `set`, as in Python 3.12.

use std::rc::Rc;

use crate::value::table::Entry;
use crate::value::work::Walk;
use crate::value::{
    DictObj, Iter, Raise, SetObj, Table, Value, ViewKind, ViewObj, cycles, memory, release, repr, work,
};

use super::args::{natives, walk};
use super::native::Call;

natives! {
    /// In order of name: they are searched by halves.
    DICT:
    "clear" ["self" Position] Plain clear_dict;
    "copy" ["self" Position] Plain copy_dict;
    "fromkeys" ["self" Position, "iterable" Position, "value" PositionOptional] Plain from_keys;
    "get" ["self" Position, "key" Position, "default" PositionOptional] Plain get;
    "items" ["self" Position] Plain |call| view(call, ViewKind::Items);
    "keys" ["self" Position] Plain |call| view(call, ViewKind::Keys);
    "pop" ["self" Position, "key" Position, "default" PositionOptional] Plain pop_key;
    "popitem" ["self" Position] Plain pop_item;
    "setdefault" ["self" Position, "key" Position, "default" PositionOptional] Plain set_default;
    "update" ["self" Position, "other" PositionOptional, "kwargs" Keywords] Plain update_dict;
    "values" ["self" Position] Plain |call| view(call, ViewKind::Values);
}

natives! {
    /// In order of name.
    SET:
    "add" ["self" Position, "elem" Position] Plain add;
    "clear" ["self" Position] Plain clear_set;
    "copy" ["self" Position] Plain copy_set;
    "difference" ["self" Position, "others" Rest] Plain |call| combined(call, Combine::Difference);
    "difference_update" ["self" Position, "others" Rest] Plain |call| updated(call, Combine::Difference);
    "discard" ["self" Position, "elem" Position] Plain discard;
    "intersection" ["self" Position, "others" Rest] Plain |call| combined(call, Combine::Intersection);
    "intersection_update" ["self" Position, "others" Rest] Plain |call| updated(call, Combine::Intersection);
    "isdisjoint" ["self" Position, "other" Position] Plain |call| related(call, Relation::Disjoint);
    "issubset" ["self" Position, "other" Position] Plain |call| related(call, Relation::Subset);
    "issuperset" ["self" Position, "other" Position] Plain |call| related(call, Relation::Superset);
    "pop" ["self" Position] Plain pop_element;
    "remove" ["self" Position, "elem" Position] Plain remove;
    "symmetric_difference" ["self" Position, "other" Position] Plain |call| symmetric(call, Fate::New);
    "symmetric_difference_update" ["self" Position, "other" Position] Plain |call| symmetric(call, Fate::InPlace);
    "union" ["self" Position, "others" Rest] Plain |call| combined(call, Combine::Union);
    "update" ["self" Position, "others" Rest] Plain |call| updated(call, Combine::Union);
}

natives! {
    /// Of a set that never changes. In order of name.
    FROZEN_SET:
    "copy" ["self" Position] Plain |call| Ok(call.arg(0).clone());
    "difference" ["self" Position, "others" Rest] Plain |call| combined(call, Combine::Difference);
    "intersection" ["self" Position, "others" Rest] Plain |call| combined(call, Combine::Intersection);
    "isdisjoint" ["self" Position, "other" Position] Plain |call| related(call, Relation::Disjoint);
    "issubset" ["self" Position, "other" Position] Plain |call| related(call, Relation::Subset);
    "issuperset" ["self" Position, "other" Position] Plain |call| related(call, Relation::Superset);
    "symmetric_difference" ["self" Position, "other" Position] Plain |call| symmetric(call, Fate::New);
    "union" ["self" Position, "others" Rest] Plain |call| combined(call, Combine::Union);
}

natives! {
    /// In order of name.
    VIEW:
    "isdisjoint" ["self" Position, "other" Position] Plain |call| related(call, Relation::Disjoint);
}

fn dict<'a>(call: &Call<'a>) -> Result<&'a Rc<DictObj>, Raise> {
    match call.arg(0) {
        Value::Dict(dict) => Ok(dict),
        _ => Err(super::args::misapplied(call, "dict")),
    }
}

fn set<'a>(call: &Call<'a>) -> Result<&'a Rc<SetObj>, Raise> {
    match call.arg(0) {
        // `set.add` can be called with any receiver.
        Value::Set(set) if !set.frozen || FROZEN_SET.iter().any(|native| native.name == call.native.name) => {
            Ok(set)
        }
        _ => Err(super::args::misapplied(call, "set")),
    }
}

fn missing(key: &Value) -> Raise {
    match repr::shown(key) {
        Ok(text) => Raise::key_error(text),
        Err(raise) => raise,
    }
}

/// Passes when `count` more entries of a table may be stored.
fn reserve_entries(count: usize) -> Result<(), Raise> {
    memory::reserve(count.saturating_mul(size_of::<Entry<Value>>() + 16))
}

fn clear_dict(call: &mut Call<'_>) -> Result<Value, Raise> {
    let old = std::mem::take(&mut *dict(call)?.table.borrow_mut());
    // Dropped as the contents of a dict, which releases deep structures without deep recursion.
    drop(DictObj::new(old));
    Ok(Value::None)
}

fn copy_dict(call: &mut Call<'_>) -> Result<Value, Raise> {
    let dict = dict(call)?;
    let copy = dict.table.borrow().copied()?;
    Ok(Value::dict(copy))
}

fn from_keys(call: &mut Call<'_>) -> Result<Value, Raise> {
    let made = DictObj::default();
    let mut iter = walk(call.arg(1))?;
    let mut walk = Walk::default();
    let value = call.given(2).cloned().unwrap_or(Value::None);
    while let Some(key) = iter.next()? {
        walk.step()?;
        made.insert(key, value.clone())?;
    }
    Ok(Value::Dict(Rc::new(made)))
}

fn get(call: &mut Call<'_>) -> Result<Value, Raise> {
    let found = dict(call)?.get(call.arg(1))?;
    Ok(found.unwrap_or_else(|| call.given(2).cloned().unwrap_or(Value::None)))
}

fn view(call: &mut Call<'_>, which: ViewKind) -> Result<Value, Raise> {
    Ok(Value::View(Rc::new(ViewObj { dict: Rc::clone(dict(call)?), which })))
}

fn pop_key(call: &mut Call<'_>) -> Result<Value, Raise> {
    let removed = dict(call)?.table.borrow_mut().remove(call.arg(1))?;
    match (removed, call.given(2)) {
        (Some((_, value)), _) => Ok(value),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(missing(call.arg(1))),
    }
}

fn pop_item(call: &mut Call<'_>) -> Result<Value, Raise> {
    let popped = dict(call)?.table.borrow_mut().pop();
    let (key, value) = popped.ok_or_else(|| Raise::key_error("'popitem(): dictionary is empty'"))?;
    Ok(Value::tuple(vec![key, value]))
}

fn set_default(call: &mut Call<'_>) -> Result<Value, Raise> {
    let dict = dict(call)?;
    if let Some(found) = dict.get(call.arg(1))? {
        return Ok(found);
    }
    let default = call.given(2).cloned().unwrap_or(Value::None);
    cycles::stored(dict, &default);
    dict.insert(call.arg(1).clone(), default.clone())?;
    Ok(default)
}

fn update_dict(call: &mut Call<'_>) -> Result<Value, Raise> {
    let pairs = match call.given(1) {
        Some(source) => pairs(source)?,
        None => Vec::new(),
    };
    let dict = dict(call)?;
    let mut walk = Walk::default();
    for (key, value) in pairs {
        walk.step()?;
        cycles::stored(dict, &value);
        cycles::stored(dict, &key);
        dict.insert(key, value)?;
    }
    for (name, value) in call.keywords {
        cycles::stored(dict, value);
        dict.insert(Value::str(name), value.clone())?;
    }
    Ok(Value::None)
}

/// The entries of a mapping, or of an iterable of pairs.
pub(super) fn pairs(source: &Value) -> Result<Vec<(Value, Value)>, Raise> {
    if let Value::Dict(dict) = source {
        reserve_entries(dict.len())?;
        let mut pairs = Vec::with_capacity(dict.len());
        let mut walk = Walk::default();
        for entry in dict.table.borrow().iter() {
            walk.step()?;
            pairs.push((entry.key.clone(), entry.value.clone()));
        }
        return Ok(pairs);
    }
    let mut iter = walk(source)?;
    let mut walk = Walk::default();
    let mut pairs = Vec::new();
    while let Some(item) = iter.next()? {
        walk.step()?;
        let at = pairs.len();
        let item = item.observe()?;
        let Ok(parts) = Iter::of(&item) else {
            return Err(Raise::type_error(format!(
                "cannot convert dictionary update sequence element #{at} to a sequence"
            )));
        };
        let parts = parts.collect()?;
        let count = parts.len();
        let Ok([key, value]) = <[Value; 2]>::try_from(parts) else {
            return Err(Raise::value_error(format!(
                "dictionary update sequence element #{at} has length {count}; 2 is required"
            )));
        };
        memory::push(&mut pairs, (key, value))?;
    }
    Ok(pairs)
}

fn add(call: &mut Call<'_>) -> Result<Value, Raise> {
    cycles::stored(set(call)?, call.arg(1));
    add_to(&mut set(call)?.table.borrow_mut(), call.arg(1).clone())?;
    Ok(Value::None)
}

fn add_to(table: &mut Table<()>, value: Value) -> Result<(), Raise> {
    let growth = table.growth();
    if growth > 0 {
        memory::reserve(growth)?;
    }
    table.add(value)?;
    Ok(())
}

/// Adds a member of another table.
fn put(table: &mut Table<()>, entry: &Entry<()>) -> Result<(), Raise> {
    memory::reserve(table.growth())?;
    table.insert_hashed(entry.hash, entry.key.clone(), ())?;
    Ok(())
}

/// A set of the elements of an iterable.
pub(super) fn collected(mut iter: Iter) -> Result<Table<()>, Raise> {
    work::foresee(iter.remaining())?;
    let mut table = Table::new();
    let mut walk = Walk::default();
    while let Some(item) = iter.next()? {
        walk.step()?;
        add_to(&mut table, item)?;
    }
    Ok(table)
}

fn clear_set(call: &mut Call<'_>) -> Result<Value, Raise> {
    let old = std::mem::take(&mut *set(call)?.table.borrow_mut());
    drop(old);
    Ok(Value::None)
}

fn copy_set(call: &mut Call<'_>) -> Result<Value, Raise> {
    let set = set(call)?;
    let copy = set.table.borrow().copied()?;
    Ok(Value::set(copy))
}

fn discard(call: &mut Call<'_>) -> Result<Value, Raise> {
    let removed = set(call)?.table.borrow_mut().remove(call.arg(1))?;
    release_key(removed);
    Ok(Value::None)
}

fn remove(call: &mut Call<'_>) -> Result<Value, Raise> {
    let removed = set(call)?.table.borrow_mut().remove(call.arg(1))?;
    if removed.is_none() {
        return Err(missing(call.arg(1)));
    }
    release_key(removed);
    Ok(Value::None)
}

fn release_key(removed: Option<(Value, ())>) {
    if let Some((key, ())) = removed {
        release::release_one(key);
    }
}

fn pop_element(call: &mut Call<'_>) -> Result<Value, Raise> {
    let set = set(call)?;
    set.settle();
    let popped = set.table.borrow_mut().pop_first();
    popped.map(|(key, ())| key).ok_or_else(|| Raise::key_error("'pop from an empty set'"))
}

#[derive(Clone, Copy)]
enum Combine {
    Union,
    Intersection,
    Difference,
}

/// The receiver combined with all other arguments, as a new table.
fn combination(call: &mut Call<'_>, how: Combine) -> Result<Table<()>, Raise> {
    let this = Rc::clone(set(call)?);
    let mut result = this.table.borrow().copied()?;
    let mut pace = Walk::default();
    for other in call.rest {
        let iter = walk(other)?;
        work::foresee(iter.remaining())?;
        match how {
            Combine::Union => {
                let mut iter = iter;
                while let Some(item) = iter.next()? {
                    pace.step()?;
                    add_to(&mut result, item)?;
                }
            }
            Combine::Difference => {
                let mut iter = iter;
                while let Some(item) = iter.next()? {
                    pace.step()?;
                    result.remove(&item.observe()?)?;
                }
            }
            Combine::Intersection => {
                let other = collected(iter)?;
                let mut kept = Table::new();
                for entry in result.iter() {
                    pace.step()?;
                    if other.get_hashed(entry.hash, &entry.key)?.is_some() {
                        put(&mut kept, entry)?;
                    }
                }
                result = kept;
            }
        }
    }
    Ok(result)
}

fn combined(call: &mut Call<'_>, how: Combine) -> Result<Value, Raise> {
    let result = combination(call, how)?;
    Ok(Value::Set(Rc::new(set(call)?.alike(result))))
}

fn updated(call: &mut Call<'_>, how: Combine) -> Result<Value, Raise> {
    let result = combination(call, how)?;
    cycles::stored_all(set(call)?, result.keys());
    let old = std::mem::replace(&mut *set(call)?.table.borrow_mut(), result);
    drop(old);
    Ok(Value::None)
}

#[derive(Clone, Copy)]
enum Fate {
    New,
    InPlace,
}

fn symmetric(call: &mut Call<'_>, fate: Fate) -> Result<Value, Raise> {
    let this = Rc::clone(set(call)?);
    let iter = walk(call.arg(1))?;
    let other = collected(iter)?;
    let mut result = Table::new();
    {
        let own = this.table.borrow();
        let mut pace = Walk::default();
        for (these, those) in [(&*own, &other), (&other, &*own)] {
            for entry in these.iter() {
                pace.step()?;
                if those.get_hashed(entry.hash, &entry.key)?.is_none() {
                    put(&mut result, entry)?;
                }
            }
        }
    }
    match fate {
        Fate::New => Ok(Value::Set(Rc::new(this.alike(result)))),
        Fate::InPlace => {
            cycles::stored_all(&this, result.keys());
            let old = std::mem::replace(&mut *this.table.borrow_mut(), result);
            drop(old);
            Ok(Value::None)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Subset,
    Superset,
    Disjoint,
}

fn related(call: &mut Call<'_>, relation: Relation) -> Result<Value, Raise> {
    let own = match call.arg(0) {
        Value::Set(set) => Rc::clone(set),
        other => Rc::new(SetObj::new(collected(walk(other)?)?)),
    };
    let iter = walk(call.arg(1))?;
    let other = collected(iter)?;
    let own = own.table.borrow();
    let mut shared = 0;
    let mut pace = Walk::default();
    for entry in own.iter() {
        pace.step()?;
        shared += usize::from(other.get_hashed(entry.hash, &entry.key)?.is_some());
    }
    Ok(Value::bool(match relation {
        Relation::Subset => shared == own.len(),
        Relation::Superset => shared == other.len(),
        Relation::Disjoint => shared == 0,
    }))
}
