//! Methods of `str`, as in Python 3.12.
//!
//! Everything about text is in `crate::text`; here arguments become texts and numbers, and texts become values.

use std::rc::Rc;

use crate::text::{self, Bounds};
use crate::value::work::Walk;
use crate::value::{BytesObj, Raise, Table, Text, Value, memory, text as strings, work};

use super::args::{self, bound, index, limit, natives, receiver, walk};
use super::native::Call;

natives! {
    /// In order of name: they are searched by halves.
    METHODS:
    "capitalize" ["self" Position] Plain |call| cased(call, text::capitalize);
    "casefold" ["self" Position] Plain |call| cased(call, text::casefold);
    "center" ["self" Position, "width" Position, "fillchar" PositionOptional] Plain |call| justified(call, text::center);
    "count" ["self" Position, "sub" Position, "start" PositionOptional, "end" PositionOptional] Plain count;
    "encode" ["self" Position, "encoding" Optional, "errors" Optional] Plain encode;
    "endswith" ["self" Position, "suffix" Position, "start" PositionOptional, "end" PositionOptional] Plain
        |call| affix(call, "endswith", text::ends_with);
    "expandtabs" ["self" Position, "tabsize" Optional] Plain expandtabs;
    "find" ["self" Position, "sub" Position, "start" PositionOptional, "end" PositionOptional] Plain
        |call| Ok(Value::Int(position(call, Direction::First)?.unwrap_or(-1)));
    "format" ["self" Position, "args" Rest, "kwargs" Keywords] Plain super::format::format_method;
    "format_map" ["self" Position, "mapping" Position] Plain super::format::format_map;
    "index" ["self" Position, "sub" Position, "start" PositionOptional, "end" PositionOptional] Plain
        |call| found(position(call, Direction::First)?);
    "isalnum" ["self" Position] Plain |call| judged(call, text::is_alnum);
    "isalpha" ["self" Position] Plain |call| judged(call, text::is_alpha);
    "isascii" ["self" Position] Plain |call| judged(call, text::is_ascii);
    "isdecimal" ["self" Position] Plain |call| judged(call, text::is_decimal);
    "isdigit" ["self" Position] Plain |call| judged(call, text::is_digit);
    "isidentifier" ["self" Position] Plain |call| judged(call, text::is_identifier);
    "islower" ["self" Position] Plain |call| judged(call, text::is_lower);
    "isnumeric" ["self" Position] Plain |call| judged(call, text::is_numeric);
    "isprintable" ["self" Position] Plain |call| judged(call, text::is_printable);
    "isspace" ["self" Position] Plain |call| judged(call, text::is_space);
    "istitle" ["self" Position] Plain |call| judged(call, text::is_title);
    "isupper" ["self" Position] Plain |call| judged(call, text::is_upper);
    "join" ["self" Position, "iterable" Position] Plain join;
    "ljust" ["self" Position, "width" Position, "fillchar" PositionOptional] Plain |call| justified(call, text::ljust);
    "lower" ["self" Position] Plain |call| cased(call, text::lower);
    "lstrip" ["self" Position, "chars" PositionOptional] Plain |call| stripped(call, "lstrip", text::strip_start);
    "maketrans" ["self" Position, "x" Position, "y" PositionOptional, "z" PositionOptional] Plain make_table;
    "partition" ["self" Position, "sep" Position] Plain |call| parted(call, text::partition);
    "removeprefix" ["self" Position, "prefix" Position] Plain
        |call| removed(call, "removeprefix", |text, affix| text.strip_prefix(affix));
    "removesuffix" ["self" Position, "suffix" Position] Plain
        |call| removed(call, "removesuffix", |text, affix| text.strip_suffix(affix));
    "replace" ["self" Position, "old" Position, "new" Position, "count" PositionOptional] Plain replace;
    "rfind" ["self" Position, "sub" Position, "start" PositionOptional, "end" PositionOptional] Plain
        |call| Ok(Value::Int(position(call, Direction::Last)?.unwrap_or(-1)));
    "rindex" ["self" Position, "sub" Position, "start" PositionOptional, "end" PositionOptional] Plain
        |call| found(position(call, Direction::Last)?);
    "rjust" ["self" Position, "width" Position, "fillchar" PositionOptional] Plain |call| justified(call, text::rjust);
    "rpartition" ["self" Position, "sep" Position] Plain |call| parted(call, text::rpartition);
    "rsplit" ["self" Position, "sep" Optional, "maxsplit" Optional] Plain
        |call| cut(call, text::rsplit, text::rsplit_space);
    "rstrip" ["self" Position, "chars" PositionOptional] Plain |call| stripped(call, "rstrip", text::strip_end);
    "split" ["self" Position, "sep" Optional, "maxsplit" Optional] Plain
        |call| cut(call, text::split, text::split_space);
    "splitlines" ["self" Position, "keepends" Optional] Plain split_lines;
    "startswith" ["self" Position, "prefix" Position, "start" PositionOptional, "end" PositionOptional] Plain
        |call| affix(call, "startswith", text::starts_with);
    "strip" ["self" Position, "chars" PositionOptional] Plain |call| stripped(call, "strip", text::strip);
    "swapcase" ["self" Position] Plain |call| cased(call, text::swapcase);
    "title" ["self" Position] Plain |call| cased(call, text::title);
    "translate" ["self" Position, "table" Position] Plain translate;
    "upper" ["self" Position] Plain |call| cased(call, text::upper);
    "zfill" ["self" Position, "width" Position] Plain zfill;
}

fn cased(call: &mut Call<'_>, convert: fn(&str) -> String) -> Result<Value, Raise> {
    let text = receiver(call)?;
    memory::reserve(text.len().saturating_mul(3))?;
    let converted = convert(&text);
    work::check()?;
    Ok(Value::string(converted))
}

fn judged(call: &mut Call<'_>, test: fn(&str) -> bool) -> Result<Value, Raise> {
    let holds = test(&receiver(call)?);
    work::check()?;
    Ok(Value::bool(holds))
}

type Justify = fn(&str, usize, char, usize) -> Result<String, text::Fault>;

fn justified(call: &mut Call<'_>, justify: Justify) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let width = usize::try_from(index(call.arg(1))?).unwrap_or(0);
    let fill = match call.given(2) {
        None => ' ',
        Some(fill) => {
            let fill = args::text(fill, "The fill character must be a unicode character")?;
            let mut chars = fill.chars();
            match (chars.next(), chars.next()) {
                (Some(fill), None) => fill,
                _ => return Err(Raise::type_error("The fill character must be exactly one character long")),
            }
        }
    };
    let wide = justify(&text, width, fill, memory::room())?;
    work::bytes(wide.len())?;
    Ok(Value::string(wide))
}

fn zfill(call: &mut Call<'_>) -> Result<Value, Raise> {
    let width = usize::try_from(index(call.arg(1))?).unwrap_or(0);
    let wide = text::zfill(&receiver(call)?, width, memory::room())?;
    work::bytes(wide.len())?;
    Ok(Value::string(wide))
}

fn expandtabs(call: &mut Call<'_>) -> Result<Value, Raise> {
    let size = call.given(1).map_or(Ok(8), index)?;
    let size = usize::try_from(size).unwrap_or(0);
    let wide = text::expandtabs(&receiver(call)?, size, memory::room())?;
    work::bytes(wide.len())?;
    Ok(Value::string(wide))
}

type Strip = for<'a> fn(&'a str, Option<&str>) -> &'a str;

fn stripped(call: &mut Call<'_>, name: &str, strip: Strip) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let found = match args::some(call, 1) {
        None => strip(&text, None),
        Some(set) => match set.as_text() {
            Some(set) => strip(&text, Some(&set)),
            None => return Err(Raise::type_error(format!("{name} arg must be None or str"))),
        },
    };
    // An unchanged text is the same object.
    if found.len() == text.len() {
        return Ok(call.arg(0).clone());
    }
    work::bytes(text.len())?;
    part(found)
}

fn part(text: &str) -> Result<Value, Raise> {
    memory::reserve(text.len())?;
    work::bytes(text.len())?;
    Ok(Value::str(text))
}

fn removed(
    call: &mut Call<'_>,
    name: &str,
    remove: for<'a> fn(&'a str, &str) -> Option<&'a str>,
) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let affix = args::text(call.arg(1), &format!("{name}() argument must be str"))?;
    remove(&text, &affix).map_or_else(|| Ok(call.arg(0).clone()), part)
}

fn replace(call: &mut Call<'_>) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let old = args::text(call.arg(1), "replace() argument 1 must be str")?;
    let new = args::text(call.arg(2), "replace() argument 2 must be str")?;
    let limit = limit(call.given(3))?;
    work::bytes(text.len())?;
    let replaced = text::replace(&text, &old, &new, limit, memory::room())?;
    work::bytes(replaced.len())?;
    Ok(Value::string(replaced))
}

type Part = for<'a> fn(&'a str, &'a str) -> (&'a str, &'a str, &'a str);

fn parted(call: &mut Call<'_>, cut: Part) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let separator = args::text(call.arg(1), "must be str")?;
    if separator.is_empty() {
        return Err(Raise::value_error("empty separator"));
    }
    work::bytes(text.len())?;
    let (before, mark, after) = cut(&text, &separator);
    Ok(Value::tuple(vec![part(before)?, part(mark)?, part(after)?]))
}

/// Texts below this many bytes are cut without counting the pieces first.
const SHORT: usize = 64 << 10;

type Split = for<'a> fn(&'a str, &str, Option<usize>) -> Vec<&'a str>;
type SplitSpace = for<'a> fn(&'a str, Option<usize>) -> Vec<&'a str>;

fn cut(call: &mut Call<'_>, split: Split, split_space: SplitSpace) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let limit = limit(call.given(2))?;
    let separator = match args::some(call, 1) {
        None => None,
        Some(separator) => Some(args::text(separator, "must be str or None")?),
    };
    if separator.is_some_and(|separator| separator.is_empty()) {
        return Err(Raise::value_error("empty separator"));
    }
    work::bytes(text.len())?;
    // The pieces are borrowed texts of two words each first.
    let most = match &separator {
        _ if text.len() < SHORT => 0,
        Some(separator) => text::count(&text, separator, text::clamp(&text, None, None)) + 1,
        None => text::count_words(&text),
    };
    memory::reserve(most.min(limit.map_or(most, |limit| limit.saturating_add(1))).saturating_mul(32))?;
    let pieces = match separator {
        Some(separator) => split(&text, &separator, limit),
        None => split_space(&text, limit),
    };
    pieces_list(&pieces, text)
}

fn split_lines(call: &mut Call<'_>) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let keep_ends = args::flag(call.given(1))?;
    work::bytes(text.len())?;
    if text.len() >= SHORT {
        memory::reserve(text::count_lines(&text).saturating_mul(32))?;
    }
    let pieces = text::split_lines(&text, keep_ends);
    pieces_list(&pieces, text)
}

fn pieces_list(pieces: &[&str], text: Text<'_>) -> Result<Value, Raise> {
    work::elements(pieces.len().saturating_mul(4))?;
    // A piece of more than seven bytes is an object of its own beside its bytes.
    let objects = pieces.len().min(text.len() / 8).saturating_mul(96);
    memory::reserve(pieces.len().saturating_mul(16).saturating_add(objects).saturating_add(text.len()))?;
    let mut walk = Walk::default();
    let mut list = Vec::with_capacity(pieces.len());
    for piece in pieces {
        walk.step()?;
        list.push(Value::str(piece));
    }
    Ok(Value::list(list))
}

fn join(call: &mut Call<'_>) -> Result<Value, Raise> {
    let separator = receiver(call)?;
    let joined = match call.arg(1) {
        Value::List(list) => joined(&separator, &list.items.borrow()),
        Value::Tuple(tuple) => joined(&separator, tuple.items()),
        other => match walk(other) {
            Ok(iter) => joined(&separator, &iter.collect()?),
            Err(raise) if raise.as_error().is_some_and(|error| error.kind() == "TypeError") => {
                return Err(Raise::type_error("can only join an iterable"));
            }
            Err(raise) => return Err(raise),
        },
    }?;
    Ok(Value::string(joined))
}

fn joined(separator: &str, items: &[Value]) -> Result<String, Raise> {
    let mut bytes = separator.len().saturating_mul(items.len().saturating_sub(1));
    // Promises among the items are looked at once; their places are few.
    let mut settled: Vec<(usize, Value)> = Vec::new();
    let mut walk = Walk::default();
    for (at, item) in items.iter().enumerate() {
        walk.step()?;
        let length = |item: &Value| match item.as_text() {
            Some(text) => Ok(text.len()),
            None => {
                let kind = item.type_name();
                Err(Raise::type_error(format!("sequence item {at}: expected str instance, {kind} found")))
            }
        };
        let more = if let Value::Promise(promise) = item {
            let value = promise.observe()?;
            let more = length(&value)?;
            settled.push((at, value));
            more
        } else {
            length(item)?
        };
        bytes = bytes.saturating_add(more);
    }
    memory::reserve(bytes)?;
    work::bytes(bytes)?;
    let mut out = String::with_capacity(bytes);
    let mut settled = settled.into_iter().peekable();
    for (at, item) in items.iter().enumerate() {
        walk.step()?;
        if at > 0 {
            out.push_str(separator);
        }
        let answer = settled.next_if(|(place, _)| *place == at);
        let item = answer.as_ref().map_or(item, |(_, value)| value);
        out.push_str(&item.as_text().unwrap_or(Text::Heap("")));
    }
    Ok(out)
}

/// The part of the receiver that a search looks at, found through the string's own table of positions.
fn bounds(call: &Call<'_>) -> Result<Option<Bounds>, Raise> {
    let (start, end) = (bound(call.given(2))?, bound(call.given(3))?);
    let value = call.arg(0);
    let (start, end) = match value {
        _ if start.is_none() && end.is_none() => (None, None),
        Value::Str(_) => (start, end),
        _ => return Ok(text::clamp(&receiver(call)?, start, end)),
    };
    let (Value::Str(object), true) = (value, start.is_some() || end.is_some()) else {
        let length = receiver(call)?.len();
        return Ok(Some(Bounds { start: 0, end: length, start_char: 0 }));
    };
    let length = strings::char_count(value);
    let place = |at: i64| match usize::try_from(at) {
        Ok(at) => at,
        Err(_) => length.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let first = start.map_or(0, place);
    let last = end.map_or(length, place).min(length);
    if first > last {
        return Ok(None);
    }
    Ok(Some(Bounds { start: object.byte_of(first), end: object.byte_of(last), start_char: first }))
}

#[derive(Clone, Copy)]
enum Direction {
    First,
    Last,
}

fn position(call: &Call<'_>, direction: Direction) -> Result<Option<i64>, Raise> {
    let text = receiver(call)?;
    let bounds = bounds(call)?;
    let sub = args::text(call.arg(1), "must be str")?;
    let found = match direction {
        Direction::First => text::find(&text, &sub, bounds),
        Direction::Last => text::rfind(&text, &sub, bounds),
    };
    if let Some(bounds) = bounds {
        let looked_at = match (found, direction) {
            (None, _) => bounds.end.saturating_sub(bounds.start),
            (Some(at), Direction::First) => at.saturating_sub(bounds.start_char),
            (Some(at), Direction::Last) => bounds.end.saturating_sub(at),
        };
        work::bytes(looked_at)?;
    }
    Ok(found.and_then(|at| i64::try_from(at).ok()))
}

fn found(position: Option<i64>) -> Result<Value, Raise> {
    position.map(Value::Int).ok_or_else(|| Raise::value_error("substring not found"))
}

fn count(call: &mut Call<'_>) -> Result<Value, Raise> {
    let bounds = bounds(call)?;
    let sub = args::text(call.arg(1), "must be str")?;
    work::bytes(bounds.map_or(0, |bounds| bounds.end.saturating_sub(bounds.start)))?;
    let found = text::count(&receiver(call)?, &sub, bounds);
    work::check()?;
    Ok(Value::Int(i64::try_from(found).unwrap_or(i64::MAX)))
}

fn affix(
    call: &mut Call<'_>,
    name: &str,
    test: fn(&str, &str, Option<Bounds>) -> bool,
) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let bounds = bounds(call)?;
    let wrong =
        |what: &str, value: &Value| Err(Raise::type_error(format!("{what}, not {}", value.type_name())));
    if let Value::Tuple(tuple) = call.arg(1) {
        for item in tuple.items() {
            let item = item.observe()?;
            match item.as_text() {
                Some(item) if test(&text, &item, bounds) => return Ok(Value::True),
                Some(_) => {}
                None => return wrong(&format!("tuple for {name} must only contain str"), &item),
            }
        }
        return Ok(Value::False);
    }
    match call.arg(1).as_text() {
        Some(sub) => Ok(Value::bool(test(&text, &sub, bounds))),
        None => wrong(&format!("{name} first arg must be str or a tuple of str"), call.arg(1)),
    }
}

/// Each character is looked up by its number: a text or a number replaces it, `None` removes it.
fn translate(call: &mut Call<'_>) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let table = call.arg(1);
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at % 1024 == 0 {
            work::elements(1024)?;
            memory::reserve(out.len().saturating_add(4096))?;
        }
        let key = i64::from(u32::from(c));
        let found = match table {
            Value::Dict(dict) => dict.get(&Value::Int(key))?,
            Value::List(list) => usize::try_from(key).ok().and_then(|at| list.get(at)),
            Value::Tuple(tuple) => usize::try_from(key).ok().and_then(|at| tuple.items().get(at).cloned()),
            Value::Range(range) => {
                u64::try_from(key).ok().filter(|at| *at < range.len()).map(|at| Value::Int(range.at(at)))
            }
            Value::Small(_) | Value::Str(_) => {
                usize::try_from(key).ok().and_then(|at| crate::value::text::char_at(table, at))
            }
            other => {
                let kind = other.type_name();
                return Err(Raise::type_error(format!("'{kind}' object is not subscriptable")));
            }
        };
        match found.map(|value| value.observe()).transpose()? {
            None => out.push(c),
            Some(Value::None) => {}
            Some(value) => match (value.as_text(), value.as_index()) {
                (Some(text), _) => {
                    memory::reserve(out.len().saturating_add(text.len()))?;
                    out.push_str(&text);
                }
                (None, Some(code)) => match u32::try_from(code).ok().and_then(char::from_u32) {
                    Some(c) => out.push(c),
                    None => return Err(Raise::value_error("character mapping must be in range(0x110000)")),
                },
                _ => {
                    return Err(Raise::type_error("character mapping must return integer, None or str"));
                }
            },
        }
    }
    Ok(Value::string(out))
}

/// A table for `translate`: from a dict, or from two texts of one length and a third of characters to drop.
fn make_table(call: &mut Call<'_>) -> Result<Value, Raise> {
    let code = |c: char| Value::Int(i64::from(u32::from(c)));
    let mut table = Table::new();
    let Some(to) = call.given(2) else {
        let Value::Dict(dict) = call.arg(1) else {
            return Err(Raise::type_error("if you give only one argument to maketrans it must be a dict"));
        };
        memory::reserve_values(dict.len().saturating_mul(4))?;
        for entry in dict.table.borrow().iter() {
            let key = match entry.key.as_text() {
                None if entry.key.as_index().is_some() => entry.key.clone(),
                None => {
                    return Err(Raise::type_error("keys in translate table must be strings or integers"));
                }
                Some(text) => {
                    let mut chars = text.chars();
                    match (chars.next(), chars.next()) {
                        (Some(c), None) => code(c),
                        _ => {
                            let text = "string keys in translate table must be of length 1";
                            return Err(Raise::value_error(text));
                        }
                    }
                }
            };
            table.insert(key, entry.value.clone())?;
        }
        return Ok(Value::dict(table));
    };
    let Some(from) = call.arg(1).as_text() else {
        let text = "first maketrans argument must be a string if there is a second argument";
        return Err(Raise::type_error(text));
    };
    let to = args::text(to, "maketrans() argument 2 must be str")?;
    if from.chars().count() != to.chars().count() {
        return Err(Raise::value_error("the first two maketrans arguments must have equal length"));
    }
    work::charge(from.len() as u64)?;
    memory::reserve_values(from.len().saturating_mul(4))?;
    for (from, to) in from.chars().zip(to.chars()) {
        table.insert(code(from), code(to))?;
    }
    if let Some(gone) = call.given(3) {
        for c in args::text(gone, "maketrans() argument 3 must be str")?.chars() {
            table.insert(code(c), Value::None)?;
        }
    }
    Ok(Value::dict(table))
}

fn encode(call: &mut Call<'_>) -> Result<Value, Raise> {
    let text = receiver(call)?;
    let name = match call.given(1) {
        Some(name) => args::text(name, "encode() argument 'encoding' must be str")?.to_lowercase(),
        None => "utf-8".to_owned(),
    };
    let errors = match call.given(2) {
        Some(errors) => args::text(errors, "encode() argument 'errors' must be str")?.to_string(),
        None => "strict".to_owned(),
    };
    work::bytes(text.len().saturating_mul(4))?;
    let highest = match name.replace('_', "-").as_str() {
        "utf-8" | "utf8" => {
            memory::reserve(text.len())?;
            return Ok(Value::Bytes(Rc::new(BytesObj(text.as_bytes().to_vec().into()))));
        }
        "ascii" | "us-ascii" => 0x7f,
        "latin-1" | "latin1" | "iso-8859-1" => 0xff,
        _ => return Err(Raise::new("LookupError", format!("unknown encoding: {name}"))),
    };
    memory::reserve(text.len())?;
    let mut bytes = Vec::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match (u8::try_from(u32::from(c)).ok().filter(|&byte| byte <= highest), errors.as_str()) {
            (Some(byte), _) => bytes.push(byte),
            (None, "ignore") => {}
            (None, "replace") => bytes.push(b'?'),
            (None, _) => {
                let range = u32::from(highest) + 1;
                return Err(Raise::new(
                    "UnicodeEncodeError",
                    format!(
                        "'{name}' codec can't encode character at position {at}: ordinal not in range({range})"
                    ),
                ));
            }
        }
    }
    Ok(Value::bytes(bytes))
}
