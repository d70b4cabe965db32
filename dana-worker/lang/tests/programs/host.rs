//! What the host does with a session: calls, variables, functions of its own.

use dana_wire::{Budget, Datum, Question, Target, ToWorker};

use super::support::Session;

#[test]
fn a_call_by_the_host() {
    let mut session = Session::new();
    session.value("rate = 3\ndef quote(n, rate=1):\n    return n * rate\ndef bad():\n    return 1 / 0\n");
    let mut payload = Datum::Int(7).encode(&Budget::FROM_HOST).unwrap();
    payload.extend(Datum::Int(2).encode(&Budget::FROM_HOST).unwrap());
    let call = |name: &str, positional, keywords: &[&str]| ToWorker::Call {
        turn: 9,
        target: Target::Name(name.into()),
        positional,
        keywords: keywords.iter().map(|&name| name.to_owned()).collect(),
    };
    session.send(call("quote", 1, &["rate"]), &payload);
    assert_eq!(session.host.ended.take(), Some(Ok(Datum::Int(14))));
    session.send(call("bad", 0, &[]), &[]);
    assert!(matches!(session.host.ended.take(), Some(Err(fault)) if fault.kind == "ZeroDivisionError"));
    session.send(call("quot", 0, &[]), &[]);
    assert!(matches!(session.host.ended.take(),
        Some(Err(fault)) if fault.message == "function 'quot' not found" && fault.hint.is_some()));
}

#[test]
fn functions_travel_as_handles() {
    let mut session = Session::new();
    let Datum::Function { handle, name } = session.value("def f(x):\n    return x + 1\nf\n") else {
        panic!("a function");
    };
    assert_eq!(name, "f");
    let payload = Datum::Int(1).encode(&Budget::FROM_HOST).unwrap();
    let call = ToWorker::Call { turn: 5, target: Target::Handle(handle), positional: 1, keywords: vec![] };
    session.send(call.clone(), &payload);
    assert_eq!(session.host.ended.take(), Some(Ok(Datum::Int(2))));
    session.send(ToWorker::Release { handles: vec![handle] }, &[]);
    session.send(call, &payload);
    assert!(matches!(session.host.ended.take(), Some(Err(_))));
}

#[test]
fn variables_are_read_written_and_listed() {
    let mut session = Session::new();
    session.value("x = [1, 2]\nprivate:y = 3\ndef f():\n    return x\n");
    session.send(ToWorker::Get { turn: 2, name: "x".into() }, &[]);
    assert_eq!(session.host.ended.take(), Some(Ok(Datum::List(vec![Datum::Int(1), Datum::Int(2)]))));
    let payload = Datum::Str("new".into()).encode(&Budget::FROM_HOST).unwrap();
    session.send(ToWorker::Set { turn: 3, name: "x".into() }, &payload);
    assert_eq!(session.host.ended.take(), Some(Ok(Datum::None)));
    assert_eq!(session.value("f()"), Datum::Str("new".into()));
    session.send(ToWorker::Snapshot { turn: 4 }, &[]);
    let Some(Ok(Datum::Dict(scopes))) = session.host.ended.take() else { panic!("a dict") };
    assert_eq!(
        scopes[0],
        (Datum::Str("local".into()), Datum::Dict(vec![(Datum::Str("x".into()), Datum::Str("new".into()))]))
    );
    assert_eq!(scopes[1].1, Datum::Dict(vec![(Datum::Str("y".into()), Datum::Int(3))]));
    session.send(ToWorker::Get { turn: 6, name: "nothing".into() }, &[]);
    assert!(matches!(session.host.ended.take(), Some(Err(fault)) if fault.kind == "NameError"));
}

#[test]
fn a_hosts_function_is_called_by_name() {
    let mut session = Session::new();
    let (output, ended) = session.run_with(
        "print(lookup(\"k\", n=2) + 1)\ntry:\n    lookup(\"bad\")\nexcept SandboxError as e:\n    print(e.message)\n",
        |question, values| match (question, values) {
            (Question::Function { name, positional: 1, keywords }, [Datum::Str(key), ..]) if name == "lookup" => {
                if key == "bad" { Err("no such key".into()) } else { Ok(Datum::Int(keywords.len() as i64 + 40)) }
            }
            other => panic!("{other:?}"),
        },
    );
    assert_eq!(ended, Ok(Datum::None));
    assert_eq!(output, "42\nno such key\n");
}

#[test]
fn python_modules_are_what_the_host_named() {
    let answer = |question: &Question, values: &[Datum]| -> Result<Datum, String> {
        let Question::Function { name, .. } = question else { panic!("{question:?}") };
        match (name.as_str(), values) {
            ("math.pi=", []) => Ok(Datum::Float(3.25)),
            ("math.sqrt", [Datum::Int(4)]) => Ok(Datum::Float(2.0)),
            ("math.sqrt", _) => Err("math domain error".into()),
            ("os.path.join", [Datum::Str(a), Datum::Str(b)]) => Ok(Datum::Str(format!("{a}/{b}"))),
            other => panic!("{other:?}"),
        }
    };
    let mut session = Session::new();
    let source = "import math.py\nimport math.py as m\nfrom math.py import sqrt, pi as p\nimport os.path.py\nprint(math.pi, m.sqrt(4), sqrt(4) + p, os.path.join(\"a\", \"b\"))\nprint([f(4) for f in [sqrt]])\ntry:\n    sqrt(-1)\nexcept SandboxError as e:\n    print(e.message)\nfor source in [\"tan\", \"_x\"]:\n    pass\ntry:\n    math.tan(1)\nexcept AttributeError as e:\n    print(e.message)\ntry:\n    from math.py import tan\nexcept SandboxError as e:\n    print(e.message)\ntry:\n    import os.py\nexcept SandboxError as e:\n    print(e.message)\nfrom math.py import *\nprint(pi)\n";
    let (output, ended) = session.run_with(source, answer);
    assert_eq!(ended, Ok(Datum::None), "{output}");
    assert_eq!(
        output,
        "3.25 2.0 5.25 a/b\n[2.0]\nmath domain error\nmodule 'math.py' has no attribute 'tan'\ncannot import name 'tan' from 'math.py'; it has: sqrt, pi\nPython module 'os' cannot be imported: the host has not allowed it\n3.25\n"
    );
    assert_eq!(session.value("math.pi"), Datum::Float(3.25), "it is not asked for again");
    assert_eq!(session.fault("sqrt2(4)").hint.as_deref(), Some("did you mean 'sqrt'?"));
}
