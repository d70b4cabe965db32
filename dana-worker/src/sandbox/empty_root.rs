//! A root directory with nothing in it, and no other mount: there is no path that leads anywhere.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use nix::unistd::{chdir, pivot_root};

use super::SetupError;
use super::lockdown::Applied;
use super::namespaces::leave;

/// Where the new root is mounted: a directory that every system with a `/proc` has.
const PLACE: &str = "/proc";

/// One inode is the root directory itself.
const OPTIONS: &str = "mode=555,nr_inodes=1,size=4k";

/// Leaves every mount of the host for an empty file system that cannot be written to.
pub(crate) fn enter() -> Applied {
    const NONE: Option<&str> = None;
    leave(CloneFlags::CLONE_NEWNS, "unshare CLONE_NEWNS", "/proc/self/ns/mnt")?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .map_err(SetupError::at("mount MS_PRIVATE"))?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("none"), PLACE, Some("tmpfs"), flags, Some(OPTIONS)).map_err(SetupError::at("mount tmpfs"))?;
    chdir(PLACE).map_err(SetupError::at("chdir"))?;
    // The old root ends up on top of the new one, where it is taken off.
    pivot_root(".", ".").map_err(SetupError::at("pivot_root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(SetupError::at("umount2"))?;
    chdir("/").map_err(SetupError::at("chdir"))?;
    Ok("an empty root directory, read-only".into())
}
