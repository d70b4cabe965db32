//! The corpus of hostile frames: rows 76, 77, 79 to 83 of the attack corpus. Each must be refused
//! with the violation that fits, at once, and without memory.

use std::time::{Duration, Instant};

use dana_meter::Meter;
use dana_wire::{
    Allowance, Budget, Datum, KEYWORDS, KeyFault, MAX_DEPTH, MESSAGE_BYTES, MESSAGES, NAME_BYTES, Question,
    TEXT_BYTES, ToHost, Violation, open, validate, write_header,
};

const HOST: Budget = Budget::FROM_WORKER;

/// Generous, for debug builds on busy machines; what loops or backtracks takes far longer.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What is expected, without the positions.
#[derive(Debug, PartialEq)]
enum Is {
    Truncated,
    Count,
    Byte(u8),
    Text,
    Integer,
    Tagged,
    Column,
    Key(KeyFault),
    Over(Allowance),
    More,
    Less,
    Header,
}

fn class(violation: &Violation) -> Is {
    match violation {
        Violation::Truncated { .. } => Is::Truncated,
        Violation::Count { .. } => Is::Count,
        Violation::Byte { byte, .. } => Is::Byte(*byte),
        Violation::Text { .. } => Is::Text,
        Violation::Integer { .. } => Is::Integer,
        Violation::Tagged { .. } => Is::Tagged,
        Violation::Column { .. } => Is::Column,
        Violation::Key { fault, .. } => Is::Key(*fault),
        Violation::Exceeded { what, .. } => Is::Over(*what),
        Violation::Payload { found: "more" } => Is::More,
        Violation::Payload { .. } => Is::Less,
        Violation::Header { .. } => Is::Header,
    }
}

/// `depth` containers opened by `opener`, with a nil inside.
fn nested(opener: &[u8], depth: usize) -> Vec<u8> {
    let mut bytes = opener.repeat(depth);
    bytes.push(0xc0);
    bytes
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A literal as it travels.
fn literal(tag: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let head: &[u8] = if length < 32 { &[0xa0 | length] } else { &[0xd9, length] };
    joined(&[&[0x92, 0xd4, 0x01, tag], head, text.as_bytes()])
}

#[test]
fn literals_have_one_text_and_no_other() {
    let good = [
        (b'd', "0001-01-01"),
        (b'd', "2024-02-29"),
        (b'd', "9999-12-31"),
        (b'h', "23:59:59.000001"),
        (b'h', "12:00:00[Europe/Berlin]~"),
        (b'm', "2026-01-02T03:04:05-23:59:59.999999"),
        (b'm', "2026-01-02T03:04:05+01:00[Europe/Berlin]"),
        (b'l', "0"),
        (b'l', "-86399999913600000000"),
        (b'l', "86399999999999999999"),
        (b'n', "-0E0"),
        (b'n', "1E-100000000000000000"),
        (b'n', "-sNaN"),
        (b'u', "00000000-0000-0000-0000-00000000000f"),
    ];
    for (tag, text) in good {
        assert_eq!(validate(&literal(tag, text), &HOST), Ok(1), "{text}");
    }
    let bad = [
        (b'd', ""),
        (b'd', "0000-01-01"),
        (b'd', "2023-02-29"),
        (b'd', "1900-02-29"),
        (b'd', "2026-13-01"),
        (b'd', "2026-04-31"),
        (b'd', "10000-01-01"),
        (b'd', "2026-1-1"),
        (b'd', "2026-01-01 "),
        (b'd', "+026-01-01"),
        (b'd', "\u{661}026-01-01"),
        (b'd', "2026-01-01T00:00:00"),
        (b'h', "24:00:00"),
        (b'h', "12:60:00"),
        (b'h', "12:00:60"),
        (b'h', "12:00"),
        (b'h', "12:00:00.0"),
        (b'h', "12:00:00.000000"),
        (b'h', "12:00:00.1234567"),
        (b'h', "12:00:00-00:00"),
        (b'h', "12:00:00+24:00"),
        (b'h', "12:00:00+01:00:00"),
        (b'h', "12:00:00+-1:00"),
        (b'h', "12:00:00Z"),
        (b'h', "12:00:00[]"),
        (b'h', "12:00:00[a b]"),
        (b'h', "12:00:00[a\u{0}b]"),
        (b'h', "12:00:00[a]]"),
        (b'h', "12:00:00[a"),
        (b'h', "12:00:00~~"),
        (b'm', "2026-01-02 03:04:05"),
        (b'm', "2026-01-02"),
        (b'l', ""),
        (b'l', "-"),
        (b'l', "-0"),
        (b'l', "+1"),
        (b'l', "01"),
        (b'l', "1.5"),
        (b'l', "86400000000000000000"),
        (b'l', "-86399999913600000001"),
        (b'l', "999999999999999999999"),
        (b'n', ""),
        (b'n', "1"),
        (b'n', "1E"),
        (b'n', "1E+1"),
        (b'n', "1E-0"),
        (b'n', "1e1"),
        (b'n', "01E1"),
        (b'n', "1.5E1"),
        (b'n', "E1"),
        (b'n', "1E100000000000000001"),
        (b'n', "1E9999999999999999999"),
        (b'n', "nan"),
        (b'n', "NaN1"),
        (b'n', "+Infinity"),
        (b'u', "00000000-0000-0000-0000-00000000000F"),
        (b'u', "00000000000000000000000000000000"),
        (b'u', "00000000-0000-0000-0000-00000000000"),
        (b'u', "+0000000-0000-0000-0000-000000000000"),
    ];
    for (tag, text) in bad {
        let violation = validate(&literal(tag, text), &HOST).expect_err(text);
        assert_eq!(class(&violation), Is::Tagged, "{text}");
    }
    let long = format!("{}E0", "9".repeat(dana_wire::DECIMAL_DIGITS + 1));
    assert!(dana_wire::Literal::parse(dana_wire::LiteralKind::Decimal, &long).is_none());
    assert!(dana_wire::Literal::parse(dana_wire::LiteralKind::Decimal, &long[1..]).is_some());
    let key = format!("12:00:00[{}]", "k".repeat(dana_wire::ZONE_BYTES + 1));
    assert!(dana_wire::Literal::parse(dana_wire::LiteralKind::Time, &key).is_none());
}

fn payloads() -> Vec<(&'static str, Vec<u8>, Is)> {
    const NAN: &[u8] = &[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0];
    const TAG: &[u8] = &[0xd4, 0x01];
    let tagged = |array: u8, kind: u8, rest: &[u8]| joined(&[&[array], TAG, &[kind], rest]);
    let amplified = 8 << 20;
    vec![
        // 81: lengths that the frame does not have.
        ("array32 of 2^32-1", vec![0xdd, 0xff, 0xff, 0xff, 0xff], Is::Count),
        ("map32 of 2^32-1", vec![0xdf, 0xff, 0xff, 0xff, 0xff], Is::Count),
        ("map32 of 2^31, twice 2^31 overflows", vec![0xdf, 0x80, 0, 0, 0, 0xc0], Is::Count),
        ("str32 of 2^32-1", vec![0xdb, 0xff, 0xff, 0xff, 0xff], Is::Over(Allowance::StringBytes)),
        ("bin32 of 2^32-1", vec![0xc6, 0xff, 0xff, 0xff, 0xff], Is::Over(Allowance::StringBytes)),
        ("ext32 bigint of 2^32-1", vec![0xc9, 0xff, 0xff, 0xff, 0xff, 2], Is::Over(Allowance::StringBytes)),
        ("ext32 floats of 2^32-8", vec![0xc9, 0xff, 0xff, 0xff, 0xf8, 3], Is::Count),
        ("ext32 unknown of 2^32-1", vec![0xc9, 0xff, 0xff, 0xff, 0xff, 9], Is::Byte(9)),
        ("str8 one byte short", joined(&[&[0xd9, 32], &[b'a'; 31]]), Is::Count),
        ("array16 one item short", joined(&[&[0xdc, 0, 16], &[0xc0; 15]]), Is::Count),
        ("map of one without its value", vec![0x81, 0xc0], Is::Count),
        ("items that end too early", vec![0x92, 0x91, 0xc0], Is::Truncated),
        // 77: the end inside something.
        ("array32 without its length", vec![0xdd, 0, 0], Is::Truncated),
        ("int64 cut", vec![0xd3, 1, 2, 3, 4, 5, 6, 7], Is::Truncated),
        ("float cut", vec![0xcb, 1, 2, 3, 4, 5, 6, 7], Is::Truncated),
        ("ext without a type", vec![0xd7], Is::Truncated),
        // 79: nesting.
        ("65 lists", nested(&[0x91], 65), Is::Over(Allowance::Depth)),
        ("129 lists", nested(&[0x91], 129), Is::Over(Allowance::Depth)),
        ("1025 lists", nested(&[0x91], 1025), Is::Over(Allowance::Depth)),
        ("100,000 lists", nested(&[0x91], 100_000), Is::Over(Allowance::Depth)),
        ("65 dicts", nested(&[0x81, 0xc0], 65), Is::Over(Allowance::Depth)),
        ("100,000 dicts", nested(&[0x81, 0xc0], 100_000), Is::Over(Allowance::Depth)),
        ("100,000 tuples", nested(&[0x92, 0xd4, 1, b't'], 100_000), Is::Over(Allowance::Depth)),
        ("65 tuples as keys", nested(&[0x81, 0x92, 0xd4, 1, b't'], 65), Is::Key(KeyFault::Unhashable)),
        (
            "100,000 structs",
            nested(&[0x93, 0xd4, 1, b'S', 0xa1, b'P', 0x81, 0xa1, b'f'], 100_000),
            Is::Over(Allowance::Depth),
        ),
        // 80: much from little.
        ("8 MiB of empty lists", vec![0x90; amplified], Is::Over(Allowance::Nodes)),
        ("8 MiB of empty dicts", vec![0x80; amplified], Is::Over(Allowance::Nodes)),
        ("8 MiB of nils", vec![0xc0; amplified], Is::Over(Allowance::Nodes)),
        (
            "a list of 8 MiB empty lists",
            joined(&[&[0xdd, 0, 0x80, 0, 0], &vec![0x90; amplified]]),
            Is::Over(Allowance::Nodes),
        ),
        ("8 MiB of empty strings", vec![0xa0; amplified], Is::Over(Allowance::Nodes)),
        // 82: text.
        ("invalid UTF-8", vec![0xa2, 0xc3, 0x28], Is::Text),
        ("a surrogate", vec![0xa3, 0xed, 0xa0, 0x80], Is::Text),
        ("an overlong NUL", vec![0xa2, 0xc0, 0x80], Is::Text),
        ("invalid UTF-8 in a struct's name", tagged(0x93, b'S', &[0xa1, 0xff, 0x80]), Is::Text),
        // 83: what no value begins with, and numbers out of form.
        ("reserved 0xc1", vec![0xc1], Is::Byte(0xc1)),
        ("a 32-bit float", vec![0xca, 0, 0, 0, 0], Is::Byte(0xca)),
        ("a timestamp", vec![0xd6, 0xff, 0, 0, 0, 0], Is::Byte(0xd6)),
        ("an unknown extension", vec![0xc7, 3, 0x05, 0, 0, 0], Is::Byte(0x05)),
        ("an extension of two bytes", vec![0xd5, 0x03, 0, 0], Is::Byte(0xd5)),
        ("a bare tag", vec![0xd4, 0x01, b't'], Is::Byte(0xd4)),
        ("a tag in second place", vec![0x92, 0xc0, 0xd4, 0x01, b't'], Is::Byte(0xd4)),
        ("a tag as a dict key", vec![0x81, 0xd4, 0x01, b't', 0xc0], Is::Byte(0xd4)),
        ("uint64 beyond int64", vec![0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0], Is::Integer),
        ("a big integer that fits 64 bits", vec![0xd7, 0x02, 1, 2, 3, 4, 5, 6, 7, 8], Is::Integer),
        ("an empty big integer", vec![0xc7, 0, 0x02], Is::Integer),
        ("a big integer with sign to spare", vec![0xc7, 9, 2, 1, 1, 1, 1, 1, 1, 1, 1, 0], Is::Integer),
        ("a negative one with sign to spare", vec![0xc7, 9, 2, 1, 1, 1, 1, 1, 1, 1, 0x81, 0xff], Is::Integer),
        ("packed floats of 7 bytes", vec![0xc7, 7, 3, 0, 0, 0, 0, 0, 0, 0], Is::Tagged),
        // Longer forms than needed.
        ("uint8 of 127", vec![0xcc, 0x7f], Is::Integer),
        ("uint16 of 255", vec![0xcd, 0, 0xff], Is::Integer),
        ("uint32 of 65535", vec![0xce, 0, 0, 0xff, 0xff], Is::Integer),
        ("uint64 of 2^32-1", vec![0xcf, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], Is::Integer),
        ("int8 of 1", vec![0xd0, 1], Is::Integer),
        ("int8 of -32", vec![0xd0, 0xe0], Is::Integer),
        ("int16 of -128", vec![0xd1, 0xff, 0x80], Is::Integer),
        ("int32 of -32768", vec![0xd2, 0xff, 0xff, 0x80, 0], Is::Integer),
        ("int64 of -2^31", vec![0xd3, 0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0], Is::Integer),
        ("str8 of 31", joined(&[&[0xd9, 31], &[b'a'; 31]]), Is::Integer),
        ("str16 of 255", joined(&[&[0xda, 0, 255], &[b'a'; 255]]), Is::Integer),
        ("str32 of 1", vec![0xdb, 0, 0, 0, 1, b'a'], Is::Integer),
        ("bin16 of 1", vec![0xc5, 0, 1, 1], Is::Integer),
        ("array16 of 15", joined(&[&[0xdc, 0, 15], &[0xc0; 15]]), Is::Integer),
        ("array32 of 16", joined(&[&[0xdd, 0, 0, 0, 16], &[0xc0; 16]]), Is::Integer),
        ("map16 of 1", vec![0xde, 0, 1, 0xc0, 0xc0], Is::Integer),
        ("ext8 of 8", vec![0xc7, 8, 3, 0, 0, 0, 0, 0, 0, 0, 0], Is::Byte(0xc7)),
        ("ext16 of 24", joined(&[&[0xc8, 0, 24, 3], &[0; 24]]), Is::Integer),
        ("a handle in a longer form", tagged(0x93, b'f', &[0xcc, 1, 0xa1, b'f']), Is::Integer),
        // 83: keys.
        ("a NaN key", joined(&[&[0x81], NAN, &[0xc0]]), Is::Key(KeyFault::Nan)),
        ("a NaN member", tagged(0x92, b's', NAN), Is::Key(KeyFault::Nan)),
        (
            "a NaN in a tuple that is a key",
            joined(&[&[0x81, 0x92, 0xd4, 1, b't'], NAN, &[0xc0]]),
            Is::Key(KeyFault::Nan),
        ),
        ("a list as a key", vec![0x81, 0x90, 0xc0], Is::Key(KeyFault::Unhashable)),
        ("a dict as a key", vec![0x81, 0x80, 0xc0], Is::Key(KeyFault::Unhashable)),
        ("a packed list as a member", tagged(0x92, b's', &[0xc7, 0, 4]), Is::Key(KeyFault::Unhashable)),
        ("a set as a member", tagged(0x92, b's', &[0x91, 0xd4, 1, b's']), Is::Key(KeyFault::Unhashable)),
        (
            "a list in a tuple that is a key",
            vec![0x81, 0x92, 0xd4, 1, b't', 0x90, 0xc0],
            Is::Key(KeyFault::Unhashable),
        ),
        ("a field that is a number", tagged(0x93, b'S', &[0xa1, b'P', 0x81, 1, 1]), Is::Key(KeyFault::Field)),
        (
            "a field without a name",
            tagged(0x93, b'S', &[0xa1, b'P', 0x81, 0xa0, 1]),
            Is::Key(KeyFault::Field),
        ),
        // Tagged arrays that are not what they claim.
        ("an unknown kind", tagged(0x91, b'?', &[]), Is::Tagged),
        ("a struct without fields", tagged(0x92, b'S', &[0xa1, b'P']), Is::Tagged),
        ("a struct with a list for fields", tagged(0x93, b'S', &[0xa1, b'P', 0x90]), Is::Tagged),
        ("a struct with a number for a name", tagged(0x93, b'S', &[1, 0x80]), Is::Tagged),
        ("a struct with an empty name", tagged(0x93, b'S', &[0xa0, 0x80]), Is::Tagged),
        (
            "a struct with a name of 256 bytes",
            tagged(0x93, b'S', &[&[0xda, 1, 0][..], &[b'n'; 256], &[0x80]].concat()),
            Is::Tagged,
        ),
        ("a struct with ANSI in its name", tagged(0x93, b'S', &[0xa2, b'P', 0x1b, 0x80]), Is::Tagged),
        (
            "a field with a C1 control",
            tagged(0x93, b'S', &[0xa1, b'P', 0x81, 0xa2, 0xc2, 0x9b, 1]),
            Is::Key(KeyFault::Field),
        ),
        ("a function with a line end in its name", tagged(0x93, b'f', &[0, 0xa1, b'\n']), Is::Tagged),
        ("a function with a negative handle", tagged(0x93, b'f', &[0xff, 0xa1, b'f']), Is::Tagged),
        ("a function with three parts", tagged(0x94, b'f', &[0, 0xa1, b'f', 0]), Is::Tagged),
        // Literals that Python could not build, or that have another text.
        ("a literal of two parts", tagged(0x93, b'd', &[0xa1, b'x', 0xc0]), Is::Tagged),
        ("a literal without a text", tagged(0x91, b'd', &[]), Is::Tagged),
        ("a literal that is no text", tagged(0x92, b'd', &[0x01]), Is::Tagged),
        (
            "a decimal that is no number, as a key",
            joined(&[&[0x81], &literal(b'n', "NaN"), &[0xc0]]),
            Is::Key(KeyFault::Nan),
        ),
        (
            "a set that may change, as a key",
            joined(&[&[0x81], &tagged(0x91, b's', &[]), &[0xc0]]),
            Is::Key(KeyFault::Unhashable),
        ),
        ("a list in a frozen set", tagged(0x92, b'z', &[0x90]), Is::Key(KeyFault::Unhashable)),
        ("an exception with a list for a message", tagged(0x93, b'e', &[0xa1, b'E', 0x90]), Is::Tagged),
    ]
}

#[test]
fn hostile_payloads_are_refused_at_once_and_without_memory() {
    for (what, bytes, expected) in payloads() {
        let meter = Meter::new();
        let turn = meter.enter();
        let start = Instant::now();
        let result = validate(&bytes, &HOST);
        let took = start.elapsed();
        drop(turn);
        let grown = meter.peak();
        let violation = result.expect_err(what);
        assert_eq!(class(&violation), expected, "{what}: {violation}");
        assert_eq!(grown, 0, "{what} allocated");
        assert!(took < AT_ONCE, "{what} took {took:?}");
        assert!(Datum::decode_all(&bytes, &HOST).is_err(), "{what}");
    }
}

#[test]
fn every_prefix_of_a_hostile_payload_is_read_or_refused() {
    for (what, bytes, _) in payloads() {
        for cut in 0..bytes.len().min(300) {
            let _ = validate(&bytes[..cut], &HOST);
            let _ = Datum::decode_all(&bytes[..cut], &HOST);
        }
        assert!(!bytes.is_empty(), "{what}");
    }
}

#[test]
fn the_limits_are_the_last_values_that_pass() {
    assert_eq!(validate(&nested(&[0x91], HOST.depth), &HOST), Ok(1));
    assert_eq!(validate(&nested(&[0x91], MAX_DEPTH), &Budget::FROM_HOST), Ok(1));
    let beyond = Budget { depth: usize::MAX, ..HOST };
    assert_eq!(validate(&nested(&[0x91], MAX_DEPTH), &beyond), Ok(1));
    assert!(validate(&nested(&[0x91], MAX_DEPTH + 1), &beyond).is_err());
    assert_eq!(validate(&vec![0xc0; HOST.nodes], &HOST), Ok(HOST.nodes));
    assert!(validate(&vec![0xc0; HOST.nodes + 1], &HOST).is_err());
    let short = Budget { string_bytes: 3, ..HOST };
    assert_eq!(validate(&[0xa3, b'a', b'b', b'c'], &short), Ok(1));
    assert!(validate(&[0xa4, b'a', b'b', b'c', b'd'], &short).is_err());
    let tight = Budget { payload_bytes: 1, ..HOST };
    assert_eq!(validate(&[0xc0], &tight), Ok(1));
    assert!(validate(&[0xc0, 0xc0], &tight).is_err());
}

#[test]
fn the_largest_header_leaves_room_for_the_largest_payload() {
    let text = |bytes| "x".repeat(bytes);
    let message = dana_wire::Message { role: text(NAME_BYTES), content: text(TEXT_BYTES / MESSAGES) };
    let reason = Question::Reason {
        purpose: text(NAME_BYTES),
        messages: vec![message; MESSAGES],
        expects: Some(text(MESSAGE_BYTES)),
        schema: Some(text(MESSAGE_BYTES)),
    };
    let keywords = vec![text(NAME_BYTES); KEYWORDS];
    let function = Question::Function { name: text(NAME_BYTES), positional: u32::MAX, keywords };
    for question in [reason, function] {
        let mut out = Vec::new();
        write_header(&ToHost::Ask { ask: u32::MAX, question }, &mut out).unwrap();
        assert!(out.len() + HOST.payload_bytes <= HOST.frame_bytes, "{} bytes", out.len());
    }
}

#[test]
fn one_wide_character_in_a_long_string_is_charged_as_python_stores_it() {
    let budget = Budget { memory: 2000, ..HOST };
    let narrow = Datum::Str("a".repeat(1000));
    let wide = Datum::Str(format!("{}\u{1f600}", "a".repeat(996)));
    assert!(narrow.encode(&budget).is_ok());
    let violation = validate(&wide.encode(&HOST).unwrap(), &budget).unwrap_err();
    assert_eq!(class(&violation), Is::Over(Allowance::Memory));
}

#[test]
fn packed_lists_are_charged_for_what_they_unfold_to() {
    let list = Datum::List(vec![Datum::Float(1.0); 1000]).encode(&HOST).unwrap();
    assert!(validate(&list, &Budget { memory: 1000 * 40 + 72, ..HOST }).is_ok());
    assert!(validate(&list, &Budget { memory: 1000 * 40 + 71, ..HOST }).is_err());
}

#[test]
fn the_same_key_twice_is_for_builders_to_refuse() {
    let twice: [(&str, &[u8]); 3] = [
        ("dict", &[0x82, 1, 2, 1, 3]),
        ("set", &[0x93, 0xd4, 1, b's', 1, 1]),
        ("struct", &[0x93, 0xd4, 1, b'S', 0xa1, b'P', 0x82, 0xa1, b'f', 1, 0xa1, b'f', 2]),
    ];
    for (what, bytes) in twice {
        let violation = Datum::decode(bytes, &HOST).unwrap_err();
        assert_eq!(class(&violation), Is::Key(KeyFault::Duplicate), "{what}");
    }
}

/// Bodies that are no message: the header, not the payload, is at fault.
fn bodies() -> Vec<(&'static str, Vec<u8>, Is)> {
    let done = |usage: &[u8]| joined(&[&[0x81, 0xa4], b"Done", &[0x92, 1], usage]);
    let output = |text: &[u8]| joined(&[&[0x81, 0xa6], b"Output", &[0x91], text]);
    vec![
        ("nothing", vec![], Is::Truncated),
        ("a number", vec![7], Is::Header),
        ("an unknown message", joined(&[&[0xa4], b"Quit"]), Is::Header),
        ("an unknown message with fields", joined(&[&[0x81, 0xa4], b"Quit", &[0x90]]), Is::Header),
        ("a message by its number", vec![0x81, 0x01, 0xc0], Is::Header),
        ("a unit message as a map", joined(&[&[0x81, 0xa7], b"Started", &[0xc0]]), Is::Header),
        ("a message with fields as a bare name", joined(&[&[0xa4], b"Done"]), Is::Header),
        (
            "two messages in one map",
            joined(&[&[0x82, 0xa7], b"Started", &[0xc0, 0xa7], b"Started", &[0xc0]]),
            Is::Byte(0x82),
        ),
        ("a field too few", joined(&[&[0x81, 0xa4], b"Done", &[0x91, 1]]), Is::Header),
        (
            "a field too many",
            joined(&[&[0x81, 0xa4], b"Done", &[0x93, 1, 0x94, 1, 1, 1, 1, 1, 0xc0]]),
            Is::Header,
        ),
        (
            "fields by name",
            joined(&[&[0x81, 0xa6], b"Output", &[0x81, 0xa4], b"text", &[0xa1, b'x']]),
            Is::Header,
        ),
        (
            "an unknown field by name",
            joined(&[&[0x81, 0xa6], b"Output", &[0x81, 0xa3], b"url", &[0xa1, b'x']]),
            Is::Header,
        ),
        ("a string for a number", joined(&[&done(&[0x94, 0xa1, b'1', 1, 1, 1]), &[0xc0]]), Is::Header),
        ("a negative count", joined(&[&done(&[0x94, 0xff, 1, 1, 1]), &[0xc0]]), Is::Header),
        (
            "a float for a number",
            joined(&[&done(&[0x94, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]), &[0xc0]]),
            Is::Byte(0xcb),
        ),
        ("a number in a longer form", joined(&[&done(&[0x94, 0xcc, 1, 1, 1, 1]), &[0xc0]]), Is::Header),
        ("bytes for a string", output(&[0xc4, 1, b'x']), Is::Byte(0xc4)),
        ("a string in a longer form", output(&[0xd9, 1, b'x']), Is::Header),
        ("invalid UTF-8", output(&[0xa1, 0xff]), Is::Header),
        ("a string longer than the frame", output(&[0xdb, 0xff, 0xff, 0xff, 0xff]), Is::Truncated),
        ("reserved 0xc1", output(&[0xc1]), Is::Byte(0xc1)),
        ("an extension", output(&[0xd4, 1, b't']), Is::Byte(0xd4)),
        ("100,000 lists", nested(&[0x91], 100_000), Is::Over(Allowance::Depth)),
        ("an array of 2^32-1", vec![0xdd, 0xff, 0xff, 0xff, 0xff], Is::Count),
        (
            "8 MiB of empty lists in a list",
            joined(&[&[0xdd, 0, 0x7f, 0xff, 0], &vec![0x90; 8 << 20]]),
            Is::Over(Allowance::Nodes),
        ),
        (
            "a text over its cap",
            {
                let mut text = vec![0xdb, 1, 0, 0, 1];
                text.resize(5 + (16 << 20) + 1, b'x');
                output(&text)
            },
            Is::Over(Allowance::Field("text")),
        ),
        ("no value where one belongs", done(&[0x94, 1, 1, 1, 1]), Is::Less),
        ("two values where one belongs", joined(&[&done(&[0x94, 1, 1, 1, 1]), &[0xc0, 0xc0]]), Is::More),
        ("a value where none belongs", joined(&[&[0xa7], b"Started", &[0xc0]]), Is::More),
        ("half a value", joined(&[&done(&[0x94, 1, 1, 1, 1]), &[0x92, 1]]), Is::Count),
    ]
}

#[test]
fn hostile_bodies_are_refused_at_once_and_with_little_memory() {
    for (what, bytes, expected) in bodies() {
        let meter = Meter::new();
        let turn = meter.enter();
        let start = Instant::now();
        let result = open::<ToHost>(&bytes, &HOST);
        let took = start.elapsed();
        drop(turn);
        let grown = meter.peak();
        let violation = result.map(|(header, _)| header).expect_err(what);
        assert_eq!(class(&violation), expected, "{what}: {violation}");
        assert!(grown <= bytes.len() + (64 << 10), "{what} took {grown} bytes");
        assert!(took < AT_ONCE, "{what} took {took:?}");
    }
}

#[test]
fn a_refusal_never_repeats_what_a_terminal_would_obey() {
    let name = "\u{1b}[2Jgone\nroot: ok \u{202e}".to_owned();
    let mut body = vec![0x81, 0xa0 | u8::try_from(name.len()).unwrap()];
    body.extend_from_slice(name.as_bytes());
    body.push(0x90);
    let reason = open::<ToHost>(&body, &HOST).unwrap_err().to_string();
    assert!(reason.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{reason:?}");
    let long = write_unknown(&"x".repeat(30_000));
    assert!(open::<ToHost>(&long, &HOST).unwrap_err().to_string().len() < 400);
}

fn write_unknown(name: &str) -> Vec<u8> {
    let mut body = vec![0x81, 0xda];
    body.extend_from_slice(&u16::try_from(name.len()).unwrap().to_be_bytes());
    body.extend_from_slice(name.as_bytes());
    body.push(0x90);
    body
}

#[test]
fn assertions_are_capped_on_both_sides_and_fit_leaves_out_what_is_not() {
    use dana_wire::{Assertion, Compared, Fault, Operand, Part};
    let text = |bytes: usize| "x".repeat(bytes);
    let operand = |start, end| Operand { start, end, text: "1".into(), ..Operand::default() };
    let part = |bytes| Part { key: String::new(), text: text(bytes) };
    let parts = |count, bytes| Operand { parts: vec![part(bytes); count], ..operand(0, 1) };
    let compared = |left, right| Some(Compared { left, right, operator: "==".into() });
    let of = |operands| Assertion { text: "x".into(), operands, compared: None };
    let bad = [
        Assertion { text: text(5000), ..Assertion::default() },
        of(vec![operand(0, 1); 25]),
        of(vec![operand(1, 0)]),
        of(vec![operand(0, 2)]),
        of(vec![operand(u32::MAX, u32::MAX)]),
        of(vec![parts(257, 1)]),
        of(vec![parts(1, 5000)]),
        of(vec![parts(20, 4000)]),
        of(vec![Operand { text: text(5000), ..operand(0, 1) }]),
        Assertion { compared: compared(0, 1), ..of(vec![operand(0, 1)]) },
        Assertion { compared: compared(u32::MAX, 0), ..of(vec![operand(0, 1)]) },
        Assertion {
            compared: Some(Compared { operator: text(300), ..Compared::default() }),
            ..of(vec![operand(0, 1)])
        },
        Assertion { compared: compared(0, 1), ..of(vec![]) },
    ];
    let failed = |fault| ToHost::Failed { turn: 1, fault, usage: dana_wire::Usage::default() };
    for assertion in bad {
        let mut fault = Fault { assertion: Some(Box::new(assertion.clone())), ..Fault::default() };
        let cause = Fault { cause: Some(Box::new(fault.clone())), ..Fault::default() };
        let mut out = Vec::new();
        assert!(write_header(&failed(fault.clone()), &mut out).is_err(), "{assertion:?}");
        assert!(write_header(&failed(cause), &mut out).is_err(), "{assertion:?}");
        fault.fit();
        assert_eq!(fault.assertion, None);
        write_header(&failed(fault), &mut out).unwrap();
    }
    let good = Assertion { compared: compared(0, 1), ..of(vec![operand(0, 1), parts(256, 200)]) };
    let mut fault = Fault { assertion: Some(Box::new(good)), ..Fault::default() };
    fault.fit();
    assert!(fault.assertion.is_some());
    let mut out = Vec::new();
    write_header(&failed(fault), &mut out).unwrap();
    open::<ToHost>(&out, &HOST).unwrap();
}

#[test]
fn causes_are_capped_on_both_sides_and_fit_makes_any_fault_legal() {
    let mut fault = dana_wire::Fault::default();
    for level in 0..50 {
        let text = "\u{e4}".repeat(100_000);
        let frame = dana_wire::TraceFrame {
            function: text.clone(),
            line: level,
            source: Some(text.clone()),
            ..Default::default()
        };
        fault = dana_wire::Fault {
            kind: text.clone(),
            message: text.clone(),
            file: Some(text.clone()),
            hint: Some(text.clone()),
            trace: vec![frame; 10],
            cause: Some(Box::new(fault)),
            ..Default::default()
        };
    }
    fault.trace = (0..1000).map(|line| dana_wire::TraceFrame { line, ..Default::default() }).collect();
    let failed = |fault| ToHost::Failed { turn: 1, fault, usage: dana_wire::Usage::default() };
    let mut out = Vec::new();
    assert!(write_header(&failed(fault.clone()), &mut out).is_err());
    assert!(out.is_empty());
    fault.fit();
    assert_eq!(fault.trace.len(), 256);
    assert_eq!((fault.trace[127].line, fault.trace[128].line, fault.trace[255].line), (127, 872, 999));
    write_header(&failed(fault), &mut out).unwrap();
    open::<ToHost>(&out, &HOST).unwrap();
}
