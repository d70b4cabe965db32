//! What happens after an error: the nearest handler, or the end of the run.

use std::rc::Rc;

use super::{FrameKind, Vm, place_of};
use crate::compile::code::Code;
use crate::library::native::Step;
use crate::session::Services;
use crate::value::error::{Frame as TraceFrame, Reason, Spot};
use crate::value::{ErrorObj, Raise, Value, cycles, put};

/// Calls an error remembers; more are only counted.
const TRACE: usize = 60;

/// Where an error was taken up.
pub(super) enum Caught {
    Handler,
    /// A continuation turned it into its next step, for a register.
    Step(Step, u8),
    Nowhere(Rc<ErrorObj>),
    /// The host ends the turn.
    Stopped(String),
}

impl Vm {
    pub(super) fn unwind(&mut self, error: Rc<ErrorObj>) -> Caught {
        let mut error = error;
        if error.place.borrow().at.is_none() {
            self.locate(&error);
            self.trace(&error);
        }
        loop {
            if self.enter_handler(&error) {
                return Caught::Handler;
            }
            self.abandon();
            let Some(frame) = self.frames.pop() else { return Caught::Nowhere(error) };
            self.func = frame.func;
            self.pc = frame.pc;
            self.base = frame.base;
            match frame.kind {
                FrameKind::Plain => {}
                FrameKind::Module => {
                    if let Some(module) = self.importing.pop() {
                        self.modules.remove(&module.name);
                        // Its functions hold it, and it them.
                        cycles::note(&module);
                    }
                }
                FrameKind::Then => {
                    if let Some(then) = self.thens.pop() {
                        match then.failed(Raise::error(Rc::clone(&error)), &mut self.services) {
                            Ok(step) => return Caught::Step(step, frame.dst),
                            Err(raise) => match raise.into_reason() {
                                Reason::Error(other) => error = other,
                                Reason::Stopped(reason) => return Caught::Stopped(reason),
                                Reason::Pending(_) => {}
                            },
                        }
                    }
                }
            }
            self.trace(&error);
        }
    }

    fn enter_handler(&mut self, error: &Rc<ErrorObj>) -> bool {
        if !error.catchable() {
            return false;
        }
        let at = self.pc.saturating_sub(1) as u32;
        let Some(handler) = self.func.code.handlers.iter().find(|h| h.start <= at && at < h.end) else {
            return false;
        };
        let (register, target) = (usize::from(handler.register), handler.target);
        if let Some(slot) = self.stack.get_mut(self.base + register) {
            put(slot, Value::Error(Rc::clone(error)));
        }
        self.pc = target as usize;
        true
    }

    /// Leaves the current function: its variables go.
    pub(super) fn abandon(&mut self) {
        self.flush();
        let registers = usize::from(self.func.code.registers);
        if let Some(window) = self.stack.get_mut(self.base..self.base + registers) {
            for slot in window {
                if !slot.is_scalar() {
                    put(slot, Value::Unset);
                }
            }
        }
    }

    /// Writes top-level variables that live in registers to their slots.
    pub(super) fn flush(&mut self) {
        let code: &Code = &self.func.code;
        for (register, slot) in &code.residents {
            if let Some(value) = self.stack.get(self.base + usize::from(*register)) {
                self.func.module.locals.set_slot(*slot, value.clone());
            }
        }
    }

    fn locate(&self, error: &ErrorObj) {
        error.place.borrow_mut().at = Some(spot(&self.func.code, self.pc));
    }

    /// The current function at its current place.
    pub(super) fn here(&self) -> TraceFrame {
        TraceFrame { function: Rc::clone(&self.func.code.name), at: spot(&self.func.code, self.pc) }
    }

    fn trace(&self, error: &ErrorObj) {
        let mut place = error.place.borrow_mut();
        if place.trace.len() >= TRACE {
            place.skipped = place.skipped.saturating_add(1);
            return;
        }
        place.trace.push(self.here());
    }
}

/// The place of the instruction before `pc`.
fn spot(code: &Code, pc: usize) -> Spot {
    Spot { file: Rc::clone(&code.file), offset: place_of(code, pc) }
}

/// Notes where the promises just issued were asked for.
#[cold]
pub(super) fn stamp(services: &mut Services, code: &Code, pc: usize) {
    services.fresh = false;
    for promise in services.issued.iter().rev() {
        if promise.origin.borrow().is_some() {
            break;
        }
        promise.origin.replace(Some(spot(code, pc)));
    }
}
