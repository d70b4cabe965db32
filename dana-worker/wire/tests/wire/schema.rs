//! The protocol as it is, written down under its version. If one of these bytes changes, raise
//! `PROTOCOL`, run the test with `DANA_BLESS=1` once, and commit the new file beside the old ones.

use std::fmt::Write;
use std::path::PathBuf;

use dana_wire::{Budget, Datum, Header, LiteralKind, PROTOCOL, ToHost, ToWorker, write_header};

use crate::samples::{table, to_host, to_worker};

#[test]
fn the_protocol_changes_only_with_its_version() {
    let mut text = format!("protocol {PROTOCOL}\n\n# to the worker\n");
    to_worker().iter().filter(|message| short(message)).for_each(|message| describe(message, &mut text));
    text.push_str("\n# to the host\n");
    to_host().iter().for_each(|message| describe(message, &mut text));
    text.push_str("\n# values\n");
    for datum in values() {
        let bytes = datum.encode(&Budget::FROM_HOST).unwrap();
        writeln!(text, "{datum:?}\n    {}", hex(&bytes)).unwrap();
    }

    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/wire/protocol-{PROTOCOL}.txt"));
    let bless = std::env::var_os("DANA_BLESS").is_some();
    match std::fs::read_to_string(&file) {
        Ok(known) => assert!(
            known == text,
            "the protocol changed but PROTOCOL is still {PROTOCOL}: raise it and bless the new one\n{text}"
        ),
        Err(_) if bless => std::fs::write(&file, text).unwrap(),
        Err(error) => panic!("{}: {error}; run once with DANA_BLESS=1", file.display()),
    }
}

/// A new message must be added to the samples: this fails to compile until it is, and the test
/// below fails until a sample exists.
fn index_to_worker(message: &ToWorker) -> usize {
    match message {
        ToWorker::Start(_) => 0,
        ToWorker::Run { .. } => 1,
        ToWorker::Call { .. } => 2,
        ToWorker::Get { .. } => 3,
        ToWorker::Set { .. } => 4,
        ToWorker::Snapshot { .. } => 5,
        ToWorker::Answer { .. } => 6,
        ToWorker::Release { .. } => 7,
        ToWorker::Register { .. } => 8,
        ToWorker::Describe { .. } => 9,
    }
}

fn index_to_host(message: &ToHost) -> usize {
    match message {
        ToHost::Hello(_) => 0,
        ToHost::Started => 1,
        ToHost::Output { .. } => 2,
        ToHost::Log { .. } => 3,
        ToHost::Ask { .. } => 4,
        ToHost::Pulse { .. } => 5,
        ToHost::Done { .. } => 6,
        ToHost::Failed { .. } => 7,
    }
}

#[test]
fn every_message_has_a_sample() {
    for index in 0..10 {
        assert!(to_worker().iter().any(|message| index_to_worker(message) == index), "{index}");
    }
    for index in 0..8 {
        assert!(to_host().iter().any(|message| index_to_host(message) == index), "{index}");
    }
}

fn short(message: &ToWorker) -> bool {
    !matches!(message, ToWorker::Run { source, .. } if source.len() > 1000)
}

fn describe<H: Header + std::fmt::Debug>(message: &H, text: &mut String) {
    let mut bytes = Vec::new();
    write_header(message, &mut bytes).unwrap();
    writeln!(text, "{message:?} + {} values\n    {}", message.values(), hex(&bytes)).unwrap();
}

fn literal(kind: LiteralKind, text: &str) -> Datum {
    Datum::Literal { kind, text: text.into() }
}

fn values() -> Vec<Datum> {
    let key = Datum::Tuple(vec![Datum::Int(1), Datum::Str("k".into())]);
    vec![
        Datum::None,
        Datum::Bool(false),
        Datum::Bool(true),
        Datum::Int(-1_000_000),
        Datum::BigInt(vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        Datum::Float(-0.5),
        Datum::Str("\u{e9}".into()),
        Datum::Bytes(vec![0, 255]),
        Datum::List(vec![]),
        Datum::List(vec![Datum::None, Datum::Int(1)]),
        Datum::List(vec![Datum::Float(1.5), Datum::Float(f64::INFINITY)]),
        Datum::List(vec![Datum::Int(1), Datum::Int(-2)]),
        Datum::Tuple(vec![]),
        Datum::Set(vec![Datum::Int(1), Datum::Str("a".into())]),
        Datum::FrozenSet(vec![Datum::Int(1)]),
        Datum::Dict(vec![(key, Datum::Bool(true))]),
        literal(LiteralKind::Date, "2026-02-28"),
        literal(LiteralKind::Time, "12:30:00.000001[Europe/Berlin]"),
        literal(LiteralKind::DateTime, "2026-10-25T02:30:00+01:00[Europe/Berlin]~"),
        literal(LiteralKind::Duration, "-86400000000"),
        literal(LiteralKind::Decimal, "-110E-2"),
        literal(LiteralKind::Uuid, "12345678-1234-5678-1234-567812345678"),
        Datum::Struct { name: "Point".into(), fields: vec![("x".into(), Datum::Int(1))] },
        Datum::decode(&table(), &Budget::FROM_HOST).unwrap(),
        Datum::Function { handle: 300, name: "f".into() },
        Datum::Exception { kind: "ValueError".into(), message: "no".into() },
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
