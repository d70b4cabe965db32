//! One session, message by message.
//!
//! The same code serves a worker's pipes and a session inside the host: whoever drives it gives it messages
//! and an [`Outbox`]. A turn is a request, any number of asks and answers, and exactly one `Done` or `Failed`.

use std::ops::ControlFlow;
use std::rc::Rc;

use dana_meter::Meter;
use dana_wire::{
    Capped, Fault, MESSAGE_BYTES, Outcome, Start, Target, ToHost, ToWorker, Usage, Violation, clip,
};

use crate::compile::code::SourceFile;
use crate::convert::{self, Handles, Payload, Unread};
use crate::describe;
use crate::fault::fault;
use crate::library;
use crate::session::{OutgoingAsk, PendingAsk, Services, Settled};
use crate::syntax::error::{ParseError, SyntaxFault};
use crate::syntax::is_reserved;
use crate::syntax::span::Source;
use crate::value::error::Reason;
use crate::value::promise::PromiseState;
use crate::value::work::Count;
use crate::value::{ErrorObj, ModuleObj, Raise, Table, Value, cycles, hash, memory, work};
use crate::vm::{Exit, Vm, Watch};

/// Where the session's messages go.
pub trait Outbox {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed>;

    /// The same with a payload in two pieces, one behind the other.
    fn send_pieces(&mut self, header: &ToHost, payload: &[u8], rest: &[u8]) -> Result<(), Closed> {
        self.send(header, &[payload, rest].concat())
    }

    /// Called every few milliseconds while a program runs. Breaking ends the turn with that reason.
    fn pulse(&mut self, steps: u64, file: Option<&str>, line: u32) -> ControlFlow<String>;
}

/// Nobody reads any more. The session can only end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side is gone")]
pub struct Closed;

/// Why a message was not served. The session can only end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The host sent something that is not in its turn.
    #[error("the host sent {0} out of turn")]
    OutOfTurn(&'static str),
    /// The payload is not what the message says.
    #[error("bad payload: {0}")]
    Payload(#[from] Violation),
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// A turn in progress.
struct Turn {
    number: u32,
    stage: Stage,
    /// What it ends with is a module to be described.
    describes: bool,
}

enum Stage {
    Running,
    /// The program ended with this value; its asks have not.
    Ending(Value),
}

/// What belongs to the session and is charged to it.
struct Inner {
    vm: Vm,
    handles: Handles,
    turn: Option<Turn>,
}

pub struct Server {
    meter: Meter,
    seed: [u64; 2],
    limit: usize,
    work: Count,
    mark: usize,
    cycles: cycles::Notes,
    inner: Option<Box<Inner>>,
}

impl Server {
    pub fn new(start: Start) -> Server {
        let meter = Meter::new();
        let limit =
            start.limits.memory.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let mut server = Server {
            meter,
            seed: start.seed,
            limit,
            work: Count::NONE,
            mark: 0,
            cycles: cycles::Notes::EMPTY,
            inner: None,
        };
        let inner = server.inside(|_| {
            let vm = Vm::new(Services::new(start.limits, start.functions));
            Some(Box::new(Inner { vm, handles: Handles::default(), turn: None }))
        });
        server.inner = inner;
        server
    }

    /// Serves one message: runs until it needs another.
    pub fn handle(
        &mut self,
        message: ToWorker,
        payload: &[u8],
        out: &mut dyn Outbox,
    ) -> Result<(), ServeError> {
        self.take(message, Payload::Lent(payload), out)
    }

    /// The same with a payload that is the last `length` bytes of `buffer`: a large value may stay where it is.
    pub fn handle_given(
        &mut self,
        message: ToWorker,
        buffer: Vec<u8>,
        length: usize,
        out: &mut dyn Outbox,
    ) -> Result<(), ServeError> {
        self.take(message, Payload::Given(buffer, length), out)
    }

    fn take(
        &mut self,
        message: ToWorker,
        mut payload: Payload<'_>,
        out: &mut dyn Outbox,
    ) -> Result<(), ServeError> {
        // What came was allocated outside and is freed there: the session copies what it keeps, or adopts it.
        let served = self.inside(|server| match &mut server.inner {
            Some(inner) => inner.handle(&message, &mut payload, out),
            None => Err(ServeError::OutOfTurn("a message after the end")),
        });
        drop((message, payload));
        served
    }

    /// Charges what happens to this session, under its limit and with its seed.
    fn inside<T>(&mut self, task: impl FnOnce(&mut Server) -> T) -> T {
        let meter = self.meter.clone();
        let turn = meter.enter();
        let seed = hash::set_seed(self.seed);
        let limit = memory::set_limit(self.limit);
        let count = work::replace(self.work);
        let mark = memory::set_mark(self.mark);
        let notes = cycles::replace(std::mem::take(&mut self.cycles));
        let result = task(self);
        self.cycles = cycles::replace(notes);
        self.mark = memory::set_mark(mark);
        self.work = work::replace(count);
        memory::set_limit(limit);
        hash::set_seed(seed);
        drop(turn);
        result
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.inside(|server| {
            if let Some(mut inner) = server.inner.take() {
                inner.handles = Handles::default();
                inner.vm.dismantle();
                drop(inner);
                // What only holds itself by now was out of reach already.
                memory::set_limit(usize::MAX);
                work::begin(None);
                if cycles::collect().is_err() {
                    // Only the host's clock ends this early: what is left stays until the process ends.
                }
            }
        });
    }
}

impl Inner {
    fn handle(
        &mut self,
        message: &ToWorker,
        payload: &mut Payload<'_>,
        out: &mut dyn Outbox,
    ) -> Result<(), ServeError> {
        match message {
            ToWorker::Start(_) => Err(ServeError::OutOfTurn("Start")),
            ToWorker::Release { handles } => {
                for handle in handles {
                    self.handles.release(*handle);
                }
                Ok(())
            }
            ToWorker::Register { functions } => {
                self.vm.services.register(functions.clone());
                Ok(())
            }
            ToWorker::Answer { ask, outcome } => self.answer(*ask, outcome, payload, out),
            ToWorker::Run { turn, filename, source } => {
                self.begin(*turn, "Run")?;
                self.run(filename.as_deref(), source, out)
            }
            ToWorker::Call { turn, target, positional, keywords } => {
                self.begin(*turn, "Call")?;
                self.call(target, *positional, keywords, payload, out)
            }
            ToWorker::Get { turn, name } => {
                self.begin(*turn, "Get")?;
                match self.variable(name) {
                    Ok(value) => self.end(value, out),
                    Err(raise) => self.fail(raise, out),
                }
            }
            ToWorker::Set { turn, name } => {
                self.begin(*turn, "Set")?;
                self.set(name, payload, out)
            }
            ToWorker::Snapshot { turn } => {
                self.begin(*turn, "Snapshot")?;
                match self.snapshot() {
                    Ok(value) => self.end(value, out),
                    Err(raise) => self.fail(raise, out),
                }
            }
            ToWorker::Describe { turn, module, again } => {
                self.begin(*turn, "Describe")?;
                match module {
                    Some(name) => self.import(name, *again, out),
                    None => match describe::session(&self.vm.main, &self.vm.public, &self.vm.services) {
                        Ok(value) => self.end(value, out),
                        Err(raise) => self.fail(raise, out),
                    },
                }
            }
        }
    }

    fn begin(&mut self, number: u32, what: &'static str) -> Result<(), ServeError> {
        if self.turn.is_some() {
            return Err(ServeError::OutOfTurn(what));
        }
        self.turn = Some(Turn { number, stage: Stage::Running, describes: false });
        dana_meter::forget_peak();
        self.vm.services.begin_turn();
        Ok(())
    }

    // ------------------------------------------------------------------------------ requests

    fn run(&mut self, filename: Option<&str>, source: &str, out: &mut dyn Outbox) -> Result<(), ServeError> {
        const SHORT: usize = 4096;
        if source.len() > SHORT
            && let Err(raise) = memory::reserve(source.len().saturating_mul(8))
        {
            return self.fail(raise, out);
        }
        let name: Option<Rc<str>> = filename.map(Into::into);
        *self.vm.main.file.borrow_mut() = name.clone();
        let file = Rc::new(SourceFile { name, source: Source::new(source) });
        let main = Rc::clone(&self.vm.main);
        // A session at its limit must still take a short program that lets go of something.
        let limit = memory::limit();
        memory::set_limit(limit.saturating_add(limit / 16));
        let compiled = self.vm.compile(file, &main);
        memory::set_limit(limit);
        match compiled {
            Ok(code) => {
                self.vm.start(code, main);
                self.advance(out)
            }
            Err((ParseError::Syntax(fault), file)) => self.refuse(&syntax(&fault, &file), out),
            Err((ParseError::Memory, _)) => self.fail(Raise::memory(memory::limit()), out),
        }
    }

    /// Imports a module in a program of its own, so that nothing is bound in the session's.
    fn import(&mut self, name: &str, again: bool, out: &mut dyn Outbox) -> Result<(), ServeError> {
        let is_name = |part: &str| library::is_name(part) && !is_reserved(part);
        if !name.split('.').all(is_name) {
            return self.fail(Raise::sandbox(format!("'{name}' is not a module's name")), out);
        }
        if again {
            self.vm.modules.remove(name);
        }
        let file =
            Rc::new(SourceFile { name: None, source: Source::new(&format!("import {name} as it\nit")) });
        let program = Rc::new(ModuleObj::new("__import__"));
        match self.vm.compile(file, &program) {
            Ok(code) => {
                self.vm.start(code, program);
                if let Some(turn) = &mut self.turn {
                    turn.describes = true;
                }
                self.advance(out)
            }
            Err((ParseError::Syntax(fault), file)) => self.refuse(&syntax(&fault, &file), out),
            Err((ParseError::Memory, _)) => self.fail(Raise::memory(memory::limit()), out),
        }
    }

    /// The value a turn ends with, when its program has ended with this one.
    fn outcome(&mut self, value: Value) -> Result<Value, Raise> {
        match &value {
            Value::Module(module) if self.turn.as_ref().is_some_and(|turn| turn.describes) => {
                describe::module(module, &self.vm.public, &mut self.handles)
            }
            _ => Ok(value),
        }
    }

    fn call(
        &mut self,
        target: &Target,
        positional: u32,
        keywords: &[String],
        payload: &mut Payload<'_>,
        out: &mut dyn Outbox,
    ) -> Result<(), ServeError> {
        let mut values = match self.decode(payload)? {
            Ok(values) => values,
            Err(raise) => return self.fail(raise, out),
        };
        if values.len() != positional as usize + keywords.len() {
            return Err(ServeError::OutOfTurn("a call with another number of values than it says"));
        }
        let named = values.split_off(positional as usize);
        let named = keywords.iter().map(|name| Rc::from(name.as_str())).zip(named).collect();
        let callee = match target {
            Target::Name(name) => self.vm.function(name),
            Target::Handle(handle) => self
                .handles
                .get(*handle)
                .ok_or_else(|| Raise::sandbox("the function is not of this session, or was released")),
        };
        match callee {
            Ok(callee) => {
                self.vm.start_call(callee, values, named);
                self.advance(out)
            }
            Err(raise) => self.fail(raise, out),
        }
    }

    fn decode(&self, payload: &mut Payload<'_>) -> Result<Result<Vec<Value>, Raise>, ServeError> {
        match convert::decode(payload, &self.handles, &self.vm.services) {
            Ok(values) => Ok(Ok(values)),
            Err(Unread::Raise(raise)) => Ok(Err(raise)),
            Err(Unread::Violation(violation)) => Err(violation.into()),
        }
    }

    fn variable(&self, name: &str) -> Result<Value, Raise> {
        let vm = &self.vm;
        let found = match name.split_once(':') {
            Some(("private", name)) => vm.main.private.get(name),
            Some(("public", name)) => vm.public.get(name),
            Some(("system", name)) => vm.system.get(name),
            Some(("local", name)) => vm.main.locals.get(name),
            _ => vm.main.locals.get(name).or_else(|| vm.visible(name)),
        };
        found.ok_or_else(|| {
            let raise = Raise::name_error(format!("name '{name}' is not defined"));
            let bare = name.rsplit_once(':').map_or(name, |(_, bare)| bare);
            match vm.near(bare) {
                Some(near) => raise.hint(format!("did you mean '{near}'?")),
                None => raise,
            }
        })
    }

    fn set(&mut self, name: &str, payload: &mut Payload<'_>, out: &mut dyn Outbox) -> Result<(), ServeError> {
        let mut values = match self.decode(payload)? {
            Ok(values) => values,
            Err(raise) => return self.fail(raise, out),
        };
        let (Some(value), true) = (values.pop(), values.is_empty()) else {
            return Err(ServeError::OutOfTurn("a Set without its one value"));
        };
        let vm = &self.vm;
        match name.split_once(':') {
            Some(("private", name)) => vm.main.private.set(name, value),
            Some(("public", name)) => vm.public.set(name, value),
            Some(("system", name)) => vm.system.set(name, value),
            Some(("local", name)) => vm.main.locals.set(name, value),
            _ => vm.main.locals.set(name, value),
        }
        self.end(Value::None, out)
    }

    /// Scope, name and value of everything that can be sent.
    fn snapshot(&mut self) -> Result<Value, Raise> {
        let mut scopes = Table::new();
        let spaces = [
            ("local", self.vm.main.locals.entries()),
            ("private", self.vm.main.private.entries()),
            ("public", self.vm.public.entries()),
            ("system", self.vm.system.entries()),
        ];
        for (scope, entries) in spaces {
            let mut table = Table::new();
            for (name, value) in entries {
                if name.starts_with("__") || value.is_callable() {
                    continue;
                }
                match convert::try_encode(&value, &mut self.handles) {
                    Ok(()) => {
                        table.insert(Value::str(&name), value)?;
                    }
                    Err(raise) => {
                        if let Some(error) = raise.as_error()
                            && error.limit.is_some()
                        {
                            return Err(raise);
                        }
                    }
                }
            }
            scopes.insert(Value::str(scope), Value::dict(table))?;
        }
        Ok(Value::dict(scopes))
    }

    // ------------------------------------------------------------------------------ asks

    fn answer(
        &mut self,
        ask: u32,
        outcome: &Outcome,
        payload: &mut Payload<'_>,
        out: &mut dyn Outbox,
    ) -> Result<(), ServeError> {
        // An answer that comes after its turn has failed is nobody's.
        let Some(mut pending) = self.vm.services.pending.remove(&ask) else { return Ok(()) };
        let answer = match outcome {
            Outcome::Limit { message } => Err(Raise::asks(message.clone())),
            Outcome::Failed { kind, message } => {
                Err(Raise::new(kind.clone(), message.as_str()).of_ask(Some(ask)))
            }
            Outcome::Value => match self.decode(payload)? {
                Ok(mut values) => match (values.pop(), values.is_empty()) {
                    (Some(value), true) => Ok(value),
                    _ => return Err(ServeError::OutOfTurn("an answer without its one value")),
                },
                Err(raise) => Err(raise),
            },
        };
        match pending.settle.settle(answer, &mut self.vm.services) {
            Settled::Kept(value) => pending.promise.settle(Ok(value)),
            Settled::Broken(raise) => pending.promise.settle(Err(raise)),
            Settled::Again { question, arguments } => {
                let again = PendingAsk { promise: pending.promise, settle: pending.settle };
                self.vm.services.send(question, arguments, again);
            }
        }
        self.advance(out)
    }

    /// Sends what was printed, logged and asked.
    fn flush(&mut self, out: &mut dyn Outbox) -> Result<(), ServeError> {
        let services = &mut self.vm.services;
        send_said(services, out)?;
        while !services.outgoing.is_empty() && send_asks(services, &mut self.handles, out)? {}
        Ok(())
    }

    // ------------------------------------------------------------------------------ turns

    /// Runs until the turn ends or needs an answer.
    fn advance(&mut self, out: &mut dyn Outbox) -> Result<(), ServeError> {
        loop {
            let Some(turn) = &mut self.turn else { return Ok(()) };
            if let Stage::Ending(value) = &turn.stage {
                let value = value.clone();
                return self.end(value, out);
            }
            let mut watch = Forward { out, handles: &mut self.handles, closed: false };
            let exit = self.vm.run(&mut watch);
            if watch.closed {
                return Err(Closed.into());
            }
            match exit {
                Exit::Done(value) => {
                    return match self.outcome(value) {
                        Ok(value) => self.end(value, out),
                        Err(raise) => self.fail(raise, out),
                    };
                }
                Exit::Failed(error) => return self.fail(Raise::error(error), out),
                Exit::Stopped(reason) => {
                    return self.fail(Raise::stopped(reason), out);
                }
                Exit::Wait(promise) => {
                    self.flush(out)?;
                    if promise.is_pending() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The turn's work is done; it ends when all its asks have.
    fn end(&mut self, value: Value, out: &mut dyn Outbox) -> Result<(), ServeError> {
        self.flush(out)?;
        if !self.vm.services.pending.is_empty() {
            if let Some(turn) = &mut self.turn {
                turn.stage = Stage::Ending(value);
            }
            return Ok(());
        }
        if let Some(raise) = self.unnoticed() {
            return self.fail(raise, out);
        }
        let mut payload = Vec::new();
        let rest = match convert::encode_apart(&value, &mut payload, &mut self.handles) {
            Ok(rest) => rest,
            Err(raise) => return self.fail(raise, out),
        };
        let usage = self.usage();
        let Some(turn) = self.close() else { return Ok(()) };
        let header = ToHost::Done { turn, usage };
        match rest {
            [] => out.send(&header, &payload)?,
            rest => out.send_pieces(&header, &payload, rest)?,
        }
        Ok(())
    }

    /// A failed ask whose failure nobody has seen.
    fn unnoticed(&self) -> Option<Raise> {
        self.vm.services.issued.iter().find_map(|promise| match &*promise.state.borrow() {
            PromiseState::Broken(raise) if !promise.observed.get() => {
                if let (Some(error), Some(origin)) = (raise.as_error(), promise.origin.take())
                    && error.place.borrow().at.is_none()
                {
                    error.place.borrow_mut().at = Some(origin);
                }
                Some(raise.clone())
            }
            _ => None,
        })
    }

    fn fail(&mut self, raise: Raise, out: &mut dyn Outbox) -> Result<(), ServeError> {
        let error = match raise.into_reason() {
            Reason::Error(error) => error,
            Reason::Pending(_) => {
                Rc::new(ErrorObj::new("RuntimeError", "the result was still being waited for"))
            }
            Reason::Stopped(reason) => Rc::new(ErrorObj::new("Stopped", reason)),
        };
        let fault = fault(&error);
        self.refuse(&fault, out)
    }

    fn refuse(&mut self, fault: &Fault, out: &mut dyn Outbox) -> Result<(), ServeError> {
        self.vm.services.outgoing.clear();
        self.flush(out)?;
        let usage = self.usage();
        if let Some(turn) = self.close() {
            out.send(&ToHost::Failed { turn, fault: fault.clone(), usage }, &[])?;
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        let services = &self.vm.services;
        Usage {
            steps: work::steps(),
            memory_peak: dana_meter::peak() as u64,
            output_bytes: services.printed,
            asks: services.asked,
        }
    }

    fn close(&mut self) -> Option<u32> {
        self.vm.reset();
        self.vm.services.end_turn();
        self.turn.take().map(|turn| turn.number)
    }
}

/// Sends the asks whose arguments are there; the others wait for the answers they carry. True when one failed,
/// which another may have been waiting for.
fn send_asks(services: &mut Services, handles: &mut Handles, out: &mut dyn Outbox) -> Result<bool, Closed> {
    let mut waiting = Vec::new();
    let mut failed = Vec::new();
    for OutgoingAsk { ask, question, arguments } in std::mem::take(&mut services.outgoing) {
        let mut payload = Vec::new();
        let header = ToHost::Ask { ask, question };
        let too_much =
            |fault| Raise::value_error(format!("what was asked cannot be sent to the host: {fault}"));
        let encoded = header
            .check()
            .map_err(too_much)
            .and_then(|()| convert::encode_all(&arguments, &mut payload, handles));
        match (encoded, header) {
            (Ok(()), header) => out.send(&header, &payload)?,
            (Err(raise), ToHost::Ask { ask, question }) if raise.as_error().is_none() => {
                waiting.push(OutgoingAsk { ask, question, arguments });
            }
            (Err(raise), _) => failed.push((ask, raise)),
        }
    }
    // When no ask is under way, those that wait can only wait for each other.
    if failed.is_empty() && services.pending.len() <= waiting.len() {
        failed.extend(waiting.drain(..).map(|waits| {
            (waits.ask, Raise::value_error("what is asked contains the answer it is waiting for"))
        }));
    }
    services.outgoing = waiting;
    let any = !failed.is_empty();
    for (ask, raise) in failed {
        if let Some(pending) = services.pending.remove(&ask) {
            pending.promise.settle(Err(raise));
        }
    }
    Ok(any)
}

/// Sends what was logged and printed, in frames of a size every reader takes.
fn send_said(services: &mut Services, out: &mut dyn Outbox) -> Result<(), Closed> {
    const PIECE: usize = 1 << 20;
    for (level, mut text) in services.logs.drain(..) {
        clip(&mut text, MESSAGE_BYTES);
        out.send(&ToHost::Log { level, text }, &[])?;
    }
    let text = std::mem::take(&mut services.output);
    if text.is_empty() {
        return Ok(());
    }
    if text.len() <= PIECE {
        return out.send(&ToHost::Output { text }, &[]);
    }
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE));
        out.send(&ToHost::Output { text: piece.to_owned() }, &[])?;
        rest = more;
    }
    Ok(())
}

struct Forward<'a> {
    out: &'a mut dyn Outbox,
    handles: &'a mut Handles,
    closed: bool,
}

impl Watch for Forward<'_> {
    fn pulse(&mut self, steps: u64, file: Option<&str>, line: u32) -> ControlFlow<String> {
        self.out.pulse(steps, file, line)
    }

    fn said(&mut self, services: &mut Services) -> ControlFlow<String> {
        match send_said(services, self.out) {
            Ok(()) => ControlFlow::Continue(()),
            Err(closed) => {
                self.closed = true;
                ControlFlow::Break(closed.to_string())
            }
        }
    }

    fn asks(&mut self, services: &mut Services) -> ControlFlow<String> {
        loop {
            match send_asks(services, self.handles, self.out) {
                Ok(true) => {}
                Ok(false) => return ControlFlow::Continue(()),
                Err(closed) => {
                    self.closed = true;
                    return ControlFlow::Break(closed.to_string());
                }
            }
        }
    }
}

fn syntax(fault: &SyntaxFault, file: &SourceFile) -> Fault {
    let position = file.source.position(fault.span.start);
    let mut told = Fault {
        kind: "SyntaxError".to_owned(),
        message: fault.message.clone(),
        file: file.name.as_deref().map(str::to_owned),
        line: position.line,
        column: position.column,
        excerpt: Some(file.source.line(position.line).to_owned()),
        hint: fault.hint.clone(),
        syntax: true,
        ..Fault::default()
    };
    told.fit();
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Outbox for Nowhere {
        fn send(&mut self, header: &ToHost, _payload: &[u8]) -> Result<(), Closed> {
            assert!(!matches!(header, ToHost::Failed { .. }), "{header:?}");
            Ok(())
        }

        fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn cycles_end_with_the_session() {
        let source = "x = [1, 2]\nx.append(x)\nstruct P:\n    n: any\ndef (p: P) f():\n    return p\np = P(none)\np.n = [p, x]\ndef outer():\n    v = [x]\n    def inner():\n        return v\n    v.append(inner)\n    return inner\nd = {\"self\": outer()}\nd[\"d\"] = d\nnone\n";
        let limits = dana_wire::SessionLimits { steps: None, memory: None, depth: 100, output: None };
        let mut server = Server::new(Start { limits, seed: [1, 2], functions: Vec::new() });
        let run = ToWorker::Run { turn: 1, filename: None, source: source.to_owned() };
        server.handle(run, &[], &mut Nowhere).expect("served");
        let inner = server.inner.as_ref().expect("alive");
        let module = Rc::downgrade(&inner.vm.main);
        let list = match inner.vm.main.locals.get("x") {
            Some(Value::List(list)) => Rc::downgrade(&list),
            other => panic!("{other:?}"),
        };
        let dict = match inner.vm.main.locals.get("d") {
            Some(Value::Dict(dict)) => Rc::downgrade(&dict),
            other => panic!("{other:?}"),
        };
        drop(server);
        assert!(list.upgrade().is_none() && dict.upgrade().is_none() && module.upgrade().is_none());
    }
}
