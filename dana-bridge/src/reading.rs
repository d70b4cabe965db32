//! Sources that are read and never run: completeness, the canonical style, findings.
//!
//! This happens in the host's process, in code without `unsafe`, and with the GIL released. Names are hashed with a seed
//! of their own, so that no source can aim at collisions.

use std::hash::{BuildHasher, RandomState};

use dana_lang::lint::{CODES, Options, check};
use dana_lang::style::{StyleError, format};
use dana_lang::syntax::error::SyntaxFault;
use dana_lang::syntax::{Span, is_complete as complete};
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
        let found = check(source, &Options { defined, exporting });
        let mut cursor = Cursor::new(source);
        found.into_iter().map(|it| told(&mut cursor, it.code.name, it.message, it.hint, it.span)).collect()
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
            Ok(Formatted::Refused(told(&mut Cursor::new(source), "S101", message, hint, span)))
        }
        Err(error) => Err(PyRuntimeError::new_err(error.to_string())),
    }
}

/// Spans come in the order of their starts.
fn told(
    cursor: &mut Cursor<'_>,
    code: &'static str,
    message: String,
    hint: Option<String>,
    span: Span,
) -> Told {
    cursor.go_to(span.start);
    let mut end = cursor.clone();
    end.go_to(span.end);
    (code, message, hint, cursor.line, cursor.column, end.line, end.column)
}

/// A place that moves forward through a source, so that many places take one pass.
#[derive(Clone)]
struct Cursor<'s> {
    source: &'s str,
    at: usize,
    line: u32,
    column: u32,
}

impl<'s> Cursor<'s> {
    fn new(source: &'s str) -> Self {
        Cursor { source, at: 0, line: 1, column: 1 }
    }

    fn go_to(&mut self, offset: u32) {
        let to = (offset as usize).min(self.source.len());
        for &byte in self.source.as_bytes().get(self.at..to).unwrap_or_default() {
            match byte {
                b'\n' => (self.line, self.column) = (self.line + 1, 1),
                // The first byte of a code point.
                _ if byte & 0xC0 != 0x80 => self.column += 1,
                _ => {}
            }
        }
        self.at = self.at.max(to);
    }
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
