//! Runs every program of `tests/language/`.
//!
//! Beside `name.na` stand `name.out` (all it prints), `name.err` if it must fail (the whole error), and
//! `name.value` where the value of the program matters, `name.asked` where the questions to the model do. What the
//! program asks is answered by [`script`]. With `UPDATE_EXPECT=1` the files are rewritten; the result is to be read before it is committed.

mod script;

use std::collections::VecDeque;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use dana_lang::serve::{Closed, Outbox, Server};
use dana_wire::{Budget, Datum, Fault, Question, SessionLimits, Start, ToHost, ToWorker};
use script::Script;

/// What a program did.
#[derive(Default)]
struct Seen {
    output: String,
    asks: VecDeque<(u32, Question)>,
    asked: String,
    end: Option<Result<Datum, Fault>>,
}

impl Outbox for Seen {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Output { text } => self.output.push_str(text),
            ToHost::Ask { ask, question } => self.asks.push_back((*ask, question.clone())),
            ToHost::Done { .. } => {
                self.end = Some(Ok(Datum::decode(payload, &Budget::FROM_WORKER).expect("a whole value")));
            }
            ToHost::Failed { fault, .. } => self.end = Some(Err(fault.clone())),
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

fn run(path: &Path) -> Seen {
    let source = std::fs::read_to_string(path).expect("a readable program");
    let filename = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let limits = SessionLimits {
        steps: Some(200_000_000),
        memory: Some(256 << 20),
        depth: 1000,
        output: Some(1 << 20),
    };
    let mut server = Server::new(Start { limits, seed: [1, 2], functions: Vec::new() });
    let mut seen = Seen::default();
    server.handle(ToWorker::Run { turn: 1, filename, source }, &[], &mut seen).expect("a turn");
    let mut script = Script::beside(path);
    while let Some((ask, question)) = seen.asks.pop_front() {
        let (outcome, payload) = script.answer(&question);
        server.handle(ToWorker::Answer { ask, outcome }, &payload, &mut seen).expect("an answer in turn");
    }
    seen.asked = script.asked;
    seen
}

/// What the package shows of a trace.
const TRACE_SHOWN: usize = 40;
const REPEATS_SHOWN: usize = 3;

/// The error as the Python package shows it.
fn render(fault: &Fault) -> String {
    let mut out = match fault.message.as_str() {
        message if fault.syntax => {
            format!("Syntax Error (line {}, column {}): {message}", fault.line, fault.column)
        }
        "" => fault.kind.clone(),
        message => format!("{}: {message}", fault.kind),
    };
    out.push('\n');
    if fault.file.is_some() || fault.line > 0 {
        let _ = writeln!(out, "  File {}", place(fault.file.as_deref(), fault.line, fault.column));
    }
    excerpt(&mut out, fault.excerpt.as_deref(), fault.column);
    calls(&mut out, fault);
    if let Some(hint) = &fault.hint {
        let _ = writeln!(out, "Hint: {hint}");
    }
    if let Some(cause) = &fault.cause {
        out.push_str("Caused by ");
        out.push_str(&render(cause));
    }
    out
}

/// The calls that led there, unless the place says it all.
fn calls(out: &mut String, fault: &Fault) {
    let here = (fault.file.as_deref(), fault.line, fault.column);
    let mut told: Vec<String> = Vec::new();
    for frame in &fault.trace {
        let there = (frame.file.as_deref().or(here.0), frame.line, frame.column);
        let mut text = format!("  File {}, in {}\n", place(there.0, there.1, there.2), frame.function);
        if there == here {
            if fault.trace.len() == 1 {
                return;
            }
        } else {
            excerpt(&mut text, frame.source.as_deref(), frame.column);
        }
        told.push(text);
    }
    let mut shown: Vec<String> = Vec::new();
    for run in told.chunk_by(|a, b| a == b) {
        shown.extend_from_slice(run.get(..REPEATS_SHOWN).unwrap_or(run));
        if run.len() > REPEATS_SHOWN {
            shown.push(format!("  ... the same call {} more times ...\n", run.len() - REPEATS_SHOWN));
        }
    }
    if shown.is_empty() {
        return;
    }
    out.push_str("Dana trace (outermost call first):\n");
    // A long one is cut in the middle.
    let skipped = shown.len().saturating_sub(TRACE_SHOWN);
    for (at, text) in shown.iter().enumerate() {
        match at.checked_sub(TRACE_SHOWN / 2) {
            Some(0) if skipped > 0 => out.push_str(&format!("  ... {skipped} more calls ...\n")),
            Some(past) if past < skipped => {}
            _ => out.push_str(text),
        }
    }
}

fn place(file: Option<&str>, line: u32, column: u32) -> String {
    format!("\"{}\", line {line}, column {column}", file.unwrap_or("<string>"))
}

fn excerpt(out: &mut String, source: Option<&str>, column: u32) {
    let Some(source) = source else { return };
    let text = source.trim_start();
    let indent = source.chars().count() - text.chars().count();
    let caret = (column as usize).saturating_sub(1 + indent);
    let _ = writeln!(out, "    {}\n    {}^", text.trim_end(), " ".repeat(caret));
}

fn expect(path: &Path, got: &str, wrong: &mut Vec<String>) {
    let wanted = std::fs::read_to_string(path).unwrap_or_default();
    if wanted == got {
        return;
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        if got.is_empty() {
            let _ = std::fs::remove_file(path);
        } else {
            std::fs::write(path, got).expect("a writable directory");
        }
        return;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let at = wanted.lines().zip(got.lines()).take_while(|(wanted, got)| wanted == got).count();
    let rest = |text: &str| text.lines().skip(at).take(12).collect::<Vec<_>>().join("\n  ");
    wrong.push(format!("{name}:{}\n- {}\n+ {}", at + 1, rest(&wanted), rest(got)));
}

#[test]
fn programs_do_what_is_written_beside_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/language");
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut programs: Vec<PathBuf> = std::fs::read_dir(&root)
        .expect("tests/language")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "na"))
        .filter(|path| path.to_string_lossy().contains(&only))
        .collect();
    programs.sort();
    assert!(!programs.is_empty());
    let mut wrong = Vec::new();
    for program in &programs {
        let seen = run(program);
        expect(&program.with_extension("out"), &seen.output, &mut wrong);
        let mut value = Datum::None;
        let error = match seen.end {
            Some(Ok(result)) => {
                value = result;
                String::new()
            }
            Some(Err(fault)) => render(&fault),
            None => "the turn never ended\n".to_string(),
        };
        if program.with_extension("value").exists() {
            expect(&program.with_extension("value"), &format!("{value:?}\n"), &mut wrong);
        }
        if program.with_extension("asked").exists() {
            expect(&program.with_extension("asked"), &seen.asked, &mut wrong);
        }
        expect(&program.with_extension("err"), &error, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} of {} programs\n{}", wrong.len(), programs.len(), wrong.join("\n"));
}
