//! Sources that are read and never run: completeness, the canonical style, findings.
//!
//! This happens in the host's process, in code without `unsafe`, and with the GIL released. Names are hashed with a seed
//! of their own, so that no source can aim at collisions.

use std::hash::{BuildHasher, RandomState};

use dana_lang::lint::{CODES, Finding, Options, check};
use dana_lang::style::{StyleError, format};
use dana_lang::syntax::error::SyntaxFault;
use dana_lang::syntax::{Source, is_complete as complete};
use dana_lang::value::hash::set_seed;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Code, message, hint, and where: line, column, last line, column behind the end. All count from 1.
type Told = (&'static str, String, Option<String>, u32, u32, u32, u32);

/// Whether a source typed so far is complete, or wrong whatever may follow; False: more lines are needed.
#[pyfunction]
pub(crate) fn is_complete(py: Python<'_>, source: &str) -> bool {
    read(py, || complete(source))
}

/// All findings in a source, in order.
#[pyfunction]
pub(crate) fn findings(py: Python<'_>, source: &str, defined: Vec<String>, exporting: bool) -> Vec<Told> {
    read(py, || {
        let places = Source::new(source);
        let found = check(source, &Options { defined, exporting });
        found.into_iter().map(|finding| told(&places, finding)).collect()
    })
}

/// Name, severity and meaning of every code of a finding.
#[pyfunction]
pub(crate) fn lint_codes() -> Vec<(&'static str, &'static str, &'static str)> {
    CODES.iter().map(|code| (code.name, code.severity.text(), code.summary)).collect()
}

#[derive(IntoPyObject)]
pub(crate) enum Formatted {
    Text(String),
    /// Why it is no Dana.
    Refused(Told),
}

/// The source in the canonical style, or the syntax error.
#[pyfunction]
pub(crate) fn format_source(py: Python<'_>, source: &str) -> PyResult<Formatted> {
    match read(py, || format(source)) {
        Ok(text) => Ok(Formatted::Text(text)),
        Err(StyleError::Syntax(SyntaxFault { message, span, hint })) => {
            let (line, column, last_line, last_column) = place(&Source::new(source), span);
            let told = ("S101", message, hint, line, column, last_line, last_column);
            Ok(Formatted::Refused(told))
        }
        Err(error) => Err(PyRuntimeError::new_err(error.to_string())),
    }
}

fn told(places: &Source, finding: Finding) -> Told {
    let (line, column, last_line, last_column) = place(places, finding.span);
    (finding.code.name, finding.message, finding.hint, line, column, last_line, last_column)
}

fn place(places: &Source, span: dana_lang::syntax::Span) -> (u32, u32, u32, u32) {
    let start = places.position(span.start);
    let end = places.position(span.end.max(span.start));
    (start.line, start.column, end.line, end.column)
}

fn read<T: Send>(py: Python<'_>, work: impl Send + FnOnce() -> T) -> T {
    py.detach(|| {
        let random = RandomState::new();
        let _around = Seed(set_seed([random.hash_one(1_u8), random.hash_one(2_u8)]));
        work()
    })
}

/// The seed of this thread before, put back whatever happens.
struct Seed([u64; 2]);

impl Drop for Seed {
    fn drop(&mut self) {
        set_seed(self.0);
    }
}
