//! Reading arguments, with CPython's messages.
//!
//! Functions of section 11 refuse an argument of an unsuitable type with `SandboxError` ([`unsuitable`]); methods of
//! builtin values refuse it with `TypeError`, as Python does.

use std::rc::Rc;

use crate::text::Fault;
use crate::value::{Iter, IterObj, PromiseObj, Raise, Text, Value, memory};

use super::native::Call;

impl From<Fault> for Raise {
    fn from(fault: Fault) -> Raise {
        match fault {
            Fault::Value(message) => Raise::value_error(message),
            Fault::Type(message) => Raise::type_error(message),
            Fault::Overflow(message) => Raise::overflow(message),
            Fault::Index(message) => Raise::index_error(message),
            Fault::Key(message) => Raise::key_error(message),
            Fault::Memory(_) => Raise::memory(memory::limit()),
        }
    }
}

/// A builtin function was given something it has no use for.
#[cold]
pub(super) fn unsuitable(message: String) -> Raise {
    Raise::sandbox(message)
}

/// A text argument; `complaint` is said of anything else, with its type after it.
pub(super) fn text<'a>(value: &'a Value, complaint: &str) -> Result<Text<'a>, Raise> {
    value.as_text().ok_or_else(|| {
        // CPython names the value, not its type, where it counts arguments.
        let kind =
            if value.is_none() && complaint.contains("() argument ") { "None" } else { value.type_name() };
        Raise::type_error(format!("{complaint}, not {kind}"))
    })
}

/// The receiver of a `str` method.
pub(super) fn receiver<'a>(call: &Call<'a>) -> Result<Text<'a>, Raise> {
    call.arg(0).as_text().ok_or_else(|| misapplied(call, "str"))
}

/// A method called by its type's name with a receiver of another type.
#[cold]
pub(super) fn misapplied(call: &Call<'_>, kind: &str) -> Raise {
    let (name, given) = (call.native.name, call.arg(0).type_name());
    Raise::type_error(format!("descriptor '{name}' for '{kind}' objects doesn't apply to a '{given}' object"))
}

/// An integer as a size or position. A big one is too large for either.
pub(super) fn index(value: &Value) -> Result<i64, Raise> {
    match value {
        Value::Big(_) => Err(Raise::overflow("Python int too large to convert to C ssize_t")),
        other => other.as_index().ok_or_else(|| not_an_integer(other)),
    }
}

#[cold]
pub(super) fn not_an_integer(value: &Value) -> Raise {
    Raise::type_error(format!("'{}' object cannot be interpreted as an integer", value.type_name()))
}

/// A bound of a search: none, or an integer, too large ones clamped.
pub(super) fn bound(value: Option<&Value>) -> Result<Option<i64>, Raise> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Big(big)) => {
            Ok(Some(if big.sign() == num_bigint::Sign::Minus { i64::MIN } else { i64::MAX }))
        }
        Some(other) => match other.as_index() {
            Some(at) => Ok(Some(at)),
            None => {
                Err(Raise::type_error("slice indices must be integers or None or have an __index__ method"))
            }
        },
    }
}

/// A count such as `maxsplit`: negative means no limit.
pub(super) fn limit(value: Option<&Value>) -> Result<Option<usize>, Raise> {
    value.map_or(Ok(None), |value| Ok(usize::try_from(index(value)?).ok()))
}

/// Plain truth of an optional flag.
pub(super) fn flag(value: Option<&Value>) -> Result<bool, Raise> {
    value.map_or(Ok(false), crate::value::truth::plain)
}

/// An argument that is neither missing nor `None`.
pub(super) fn some<'a>(call: &Call<'a>, at: usize) -> Option<&'a Value> {
    call.given(at).filter(|value| !value.is_none())
}

/// Whether a value has elements.
pub(super) fn is_iterable(value: &Value) -> bool {
    matches!(
        value,
        Value::List(_)
            | Value::Tuple(_)
            | Value::Dict(_)
            | Value::View(_)
            | Value::Grid(_)
            | Value::Column(_)
            | Value::Set(_)
            | Value::Small(_)
            | Value::Str(_)
            | Value::Range(_)
            | Value::Bytes(_)
            | Value::Iter(_)
            | Value::Promise(_)
    )
}

/// The elements of an argument of a builtin function, or its complaint about what cannot be iterated.
pub(super) fn iterate(value: &Value) -> Result<Iter, Raise> {
    if is_iterable(value) {
        walk(value)
    } else {
        Err(unsuitable(format!("'{}' object is not iterable", value.type_name())))
    }
}

/// The elements of an argument of a method, or Python's `TypeError`.
pub(super) fn walk(value: &Value) -> Result<Iter, Raise> {
    match value {
        Value::Iter(shared) => rewindable(shared),
        other => Iter::of(other),
    }
}

/// The elements of a one-shot iterator, for a function that is executed again when it meets an unanswered promise: such
/// a promise is met before an element is lost.
fn rewindable(shared: &Rc<IterObj>) -> Result<Iter, Raise> {
    let Ok(mut inner) = shared.inner.try_borrow_mut() else {
        return Err(Raise::value_error("iterator already executing"));
    };
    if !may_wait(&inner, 0) {
        drop(inner);
        return Ok(Iter::Shared(Rc::clone(shared)));
    }
    let mut items = Vec::new();
    while let Some(item) = inner.next()? {
        if items.len() == items.capacity() {
            memory::reserve_values(items.len().max(4))?;
        }
        items.push(item);
    }
    let waiting = items.iter().find_map(|item| match item {
        Value::Tuple(tuple) => tuple.items().iter().find_map(unanswered),
        item => unanswered(item),
    });
    match waiting {
        Some(promise) => {
            *inner = Iter::Values(items.into_iter());
            Err(Raise::pending(&promise))
        }
        None => Ok(Iter::Values(items.into_iter())),
    }
}

/// Whether an iterator can give promises. One over many others counts as such: taken apart now, it is no deeper.
fn may_wait(iter: &Iter, depth: u32) -> bool {
    match iter {
        Iter::Range { .. } | Iter::Text { .. } | Iter::Bytes { .. } | Iter::Set { .. } => false,
        Iter::Enumerate { inner, .. } => may_wait(inner, depth),
        Iter::Zip(inner) => inner.iter().any(|inner| may_wait(inner, depth)),
        Iter::Rows { .. } => false,
        Iter::Shared(_) if depth > 100 => true,
        Iter::Shared(shared) => shared.inner.try_borrow().is_ok_and(|inner| may_wait(&inner, depth + 1)),
        _ => true,
    }
}

fn unanswered(value: &Value) -> Option<Rc<PromiseObj>> {
    match value {
        Value::Promise(promise) if promise.is_pending() => Some(Rc::clone(promise)),
        _ => None,
    }
}

/// All elements of an argument, charged as work.
pub(super) fn elements(call: &Call<'_>, at: usize) -> Result<Vec<Value>, Raise> {
    iterate(call.arg(at))?.collect()
}

/// Declares natives: `name [parameter Take, ...] Kind body`, `Steps` before a body that may call Dana functions. A list
/// marked `replaceable` holds functions that a program's own function of the same name takes the place of.
macro_rules! natives {
    ($(#[$doc:meta])* $list:ident: $($rest:tt)*) => {
        $crate::library::args::natives! { @list true, $(#[$doc])* $list: $($rest)* }
    };
    ($(#[$doc:meta])* replaceable $list:ident: $($rest:tt)*) => {
        $crate::library::args::natives! { @list false, $(#[$doc])* $list: $($rest)* }
    };
    (@list $protected:literal, $(#[$doc:meta])* $list:ident:
        $($name:literal [$($param:literal $take:ident),*] $kind:ident $body:expr;)*) => {
        $(#[$doc])*
        pub(super) static $list: &[$crate::library::native::Native] = &[$(
            $crate::library::native::Native {
                name: $name,
                params: &[$($crate::library::native::Param::new($param, $crate::library::native::Take::$take)),*],
                body: $crate::library::native::Body::$kind($body),
                protected: $protected,
            }
        ),*];
    };
}
pub(super) use natives;
