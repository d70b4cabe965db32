//! `list.sort`, `sorted`, `max` and `min`: ordering by value or by a key function.
//!
//! The merge sort is our own because comparing can fail and need not be a total order, which the standard library's
//! sort answers with a panic. Lists of one simple kind go through the standard library.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::session::Services;
use crate::value::error::Reason;
use crate::value::{Iter, ListObj, Raise, Value, memory, order};

use super::args::{self, elements};
use super::native::{Call, Continuation, Step};

/// `sorted(iterable, *, key=None, reverse=False)`.
pub(super) fn sorted(call: &mut Call<'_>) -> Result<Step, Raise> {
    let items = settled(elements(call, 0)?)?;
    let reverse = args::flag(call.given(2))?;
    let key = args::some(call, 1).cloned();
    begin(items, key, Target::NewList, reverse, call.services)
}

/// `list.sort(*, key=None, reverse=False)`. While a key function runs the list is empty, as in CPython; when anything
/// fails it gets its elements back.
pub(super) fn sort_method(call: &mut Call<'_>) -> Result<Step, Raise> {
    let list = Rc::clone(super::sequence_methods::this(call)?);
    let reverse = args::flag(call.given(2))?;
    let key = args::some(call, 1).cloned();
    call.services.charge(list.len() as u64)?;
    memory::reserve_values(list.len())?;
    let items = settled(list.to_vec())?;
    if key.is_none() {
        let sorted = in_order(items, reverse, call.services).map_err(of_method)?;
        *list.items.borrow_mut() = sorted;
        return Ok(Step::Done(Value::None));
    }
    list.items.borrow_mut().clear();
    begin(items, key, Target::InPlace(list), reverse, call.services)
}

/// Values that have no order are a mistake of the method's argument, as in Python, not of an operator.
fn of_method(raise: Raise) -> Raise {
    match raise.as_error() {
        Some(error) if error.kind() == "SandboxError" => Raise::type_error(error.message.clone()),
        _ => raise,
    }
}

/// `max` and `min` over one iterable or over several arguments.
pub(super) fn maximum(call: &mut Call<'_>) -> Result<Step, Raise> {
    extreme(call, Extreme::Max)
}

pub(super) fn minimum(call: &mut Call<'_>) -> Result<Step, Raise> {
    extreme(call, Extreme::Min)
}

#[derive(Clone, Copy)]
enum Extreme {
    Max,
    Min,
}

fn extreme(call: &mut Call<'_>, which: Extreme) -> Result<Step, Raise> {
    let name = call.native.name;
    let key = args::some(call, 0).cloned();
    if call.rest.len() > 1 && call.given(1).is_some() {
        return Err(Raise::type_error(format!(
            "Cannot specify a default for {name}() with multiple positional arguments"
        )));
    }
    let items = match call.rest {
        [] => {
            return Err(Raise::type_error(format!("{name} expected at least 1 argument, got 0")));
        }
        // The ends of a range are its extremes.
        [Value::Range(range)] if key.is_none() && !range.is_empty() => {
            let (first, last) = (range.at(0), range.at(range.len() - 1));
            return Ok(Step::Done(Value::Int(match which {
                Extreme::Max => first.max(last),
                Extreme::Min => first.min(last),
            })));
        }
        [one] => match one {
            Value::List(_)
            | Value::Tuple(_)
            | Value::Set(_)
            | Value::Dict(_)
            | Value::View(_)
            | Value::Range(_)
            | Value::Iter(_) => {
                let iter = args::iterate(one)?;
                call.services.charge(iter.remaining())?;
                iter
            }
            // A single value that is no collection is its own extreme.
            single => return Ok(Step::Done(single.clone())),
        },
        several if key.is_none() => {
            let (first, others) = several.split_at(1);
            let start = first.first().cloned().unwrap_or(Value::None);
            return others
                .iter()
                .try_fold(start, |found, item| better(found, item.clone(), which))
                .map(Step::Done);
        }
        several => {
            let copies = several.to_vec();
            Iter::Values(copies.into_iter())
        }
    };
    if key.is_none() {
        return match champion(items, which)?.or_else(|| call.given(1).cloned()) {
            Some(found) => Ok(Step::Done(found)),
            None => Err(Raise::value_error(format!("{name}() iterable argument is empty"))),
        };
    }
    let items = settled(items.collect()?)?;
    if items.is_empty() {
        return match call.given(1) {
            Some(default) => Ok(Step::Done(default.clone())),
            None => Err(Raise::value_error(format!("{name}() iterable argument is empty"))),
        };
    }
    begin(items, key, Target::One(which), false, call.services)
}

/// The first of the extreme elements.
fn champion(mut items: Iter, which: Extreme) -> Result<Option<Value>, Raise> {
    let Some(mut found) = items.next()? else { return Ok(None) };
    while let Some(item) = items.next()? {
        found = better(found, item, which)?;
    }
    found.observe().map(Some)
}

/// The challenger, when it beats what was found before.
#[inline]
fn better(found: Value, challenger: Value, which: Extreme) -> Result<Value, Raise> {
    let wins = match which {
        Extreme::Max => order::compare(&challenger, &found, ">")? == Some(Ordering::Greater),
        Extreme::Min => order::less(&challenger, &found)?,
    };
    Ok(if wins { challenger } else { found })
}

/// Where the outcome goes.
enum Target {
    NewList,
    InPlace(Rc<ListObj>),
    One(Extreme),
}

/// Observes promises at the top, so that nothing has happened yet when one must be waited for.
fn settled(mut items: Vec<Value>) -> Result<Vec<Value>, Raise> {
    for item in &mut items {
        if let Value::Promise(promise) = item {
            let value = promise.observe()?;
            *item = value;
        }
    }
    Ok(items)
}

fn begin(
    items: Vec<Value>,
    key: Option<Value>,
    target: Target,
    reverse: bool,
    services: &mut Services,
) -> Result<Step, Raise> {
    let Some(key) = key else {
        return in_order(items, reverse, services).map(|items| Step::Done(Value::list(items)));
    };
    memory::reserve_values(items.len())?;
    let keys = Vec::with_capacity(items.len());
    next_key(Box::new(Keyed { key, items, keys, target, reverse }), services)
}

/// Calls the key function for one element after the other.
struct Keyed {
    key: Value,
    items: Vec<Value>,
    keys: Vec<Value>,
    target: Target,
    reverse: bool,
}

fn next_key(state: Box<Keyed>, services: &mut Services) -> Result<Step, Raise> {
    match state.items.get(state.keys.len()) {
        Some(item) => Ok(Step::Call {
            function: state.key.clone(),
            args: vec![item.clone()],
            keywords: Vec::new(),
            then: state,
        }),
        None => state.conclude(services),
    }
}

impl Keyed {
    fn conclude(self: Box<Self>, services: &mut Services) -> Result<Step, Raise> {
        let keys = self.keys.clone();
        match finish(self.items.clone(), keys, &self.target, self.reverse, services) {
            Ok(value) => Ok(Step::Done(value)),
            // A key that holds an unanswered promise: wait for it and compare again.
            Err(raise) => match raise.into_reason() {
                Reason::Pending(promise) => Ok(Step::Wait { promise, then: Box::new(Again(self)) }),
                Reason::Error(error) => Err(self.restored(Raise::error(error))),
            },
        }
    }

    fn restored(&self, raise: Raise) -> Raise {
        if let Target::InPlace(list) = &self.target {
            (*list.items.borrow_mut()).clone_from(&self.items);
        }
        raise
    }
}

impl Continuation for Keyed {
    fn resume(mut self: Box<Self>, result: Value, services: &mut Services) -> Result<Step, Raise> {
        if let Value::Promise(promise) = &result
            && promise.is_pending()
        {
            return Ok(Step::Wait { promise: Rc::clone(promise), then: self });
        }
        match result.observe() {
            Ok(key) => self.keys.push(key),
            Err(raise) => return Err(self.restored(raise)),
        }
        next_key(self, services)
    }

    fn failed(self: Box<Self>, raise: Raise, _services: &mut Services) -> Result<Step, Raise> {
        Err(self.restored(raise))
    }
}

/// All keys are there; one of them had to be waited for.
struct Again(Box<Keyed>);

impl Continuation for Again {
    fn resume(self: Box<Self>, _result: Value, services: &mut Services) -> Result<Step, Raise> {
        self.0.conclude(services)
    }

    fn failed(self: Box<Self>, raise: Raise, _services: &mut Services) -> Result<Step, Raise> {
        Err(self.0.restored(raise))
    }
}

fn finish(
    items: Vec<Value>,
    keys: Vec<Value>,
    target: &Target,
    reverse: bool,
    services: &mut Services,
) -> Result<Value, Raise> {
    match target {
        Target::One(which) => best(&items, &keys, *which),
        Target::NewList => Ok(Value::list(arranged(items, keys, reverse, services)?)),
        Target::InPlace(list) => {
            let sorted = arranged(items, keys, reverse, services).map_err(of_method)?;
            let mut place = list.items.borrow_mut();
            let touched = !place.is_empty();
            *place = sorted;
            drop(place);
            if touched { Err(Raise::value_error("list modified during sort")) } else { Ok(Value::None) }
        }
    }
}

/// The first of the elements with the extreme key.
fn best(items: &[Value], keys: &[Value], which: Extreme) -> Result<Value, Raise> {
    let mut found = 0;
    for (at, key) in keys.iter().enumerate().skip(1) {
        let Some(champion) = keys.get(found) else { break };
        let better = match which {
            Extreme::Max => order::compare(key, champion, ">")? == Some(Ordering::Greater),
            Extreme::Min => order::less(key, champion)?,
        };
        if better {
            found = at;
        }
    }
    Ok(items.get(found).cloned().unwrap_or(Value::None))
}

/// Values in their own order.
fn in_order(mut items: Vec<Value>, reverse: bool, services: &mut Services) -> Result<Vec<Value>, Raise> {
    services.charge(effort(items.len()))?;
    if reverse {
        items.reverse();
    }
    memory::reserve_values(items.len())?;
    match uniform(items.iter()) {
        // Equal integers cannot be told apart, so they need not be moved as values.
        Some(Uniform::Ints) => {
            let mut numbers: Vec<i64> = items.iter().filter_map(Value::as_index).collect();
            numbers.sort_unstable();
            for (place, number) in items.iter_mut().zip(numbers) {
                *place = Value::Int(number);
            }
        }
        Some(kind) => items.sort_by(|a, b| uniform_order(&kind, a, b)),
        None => {
            memory::reserve_values(items.len().saturating_mul(4))?;
            let keys = items.clone();
            let pairs = merged(keys.into_iter().zip(items).collect(), services)?;
            items = pairs.into_iter().map(|(_, item)| item).collect();
        }
    }
    if reverse {
        items.reverse();
    }
    Ok(items)
}

/// Steps that sorting so many elements is worth.
fn effort(count: usize) -> u64 {
    (count as u64).saturating_mul(u64::from(usize::BITS - count.leading_zeros())) / 4
}

/// The order of two values of one kind.
#[inline]
fn uniform_order(kind: &Uniform, a: &Value, b: &Value) -> Ordering {
    match (kind, a, b) {
        (Uniform::Ints, Value::Int(a), Value::Int(b)) => a.cmp(b),
        // Without NaN the order is total; `total_cmp` would tell the zeros apart.
        (Uniform::Floats, Value::Float(a), Value::Float(b)) => {
            a.get().partial_cmp(&b.get()).unwrap_or(Ordering::Equal)
        }
        (Uniform::Texts, a, b) => match (a.as_text(), b.as_text()) {
            (Some(a), Some(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => Ordering::Equal,
        },
        _ => Ordering::Equal,
    }
}

/// `items` in the order of their keys, stable in both directions.
fn arranged(
    items: Vec<Value>,
    keys: Vec<Value>,
    reverse: bool,
    services: &mut Services,
) -> Result<Vec<Value>, Raise> {
    services.charge(effort(items.len()))?;
    memory::reserve_values(items.len().saturating_mul(3))?;
    let mut pairs: Pairs = keys.into_iter().zip(items).collect();
    if reverse {
        pairs.reverse();
    }
    match uniform(pairs.iter().map(|(key, _)| key)) {
        Some(kind) => pairs.sort_by(|(a, _), (b, _)| uniform_order(&kind, a, b)),
        None => pairs = merged(pairs, services)?,
    }
    if reverse {
        pairs.reverse();
    }
    Ok(pairs.into_iter().map(|(_, item)| item).collect())
}

enum Uniform {
    Ints,
    Texts,
    Floats,
}

/// The one simple kind that all values are of.
fn uniform<'a>(mut values: impl Iterator<Item = &'a Value> + Clone) -> Option<Uniform> {
    let first = values.clone().next()?;
    let mut all = |test: fn(&Value) -> bool| values.all(test);
    match first {
        Value::Int(_) => all(|key| matches!(key, Value::Int(_))).then_some(Uniform::Ints),
        Value::Float(_) => {
            all(|key| matches!(key, Value::Float(it) if !it.get().is_nan())).then_some(Uniform::Floats)
        }
        Value::Small(_) | Value::Str(_) => all(Value::is_text).then_some(Uniform::Texts),
        _ => None,
    }
}

/// Bottom-up merge sort: runs that already stand in order are only looked at.
fn merged(mut pairs: Pairs, services: &mut Services) -> Result<Pairs, Raise> {
    // The pairs again, and two runs of them on their way.
    memory::reserve(pairs.len().saturating_mul(3 * size_of::<(Value, Value)>()))?;
    let mut width = 1;
    while width < pairs.len() {
        services.charge(pairs.len() as u64)?;
        let mut source = pairs.into_iter().peekable();
        let mut next: Vec<(Value, Value)> = Vec::with_capacity(source.len());
        while source.peek().is_some() {
            let left: Vec<_> = source.by_ref().take(width).collect();
            let right: Vec<_> = source.by_ref().take(width).collect();
            merge(&mut next, left, right)?;
        }
        pairs = next;
        width *= 2;
    }
    Ok(pairs)
}

type Pairs = Vec<(Value, Value)>;

fn merge(out: &mut Pairs, left: Pairs, right: Pairs) -> Result<(), Raise> {
    let in_order = match (left.last(), right.first()) {
        (Some((last, _)), Some((first, _))) => !order::less(first, last)?,
        _ => true,
    };
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    if !in_order {
        while let (Some((a, _)), Some((b, _))) = (left.peek(), right.peek()) {
            let from = if order::less(b, a)? { &mut right } else { &mut left };
            out.extend(from.next());
        }
    }
    out.extend(left);
    out.extend(right);
    Ok(())
}
