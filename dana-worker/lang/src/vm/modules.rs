//! Importing: the host finds the source, the machine runs it once.
//!
//! The import instruction is executed again after each thing it had to wait for, and each time finds more of
//! what it needs: the answer of the host, the module of the outermost package, the next.

use std::fmt::Write as _;
use std::rc::Rc;

use super::{FrameKind, Vm};
use crate::compile::code::{Code, ImportSite, SourceFile};
use crate::compile::{self};
use crate::session::AsIs;
use crate::syntax::error::{ParseError, SyntaxFault};
use crate::syntax::span::Source;
use crate::value::error::{Frame, Spot};
use crate::value::{FuncObj, ModuleObj, Raise, Value, memory};
use dana_wire::Question;

/// What looking for a submodule came to.
pub(super) enum Below {
    Here(Value),
    /// Its top level was entered; whoever looked is executed again when it has run.
    Running,
    Nothing,
}

/// Python's modules that programs ask for without the suffix.
const PYTHONS: [&str; 14] = [
    "math",
    "json",
    "os",
    "sys",
    "re",
    "time",
    "datetime",
    "random",
    "collections",
    "itertools",
    "functools",
    "statistics",
    "pathlib",
    "logging",
];

/// The kind of the host's answer about a module that it does not find.
const ABSENT: &str = "ModuleNotFoundError";

fn is_absent(raise: &Raise) -> bool {
    raise.as_error().is_some_and(|error| error.kind() == ABSENT)
}

/// A module that was not found, as programs hear of it.
fn told(raise: Raise) -> Raise {
    match raise.as_error() {
        Some(error) if error.kind() == ABSENT => {
            let told = Raise::sandbox(error.message.clone());
            match &error.hint {
                Some(hint) => told.hint(hint.clone()),
                None => told,
            }
        }
        _ => raise,
    }
}

/// Names of a module that an error lists.
const NAMES: usize = 1000;

impl Vm {
    /// Goes on with an import: its module, or none after entering the top level of one that it needs.
    pub(super) fn import(&mut self, site: &ImportSite) -> Result<Option<Value>, Raise> {
        self.reached(site).map_err(told)
    }

    /// The same, a module that is not there still by the host's word for it.
    fn reached(&mut self, site: &ImportSite) -> Result<Option<Value>, Raise> {
        if site.python {
            return self.import_python(site).map(Some);
        }
        let whole = self.absolute(site)?;
        let mut end = 0;
        let mut parent: Option<Rc<ModuleObj>> = None;
        let mut first = None;
        for part in whole.split('.') {
            end += part.len() + usize::from(end > 0);
            let name = whole.get(..end).unwrap_or(&whole);
            let module = match self.modules.get(name) {
                Some(module) => Rc::clone(module),
                None => return self.load(name).map(|()| None),
            };
            if let Some(parent) = parent
                && parent.locals.get(part).is_none()
            {
                parent.locals.set(part, Value::Module(Rc::clone(&module)));
            }
            first = first.or_else(|| Some(Rc::clone(&module)));
            parent = Some(module);
        }
        let module = if site.root { first } else { parent };
        Ok(module.map(Value::Module))
    }

    /// A module made of the host's functions and values that are named `module.name`.
    fn import_python(&mut self, site: &ImportSite) -> Result<Value, Raise> {
        let name: &str = &site.name;
        let mut module = self.python(name)?;
        if site.root {
            // `import a.b.py` binds `a`.
            let mut below = name;
            while let Some((outer, last)) = below.rsplit_once('.') {
                let parent = match self.python(outer) {
                    Ok(parent) => parent,
                    Err(raise) if raise.as_error().is_none() => return Err(raise),
                    Err(_) => Rc::new(ModuleObj::new(outer)),
                };
                parent.locals.set(last, Value::Module(module));
                parent.complete.set(true);
                module = parent;
                below = outer;
            }
        }
        Ok(Value::Module(module))
    }

    /// One Python module. Its values are asked for now, all at once; its functions when they are called.
    fn python(&mut self, name: &str) -> Result<Rc<ModuleObj>, Raise> {
        let key = format!("{name}.py");
        if let Some(known) = self.modules.get(&*key) {
            return Ok(Rc::clone(known));
        }
        let allowed: Vec<String> = self
            .services
            .functions
            .keys()
            .filter(|known| known.rsplit_once('.').is_some_and(|(module, _)| module == name))
            .map(ToString::to_string)
            .collect();
        if allowed.is_empty() {
            return Err(Raise::sandbox(format!(
                "Python module '{name}' cannot be imported: the host has not allowed it"
            )));
        }
        let mut answers = Vec::new();
        let module = Rc::new(ModuleObj::new(&key));
        for whole in &allowed {
            let short = whole.rsplit_once('.').map_or("", |(_, short)| short);
            let Some(short) = short.strip_suffix('=') else {
                module.locals.set(short, super::names::host_function(whole));
                continue;
            };
            let promise = match self.services.sources.get(&**whole) {
                Some(promise) => Rc::clone(promise),
                None => {
                    let question =
                        Question::Function { name: whole.clone(), positional: 0, keywords: Vec::new() };
                    let promise = self.services.ask(question, Vec::new(), Box::new(AsIs))?;
                    self.services.sources.insert(whole.as_str().into(), Rc::clone(&promise));
                    promise
                }
            };
            answers.push((short, promise));
        }
        for (short, promise) in answers {
            module.locals.set(short, promise.observe()?);
        }
        module.complete.set(true);
        self.modules.insert(key.into(), Rc::clone(&module));
        Ok(module)
    }

    /// The module's name from the root.
    fn absolute(&self, site: &ImportSite) -> Result<String, Raise> {
        if site.level == 0 {
            return Ok(site.name.to_string());
        }
        let package = self.func.module.package.borrow().clone();
        if package.is_empty() {
            return Err(Raise::sandbox("relative import outside of a package"));
        }
        let mut base: &str = &package;
        for _ in 1..site.level {
            let Some((outer, _)) = base.rsplit_once('.') else {
                return Err(Raise::sandbox("relative import beyond the outermost package"));
            };
            base = outer;
        }
        Ok(if site.name.is_empty() { base.to_owned() } else { format!("{base}.{}", site.name) })
    }

    fn load(&mut self, name: &str) -> Result<(), Raise> {
        let promise = match self.services.sources.get(name) {
            Some(promise) => Rc::clone(promise),
            None => {
                let file = self.func.code.file.name.as_deref().map(ToOwned::to_owned);
                let question = Question::Module { name: name.to_owned(), level: 0, from: file };
                let promise = self.services.ask(question, Vec::new(), Box::new(AsIs))?;
                self.services.sources.insert(name.into(), Rc::clone(&promise));
                promise
            }
        };
        let answer = match promise.observe() {
            Ok(answer) => answer,
            Err(raise) => {
                if raise.as_error().is_some() {
                    self.services.sources.remove(name);
                }
                let python = format!("{name}.");
                let known = self.services.functions.keys().any(|known| known.starts_with(&python));
                return Err(if is_absent(&raise) && (known || PYTHONS.contains(&name)) {
                    let message = raise.as_error().map(|error| error.message.clone()).unwrap_or_default();
                    Raise::new(ABSENT, message)
                        .hint(format!("Python's modules are imported as: import {name}.py"))
                } else {
                    raise
                });
            }
        };
        self.services.sources.remove(name);
        let Value::Dict(dict) = &answer else {
            return Err(Raise::sandbox(format!("module '{name}' not found")));
        };
        let text = |key: &str| dict.get_str(key).and_then(|value| value.as_text().map(|t| t.to_string()));
        let Some(source) = text("source") else {
            return Err(Raise::sandbox(format!("module '{name}' not found")));
        };
        let file: Option<Rc<str>> = text("filename").map(Into::into);
        let module = Rc::new(ModuleObj::new(name));
        module.locals.set("__name__", Value::str(name));
        *module.file.borrow_mut() = file.clone();
        let package: Rc<str> = match dict.get_str("package") {
            Some(Value::True) => name.into(),
            Some(value) if value.is_text() => {
                value.as_text().map(|text| Rc::from(&*text)).unwrap_or_default()
            }
            _ => name.rsplit_once('.').map_or("", |(parent, _)| parent).into(),
        };
        *module.package.borrow_mut() = package;
        let file = Rc::new(SourceFile { name: file, source: Source::new(&source) });
        let code = match self.compile(file, &module) {
            Ok(code) => code,
            Err((ParseError::Syntax(fault), file)) => return Err(self.malformed(name, *fault, file)),
            Err(_) => return Err(Raise::memory(memory::limit())),
        };
        if let Some(doc) = &code.doc {
            module.locals.set("__doc__", Value::str(doc));
        }
        self.modules.insert(name.into(), Rc::clone(&module));
        self.importing.push(Rc::clone(&module));
        let func =
            Rc::new(FuncObj { code: Rc::new(code), module, defaults: Box::new([]), captures: Box::new([]) });
        // The import is executed again when the module has run.
        self.pc = self.pc.saturating_sub(1);
        let at = self.base + usize::from(self.func.code.registers);
        self.enter(func, at, 0, FrameKind::Module)
    }

    /// A module whose text is no Dana: the error stands where the mistake is, not where it was imported.
    fn malformed(&self, name: &str, fault: SyntaxFault, file: Rc<SourceFile>) -> Raise {
        let text = format!("cannot import module '{name}': syntax error: {}", fault.message);
        let mut raise = Raise::sandbox(text);
        if let Some(hint) = fault.hint {
            raise = raise.hint(hint);
        }
        if let Some(error) = raise.as_error() {
            let at = Spot { file, offset: fault.span.start };
            let mut place = error.place.borrow_mut();
            place.trace.push(Frame { function: "<module>".into(), at: at.clone() });
            place.trace.push(self.here());
            place.at = Some(at);
        }
        raise
    }

    /// Parses and compiles a source for a module.
    pub fn compile(
        &mut self,
        file: Rc<SourceFile>,
        module: &Rc<ModuleObj>,
    ) -> Result<Code, (ParseError, Rc<SourceFile>)> {
        let tree = crate::syntax::parse_within(file.source.text(), &memory::room_and_reserve)
            .map_err(|error| (error, Rc::clone(&file)))?;
        compile::compile(
            &tree,
            Rc::clone(&file),
            Rc::clone(module),
            Rc::clone(&self.public),
            Rc::clone(&self.system),
        )
        .map_err(|fault| (fault, file))
    }

    /// `from module import name`.
    pub(super) fn import_name(&mut self, module: &Value, name: &str) -> Result<Option<Value>, Raise> {
        let Value::Module(module) = module else { return Ok(Some(Value::None)) };
        if name.starts_with('_') {
            return Err(Raise::sandbox(format!(
                "cannot import '{name}' from '{}': it is private",
                module.name
            )));
        }
        if let Some(value) = self.module_value(module, name) {
            return Ok(Some(value));
        }
        match self.import_below(module, name)? {
            Below::Here(value) => return Ok(Some(value)),
            Below::Running => return Ok(None),
            Below::Nothing => {}
        }
        let names: Vec<Rc<str>> =
            module.locals.names(NAMES).into_iter().filter(|name| !name.starts_with('_')).collect();
        let mut text = format!("cannot import name '{name}' from '{}'", module.name);
        if !module.complete.get() {
            text.push_str(", which is still being imported");
        } else if names.is_empty() {
            text.push_str("; it has no names");
        } else {
            let _ = write!(text, "; it has: {}", names.join(", "));
        }
        let raise = Raise::sandbox(text);
        Err(if module.complete.get() {
            match crate::text::nearest(name, names.iter().map(|name| &**name)) {
                Some(near) => raise.hint(format!("did you mean '{near}'?")),
                None => raise,
            }
        } else {
            raise.hint(
                "two modules import each other: import the module instead of the name, or import it where it is used",
            )
        })
    }

    /// A submodule of a package, imported when it is first looked for.
    pub(super) fn import_below(&mut self, module: &ModuleObj, name: &str) -> Result<Below, Raise> {
        if let Some(found) = self.submodule(module, name) {
            return Ok(Below::Here(found));
        }
        if *module.package.borrow() != module.name || name.starts_with("__") {
            return Ok(Below::Nothing);
        }
        let site = ImportSite {
            name: format!("{}.{name}", module.name).into(),
            level: 0,
            python: false,
            root: false,
        };
        match self.reached(&site) {
            Ok(Some(found)) => Ok(Below::Here(found)),
            Ok(None) => Ok(Below::Running),
            Err(raise) if is_absent(&raise) => Ok(Below::Nothing),
            Err(raise) => Err(raise),
        }
    }

    /// `from module import *`.
    pub(super) fn import_star(&mut self, module: &Value) {
        let Value::Module(module) = module else { return };
        for (name, value) in module.locals.entries() {
            if !name.starts_with('_') {
                self.func.module.locals.set(&name, value);
            }
        }
    }

    /// A variable of a module, also of one whose top level is still running and keeps it in a register.
    pub(super) fn module_value(&self, module: &ModuleObj, name: &str) -> Option<Value> {
        if !module.complete.get()
            && let Some(slot) = module.locals.find(name)
        {
            for (func, base) in self.frames.iter().chain([(&self.func, self.base)]) {
                if !std::ptr::eq(&*func.module, module) {
                    continue;
                }
                let resident = func.code.residents.iter().find(|(_, held)| *held == slot);
                let value = resident.and_then(|(register, _)| self.stack.get(base + usize::from(*register)));
                if let Some(value) = value.filter(|value| !value.is_unset()) {
                    return Some(value.clone());
                }
            }
        }
        module.locals.get(name)
    }

    /// A submodule that was imported.
    pub(super) fn submodule(&self, module: &ModuleObj, name: &str) -> Option<Value> {
        self.modules.get(&*format!("{}.{name}", module.name)).map(|module| Value::Module(Rc::clone(module)))
    }
}
