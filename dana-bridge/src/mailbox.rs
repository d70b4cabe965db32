//! Answers that arrive on other threads while a turn goes on: put here, and a bell is rung.
//!
//! The rule: whoever puts an answer in never waits, and after the turn's end what arrives is dropped at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use pyo3::prelude::*;

/// What arrived, by the number of its ask.
type Landings = Vec<(u32, Py<PyAny>)>;

#[derive(Debug)]
pub(crate) struct Mailbox {
    /// `None` after the turn: a future may be kept longer, and must not keep a descriptor.
    open: Mutex<Option<Inside>>,
    rung: AtomicBool,
}

#[derive(Debug)]
struct Inside {
    landed: Landings,
    bell: Arc<EventFd>,
}

impl Mailbox {
    /// A mailbox, and the bell that becomes readable when something has arrived.
    pub(crate) fn open() -> Result<(Arc<Self>, Arc<EventFd>), Errno> {
        let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let inside = Inside { landed: Vec::new(), bell: bell.clone() };
        Ok((Arc::new(Mailbox { open: Mutex::new(Some(inside)), rung: AtomicBool::new(false) }), bell))
    }

    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    /// Takes what has arrived.
    pub(crate) fn empty(&self) -> Landings {
        let mut open = self.inside();
        self.rung.store(false, Ordering::Release);
        let Some(inside) = &mut *open else { return Vec::new() };
        // Nothing to read is no error: the flag may be seen before the bell.
        let _ = inside.bell.read();
        std::mem::take(&mut inside.landed)
    }

    /// The turn is over. What had arrived is given back, to be dropped where that is safe.
    pub(crate) fn close(&self) -> Landings {
        self.inside().take().map(|inside| inside.landed).unwrap_or_default()
    }

    fn put(&self, ask: u32, future: Py<PyAny>) {
        let mut open = self.inside();
        let Some(inside) = &mut *open else { return };
        inside.landed.push((ask, future));
        self.rung.store(true, Ordering::Release);
        // It cannot be full: it holds a count.
        let _ = inside.bell.write(1);
    }

    fn inside(&self) -> MutexGuard<'_, Option<Inside>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a future calls when it is done.
#[pyclass(module = "opendxa.dana._bridge", frozen)]
pub(crate) struct Landing {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) ask: u32,
}

#[pymethods]
impl Landing {
    fn __call__(&self, future: Py<PyAny>) {
        self.mailbox.put(self.ask, future);
    }
}
