//! What reading may allocate, measured with the counting allocator.

use dana_meter::Meter;
use dana_wire::{Budget, Datum, ToHost, ToWorker, open, validate, write_header};

use crate::samples::{to_host, to_worker};

const HOST: Budget = Budget::FROM_WORKER;

/// The most bytes `act` holds beyond what it began with.
fn peak_of<R>(act: impl FnOnce() -> R) -> (R, usize) {
    let meter = Meter::new();
    let turn = meter.enter();
    let result = act();
    drop(turn);
    (result, meter.peak())
}

#[test]
fn validating_allocates_nothing() {
    let dict = (0..1000).map(|key| (Datum::Int(key), Datum::List(vec![Datum::Str("value".into()); 5])));
    let bytes = Datum::Dict(dict.collect()).encode(&HOST).unwrap();
    let (result, peak) = peak_of(|| validate(&bytes, &HOST));
    assert_eq!((result, peak), (Ok(1), 0));
}

#[test]
fn a_header_takes_memory_in_proportion() {
    for header in to_host() {
        check(&header);
    }
    for header in to_worker() {
        check(&header);
    }
    check(&ToWorker::Release { handles: (0..65_536).collect() });
}

fn check<H: dana_wire::Header + std::fmt::Debug>(header: &H) {
    let mut body = Vec::new();
    write_header(header, &mut body).unwrap();
    let len = body.len();
    (0..header.values()).for_each(|_| body.push(0xc0));
    let (result, peak) = peak_of(|| open::<H>(&body, &HOST).map(|_| ()));
    result.unwrap();
    // A list of empty strings is the worst: 24 bytes from one, doubled while the list grows.
    assert!(peak <= 64 * len + 512, "{header:?}: {len} bytes took {peak}");
}

#[test]
fn the_most_expensive_header_stays_small() {
    // As many empty strings as a header may hold values: 24 bytes each, then refused by the cap.
    let count = 130_000_u32;
    let mut body = b"\x81\xa5Start\x93\x94\xc0\xc0\x00\xc0\x92\x00\x00\xdd".to_vec();
    body.extend_from_slice(&count.to_be_bytes());
    body.extend(std::iter::repeat_n(0xa0, count as usize));
    let (result, peak) = peak_of(|| open::<ToWorker>(&body, &HOST).map(|_| ()));
    assert!(result.is_err());
    assert!(peak <= 8 << 20, "{peak} bytes");
}

#[test]
fn writing_a_million_floats_allocates_once_and_little_more_than_they_are() {
    let floats = vec![0.5; 1_000_000];
    let (bytes, peak) = peak_of(|| {
        let mut out = Vec::new();
        dana_wire::Encoder::new(&mut out, &HOST).floats(&floats).unwrap();
        out
    });
    assert_eq!(bytes.len(), 8_000_006);
    assert!(peak <= bytes.len() + 1024, "{peak} bytes");
    assert_eq!(validate(&bytes, &HOST), Ok(1));
    let (header, peak) = peak_of(|| open::<ToHost>(&bytes, &HOST).map(|_| ()));
    assert!(header.is_err() && peak < 1024);
}
