//! What happens between stretches of instructions: entering and leaving functions, errors, meters, and the
//! instructions that need the whole machine.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::unwind::Caught;
use super::{Exit, FrameKind, Next, PULSE, ROUND, Resume, Vm, Watch, access};
use crate::compile::op::Op;
use crate::value::arith::{self, Arith};
use crate::value::error::Reason;
use crate::value::{Raise, Value, memory, put, take, work};

impl Vm {
    /// Runs until the program ends, fails or must wait.
    pub fn run(&mut self, watch: &mut dyn Watch) -> Exit {
        self.round = round();
        let mut fuel = self.round;
        self.is_at_rest = false;
        let exit = self.run_with(watch, &mut fuel);
        self.is_at_rest = matches!(exit, Exit::Done(_));
        // What is over the limit is found when the turn goes on.
        let _ = work::charge((self.round - fuel).max(0) as u64);
        exit
    }

    fn run_with(&mut self, watch: &mut dyn Watch, left: &mut i64) -> Exit {
        match self.go_on() {
            Ok(None) => {}
            Ok(Some(exit)) => return exit,
            Err(raise) => {
                if let Some(exit) = self.fault(raise) {
                    return exit;
                }
            }
        }
        let mut pc = self.pc;
        let mut fuel = *left;
        loop {
            let next = self.execute(&mut pc, &mut fuel);
            self.pc = pc;
            let result: Result<Option<Exit>, Raise> = match next {
                Next::Leave(value) => self.leave(value),
                Next::Call { callee, first, count, site, dst } => {
                    self.call(callee, usize::from(first), count, site, dst)
                }
                Next::Method { first, count, site, dst } => self.method(first, count, site, dst),
                Next::Step(step, dst) => self.drive(step, dst),
                Next::Fault(raise) => Err(raise),
                Next::Refuel => {
                    let spent = (self.round - fuel) as u64;
                    let refuelled = self.refuel(spent, watch);
                    self.round = round();
                    fuel = self.round;
                    refuelled
                }
                Next::Whole(op) => self.whole(op).map(|()| None),
            };
            match result {
                Ok(None) => {}
                Ok(Some(exit)) => {
                    *left = fuel;
                    return exit;
                }
                Err(raise) => {
                    if let Some(exit) = self.fault(raise) {
                        *left = fuel;
                        return exit;
                    }
                }
            }
            pc = self.pc;
        }
    }

    /// What a machine that stopped must do before the next instruction.
    fn go_on(&mut self) -> Result<Option<Exit>, Raise> {
        match std::mem::replace(&mut self.resume, Resume::Execute) {
            Resume::Execute => Ok(None),
            Resume::Continue(promise, dst) => {
                if promise.is_pending() {
                    self.resume = Resume::Continue(Rc::clone(&promise), dst);
                    return Ok(Some(Exit::Wait(promise)));
                }
                let Some(then) = self.thens.pop() else { return Ok(None) };
                let step = match promise.observe() {
                    Ok(value) => then.resume(value, &mut self.services)?,
                    Err(raise) => then.failed(raise, &mut self.services)?,
                };
                self.drive(step, dst)
            }
            Resume::Leave(promise) => self.leave(Value::Promise(promise)),
            Resume::Call(callee, positional, named) => {
                // Only a native can find that it must wait for an argument.
                let again = (!matches!(callee, Value::Func(_)))
                    .then(|| (callee.clone(), positional.clone(), named.clone()));
                let at = self.base + 1;
                match self.invoke(callee, positional, named, 0, FrameKind::Plain, at) {
                    Ok(invoked) => self.finish(invoked, 1, 0, 0),
                    Err(raise) => {
                        if raise.as_error().is_none()
                            && let Some((callee, positional, named)) = again
                        {
                            self.resume = Resume::Call(callee, positional, named);
                            self.pc += 1;
                        }
                        Err(raise)
                    }
                }
            }
        }
    }

    /// Handles an error; gives the exit when the run is over or must wait.
    #[inline(never)]
    fn fault(&mut self, raise: Raise) -> Option<Exit> {
        let mut raise = raise;
        loop {
            let error = match raise.into_reason() {
                Reason::Pending(promise) => {
                    self.pc = self.pc.saturating_sub(1);
                    return Some(Exit::Wait(promise));
                }
                Reason::Error(error) => error,
                Reason::Stopped(reason) => return Some(Exit::Stopped(reason)),
            };
            match self.unwind(error) {
                Caught::Handler => return None,
                Caught::Nowhere(error) => return Some(Exit::Failed(error)),
                Caught::Stopped(reason) => return Some(Exit::Stopped(reason)),
                Caught::Step(step, dst) => match self.drive(step, dst) {
                    Ok(exit) => return exit,
                    Err(other) => raise = other,
                },
            }
        }
    }

    #[inline(never)]
    fn refuel(&mut self, spent: u64, watch: &mut dyn Watch) -> Result<Option<Exit>, Raise> {
        work::charge(spent)?;
        memory::reserve(0)?;
        let steps = work::steps();
        let pulse = steps < self.pulsed || steps - self.pulsed >= PULSE;
        // What was said before a long computation is seen while it goes on, and is not lost when it is stopped.
        let printed = self.services.output.len();
        let has_said = printed > 0 || !self.services.logs.is_empty();
        if (printed >= 4096 || (pulse && has_said))
            && let ControlFlow::Break(reason) = watch.said(&mut self.services)
        {
            return Ok(Some(Exit::Stopped(reason)));
        }
        if !self.services.outgoing.is_empty()
            && let ControlFlow::Break(reason) = watch.asks(&mut self.services)
        {
            return Ok(Some(Exit::Stopped(reason)));
        }
        if pulse {
            self.pulsed = steps;
            let (file, line) = self.line();
            if let ControlFlow::Break(reason) = watch.pulse(steps, file.as_deref(), line) {
                return Ok(Some(Exit::Stopped(reason)));
            }
        }
        Ok(None)
    }

    /// Gives a value back to the caller.
    #[inline]
    fn leave(&mut self, value: Value) -> Result<Option<Exit>, Raise> {
        match self.frames.last_kind() {
            Some(FrameKind::Plain) => {}
            other => return self.leave_elsewhere(value, other),
        }
        self.abandon();
        let Some(frame) = self.frames.pop() else { return Ok(Some(Exit::Done(value))) };
        self.func = frame.func;
        self.pc = frame.pc;
        self.base = frame.base;
        if let Some(slot) = self.stack.get_mut(self.base + usize::from(frame.dst)) {
            put(slot, value);
        }
        Ok(None)
    }

    #[inline(never)]
    fn leave_elsewhere(&mut self, value: Value, kind: Option<FrameKind>) -> Result<Option<Exit>, Raise> {
        let mut value = value;
        if kind == Some(FrameKind::Then)
            && let Value::Promise(promise) = &value
        {
            if promise.is_pending() {
                self.resume = Resume::Leave(Rc::clone(promise));
                return Ok(Some(Exit::Wait(Rc::clone(promise))));
            }
            value = promise.observe()?;
        }
        self.abandon();
        let Some(frame) = self.frames.pop() else { return Ok(Some(Exit::Done(value))) };
        self.func = frame.func;
        self.pc = frame.pc;
        self.base = frame.base;
        match frame.kind {
            FrameKind::Plain => self.set(frame.dst, value),
            FrameKind::Module => {
                if let Some(module) = self.importing.pop() {
                    module.complete.set(true);
                }
            }
            FrameKind::Then => {
                if let Some(then) = self.thens.pop() {
                    let step = then.resume(value, &mut self.services)?;
                    return self.drive(step, frame.dst);
                }
            }
        }
        Ok(None)
    }

    /// Instructions that need more than their window.
    #[inline(never)]
    fn whole(&mut self, op: Op) -> Result<(), Raise> {
        match op {
            Op::Global { a, slot } => {
                let value = self.global(slot)?;
                self.set(a, value);
            }
            Op::Scoped { a, scope, slot } => {
                let value = self.scoped(scope, slot)?;
                self.set(a, value);
            }
            Op::AddGlobal { b, dead, how, slot } => self.add_global(b, dead, how, slot)?,
            Op::Attr { a, b, site } => {
                let code = Rc::clone(&self.func.code);
                if let Some(site) = code.attrs.get(site as usize) {
                    let object = self.register(b);
                    let Some(value) = self.attribute(&object, &site.name)? else { return Ok(()) };
                    if let Value::Struct(it) = &object
                        && let Some(at) = it.kind.field(&site.name)
                    {
                        site.cache.set((it.kind.id, at as u32));
                    }
                    self.set(a, value);
                }
            }
            Op::SetAttr { a, b, site } => {
                let code = Rc::clone(&self.func.code);
                if let Some(site) = code.attrs.get(site as usize) {
                    let (object, value) = (self.register(a), self.register(b));
                    access::set_attribute(&object, &site.name, &value, &self.services)?;
                    if let Value::Struct(it) = &object
                        && let Some(at) = it.kind.field(&site.name)
                    {
                        site.cache.set((it.kind.id, at as u32));
                    }
                }
            }
            Op::Function { a, b, at } => {
                let function = self.make_function(at, b);
                self.set(a, function);
            }
            Op::Struct { a, b, at } => {
                let code = Rc::clone(&self.func.code);
                if let Some(def) = code.structs.get(at as usize) {
                    let kind = self.make_struct(def, b)?;
                    self.set(a, kind);
                }
            }
            Op::DefineMethod { b, at } => {
                let function = self.register(b);
                self.define_method(at, &function)?;
            }
            Op::Import { a, site } => {
                let code = Rc::clone(&self.func.code);
                if let Some(site) = code.imports.get(site as usize)
                    && let Some(module) = self.import(site)?
                {
                    self.set(a, module);
                }
            }
            Op::ImportName { a, b, k } => {
                let code = Rc::clone(&self.func.code);
                let name = code.consts.get(k as usize).and_then(Value::as_text);
                let module = self.register(b);
                if let Some(name) = name
                    && let Some(value) = self.import_name(&module, &name)?
                {
                    self.set(a, value);
                }
            }
            Op::ImportStar { b } => {
                let module = self.register(b);
                self.import_star(&module);
            }
            Op::Flush => self.flush(),
            _ => {}
        }
        Ok(())
    }

    fn register(&self, at: u8) -> Value {
        self.stack.get(self.base + usize::from(at)).cloned().unwrap_or(Value::Unset)
    }

    /// `x = x + b` for a variable in a namespace, growing text in place.
    fn add_global(&mut self, b: u8, dead: u8, how: u8, slot: u32) -> Result<(), Raise> {
        let (scope, augment) = (how >> 1, how & 1 == 1);
        let held = self.scope(scope).slots.borrow().get(slot as usize).is_some_and(Value::is_text);
        let right = self.register(b);
        if held && right.is_text() {
            let registers = usize::from(self.func.code.registers);
            let start = self.base + usize::from(dead);
            if let Some(window) = self.stack.get_mut(start..self.base + registers) {
                for slot in window {
                    if !slot.is_scalar() {
                        put(slot, Value::Unset);
                    }
                }
            }
            let space = self.scope(scope);
            let left = space.slots.borrow_mut().get_mut(slot as usize).map_or(Value::Unset, take);
            let (value, result) = match arith::add_to(left, &right) {
                Ok(sum) => (sum, Ok(())),
                Err((left, raise)) => (left, Err(raise)),
            };
            space.set_slot(slot, value);
            return result;
        }
        let left = if scope == 0 { self.global(slot)? } else { self.scoped(scope, slot)? };
        let value = if augment {
            arith::augmented(Arith::Add, &left, &right)?
        } else {
            arith::binary(Arith::Add, &left, &right)?
        };
        self.scope(scope).set_slot(slot, value);
        Ok(())
    }
}

/// Steps until the next look at limits and output: fewer where little memory is left, so that what these steps take
/// stays small beside the limit.
fn round() -> i64 {
    i64::try_from(memory::room() >> 15).unwrap_or(i64::MAX).clamp(16, ROUND)
}
