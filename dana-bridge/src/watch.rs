//! What the host keeps an eye on during a turn: the clock, Ctrl-C, the closing of the session, and
//! how much the interpreter talks.
//!
//! The rule: only the host's clock decides when a turn is over, and text from the interpreter is
//! passed on, never interpreted.

use std::time::Instant;

use dana_wire::{LogLevel, ToHost};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::asks::Asks;
use crate::converse::LastWord;
use crate::link::Clock;
use crate::patience::Patience;
use crate::session::Session;
use crate::stderr::escape;
use crate::stop::Stop;

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
    pub(crate) patience: Patience,
    talk: Talk,
    pub(crate) position: Position,
    pub(crate) asks: Asks,
    /// The request has left.
    pub(crate) told: bool,
    /// The turn's last word, until everything else is settled.
    pub(crate) last: Option<LastWord>,
    /// What Python made of this turn, once it was told of it: see [`Watch::turn`].
    turn: Option<Py<PyAny>>,
}

/// How much an interpreter said in one turn.
struct Talk {
    began: Instant,
    small: u64,
    output: u64,
    output_limit: Option<u64>,
}

/// A turn that nobody waits for at the moment.
pub(crate) struct Suspended {
    patience: Patience,
    talk: Talk,
    position: Position,
    asks: Asks,
    told: bool,
    last: Option<LastWord>,
    turn: Option<Py<PyAny>>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(session: &'a Py<Session>, deadline: Option<Instant>, now: Instant) -> Self {
        let core = session.get().core();
        let output_limit = core.limits().output;
        Watch {
            session,
            patience: Patience::until(deadline, core.closed(), now),
            talk: Talk { began: now, small: 0, output: 0, output_limit },
            position: Position::default(),
            asks: Asks::default(),
            told: false,
            last: None,
            turn: None,
        }
    }

    /// Puts the turn aside until something happens in it.
    pub(crate) fn suspend(self) -> Suspended {
        let Watch { session: _, patience, talk, position, asks, told, last, turn } = self;
        Suspended { patience, talk, position, asks, told, last, turn }
    }

    /// Takes it up again.
    pub(crate) fn resume(session: &'a Py<Session>, suspended: Suspended) -> Self {
        let Suspended { patience, talk, position, asks, told, last, turn } = suspended;
        Watch { session, patience, talk, position, asks, told, last, turn }
    }

    /// What Python makes of the turn: `turn` if it was given, else made when it is first needed.
    pub(crate) fn turn(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let Some(turn) = &self.turn {
            return Ok(turn.clone_ref(py));
        }
        let left =
            self.patience.deadline().map(|at| at.saturating_duration_since(Instant::now()).as_secs_f64());
        let turn = self.session.get().begin_turn(py, left)?;
        self.turn = Some(turn.clone_ref(py));
        Ok(turn)
    }

    /// The turn is over: what is still being worked on for it is cancelled, and Python hears of it.
    pub(crate) fn end(&mut self, py: Python<'_>) {
        self.asks.abandon(py);
        if let Some(turn) = self.turn.take().filter(|turn| !turn.is_none(py))
            && let Err(error) = turn.setattr(py, intern!(py, "over"), true)
        {
            error.write_unraisable(py, Some(turn.bind(py)));
        }
    }

    /// Gives the turn the object that Python made for it beforehand.
    pub(crate) fn set_turn(&mut self, turn: Option<Py<PyAny>>) {
        self.turn = turn;
    }

    /// Uses the asks and, beside them, the rest.
    pub(crate) fn with_asks<T>(&mut self, work: impl FnOnce(&mut Self, &mut Asks) -> T) -> T {
        let mut asks = std::mem::take(&mut self.asks);
        let result = work(self, &mut asks);
        self.asks = asks;
        result
    }

    /// The same for an interpreter that computes on this thread.
    pub(crate) fn clock(&self) -> Clock {
        Clock {
            deadline: self.patience.deadline(),
            closed: self.patience.closed(),
            on_main_thread: self.patience.on_main_thread(),
            patience: self.patience.signal_check(),
            signals: self.patience.signals(),
            stop: None,
        }
    }

    /// Takes a message in the middle of a turn, and its values.
    pub(crate) fn notice(&mut self, message: &ToHost, values: &[u8]) -> Result<(), Stop> {
        self.patience.check_signals_when_due()?;
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
        let talk = &mut self.talk;
        talk.small += 1;
        let earned = talk.began.elapsed().as_secs().saturating_mul(SMALL_MESSAGES_A_SECOND);
        if talk.small > SMALL_MESSAGES.saturating_add(earned) {
            return Err(Stop::Violation("a flood of small messages".to_owned()));
        }
        Ok(())
    }

    fn print(&mut self, text: &str) -> Result<(), Stop> {
        let talk = &mut self.talk;
        talk.output += text.len() as u64;
        if talk.output_limit.is_some_and(|limit| talk.output > limit.saturating_add(OUTPUT_SLACK)) {
            return Err(Stop::Violation("output beyond the limit the worker was given".to_owned()));
        }
        Python::attach(|py| {
            let turn = self.turn(py)?;
            self.session.get().output().call1(py, (turn, PyString::new(py, text)))
        })?;
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
