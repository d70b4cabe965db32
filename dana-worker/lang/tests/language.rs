//! Runs every program of `tests/language/`.
//!
//! Beside `name.na` stand `name.out` (all it prints), `name.err` if it must fail (the whole error), and
//! `name.value` where the value of the program matters. With `UPDATE_EXPECT=1` the files are rewritten; the result is to be read before it is committed.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use dana_lang::serve::{Closed, Outbox, Server};
use dana_wire::{Budget, Datum, Fault, Outcome, SessionLimits, Start, ToHost, ToWorker};

/// What a program did.
#[derive(Default)]
struct Seen {
    output: String,
    asks: Vec<u32>,
    end: Option<Result<Datum, Fault>>,
}

impl Outbox for Seen {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Output { text } => self.output.push_str(text),
            ToHost::Ask { ask, .. } => self.asks.push(*ask),
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
    while let Some(ask) = seen.asks.pop() {
        let outcome = Outcome::Failed { kind: "ResourceError".into(), message: "nobody to ask".into() };
        server.handle(ToWorker::Answer { ask, outcome }, &[], &mut seen).expect("an answer in turn");
    }
    seen
}

const TRACE_SHOWN: usize = 40;

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
    if !fault.trace.is_empty() {
        out.push_str("Dana trace (outermost call first):\n");
    }
    // A long one is cut in the middle, as the package cuts it.
    let skipped = if fault.trace.len() > TRACE_SHOWN { fault.trace.len() - TRACE_SHOWN } else { 0 };
    for (at, frame) in fault.trace.iter().enumerate() {
        if skipped > 0 && (TRACE_SHOWN / 2..TRACE_SHOWN / 2 + skipped).contains(&at) {
            if at == TRACE_SHOWN / 2 {
                let _ = writeln!(out, "  ... {skipped} more calls ...");
            }
            continue;
        }
        let place = place(frame.file.as_deref(), frame.line, frame.column);
        let _ = writeln!(out, "  File {place}, in {}", frame.function);
        excerpt(&mut out, frame.source.as_deref(), frame.column);
    }
    if let Some(hint) = &fault.hint {
        let _ = writeln!(out, "Hint: {hint}");
    }
    if let Some(cause) = &fault.cause {
        out.push_str("Caused by ");
        out.push_str(&render(cause));
    }
    out
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
        expect(&program.with_extension("err"), &error, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} of {} programs\n{}", wrong.len(), programs.len(), wrong.join("\n"));
}
