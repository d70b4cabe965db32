//! The functions of `dana_lang::text` against answers of CPython 3.12, recorded by `tables/make_text.py`.

use dana_lang::text::{self, Fault, Integer, Spec, percent};
use num_bigint::BigInt;

const ROOM: usize = 1 << 20;
static TABLE: &str = include_str!("tables/text.tsv");

#[test]
fn every_row_agrees() {
    let mut wrong = Vec::new();
    for line in TABLE.lines() {
        let cells: Vec<String> = line.split('\t').map(unescaped).collect();
        let Some((wanted, call)) = cells.split_last() else { continue };
        let Some((name, arguments)) = call.split_first() else { continue };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let found = match answer(name, &arguments) {
            Ok(found) => found,
            Err(fault @ Fault::Value(_)) => format!("!ValueError: {fault}"),
            Err(fault @ Fault::Type(_)) => format!("!TypeError: {fault}"),
            Err(fault @ Fault::Overflow(_)) => format!("!OverflowError: {fault}"),
            Err(fault) => format!("!{fault}"),
        };
        if !agrees(&found, wanted) {
            wrong.push(format!("{name} {arguments:?}: wanted {wanted:?}, found {found:?}"));
        }
    }
    let shown = wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} rows of {} disagree:\n{shown}", wrong.len(), TABLE.lines().count());
}

/// The advice that CPython appends to its digit-limit message names a function Dana does not have.
fn agrees(found: &str, wanted: &str) -> bool {
    let wanted = wanted.split("; use sys.set_int_max_str_digits").next().unwrap_or(wanted);
    found == wanted
}

fn unescaped(cell: &str) -> String {
    let mut out = String::new();
    let mut rest = cell;
    while let Some((before, after)) = rest.split_once("\\u{") {
        out.push_str(before);
        let (code, next) = after.split_once('}').expect("an escape ends with a brace");
        out.push(u32::from_str_radix(code, 16).ok().and_then(char::from_u32).expect("a code point"));
        rest = next;
    }
    out + rest
}

fn answer(name: &str, arguments: &[&str]) -> Result<String, Fault> {
    let at = |index: usize| arguments.get(index).copied().unwrap_or_default();
    let number = |index: usize| at(index).parse::<i64>().ok();
    let amount = |index: usize| number(index).and_then(|number| usize::try_from(number).ok());
    let width = || amount(1).unwrap_or(0);
    let fill = || at(2).chars().next().unwrap_or(' ');
    let float = |index: usize| f64::from_bits(u64::from_str_radix(at(index), 16).expect("bits of a float"));
    let integer = |index: usize| at(index).parse::<BigInt>().expect("an integer");
    let bounds = || text::clamp(at(0), number(2), number(3));
    let index = |found: Option<usize>| Ok(found.map_or_else(|| "-1".to_owned(), |found| found.to_string()));
    let truth = |found: bool| Ok(if found { "True" } else { "False" }.to_owned());
    let list = |found: Vec<&str>| Ok(found.join("|"));
    match name {
        "repr_float" => Ok(text::repr_float(float(0))),
        "format_float" if at(1).is_empty() => Ok(text::repr_float(float(0))),
        "format_float" => text::format_float(float(0), &Spec::parse(at(1), "float")?, ROOM),
        "format_int" => {
            let spec = Spec::parse(at(1), "int")?;
            let by_big = text::format_int(Integer::Big(&integer(0)), &spec, "int", ROOM);
            if let Some(small) = number(0)
                && spec.kind != Some('c')
            {
                assert_eq!(text::format_int(Integer::Small(small), &spec, "int", ROOM), by_big);
                return by_big;
            }
            match number(0) {
                Some(small) => text::format_int(Integer::Small(small), &spec, "int", ROOM),
                None => by_big,
            }
        }
        "format_str" => text::format_str(at(0), &Spec::parse(at(1), "str")?, ROOM),
        "quote" => {
            let mut out = String::new();
            text::quote(&mut out, at(0));
            Ok(out)
        }
        "upper" => Ok(text::upper(at(0))),
        "lower" => Ok(text::lower(at(0))),
        "title" => Ok(text::title(at(0))),
        "capitalize" => Ok(text::capitalize(at(0))),
        "swapcase" => Ok(text::swapcase(at(0))),
        "casefold" => Ok(text::casefold(at(0))),
        "isalpha" => truth(text::is_alpha(at(0))),
        "isalnum" => truth(text::is_alnum(at(0))),
        "isdecimal" => truth(text::is_decimal(at(0))),
        "isdigit" => truth(text::is_digit(at(0))),
        "isnumeric" => truth(text::is_numeric(at(0))),
        "isspace" => truth(text::is_space(at(0))),
        "isascii" => truth(text::is_ascii(at(0))),
        "isprintable" => truth(text::is_printable(at(0))),
        "isidentifier" => truth(text::is_identifier(at(0))),
        "isupper" => truth(text::is_upper(at(0))),
        "islower" => truth(text::is_lower(at(0))),
        "istitle" => truth(text::is_title(at(0))),
        "splitlines" => list(text::split_lines(at(0), at(1) == "1")),
        "split_space" => list(text::split_space(at(0), amount(1))),
        "rsplit_space" => list(text::rsplit_space(at(0), amount(1))),
        "split" => list(text::split(at(0), at(1), amount(2))),
        "rsplit" => list(text::rsplit(at(0), at(1), amount(2))),
        "partition" => {
            let (before, mark, after) = text::partition(at(0), at(1));
            list(vec![before, mark, after])
        }
        "rpartition" => {
            let (before, mark, after) = text::rpartition(at(0), at(1));
            list(vec![before, mark, after])
        }
        "find" => index(text::find(at(0), at(1), bounds())),
        "rfind" => index(text::rfind(at(0), at(1), bounds())),
        "count" => Ok(text::count(at(0), at(1), bounds()).to_string()),
        "startswith" => truth(text::starts_with(at(0), at(1), bounds())),
        "endswith" => truth(text::ends_with(at(0), at(1), bounds())),
        "replace" => text::replace(at(0), at(1), at(2), amount(3), ROOM),
        "strip" => Ok(text::strip(at(0), Some(at(1))).to_owned()),
        "strip_space" => Ok(text::strip(at(0), None).to_owned()),
        "center" => text::center(at(0), width(), fill(), ROOM),
        "ljust" => text::ljust(at(0), width(), fill(), ROOM),
        "rjust" => text::rjust(at(0), width(), fill(), ROOM),
        "zfill" => text::zfill(at(0), width(), ROOM),
        "expandtabs" => text::expandtabs(at(0), width(), ROOM),
        "int" => {
            let mut quoted = String::new();
            text::quote(&mut quoted, at(0));
            let base = amount(1).and_then(|base| u32::try_from(base).ok()).unwrap_or(10);
            let found = text::parse_bigint(at(0), base, &quoted)?;
            if base == 10
                && let Some(small) = text::parse_decimal(at(0))
            {
                assert_eq!(BigInt::from(small), found);
            }
            text::format_bigint(&found)
        }
        "float" => match text::parse_float(at(0)) {
            Some(found) if found.is_nan() => Ok("nan".to_owned()),
            Some(found) => Ok(format!("{:016x}", found.to_bits())),
            None => {
                let mut quoted = String::new();
                text::quote(&mut quoted, at(0));
                Err(Fault::Value(format!("could not convert string to float: {quoted}")))
            }
        },
        "percent_int" => percent::integer(Integer::Big(&integer(1)), layout(at(0))?, ROOM),
        "percent_float" => percent::float(float(1), layout(at(0))?, ROOM),
        "percent_str" => percent::text(at(1), layout(at(0))?, ROOM),
        _ => panic!("unknown function {name}"),
    }
}

fn layout(template: &str) -> Result<percent::Layout, Fault> {
    let given = |amount| match amount {
        percent::Amount::Given(amount) => amount,
        percent::Amount::Argument => 0,
    };
    match percent::parts(template).next() {
        Some(Ok(percent::Part::Conversion(found))) => Ok(percent::Layout {
            left: found.left,
            sign: found.sign,
            alternate: found.alternate,
            zero: found.zero,
            width: given(found.width),
            precision: found.precision.map(given),
            kind: found.kind,
        }),
        Some(Err(fault)) => Err(fault),
        other => panic!("{template} begins with {other:?}"),
    }
}

/// Random texts over the characters that mean something somewhere: every reader answers, none panics.
#[test]
fn awkward_texts_never_panic() {
    let alphabet: Vec<char> =
        "{}[]!:.0123456789<>^=+-# ,_%sdfegxXbocnz*()\"'\\ua\n\té\u{3a3}\u{10ffff}`FINAL_ANSWER"
            .chars()
            .collect();
    let mut state = 5_u64;
    let mut roll = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % sides
    };
    for _ in 0..20_000 {
        let length = roll(14);
        let source: String = (0..length).filter_map(|_| alphabet.get(roll(alphabet.len()))).collect();
        if let Ok(spec) = Spec::parse(&source, "int") {
            let _ = text::format_int(Integer::Small(-12345), &spec, "int", 4096);
            let _ = text::format_int(Integer::Big(&(BigInt::from(7) << 90)), &spec, "int", 4096);
            for number in [0.0, -1.5, 1e300, f64::NAN, f64::NEG_INFINITY] {
                let _ = text::format_float(number, &spec, 4096);
            }
            let _ = text::format_str("aé\u{3a3}", &spec, 4096);
        }
        let _ = text::template::parts(&source).count();
        let _ = text::template::path(&source);
        percent::parts(&source).for_each(drop);
        if source.starts_with('%')
            && !source.starts_with("%%")
            && let Ok(layout) = layout(&source)
        {
            let _ = percent::integer(Integer::Small(-255), layout, 4096);
            let _ = percent::float(2.5, layout, 4096);
            let _ = percent::text("é", layout, 4096);
        }
        let mut reader = text::json::Reader::new(&source);
        while let Ok(Some(_)) = reader.next_event() {}
        let _ = (text::parse_float(&source), text::parse_bigint(&source, 0, ""), text::fuzzy_truth(&source));
        let _ =
            (text::final_answer(&source), text::unfenced(&source), text::nearest(&source, ["final", "a.b"]));
        let _ =
            (text::title(&source), text::casefold(&source), text::swapcase(&source), text::is_title(&source));
        let _ = (
            text::split_lines(&source, true),
            text::rsplit_space(&source, Some(1)),
            text::clamp(&source, Some(-3), Some(2)),
        );
    }
}
