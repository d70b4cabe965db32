//! The callers of the running function.
//!
//! Kept as records of whole words: one with fields of single bytes would be stored byte by byte and loaded whole,
//! which stalls the processor on every call.

use std::rc::Rc;

use crate::value::FuncObj;

/// The caller's side of a call.
pub(super) struct Frame {
    pub func: Rc<FuncObj>,
    pub pc: usize,
    pub base: usize,
    pub dst: u8,
    pub kind: FrameKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// The result goes into a register.
    Plain,
    /// The result goes to the topmost continuation.
    Then,
    /// The result is the module being imported.
    Module,
}

#[derive(Default)]
pub(super) struct Frames {
    kept: Vec<Kept>,
}

/// A frame in three words.
struct Kept {
    func: Rc<FuncObj>,
    /// `pc`, then `base`, from the lowest bits up.
    place: u64,
    /// `dst`, then `kind`.
    target: u64,
}

impl Frames {
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    #[inline(always)]
    pub(super) fn push(&mut self, func: Rc<FuncObj>, pc: usize, base: usize, dst: u8, kind: FrameKind) {
        let place = (pc as u64 & 0xFFFF_FFFF) | (base as u64) << 32;
        let target = u64::from(dst) | (kind as u64) << 8;
        self.kept.push(Kept { func, place, target });
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let Kept { func, place, target } = self.kept.pop()?;
        Some(Frame {
            func,
            pc: (place & 0xFFFF_FFFF) as usize,
            base: (place >> 32) as usize,
            dst: target as u8,
            kind: kind(target),
        })
    }

    /// Whether the last frame takes its result in a register.
    #[inline(always)]
    pub(super) fn plain(&self) -> bool {
        self.kept.last().is_some_and(|kept| kept.target >> 8 == FrameKind::Plain as u64)
    }

    pub(super) fn last_kind(&self) -> Option<FrameKind> {
        self.kept.last().map(|kept| kind(kept.target))
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Functions and the bases of their windows, outermost first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&Rc<FuncObj>, usize)> {
        self.kept.iter().map(|kept| (&kept.func, (kept.place >> 32) as usize))
    }
}

#[inline(always)]
fn kind(target: u64) -> FrameKind {
    match target >> 8 {
        0 => FrameKind::Plain,
        1 => FrameKind::Then,
        _ => FrameKind::Module,
    }
}
