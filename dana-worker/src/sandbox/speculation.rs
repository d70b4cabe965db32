//! No speculation that can be led astray by other programs on the same processor, as far as the kernel can switch it off
//! for one process. An option, because it makes every switch between host and worker dearer.

use super::lockdown::Applied;
use super::{SetupError, sys};

/// Forbids speculation past stores and over indirect branches for good, unless the processor has no such flaw or the
/// kernel forbids it to everybody.
pub(crate) fn restrain() -> Applied {
    for (flaw, step) in [
        (sys::Flaw::StoreBypass, "prctl PR_SET_SPECULATION_CTRL PR_SPEC_STORE_BYPASS"),
        (sys::Flaw::IndirectBranch, "prctl PR_SET_SPECULATION_CTRL PR_SPEC_INDIRECT_BRANCH"),
    ] {
        if sys::speculation_is_harmless(flaw) {
            continue;
        }
        sys::forbid_speculation(flaw).map_err(SetupError::at(step))?;
        if !sys::speculation_is_harmless(flaw) {
            return Err(SetupError::unexpected(format!("{step} did not hold")));
        }
    }
    Ok("forbidden or harmless".into())
}
