//! Tables and arrays of numpy, pandas, polars and pyarrow.
//!
//! The rule: what they are is known in Python (`opendxa.dana.tables`), which is asked about objects of these libraries,
//! and of others that offer their columns to Arrow, and is not loaded before there is one. It answers with buffers, or with what has a method `tobytes`, and they
//! are copied into the frame as they are.

use dana_wire::{Cells, Column, Plain, Unit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple, PyType};

use super::{Sender, Step, Unsendable, changed};

/// The libraries whose objects Python is asked about.
const LIBRARIES: [&str; 4] = ["numpy", "pandas", "polars", "pyarrow"];

/// A column as Python tells it: name, type, whether it is an index, validity, its cells, its categories with their type.
type Told<'py> = (
    String,
    String,
    bool,
    Option<PyBackedBytes>,
    (String, String, Bound<'py, PyAny>),
    Option<(String, String, Bound<'py, PyAny>, String)>,
);

/// A column that owns what it consists of.
struct Held<'py> {
    name: String,
    dtype: String,
    index: bool,
    valid: Option<Bytes>,
    cells: Buffer<'py>,
    categories: Option<(Buffer<'py>, String)>,
}

enum Bytes {
    Lent(PyBackedBytes),
    Own(Vec<u8>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Lent(bytes) => bytes,
            Bytes::Own(bytes) => bytes,
        }
    }
}

enum Buffer<'py> {
    Numbers { kind: char, unit: Option<Unit>, bytes: PyBackedBytes },
    Texts { ends: Vec<u8>, text: String },
    Values(Bound<'py, PyList>),
}

impl Buffer<'_> {
    fn plain(&self) -> Option<Plain<'_>> {
        Some(match self {
            Buffer::Numbers { kind, unit, bytes } => match (kind, unit) {
                ('i', _) => Plain::Ints(bytes),
                ('f', _) => Plain::Floats(bytes),
                ('b', _) => Plain::Bools(bytes),
                ('d', Some(unit)) => Plain::Spans { unit: *unit, ticks: bytes },
                (kind, Some(unit)) => Plain::Times { unit: *unit, zoned: *kind == 'z', ticks: bytes },
                _ => return None,
            },
            Buffer::Texts { ends, text } => Plain::Texts { ends, text },
            Buffer::Values(_) => return None,
        })
    }
}

impl Held<'_> {
    fn column(&self) -> Column<'_> {
        let cells = match (&self.categories, &self.cells) {
            (Some((categories, dtype)), Buffer::Numbers { bytes, .. }) => {
                let categories = categories.plain().unwrap_or(Plain::Ints(&[]));
                Cells::Codes { codes: bytes, count: categories.count(), categories, dtype }
            }
            (_, cells) => cells.plain().map_or(Cells::Values, Cells::Plain),
        };
        Column {
            name: &self.name,
            dtype: &self.dtype,
            index: self.index,
            valid: self.valid.as_deref(),
            cells,
        }
    }
}

impl<'py> Sender<'_, 'py> {
    /// Appends an object of one of the libraries; false if it is none, or none that is known.
    pub(super) fn table(&mut self, value: &Bound<'py, PyAny>) -> Result<bool, Unsendable> {
        let kind = value.get_type();
        let offers = || kind.hasattr(intern!(value.py(), "__arrow_c_stream__")).unwrap_or(false);
        if !is_of_library(&kind) && !offers() {
            return Ok(false);
        }
        let told = outgoing(value)?;
        if told.is_none() {
            return Ok(false);
        }
        if let Ok(reason) = told.cast::<PyString>() {
            return Err(Unsendable::value(reason.to_str()?, value));
        }
        if let Ok(other) = told.cast::<PyList>() {
            self.value(&other.get_item(0)?)?;
            return Ok(true);
        }
        let (rows, lone, note, columns): (usize, bool, String, Bound<'py, PyList>) = told.extract()?;
        let told: Vec<Told<'py>> = columns.extract()?;
        let values = told.iter().filter(|column| column.4.0 == "v").count();
        let length = rows.saturating_mul(8).saturating_mul(told.len());
        let open = self.encoder.open_table(rows, [told.len(), values], lone, &note, length)?;
        let mut follow = Vec::new();
        for column in told {
            // One at a time, so that the copies of their buffers take the same memory.
            let held = self.held(column)?;
            self.encoder.column(&held.column())?;
            if let Buffer::Values(values) = held.cells {
                follow.push((held.name, values));
            }
        }
        self.encoder.close_table(&open)?;
        for (name, values) in follow {
            self.encoder.list(rows)?;
            let mut left = rows;
            for (at, cell) in values.iter().take(rows).enumerate() {
                self.value(&cell).map_err(|error| error.at(Step::Key(name.clone())).at(Step::Item(at)))?;
                left = left.saturating_sub(1);
            }
            if left > 0 {
                return Err(changed(value));
            }
        }
        Ok(true)
    }

    fn held(&mut self, told: Told<'py>) -> Result<Held<'py>, Unsendable> {
        let (name, dtype, index, valid, (kind, unit, data), categories) = told;
        let mut valid = valid.map(Bytes::Lent);
        let at = |error: Unsendable, row| error.at(Step::Key(name.clone())).at(Step::Item(row));
        let cells = match kind.as_str() {
            "s" => {
                let (texts, missing) = self.texts(&data, at)?;
                valid = missing.map(Bytes::Own);
                texts
            }
            "v" => Buffer::Values(data.cast_into::<PyList>().map_err(PyErr::from)?),
            kind => numbers(kind, &unit, &data)?,
        };
        let categories = match categories {
            None => None,
            Some((kind, unit, data, dtype)) => {
                let buffer = match kind.as_str() {
                    "s" => self.texts(&data, |error, _| error.at(Step::Key(name.clone())))?.0,
                    kind => numbers(kind, &unit, &data)?,
                };
                Some((buffer, dtype))
            }
        };
        Ok(Held { name, dtype, index, valid, cells, categories })
    }

    /// Texts one behind the other, and which of them are not None, if any is.
    fn texts(
        &mut self,
        list: &Bound<'py, PyAny>,
        at: impl Fn(Unsendable, usize) -> Unsendable,
    ) -> Result<(Buffer<'py>, Option<Vec<u8>>), Unsendable> {
        let list = list.cast::<PyList>().map_err(PyErr::from)?;
        let mut ends = Vec::with_capacity(list.len() * 4);
        let mut text = String::new();
        let mut valid = vec![0_u8; list.len().div_ceil(8)];
        let mut missing = false;
        for (row, cell) in list.iter().enumerate() {
            self.pace.step();
            if cell.is_none() {
                missing = true;
            } else {
                let cell = cell.cast::<PyString>().map_err(PyErr::from)?;
                let utf8 = cell.to_str().map_err(|_| {
                    at(Unsendable::value("a str with a lone surrogate cannot be sent to Dana", cell), row)
                })?;
                text.push_str(utf8);
                if let Some(byte) = valid.get_mut(row / 8) {
                    *byte |= 1 << (row % 8);
                }
            }
            // More than that is refused for its length.
            ends.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        Ok((Buffer::Texts { ends, text }, missing.then_some(valid)))
    }
}

fn numbers<'py>(kind: &str, unit: &str, data: &Bound<'py, PyAny>) -> Result<Buffer<'py>, Unsendable> {
    let kind = kind.chars().next().unwrap_or_default();
    let bytes = match data.cast::<PyBytes>() {
        Ok(bytes) => bytes.clone(),
        Err(_) => data.call_method0(intern!(data.py(), "tobytes"))?.cast_into().map_err(PyErr::from)?,
    };
    Ok(Buffer::Numbers { kind, unit: Unit::named(unit), bytes: bytes.into() })
}

/// Whether a class, or one that it derives from, is of one of the libraries.
fn is_of_library(kind: &Bound<'_, PyType>) -> bool {
    for class in super::bases(kind) {
        let Ok(module) = class.getattr(intern!(kind.py(), "__module__")) else { continue };
        let Ok(module) = module.cast::<PyString>() else { continue };
        let module = module.to_string_lossy();
        let first = module.split('.').next().unwrap_or_default();
        if LIBRARIES.contains(&first) {
            return true;
        }
    }
    false
}

/// What Python says of the object: nothing, why it cannot be sent, another object in a list, or a table.
fn outgoing<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    FUNCTION.import(py, "opendxa.dana.tables", "outgoing")?.call1(PyTuple::new(py, [value])?)
}
