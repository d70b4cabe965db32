//! What a session is besides its Python face: its interpreter, its limits, and how it ended.
//!
//! The rule: once a session is over it stays over, everything it held is given back at once, and
//! whoever uses it afterwards hears why.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dana_wire::{FUNCTIONS, HostFunction};

use crate::ending::{Ending, of_stop};
use crate::gate::Gate;
use crate::handles::Handles;
use crate::limits::Limits;
use crate::link::{Ends, Link};
use crate::report::{Level, Report};
use crate::stop::Stop;
use crate::sys::process;
use crate::watch::Position;
use crate::worker::{Why, Worker};

/// Longest wait for a worker that has closed its pipes to end by itself.
const ENDING: Duration = Duration::from_secs(1);

/// Where turns take place: only one thread at a time is in here.
pub(crate) struct Room {
    pub(crate) link: Box<dyn Link>,
    pub(crate) turn: u32,
    pub(crate) last_ask: Option<u32>,
}

pub(crate) struct Core {
    process: u32,
    limits: Limits,
    /// The host's functions by name, and whether a call of one is answered later.
    functions: Mutex<HashMap<String, bool>>,
    /// Those the interpreter has not been told of.
    untold: Mutex<Vec<HostFunction>>,
    handles: Handles,
    worker: Mutex<Option<Arc<Worker>>>,
    pub(crate) ends: Arc<Ends>,
    report: OnceLock<Report>,
    /// Empty before the session begins, while a turn has it, and after the end.
    pub(crate) gate: Gate<Option<Room>>,
    closed: Arc<AtomicBool>,
    over: Mutex<Option<String>>,
}

impl Core {
    pub(crate) fn new(limits: Limits, functions: &[HostFunction]) -> Self {
        Core {
            process: process(),
            limits,
            functions: Mutex::new(
                functions.iter().map(|function| (function.name.clone(), function.background)).collect(),
            ),
            untold: Mutex::default(),
            handles: Handles::default(),
            worker: Mutex::new(None),
            ends: Arc::default(),
            report: OnceLock::new(),
            gate: Gate::new(None),
            closed: Arc::default(),
            over: Mutex::new(None),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn handles(&self) -> &Handles {
        &self.handles
    }

    /// Whether a call of the host's function of this name is answered later; `None` if there is no such function.
    pub(crate) fn function(&self, name: &str) -> Option<bool> {
        lock(&self.functions).get(name).copied()
    }

    /// Programs may call these functions too, from the next turn on. False, and nothing has changed, if they are
    /// too many.
    pub(crate) fn register(&self, more: Vec<HostFunction>) -> bool {
        let mut functions = lock(&self.functions);
        let fresh = more.iter().filter(|function| !functions.contains_key(&function.name)).count();
        if functions.len() + fresh > FUNCTIONS {
            return false;
        }
        functions.extend(more.iter().map(|function| (function.name.clone(), function.background)));
        lock(&self.untold).extend(more);
        true
    }

    /// The functions the interpreter has not been told of; it is to be told now.
    pub(crate) fn untold(&self) -> Vec<HostFunction> {
        std::mem::take(&mut *lock(&self.untold))
    }

    /// False in a process forked from the one that began the session.
    pub(crate) fn is_ours(&self) -> bool {
        self.process == process()
    }

    /// The process the session belongs to.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Says at any time, on any thread, whether the session is closed.
    pub(crate) fn closed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.closed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The live worker; `None` in-process, before the beginning, after the end and after a fork.
    pub(crate) fn worker(&self) -> Option<Arc<Worker>> {
        if !self.is_ours() {
            return None;
        }
        lock(&self.worker).clone().filter(|worker| worker.is_alive())
    }

    /// Tells the supervisor until when the turn under way may take.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        if let Some(worker) = lock(&self.worker).as_ref() {
            worker.set_deadline(deadline);
        }
    }

    /// The session's worker, from the moment it exists.
    pub(crate) fn set_worker(&self, worker: Arc<Worker>) {
        *lock(&self.worker) = Some(worker);
    }

    /// The report, once there is one.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.report.get()
    }

    pub(crate) fn set_report(&self, report: Report) {
        // Set once, when the session begins.
        let _ = self.report.set(report);
    }

    /// Derived, never stored: a live worker, ours, verified.
    pub(crate) fn is_isolated(&self) -> bool {
        !self.is_closed()
            && self.report().is_some_and(|report| report.level >= Level::Filtered)
            && self.worker().is_some()
    }

    /// Why the session cannot be used any more.
    pub(crate) fn over(&self) -> String {
        match lock(&self.over).as_deref() {
            None | Some("") => "the session is closed".to_owned(),
            Some(reason) => format!("the session is over: {reason}"),
        }
    }

    /// Ends the session because of `stop`. What it held is given back before this returns.
    pub(crate) fn end(&self, stop: &Stop, position: Position) -> Ending {
        let worker = lock(&self.worker).take();
        let exit = worker.as_ref().map(|worker| {
            if matches!(stop, Stop::Gone) {
                worker.wait(ENDING);
            }
            (&**worker, worker.finish(Why::Ended))
        });
        // `close` has taken the worker: that is why it is gone.
        let stop = if exit.is_none() && self.is_closed() { &Stop::Closed } else { stop };
        let mut ending = of_stop(stop, exit, self.limits.wall_time, self.limits.cpu_time);
        ending.position = position;
        self.close_because(&stop.to_string());
        ending
    }

    /// Ends the session. Idempotent, from any thread, even in the middle of a turn.
    pub(crate) fn close(&self) {
        self.close_because("");
        if !self.is_ours() {
            return;
        }
        let worker = lock(&self.worker).take();
        if let Some(worker) = worker {
            worker.finish(Why::Ended);
        }
        // A turn under way gives up the room itself.
        if let Some(mut inside) = self.gate.try_enter()
            && let Some(room) = inside.content()
        {
            *room = None;
        }
    }

    /// Gives back this process's copies of what belongs to the process it was forked from, so that a
    /// worker sees the end of its host even while a child of that host lives.
    pub(crate) fn abandon(&self) {
        if self.is_ours() {
            return;
        }
        self.closed.store(true, Ordering::Release);
        drop(self.gate.take_after_fork());
        self.ends.let_go();
        drop(self.worker.try_lock().ok().and_then(|mut worker| worker.take()));
    }

    fn close_because(&self, reason: &str) {
        if !self.closed.swap(true, Ordering::AcqRel) && self.is_ours() {
            *lock(&self.over) = Some(reason.to_owned());
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
