//! Builtin functions between types: `int`, `float`, `bool`, `str`, `type`, `isinstance`, `cast`, `chr`, `ord`.

use crate::text;
use crate::value::literal::Literal;
use crate::value::structure::StructKind;
use crate::value::{Iter, Raise, Value, bigint, repr, truth};

use super::args::{self, natives, unsuitable};
use super::format::not_whole;
use super::native::Call;
use super::numbers::float_of_text;

natives! {
    FUNCTIONS:
    "int" ["x" PositionOptional, "base" Optional] Plain int;
    "float" ["x" PositionOptional] Plain float;
    "bool" ["x" PositionOptional] Plain |call| call.given(0).map_or(Ok(Value::False), |x| truth::fuzzy(x).map(Value::bool));
    "str" ["object" PositionOptional] Plain str;
    "type" ["object" Position] Plain |call| Ok(Value::type_named(&type_text(call.arg(0))));
    "isinstance" ["obj" Position, "types" Position] Plain is_instance;
    "cast" ["type" Either, "value" Either] Plain cast;
}

natives! {
    /// Names the released implementation does not have, so that programs may have their own.
    replaceable ADDITIONS:
    "chr" ["i" Position] Plain chr;
    "ord" ["c" Position] Plain ord;
}

fn int(call: &mut Call<'_>) -> Result<Value, Raise> {
    let Some(value) = call.given(0) else { return Ok(Value::Int(0)) };
    if let Some(base) = call.given(1) {
        // A wrong base is said before a wrong value.
        let base = if matches!(base, Value::Big(_)) { 1 } else { args::index(base)? };
        let base = u32::try_from(base).ok().filter(|base| *base == 0 || (2..=36).contains(base));
        let base = base.ok_or_else(|| Raise::value_error("int() base must be >= 2 and <= 36, or 0"))?;
        let Some(source) = value.as_text() else {
            return Err(Raise::type_error("int() can't convert non-string with explicit base"));
        };
        return int_of_text(&source, base);
    }
    to_int(value)
}

fn int_of_text(source: &str, base: u32) -> Result<Value, Raise> {
    let mut quoted = String::new();
    text::quote(&mut quoted, text::beginning(source, 200));
    // As CPython does it: the end of a long one is cut off, quote and all.
    Ok(Value::big(text::parse_bigint(source, base, text::beginning(&quoted, 200))?))
}

/// `int(value)`.
pub(crate) fn to_int(value: &Value) -> Result<Value, Raise> {
    match value {
        Value::Int(_) | Value::Big(_) => Ok(value.clone()),
        Value::True => Ok(Value::Int(1)),
        Value::False => Ok(Value::Int(0)),
        Value::Float(number) => {
            bigint::from_float(number.get()).map(Value::big).ok_or_else(|| not_whole(number.get()))
        }
        Value::Small(_) | Value::Str(_) => {
            let source = value.as_text().unwrap_or(crate::value::Text::Heap(""));
            match text::parse_decimal(&source) {
                Some(number) => Ok(Value::Int(number)),
                None => int_of_text(&source, 10),
            }
        }
        Value::Bytes(bytes) => int_of_text(&String::from_utf8_lossy(&bytes.0), 10),
        Value::Literal(literal) if let Literal::Decimal(number) = &**literal => {
            number.to_int().map(Value::big)
        }
        other => Err(unsuitable(format!(
            "int() argument must be a string, a bytes-like object or a real number, not '{}'",
            other.type_name()
        ))),
    }
}

fn float(call: &mut Call<'_>) -> Result<Value, Raise> {
    call.given(0).map_or(Ok(Value::float(0.0)), to_float)
}

/// `float(value)`.
pub(crate) fn to_float(value: &Value) -> Result<Value, Raise> {
    match value {
        Value::Float(_) => Ok(value.clone()),
        Value::Big(big) => bigint::to_float(big).map(Value::float),
        Value::Literal(literal) if let Literal::Decimal(number) = &**literal => {
            number.to_float().map(Value::float)
        }
        Value::Small(_) | Value::Str(_) => {
            float_of_text(&value.as_text().unwrap_or(crate::value::Text::Heap("")))
        }
        other => match other.as_index() {
            #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is wanted")]
            Some(number) => Ok(Value::float(number as f64)),
            None => Err(unsuitable(format!(
                "float() argument must be a string or a real number, not '{}'",
                other.type_name()
            ))),
        },
    }
}

fn str(call: &mut Call<'_>) -> Result<Value, Raise> {
    match call.given(0) {
        None => Ok(Value::str("")),
        Some(value) if value.is_text() => Ok(value.clone()),
        Some(value) => repr::display(value).map(Value::string),
    }
}

/// What `type(value)` prints.
pub(crate) fn type_text(value: &Value) -> String {
    match value {
        Value::Struct(object) => {
            let family = match object.kind.kind {
                StructKind::Struct => "Struct",
                StructKind::Resource => "Resource",
                StructKind::Agent => "Agent",
                StructKind::Workflow => "Workflow",
            };
            format!("{family}[{}]", object.kind.name)
        }
        Value::StructType(kind) => format!("Constructor[{}]", kind.name),
        Value::Native(native) => format!("Constructor[{}]", native.name),
        Value::Func(_) | Value::Bound(_) => "DanaFunction".to_owned(),
        Value::Iter(iter) => match iter.inner.try_borrow().as_deref() {
            Ok(Iter::Enumerate { .. }) => "enumerate",
            Ok(Iter::Reversed { .. }) => "reversed",
            Ok(Iter::Zip(_)) => "zip",
            _ => "iterator",
        }
        .to_owned(),
        other => other.type_name().to_owned(),
    }
}

/// Compares type names; a value has the name of its type and, for a struct, also the whole text of `type`.
fn is_instance(call: &mut Call<'_>) -> Result<Value, Raise> {
    let value = call.arg(0);
    let matches = |wanted: &Value| -> Result<bool, Raise> {
        let wanted = wanted.observe()?;
        Ok(match &wanted {
            Value::StructType(kind) => {
                matches!(value, Value::Struct(object) if object.kind.name == kind.name)
            }
            Value::Type(name) => *name.0 == *type_text(value),
            other => other.as_text().is_some_and(|name| {
                let none = value.is_none() && matches!(&*name, "None" | "none" | "null");
                *name == *value.type_name() || *name == *type_text(value) || none
            }),
        })
    };
    let options = match call.arg(1) {
        Value::Tuple(tuple) => tuple.items().to_vec(),
        Value::List(list) => list.to_vec(),
        single => vec![single.clone()],
    };
    for option in &options {
        if matches(option)? {
            return Ok(Value::True);
        }
    }
    Ok(Value::False)
}

/// Converts by the name of a type: a text, a builtin constructor, or what `type` gave.
fn cast(call: &mut Call<'_>) -> Result<Value, Raise> {
    let name = match call.arg(0) {
        Value::Native(native) => native.name.to_owned(),
        Value::Type(name) => name.0.to_string(),
        other => match other.as_text() {
            Some(name) => name.to_string(),
            None => return Err(unsuitable(format!("cast() needs a type, got '{}'", other.type_name()))),
        },
    };
    let value = call.arg(1);
    match name.trim() {
        "int" => to_int(value),
        "float" => to_float(value),
        "bool" => truth::fuzzy(value).map(Value::bool),
        "str" => repr::display(value).map(Value::string),
        "list" => args::elements(call, 1).map(Value::list),
        "tuple" => args::elements(call, 1).map(Value::tuple),
        "set" => super::table_methods::collected(args::iterate(value)?).map(Value::set),
        "any" => Ok(value.clone()),
        other => Err(unsuitable(format!("cast() cannot convert to '{other}'"))),
    }
}

fn chr(call: &mut Call<'_>) -> Result<Value, Raise> {
    let code = match call.arg(0) {
        Value::Big(_) => None,
        other => {
            let code = other.as_index().ok_or_else(|| {
                unsuitable(format!("'{}' object cannot be interpreted as an integer", other.type_name()))
            })?;
            i32::try_from(code).ok()
        }
    };
    let code = code.ok_or_else(|| Raise::overflow("Python int too large to convert to C int"))?;
    match u32::try_from(code).ok().and_then(char::from_u32) {
        Some(c) => Ok(Value::char(c)),
        None if (0xd800..0xe000).contains(&code) => {
            Err(Raise::value_error("chr() arg is a surrogate, which is not a character"))
        }
        None => Err(Raise::value_error("chr() arg not in range(0x110000)")),
    }
}

fn ord(call: &mut Call<'_>) -> Result<Value, Raise> {
    let Some(source) = call.arg(0).as_text() else {
        let kind = call.arg(0).type_name();
        return Err(unsuitable(format!("ord() expected string of length 1, but {kind} found")));
    };
    let mut chars = source.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(Value::Int(i64::from(u32::from(c)))),
        _ => {
            let count = source.chars().count();
            Err(Raise::type_error(format!("ord() expected a character, but string of length {count} found")))
        }
    }
}
