//! Builtin functions and methods against answers of CPython 3.12, recorded by `tests/tables/make_calls.py`.
//!
//! Where Dana differs on purpose, the difference is one of the few lines of [`same`].

use std::rc::Rc;

use dana_wire::SessionLimits;

use super::native::{Body, Call, Native, Step, Take};
use super::{BUILTINS, number_methods, sequence_methods, str_methods, table_methods};
use crate::coerce::value_of;
use crate::session::Services;
use crate::value::{Iter, Raise, RangeObj, Table, Value, repr};

static TABLE: &str = include_str!("../../tests/tables/calls.tsv");

#[test]
fn every_recorded_call_agrees() {
    let mut wrong = Vec::new();
    for line in TABLE.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, receiver, args, kwargs, answer, after] = cells.as_slice() else { panic!("{line}") };
        let (answer, after) = (unescaped(answer), unescaped(after));
        let receiver = (!receiver.is_empty()).then(|| value(receiver));
        let args = Iter::of(&value(args)).and_then(Iter::collect).expect("a list");
        let kwargs = keywords(kwargs);
        let found = match called(name, receiver.as_ref(), args, &kwargs) {
            Ok(value) => shown(&value),
            Err(raise) => format!("!{raise:?}"),
        };
        let changed = receiver.as_ref().map(shown).unwrap_or_default();
        if !same(name, &found, &answer) || changed != after {
            wrong.push(format!("{line}\n    found {found}   {changed}"));
        }
    }
    let list = wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} differ:\n{list}", wrong.len(), TABLE.lines().count());
}

/// Equal up to the differences Dana has on purpose.
fn same(name: &str, found: &str, wanted: &str) -> bool {
    let message = |text: &str| text.split_once(": ").map(|(_, message)| message.to_owned());
    match (found.strip_prefix('!'), wanted.strip_prefix('!')) {
        // A builtin function refuses an argument of an unsuitable type with a SandboxError.
        (Some(found), Some(wanted))
            if found.starts_with("SandboxError") && wanted.starts_with("TypeError") =>
        {
            let abbreviated = wanted.contains("not 'list'") || wanted.contains("but list found");
            message(found) == message(wanted) || abbreviated
        }
        (Some(found), Some(wanted)) => found == wanted,
        // A single value that is no collection is its own extreme.
        (None, Some(_)) => matches!(name, "max" | "min"),
        _ => found == wanted,
    }
}

fn unescaped(cell: &str) -> String {
    let mut out = String::new();
    let mut rest = cell;
    while let Some((before, after)) = rest.split_once("\\u{") {
        out.push_str(before);
        let (code, next) = after.split_once('}').expect("an escape ends with a brace");
        out.push(u32::from_str_radix(code, 16).ok().and_then(char::from_u32).expect("a code point"));
        rest = next;
    }
    out + rest
}

fn value(source: &str) -> Value {
    untagged(&value_of(source).expect(source))
}

/// `{"t": [...]}` and its kin become what they stand for.
fn untagged(value: &Value) -> Value {
    let all = |value: &Value| -> Vec<Value> {
        Iter::of(value).and_then(Iter::collect).expect("a list").iter().map(untagged).collect()
    };
    match value {
        Value::List(_) => Value::list(all(value)),
        Value::Dict(dict) => {
            let (tag, inner) = {
                let table = dict.table.borrow();
                let entry = table.iter().next().expect("a tag");
                (format!("{:?}", entry.key), entry.value.clone())
            };
            match tag.as_str() {
                "'t'" => Value::tuple(all(&inner)),
                "'s'" => {
                    let mut table = Table::new();
                    all(&inner).into_iter().for_each(|item| assert!(table.add(item).is_ok()));
                    Value::set(table)
                }
                "'r'" => {
                    let parts: Vec<i64> = all(&inner).iter().filter_map(Value::as_index).collect();
                    let [start, stop, step] = parts.as_slice() else { panic!("a range") };
                    Value::Range(Rc::new(RangeObj { start: *start, stop: *stop, step: *step }))
                }
                "'i'" => super::to_int(&inner).expect("digits"),
                "'f'" => super::to_float(&inner).expect("a float"),
                "'d'" => {
                    let mut table = Table::new();
                    for pair in all(&inner) {
                        let pair = Iter::of(&pair).and_then(Iter::collect).expect("a pair");
                        let [key, value] = pair.as_slice() else { panic!("a pair") };
                        table.insert(key.clone(), value.clone()).expect("a key");
                    }
                    Value::dict(table)
                }
                other => panic!("unknown tag {other}"),
            }
        }
        other => other.clone(),
    }
}

fn keywords(source: &str) -> Vec<(Rc<str>, Value)> {
    let Value::Dict(dict) = value_of(source).expect(source) else { panic!("{source}") };
    let table = dict.table.borrow();
    let text = |key: &Value| key.as_text().map(|text| Rc::from(&*text)).expect("a name");
    table.iter().map(|entry| (text(&entry.key), untagged(&entry.value))).collect()
}

fn called(
    name: &str,
    receiver: Option<&Value>,
    mut args: Vec<Value>,
    kwargs: &[(Rc<str>, Value)],
) -> Result<Value, Raise> {
    if name == "%" {
        return super::percent(&args[0], &args[1]);
    }
    let native = match receiver {
        Some(receiver) => super::method(receiver, name).expect(name),
        None => super::builtin(name).expect(name),
    };
    if let Some(receiver) = receiver {
        args.insert(0, receiver.clone());
    }
    run(native, args, kwargs)
}

fn run(native: &'static Native, mut args: Vec<Value>, kwargs: &[(Rc<str>, Value)]) -> Result<Value, Raise> {
    let slots: Vec<_> =
        native.params.iter().filter(|param| !matches!(param.take, Take::Rest | Take::Keywords)).collect();
    let by_position = slots.iter().filter(|param| param.take != Take::Named).count();
    let rest = args.split_off(by_position.min(args.len()));
    args.resize_with(slots.len(), || Value::Unset);
    let mut others = Vec::new();
    for (name, value) in kwargs {
        match slots.iter().position(|param| param.name == &**name) {
            Some(at) => args[at] = value.clone(),
            None => others.push((Rc::clone(name), value.clone())),
        }
    }
    let limits = SessionLimits { steps: None, memory: None, depth: 100, output: None };
    let mut services = Services::new(limits, Vec::new());
    let mut call =
        Call { native, args: &args, rest: &rest, keywords: &others, expects: None, services: &mut services };
    match native.body {
        Body::Plain(body) => body(&mut call),
        Body::Steps(body) => match body(&mut call)? {
            Step::Done(value) => Ok(value),
            _ => panic!("{} calls nothing here", native.name),
        },
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Set(set) if !set.is_empty() => {
            let mut members: Vec<String> = set.table.borrow().keys().map(shown).collect();
            members.sort_unstable();
            format!("{{{}}}", members.join(", "))
        }
        Value::Iter(_) => {
            let items = Iter::of(value).and_then(Iter::collect).expect("no promise");
            shown(&Value::list(items))
        }
        other => repr::repr(other).expect("printable"),
    }
}

#[test]
fn methods_stand_in_order() {
    let tables: [&[Native]; 9] = [
        str_methods::METHODS,
        sequence_methods::LIST,
        sequence_methods::TUPLE,
        sequence_methods::RANGE,
        table_methods::DICT,
        table_methods::SET,
        number_methods::INT,
        number_methods::FLOAT,
        number_methods::BYTES,
    ];
    for table in tables {
        assert!(table.is_sorted_by(|a, b| a.name < b.name), "{:?}", table.first().map(|native| native.name));
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> = super::names().collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(BUILTINS.iter().all(|group| !group.is_empty()));
}

/// A small generator of repeatable numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides
    }
}

/// Values at the edges of what functions expect. Made anew each time, since methods change them.
fn nasty() -> Vec<Value> {
    let texts = [
        "",
        "a",
        "é",
        "{",
        "}",
        "{}",
        "{0[a]}",
        "{:999999999999}",
        "{:>5}",
        "{0!r:{0}}",
        "%",
        "%s",
        "%*d",
        "%.999999999f",
        "%5000000000d",
        "%(a)s",
        " 12 ",
        "-1_0",
        "1e999",
        "nan",
        "\u{0}",
        "\r\n",
        "ΑΣ",
        "utf-8",
        "😀a",
        "x\ty",
        "key",
    ];
    let mut values: Vec<Value> = texts.iter().map(|text| Value::str(text)).collect();
    values.push(Value::string("ab ".repeat(5000)));
    values.push(Value::string("é".repeat(3000)));
    values.extend([Value::None, Value::True, Value::False]);
    values.extend([0, 1, -1, 2, 7, 65, 1_000_000_007, i64::MAX, i64::MIN].map(Value::Int));
    let two = num_bigint::BigInt::from(2);
    values.extend([two.pow(64), -two.pow(100), two.pow(20_000)].map(Value::big));
    values.extend([0.0, -0.0, 2.5, f64::NAN, f64::INFINITY, -1e308, 5e-324].map(Value::float));
    let sources = [
        "[]",
        "[1, 2, 3]",
        "[\"b\", \"a\"]",
        "[1, \"a\", null]",
        "[[1], [2]]",
        "{\"t\": []}",
        "{\"t\": [1, \"a\"]}",
        "{\"s\": []}",
        "{\"s\": [1, \"a\"]}",
        "{\"d\": []}",
        "{\"d\": [[\"a\", 1], [1, [2]]]}",
        "{\"r\": [0, 5, 1]}",
        "{\"r\": [-9223372036854775808, 9223372036854775807, 1]}",
        "{\"r\": [5, 0, -2]}",
        "[{\"f\": \"nan\"}, 1, {\"f\": \"2.5\"}]",
    ];
    values.extend(sources.iter().map(|source| value(source)));
    let cyclic = Value::list(vec![Value::Int(1)]);
    if let Value::List(list) = &cyclic {
        list.items.borrow_mut().push(cyclic.clone());
    }
    let dict = value("{\"d\": [[\"a\", 1]]}");
    for name in ["keys", "values", "items"] {
        let native = super::method(&dict, name).expect(name);
        values.push(run(native, vec![dict.clone()], &[]).expect(name));
    }
    values.extend([
        cyclic,
        Value::bytes(vec![0xff, b'a']),
        Value::type_named("int"),
        Value::iterator(Iter::Values(vec![Value::Int(1), Value::None].into_iter())),
        Value::Native(super::builtin("len").expect("len")),
        run(super::builtin("ValueError").expect("ValueError"), vec![Value::str("x")], &[]).expect("an error"),
    ]);
    values
}

/// Every function and method takes every kind of argument without a panic, and asks for no more than the limit.
#[test]
fn nothing_panics() {
    const LIMIT: usize = 32 << 20;
    let before = crate::value::memory::set_limit(LIMIT);
    let mut dice = Dice(99);
    let methods = [
        str_methods::METHODS,
        sequence_methods::LIST,
        sequence_methods::TUPLE,
        sequence_methods::RANGE,
        table_methods::DICT,
        table_methods::SET,
        number_methods::INT,
        number_methods::FLOAT,
        number_methods::BYTES,
    ];
    let natives: Vec<&'static Native> =
        methods.iter().chain(BUILTINS).flat_map(|group| group.iter()).collect();
    for _ in 0..60 {
        let values = nasty();
        for native in &natives {
            let method = native.params.first().is_some_and(|param| param.name == "self");
            let mut args: Vec<Value> =
                (0..dice.roll(5)).filter_map(|_| values.get(dice.roll(values.len())).cloned()).collect();
            let given = dice.roll(3);
            let kwargs: Vec<(Rc<str>, Value)> = native
                .params
                .iter()
                .filter(|param| matches!(param.take, Take::Named | Take::Keywords))
                .filter_map(|param| {
                    Some((Rc::from(param.name), values.get(dice.roll(values.len()))?.clone()))
                })
                .take(given)
                .collect();
            crate::value::work::begin(Some(1 << 20));
            if method {
                let fitting: Vec<&Value> = values
                    .iter()
                    .filter(|value| {
                        super::method(value, native.name).is_some_and(|found| std::ptr::eq(found, *native))
                    })
                    .collect();
                let Some(receiver) = fitting.get(dice.roll(fitting.len())) else { continue };
                args.insert(0, (*receiver).clone());
            }
            let required = native
                .params
                .iter()
                .filter(|param| matches!(param.take, Take::Position | Take::Either))
                .count();
            args.resize(args.len().max(required), Value::None);
            let limited =
                SessionLimits { steps: Some(50_000_000), memory: None, depth: 100, output: Some(1 << 20) };
            attempt(native, args, &kwargs, limited);
        }
    }
    crate::value::memory::set_limit(before);
}

/// Runs a native whatever it comes to; calls it wants are answered with `None`.
fn attempt(
    native: &'static Native,
    mut args: Vec<Value>,
    kwargs: &[(Rc<str>, Value)],
    limits: SessionLimits,
) {
    let slots: Vec<_> =
        native.params.iter().filter(|param| !matches!(param.take, Take::Rest | Take::Keywords)).collect();
    let by_position = slots.iter().filter(|param| param.take != Take::Named).count();
    let rest = args.split_off(by_position.min(args.len()));
    args.resize_with(slots.len(), || Value::Unset);
    for (name, value) in kwargs {
        if let Some(at) = slots.iter().position(|param| param.name == &**name) {
            args[at] = value.clone();
        }
    }
    let mut services = Services::new(limits, Vec::new());
    let mut call =
        Call { native, args: &args, rest: &rest, keywords: kwargs, expects: None, services: &mut services };
    let mut step = match native.body {
        Body::Plain(body) => body(&mut call).map(Step::Done),
        Body::Steps(body) => body(&mut call),
    };
    for _ in 0..20_000 {
        step = match step {
            Ok(Step::Call { then, .. } | Step::Wait { then, .. }) => then.resume(Value::None, &mut services),
            Ok(Step::Done(value)) => {
                let _ = repr::display(&value);
                return;
            }
            Err(_) => return,
        };
    }
}
