//! `list.sort`, `sorted`, `max` and `min`: ordering by value or by a key function.
//!
//! The merge sort is our own because comparing can fail and need not be a total order, which the standard library's
//! sort answers with a panic. Lists of one simple kind go through the standard library.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::session::Services;
use crate::value::error::Reason;
use crate::value::work::{ELEMENTS, Walk};
use crate::value::{Iter, ListObj, Raise, Value, cycles, memory, order, work};

use super::args::{self, elements};
use super::native::{Call, Continuation, Step};

/// `sorted(iterable, *, key=None, reverse=False)`.
pub(super) fn sorted(call: &mut Call<'_>) -> Result<Step, Raise> {
    let items = settled(elements(call, 0)?)?;
    let reverse = args::flag(call.given(2))?;
    let key = args::some(call, 1).cloned();
    begin(items, key, Target::NewList, reverse)
}

/// `list.sort(*, key=None, reverse=False)`. While a key function runs the list is empty, as in CPython; when anything
/// fails it gets its elements back.
pub(super) fn sort_method(call: &mut Call<'_>) -> Result<Step, Raise> {
    let list = Rc::clone(super::sequence_methods::this(call)?);
    let reverse = args::flag(call.given(2))?;
    let key = args::some(call, 1).cloned();
    let items = settled(memory::copied(&list.items.borrow())?)?;
    if key.is_none() {
        let sorted = in_order(items, reverse).map_err(of_method)?;
        *list.items.borrow_mut() = sorted;
        return Ok(Step::Done(Value::None));
    }
    list.items.borrow_mut().clear();
    begin(items, key, Target::InPlace(list), reverse)
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
            | Value::Column(_)
            | Value::Grid(_)
            | Value::Range(_)
            | Value::Iter(_) => args::iterate(one)?,
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
    begin(items, key, Target::One(which), false)
}

/// The first of the extreme elements.
fn champion(mut items: Iter, which: Extreme) -> Result<Option<Value>, Raise> {
    work::foresee(items.remaining())?;
    let Some(mut found) = items.next()? else { return Ok(None) };
    let mut walk = Walk::default();
    while let Some(item) = items.next()? {
        walk.step()?;
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

fn begin(items: Vec<Value>, key: Option<Value>, target: Target, reverse: bool) -> Result<Step, Raise> {
    let Some(key) = key else {
        return in_order(items, reverse).map(|items| Step::Done(Value::list(items)));
    };
    memory::reserve_values(items.len())?;
    let keys = Vec::with_capacity(items.len());
    next_key(Box::new(Keyed { key, items, keys, target, reverse }))
}

/// Calls the key function for one element after the other.
struct Keyed {
    key: Value,
    items: Vec<Value>,
    keys: Vec<Value>,
    target: Target,
    reverse: bool,
}

fn next_key(state: Box<Keyed>) -> Result<Step, Raise> {
    match state.items.get(state.keys.len()) {
        Some(item) => Ok(Step::Call {
            function: state.key.clone(),
            args: vec![item.clone()],
            keywords: Vec::new(),
            then: state,
        }),
        None => state.conclude(),
    }
}

impl Keyed {
    fn conclude(self: Box<Self>) -> Result<Step, Raise> {
        let copies = memory::copied(&self.items).and_then(|items| Ok((items, memory::copied(&self.keys)?)));
        match copies.and_then(|(items, keys)| finish(items, keys, &self.target, self.reverse)) {
            Ok(value) => Ok(Step::Done(value)),
            // A key that holds an unanswered promise: wait for it and compare again.
            Err(raise) => match raise.into_reason() {
                Reason::Pending(promise) => Ok(Step::Wait { promise, then: Box::new(Again(self)) }),
                Reason::Error(error) => Err(self.restored(Raise::error(error))),
                Reason::Stopped(reason) => Err(Raise::stopped(reason)),
            },
        }
    }

    fn restored(&self, raise: Raise) -> Raise {
        if let Target::InPlace(list) = &self.target {
            cycles::stored_all(list, &self.items);
            (*list.items.borrow_mut()).clone_from(&self.items);
        }
        raise
    }
}

impl Continuation for Keyed {
    fn resume(mut self: Box<Self>, result: Value, _services: &mut Services) -> Result<Step, Raise> {
        if let Value::Promise(promise) = &result
            && promise.is_pending()
        {
            return Ok(Step::Wait { promise: Rc::clone(promise), then: self });
        }
        match result.observe() {
            Ok(key) => self.keys.push(key),
            Err(raise) => return Err(self.restored(raise)),
        }
        next_key(self)
    }

    fn failed(self: Box<Self>, raise: Raise, _services: &mut Services) -> Result<Step, Raise> {
        Err(self.restored(raise))
    }
}

/// All keys are there; one of them had to be waited for.
struct Again(Box<Keyed>);

impl Continuation for Again {
    fn resume(self: Box<Self>, _result: Value, _services: &mut Services) -> Result<Step, Raise> {
        self.0.conclude()
    }

    fn failed(self: Box<Self>, raise: Raise, _services: &mut Services) -> Result<Step, Raise> {
        Err(self.0.restored(raise))
    }
}

fn finish(items: Vec<Value>, keys: Vec<Value>, target: &Target, reverse: bool) -> Result<Value, Raise> {
    match target {
        Target::One(which) => best(&items, &keys, *which),
        Target::NewList => Ok(Value::list(arranged(items, keys, reverse)?)),
        Target::InPlace(list) => {
            let sorted = arranged(items, keys, reverse).map_err(of_method)?;
            cycles::stored_all(list, &sorted);
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
fn in_order(mut items: Vec<Value>, reverse: bool) -> Result<Vec<Value>, Raise> {
    if reverse {
        items.reverse();
    }
    memory::reserve_values(items.len())?;
    match uniform(items.iter()) {
        // Equal integers cannot be told apart, so they need not be moved as values.
        Some(Uniform::Ints) => {
            work::elements(items.len())?;
            let mut numbers: Vec<i64> = items.iter().filter_map(Value::as_index).collect();
            if numbers.len() <= Uniform::Ints.piece() {
                work::charge(effort(numbers.len()))?;
                numbers.sort_unstable();
            } else {
                numbers = in_pieces(numbers, Uniform::Ints.piece(), i64::cmp)?;
            }
            for (place, number) in items.iter_mut().zip(numbers) {
                *place = Value::Int(number);
            }
        }
        Some(kind) => items = in_pieces(items, kind.piece(), |a, b| uniform_order(&kind, a, b))?,
        None => items = merged(items, 1, |a, b| order::less(b, a))?,
    }
    if reverse {
        items.reverse();
    }
    Ok(items)
}

/// Steps that sorting so many elements is worth.
fn effort(count: usize) -> u64 {
    (count as u64).saturating_mul(u64::from(usize::BITS - count.leading_zeros())) / ELEMENTS as u64
}

/// Sorts with the standard library, in pieces that take not long each.
fn in_pieces<T>(
    mut items: Vec<T>,
    piece: usize,
    order: impl Fn(&T, &T) -> Ordering,
) -> Result<Vec<T>, Raise> {
    for piece in items.chunks_mut(piece) {
        work::charge(effort(piece.len()))?;
        piece.sort_by(&order);
    }
    merged(items, piece, |a, b| Ok(order(b, a) == Ordering::Less))
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
fn arranged(items: Vec<Value>, keys: Vec<Value>, reverse: bool) -> Result<Vec<Value>, Raise> {
    memory::reserve_values(items.len().saturating_mul(3))?;
    let mut pairs: Pairs = keys.into_iter().zip(items).collect();
    if reverse {
        pairs.reverse();
    }
    match uniform(pairs.iter().map(|(key, _)| key)) {
        Some(kind) => {
            pairs = in_pieces(pairs, kind.piece(), |(a, _), (b, _)| uniform_order(&kind, a, b))?;
        }
        None => pairs = merged(pairs, 1, |(a, _), (b, _)| order::less(b, a))?,
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

impl Uniform {
    /// Values sorted without a look at the clock.
    fn piece(&self) -> usize {
        match self {
            Uniform::Ints | Uniform::Floats => 1 << 19,
            Uniform::Texts => 1 << 16,
        }
    }
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

/// Bottom-up merge sort of runs of `width` that are sorted already. Runs that already stand in order are only looked at.
/// `after` says whether its first argument belongs behind the second.
fn merged<T>(
    mut items: Vec<T>,
    mut width: usize,
    after: impl Fn(&T, &T) -> Result<bool, Raise>,
) -> Result<Vec<T>, Raise> {
    if width >= items.len() {
        return Ok(items);
    }
    // The elements again, and two runs of them on their way.
    memory::reserve(items.len().saturating_mul(2 * size_of::<T>()))?;
    let mut walk = Walk::default();
    while width < items.len() {
        let mut source = items.into_iter().peekable();
        let mut next: Vec<T> = Vec::with_capacity(source.len());
        while source.peek().is_some() {
            let left: Vec<_> = source.by_ref().take(width).collect();
            let right: Vec<_> = source.by_ref().take(width).collect();
            merge(&mut next, left, right, &after, &mut walk)?;
        }
        items = next;
        width *= 2;
    }
    Ok(items)
}

type Pairs = Vec<(Value, Value)>;

fn merge<T>(
    out: &mut Vec<T>,
    left: Vec<T>,
    right: Vec<T>,
    after: &impl Fn(&T, &T) -> Result<bool, Raise>,
    walk: &mut Walk,
) -> Result<(), Raise> {
    work::elements(left.len())?;
    let in_order = match (left.last(), right.first()) {
        (Some(last), Some(first)) => !after(last, first)?,
        _ => true,
    };
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    if !in_order {
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            walk.step()?;
            let from = if after(a, b)? { &mut right } else { &mut left };
            out.extend(from.next());
        }
    }
    out.extend(left);
    out.extend(right);
    Ok(())
}
