//! Numbers and texts, with a liking for those at the edges.

use super::choices::Choices;
use super::tree::{Expr, Quoted};

const INTS: &[&str] = &[
    "10",
    "16",
    "31",
    "32",
    "63",
    "64",
    "100",
    "127",
    "128",
    "255",
    "256",
    "999",
    "1000",
    "1024",
    "12345",
    "65535",
    "65536",
    "99999",
    "1000000",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "4611686018427387904",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1000000000000000000",
    "10000000000000000000000",
    "99999999999999999999999999999",
    "340282366920938463463374607431768211456",
];

const FLOATS: &[&str] = &[
    "0.0",
    "0.5",
    "1.0",
    "1.5",
    "2.5",
    "3.5",
    "0.1",
    "0.2",
    "0.3",
    "2.675",
    "1.005",
    "0.125",
    "0.001",
    "1e-3",
    "0.0001",
    "0.00001",
    "1e-5",
    "1e5",
    "1e15",
    "1e16",
    "1e17",
    "123456789012345678.0",
    "9007199254740993.0",
    "1e22",
    "1e23",
    "1e100",
    "1e300",
    "1.7976931348623157e308",
    "2.2250738585072014e-308",
    "5e-324",
    "1e-300",
    "3.141592653589793",
    ".5",
    "5.",
    "99.995",
    "999999.5",
    "0.99999",
    "1234567.891",
    "1e21",
    "4.35",
    "8.5",
    "1e308",
    "9223372036854775808.0",
    "0.045",
    "1E2",
];

pub(crate) fn int(choices: &mut Choices<'_>) -> Expr {
    let digits = match choices.below(16) {
        0..=8 => choices.below(12).to_string(),
        9..=12 => choices.pick(INTS).to_owned(),
        13 | 14 => choices.below(1_000_000).to_string(),
        _ => {
            let count = 1 + choices.below(24);
            let mut digits = (1 + choices.below(9)).to_string();
            for _ in 0..count {
                digits.push_str(&choices.below(10).to_string());
            }
            digits
        }
    };
    signed(choices, Expr::Number(digits))
}

/// An integer that serves as a position or a count.
pub(crate) fn small(choices: &mut Choices<'_>) -> i64 {
    const SMALL: &[i64] = &[0, 1, 2, 3, -1, -2, 4, 5, -3, 6, 8, 10, -5, 12, 20, -20];
    choices.pick(SMALL)
}

pub(crate) fn float(choices: &mut Choices<'_>) -> Expr {
    if choices.once_in(30) {
        return infinite(choices);
    }
    let source = match choices.below(10) {
        0..=5 => choices.pick(FLOATS).to_owned(),
        6 => format!("{}.{}", choices.below(100), choices.below(1000)),
        7 => format!("{}.{}", choices.below(1_000_000), choices.below(1_000_000)),
        8 => format!("{}e{}", choices.below(10_000), choices.below(40)),
        _ => format!("{}.{}e-{}", choices.below(10), choices.below(1_000_000), choices.below(320)),
    };
    signed(choices, Expr::Number(source))
}

/// Not a number is left out: whether two of them are the same object is Python's own affair.
fn infinite(choices: &mut Choices<'_>) -> Expr {
    let name = choices.pick(&["\"inf\"", "'-inf'", "'Infinity'"]);
    Expr::call("float", vec![Expr::Text(Quoted { source: name.to_owned() })])
}

fn signed(choices: &mut Choices<'_>, number: Expr) -> Expr {
    if choices.once_in(4) { Expr::Unary("-", Box::new(number)) } else { number }
}

const WORDS: &[&str] = &[
    "",
    "a",
    "b",
    "abc",
    "Hello World",
    "hello",
    "x y  z",
    "  pad ",
    "a,b,,c",
    "one two",
    "12",
    "-7",
    " 42 ",
    "3.5",
    "1e3",
    "inf",
    "0",
    "007",
    "1_000",
    "True",
    "no",
    "yes",
    "None",
    "aXbXc",
    "abcabc",
    "Hello",
    "HELLO",
    "hELLO wORLD",
    "it's",
    "say \"hi\"",
    "both ' and \"",
    "a\\b",
    "tab\there",
    "line\nbreak",
    "a\r\nb\rc",
    "key",
    "%d",
    "{}",
    "{0}",
    "%",
    "aaa",
    "banana",
    "  ",
    "x1",
    "_id",
    "they're bill's",
    "3rd",
    "-0",
    "+5",
    "0x1f",
    "nan",
    "1.",
    ".5",
    "1__0",
    "_1",
    "1e400",
    "00.10",
    "Infinity",
    "-inf",
    "1e",
    "a-b_c",
];

const CHARS: &[char] = &[
    'a',
    'b',
    'A',
    'Z',
    'z',
    '0',
    '9',
    ' ',
    '\t',
    '\n',
    '.',
    ',',
    '-',
    '_',
    '\'',
    '"',
    '\\',
    '{',
    '}',
    '%',
    'é',
    'ß',
    'İ',
    'ı',
    'ǆ',
    'ǅ',
    'Σ',
    'ς',
    'σ',
    'ΐ',
    'ﬁ',
    'ŉ',
    '٣',
    '²',
    '½',
    'Ⅷ',
    '日',
    '本',
    '😀',
    '\u{301}',
    '\u{a0}',
    '\u{85}',
    '\u{1c}',
    '\u{2028}',
    '\u{3000}',
    '\u{200b}',
    '\u{ad}',
    '\u{feff}',
    '\u{7f}',
    '\u{0}',
    '\u{b}',
    '\u{c}',
    '\r',
    '𝔘',
    '𐐀',
    '𐐨',
    'ª',
    'ʰ',
    'Ა',
    'ა',
    'Ꭰ',
    'ꭰ',
    'ᾳ',
    'ᾼ',
    'K',
    '\u{345}',
    '\u{1f}',
    '\u{e000}',
    '\u{10ffff}',
    '\u{378}',
    '·',
    '℘',
    '一',
    '①',
    '〇',
    '𝟘',
    '๕',
    '\u{200d}',
    '\u{fe0f}',
    '⅓',
    '零',
    'µ',
    'ſ',
];

/// Characters that Unicode had before the version of the oldest Python that the tests run with.
const RANGES: &[(u32, u32)] =
    &[(0x20, 0x7e), (0xa1, 0x24f), (0x391, 0x3ff), (0x400, 0x4ff), (0x1e00, 0x1eff), (0x2150, 0x2188)];

pub(crate) fn character(choices: &mut Choices<'_>) -> char {
    match choices.below(4) {
        0 => choices.pick(&['x', 'a', 'b', ' ', ',', '-']),
        1 | 2 => choices.pick(CHARS),
        _ => {
            let (first, last) = choices.pick(RANGES);
            let code = first as usize + choices.below((last - first + 1) as usize);
            u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('x')
        }
    }
}

pub(crate) fn text(choices: &mut Choices<'_>) -> String {
    match choices.below(6) {
        0..=2 => choices.pick(WORDS).to_owned(),
        3 => format!("{}{}", choices.pick(WORDS), choices.pick(WORDS)),
        _ => {
            let count = choices.below(7);
            (0..count).map(|_| character(choices)).collect()
        }
    }
}

/// A literal for a text, in one of the forms it can take.
pub(crate) fn quoted(choices: &mut Choices<'_>, text: &str) -> Expr {
    let quote = choices.pick(&["\"", "'", "\"\"\"", "'''"]);
    let raw = choices.once_in(6)
        && !text.contains(['\\', '\'', '"', '\n', '\r', '\0'])
        && !text.chars().any(char::is_control);
    if raw {
        return Expr::Text(Quoted { source: format!("r{quote}{text}{quote}") });
    }
    let spelled_out = choices.once_in(4);
    let mut source = quote.to_owned();
    for character in text.chars() {
        escape(&mut source, character, quote, spelled_out);
    }
    source.push_str(quote);
    Expr::Text(Quoted { source })
}

/// Escapes of section 2.3 only: Dana keeps Python's others (`\a`, `\v`, octal, `\N`) as they are.
pub(crate) fn escape(out: &mut String, character: char, quote: &str, spelled_out: bool) {
    match character {
        '\\' => out.push_str("\\\\"),
        '\n' if quote.len() == 3 && !spelled_out => out.push('\n'),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' if spelled_out => out.push_str("\\t"),
        '"' | '\'' if quote.starts_with(character) || spelled_out => {
            out.push('\\');
            out.push(character);
        }
        // A zero before a digit would be an octal escape in Python, and a bare one is not allowed in its sources.
        '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", character as u32)),
        _ if !spelled_out => out.push(character),
        _ => match character as u32 {
            code @ 0x80..=0xff => out.push_str(&format!("\\x{code:02x}")),
            code @ 0x100..=0xffff => out.push_str(&format!("\\u{code:04X}")),
            code @ 0x1_0000.. => out.push_str(&format!("\\U{code:08x}")),
            _ => out.push(character),
        },
    }
}
