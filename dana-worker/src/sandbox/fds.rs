//! Three pipes and nothing else: requests in, replies out, last words out.
//!
//! Pipes, not sockets: a pipe carries no descriptors, no credentials and no send flags.

use std::os::fd::BorrowedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{SFlag, fstat};

use super::lockdown::Applied;
use super::{SetupError, sys};

/// Checks that descriptors 0, 1 and 2 are pipe ends of the right direction, and closes all others.
pub(crate) fn keep_three_pipes() -> Applied {
    check("fd 0", sys::requests(), OFlag::O_RDONLY)?;
    check("fd 1", sys::replies(), OFlag::O_WRONLY)?;
    check("fd 2", sys::last_words(), OFlag::O_WRONLY)?;
    sys::close_from(3).map_err(SetupError::at("close_range"))?;
    Ok("0, 1 and 2 are pipes; the rest is closed".into())
}

fn check(name: &'static str, fd: BorrowedFd<'_>, direction: OFlag) -> Result<(), SetupError> {
    let kind = fstat(fd).map_err(SetupError::at(name))?.st_mode & SFlag::S_IFMT.bits();
    if kind != SFlag::S_IFIFO.bits() {
        return Err(SetupError::unexpected(format!("{name} is not a pipe")));
    }
    let flags = fcntl(fd, FcntlArg::F_GETFL).map_err(SetupError::at(name))?;
    if OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE != direction {
        return Err(SetupError::unexpected(format!("{name} is the wrong end of a pipe")));
    }
    Ok(())
}
