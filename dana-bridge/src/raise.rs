//! Errors as Python sees them. The classes and their texts are in `opendxa.dana.exceptions`; here
//! is only which one, and with what.
//!
//! The rule: no class is ever chosen by a name the interpreter sent.

use dana_wire::{Assertion, Fault, LimitKind, Shape};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

use crate::ending::{Ending, Kind};
use crate::stderr::escape;
use crate::watch::Position;

/// The error for a turn the program ended itself.
///
/// `behind` is the exception of the host that it comes from, `usage` what the turn took, `limit` one that the host
/// keeps itself.
pub(crate) fn fault(
    py: Python<'_>,
    fault: &Fault,
    behind: Option<PyErr>,
    usage: Option<Bound<'_, PyDict>>,
    limit: Option<&'static str>,
) -> PyErr {
    fault_fields(py, fault)
        .and_then(|fields| {
            if let Some(limit) = limit {
                fields.set_item("limit", limit)?;
            }
            fields.set_item("behind", behind)?;
            fields.set_item("usage", usage)?;
            Ok(fields)
        })
        .and_then(|fields| build(py, "from_fault", (fields,)))
        .unwrap_or_else(|error| error)
}

/// An exception object of the program as a Python value.
pub(crate) fn exception_value<'py>(
    py: Python<'py>,
    kind: &str,
    message: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("kind", escape(kind))?;
    fields.set_item("message", escape(message))?;
    Ok(build(py, "from_fault", (fields,))?.into_value(py).into_bound(py).into_any())
}

/// The error for a session that is over.
pub(crate) fn ending(py: Python<'_>, ending: &Ending) -> PyErr {
    let name = match ending.kind {
        Kind::Crashed => "crashed",
        Kind::Memory => "out_of_memory",
        Kind::Killed => "killed",
        Kind::Violation => "violation",
        Kind::Lost => "lost",
        Kind::Cpu => "cpu",
        Kind::Deadline => "deadline",
        Kind::Protocol => "protocol",
        Kind::Closed => "closed",
        Kind::Isolation => "isolation",
    };
    ending_fields(py, ending)
        .and_then(|fields| build(py, "from_crash", (name, fields)))
        .unwrap_or_else(|error| error)
}

/// The session was closed, or is not to be used here and now.
pub(crate) fn closed(py: Python<'_>, message: &str) -> PyErr {
    ending(py, &Ending { message: message.to_owned(), ..Ending::of(Kind::Closed) })
}

/// The program made more asks than it may.
pub(crate) fn too_many_asks(py: Python<'_>, limit: u64, at: &Position) -> PyErr {
    fault(
        py,
        &Fault {
            kind: "AskLimitError".to_owned(),
            message: format!("the program went on asking after its limit of {limit} asks in one turn"),
            file: at.file.clone(),
            line: at.line,
            limit: Some(LimitKind::Asks),
            hint: Some(
                "raise Limits(asks=...) or lift it with None; the session must be opened anew".to_owned(),
            ),
            ..Fault::default()
        },
        None,
        None,
        None,
    )
}

/// Whether it says that a value cannot cross.
pub(crate) fn is_conversion(py: Python<'_>, error: &PyErr) -> bool {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || {
        py.import("opendxa.dana.exceptions")?.getattr("TypeConversionError").map(Bound::unbind)
    });
    class.is_ok_and(|class| error.matches(py, class).unwrap_or(false))
}

/// Whether Python says that the session may not ask models any more: tokens, questions or money are used up.
pub(crate) fn is_model_limit(py: Python<'_>, error: &PyErr) -> bool {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || {
        py.import("opendxa.dana.exceptions")?.getattr("ModelLimitError").map(Bound::unbind)
    });
    class.is_ok_and(|class| error.matches(py, class).unwrap_or(false))
}

/// Something that is needed for a worker cannot be had.
pub(crate) fn resource(py: Python<'_>, message: &str) -> PyErr {
    build(py, "ResourceError", (escape(message),)).unwrap_or_else(|error| error)
}

/// As many workers as there may be are busy.
pub(crate) fn exhausted(py: Python<'_>, message: &str) -> PyErr {
    build(py, "from_exhaustion", (escape(message),)).unwrap_or_else(|error| error)
}

/// The session is in the middle of something else; empty is the usual case, of a function that calls back.
pub(crate) fn busy(py: Python<'_>, message: &str) -> PyErr {
    build(py, "from_reentry", (message,)).unwrap_or_else(|error| error)
}

/// A value that cannot cross.
pub(crate) fn conversion(py: Python<'_>, message: &str, python_type: Option<Bound<'_, PyAny>>) -> PyErr {
    build(py, "TypeConversionError", (message, python_type)).unwrap_or_else(|error| error)
}

fn build<'py>(py: Python<'py>, maker: &str, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyResult<PyErr> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("opendxa.dana.exceptions").map(Bound::unbind))?;
    let error = module.bind(py).getattr(maker)?.call1(arguments)?;
    if error.is_instance_of::<pyo3::exceptions::PyBaseException>() {
        return Ok(PyErr::from_value(error));
    }
    Err(PyRuntimeError::new_err("opendxa.dana.exceptions did not make an exception"))
}

fn fault_fields<'py>(py: Python<'py>, fault: &Fault) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("kind", escape(&fault.kind))?;
    fields.set_item("message", escape(&fault.message))?;
    fields.set_item("file", fault.file.as_deref().map(escape))?;
    fields.set_item("line", fault.line)?;
    fields.set_item("column", fault.column)?;
    fields.set_item("excerpt", fault.excerpt.as_deref().map(escape))?;
    fields.set_item("hint", fault.hint.as_deref().map(escape))?;
    fields.set_item("limit", fault.limit.map(limit_name))?;
    fields.set_item("syntax", fault.syntax)?;
    let trace = PyList::empty(py);
    for frame in &fault.trace {
        let call = PyDict::new(py);
        call.set_item("function", escape(&frame.function))?;
        call.set_item("file", frame.file.as_deref().map(escape))?;
        call.set_item("line", frame.line)?;
        call.set_item("column", frame.column)?;
        call.set_item("source", frame.source.as_deref().map(escape))?;
        trace.append(call)?;
    }
    fields.set_item("trace", trace)?;
    // The wire caps how many causes there are.
    let cause = fault.cause.as_deref().map(|cause| fault_fields(py, cause)).transpose()?;
    fields.set_item("cause", cause)?;
    let assertion = fault.assertion.as_deref().map(|found| assertion_fields(py, found)).transpose()?;
    fields.set_item("assertion", assertion)?;
    Ok(fields)
}

/// What a failed assertion found. The texts are the program's as they are: who shows them escapes them.
fn assertion_fields<'py>(py: Python<'py>, assertion: &Assertion) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("text", &assertion.text)?;
    let operands = PyList::empty(py);
    for operand in &assertion.operands {
        let told = PyDict::new(py);
        told.set_item("start", operand.start)?;
        told.set_item("end", operand.end)?;
        told.set_item("text", &operand.text)?;
        told.set_item("shape", shape_name(operand.shape))?;
        let parts = operand.parts.iter().map(|part| (part.key.as_str(), part.text.as_str()));
        told.set_item("parts", PyList::new(py, parts.collect::<Vec<_>>())?)?;
        told.set_item("count", operand.count)?;
        operands.append(told)?;
    }
    fields.set_item("operands", operands)?;
    let compared = assertion.compared.as_ref();
    let compared = compared.map(|compared| (compared.left, compared.operator.as_str(), compared.right));
    fields.set_item("compared", compared)?;
    Ok(fields)
}

/// What the parts of an operand are, as Python names it.
fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Plain => "plain",
        Shape::Text => "text",
        Shape::Items => "items",
        Shape::Members => "members",
        Shape::Pairs => "pairs",
        Shape::Fields => "fields",
    }
}

/// A limit as Python names it.
pub(crate) fn limit_name(limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::Steps => "steps",
        LimitKind::Memory => "memory",
        LimitKind::Depth => "depth",
        LimitKind::Output => "output",
        LimitKind::Asks => "asks",
    }
}

fn ending_fields<'py>(py: Python<'py>, ending: &Ending) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("message", &ending.message)?;
    fields.set_item("signal", ending.signal)?;
    fields.set_item("exit_code", ending.exit_code)?;
    fields.set_item("stderr", &ending.stderr)?;
    fields.set_item("file", ending.position.file.as_deref())?;
    fields.set_item("line", ending.position.line)?;
    fields.set_item("seconds", ending.seconds)?;
    Ok(fields)
}
