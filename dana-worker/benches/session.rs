//! What a session costs: its memory; the time from the start of a process to its Hello, to its first result, and of a turn
//! in a warm one; beside the same round trip through the same kind of pipes to a program that only echoes.

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

/// Private dirty memory of a locked worker from outside, before and after its interpreter starts, and after a turn. Only
/// root can look: the worker cannot be traced.
fn memory(_: &mut Criterion) {
    let mut worker = Worker::start();
    let mut figures = Vec::new();
    for stage in ["after Hello", "with an idle interpreter", "after a turn"] {
        match stage {
            "after Hello" => {}
            "after a turn" => turn(&mut worker),
            _ => start(&mut worker),
        }
        match private_dirty(worker.pid()) {
            Ok(bytes) => figures.push(format!("{stage} {} KiB", bytes >> 10)),
            Err(error) => {
                println!("private dirty memory of a worker: not measured, needs root: {error}");
                return;
            }
        }
    }
    println!("private dirty memory of a worker: {}", figures.join(", "));
}

fn private_dirty(pid: i32) -> std::io::Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| std::io::Error::other("no figure in smaps_rollup"))
}

criterion_group!(benches, memory, raw, sessions);
criterion_main!(benches);
