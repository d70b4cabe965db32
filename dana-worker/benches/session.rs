//! What a session costs: from the start of a process to its Hello, to its first result, and a turn in a warm one; beside
//! the same round trip through the same kind of pipes to a program that only echoes.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};
use dana_wire::{SessionLimits, Start, ToHost, ToWorker};
use support::Worker;

fn start(worker: &mut Worker) {
    let limits = SessionLimits { steps: None, memory: Some(512 << 20), depth: 1000, output: None };
    worker.send(&ToWorker::Start(Start { limits, seed: [1, 2], functions: Vec::new() }), &[]);
    assert!(matches!(worker.receive(), Some((ToHost::Started, _))));
}

fn turn(worker: &mut Worker) {
    worker.send(&ToWorker::Run { turn: 1, filename: None, source: "40 + 2".to_owned() }, &[]);
    assert!(matches!(worker.receive(), Some((ToHost::Done { .. }, _))));
}

fn sessions(criterion: &mut Criterion) {
    criterion.bench_function("spawn, Hello, kill", |bencher| bencher.iter(Worker::start));
    criterion.bench_function("spawn, first result, kill", |bencher| {
        bencher.iter(|| {
            let mut worker = Worker::start();
            start(&mut worker);
            turn(&mut worker);
        });
    });
    let mut warm = Worker::start();
    start(&mut warm);
    criterion.bench_function("a turn in a warm session", |bencher| bencher.iter(|| turn(&mut warm)));
}

fn raw(criterion: &mut Criterion) {
    let mut echo = Command::new("/bin/cat");
    let mut echo = echo.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat runs");
    let (mut to, mut from) = (echo.stdin.take().expect("a pipe"), echo.stdout.take().expect("a pipe"));
    let mut bytes = [7; 32];
    criterion.bench_function("an echo of 32 bytes by cat", |bencher| {
        bencher.iter(|| {
            to.write_all(&bytes).expect("cat reads");
            from.read_exact(&mut bytes).expect("cat writes");
        });
    });
    drop(to);
    echo.wait().expect("our child");
}

criterion_group!(benches, raw, sessions);
criterion_main!(benches);
