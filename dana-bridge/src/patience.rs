//! How long a wait goes on, and what cuts it short.
//!
//! The rule: every wait of the bridge looks here before it begins, and none goes on for longer than this says. Left
//! out: what is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::leaving;
use crate::stop::Stop;
use crate::sys::{is_main_thread, process};

/// How long Ctrl-C may go unnoticed when its signal reached another thread.
const SIGNAL_CHECK: Duration = Duration::from_millis(50);
/// How long the end of a worker may go unnoticed that left its pipe to somebody else.
const LIFE_CHECK: Duration = Duration::from_secs(1);

/// What one conversation waits for at most.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    process: u32,
    closed: Arc<AtomicBool>,
    deadline: Option<Instant>,
    on_main_thread: bool,
    /// When signals were last looked for.
    signals: Instant,
}

impl Patience {
    /// Until `deadline`, unless `closed` becomes true.
    pub(crate) fn until(deadline: Option<Instant>, closed: Arc<AtomicBool>, now: Instant) -> Self {
        Patience { process: process(), closed, deadline, on_main_thread: is_main_thread(), signals: now }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn closed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.closed)
    }

    pub(crate) fn on_main_thread(&self) -> bool {
        self.on_main_thread
    }

    /// How long Ctrl-C may go unnoticed.
    pub(crate) fn signal_check(&self) -> Duration {
        SIGNAL_CHECK
    }

    /// When signals were last looked for.
    pub(crate) fn signals(&self) -> Instant {
        self.signals
    }

    /// How long to wait until the next look.
    pub(crate) fn left(&self) -> Result<Duration, Stop> {
        self.check()?;
        let slice = if self.on_main_thread { SIGNAL_CHECK } else { LIFE_CHECK };
        match self.deadline {
            None => Ok(slice),
            Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                None | Some(Duration::ZERO) => Err(Stop::Deadline),
                Some(left) => Ok(left.min(slice)),
            },
        }
    }

    /// Whether the wait may go on, the deadline apart.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        if self.process != process() {
            return Err(Stop::Forked);
        }
        leaving::check()?;
        if self.closed.load(Ordering::Acquire) {
            return Err(Stop::Closed);
        }
        Ok(())
    }

    /// Runs the handlers of signals that came: Ctrl-C raises here.
    pub(crate) fn check_signals(&self) -> Result<(), Stop> {
        if self.on_main_thread {
            Python::attach(check_signals)?;
        }
        Ok(())
    }

    /// The same for a side that talks so much that no wait for it is ever long enough to look.
    pub(crate) fn check_signals_when_due(&mut self) -> Result<(), Stop> {
        if self.on_main_thread && self.signals.elapsed() >= SIGNAL_CHECK {
            self.check_signals()?;
            self.signals = Instant::now();
        }
        Ok(())
    }
}

pub(crate) fn check_signals(py: Python<'_>) -> PyResult<()> {
    py.check_signals()
}
