//! Whatever a program does, what the session sends is within the caps of the wire: a program that
//! goes beyond them gets an error, and the session goes on.

use std::alloc::System;
use std::ops::ControlFlow;

use dana_lang::{Closed, Outbox, Server};
use dana_wire::{
    Budget, Datum, Fault, Outcome, Question, SessionLimits, Start, ToHost, ToWorker, open, write_header,
};

#[global_allocator]
static HEAP: dana_meter::Counting<System> = dana_meter::Counting::new(System);

/// Sends as a worker does, and reads as a host does.
#[derive(Default)]
struct Wire {
    received: Vec<(ToHost, Vec<Datum>)>,
}

impl Outbox for Wire {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        let mut body = Vec::new();
        write_header(header, &mut body).expect("within the caps");
        body.extend_from_slice(payload);
        let (header, payload) = open::<ToHost>(&body, &Budget::FROM_WORKER).expect("what a host accepts");
        let values = Datum::decode_all(payload, &Budget::FROM_WORKER).expect("no key twice");
        self.received.push((header, values));
        Ok(())
    }

    fn pulse(&mut self, _: u64, _: Option<&str>, _: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

struct Session {
    server: Server,
    turn: u32,
}

impl Session {
    fn new() -> Session {
        let limits =
            SessionLimits { steps: None, memory: Some(1 << 30), depth: 1000, output: Some(64 << 20) };
        let start = Start { limits, seed: [1, 2], functions: vec!["host".into()] };
        Session { server: Server::new(start), turn: 0 }
    }

    fn send(&mut self, message: ToWorker, payload: &[u8]) -> Vec<(ToHost, Vec<Datum>)> {
        let mut wire = Wire::default();
        self.server.handle(message, payload, &mut wire).expect("a message in its turn");
        wire.received
    }

    fn run(&mut self, source: &str) -> Vec<(ToHost, Vec<Datum>)> {
        self.turn += 1;
        let run = ToWorker::Run { turn: self.turn, filename: None, source: source.to_owned() };
        self.send(run, &[])
    }

    fn fails(&mut self, source: &str) -> Fault {
        let received = self.run(source);
        let Some((ToHost::Failed { fault, .. }, _)) = received.last() else {
            panic!("{source}: {:?}", received.iter().map(|(header, _)| header).collect::<Vec<_>>())
        };
        let fault = fault.clone();
        assert!(
            matches!(self.run("1 + 1").last(), Some((ToHost::Done { .. }, values)) if values == &[Datum::Int(2)])
        );
        fault
    }
}

#[test]
fn asks_over_a_cap_are_errors_of_the_program() {
    let mut session = Session::new();
    let long = "x".repeat(5000);
    for source in [
        &format!("import {long}"),
        "p = \"x\" * (17 * 1024 * 1024)\nreason(p)",
        "host([None] * 1300000, [None] * 1300000)",
        "host(\"x\" * (60 * 1024 * 1024), \"x\" * (60 * 1024 * 1024))",
    ] {
        let fault = session.fails(source);
        assert!(fault.message.contains("over the limit"), "{}: {}", fault.kind, fault.message);
    }
}

#[test]
fn results_over_a_budget_are_errors_of_the_program() {
    let mut session = Session::new();
    for source in [
        "x = []\nfor i in range(100):\n    x = [x]\nx",
        "x = []\nx.append(x)\nx",
        "x = [1]\nfor i in range(40):\n    x = [x, x]\nx",
        "[None] * 2000001",
        "\"x\" * (111 * 1024 * 1024)",
        "{float('nan'): 1}",
    ] {
        let fault = session.fails(source);
        assert!(
            fault.message.contains("cannot be sent to the host"),
            "{source}: {}: {}",
            fault.kind,
            fault.message
        );
    }
}

#[test]
fn long_output_and_long_log_lines_arrive_in_legal_pieces() {
    let mut session = Session::new();
    let received = session.run("print(\"\u{e4}\" * (20 * 1024 * 1024))\nlog(\"y\" * 1000000)");
    let printed: usize = received
        .iter()
        .map(|(header, _)| if let ToHost::Output { text } = header { text.len() } else { 0 })
        .sum();
    assert_eq!(printed, 40 * 1024 * 1024 + 1);
    assert!(
        received
            .iter()
            .any(|(header, _)| matches!(header, ToHost::Log { text, .. } if text.ends_with("...")))
    );
    assert!(matches!(received.last(), Some((ToHost::Done { .. }, _))));
}

#[test]
fn a_flood_of_log_lines_is_an_error_of_the_program() {
    let fault = Session::new().fails("for i in range(20000):\n    log(\"x\")");
    assert_eq!(fault.kind, "OutputLimitError");
}

#[test]
fn long_texts_of_a_fault_are_cut() {
    let mut session = Session::new();
    let fault = session.fails("raise ValueError(\"z\" * 1000000)");
    assert!(fault.kind == "ValueError" && fault.message.ends_with("..."));
    let line = format!("undefined_name + \"{}\"", "w".repeat(100_000));
    assert!(session.fails(&line).excerpt.is_some_and(|excerpt| excerpt.len() <= 4096));
    assert!(session.fails(&format!("({}", "v".repeat(100_000))).syntax);
}

#[test]
fn what_a_message_brought_is_not_charged_as_given_back() {
    let mut session = Session::new();
    session.run("x = 1");
    let first = peak(&session.run("x"));
    let padding = format!("# {}\nx", "p".repeat(1_000_000));
    for _ in 0..20 {
        session.run(&padding);
    }
    let last = peak(&session.run("x"));
    assert!(last + 4096 >= first, "{first} bytes became {last}");
    assert!(last < 4 << 20, "{last} bytes: the peak is the turn's");
}

fn peak(received: &[(ToHost, Vec<Datum>)]) -> u64 {
    match received.last() {
        Some((ToHost::Done { usage, .. }, _)) => usage.memory_peak,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_in_its_place_resumes_the_program() {
    let mut session = Session::new();
    let received = session.run("x = host(1, key=2)\nx + 1");
    let Some((ToHost::Ask { ask, question: Question::Function { name, positional, keywords } }, values)) =
        received.last()
    else {
        panic!("{received:?}")
    };
    assert_eq!((name.as_str(), *positional, keywords.as_slice()), ("host", 1, ["key".to_owned()].as_slice()));
    assert_eq!(values, &[Datum::Int(1), Datum::Int(2)]);
    let answer = Datum::Int(41).encode(&Budget::FROM_HOST).unwrap();
    let received = session.send(ToWorker::Answer { ask: *ask, outcome: Outcome::Value }, &answer);
    assert!(matches!(received.last(), Some((ToHost::Done { .. }, values)) if values == &[Datum::Int(42)]));
}
