//! A second wall round files and the network, independent of the system call filter.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus,
    Scope,
};

use super::SetupError;
use super::lockdown::Applied;

/// The newest version whose rights are asked for; the kernel's own version decides which of them exist.
const NEWEST: ABI = ABI::V10;

/// Denies this thread every right that the running kernel knows, with no exception, and both scopes. Public so that the
/// layer can be tested by itself, without the filter that would answer first.
pub fn deny_all() -> Applied {
    let status = restrict().map_err(|error| SetupError::unexpected(format!("landlock: {error}")))?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, landlock) => {
            Err(SetupError::unexpected(format!("landlock: {landlock:?}")))
        }
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            Ok(format!("every right of its version {effective_abi:?} denied").into())
        }
        (_, landlock) => Ok(format!("every right denied: {landlock:?}").into()),
    }
}

fn restrict() -> Result<landlock::RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()
}
