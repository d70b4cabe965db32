//! Namespaces that a process makes for itself, one call each so that a refusal names its own. All are left empty: no
//! network interface but a loopback that is down, no System V objects, no host name worth the name.
//!
//! Left out: a process namespace, which only who starts a process can give it.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::fcntl::readlink;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{getegid, geteuid, sethostname};

use super::SetupError;
use super::lockdown::Applied;

/// A user namespace that knows one user and one group: the present ones, as themselves. In it the process has every
/// capability over what it makes from here on, and soon none.
pub(crate) fn unshare_users() -> Applied {
    let (user, group) = (geteuid(), getegid());
    // A change of user made the files below belong to root.
    prctl::set_dumpable(true).map_err(SetupError::at("prctl PR_SET_DUMPABLE"))?;
    leave(CloneFlags::CLONE_NEWUSER, "unshare CLONE_NEWUSER", "/proc/self/ns/user")?;
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", &format!("{group} {group} 1"))?;
    Ok(format!("knows user {user} and group {group} alone").into())
}

/// Makes one namespace and sees that it is another than before: a plain user's host cannot look for itself.
pub(super) fn leave(flag: CloneFlags, step: &'static str, link: &'static str) -> Result<(), SetupError> {
    let look = || readlink(link).map_err(SetupError::at(link));
    let before = look()?;
    unshare(flag).map_err(SetupError::at(step))?;
    if look()? == before {
        return Err(SetupError::unexpected(format!("{step} did not hold")));
    }
    Ok(())
}

fn write(path: &'static str, text: &str) -> Result<(), SetupError> {
    fs::write(path, text).map_err(|error| SetupError::Refused { step: path, errno: number(&error) })
}

fn number(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// A host name of its own: none.
pub(crate) fn unshare_host_name() -> Applied {
    leave(CloneFlags::CLONE_NEWUTS, "unshare CLONE_NEWUTS", "/proc/self/ns/uts")?;
    sethostname("").map_err(SetupError::at("sethostname"))?;
    Ok("no host name".into())
}

/// System V objects and message queues of its own: none.
pub(crate) fn unshare_ipc() -> Applied {
    leave(CloneFlags::CLONE_NEWIPC, "unshare CLONE_NEWIPC", "/proc/self/ns/ipc")?;
    Ok("no objects".into())
}

/// A view of control groups in which its own is the root.
pub(crate) fn unshare_cgroups() -> Applied {
    leave(CloneFlags::CLONE_NEWCGROUP, "unshare CLONE_NEWCGROUP", "/proc/self/ns/cgroup")?;
    Ok("its own group is the root".into())
}

/// A network of its own: a loopback interface that is down.
pub(crate) fn unshare_network() -> Applied {
    leave(CloneFlags::CLONE_NEWNET, "unshare CLONE_NEWNET", "/proc/self/ns/net")?;
    Ok("no interface but lo".into())
}
