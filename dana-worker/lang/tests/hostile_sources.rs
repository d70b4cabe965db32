//! Sources made to hurt: they end in a value or an error, on a small stack, and within the memory limit.

use std::alloc::System;
use std::ops::ControlFlow;

use dana_lang::serve::{Closed, Outbox, Server};
use dana_wire::{SessionLimits, Start, ToHost, ToWorker};

#[global_allocator]
static ALLOCATOR: dana_meter::Counting<System> = dana_meter::Counting::new(System);

const MEMORY: u64 = 64 << 20;

/// How a program ended: nothing, or the kind and message of its error.
#[derive(Default)]
struct End {
    error: Option<(String, String)>,
    peak: u64,
}

impl Outbox for End {
    fn send(&mut self, header: &ToHost, _payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Done { usage, .. } => self.peak = usage.memory_peak,
            ToHost::Failed { fault, usage, .. } => {
                self.error = Some((fault.kind.clone(), fault.message.clone()));
                self.peak = usage.memory_peak;
            }
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

/// Runs on a thread with 2 MiB of stack, which is what a test has.
fn run(source: String) -> End {
    let limits =
        SessionLimits { steps: Some(5_000_000), memory: Some(MEMORY), depth: 500, output: Some(1 << 20) };
    let mut server = Server::new(Start { limits, seed: [3, 4], functions: Vec::new() });
    let mut end = End::default();
    server.handle(ToWorker::Run { turn: 1, filename: None, source }, &[], &mut end).expect("a turn");
    assert!(end.peak <= MEMORY + MEMORY / 10, "held {} bytes", end.peak);
    end
}

fn repeated(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect()
}

#[test]
fn what_merely_repeats_runs() {
    let n = 20_000;
    let sources = [
        format!("x = 1{}\nassert x == {}", " + 1".repeat(n), n + 1),
        format!("x = 'a'{}\nassert len(x) == {}", " + 'a'".repeat(n), n + 1),
        format!("x = true{}", " and true".repeat(n)),
        format!("x = 0{}", " if false else 0".repeat(n)),
        format!("x = 1{}", " < 2".repeat(n)),
        format!("if false:\n  1\n{}else:\n  2", "elif false:\n  1\n".repeat(n)),
        format!("def f():\n  return f\nx = f{}", "()".repeat(n)),
        format!("x = 'a'{}", ".lower()".repeat(n)),
        format!("x = [{}]\nassert len(x) == {n}", "1, ".repeat(n)),
        format!("x = {{{}}}\nassert len(x) == {n}", repeated(n, |i| format!("{i}: {i}, "))),
        format!("x = f'{}'", "{1}".repeat(n)),
        "x = 1\n".repeat(n),
        repeated(n, |i| format!("x{i} = {i}\n")),
        format!("def f():\n{}  return x9\nassert f() == 9", repeated(n, |i| format!("  x{i} = {i}\n"))),
        repeated(2_000, |i| format!("def f{i}(a):\n  return a + {i}\n")) + "assert f1999(1) == 2000",
        format!("def g(x):\n  return x + 1\ndef f(x) = g{}\nassert f(0) == 501", " | g".repeat(500)),
        repeated(2_000, |i| format!("try:\n  1 / 0\nexcept E{i}:\n  1\nexcept:\n  2\n")),
    ];
    for source in sources {
        let start: String = source.chars().take(60).collect();
        let error = run(source).error;
        assert_eq!(error, None, "{start}");
    }
}

#[test]
fn what_nests_is_refused_or_runs() {
    let depths = [90, 150, 199, 250, 50_000];
    let mut outcomes = Vec::new();
    for depth in depths {
        let wrap = |open: &str, core: &str, close: &str| {
            format!("x = {}{core}{}", open.repeat(depth), close.repeat(depth))
        };
        let blocks = |header: &str| {
            let body = repeated(depth.min(300), |i| format!("{}{header}\n", " ".repeat(i)));
            format!("{body}{}x = 1\n", " ".repeat(depth.min(300)))
        };
        for source in [
            wrap("(", "1", ")"),
            wrap("[", "1", "]"),
            wrap("{'a': ", "1", "}"),
            wrap("-", "(2 + 3)", ""),
            wrap("not ", "1", ""),
            wrap("2 ** ", "0", ""),
            wrap("(1 + ", "1", ")"),
            wrap("(0 or 1 and 2 == 3 + 4 * ", "1", ")"),
            wrap("(1 if 0 else ", "1", ")"),
            wrap("str(", "1", ")"),
            wrap("[1, 2][", "0", "]"),
            wrap("(lambda :: ", "1", ")()"),
            wrap("lambda :: ", "1", ""),
            wrap("[x for x in ", "[1]", "]"),
            wrap("{x for x in ", "[1]", "}"),
            blocks("if 1:"),
            blocks("while 1:"),
            blocks("for a in [1]:"),
            blocks("try:").replace("x = 1", "x = 1 / 0"),
            blocks("def f():"),
        ] {
            let error = run(source).error;
            if depth > 200 {
                assert!(error.is_some());
            }
            outcomes.push(error.map(|(kind, _)| kind));
        }
    }
    assert!(outcomes.iter().flatten().all(|kind| !kind.is_empty()));
}

#[test]
fn large_sources_stay_within_memory() {
    for (unit, count) in
        [("1;", 3_000_000), ("a = [1, 2, 3]\n", 300_000), ("f(x, y=2)\n", 300_000), ("(", 5_000_000)]
    {
        let end = run(unit.repeat(count));
        let (kind, _) = end.error.expect("an error");
        assert!(
            kind == "MemoryLimitError" || kind == "SyntaxError" || kind == "NameError",
            "{unit:?}: {kind}"
        );
    }
}

#[test]
fn results_count_against_memory_while_they_are_sent() {
    for source in
        ["[1] * 2500000", "['ab'] * 2000000", "'x' * 40000000", "[[1, 2]] * 1500000", "range(3000000)"]
    {
        let end = run(source.to_owned());
        if let Some((kind, message)) = end.error {
            assert!(
                kind == "MemoryLimitError" || message.contains("sent to the host"),
                "{source}: {kind}: {message}"
            );
        }
    }
}
