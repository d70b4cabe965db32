//! Applies the table of resource limits.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::SetupError;
use super::lockdown::Applied;
use super::policy::limits::{Ceiling, LIMITS};
use crate::arguments::Budget;

/// Sets every limit, soft and hard, and never above what the process already had.
pub(crate) fn apply(budget: Budget) -> Applied {
    for row in LIMITS {
        let Some(ceiling) = (row.ceiling)(budget) else { continue };
        set(row.resource, row.name, ceiling)?;
    }
    Ok("set, soft and hard".into())
}

fn set(resource: Resource, name: &'static str, ceiling: Ceiling) -> Result<(), SetupError> {
    let (_, inherited) = getrlimit(resource).map_err(SetupError::at(name))?;
    let hard = ceiling.hard.min(inherited);
    setrlimit(resource, ceiling.soft.min(hard), hard).map_err(SetupError::at(name))
}
