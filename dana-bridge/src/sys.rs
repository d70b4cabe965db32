//! The bridge's only unsafe code: system calls without a safe wrapper, a value per process, and
//! the one promise that lets an interpreter move between threads.
//!
//! The rule: each function is safe to call in any state of the process, and each block says why.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use libc::{c_char, c_int, c_long, c_void};
use nix::errno::Errno;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::worker::Worker;

/// What a new process executes. All descriptors are 3 or above.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    pub(crate) path: &'a CStr,
    pub(crate) arguments: &'a [&'a CStr],
    /// Become 0, 1 and 2 of the new process; it inherits nothing else.
    pub(crate) streams: [BorrowedFd<'a>; 3],
    /// Open `cgroup.procs` files of the groups it moves into; at most 2.
    pub(crate) groups: &'a [OwnedFd],
    /// Whether it becomes the first process of a process namespace.
    pub(crate) own_pids: bool,
}

/// A process that runs its program.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    /// Why it is not in its groups, if it is not.
    pub(crate) outside: Option<Errno>,
}

/// Where on the way to its program a child stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChildStep {
    #[error("clone")]
    Clone,
    #[error("dup3")]
    Streams,
    #[error("chdir")]
    Directory,
    #[error("execve")]
    Execute,
}

/// What the child needs and how it reports back, in memory shared with the suspended parent.
#[repr(C)]
struct Errand {
    path: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    streams: [c_int; 3],
    /// -1 is none.
    groups: [c_int; 2],
    outside: c_int,
    failed: Option<(ChildStep, c_int)>,
}

const CHILD_STACK: usize = 32 << 10;
/// Bytes of the kernel's signal set.
const SIGNAL_SET: usize = 8;

/// Starts a program with an empty environment in `/`, all signals at their defaults and unblocked, and with
/// addresses at random whatever this process was started with.
/// The calling thread is suspended until the program runs or could not be started; no memory is
/// copied.
pub(crate) fn spawn(image: &Image<'_>) -> Result<Started, (ChildStep, Errno)> {
    let mut arguments: Vec<*const c_char> = image.arguments.iter().map(|word| word.as_ptr()).collect();
    arguments.push(ptr::null());
    let environment = [ptr::null()];
    let mut errand = Errand {
        path: image.path.as_ptr(),
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        streams: image.streams.map(|fd| fd.as_raw_fd()),
        groups: [0, 1].map(|at| image.groups.get(at).map_or(-1, AsRawFd::as_raw_fd)),
        outside: 0,
        failed: None,
    };
    let mut stack: Vec<u128> = Vec::with_capacity(CHILD_STACK / size_of::<u128>());
    let mut pidfd: c_int = -1;
    let all: u64 = !0;
    let mut before: u64 = 0;
    // SAFETY: both sets are 8 bytes, as said. Signals stay blocked while the child shares our memory, so that none of
    // our handlers can run in it.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const all,
            &raw mut before,
            SIGNAL_SET,
        )
    };
    // SAFETY: CLONE_VFORK suspends this thread until the child has executed its program or ended, so `errand`, what it
    // points to, and the stack outlive the child's use of them. The stack's top is 16-byte aligned and the area is
    // large enough for `child`, which makes raw calls only. CLONE_PIDFD writes to the fifth argument.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.capacity()).cast::<c_void>();
        let namespace = if image.own_pids { libc::CLONE_NEWPID } else { 0 };
        let flags = namespace | libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
        libc::clone(child, top, flags, (&raw mut errand).cast(), &raw mut pidfd)
    };
    let error = Errno::last();
    // SAFETY: as above; the third pointer may be null.
    unsafe {
        let unwanted: *mut u64 = ptr::null_mut();
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const before, unwanted, SIGNAL_SET)
    };
    if pid < 0 {
        return Err((ChildStep::Clone, error));
    }
    if pidfd < 0 {
        return Err((ChildStep::Clone, Errno::ENOSYS));
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    match errand.failed {
        None => {
            let outside = (errand.outside != 0).then(|| Errno::from_raw(errand.outside));
            Ok(Started { pid, pidfd, outside })
        }
        Some((step, errno)) => {
            reap_failed(&pidfd);
            Err((step, Errno::from_raw(errno)))
        }
    }
}

/// Runs in the child, on its own stack, in the parent's memory: raw calls only.
extern "C" fn child(errand: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a pointer to its own `Errand` and is suspended while we use it. Every pointer in it is
    // valid as long. A kernel `sigaction` of zeros is the default action; it has at most 4 words.
    unsafe {
        let errand = &mut *errand.cast::<Errand>();
        let default: [u64; 4] = [0; 4];
        let unwanted: *mut u64 = ptr::null_mut();
        for signal in 1..=64 as c_int {
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, unwanted, SIGNAL_SET);
        }
        for door in errand.groups.iter().filter(|door| **door >= 0) {
            // "0" is whoever writes.
            if libc::syscall(libc::SYS_write, *door, c"0".as_ptr(), 1_usize) < 0 {
                errand.outside = *libc::__errno_location();
            }
        }
        let step = 'work: {
            for (wanted, fd) in errand.streams.iter().enumerate() {
                if libc::syscall(libc::SYS_dup3, *fd, wanted as c_int, 0) < 0 {
                    break 'work ChildStep::Streams;
                }
            }
            if libc::syscall(libc::SYS_chdir, c"/".as_ptr()) < 0 {
                break 'work ChildStep::Directory;
            }
            // Kernels before 5.11 lack it; the worker closes what it does not know, too.
            libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            let none: u64 = 0;
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, unwanted, SIGNAL_SET);
            // A host may have been started with fixed addresses (`setarch -R`, debuggers).
            libc::syscall(libc::SYS_personality, 0_usize);
            libc::syscall(libc::SYS_execve, errand.path, errand.arguments, errand.environment);
            ChildStep::Execute
        };
        errand.failed = Some((step, *libc::__errno_location()));
        libc::syscall(libc::SYS_exit_group, 127);
    }
    127
}

/// Takes away what is left of a child that could not execute its program.
fn reap_failed(pidfd: &OwnedFd) {
    // SAFETY: a null `siginfo` is allowed; the descriptor is ours.
    unsafe {
        libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as libc::id_t, ptr::null_mut(), libc::WEXITED);
    }
}

/// Makes a descriptor of this process lead nowhere without freeing its number, which its owner still closes.
/// Without a descriptor to spare it stays as it is.
pub(crate) fn lead_nowhere(fd: RawFd) {
    let Ok(nothing) = std::fs::File::open("/dev/null") else { return };
    // SAFETY: `nothing` is open; `fd` is replaced, not closed, so that whoever owns the number still owns an open file.
    unsafe { libc::dup3(nothing.as_raw_fd(), fd, libc::O_CLOEXEC) };
}

/// Sends SIGKILL to exactly the process behind the descriptor, never to a later one with its number.
pub(crate) fn kill(pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
    let no_info: *const libc::siginfo_t = ptr::null();
    // SAFETY: no memory is passed.
    let result: c_long = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, no_info, 0_u32)
    };
    Errno::result(result).map(drop)
}

/// Writes to a pipe; if nobody reads it, this is an error and never a signal. `None` if this kernel cannot (Linux before
/// 6.18).
pub(crate) fn write_without_signal(pipe: BorrowedFd<'_>, bytes: &[u8]) -> Option<Result<usize, Errno>> {
    const RWF_NOSIGNAL: c_int = 0x100;
    static LACKING: AtomicBool = AtomicBool::new(false);
    if LACKING.load(Ordering::Relaxed) {
        return None;
    }
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the one part is readable for as long as said, and is not written to; -1 is the place where the pipe is.
    let written = unsafe { libc::pwritev2(pipe.as_raw_fd(), &raw const part, 1, -1, RWF_NOSIGNAL) };
    match Errno::result(written) {
        Ok(written) => Some(Ok(written.unsigned_abs())),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL | Errno::ESPIPE | Errno::EPERM) => {
            LACKING.store(true, Ordering::Relaxed);
            None
        }
        Err(errno) => Some(Err(errno)),
    }
}

/// True if a write to a broken pipe would end the process. Python ignores the signal; a host may not.
pub(crate) fn sigpipe_kills() -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only reads the present action into memory of the right type, which zeros are valid for.
    unsafe {
        libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction == libc::SIG_DFL
    }
}

/// Takes a pending SIGPIPE, which the caller has blocked in this thread, if there is one.
pub(crate) fn take_sigpipe() {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the set is initialised by `sigemptyset`; a null `siginfo` is allowed.
    unsafe {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        libc::sigtimedwait(set.as_ptr(), ptr::null_mut(), &raw const now);
    }
}

/// The number of this process, without asking the kernel each time. Right after a fork, too.
pub(crate) fn process() -> u32 {
    static PROCESS: AtomicU32 = AtomicU32::new(0);
    extern "C" fn forget() {
        PROCESS.store(0, Ordering::Relaxed);
    }
    static FORGETS: std::sync::Once = std::sync::Once::new();
    match PROCESS.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: the handler only stores to an atomic, which is allowed in the child of a fork of threads; it
            // lives as long as the process, for an extension module is never unloaded.
            FORGETS.call_once(|| unsafe {
                libc::pthread_atfork(None, None, Some(forget));
            });
            let process = std::process::id();
            PROCESS.store(process, Ordering::Relaxed);
            process
        }
        process => process,
    }
}

/// Has every fork of this process call the first before it, and one of the others after it. Once is enough.
pub(crate) fn at_fork(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    static REGISTERED: std::sync::Once = std::sync::Once::new();
    // SAFETY: the functions live as long as the process, for an extension module is never unloaded. The one that runs in
    // the child may only do what is allowed there: see `forks`, whose one opens, duplicates and closes descriptors, and
    // reads what the thread that forked holds locked.
    REGISTERED.call_once(|| unsafe {
        libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child));
    });
}

/// True on the thread on which Python runs the handlers of signals.
pub(crate) fn is_main_thread() -> bool {
    thread_local! {
        /// For which process this thread knows the answer, and what it is.
        static KNOWN: std::cell::Cell<(u32, bool)> = const { std::cell::Cell::new((0, false)) };
    }
    let process = process();
    match KNOWN.get() {
        (known, answer) if known == process => answer,
        _ => {
            let answer = nix::unistd::gettid() == nix::unistd::getpid();
            KNOWN.set((process, answer));
            answer
        }
    }
}

/// Whether this thread runs Python in the interpreter that the process began with.
pub(crate) fn is_main_interpreter() -> bool {
    // SAFETY: called while a module is loaded, so that the thread is attached to an interpreter.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) == 0 }
}

/// The capabilities this thread may use at once, a bit each; none if the kernel does not tell.
pub(crate) fn capabilities() -> u64 {
    const VERSION: u32 = 0x2008_0522; // _LINUX_CAPABILITY_VERSION_3
    let mut header: [u32; 2] = [VERSION, 0];
    // Effective, permitted and inheritable: the low halves, then the high ones.
    let mut sets: [[u32; 3]; 2] = [[0; 3]; 2];
    // SAFETY: the header and both halves of the sets have the layout and the size of this version.
    let result = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    let [[low, ..], [high, ..]] = sets;
    if result == 0 { u64::from(high) << 32 | u64::from(low) } else { 0 }
}

/// Sixteen bytes nobody can guess.
pub(crate) fn random() -> Result<[u64; 2], Errno> {
    let mut words = [0_u64; 2];
    // SAFETY: the buffer is as long as said; so short a request is never cut.
    let result = unsafe { libc::getrandom(words.as_mut_ptr().cast(), size_of_val(&words), 0) };
    Errno::result(result).map(|_| words)
}

/// A descriptor of a worker, in an event queue.
#[derive(Debug)]
pub(crate) struct Queued {
    fd: RawFd,
    _owner: Arc<Worker>,
}

impl AsRawFd for Queued {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

/// Puts the process descriptor of a worker into the event queue of the runtime at hand.
pub(crate) fn queue_end(worker: &Arc<Worker>) -> io::Result<AsyncFd<Queued>> {
    queue(Queued { fd: worker.pidfd().as_raw_fd(), _owner: worker.clone() })
}

/// The same with its standard error.
pub(crate) fn queue_stderr(worker: &Arc<Worker>) -> io::Result<AsyncFd<Queued>> {
    queue(Queued { fd: worker.stderr().as_raw_fd(), _owner: worker.clone() })
}

fn queue(queued: Queued) -> io::Result<AsyncFd<Queued>> {
    // SAFETY: both descriptors belong to the worker for as long as it lives, never change, and are closed only when it
    // is dropped; `queued` keeps it alive for as long as the registration.
    unsafe { AsyncFd::register_with_interest(queued, Interest::READABLE) }.map_err(io::Error::from)
}

/// A descriptor of our own, in the event queue of the runtime at hand.
pub(crate) fn queue_owned(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the registration owns the descriptor, which stays open, and the same, for as long as it lives.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}

/// One value per process. After a fork the child gets a new one and leaves the parent's alone:
/// another thread of the parent may have been in the middle of changing it.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    current: AtomicPtr<Owned<T>>,
}

#[derive(Debug)]
struct Owned<T> {
    process: u32,
    value: T,
}

impl<T: Default + Send + Sync + 'static> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        PerProcess { current: AtomicPtr::new(ptr::null_mut()) }
    }

    /// This process's value, made when first asked for. One made before a fork is never freed.
    pub(crate) fn get(&'static self) -> &'static T {
        let process = process();
        loop {
            let present = self.current.load(Ordering::Acquire);
            // SAFETY: null, or made by `Box::into_raw` below, published with Release, and never freed.
            if let Some(owned) = unsafe { present.as_ref() }
                && owned.process == process
            {
                return &owned.value;
            }
            let fresh = Box::into_raw(Box::new(Owned { process, value: T::default() }));
            let swapped = self.current.compare_exchange(present, fresh, Ordering::AcqRel, Ordering::Acquire);
            if swapped.is_err() {
                // SAFETY: `fresh` was not published, so it is still ours alone.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }
}

/// A value that is used by one thread at a time but not always by the same one.
#[derive(Debug)]
pub(crate) struct Moved<T>(T);

// SAFETY: `T` here is the interpreter (`dana_lang::Server`) with its meter. What makes it `!Send` are `Rc`s and `Cell`s
// that all lie inside the one value: none is handed out, none is shared with another session or kept in a thread-local.
// The session's lock lets one thread at a time touch the value, and taking the lock orders their accesses. So a move is
// a move of the whole graph. The allocator's per-thread count is saved and restored by the meter round each turn.
unsafe impl<T> Send for Moved<T> {}

impl<T> Moved<T> {
    pub(crate) fn new(value: T) -> Self {
        Moved(value)
    }

    pub(crate) fn get(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A bytes object that is being read from a pipe. Nobody sees it before all of it has come.
#[derive(Debug)]
pub(crate) struct Incoming {
    bytes: Py<PyBytes>,
    /// Its memory.
    memory: *mut u8,
    length: usize,
    come: usize,
}

// SAFETY: the memory belongs to `bytes`, which nobody else has a reference to while this is used, and does not move.
unsafe impl Send for Incoming {}

impl Incoming {
    /// One of `length` bytes, which begins with `begun`. The memory is found by the kernel as it is written to.
    pub(crate) fn new(py: Python<'_>, length: usize, begun: &[u8]) -> PyResult<Incoming> {
        let size = isize::try_from(length)?;
        // SAFETY: a null pointer asks for an object whose bytes are not yet set; the result is a new reference or null
        // with an exception. Its memory is as large as asked.
        let (bytes, memory) = unsafe {
            let object = ffi::PyBytes_FromStringAndSize(ptr::null(), size);
            let bytes = Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked::<PyBytes>();
            (bytes.unbind(), ffi::PyBytes_AsString(object).cast::<u8>())
        };
        let come = begun.len().min(length);
        prefer_huge_pages(memory, length);
        // SAFETY: `come` bytes are within both, which do not overlap.
        unsafe { ptr::copy_nonoverlapping(begun.as_ptr(), memory, come) };
        Ok(Incoming { bytes, memory, length, come })
    }

    pub(crate) fn missing(&self) -> usize {
        self.length - self.come
    }

    /// Reads once, no more than is missing; 0 is the end of the stream.
    pub(crate) fn fill(&mut self, pipe: BorrowedFd<'_>) -> Result<usize, Errno> {
        // SAFETY: the range is the part of the object's memory that has not come yet.
        let read = unsafe {
            libc::read(pipe.as_raw_fd(), self.memory.add(self.come).cast::<c_void>(), self.missing())
        };
        let read = Errno::result(read)?.unsigned_abs();
        self.come += read;
        Ok(read)
    }

    /// The object, if all of it has come.
    pub(crate) fn whole(self) -> Option<Py<PyBytes>> {
        (self.come == self.length).then_some(self.bytes)
    }
}

/// Asks for few large pages in place of many small ones, each of which is a fault: half of what receiving costs.
fn prefer_huge_pages(memory: *mut u8, length: usize) {
    const HUGE: usize = 2 << 20;
    let before = memory.align_offset(HUGE);
    let within = length.saturating_sub(before) / HUGE * HUGE;
    if within > 0 {
        // SAFETY: only whole pages inside of the given memory; the advice changes no contents, and may be refused.
        unsafe { libc::madvise(memory.wrapping_add(before).cast(), within, libc::MADV_HUGEPAGE) };
    }
}

/// Keeps Python's garbage collector from starting by itself. True if it would have.
pub(crate) fn stop_collector(_py: Python<'_>) -> bool {
    // SAFETY: the GIL is held, as the token proves.
    unsafe { ffi::PyGC_Disable() != 0 }
}

/// Lets it start again.
pub(crate) fn start_collector(_py: Python<'_>) {
    // SAFETY: as above.
    unsafe { ffi::PyGC_Enable() };
}
