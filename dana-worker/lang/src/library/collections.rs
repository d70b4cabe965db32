//! Builtin functions that make or walk collections.

use std::rc::Rc;

use crate::session::Services;
use crate::value::work::Walk;
use crate::value::{DictObj, Iter, Raise, RangeObj, Value, memory, text, truth};

use super::args::{self, elements, iterate, natives, unsuitable};
use super::native::{Call, Continuation, Step};
use super::table_methods::{collected, pairs};

natives! {
    FUNCTIONS:
    "len" ["obj" Position] Plain length;
    "list" ["iterable" PositionOptional] Plain list;
    "set" ["iterable" PositionOptional] Plain set;
    "range" ["start" Position, "stop" PositionOptional, "step" PositionOptional] Plain range;
    "enumerate" ["iterable" Either, "start" Optional] Plain enumerate;
    "reversed" ["sequence" Position] Plain reversed;
    "all" ["iterable" Position] Plain all;
    "any" ["iterable" Position] Plain any;
    "sorted" ["iterable" Position, "key" Named, "reverse" Named] Steps super::sort::sorted;
    "max" ["args" Rest, "key" Named, "default" Named] Steps super::sort::maximum;
    "min" ["args" Rest, "key" Named, "default" Named] Steps super::sort::minimum;
    "basic_max" ["args" Rest, "key" Named, "default" Named] Steps super::sort::maximum;
    "basic_min" ["args" Rest, "key" Named, "default" Named] Steps super::sort::minimum;
}

natives! {
    /// Names the released implementation does not have, so that programs may have their own.
    replaceable ADDITIONS:
    "tuple" ["iterable" PositionOptional] Plain tuple;
    "dict" ["source" PositionOptional, "kwargs" Keywords] Plain dict;
    "zip" ["iterables" Rest, "strict" Named] Plain zip;
    "map" ["function" Position, "iterable" Position, "iterables" Rest] Steps map;
    "filter" ["function" Position, "iterable" Position] Steps filter;
}

fn length(call: &mut Call<'_>) -> Result<Value, Raise> {
    let count = match call.arg(0) {
        value @ (Value::Small(_) | Value::Str(_)) => text::char_count(value),
        Value::List(list) => list.len(),
        Value::Tuple(tuple) => tuple.items().len(),
        Value::Dict(dict) => dict.len(),
        Value::View(view) => view.dict.len(),
        Value::Grid(grid) => grid.rows,
        Value::Column(column) => column.len(),
        Value::Set(set) => set.len(),
        Value::Bytes(bytes) => bytes.0.len(),
        Value::Range(range) => {
            return i64::try_from(range.len())
                .map(Value::Int)
                .map_err(|_| Raise::overflow("Python int too large to convert to C ssize_t"));
        }
        other => return Err(unsuitable(format!("object of type '{}' has no len()", other.type_name()))),
    };
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn list(call: &mut Call<'_>) -> Result<Value, Raise> {
    if call.given(0).is_none() {
        return Ok(Value::list(Vec::new()));
    }
    elements(call, 0).map(Value::list)
}

fn tuple(call: &mut Call<'_>) -> Result<Value, Raise> {
    match call.given(0) {
        None => Ok(Value::tuple(Vec::new())),
        Some(same @ Value::Tuple(_)) => Ok(same.clone()),
        Some(_) => elements(call, 0).map(Value::tuple),
    }
}

fn set(call: &mut Call<'_>) -> Result<Value, Raise> {
    let Some(source) = call.given(0) else { return Ok(Value::set(crate::value::Table::new())) };
    let iter = iterate(source)?;
    collected(iter).map(Value::set)
}

fn dict(call: &mut Call<'_>) -> Result<Value, Raise> {
    let made = DictObj::default();
    if let Some(source) = call.given(0) {
        if !args::is_iterable(source) {
            return Err(unsuitable(format!("'{}' object is not iterable", source.type_name())));
        }
        for (key, value) in pairs(source)? {
            made.insert(key, value)?;
        }
    }
    for (name, value) in call.keywords {
        made.insert(Value::str(name), value.clone())?;
    }
    Ok(Value::Dict(Rc::new(made)))
}

fn range(call: &mut Call<'_>) -> Result<Value, Raise> {
    let number = |value: &Value| match value {
        Value::Big(_) => Err(Raise::overflow("range() arguments must fit into 64 bits")),
        other => other.as_index().ok_or_else(|| {
            unsuitable(format!("'{}' object cannot be interpreted as an integer", other.type_name()))
        }),
    };
    let first = number(call.arg(0))?;
    let (start, stop) = match call.given(1) {
        Some(stop) => (first, number(stop)?),
        None => (0, first),
    };
    let step = call.given(2).map_or(Ok(1), number)?;
    if step == 0 {
        return Err(Raise::value_error("range() arg 3 must not be zero"));
    }
    Ok(Value::Range(Rc::new(RangeObj { start, stop, step })))
}

fn enumerate(call: &mut Call<'_>) -> Result<Value, Raise> {
    let start = call.given(1).map_or(Ok(0), args::index)?;
    let inner = Box::new(iterate(call.arg(0))?);
    Ok(Value::iterator(Iter::Enumerate { inner, at: start }))
}

fn reversed(call: &mut Call<'_>) -> Result<Value, Raise> {
    match call.arg(0) {
        value @ (Value::List(_) | Value::Tuple(_) | Value::Small(_) | Value::Str(_) | Value::Range(_)) => {
            Iter::reversed(value).map(Value::iterator)
        }
        value @ (Value::Dict(_) | Value::View(_) | Value::Grid(_) | Value::Column(_)) => {
            Iter::reversed(value).map(Value::iterator)
        }
        other => Err(unsuitable(format!("'{}' object is not reversible", other.type_name()))),
    }
}

fn zip(call: &mut Call<'_>) -> Result<Value, Raise> {
    let iters: Vec<Iter> = call.rest.iter().map(iterate).collect::<Result<_, _>>()?;
    if !args::flag(call.given(0))? {
        return Ok(Value::iterator(Iter::Zip(iters)));
    }
    let mut columns = Vec::with_capacity(iters.len());
    for iter in iters {
        columns.push(iter.collect()?);
    }
    let first = columns.first().map_or(0, Vec::len);
    for (at, column) in columns.iter().enumerate().skip(1) {
        if column.len() != first {
            let how = if column.len() < first { "shorter" } else { "longer" };
            let before = if at == 1 { "argument 1".to_owned() } else { format!("arguments 1-{at}") };
            return Err(Raise::value_error(format!("zip() argument {} is {how} than {before}", at + 1)));
        }
    }
    let iters = columns.into_iter().map(|column| Iter::Values(column.into_iter())).collect();
    Ok(Value::iterator(Iter::Zip(iters)))
}

fn all(call: &mut Call<'_>) -> Result<Value, Raise> {
    holds(call, false).map(|found| Value::bool(!found))
}

fn any(call: &mut Call<'_>) -> Result<Value, Raise> {
    holds(call, true).map(Value::bool)
}

/// Whether an element has the wanted truth.
fn holds(call: &mut Call<'_>, wanted: bool) -> Result<bool, Raise> {
    if let Value::Range(range) = call.arg(0) {
        // Only zero is false, and it occurs at most once.
        let zeros = u64::from(range.contains(0));
        return Ok(if wanted { range.len() > zeros } else { zeros > 0 });
    }
    let mut iter = iterate(call.arg(0))?;
    let mut walk = Walk::default();
    while let Some(item) = iter.next()? {
        walk.step()?;
        if truth::plain(&item)? == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Calls the function for all elements at once; the iterator that comes back holds the results.
fn map(call: &mut Call<'_>) -> Result<Step, Raise> {
    let mut columns = vec![elements(call, 1)?];
    for other in call.rest {
        let iter = iterate(other)?;
        columns.push(iter.collect()?);
    }
    let count = columns.iter().map(Vec::len).min().unwrap_or(0);
    memory::reserve_values(count)?;
    let results = Vec::with_capacity(count);
    Ok(Box::new(Mapping { function: callable(call)?, columns, count, results }).next())
}

fn callable(call: &Call<'_>) -> Result<Value, Raise> {
    let function = call.arg(0);
    if function.is_callable() {
        Ok(function.clone())
    } else {
        Err(Raise::type_error(format!("'{}' object is not callable", function.type_name())))
    }
}

struct Mapping {
    function: Value,
    columns: Vec<Vec<Value>>,
    count: usize,
    results: Vec<Value>,
}

impl Mapping {
    fn next(self: Box<Self>) -> Step {
        let at = self.results.len();
        if at >= self.count {
            return Step::Done(Value::iterator(Iter::Values(self.results.into_iter())));
        }
        let args = self.columns.iter().filter_map(|column| column.get(at).cloned()).collect();
        Step::Call { function: self.function.clone(), args, keywords: Vec::new(), then: self }
    }
}

impl Continuation for Mapping {
    fn resume(mut self: Box<Self>, result: Value, _services: &mut Services) -> Result<Step, Raise> {
        self.results.push(result);
        Ok(self.next())
    }
}

/// Keeps the elements for which the function (or, with `None`, the element itself) is true.
fn filter(call: &mut Call<'_>) -> Result<Step, Raise> {
    let items = elements(call, 1)?;
    if call.arg(0).is_none() {
        let mut kept = Vec::new();
        let mut walk = Walk::default();
        for item in items {
            walk.step()?;
            if truth::plain(&item)? {
                memory::push(&mut kept, item)?;
            }
        }
        return Ok(Step::Done(Value::iterator(Iter::Values(kept.into_iter()))));
    }
    let function = callable(call)?;
    Ok(Box::new(Filtering { function, items: items.into_iter(), asked: Value::Unset, kept: Vec::new() })
        .next())
}

struct Filtering {
    function: Value,
    items: std::vec::IntoIter<Value>,
    /// The element whose answer is awaited.
    asked: Value,
    kept: Vec<Value>,
}

impl Filtering {
    fn next(mut self: Box<Self>) -> Step {
        match self.items.next() {
            None => Step::Done(Value::iterator(Iter::Values(self.kept.into_iter()))),
            Some(item) => {
                self.asked = item.clone();
                Step::Call {
                    function: self.function.clone(),
                    args: vec![item],
                    keywords: Vec::new(),
                    then: self,
                }
            }
        }
    }
}

impl Continuation for Filtering {
    fn resume(mut self: Box<Self>, result: Value, _services: &mut Services) -> Result<Step, Raise> {
        if let Value::Promise(promise) = &result
            && promise.is_pending()
        {
            return Ok(Step::Wait { promise: Rc::clone(promise), then: self });
        }
        if truth::plain(&result)? {
            let item = self.asked.clone();
            memory::push(&mut self.kept, item)?;
        }
        Ok(self.next())
    }
}
