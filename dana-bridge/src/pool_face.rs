//! The Python face of the pool: how large it is, how it stands, and spares before anybody asks.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::leaving::Inside;
use crate::limits::{Limits, seconds};
use crate::opening::raise_unready;
use crate::pool::{self, Config, ENDINGS, MOST_IDLE};
use crate::session::{finish_at_exit, recipe_of};

/// Sets how large the pool of this process is, and of those forked from it from now on.
#[pyo3::pyfunction]
#[pyo3(signature = (*, min_idle, max_workers, acquire_timeout, idle_timeout, eager))]
pub(crate) fn pool_configure(
    py: Python<'_>,
    min_idle: usize,
    max_workers: usize,
    acquire_timeout: &Bound<'_, PyAny>,
    idle_timeout: &Bound<'_, PyAny>,
    eager: bool,
) -> PyResult<()> {
    if min_idle > MOST_IDLE || min_idle > max_workers || max_workers == 0 {
        return Err(PyValueError::new_err(format!(
            "a pool keeps 0 to {MOST_IDLE} workers idle, and no more than the 1 or more that may exist"
        )));
    }
    let config = Config {
        min_idle,
        max_workers,
        acquire: seconds(acquire_timeout)?,
        idle: seconds(idle_timeout)?,
        eager,
    };
    py.detach(|| config.set());
    Ok(())
}

/// Lets go of all spares.
#[pyo3::pyfunction]
pub(crate) fn pool_empty(py: Python<'_>) {
    py.detach(pool::empty);
}

/// Waits until `count` spares of a kind are ready; returns how many are.
#[pyo3::pyfunction]
#[pyo3(signature = (worker, count, *, limits, startup_timeout, level, min_level, harden_speculation))]
#[expect(clippy::too_many_arguments, reason = "by keyword in Python")]
pub(crate) fn pool_warm(
    py: Python<'_>,
    worker: &str,
    count: usize,
    limits: &Bound<'_, PyDict>,
    startup_timeout: &Bound<'_, PyAny>,
    level: &str,
    min_level: &str,
    harden_speculation: bool,
) -> PyResult<usize> {
    let limits = Limits::from_dict(limits)?;
    let levels = [level, min_level];
    let recipe = recipe_of(worker, &limits, seconds(startup_timeout)?, levels, harden_speculation)?;
    finish_at_exit(py)?;
    let _inside = Inside::enter();
    py.detach(|| pool::warm(&recipe, count)).map_err(|unready| raise_unready(py, &recipe, unready))
}

/// How the pool stands, and what happened so far. Times are in seconds.
#[pyo3::pyfunction]
pub(crate) fn pool_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let standing = pool::standing();
    let tally = standing.tally;
    let stats = PyDict::new(py);
    let busy = standing.workers.saturating_sub(standing.idle).saturating_sub(standing.starting);
    for (name, count) in [
        ("workers", standing.workers),
        ("idle", standing.idle),
        ("starting", standing.starting),
        ("busy", busy),
        ("waiting", standing.waiting),
    ] {
        stats.set_item(name, count)?;
    }
    for (name, count) in [
        ("spawned", tally.spawned),
        ("hits", tally.hits),
        ("misses", tally.misses),
        ("died_idle", tally.died_idle),
        ("failed", tally.failed),
        ("retired", tally.retired),
        ("waits", tally.waits),
        ("timeouts", tally.timeouts),
    ] {
        stats.set_item(name, count)?;
    }
    for (name, time) in [("waited", tally.waited), ("longest_wait", tally.longest_wait)] {
        let time: Duration = time;
        stats.set_item(name, time.as_secs_f64())?;
    }
    let ended = PyDict::new(py);
    for (name, count) in ENDINGS.iter().zip(tally.ended) {
        ended.set_item(name, count)?;
    }
    stats.set_item("ended", ended)?;
    Ok(stats)
}
