//! The dispatch loop.
//!
//! Inside the loop an instruction touches its window and little else. Whatever needs the whole machine
//! breaks out with a [`Next`]; the loop is then entered again for the current function.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::call::run_native;
use super::slow::{self, Window};
use super::unwind::{Caught, stamp};
use super::{Exit, FrameKind, Next, PULSE, ROUND, Resume, Vm, WINDOW, Watch, access, index};
use crate::coerce;
use crate::compile::code::{CallSite, MethodCache};
use crate::compile::op::{Compare, Failure, Op};
use crate::library::native::Step;
use crate::value::arith::{self, Arith};
use crate::value::error::Reason;
use crate::value::{
    CellObj, ErrorObj, Iter, ListObj, Raise, SmallStr, StructObj, Table, Value, eq, memory, put, take, truth,
};

/// Gives the value or breaks out of the loop with the error.
macro_rules! attempt {
    ($label:lifetime, $result:expr) => {
        match $result {
            Ok(value) => value,
            Err(raise) => break $label Next::Fault(raise),
        }
    };
}

impl Vm {
    /// Runs until the program ends, fails or must wait.
    pub fn run(&mut self, watch: &mut dyn Watch) -> Exit {
        let mut fuel = ROUND;
        let exit = self.run_with(watch, &mut fuel);
        let spent = (ROUND - fuel.max(0)).max(0) as u64;
        self.services.steps = self.services.steps.saturating_add(spent);
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
                // Handled in the loop, whatever it is.
                Next::Enter { func, base, dst } => {
                    self.enter(func, base, dst, FrameKind::Plain).map(|()| None)
                }
                Next::Leave(value) => self.leave(value),
                Next::Call { callee, first, count, site, dst } => {
                    self.call(callee, usize::from(first), count, site, dst)
                }
                Next::Method { first, count, site, dst } => self.method(first, count, site, dst),
                Next::Step(step, dst) => self.drive(step, dst),
                Next::Fault(raise) => Err(raise),
                Next::Refuel => {
                    let spent = (ROUND - fuel) as u64;
                    fuel = ROUND;
                    match self.refuel(spent, watch) {
                        Ok(None) => Ok(None),
                        other => {
                            *left = fuel;
                            other
                        }
                    }
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
                let again = (callee.clone(), positional.clone(), named.clone());
                let at = self.base + 1;
                match self.invoke(callee, positional, named, 0, FrameKind::Plain, at) {
                    Ok(invoked) => self.finish(invoked, 1, 0, 0),
                    Err(raise) => {
                        if raise.as_error().is_none() {
                            self.resume = Resume::Call(again.0, again.1, again.2);
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
            };
            match self.unwind(error) {
                Caught::Handler => return None,
                Caught::Nowhere(error) => return Some(Exit::Failed(error)),
                Caught::Step(step, dst) => match self.drive(step, dst) {
                    Ok(exit) => return exit,
                    Err(other) => raise = other,
                },
            }
        }
    }

    #[inline(never)]
    fn refuel(&mut self, spent: u64, watch: &mut dyn Watch) -> Result<Option<Exit>, Raise> {
        self.services.charge(spent)?;
        memory::reserve(0)?;
        if self.services.output.len() >= 4096 {
            let text = std::mem::take(&mut self.services.output);
            if let ControlFlow::Break(reason) = watch.output(&text) {
                return Ok(Some(Exit::Stopped(reason)));
            }
        }
        self.since_pulse += spent;
        if self.since_pulse >= PULSE {
            self.since_pulse = 0;
            let (file, line) = self.line();
            if let ControlFlow::Break(reason) = watch.pulse(self.services.steps, file.as_deref(), line) {
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

    /// Executes instructions of the current function until something else must happen.
    #[inline]
    fn execute(&mut self, pc_out: &mut usize, fuel_out: &mut i64) -> Next {
        let Vm { stack, frames, func, services, base, methods, public, system, expects, .. } = self;
        let depth = services.limits.depth as usize;
        let mut pc = *pc_out;
        let mut fuel = *fuel_out;
        let next = 'frame: loop {
            let code = &*func.code;
            let ops = &*code.ops;
            let Some(win) = stack.get_mut(*base..*base + WINDOW) else {
                return Next::Fault(Raise::runtime("the stack is too small for the window"));
            };
            let Ok(win): Result<&mut Window, _> = win.try_into() else {
                return Next::Fault(Raise::runtime("the window has the wrong size"));
            };

            macro_rules! r {
                ($at:expr) => {
                    win[usize::from($at)]
                };
            }
            macro_rules! set {
                ($at:expr, $value:expr) => {
                    put(&mut win[usize::from($at)], $value)
                };
            }

            let next = 'run: loop {
                macro_rules! jump {
                    ($to:expr) => {{
                        let to = $to as usize;
                        if to < pc {
                            fuel -= 1;
                            if fuel < 0 {
                                pc = to;
                                break 'run Next::Refuel;
                            }
                        }
                        pc = to;
                    }};
                }
                macro_rules! arith {
                ($a:expr, $b:expr, $c:expr, $int:ident, $float:tt, $op:expr) => {
                    match (&r!($b), &r!($c)) {
                        (Value::Int(x), Value::Int(y)) => match x.$int(*y) {
                            Some(n) => set!($a, Value::Int(n)),
                            None => attempt!('run, slow::arith(win, $op, $a, $b, $c)),
                        },
                        (Value::Float(x), Value::Float(y)) => {
                            let n = x.get() $float y.get();
                            set!($a, Value::float(n));
                        }
                        _ => attempt!('run, slow::arith(win, $op, $a, $b, $c)),
                    }
                };
            }
                macro_rules! arith_int {
                ($a:expr, $b:expr, $i:expr, $int:ident, $op:expr) => {
                    match &r!($b) {
                        Value::Int(x) => match x.$int(i64::from($i)) {
                            Some(n) => set!($a, Value::Int(n)),
                            None => {
                                let value = attempt!('run, index::with_int($op, &r!($b), $i));
                                set!($a, value);
                            }
                        },
                        other => {
                            let value = attempt!('run, index::with_int($op, other, $i));
                            set!($a, value);
                        }
                    }
                };
            }
                macro_rules! arith_const {
                ($a:expr, $b:expr, $k:expr, $float:tt, $op:expr) => {
                    match (&r!($b), code.consts.get($k as usize).unwrap_or(&Value::None)) {
                        (Value::Float(x), Value::Float(y)) => {
                            let n = x.get() $float y.get();
                            set!($a, Value::float(n));
                        }
                        (x, y) => {
                            let value = attempt!('run, arith::binary($op, x, y));
                            set!($a, value);
                        }
                    }
                };
            }
                macro_rules! jump_compare {
                ($sense:expr, $b:expr, $c:expr, $to:expr, $test:tt, $how:expr) => {{
                    let holds = match (&r!($b), &r!($c)) {
                        (Value::Int(x), Value::Int(y)) => x $test y,
                        (Value::Float(x), Value::Float(y)) => x.get() $test y.get(),
                        (x, y) => attempt!('run, slow::compare($how, x, y)),
                    };
                    if holds == $sense {
                        jump!($to);
                    }
                }};
            }
                macro_rules! jump_compare_int {
                ($sense:expr, $b:expr, $i:expr, $to:expr, $test:tt, $how:expr) => {{
                    let holds = match &r!($b) {
                        Value::Int(x) => *x $test i64::from($i),
                        x => attempt!('run, slow::compare($how, x, &Value::Int(i64::from($i)))),
                    };
                    if holds == $sense {
                        jump!($to);
                    }
                }};
            }

                let Some(op) = ops.get(pc).copied() else {
                    break 'run Next::Fault(Raise::runtime("code ends without a return"));
                };
                pc += 1;
                match op {
                    // ---------------------------------------------------------------------- moving
                    Op::Move { a, b } => {
                        let value = r!(b).clone();
                        set!(a, value);
                    }
                    Op::Take { a, b } => {
                        let value = take(&mut r!(b));
                        set!(a, value);
                    }
                    Op::Const { a, k } => {
                        let value = code.consts.get(k as usize).cloned().unwrap_or(Value::None);
                        set!(a, value);
                    }
                    Op::Int { a, i } => set!(a, Value::Int(i64::from(i))),
                    Op::None { a } => set!(a, Value::None),
                    Op::Bool { a, truth } => set!(a, Value::bool(truth)),
                    Op::Unset { a } => set!(a, Value::Unset),
                    Op::Keep { a, b } => {
                        if !r!(b).is_none() {
                            let value = r!(b).clone();
                            set!(a, value);
                        }
                    }
                    // ---------------------------------------------------------------------- variables
                    Op::Global { a, slot } => {
                        let value = func.module.locals.get_slot(slot);
                        if value.is_unset() {
                            break 'run Next::Whole(op);
                        }
                        set!(a, value);
                    }
                    Op::SetGlobal { b, slot } => {
                        let value = r!(b).clone();
                        func.module.locals.set_slot(slot, value);
                    }
                    Op::UnsetGlobal { slot } => func.module.locals.set_slot(slot, Value::Unset),
                    Op::AddGlobal { b, how, slot, .. } => {
                        let slots = match how >> 1 {
                            0 => &func.module.locals.slots,
                            1 => &func.module.private.slots,
                            2 => &public.slots,
                            _ => &system.slots,
                        };
                        let mut slots = slots.borrow_mut();
                        match (slots.get_mut(slot as usize), &r!(b)) {
                            (Some(Value::Int(x)), Value::Int(y)) if x.checked_add(*y).is_some() => *x += *y,
                            (Some(place @ Value::Float(_)), Value::Float(y)) => {
                                if let Value::Float(x) = place {
                                    *place = Value::float(x.get() + y.get());
                                }
                            }
                            _ => {
                                drop(slots);
                                break 'run Next::Whole(op);
                            }
                        }
                    }
                    Op::Scoped { a, scope, slot } => {
                        let space = match scope {
                            0 => &func.module.locals,
                            1 => &func.module.private,
                            2 => &**public,
                            _ => &**system,
                        };
                        let value = space.get_slot(slot);
                        if value.is_unset() {
                            break 'run Next::Whole(op);
                        }
                        set!(a, value);
                    }
                    Op::SetScoped { b, scope, slot } => {
                        let space = match scope {
                            0 => &func.module.locals,
                            1 => &func.module.private,
                            2 => &**public,
                            _ => &**system,
                        };
                        space.set_slot(slot, r!(b).clone());
                    }
                    Op::Peek { a, slot } => {
                        let value = func.module.locals.get_slot(slot);
                        set!(a, value);
                    }
                    Op::NewCell { a } => {
                        let value = take(&mut r!(a));
                        set!(a, Value::Cell(Rc::new(CellObj(std::cell::RefCell::new(value)))));
                    }
                    Op::Cell { a, b } => {
                        let value = match &r!(b) {
                            Value::Cell(cell) => cell.0.borrow().clone(),
                            _ => Value::Unset,
                        };
                        set!(a, value);
                    }
                    Op::SetCell { a, b } => {
                        let value = r!(b).clone();
                        if let Value::Cell(cell) = &r!(a) {
                            let old = cell.0.replace(value);
                            drop(old);
                        }
                    }
                    Op::Capture { a, at } => {
                        let value = match func.captures.get(at as usize) {
                            Some(cell) => cell.0.borrow().clone(),
                            None => Value::Unset,
                        };
                        set!(a, value);
                    }
                    Op::Far { a, b, at } => {
                        let value = match &r!(b) {
                            Value::List(list) => list.get(at as usize).unwrap_or(Value::Unset),
                            _ => Value::Unset,
                        };
                        set!(a, value);
                    }
                    Op::SetFar { a, b, at } => {
                        let value = r!(a).clone();
                        if let Value::List(list) = &r!(b) {
                            let old = list
                                .items
                                .borrow_mut()
                                .get_mut(at as usize)
                                .map(|slot| std::mem::replace(slot, value));
                            drop(old);
                        }
                    }
                    Op::MakeFar { a, count } => {
                        let items = (0..count).map(|_| Value::Unset).collect();
                        set!(a, Value::list(items));
                    }
                    // ---------------------------------------------------------------------- arithmetic
                    Op::Add { a, b, c, dead } => match (&r!(b), &r!(c)) {
                        (Value::Int(x), Value::Int(y)) => match x.checked_add(*y) {
                            Some(n) => set!(a, Value::Int(n)),
                            None => attempt!('run, slow::arith(win, Arith::Add, a, b, c)),
                        },
                        (Value::Float(x), Value::Float(y)) => {
                            let n = x.get() + y.get();
                            set!(a, Value::float(n));
                        }
                        _ => attempt!('run, slow::add(win, a, b, c, dead, code.registers)),
                    },
                    Op::Sub { a, b, c } => arith!(a, b, c, checked_sub, -, Arith::Subtract),
                    Op::Mul { a, b, c } => arith!(a, b, c, checked_mul, *, Arith::Multiply),
                    Op::Div { a, b, c } => match (&r!(b), &r!(c)) {
                        (Value::Float(x), Value::Float(y)) if y.get() != 0.0 => {
                            let n = x.get() / y.get();
                            set!(a, Value::float(n));
                        }
                        _ => attempt!('run, slow::arith(win, Arith::Divide, a, b, c)),
                    },
                    Op::FloorDiv { a, b, c } => match (&r!(b), &r!(c)) {
                        (Value::Int(x), Value::Int(y)) if *y > 0 => {
                            let n = arith::floor_div(*x, *y);
                            set!(a, Value::Int(n));
                        }
                        _ => attempt!('run, slow::arith(win, Arith::FloorDivide, a, b, c)),
                    },
                    Op::Mod { a, b, c } => match (&r!(b), &r!(c)) {
                        (Value::Int(x), Value::Int(y)) if *y > 0 => {
                            let n = arith::floor_mod(*x, *y);
                            set!(a, Value::Int(n));
                        }
                        _ => attempt!('run, slow::arith(win, Arith::Modulo, a, b, c)),
                    },
                    Op::Pow { a, b, c } => attempt!('run, slow::arith(win, Arith::Power, a, b, c)),
                    Op::Augment { a, b, c, dead } => match (c, &r!(a), &r!(b)) {
                        (0, Value::Int(x), Value::Int(y)) if x.checked_add(*y).is_some() => {
                            let n = x.wrapping_add(*y);
                            set!(a, Value::Int(n));
                        }
                        (1, Value::Int(x), Value::Int(y)) if x.checked_sub(*y).is_some() => {
                            let n = x.wrapping_sub(*y);
                            set!(a, Value::Int(n));
                        }
                        (0, Value::Float(x), Value::Float(y)) => {
                            let n = x.get() + y.get();
                            set!(a, Value::float(n));
                        }
                        _ => attempt!('run, slow::augment(win, c, a, b, dead, code.registers)),
                    },
                    Op::AddInt { a, b, i } => arith_int!(a, b, i, checked_add, Arith::Add),
                    Op::SubInt { a, b, i } => arith_int!(a, b, i, checked_sub, Arith::Subtract),
                    Op::MulInt { a, b, i } => arith_int!(a, b, i, checked_mul, Arith::Multiply),
                    Op::ModInt { a, b, i } => match &r!(b) {
                        Value::Int(x) => {
                            let n = arith::floor_mod(*x, i64::from(i));
                            set!(a, Value::Int(n));
                        }
                        other => {
                            let value = attempt!('run, index::with_int(Arith::Modulo, other, i));
                            set!(a, value);
                        }
                    },
                    Op::FloorDivInt { a, b, i } => match &r!(b) {
                        Value::Int(x) => {
                            let n = arith::floor_div(*x, i64::from(i));
                            set!(a, Value::Int(n));
                        }
                        other => {
                            let value = attempt!('run, index::with_int(Arith::FloorDivide, other, i));
                            set!(a, value);
                        }
                    },
                    Op::AddConst { a, b, k } => {
                        match (&r!(b), code.consts.get(k as usize).unwrap_or(&Value::None)) {
                            (Value::Float(x), Value::Float(y)) => {
                                let n = x.get() + y.get();
                                set!(a, Value::float(n));
                            }
                            (Value::Str(_), y) if a == b && y.is_text() => {
                                let left = take(&mut r!(a));
                                match arith::add_to(left, y) {
                                    Ok(sum) => set!(a, sum),
                                    Err((left, raise)) => {
                                        set!(a, left);
                                        break 'run Next::Fault(raise);
                                    }
                                }
                            }
                            (x, y) => {
                                let value = attempt!('run, arith::binary(Arith::Add, x, y));
                                set!(a, value);
                            }
                        }
                    }
                    Op::SubConst { a, b, k } => arith_const!(a, b, k, -, Arith::Subtract),
                    Op::MulConst { a, b, k } => arith_const!(a, b, k, *, Arith::Multiply),
                    Op::DivConst { a, b, k } => {
                        match (&r!(b), code.consts.get(k as usize).unwrap_or(&Value::None)) {
                            (Value::Float(x), Value::Float(y)) if y.get() != 0.0 => {
                                let n = x.get() / y.get();
                                set!(a, Value::float(n));
                            }
                            (x, y) => {
                                let value = attempt!('run, arith::binary(Arith::Divide, x, y));
                                set!(a, value);
                            }
                        }
                    }
                    Op::Negate { a, b } => {
                        let value = attempt!('run, arith::negate(&r!(b)));
                        set!(a, value);
                    }
                    Op::Plus { a, b } => {
                        let value = attempt!('run, arith::identity(&r!(b)));
                        set!(a, value);
                    }
                    Op::Not { a, b } => {
                        let truth = attempt!('run, truth::plain(&r!(b)));
                        set!(a, Value::bool(!truth));
                    }
                    Op::Truth { a, b } => {
                        let truth = attempt!('run, truth::plain(&r!(b)));
                        set!(a, Value::bool(truth));
                    }
                    Op::Compare { a, b, c, how } => {
                        let holds = match (&r!(b), &r!(c), how) {
                            (Value::Int(x), Value::Int(y), Compare::Less) => x < y,
                            (Value::Int(x), Value::Int(y), Compare::Equal) => x == y,
                            (x, y, how) => attempt!('run, slow::compare(how, x, y)),
                        };
                        set!(a, Value::bool(holds));
                    }
                    // ---------------------------------------------------------------------- jumps
                    Op::Jump { to } => jump!(to),
                    Op::JumpIf { a, to } => {
                        if attempt!('run, truth::plain(&r!(a))) {
                            jump!(to);
                        }
                    }
                    Op::JumpIfNot { a, to } => {
                        if !attempt!('run, truth::plain(&r!(a))) {
                            jump!(to);
                        }
                    }
                    Op::JumpCond { a, to } => {
                        if attempt!('run, truth::fuzzy(&r!(a))) {
                            jump!(to);
                        }
                    }
                    Op::JumpCondNot { a, to } => {
                        if !attempt!('run, truth::fuzzy(&r!(a))) {
                            jump!(to);
                        }
                    }
                    Op::JumpSet { a, to } => {
                        if !r!(a).is_unset() {
                            jump!(to);
                        }
                    }
                    Op::JumpLess { sense, b, c, to } => jump_compare!(sense, b, c, to, <, Compare::Less),
                    Op::JumpLessEqual { sense, b, c, to } => {
                        jump_compare!(sense, b, c, to, <=, Compare::LessEqual);
                    }
                    Op::JumpGreater { sense, b, c, to } => {
                        jump_compare!(sense, b, c, to, >, Compare::Greater);
                    }
                    Op::JumpGreaterEqual { sense, b, c, to } => {
                        jump_compare!(sense, b, c, to, >=, Compare::GreaterEqual);
                    }
                    Op::JumpEqual { sense, b, c, to } => {
                        let holds = match (&r!(b), &r!(c)) {
                            (Value::Int(x), Value::Int(y)) => x == y,
                            (Value::Small(x), Value::Small(y)) => x.bits() == y.bits(),
                            (x, y) => attempt!('run, slow::compare(Compare::Equal, x, y)),
                        };
                        if holds == sense {
                            jump!(to);
                        }
                    }
                    Op::JumpLessInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, <, Compare::Less);
                    }
                    Op::JumpLessEqualInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, <=, Compare::LessEqual);
                    }
                    Op::JumpGreaterInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, >, Compare::Greater);
                    }
                    Op::JumpGreaterEqualInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, >=, Compare::GreaterEqual);
                    }
                    Op::JumpEqualInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, ==, Compare::Equal);
                    }
                    // ---------------------------------------------------------------------- iteration
                    Op::RangeStart { a, b } => attempt!('run, slow::range_start(win, a, b)),
                    Op::RangeNext { a, b, to } => {
                        if let (Value::Int(current), Value::Int(stop), Value::Int(step)) =
                            (&r!(b), &r!(b.wrapping_add(1)), &r!(b.wrapping_add(2)))
                        {
                            let (current, stop, step) = (*current, *stop, *step);
                            let more = if step > 0 { current < stop } else { current > stop };
                            if more {
                                set!(a, Value::Int(current));
                                let following = current.checked_add(step).unwrap_or(stop);
                                set!(b, Value::Int(following));
                                jump!(to);
                            }
                        }
                    }
                    Op::IterStart { a, b } => match &r!(b) {
                        Value::List(list) => {
                            let list = Value::List(Rc::clone(list));
                            set!(a, list);
                            set!(a.wrapping_add(1), Value::Int(0));
                        }
                        other => {
                            let iter = attempt!('run, Iter::of(other));
                            set!(a, Value::iterator(iter));
                        }
                    },
                    Op::IterNext { a, b, to } => {
                        let item = match &r!(b) {
                            Value::List(list) => {
                                let at = match &r!(b.wrapping_add(1)) {
                                    Value::Int(at) => *at,
                                    _ => 0,
                                };
                                let item = list.items.borrow().get(at as usize).cloned();
                                set!(b.wrapping_add(1), Value::Int(at + 1));
                                item
                            }
                            Value::Iter(iter) => {
                                let mut inner = iter.inner.borrow_mut();
                                attempt!('run, inner.next())
                            }
                            _ => None,
                        };
                        if let Some(item) = item {
                            set!(a, item);
                            jump!(to);
                        }
                    }
                    Op::Unpack { a, b, c } => {
                        if let (2, Value::Tuple(tuple)) = (c, &r!(b))
                            && let [x, y] = tuple.items()
                        {
                            let (x, y) = (x.clone(), y.clone());
                            set!(a, x);
                            set!(a.wrapping_add(1), y);
                        } else {
                            let items = attempt!('run, index::unpack(&r!(b), usize::from(c)));
                            for (at, item) in (a..).zip(items) {
                                set!(at, item);
                            }
                        }
                    }
                    Op::UnpackLoose { a, b, c } => {
                        let items = attempt!('run, index::unpack_loosely(&r!(b), usize::from(c)));
                        for (at, item) in (a..).zip(items) {
                            set!(at, item);
                        }
                    }
                    // ---------------------------------------------------------------------- containers
                    Op::List { a, b, c } => {
                        attempt!('run, memory::reserve_values(usize::from(c)));
                        let items = slow::row(win, b, c);
                        set!(a, Value::list(items));
                    }
                    Op::Tuple { a, b, c } => {
                        attempt!('run, memory::reserve_values(usize::from(c)));
                        let items = slow::row(win, b, c);
                        set!(a, Value::tuple(items));
                    }
                    Op::Set { a, .. } => set!(a, Value::set(Table::new())),
                    Op::Dict { a, b, c } => {
                        let dict = attempt!('run, slow::new_dict(win, b, c));
                        set!(a, dict);
                    }
                    Op::Push { a, b, c } => {
                        if let Value::List(list) = &r!(a) {
                            let list: &ListObj = list;
                            let mut items = list.items.borrow_mut();
                            if items.capacity() - items.len() < usize::from(c) {
                                attempt!('run, memory::reserve_values(items.len() + usize::from(c)));
                            }
                            for at in b..b.saturating_add(c) {
                                items.push(r!(at).clone());
                            }
                        }
                    }
                    Op::SetAdd { a, b, c } => attempt!('run, slow::set_add(win, a, b, c)),
                    Op::DictPut { a, b, c } => attempt!('run, slow::dict_put(win, a, b, c)),
                    Op::ToTuple { a } => {
                        if let Value::List(list) = &r!(a) {
                            let items = std::mem::take(&mut *list.items.borrow_mut());
                            set!(a, Value::tuple(items));
                        }
                    }
                    Op::Append { a, b, to } => {
                        if let Value::List(list) = &r!(a) {
                            let mut items = list.items.borrow_mut();
                            if items.len() == items.capacity() {
                                attempt!('run, memory::reserve_values(items.len()));
                            }
                            items.push(r!(b).clone());
                            pc = to as usize;
                        }
                    }
                    Op::Index { a, b, c } => {
                        let quick = match (&r!(b), &r!(c)) {
                            (Value::List(list), Value::Int(at)) => {
                                let items = list.items.borrow();
                                let at = if *at < 0 { *at + items.len() as i64 } else { *at };
                                usize::try_from(at).ok().and_then(|at| items.get(at).cloned())
                            }
                            (Value::Str(text), Value::Int(at)) if text.is_ascii() => usize::try_from(*at)
                                .ok()
                                .and_then(|at| text.as_str().as_bytes().get(at))
                                .map(|byte| Value::Small(SmallStr::ascii(*byte))),
                            (Value::Dict(dict), key @ (Value::Int(_) | Value::Small(_) | Value::Str(_))) => {
                                match dict.table.borrow().get(key) {
                                    Ok(found) => found.cloned(),
                                    Err(_) => None,
                                }
                            }
                            _ => None,
                        };
                        let value = match quick {
                            Some(value) => value,
                            None => attempt!('run, index::get(&r!(b), &r!(c))),
                        };
                        set!(a, value);
                    }
                    Op::IndexInt { a, b, i } => {
                        let quick = match &r!(b) {
                            Value::List(list) if i >= 0 => list.items.borrow().get(i as usize).cloned(),
                            Value::Tuple(tuple) if i >= 0 => tuple.items().get(i as usize).cloned(),
                            _ => None,
                        };
                        let value = match quick {
                            Some(value) => value,
                            None => attempt!('run, index::get(&r!(b), &Value::Int(i64::from(i)))),
                        };
                        set!(a, value);
                    }
                    Op::SetIndex { a, b, c } => {
                        if let (Value::List(list), Value::Int(at)) = (&r!(a), &r!(b))
                            && let Ok(at) = usize::try_from(*at)
                            && let Some(slot) = list.items.borrow_mut().get_mut(at)
                            && slot.is_scalar()
                        {
                            *slot = r!(c).clone();
                        } else {
                            let value = r!(c).clone();
                            attempt!('run, index::set(&r!(a), &r!(b), value));
                        }
                    }
                    Op::Slice { a, b, c } => {
                        let bounds =
                            [r!(c).clone(), r!(c.wrapping_add(1)).clone(), r!(c.wrapping_add(2)).clone()];
                        let value = attempt!('run, index::slice(&r!(b), &bounds));
                        set!(a, value);
                    }
                    Op::SetSlice { a, b, c } => {
                        let bounds =
                            [r!(b).clone(), r!(b.wrapping_add(1)).clone(), r!(b.wrapping_add(2)).clone()];
                        attempt!('run, index::set_slice(&r!(a), &bounds, &r!(c)));
                    }
                    Op::Attr { a, b, site } => {
                        let quick = match (&r!(b), code.attrs.get(site as usize)) {
                            (Value::Struct(it), Some(site)) => {
                                let it: &StructObj = it;
                                let (id, at) = site.cache.get();
                                if id == it.kind.id {
                                    it.fields.borrow().get(at as usize).cloned()
                                } else {
                                    None
                                }
                            }
                            _ => None,
                        };
                        match quick {
                            Some(value) => set!(a, value),
                            None => break 'run Next::Whole(op),
                        }
                    }
                    Op::SetAttr { a, b, site } => {
                        if let (Value::Struct(it), Some(site)) = (&r!(a), code.attrs.get(site as usize)) {
                            let it: &StructObj = it;
                            let (id, at) = site.cache.get();
                            if id == it.kind.id {
                                if !it.kind.accepts(at as usize, &r!(b)) {
                                    attempt!('run, coerce::assign_field(&it.kind, at as usize, &r!(b), services));
                                }
                                let value = r!(b).clone();
                                let old = it
                                    .fields
                                    .borrow_mut()
                                    .get_mut(at as usize)
                                    .map(|slot| std::mem::replace(slot, value));
                                drop(old);
                                continue 'run;
                            }
                        }
                        break 'run Next::Whole(op);
                    }
                    // ---------------------------------------------------------------------- text
                    Op::Join { a, b, c } => {
                        let joined = attempt!('run, slow::join(win, b, c));
                        for at in b..b.saturating_add(c) {
                            set!(at, Value::Unset);
                        }
                        set!(a, joined);
                    }
                    Op::Format { a, b, c, how } => {
                        let text = attempt!('run, slow::format(&r!(b), &r!(c), how));
                        set!(a, text);
                    }
                    // ---------------------------------------------------------------------- calls
                    Op::CallGlobal { a, b, c, slot } => {
                        let slots = func.module.locals.slots.borrow();
                        match slots.get(slot as usize) {
                            Some(Value::Func(callee)) if callee.code.params.len() == usize::from(c) => {
                                fuel -= 1;
                                if fuel < 0 {
                                    pc -= 1;
                                    break 'run Next::Refuel;
                                }
                                break 'run Next::Enter {
                                    func: Rc::clone(callee),
                                    base: *base + usize::from(b),
                                    dst: a,
                                };
                            }
                            Some(callee) if !callee.is_unset() => {
                                let callee = callee.clone();
                                break 'run Next::Call { callee, first: b, count: c, site: None, dst: a };
                            }
                            _ => {}
                        }
                        drop(slots);
                        let name = func.module.locals.name(slot).unwrap_or_else(|| "".into());
                        break 'run Next::Call {
                            callee: Value::Type(Rc::new(crate::value::TypeName((&*name).into()))),
                            first: b,
                            count: c,
                            site: None,
                            dst: a,
                        };
                    }
                    Op::Call { a, b, c, site } => {
                        fuel -= 1;
                        if fuel < 0 {
                            pc -= 1;
                            break 'run Next::Refuel;
                        }
                        let first = b.wrapping_add(1);
                        let plain =
                            code.calls.get(site as usize).is_some_and(|site| site.keywords.is_empty());
                        if let Value::Func(callee) = &r!(b)
                            && plain
                            && callee.code.params.len() == usize::from(c)
                        {
                            let func = Rc::clone(callee);
                            break 'run Next::Enter { func, base: *base + usize::from(first), dst: a };
                        }
                        let callee = r!(b).clone();
                        break 'run Next::Call { callee, first, count: c, site: Some(site), dst: a };
                    }
                    Op::CallNative { a, b, c, site } => {
                        let Some(CallSite { native: Some(native), direct, .. }) =
                            code.calls.get(site as usize)
                        else {
                            continue 'run;
                        };
                        let args =
                            win.get(usize::from(b)..usize::from(b) + usize::from(c)).unwrap_or_default();
                        if *direct
                            && expects.is_none()
                            && !args.iter().any(|value| matches!(value, Value::Promise(_)))
                        {
                            let step = attempt!('run, run_native(native, args, &[], &[], None, services));
                            if services.fresh {
                                stamp(services, code, pc);
                            }
                            for at in b..b.saturating_add(c) {
                                if !r!(at).is_scalar() {
                                    set!(at, Value::Unset);
                                }
                            }
                            match step {
                                Step::Done(value) => set!(a, value),
                                step => break 'run Next::Step(step, a),
                            }
                        } else {
                            let callee = Value::Native(native);
                            break 'run Next::Call { callee, first: b, count: c, site: Some(site), dst: a };
                        }
                    }
                    Op::Method { a, b, c, site } => {
                        fuel -= 1;
                        if fuel < 0 {
                            pc -= 1;
                            break 'run Next::Refuel;
                        }
                        let Some(CallSite { name: Some(name), keywords, cache, .. }) =
                            code.calls.get(site as usize)
                        else {
                            continue 'run;
                        };
                        if !keywords.is_empty() {
                            break 'run Next::Method { first: b, count: c, site, dst: a };
                        }
                        match &r!(b) {
                            Value::Struct(it) => {
                                if let MethodCache::Dana { kind, methods: known, func } = &*cache.borrow()
                                    && *kind == it.kind.id
                                    && *known == *methods
                                {
                                    let func = Rc::clone(func);
                                    break 'run Next::Enter { func, base: *base + usize::from(b), dst: a };
                                }
                                if let Some(Value::Func(found)) = it.kind.method(name)
                                    && found.code.params.len() == usize::from(c) + 1
                                {
                                    let kind = it.kind.id;
                                    cache.replace(MethodCache::Dana { kind, methods: *methods, func: found });
                                    pc -= 1;
                                    continue 'run;
                                }
                                break 'run Next::Method { first: b, count: c, site, dst: a };
                            }
                            Value::Promise(_) | Value::Module(_) | Value::Error(_) => {
                                break 'run Next::Method { first: b, count: c, site, dst: a };
                            }
                            receiver => {
                                let tag = receiver.tag();
                                let known = match &*cache.borrow() {
                                    MethodCache::Native(known, native) if *known == tag => Some(*native),
                                    _ => None,
                                };
                                let native = match known {
                                    Some(native) => native,
                                    None => match crate::library::method(receiver, name) {
                                        Some(native) if native.takes(usize::from(c) + 1) => {
                                            cache.replace(MethodCache::Native(tag, native));
                                            native
                                        }
                                        _ => break 'run Next::Method { first: b, count: c, site, dst: a },
                                    },
                                };
                                let end = usize::from(b) + usize::from(c) + 1;
                                let args = win.get(usize::from(b)..end).unwrap_or_default();
                                if args.iter().any(|value| matches!(value, Value::Promise(_))) {
                                    break 'run Next::Method { first: b, count: c, site, dst: a };
                                }
                                let step = attempt!('run, run_native(native, args, &[], &[], None, services));
                                for at in b..=b.saturating_add(c) {
                                    if !r!(at).is_scalar() {
                                        set!(at, Value::Unset);
                                    }
                                }
                                match step {
                                    Step::Done(value) => set!(a, value),
                                    step => break 'run Next::Step(step, a),
                                }
                            }
                        }
                    }
                    Op::Expect { note } => *expects = Some(note),
                    Op::Return { a } => {
                        let value = if code.residents.is_empty() { take(&mut r!(a)) } else { r!(a).clone() };
                        break 'run Next::Leave(value);
                    }
                    // ---------------------------------------------------------------------- errors
                    Op::Raise { a } => break 'run Next::Fault(raised(&r!(a), None)),
                    Op::RaiseFrom { a, b } => break 'run Next::Fault(raised(&r!(a), Some(&r!(b)))),
                    Op::Reraise { a } => {
                        let raise = match &r!(a) {
                            Value::Error(error) => Raise::error(Rc::clone(error)),
                            other => raised(other, None),
                        };
                        break 'run Next::Fault(raise);
                    }
                    Op::ReraiseNothing => {
                        break 'run Next::Fault(Raise::runtime("no active exception to re-raise"));
                    }
                    Op::AssertFailed { a } => {
                        let raise = if r!(a).is_unset() {
                            Raise::assertion("assertion failed")
                        } else {
                            Raise::assertion(attempt!('run, crate::value::repr::display(&r!(a))))
                        };
                        break 'run Next::Fault(raise);
                    }
                    Op::JumpUnlessKind { a, kinds, to } => {
                        let matches = match (&r!(a), code.kinds.get(usize::from(kinds))) {
                            (Value::Error(error), Some(kinds)) => {
                                kinds.iter().any(|kind| error.matches(kind))
                            }
                            _ => false,
                        };
                        if !matches {
                            jump!(to);
                        }
                    }
                    Op::KindOf { a, b } => {
                        let kind = match &r!(b) {
                            Value::Error(error) => Value::str(error.kind()),
                            _ => Value::None,
                        };
                        set!(a, kind);
                    }
                    Op::Fail { kind, k } => {
                        let message = code
                            .consts
                            .get(k as usize)
                            .and_then(Value::as_text)
                            .map(|text| text.to_string())
                            .unwrap_or_default();
                        break 'run Next::Fault(match kind {
                            Failure::Value => Raise::value_error(message),
                            Failure::Sandbox => Raise::sandbox(message),
                        });
                    }
                    // ---------------------------------------------------------------------- definitions
                    Op::Coerce { a, note } => {
                        let Some(note) = code.notes.get(note as usize) else { continue 'run };
                        if let Value::Promise(promise) = &r!(a)
                            && promise.is_pending()
                            && promise
                                .expected
                                .borrow()
                                .as_ref()
                                .is_some_and(|known| Rc::ptr_eq(known, &note.annotation))
                        {
                            continue 'run;
                        }
                        let value =
                            attempt!('run, coerce::assign(r!(a).clone(), &note.annotation, &note.target));
                        set!(a, value);
                    }
                    Op::Observe { a } => {
                        if let Value::Promise(promise) = &r!(a) {
                            let value = attempt!('run, promise.observe());
                            set!(a, value);
                        }
                    }
                    // ---------------------------------------------------------------------- the whole machine
                    Op::Function { .. }
                    | Op::Struct { .. }
                    | Op::DefineMethod { .. }
                    | Op::Import { .. }
                    | Op::ImportName { .. }
                    | Op::ImportStar { .. }
                    | Op::Flush => break 'run Next::Whole(op),
                }
            };
            match next {
                Next::Enter { func: callee, base: start, dst } => {
                    if frames.len() >= depth {
                        break 'frame Next::Fault(Raise::depth(services.limits.depth));
                    }
                    if start + WINDOW > stack.len()
                        && let Err(raise) = grow(stack)
                    {
                        break 'frame Next::Fault(raise);
                    }
                    let caller = std::mem::replace(func, callee);
                    frames.push(caller, pc, *base, dst, FrameKind::Plain);
                    *base = start;
                    pc = 0;
                }
                Next::Leave(value) => {
                    if !code.residents.is_empty() || !frames.plain() {
                        break 'frame Next::Leave(value);
                    }
                    for slot in win.iter_mut().take(usize::from(code.registers)) {
                        if !slot.is_scalar() {
                            put(slot, Value::Unset);
                        }
                    }
                    let Some(frame) = frames.pop() else { break 'frame Next::Leave(value) };
                    *func = frame.func;
                    pc = frame.pc;
                    *base = frame.base;
                    if let Some(slot) = stack.get_mut(*base + usize::from(frame.dst)) {
                        put(slot, value);
                    }
                }
                other => break 'frame other,
            }
        };
        *pc_out = pc;
        *fuel_out = fuel;
        next
    }
}

/// More stack for another window.
#[inline(never)]
pub(super) fn grow(stack: &mut Vec<Value>) -> Result<(), Raise> {
    let more = stack.len().max(WINDOW);
    memory::reserve_values(more)?;
    let len = stack.len() + more;
    stack.resize_with(len, || Value::Unset);
    Ok(())
}

/// What `raise value` raises.
#[inline(never)]
fn raised(value: &Value, cause: Option<&Value>) -> Raise {
    let value = match value.observe() {
        Ok(value) => value,
        Err(raise) => return raise,
    };
    let error = match &value {
        Value::Error(error) => Rc::clone(error),
        // `raise ValueError` constructs it without arguments.
        Value::Native(native) if crate::library::constructs(native) => {
            Rc::new(ErrorObj::new(native.name, ""))
        }
        other => match crate::value::repr::display(other) {
            Ok(text) => Rc::new(ErrorObj::new("RuntimeError", text)),
            Err(raise) => return raise,
        },
    };
    if let Some(Value::Error(cause)) = cause
        && !eq::same(&Value::Error(Rc::clone(cause)), &Value::Error(Rc::clone(&error)))
        && error.cause.borrow().is_none()
    {
        *error.cause.borrow_mut() = Some(Rc::clone(cause));
    }
    Raise::error(error)
}
