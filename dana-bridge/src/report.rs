//! The isolation report: what is in force, by what evidence, and what level that makes.
//!
//! The rule: a layer without evidence is not in force. Evidence is what the host itself read from
//! the kernel, or what the worker said before it had read a byte; the first outweighs the second.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::stderr::one_line;

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
    /// And namespaces of its own, with an empty root directory.
    Namespaced,
    /// And a control group with limits, and a user id or a process namespace of its own.
    Contained,
}

impl Level {
    const ALL: [Level; 6] = [
        Level::None,
        Level::Process,
        Level::Filtered,
        Level::Landlocked,
        Level::Namespaced,
        Level::Contained,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Process => "process",
            Level::Filtered => "filtered",
            Level::Landlocked => "landlocked",
            Level::Namespaced => "namespaced",
            Level::Contained => "contained",
        }
    }

    /// By its name.
    pub(crate) fn named(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }

    /// What the layers in force add up to.
    pub(crate) fn of(layers: &[Layer]) -> Level {
        let holds = |wanted: &str| layers.iter().any(|layer| layer.name == wanted && layer.in_force);
        let reached = |level: Level| {
            LAYERS.iter().filter(|known| known.needed == Some(level)).all(|known| holds(known.name))
                && (level != Level::Contained || holds("own_user") || holds("pid_namespace"))
        };
        Level::ALL.into_iter().take_while(|level| reached(*level)).last().unwrap_or(Level::None)
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
    /// Whether it was asked for.
    pub(crate) wanted: bool,
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
    /// The level that was asked for.
    pub(crate) asked: Level,
    pub(crate) layers: Vec<Layer>,
}

impl Report {
    /// For an interpreter in the host's own process: nothing is in force.
    pub(crate) fn of_this_process() -> Self {
        let reason = "the interpreter runs in the host's own process";
        let layers = LAYERS
            .iter()
            .map(|known| Layer {
                name: known.name.to_owned(),
                wanted: false,
                in_force: false,
                evidence: Evidence::None,
                value: String::new(),
                reason: reason.to_owned(),
            })
            .collect();
        Report { level: Level::None, asked: Level::None, layers }
    }

    /// Which of the layers that were asked for are missing, and why, in one line.
    pub(crate) fn shortfall(&self) -> String {
        // What hinders one layer often hinders many: it is told once.
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for layer in self.layers.iter().filter(|layer| layer.wanted && !layer.in_force) {
            match reasons.iter_mut().find(|(reason, _)| *reason == layer.reason) {
                Some((_, names)) => names.push(&layer.name),
                None => reasons.push((&layer.reason, vec![&layer.name])),
            }
        }
        let missing: Vec<String> = reasons
            .into_iter()
            .map(|(reason, names)| one_line(&format!("{}: {reason}", names.join(", "))))
            .collect();
        if missing.is_empty() { "no layer is missing".to_owned() } else { missing.join("; ") }
    }

    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let layers = PyList::empty(py);
        for layer in &self.layers {
            let row = PyDict::new(py);
            row.set_item("name", one_line(&layer.name))?;
            row.set_item("wanted", layer.wanted)?;
            row.set_item("in_force", layer.in_force)?;
            row.set_item("evidence", layer.evidence.name())?;
            row.set_item("value", one_line(&layer.value))?;
            row.set_item("reason", one_line(&layer.reason))?;
            layers.append(row)?;
        }
        let report = PyDict::new(py);
        report.set_item("level", self.level.name())?;
        report.set_item("asked", self.asked.name())?;
        report.set_item("layers", layers)?;
        Ok(report)
    }
}

/// A layer a worker can have.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// From which level on it is asked for; `None` if that is an option of its own.
    pub(crate) wanted: Option<Level>,
    /// The level that is not reached without it.
    pub(crate) needed: Option<Level>,
}

const fn needed(name: &'static str, level: Level) -> Known {
    Known { name, wanted: Some(level), needed: Some(level) }
}

const fn further(name: &'static str, level: Level) -> Known {
    Known { name, wanted: Some(level), needed: None }
}

/// The base wall is put up for every worker, whatever the level; so are the further layers of `process`.
pub(crate) const LAYERS: &[Known] = &[
    needed("process", Level::Process),
    needed("threads", Level::Filtered),
    further("fds", Level::Process),
    further("environment", Level::Process),
    further("session", Level::Process),
    further("own_user", Level::Process),
    needed("user_namespace", Level::Namespaced),
    needed("uts_namespace", Level::Namespaced),
    needed("ipc_namespace", Level::Namespaced),
    needed("cgroup_namespace", Level::Namespaced),
    needed("net_namespace", Level::Namespaced),
    needed("mount_namespace", Level::Namespaced),
    further("pid_namespace", Level::Contained),
    further("securebits", Level::Process),
    further("bounding_set", Level::Process),
    needed("capabilities", Level::Filtered),
    needed("dumpable", Level::Filtered),
    needed("no_new_privs", Level::Filtered),
    further("mdwe", Level::Process),
    further("huge_pages", Level::Process),
    Known { name: "speculation", wanted: None, needed: None },
    needed("landlock", Level::Landlocked),
    needed("cgroup", Level::Contained),
    needed("rlimits", Level::Filtered),
    needed("seccomp", Level::Filtered),
];
