//! The order of the layers, on one screen.
//!
//! The order matters: another user before the user namespace (the one user it knows), that one before the others (it is
//! what lets a plain user have them), all of them before the capabilities go (they take some); credentials before
//! dumpable (changing them resets it), Landlock before the limits (its ruleset needs a file descriptor, which the limits
//! forbid), the system call filter last (it forbids all the rest).

use std::borrow::Cow;

use dana_wire::LayerClaim;

use super::{
    capabilities, empty_root, environment, fds, landlock, memory, namespaces, own_user, policy, privileges,
    rlimits, seccomp, session, speculation, threads, traceability,
};
use crate::arguments::{Arguments, Wishes};
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
/// A `base` layer must hold or the worker ends, unless the host accepts less; a `further` one may be missing on this
/// machine, and is then claimed as not applied, with the reason. Whether that is good enough is the host's decision.
pub fn lock(arguments: &Arguments) -> Result<Vec<LayerClaim>, Broken> {
    let wishes = arguments.wishes;
    let mut wall = Wall { claims: Vec::with_capacity(policy::LAYERS), lenient: wishes.has(Wishes::LENIENT) };
    wall.start("threads", threads::assert_single)?;
    wall.start("fds", fds::keep_three_pipes)?;
    wall.start("environment", environment::assert_empty)?;
    wall.start("session", || session::detach(arguments.host, wishes.has(Wishes::FIRST_PROCESS)))?;
    if let Some(first) = arguments.first_user {
        wall.further("own_user", || own_user::become_nobody_else(first));
    }
    if wishes.has(Wishes::NAMESPACES) {
        wall.further("user_namespace", namespaces::unshare_users);
        wall.further("uts_namespace", namespaces::unshare_host_name);
        wall.further("ipc_namespace", namespaces::unshare_ipc);
        wall.further("cgroup_namespace", namespaces::unshare_cgroups);
        wall.further("net_namespace", namespaces::unshare_network);
        wall.further("mount_namespace", empty_root::enter);
    }
    wall.further("securebits", capabilities::lock_securebits);
    wall.further("bounding_set", capabilities::empty_bounding_set);
    wall.base("capabilities", capabilities::drop_all)?;
    wall.base("dumpable", traceability::forbid)?;
    wall.base("no_new_privs", privileges::freeze)?;
    wall.further("mdwe", memory::forbid_executable_writes);
    wall.further("huge_pages", memory::forbid_huge_pages);
    if wishes.has(Wishes::SPECULATION) {
        wall.further("speculation", speculation::restrain);
    }
    if wishes.has(Wishes::LANDLOCK) {
        wall.further("landlock", landlock::deny_all);
    }
    wall.base("rlimits", || rlimits::apply(arguments.budget))?;
    wall.base("seccomp", seccomp::confine)?;
    Ok(wall.claims)
}

/// The layers applied so far.
struct Wall {
    claims: Vec<LayerClaim>,
    /// Whether the base layers are further ones for once.
    lenient: bool,
}

impl Wall {
    /// A layer without which the worker is not even what the host started.
    fn start(&mut self, layer: &'static str, apply: impl FnOnce() -> Applied) -> Result<(), Broken> {
        let detail = apply().map_err(|error| Broken { layer, error })?;
        self.note(layer, true, detail);
        Ok(())
    }

    fn base(&mut self, layer: &'static str, apply: impl FnOnce() -> Applied) -> Result<(), Broken> {
        if self.lenient {
            self.further(layer, apply);
            return Ok(());
        }
        self.start(layer, apply)
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
