//! Messages with their payloads, as they cross the pipe.

use dana_wire::{Budget, Datum, Encoder, ToHost, ToWorker, Usage, Violation, open, open_bytes, write_header};

use crate::samples::{to_host, to_worker};

/// A body with as many values as its message calls for.
fn body<H: dana_wire::Header>(header: &H) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(header, &mut out).unwrap();
    let mut encoder = Encoder::new(&mut out, &Budget::FROM_HOST);
    for _ in 0..header.values() {
        Datum::Tuple(vec![Datum::Int(1), Datum::Str("two".into())]).write(&mut encoder).unwrap();
    }
    encoder.finish().unwrap();
    out
}

fn check<H: dana_wire::Header + PartialEq + std::fmt::Debug>(header: &H) {
    let mut whole = body(header);
    let (back, payload) = open::<H>(&whole, &Budget::FROM_WORKER).unwrap();
    assert_eq!(&back, header);
    assert_eq!(Datum::decode_all(payload, &Budget::FROM_WORKER).unwrap().len(), header.values());
    if whole.len() < 4096 {
        for cut in 0..whole.len() {
            assert!(open::<H>(&whole[..cut], &Budget::FROM_WORKER).is_err(), "{header:?} cut at {cut}");
        }
    }
    whole.push(0xc0);
    assert_eq!(
        open::<H>(&whole, &Budget::FROM_WORKER).unwrap_err(),
        Violation::Payload { found: "more" },
        "{header:?}"
    );
}

#[test]
fn every_message_comes_back_and_no_part_of_it_does() {
    to_worker().iter().for_each(check);
    to_host().iter().for_each(check);
}

#[test]
fn the_other_directions_messages_are_refused() {
    for header in to_worker() {
        assert!(open::<ToHost>(&body(&header), &Budget::FROM_WORKER).is_err(), "{header:?}");
    }
    for header in to_host() {
        assert!(open::<ToWorker>(&body(&header), &Budget::FROM_WORKER).is_err(), "{header:?}");
    }
}

/// Each byte of each message replaced by each other byte: what is still a message is written the same way.
#[test]
fn whatever_is_accepted_is_what_we_write() {
    fn mutate<H: dana_wire::Header>(header: &H) -> usize {
        let whole = body(header);
        let mut accepted = 0;
        for at in 0..whole.len().min(400) {
            for byte in 0..=u8::MAX {
                let mut changed = whole.clone();
                changed[at] = byte;
                let Ok((back, payload)) = open::<H>(&changed, &Budget::FROM_WORKER) else { continue };
                let mut again = Vec::new();
                write_header(&back, &mut again).unwrap();
                again.extend_from_slice(payload);
                assert!(again == changed, "byte {at} as {byte:#04x} of {changed:02x?}");
                accepted += 1;
            }
        }
        accepted
    }
    let short = |header: &&ToWorker| !matches!(header, ToWorker::Run { source, .. } if source.len() > 400);
    let accepted: usize = to_worker().iter().filter(short).map(mutate).sum();
    assert!(accepted > 1000);
    assert!(to_host().iter().map(mutate).sum::<usize>() > 1000);
}

fn done(value: &Datum) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(&ToHost::Done { turn: 3, usage: Usage::default() }, &mut out).unwrap();
    value.write(&mut Encoder::new(&mut out, &Budget::FROM_WORKER)).unwrap();
    out
}

/// Whatever part of a body has come: one that is taken for bytes is what [`open`] finds in the end.
#[test]
fn large_bytes_are_known_by_their_beginning() {
    let bytes = vec![7; 70_000];
    let body = done(&Datum::Bytes(bytes.clone()));
    let (header, payload) = open::<ToHost>(&body, &Budget::FROM_WORKER).unwrap();
    let start = body.len() - 70_000;
    for cut in (0..start + 10).chain([body.len()]) {
        let opening = open_bytes::<ToHost>(&body[..cut], body.len(), &Budget::FROM_WORKER);
        assert_eq!(opening.is_some(), cut >= start, "{cut}");
        let Some(opening) = opening else { continue };
        assert_eq!((&opening.header, opening.length), (&header, payload.len() - 5));
        assert_eq!(opening.bytes, &bytes[..cut - start]);
    }
}

#[test]
fn what_is_not_one_large_bytes_value_is_left_to_be_opened() {
    let large = Datum::Bytes(vec![7; 70_000]);
    let body = done(&large);
    let whole = |body: &[u8], budget: &Budget| open_bytes::<ToHost>(body, body.len(), budget).is_some();
    assert!(whole(&body, &Budget::FROM_WORKER));
    for (length, what) in
        [(body.len() - 1, "short"), (body.len() + 1, "long"), (3, "shorter than its header")]
    {
        assert!(open_bytes::<ToHost>(&body[..50], length, &Budget::FROM_WORKER).is_none(), "{what}");
    }
    for value in [Datum::Bytes(vec![7; 60_000]), Datum::Str("x".repeat(70_000)), Datum::List(vec![large])] {
        assert!(!whole(&done(&value), &Budget::FROM_WORKER));
    }
    let mut longer_form = done(&Datum::Bytes(vec![7; 300]));
    let at = longer_form.len() - 303;
    longer_form.splice(at..at + 3, [0xc6, 0, 0, 1, 44]);
    assert!(!whole(&longer_form, &Budget::FROM_WORKER));
    let budgets = [
        Budget { frame_bytes: body.len() - 1, ..Budget::FROM_WORKER },
        Budget { payload_bytes: 70_004, ..Budget::FROM_WORKER },
        Budget { string_bytes: 69_999, ..Budget::FROM_WORKER },
        Budget { memory: 70_071, ..Budget::FROM_WORKER },
    ];
    for budget in budgets {
        assert!(!whole(&body, &budget) && open::<ToHost>(&body, &budget).is_err(), "{budget:?}");
    }
    let mut none = Vec::new();
    write_header(&ToHost::Started, &mut none).unwrap();
    Datum::Bytes(vec![7; 70_000]).write(&mut Encoder::new(&mut none, &Budget::FROM_WORKER)).unwrap();
    assert!(!whole(&none, &Budget::FROM_WORKER), "a message without values");
}

#[test]
fn bytes_apart_make_the_same_payload() {
    let bytes = vec![7; 70_000];
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, &Budget::FROM_WORKER);
    encoder.none().unwrap();
    encoder.bytes_apart(bytes.len()).unwrap();
    assert_eq!(encoder.position(), 1 + 5 + 70_000);
    assert_eq!(encoder.finish(), Ok(2));
    out.extend_from_slice(&bytes);
    let values = Datum::decode_all(&out, &Budget::FROM_WORKER).unwrap();
    assert_eq!(values, [Datum::None, Datum::Bytes(bytes)]);
    for budget in [
        Budget { payload_bytes: 70_003, ..Budget::FROM_WORKER },
        Budget { string_bytes: 69_999, ..Budget::FROM_WORKER },
        Budget { memory: 70_000, ..Budget::FROM_WORKER },
    ] {
        assert!(Encoder::new(&mut Vec::new(), &budget).bytes_apart(70_000).is_err());
    }
}

#[test]
fn a_list_that_turns_out_mixed_leaves_nothing() {
    let mut out = vec![1, 2];
    let mut encoder = Encoder::new(&mut out, &Budget { memory: 300, ..Budget::FROM_WORKER });
    let mixed = [Some(1.0), Some(2.0), None];
    assert_eq!(encoder.floats_if(3, mixed.into_iter()), Ok(false));
    assert_eq!(encoder.floats_if(4, mixed.into_iter().take(2)), Ok(false));
    assert_eq!(encoder.ints_if(3, [Some(1), None, Some(2)].into_iter()), Ok(false));
    assert_eq!(encoder.position(), 0);
    assert!(encoder.ints_if(10, std::iter::repeat(Some(1))).is_err(), "more than the budget");
    assert_eq!(encoder.ints_if(2, [Some(1), Some(-1)].into_iter()), Ok(true));
    assert_eq!(encoder.finish(), Ok(1));
    assert_eq!(
        Datum::decode(&out[2..], &Budget::FROM_WORKER),
        Ok(Datum::List(vec![Datum::Int(1), Datum::Int(-1)]))
    );
}
