//! A Dana struct in Python: a type name and fields in their order, by value.

use pyo3::PyTraverseError;
use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::stderr::one_line;

/// A value of a Dana struct type. Fields are attributes; where a field has the name of a method
/// here, or a name that begins with an underscore, `get_field` reads it.
///
/// The rule: a program chooses the names of fields, and Python and its libraries take attributes with an underscore for
/// more than data. numpy reads the memory that `__array_interface__` names, templates show what `__html__` returns as it
/// is, notebooks what `_repr_html_` does. So no field of such a name is an attribute.
#[pyclass(module = "opendxa.dana", frozen, weakref)]
#[derive(Debug)]
pub(crate) struct Struct {
    type_name: String,
    fields: Py<PyDict>,
}

impl Struct {
    pub(crate) fn of(type_name: &str, fields: &Bound<'_, PyDict>) -> Self {
        Struct { type_name: type_name.to_owned(), fields: fields.clone().unbind() }
    }

    pub(crate) fn type_name(&self) -> &str {
        &self.type_name
    }

    pub(crate) fn fields<'py>(&self, py: Python<'py>) -> &Bound<'py, PyDict> {
        self.fields.bind(py)
    }

    fn no_field(&self, name: &str) -> PyErr {
        PyAttributeError::new_err(format!("struct '{}' has no field '{name}'", self.type_name))
    }

    /// A field's name where Python asks for an attribute.
    fn attribute(&self, name: &Bound<'_, PyString>) -> PyResult<()> {
        match name.to_string_lossy() {
            name if name.starts_with('_') => Err(self.no_attribute(&name)),
            _ => Ok(()),
        }
    }

    fn no_attribute(&self, name: &str) -> PyErr {
        PyAttributeError::new_err(format!(
            "struct '{}' has no attribute '{name}': get_field and set_field_value know fields that begin with '_'",
            self.type_name
        ))
    }

    fn set(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let fields = self.fields(name.py());
        if !fields.contains(name)? {
            return Err(self.no_field(&name.to_string_lossy()));
        }
        fields.set_item(name, value)
    }
}

#[pymethods]
impl Struct {
    /// Makes a struct value: its type's name, then its fields as a dict, by keyword, or both.
    #[new]
    #[pyo3(signature = (type_name, fields = None, /, **keywords))]
    fn new(
        py: Python<'_>,
        type_name: String,
        fields: Option<&Bound<'_, PyDict>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let all = PyDict::new(py);
        for (name, value) in fields.into_iter().chain(keywords).flatten() {
            if !name.is_instance_of::<PyString>() {
                let kind = name.get_type().name()?;
                return Err(PyTypeError::new_err(format!("Expected str, got {kind} as the name of a field")));
            }
            all.set_item(name, value)?;
        }
        Ok(Struct { type_name, fields: all.unbind() })
    }

    /// The name of the struct's type in Dana.
    #[getter(type_name)]
    fn py_type_name(&self) -> &str {
        &self.type_name
    }

    /// The fields as a new dict, in their order.
    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.fields(py).copy()
    }

    /// The fields as a new dict; structs inside, also in lists, tuples and dicts, become dicts too.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let plain = PyDict::new(py);
        for (name, value) in self.fields(py) {
            plain.set_item(name, as_plain(&value, 0)?)?;
        }
        Ok(plain)
    }

    /// The names of the fields, in their order.
    fn get_field_names<'py>(&self, py: Python<'py>) -> Bound<'py, PyList> {
        self.fields(py).keys()
    }

    /// A field's value; `AttributeError` if there is none of that name.
    fn get_field<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.fields(name.py()).get_item(name)?.ok_or_else(|| self.no_field(&name.to_string_lossy()))
    }

    /// Sets a field of this copy; `AttributeError` if there is none of that name.
    fn set_field_value(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set(name, value)
    }

    fn __getattr__<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(name)?;
        self.get_field(name)
    }

    fn __setattr__(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.attribute(name)?;
        self.set(name, value)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Struct>() else { return Ok(false) };
        let (inner, py) = (other.get(), other.py());
        Ok(self.type_name == inner.type_name && self.fields(py).eq(inner.fields(py))?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut shown = Vec::new();
        for (name, value) in self.fields(py) {
            let name = one_line(&name.str()?.to_string_lossy());
            shown.push(format!("{name}={}", value.repr()?.to_string_lossy()));
        }
        Ok(format!("{}({})", one_line(&self.type_name), shown.join(", ")))
    }

    fn __dir__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let names = py.get_type::<PyAny>().call_method1("__dir__", (slf,))?.cast_into::<PyList>()?;
        for name in slf.get().fields(py).keys() {
            if slf.get().attribute(name.cast::<PyString>()?).is_ok() {
                names.append(name)?;
            }
        }
        Ok(names)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let inner = slf.get();
        let arguments = (inner.type_name.as_str(), inner.fields(py)).into_pyobject(py)?;
        Ok((slf.get_type().into_any(), arguments))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.fields)
    }
}

/// How deep `to_dict` goes: deeper values are left as they are.
const PLAIN_DEPTH: usize = 64;

fn as_plain<'py>(value: &Bound<'py, PyAny>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    if depth >= PLAIN_DEPTH {
        return Ok(value.clone());
    }
    let pairs = |fields: &Bound<'py, PyDict>| {
        let plain = PyDict::new(py);
        for (name, value) in fields {
            plain.set_item(name, as_plain(&value, depth + 1)?)?;
        }
        Ok::<_, PyErr>(plain.into_any())
    };
    if let Ok(structure) = value.cast::<Struct>() {
        return pairs(structure.get().fields(py));
    }
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        return pairs(dict);
    }
    if let Ok(list) = value.cast_exact::<PyList>() {
        let items: Vec<_> = list.iter().map(|item| as_plain(&item, depth + 1)).collect::<PyResult<_>>()?;
        return Ok(PyList::new(py, items)?.into_any());
    }
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        let items: Vec<_> = tuple.iter().map(|item| as_plain(&item, depth + 1)).collect::<PyResult<_>>()?;
        return Ok(PyTuple::new(py, items)?.into_any());
    }
    Ok(value.clone())
}
