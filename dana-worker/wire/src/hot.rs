//! Shortcuts for the four messages that every call and every ask of a program consists of.
//!
//! The rule: what is written and accepted here is, byte for byte, what the general way writes and accepts; whatever is
//! not plainly that takes the general way, which also has the errors. A test compares both. Left out: all other messages.

use crate::marker::*;
use crate::message::{Outcome, Question, Target, ToHost, ToWorker, Usage};
use crate::put::{put_str, put_uint};

/// A message some of whose forms have a shortcut.
pub trait Hot: Sized {
    /// Writes it if it has one.
    fn write(&self, out: &mut Vec<u8>) -> bool;

    /// Reads one that has; returns what follows.
    fn read(body: &[u8]) -> Option<(Self, &[u8])>;
}

/// The beginnings, up to the first field.
const DONE: &[u8] = b"\x81\xa4Done\x92";
const FUNCTION: &[u8] = b"\x81\xa8Function\x93";
const ASK: &[u8] = b"\x81\xa3Ask\x92";
const CALL: &[u8] = b"\x81\xa4Call\x94";
const NAME: &[u8] = b"\x81\xa4Name";
const HANDLE: &[u8] = b"\x81\xa6Handle";
const ANSWER: &[u8] = b"\x81\xa6Answer\x92";
const VALUE: &[u8] = b"\xa5Value";
/// An array of the four fields of [`Usage`], and one of nothing.
const FOUR: &[u8] = &[0x94];
const NONE: &[u8] = &[0x90];

impl Hot for ToHost {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> bool {
        match self {
            ToHost::Done { turn, usage } => {
                out.extend_from_slice(DONE);
                put_uint(out, (*turn).into());
                out.extend_from_slice(FOUR);
                for number in [usage.steps, usage.memory_peak, usage.output_bytes, usage.asks.into()] {
                    put_uint(out, number);
                }
                true
            }
            ToHost::Ask { ask, question: Question::Function { name, positional, keywords } }
                if keywords.is_empty() =>
            {
                out.extend_from_slice(ASK);
                put_uint(out, (*ask).into());
                out.extend_from_slice(FUNCTION);
                put_str(out, name);
                put_uint(out, (*positional).into());
                out.extend_from_slice(NONE);
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn read(body: &[u8]) -> Option<(Self, &[u8])> {
        let mut rest = Rest(body);
        if rest.skip(DONE).is_some() {
            let turn = rest.small()?;
            rest.skip(FOUR)?;
            let usage = Usage {
                steps: rest.uint()?,
                memory_peak: rest.uint()?,
                output_bytes: rest.uint()?,
                asks: rest.small()?,
            };
            return Some((ToHost::Done { turn, usage }, rest.0));
        }
        rest.skip(ASK)?;
        let ask = rest.small()?;
        rest.skip(FUNCTION)?;
        let name = rest.text()?.to_owned();
        let positional = rest.small()?;
        rest.skip(NONE)?;
        let question = Question::Function { name, positional, keywords: Vec::new() };
        Some((ToHost::Ask { ask, question }, rest.0))
    }
}

impl Hot for ToWorker {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> bool {
        match self {
            ToWorker::Call { turn, target, positional, keywords } if keywords.is_empty() => {
                out.extend_from_slice(CALL);
                put_uint(out, (*turn).into());
                match target {
                    Target::Name(name) => {
                        out.extend_from_slice(NAME);
                        put_str(out, name);
                    }
                    Target::Handle(handle) => {
                        out.extend_from_slice(HANDLE);
                        put_uint(out, *handle);
                    }
                }
                put_uint(out, (*positional).into());
                out.extend_from_slice(NONE);
                true
            }
            ToWorker::Answer { ask, outcome: Outcome::Value } => {
                out.extend_from_slice(ANSWER);
                put_uint(out, (*ask).into());
                out.extend_from_slice(VALUE);
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn read(body: &[u8]) -> Option<(Self, &[u8])> {
        let mut rest = Rest(body);
        if rest.skip(CALL).is_some() {
            let turn = rest.small()?;
            let target = if rest.skip(NAME).is_some() {
                Target::Name(rest.text()?.to_owned())
            } else {
                rest.skip(HANDLE)?;
                Target::Handle(rest.uint()?)
            };
            let positional = rest.small()?;
            rest.skip(NONE)?;
            return Some((ToWorker::Call { turn, target, positional, keywords: Vec::new() }, rest.0));
        }
        rest.skip(ANSWER)?;
        let ask = rest.small()?;
        rest.skip(VALUE)?;
        Some((ToWorker::Answer { ask, outcome: Outcome::Value }, rest.0))
    }
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    #[inline]
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    /// A number that is not negative, in its shortest form.
    #[inline]
    fn uint(&mut self) -> Option<u64> {
        let [marker] = self.take()?;
        let (number, least) = match marker {
            0x00..=0x7f => (marker.into(), 0),
            U8 => (u8::from_be_bytes(self.take()?).into(), 0x80),
            U16 => (u16::from_be_bytes(self.take()?).into(), 1 << 8),
            U32 => (u32::from_be_bytes(self.take()?).into(), 1 << 16),
            U64 => (u64::from_be_bytes(self.take()?), 1 << 32),
            _ => return None,
        };
        (number >= least).then_some(number)
    }

    #[inline]
    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.uint()?).ok()
    }

    /// A text of fewer than 32 bytes: the name of a function.
    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        let [marker @ 0xa0..=0xbf] = self.take()? else { return None };
        let (text, rest) = self.0.split_at_checked(usize::from(marker & 0x1f))?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    /// Numbers round the edges of every form.
    const NUMBERS: [u64; 13] = [
        0,
        1,
        0x7f,
        0x80,
        0xff,
        0x100,
        0xffff,
        0x1_0000,
        0xffff_ffff,
        0x1_0000_0000,
        1 << 40,
        u64::MAX - 1,
        u64::MAX,
    ];
    const NAMES: [&str; 5] =
        ["f", "double", "a_name_of_thirty_one_characters", "a_name_of_thirty_two_characters_", "ü"];

    fn general(message: &impl Serialize) -> Vec<u8> {
        rmp_serde::to_vec(message).unwrap()
    }

    fn compare<H: Hot + Serialize + PartialEq + std::fmt::Debug>(message: &H) {
        let written = general(message);
        let mut ours = Vec::new();
        assert!(message.write(&mut ours));
        assert_eq!(ours, written, "{message:?}");
        let mut body = written.clone();
        body.extend_from_slice(b"\xc0rest");
        match H::read(&body) {
            Some((back, rest)) => assert_eq!((&back, rest), (message, &b"\xc0rest"[..])),
            // Only long names are left to the general way.
            None => assert!(written.windows(2).any(|pair| pair[0] == STR8), "{message:?}"),
        }
        for cut in 0..written.len() {
            assert!(H::read(&written[..cut]).is_none());
        }
        // Whatever else is read as a message is in the form that the general way writes.
        for at in 0..written.len() {
            for byte in 0..=u8::MAX {
                let mut changed = body.clone();
                changed[at] = byte;
                if let Some((back, rest)) = H::read(&changed) {
                    assert_eq!(changed[..changed.len() - rest.len()], general(&back), "{back:?}");
                }
            }
        }
    }

    #[test]
    fn calls_and_answers() {
        for number in NUMBERS {
            for name in NAMES {
                let small = number as u32;
                let target = Target::Name(name.to_owned());
                compare(&ToWorker::Call { turn: small, target, positional: small / 2, keywords: Vec::new() });
                let target = Target::Handle(number);
                compare(&ToWorker::Call { turn: 1, target, positional: small, keywords: Vec::new() });
                compare(&ToWorker::Answer { ask: small, outcome: Outcome::Value });
            }
        }
    }

    #[test]
    fn results_and_asks() {
        for number in NUMBERS {
            for name in NAMES {
                let small = number as u32;
                let usage =
                    Usage { steps: number, memory_peak: number / 3, output_bytes: number / 5, asks: 0 };
                compare(&ToHost::Done { turn: small, usage });
                let keywords = Vec::new();
                let question = Question::Function { name: name.to_owned(), positional: small, keywords };
                compare(&ToHost::Ask { ask: small, question });
            }
        }
    }

    #[test]
    fn others_have_none() {
        let mut out = Vec::new();
        assert!(!ToHost::Started.write(&mut out));
        assert!(!ToWorker::Snapshot { turn: 1 }.write(&mut out));
        let keywords = vec!["a".to_owned()];
        let target = Target::Name("f".to_owned());
        assert!(!ToWorker::Call { turn: 1, target, positional: 0, keywords }.write(&mut out));
        assert!(out.is_empty());
    }
}
