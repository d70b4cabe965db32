//! A user and a group that no other process has, where the host may give them.
//!
//! The id is the first of a range plus the worker's process id, which is as unique as an id can be and needs no book
//! keeping: nothing is allocated, so nothing is left when the worker dies.

use nix::unistd::{Gid, Uid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};

use super::lockdown::Applied;
use super::{SetupError, policy, sys};

/// Becomes user and group `first` plus the process id, without further groups.
///
/// The capabilities stay until the layers that take some are done: see `capabilities`.
pub(crate) fn become_nobody_else(first: u32) -> Applied {
    let id = first.checked_add(process()?).ok_or(SetupError::unexpected("no such user id"))?;
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    sys::set_securebits(policy::KEEP_CAPABILITIES).map_err(SetupError::at("prctl PR_SET_SECUREBITS"))?;
    setgroups(&[]).map_err(SetupError::at("setgroups"))?;
    setresgid(group, group, group).map_err(SetupError::at("setresgid"))?;
    setresuid(user, user, user).map_err(SetupError::at("setresuid"))?;
    let (users, groups) = (getresuid(), getresgid());
    let changed = users.is_ok_and(|now| [now.real, now.effective, now.saved] == [user; 3])
        && groups.is_ok_and(|now| [now.real, now.effective, now.saved] == [group; 3])
        && getgroups().is_ok_and(|further| further.is_empty());
    if !changed {
        return Err(SetupError::unexpected("the change of user did not hold"));
    }
    Ok(format!("user and group {id}, no further groups").into())
}

/// The process id as the host sees it: `getpid` is 1 in a process namespace.
fn process() -> Result<u32, SetupError> {
    let target = nix::fcntl::readlink("/proc/self").map_err(SetupError::at("readlink /proc/self"))?;
    let number = target.to_str().and_then(|text| text.parse().ok());
    number.ok_or(SetupError::unexpected("/proc/self is not a number"))
}
