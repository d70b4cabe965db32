//! The only file with `unsafe`: system calls that have no safe wrapper, each behind a function that is safe to call.

#![expect(unsafe_code, reason = "system calls; every block says why it is sound")]

use std::os::fd::BorrowedFd;

use libc::{c_int, c_long, c_ulong, c_void};
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::filter::Instruction;
use crate::exit::Exit;

/// The pipe that requests come from.
pub fn requests() -> BorrowedFd<'static> {
    borrow(libc::STDIN_FILENO)
}

/// The pipe that replies go to.
pub fn replies() -> BorrowedFd<'static> {
    borrow(libc::STDOUT_FILENO)
}

/// The pipe for what cannot be said in a reply.
pub(crate) fn last_words() -> BorrowedFd<'static> {
    borrow(libc::STDERR_FILENO)
}

fn borrow(fd: c_int) -> BorrowedFd<'static> {
    // SAFETY: the Rust runtime opens descriptors 0 to 2 before `main` if they are closed, and nothing here closes them.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) -> nix::Result<()> {
    // SAFETY: nothing in this process owns a descriptor above 2: `lock` runs before anything is opened.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    Errno::result(result).map(drop)
}

/// What the kernel does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    Default,
    Ignore,
}

/// Sets what happens on `signal`.
pub(crate) fn set_disposition(signal: Signal, disposition: Disposition) -> nix::Result<()> {
    let handler = match disposition {
        Disposition::Default => SigHandler::SigDfl,
        Disposition::Ignore => SigHandler::SigIgn,
    };
    // SAFETY: no handler function is installed.
    unsafe { sigaction(signal, &SigAction::new(handler, SaFlags::empty(), SigSet::empty())) }.map(drop)
}

/// Makes this process wait for the processor as any other does. Raw calls: musl's functions only say `ENOSYS`.
pub(crate) fn claim_no_priority() -> nix::Result<()> {
    const MYSELF: c_long = 0;
    // The bit says that children shall not inherit: not a policy.
    const RESET_ON_FORK: c_long = 0x4000_0000;
    // SAFETY: plain numbers, no pointers.
    let policy = Errno::result(unsafe { libc::syscall(libc::SYS_sched_getscheduler, MYSELF) })?;
    let ordinary = [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE].map(c_long::from);
    if !ordinary.contains(&(policy & !RESET_ON_FORK)) {
        let lowest: c_int = 0;
        // SAFETY: the parameter is one number, that the kernel only reads.
        let result = unsafe {
            libc::syscall(
                libc::SYS_sched_setscheduler,
                MYSELF,
                c_long::from(libc::SCHED_OTHER),
                &raw const lowest,
            )
        };
        Errno::result(result)?;
    }
    // The call says 20 less the nice value: 1 to 40.
    // SAFETY: plain numbers, no pointers.
    let niceness =
        Errno::result(unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, MYSELF) })?;
    if niceness > 20 {
        // SAFETY: plain numbers, no pointers.
        Errno::result(unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, MYSELF, MYSELF) })?;
    }
    Ok(())
}

/// Bytes for the stack of the fault handler. Wide vector registers make a signal frame of up to 12 KiB.
const ALTERNATE_STACK: usize = 64 << 10;

/// Memory that the kernel alone writes to, as the stack of `on_fault`.
#[repr(align(16))]
struct Stack(#[expect(dead_code, reason = "reached through its address only")] [u8; ALTERNATE_STACK]);

static mut FAULT_STACK: Stack = Stack([0; ALTERNATE_STACK]);

/// Makes a stack overflow say so and abort, and a wild access say so and die of its own signal.
pub(crate) fn report_faults() -> nix::Result<()> {
    let stack = libc::stack_t { ss_sp: (&raw mut FAULT_STACK).cast(), ss_flags: 0, ss_size: ALTERNATE_STACK };
    // SAFETY: the stack is static, aligned, and used for nothing else.
    Errno::result(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) })?;
    // The kernel restores the default before the handler runs, so a second fault ends the process.
    let flags = SaFlags::SA_ONSTACK | SaFlags::SA_RESETHAND | SaFlags::SA_NODEFER;
    let action = SigAction::new(SigHandler::SigAction(on_fault), flags, SigSet::empty());
    for signal in [Signal::SIGSEGV, Signal::SIGBUS] {
        // SAFETY: the handler only makes system calls that may be made in a handler, and never returns.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// Ends the process on the two signals that end a worker, where it is the first process of a namespace: the kernel keeps
/// their default from such a one, so that an abort would not end it and a forbidden call would.
pub(crate) fn leave_on_signals() -> nix::Result<()> {
    // The stack of the fault handler, since an overflow ends in an abort.
    let action = SigAction::new(SigHandler::Handler(on_end), SaFlags::SA_ONSTACK, SigSet::empty());
    for signal in [Signal::SIGABRT, Signal::SIGXCPU] {
        // SAFETY: the handler only ends the process.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

extern "C" fn on_end(signal: c_int) {
    let status = if signal == libc::SIGXCPU { Exit::Processor } else { Exit::Aborted };
    status.leave()
}

/// Bytes below the stack pointer within which a fault is taken for an overflow: a large frame, probed page by page.
const OVERFLOW_REACH: usize = 1 << 20;

extern "C" fn on_fault(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes both, filled in, to a handler installed with SA_SIGINFO.
    let (address, stack_pointer) = unsafe { ((*info).si_addr() as usize, stack_pointer(context)) };
    if address.abs_diff(stack_pointer) <= OVERFLOW_REACH {
        crate::crash::say(b"dana-worker: stack overflow\n");
        // SAFETY: `abort` may be called in a handler.
        unsafe { libc::abort() }
    }
    crate::crash::say(b"dana-worker: memory fault\n");
    // Dying of the same signal needs no system call: the default is back, so a second fault is the end.
    // SAFETY: the access faults, on purpose; nothing runs after it.
    unsafe { std::ptr::null::<u8>().wrapping_add(8).read_volatile() };
}

/// # Safety
///
/// `context` is the one the kernel passed to a signal handler.
unsafe fn stack_pointer(context: *mut c_void) -> usize {
    let context = context.cast::<libc::ucontext_t>();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: see above.
    let value = unsafe { (*context).uc_mcontext.gregs[libc::REG_RSP as usize] as usize };
    #[cfg(target_arch = "aarch64")]
    // SAFETY: see above.
    let value = unsafe { (*context).uc_mcontext.sp as usize };
    value
}

/// Sets the securebits of this thread.
pub(crate) fn set_securebits(bits: c_ulong) -> nix::Result<()> {
    prctl(libc::PR_SET_SECUREBITS, bits)
}

/// The securebits of this thread.
pub(crate) fn securebits() -> nix::Result<c_int> {
    ask_prctl(libc::PR_GET_SECUREBITS, 0)
}

/// Drops one capability from the bounding set.
pub(crate) fn drop_from_bounding_set(capability: c_ulong) -> nix::Result<()> {
    prctl(libc::PR_CAPBSET_DROP, capability)
}

/// Memory-deny-write-execute, for the rest of the process's life.
pub(crate) fn refuse_exec_gain() -> nix::Result<()> {
    prctl(libc::PR_SET_MDWE, c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN))
}

/// A way in which a processor can be led astray. (`linux/prctl.h`)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Flaw {
    StoreBypass = 0,
    IndirectBranch = 1,
}

const PR_GET_SPECULATION_CTRL: c_int = 52;
const PR_SET_SPECULATION_CTRL: c_int = 53;
const PR_SPEC_PRCTL: c_int = 1 << 0;
const PR_SPEC_DISABLE: c_int = 1 << 2;
const PR_SPEC_FORCE_DISABLE: c_int = 1 << 3;

/// Whether the processor does not have the flaw, or may not use it: not this process, or none at all.
pub(crate) fn speculation_is_harmless(flaw: Flaw) -> bool {
    match ask_prctl(PR_GET_SPECULATION_CTRL, flaw as c_ulong) {
        Ok(0) => true,
        Ok(state) if state & PR_SPEC_PRCTL == 0 => state & PR_SPEC_DISABLE != 0,
        Ok(state) => state & PR_SPEC_FORCE_DISABLE != 0,
        Err(_) => false,
    }
}

/// Forbids the use of the flaw to this process, for good.
pub(crate) fn forbid_speculation(flaw: Flaw) -> nix::Result<()> {
    const NONE: c_ulong = 0;
    let (flaw, verdict) = (flaw as c_ulong, PR_SPEC_FORCE_DISABLE as c_ulong);
    // SAFETY: plain numbers, no pointers.
    Errno::result(unsafe { libc::prctl(PR_SET_SPECULATION_CTRL, flaw, verdict, NONE, NONE) }).map(drop)
}

fn prctl(option: c_int, value: c_ulong) -> nix::Result<()> {
    ask_prctl(option, value).map(drop)
}

fn ask_prctl(option: c_int, value: c_ulong) -> nix::Result<c_int> {
    const NONE: c_ulong = 0;
    // SAFETY: the options used in this file take plain numbers, no pointers.
    Errno::result(unsafe { libc::prctl(option, value, NONE, NONE, NONE) })
}

/// What the kernel takes as a filter (`struct sock_fprog`).
#[repr(C)]
struct FilterProgram {
    length: u16,
    code: *const Instruction,
}

/// Loads a filter for every thread of the process. It cannot be taken off.
pub(crate) fn load_filter(code: &[Instruction]) -> nix::Result<()> {
    let length = u16::try_from(code.len()).map_err(|_| Errno::E2BIG)?;
    let program = FilterProgram { length, code: code.as_ptr() };
    // SAFETY: `Instruction` has the layout of `struct sock_filter`, and the kernel copies the program before returning.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            c_long::from(libc::SECCOMP_SET_MODE_FILTER),
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    // With TSYNC, a positive result is the id of a thread that could not be covered.
    match Errno::result(result)? {
        0 => Ok(()),
        _ => Err(Errno::ESRCH),
    }
}

/// Makes the system call `number` without arguments; the error is the bare number, since the canary's has no name.
pub(crate) fn ask(number: u32) -> Result<(), u16> {
    // SAFETY: asked for a number that is no system call.
    let result = unsafe { libc::syscall(c_long::from(number)) };
    if result == -1 { Err(Errno::last_raw().try_into().unwrap_or(0)) } else { Ok(()) }
}

/// Ends the process without running anything.
pub(crate) fn leave(status: c_int) -> ! {
    // SAFETY: `_exit` is one system call.
    unsafe { libc::_exit(status) }
}
