//! No `exec` may ever gain a privilege; also what the kernel asks for before it takes a filter from a plain user.

use nix::sys::prctl;

use super::SetupError;
use super::lockdown::Applied;

/// Sets `no_new_privs`. It cannot be unset.
pub(crate) fn freeze() -> Applied {
    prctl::set_no_new_privs().map_err(SetupError::at("prctl PR_SET_NO_NEW_PRIVS"))?;
    match prctl::get_no_new_privs() {
        Ok(true) => Ok("1".into()),
        _ => Err(SetupError::unexpected("no_new_privs did not hold")),
    }
}
