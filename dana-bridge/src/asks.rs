//! What a program may ask of its host: one table, and the way every ask takes.
//!
//! The rule: an ask is answered only if it is in the table, legal in the turn at hand, within the
//! budget, and, for functions, of a name the host registered. Arguments are data: the host's
//! handler decides what to do with them.

use dana_wire::{MESSAGE_BYTES, Message, NAME_BYTES, Outcome, Question, ToWorker, clip};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::converse::{Kind, Turn};
use crate::decode::Receiver;
use crate::encode::{Sender, Step};
use crate::link::Link;
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
const REASON: Row =
    Row { name: "reason", legal: &[Kind::Run, Kind::Call, Kind::Get, Kind::Snapshot], payload: reason };
/// A module's source is looked for; the answer is a dict.
const MODULE: Row = Row { name: "module", legal: &[Kind::Run, Kind::Call], payload: module };
/// A function of the host is called; the answer is its result.
const FUNCTION: Row = Row { name: "function", legal: &[Kind::Run, Kind::Call], payload: function };

/// How many asks over its limit a program may make, each refused, before the session is ended.
const REFUSED: u64 = 64;

fn row(question: &Question) -> &'static Row {
    match question {
        Question::Reason { .. } => &REASON,
        Question::Module { .. } => &MODULE,
        Question::Function { .. } => &FUNCTION,
    }
}

/// Answers one ask, or ends the session.
pub(crate) fn answer(
    link: &mut dyn Link,
    watch: &mut Watch<'_>,
    turn: &mut Turn,
    ask: u32,
    question: &Question,
) -> Result<(), Stop> {
    let row = row(question);
    if turn.last_ask.is_some_and(|last| ask <= last) {
        return Err(Stop::Violation(format!(
            "the ask {ask} after the ask {}",
            turn.last_ask.unwrap_or_default()
        )));
    }
    turn.last_ask = Some(ask);
    if !row.legal.contains(&turn.kind) {
        return Err(Stop::Violation(format!("an ask for a {} in the turn of a {:?}", row.name, turn.kind)));
    }
    let core = watch.session.get().core();
    if let Question::Function { name, .. } = question
        && !core.has_function(name)
    {
        return Err(Stop::Violation("a call of a function that the host never registered".to_owned()));
    }
    watch.asks += 1;
    if let Some(limit) = core.limits().asks
        && watch.asks > limit
    {
        if watch.asks > limit.saturating_add(REFUSED) {
            return Err(Stop::Asks);
        }
        let message = format!("the limit of {limit} asks in one turn is reached");
        refuse(link, ask, "AskLimitError".to_owned(), message)?;
    } else {
        let failed = Python::attach(|py| handle(link, watch, watch.session.bind(py), row, ask, question))?;
        watch.ask_error = failed.or(watch.ask_error.take());
    }
    link.dispatch(watch)
}

/// Has Python answer, and composes what it said. Returns the error if that is what it said.
fn handle(
    link: &mut dyn Link,
    watch: &Watch<'_>,
    session: &Bound<'_, Session>,
    row: &Row,
    ask: u32,
    question: &Question,
) -> Result<Option<PyErr>, Stop> {
    let py = session.py();
    let payload = PyDict::new(py);
    (row.payload)(question, &mut Receiver::new(link.payload(), session, watch)?, &payload)?;
    let error = match session.get().ask().bind(py).call1((row.name, payload)) {
        Ok(value) => match compose_value(link, session, ask, &value)? {
            None => return Ok(None),
            Some(unsendable) => unsendable,
        },
        Err(error) => error,
    };
    if !error.is_instance_of::<PyException>(py) {
        return Err(Stop::Python(error));
    }
    let kind = error.get_type(py).name().map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    let message =
        error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
    refuse(link, ask, kind, message)?;
    Ok(Some(error))
}

/// Composes the answer. The inner error is a value that cannot cross: the program is to hear of it.
fn compose_value(
    link: &mut dyn Link,
    session: &Bound<'_, Session>,
    ask: u32,
    value: &Bound<'_, PyAny>,
) -> Result<Option<PyErr>, Stop> {
    let out = link.compose(ToWorker::Answer { ask, outcome: Outcome::Value })?;
    let mut sender = Sender::new(out, session);
    let sent = sender.value(value).map_err(|error| error.at(Step::Name("answer".to_owned())));
    Ok(sent.and_then(|()| sender.finish()).err().map(|error| error.raise(session.py())))
}

fn refuse(link: &mut dyn Link, ask: u32, mut kind: String, mut message: String) -> Result<(), Stop> {
    clip(&mut kind, NAME_BYTES);
    clip(&mut message, MESSAGE_BYTES);
    link.compose(ToWorker::Answer { ask, outcome: Outcome::Failed { kind, message } })?;
    Ok(())
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
