//! What a program may ask of its host: one table, and the way every ask takes.
//!
//! The rule: an ask is answered only if it is in the table, legal in the turn at hand, within the budgets, and, for
//! functions, of a name the host registered. Arguments are data: the host's handler decides what to do with them.
//! Some answers come at once, on the thread of the turn; others later, in any order, from other threads.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use dana_wire::{Budget, Fault, MESSAGE_BYTES, Message, NAME_BYTES, Outcome, Question, ToWorker, clip};
use nix::sys::eventfd::EventFd;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::converse::Kind;
use crate::crossing;
use crate::decode::Receiver;
use crate::encode::{Sender, Step};
use crate::link::Link;
use crate::mailbox::{Landing, Mailbox};
use crate::raise;
use crate::session::Session;
use crate::stop::Stop;
use crate::watch::Watch;

/// One kind of ask.
struct Row {
    /// What the Python handler is told.
    name: &'static str,
    /// In which turns it has a place.
    legal: &'static [Kind],
    /// What the handler is given.
    payload: fn(&Question, &mut Receiver<'_, '_>, &Bound<'_, PyDict>) -> Result<(), Stop>,
}

/// A language model is asked; the answer is any value.
/// The turns in which something of the program runs.
const RUNNING: [Kind; 3] = [Kind::Run, Kind::Call, Kind::Import];

const REASON: Row = Row { name: "reason", legal: &RUNNING, payload: reason };
/// A module's source is looked for; the answer is a dict.
const MODULE: Row = Row { name: "module", legal: &RUNNING, payload: module };
/// A function of the host is called; the answer is its result.
const FUNCTION: Row = Row { name: "function", legal: &RUNNING, payload: function };

/// How many asks over its limit a program may make, each refused, before the session is ended.
const REFUSED: u64 = 64;
/// Asks of one session that are worked on at the same time; more wait in their order.
const IN_FLIGHT: usize = 16;
/// Bytes of the questions that wait. More is refused.
const WAITING_BYTES: usize = 64 << 20;
/// What a waiting question costs besides its text and its values.
const WAITING_COST: usize = 4 << 10;
/// Estimated bytes of memory of all that is worked on or waits: what one frame may take. A question that is alone is within
/// that already; more is refused.
const OPEN_MEMORY: usize = Budget::FROM_WORKER.memory;
/// Questions that are refused for want of room in one turn before the session is ended: whoever asks so much looks at
/// no answer.
const CROWDED_OUT: usize = 4 << 10;
/// Failed asks whose Python exceptions are kept until the turn ends.
const FAILURES: usize = 64;

fn row(question: &Question) -> &'static Row {
    match question {
        Question::Reason { .. } => &REASON,
        Question::Module { .. } => &MODULE,
        Question::Function { .. } => &FUNCTION,
    }
}

/// The asks of one turn.
#[derive(Default)]
pub(crate) struct Asks {
    kind: Option<Kind>,
    /// The session's newest ask; their numbers only grow, so that none is answered twice.
    last: Option<u32>,
    /// Asks made in this turn.
    made: u64,
    running: HashMap<u32, Open>,
    waiting: VecDeque<Waiting>,
    /// Bytes of those that wait.
    held: usize,
    /// Estimated bytes of memory of those that wait or are worked on.
    memory: usize,
    crowded_out: usize,
    /// Why the host refused a question for good: what models may be asked is used up.
    spent: Option<PyErr>,
    ready: VecDeque<(u32, Reply)>,
    failures: VecDeque<(u32, PyErr)>,
    mailbox: Option<(Arc<Mailbox>, Arc<EventFd>)>,
}

/// An ask that is being worked on.
struct Open {
    future: Py<PyAny>,
    label: String,
    memory: usize,
}

/// An ask whose time has not come.
struct Waiting {
    ask: u32,
    row: &'static Row,
    label: String,
    payload: Py<PyDict>,
    turn: Py<PyAny>,
    bytes: usize,
    memory: usize,
}

/// What is to be answered.
enum Reply {
    /// A value, and what to call it if it cannot cross.
    Value(Py<PyAny>, String),
    Failed(PyErr),
    Refused {
        kind: &'static str,
        message: String,
    },
    Limit(String),
}

/// A limit that the host keeps itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostLimit {
    Asks,
    Tokens,
}

impl Asks {
    pub(crate) fn of_turn(kind: Kind, last: Option<u32>) -> Self {
        Asks { kind: Some(kind), last, ..Asks::default() }
    }

    pub(crate) fn last(&self) -> Option<u32> {
        self.last
    }

    /// What was refused for good, if more than `limit` asks were made or too many tokens used.
    pub(crate) fn exceed(&self, limit: Option<u64>) -> Option<HostLimit> {
        if self.spent.is_some() {
            return Some(HostLimit::Tokens);
        }
        limit.filter(|limit| self.made > *limit).map(|_| HostLimit::Asks)
    }

    /// An ask has not been answered yet.
    pub(crate) fn are_open(&self) -> bool {
        !(self.running.is_empty() && self.waiting.is_empty() && self.ready.is_empty())
    }

    /// An answer is there, or may be.
    pub(crate) fn are_due(&self) -> bool {
        !self.ready.is_empty() || self.mailbox.as_ref().is_some_and(|(mailbox, _)| mailbox.is_rung())
    }

    /// What becomes readable when an answer is there; `None` if none can come.
    pub(crate) fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.mailbox.as_ref().filter(|_| !self.running.is_empty()).map(|(_, bell)| bell.as_fd())
    }

    /// Takes an ask: answers it, has it answered, or refuses it.
    pub(crate) fn begin(
        &mut self,
        watch: &mut Watch<'_>,
        ask: u32,
        question: &Question,
        values: &[u8],
    ) -> Result<(), Stop> {
        let row = row(question);
        if self.last.is_some_and(|last| ask <= last) {
            let last = self.last.unwrap_or_default();
            return Err(Stop::Violation(format!("the ask {ask} after the ask {last}")));
        }
        self.last = Some(ask);
        if !self.kind.is_some_and(|kind| row.legal.contains(&kind)) {
            let turn = self.kind.map_or_else(|| "nothing".to_owned(), |kind| format!("a {kind:?}"));
            return Err(Stop::Violation(format!("an ask for a {} in the turn of {turn}", row.name)));
        }
        let core = watch.session.get().core();
        let (background, label) = match question {
            Question::Reason { .. } => (true, "answer".to_owned()),
            Question::Module { .. } => (false, "answer".to_owned()),
            Question::Function { name, .. } => {
                let background = core.function(name).ok_or_else(|| {
                    Stop::Violation("a call of a function that the host never registered".to_owned())
                })?;
                (background, format!("the result of {name}()"))
            }
        };
        self.made += 1;
        if let Some(limit) = core.limits().asks
            && self.made > limit
        {
            if self.made > limit.saturating_add(REFUSED) {
                return Err(Stop::Asks);
            }
            let message = format!("the limit of {limit} asks in one turn is reached");
            self.ready.push_back((ask, Reply::Limit(message)));
            return Ok(());
        }
        let crowded = background && (self.running.len() >= IN_FLIGHT || !self.waiting.is_empty());
        let bytes = weight(question).saturating_add(values.len()).saturating_add(WAITING_COST);
        if crowded && self.held.saturating_add(bytes) > WAITING_BYTES {
            return self.crowd_out(ask, "wait for others", WAITING_BYTES);
        }
        Python::attach(|py| {
            let session = watch.session.bind(py);
            let payload = PyDict::new(py);
            let mut receiver = Receiver::new(values, session, &watch.patience)?;
            match (row.payload)(question, &mut receiver, &payload) {
                // A value that no object of a library can hold.
                Err(Stop::Python(error)) if raise::is_conversion(py, &error) => {
                    self.ready.push_back((ask, Reply::Failed(error)));
                    return Ok(());
                }
                read => read?,
            }
            let memory = receiver.charged().saturating_add(bytes);
            if background && self.memory > 0 && self.memory.saturating_add(memory) > OPEN_MEMORY {
                return self.crowd_out(ask, "are open", OPEN_MEMORY);
            }
            if receiver.has_structs()
                && let Err(error) = crossing::restore_arguments(session, &payload)
            {
                let reply = self.failed(py, error)?;
                self.ready.push_back((ask, reply));
                return Ok(());
            }
            let turn = watch.turn(py)?;
            if crowded {
                self.held += bytes;
                self.memory += memory;
                let payload = payload.unbind();
                self.waiting.push_back(Waiting { ask, row, label, payload, turn, bytes, memory });
                return Ok(());
            }
            self.start(session, ask, row, label, &payload, &turn, memory)
        })
    }

    /// Refuses an ask that there is no room for.
    fn crowd_out(&mut self, ask: u32, which: &str, limit: usize) -> Result<(), Stop> {
        self.crowded_out += 1;
        if self.crowded_out > CROWDED_OUT {
            return Err(Stop::Violation("it asks without end and waits for no answer".to_owned()));
        }
        let message = format!("the questions that {which} hold more than {} MiB", limit >> 20);
        self.ready.push_back((ask, Reply::Refused { kind: "ResourceError", message }));
        Ok(())
    }

    /// Has Python work on an ask.
    #[expect(clippy::too_many_arguments, reason = "what an ask consists of")]
    fn start(
        &mut self,
        session: &Bound<'_, Session>,
        ask: u32,
        row: &Row,
        label: String,
        payload: &Bound<'_, PyDict>,
        turn: &Py<PyAny>,
        memory: usize,
    ) -> Result<(), Stop> {
        let reply = match session.get().ask().bind(session.py()).call1((turn, row.name, payload)) {
            Ok(value) if is_future(&value)? => {
                let mailbox = self.mailbox()?;
                let landing = Bound::new(session.py(), Landing { mailbox, ask })?;
                self.memory += memory;
                self.running.insert(ask, Open { future: value.clone().unbind(), label, memory });
                value.call_method1("add_done_callback", (landing,))?;
                return Ok(());
            }
            Ok(value) => Reply::Value(value.unbind(), label),
            Err(error) => self.failed(session.py(), error)?,
        };
        self.ready.push_back((ask, reply));
        Ok(())
    }

    /// An exception as a reply; what is no ordinary error wants out of the turn.
    fn failed(&mut self, py: Python<'_>, error: PyErr) -> Result<Reply, Stop> {
        if raise::is_model_limit(py, &error) {
            let message = error.value(py).to_string();
            self.spent = Some(error);
            return Ok(Reply::Limit(message));
        }
        if error.is_instance_of::<PyException>(py) {
            Ok(Reply::Failed(error))
        } else {
            Err(Stop::Python(error))
        }
    }

    fn mailbox(&mut self) -> Result<Arc<Mailbox>, Stop> {
        match &self.mailbox {
            Some((mailbox, _)) => Ok(mailbox.clone()),
            None => {
                let opened = Mailbox::open().map_err(Stop::Host)?;
                Ok(self.mailbox.insert(opened).0.clone())
            }
        }
    }

    /// Takes the answers that arrived, and starts what waited for room.
    pub(crate) fn collect(&mut self, session: &Bound<'_, Session>) -> Result<(), Stop> {
        let landed = self.mailbox.as_ref().map(|(mailbox, _)| mailbox.empty()).unwrap_or_default();
        for (ask, future) in landed {
            let Some(Open { label, memory, .. }) = self.running.remove(&ask) else { continue };
            self.memory = self.memory.saturating_sub(memory);
            let reply = match future.bind(session.py()).call_method1("result", (0,)) {
                Ok(value) => Reply::Value(value.unbind(), label),
                Err(error) => self.failed(session.py(), error)?,
            };
            self.ready.push_back((ask, reply));
        }
        while self.running.len() < IN_FLIGHT
            && let Some(Waiting { ask, row, label, payload, turn, bytes, memory }) = self.waiting.pop_front()
        {
            self.held = self.held.saturating_sub(bytes);
            self.memory = self.memory.saturating_sub(memory);
            self.start(session, ask, row, label, payload.bind(session.py()), &turn, memory)?;
        }
        Ok(())
    }

    /// Composes the next answer. False if there is none.
    pub(crate) fn compose(
        &mut self,
        link: &mut dyn Link,
        session: &Bound<'_, Session>,
    ) -> Result<bool, Stop> {
        let Some((ask, reply)) = self.ready.pop_front() else { return Ok(false) };
        let outcome = match reply {
            Reply::Value(value, label) => {
                let out = link.compose(ToWorker::Answer { ask, outcome: Outcome::Value })?;
                let mut sender = Sender::new(out, session);
                let sent =
                    sender.value(value.bind(session.py())).map_err(|error| error.at(Step::Name(label)));
                match sent.and_then(|()| sender.finish()) {
                    Ok(_nothing_apart) => return Ok(true),
                    Err(unsendable) => self.told(session.py(), ask, unsendable.raise(session.py())),
                }
            }
            Reply::Failed(error) => self.told(session.py(), ask, error),
            Reply::Refused { kind, message } => Outcome::Failed { kind: kind.to_owned(), message },
            Reply::Limit(message) => Outcome::Limit { message },
        };
        link.compose(ToWorker::Answer { ask, outcome })?;
        Ok(true)
    }

    /// What the program hears of an exception; the caller will see the exception itself.
    fn told(&mut self, py: Python<'_>, ask: u32, error: PyErr) -> Outcome {
        let kind = error.get_type(py).name().map_or_else(|_| String::new(), |name| name.to_string());
        let mut kind: String = kind.chars().filter(|char| !char.is_control()).collect();
        if kind.is_empty() {
            "Exception".clone_into(&mut kind);
        }
        let mut message =
            error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
        clip(&mut kind, NAME_BYTES);
        clip(&mut message, MESSAGE_BYTES);
        if self.failures.len() >= FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back((ask, error));
        Outcome::Failed { kind, message }
    }

    /// The Python exception behind a fault or behind one of its causes.
    pub(crate) fn behind(&mut self, fault: &Fault) -> Option<PyErr> {
        let mut next = Some(fault);
        while let Some(fault) = next {
            if let Some(ask) = fault.ask
                && let Some(at) = self.failures.iter().position(|(failed, _)| *failed == ask)
            {
                return self.failures.remove(at).map(|(_, error)| error);
            }
            next = fault.cause.as_deref();
        }
        self.spent.take()
    }

    /// The turn is over: what is still being worked on is cancelled, and what arrives later is dropped.
    pub(crate) fn abandon(&mut self, py: Python<'_>) {
        let landed = self.mailbox.take().map(|(mailbox, _)| mailbox.close());
        for (_, Open { future, .. }) in self.running.drain() {
            if let Err(error) = future.bind(py).call_method0("cancel") {
                error.write_unraisable(py, Some(future.bind(py)));
            }
        }
        self.waiting.clear();
        self.ready.clear();
        drop(landed);
    }
}

/// Bytes of a question's text.
fn weight(question: &Question) -> usize {
    match question {
        Question::Reason { messages, schema, .. } => messages
            .iter()
            .map(|message| message.content.len())
            .chain(schema.iter().map(String::len))
            .fold(0, usize::saturating_add),
        Question::Module { .. } | Question::Function { .. } => 0,
    }
}

/// Whether the handler's answer is still to come. Where the class was never loaded nothing is of it.
fn is_future(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    if let Some(class) = CLASS.get(py) {
        return value.is_instance(class.bind(py));
    }
    let loaded = py.import("sys")?.getattr("modules")?;
    let Ok(module) = loaded.get_item("concurrent.futures._base") else { return Ok(false) };
    let class = CLASS.get_or_try_init(py, || module.getattr("Future").map(Bound::unbind))?;
    value.is_instance(class.bind(py))
}

fn reason(
    question: &Question,
    values: &mut Receiver<'_, '_>,
    payload: &Bound<'_, PyDict>,
) -> Result<(), Stop> {
    let Question::Reason { purpose, messages, expects, schema } = question else { return Ok(()) };
    let py = payload.py();
    let told = PyList::empty(py);
    for Message { role, content } in messages {
        let message = PyDict::new(py);
        message.set_item("role", role)?;
        message.set_item("content", content)?;
        told.append(message)?;
    }
    payload.set_item("purpose", purpose)?;
    payload.set_item("messages", told)?;
    payload.set_item("options", values.value()?)?;
    payload.set_item("expects", expects)?;
    payload.set_item("schema", schema)?;
    Ok(())
}

fn module(question: &Question, _: &mut Receiver<'_, '_>, payload: &Bound<'_, PyDict>) -> Result<(), Stop> {
    let Question::Module { name, level, from } = question else { return Ok(()) };
    payload.set_item("name", name)?;
    payload.set_item("level", level)?;
    payload.set_item("from", from)?;
    Ok(())
}

fn function(
    question: &Question,
    values: &mut Receiver<'_, '_>,
    payload: &Bound<'_, PyDict>,
) -> Result<(), Stop> {
    let Question::Function { name, positional, keywords } = question else { return Ok(()) };
    let py = payload.py();
    payload.set_item("name", name)?;
    payload.set_item("args", PyTuple::new(py, values.values(*positional as usize)?)?)?;
    let named = PyDict::new(py);
    for keyword in keywords {
        named.set_item(keyword, values.value()?)?;
    }
    if named.len() != keywords.len() {
        return Err(Stop::Violation("the same keyword twice".to_owned()));
    }
    payload.set_item("kwargs", named)?;
    Ok(())
}
