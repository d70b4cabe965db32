//! A session's limits as Python gives them. Policy only; `docs/LIMITS.md` explains each.

use std::time::Duration;

use dana_wire::{Budget, SessionLimits};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// `None` lifts a limit.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// For each turn, by the host's clock.
    pub(crate) wall_time: Option<Duration>,
    /// For the whole session, by the host's clock.
    pub(crate) session_time: Option<Duration>,
    /// Processor time over the life of a worker.
    pub(crate) cpu_time: Option<Duration>,
    /// Bytes held by the program.
    pub(crate) memory: Option<u64>,
    /// Loop rounds and calls, a turn.
    pub(crate) steps: Option<u64>,
    /// Calls inside each other.
    pub(crate) depth: Option<u32>,
    /// Bytes printed, a turn.
    pub(crate) output: Option<u64>,
    /// Asks, a turn.
    pub(crate) asks: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            wall_time: Some(Duration::from_secs(60)),
            session_time: None,
            cpu_time: Some(Duration::from_secs(60)),
            memory: Some(512 << 20),
            steps: Some(10_000_000_000),
            depth: Some(1000),
            output: Some(8 << 20),
            asks: Some(1000),
        }
    }
}

impl Limits {
    /// Reads the dictionary; a name that is missing keeps its default.
    pub(crate) fn from_dict(given: &Bound<'_, PyDict>) -> PyResult<Limits> {
        let mut limits = Limits::default();
        for (name, value) in given {
            let name: String = name.extract()?;
            match name.as_str() {
                "wall_time" => limits.wall_time = optional(&name, &value, seconds)?,
                "session_time" => limits.session_time = optional(&name, &value, seconds)?,
                "cpu_time" => limits.cpu_time = optional(&name, &value, seconds)?,
                "memory" => limits.memory = optional(&name, &value, count)?,
                "steps" => limits.steps = optional(&name, &value, count)?,
                "depth" => {
                    limits.depth =
                        optional(&name, &value, count)?.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
                }
                "output" => limits.output = optional(&name, &value, count)?,
                // Python's own: only the host knows what models take.
                "tokens" | "model_calls" | "cost" => {}
                "asks" => limits.asks = optional(&name, &value, count)?,
                _ => return Err(PyTypeError::new_err(format!("there is no limit '{name}'"))),
            }
        }
        Ok(limits)
    }

    /// The part the interpreter keeps itself.
    pub(crate) fn of_interpreter(&self) -> SessionLimits {
        SessionLimits {
            steps: self.steps,
            memory: self.memory,
            depth: self.depth.unwrap_or(u32::MAX),
            output: self.output,
        }
    }

    /// What the worker may map, and a control group of it hold: the program's memory and a quarter for what the
    /// heap cannot use, one frame each way, and 160 MiB for the worker itself and what it keeps.
    pub(crate) fn of_group(&self) -> Option<u64> {
        const FRAMES: u64 = (Budget::FROM_HOST.frame_bytes + Budget::FROM_WORKER.frame_bytes) as u64;
        let memory = self.memory?;
        Some(memory.saturating_add(memory / 4).saturating_add(FRAMES + (160 << 20)))
    }

    /// The part the kernel keeps, as the worker's arguments: bytes and whole seconds, 0 for none.
    pub(crate) fn of_kernel(&self) -> [u64; 2] {
        let cpu =
            self.cpu_time.map_or(0, |time| (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1));
        [self.memory.unwrap_or(0), cpu]
    }
}

/// A timeout in seconds: positive and not absurd. Also for the arguments of calls.
pub(crate) fn seconds(value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds: f64 = value.extract()?;
    match Duration::try_from_secs_f64(seconds) {
        // A century: later than any clock of this process will ever show.
        Ok(time) if seconds > 0.0 => Ok(time.min(Duration::from_secs(3_155_760_000))),
        _ if seconds == f64::INFINITY => Ok(Duration::from_secs(3_155_760_000)),
        _ => Err(PyValueError::new_err(format!("expected a positive number of seconds, got {seconds}"))),
    }
}

fn count(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    value.extract()
}

fn optional<T>(
    name: &str,
    value: &Bound<'_, PyAny>,
    read: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    if value.is_none() {
        return Ok(None);
    }
    read(value).map(Some).map_err(|error| {
        PyValueError::new_err(format!(
            "limit '{name}' takes a positive number or None: {}",
            error.value(value.py())
        ))
    })
}
