//! What memory may never become: executable after having been writable, or huge.

use nix::sys::prctl;

use super::lockdown::Applied;
use super::{SetupError, sys};

/// Forbids any gain of the execute permission (Linux 6.3 and later). A second wall behind the filter's `mmap` rule.
pub(crate) fn forbid_executable_writes() -> Applied {
    sys::refuse_exec_gain().map_err(SetupError::at("prctl PR_SET_MDWE"))?;
    Ok("refuse exec gain".into())
}

/// Forbids transparent huge pages: a session's memory use should be what it asked for.
pub(crate) fn forbid_huge_pages() -> Applied {
    prctl::set_thp_disable(true).map_err(SetupError::at("prctl PR_SET_THP_DISABLE"))?;
    Ok("disabled".into())
}
