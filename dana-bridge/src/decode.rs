//! A payload into Python objects, without an intermediate tree.
//!
//! The rule: the payload has passed the wire's checks before the first object is built, so depth,
//! count and memory are known to be within their budgets, and nothing here looks anything up by a
//! name the interpreter sent. While a large value is built, other Python threads get their turn, and the turn's
//! deadline, Ctrl-C and the closing of the session still hold: keys can be chosen so that Python's dicts and sets take
//! quadratic time to build.

use std::time::{Duration, Instant};

use dana_wire::{Budget, KeyFault, Reader, Token, Violation, floats, ints};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};

use crate::function::Function;
use crate::patience::Patience;
use crate::raise;
use crate::session::Session;
use crate::stop::Stop;
use crate::structure::Struct;

/// Values built between two looks at the clock. Even of keys that all collide, so many are built soon.
const STRETCH: u32 = 64;
/// How long other threads wait for their turn.
const HOLD: Duration = Duration::from_millis(2);

/// Reads values that the interpreter of `session` sent.
pub(crate) struct Receiver<'a, 'py> {
    reader: Reader<'a>,
    session: &'a Bound<'py, Session>,
    py: Python<'py>,
    patience: &'a Patience,
    stretch: u32,
    held_since: Instant,
}

impl<'a, 'py> Receiver<'a, 'py> {
    pub(crate) fn new(
        payload: &'a [u8],
        session: &'a Bound<'py, Session>,
        patience: &'a Patience,
    ) -> Result<Self, Stop> {
        let reader = Reader::new(payload, &Budget::FROM_WORKER)?;
        Ok(Receiver { reader, session, py: session.py(), patience, stretch: 0, held_since: Instant::now() })
    }

    /// The next value.
    pub(crate) fn value(&mut self) -> Result<Bound<'py, PyAny>, Stop> {
        self.count()?;
        let py = self.py;
        Ok(match self.reader.next()? {
            Token::None => py.None().into_bound(py),
            Token::Bool(truth) => PyBool::new(py, truth).to_owned().into_any(),
            Token::Int(int) => int.into_pyobject(py).map_err(PyErr::from)?.into_any(),
            Token::BigInt(bytes) => self.big(bytes)?,
            Token::Float(float) => PyFloat::new(py, float).into_any(),
            Token::Str(text) => PyString::new(py, text).into_any(),
            Token::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
            Token::List(count) => PyList::new(py, self.values(count)?)?.into_any(),
            Token::Tuple(count) => PyTuple::new(py, self.values(count)?)?.into_any(),
            Token::Set(count) => self.set(count)?,
            Token::Dict(count) => self.dict(count)?.into_any(),
            Token::Struct { name, fields } => {
                let fields = self.dict(fields)?;
                Bound::new(py, Struct::of(name, &fields))?.into_any()
            }
            Token::Function { handle, name } => {
                Bound::new(py, Function::hold(self.session, handle, name)?)?.into_any()
            }
            Token::Exception { kind, message } => raise::exception_value(py, kind, message)?,
            Token::Floats(packed) => {
                self.packed(floats(packed), |float| Ok(PyFloat::new(py, float).into_any()))?
            }
            Token::Ints(packed) => {
                self.packed(ints(packed), |int| Ok(int.into_pyobject(py).map_err(PyErr::from)?.into_any()))?
            }
        })
    }

    /// So many values.
    pub(crate) fn values(&mut self, count: usize) -> Result<Vec<Bound<'py, PyAny>>, Stop> {
        (0..count).map(|_| self.value()).collect()
    }

    fn set(&mut self, count: usize) -> Result<Bound<'py, PyAny>, Stop> {
        let set = PySet::empty(self.py)?;
        for _ in 0..count {
            set.add(self.value()?)?;
        }
        self.all_distinct(set.len(), count)?;
        Ok(set.into_any())
    }

    fn dict(&mut self, count: usize) -> Result<Bound<'py, PyDict>, Stop> {
        let dict = PyDict::new(self.py);
        for _ in 0..count {
            let key = self.value()?;
            dict.set_item(key, self.value()?)?;
        }
        self.all_distinct(dict.len(), count)?;
        Ok(dict)
    }

    fn all_distinct(&self, built: usize, sent: usize) -> Result<(), Stop> {
        if built == sent {
            return Ok(());
        }
        Err(Violation::Key { fault: KeyFault::Duplicate, at: self.reader.position() }.into())
    }

    fn packed<T>(
        &mut self,
        numbers: impl ExactSizeIterator<Item = T>,
        build: impl Fn(T) -> PyResult<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>, Stop> {
        let mut items = Vec::with_capacity(numbers.len());
        for number in numbers {
            self.count()?;
            items.push(build(number)?);
        }
        Ok(PyList::new(self.py, items)?.into_any())
    }

    fn big(&self, bytes: &[u8]) -> Result<Bound<'py, PyAny>, Stop> {
        let keywords = PyDict::new(self.py);
        keywords.set_item("signed", true)?;
        let bytes = PyBytes::new(self.py, bytes);
        let int =
            self.py.get_type::<PyInt>().call_method("from_bytes", (bytes, "little"), Some(&keywords))?;
        Ok(int)
    }

    /// Counts one value; now and then lets other Python threads run, and looks whether the turn may go on.
    #[inline]
    fn count(&mut self) -> Result<(), Stop> {
        self.stretch += 1;
        if self.stretch < STRETCH { Ok(()) } else { self.pause() }
    }

    fn pause(&mut self) -> Result<(), Stop> {
        self.stretch = 0;
        if self.held_since.elapsed() >= HOLD {
            self.patience.left()?;
            self.patience.check_signals()?;
            self.py.detach(|| ());
            self.held_since = Instant::now();
        }
        Ok(())
    }
}
