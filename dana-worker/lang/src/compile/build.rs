//! The state of compiling one function: registers, labels, instructions.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::Unit;
use super::assertion::Probe;
use super::code::{AttrSite, CallSite, Code, Handler, Note, ParamDef, Shape, Template};
use super::numbers::NumberMap;
use super::op::Op;
use super::scope::FunctionScope;
use crate::syntax::ast::{ExprId, Scope, Type};
use crate::syntax::error::{ParseError, SyntaxFault};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::value::structure::{Annotation, AnnotationTerm};
use crate::value::{Value, memory};

/// Registers a function may use, with room for the instructions that look two further.
const REGISTERS: usize = 250;
/// Named variables kept in registers; the others go into a list.
const NAMED: usize = 100;

/// Between two looks a function of moderate size is compiled.
const LOOK: u32 = 1024;

pub(super) type Made<T> = Result<T, ParseError>;

/// Where a variable lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    Register(u8),
    Cell(u8),
    /// Position in the function's list of further variables.
    Far(u32),
    /// Variable of the module.
    Slot(u32),
    /// Captured from an enclosing function.
    Capture(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Label(pub u32);

/// A construct that `break`, `continue` and `return` must leave properly.
pub(super) enum Enclosing {
    Loop {
        again: Label,
        out: Label,
    },
    /// A `finally` to run first: its entry, the register of the way out, and the ways used so far.
    Finally {
        entry: Label,
        state: u8,
        exits: Vec<Exit>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Return,
    Jump(Label),
}

pub(super) struct Build<'u, 't> {
    pub unit: &'u Unit<'t>,
    pub top: bool,
    pub homes: NumberMap<Name, Home>,
    /// Comprehension variables and pipeline stages, innermost last.
    pub inner: Vec<(Name, Home)>,
    pub captures: NumberMap<Name, u32>,
    /// Registers of variables that surely have a value.
    pub definite: u128,
    /// Registers of variables that are read where they may have no value yet.
    doubtful: BTreeSet<u8>,
    /// Temporaries asked for; memory is looked at every [`LOOK`] of them.
    asked_for: u32,
    pub fleeting: Vec<Name>,
    pub next: usize,
    peak: usize,
    /// Registers below are variables.
    pub named: usize,
    pub far: Option<u8>,
    labels: Vec<u32>,
    pub place: u32,
    pub enclosing: Vec<Enclosing>,
    /// Registers of the errors being handled.
    pub handling: Vec<u8>,
    /// Where the value of statements goes.
    pub result: u8,
    /// The last statement's value counts even when it is `None`.
    pub exact: bool,
    /// The piped value that `$$` stands for.
    pub placeholder: Option<u8>,
    /// Constants kept in registers while a loop runs.
    pub hoisted: Vec<(ExprId, u8)>,
    /// Which registers hold the values of an assertion's condition, while that is being compiled.
    pub probe: Option<Probe>,
    /// The note of the typed assignment whose value is being compiled.
    pub expect: Option<u32>,
    constants: HashMap<ConstKey, u32>,
    pub code: Code,
}

#[derive(PartialEq, Eq, Hash)]
enum ConstKey {
    Int(i64),
    Float(u64),
    Str(Rc<str>),
}

impl<'u, 't> Build<'u, 't> {
    fn new(unit: &'u Unit<'t>, name: &str, top: bool, start: u32) -> Self {
        let code = Code::new(name, Rc::clone(&unit.file), start);
        Build {
            unit,
            top,
            homes: NumberMap::default(),
            inner: Vec::new(),
            captures: NumberMap::default(),
            definite: 0,
            doubtful: BTreeSet::new(),
            asked_for: 0,
            fleeting: Vec::new(),
            next: 0,
            peak: 0,
            named: 0,
            far: None,
            labels: Vec::new(),
            place: start,
            enclosing: Vec::new(),
            handling: Vec::new(),
            result: 0,
            exact: top,
            placeholder: None,
            hoisted: Vec::new(),
            probe: None,
            expect: None,
            constants: HashMap::new(),
            code,
        }
    }

    /// The top level of a program.
    pub(super) fn top(unit: &'u Unit<'t>) -> Self {
        let mut build = Build::new(unit, "<module>", true, 0);
        let names = &unit.module.locals;
        let scope = &unit.scopes.top;
        build.fleeting = scope.fleeting.iter().copied().collect();
        for name in &scope.locals {
            let slot = names.slot(unit.tree.name(*name));
            let home = if unit.scopes.star || names.is_shared(slot) || build.next >= NAMED {
                Home::Slot(slot)
            } else {
                let register = build.next as u8;
                build.next += 1;
                build.code.residents.push((register, slot));
                Home::Register(register)
            };
            build.homes.insert(*name, home);
        }
        build.settle_variables();
        for at in 0..build.code.residents.len() {
            if let Some((register, slot)) = build.code.residents.get(at).copied() {
                build.emit(Op::Peek { a: register, slot });
            }
        }
        build
    }

    /// A function whose parameters come first among the scope's locals.
    pub(super) fn function(
        unit: &'u Unit<'t>,
        name: &str,
        scope: &FunctionScope,
        params: Vec<ParamDef>,
        span: Span,
    ) -> Made<Self> {
        let mut build = Build::new(unit, name, false, span.start);
        if params.len() > NAMED {
            return Err(build.fault_at(span, format!("more than {NAMED} parameters")).into());
        }
        build.code.params = params;
        build.fleeting = scope.fleeting.iter().copied().collect();
        for (at, capture) in (0_u32..).zip(&scope.captures) {
            build.captures.insert(*capture, at);
        }
        let mut far = 0;
        for (at, name) in scope.locals.iter().enumerate() {
            let home = if at >= NAMED {
                far += 1;
                Home::Far(far - 1)
            } else {
                let register = at as u8;
                build.next = at + 1;
                if at < scope.params && !build.fleeting.contains(name) {
                    build.definite |= 1 << register;
                }
                if scope.cells.contains(name) { Home::Cell(register) } else { Home::Register(register) }
            };
            build.homes.insert(*name, home);
        }
        build.settle_variables();
        // A far variable that is captured gets its cell in the list's place.
        for (at, name) in scope.locals.iter().enumerate() {
            if at >= NAMED && scope.cells.contains(name) {
                let register = build.temp()?;
                build.named = build.next;
                build.homes.insert(*name, Home::Cell(register));
            }
        }
        let mut cells: Vec<u8> = build
            .homes
            .values()
            .filter_map(|home| if let Home::Cell(register) = home { Some(*register) } else { None })
            .collect();
        cells.sort_unstable();
        for register in cells {
            // What an earlier call left in the register is no value of the variable.
            if usize::from(register) >= scope.params {
                build.emit(Op::Unset { a: register });
            }
            build.emit(Op::NewCell { a: register });
        }
        if far > 0 {
            let register = build.temp()?;
            build.named = build.next;
            build.far = Some(register);
            build.emit(Op::MakeFar { a: register, count: far });
        }
        Ok(build)
    }

    fn settle_variables(&mut self) {
        self.result = self.next as u8;
        self.next += 1;
        self.named = self.next;
        self.peak = self.next;
    }

    // ------------------------------------------------------------------------------ registers

    pub(super) fn temp(&mut self) -> Made<u8> {
        self.temps(1)
    }

    /// `count` registers in a row; the first.
    pub(super) fn temps(&mut self, count: usize) -> Made<u8> {
        let first = self.next;
        self.next += count;
        self.peak = self.peak.max(self.next);
        if self.next > REGISTERS {
            let span = Span::new(self.place, self.place);
            return Err(self
                .fault_at(span, "expression too complex: too many values at once".to_owned())
                .hint("split it into several statements")
                .into());
        }
        self.asked_for = self.asked_for.wrapping_add(1);
        if self.asked_for.is_multiple_of(LOOK) {
            // Twice what is there, for vectors that grow, and once more for the functions it goes into.
            let ops = self.code.ops.capacity() * (size_of::<Op>() + size_of::<u32>());
            let constants = self.code.consts.capacity() * (size_of::<Value>() + size_of::<(ConstKey, u32)>());
            let templates = self.code.templates.capacity() * (size_of::<Template>() + size_of::<Box<str>>());
            if memory::room_and_reserve() < 3 * (ops + constants + templates) {
                return Err(ParseError::Memory);
            }
        }
        Ok(first as u8)
    }

    // ------------------------------------------------------------------------------ instructions

    pub(super) fn emit(&mut self, op: Op) {
        self.code.ops.push(op);
        self.code.places.push(self.place);
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(0);
        Label(self.labels.len() as u32 - 1)
    }

    pub(super) fn bind(&mut self, label: Label) {
        let here = self.code.ops.len() as u32;
        if let Some(target) = self.labels.get_mut(label.0 as usize) {
            *target = here;
        }
    }

    pub(super) fn bound(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// Takes back what was emitted since `start` if it only reads a variable of the module: the instruction and its slot.
    pub(super) fn only_global_since(&mut self, start: u32) -> Option<(Op, u32)> {
        let start = start as usize;
        match self.code.ops.get(start..) {
            Some([op @ Op::Global { slot, .. }]) => {
                let found = (*op, *slot);
                self.code.ops.truncate(start);
                self.code.places.truncate(start);
                Some(found)
            }
            _ => None,
        }
    }

    pub(super) fn here(&self) -> u32 {
        self.code.ops.len() as u32
    }

    pub(super) fn jump(&mut self, to: Label) {
        self.emit(Op::Jump { to: to.0 });
    }

    pub(super) fn handler(&mut self, start: u32, end: u32, target: Label, register: u8) {
        if start < end {
            self.code.handlers.push(Handler { start, end, target: target.0, register });
        }
    }

    /// The finished code, with labels replaced by positions.
    pub(super) fn finish(mut self) -> Code {
        let before = self.unset_doubtful();
        let labels = self.labels;
        let at = |label: u32| labels.get(label as usize).copied().unwrap_or(0) + before;
        for op in &mut self.code.ops {
            if let Some(to) = target(op) {
                *to = at(*to);
            }
        }
        for handler in &mut self.code.handlers {
            handler.target = at(handler.target);
            handler.start += before;
            handler.end += before;
        }
        self.code.registers = self.peak.min(255) as u8;
        self.code
    }

    /// A function finds its registers as the last call left them. Puts instructions in front that take away
    /// what must not be seen, and returns their number. The top level loads its variables itself.
    fn unset_doubtful(&mut self) -> u32 {
        let mut unset = std::mem::take(&mut self.doubtful);
        unset.retain(|register| !self.top && usize::from(*register) >= self.code.params.len());
        let count = unset.len();
        self.code.ops.splice(0..0, unset.into_iter().map(|a| Op::Unset { a }));
        self.code.places.splice(0..0, std::iter::repeat_n(self.code.start, count));
        count as u32
    }

    // ------------------------------------------------------------------------------ tables

    pub(super) fn constant_str(&mut self, text: &str) -> u32 {
        let key = ConstKey::Str(text.into());
        if let Some(at) = self.constants.get(&key) {
            return *at;
        }
        self.add_constant(Some(key), Value::str(text))
    }

    pub(super) fn constant_int(&mut self, number: i64) -> u32 {
        match self.constants.get(&ConstKey::Int(number)) {
            Some(at) => *at,
            None => self.add_constant(Some(ConstKey::Int(number)), Value::Int(number)),
        }
    }

    pub(super) fn constant_float(&mut self, number: f64) -> u32 {
        match self.constants.get(&ConstKey::Float(number.to_bits())) {
            Some(at) => *at,
            None => self.add_constant(Some(ConstKey::Float(number.to_bits())), Value::float(number)),
        }
    }

    pub(super) fn constant(&mut self, value: Value) -> u32 {
        self.add_constant(None, value)
    }

    fn add_constant(&mut self, key: Option<ConstKey>, value: Value) -> u32 {
        let at = self.code.consts.len() as u32;
        self.code.consts.push(value);
        if let Some(key) = key {
            self.constants.insert(key, at);
        }
        at
    }

    pub(super) fn template(&mut self, texts: Vec<Box<str>>) -> u32 {
        let bytes = texts.iter().map(|text| text.len()).sum();
        self.code.templates.push(Template { texts: texts.into(), bytes });
        self.code.templates.len() as u32 - 1
    }

    pub(super) fn shape(&mut self, keys: Vec<Value>) -> u32 {
        self.code.shapes.push(Shape::new(keys));
        self.code.shapes.len() as u32 - 1
    }

    pub(super) fn call_site(&mut self, site: CallSite) -> u32 {
        self.code.calls.push(site);
        self.code.calls.len() as u32 - 1
    }

    pub(super) fn attr_site(&mut self, name: Name) -> u32 {
        let name = self.text(name);
        self.code.attrs.push(AttrSite { name, cache: std::cell::Cell::new((0, 0)) });
        self.code.attrs.len() as u32 - 1
    }

    pub(super) fn note(&mut self, target: &str, annotation: Type) -> u32 {
        let annotation = Rc::new(self.annotation(annotation));
        self.code.notes.push(Note { target: target.into(), annotation });
        self.code.notes.len() as u32 - 1
    }

    pub(super) fn text(&self, name: Name) -> Rc<str> {
        self.unit.tree.name(name).into()
    }

    pub(super) fn annotation(&self, node: Type) -> Annotation {
        let tree = self.unit.tree;
        let terms = tree
            .list(node.terms)
            .iter()
            .map(|term| AnnotationTerm {
                name: self.text(term.name.name),
                arguments: tree.list(term.arguments).iter().map(|inner| self.annotation(*inner)).collect(),
            })
            .collect();
        Annotation { terms }
    }

    pub(super) fn fault_at(&self, span: Span, message: String) -> SyntaxFault {
        SyntaxFault::new(message, span)
    }

    // ------------------------------------------------------------------------------ variables

    /// Where an unprefixed name lives as seen from here; none when only the module can have it.
    pub(super) fn home(&self, name: Name) -> Option<Home> {
        self.inner
            .iter()
            .rev()
            .find(|(inner, _)| *inner == name)
            .map(|(_, home)| *home)
            .or_else(|| self.homes.get(&name).copied())
            .or_else(|| self.captures.get(&name).map(|at| Home::Capture(*at)))
    }

    fn is_inner(&self, name: Name) -> bool {
        self.inner.iter().any(|(inner, _)| *inner == name)
    }

    /// The register of a variable that surely has a value.
    pub(super) fn register_of(&self, name: Name) -> Option<u8> {
        match self.home(name)? {
            Home::Register(register)
                if self.is_inner(name) || register < 128 && self.definite & (1 << register) != 0 =>
            {
                Some(register)
            }
            _ => None,
        }
    }

    pub(super) fn read(&mut self, name: Name, dst: u8) {
        if let Some(register) = self.register_of(name) {
            if register != dst {
                self.emit(Op::Move { a: dst, b: register });
            }
            return;
        }
        let done = self.label();
        match self.home(name) {
            Some(Home::Slot(_)) | None => {}
            Some(home) => {
                match home {
                    Home::Register(b) => {
                        self.doubtful.insert(b);
                        self.emit(Op::Move { a: dst, b });
                    }
                    Home::Cell(b) => self.emit(Op::Cell { a: dst, b }),
                    Home::Far(at) => self.emit(Op::Far { a: dst, b: self.far.unwrap_or(0), at }),
                    Home::Capture(at) => self.emit(Op::Capture { a: dst, at }),
                    Home::Slot(_) => {}
                }
                self.emit(Op::JumpSet { a: dst, to: done.0 });
                if !matches!(home, Home::Capture(_))
                    && let Some(at) = self.captures.get(&name).copied()
                {
                    self.emit(Op::Capture { a: dst, at });
                    self.emit(Op::JumpSet { a: dst, to: done.0 });
                }
            }
        }
        let slot = self.module_slot(name);
        self.emit(Op::Global { a: dst, slot });
        self.bind(done);
    }

    pub(super) fn module_slot(&self, name: Name) -> u32 {
        let locals = &self.unit.module.locals;
        let slot = locals.slot(self.unit.tree.name(name));
        if !self.top {
            locals.share(slot);
        }
        slot
    }

    /// Writes a local variable.
    pub(super) fn write(&mut self, name: Name, src: u8) {
        match self.homes.get(&name).copied() {
            Some(Home::Register(a)) => {
                if a != src {
                    self.emit(Op::Move { a, b: src });
                }
                self.mark_definite(name, a);
            }
            Some(Home::Cell(a)) => self.emit(Op::SetCell { a, b: src }),
            Some(Home::Far(at)) => self.emit(Op::SetFar { a: src, b: self.far.unwrap_or(0), at }),
            Some(Home::Slot(slot)) => self.emit(Op::SetGlobal { b: src, slot }),
            Some(Home::Capture(_)) | None => {
                let slot = self.module_slot(name);
                self.emit(Op::SetGlobal { b: src, slot });
            }
        }
    }

    pub(super) fn mark_definite(&mut self, name: Name, register: u8) {
        if register < 128 && !self.fleeting.contains(&name) {
            self.definite |= 1 << register;
        }
    }

    /// Takes a variable away.
    pub(super) fn forget(&mut self, name: Name) -> Made<()> {
        match self.homes.get(&name).copied() {
            Some(Home::Register(a)) => {
                self.emit(Op::Unset { a });
                if self.top {
                    let slot = self.module_slot(name);
                    self.emit(Op::UnsetGlobal { slot });
                }
            }
            Some(Home::Slot(slot)) => self.emit(Op::UnsetGlobal { slot }),
            Some(_) => {
                let mark = self.next;
                let temp = self.temp()?;
                self.emit(Op::Unset { a: temp });
                self.write(name, temp);
                self.next = mark;
            }
            None => {}
        }
        Ok(())
    }

    /// The register to compute an assigned value in directly.
    pub(super) fn direct(&self, name: Name) -> Option<u8> {
        match self.homes.get(&name) {
            Some(Home::Register(register)) => Some(*register),
            _ => None,
        }
    }

    pub(super) fn scope_slot(&self, scope: Scope, name: Name) -> (u8, u32) {
        let text = self.unit.tree.name(name);
        match scope {
            Scope::Local => (0, self.unit.module.locals.slot(text)),
            Scope::Private => (1, self.unit.module.private.slot(text)),
            Scope::Public => (2, self.unit.public.slot(text)),
            Scope::System => (3, self.unit.system.slot(text)),
        }
    }
}

/// The jump target of an instruction.
fn target(op: &mut Op) -> Option<&mut u32> {
    match op {
        Op::Jump { to }
        | Op::JumpIf { to, .. }
        | Op::JumpIfNot { to, .. }
        | Op::JumpCond { to, .. }
        | Op::JumpCondNot { to, .. }
        | Op::JumpSet { to, .. }
        | Op::JumpLess { to, .. }
        | Op::JumpLessEqual { to, .. }
        | Op::JumpGreater { to, .. }
        | Op::JumpGreaterEqual { to, .. }
        | Op::JumpEqual { to, .. }
        | Op::JumpLessInt { to, .. }
        | Op::JumpLessEqualInt { to, .. }
        | Op::JumpGreaterInt { to, .. }
        | Op::JumpGreaterEqualInt { to, .. }
        | Op::JumpEqualInt { to, .. }
        | Op::RangeNext { to, .. }
        | Op::IterNext { to, .. }
        | Op::Append { to, .. }
        | Op::JumpUnlessKind { to, .. } => Some(to),
        _ => None,
    }
}
