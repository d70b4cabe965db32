//! What a session is besides its Python face: its interpreter, its limits, and how it ended.
//!
//! The rule: once a session is over it stays over, everything it held is given back at once, and
//! whoever uses it afterwards hears why.

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dana_wire::{FUNCTIONS, HostFunction, Usage};

use crate::ending::{Ending, Kind, of_stop};
use crate::gate::Gate;
use crate::handles::Handles;
use crate::limits::Limits;
use crate::link::{Ends, Link};
use crate::opening::Opening;
use crate::recruit;
use crate::report::{Level, Report};
use crate::stop::Stop;
use crate::sys::process;
use crate::watch::{Position, Suspended};
use crate::worker::{Why, Worker};

/// Where turns take place: only one thread at a time is in here.
pub(crate) struct Room {
    pub(crate) link: Box<dyn Link>,
    pub(crate) turn: u32,
    pub(crate) last_ask: Option<u32>,
    /// A turn that was begun and that nobody waits for on a thread.
    pub(crate) pending: Option<Suspended>,
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
    ends: OnceLock<Arc<Ends>>,
    /// Until the session is open, if an event loop waits for that.
    opening: Mutex<Option<Opening>>,
    /// When the session's time is up.
    expires: OnceLock<Instant>,
    /// It has a worker of the pool, which was not told yet.
    took_worker: AtomicBool,
    used: Mutex<Usage>,
    /// How long a turn looks for its answer before it lets other Python threads run.
    busy_wait: OnceLock<Duration>,
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
            ends: OnceLock::new(),
            opening: Mutex::new(None),
            expires: OnceLock::new(),
            took_worker: AtomicBool::new(false),
            used: Mutex::default(),
            busy_wait: OnceLock::new(),
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

    /// The interpreter knows none of its functions yet.
    pub(crate) fn tell(&self, functions: Vec<HostFunction>) {
        lock(&self.untold).extend(functions);
    }

    /// The functions the interpreter has not been told of; it is to be told now.
    pub(crate) fn untold(&self) -> Vec<HostFunction> {
        std::mem::take(&mut *lock(&self.untold))
    }

    /// False in a process forked from the one that began the session.
    pub(crate) fn is_ours(&self) -> bool {
        self.process == process()
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

    /// Until when a turn may take that begins now.
    pub(crate) fn deadline(&self, now: Instant, timeout: Option<Duration>) -> Option<Instant> {
        let turn = timeout.or(self.limits.wall_time).and_then(|time| now.checked_add(time));
        match (turn, self.expires.get().copied()) {
            (Some(turn), Some(session)) => Some(turn.min(session)),
            (turn, session) => turn.or(session),
        }
    }

    /// Tells the supervisor until when the turn under way may take; without one, the session.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        if let Some(worker) = lock(&self.worker).as_ref() {
            worker.set_deadline(deadline.or(self.expires.get().copied()));
        }
    }

    /// The session's worker, and its pipe for the child of a fork.
    pub(crate) fn set_worker(&self, worker: Arc<Worker>, ends: Arc<Ends>) {
        // Set once: a session has one worker.
        let _ = self.ends.set(ends);
        *lock(&self.worker) = Some(worker);
        self.took_worker.store(true, Ordering::Release);
    }

    /// True once, after the session took a worker.
    pub(crate) fn took_worker(&self) -> bool {
        self.took_worker.load(Ordering::Relaxed) && self.took_worker.swap(false, Ordering::AcqRel)
    }

    /// What goes on until the session is open.
    pub(crate) fn opening(&self) -> MutexGuard<'_, Option<Opening>> {
        lock(&self.opening)
    }

    /// The session's time begins.
    pub(crate) fn start_clock(&self) {
        if let Some(expires) = self.limits.session_time.and_then(|time| Instant::now().checked_add(time)) {
            // Begun once.
            let _ = self.expires.set(expires);
            self.set_deadline(None);
        }
    }

    pub(crate) fn busy_wait(&self) -> Duration {
        self.busy_wait.get().copied().unwrap_or_default()
    }

    pub(crate) fn set_busy_wait(&self, time: Duration) {
        // Set once, when the session is made.
        let _ = self.busy_wait.set(time);
    }

    /// Adds what a turn used.
    pub(crate) fn book(&self, usage: Usage) {
        let mut used = lock(&self.used);
        used.steps = used.steps.saturating_add(usage.steps);
        used.memory_peak = used.memory_peak.max(usage.memory_peak);
        used.output_bytes = used.output_bytes.saturating_add(usage.output_bytes);
        used.asks = used.asks.saturating_add(usage.asks);
    }

    /// What all turns used.
    pub(crate) fn used(&self) -> Usage {
        *lock(&self.used)
    }

    /// Why it cannot be used in this process, which is another one.
    pub(crate) fn foreign(&self) -> String {
        format!(
            "the session belongs to process {}, and this is process {}, forked from it: open a session here",
            self.process,
            process()
        )
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
        let (time, cpu) = (self.limits.wall_time, self.limits.cpu_time);
        let mut ending = match worker {
            Some(worker) => recruit::end(&worker, stop, time, cpu),
            // `close` has taken the worker: that is why it is gone.
            None if self.is_closed() => of_stop(&Stop::Closed, None, time, cpu),
            None => of_stop(stop, None, time, cpu),
        };
        if ending.kind == Kind::Deadline && self.expires.get().is_some_and(|at| *at <= Instant::now()) {
            let seconds = self.limits.session_time.unwrap_or_default().as_secs_f64();
            ending.message = format!("the session's time of {seconds} s was up (Limits.session_time)");
        }
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
        let opening = lock(&self.opening).take();
        if let Some(opening) = opening {
            opening.cancel();
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

    /// Ends the session without waiting until its worker is gone: [`Core::close`] does. Returns the worker's process
    /// descriptor; -1 if there is none.
    pub(crate) fn doom(&self) -> i32 {
        self.close_because("");
        if !self.is_ours() {
            return -1;
        }
        let opening = lock(&self.opening).take();
        if let Some(opening) = opening {
            opening.cancel();
        }
        lock(&self.worker).as_ref().map_or(-1, |worker| {
            worker.kill(Why::Ended);
            worker.pidfd().as_raw_fd()
        })
    }

    /// Gives back this process's copies of what belongs to the process it was forked from, so that a
    /// worker sees the end of its host even while a child of that host lives.
    pub(crate) fn abandon(&self) {
        if self.is_ours() {
            return;
        }
        self.closed.store(true, Ordering::Release);
        drop(self.gate.take_after_fork());
        if let Some(ends) = self.ends.get() {
            ends.let_go();
        }
        drop(self.opening.try_lock().ok().and_then(|mut opening| opening.take()));
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
