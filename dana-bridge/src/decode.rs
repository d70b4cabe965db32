//! A payload into Python objects, without an intermediate tree.
//!
//! The rule: the payload has passed the wire's checks before the first object is built, so depth,
//! count and memory are known to be within their budgets, and nothing here looks anything up by a
//! name the interpreter sent. While a large value is built, other Python threads get their turn, and the turn's
//! deadline, Ctrl-C and the closing of the session still hold: keys can be chosen so that Python's dicts and sets take
//! quadratic time to build.

mod table;

use dana_wire::{Budget, KeyFault, Literal, Reader, Token, Violation, floats, ints};
use pyo3::prelude::*;
use pyo3::types::frozenset::PyFrozenSetBuilder;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};

use crate::collector::Stopped;
use crate::function::Function;
use crate::literal;
use crate::pace::Pace;
use crate::patience::Patience;
use crate::raise;
use crate::session::Session;
use crate::stop::Stop;
use crate::structure::Struct;

/// Lists of at least this many items are built in place; other threads run meanwhile, and may see them.
const LONG: usize = 64;

/// New containers before what is new is looked through: so many that the collector does not take the looks for a reason
/// to go through everything, so few that one takes a few hundredths of a second at most.
const AGEING: usize = 200_000;

/// Reads values that the interpreter of `session` sent.
pub(crate) struct Receiver<'a, 'py> {
    reader: Reader<'a>,
    session: &'a Bound<'py, Session>,
    py: Python<'py>,
    patience: &'a Patience,
    pace: Pace<'py>,
    /// Not for short values.
    stopped: Option<Stopped<'py>>,
    /// Containers that the collector has not looked through.
    containers: usize,
    /// A struct was among them.
    structs: bool,
}

impl<'a, 'py> Receiver<'a, 'py> {
    pub(crate) fn new(
        payload: &'a [u8],
        session: &'a Bound<'py, Session>,
        patience: &'a Patience,
    ) -> Result<Self, Stop> {
        let reader = Reader::new(payload, &Budget::FROM_WORKER)?;
        Ok(Receiver {
            reader,
            session,
            py: session.py(),
            patience,
            pace: Pace::new(session.py()),
            stopped: None,
            containers: 0,
            structs: false,
        })
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
            Token::List(count) => self.list_of_values(count)?,
            Token::Tuple(count) => {
                self.containers += 1;
                PyTuple::new(py, self.values(count)?)?.into_any()
            }
            Token::Set(count) => self.set(count)?,
            Token::Dict(count) => self.dict(count)?.into_any(),
            Token::Struct { name, fields } => {
                self.structs = true;
                let fields = self.dict(fields)?;
                Bound::new(py, Struct::of(name, &fields))?.into_any()
            }
            Token::Function { handle, name } => {
                Bound::new(py, Function::hold(self.session, handle, name)?)?.into_any()
            }
            Token::Table(table) => self.table(&table)?,
            Token::FrozenSet(count) => self.frozen_set(count)?,
            Token::Literal { kind, text } => {
                let malformed = || Stop::Violation("a literal that is none".to_owned());
                let literal = Literal::parse(kind, text).ok_or_else(malformed)?;
                let object = literal::object(py, &literal, self.session.get().zones())?;
                object
                    .ok_or_else(|| Stop::Violation("a time in a zone that the host never sent".to_owned()))?
            }
            Token::Exception { kind, message } => {
                self.containers += 4;
                raise::exception_value(py, kind, message)?
            }
            Token::Floats(packed) => {
                let mut floats = floats(packed);
                self.list(floats.len(), |receiver| {
                    receiver.count()?;
                    Ok(PyFloat::new(py, floats.next().unwrap_or_default()).into_any())
                })?
            }
            Token::Ints(packed) => {
                let mut ints = ints(packed);
                self.list(ints.len(), |receiver| {
                    receiver.count()?;
                    Ok(ints.next().unwrap_or_default().into_pyobject(py).map_err(PyErr::from)?.into_any())
                })?
            }
        })
    }

    /// Estimated bytes of memory of the values.
    pub(crate) fn charged(&self) -> usize {
        self.reader.charged()
    }

    /// Whether any of the values was, or held, a struct.
    pub(crate) fn has_structs(&self) -> bool {
        self.structs
    }

    /// So many values.
    pub(crate) fn values(&mut self, count: usize) -> Result<Vec<Bound<'py, PyAny>>, Stop> {
        (0..count).map(|_| self.value()).collect()
    }

    fn list_of_values(&mut self, count: usize) -> Result<Bound<'py, PyAny>, Stop> {
        self.containers += 1;
        if count >= LONG {
            return self.list(count, Self::value);
        }
        Ok(PyList::new(self.py, self.values(count)?)?.into_any())
    }

    fn set(&mut self, count: usize) -> Result<Bound<'py, PyAny>, Stop> {
        self.containers += 1;
        let set = PySet::empty(self.py)?;
        for index in 0..count {
            self.pace.among(index);
            set.add(self.value()?)?;
        }
        self.all_distinct(set.len(), count)?;
        Ok(set.into_any())
    }

    fn frozen_set(&mut self, count: usize) -> Result<Bound<'py, PyAny>, Stop> {
        self.containers += 1;
        // One by one: members can be chosen so that this takes long.
        let mut set = PyFrozenSetBuilder::new(self.py)?;
        for index in 0..count {
            self.pace.among(index);
            set.add(self.value()?)?;
        }
        let set = set.finalize();
        self.all_distinct(set.len(), count)?;
        Ok(set.into_any())
    }

    fn dict(&mut self, count: usize) -> Result<Bound<'py, PyDict>, Stop> {
        self.containers += 1;
        let dict = PyDict::new(self.py);
        for index in 0..count {
            self.pace.among(index);
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

    /// A list of what `item` gives, in its final place. It holds `None` where there is nothing yet: a list with holes,
    /// which others could find by way of the garbage collector, would be the end of them.
    fn list(
        &mut self,
        count: usize,
        mut item: impl FnMut(&mut Self) -> Result<Bound<'py, PyAny>, Stop>,
    ) -> Result<Bound<'py, PyAny>, Stop> {
        let list = PyList::new(self.py, std::iter::repeat_n(self.py.None().into_bound(self.py), count))?;
        for index in 0..count {
            list.set_item(index, item(self)?)?;
        }
        Ok(list.into_any())
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
        if self.pace.is_long() { self.look() } else { Ok(()) }
    }

    #[cold]
    fn look(&mut self) -> Result<(), Stop> {
        if !self.pace.is_due() {
            if self.stopped.is_none() {
                self.stopped = Some(Stopped::new(self.py)?);
            }
            return Ok(());
        }
        match self.stopped.take() {
            Some(stopped) if self.containers >= AGEING => {
                self.containers = 0;
                stopped.age()?;
            }
            _ => {}
        }
        self.patience.left()?;
        self.patience.check_signals()?;
        self.pace.rest();
        Ok(())
    }
}
