//! Tables survive the journey; whatever is not one table, whole and consistent, is refused at once and without memory.

use dana_meter::Meter;
use dana_wire::{
    Allowance, Budget, COLUMNS, Cells, Column, Datum, Encoder, KeyFault, Plain, Reader, Token, Unit,
    Violation, validate,
};
use proptest::prelude::*;

const HOST: Budget = Budget::FROM_WORKER;

/// A column that owns its buffers.
#[derive(Clone, Debug)]
struct Own {
    name: String,
    dtype: String,
    index: bool,
    valid: Option<Vec<u8>>,
    kind: u8,
    bytes: Vec<u8>,
    text: String,
}

impl Own {
    fn column(&self) -> Column<'_> {
        let ticks = &self.bytes;
        let cells = match self.kind {
            b'i' => Cells::Plain(Plain::Ints(&self.bytes)),
            b'f' => Cells::Plain(Plain::Floats(&self.bytes)),
            b'b' => Cells::Plain(Plain::Bools(&self.bytes)),
            b't' => Cells::Plain(Plain::Times { unit: Unit::Days, zoned: false, ticks }),
            b'z' => Cells::Plain(Plain::Times { unit: Unit::Nanoseconds, zoned: true, ticks }),
            b'd' => Cells::Plain(Plain::Spans { unit: Unit::Seconds, ticks }),
            b's' => Cells::Plain(Plain::Texts { ends: &self.bytes, text: &self.text }),
            b'c' => Cells::Codes {
                codes: &self.bytes,
                count: 2,
                categories: Plain::Texts { ends: &[1, 0, 0, 0, 3, 0, 0, 0], text: "abb" },
                dtype: "object",
            },
            _ => Cells::Values,
        };
        Column {
            name: &self.name,
            dtype: &self.dtype,
            index: self.index,
            valid: self.valid.as_deref(),
            cells,
        }
    }
}

fn column(rows: usize) -> impl Strategy<Value = Own> {
    let eights = proptest::collection::vec(any::<u8>(), rows * 8);
    let texts = proptest::collection::vec(".{0,6}", rows);
    let codes = proptest::collection::vec(-1..2_i32, rows);
    let names = (".{0,8}", "[a-z0-9]{0,9}", any::<bool>());
    (names, any::<u8>(), proptest::option::of(any::<u64>()), eights, texts, codes).prop_map(
        move |((name, dtype, index), kind, valid, eights, texts, codes)| {
            let kind = b"ifbtzdscv"[usize::from(kind) % 9];
            let bits = valid.filter(|_| matches!(kind, b'i' | b'f' | b'b' | b's'));
            let valid = bits.map(|bits| {
                let mask = if rows == 0 { 0 } else { bits & (u64::MAX >> (64 - rows)) };
                mask.to_le_bytes()[..rows.div_ceil(8)].to_vec()
            });
            let text = texts.concat();
            let bytes = match kind {
                b'b' => eights[..rows].iter().map(|byte| byte & 1).collect(),
                b'c' => codes.iter().flat_map(|code| code.to_le_bytes()).collect(),
                b's' => {
                    let mut end = 0;
                    let ends = texts.iter().map(|text| {
                        end += u32::try_from(text.len()).unwrap();
                        end.to_le_bytes()
                    });
                    ends.collect::<Vec<_>>().concat()
                }
                _ => eights,
            };
            Own { name, dtype, index, valid, kind, bytes, text }
        },
    )
}

fn table() -> impl Strategy<Value = (usize, String, Vec<Own>)> {
    (1_usize..40, ".{0,20}").prop_flat_map(|(rows, note)| {
        (Just(rows), Just(note), proptest::collection::vec(column(rows), 1..6)).prop_map(
            |(rows, note, mut columns)| {
                for (at, column) in columns.iter_mut().enumerate() {
                    column.name.push_str(&at.to_string());
                }
                (rows, note, columns)
            },
        )
    })
}

fn written(
    rows: usize,
    lone: bool,
    note: &str,
    columns: &[Own],
    budget: &Budget,
) -> Result<Vec<u8>, Violation> {
    let columns: Vec<_> = columns.iter().map(Own::column).collect();
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, budget);
    encoder.table(rows, lone, note, &columns)?;
    for _ in columns.iter().filter(|column| column.cells == Cells::Values) {
        encoder.ints(&vec![7; rows])?;
    }
    encoder.finish()?;
    Ok(out)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_table_comes_back((rows, note, columns) in table()) {
        let bytes = written(rows, false, &note, &columns, &HOST).unwrap();
        prop_assert_eq!(validate(&bytes, &HOST), Ok(1));
        let mut reader = Reader::new(&bytes, &HOST).unwrap();
        let Token::Table(table) = reader.next().unwrap() else { panic!("no table") };
        prop_assert_eq!((table.rows, table.lone, table.note, table.len()), (rows, false, &*note, columns.len()));
        let back: Vec<_> = table.columns().collect();
        prop_assert_eq!(back, columns.iter().map(Own::column).collect::<Vec<_>>());
        let datum = Datum::decode(&bytes, &HOST).unwrap();
        prop_assert_eq!(datum.encode(&HOST).unwrap(), bytes.clone());
        let mut rest = bytes.as_slice();
        rmpv::decode::read_value(&mut rest).unwrap();
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn a_cut_table_is_refused((rows, note, columns) in table(), cut in any::<prop::sample::Index>()) {
        let bytes = written(rows, false, &note, &columns, &HOST).unwrap();
        prop_assert_ne!(validate(&bytes[..cut.index(bytes.len())], &HOST), Ok(1));
    }

    #[test]
    fn a_damaged_table_is_read_or_refused_and_what_is_read_is_stable(
        (rows, note, columns) in table(), at in any::<prop::sample::Index>(), with in any::<u8>(),
    ) {
        let mut bytes = written(rows, false, &note, &columns, &HOST).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = with;
        let validated = validate(&bytes, &HOST);
        match Datum::decode_all(&bytes, &HOST) {
            Ok(all) => {
                prop_assert_eq!(validated, Ok(all.len()));
                for datum in all {
                    let again = datum.encode(&HOST).unwrap();
                    let back = Datum::decode(&again, &HOST).unwrap();
                    let same = format!("{back:?}") == format!("{datum:?}");
                    prop_assert!(same, "{:?} became {:?}", datum, back);
                }
            }
            // What only builders see.
            Err(Violation::Key { fault: KeyFault::Duplicate, .. } | Violation::Column { .. }) => {}
            Err(violation) => prop_assert_eq!(validated, Err(violation)),
        }
    }

    #[test]
    fn what_one_budget_lets_out_it_lets_in(
        (rows, note, columns) in table(), nodes in 0_usize..9, string_bytes in 0_usize..900,
        memory in 0_usize..30_000, payload_bytes in 0_usize..900,
    ) {
        let budget = Budget { payload_bytes, nodes, string_bytes, memory, ..HOST };
        if let Ok(bytes) = written(rows, false, &note, &columns, &budget) {
            prop_assert_eq!(validate(&bytes, &budget), Ok(1));
        }
    }
}

/// A table's body behind its tag; `lists` empty lists follow.
fn framed(body: &[u8], lists: u8) -> Vec<u8> {
    let mut bytes = vec![0x92 + lists, 0xd4, 1, b'T'];
    match u8::try_from(body.len()) {
        Ok(length) => bytes.extend_from_slice(&[0xc4, length]),
        Err(_) => {
            bytes.push(0xc6);
            bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend_from_slice(body);
    bytes.extend(std::iter::repeat_n(0x90, usize::from(lists)));
    bytes
}

/// Rows and columns, no note, then the columns as they are.
fn body(rows: u32, columns: u32, rest: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [rows.to_le_bytes(), columns.to_le_bytes()].concat();
    bytes.extend_from_slice(&[0, 0, 0, 0, 0]);
    bytes.extend(rest.concat());
    bytes
}

/// A column without name and type.
fn head(kind: u8, flags: u8) -> Vec<u8> {
    [&[kind, flags][..], &[0; 8]].concat()
}

fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let of = |rows, kind, flags, rest: &[u8]| framed(&body(rows, 1, &[&head(kind, flags), rest]), 0);
    let codes = |code: i32, count: u32, rest: &[u8]| {
        let parts = [&code.to_le_bytes()[..], &count.to_le_bytes(), b"i", &[0; 4], rest].concat();
        of(1, b'c', 0, &parts)
    };
    let mut long = body(0, 1, &[]);
    long.splice(9..13, 300_000_u32.to_le_bytes());
    vec![
        ("nothing in it", framed(&[], 0)),
        ("a head that ends", framed(&[0; 12], 0)),
        ("rows without columns", framed(&body(1, 0, &[]), 0)),
        ("2^32 - 1 rows without columns", framed(&body(u32::MAX, 0, &[]), 0)),
        ("2^32 - 1 rows of values", framed(&body(u32::MAX, 1, &[&head(b'i', 0)]), 0)),
        ("2^32 - 1 columns", framed(&body(0, u32::MAX, &[]), 0)),
        ("one column more than there is", framed(&body(0, 2, &[&head(b'i', 0)]), 0)),
        ("one byte more than the columns", framed(&body(0, 1, &[&head(b'i', 0), &[0]]), 0)),
        ("a note longer than there are bytes", framed(&long, 0)),
        ("a lone column that is two", {
            let mut two = body(0, 2, &[&head(b'i', 0), &head(b'f', 0)]);
            two[8] = 1;
            framed(&two, 0)
        }),
        ("neither lone nor not", {
            let mut one = body(0, 1, &[&head(b'i', 0)]);
            one[8] = 2;
            framed(&one, 0)
        }),
        ("numbers of seven bytes", of(1, b'i', 0, &[0; 7])),
        ("numbers of nine bytes", of(1, b'f', 0, &[0; 9])),
        ("a truth of 2", of(1, b'b', 0, &[2])),
        ("an unknown kind", of(0, b'?', 0, &[])),
        ("an unknown flag", of(0, b'i', 4, &[])),
        ("an unknown unit", of(1, b't', 0, &[b'?', 0, 0, 0, 0, 0, 0, 0, 0])),
        ("no validity", of(9, b'b', 1, &[0; 9])),
        ("validity of more than there is", of(1, b'b', 1, &[3, 0])),
        ("validity of codes", of(1, b'c', 1, &[1, 0, 0, 0, 0, 0, 0, 0, 0, b'i', 0, 0, 0, 0])),
        ("validity of times", of(1, b't', 1, &[1, b's', 0, 0, 0, 0, 0, 0, 0, 0])),
        ("a text that ends behind the last", of(2, b's', 0, &[9, 0, 0, 0, 1, 0, 0, 0, b'a'])),
        ("a text that ends before it begins", of(3, b's', 0, &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'a'])),
        ("a text that ends inside a character", of(2, b's', 0, &[1, 0, 0, 0, 2, 0, 0, 0, 0xc3, 0xa9])),
        ("texts of 4 GiB", of(1, b's', 0, &[0xff; 4])),
        ("texts that are not UTF-8", of(1, b's', 0, &[1, 0, 0, 0, 0xff])),
        ("a code of no category", codes(1, 1, &[0; 8])),
        ("a code of -2", codes(-2, 1, &[0; 8])),
        ("2^32 - 1 categories", codes(0, u32::MAX, &[0; 8])),
        (
            "categories of codes",
            of(0, b'c', 0, &[0, 0, 0, 0, b'c', 0, 0, 0, 0, 0, 0, 0, 0, b'i', 0, 0, 0, 0]),
        ),
        ("categories of any values", of(0, b'c', 0, &[0, 0, 0, 0, b'v', 0, 0, 0, 0])),
        ("a name that is not UTF-8", framed(&body(0, 1, &[&[b'i', 0, 1, 0, 0, 0, 0xff, 0, 0, 0, 0]]), 0)),
        ("a list for no column", framed(&body(0, 1, &[&head(b'i', 0)]), 1)),
        ("no list for a column of values", framed(&body(0, 1, &[&head(b'v', 0)]), 0)),
        ("a body that is a str", vec![0x92, 0xd4, 1, b'T', 0xa0]),
        ("no body", vec![0x91, 0xd4, 1, b'T']),
    ]
}

#[test]
fn hostile_tables_are_refused_without_memory() {
    for (what, bytes) in hostile() {
        let meter = Meter::new();
        let turn = meter.enter();
        let result = validate(&bytes, &HOST);
        drop(turn);
        assert!(result.is_err(), "{what} passed");
        assert_eq!(meter.peak(), 0, "{what} allocated");
        assert!(Datum::decode_all(&bytes, &HOST).is_err(), "{what}");
    }
}

#[test]
fn what_only_builders_see_is_refused_by_them() {
    let two = framed(&body(0, 2, &[&head(b'i', 0), &head(b'f', 0)]), 0);
    assert_eq!(validate(&two, &HOST), Ok(1));
    let twice = Datum::decode(&two, &HOST).unwrap_err();
    assert!(matches!(twice, Violation::Key { fault: KeyFault::Duplicate, .. }), "{twice}");
    // A list of no items for a row.
    let short = framed(&body(1, 1, &[&head(b'v', 0)]), 1);
    assert_eq!(validate(&short, &HOST), Ok(1));
    assert!(matches!(Datum::decode(&short, &HOST), Err(Violation::Column { .. })));
}

#[test]
fn tables_are_charged_before_they_are_built() {
    let over = |what| {
        move |bytes: &[u8]| validate(bytes, &HOST) == Err(Violation::Exceeded { what, limit: limit(what) })
    };
    // 16,384 columns of no rows are the most there can be, and each costs the host as much as a small object.
    let most = u32::try_from(COLUMNS).unwrap();
    let many = |count: u32| framed(&body(0, count, &[&head(b'i', 0).repeat(count as usize)]), 0);
    assert_eq!(validate(&many(most), &HOST), Ok(1));
    assert!(validate(&many(most + 1), &HOST).is_err());
    // Truths take a byte each here, and forty of the host's.
    let truths = vec![1; 17 << 20];
    let bytes = framed(&body(17 << 20, 1, &[&head(b'b', 0), &truths]), 0);
    assert!(over(Allowance::Memory)(&bytes));
    // Tables in tables.
    let nested = [vec![0x93, 0xd4, 1, b'T', 0xc4, 23], body(1, 1, &[&head(b'v', 0)]), vec![0x91]].concat();
    assert!(over(Allowance::Depth)(&nested.repeat(40)));
}

fn limit(what: Allowance) -> usize {
    if what == Allowance::Depth { HOST.depth } else { HOST.memory }
}
