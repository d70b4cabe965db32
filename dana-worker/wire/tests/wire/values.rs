//! Values survive the journey, and anybody who reads MessagePack can read them.

use dana_wire::{
    Budget, Clock, DAY_MICROS, DECIMAL_EXPONENT, Datum, Day, Decimal, Encoder, KeyFault, Literal, Reader,
    Size, Token, Violation, Zone, floats, ints, validate,
};
use proptest::prelude::*;

const LARGE: Budget = Budget::FROM_HOST;

/// Values that can be dict keys and set members.
fn hashable() -> impl Strategy<Value = Datum> {
    let leaf = prop_oneof![
        Just(Datum::None),
        any::<bool>().prop_map(Datum::Bool),
        any::<i64>().prop_map(Datum::Int),
        (-200_i64..70_000).prop_map(Datum::Int),
        bigint(),
        any::<f64>().prop_filter("NaN is no key", |float| !float.is_nan()).prop_map(Datum::Float),
        ".{0,40}".prop_map(Datum::Str),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Datum::Bytes),
        (any::<u64>(), "[^\\p{Cc}]{1,20}").prop_map(|(handle, name)| Datum::Function { handle, name }),
    ];
    let leaf = prop_oneof![6 => leaf, 1 => literal()];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Datum::Tuple),
            proptest::collection::vec(inner, 0..4).prop_map(|keys| Datum::FrozenSet(distinct(keys))),
        ]
    })
}

/// A literal of each kind, by its parts.
fn literal() -> impl Strategy<Value = Datum> {
    let day = (1_u16..=9999, 1_u8..=12, 1_u8..=28);
    let clock = (0_u8..24, 0_u8..60, 0_u8..60, prop_oneof![Just(0_u32), 0_u32..1_000_000], any::<bool>());
    let offset = prop_oneof![-1_439_i64..1_440].prop_map(|minutes| minutes * 60_000_000);
    let fine = -(DAY_MICROS - 1)..DAY_MICROS;
    let zone = (0_u8..4, prop_oneof![offset, fine], "[A-Za-z0-9_+/-]{1,64}");
    let finite = ("[1-9][0-9]{0,40}", -DECIMAL_EXPONENT..=DECIMAL_EXPONENT, any::<bool>(), 0_u8..12);
    (0_u8..6, day, clock, zone, finite, any::<u128>()).prop_map(|(which, day, clock, zone, finite, bits)| {
        let day = Day::new(day.0, day.1, day.2).unwrap();
        let (hour, minute, second, micro, fold) = clock;
        let clock = Clock { hour, minute, second, micro, fold };
        let (form, offset, key) = zone;
        let zone = match form {
            0 => Zone::Naive,
            1 => Zone::Offset(offset),
            2 => Zone::Named { key: key.as_str(), offset: None },
            _ => Zone::Named { key: key.as_str(), offset: Some(offset) },
        };
        let (digits, exponent, negative, special) = finite;
        let size = match special {
            0 => Size::Infinite,
            1 => Size::Finite { digits: "0", exponent },
            _ => Size::Finite { digits: &digits, exponent },
        };
        let most = 86_399_999_999_999_999_999_u128;
        let literal = match which {
            0 => Literal::Date(day),
            1 => Literal::Time(clock, zone),
            2 => Literal::DateTime(day, clock, zone),
            3 => Literal::Duration(i128::try_from(bits % most).unwrap() * if negative { -1 } else { 1 } / 2),
            4 => Literal::Decimal(Decimal { negative, size }),
            _ => Literal::Uuid(bits),
        };
        let text = literal.to_string();
        assert_eq!(Literal::parse(literal.kind(), &text), Some(literal), "{text}");
        Datum::Literal { kind: literal.kind(), text }
    })
}

/// Two's complement in shortest form, beyond 64 bits.
fn bigint() -> impl Strategy<Value = Datum> {
    (proptest::collection::vec(any::<u8>(), 9..40), 1_u8..0xff).prop_map(|(mut bytes, last)| {
        if let Some(slot) = bytes.last_mut() {
            *slot = last;
        }
        Datum::BigInt(bytes)
    })
}

fn value() -> impl Strategy<Value = Datum> {
    let leaf = prop_oneof![
        4 => hashable(),
        1 => any::<f64>().prop_map(Datum::Float),
        1 => proptest::collection::vec(any::<f64>().prop_map(Datum::Float), 0..40).prop_map(Datum::List),
        1 => proptest::collection::vec(any::<i64>().prop_map(Datum::Int), 0..40).prop_map(Datum::List),
        1 => ("[A-Z][a-z]{0,20}", ".{0,40}").prop_map(|(kind, message)| Datum::Exception { kind, message }),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let field = ("[a-z_]{1,12}", inner.clone());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Datum::List),
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Datum::Tuple),
            proptest::collection::vec(hashable(), 0..8).prop_map(|keys| Datum::Set(distinct(keys))),
            proptest::collection::vec((hashable(), inner), 0..20)
                .prop_map(|pairs| Datum::Dict(by_key(pairs))),
            ("[A-Z][a-z]{0,12}", proptest::collection::vec(field, 0..6))
                .prop_map(|(name, fields)| { Datum::Struct { name, fields: by_key(fields) } }),
        ]
    })
}

fn distinct(keys: Vec<Datum>) -> Vec<Datum> {
    by_key(keys.into_iter().map(|key| (key, ())).collect()).into_iter().map(|(key, ())| key).collect()
}

fn by_key<K: PartialEq, V>(pairs: Vec<(K, V)>) -> Vec<(K, V)> {
    let mut kept: Vec<(K, V)> = Vec::new();
    for (key, value) in pairs {
        if kept.iter().all(|(other, _)| *other != key) {
            kept.push((key, value));
        }
    }
    kept
}

/// Equality that holds for NaN, by the bits.
fn same(one: &Datum, two: &Datum) -> bool {
    format!("{one:?}") == format!("{two:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_comes_back(datum in value()) {
        let bytes = datum.encode(&LARGE).unwrap();
        prop_assert_eq!(validate(&bytes, &LARGE), Ok(1));
        let back = Datum::decode(&bytes, &LARGE).unwrap();
        prop_assert!(same(&back, &datum), "{:?} became {:?}", datum, back);
    }

    #[test]
    fn every_value_is_messagepack(datum in value()) {
        let bytes = datum.encode(&LARGE).unwrap();
        let mut rest = bytes.as_slice();
        rmpv::decode::read_value(&mut rest).unwrap();
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn a_cut_value_is_refused(datum in value(), cut in any::<prop::sample::Index>()) {
        let bytes = datum.encode(&LARGE).unwrap();
        let cut = cut.index(bytes.len());
        prop_assert_ne!(validate(&bytes[..cut], &LARGE), Ok(1));
    }

    #[test]
    fn what_one_budget_lets_out_it_lets_in(
        datum in value(), nodes in 0_usize..40, depth in 0_usize..6, string_bytes in 0_usize..60,
        memory in 0_usize..4000, payload_bytes in 0_usize..500,
    ) {
        let budget = Budget { payload_bytes, nodes, depth, string_bytes, memory, ..LARGE };
        if let Ok(bytes) = datum.encode(&budget) {
            prop_assert_eq!(validate(&bytes, &budget), Ok(1));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_is_stable(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        if validate(&bytes, &LARGE).is_ok() && let Ok(all) = Datum::decode_all(&bytes, &LARGE) {
            for datum in all {
                let again = datum.encode(&LARGE).unwrap();
                prop_assert!(same(&Datum::decode(&again, &LARGE).unwrap(), &datum));
            }
        }
    }

    #[test]
    fn a_damaged_value_is_read_or_refused(
        datum in value(), at in any::<prop::sample::Index>(), with in any::<u8>(),
    ) {
        let mut bytes = datum.encode(&LARGE).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = with;
        let validated = validate(&bytes, &LARGE);
        let decoded = Datum::decode_all(&bytes, &LARGE);
        let duplicate = matches!(decoded, Err(Violation::Key { fault: KeyFault::Duplicate, .. }));
        prop_assert!(duplicate || validated.is_ok() == decoded.is_ok(), "{:?} but {:?}", validated, decoded);
    }

    #[test]
    fn big_integers_are_cut_to_their_shortest_form(bytes in proptest::collection::vec(any::<u8>(), 0..24), more in 0_usize..12) {
        let sign = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut longer = bytes.clone();
        longer.extend(std::iter::repeat_n(sign, more));
        let [one, two] = [&bytes, &longer].map(|bytes| Datum::BigInt(bytes.clone()).encode(&LARGE).unwrap());
        prop_assert_eq!(&one, &two);
        prop_assert_eq!(validate(&one, &LARGE), Ok(1));
    }
}

#[test]
fn integers_travel_in_their_shortest_form() {
    let table: &[(i64, &[u8])] = &[
        (0, &[0x00]),
        (127, &[0x7f]),
        (128, &[0xcc, 0x80]),
        (255, &[0xcc, 0xff]),
        (256, &[0xcd, 0x01, 0x00]),
        (65_535, &[0xcd, 0xff, 0xff]),
        (65_536, &[0xce, 0, 1, 0, 0]),
        (i64::from(u32::MAX), &[0xce, 0xff, 0xff, 0xff, 0xff]),
        (i64::from(u32::MAX) + 1, &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
        (i64::MAX, &[0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (-1, &[0xff]),
        (-32, &[0xe0]),
        (-33, &[0xd0, 0xdf]),
        (-128, &[0xd0, 0x80]),
        (-129, &[0xd1, 0xff, 0x7f]),
        (-32_768, &[0xd1, 0x80, 0x00]),
        (-32_769, &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
        (i64::from(i32::MIN), &[0xd2, 0x80, 0, 0, 0]),
        (i64::MIN, &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (int, bytes) in table {
        assert_eq!(Datum::Int(*int).encode(&LARGE).unwrap(), *bytes, "{int}");
        assert_eq!(Datum::decode(bytes, &LARGE), Ok(Datum::Int(*int)), "{int}");
    }
}

#[test]
fn integers_beyond_64_bits_change_form_at_the_border() {
    let beyond = 1_i128 << 63;
    for (wide, big) in [(beyond - 1, false), (beyond, true), (-beyond, false), (-beyond - 1, true)] {
        let datum =
            Datum::decode(&Datum::BigInt(wide.to_le_bytes().to_vec()).encode(&LARGE).unwrap(), &LARGE);
        match datum.unwrap() {
            Datum::Int(int) => assert!(!big && i128::from(int) == wide),
            Datum::BigInt(bytes) => assert!(big && bytes.len() == 9, "{wide}"),
            other => panic!("{wide} became {other:?}"),
        }
    }
}

#[test]
fn lengths_travel_in_their_shortest_form_and_back() {
    for len in [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536, 70_000] {
        let samples = [
            Datum::Str("a".repeat(len)),
            Datum::Bytes(vec![7; len]),
            Datum::List(vec![Datum::None; len]),
            Datum::Tuple(vec![Datum::None; len]),
            Datum::List(vec![Datum::Float(0.5); len]),
            Datum::Dict((0..len).map(|key| (Datum::Int(i64::try_from(key).unwrap()), Datum::None)).collect()),
        ];
        for datum in samples {
            let bytes = datum.encode(&LARGE).unwrap();
            assert!(Datum::decode(&bytes, &LARGE).unwrap() == datum, "length {len}");
        }
    }
}

#[test]
fn packed_lists_are_lists_of_the_same_bits() {
    let quiet = f64::from_bits(0x7ff8_dead_beef_0001);
    let numbers = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, quiet, f64::MIN_POSITIVE, 1e308];
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, &LARGE);
    encoder.floats(&numbers).unwrap();
    encoder.ints(&[i64::MIN, -1, 0, i64::MAX]).unwrap();
    assert_eq!(encoder.finish(), Ok(2));
    let mut reader = Reader::new(&out, &LARGE).unwrap();
    let Token::Floats(packed) = reader.next().unwrap() else { panic!("no floats") };
    let bits: Vec<u64> = floats(packed).map(f64::to_bits).collect();
    assert_eq!(bits, numbers.map(f64::to_bits));
    let Token::Ints(packed) = reader.next().unwrap() else { panic!("no ints") };
    assert_eq!(ints(packed).collect::<Vec<_>>(), [i64::MIN, -1, 0, i64::MAX]);
    reader.finish().unwrap();
}

#[test]
fn floats_keep_their_bits() {
    for float in [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX, 5e-324] {
        let Datum::Float(back) = Datum::decode(&Datum::Float(float).encode(&LARGE).unwrap(), &LARGE).unwrap()
        else {
            panic!("{float} is no float any more")
        };
        assert_eq!(back.to_bits(), float.to_bits());
    }
}

#[test]
fn the_encoder_refuses_what_the_reader_would() {
    type Write = fn(&mut Encoder<'_>) -> Result<(), Violation>;
    let long = || "n".repeat(256);
    let cases: Vec<(&str, Write)> = vec![
        ("NaN as a key", |e| e.dict(1).and_then(|()| e.float(f64::NAN))),
        ("NaN in a key", |e| e.dict(1).and_then(|()| e.tuple(1)).and_then(|()| e.float(f64::NAN))),
        ("NaN as a member", |e| e.set(1).and_then(|()| e.float(f64::NAN))),
        ("a list as a key", |e| e.dict(1).and_then(|()| e.list(0))),
        ("a packed list as a key", |e| e.dict(1).and_then(|()| e.ints(&[1]))),
        ("a dict as a member", |e| e.set(1).and_then(|()| e.dict(0))),
        ("a set as a member", |e| e.set(1).and_then(|()| e.set(0))),
        ("a struct as a key", |e| e.dict(1).and_then(|()| e.structure("P", 0))),
        ("an exception as a key", |e| e.dict(1).and_then(|()| e.exception("E", ""))),
        ("a list deep in a key", |e| {
            e.dict(1).and_then(|()| e.tuple(1)).and_then(|()| e.tuple(2)).and_then(|()| e.list(0))
        }),
        ("a field that is no string", |e| e.structure("P", 1).and_then(|()| e.int(1))),
        ("a field without a name", |e| e.structure("P", 1).and_then(|()| e.str(""))),
        ("a nameless struct", |e| e.structure("", 0)),
        ("a control character in a field name", |e| e.structure("P", 1).and_then(|()| e.str("\u{1b}[2J"))),
        ("a control character in a type name", |e| e.structure("P\n", 0)),
        ("a nameless function", |e| e.function(1, "")),
        ("a list of 2^32 items", |e| e.list(1 << 32)),
        ("a dict of 2^31 pairs", |e| e.dict(1 << 31)),
        ("more items than values allowed", |e| e.list(LARGE.nodes + 1)),
    ];
    for (what, write) in cases {
        let mut out = Vec::new();
        assert!(write(&mut Encoder::new(&mut out, &LARGE)).is_err(), "{what} was written");
    }
    let mut out = Vec::new();
    assert!(Encoder::new(&mut out, &LARGE).structure(&long(), 0).is_err());
    let mut encoder = Encoder::new(&mut out, &LARGE);
    encoder.structure("P", 1).unwrap();
    assert!(encoder.str(&long()).is_err());
}

#[test]
fn an_unfinished_payload_is_noticed() {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, &LARGE);
    encoder.list(2).unwrap();
    encoder.int(1).unwrap();
    assert_eq!(encoder.finish(), Err(Violation::Payload { found: "less" }));
}

#[test]
fn the_encoder_appends_behind_what_is_there() {
    let mut out = b"header".to_vec();
    let mut encoder = Encoder::new(&mut out, &LARGE);
    encoder.int(1).unwrap();
    encoder.int(2).unwrap();
    assert_eq!(encoder.position(), 2);
    assert_eq!(encoder.finish(), Ok(2));
    assert_eq!(out, b"header\x01\x02");
}
