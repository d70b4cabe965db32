//! Loads the system call filter, last, and asks it a question that only it can answer.

use nix::errno::Errno;
use nix::unistd::getpid;

use super::lockdown::Applied;
use super::policy::syscalls::{self, CANARY};
use super::{SetupError, filter, sys};

/// Compiles the table for this machine, loads it for all threads, and checks that it is in force.
pub(crate) fn confine() -> Applied {
    warm_up();
    let own_pid = getpid().as_raw().unsigned_abs();
    let program = filter::compile(syscalls::TABLE, filter::Machine::HERE, own_pid);
    sys::load_filter(program.as_slice()).map_err(SetupError::at("seccomp SECCOMP_SET_MODE_FILTER"))?;
    match sys::ask(CANARY.number) {
        Err(answer) if answer == CANARY.answer => {
            Ok(format!("{} instructions, canary answered", program.as_slice().len()).into())
        }
        Err(answer) => Err(SetupError::unexpected(format!("the canary got error {answer}"))),
        Ok(()) => Err(SetupError::Refused { step: "canary", errno: Errno::UnknownErrno }),
    }
}

/// Asks for what a library might want to ask the kernel later, and could not.
fn warm_up() {
    // The standard library's hash maps draw their keys once for each thread.
    std::hint::black_box(std::hash::RandomState::new());
}
