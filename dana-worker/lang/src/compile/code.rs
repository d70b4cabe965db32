//! Compiled code: instructions and the tables they refer to.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use super::op::Op;
use crate::library::native::Native;
use crate::syntax::span::{Source, Span};
use crate::value::structure::{Annotation, StructKind};
use crate::value::{FuncObj, Raise, Value, hash};

/// A source text with the name it was given.
pub struct SourceFile {
    pub name: Option<Rc<str>>,
    pub source: Source,
}

/// One function's code, or a program's top level.
pub struct Code {
    pub name: Rc<str>,
    pub params: Vec<ParamDef>,
    /// Other variables of a function, for hints.
    pub locals: Vec<Rc<str>>,
    pub ops: Vec<Op>,
    /// Byte offset in the source for each instruction.
    pub places: Vec<u32>,
    pub consts: Vec<Value>,
    pub templates: Vec<Template>,
    pub shapes: Vec<Shape>,
    pub functions: Vec<Rc<FunctionDef>>,
    pub structs: Vec<Rc<StructDef>>,
    pub methods: Vec<MethodDef>,
    pub calls: Vec<CallSite>,
    pub attrs: Vec<AttrSite>,
    pub notes: Vec<Note>,
    pub kinds: Vec<Vec<Rc<str>>>,
    pub imports: Vec<ImportSite>,
    pub assertions: Vec<AssertionSite>,
    /// Innermost first.
    pub handlers: Vec<Handler>,
    /// Top-level variables that live in registers while this runs: register and slot.
    pub residents: Vec<(u8, u32)>,
    /// Registers in use; what must be cleared on return.
    pub registers: u8,
    pub file: Rc<SourceFile>,
    /// Where it is defined.
    pub start: u32,
    /// A lambda's receiver or a method's: the first parameter.
    pub receiver: bool,
    /// The text that the body begins with.
    pub doc: Option<Rc<str>>,
    /// The type it is said to give.
    pub returns: Option<Rc<Annotation>>,
}

impl Code {
    /// Code that does nothing.
    pub fn empty() -> Code {
        Code::new("", Rc::new(SourceFile { name: None, source: Source::new("") }), 0)
    }

    /// Code that gives back what is in its first register: the other end of a call by the host.
    pub fn caller() -> Code {
        let mut code = Code::empty();
        code.ops.push(Op::Return { a: 0 });
        code.places.push(0);
        code.registers = 1;
        code
    }

    pub fn new(name: &str, file: Rc<SourceFile>, start: u32) -> Code {
        Code {
            name: name.into(),
            params: Vec::new(),
            locals: Vec::new(),
            ops: Vec::new(),
            places: Vec::new(),
            consts: Vec::new(),
            templates: Vec::new(),
            shapes: Vec::new(),
            functions: Vec::new(),
            structs: Vec::new(),
            methods: Vec::new(),
            calls: Vec::new(),
            attrs: Vec::new(),
            notes: Vec::new(),
            kinds: Vec::new(),
            imports: Vec::new(),
            assertions: Vec::new(),
            handlers: Vec::new(),
            residents: Vec::new(),
            registers: 0,
            file,
            start,
            receiver: false,
            doc: None,
            returns: None,
        }
    }
}

pub struct ParamDef {
    pub name: Rc<str>,
    pub annotation: Option<Rc<Annotation>>,
    pub optional: bool,
}

/// How a function is made.
pub struct FunctionDef {
    pub code: Rc<Code>,
    /// Parameter positions that have a default, in order; values come in registers.
    pub defaults: u8,
    pub captures: Vec<CaptureFrom>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureFrom {
    /// A cell in a register of the defining function.
    Register(u8),
    /// A cell the defining function captured itself.
    Capture(u32),
}

pub struct StructDef {
    pub kind: StructKind,
    pub name: Rc<str>,
    pub doc: Option<Rc<str>>,
    pub fields: Vec<FieldPlan>,
}

pub struct FieldPlan {
    pub name: Rc<str>,
    pub annotation: Annotation,
    pub has_default: bool,
    pub comment: Option<Rc<str>>,
}

pub struct MethodDef {
    pub name: Rc<str>,
    pub types: Vec<Rc<str>>,
    /// Written as a method: the types must exist.
    pub strict: bool,
}

/// The fixed texts of an f-string: before each field and after the last.
pub struct Template {
    pub texts: Box<[Box<str>]>,
    /// Their length together, in bytes.
    pub bytes: usize,
}

/// The keys of a dict display, all of them texts and all different.
pub struct Shape {
    pub keys: Box<[Value]>,
    hashes: OnceCell<Box<[u64]>>,
}

impl Shape {
    pub fn new(keys: Vec<Value>) -> Shape {
        Shape { keys: keys.into(), hashes: OnceCell::new() }
    }

    /// With the seed of the session, which is not known while a program is compiled.
    #[inline]
    pub fn hashes(&self) -> Result<&[u64], Raise> {
        if let Some(hashes) = self.hashes.get() {
            return Ok(hashes);
        }
        let hashes = self.keys.iter().map(hash::hash).collect::<Result<Box<[u64]>, Raise>>()?;
        Ok(self.hashes.get_or_init(|| hashes))
    }
}

/// One call in the source.
#[derive(Default)]
pub struct CallSite {
    /// The builtin or the method, by name.
    pub native: Option<&'static Native>,
    pub name: Option<Rc<str>>,
    /// Names of the last arguments.
    pub keywords: Box<[Rc<str>]>,
    /// The native takes the arguments as they stand.
    pub direct: bool,
    pub cache: RefCell<MethodCache>,
}

/// What a method call found the last time.
#[derive(Default)]
pub enum MethodCache {
    #[default]
    Empty,
    /// A method of a builtin type: the tag of the receiver.
    Native(u8, &'static Native),
    /// A method of a struct type, as long as no method was defined since. Weakly: a method that calls itself would hold
    /// its own code.
    Dana { kind: u32, methods: u32, func: Weak<FuncObj> },
}

/// One attribute access in the source, with the last struct type and field found.
pub struct AttrSite {
    pub name: Rc<str>,
    pub cache: Cell<(u32, u32)>,
}

/// The annotation of a typed assignment and what it assigns to.
pub struct Note {
    pub target: Rc<str>,
    pub annotation: Rc<Annotation>,
}

pub struct ImportSite {
    pub name: Rc<str>,
    pub level: u32,
    pub python: bool,
    /// `import a.b` without an alias binds `a`.
    pub root: bool,
}

/// Where an assertion fails, and which registers hold values of parts of its condition then.
pub struct AssertionSite {
    pub condition: Span,
    pub operands: Vec<(Span, u8)>,
    /// Two of them, and how they are compared.
    pub compared: Option<(u8, u8, &'static str)>,
}

/// Where an error in a range of instructions continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handler {
    pub start: u32,
    pub end: u32,
    pub target: u32,
    /// Receives the error.
    pub register: u8,
}
