//! The canonical style: beside `tests/style/name.na` stands `name.out`, what it becomes (`UPDATE_EXPECT=1` rewrites
//! these; the result is to be read). Whatever is formatted stays the same program with the same comments, which
//! `format` itself proves or refuses: here no refusal is allowed, and formatting again changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use dana_lang::style::{StyleError, WIDTH, format};
use dana_lang::syntax::parse;

fn programs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "na") {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}

/// The text in the style, if it is Dana at all; nothing else may be wrong with it.
#[track_caller]
fn formatted(source: &str, name: &str) -> Option<String> {
    let once = match format(source) {
        Ok(text) => text,
        Err(StyleError::Syntax(fault)) => {
            assert_eq!(parse(source).err(), Some(fault), "{name}");
            return None;
        }
        Err(other) => panic!("{name}: {other}\n{source}"),
    };
    let twice = format(&once).unwrap_or_else(|error| panic!("{name}: again: {error}\n{once}"));
    assert_eq!(once, twice, "{name}: not idempotent\n{source}");
    Some(once)
}

#[test]
fn the_style() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let found = programs("tests/style");
    assert!(found.len() >= 8, "{found:?}");
    for path in found {
        let source = fs::read_to_string(&path).expect("a program");
        let text = formatted(&source, &path.display().to_string()).expect("Dana");
        let expected = path.with_extension("out");
        if update {
            fs::write(&expected, &text).expect("written");
        }
        assert_eq!(text, fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
    }
}

#[test]
fn every_program_stays_what_it_is() {
    let found = programs("../../tests/language");
    assert!(found.len() > 300);
    for path in found {
        let source = fs::read_to_string(&path).expect("a program");
        let name = path.display().to_string();
        if let Some(text) = formatted(&source, &name) {
            let windows = format(&source.replace("\r\n", "\n").replace('\n', "\r\n")).expect("Dana");
            assert_eq!(windows.replace("\r\n", "\n"), text.replace("\r\n", "\n"), "{name}");
        }
    }
}

/// Numbers that only look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// Programs with layout thrown in anywhere: those that still are Dana stay what they are.
#[test]
fn strange_layouts() {
    let scraps = [
        " ",
        "\n",
        "\t",
        "  # c\n",
        "# c\n",
        "\n\n\n",
        ";",
        "\r\n",
        "(",
        ")",
        "[",
        "]",
        ",",
        "{",
        "}",
        "\n    ",
        "\n        # deep\n",
        "'",
        ":",
        "lambda x :: ",
        "    ",
        "-",
        ".",
    ];
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    let mut kept = 0;
    for path in programs("../../tests/language") {
        let source = fs::read_to_string(&path).expect("a program");
        let blanks: Vec<usize> =
            source.char_indices().filter(|(_, it)| !it.is_alphanumeric()).map(|(at, _)| at).collect();
        if blanks.is_empty() {
            continue;
        }
        for _ in 0..20 {
            let mut text = source.clone();
            for _ in 0..=dice.roll(3) {
                let at = blanks[dice.roll(blanks.len())];
                if dice.roll(4) == 0 && text.is_char_boundary(at) && at < text.len() {
                    text.remove(at);
                } else if text.is_char_boundary(at) {
                    text.insert_str(at, scraps[dice.roll(scraps.len())]);
                }
            }
            kept += usize::from(formatted(&text, &path.display().to_string()).is_some());
        }
    }
    assert!(kept > 1000, "only {kept} mutants were Dana");
}

#[test]
fn long_and_deep_sources() {
    let lines = "if x:\n  y = [1,2 , 3]# c\n".repeat(100_000);
    assert!(formatted(&lines, "many lines").expect("Dana").len() > lines.len());
    let one = format!("x = [{}]", "1,".repeat(1_000_000));
    assert!(formatted(&one, "one line").expect("Dana").lines().count() > 1_000_000);
    let chain = format!("x = f({})", "a + ".repeat(300_000) + "b");
    assert_eq!(formatted(&chain, "a chain").expect("Dana").lines().count(), 1);
    let deep = format!("x = {}1{}", "[".repeat(190), "]".repeat(190));
    assert_eq!(formatted(&deep, "deep").expect("Dana"), format!("{deep}\n"));
    let comments = "# c\n".repeat(300_000);
    assert_eq!(formatted(&comments, "comments").expect("Dana"), comments);
    let definitions = "def f():\n pass\n".repeat(100_000);
    assert!(formatted(&definitions, "definitions").is_some());
    let blocks: String = (0..190).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect();
    assert!(formatted(&format!("{blocks}{}y", " ".repeat(190)), "blocks").is_some());
    let fields = format!("x = f'{}'", "{a}".repeat(200_000));
    assert!(formatted(&fields, "fields").is_some());
}

#[test]
fn a_text_that_would_grow_without_end_is_refused() {
    let open = "[\n".repeat(190);
    let source = format!("x = {open}{}{}", "1,\n".repeat(500_000), "]\n".repeat(190));
    assert_eq!(format(&source), Err(StyleError::TooLong));
}

#[test]
fn lines_fit_where_they_can() {
    let names: Vec<String> = (0..30).map(|number| format!("argument_{number}")).collect();
    for text in
        [format!("result = call({})", names.join(", ")), format!("def f({}):\n  pass", names.join(", "))]
    {
        let text = formatted(&text, "long").expect("Dana");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }
}
