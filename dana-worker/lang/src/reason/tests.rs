//! Replies read as types, prompts and schemas, and the conversation that asks again.

use std::rc::Rc;

use dana_wire::SessionLimits;

use crate::session::Services;
use crate::value::structure::{Annotation, FieldDef, StructKind};
use crate::value::{StructType, Value};

use super::{prompt, reply, returns, schema, untyped};

/// An annotation from its text.
fn annotation(source: &str) -> Annotation {
    returns::read(source).expect(source)
}

#[test]
fn types_given_as_text() {
    for source in ["int", "list[int]", "dict[str, list[Point | None]] | _a1", "tuple[int, str]"] {
        assert_eq!(annotation(source).to_string(), source);
    }
    assert_eq!(annotation(" list [ none|int ] ").to_string(), "list[None | int]");
    let deep = format!("{}int{}", "list[".repeat(65), "]".repeat(65));
    let long = "a".repeat(5000);
    for wrong in
        ["", " ", "int |", "1a", "list[", "list[]", "list[int", "int]", "a b", "a.b", "\u{e9}", &deep, &long]
    {
        assert_eq!(returns::read(wrong), None, "{wrong}");
    }
}

fn services() -> Services {
    let limits = SessionLimits { steps: None, memory: None, depth: 100, output: None };
    let mut services = Services::new(limits, Vec::new());
    let field = |name: &str, kind: &str, comment: Option<&str>, default: Option<Value>| FieldDef {
        name: name.into(),
        annotation: annotation(kind),
        default,
        comment: comment.map(Into::into),
    };
    let point = vec![
        field("x", "int", Some("# steps to the east"), None),
        field("y", "float", None, None),
        field("tag", "str", None, Some(Value::str("t"))),
    ];
    let path = vec![
        field("points", "list[Point]", None, None),
        field("next", "Path | None", None, Some(Value::None)),
    ];
    for (id, name, doc, fields) in [(1, "Point", Some("A place."), point), (2, "Path", None, path)] {
        let kind = StructType::new(id, StructKind::Struct, name, doc.map(Into::into), fields);
        services.types.insert(name.into(), Rc::new(kind));
    }
    services
}

#[test]
fn replies_become_values() {
    let services = services();
    let rows = [
        ("bool", "Yes", "True"),
        ("bool", "**No.**", "False"),
        ("bool", "It does.\nFINAL_ANSWER: no", "False"),
        ("bool", "It is so", "True"),
        ("bool", "The answer is **no**.", "False"),
        ("bool", "Answer: Yes", "True"),
        ("bool", "Yes, there is no", "True"),
        ("bool", "There is no doubt", "True"),
        ("int", "42", "42"),
        ("int", " 42. ", "42"),
        ("int", "3.9", "3"),
        ("int", "The answer is 1,234.", "1234"),
        ("int", "Thinking 1 2 3.\nfinal_answer: -7", "-7"),
        ("int", "```\n5\n```", "5"),
        ("int", "100000000000000000000", "100000000000000000000"),
        ("float", "3", "3.0"),
        ("float", "about 2.5 metres", "2.5"),
        ("str", "Some text. FINAL_ANSWER: hello ", "'hello'"),
        ("list", "[1, \"a\"]", "[1, 'a']"),
        ("list[int]", "```json\n[1, 2.0, \"3\"]\n```", "[1, 2, 3]"),
        ("list[int]", "Here: {\"numbers\": [4]}", "[4]"),
        ("list[str]", "FINAL_ANSWER: [\"a\", 1]", "['a', '1']"),
        ("list[list[bool]]", "[[true, \"no\"], []]", "[[True, False], []]"),
        ("dict", "{\"a\": null}", "{'a': None}"),
        ("dict[str, float]", "{\"a\": 1}", "{'a': 1.0}"),
        ("dict[int, str]", "{\"1\": \"x\"}", "{1: 'x'}"),
        ("tuple[int, str]", "[1, \"x\"]", "(1, 'x')"),
        ("set", "[1, 1]", "{1}"),
        ("int | None", "null", "None"),
        ("int | None", "7", "7"),
        ("int | str", "seven", "'seven'"),
        ("bool | int", "no", "False"),
        ("list[int | None]", "[1, null]", "[1, None]"),
        ("Point", "{\"x\": 1, \"y\": 2, \"z\": 3}", "Point(x=1, y=2.0, tag='t')"),
        ("Point", "{\"Point\": {\"x\": \"1\", \"y\": 2.5, \"tag\": null}}", "Point(x=1, y=2.5, tag='t')"),
        ("list[Point]", "[{\"x\": 1, \"y\": 2}]", "[Point(x=1, y=2.0, tag='t')]"),
        (
            "Path",
            "{\"points\": [], \"next\": {\"points\": [{\"x\": 1, \"y\": 1}]}}",
            "Path(points=[], next=Path(points=[Point(x=1, y=1.0, tag='t')], next=None))",
        ),
        ("any", "what it says", "'what it says'"),
    ];
    for (kind, text, wanted) in rows {
        match reply::read(text, &annotation(kind), &services) {
            Ok(found) => assert_eq!(format!("{found:?}"), wanted, "{kind}: {text}"),
            Err(misfit) => panic!("{kind}: {text}: {misfit}"),
        }
    }
}

#[test]
fn replies_that_do_not_fit_say_why() {
    let services = services();
    let rows = [
        ("bool", "", "expected yes or no, got an empty reply"),
        ("int", "many", "expected a whole number, got 'many'"),
        ("int", "1 or 2", "expected a whole number, got '1 or 2'"),
        ("float", "", "expected a number, got ''"),
        ("list", "no list", "expected JSON (expected a value at character 0), got 'no list'"),
        ("list[int]", "[1, \"x\"]", "answer[1]: expected an integer, got 'x'"),
        ("list[int]", "[1.5]", "answer[0]: expected an integer, got 1.5"),
        ("list", "{\"a\": 1}", "answer: expected a list, got {'a': 1}"),
        ("dict", "[1]", "answer: expected an object, got [1]"),
        ("Point", "{\"x\": 1}", "answer: missing y of Point"),
        ("list[Point]", "[{\"x\": \"q\", \"y\": 1}]", "answer[0].x: expected an integer, got 'q'"),
        ("Point", "[]", "answer: expected an object for Point, got list"),
    ];
    for (kind, text, wanted) in rows {
        match reply::read(text, &annotation(kind), &services) {
            Ok(found) => panic!("{kind}: {text}: {found:?}"),
            Err(misfit) => assert_eq!(misfit.to_string(), wanted, "{kind}: {text}"),
        }
    }
}

#[test]
fn untyped_replies_become_values_only_when_they_are_nothing_else() {
    let rows = [
        ("4", "4"),
        (" -12 ", "-12"),
        ("2.5", "2.5"),
        ("Yes", "True"),
        ("wrong", "False"),
        ("1", "True"),
        ("0", "False"),
        ("Yes.", "'Yes.'"),
        ("4 apples", "'4 apples'"),
        ("inf", "'inf'"),
        ("e", "'e'"),
        ("", "''"),
    ];
    for (text, wanted) in rows {
        assert_eq!(format!("{:?}", untyped::value_of(text)), wanted, "{text}");
    }
}

#[test]
fn schemas_describe_types() {
    let services = services();
    let of = |kind: &str| schema::of(&annotation(kind), &services);
    assert_eq!(of("bool").as_deref(), Some("{\"type\":\"boolean\"}"));
    assert_eq!(of("list[int]").as_deref(), Some("{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}"));
    assert_eq!(of("int | None").as_deref(), Some("{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]}"));
    assert_eq!(of("str"), None);
    assert_eq!(of("Unknown"), None);
    assert_eq!(
        of("Point").as_deref(),
        Some(
            "{\"type\":\"object\",\"title\":\"Point\",\"description\":\"A place.\",\"properties\":{\
             \"x\":{\"type\":\"integer\",\"description\":\"steps to the east\"},\"y\":{\"type\":\"number\"},\
             \"tag\":{\"type\":\"string\"}},\"required\":[\"x\",\"y\",\"tag\"],\"additionalProperties\":false}"
        )
    );
    let path = of("list[Path]").unwrap_or_default();
    assert!(
        path.starts_with("{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/Path\"},\"$defs\":{\"Path\":")
    );
    assert!(crate::coerce::value_of(&path).is_ok(), "{path}");
    assert!(path.contains("\"Point\":{\"type\":\"object\""), "{path}");
}

#[test]
fn prompts_ask_for_the_type() {
    let services = services();
    let asked = |kind: &str| {
        let annotation = annotation(kind);
        let schema = schema::of(&annotation, &services);
        prompt::enhanced("Q?", &annotation, schema.as_deref(), &services)
    };
    assert!(asked("bool").starts_with("Q?\n\n"));
    for kind in ["bool", "int", "float", "list", "dict", "list[int]", "Point", "int | None"] {
        let text = asked(kind);
        assert!(text.lines().last().is_some_and(|line| line.starts_with("FINAL_ANSWER: <")), "{text}");
    }
    let point = asked("list[Point]");
    for part in ["A place.", "- x: int  # steps to the east", "- tag: str", "\"$defs\""] {
        assert!(point.contains(part), "{part}: {point}");
    }
    assert_eq!(asked("Unknown"), "Q?");
    assert_eq!(asked("any"), "Q?");
    assert!(!asked("str").contains("FINAL_ANSWER"));
}

mod conversation {
    //! What goes out, and what comes of the answers.

    use dana_wire::Question;

    use super::{annotation, services};
    use crate::library::builtin;
    use crate::library::native::{Body, Call};
    use crate::session::{Services, Settled};
    use crate::value::{Raise, Value};

    /// Asks, answers with each reply in turn, and gives the outcome and the number of asks.
    fn outcome(
        name: &str,
        expects: Option<&str>,
        options: Option<&str>,
        replies: &[&str],
    ) -> (String, usize) {
        let mut services = services();
        match asked(name, expects, options, &mut services) {
            Err(raise) => (format!("{raise:?}"), 0),
            Ok(_) => answered(&mut services, replies),
        }
    }

    fn asked(
        name: &str,
        expects: Option<&str>,
        options: Option<&str>,
        services: &mut Services,
    ) -> Result<Value, Raise> {
        let native = builtin(name).expect(name);
        let options = options.map_or(Value::Unset, |source| crate::coerce::value_of(source).expect(source));
        let args = [Value::str("What is it?"), options, Value::Unset];
        let expects = expects.map(|kind| annotation(kind).into());
        let mut call = Call { native, args: &args, rest: &[], keywords: &[], expects, services };
        match native.body {
            Body::Plain(body) => body(&mut call),
            Body::Steps(_) => panic!("{name} gives its promise at once"),
        }
    }

    fn answered(services: &mut Services, replies: &[&str]) -> (String, usize) {
        let mut pending = services.pending.drain().map(|(_, pending)| pending).next().expect("an ask");
        for (at, text) in replies.iter().enumerate() {
            let answer = match text.strip_prefix("raise ") {
                Some(message) => Err(Raise::new("ResourceError", message)),
                None => Ok(Value::str(text)),
            };
            match pending.settle.settle(answer, services) {
                Settled::Kept(value) => return (format!("{value:?}"), at + 1),
                Settled::Broken(raise) => return (format!("{raise:?}"), at + 1),
                Settled::Again { question, arguments } => {
                    let Question::Reason { messages, .. } = question else { panic!("another question") };
                    assert_eq!(messages.len(), 4, "system, user, the reply, the request to repeat");
                    assert_eq!(arguments.len(), 1);
                }
            }
        }
        ("asked again".to_owned(), replies.len())
    }

    #[test]
    fn a_reply_that_does_not_fit_is_asked_for_again_twice() {
        assert_eq!(outcome("reason", Some("int"), None, &["x", "y", "3"]), ("3".to_owned(), 3));
        assert_eq!(outcome("reason", Some("int"), None, &["x", "y"]), ("asked again".to_owned(), 2));
        let (text, asks) = outcome("reason", Some("int"), None, &["x", "y", "z"]);
        let wanted = "SandboxError: LLM call failed: no reply of type 'int' in 3 attempts: expected a whole number, \
                      got 'z'; last reply: 'z'";
        assert_eq!((text.as_str(), asks), (wanted, 3));
    }

    #[test]
    fn without_a_type_the_reply_is_taken_once() {
        assert_eq!(outcome("reason", None, None, &["4"]), ("4".to_owned(), 1));
        assert_eq!(outcome("reason", None, None, &["four"]), ("'four'".to_owned(), 1));
        assert_eq!(
            outcome("reason", None, Some("{\"format\": \"json\"}"), &["{\"a\": [1]}"]).0,
            "{'a': [1]}"
        );
        assert_eq!(outcome("reason", None, Some("{\"format\": \"json\"}"), &["nothing"]).0, "'nothing'");
        assert_eq!(outcome("llm", None, None, &["4"]).0, "'4'");
        // The assignment makes it fit when it is there.
        assert_eq!(outcome("llm", Some("int"), None, &["4"]).0, "'4'");
    }

    #[test]
    fn a_failing_model_is_a_sandbox_error() {
        let (text, _) = outcome("reason", Some("int"), None, &["raise no model"]);
        assert_eq!(text, "SandboxError: LLM call failed: ResourceError: no model");
    }

    #[test]
    fn options_are_checked_before_anything_is_sent() {
        let rows = [
            ("{\"temperature\": 3}", "temperature must be a number between 0.0 and 2.0"),
            ("{\"temperature\": \"x\"}", "temperature must be a number between 0.0 and 2.0"),
            ("{\"max_tokens\": 0}", "max_tokens must be a positive integer"),
            ("{\"format\": \"xml\"}", "format must be 'text' or 'json'"),
            ("{\"system_message\": 1}", "system_message must be a string"),
            ("[]", "options must be a dict, not 'list'"),
        ];
        for (options, wanted) in rows {
            let (text, asks) = outcome("reason", None, Some(options), &["4"]);
            assert_eq!((text, asks), (format!("SandboxError: {wanted}"), 0), "{options}");
        }
    }

    #[test]
    fn the_question_carries_type_schema_and_options() {
        let mut services = services();
        services.model = Some("m1".into());
        let options = "{\"system_message\": \"Be brief.\", \"temperature\": 0, \"top_p\": 0.5}";
        asked("reason", Some("list[int]"), Some(options), &mut services).expect("asked");
        let sent = services.outgoing.pop().expect("sent");
        let Question::Reason { purpose, messages, expects, schema } = sent.question else {
            panic!("a question")
        };
        assert_eq!((purpose.as_str(), expects.as_deref()), ("reason", Some("list[int]")));
        assert!(schema.is_some_and(|schema| schema.contains("array")));
        let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
        assert_eq!(roles, ["system", "user"]);
        assert_eq!(messages.first().map(|message| message.content.as_str()), Some("Be brief."));
        assert_eq!(format!("{:?}", sent.arguments), "[{'temperature': 0, 'top_p': 0.5, 'model': 'm1'}]");
    }
}
