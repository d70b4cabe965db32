//! `opendxa.dana._bridge`: sessions of Dana interpreters for Python, each in a locked worker
//! process of its own or, with the same methods, in the host's process.

#![deny(unsafe_code)]

mod asks;
mod cgroup;
mod collector;
mod converse;
mod core;
mod crossing;
mod decode;
mod encode;
mod ending;
mod facts;
mod forks;
mod function;
mod gate;
mod handles;
mod leaving;
mod limits;
mod link;
mod literal;
mod mailbox;
mod namespaces;
mod opening;
mod pace;
mod patience;
mod pool;
mod pool_face;
mod raise;
mod reading;
mod recruit;
mod report;
mod session;
mod spawn;
mod stderr;
mod stop;
mod structure;
mod supervise;
#[expect(unsafe_code, reason = "system calls without a safe wrapper; see the module")]
mod sys;
mod turn;
mod verify;
mod watch;
mod wish;
mod worker;

/// Counts what each interpreter in this process holds; see `dana-meter`.
#[global_allocator]
static HEAP: dana_meter::Counting<mimalloc::MiMalloc> = dana_meter::Counting::new(mimalloc::MiMalloc);

/// The extension module.
#[pyo3::pymodule]
mod _bridge {
    #[pymodule_export]
    use crate::crossing::restore_structs;
    #[pymodule_export]
    use crate::function::Function;
    #[pymodule_export]
    use crate::pool_face::{pool_configure, pool_empty, pool_stats, pool_warm};
    #[pymodule_export]
    use crate::reading::{findings, format_source, is_complete, lint_codes};
    #[pymodule_export]
    use crate::session::Session;
    #[pymodule_export]
    use crate::structure::Struct;

    use pyo3::prelude::*;

    /// Refuses to be loaded where its objects would be shared between interpreters: Python 3.12 and later ask before.
    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        if crate::sys::is_main_interpreter() {
            return Ok(());
        }
        Err(pyo3::exceptions::PyImportError::new_err("opendxa.dana does not work in subinterpreters"))
    }

    /// Which build this is; a worker of another one is refused.
    #[pymodule_export]
    const BUILD: &str = dana_wire::BUILD;
    /// The version of the protocol.
    #[pymodule_export]
    const PROTOCOL: u32 = dana_wire::PROTOCOL;
    /// Functions of the host that a session may know.
    #[pymodule_export]
    const FUNCTIONS: usize = dana_wire::FUNCTIONS;
    /// Bytes of a function's name.
    #[pymodule_export]
    const NAME_BYTES: usize = dana_wire::NAME_BYTES;

    /// Why programs could never call a function of this name; None if they can.
    #[pyo3::pyfunction]
    fn taken(name: &str) -> Option<&'static str> {
        dana_lang::library::taken(name)
    }
}
