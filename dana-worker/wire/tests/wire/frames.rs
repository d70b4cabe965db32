//! Frames on streams that stutter, lie and break off: rows 76 and 77 of the attack corpus.

use std::io::{self, Cursor, Read, Write};

use dana_meter::Meter;
use dana_wire::frame::{begin, end};
use dana_wire::{Assembler, FrameError, read_frame, write_frame};

const LIMIT: usize = 1 << 20;

fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, body, &[], LIMIT).unwrap();
    out
}

/// Hands out at most so many bytes at a time, with an interruption before each piece.
struct Stutter<'a> {
    rest: &'a [u8],
    piece: usize,
    interrupt: bool,
}

impl Read for Stutter<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let piece = self.piece.min(into.len()).min(self.rest.len());
        self.rest.read(&mut into[..piece])
    }
}

/// Takes at most three bytes at a time.
struct Narrow(Vec<u8>);

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(3);
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn frames_come_back_whole_and_in_order_whatever_the_pieces() {
    let bodies: Vec<Vec<u8>> = [1, 2, 5, 100, 65_535, 65_536, 65_537, 300_000, LIMIT]
        .iter()
        .map(|len| (0..*len).map(|byte| u8::try_from(byte % 251).unwrap()).collect())
        .collect();
    let stream: Vec<u8> = bodies.iter().flat_map(|body| framed(body)).collect();
    for piece in [1, 7, 4096, 65_536, usize::MAX] {
        let mut reader = Stutter { rest: &stream, piece, interrupt: false };
        for body in &bodies {
            assert!(read_frame(&mut reader, LIMIT).unwrap().as_ref() == Some(body), "pieces of {piece}");
        }
        assert!(read_frame(&mut reader, LIMIT).unwrap().is_none());

        let mut reader = Stutter { rest: &stream, piece, interrupt: false };
        let mut assembler = Assembler::new(LIMIT);
        let mut next = bodies.iter();
        loop {
            while let Some(body) = assembler.frame().unwrap() {
                assert!(Some(body) == next.next().map(Vec::as_slice), "pieces of {piece}");
            }
            match assembler.fill(&mut reader) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::Interrupted),
            }
        }
        assert!(assembler.is_empty() && next.next().is_none());
    }
}

#[test]
fn a_writer_that_takes_little_gets_everything() {
    let mut narrow = Narrow(Vec::new());
    write_frame(&mut narrow, b"header", b"and the payload", LIMIT).unwrap();
    assert_eq!(narrow.0, framed(b"headerand the payload"));
    let mut buffer = b"what was here before".to_vec();
    begin(&mut buffer);
    buffer.extend_from_slice(b"headerand the payload");
    end(&mut buffer, LIMIT).unwrap();
    assert_eq!(buffer, narrow.0);
}

#[test]
fn false_lengths_are_refused_without_memory() {
    let meter = Meter::new();
    let limit = u32::try_from(LIMIT).unwrap();
    for length in [0, limit + 1, u32::MAX] {
        let stream = [length.to_le_bytes().as_slice(), b"rest"].concat();
        let turn = meter.enter();
        let result = read_frame(&mut stream.as_slice(), LIMIT);
        let mut assembler = Assembler::new(LIMIT);
        assembler.fill(&mut stream.as_slice()).unwrap();
        let assembled = assembler.frame().map(|frame| frame.map(<[u8]>::to_vec));
        drop(assembler);
        drop(turn);
        for result in [result, assembled] {
            match result {
                Err(FrameError::Empty) => assert_eq!(length, 0),
                Err(FrameError::TooLong { length: claimed, limit }) => {
                    assert_eq!((claimed, limit), (length as usize, LIMIT));
                }
                other => panic!("{length}: {other:?}"),
            }
        }
        assert!(meter.peak() <= 64 << 10, "{length}: {} bytes", meter.peak());
    }
}

#[test]
fn memory_follows_what_comes_and_not_what_is_claimed() {
    let claimed = u32::try_from(LIMIT).unwrap().to_le_bytes();
    for sent in [0, 1, 100, 60_000, 100_000] {
        let stream = [claimed.as_slice(), &vec![7; sent]].concat();
        let meter = Meter::new();
        let turn = meter.enter();
        let result = read_frame(&mut stream.as_slice(), LIMIT);
        drop(turn);
        match result {
            Err(FrameError::Cut { missing }) => assert_eq!(missing, LIMIT - sent),
            other => panic!("{sent}: {other:?}"),
        }
        assert!(meter.peak() <= 2 * sent + (64 << 10), "{sent} sent, {} taken", meter.peak());
    }
}

#[test]
fn an_end_inside_a_frame_is_not_a_clean_one() {
    let whole = framed(b"body");
    for cut in 1..whole.len() {
        match read_frame(&mut &whole[..cut], LIMIT) {
            Err(FrameError::Cut { missing }) => {
                assert_eq!(missing, if cut < 4 { 4 - cut } else { whole.len() - cut });
            }
            other => panic!("cut at {cut}: {other:?}"),
        }
        let mut assembler = Assembler::new(LIMIT);
        assembler.fill(&mut &whole[..cut]).unwrap();
        assert!(assembler.frame().unwrap().is_none() && !assembler.is_empty());
    }
}

#[test]
fn nothing_empty_or_too_long_is_ever_written() {
    let mut out = Vec::new();
    assert!(matches!(write_frame(&mut out, &[], &[], LIMIT), Err(FrameError::Empty)));
    let long = vec![0; LIMIT];
    assert!(matches!(write_frame(&mut out, &[1], &long, LIMIT), Err(FrameError::TooLong { .. })));
    assert!(out.is_empty());
    begin(&mut out);
    assert!(matches!(end(&mut out, LIMIT), Err(FrameError::Empty)));
}

#[test]
fn the_assembler_tells_what_it_holds() {
    let stream = [framed(b"one"), framed(b"second")].concat();
    let mut assembler = Assembler::new(LIMIT);
    assert!(!assembler.is_ready().unwrap() && assembler.last().is_empty() && assembler.held() == 0);
    assembler.fill(&mut stream.split_at(stream.len() - 1).0).unwrap();
    assert!(assembler.is_ready().unwrap());
    assert_eq!(assembler.held(), stream.len() - 1);
    assert_eq!(assembler.frame().unwrap(), Some(b"one".as_slice()));
    assert_eq!((assembler.last(), assembler.held()), (b"one".as_slice(), 9));
    assert!(!assembler.is_ready().unwrap() && assembler.frame().unwrap().is_none());
    assert_eq!(assembler.last(), b"one", "asking for what has not come changes nothing");
    assembler.fill(&mut stream.split_at(stream.len() - 1).1).unwrap();
    assert!(assembler.last().is_empty(), "more was read");
    assert_eq!(assembler.frame().unwrap(), Some(b"second".as_slice()));
    assert_eq!(assembler.last(), b"second");
    let mut assembler = Assembler::new(2);
    assembler.fill(&mut stream.as_slice()).unwrap();
    assert!(matches!(assembler.is_ready(), Err(FrameError::TooLong { length: 3, limit: 2 })));
}

#[test]
fn a_stream_that_fails_says_so() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    assert!(matches!(read_frame(&mut Broken, LIMIT), Err(FrameError::Stream(_))));
    let mut half = Cursor::new([5, 0, 0, 0, 1]).chain(Broken);
    assert!(matches!(read_frame(&mut half, LIMIT), Err(FrameError::Stream(_))));
}

#[test]
fn a_large_frame_leaves_no_large_buffer_behind() {
    let stream = [framed(&vec![1; LIMIT]), framed(b"small")].concat();
    let mut stream = stream.as_slice();
    let meter = Meter::new();
    let turn = meter.enter();
    let mut assembler = Assembler::new(LIMIT);
    let mut seen = 0;
    while seen < 2 {
        while assembler.frame().unwrap().is_some() {
            seen += 1;
        }
        if seen < 2 {
            assembler.fill(&mut stream).unwrap();
        }
    }
    assert_eq!(assembler.fill(&mut stream).unwrap(), 0);
    drop(turn);
    assert!(meter.held() <= 256 << 10, "{} bytes", meter.held());
    let turn = meter.enter();
    drop(assembler);
    drop(turn);
}

#[test]
fn room_follows_what_comes_and_is_exact_in_the_end() {
    let body = vec![7; LIMIT];
    let stream = framed(&body);
    for (mut assembler, most) in [(Assembler::new(LIMIT), 8), (Assembler::trusting(LIMIT), usize::MAX)] {
        let (mut come, meter) = (0, Meter::new());
        let turn = meter.enter();
        while !assembler.is_ready().unwrap() {
            let mut piece = &stream[come..(come + 1000).min(stream.len())];
            come += assembler.fill(&mut piece).unwrap();
            let room = dana_meter::held();
            assert!(room <= come.saturating_mul(most).max(4 << 10), "{room} bytes for {come}");
        }
        assert!(dana_meter::held() <= stream.len() + 16, "no more than the frame needs");
        drop(turn);
        assert!(meter.peak() <= 2 * stream.len());
        assert!(assembler.frame().unwrap() == Some(body.as_slice()));
        let turn = meter.enter();
        drop(assembler);
        drop(turn);
    }
}

/// So that no stream of small frames takes time that grows with the square of its length.
#[test]
fn frames_that_nobody_takes_are_moved_seldom() {
    let stream = framed(b"twelve bytes").repeat(10_000);
    let mut assembler = Assembler::new(LIMIT);
    let (mut come, mut grown, mut room) = (0, 0, 0);
    let meter = Meter::new();
    let turn = meter.enter();
    while come < stream.len() {
        let mut piece = &stream[come..(come + 16).min(stream.len())];
        come += assembler.fill(&mut piece).unwrap();
        if dana_meter::held() != room {
            (grown, room) = (grown + 1, dana_meter::held());
        }
    }
    assert!(grown < 12, "{grown} times");
    assert_eq!(assembler.held(), stream.len());
    drop(assembler);
    drop(turn);
}

#[test]
fn the_assembler_tells_a_clean_end_from_a_cut() {
    let whole = framed(b"body");
    for cut in 0..whole.len() {
        let mut assembler = Assembler::trusting(LIMIT);
        assembler.fill(&mut &whole[..cut]).unwrap();
        match assembler.end() {
            Ok(()) => assert_eq!(cut, 0),
            Err(FrameError::Cut { missing }) => {
                assert_eq!(missing, if cut < 4 { 4 - cut } else { whole.len() - cut });
            }
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn the_last_frame_can_be_taken_with_its_buffer() {
    let stream = [framed(b"one"), framed(b"second")].concat();
    let mut assembler = Assembler::new(LIMIT);
    assert!(assembler.give_last().is_none());
    assembler.fill(&mut stream.as_slice()).unwrap();
    assert_eq!(assembler.begun().unwrap(), Some((&stream[4..], 3)));
    assert_eq!(assembler.frame().unwrap(), Some(b"one".as_slice()));
    assert!(assembler.give_last().is_none(), "more has come");
    assert_eq!(assembler.frame().unwrap(), Some(b"second".as_slice()));
    assert!(assembler.give_last().unwrap().ends_with(b"second"));
    assert!(assembler.give_last().is_none() && assembler.is_empty() && assembler.begun().unwrap().is_none());
    assembler.fill(&mut stream.as_slice()).unwrap();
    assembler.forgo();
    assert!(assembler.is_empty());
    assembler.fill(&mut stream.as_slice()).unwrap();
    assert_eq!(assembler.frame().unwrap(), Some(b"one".as_slice()));
}
