//! No capability in any of the five sets, and no way for user id 0 to be worth anything.

use caps::CapSet;

use super::lockdown::Applied;
use super::{SetupError, policy, sys};

/// Empties the bounding set and locks the securebits. Only a process with `CAP_SETPCAP` can; one without it has no
/// capabilities to lose, and `no_new_privs` keeps it from gaining any.
pub(crate) fn empty_bounding_set() -> Applied {
    sys::set_securebits(policy::SECUREBITS).map_err(SetupError::at("prctl PR_SET_SECUREBITS"))?;
    for capability in 0..64 {
        match sys::drop_from_bounding_set(capability) {
            Ok(()) => {}
            Err(nix::errno::Errno::EINVAL) => break, // one past the kernel's last
            Err(errno) => return Err(SetupError::Refused { step: "prctl PR_CAPBSET_DROP", errno }),
        }
    }
    Ok("bounding set empty, securebits locked".into())
}

/// Empties the ambient, inheritable, effective and permitted sets, and reads them back.
pub(crate) fn drop_all() -> Applied {
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Permitted] {
        caps::clear(None, set).map_err(|error| SetupError::unexpected(format!("capset: {error}")))?;
    }
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        let left =
            caps::read(None, set).map_err(|error| SetupError::unexpected(format!("capget: {error}")))?;
        if !left.is_empty() {
            return Err(SetupError::unexpected(format!("{set:?} set is not empty")));
        }
    }
    Ok("ambient, inheritable, effective and permitted sets empty".into())
}
