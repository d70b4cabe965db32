//! The tables of sections 4.3, 4.4 and 9.1.

use std::rc::Rc;

use crate::value::structure::{Annotation, AnnotationTerm, FieldDef, StructKind};
use crate::value::{StructType, Value, eq};

use super::{assign, comparable, construct, value_in, value_of};

fn named(name: &str) -> Annotation {
    Annotation { terms: vec![AnnotationTerm { name: name.into(), arguments: Vec::new() }] }
}

/// Values written as JSON; `T` before it makes a tuple of a list.
fn value(source: &str) -> Value {
    match source.strip_prefix('T') {
        Some(list) => match value(list) {
            Value::List(list) => Value::tuple(list.to_vec()),
            other => other,
        },
        None => value_of(source).expect(source),
    }
}

#[test]
fn assignment_coerces_as_the_table_says() {
    let rows = [
        ("int", "3.9", Ok("3")),
        ("int", "-3.9", Ok("-3")),
        ("int", "\" 12 \"", Ok("12")),
        ("int", "true", Ok("True")),
        ("int", "null", Ok("None")),
        ("int", "\"3.7\"", Err("3.7")),
        ("int", "\"abc\"", Err("abc")),
        ("int", "[1]", Err("[1]")),
        ("int", "Infinity", Err("inf")),
        ("int", "\"Let me see.\\nFINAL_ANSWER: 42\"", Ok("42")),
        ("float", "3", Ok("3.0")),
        ("float", "\"2.5\"", Ok("2.5")),
        ("float", "true", Ok("1.0")),
        ("float", "\"x\"", Err("x")),
        ("float", "[1]", Err("[1]")),
        ("str", "1", Ok("'1'")),
        ("str", "1.5", Ok("'1.5'")),
        ("str", "true", Ok("'true'")),
        ("str", "[1, \"a\"]", Ok("\"[1, 'a']\"")),
        ("str", "T[1]", Err("(1,)")),
        ("bool", "0", Ok("False")),
        ("bool", "2.5", Ok("True")),
        ("bool", "\"no\"", Ok("False")),
        ("bool", "\"Yes, of course\"", Ok("True")),
        ("bool", "[1]", Err("[1]")),
        ("bool", "{}", Err("{}")),
        ("list", "\"[1, 2]\"", Ok("[1, 2]")),
        ("list", "\"```json\\n[1, 2]\\n```\"", Ok("[1, 2]")),
        ("list", "\"{}\"", Err("{}")),
        ("list", "T[1, 2]", Err("(1, 2)")),
        ("list", "3", Err("3")),
        ("dict", "\"{\\\"a\\\": 1}\"", Ok("{'a': 1}")),
        ("dict", "\"[1]\"", Err("[1]")),
        ("tuple", "T[1]", Ok("(1,)")),
        ("tuple", "[1]", Err("[1]")),
        ("set", "[1]", Err("[1]")),
        ("Point", "1", Ok("1")),
        ("any", "1", Ok("1")),
    ];
    for (name, source, wanted) in rows {
        let found = assign(value(source), &named(name), "x");
        match (found, wanted) {
            (Ok(found), Ok(wanted)) => assert_eq!(format!("{found:?}"), wanted, "{name} = {source}"),
            (Err(raise), Err(shown)) => {
                let text = format!(
                    "SandboxError: assignment to 'x' failed: cannot coerce value '{shown}' to type '{name}'"
                );
                assert_eq!(format!("{raise:?}"), text);
            }
            (found, wanted) => panic!("{name} = {source}: wanted {wanted:?}, found {found:?}"),
        }
    }
}

#[test]
fn unions_are_left_alone() {
    let both = Annotation { terms: [named("int").terms, named("None").terms].concat() };
    let found = assign(Value::str("3"), &both, "x").expect("no check");
    assert!(found.is_text());
}

#[test]
fn text_compares_as_the_other_type() {
    let rows = [
        ("\"3\"", "3", Some(true)),
        ("3", "\" 3\"", Some(true)),
        ("\"3.0\"", "3", None),
        ("\"3.0\"", "3.0", Some(true)),
        ("\"abc\"", "3", None),
        ("true", "\"true\"", Some(true)),
        ("\"x\"", "true", Some(true)),
        ("\"no\"", "true", Some(false)),
        ("\"a\"", "\"a\"", None),
        ("1", "2", None),
        ("\"a\"", "null", None),
    ];
    for (a, b, wanted) in rows {
        let found = comparable(&value(a), &value(b));
        let found = found.map(|(a, b)| eq::equal(&a, &b).expect("no limit"));
        assert_eq!(found, wanted, "{a} == {b}");
    }
}

#[test]
fn json_is_found_among_words() {
    let found = value_in("Sure! Here it is: {\"a\": [1, 2]}. Enjoy.").expect("an object");
    assert_eq!(format!("{found:?}"), "{'a': [1, 2]}");
    assert!(value_in("no json here").is_err());
    assert!(value_in("[1, 2").is_err());
}

#[test]
fn structs_check_their_fields() {
    use crate::session::Services;
    let field = |name: &str, kind: &str, default: Option<Value>| FieldDef {
        name: name.into(),
        annotation: named(kind),
        default,
        comment: None,
    };
    let fields = vec![
        field("x", "int", None),
        field("y", "float", Some(Value::float(2.0))),
        field("tag", "str", None),
    ];
    let kind = Rc::new(StructType::new(1, StructKind::Struct, "P", None, fields));
    let services = Services::new(
        dana_wire::SessionLimits { steps: None, memory: None, depth: 100, output: None },
        Vec::new(),
    );
    let key = |name: &str, value: Value| (Rc::<str>::from(name), value);
    let made = |positional: &[Value], keywords: &[(Rc<str>, Value)]| match construct(
        &kind, positional, keywords, &services,
    ) {
        Ok(value) => format!("{value:?}"),
        Err(raise) => format!("{raise:?}"),
    };
    assert_eq!(made(&[], &[key("x", Value::Int(1)), key("tag", Value::str("t"))]), "P(x=1, y=2.0, tag='t')");
    assert_eq!(made(&[Value::True, Value::Int(3), Value::str("t")], &[]), "P(x=True, y=3.0, tag='t')");
    let failed = "SandboxError: struct instantiation failed for 'P': ";
    assert_eq!(made(&[], &[]), format!("{failed}missing required fields ['tag', 'x']"));
    assert_eq!(
        made(&[], &[key("z", Value::Int(1))]),
        format!("{failed}unknown fields ['z']; it has ['tag', 'x', 'y']")
    );
    assert_eq!(
        made(&[Value::str("1"), Value::None, Value::str("t")], &[]),
        format!("{failed}field 'x' expects int, got str; field 'y' expects float, got NoneType")
    );
    assert_eq!(
        made(&[Value::Int(1)], &[key("x", Value::Int(1))]),
        format!("{failed}got multiple values for field 'x'")
    );
}
