//! From text to the first instruction: parsing and compiling typical source, in bytes a second, and what a program of a
//! hundred lines takes.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::rc::Rc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dana_lang::compile::code::SourceFile;
use dana_lang::session::Services;
use dana_lang::syntax::{parse, span::Source};
use dana_lang::vm::Vm;
use dana_lang::{Closed, Outbox, Server};
use dana_wire::{SessionLimits, Start, ToHost, ToWorker};

const TYPICAL: &str = include_str!("typical.na");
const LIMITS: SessionLimits = SessionLimits { steps: None, memory: None, depth: 1000, output: None };

/// The typical program many times over, each time with other names.
fn long_source() -> String {
    let names = [
        "Item",
        "Order",
        "discount_for",
        "price",
        "parse_line",
        "parse_order",
        "cheapest",
        "by_price",
        "report",
        "summary",
    ];
    let mut text = String::new();
    for copy in 0..256 {
        let mut part = TYPICAL.to_owned();
        for name in names {
            part = part.replace(name, &format!("{name}_{copy}"));
        }
        text.push_str(&part);
    }
    text
}

fn compiled(vm: &mut Vm, text: &str) -> usize {
    let file = Rc::new(SourceFile { name: None, source: Source::new(text) });
    let main = Rc::clone(&vm.main);
    match vm.compile(file, &main) {
        Ok(code) => {
            let ops = code.ops.len();
            vm.start(code, main);
            ops
        }
        Err(_) => 0,
    }
}

fn machine() -> Vm {
    Vm::new(Services::new(LIMITS, Vec::new()))
}

fn throughput(criterion: &mut Criterion) {
    let text = long_source();
    let mut group = criterion.benchmark_group("typical source");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.sample_size(30);
    assert!(parse(&text).is_ok() && compiled(&mut machine(), &text) > 0);
    group.bench_function("parse", |bencher| bencher.iter(|| parse(black_box(&text)).is_ok()));
    group.bench_function("parse and compile", |bencher| {
        bencher.iter_batched_ref(machine, |vm| compiled(vm, black_box(&text)), BatchSize::PerIteration);
    });
    group.finish();
}

#[derive(Default)]
struct Count {
    done: u32,
}

impl Outbox for Count {
    fn send(&mut self, header: &ToHost, _payload: &[u8]) -> Result<(), Closed> {
        self.done += u32::from(matches!(header, ToHost::Done { .. }));
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

fn hundred_lines(criterion: &mut Criterion) {
    assert_eq!(TYPICAL.lines().count(), 100);
    let mut group = criterion.benchmark_group("100 lines");
    group.bench_function("text to first instruction", |bencher| {
        bencher.iter_batched_ref(machine, |vm| compiled(vm, black_box(TYPICAL)), BatchSize::SmallInput);
    });
    group.bench_function("a new session, the text, its execution, its result", |bencher| {
        bencher.iter(|| {
            let mut server = Server::new(Start { limits: LIMITS, seed: [1, 2], functions: Vec::new() });
            let mut count = Count::default();
            let run = ToWorker::Run { turn: 1, filename: None, source: TYPICAL.to_owned() };
            assert!(server.handle(run, &[], &mut count).is_ok() && count.done == 1);
        });
    });
    group.finish();
}

criterion_group!(benches, throughput, hundred_lines);
criterion_main!(benches);
