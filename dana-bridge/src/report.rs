//! The isolation report: what is in force, by what evidence, and what level that makes.
//!
//! The rule: a layer without evidence is not in force. Evidence is what the host itself read from
//! the kernel, or what the worker said before it had read a byte; the first outweighs the second.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::stderr::escape;

/// How strong the wall is as a whole; each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The same process.
    None,
    /// A process of its own.
    Process,
    /// And the base wall: system calls filtered, no privileges, not traceable, limits.
    Filtered,
    /// And Landlock.
    Landlocked,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Process => "process",
            Level::Filtered => "filtered",
            Level::Landlocked => "landlocked",
        }
    }

    /// By its name; `None` for a name that is no level this build can reach.
    pub(crate) fn named(name: &str) -> Option<Level> {
        [Level::None, Level::Process, Level::Filtered, Level::Landlocked]
            .into_iter()
            .find(|level| level.name() == name)
    }
}

/// What shows that a layer is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The host read it from the kernel.
    Kernel,
    /// The worker said so in its Hello, before it had read anything.
    Worker,
    None,
}

impl Evidence {
    fn name(self) -> &'static str {
        match self {
            Evidence::Kernel => "kernel",
            Evidence::Worker => "worker",
            Evidence::None => "none",
        }
    }
}

/// One layer. Texts are escaped.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) in_force: bool,
    pub(crate) evidence: Evidence,
    /// What was read or said.
    pub(crate) value: String,
    /// Why it is not in force; empty if it is.
    pub(crate) reason: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) level: Level,
    pub(crate) layers: Vec<Layer>,
}

impl Report {
    /// For an interpreter in the host's own process: nothing is in force.
    pub(crate) fn of_this_process() -> Self {
        let reason = "the interpreter runs in the host's own process";
        let layers = LAYERS
            .iter()
            .map(|name| Layer {
                name: (*name).to_owned(),
                in_force: false,
                evidence: Evidence::None,
                value: String::new(),
                reason: reason.to_owned(),
            })
            .collect();
        Report { level: Level::None, layers }
    }

    /// Why the level is not higher than it is, in one line.
    pub(crate) fn shortfall(&self) -> String {
        let missing: Vec<String> = self
            .layers
            .iter()
            .filter(|layer| !layer.in_force)
            .map(|layer| format!("{}: {}", layer.name, layer.reason))
            .collect();
        if missing.is_empty() { "no layer is missing".to_owned() } else { missing.join("; ") }
    }

    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let layers = PyList::empty(py);
        for layer in &self.layers {
            let row = PyDict::new(py);
            row.set_item("name", escape(&layer.name))?;
            row.set_item("wanted", true)?;
            row.set_item("in_force", layer.in_force)?;
            row.set_item("evidence", layer.evidence.name())?;
            row.set_item("value", escape(&layer.value))?;
            row.set_item("reason", escape(&layer.reason))?;
            layers.append(row)?;
        }
        let report = PyDict::new(py);
        report.set_item("level", self.level.name())?;
        report.set_item("layers", layers)?;
        Ok(report)
    }
}

/// The layers of a worker, in the order in which it applies them.
pub(crate) const LAYERS: &[&str] = &[
    "process",
    "threads",
    "fds",
    "environment",
    "session",
    "bounding_set",
    "capabilities",
    "dumpable",
    "no_new_privs",
    "mdwe",
    "huge_pages",
    "landlock",
    "rlimits",
    "seccomp",
];
