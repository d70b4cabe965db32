//! Structs, agents and resources.

use dana_wire::{Datum, Question};

use super::support::{Session, fails, prints};

#[test]
fn structs_have_fields_methods_and_delegation() {
    let source = "struct Engine:\n    hp: int = 100\ndef (e: Engine) start(name: str) -> str:\n    return f\"{name} {e.hp}\"\nstruct Car:\n    _engine: Engine\n    wheels: int = 4\n    def honk(self, n):\n        return \"beep\" * n\ndef area(c: Car):\n    return c.wheels\nc = Car(_engine=Engine(hp=7))\nprint(c.hp, c.start(\"go\"), c.honk(2), c.area(), area(c))\nc.hp = 9\nc.wheels += 1\nprint(c, c == Car(_engine=Engine(hp=9), wheels=5))\n";
    prints(source, "7 go 7 beepbeep 4 4\nCar(_engine=Engine(hp=9), wheels=5) True\n");
    fails("struct P:\n    x: int\np = P(x=1)\np.y\n", "AttributeError", "'P' object has no attribute 'y'");
    let point = Datum::Struct {
        name: "P".into(),
        fields: vec![("x".into(), Datum::Int(1)), ("y".into(), Datum::Str("a".into()))],
    };
    assert_eq!(Session::new().value("struct P:\n    x: int\n    y: str = \"a\"\nP(1)\n"), point);
}

#[test]
fn a_method_redefined_is_found_by_calls_compiled_before() {
    prints(
        "struct P:\n    x: int\ndef (p: P) f():\n    return 1\ndef call(p):\n    return p.f()\np = P(1)\nprint(call(p), call(p))\ndef (p: P) f():\n    return 2\nprint(call(p))\n",
        "1 1\n2\n",
    );
}

#[test]
fn agents_and_resources_are_data_with_methods() {
    prints(
        "agent_blueprint Bot:\n    level: int = 1\nb = Bot(level=2)\nprint(b, type(b))\nb.remember(\"k\", [1])\nprint(b.recall(\"k\"), b.recall(\"x\"), b == Bot(level=2))\ndef (self: Bot) solve(problem: str):\n    return f\"{problem}!\"\nprint(b.solve(\"p\"))\n",
        "Bot(name='unnamed_agent', description='A Dana agent', state='CREATED', level=2) Agent[Bot]\n[1] None True\np!\n",
    );
    prints(
        "agent_blueprint Bot:\n    level: int = 1\nagent Solo(Bot):\n    level = 7\nagent Bare\nprint(Solo.level, Bare.name, Bare)\n",
        "7 Bare Bare(name='Bare', description='A Dana agent', state='CREATED')\n",
    );
    prints(
        "resource Store:\n    name: str = \"s\"\n    size: int = 3\ndef (r: Store) ping() -> str:\n    return f\"ping {r.name}\"\ns = Store(size=4)\nprint(s, s.ping(), s.is_running())\ns.start()\nprint(s.state, s.is_running())\n",
        "Store(state='INITIALIZED', name='s', size=4) ping s False\nRUNNING True\n",
    );
    let mut session = Session::new();
    let (_, ended) = session.run_with(
        "agent Helper\nx = Helper.plan(\"go\")\ny = Helper.chat(\"hello\")\nz = Helper.chat(\"again\")\n[x, y, z]\n",
        |question, _| {
            let Question::Reason { messages, .. } = question else { panic!("{question:?}") };
            let turns = messages[1].content.matches("User: hello\nYou: ok").count();
            Ok(Datum::Str(if turns == 1 { "second".into() } else { "ok".into() }))
        },
    );
    let text = |text: &str| Datum::Str(text.into());
    assert_eq!(ended, Ok(Datum::List(vec![text("ok"), text("ok"), text("second")])));
}

#[test]
fn a_conversation_goes_on_after_a_failure() {
    let mut session = Session::new();
    let source = "agent Helper\ntry:\n    print(Helper.chat(\"first\"))\nexcept Exception as e:\n    print(\"failed\")\nprint(Helper.chat(\"second\"), Helper.chat(\"third\"))\n";
    let mut said = Vec::new();
    let (output, ended) = session.run_with(source, |question, _| {
        let Question::Reason { messages, .. } = question else { panic!("{question:?}") };
        said.push(messages[1].content.clone());
        if said.len() == 1 { Err("no model".into()) } else { Ok(Datum::Int(said.len() as i64)) }
    });
    assert_eq!((output.as_str(), ended), ("failed\n2 3\n", Ok(Datum::None)));
    assert!(!said[1].contains("first") && said[2].contains("User: second\nYou: 2"), "{said:?}");
}
