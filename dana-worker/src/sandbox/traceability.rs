//! Nobody of the same user may attach to the worker, read its memory, or find a core dump of it.

use nix::sys::prctl;

use super::SetupError;
use super::lockdown::Applied;

/// Makes the process non-dumpable. After every change of credentials, since those reset it.
pub(crate) fn forbid() -> Applied {
    prctl::set_dumpable(false).map_err(SetupError::at("prctl PR_SET_DUMPABLE"))?;
    match prctl::get_dumpable() {
        Ok(false) => Ok("0".into()),
        _ => Err(SetupError::unexpected("the process is still dumpable")),
    }
}
