//! No environment: the host passes none, because its own holds keys.

use super::SetupError;
use super::lockdown::Applied;

/// Refuses to go on with any environment variable. Removing one here would be too late: its text stays on the stack.
pub(crate) fn assert_empty() -> Applied {
    match std::env::vars_os().count() {
        0 => Ok("empty".into()),
        1 => Err(SetupError::unexpected("there is a variable in the environment")),
        many => Err(SetupError::unexpected(format!("there are {many} variables in the environment"))),
    }
}
