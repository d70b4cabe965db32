//! Tables as the objects they came from.
//!
//! The rule: the buffers were checked by the reader; Python (`opendxa.dana.tables`) makes the object, and refuses names
//! of types that it never gave.

use std::collections::HashSet;

use dana_wire::{Cells, KeyFault, Plain, Table, Violation, end};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyList, PyString, PyTuple};

use super::Receiver;
use crate::stop::Stop;

impl<'py> Receiver<'_, 'py> {
    /// The object that a table is to Python.
    pub(super) fn table(&mut self, table: &Table<'_>) -> Result<Bound<'py, PyAny>, Stop> {
        let (py, at) = (self.py, self.reader.position());
        let mut names = HashSet::new();
        if !table.columns().all(|column| column.index || names.insert(column.name)) {
            return Err(Violation::Key { fault: KeyFault::Duplicate, at }.into());
        }
        let mut columns = Vec::with_capacity(table.len());
        for column in table.columns() {
            self.containers += 8;
            let (cells, categories) = match &column.cells {
                Cells::Plain(plain) => (self.plain(plain, column.valid)?, None),
                Cells::Codes { codes, categories, dtype, .. } => {
                    let codes = ("i", "", PyByteArray::new(py, codes)).into_pyobject(py)?;
                    let dtype = PyString::new(py, dtype).into_any();
                    let all = self.plain(categories, None)?.iter().chain([dtype]).collect::<Vec<_>>();
                    (codes, Some(PyTuple::new(py, all)?))
                }
                Cells::Values => {
                    let at = self.reader.position();
                    let list = self.value()?;
                    if !list.cast::<PyList>().is_ok_and(|list| list.len() == table.rows) {
                        return Err(Violation::Column { at }.into());
                    }
                    (("v", "", list).into_pyobject(py)?, None)
                }
            };
            let valid = column.valid.map(|bits| PyByteArray::new(py, bits));
            let told = (column.name, column.dtype, column.index, valid, cells, categories);
            columns.push(told.into_pyobject(py)?);
        }
        let columns = PyList::new(py, columns)?;
        incoming((table.rows, table.lone, table.note, columns).into_pyobject(py)?)
    }

    /// Kind, unit and buffer; of texts a list, with None for those that are missing.
    fn plain(&mut self, plain: &Plain<'_>, valid: Option<&[u8]>) -> Result<Bound<'py, PyTuple>, Stop> {
        let py = self.py;
        let (kind, unit, bytes) = match plain {
            Plain::Ints(bytes) => ("i", "", bytes),
            Plain::Floats(bytes) => ("f", "", bytes),
            Plain::Bools(bytes) => ("b", "", bytes),
            Plain::Times { unit, zoned, ticks } => (if *zoned { "z" } else { "t" }, unit.name(), ticks),
            Plain::Spans { unit, ticks } => ("d", unit.name(), ticks),
            Plain::Texts { ends, text } => {
                let (mut at, mut from) = (0, 0);
                let list = self.list(plain.count(), |receiver| {
                    receiver.count()?;
                    let to = end(ends, at);
                    let here =
                        valid.is_none_or(|bits| bits.get(at / 8).is_some_and(|it| it >> (at % 8) & 1 == 1));
                    let cell = text.get(from..to).unwrap_or_default();
                    (at, from) = (at + 1, to);
                    Ok(if here { PyString::new(py, cell).into_any() } else { py.None().into_bound(py) })
                })?;
                return Ok(("s", "", list).into_pyobject(py)?);
            }
        };
        Ok((kind, unit, PyByteArray::new(py, bytes)).into_pyobject(py)?)
    }
}

/// Asks Python for the object.
fn incoming<'py>(table: Bound<'py, PyTuple>) -> Result<Bound<'py, PyAny>, Stop> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MALFORMED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = table.py();
    let made = FUNCTION.import(py, "opendxa.dana.tables", "incoming")?.call1((table,));
    made.map_err(|error| {
        let malformed = MALFORMED.import(py, "opendxa.dana.tables", "Malformed");
        match malformed.map(|class: &Bound<'py, PyAny>| error.matches(py, class)) {
            Ok(Ok(true)) => Stop::Violation(crate::stderr::escape(&error.value(py).to_string())),
            _ => error.into(),
        }
    })
}
