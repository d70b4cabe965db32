//! No capability in any of the five sets, and no way for user id 0 to be worth anything.

use caps::CapSet;

use super::lockdown::Applied;
use super::{SetupError, policy, sys};

/// Takes from user id 0 what makes it special, and locks that. Only a process with `CAP_SETPCAP` can: root, or whoever
/// has just made a user namespace.
pub(crate) fn lock_securebits() -> Applied {
    sys::set_securebits(policy::SECUREBITS).map_err(SetupError::at("prctl PR_SET_SECUREBITS"))?;
    match sys::securebits() {
        Ok(bits) if libc::c_ulong::from(bits.unsigned_abs()) == policy::SECUREBITS => Ok("locked".into()),
        _ => Err(SetupError::unexpected("the securebits did not hold")),
    }
}

/// Empties the bounding set. Takes the same capability; a process without it has no capabilities to lose, and
/// `no_new_privs` keeps it from gaining any.
pub(crate) fn empty_bounding_set() -> Applied {
    for capability in 0..64 {
        match sys::drop_from_bounding_set(capability) {
            Ok(()) => {}
            Err(nix::errno::Errno::EINVAL) => break, // one past the kernel's last
            Err(errno) => return Err(SetupError::Refused { step: "prctl PR_CAPBSET_DROP", errno }),
        }
    }
    Ok("empty".into())
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
