//! Calls that are more than jumping into a function whose arguments are in place.

use std::rc::Rc;

use super::bind::{self, Named};
use super::modules::Below;
use super::suggest::{no_attribute, no_method};
use super::unwind::stamp;
use super::{Exit, FrameKind, Resume, Vm, WINDOW};
use crate::coerce;
use crate::library;
use crate::library::native::{Body, Call, Continuation, Native, Step};
use crate::session::Services;
use crate::value::structure::Annotation;
use crate::value::{FuncObj, Raise, StructObj, Value, put, work};

/// What a call came to.
pub(super) enum Invoked {
    /// A Dana function was entered.
    Entered,
    Value(Value),
    Step(Step),
}

/// Gives an inner native's result to the continuation of the native that called it.
struct Chain {
    inner: Box<dyn Continuation>,
    outer: Box<dyn Continuation>,
}

fn chain(step: Step, outer: Box<dyn Continuation>, services: &mut Services) -> Result<Step, Raise> {
    match step {
        Step::Done(value) => outer.resume(value, services),
        Step::Call { function, args, keywords, then } => {
            Ok(Step::Call { function, args, keywords, then: Box::new(Chain { inner: then, outer }) })
        }
        Step::Wait { promise, then } => {
            Ok(Step::Wait { promise, then: Box::new(Chain { inner: then, outer }) })
        }
    }
}

impl Continuation for Chain {
    fn resume(self: Box<Self>, result: Value, services: &mut Services) -> Result<Step, Raise> {
        let step = self.inner.resume(result, services)?;
        chain(step, self.outer, services)
    }

    fn failed(self: Box<Self>, raise: Raise, services: &mut Services) -> Result<Step, Raise> {
        match self.inner.failed(raise, services) {
            Ok(step) => chain(step, self.outer, services),
            Err(raise) => self.outer.failed(raise, services),
        }
    }
}

/// Runs a native whose arguments stand as its parameters.
pub(super) fn run_native(
    native: &'static Native,
    args: &[Value],
    rest: &[Value],
    keywords: &[(Rc<str>, Value)],
    expects: Option<Rc<Annotation>>,
    services: &mut Services,
) -> Result<Step, Raise> {
    let mut call = Call { native, args, rest, keywords, expects, services };
    match native.body {
        Body::Plain(body) => body(&mut call).map(Step::Done),
        Body::Steps(body) => body(&mut call),
    }
}

impl Vm {
    /// Makes room for a window and remembers the caller.
    pub(super) fn enter(
        &mut self,
        func: Rc<FuncObj>,
        base: usize,
        dst: u8,
        kind: FrameKind,
    ) -> Result<(), Raise> {
        let limit = self.services.limits.depth;
        if self.frames.len() >= limit as usize {
            return Err(Raise::depth(limit));
        }
        if base + WINDOW > self.stack.len() {
            super::run::grow(&mut self.stack)?;
        }
        let caller = std::mem::replace(&mut self.func, func);
        self.frames.push(caller, self.pc, self.base, dst, kind);
        self.base = base;
        self.pc = 0;
        Ok(())
    }

    /// Calls `callee`; a Dana function's window starts at `at`.
    pub(super) fn invoke(
        &mut self,
        callee: Value,
        positional: Vec<Value>,
        named: Named,
        dst: u8,
        kind: FrameKind,
        at: usize,
    ) -> Result<Invoked, Raise> {
        let mut callee = callee;
        let mut positional = positional;
        loop {
            match callee {
                Value::Func(func) => {
                    let values = bind::function(&func, positional, named)?;
                    self.enter(func, at, dst, kind)?;
                    if let Some(window) = self.stack.get_mut(at..at + values.len()) {
                        for (slot, value) in window.iter_mut().zip(values) {
                            put(slot, value);
                        }
                    }
                    return Ok(Invoked::Entered);
                }
                Value::Native(native) => {
                    let observed: Result<Vec<Value>, Raise> = positional.iter().map(Value::observe).collect();
                    let mut values = named;
                    for (_, value) in &mut values {
                        *value = value.observe()?;
                    }
                    let bound = bind::native(native, observed?, values)?;
                    let expects = self.expected();
                    let step = run_native(
                        native,
                        &bound.args,
                        &bound.rest,
                        &bound.keywords,
                        expects,
                        &mut self.services,
                    )?;
                    if self.services.fresh {
                        stamp(&mut self.services, &self.func.code, self.pc);
                    }
                    return Ok(match step {
                        Step::Done(value) => Invoked::Value(value),
                        step => Invoked::Step(step),
                    });
                }
                Value::Bound(bound) => {
                    positional.insert(0, bound.receiver.clone());
                    callee = bound.function.clone();
                }
                Value::StructType(kind) => {
                    return Ok(Invoked::Value(coerce::construct(
                        &kind,
                        &positional,
                        &named,
                        &self.services,
                    )?));
                }
                Value::Promise(promise) => callee = promise.observe()?,
                other => {
                    return Err(Raise::type_error(format!("'{}' object is not callable", other.type_name())));
                }
            }
        }
    }

    /// The annotation of the typed assignment whose value is being called, once.
    fn expected(&mut self) -> Option<Rc<Annotation>> {
        let note = self.expects.take()?;
        self.func.code.notes.get(note as usize).map(|note| Rc::clone(&note.annotation))
    }

    /// The arguments of a call in registers: positional, then named.
    pub(super) fn collect(&self, first: usize, count: u8, site: Option<u32>) -> (Vec<Value>, Named) {
        let start = self.base + first;
        let mut positional = self.stack.get(start..start + usize::from(count)).unwrap_or_default().to_vec();
        let keywords: &[Rc<str>] =
            site.and_then(|site| self.func.code.calls.get(site as usize)).map_or(&[], |site| &site.keywords);
        let named = positional.split_off(positional.len().saturating_sub(keywords.len()));
        (positional, keywords.iter().cloned().zip(named).collect())
    }

    /// Clears registers whose values were used up.
    pub(super) fn discard(&mut self, first: usize, count: usize) {
        let start = self.base + first;
        if let Some(used) = self.stack.get_mut(start..start + count) {
            for slot in used {
                if !slot.is_scalar() {
                    put(slot, Value::Unset);
                }
            }
        }
    }

    /// `callee(args)` with the callee and its arguments in registers from `first`, or the arguments alone.
    pub(super) fn call(
        &mut self,
        callee: Value,
        args: usize,
        count: u8,
        site: Option<u32>,
        dst: u8,
    ) -> Result<Option<Exit>, Raise> {
        let callee = match callee {
            Value::Type(name) if site.is_none() => {
                self.find(&name.0).ok_or_else(|| self.undefined(&name.0))?
            }
            callee => callee,
        };
        let (positional, named) = self.collect(args, count, site);
        let at = self.base + args;
        let invoked = self.invoke(callee, positional, named, dst, FrameKind::Plain, at)?;
        self.finish(invoked, args, count, dst)
    }

    pub(super) fn finish(
        &mut self,
        invoked: Invoked,
        args: usize,
        count: u8,
        dst: u8,
    ) -> Result<Option<Exit>, Raise> {
        match invoked {
            Invoked::Entered => Ok(None),
            Invoked::Value(value) => {
                self.discard(args, usize::from(count));
                self.set(dst, value);
                Ok(None)
            }
            Invoked::Step(step) => {
                self.discard(args, usize::from(count));
                self.drive(step, dst)
            }
        }
    }

    pub(super) fn set(&mut self, register: u8, value: Value) {
        if let Some(slot) = self.stack.get_mut(self.base + usize::from(register)) {
            put(slot, value);
        }
    }

    /// Takes a native's step, and those that follow, until something else must happen first.
    pub(super) fn drive(&mut self, step: Step, dst: u8) -> Result<Option<Exit>, Raise> {
        let mut step = step;
        loop {
            match step {
                Step::Done(value) => {
                    self.set(dst, value);
                    return Ok(None);
                }
                Step::Call { function, args, keywords, then } => {
                    work::charge(1)?;
                    self.thens.push(then);
                    let at = self.base + usize::from(self.func.code.registers);
                    let invoked = self.invoke(function, args, keywords, dst, FrameKind::Then, at);
                    if let Ok(Invoked::Entered) = invoked {
                        return Ok(None);
                    }
                    let Some(then) = self.thens.pop() else { return Ok(None) };
                    step = match invoked {
                        Ok(Invoked::Value(value)) => then.resume(value, &mut self.services)?,
                        Ok(Invoked::Step(inner)) => chain(inner, then, &mut self.services)?,
                        Ok(Invoked::Entered) => return Ok(None),
                        Err(raise) => then.failed(raise, &mut self.services)?,
                    };
                }
                Step::Wait { promise, then } => {
                    if promise.is_pending() {
                        self.thens.push(then);
                        self.resume = Resume::Continue(Rc::clone(&promise), dst);
                        return Ok(Some(Exit::Wait(promise)));
                    }
                    step = match promise.observe() {
                        Ok(value) => then.resume(value, &mut self.services)?,
                        Err(raise) => then.failed(raise, &mut self.services)?,
                    };
                }
            }
        }
    }

    /// `receiver.name(args)`.
    pub(super) fn method(&mut self, first: u8, count: u8, site: u32, dst: u8) -> Result<Option<Exit>, Raise> {
        let receiver_at = usize::from(first);
        let receiver = self.stack.get(self.base + receiver_at).map_or(Ok(Value::None), Value::observe)?;
        let code = Rc::clone(&self.func.code);
        let Some(name) = code.calls.get(site as usize).and_then(|site| site.name.as_deref()) else {
            return Ok(None);
        };
        let (positional, named) = self.collect(receiver_at + 1, count, Some(site));
        let Some((callee, bound)) = self.find_method(&receiver, name)? else { return Ok(None) };
        let mut positional = positional;
        if let Some(receiver) = bound {
            positional.insert(0, receiver);
        }
        let at = self.base + receiver_at;
        let invoked = self.invoke(callee, positional, named, dst, FrameKind::Plain, at)?;
        self.finish(invoked, receiver_at, count.saturating_add(1), dst)
    }

    /// What `receiver.name` calls, and the receiver to pass; none after entering a submodule that must run first.
    fn find_method(&mut self, receiver: &Value, name: &str) -> Result<Option<(Value, Option<Value>)>, Raise> {
        let found = match receiver {
            Value::Struct(it) => self.struct_method(it, name)?,
            Value::Module(module) => match self.module_value(module, name) {
                Some(function) => (function, None),
                None => match self.import_below(module, name)? {
                    Below::Here(found) => (found, None),
                    Below::Running => return Ok(None),
                    Below::Nothing => return Err(no_attribute(receiver, name)),
                },
            },
            Value::Dict(dict) => match library::method(receiver, name) {
                Some(native) => (Value::Native(native), Some(receiver.clone())),
                None => match dict.get_str(name) {
                    Some(function) => (function, None),
                    None => return Err(no_method(receiver, name)),
                },
            },
            Value::Error(_) => match self.attribute(receiver, name)? {
                Some(function) => (function, None),
                None => return Ok(None),
            },
            Value::Native(kind) => match library::unbound(kind, name) {
                Some((native, true)) => (Value::Native(native), Some(receiver.clone())),
                Some((native, false)) => (Value::Native(native), None),
                None => return Err(no_method(receiver, name)),
            },
            other => match library::method(other, name) {
                Some(native) => (Value::Native(native), Some(receiver.clone())),
                None => return Err(no_method(receiver, name)),
            },
        };
        Ok(Some(found))
    }

    fn struct_method(&mut self, it: &Rc<StructObj>, name: &str) -> Result<(Value, Option<Value>), Raise> {
        if let Some((owner, method)) = it.method(name)? {
            return Ok((method, Some(Value::Struct(owner))));
        }
        if let Some((owner, at)) = it.owner(name)? {
            let field = owner.fields.borrow().get(at).cloned().unwrap_or(Value::None).observe()?;
            if field.is_callable() {
                return Ok((field, None));
            }
        }
        if let Some(native) = library::agents::method(it.kind.kind, name) {
            return Ok((Value::Native(native), Some(Value::Struct(Rc::clone(it)))));
        }
        // The last resort: a function of that name in scope.
        let receiver = Value::Struct(Rc::clone(it));
        match self.func.module.locals.get(name) {
            Some(function @ Value::Func(_)) => Ok((function, Some(receiver))),
            _ => Err(no_method(&receiver, name)),
        }
    }
}
