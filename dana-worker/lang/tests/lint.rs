//! Findings: beside `tests/lint/name.na` stands `name.out`, a line for each (`UPDATE_EXPECT=1` rewrites these; the result
//! is to be read). What the page docs/CHECK.md shows is tested from Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use dana_lang::lint::{Options, check};
use dana_lang::syntax::Source;

fn programs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = entries.filter(|it| it.extension().is_some_and(|it| it == "na")).collect();
    found.sort();
    found
}

fn told(source: &str) -> String {
    let places = Source::new(source);
    let mut out = String::new();
    for finding in check(source, &Options::default()) {
        let start = places.position(finding.span.start);
        let end = (finding.span.end as usize).min(source.len());
        let text = source.get((finding.span.start as usize).min(end)..end).expect("a place in the source");
        let first = text.lines().next().unwrap_or_default();
        let hint = finding.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        let (line, column, code) = (start.line, start.column, finding.code.name);
        out += &format!("{line}:{column} {code} `{first}` {}{hint}\n", finding.message);
    }
    out
}

#[test]
fn the_findings() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let found = programs("tests/lint");
    assert!(found.len() >= 4, "{found:?}");
    for path in found {
        let source = fs::read_to_string(&path).expect("a program");
        let expected = path.with_extension("out");
        let out = told(&source);
        if update {
            fs::write(&expected, &out).expect("written");
        }
        assert_eq!(out, fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
    }
}

/// Every finding lies in its source, whatever the source; and again after a change somewhere.
#[test]
fn findings_of_any_source() {
    for path in programs("../../tests/language") {
        let source = fs::read_to_string(&path).expect("a program");
        told(&source);
        for at in (0..source.len()).step_by(97).filter(|&at| source.is_char_boundary(at)) {
            told(&source[..at]);
        }
    }
}

/// No check takes more than a little for each line, whatever there is much of.
#[test]
fn much_of_everything() {
    let n = 30_000;
    let sources = [
        (0..n).map(|i| format!("name_{i}\n")).collect::<String>(),
        (0..n).map(|i| format!("name_{i} = {i}\n")).collect(),
        (0..n).map(|i| format!("def f_{i}(a):\n  b = 1\n  return a\n  c\n")).collect(),
        format!("def f():\n{}  return 1\n", "  def g():\n    pass\n".repeat(n)),
        "if 1:\n  x = 1 < 2 < 3\n".repeat(n),
        format!("x = {{{}}}\n", "'a': 1, ".repeat(n)),
        format!("struct S:\n  a: int\n{}", "S(b=1)\n".repeat(n)),
        "print(a)  # check: ignore\n".repeat(n),
        format!("for x in y:\n{}", "  print(z)\n".repeat(n)) + "z = 1\n",
    ];
    for source in &sources {
        let start = Instant::now();
        check(source, &Options::default());
        println!("{:?} for {}", start.elapsed(), &source[..20]);
    }
}
