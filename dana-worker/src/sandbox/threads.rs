//! One thread, or nothing: a layer set for one thread would leave another one free.

use nix::sys::stat::stat;

use super::SetupError;
use super::lockdown::Applied;

/// Refuses to go on in a process with more than one thread.
///
/// The link count of `/proc/self/task` is two more than the number of threads, so one `stat` tells, without an open
/// directory. The filter is also loaded for all threads at once.
pub(crate) fn assert_single() -> Applied {
    let found = stat("/proc/self/task").map_err(SetupError::at("stat /proc/self/task"))?;
    match found.st_nlink {
        3 => Ok("1 thread".into()),
        links => Err(SetupError::unexpected(format!("{} threads", links.saturating_sub(2)))),
    }
}
