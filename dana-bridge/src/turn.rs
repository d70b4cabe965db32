//! A turn as Python sees it: arguments in, a value or an error out.
//!
//! The rule: a turn that does not end well leaves nothing behind to go on with. The steps are the same whether a thread
//! waits for the turn or an event loop comes back to it.

use std::time::{Duration, Instant};

use dana_wire::{HANDLES, LimitKind, Target, ToWorker, Usage};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::asks::{Asks, HostLimit};
use crate::converse::{self, Kind, LastWord, converse, listen, look_out};
use crate::core::{Core, Room};
use crate::crossing;
use crate::decode::Receiver;
use crate::encode::{Sender, Step, Unsendable};
use crate::ending::{self, Ending};
use crate::gate::{Inside, Refused};
use crate::leaving;
use crate::link::{Link, Signs, is_told};
use crate::session::Session;
use crate::stop::Stop;
use crate::watch::Watch;
use crate::{pool, raise, supervise};

/// What a turn is to do.
pub(crate) enum Task<'a, 'py> {
    Run { source: &'a str, filename: Option<&'a str> },
    Call { target: Target, positional: &'a Bound<'py, PyTuple>, keywords: Option<&'a Bound<'py, PyDict>> },
    Get { name: &'a str },
    Set { name: &'a str, value: &'a Bound<'py, PyAny> },
    Snapshot,
    Describe { module: Option<&'a str>, again: bool },
}

/// What came of a turn.
pub(crate) struct Answered<'py> {
    pub(crate) value: Bound<'py, PyAny>,
    pub(crate) usage: Usage,
}

/// Why a turn has no value.
enum Unanswered {
    /// The session goes on.
    Kept(PyErr),
    /// A limit ended the session.
    Over(PyErr, &'static str),
    Stopped(Stop),
}

impl From<Stop> for Unanswered {
    fn from(stop: Stop) -> Self {
        Unanswered::Stopped(stop)
    }
}

/// Where a turn takes place while a thread is in it.
struct Stage<'s, 'py> {
    session: &'s Bound<'py, Session>,
    inside: Inside<'s, Option<Room>>,
    room: Room,
}

/// One turn, waited for. Without a timeout the session's own holds. `told` is Python's object for the turn, if it has
/// made one.
pub(crate) fn take<'py>(
    session: &Bound<'py, Session>,
    task: &Task<'_, 'py>,
    timeout: Option<Duration>,
    told: Option<Py<PyAny>>,
) -> PyResult<Answered<'py>> {
    let _inside = leaving::Inside::enter();
    let now = Instant::now();
    let core = session.get().core();
    let deadline = core.deadline(now, timeout);
    let mut stage = Stage::enter(session, deadline)?;
    if stage.room.pending.is_some() {
        return Err(
            stage.put_back(raise::busy(session.py(), "the session is in the middle of an asynchronous turn"))
        );
    }
    let mut watch = Watch::new(session.as_unbound(), deadline, now);
    watch.set_turn(told);
    core.set_deadline(deadline);
    let result = perform(&mut stage, &mut watch, task);
    stage.settle(watch, result)
}

/// Begins a turn and does not wait for it. False if there was no room for all of the request yet.
pub(crate) fn begin<'py>(
    session: &Bound<'py, Session>,
    task: &Task<'_, 'py>,
    timeout: Option<Duration>,
    told: Option<Py<PyAny>>,
) -> PyResult<bool> {
    let now = Instant::now();
    let core = session.get().core();
    let deadline = core.deadline(now, timeout);
    let mut stage = Stage::enter(session, deadline)?;
    if stage.room.pending.is_some() {
        return Err(stage.put_back(raise::busy(session.py(), "the session is in the middle of a turn")));
    }
    let mut watch = Watch::new(session.as_unbound(), deadline, now);
    watch.set_turn(told);
    core.set_deadline(deadline);
    let begun = prepare(&mut stage, &mut watch, task).and_then(|_| Ok(stage.room.link.send(&mut watch)?));
    match begun {
        Ok(()) => {
            let sent = stage.room.link.is_sent();
            stage.room.pending = Some(watch.suspend());
            stage.leave();
            Ok(sent)
        }
        Err(unanswered) => stage.settle(watch, Err(unanswered)).map(|_| true),
    }
}

/// Goes on with the turn that was begun. `None` is not yet.
pub(crate) fn go_on<'py>(session: &Bound<'py, Session>) -> PyResult<Option<Answered<'py>>> {
    let mut stage = Stage::enter(session, None)?;
    let Some(pending) = stage.room.pending.take() else {
        return Err(stage.put_back(raise::busy(session.py(), "no turn was begun")));
    };
    let mut watch = Watch::resume(session.as_unbound(), pending);
    match continued(&mut stage, &mut watch) {
        Ok(None) => {
            stage.room.pending = Some(watch.suspend());
            stage.leave();
            Ok(None)
        }
        Ok(Some(answered)) => stage.settle(watch, Ok(answered)).map(Some),
        Err(unanswered) => stage.settle(watch, Err(unanswered)).map(Some),
    }
}

/// Ends the turn that was begun, if any, and the session with it, without waiting for the worker's end. Returns its
/// process descriptor, which becomes readable then; -1 if there is none.
pub(crate) fn abort(session: &Bound<'_, Session>) -> i32 {
    let core = session.get().core();
    let room = core.gate.try_enter().and_then(|mut inside| inside.content().and_then(Option::take));
    if let Some(mut room) = room
        && let Some(pending) = room.pending.take()
    {
        Watch::resume(session.as_unbound(), pending).end(session.py());
    }
    core.doom()
}

/// What to wait for until [`go_on`] may get further; `None` if no turn was begun.
pub(crate) fn signs(session: &Bound<'_, Session>) -> Option<Signs> {
    let mut inside = session.get().core().gate.try_enter()?;
    let room = inside.content()?.as_mut()?;
    let watch = Watch::resume(session.as_unbound(), room.pending.take()?);
    let signs = room.link.signs(&watch);
    room.pending = Some(watch.suspend());
    Some(signs)
}

impl<'s, 'py> Stage<'s, 'py> {
    /// Waits until nobody else is in a turn of this session.
    fn enter(session: &'s Bound<'py, Session>, deadline: Option<Instant>) -> PyResult<Self> {
        let py = session.py();
        let core = session.get().core();
        if !core.is_ours() {
            return Err(raise::closed(py, &core.foreign()));
        }
        let mut inside = core.gate.enter(py, deadline).map_err(|refused| match refused {
            Refused::Python(error) => error,
            Refused::Reentered => raise::busy(py, ""),
            Refused::Deadline => {
                let late = Ending { message: refused.to_string(), ..Ending::of(ending::Kind::Deadline) };
                raise::ending(py, &late)
            }
        })?;
        // Taken out, so that a turn that does not end well leaves nothing behind to go on with.
        let Some(room) = inside.content().and_then(Option::take).filter(|_| !core.is_closed()) else {
            return Err(raise::closed(py, &core.over()));
        };
        Ok(Stage { session, inside, room })
    }

    /// The session goes on.
    fn leave(mut self) {
        if let Some(slot) = self.inside.content().filter(|_| !self.session.get().core().is_closed()) {
            *slot = Some(self.room);
        }
    }

    fn put_back(self, error: PyErr) -> PyErr {
        self.leave();
        error
    }

    /// Ends the turn: the session goes on, or is over. Python completes the error, once the session can be used again.
    fn settle(self, watch: Watch<'_>, result: Result<Answered<'py>, Unanswered>) -> PyResult<Answered<'py>> {
        let session = self.session;
        self.end(watch, result).map_err(|error| session.get().complete(session.py(), error))
    }

    fn end(self, mut watch: Watch<'_>, result: Result<Answered<'py>, Unanswered>) -> PyResult<Answered<'py>> {
        let py = self.session.py();
        let core = self.session.get().core();
        core.set_deadline(None);
        watch.end(py);
        let stop = match result {
            Ok(answered) => {
                self.leave();
                refill(core);
                return Ok(answered);
            }
            Err(Unanswered::Kept(error)) => {
                self.leave();
                refill(core);
                return Err(error);
            }
            Err(Unanswered::Over(error, limit)) => {
                pool::count_ending(limit);
                py.detach(|| {
                    drop(self.room);
                    core.close();
                });
                return Err(error);
            }
            Err(Unanswered::Stopped(stop)) => stop,
        };
        let position = std::mem::take(&mut watch.position);
        let room = self.room;
        let ending = py.detach(|| {
            drop(room);
            core.end(&stop, position)
        });
        if matches!(stop, Stop::Asks) {
            pool::count_ending("asks");
        } else if let Some(name) = pool::name_of(ending.kind) {
            pool::count_ending(name);
        }
        Err(match stop {
            Stop::Python(error) => error,
            Stop::Asks => raise::too_many_asks(py, core.limits().asks.unwrap_or(0), &ending.position),
            _ => raise::ending(py, &ending),
        })
    }
}

/// Once a session has answered there is time to think of the next one.
fn refill(core: &Core) {
    if core.took_worker() && pool::wants() {
        supervise::fill();
    }
}

fn perform<'py>(
    stage: &mut Stage<'_, 'py>,
    watch: &mut Watch<'_>,
    task: &Task<'_, 'py>,
) -> Result<Answered<'py>, Unanswered> {
    let number = prepare(stage, watch, task)?;
    let (py, time) = (stage.session.py(), stage.session.get().core().busy_wait());
    let link = &mut *stage.room.link;
    let word = if time.is_zero() {
        py.detach(|| converse(link, watch, number))?
    } else {
        match look_out(link, watch, number, time)? {
            Some(word) => word,
            None => py.detach(|| listen(link, watch, number))?,
        }
    };
    conclude(stage, watch, word)
}

/// Goes on as far as it goes without waiting.
fn continued<'py>(
    stage: &mut Stage<'_, 'py>,
    watch: &mut Watch<'_>,
) -> Result<Option<Answered<'py>>, Unanswered> {
    watch.patience.left()?;
    let link = &mut *stage.room.link;
    link.look_again();
    if !watch.told {
        link.push()?;
        if !is_told(link)? {
            return Ok(None);
        }
        watch.told = true;
    }
    match converse::advance(link, watch, stage.room.turn)? {
        None => Ok(None),
        Some(word) => conclude(stage, watch, word).map(Some),
    }
}

/// Composes the request of the next turn, behind what the interpreter is to be told first.
fn prepare(stage: &mut Stage<'_, '_>, watch: &mut Watch<'_>, task: &Task<'_, '_>) -> Result<u32, Unanswered> {
    let core = stage.session.get().core();
    let link = &mut *stage.room.link;
    let handles = core.handles().released(HANDLES);
    if !handles.is_empty() {
        link.compose(ToWorker::Release { handles }).map_err(Stop::from)?;
        link.hold(watch)?;
    }
    let functions = core.untold();
    if !functions.is_empty() {
        link.compose(ToWorker::Register { functions }).map_err(Stop::from)?;
        link.hold(watch)?;
    }
    let number = stage.room.turn.wrapping_add(1);
    compose(stage.session, link, number, task)
        .map_err(|error| Unanswered::Kept(error.raise(stage.session.py())))?;
    watch.asks = Asks::of_turn(task.kind(), stage.room.last_ask);
    stage.room.turn = number;
    Ok(number)
}

/// The last word as a value or an error.
fn conclude<'py>(
    stage: &mut Stage<'_, 'py>,
    watch: &mut Watch<'_>,
    word: LastWord,
) -> Result<Answered<'py>, Unanswered> {
    let py = stage.session.py();
    let core = stage.session.get().core();
    stage.room.last_ask = watch.asks.last();
    match word {
        LastWord::Done(usage) => {
            core.book(usage);
            let link = &mut *stage.room.link;
            let value = match link.bytes() {
                Some(bytes) => bytes.into_bound(py).into_any(),
                None => {
                    let mut receiver = Receiver::new(link.payload(), stage.session, &watch.patience)?;
                    let value = match receiver.value() {
                        // Something that no object of a library can hold: the whole frame was proven, so the session
                        // goes on.
                        Err(Stop::Python(error)) if raise::is_conversion(py, &error) => {
                            return Err(Unanswered::Kept(error));
                        }
                        value => value?,
                    };
                    if receiver.has_structs() {
                        crossing::restored(stage.session, value).map_err(Unanswered::Kept)?
                    } else {
                        value
                    }
                }
            };
            Ok(Answered { value, usage })
        }
        LastWord::Failed(mut fault, usage) => {
            core.book(usage);
            // It may have failed of the refusal in a shape of its own.
            let ours = watch.asks.exceed(core.limits().asks);
            if ours.is_some() {
                fault.limit = Some(LimitKind::Asks);
            }
            let over = fault.limit.filter(|limit| *limit != LimitKind::Depth);
            if over.is_some() && fault.hint.is_none() {
                fault.hint = Some("raise or lift the limit; the session is over, open a new one".to_owned());
            }
            let behind = watch.asks.behind(&fault);
            let usage = usage_dict(py, usage).map_err(Stop::from)?;
            let limit = match ours {
                Some(HostLimit::Tokens) => Some("tokens"),
                _ => over.map(raise::limit_name),
            };
            let error = raise::fault(py, &fault, behind, Some(usage), limit);
            Err(match limit {
                None => Unanswered::Kept(error),
                Some(limit) => Unanswered::Over(error, limit),
            })
        }
    }
}

fn compose<'py>(
    session: &Bound<'py, Session>,
    link: &mut dyn Link,
    turn: u32,
    task: &Task<'_, 'py>,
) -> Result<(), Unsendable> {
    let header = task.header(turn)?;
    let mut sender = Sender::new(link.compose(header)?, session);
    match task {
        Task::Call { positional, keywords, .. } => sender.arguments(positional, *keywords)?,
        Task::Set { value, .. } => {
            sender.last(value).map_err(|error| error.at(Step::Name("value".to_owned())))?;
        }
        Task::Run { .. } | Task::Get { .. } | Task::Snapshot | Task::Describe { .. } => {}
    }
    if let Some(bytes) = sender.finish()? {
        link.attach(bytes);
    }
    Ok(())
}

impl Task<'_, '_> {
    fn kind(&self) -> Kind {
        match self {
            Task::Run { .. } => Kind::Run,
            Task::Call { .. } => Kind::Call,
            Task::Get { .. } => Kind::Get,
            Task::Set { .. } => Kind::Set,
            Task::Snapshot => Kind::Snapshot,
            Task::Describe { module: None, .. } => Kind::Describe,
            Task::Describe { .. } => Kind::Import,
        }
    }

    fn header(&self, turn: u32) -> Result<ToWorker, Unsendable> {
        Ok(match self {
            Task::Run { source, filename } => {
                ToWorker::Run { turn, filename: filename.map(str::to_owned), source: (*source).to_owned() }
            }
            Task::Call { target, positional, keywords } => ToWorker::Call {
                turn,
                target: target.clone(),
                positional: u32::try_from(positional.len()).unwrap_or(u32::MAX),
                keywords: match keywords {
                    None => Vec::new(),
                    Some(keywords) => keywords
                        .keys()
                        .iter()
                        .map(|name| name.extract())
                        .collect::<PyResult<Vec<String>>>()?,
                },
            },
            Task::Get { name } => ToWorker::Get { turn, name: (*name).to_owned() },
            Task::Set { name, .. } => ToWorker::Set { turn, name: (*name).to_owned() },
            Task::Snapshot => ToWorker::Snapshot { turn },
            Task::Describe { module, again } => {
                ToWorker::Describe { turn, module: module.map(str::to_owned), again: *again }
            }
        })
    }
}

/// What the interpreter measured, as Python's `Usage` names it.
pub(crate) fn usage_dict(py: Python<'_>, usage: Usage) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "steps"), usage.steps)?;
    dict.set_item(intern!(py, "memory_peak"), usage.memory_peak)?;
    dict.set_item(intern!(py, "output_bytes"), usage.output_bytes)?;
    dict.set_item(intern!(py, "asks"), usage.asks)?;
    Ok(dict)
}
