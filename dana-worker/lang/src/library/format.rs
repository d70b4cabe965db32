//! Formatting of values: format specs, `str.format` and `%`.
//!
//! A field of `str.format` reaches struct fields, dict keys and elements, and nothing else: no other attribute of a
//! value exists here.

use crate::text::{self, Fault, Integer, Spec, percent, template};
use crate::value::{Literal, Raise, Text, Value, bigint, memory, repr};

use super::args::receiver;
use super::native::Call;

/// `format(value, spec)`.
pub fn format(value: &Value, spec: &str) -> Result<String, Raise> {
    if spec.is_empty() {
        return repr::display(value);
    }
    let room = memory::room();
    let done = match value {
        Value::Promise(promise) => return format(&promise.observe()?, spec),
        Value::Int(number) => {
            text::format_int(Integer::Small(*number), &Spec::parse(spec, "int")?, "int", room)
        }
        Value::Big(number) => text::format_int(Integer::Big(number), &Spec::parse(spec, "int")?, "int", room),
        Value::True | Value::False => {
            let number = Integer::Small(i64::from(matches!(value, Value::True)));
            text::format_int(number, &Spec::parse(spec, "bool")?, "bool", room)
        }
        Value::Float(number) => text::format_float(number.get(), &Spec::parse(spec, "float")?, room),
        Value::Small(_) | Value::Str(_) => {
            text::format_str(&value.as_text().unwrap_or(Text::Heap("")), &Spec::parse(spec, "str")?, room)
        }
        Value::Literal(literal) => return super::literal_methods::format(literal, spec),
        Value::Type(name) => text::format_str(&name.0, &Spec::parse(spec, "str")?, room),
        other => {
            let message = format!("unsupported format string passed to {}.__format__", other.type_name());
            return Err(Raise::type_error(message));
        }
    };
    Ok(done?)
}

/// `!r`, `!s` or `!a` applied to a value.
pub fn converted(value: &Value, conversion: char) -> Result<String, Raise> {
    match conversion {
        's' => repr::display(value),
        'r' => repr::repr(value),
        'a' => ascii(value),
        other => Err(Raise::value_error(format!("Unknown conversion specifier {other}"))),
    }
}

/// `repr` with everything beyond ASCII escaped.
fn ascii(value: &Value) -> Result<String, Raise> {
    let text = repr::repr(value)?;
    if text.is_ascii() {
        return Ok(text);
    }
    memory::reserve(text.len().saturating_mul(5))?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c) {
            ..=0x7f => out.push(c),
            code @ ..=0xff => out.push_str(&format!("\\x{code:02x}")),
            code @ ..=0xffff => out.push_str(&format!("\\u{code:04x}")),
            code => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    Ok(out)
}

/// The arguments of a `str.format` call.
struct Arguments<'a> {
    positional: &'a [Value],
    named: &'a dyn Fn(&str) -> Result<Option<Value>, Raise>,
    numbering: template::Numbering,
}

pub(super) fn format_method(call: &mut Call<'_>) -> Result<Value, Raise> {
    let template = receiver(call)?;
    let keywords = call.keywords;
    let named =
        |name: &str| Ok(keywords.iter().find(|(key, _)| **key == *name).map(|(_, value)| value.clone()));
    let mut arguments =
        Arguments { positional: call.rest, named: &named, numbering: template::Numbering::default() };
    filled(&template, &mut arguments, 2).map(Value::string)
}

pub(super) fn format_map(call: &mut Call<'_>) -> Result<Value, Raise> {
    let template = receiver(call)?;
    let Value::Dict(dict) = call.arg(1) else {
        return Err(Raise::type_error(format!("'{}' object is not a mapping", call.arg(1).type_name())));
    };
    let named = |name: &str| Ok(dict.get_str(name));
    let mut arguments =
        Arguments { positional: &[], named: &named, numbering: template::Numbering::default() };
    filled(&template, &mut arguments, 2).map(Value::string)
}

fn filled(source: &str, arguments: &mut Arguments<'_>, depth: u32) -> Result<String, Raise> {
    if depth == 0 {
        return Err(Raise::value_error("Max string recursion exceeded"));
    }
    memory::reserve(source.len())?;
    let mut out = String::new();
    for part in template::parts(source) {
        match part? {
            template::Part::Literal(literal) => out.push_str(literal),
            template::Part::Field { name, conversion, spec } => {
                let value = field(name, arguments)?;
                let spec = if spec.contains(['{', '}']) {
                    filled(spec, arguments, depth - 1)?
                } else {
                    spec.to_owned()
                };
                let text = match conversion {
                    Some(conversion) => format(&Value::string(converted(&value, conversion)?), &spec)?,
                    None => format(&value, &spec)?,
                };
                memory::reserve(out.len().saturating_add(text.len()))?;
                out.push_str(&text);
            }
        }
    }
    Ok(out)
}

fn field(name: &str, arguments: &mut Arguments<'_>) -> Result<Value, Raise> {
    let path = template::path(name)?;
    let position = match path.first {
        template::First::Next => Some(arguments.numbering.automatic()?),
        template::First::Position(at) => {
            arguments.numbering.manual()?;
            Some(at)
        }
        template::First::Name(_) => None,
    };
    let mut value = match (position, path.first) {
        (Some(at), _) => arguments.positional.get(at).cloned().ok_or_else(|| {
            Raise::index_error(format!("Replacement index {at} out of range for positional args tuple"))
        })?,
        (None, template::First::Name(name)) => (arguments.named)(name)?.ok_or_else(|| missing_key(name))?,
        (None, _) => Value::None,
    };
    for step in path.steps {
        value = walked(&value.observe()?, step)?;
    }
    value.observe()
}

fn missing_key(name: &str) -> Raise {
    let mut quoted = String::new();
    text::quote(&mut quoted, text::beginning(name, 1000));
    Raise::key_error(quoted)
}

fn walked(value: &Value, step: template::Step<'_>) -> Result<Value, Raise> {
    let absent = |name: &str| {
        Raise::attribute_error(format!("'{}' object has no attribute '{name}'", value.type_name()))
    };
    match (step, value) {
        (template::Step::Attribute(name), _) if name.starts_with("__") => Err(absent(name)),
        (template::Step::Attribute(name), Value::Struct(object)) => {
            let (owner, at) = object.owner(name)?.ok_or_else(|| absent(name))?;
            let fields = owner.fields.borrow();
            fields.get(at).cloned().ok_or_else(|| absent(name))
        }
        (template::Step::Attribute(name), Value::Dict(dict)) => {
            dict.get_str(name).ok_or_else(|| absent(name))
        }
        (template::Step::Attribute(name), Value::Literal(literal)) => {
            super::property(literal, name).ok_or_else(|| absent(name))
        }
        (template::Step::Attribute(name), _) => Err(absent(name)),
        (template::Step::Key(key), Value::Dict(dict)) => dict.get_str(key).ok_or_else(|| missing_key(key)),
        (template::Step::Index(at), Value::Dict(dict)) => {
            let key = i64::try_from(at).map_or(Value::None, Value::Int);
            dict.get(&key)?.ok_or_else(|| Raise::key_error(at.to_string()))
        }
        (template::Step::Index(at), Value::List(list)) => {
            list.get(at).ok_or_else(|| Raise::index_error("list index out of range"))
        }
        (template::Step::Index(at), Value::Tuple(tuple)) => {
            tuple.items().get(at).cloned().ok_or_else(|| Raise::index_error("tuple index out of range"))
        }
        (template::Step::Index(at), Value::Small(_) | Value::Str(_)) => {
            crate::value::text::char_at(value, at)
                .ok_or_else(|| Raise::index_error("string index out of range"))
        }
        (template::Step::Key(_), Value::List(_) | Value::Tuple(_)) => {
            let kind = value.type_name();
            Err(Raise::type_error(format!("{kind} indices must be integers or slices, not str")))
        }
        (template::Step::Key(_), Value::Small(_) | Value::Str(_)) => {
            Err(Raise::type_error("string indices must be integers, not 'str'"))
        }
        _ => Err(Raise::type_error(format!("'{}' object is not subscriptable", value.type_name()))),
    }
}

/// `template % values`.
pub fn percent(template: &Value, values: &Value) -> Result<Value, Raise> {
    let source = template.as_text().unwrap_or(Text::Heap(""));
    let single = [values.clone()];
    let (items, mapping) = match values {
        Value::Tuple(tuple) => (tuple.items(), None),
        Value::Dict(dict) => (single.as_slice(), Some(dict)),
        _ => (single.as_slice(), None),
    };
    let mut taker = Taker { items, next: 0 };
    memory::reserve(source.len())?;
    let mut out = String::new();
    for part in percent::parts(&source) {
        let found = match part? {
            percent::Part::Literal(literal) => {
                out.push_str(literal);
                continue;
            }
            percent::Part::Conversion(found) => found,
        };
        let keyed = match found.key {
            None => None,
            Some(key) => {
                let dict = mapping.ok_or_else(|| Raise::type_error("format requires a mapping"))?;
                taker.next = items.len();
                Some(dict.get_str(key).ok_or_else(|| missing_key(key))?)
            }
        };
        let mut left = found.left;
        let width = match found.width {
            percent::Amount::Given(width) => width,
            percent::Amount::Argument => {
                let width = taker.amount()?;
                left = left || width < 0;
                usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX)
            }
        };
        let precision = match found.precision {
            None => None,
            Some(percent::Amount::Given(precision)) => Some(precision),
            Some(percent::Amount::Argument) => Some(usize::try_from(taker.amount()?).unwrap_or(0)),
        };
        let value = match keyed {
            Some(value) => value.observe()?,
            None => taker.value()?,
        };
        let layout = percent::Layout {
            left,
            sign: found.sign,
            alternate: found.alternate,
            zero: found.zero,
            width,
            precision,
            kind: found.kind,
        };
        let text = laid_out(&value, layout, found.at)?;
        memory::reserve(out.len().saturating_add(text.len()))?;
        out.push_str(&text);
    }
    if taker.next < items.len() && mapping.is_none() {
        return Err(Raise::type_error("not all arguments converted during string formatting"));
    }
    Ok(Value::string(out))
}

struct Taker<'a> {
    items: &'a [Value],
    next: usize,
}

impl Taker<'_> {
    fn value(&mut self) -> Result<Value, Raise> {
        let Some(value) = self.items.get(self.next) else {
            return Err(Raise::type_error("not enough arguments for format string"));
        };
        self.next += 1;
        value.observe()
    }

    fn amount(&mut self) -> Result<i64, Raise> {
        match self.value()? {
            Value::Big(_) => Err(Raise::overflow("Python int too large to convert to C long")),
            value => value.as_index().ok_or_else(|| Raise::type_error("* wants int")),
        }
    }
}

fn laid_out(value: &Value, layout: percent::Layout, at: usize) -> Result<String, Raise> {
    let room = memory::room();
    let done = match layout.kind {
        's' => percent::text(&repr::display(value)?, layout, room),
        'r' => percent::text(&repr::repr(value)?, layout, room),
        'a' => percent::text(&ascii(value)?, layout, room),
        'c' => percent::text(&character(value)?, layout, room),
        'd' | 'i' | 'u' => match value {
            Value::Literal(literal) if let Literal::Decimal(number) = &**literal => {
                percent::integer(Integer::Big(&number.to_int()?), layout, room)
            }
            Value::Float(number) => {
                let whole = bigint::from_float(number.get()).ok_or_else(|| not_whole(number.get()))?;
                percent::integer(Integer::Big(&whole), layout, room)
            }
            other => {
                let kind = layout.kind;
                let complaint =
                    || format!("%{kind} format: a real number is required, not {}", other.type_name());
                integer(other, layout, room, complaint)?
            }
        },
        'o' | 'x' | 'X' => {
            let kind = layout.kind;
            let complaint = || format!("%{kind} format: an integer is required, not {}", value.type_name());
            integer(value, layout, room, complaint)?
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let number = match value {
                Value::Float(number) => number.get(),
                Value::Big(number) => bigint::to_float(number)?,
                Value::Literal(_) => match super::to_float(value)? {
                    Value::Float(number) => number.get(),
                    _ => f64::NAN,
                },
                other => {
                    let number = other.as_index().ok_or_else(|| {
                        Raise::type_error(format!("must be real number, not {}", other.type_name()))
                    })?;
                    #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is wanted")]
                    let number = number as f64;
                    number
                }
            };
            percent::float(number, layout, room)
        }
        kind => {
            let shown = if kind.is_ascii_graphic() || kind == ' ' { kind } else { '?' };
            let code = u32::from(kind);
            let message = format!("unsupported format character '{shown}' (0x{code:x}) at index {at}");
            return Err(Raise::value_error(message));
        }
    };
    Ok(done?)
}

fn integer(
    value: &Value,
    layout: percent::Layout,
    room: usize,
    complaint: impl FnOnce() -> String,
) -> Result<Result<String, Fault>, Raise> {
    match value {
        Value::Big(number) => Ok(percent::integer(Integer::Big(number), layout, room)),
        other => match other.as_index() {
            Some(number) => Ok(percent::integer(Integer::Small(number), layout, room)),
            None => Err(Raise::type_error(complaint())),
        },
    }
}

/// Why a float has no integer value.
pub(super) fn not_whole(number: f64) -> Raise {
    if number.is_nan() {
        Raise::value_error("cannot convert float NaN to integer")
    } else {
        Raise::overflow("cannot convert float infinity to integer")
    }
}

fn character(value: &Value) -> Result<String, Raise> {
    let outside = || Raise::overflow("%c arg not in range(0x110000)");
    if let Some(text) = value.as_text() {
        let mut chars = text.chars();
        return match (chars.next(), chars.next()) {
            (Some(_), None) => Ok(text.to_string()),
            _ => Err(Raise::type_error("%c requires int or char")),
        };
    }
    match value {
        Value::Big(_) => Err(outside()),
        other => {
            let code = other.as_index().ok_or_else(|| Raise::type_error("%c requires int or char"))?;
            u32::try_from(code).ok().and_then(char::from_u32).map(String::from).ok_or_else(outside)
        }
    }
}
