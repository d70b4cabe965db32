//! The register machine.
//!
//! One stack of values; each call sees a window of 256 of them, and windows overlap so that arguments are
//! passed without moving. Nothing recurses in Rust for a call in Dana, so a run can stop at any instruction
//! and go on later: that is how a program waits for the answer to an ask.

mod access;
mod arguments;
mod assertion;
mod bind;
mod call;
mod dismantle;
mod elements;
mod errors;
mod frames;
mod index;
mod invoke;
mod modules;
mod names;
mod rounds;
mod run;
mod slow;
mod suggest;
mod unwind;
mod variables;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use frames::{FrameKind, Frames};

use crate::compile::code::{CaptureFrom, Code, StructDef};
use crate::library::native::{Continuation, Step};
use crate::session::Services;
use crate::value::structure::{FieldDef, StructKind};
use crate::value::{CellObj, ErrorObj, FuncObj, ModuleObj, Namespace, PromiseObj, Raise, StructType, Value};

/// Values a window spans.
pub(crate) const WINDOW: usize = 256;
/// Values of the stack that are kept from turn to turn.
const KEPT: usize = 4 * WINDOW;
/// Steps between looks at limits, output and memory.
const ROUND: i64 = 1024;
/// Steps between pulses.
const PULSE: u64 = 1 << 22;

/// What the machine tells whoever drives it while it runs.
pub trait Watch {
    /// Called every few milliseconds of work. Breaking ends the run with that reason.
    fn pulse(&mut self, steps: u64, file: Option<&str>, line: u32) -> ControlFlow<String>;
    /// What was printed and logged should go out now.
    fn said(&mut self, services: &mut Services) -> ControlFlow<String>;
    /// Asks that should go out now: the program runs on meanwhile.
    fn asks(&mut self, services: &mut Services) -> ControlFlow<String>;
}

/// Why the machine came to rest.
pub enum Exit {
    Done(Value),
    Failed(Rc<ErrorObj>),
    /// Nothing can go on before this promise settles.
    Wait(Rc<PromiseObj>),
    Stopped(String),
}

/// What a stopped machine does first when it goes on.
enum Resume {
    /// Executes the instruction it stopped at.
    Execute,
    /// Gives a promise's value to the topmost continuation, whose result goes into a register.
    Continue(Rc<PromiseObj>, u8),
    /// Calls a function for the host.
    Call(Value, Vec<Value>, Vec<(Rc<str>, Value)>),
    /// Gives a promise's value back as the current function's result.
    Leave(Rc<PromiseObj>),
}

pub struct Vm {
    stack: Vec<Value>,
    frames: Frames,
    thens: Vec<Box<dyn Continuation>>,
    importing: Vec<Rc<ModuleObj>>,
    func: Rc<FuncObj>,
    pc: usize,
    base: usize,
    resume: Resume,
    /// Steps given at the last look at limits.
    round: i64,
    /// Steps at the last pulse.
    pulsed: u64,
    /// Changes whenever a method is defined: what call sites remember is stale.
    methods: u32,
    expects: Option<u32>,
    /// What runs when the host calls a function: it gives back what the function does.
    caller: Rc<FuncObj>,
    /// The last run ended by returning from everything, so that nothing on the stack owns anything.
    is_at_rest: bool,
    pub services: Services,
    pub public: Rc<Namespace>,
    pub system: Rc<Namespace>,
    pub main: Rc<ModuleObj>,
    pub modules: HashMap<Rc<str>, Rc<ModuleObj>>,
}

impl Vm {
    pub fn new(services: Services) -> Vm {
        let main = Rc::new(ModuleObj::new("__main__"));
        main.locals.set("__name__", Value::str("__main__"));
        let caller = Rc::new(FuncObj {
            code: Rc::new(Code::caller()),
            module: Rc::clone(&main),
            defaults: Box::new([]),
            captures: Box::new([]),
        });
        Vm {
            stack: Vec::new(),
            frames: Frames::default(),
            thens: Vec::new(),
            importing: Vec::new(),
            func: Rc::clone(&caller),
            pc: 0,
            base: 0,
            resume: Resume::Execute,
            round: 0,
            pulsed: 0,
            methods: 0,
            expects: None,
            caller,
            is_at_rest: false,
            services,
            public: Rc::default(),
            system: Rc::default(),
            main,
            modules: HashMap::new(),
        }
    }

    /// Sets the machine to the start of a program.
    pub fn start(&mut self, code: Code, module: Rc<ModuleObj>) {
        self.is_at_rest = false;
        self.reset();
        self.func =
            Rc::new(FuncObj { code: Rc::new(code), module, defaults: Box::new([]), captures: Box::new([]) });
    }

    /// Sets the machine to call a function for the host.
    pub fn start_call(&mut self, callee: Value, positional: Vec<Value>, named: Vec<(Rc<str>, Value)>) {
        self.reset();
        self.func = Rc::clone(&self.caller);
        self.resume = Resume::Call(callee, positional, named);
    }

    /// A function of the main program by name, as the host calls it.
    pub fn function(&self, name: &str) -> Result<Value, Raise> {
        let found = self.main.locals.get(name).or_else(|| self.visible(name));
        found.ok_or_else(|| self.no_function(name))
    }

    /// What the main program sees beyond its own variables.
    pub fn visible(&self, name: &str) -> Option<Value> {
        names::elsewhere(name, &self.main, &self.public, &self.system, &self.services)
    }

    /// Forgets whatever was running.
    pub fn reset(&mut self) {
        self.frames.clear();
        self.thens.clear();
        self.importing.clear();
        if self.stack.len() > KEPT {
            self.stack.truncate(KEPT);
            self.stack.shrink_to(KEPT);
        }
        if self.is_at_rest {
            debug_assert!(self.stack.iter().all(Value::is_scalar), "what returns leaves nothing behind");
        } else {
            // In place: most slots were never used, and dropping nothing costs more than looking.
            for slot in self.stack.iter_mut().filter(|slot| !matches!(slot, Value::Unset)) {
                *slot = Value::Unset;
            }
            self.is_at_rest = true;
        }
        if self.stack.len() < WINDOW {
            self.stack.resize_with(WINDOW, || Value::Unset);
        }
        self.pc = 0;
        self.base = 0;
        self.resume = Resume::Execute;
        self.expects = None;
    }

    /// The text position of the instruction being executed.
    fn place(&self) -> u32 {
        place_of(&self.func.code, self.pc)
    }

    /// File and line of the instruction being executed, for reports.
    fn line(&self) -> (Option<Rc<str>>, u32) {
        let file = &self.func.code.file;
        (file.name.clone(), file.source.position(self.place()).line)
    }

    /// Makes a function value from its definition.
    fn make_function(&mut self, at: u32, first: u8) -> Value {
        let code = Rc::clone(&self.func.code);
        let Some(def) = code.functions.get(at as usize) else { return Value::None };
        let start = self.base + usize::from(first);
        let defaults: Box<[Value]> = match self.stack.get_mut(start..start + usize::from(def.defaults)) {
            Some(values) => values.iter_mut().map(crate::value::take).collect(),
            None => Box::new([]),
        };
        let captures = def
            .captures
            .iter()
            .map(|from| {
                let cell = match from {
                    CaptureFrom::Register(register) => {
                        match self.stack.get(self.base + usize::from(*register)) {
                            Some(Value::Cell(cell)) => Some(Rc::clone(cell)),
                            _ => None,
                        }
                    }
                    CaptureFrom::Capture(at) => self.func.captures.get(*at as usize).cloned(),
                };
                cell.unwrap_or_else(|| Rc::new(CellObj(RefCell::new(Value::Unset))))
            })
            .collect();
        Value::Func(Rc::new(FuncObj {
            code: Rc::clone(&def.code),
            module: Rc::clone(&self.func.module),
            defaults,
            captures,
        }))
    }

    /// Defines a struct type, or finds that it is the same as before.
    fn make_struct(&mut self, def: &StructDef, first: u8) -> Result<Value, Raise> {
        let mut next = self.base + usize::from(first);
        let mut fields: Vec<FieldDef> = def
            .fields
            .iter()
            .map(|plan| FieldDef {
                name: Rc::clone(&plan.name),
                annotation: plan.annotation.clone(),
                default: plan.has_default.then(|| {
                    let value = self.stack.get_mut(next).map_or(Value::None, crate::value::take);
                    next += 1;
                    value
                }),
                comment: plan.comment.clone(),
            })
            .collect();
        if def.kind == StructKind::Workflow && !fields.iter().any(|field| &*field.name == "fsm") {
            fields.push(self.services.preloaded.machine()?);
        }
        let id = self.services.type_id();
        let kind = StructType::new(id, def.kind, &def.name, def.doc.clone(), fields);
        if let Some(known) = self.services.types.get(&*def.name) {
            if known.same_shape(&kind) {
                return Ok(Value::StructType(Rc::clone(known)));
            }
            return Err(Raise::sandbox(format!(
                "{} '{}' is already defined with other fields",
                known.kind.word(),
                def.name
            )));
        }
        let kind = Rc::new(kind);
        self.services.types.insert(Rc::clone(&def.name), Rc::clone(&kind));
        Ok(Value::StructType(kind))
    }

    /// Registers a function as a method of the types named.
    fn define_method(&mut self, at: u32, function: &Value) -> Result<(), Raise> {
        let code = Rc::clone(&self.func.code);
        let Some(def) = code.methods.get(at as usize) else { return Ok(()) };
        if def.strict && def.types.is_empty() {
            return Err(Raise::sandbox(format!("the receiver of '{}' needs a type", def.name)));
        }
        for name in &def.types {
            match self.services.struct_type(name) {
                Some(kind) => {
                    kind.methods.borrow_mut().insert(Rc::clone(&def.name), function.clone());
                }
                None if def.strict => {
                    return Err(Raise::sandbox(format!(
                        "cannot define method '{}': '{name}' is not a struct, resource or agent type",
                        def.name
                    )));
                }
                None => {}
            }
        }
        self.methods = self.methods.wrapping_add(1);
        Ok(())
    }
}

/// Where the instruction before `pc` comes from.
fn place_of(code: &Code, pc: usize) -> u32 {
    code.places.get(pc.saturating_sub(1)).copied().unwrap_or(code.start)
}

/// What follows an instruction that is not simply the next one.
enum Next {
    /// Calls anything.
    Call {
        callee: Value,
        first: u8,
        count: u8,
        site: Option<u32>,
        dst: u8,
    },
    /// Calls a method.
    Method {
        first: u8,
        count: u8,
        site: u32,
        dst: u8,
    },
    Leave(Value),
    Step(Step, u8),
    Fault(Raise),
    Refuel,
    /// An instruction that needs the whole machine.
    Whole(crate::compile::op::Op),
}
