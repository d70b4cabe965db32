//! Sessions through the real pipes: what a program does, and how it ends when it goes too far.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dana_wire::{Budget, Datum, Fault, LimitKind, Outcome, Question, SessionLimits, Start, ToHost, ToWorker};
use nix::sys::signal::Signal;
use support::{Worker, binary, command_for, facts};

const LIMITS: SessionLimits =
    SessionLimits { steps: Some(1_000_000_000), memory: Some(32 << 20), depth: 1000, output: Some(1 << 20) };

/// How a turn ended.
#[derive(Debug)]
enum Turn {
    Done(Datum),
    Failed(Fault),
}

fn session(limits: SessionLimits) -> Worker {
    started(Worker::start(), limits)
}

fn started(mut worker: Worker, limits: SessionLimits) -> Worker {
    worker.send(&ToWorker::Start(Start { limits, seed: [1, 2], functions: vec!["lookup".into()] }), &[]);
    assert_eq!(worker.receive().map(|(message, _)| message), Some(ToHost::Started));
    worker
}

fn run(worker: &mut Worker, source: &str) {
    worker.send(&ToWorker::Run { turn: 1, filename: None, source: source.to_owned() }, &[]);
}

/// Reads to the end of the turn; returns what was printed on the way.
fn finish(worker: &mut Worker) -> (Turn, String) {
    let mut printed = String::new();
    loop {
        let Some(message) = worker.receive() else { panic!("the worker ended: {:?}", worker.ended()) };
        match message {
            (ToHost::Output { text }, _) => printed.push_str(&text),
            (ToHost::Pulse { .. } | ToHost::Log { .. }, _) => {}
            (ToHost::Done { .. }, payload) => return (Turn::Done(value(&payload)), printed),
            (ToHost::Failed { fault, .. }, _) => return (Turn::Failed(fault), printed),
            (other, _) => panic!("unexpected {other:?}"),
        }
    }
}

fn value(payload: &[u8]) -> Datum {
    Datum::decode(payload, &Budget::FROM_WORKER).expect("one value")
}

fn done(worker: &mut Worker, source: &str) -> Datum {
    run(worker, source);
    match finish(worker) {
        (Turn::Done(value), _) => value,
        (Turn::Failed(fault), _) => panic!("{source}: {fault:?}"),
    }
}

fn failed(worker: &mut Worker, source: &str) -> Fault {
    run(worker, source);
    match finish(worker) {
        (Turn::Failed(fault), _) => fault,
        (Turn::Done(value), _) => panic!("{source}: {value:?}"),
    }
}

#[test]
fn a_session_keeps_its_state() {
    let mut worker = session(LIMITS);
    done(&mut worker, "x = 40");
    assert_eq!(done(&mut worker, "x + 2"), Datum::Int(42));
    run(&mut worker, "print('hello')\nx");
    let (turn, printed) = finish(&mut worker);
    assert!(matches!(turn, Turn::Done(Datum::Int(40))), "{turn:?}");
    assert_eq!(printed, "hello\n");
    assert_eq!(worker.close().code(), Some(0));
}

#[test]
fn the_host_answers_what_the_program_asks() {
    let mut worker = session(LIMITS);
    run(&mut worker, "lookup(20) + 1");
    let Some((ToHost::Ask { ask, question }, payload)) = worker.receive() else { panic!("an ask") };
    assert!(
        matches!(question, Question::Function { ref name, positional: 1, .. } if name == "lookup"),
        "{question:?}"
    );
    assert_eq!(value(&payload), Datum::Int(20));
    let answer = Datum::Int(41).encode(&Budget::FROM_HOST).expect("small");
    worker.send(&ToWorker::Answer { ask, outcome: Outcome::Value }, &answer);
    let (turn, _) = finish(&mut worker);
    assert!(matches!(turn, Turn::Done(Datum::Int(42))), "{turn:?}");
}

#[test]
fn large_values_come_back_whole() {
    let mut worker = session(SessionLimits { memory: Some(256 << 20), ..LIMITS });
    let Datum::Str(text) = done(&mut worker, "\"dana\" * 2000000") else { panic!("a string") };
    assert_eq!(text.len(), 8_000_000);
    assert_eq!(done(&mut worker, "1"), Datum::Int(1));
}

/// Rows 16 and 17: the interpreter notices first, with an error. What the bomb had built stays until the session ends;
/// the host discards a worker whose limit has fired.
#[test]
fn memory_bombs_are_errors() {
    for bomb in [
        "s = 'a'\nwhile True:\n    s = s + s",
        "l = []\nwhile True:\n    l.append('x' * 1000)",
        "'a' * 1000000000000",
        "[0] * 10000000000",
        "2 ** (10 ** 9)",
        "d = {}\ni = 0\nwhile True:\n    d[i] = [i]\n    i = i + 1",
    ] {
        let mut worker = session(LIMITS);
        let fault = failed(&mut worker, bomb);
        assert!(fault.limit == Some(LimitKind::Memory) || fault.kind == "OverflowError", "{bomb}: {fault:?}");
        assert_eq!(worker.close().code(), Some(0), "{bomb}");
    }
}

/// Row 21.
#[test]
fn depth_is_an_error() {
    let mut worker = session(LIMITS);
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    for source in [deep("(", ")"), deep("[", "]"), deep("not ", ""), deep("{1: ", "}"), deep("-", "")] {
        let fault = failed(&mut worker, &source);
        assert!(!fault.message.is_empty(), "{}", &source[..10]);
    }
    let fault = failed(&mut worker, "def f(n):\n    return f(n + 1)\nf(0)");
    assert_eq!(fault.limit, Some(LimitKind::Depth), "{fault:?}");
    assert_eq!(done(&mut worker, "1 + 1"), Datum::Int(2));
}

#[test]
fn steps_are_counted() {
    let mut worker = session(SessionLimits { steps: Some(10_000), ..LIMITS });
    let fault = failed(&mut worker, "while True:\n    pass");
    assert_eq!(fault.limit, Some(LimitKind::Steps));
    assert_eq!(done(&mut worker, "1 + 1"), Datum::Int(2));
}

/// A busy worker pulses, and does not outlive whoever reads its pulse.
#[test]
fn a_busy_worker_ends_with_its_host() {
    let mut worker = session(SessionLimits { steps: None, ..LIMITS });
    run(&mut worker, "while True:\n    pass");
    assert!(matches!(worker.receive(), Some((ToHost::Pulse { .. }, _))));
    let end = worker.stop_reading();
    assert_eq!(end.code(), Some(74), "{end:?}");
}

/// What was said before a long computation leaves with the first pulse: whoever ends it has it.
#[test]
fn what_was_said_does_not_wait_for_the_end() {
    let mut worker = session(SessionLimits { steps: None, ..LIMITS });
    run(&mut worker, "log('begun')\nprint('working')\nwhile True:\n    pass");
    let said: Vec<_> = std::iter::from_fn(|| worker.receive()).take(3).map(|(said, _)| said).collect();
    assert!(
        matches!(&said[..], [ToHost::Log { text, .. }, ToHost::Output { text: printed }, ToHost::Pulse { .. }]
            if text == "begun" && printed == "working\n"),
        "{said:?}"
    );
}

/// The kernel's limit on processor time, behind the host's clock. Row 31.
#[test]
fn processor_time_ends_in_its_own_signal() {
    let worker = Worker::from(command_for(&binary(), support::MEMORY, 1));
    let mut worker = started(worker, SessionLimits { steps: None, ..LIMITS });
    run(&mut worker, "while True:\n    pass");
    while worker.receive().is_some() {}
    assert_eq!(worker.wait().signal(), Some(Signal::SIGXCPU as i32));
}

/// With the interpreter's own limit lifted, the kernel's is what ends it: an abort, not a violation.
#[test]
fn memory_beyond_the_kernels_limit_is_an_abort() {
    let worker = Worker::from(command_for(&binary(), 1, 0));
    let mut worker = started(worker, SessionLimits { steps: None, memory: None, ..LIMITS });
    run(&mut worker, "l = []\nwhile True:\n    l.append('x' * 100000)");
    while worker.receive().is_some() {}
    let end = worker.wait();
    assert_eq!(end.signal(), Some(Signal::SIGABRT as i32), "{end:?}");
    assert!(end.last_words.contains("memory allocation of "), "{end:?}");
}

/// Row 106: what is freed is given back, so a session does not keep the memory of a peak.
#[test]
fn a_peak_is_given_back() {
    let mut worker = session(SessionLimits { memory: Some(512 << 20), ..LIMITS });
    done(&mut worker, "l = []\nfor i in range(2000000):\n    l.append([i])\nlen(l)");
    let resident = |worker: &Worker| -> u64 {
        let status = facts::status(worker.pid());
        status["VmRSS"].trim_end_matches(" kB").parse().expect("a number")
    };
    let peak = resident(&worker);
    done(&mut worker, "l = 0");
    let after = resident(&worker);
    assert!(peak > 64 << 10 && after < peak / 2, "{peak} kB, then {after} kB");
}

#[test]
fn messages_out_of_turn_end_it() {
    let get = || ToWorker::Get { turn: 1, name: "x".to_owned() };
    let start = || ToWorker::Start(Start { limits: LIMITS, seed: [0, 0], functions: Vec::new() });
    let waiting = || {
        let mut worker = session(LIMITS);
        run(&mut worker, "lookup(1) + 1");
        assert!(matches!(worker.receive(), Some((ToHost::Ask { .. }, _))));
        worker
    };
    for (mut worker, message) in [(Worker::start(), get()), (session(LIMITS), start()), (waiting(), get())] {
        worker.send(&message, &[]);
        let end = worker.wait();
        assert_eq!(end.code(), Some(65), "{message:?}: {end:?}");
        assert!(end.last_words.contains("out of turn"), "{end:?}");
    }
}

/// A host that is killed takes its workers with it, idle or busy. Row 98. The test runs itself again as that host.
#[test]
fn workers_end_when_their_host_is_killed() {
    const NAME: &str = "workers_end_when_their_host_is_killed";
    if std::env::var_os("DANA_ACT_AS_HOST").is_some() {
        let idle = session(LIMITS);
        let mut busy = session(SessionLimits { steps: None, ..LIMITS });
        run(&mut busy, "while True:\n    pass");
        println!("\nworkers {} {}", idle.pid(), busy.pid());
        loop {
            busy.receive();
        }
    }
    let mut host = Command::new(std::env::current_exe().expect("a path"));
    host.args([NAME, "--exact", "--nocapture"]).env("DANA_ACT_AS_HOST", "1").stdout(Stdio::piped());
    let mut host = host.spawn().expect("it runs");
    let lines = BufReader::new(host.stdout.take().expect("a pipe")).lines();
    let line = lines.map_while(Result::ok).find(|line| line.starts_with("workers ")).expect("two workers");
    host.kill().expect("our child");
    host.wait().expect("our child");
    let deadline = Instant::now() + Duration::from_secs(10);
    for pid in line.split(' ').skip(1) {
        // Whoever inherits the worker may not have reaped it yet.
        let gone = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        };
        while !gone() {
            assert!(Instant::now() < deadline, "worker {pid} outlives its host");
            std::thread::yield_now();
        }
    }
}
