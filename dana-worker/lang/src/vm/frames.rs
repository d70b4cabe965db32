//! The callers of the running function.
//!
//! Kept as two stacks of plain words: a frame built as one record would be stored byte by byte and loaded
//! whole, which stalls the processor on every call.

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
    funcs: Vec<Rc<FuncObj>>,
    /// `pc`, `base`, `dst` and `kind`, from the lowest bits up.
    marks: Vec<u128>,
}

impl Frames {
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.funcs.len()
    }

    #[inline(always)]
    pub(super) fn push(&mut self, func: Rc<FuncObj>, pc: usize, base: usize, dst: u8, kind: FrameKind) {
        let place = (pc as u64 & 0xFFFF_FFFF) | (base as u64) << 32;
        let target = u64::from(dst) | (kind as u64) << 8;
        self.funcs.push(func);
        self.marks.push(u128::from(place) | u128::from(target) << 64);
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let func = self.funcs.pop()?;
        let mark = self.marks.pop()?;
        Some(frame(func, mark))
    }

    /// Whether the last frame takes its result in a register.
    #[inline(always)]
    pub(super) fn plain(&self) -> bool {
        self.marks.last().is_some_and(|mark| (mark >> 72) as u8 == FrameKind::Plain as u8)
    }

    pub(super) fn last_kind(&self) -> Option<FrameKind> {
        self.marks.last().map(|mark| kind(*mark))
    }

    pub(super) fn clear(&mut self) {
        self.funcs.clear();
        self.marks.clear();
    }

    /// Functions and the bases of their windows, outermost first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Rc<FuncObj>, usize)> {
        self.funcs.iter().zip(&self.marks).map(|(func, mark)| (func, (*mark as u64 >> 32) as usize))
    }
}

#[inline(always)]
fn kind(mark: u128) -> FrameKind {
    match (mark >> 72) as u8 {
        0 => FrameKind::Plain,
        1 => FrameKind::Then,
        _ => FrameKind::Module,
    }
}

#[inline(always)]
fn frame(func: Rc<FuncObj>, mark: u128) -> Frame {
    let place = mark as u64;
    Frame {
        func,
        pc: (place & 0xFFFF_FFFF) as usize,
        base: (place >> 32) as usize,
        dst: (mark >> 64) as u8,
        kind: kind(mark),
    }
}
