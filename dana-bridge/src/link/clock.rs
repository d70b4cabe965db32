//! The host's look at the clock from within an interpreter in this process.
//!
//! The rule: an interpreter that computes looks up here every few milliseconds, even inside one long operation, and is
//! told to end when the time is over, the session is closed, Ctrl-C was pressed or Python ends. Left out: what the interpreter says
//! meanwhile, which goes to its outbox.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dana_lang::value::work::{Look, set_clock};
use dana_meter::outside;
use pyo3::prelude::*;

use crate::leaving;
use crate::patience::check_signals;
use crate::stop::Stop;

/// What is looked at.
pub(crate) struct Clock {
    pub(crate) deadline: Option<Instant>,
    pub(crate) closed: Arc<AtomicBool>,
    pub(crate) on_main_thread: bool,
    /// How long Ctrl-C may go unnoticed.
    pub(crate) patience: Duration,
    /// When signals were last looked for.
    pub(crate) signals: Instant,
    /// Why the interpreter was told to end.
    pub(crate) stop: Option<Stop>,
}

thread_local! {
    /// The clock of the session that runs on this thread.
    static CLOCK: RefCell<Option<Clock>> = const { RefCell::new(None) };
}

/// While it lives, the interpreter on this thread looks at its clock. Sessions nest: the one before comes back.
pub(super) struct Wound {
    before: Option<Clock>,
    look: Option<Look>,
}

/// Winds up a clock.
pub(super) fn wind(clock: Clock) -> Wound {
    Wound { before: CLOCK.replace(Some(clock)), look: set_clock(Some(look)) }
}

impl Wound {
    /// Why the interpreter was told to end, if it was.
    pub(super) fn stop(&self) -> Option<Stop> {
        CLOCK.with_borrow_mut(|clock| clock.as_mut().and_then(|clock| clock.stop.take()))
    }
}

impl Drop for Wound {
    fn drop(&mut self) {
        CLOCK.replace(self.before.take());
        set_clock(self.look);
    }
}

/// What one look found.
enum Found {
    Nothing,
    Signals,
    Stop(Stop),
}

fn look() -> ControlFlow<String> {
    let _uncharged = outside();
    let found = CLOCK.with_borrow_mut(|clock| clock.as_mut().map_or(Found::Nothing, Clock::look));
    let stop = match found {
        Found::Nothing => return ControlFlow::Continue(()),
        // A handler is Python code, which may run a session of its own on this thread.
        Found::Signals => match Python::attach(check_signals) {
            Ok(()) => return ControlFlow::Continue(()),
            Err(error) => Stop::Python(error),
        },
        Found::Stop(stop) => stop,
    };
    let reason = stop.to_string();
    CLOCK.with_borrow_mut(|clock| {
        if let Some(clock) = clock {
            clock.stop.get_or_insert(stop);
        }
    });
    ControlFlow::Break(reason)
}

impl Clock {
    fn look(&mut self) -> Found {
        let now = Instant::now();
        if let Err(stop) = leaving::check() {
            return Found::Stop(stop);
        }
        if self.closed.load(Ordering::Acquire) {
            return Found::Stop(Stop::Closed);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Found::Stop(Stop::Deadline);
        }
        if self.on_main_thread && now.duration_since(self.signals) >= self.patience {
            self.signals = now;
            return Found::Signals;
        }
        Found::Nothing
    }
}
