//! One turn at a time: the lock round a session's conversation.
//!
//! The rule: a thread waits for its turn with the GIL released and until its own deadline, and a
//! thread that is already inside is refused, for it would wait for itself.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How often a waiting thread looks for signals.
const SLICE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Gate<T> {
    inside: Mutex<Inhabitant>,
    left: Condvar,
    content: Mutex<T>,
}

#[derive(Debug, Default)]
struct Inhabitant {
    /// Key of the thread inside; 0 is nobody.
    thread: usize,
    /// Threads that wait for it to leave.
    waiting: usize,
}

/// Why a thread was not let in. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the session is in the middle of a turn of this very thread: what it asks cannot use it again")]
    Reentered,
    #[error("the session was busy with other threads' turns until the deadline")]
    Deadline,
    #[error("interrupted")]
    Python(#[from] PyErr),
}

/// The right to use the content, until dropped.
#[derive(Debug)]
pub(crate) struct Inside<'g, T> {
    gate: &'g Gate<T>,
    content: Option<MutexGuard<'g, T>>,
}

impl<T: Send> Gate<T> {
    pub(crate) fn new(content: T) -> Self {
        Gate { inside: Mutex::default(), left: Condvar::new(), content: Mutex::new(content) }
    }

    /// Waits until nobody else is inside.
    pub(crate) fn enter(&self, py: Python<'_>, deadline: Option<Instant>) -> Result<Inside<'_, T>, Refused> {
        let me = thread_key();
        if !self.try_take(me)? {
            self.wait(py, me, deadline)?;
        }
        Ok(Inside { gate: self, content: Some(self.content.lock().unwrap_or_else(PoisonError::into_inner)) })
    }

    /// Enters if nobody is inside.
    pub(crate) fn try_enter(&self) -> Option<Inside<'_, T>> {
        let me = thread_key();
        if !matches!(self.try_take(me), Ok(true)) {
            return None;
        }
        let content = match self.content.try_lock() {
            Ok(content) => Some(content),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        Some(Inside { gate: self, content })
    }

    /// Empties what is inside if nobody is, without waiting for any lock: in the child of a fork the
    /// thread that holds it may not exist.
    pub(crate) fn take_after_fork(&self) -> Option<T>
    where
        T: Default,
    {
        self.content.try_lock().ok().map(|mut content| std::mem::take(&mut *content))
    }

    fn try_take(&self, me: usize) -> Result<bool, Refused> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match inside.thread {
            0 => {
                inside.thread = me;
                Ok(true)
            }
            other if other == me => Err(Refused::Reentered),
            _ => Ok(false),
        }
    }

    fn wait(&self, py: Python<'_>, me: usize, deadline: Option<Instant>) -> Result<(), Refused> {
        loop {
            let entered = py.detach(|| {
                let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
                inside.waiting += 1;
                let waited = self.left.wait_timeout_while(inside, SLICE, |inside| inside.thread != 0);
                let (mut inside, _) = waited.unwrap_or_else(PoisonError::into_inner);
                inside.waiting -= 1;
                let free = inside.thread == 0;
                if free {
                    inside.thread = me;
                }
                free
            });
            if entered {
                return Ok(());
            }
            py.check_signals()?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Refused::Deadline);
            }
        }
    }
}

impl<T> Inside<'_, T> {
    /// What the gate protects.
    pub(crate) fn content(&mut self) -> Option<&mut T> {
        self.content.as_deref_mut()
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        self.content = None;
        let mut inside = self.gate.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.thread = 0;
        // Waking costs a system call even when nobody sleeps.
        if inside.waiting > 0 {
            self.gate.left.notify_one();
        }
    }
}

/// A number no other living thread has, and never 0: the address of a variable of this thread.
fn thread_key() -> usize {
    thread_local! { static HERE: u8 = const { 0 }; }
    HERE.with(|here| std::ptr::from_ref(here).addr())
}
