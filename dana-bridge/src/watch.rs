//! What the host keeps an eye on during a turn: the clock, Ctrl-C, the closing of the session, and
//! how much the interpreter talks.
//!
//! The rule: only the host's clock decides when a turn is over, and text from the interpreter is
//! passed on, never interpreted.

use std::time::{Duration, Instant};

use dana_wire::{LogLevel, ToHost};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::asks::Asks;
use crate::leaving;
use crate::link::Clock;
use crate::session::Session;
use crate::stderr::escape;
use crate::stop::Stop;
use crate::sys::is_main_thread;

/// How long Ctrl-C may go unnoticed when its signal reached another thread.
const SIGNAL_CHECK: Duration = Duration::from_millis(50);
/// Messages that say little, such as a pulse or a short output, that a turn may send at once ...
const SMALL_MESSAGES: u64 = 20_000;
/// ... and how many more each second.
const SMALL_MESSAGES_A_SECOND: u64 = 2_000;
/// Output of at least this many bytes pays for itself: see the limit of output.
const LARGE_OUTPUT: usize = 2 << 10;
/// How much more than the interpreter's own limit of output the host takes before it is a violation.
const OUTPUT_SLACK: u64 = 1 << 20;

/// The position an interpreter last reported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Position {
    pub(crate) file: Option<String>,
    pub(crate) line: u32,
}

/// One turn, seen from the host.
pub(crate) struct Watch<'a> {
    pub(crate) session: &'a Py<Session>,
    began: Instant,
    deadline: Option<Instant>,
    on_main_thread: bool,
    /// When signals were last looked for.
    signals: Instant,
    small: u64,
    output: u64,
    output_limit: Option<u64>,
    pub(crate) position: Position,
    pub(crate) asks: Asks,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(session: &'a Py<Session>, deadline: Option<Instant>) -> Self {
        let now = Instant::now();
        Watch {
            session,
            began: now,
            deadline,
            on_main_thread: is_main_thread(),
            signals: now,
            small: 0,
            output: 0,
            output_limit: session.get().core().limits().output,
            position: Position::default(),
            asks: Asks::default(),
        }
    }

    /// Uses the asks and, beside them, the rest.
    pub(crate) fn with_asks<T>(&mut self, work: impl FnOnce(&Self, &mut Asks) -> T) -> T {
        let mut asks = std::mem::take(&mut self.asks);
        let result = work(self, &mut asks);
        self.asks = asks;
        result
    }

    /// How long to wait for something to happen; `None` is for ever.
    pub(crate) fn patience(&self) -> Result<Option<Duration>, Stop> {
        let core = self.session.get().core();
        if !core.is_ours() {
            return Err(Stop::Forked);
        }
        leaving::check()?;
        if core.is_closed() {
            return Err(Stop::Closed);
        }
        let left = match self.deadline {
            None => None,
            Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                None | Some(Duration::ZERO) => return Err(Stop::Deadline),
                left => left,
            },
        };
        match (left, self.on_main_thread) {
            (left, false) => Ok(left),
            (left, true) => Ok(Some(left.map_or(SIGNAL_CHECK, |left| left.min(SIGNAL_CHECK)))),
        }
    }

    /// The same for an interpreter that computes on this thread.
    pub(crate) fn clock(&self) -> Clock {
        Clock {
            deadline: self.deadline,
            closed: self.session.get().core().closed(),
            on_main_thread: self.on_main_thread,
            patience: SIGNAL_CHECK,
            signals: self.signals,
            stop: None,
        }
    }

    /// Runs the handlers of signals that came: Ctrl-C raises here.
    pub(crate) fn check_signals(&self) -> Result<(), Stop> {
        if self.on_main_thread {
            Python::attach(check_signals)?;
        }
        Ok(())
    }

    /// The same for an interpreter that talks so much that no wait for it is ever long enough to look.
    fn check_signals_when_due(&mut self) -> Result<(), Stop> {
        if self.on_main_thread && self.signals.elapsed() >= SIGNAL_CHECK {
            self.check_signals()?;
            self.signals = Instant::now();
        }
        Ok(())
    }

    /// Takes a message in the middle of a turn, and its values.
    pub(crate) fn notice(&mut self, message: &ToHost, values: &[u8]) -> Result<(), Stop> {
        self.check_signals_when_due()?;
        if let ToHost::Ask { ask, question } = message {
            return self.with_asks(|watch, asks| asks.begin(watch, *ask, question, values));
        }
        let large = matches!(message, ToHost::Output { text } if text.len() >= LARGE_OUTPUT);
        if !large {
            self.count_small()?;
        }
        match message {
            ToHost::Output { text } => self.print(text),
            ToHost::Log { level, text } => self.log(*level, text),
            ToHost::Pulse { file, line, .. } => {
                self.position = Position { file: file.as_deref().map(escape), line: *line };
                Ok(())
            }
            other => Err(out_of_turn(other)),
        }
    }

    fn count_small(&mut self) -> Result<(), Stop> {
        self.small += 1;
        let earned = self.began.elapsed().as_secs().saturating_mul(SMALL_MESSAGES_A_SECOND);
        if self.small > SMALL_MESSAGES.saturating_add(earned) {
            return Err(Stop::Violation("a flood of small messages".to_owned()));
        }
        Ok(())
    }

    fn print(&mut self, text: &str) -> Result<(), Stop> {
        self.output += text.len() as u64;
        if self.output_limit.is_some_and(|limit| self.output > limit.saturating_add(OUTPUT_SLACK)) {
            return Err(Stop::Violation("output beyond the limit the worker was given".to_owned()));
        }
        Python::attach(|py| self.session.get().output().call1(py, (PyString::new(py, text),)))?;
        Ok(())
    }

    fn log(&self, level: LogLevel, text: &str) -> Result<(), Stop> {
        let level = match level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
        };
        Python::attach(|py| self.session.get().log().call1(py, (level, escape(text))))?;
        Ok(())
    }
}

pub(crate) fn check_signals(py: Python<'_>) -> PyResult<()> {
    py.check_signals()
}

/// A message that has no place where it came.
pub(crate) fn out_of_turn(message: &ToHost) -> Stop {
    let name = match message {
        ToHost::Hello(_) => "Hello",
        ToHost::Started => "Started",
        ToHost::Output { .. } => "Output",
        ToHost::Log { .. } => "Log",
        ToHost::Ask { .. } => "Ask",
        ToHost::Pulse { .. } => "Pulse",
        ToHost::Done { .. } => "Done",
        ToHost::Failed { .. } => "Failed",
    };
    Stop::Violation(format!("the message {name} out of turn"))
}
