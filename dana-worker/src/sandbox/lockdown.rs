//! The order of the layers, on one screen.
//!
//! The order matters: credentials before dumpable (changing them resets it), Landlock before the limits (its ruleset
//! needs a file descriptor, which the limits forbid), the system call filter last (it forbids all the rest).
//! Namespaces and another user id, when they come, belong between `session` and `capabilities`.

use std::borrow::Cow;

use dana_wire::LayerClaim;

use super::{
    capabilities, environment, fds, landlock, memory, policy, privileges, rlimits, seccomp, session, threads,
    traceability,
};
use crate::arguments::Arguments;
use crate::sandbox::SetupError;

/// What a layer says of itself when it is in force.
pub(crate) type Applied = Result<Cow<'static, str>, SetupError>;

/// A layer of the wall that could not be applied, so that no session may run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layer {layer} failed: {error}")]
pub struct Broken {
    /// The layer's name, as in the claims.
    pub layer: &'static str,
    /// What went wrong.
    pub error: SetupError,
}

/// Applies every layer to this process, for good, and returns what each one claims.
///
/// A `base` layer must hold or the worker ends; a `further` one may be missing on this machine, and is then claimed as
/// not applied, with the reason. Whether that is good enough is the host's decision.
pub fn lock(arguments: &Arguments) -> Result<Vec<LayerClaim>, Broken> {
    let mut wall = Wall { claims: Vec::with_capacity(policy::LAYERS) };
    wall.base("threads", threads::assert_single)?;
    wall.base("fds", fds::keep_three_pipes)?;
    wall.base("environment", environment::assert_empty)?;
    wall.base("session", || session::detach(arguments.host))?;
    wall.further("bounding_set", capabilities::empty_bounding_set);
    wall.base("capabilities", capabilities::drop_all)?;
    wall.base("dumpable", traceability::forbid)?;
    wall.base("no_new_privs", privileges::freeze)?;
    wall.further("mdwe", memory::forbid_executable_writes);
    wall.further("huge_pages", memory::forbid_huge_pages);
    wall.further("landlock", landlock::deny_all);
    wall.base("rlimits", || rlimits::apply(arguments.budget))?;
    wall.base("seccomp", seccomp::confine)?;
    Ok(wall.claims)
}

/// The layers applied so far.
struct Wall {
    claims: Vec<LayerClaim>,
}

impl Wall {
    fn base(&mut self, layer: &'static str, apply: impl FnOnce() -> Applied) -> Result<(), Broken> {
        let detail = apply().map_err(|error| Broken { layer, error })?;
        self.note(layer, true, detail);
        Ok(())
    }

    fn further(&mut self, layer: &'static str, apply: impl FnOnce() -> Applied) {
        match apply() {
            Ok(detail) => self.note(layer, true, detail),
            Err(error) => self.note(layer, false, error.to_string().into()),
        }
    }

    fn note(&mut self, layer: &'static str, applied: bool, detail: Cow<'static, str>) {
        self.claims.push(LayerClaim { name: layer.to_owned(), applied, detail: detail.into_owned() });
    }
}
