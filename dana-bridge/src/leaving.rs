//! The end of the interpreter: threads that are in a turn are brought back to Python before it comes.
//!
//! The rule: a daemon thread that waits here without the GIL must not ask for it once the interpreter is being torn
//! down. CPython ends such a thread by force, and a thread that is ended by force inside Rust takes the process with
//! it. So at exit turns of other threads are stopped, and waited for as long as they still can take the GIL. They end
//! with `SystemExit`, which leaves a thread without a word: a traceback written by a daemon thread would hold the lock
//! of standard error when the teardown needs it. Left out: threads that are inside a Python function of the host's own
//! at that moment.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PySystemExit;

use crate::stop::Stop;
use crate::sys::{PerProcess, is_main_thread};

/// Longest wait for the others: one that is stuck in a function of the host must not hold up the exit.
const LEAVING: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Turns {
    over: AtomicBool,
    /// Threads inside.
    inside: AtomicUsize,
    waiting: Mutex<()>,
    left: Condvar,
}

static TURNS: PerProcess<Turns> = PerProcess::new();

/// A thread that may wait without the GIL. Dropped with the GIL held, back in Python.
#[derive(Debug)]
pub(crate) struct Inside(&'static Turns);

impl Inside {
    pub(crate) fn enter() -> Self {
        let turns = TURNS.get();
        turns.inside.fetch_add(1, Ordering::SeqCst);
        Inside(turns)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
        // Waking costs a system call even when nobody sleeps, and somebody does only at the very end.
        if self.0.over.load(Ordering::SeqCst) {
            drop(lock(&self.0.waiting));
            self.0.left.notify_all();
        }
    }
}

/// Stops the turn of this thread if the interpreter ends. The main thread runs what others registered for the end, and
/// may go on.
pub(crate) fn check() -> Result<(), Stop> {
    if TURNS.get().over.load(Ordering::Acquire) && !is_main_thread() {
        return Err(Stop::Python(PySystemExit::new_err(())));
    }
    Ok(())
}

/// Tells the turns of other threads to end.
pub(crate) fn begin() {
    TURNS.get().over.store(true, Ordering::SeqCst);
}

/// Waits until they have, without the GIL.
pub(crate) fn wait() {
    let turns = TURNS.get();
    let inside = |_: &mut ()| turns.inside.load(Ordering::SeqCst) > 0;
    // After the longest wait the exit goes on: nothing more can be done for whoever is still inside.
    let _ = turns.left.wait_timeout_while(lock(&turns.waiting), LEAVING, inside);
}

fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
