//! Python objects into a payload, without an intermediate tree.
//!
//! The rule: only values cross. Objects are recognised by their exact kind, never asked how to
//! convert themselves, and whatever cannot cross is named with the path to it.

use dana_wire::{Budget, Encoder, Violation};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
    PyType,
};

use crate::function::Function;
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
    #[error(transparent)]
    Python(#[from] PyErr),
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
        if let Unsendable::Value { path, .. } = &mut self {
            path.push(step);
        }
        self
    }

    /// The Python error.
    pub(crate) fn raise(self, py: Python<'_>) -> PyErr {
        match self {
            Unsendable::Python(error) => error,
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

/// Appends values to a message for the interpreter of `session`.
pub(crate) struct Sender<'a, 'py> {
    encoder: Encoder<'a>,
    session: &'a Bound<'py, Session>,
    /// The containers we are inside of, to find those that contain themselves.
    inside: Vec<*mut pyo3::ffi::PyObject>,
}

impl<'a, 'py> Sender<'a, 'py> {
    pub(crate) fn new(out: &'a mut Vec<u8>, session: &'a Bound<'py, Session>) -> Self {
        Sender { encoder: Encoder::new(out, &Budget::FROM_HOST), session, inside: Vec::new() }
    }

    /// Ends the payload.
    pub(crate) fn finish(self) -> Result<(), Unsendable> {
        self.encoder.finish()?;
        Ok(())
    }

    /// Appends the arguments of a call: positional ones, then those by keyword in their order.
    pub(crate) fn arguments(
        &mut self,
        positional: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> Result<(), Unsendable> {
        for (index, value) in positional.iter().enumerate() {
            self.value(&value).map_err(|error| error.at(Step::Argument(index)))?;
        }
        for (name, value) in keywords.into_iter().flatten() {
            self.value(&value).map_err(|error| error.at(Step::Name(name.to_string())))?;
        }
        Ok(())
    }

    /// Appends one value.
    pub(crate) fn value(&mut self, value: &Bound<'py, PyAny>) -> Result<(), Unsendable> {
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
            dict.iter().try_for_each(|(key, value)| {
                let step = || Step::Key(key_text(&key));
                self.value(&key).map_err(|error| error.at(step()))?;
                self.value(&value).map_err(|error| error.at(step()))
            })
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            self.encoder.tuple(tuple.len())?;
            self.items(tuple.iter())
        } else if let Ok(set) = value.cast::<PySet>() {
            self.encoder.set(set.len())?;
            self.members(set.iter())
        } else if let Ok(set) = value.cast::<PyFrozenSet>() {
            self.encoder.set(set.len())?;
            self.members(set.iter())
        } else if let Ok(structure) = value.cast::<Struct>() {
            self.structure(structure)
        } else if let Ok(function) = value.cast::<Function>() {
            self.function(function)
        } else if let Ok(bytes) = value.cast::<PyByteArray>() {
            Ok(self.encoder.bytes(&bytes.to_vec())?)
        } else {
            let name = value.get_type().fully_qualified_name()?;
            Err(Unsendable::value(format!("a value of type {name} cannot be sent to Dana"), value))
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
        self.items(list.iter())
    }

    /// Sends a list of nothing but floats, or nothing but small ints, as one buffer.
    fn packed(&mut self, list: &Bound<'py, PyList>) -> Result<bool, Unsendable> {
        let Ok(first) = list.get_item(0) else { return Ok(false) };
        if first.is_exact_instance_of::<PyFloat>() {
            let mut floats = Vec::with_capacity(list.len());
            for item in list.iter() {
                let Ok(float) = item.cast_exact::<PyFloat>() else { return Ok(false) };
                floats.push(float.value());
            }
            self.encoder.floats(&floats)?;
            return Ok(true);
        }
        if first.is_exact_instance_of::<PyInt>() {
            let mut ints = Vec::with_capacity(list.len());
            for item in list.iter() {
                let Ok(int) = item.cast_exact::<PyInt>() else { return Ok(false) };
                let Ok(int) = int.extract::<i64>() else { return Ok(false) };
                ints.push(int);
            }
            self.encoder.ints(&ints)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn items(&mut self, items: impl Iterator<Item = Bound<'py, PyAny>>) -> Result<(), Unsendable> {
        for (index, item) in items.enumerate() {
            self.value(&item).map_err(|error| error.at(Step::Item(index)))?;
        }
        Ok(())
    }

    fn members(&mut self, members: impl Iterator<Item = Bound<'py, PyAny>>) -> Result<(), Unsendable> {
        for member in members {
            self.value(&member).map_err(|error| error.at(Step::Member))?;
        }
        Ok(())
    }

    fn structure(&mut self, structure: &Bound<'py, Struct>) -> Result<(), Unsendable> {
        let fields = structure.get().fields(structure.py());
        self.encoder.structure(structure.get().type_name(), fields.len())?;
        for (name, value) in fields.iter() {
            let name: String = name.extract()?;
            self.encoder.str(&name)?;
            self.value(&value).map_err(|error| error.at(Step::Field(name)))?;
        }
        Ok(())
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
