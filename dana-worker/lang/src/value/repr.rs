//! Printed forms: `str` at the top, `repr` inside containers.
//!
//! A container inside itself prints as an ellipsis; nesting beyond a fixed depth is an error.

use std::fmt::Write as _;
use std::rc::Rc;

use super::{ErrorObj, MAX_VISITS, Raise, Value, ViewKind, ViewObj, memory, work};
use crate::text;

const MAX_NESTING: usize = 200;
/// Characters of a value in a message.
const SHOWN: usize = 1000;
/// Bytes between looks at the memory limit.
const CHUNK: usize = 1 << 16;

/// `str(value)`.
pub fn display(value: &Value) -> Result<String, Raise> {
    let mut out = String::new();
    push_display(&mut out, value)?;
    Ok(out)
}

/// `repr(value)`.
pub fn repr(value: &Value) -> Result<String, Raise> {
    let mut out = String::new();
    Printer { out: &mut out, path: Vec::new(), visits: 0, checked: 0 }.repr(value)?;
    Ok(out)
}

/// `repr(value)` for a message: not more than its beginning.
pub fn shown(value: &Value) -> Result<String, Raise> {
    if let Some(text) = value.as_text() {
        let mut out = String::new();
        text::quote(&mut out, text::beginning(&text, SHOWN));
        return Ok(out);
    }
    repr(value).map(|text| clipped(text, SHOWN))
}

/// The text, or its beginning and an ellipsis.
pub fn clipped(mut text: String, chars: usize) -> String {
    let kept = text::beginning(&text, chars).len();
    if kept < text.len() {
        text.truncate(kept);
        text.push_str("...");
        text.shrink_to_fit();
    }
    text
}

/// Appends `str(value)`.
pub fn push_display(out: &mut String, value: &Value) -> Result<(), Raise> {
    match value {
        Value::Small(small) => out.push_str(&small.text()),
        Value::Str(text) => {
            memory::reserve(text.as_str().len())?;
            work::bytes(text.as_str().len())?;
            out.push_str(text.as_str());
        }
        Value::Int(number) => push_int(out, *number),
        Value::Promise(promise) => push_display(out, &promise.observe()?)?,
        Value::Error(error) => out.push_str(&error_text(error)),
        Value::Grid(grid) => super::grid_text::aligned(out, grid)?,
        Value::Literal(literal) => out.push_str(&literal.display()?),
        other => Printer { out, path: Vec::new(), visits: 0, checked: 0 }.repr(other)?,
    }
    Ok(())
}

/// Appends the digits of an integer.
pub fn push_int(out: &mut String, number: i64) {
    let (digits, at) = digits(number);
    out.push_str(digits.get(at..).and_then(|used| std::str::from_utf8(used).ok()).unwrap_or(""));
}

/// Appends the digits of an integer to bytes.
#[inline]
pub fn push_digits(out: &mut Vec<u8>, number: i64) {
    if let Ok(digit @ 0..=9) = u8::try_from(number) {
        out.push(b'0' + digit);
        return;
    }
    let (digits, at) = digits(number);
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Not less than the number of bytes of an integer in digits, and little more.
#[inline]
pub fn width(number: i64) -> usize {
    let bits = 64 - number.unsigned_abs().leading_zeros() as usize;
    2 + bits * 5 / 16
}

/// A buffer that holds the longest integer, filled from its end, and where the integer starts in it.
#[inline]
fn digits(number: i64) -> ([u8; 24], usize) {
    const PAIRS: &[u8; 200] = b"\
        00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748\
        49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697\
        9899";
    let mut buffer = [b'0'; 24];
    let mut at = buffer.len();
    let mut rest = number.unsigned_abs();
    while rest >= 10 {
        let pair = 2 * (rest % 100) as usize;
        rest /= 100;
        at -= 2;
        if let (Some(to), Some(from)) = (buffer.get_mut(at..at + 2), PAIRS.get(pair..pair + 2)) {
            to.copy_from_slice(from);
        }
    }
    if rest > 0 || at == buffer.len() {
        at -= 1;
        if let Some(slot) = buffer.get_mut(at) {
            *slot = b'0' + rest as u8;
        }
    }
    if number < 0 {
        at -= 1;
        if let Some(slot) = buffer.get_mut(at) {
            *slot = b'-';
        }
    }
    (buffer, at)
}

/// `Type: message (File "f", line L, column C)`, without the parts that are unknown.
fn error_text(error: &ErrorObj) -> String {
    let place = error.place.borrow();
    let mut out = error.kind().to_owned();
    if !error.message.is_empty() {
        let _ = write!(out, ": {}", error.message);
    }
    if let Some(spot) = &place.at {
        out.push_str(" (");
        if let Some(file) = &spot.file.name {
            let _ = write!(out, "File \"{file}\", ");
        }
        let position = spot.position();
        let _ = write!(out, "line {}, column {})", position.line, position.column);
    }
    out
}

struct Printer<'a> {
    out: &'a mut String,
    /// Addresses of the containers being printed.
    path: Vec<usize>,
    /// Elements printed so far.
    visits: u64,
    /// Length of the text when memory was last looked at.
    checked: usize,
}

impl Printer<'_> {
    fn repr(&mut self, value: &Value) -> Result<(), Raise> {
        match value {
            Value::None => self.out.push_str("None"),
            Value::True => self.out.push_str("True"),
            Value::False => self.out.push_str("False"),
            Value::Int(number) => push_int(self.out, *number),
            Value::Float(number) => self.out.push_str(&text::repr_float(number.get())),
            Value::Small(small) => text::quote(self.out, &small.text()),
            Value::Str(it) => {
                let text = it.as_str();
                let escaped = text.bytes().filter(|byte| !(b' '..=b'~').contains(byte) || *byte == b'\\');
                memory::reserve(text.len().saturating_add(escaped.count().saturating_mul(3)))?;
                work::bytes(text.len().saturating_mul(4))?;
                text::quote(self.out, it.as_str());
                work::check()?;
            }
            Value::Big(number) => self.out.push_str(
                &text::format_bigint(number).map_err(|fault| Raise::value_error(fault.to_string()))?,
            ),
            Value::Bytes(bytes) => {
                memory::reserve(bytes.0.len().saturating_mul(4))?;
                work::bytes(bytes.0.len().saturating_mul(4))?;
                text::quote_bytes(self.out, &bytes.0);
                work::check()?;
            }
            Value::List(list) => {
                let items = memory::copied(&list.items.borrow())?;
                self.nested(Rc::as_ptr(list) as usize, "[...]", |p| p.sequence("[", &items, "]"))?;
            }
            Value::Tuple(tuple) => {
                let close = if tuple.items().len() == 1 { ",)" } else { ")" };
                self.nested(Rc::as_ptr(tuple) as usize, "(...)", |p| p.sequence("(", tuple.items(), close))?;
            }
            Value::Set(set) => {
                if set.is_empty() {
                    self.out.push_str(if set.frozen { "frozenset()" } else { "set()" });
                } else {
                    let (open, close) = if set.frozen { ("frozenset({", "})") } else { ("{", "}") };
                    memory::reserve_values(set.len())?;
                    set.settle();
                    let items: Vec<Value> = set.table.borrow().keys().cloned().collect();
                    self.nested(Rc::as_ptr(set) as usize, "{...}", |p| p.sequence(open, &items, close))?;
                }
            }
            Value::Dict(dict) => {
                memory::reserve_values(dict.len().saturating_mul(2))?;
                let entries: Vec<(Value, Value)> =
                    dict.table.borrow().iter().map(|e| (e.key.clone(), e.value.clone())).collect();
                self.nested(Rc::as_ptr(dict) as usize, "{...}", |p| {
                    p.out.push('{');
                    for (at, (key, value)) in entries.iter().enumerate() {
                        p.separate(at)?;
                        p.repr(key)?;
                        p.out.push_str(": ");
                        p.repr(value)?;
                    }
                    p.out.push('}');
                    Ok(())
                })?;
            }
            Value::Struct(it) => {
                let fields = it.fields.borrow().clone();
                self.nested(Rc::as_ptr(it) as usize, "...", |p| {
                    p.out.push_str(&it.kind.name);
                    p.out.push('(');
                    for (at, (def, value)) in it.kind.fields.iter().zip(&fields).enumerate() {
                        p.separate(at)?;
                        p.out.push_str(&def.name);
                        p.out.push('=');
                        p.repr(value)?;
                    }
                    p.out.push(')');
                    Ok(())
                })?;
            }
            Value::View(view) => {
                self.out.push_str(view.which.type_name());
                let which: ViewKind = view.which;
                memory::reserve_values(view.dict.len().saturating_mul(6))?;
                let items: Vec<Value> =
                    view.dict.table.borrow().iter().map(|e| ViewObj::element(which, e)).collect();
                self.nested(Rc::as_ptr(&view.dict) as usize, "(...)", |p| p.sequence("([", &items, "])"))?;
            }
            Value::Grid(grid) => super::grid_text::brief(self.out, grid),
            Value::Column(column) => super::grid_text::listed(self.out, column, self.path.len())?,
            Value::Range(range) => {
                let _ = write!(self.out, "range({}, {}", range.start, range.stop);
                if range.step != 1 {
                    let _ = write!(self.out, ", {}", range.step);
                }
                self.out.push(')');
            }
            Value::Type(name) => self.out.push_str(&name.0),
            Value::Native(it) => self.named("builtin function", it.name),
            Value::Func(it) => self.named("function", &it.code.name),
            Value::Bound(it) => {
                let name = match &it.function {
                    Value::Func(function) => Rc::clone(&function.code.name),
                    Value::Native(native) => native.name.into(),
                    _ => "method".into(),
                };
                self.named("method", &name);
            }
            Value::StructType(it) => self.named("struct", &it.name),
            Value::Module(it) => self.named("module", &it.name),
            Value::Error(it) => {
                self.out.push_str(it.kind());
                self.out.push('(');
                if !it.message.is_empty() {
                    text::quote(self.out, &it.message);
                }
                self.out.push(')');
            }
            Value::Literal(literal) => self.out.push_str(&literal.repr()?),
            Value::Iter(_) => self.out.push_str("<iterator>"),
            Value::Promise(promise) => self.repr(&promise.observe()?)?,
            Value::Unset | Value::Cell(_) => self.out.push_str("<unset>"),
        }
        Ok(())
    }

    fn named(&mut self, what: &str, name: &str) {
        let _ = write!(self.out, "<{what} {name}>");
    }

    fn separate(&mut self, at: usize) -> Result<(), Raise> {
        if at > 0 {
            self.out.push_str(", ");
        }
        self.visits += 1;
        if self.visits > MAX_VISITS {
            return Err(Raise::size("printing"));
        }
        if self.visits.is_multiple_of(4) {
            work::charge(1)?;
        }
        if self.out.len() >= self.checked.saturating_add(CHUNK) {
            memory::reserve(self.out.capacity())?;
            self.checked = self.out.len();
        }
        Ok(())
    }

    fn sequence(&mut self, open: &str, items: &[Value], close: &str) -> Result<(), Raise> {
        self.out.push_str(open);
        for (at, item) in items.iter().enumerate() {
            self.separate(at)?;
            self.repr(item)?;
        }
        self.out.push_str(close);
        Ok(())
    }

    fn nested(
        &mut self,
        address: usize,
        cycle: &str,
        print: impl FnOnce(&mut Self) -> Result<(), Raise>,
    ) -> Result<(), Raise> {
        if self.path.contains(&address) {
            self.out.push_str(cycle);
            return Ok(());
        }
        if self.path.len() >= MAX_NESTING {
            return Err(Raise::nesting("printing"));
        }
        self.path.push(address);
        let result = print(self);
        self.path.pop();
        result
    }
}
