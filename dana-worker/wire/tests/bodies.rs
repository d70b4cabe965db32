//! Messages with their payloads, as they cross the pipe.

use dana_wire::{
    Budget, Datum, Encoder, Fault, Hello, LayerClaim, LimitKind, LogLevel, Message, Outcome, Question,
    SessionLimits, Start, Target, ToHost, ToWorker, TraceFrame, Usage, Violation, open, write_header,
};

fn to_worker() -> Vec<ToWorker> {
    vec![
        ToWorker::Start(Start {
            limits: SessionLimits { steps: Some(u64::MAX), memory: None, depth: 1000, output: Some(0) },
            seed: [1, u64::MAX],
            functions: vec!["fetch".into(), "größe".into()],
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
        ToWorker::Answer { ask: 1, outcome: Outcome::Value },
        ToWorker::Answer {
            ask: 2,
            outcome: Outcome::Failed { kind: "ValueError".into(), message: "no".into() },
        },
        ToWorker::Release { handles: vec![0, 1, u64::MAX] },
    ]
}

fn to_host() -> Vec<ToHost> {
    let usage = Usage { steps: 1 << 40, memory_peak: 1, output_bytes: 0, asks: 3 };
    let frame =
        TraceFrame { function: "f".into(), file: None, line: 3, column: 1, source: Some("f()".into()) };
    let cause = Fault { kind: "KeyError".into(), message: "'k'".into(), ..Fault::default() };
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
        cause: Some(Box::new(cause)),
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

/// A body with as many values as its message calls for.
fn body<H: dana_wire::Header>(header: &H) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(header, &mut out).unwrap();
    let mut encoder = Encoder::new(&mut out, &Budget::FROM_HOST);
    for _ in 0..header.values() {
        Datum::Tuple(vec![Datum::Int(1), Datum::Str("two".into())]).write(&mut encoder).unwrap();
    }
    encoder.finish().unwrap();
    out
}

fn check<H: dana_wire::Header + PartialEq + std::fmt::Debug>(header: &H) {
    let mut whole = body(header);
    let (back, payload) = open::<H>(&whole, &Budget::FROM_WORKER).unwrap();
    assert_eq!(&back, header);
    assert_eq!(Datum::decode_all(payload, &Budget::FROM_WORKER).unwrap().len(), header.values());
    if whole.len() < 4096 {
        for cut in 0..whole.len() {
            assert!(open::<H>(&whole[..cut], &Budget::FROM_WORKER).is_err(), "{header:?} cut at {cut}");
        }
    }
    whole.push(0xc0);
    assert_eq!(
        open::<H>(&whole, &Budget::FROM_WORKER).unwrap_err(),
        Violation::Payload { found: "more" },
        "{header:?}"
    );
}

#[test]
fn every_message_comes_back_and_no_part_of_it_does() {
    to_worker().iter().for_each(check);
    to_host().iter().for_each(check);
}

#[test]
fn the_other_directions_messages_are_refused() {
    for header in to_worker() {
        assert!(open::<ToHost>(&body(&header), &Budget::FROM_WORKER).is_err(), "{header:?}");
    }
    for header in to_host() {
        assert!(open::<ToWorker>(&body(&header), &Budget::FROM_WORKER).is_err(), "{header:?}");
    }
}
