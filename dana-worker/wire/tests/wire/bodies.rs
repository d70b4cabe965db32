//! Messages with their payloads, as they cross the pipe.

use dana_wire::{Budget, Datum, Encoder, ToHost, ToWorker, Violation, open, write_header};

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
