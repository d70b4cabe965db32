//! Encoding, checking and decoding, beside a plain copy of the same bytes in the same run.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dana_wire::{
    Assembler, Budget, Datum, Encoder, Header, Reader, Target, ToHost, ToWorker, Token, Usage, floats, frame,
    open, validate, write_header,
};

const BUDGET: Budget = Budget::FROM_WORKER;
/// Bytes of a frame, at the most.
const LIMIT: usize = 1 << 20;

fn small_messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("small");
    let mut out = Vec::with_capacity(256);
    let int = Datum::Int(42).encode(&BUDGET).unwrap_or_default();
    group.bench_function("encode an int", |b| {
        b.iter(|| {
            out.clear();
            let mut encoder = Encoder::new(&mut out, &BUDGET);
            let written = encoder.int(black_box(42)).and_then(|()| encoder.finish());
            written.is_ok()
        });
    });
    group.bench_function("read an int", |b| {
        b.iter(|| {
            Reader::new(black_box(&int), &BUDGET)
                .and_then(|mut reader| reader.next().map(|token| token == Token::Int(42)))
        });
    });
    let done =
        ToHost::Done { turn: 7, usage: Usage { steps: 100, memory_peak: 1 << 20, output_bytes: 0, asks: 0 } };
    group.bench_function("write Done(42)", |b| {
        b.iter(|| {
            out.clear();
            let header = write_header(black_box(&done), &mut out);
            let mut encoder = Encoder::new(&mut out, &BUDGET);
            header.and_then(|()| encoder.int(42)).and_then(|()| encoder.finish()).is_ok()
        });
    });
    let mut body = Vec::new();
    assert!(write_header(&done, &mut body).is_ok());
    body.extend_from_slice(&int);
    assert!(open::<ToHost>(&body, &BUDGET).is_ok());
    group.bench_function("open Done(42)", |b| b.iter(|| open::<ToHost>(black_box(&body), &BUDGET).is_ok()));
    let run = ToWorker::Run { turn: 7, filename: None, source: "x = 40\nx + 2\n".to_owned() };
    group.bench_function("write Run", |b| {
        b.iter(|| {
            out.clear();
            write_header(black_box(&run), &mut out).is_ok()
        });
    });
    body.clear();
    assert!(write_header(&run, &mut body).is_ok());
    assert!(open::<ToWorker>(&body, &BUDGET).is_ok());
    group.bench_function("open Run", |b| b.iter(|| open::<ToWorker>(black_box(&body), &BUDGET).is_ok()));
    group.finish();
}

/// What a warm call costs in frames, both sides together: a call and its answer composed, put together from the stream,
/// opened, and their one int read.
fn a_call_and_its_answer(c: &mut Criterion) {
    let call =
        ToWorker::Call { turn: 7, target: Target::Name("f".to_owned()), positional: 1, keywords: Vec::new() };
    let usage = Usage { steps: 100, memory_peak: 1 << 20, output_bytes: 0, asks: 0 };
    let done = ToHost::Done { turn: 7, usage };
    let (mut there, mut back) = (Assembler::new(LIMIT), Assembler::new(LIMIT));
    let mut out = Vec::with_capacity(256);
    let mut round_trip = || {
        compose(&mut out, |out| write_header(&call, out).is_ok(), 21)
            && there.fill(&mut out.as_slice()).is_ok_and(|read| read == out.len())
            && there.frame().is_ok_and(|body| body.and_then(int_behind::<ToWorker>) == Some(21))
            && compose(&mut out, |out| write_header(&done, out).is_ok(), 42)
            && back.fill(&mut out.as_slice()).is_ok_and(|read| read == out.len())
            && back.frame().is_ok_and(|body| body.and_then(int_behind::<ToHost>) == Some(42))
    };
    assert!(round_trip());
    c.bench_function("frames/a call and its answer, there and back", |b| b.iter(&mut round_trip));
}

fn compose(out: &mut Vec<u8>, header: impl FnOnce(&mut Vec<u8>) -> bool, payload: i64) -> bool {
    frame::begin(out);
    let written = header(out) && {
        let mut encoder = Encoder::new(out, &BUDGET);
        encoder.int(black_box(payload)).and_then(|()| encoder.finish()).is_ok()
    };
    written && frame::end(out, LIMIT).is_ok()
}

fn int_behind<T: Header>(body: &[u8]) -> Option<i64> {
    let (_, payload) = open::<T>(body, &BUDGET).ok()?;
    match Reader::new(payload, &BUDGET).and_then(|mut reader| reader.next()) {
        Ok(Token::Int(found)) => Some(found),
        _ => None,
    }
}

fn a_million_floats(c: &mut Criterion) {
    let numbers: Vec<f64> = (0..1_000_000).map(|n| f64::from(n) * 0.5).collect();
    let mut group = c.benchmark_group("1 M floats");
    group.throughput(Throughput::Bytes(8_000_000));
    let mut out = Vec::with_capacity(8_000_016);
    assert!(Encoder::new(&mut out, &BUDGET).floats(&numbers).is_ok());
    group.bench_function("encode packed", |b| {
        b.iter(|| {
            out.clear();
            Encoder::new(&mut out, &BUDGET).floats(black_box(&numbers)).is_ok()
        });
    });
    group.bench_function("validate packed", |b| b.iter(|| validate(black_box(&out), &BUDGET)));
    let mut back: Vec<f64> = Vec::with_capacity(1_000_000);
    group.bench_function("decode packed", |b| {
        b.iter(|| {
            back.clear();
            if let Ok(Token::Floats(packed)) =
                Reader::new(black_box(&out), &BUDGET).and_then(|mut r| r.next())
            {
                back.extend(floats(packed));
            }
            back.len()
        });
    });
    let mut copy = vec![0_u8; out.len()];
    group.bench_function("copy, for comparison", |b| b.iter(|| copy.copy_from_slice(black_box(&out))));
    group.finish();
}

fn a_dict_of_100k(c: &mut Criterion) {
    let pairs = (0..100_000).map(|n| (Datum::Str(format!("key{n}")), Datum::Int(n)));
    let dict = Datum::Dict(pairs.collect());
    let bytes = dict.encode(&BUDGET).unwrap_or_default();
    let mut group = c.benchmark_group("dict of 100 k");
    group.throughput(Throughput::Elements(200_000));
    let mut out = Vec::with_capacity(bytes.len());
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            dict.write(&mut Encoder::new(&mut out, &BUDGET)).is_ok()
        });
    });
    group.bench_function("validate", |b| b.iter(|| validate(black_box(&bytes), &BUDGET)));
    group.finish();
}

criterion_group!(benches, small_messages, a_call_and_its_answer, a_million_floats, a_dict_of_100k);
criterion_main!(benches);
