//! How a session gets its interpreter: a worker of the pool, or one in this process.
//!
//! The rule: a session is open when its interpreter is ready, and not before; one that is not open yet can be given up
//! at any time. Left out: what makes a worker ready.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use dana_wire::{Start, ToWorker};
use libc::{SIGBUS, SIGILL, SIGSEGV};
use pyo3::prelude::*;

use crate::core::{Core, Room};
use crate::ending::{Ending, Kind};
use crate::link::{Link, Memory};
use crate::patience::Patience;
use crate::pool::{self, Acquired, Ticket, Waits};
use crate::raise;
use crate::recruit::{Candidate, Hired, Purpose, Recipe, Recruit, Unready, startup_patience};
use crate::report::Report;
use crate::stderr::escape;
use crate::stop::Stop;
use crate::watch::Watch;

/// A session that is not open yet, while an event loop waits for it.
pub(crate) enum Opening {
    /// In the queue of the pool.
    Queued(Arc<Recipe>, Arc<Ticket>),
    /// Its worker is on the way.
    Started(Arc<Recipe>, Box<Candidate>, Patience),
}

/// Gets a worker and waits for it on this thread.
pub(crate) fn open(core: &Core, recipe: &Arc<Recipe>) -> Result<(), Unready> {
    adopt(core, pool::hire(recipe)?)
}

/// Asks for a worker. `None` if it is there already.
pub(crate) fn begin(core: &Core, recipe: &Arc<Recipe>) -> Result<Option<Opening>, Unready> {
    let acquired = pool::acquire(recipe, Waits::Elsewhere)?;
    proceed(core, recipe, acquired)
}

fn proceed(core: &Core, recipe: &Arc<Recipe>, acquired: Acquired) -> Result<Option<Opening>, Unready> {
    match acquired {
        Acquired::Spare(recruit) => adopt(core, *recruit).map(|()| None),
        Acquired::Permit(permit) => {
            let candidate = Candidate::start(recipe, Purpose::Session, permit)?;
            let patience = startup_patience(recipe);
            Ok(Some(Opening::Started(recipe.clone(), Box::new(candidate), patience)))
        }
        Acquired::Ticket(ticket) => Ok(Some(Opening::Queued(recipe.clone(), ticket))),
    }
}

impl Opening {
    /// Goes on as far as it goes without waiting. `None`: the session is open.
    pub(crate) fn go_on(self, core: &Core) -> Result<Option<Opening>, Unready> {
        match self {
            Opening::Queued(recipe, ticket) => match ticket.take() {
                Some(acquired) => proceed(core, &recipe, acquired),
                None if ticket.patience().is_zero() => {
                    let exhausted = ticket.exhausted();
                    ticket.cancel();
                    Err(exhausted)
                }
                None => Ok(Some(Opening::Queued(recipe, ticket))),
            },
            Opening::Started(recipe, mut candidate, patience) => {
                candidate.look_again();
                match patience.left().map_err(Unready::from).and_then(|_| candidate.step(&patience)) {
                    Ok(true) => adopt(core, candidate.ready()?).map(|()| None),
                    Ok(false) => Ok(Some(Opening::Started(recipe, candidate, patience))),
                    Err(why) => Err(candidate.give_up(why)),
                }
            }
        }
    }

    /// A descriptor that becomes readable when there is something to go on with, and the seconds that are left.
    pub(crate) fn sign(&self) -> (i32, f64) {
        match self {
            Opening::Queued(_, ticket) => (ticket.bell(), ticket.patience().as_secs_f64()),
            Opening::Started(recipe, candidate, _) => {
                (candidate.replies().as_raw_fd(), recipe.startup.as_secs_f64())
            }
        }
    }

    /// Gives it up.
    pub(crate) fn cancel(self) {
        if let Opening::Queued(_, ticket) = self {
            ticket.cancel();
        }
    }
}

/// The worker becomes the session's.
fn adopt(core: &Core, recruit: Recruit) -> Result<(), Unready> {
    let Hired { worker, link, report, turns } = recruit.hire().ok_or(Stop::Gone)?;
    core.set_worker(worker, link.ends());
    core.set_report(report);
    settle_in(core, Box::new(link), turns);
    Ok(())
}

/// Begins an interpreter in this process.
pub(crate) fn open_here(core: &Core, start: Start, watch: &mut Watch<'_>) -> Result<(), Stop> {
    core.set_report(Report::of_this_process());
    let mut link = Box::new(Memory::default());
    link.compose(ToWorker::Start(start))?;
    link.send(watch)?;
    // It says that it was started; nothing else can have been said.
    link.poll()?;
    settle_in(core, link, 0);
    Ok(())
}

fn settle_in(core: &Core, link: Box<dyn Link>, turn: u32) {
    if let Some(mut inside) = core.gate.try_enter()
        && let Some(room) = inside.content()
    {
        *room = Some(Room { link, turn, last_ask: None, pending: None });
    }
}

/// Signals of a program that is not whole, such as a truncated one: a broken installation, and no reason to go on
/// without a sandbox.
const DAMAGED: [i32; 3] = [SIGSEGV, SIGBUS, SIGILL];

/// The error for a session that could not be opened.
pub(crate) fn raise_unready(py: Python<'_>, recipe: &Recipe, unready: Unready) -> PyErr {
    let text = escape(&unready.to_string());
    let isolation = |message| raise::ending(py, &Ending { message, ..Ending::of(Kind::Isolation) });
    match unready {
        Unready::Stopped(Stop::Python(error), _) | Unready::Stop(Stop::Python(error)) => error,
        Unready::Spawn(_)
        | Unready::Supervise(_)
        | Unready::Build(_)
        | Unready::Stop(Stop::Host(_))
        | Unready::Stopped(Stop::Host(_), _) => raise::resource(py, &text),
        Unready::Exhausted { .. } => raise::exhausted(py, &text),
        Unready::Level { .. } | Unready::Stop(_) => isolation(text),
        Unready::Stopped(stop, ended) => {
            let message = match stop {
                Stop::Deadline => {
                    format!("the worker was not ready within {} s", recipe.startup.as_secs_f64())
                }
                Stop::Gone if ended.signal.is_some_and(|signal| DAMAGED.contains(&signal)) => {
                    let text =
                        format!("the worker program is damaged ({}): reinstall the package", how(&ended));
                    return raise::resource(py, &text);
                }
                Stop::Gone => format!("the worker ended before it was ready: {}", how(&ended)),
                _ => return raise::ending(py, &ended),
            };
            raise::ending(py, &Ending { message, kind: Kind::Isolation, ..*ended })
        }
    }
}

/// What is known of a worker that did not even get ready.
fn how(ended: &Ending) -> String {
    let mut text = match (ended.signal, &ended.message) {
        (Some(signal), _) => format!("ended by signal {signal}"),
        (None, message) => message.clone(),
    };
    let words = ended.stderr.trim();
    if !words.is_empty() {
        text.push_str("; it wrote: ");
        text.push_str(words);
    }
    text
}
