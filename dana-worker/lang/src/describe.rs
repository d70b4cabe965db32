//! What can be called in a session or found in a module, and how, as values for the host.
//!
//! The rule: what is told is what a call would do; nothing of the program runs for it. Names that begin with `_` are
//! nobody else's.

use std::rc::Rc;

use crate::convert::{self, Handles};
use crate::library::native::{Native, Take};
use crate::library::{self};
use crate::session::Services;
use crate::value::structure::Annotation;
use crate::value::{FuncObj, ModuleObj, Namespace, Raise, StructType, Table, Value, memory, repr};

/// Values that one entry takes, about.
const ENTRY: usize = 32;

/// A module: `file`, `doc`, `package`, and by name its `functions`, `types` and `values`; `unsent` are the types of the
/// values that cannot leave the session.
pub(crate) fn module(module: &ModuleObj, public: &Namespace, handles: &mut Handles) -> Result<Value, Raise> {
    let mut entries = public_names(&module.locals)?;
    let own = entries.len();
    let shared = public_names(public)?;
    entries.extend(shared);
    let (mut functions, mut types) = (Table::new(), Table::new());
    let (mut values, mut unsent) = (Table::new(), Table::new());
    for (at, (name, value)) in entries.into_iter().enumerate() {
        let key = Value::str(&name);
        if at >= own && module.locals.get(&name).is_some() {
            continue;
        }
        match &value {
            // Python binds submodules itself.
            Value::Module(_) => {}
            Value::StructType(kind) => insert(&mut types, key, structure(kind, Some(&value))?)?,
            value if value.is_callable() => insert(&mut functions, key, callable(value, Some(value))?)?,
            value => match convert::try_encode(value, handles) {
                Ok(()) => insert(&mut values, key, value.clone())?,
                Err(raise) if raise.as_error().is_some_and(|error| error.limit.is_none()) => {
                    insert(&mut unsent, key, Value::str(value.type_name()))?;
                }
                Err(raise) => return Err(raise),
            },
        }
    }
    let optional = |text: Option<&str>| text.map_or(Value::None, Value::str);
    let file = module.file.borrow();
    let package = *module.package.borrow() == module.name;
    dict([
        ("file", optional(file.as_deref())),
        ("doc", module.locals.get("__doc__").unwrap_or(Value::None)),
        ("package", Value::bool(package)),
        ("functions", Value::dict(functions)),
        ("types", Value::dict(types)),
        ("values", Value::dict(values)),
        ("unsent", Value::dict(unsent)),
    ])
}

/// A session: by name its `functions`, `types` and `values` (of these, their types), the language's `builtins` and
/// types, and `host`, which are the host's functions.
pub(crate) fn session(main: &ModuleObj, public: &Namespace, services: &Services) -> Result<Value, Raise> {
    let (mut functions, mut types, mut values) = (Table::new(), Table::new(), Table::new());
    for (name, value) in public_names(&main.locals)?.into_iter().chain(public_names(public)?) {
        let key = Value::str(&name);
        match &value {
            Value::StructType(kind) => insert(&mut types, key, structure(kind, None)?)?,
            value if value.is_callable() => insert(&mut functions, key, callable(value, None)?)?,
            value => insert(&mut values, key, Value::str(value.type_name()))?,
        }
    }
    let mut builtins = Table::new();
    for native in library::builtins() {
        insert(&mut builtins, Value::str(native.name), native_function(native, 0, None)?)?;
    }
    let mut host: Vec<&Rc<str>> = services.functions.keys().collect();
    host.sort_unstable();
    dict([
        ("functions", Value::dict(functions)),
        ("types", Value::dict(types)),
        ("values", Value::dict(values)),
        ("builtins", Value::dict(builtins)),
        ("host", Value::list(host.into_iter().map(|name| Value::str(name)).collect())),
    ])
}

fn public_names(space: &Namespace) -> Result<Vec<(Rc<str>, Value)>, Raise> {
    let mut entries = space.entries();
    entries.retain(|(name, _)| !name.starts_with('_'));
    memory::reserve_values(entries.len().saturating_mul(ENTRY))?;
    Ok(entries)
}

fn insert(table: &mut Table<Value>, key: Value, value: Value) -> Result<(), Raise> {
    table.insert(key, value).map(drop)
}

fn dict<const COUNT: usize>(entries: [(&str, Value); COUNT]) -> Result<Value, Raise> {
    let mut table = Table::new();
    for (key, value) in entries {
        insert(&mut table, Value::str(key), value)?;
    }
    Ok(Value::dict(table))
}

/// What is known of a function: `parameters` (name, how it takes its argument, annotation, default), `returns`, `doc`,
/// `line`, and the `function` itself if the host is to have it.
fn callable(value: &Value, handle: Option<&Value>) -> Result<Value, Raise> {
    match value {
        Value::Func(func) => function(func, 0, handle),
        Value::Native(native) => native_function(native, 0, handle),
        Value::Bound(bound) => match &bound.function {
            Value::Func(func) => function(func, 1, handle),
            Value::Native(native) => native_function(native, 1, handle),
            _ => about(Vec::new(), None, None, 0, handle),
        },
        _ => about(Vec::new(), None, None, 0, handle),
    }
}

fn function(func: &FuncObj, bound: usize, handle: Option<&Value>) -> Result<Value, Raise> {
    let code = &func.code;
    let mut defaults = func.defaults.iter();
    let mut parameters = Vec::new();
    for param in &code.params {
        let default = if param.optional { Some(defaults.next().unwrap_or(&Value::None)) } else { None };
        let annotation = param.annotation.as_deref();
        parameters.push(parameter(&param.name, "either", annotation, default)?);
    }
    let parameters = parameters.split_off(bound.min(parameters.len()));
    let line = code.file.source.position(code.start).line;
    about(parameters, code.returns.as_deref(), code.doc.as_deref(), line, handle)
}

fn native_function(native: &Native, bound: usize, handle: Option<&Value>) -> Result<Value, Raise> {
    let mut parameters = Vec::new();
    for param in native.params.iter().skip(bound) {
        let (take, optional) = match param.take {
            Take::Position => ("position", false),
            Take::PositionOptional => ("position", true),
            Take::Either => ("either", false),
            Take::Optional => ("either", true),
            Take::Named => ("named", true),
            Take::Rest => ("rest", false),
            Take::Keywords => ("keywords", false),
        };
        parameters.push(parameter(param.name, take, None, optional.then_some(&Value::None))?);
    }
    about(parameters, None, None, 0, handle)
}

/// A parameter: its name, how it takes its argument, its annotation, and a list with its default if it has one: the
/// value where it is a plain one, else its text in a list of its own.
fn parameter(
    name: &str,
    take: &str,
    annotation: Option<&Annotation>,
    default: Option<&Value>,
) -> Result<Value, Raise> {
    let default = match default {
        None => Value::None,
        Some(value) if is_plain(value) => Value::list(vec![value.clone()]),
        Some(value) => Value::list(vec![Value::list(vec![Value::string(repr::repr(value)?)])]),
    };
    Ok(Value::tuple(vec![Value::str(name), Value::str(take), written(annotation), default]))
}

fn is_plain(value: &Value) -> bool {
    value.is_text()
        || matches!(value, Value::None | Value::True | Value::False | Value::Int(_) | Value::Float(_))
}

fn written(annotation: Option<&Annotation>) -> Value {
    annotation.map_or(Value::None, |annotation| Value::string(annotation.to_string()))
}

fn about(
    parameters: Vec<Value>,
    returns: Option<&Annotation>,
    doc: Option<&str>,
    line: u32,
    handle: Option<&Value>,
) -> Result<Value, Raise> {
    dict([
        ("parameters", Value::list(parameters)),
        ("returns", written(returns)),
        ("doc", doc.map_or(Value::None, Value::str)),
        ("line", Value::Int(line.into())),
        ("function", handle.cloned().unwrap_or(Value::None)),
    ])
}

/// A type: `kind`, `doc`, `fields` (as parameters, with their comment behind), `methods`, and what makes one as
/// `function`.
fn structure(kind: &StructType, handle: Option<&Value>) -> Result<Value, Raise> {
    let mut fields = Vec::new();
    for field in &kind.fields {
        let known = parameter(&field.name, "either", Some(&field.annotation), field.default.as_ref())?;
        let comment = field.comment.as_deref().map_or(Value::None, Value::str);
        fields.push(Value::tuple(vec![known, comment]));
    }
    let mut methods: Vec<(Rc<str>, Value)> =
        kind.methods.borrow().iter().map(|(name, method)| (Rc::clone(name), method.clone())).collect();
    methods.retain(|(name, _)| !name.starts_with('_'));
    methods.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let mut told = Table::new();
    for (name, method) in methods {
        let method = match &method {
            Value::Func(func) => function(func, 1, None)?,
            other => callable(other, None)?,
        };
        insert(&mut told, Value::str(&name), method)?;
    }
    dict([
        ("kind", Value::str(kind.kind.word())),
        ("doc", kind.doc.as_deref().map_or(Value::None, Value::str)),
        ("fields", Value::list(fields)),
        ("methods", Value::dict(told)),
        ("function", handle.cloned().unwrap_or(Value::None)),
    ])
}
