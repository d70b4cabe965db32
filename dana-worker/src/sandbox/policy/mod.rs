//! What is allowed, as data. The mechanism that applies it is in the files beside this directory.

pub mod limits;
pub mod syscalls;

/// Most layers in `lockdown`.
pub(crate) const LAYERS: usize = 22;

/// Securebits: user id 0 gets no capabilities, changes of user id fix nothing up, none are kept, none become ambient;
/// and each of these is locked. (`linux/securebits.h`)
pub const SECUREBITS: libc::c_ulong = (libc::SECBIT_NOROOT
    | libc::SECBIT_NOROOT_LOCKED
    | libc::SECBIT_NO_SETUID_FIXUP
    | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
    | libc::SECBIT_KEEP_CAPS_LOCKED
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED) as libc::c_ulong;

/// The one securebit that a change of user needs: it leaves the capabilities alone, which the layers after it use up.
pub const KEEP_CAPABILITIES: libc::c_ulong = libc::SECBIT_NO_SETUID_FIXUP as libc::c_ulong;
