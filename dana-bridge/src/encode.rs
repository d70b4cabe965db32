//! Python objects into a payload, without an intermediate tree.
//!
//! The rule: only values cross. Objects are recognised by their exact kind, never asked how to
//! convert themselves, and whatever cannot cross is named with the path to it. While a large value is encoded, other
//! Python threads get their turn; one that changes the value meanwhile makes it unsendable.

mod table;

use dana_wire::{Budget, Encoder, Literal, Violation};
use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyDictMethods, PyFloat, PyFloatMethods, PyFrozenSet, PyInt, PyList,
    PySet, PyString, PyTuple, PyType,
};

use crate::crossing;
use crate::function::Function;
use crate::literal::{self, Found};
use crate::pace::Pace;
use crate::raise;
use crate::session::Session;
use crate::structure::Struct;

/// Lists of at least this many numbers of one kind go as one buffer.
const PACKED: usize = 16;

/// Why a value cannot cross. What was written so far is to be dropped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsendable {
    /// Something in the value; the path is innermost first.
    #[error("{reason}")]
    Value { reason: String, python_type: Option<Py<PyType>>, path: Vec<Step> },
    /// Something in the value, for a reason that Python gave.
    #[error("{reason}")]
    Refused { reason: String, error: PyErr, path: Vec<Step> },
    #[error(transparent)]
    Python(#[from] PyErr),
}

/// How deep values may be in each other here; the wire's own limit comes first where no object stands for another.
const DEEP: usize = 300;

fn unsendable_name(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let name = value.get_type().fully_qualified_name();
    Ok(match name {
        Ok(name) => format!("a value of type {name} cannot be sent to Dana"),
        // Its metaclass has an opinion of its own.
        Err(error) if error.is_instance_of::<PyException>(value.py()) => {
            "a value of a type that does not tell its name cannot be sent to Dana".to_owned()
        }
        Err(error) => return Err(error),
    })
}

/// A class and those that it derives from, as it says itself; none if it does not. PyO3's own `mro` panics then.
fn bases<'py>(kind: &Bound<'py, PyType>) -> Vec<Bound<'py, PyAny>> {
    let told = kind.getattr(intern!(kind.py(), "__mro__"));
    let told = told.ok().and_then(|told| told.cast_into::<PyTuple>().ok());
    told.map(|bases| bases.iter().collect()).unwrap_or_default()
}

/// A tuple of a class made by `NamedTuple`.
fn is_named(tuple: &Bound<'_, PyTuple>) -> bool {
    bases(&tuple.get_type()).iter().any(|base| {
        base.cast::<PyType>().is_ok_and(|base| {
            let own = base.getattr(intern!(base.py(), "__dict__"));
            own.and_then(|own| own.contains(intern!(base.py(), "_field_defaults"))).unwrap_or(false)
        })
    })
}

/// One step from a value to a part of it.
#[derive(Debug)]
pub(crate) enum Step {
    Argument(usize),
    Name(String),
    Item(usize),
    Key(String),
    Field(String),
    Member,
}

impl Unsendable {
    fn value(reason: impl Into<String>, value: &Bound<'_, PyAny>) -> Self {
        Unsendable::Value {
            reason: reason.into(),
            python_type: Some(value.get_type().unbind()),
            path: Vec::new(),
        }
    }

    pub(crate) fn at(mut self, step: Step) -> Self {
        if let Unsendable::Value { path, .. } | Unsendable::Refused { path, .. } = &mut self {
            path.push(step);
        }
        self
    }

    /// The Python error.
    pub(crate) fn raise(self, py: Python<'_>) -> PyErr {
        match self {
            Unsendable::Python(error) => error,
            Unsendable::Refused { reason, error, path } => {
                let place = describe(&path);
                if place.is_empty() {
                    return error;
                }
                let python_type = error.value(py).getattr("python_type").ok();
                let told = raise::conversion(py, &format!("{reason} at {place}"), python_type);
                told.set_cause(py, error.cause(py));
                told
            }
            Unsendable::Value { reason, python_type, path } => {
                let place = describe(&path);
                let message = if place.is_empty() { reason } else { format!("{reason} at {place}") };
                let python_type = python_type.map(|kind| kind.into_bound(py).into_any());
                raise::conversion(py, &message, python_type)
            }
        }
    }
}

impl From<Violation> for Unsendable {
    fn from(violation: Violation) -> Self {
        Unsendable::Value {
            reason: format!("cannot be sent to Dana: {violation}"),
            python_type: None,
            path: Vec::new(),
        }
    }
}

/// Bytes from which on a bytes value at the end of a message is sent from where it is.
const APART: usize = 64 << 10;

/// Appends values to a message for the interpreter of `session`.
pub(crate) struct Sender<'a, 'py> {
    encoder: Encoder<'a>,
    session: &'a Bound<'py, Session>,
    /// What belongs behind all that was written.
    apart: Option<PyBackedBytes>,
    pace: Pace<'py>,
    /// The containers we are inside of, to find those that contain themselves.
    inside: Vec<*mut pyo3::ffi::PyObject>,
}

impl<'a, 'py> Sender<'a, 'py> {
    pub(crate) fn new(out: &'a mut Vec<u8>, session: &'a Bound<'py, Session>) -> Self {
        let encoder = Encoder::new(out, &Budget::FROM_HOST);
        Sender { encoder, session, apart: None, pace: Pace::new(session.py()), inside: Vec::new() }
    }

    /// Ends the payload. What is returned belongs behind it.
    pub(crate) fn finish(self) -> Result<Option<PyBackedBytes>, Unsendable> {
        self.encoder.finish()?;
        Ok(self.apart)
    }

    /// Appends the arguments of a call: positional ones, then those by keyword in their order.
    pub(crate) fn arguments(
        &mut self,
        positional: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> Result<(), Unsendable> {
        let last = if keywords.is_none_or(PyDictMethods::is_empty) { positional.len() } else { 0 };
        for (index, value) in positional.iter().enumerate() {
            let sent = if index + 1 == last { self.last(&value) } else { self.value(&value) };
            sent.map_err(|error| error.at(Step::Argument(index)))?;
        }
        for (name, value) in keywords.into_iter().flatten() {
            self.value(&value).map_err(|error| error.at(Step::Name(name.to_string())))?;
        }
        Ok(())
    }

    /// Appends the last value of the message. A large one of type bytes is not copied.
    pub(crate) fn last(&mut self, value: &Bound<'py, PyAny>) -> Result<(), Unsendable> {
        match value.cast::<PyBytes>() {
            Ok(bytes) if bytes.as_bytes().len() >= APART => {
                self.encoder.bytes_apart(bytes.as_bytes().len())?;
                self.apart = Some(bytes.clone().into());
                Ok(())
            }
            _ => self.value(value),
        }
    }

    /// Appends one value.
    pub(crate) fn value(&mut self, value: &Bound<'py, PyAny>) -> Result<(), Unsendable> {
        self.pace.step();
        if value.is_none() {
            self.encoder.none()?;
        } else if let Ok(text) = value.cast::<PyString>() {
            self.text(text)?;
        } else if let Ok(truth) = value.cast::<PyBool>() {
            self.encoder.bool(truth.is_true())?;
        } else if let Ok(int) = value.cast::<PyInt>() {
            self.int(int)?;
        } else if let Ok(float) = value.cast::<PyFloat>() {
            self.encoder.float(float.value())?;
        } else if let Ok(bytes) = value.cast::<PyBytes>() {
            self.encoder.bytes(bytes.as_bytes())?;
        } else {
            self.enter(value)?;
            self.container(value)?;
            self.inside.pop();
        }
        Ok(())
    }

    fn container(&mut self, value: &Bound<'py, PyAny>) -> Result<(), Unsendable> {
        if let Ok(list) = value.cast::<PyList>() {
            self.list(list)
        } else if let Ok(dict) = value.cast::<PyDict>() {
            self.encoder.dict(dict.len())?;
            pairs(dict, |key, value| {
                let step = || Step::Key(key_text(key));
                self.value(key).map_err(|error| error.at(step()))?;
                self.value(value).map_err(|error| error.at(step()))
            })
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            if !tuple.is_exact_instance_of::<PyTuple>() && is_named(tuple) {
                return self.object(value);
            }
            self.encoder.tuple(tuple.len())?;
            self.items(tuple, tuple.iter())
        } else if let Ok(set) = value.cast::<PySet>() {
            self.encoder.set(set.len())?;
            self.members(set)
        } else if let Ok(set) = value.cast::<PyFrozenSet>() {
            self.encoder.frozen_set(set.len())?;
            self.members(set)
        } else if let Ok(structure) = value.cast::<Struct>() {
            self.structure(structure)
        } else if let Ok(function) = value.cast::<Function>() {
            self.function(function)
        } else if let Ok(bytes) = value.cast::<PyByteArray>() {
            Ok(self.encoder.bytes(&bytes.to_vec())?)
        } else {
            self.other(value)
        }
    }

    /// What is none of the plain kinds.
    fn other(&mut self, value: &Bound<'py, PyAny>) -> Result<(), Unsendable> {
        match literal::text_of(value, self.session.get().zones())? {
            Found::Text(kind, text) => {
                return match Literal::parse(kind, &text) {
                    Some(literal) => Ok(self.encoder.literal(&literal)?),
                    None => Err(Unsendable::value(unsendable_name(value)?, value)),
                };
            }
            Found::Refused(reason) => return Err(Unsendable::value(reason, value)),
            Found::No => {}
        }
        self.object(value)
    }

    /// What only Python can tell: a record, a member of an Enum, an object of a registered type.
    fn object(&mut self, value: &Bound<'py, PyAny>) -> Result<(), Unsendable> {
        // Objects that stand for others are not counted by the wire.
        if self.inside.len() > DEEP {
            return Err(Unsendable::value("a value nested too deeply cannot be sent to Dana", value));
        }
        let py = value.py();
        match crossing::outgoing(self.session, value) {
            Ok(stands) if stands.is(py.NotImplemented()) => {
                // A registered type comes before a table that it is.
                if self.table(value)? {
                    Ok(())
                } else {
                    Err(Unsendable::value(unsendable_name(value)?, value))
                }
            }
            Ok(stands) => self.value(&stands),
            Err(error) if raise::is_conversion(py, &error) => Err(Unsendable::Refused {
                reason: error.value(py).str()?.to_string_lossy().into_owned(),
                error,
                path: Vec::new(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes that we are inside `value`; refuses a container inside itself.
    fn enter(&mut self, value: &Bound<'py, PyAny>) -> Result<(), Unsendable> {
        let here = value.as_ptr();
        if self.inside.contains(&here) {
            return Err(Unsendable::value("a value that contains itself cannot be sent to Dana", value));
        }
        self.inside.push(here);
        Ok(())
    }

    fn text(&mut self, text: &Bound<'py, PyString>) -> Result<(), Unsendable> {
        let utf8 = text
            .to_str()
            .map_err(|_| Unsendable::value("a str with a lone surrogate cannot be sent to Dana", text))?;
        Ok(self.encoder.str(utf8)?)
    }

    fn int(&mut self, int: &Bound<'py, PyInt>) -> Result<(), Unsendable> {
        if let Ok(small) = int.extract::<i64>() {
            return Ok(self.encoder.int(small)?);
        }
        // By the type's own methods: a subclass may have others of these names.
        let py = int.py();
        let kind = py.get_type::<PyInt>();
        let bits: usize = kind.call_method1("bit_length", (int,))?.extract()?;
        let keywords = PyDict::new(py);
        keywords.set_item("signed", true)?;
        let bytes = kind.call_method("to_bytes", (int, bits / 8 + 1, "little"), Some(&keywords))?;
        Ok(self.encoder.bigint(bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes())?)
    }

    fn list(&mut self, list: &Bound<'py, PyList>) -> Result<(), Unsendable> {
        if list.len() >= PACKED && self.packed(list)? {
            return Ok(());
        }
        self.encoder.list(list.len())?;
        self.items(list, list.iter())
    }

    /// Sends a list of nothing but floats, or nothing but small ints, as one buffer.
    fn packed(&mut self, list: &Bound<'py, PyList>) -> Result<bool, Unsendable> {
        let Sender { encoder, pace, .. } = self;
        let Ok(first) = list.get_item(0) else { return Ok(false) };
        if first.is_exact_instance_of::<PyFloat>() {
            let floats = list.iter().map(|item| {
                pace.step();
                item.cast_exact::<PyFloat>().ok().map(PyFloatMethods::value)
            });
            return Ok(encoder.floats_if(list.len(), floats)?);
        }
        if first.is_exact_instance_of::<PyInt>() {
            let ints = list.iter().map(|item| {
                pace.step();
                item.cast_exact::<PyInt>().ok().and_then(|int| int.extract().ok())
            });
            return Ok(encoder.ints_if(list.len(), ints)?);
        }
        Ok(false)
    }

    /// The items of `whole`.
    fn items(
        &mut self,
        whole: &Bound<'py, PyAny>,
        items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
    ) -> Result<(), Unsendable> {
        let mut left = items.len();
        for (index, item) in items.enumerate() {
            self.value(&item).map_err(|error| error.at(Step::Item(index)))?;
            left = left.saturating_sub(1);
        }
        if left == 0 { Ok(()) } else { Err(changed(whole)) }
    }

    /// The members of a set.
    fn members(&mut self, set: &Bound<'py, PyAny>) -> Result<(), Unsendable> {
        for member in set.try_iter()? {
            // A set that changes meanwhile is Python's own error.
            self.value(&member?).map_err(|error| error.at(Step::Member))?;
        }
        Ok(())
    }

    fn structure(&mut self, structure: &Bound<'py, Struct>) -> Result<(), Unsendable> {
        let fields = structure.get().fields(structure.py());
        self.encoder.structure(structure.get().type_name(), fields.len())?;
        pairs(fields, |name, value| {
            let name: String = name.extract()?;
            self.encoder.str(&name)?;
            self.value(value).map_err(|error| error.at(Step::Field(name)))
        })
    }

    fn function(&mut self, function: &Bound<'py, Function>) -> Result<(), Unsendable> {
        let inner = function.get();
        if !inner.session().bind(function.py()).is(self.session) {
            return Err(Unsendable::value(
                "a Dana function can only be sent to the session it came from",
                function,
            ));
        }
        Ok(self.encoder.function(inner.handle(), inner.name())?)
    }
}

/// A container that another thread changed while its items were being sent.
fn changed(container: &Bound<'_, PyAny>) -> Unsendable {
    Unsendable::value("a value that changes while it is being sent cannot be sent to Dana", container)
}

/// Goes through a dict which another thread may change meanwhile.
fn pairs<'py>(
    dict: &Bound<'py, PyDict>,
    mut each: impl FnMut(&Bound<'py, PyAny>, &Bound<'py, PyAny>) -> Result<(), Unsendable>,
) -> Result<(), Unsendable> {
    let count = dict.len();
    let mut items = dict.iter();
    for _ in 0..count {
        // The iterator panics when it finds that the dict has changed.
        let same = dict.len() == count;
        let Some((key, value)) = same.then(|| items.next()).flatten() else { return Err(changed(dict)) };
        each(&key, &value)?;
    }
    Ok(())
}

/// A dict key as it would be written, cut short; keys are scalars or tuples of them.
fn key_text(key: &Bound<'_, PyAny>) -> String {
    let text = match key.cast::<PyString>() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => return key.repr().map_or_else(|_| "?".to_owned(), |repr| cut(repr.to_string())),
    };
    cut(text)
}

fn cut(text: String) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "...",
        None => text,
    }
}

/// A path as Python would write it: `args[0].rows[3].price`.
fn describe(path: &[Step]) -> String {
    let mut place = String::new();
    for step in path.iter().rev() {
        match step {
            Step::Argument(index) => place.push_str(&format!("args[{index}]")),
            Step::Item(index) => place.push_str(&format!("[{index}]")),
            Step::Name(name) => place.push_str(name),
            Step::Field(name) => place.push_str(&format!(".{name}")),
            Step::Key(key) if is_name(key) => place.push_str(&format!(".{key}")),
            Step::Key(key) => place.push_str(&format!("[{key:?}]")),
            Step::Member => place.push_str("{...}"),
        }
    }
    place
}

fn is_name(key: &str) -> bool {
    key.chars().all(|char| char.is_alphanumeric() || char == '_')
        && !key.starts_with(|char: char| char.is_ascii_digit())
        && !key.is_empty()
}
