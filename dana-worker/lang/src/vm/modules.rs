//! Importing: the host finds the source, the machine runs it once.
//!
//! The import instruction is executed again after each thing it had to wait for, and each time finds more of
//! what it needs: the answer of the host, the module of the outermost package, the next.

use std::rc::Rc;

use super::{FrameKind, Vm};
use crate::compile::code::{Code, ImportSite, SourceFile};
use crate::compile::{self};
use crate::session::AsIs;
use crate::syntax::error::ParseError;
use crate::syntax::span::Source;
use crate::value::{FuncObj, ModuleObj, Raise, Value, memory};
use dana_wire::Question;

impl Vm {
    /// Goes on with an import: its module, or none after entering the top level of one that it needs.
    pub(super) fn import(&mut self, site: &ImportSite) -> Result<Option<Value>, Raise> {
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
            .iter()
            .filter(|known| known.rsplit_once('.').is_some_and(|(module, _)| module == name))
            .cloned()
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
                return Err(raise);
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
        let code = self.compile(file, &module).map_err(|(error, file)| {
            let ParseError::Syntax(fault) = error else { return Raise::memory(memory::limit()) };
            let position = file.source.position(fault.span.start);
            let raise = Raise::new(
                "SyntaxError",
                format!(
                    "in module '{name}', line {}, column {}: {}",
                    position.line, position.column, fault.message
                ),
            );
            match fault.hint {
                Some(hint) => raise.hint(hint),
                None => raise,
            }
        })?;
        self.modules.insert(name.into(), Rc::clone(&module));
        self.importing.push(Rc::clone(&module));
        let func =
            Rc::new(FuncObj { code: Rc::new(code), module, defaults: Box::new([]), captures: Box::new([]) });
        // The import is executed again when the module has run.
        self.pc = self.pc.saturating_sub(1);
        let at = self.base + usize::from(self.func.code.registers);
        self.enter(func, at, 0, FrameKind::Module)
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
        if *module.package.borrow() == module.name {
            let site = ImportSite {
                name: format!("{}.{name}", module.name).into(),
                level: 0,
                python: false,
                root: false,
            };
            match self.import(&site) {
                Err(raise) if raise.as_error().is_some() => {}
                other => return other,
            }
        }
        let names: Vec<Rc<str>> =
            module.locals.names().into_iter().filter(|name| !name.starts_with('_')).collect();
        let raise = Raise::sandbox(format!(
            "cannot import name '{name}' from '{}'; it has: {}",
            module.name,
            names.join(", ")
        ));
        Err(if module.complete.get() {
            raise
        } else {
            raise.hint("the module is still being imported: two modules import each other")
        })
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
