//! What was meant by a name that does not exist: the hints of errors.
//!
//! A program may catch such errors in a loop, so no more than so many names are looked at for one, and that is charged.

use std::rc::Rc;

use super::Vm;
use crate::library;
use crate::text::nearest;
use crate::value::{Raise, StructObj, Value, work};

/// Names of each kind that are looked at.
const NAMES: usize = 1000;

/// Calls under way that are looked through, from the innermost.
const CALLS: usize = 32;

/// Objects that are looked through for what they delegate.
const DELEGATES: usize = 32;

impl Vm {
    /// The error of a name that nothing has.
    pub(super) fn undefined(&self, name: &str) -> Raise {
        if let Some(blocked) = library::blocked(name) {
            return blocked;
        }
        let raise = Raise::name_error(format!("name '{name}' is not defined"));
        let near = || self.near(name).map(|near| format!("did you mean '{near}'?"));
        match self.later(name).or_else(|| self.method_of(name)).or_else(near) {
            Some(hint) => raise.hint(hint),
            None => raise,
        }
    }

    /// The error of a host that calls a name that nothing has.
    pub(super) fn no_function(&self, name: &str) -> Raise {
        if let Some(blocked) = library::blocked(name) {
            return blocked;
        }
        let raise = Raise::sandbox(format!("function '{name}' not found"));
        match self.near(name) {
            Some(near) => raise.hint(format!("did you mean '{near}'?")),
            None => raise,
        }
    }

    /// Where a running program defines the function, if it did not come so far.
    fn later(&self, name: &str) -> Option<String> {
        let outer = self.frames.iter().rev().map(|(func, _)| func);
        let mut codes = [&self.func].into_iter().chain(outer).take(CALLS).map(|func| &func.code);
        let found = codes.find_map(|code| {
            let method = code.methods.iter().take(NAMES).any(|method| method.strict && *method.name == *name);
            code.functions.iter().take(NAMES).find(|def| *def.code.name == *name && !method)
        })?;
        let line = found.code.file.source.position(found.code.start).line;
        Some(format!("'{name}' is defined on line {line}, which has not run yet"))
    }

    /// A type that has a method of this name.
    fn method_of(&self, name: &str) -> Option<String> {
        let types = self.services.types.values().take(NAMES);
        let owner = types.filter(|kind| kind.method(name).is_some()).min_by_key(|kind| kind.name.as_str())?;
        Some(format!("'{name}' is a method of '{}': call it on a value", owner.name))
    }

    /// The visible name nearest to one that is not defined.
    pub(crate) fn near(&self, name: &str) -> Option<String> {
        let code = &self.func.code;
        let module = &self.func.module;
        let mut names: Vec<Rc<str>> = Vec::new();
        names.extend(code.params.iter().map(|param| Rc::clone(&param.name)));
        names.extend(code.locals.iter().take(NAMES).cloned());
        for space in [&module.locals, &module.private, &*self.public] {
            names.extend(space.names(NAMES));
        }
        // Variables of a top level that is running live in its registers.
        let outer = self.frames.iter().rev();
        for (func, base) in [(&self.func, self.base)].into_iter().chain(outer).take(CALLS) {
            for (register, slot) in &func.code.residents {
                let held = self.stack.get(base + usize::from(*register));
                if held.is_some_and(|value| !value.is_unset()) {
                    names.extend(func.module.locals.name(*slot));
                }
            }
        }
        names.extend(self.services.types.keys().take(NAMES).cloned());
        // When the turn is to end, what comes next says so.
        work::elements(names.len()).ok()?;
        let candidates = names
            .iter()
            .map(|name| &**name)
            .chain(library::names().map(|name| -> &str { name }))
            .chain(library::preloaded::Preloaded::names().map(|name| -> &str { name }))
            .chain(
                self.services
                    .functions
                    .keys()
                    .map(|name| &**name)
                    .filter(|name| super::names::is_identifier(name)),
            )
            .filter(|candidate| *candidate != name && !candidate.starts_with("__"));
        nearest(name, candidates).map(ToOwned::to_owned)
    }
}

/// `object.name` where there is no such attribute.
pub(super) fn no_attribute(object: &Value, name: &str) -> Raise {
    let message = match object {
        Value::Module(module) => format!("module '{}' has no attribute '{name}'", module.name),
        other => format!("'{}' object has no attribute '{name}'", other.type_name()),
    };
    hinted(Raise::attribute_error(message), object, name)
}

/// `object.name(...)` where there is no such method.
pub(super) fn no_method(object: &Value, name: &str) -> Raise {
    // Only `with` looks for these by itself.
    if let "__enter__" | "__exit__" = name {
        let missed = if name == "__exit__" { " (missed __exit__ method)" } else { "" };
        return Raise::type_error(format!(
            "'{}' object does not support the context manager protocol{missed}",
            object.type_name()
        ));
    }
    let message = format!("'{}' object has no method '{name}'", object.type_name());
    hinted(Raise::attribute_error(message), object, name)
}

/// `object.name = ...` where there is no such field.
pub(super) fn no_field(it: &Rc<StructObj>, name: &str) -> Raise {
    let message = format!("assignment to field '{name}' of '{}' failed: it has no such field", it.kind.name);
    hinted(Raise::sandbox(message), &Value::Struct(Rc::clone(it)), name)
}

fn hinted(raise: Raise, object: &Value, name: &str) -> Raise {
    let mut owned: Vec<Rc<str>> = Vec::new();
    match object {
        Value::Struct(it) => {
            members(it, &mut owned);
            owned.extend(library::agents::methods(it.kind.kind).map(Rc::from));
        }
        Value::Module(module) => owned.extend(module.locals.names(NAMES)),
        Value::Literal(it) => owned.extend(library::properties(it).iter().map(|name| Rc::from(*name))),
        Value::Dict(dict) => {
            let table = dict.table.borrow();
            owned.extend(table.keys().take(NAMES).filter_map(Value::as_text).map(|key| Rc::from(&*key)));
        }
        _ => {}
    }
    let candidates =
        owned.iter().map(|name| &**name).chain(library::methods(object).map(|name| -> &str { name }));
    if work::elements(owned.len()).is_err() {
        return raise;
    }
    let private = name.starts_with('_');
    match nearest(name, candidates.filter(|near| private || !near.starts_with('_'))) {
        Some(near) => {
            let near = near.to_owned();
            raise.hint(format!("did you mean '{near}'?"))
        }
        None => raise,
    }
}

/// Fields and methods of an instance and of what it delegates to.
fn members(it: &Rc<StructObj>, names: &mut Vec<Rc<str>>) {
    let mut waiting = vec![Rc::clone(it)];
    for _ in 0..DELEGATES {
        let Some(it) = waiting.pop() else { return };
        names.extend(it.kind.fields.iter().map(|field| Rc::clone(&field.name)));
        names.extend(it.kind.methods.borrow().keys().cloned());
        let fields = it.fields.borrow();
        waiting.extend(it.kind.delegates.iter().filter_map(|at| match fields.get(*at as usize) {
            Some(Value::Struct(inner)) => Some(Rc::clone(inner)),
            _ => None,
        }));
    }
}
