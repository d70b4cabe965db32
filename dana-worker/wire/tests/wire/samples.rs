//! Every message once or more, with every field filled somewhere, and a table of all there is in tables.

use dana_wire::{
    Assertion, Budget, Cells, Column, Compared, Encoder, Fault, Hello, HostFunction, LayerClaim, LimitKind,
    LogLevel, Message, Operand, Outcome, Part, Plain, Question, SessionLimits, Shape, Start, Target, ToHost,
    ToWorker, TraceFrame, Unit, Usage,
};

pub(crate) fn to_worker() -> Vec<ToWorker> {
    vec![
        ToWorker::Start(Start {
            limits: SessionLimits { steps: Some(u64::MAX), memory: None, depth: 1000, output: Some(0) },
            seed: [1, u64::MAX],
            functions: vec![
                HostFunction { name: "fetch".into(), background: true },
                HostFunction { name: "größe".into(), background: false },
            ],
        }),
        ToWorker::Run { turn: 1, filename: Some("a.na".into()), source: "x = 1\n".into() },
        ToWorker::Run { turn: u32::MAX, filename: None, source: "y".repeat(70_000) },
        ToWorker::Call {
            turn: 2,
            target: Target::Name("f".into()),
            positional: 2,
            keywords: vec!["k".into()],
        },
        ToWorker::Call { turn: 2, target: Target::Handle(u64::MAX), positional: 0, keywords: vec![] },
        ToWorker::Get { turn: 3, name: "x".into() },
        ToWorker::Set { turn: 4, name: "x".into() },
        ToWorker::Snapshot { turn: 5 },
        ToWorker::Describe { turn: 6, module: None, again: false },
        ToWorker::Describe { turn: 7, module: Some("shop.pricing".to_owned()), again: true },
        ToWorker::Answer { ask: 1, outcome: Outcome::Value },
        ToWorker::Answer {
            ask: 2,
            outcome: Outcome::Failed { kind: "ValueError".into(), message: "no".into() },
        },
        ToWorker::Answer { ask: 3, outcome: Outcome::Limit { message: "enough".into() } },
        ToWorker::Release { handles: vec![0, 1, u64::MAX] },
        ToWorker::Register { functions: vec![HostFunction { name: "late".into(), background: false }] },
    ]
}

pub(crate) fn to_host() -> Vec<ToHost> {
    let usage = Usage { steps: 1 << 40, memory_peak: 1, output_bytes: 0, asks: 3 };
    let frame =
        TraceFrame { function: "f".into(), file: None, line: 3, column: 1, source: Some("f()".into()) };
    let cause = Fault { kind: "KeyError".into(), message: "'k'".into(), ..Fault::default() };
    let part = Part { key: "'k'".into(), text: "1".into() };
    let pairs = Operand {
        start: 0,
        end: 4,
        text: "{'k': 1}".into(),
        shape: Shape::Pairs,
        parts: vec![part],
        count: 1,
    };
    let plain = Operand { start: 8, end: 9, text: "2".into(), ..Operand::default() };
    let assertion = Assertion {
        text: "f(x) == y".into(),
        operands: vec![pairs, plain],
        compared: Some(Compared { left: 0, right: 1, operator: "==".into() }),
    };
    let fault = Fault {
        kind: "StepLimitError".into(),
        message: "too long".into(),
        file: Some("a.na".into()),
        line: 7,
        column: 3,
        excerpt: Some("while true:".into()),
        hint: None,
        trace: vec![frame.clone(), frame],
        limit: Some(LimitKind::Steps),
        syntax: false,
        ask: Some(9),
        cause: Some(Box::new(cause)),
        assertion: Some(Box::new(assertion)),
    };
    let message = Message { role: "user".into(), content: "Is 7 > 3?".into() };
    let layer = LayerClaim { name: "seccomp".into(), applied: true, detail: String::new() };
    vec![
        ToHost::Hello(Hello { protocol: 1, build: "abc".into(), layers: vec![layer] }),
        ToHost::Started,
        ToHost::Output { text: "hello\n".into() },
        ToHost::Log { level: LogLevel::Warning, text: "hm".into() },
        ToHost::Ask {
            ask: 1,
            question: Question::Reason {
                purpose: "reason".into(),
                messages: vec![message],
                expects: Some("bool".into()),
                schema: None,
            },
        },
        ToHost::Ask { ask: 2, question: Question::Module { name: "m".into(), level: 1, from: None } },
        ToHost::Ask {
            ask: 3,
            question: Question::Function { name: "fetch".into(), positional: 1, keywords: vec!["k".into()] },
        },
        ToHost::Pulse { steps: 4_194_304, file: Some("a.na".into()), line: 2 },
        ToHost::Done { turn: 1, usage },
        ToHost::Failed { turn: 1, fault, usage },
    ]
}

/// A table with a column of each kind, the last of values.
pub(crate) fn table() -> Vec<u8> {
    let (ends, ticks) =
        ([1, 0, 0, 0, 2, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    let plain = |name, index, cells| Column { name, dtype: "int8", index, valid: None, cells };
    let categories = Plain::Texts { ends: &ends, text: "ab" };
    let columns = [
        plain("n", true, Cells::Plain(Plain::Ints(&ticks))),
        Column { valid: Some(&[2]), ..plain("f", false, Cells::Plain(Plain::Floats(&ticks))) },
        plain("b", false, Cells::Plain(Plain::Bools(&[0, 1]))),
        plain("t", false, Cells::Plain(Plain::Times { unit: Unit::Days, zoned: false, ticks: &ticks })),
        plain("z", false, Cells::Plain(Plain::Times { unit: Unit::Nanoseconds, zoned: true, ticks: &ticks })),
        plain("d", false, Cells::Plain(Plain::Spans { unit: Unit::Milliseconds, ticks: &ticks })),
        plain("s", false, Cells::Plain(categories)),
        plain(
            "c",
            false,
            Cells::Codes { codes: &[0, 0, 0, 0, 255, 255, 255, 255], count: 2, categories, dtype: "str" },
        ),
        plain("v", false, Cells::Values),
    ];
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, &Budget::FROM_HOST);
    encoder.table(2, false, "note", &columns).and_then(|()| encoder.ints(&[1, 2])).unwrap();
    encoder.finish().unwrap();
    out
}
