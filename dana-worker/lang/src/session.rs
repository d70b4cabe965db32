//! What a session offers to the functions of the library: output, asks, types, meters.
//!
//! The limits live here; the interpreter and the library charge against them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use dana_wire::{HostFunction, LogLevel, Question, SessionLimits};

use crate::library::preloaded::{FIRST_OWN, Preloaded};
use crate::value::structure::{Annotation, AnnotationTerm, FieldDef, StructKind};
use crate::value::{PromiseObj, Raise, StructType, Value, memory, work};

/// What to do with an answer. Runs when the answer arrives, before anybody sees the promise settle.
pub trait Settle {
    /// Turns the host's answer, or its failure, into the promise's outcome.
    fn settle(&mut self, answer: Result<Value, Raise>, services: &mut Services) -> Settled;
}

pub enum Settled {
    Kept(Value),
    Broken(Raise),
    /// Ask once more; the promise stays pending.
    Again {
        question: Question,
        arguments: Vec<Value>,
    },
}

/// Takes the answer as it is.
pub struct AsIs;

impl Settle for AsIs {
    fn settle(&mut self, answer: Result<Value, Raise>, _services: &mut Services) -> Settled {
        match answer {
            Ok(value) => Settled::Kept(value),
            Err(raise) => Settled::Broken(raise),
        }
    }
}

/// An ask that has not been answered.
pub struct PendingAsk {
    pub promise: Rc<PromiseObj>,
    pub settle: Box<dyn Settle>,
}

/// An ask on its way out.
pub struct OutgoingAsk {
    pub ask: u32,
    pub question: Question,
    pub arguments: Vec<Value>,
}

pub struct Services {
    pub limits: SessionLimits,
    /// The host's functions by name, and whether a call of one is a promise.
    pub functions: BTreeMap<Rc<str>, bool>,
    /// Types that the program defined.
    pub types: HashMap<Rc<str>, Rc<StructType>>,
    /// Types of the host's resources, by kind.
    pub(crate) kinds: HashMap<Rc<str>, Rc<StructType>>,
    pub(crate) preloaded: Preloaded,
    /// The model chosen by `set_model`.
    pub model: Option<Rc<str>>,
    pub(crate) next_type: Cell<u32>,
    /// Types of structs that came from the host and that the program did not define.
    foreign: RefCell<Vec<Rc<StructType>>>,
    pub(crate) next_ask: u32,
    pub(crate) output: String,
    pub(crate) logs: Vec<(LogLevel, String)>,
    pub(crate) outgoing: Vec<OutgoingAsk>,
    pub(crate) pending: HashMap<u32, PendingAsk>,
    /// Sources of modules asked for and not yet run.
    pub(crate) sources: HashMap<Rc<str>, Rc<PromiseObj>>,
    /// A promise was issued whose place in the program is not noted yet.
    pub(crate) fresh: bool,
    /// This turn's promises.
    pub(crate) issued: Vec<Rc<PromiseObj>>,
    /// This turn's meters.
    pub(crate) printed: u64,
    pub(crate) logged: usize,
    pub(crate) asked: u32,
}

/// Lines a turn may write to the host's log. Each is a message of its own, and the host takes a worker that sends
/// tens of thousands of them for one that floods it.
const LOG_LINES: usize = 10_000;

/// Types of the host's structs that are remembered; of more kinds, each value has a type of its own.
const FOREIGN_TYPES: usize = 256;

impl Services {
    pub fn new(limits: SessionLimits, functions: Vec<HostFunction>) -> Services {
        let mut services = Services {
            limits,
            functions: BTreeMap::new(),
            kinds: HashMap::new(),
            types: HashMap::new(),
            preloaded: Preloaded::default(),
            model: None,
            next_type: Cell::new(FIRST_OWN),
            foreign: RefCell::default(),
            next_ask: 1,
            output: String::new(),
            logs: Vec::new(),
            outgoing: Vec::new(),
            pending: HashMap::new(),
            sources: HashMap::new(),
            fresh: false,
            issued: Vec::new(),
            printed: 0,
            logged: 0,
            asked: 0,
        };
        services.register(functions);
        services
    }

    /// The program may call these functions too.
    pub(crate) fn register(&mut self, functions: Vec<HostFunction>) {
        let named = functions.into_iter().map(|function| (Rc::from(function.name), function.background));
        self.functions.extend(named);
    }

    pub(crate) fn begin_turn(&mut self) {
        work::begin(self.limits.steps);
        self.printed = 0;
        self.logged = 0;
        self.asked = 0;
    }

    /// Forgets what the turn left behind.
    pub(crate) fn end_turn(&mut self) {
        self.outgoing.clear();
        self.pending.clear();
        self.sources.clear();
        for promise in self.issued.drain(..) {
            if promise.is_pending() {
                promise.settle(Err(Raise::sandbox("the turn that asked ended before the answer came")));
            }
        }
    }

    /// Prints, within the output limit.
    pub fn print(&mut self, text: &str) -> Result<(), Raise> {
        self.printed = self.printed.saturating_add(text.len() as u64);
        if let Some(limit) = self.limits.output
            && self.printed > limit
        {
            return Err(Raise::output(limit));
        }
        self.output.push_str(text);
        Ok(())
    }

    /// Writes a line to the host's log; counts as output.
    pub fn log(&mut self, level: LogLevel, text: String) -> Result<(), Raise> {
        self.printed = self.printed.saturating_add(text.len() as u64);
        if let Some(limit) = self.limits.output
            && self.printed > limit
        {
            return Err(Raise::output(limit));
        }
        if self.logged >= LOG_LINES {
            return Err(Raise::log_lines(LOG_LINES));
        }
        self.logged += 1;
        self.logs.push((level, text));
        Ok(())
    }

    /// Asks the host. The promise settles when the answer is there and `settle` has seen it.
    /// `arguments` travel as the question's payload.
    pub fn ask(
        &mut self,
        question: Question,
        arguments: Vec<Value>,
        settle: Box<dyn Settle>,
    ) -> Result<Rc<PromiseObj>, Raise> {
        memory::reserve(4096)?;
        let promise = Rc::new(PromiseObj::new(0));
        self.issued.push(Rc::clone(&promise));
        self.fresh = true;
        self.send(question, arguments, PendingAsk { promise: Rc::clone(&promise), settle });
        Ok(promise)
    }

    /// A promise of a pending one's value for a typed target.
    pub(crate) fn typed(
        &mut self,
        promise: &PromiseObj,
        annotation: &Rc<Annotation>,
        target: &Rc<str>,
    ) -> Result<Value, Raise> {
        memory::reserve(4096)?;
        let typed = promise.typed(annotation, target);
        self.issued.push(Rc::clone(&typed));
        Ok(Value::Promise(typed))
    }

    pub(crate) fn send(&mut self, question: Question, arguments: Vec<Value>, pending: PendingAsk) {
        let ask = self.next_ask;
        self.next_ask = self.next_ask.wrapping_add(1).max(1);
        self.asked = self.asked.saturating_add(1);
        pending.promise.ask.set(ask);
        self.outgoing.push(OutgoingAsk { ask, question, arguments });
        self.pending.insert(ask, pending);
    }

    /// A type of the program, or else a preloaded one.
    pub fn struct_type(&self, name: &str) -> Option<Rc<StructType>> {
        self.types.get(name).cloned().or_else(|| self.preloaded.named(name))
    }

    /// A number for a new struct type.
    pub fn type_id(&self) -> u32 {
        let id = self.next_type.get();
        self.next_type.set(id.saturating_add(1));
        id
    }

    /// A type for a struct that came from the host, where the program has none of that name: any fields, any values.
    pub(crate) fn foreign_type(
        &self,
        name: &str,
        fields: &[(Rc<str>, Value)],
    ) -> Result<Rc<StructType>, Raise> {
        let same = |kind: &&Rc<StructType>| {
            kind.name.as_str() == name
                && kind.fields.len() == fields.len()
                && kind.fields.iter().zip(fields).all(|(def, (field, _))| def.name == *field)
        };
        let mut known = self.foreign.borrow_mut();
        if let Some(kind) = known.iter().rev().find(same) {
            return Ok(Rc::clone(kind));
        }
        memory::reserve(256 + fields.len() * 256)?;
        let defs = fields.iter().map(|(field, _)| FieldDef {
            name: Rc::clone(field),
            annotation: Annotation {
                terms: vec![AnnotationTerm { name: "any".into(), arguments: Vec::new() }],
            },
            default: None,
            comment: None,
        });
        let kind = StructType::new(self.type_id(), StructKind::Struct, name, None, defs.collect());
        let kind = Rc::new(kind);
        if known.len() < FOREIGN_TYPES {
            known.push(Rc::clone(&kind));
        }
        Ok(kind)
    }
}

/// Gives the result on as it is.
pub struct Identity;

impl crate::library::native::Continuation for Identity {
    fn resume(
        self: Box<Self>,
        result: Value,
        _services: &mut Services,
    ) -> Result<crate::library::native::Step, Raise> {
        Ok(crate::library::native::Step::Done(result))
    }
}
