//! Definitions: functions, lambdas, methods, struct types.

use std::rc::Rc;

use super::build::{Build, Home, Made};
use super::code::{CallSite, CaptureFrom, Code, FieldPlan, FunctionDef, MethodDef, ParamDef, StructDef};
use super::op::Op;
use super::scope::FunctionScope;
use super::want;
use crate::syntax::ast::*;
use crate::syntax::span::Span;
use crate::value::structure::{Annotation, AnnotationTerm, StructKind};

impl Build<'_, '_> {
    pub(super) fn lambda(&mut self, id: Id<Function>, dst: u8) -> Made<()> {
        self.make_function(id, "<lambda>", dst)
    }

    /// `def` as a statement.
    pub(super) fn define(&mut self, id: Id<Function>, want: bool) -> Made<()> {
        let tree = self.unit.tree;
        let node = tree.get(id);
        let Some(name) = node.name else { return Ok(()) };
        let text = tree.name(name.name).to_owned();
        let b = self.temp()?;
        self.decorated(id, name, b)?;
        match node.receiver {
            Some(receiver) => self.method(&text, receiver, true, b),
            None => {
                if let Some(first) = tree.list(node.parameters).first()
                    && first.annotation.is_some()
                {
                    self.method(&text, *first, false, b);
                }
                self.write(name.name, b);
            }
        }
        if want {
            self.settle(b);
        }
        Ok(())
    }

    /// The function a `def` makes, after its decorators: they are evaluated in order and applied from the innermost.
    fn decorated(&mut self, id: Id<Function>, name: Ident, b: u8) -> Made<()> {
        let tree = self.unit.tree;
        let node = tree.get(id);
        let first = self.next;
        let mut made = Vec::new();
        for decorator in tree.list(node.decorators) {
            let function = self.temps(2)?;
            self.place = decorator.name.span.start;
            self.read(decorator.name.name, function);
            if let Some(arguments) = decorator.arguments {
                let mark = self.next;
                let callee = self.temp()?;
                self.emit(Op::Move { a: callee, b: function });
                let (c, keywords) = self.arguments(arguments)?;
                self.place = decorator.name.span.start;
                let site = self.call_site(CallSite { keywords, ..CallSite::default() });
                self.emit(Op::Call { a: function, b: callee, c, site });
                self.next = mark;
            }
            made.push((function, decorator.name.span.start));
        }
        self.place = name.span.start;
        let text = tree.name(name.name).to_owned();
        self.make_function(id, &text, b)?;
        for (function, place) in made.into_iter().rev() {
            self.emit(Op::Move { a: function + 1, b });
            self.place = place;
            let site = self.call_site(CallSite::default());
            self.emit(Op::Call { a: b, b: function, c: 1, site });
        }
        self.next = first;
        self.place = name.span.start;
        Ok(())
    }

    /// Registers a method for the types the parameter is annotated with.
    fn method(&mut self, name: &str, receiver: Parameter, strict: bool, b: u8) {
        let tree = self.unit.tree;
        let types: Vec<Rc<str>> = match receiver.annotation {
            Some(annotation) => {
                tree.list(annotation.terms).iter().map(|term| self.text(term.name.name)).collect()
            }
            None => Vec::new(),
        };
        const BASIC: [&str; 11] =
            ["int", "float", "str", "bool", "list", "dict", "tuple", "set", "None", "any", "Any"];
        if !strict && types.iter().all(|name| BASIC.contains(&&**name)) {
            return;
        }
        self.code.methods.push(MethodDef { name: name.into(), types, strict });
        let at = self.code.methods.len() as u32 - 1;
        self.emit(Op::DefineMethod { b, at });
    }

    fn make_function(&mut self, id: Id<Function>, name: &str, dst: u8) -> Made<()> {
        let tree = self.unit.tree;
        let node = tree.get(id);
        let mark = self.next;
        let parameters: Vec<Parameter> =
            node.receiver.into_iter().chain(tree.list(node.parameters).iter().copied()).collect();
        let optional: Vec<ExprId> = parameters.iter().filter_map(|parameter| parameter.default).collect();
        let first = self.temps(optional.len())?;
        for (at, default) in (0_u8..).zip(&optional) {
            self.expr(*default, first + at)?;
        }
        let params = parameters
            .iter()
            .map(|parameter| ParamDef {
                name: self.text(parameter.name.name),
                annotation: parameter.annotation.map(|annotation| Rc::new(self.annotation(annotation))),
                optional: parameter.default.is_some(),
            })
            .collect();
        let empty = FunctionScope::default();
        let scope = self.unit.scopes.functions.get(&id).unwrap_or(&empty);
        let code = self.function_code(node, name, scope, params)?;
        let captures = scope
            .captures
            .iter()
            .map(|name| match self.home(*name) {
                Some(Home::Cell(register)) => CaptureFrom::Register(register),
                Some(Home::Capture(at)) => CaptureFrom::Capture(at),
                // A local of its own that looks outward first.
                _ => CaptureFrom::Capture(self.captures.get(name).copied().unwrap_or(u32::MAX)),
            })
            .collect();
        let def = FunctionDef { code: Rc::new(code), defaults: optional.len() as u8, captures };
        self.code.functions.push(Rc::new(def));
        let at = self.code.functions.len() as u32 - 1;
        self.place = node.span.start;
        self.emit(Op::Function { a: dst, b: first, at });
        self.next = mark;
        Ok(())
    }

    fn function_code(
        &self,
        node: Function,
        name: &str,
        scope: &FunctionScope,
        params: Vec<ParamDef>,
    ) -> Made<Code> {
        let tree = self.unit.tree;
        let mut inner = Build::function(self.unit, name, scope, params, node.span)?;
        inner.code.receiver = node.receiver.is_some();
        inner.code.returns = node.returns.map(|annotation| Rc::new(self.annotation(annotation)));
        inner.code.locals = scope.locals.iter().skip(scope.params).map(|name| self.text(*name)).collect();
        match node.body {
            Body::Value(value) => {
                let a = inner.operand(value)?;
                inner.emit(Op::Return { a });
            }
            Body::Block(block) => {
                let falls = want::falls_through(tree, block);
                inner.code.doc = doc(tree, block);
                let a = inner.result;
                if falls {
                    inner.emit(Op::None { a });
                }
                inner.block(block, falls)?;
                inner.emit(Op::Return { a });
            }
            Body::Pipeline(stages) => inner.pipeline(tree.list(stages))?,
        }
        Ok(inner.finish())
    }

    pub(super) fn define_type(&mut self, node: TypeDef) -> Made<()> {
        let tree = self.unit.tree;
        let kind = match node.kind {
            TypeKind::Struct => StructKind::Struct,
            TypeKind::Workflow => StructKind::Workflow,
            TypeKind::Resource => StructKind::Resource,
            TypeKind::AgentBlueprint => StructKind::Agent,
        };
        let name = self.text(node.name.name);
        let own = tree.list(node.fields);
        let given = given_fields(kind, "unnamed_agent");
        let given: Vec<_> = given
            .iter()
            .filter(|(field, _)| !own.iter().any(|own| tree.name(own.name.name) == *field))
            .copied()
            .collect();
        let defaults: Vec<ExprId> = own.iter().filter_map(|field| field.default).collect();
        let mark = self.next;
        let b = self.temps((given.len() + defaults.len()).max(1))?;
        for (at, (_, default)) in (0_u8..).zip(&given) {
            let k = self.constant_str(default);
            self.emit(Op::Const { a: b + at, k });
        }
        for (at, default) in (given.len() as u8..).zip(&defaults) {
            self.expr(*default, b + at)?;
        }
        let mut fields: Vec<FieldPlan> = given.iter().map(|(field, _)| given_plan(field)).collect();
        fields.extend(own.iter().map(|field| FieldPlan {
            name: self.text(field.name.name),
            annotation: self.annotation(field.annotation),
            has_default: field.default.is_some(),
            comment: field.comment.map(|text| tree.text(text).into()),
        }));
        let doc = node.doc.map(|text| tree.text(text).into());
        self.code.structs.push(Rc::new(StructDef { kind, name: Rc::clone(&name), doc, fields }));
        let at = self.code.structs.len() as u32 - 1;
        self.place = node.name.span.start;
        self.emit(Op::Struct { a: b, b, at });
        self.write(node.name.name, b);
        for method in tree.list(node.methods) {
            let function = tree.get(*method);
            let Some(ident) = function.name else { continue };
            let text = tree.name(ident.name).to_owned();
            self.place = ident.span.start;
            self.decorated(*method, ident, b)?;
            let types = vec![Rc::clone(&name)];
            self.code.methods.push(MethodDef { name: text.into(), types, strict: true });
            let at = self.code.methods.len() as u32 - 1;
            self.emit(Op::DefineMethod { b, at });
        }
        self.next = mark;
        Ok(())
    }

    /// `agent X`, `agent X(Blueprint)`, with or without overrides.
    pub(super) fn define_agent(&mut self, node: Agent) -> Made<()> {
        let tree = self.unit.tree;
        let mark = self.next;
        let callee = self.temp()?;
        let Some(name) = node.name.or(node.blueprint) else { return Ok(()) };
        self.place = name.span.start;
        let overrides = tree.list(node.overrides);
        match node.blueprint {
            Some(blueprint) => self.read(blueprint.name, callee),
            None => {
                let text = self.text(name.name);
                let given = given_fields(StructKind::Agent, &text);
                let b = self.temps(given.len())?;
                for (at, (_, default)) in (0_u8..).zip(&given) {
                    let k = self.constant_str(default);
                    self.emit(Op::Const { a: b + at, k });
                }
                let fields = given.iter().map(|(field, _)| given_plan(field)).collect();
                let kind = StructKind::Agent;
                self.code.structs.push(Rc::new(StructDef { kind, name: text, doc: None, fields }));
                let at = self.code.structs.len() as u32 - 1;
                self.emit(Op::Struct { a: callee, b, at });
                self.next = usize::from(callee) + 1;
            }
        }
        let first = self.temps(overrides.len())?;
        let mut keywords = Vec::new();
        for (at, item) in (0_u8..).zip(overrides) {
            self.expr(item.value, first + at)?;
            keywords.push(self.text(item.name.name));
        }
        self.place = name.span.start;
        let site = self.call_site(CallSite { keywords: keywords.into(), ..CallSite::default() });
        self.emit(Op::Call { a: callee, b: callee, c: overrides.len() as u8, site });
        self.write(name.name, callee);
        self.next = mark;
        Ok(())
    }

    /// The start of a span, for instructions made outside of expressions.
    pub(super) fn at(&mut self, span: Span) {
        self.place = span.start;
    }
}

/// The text that a body begins with.
pub(super) fn doc(tree: &Tree, body: Block) -> Option<Rc<str>> {
    let StmtKind::Expr(first) = tree.list(body).first()?.kind else { return None };
    let ExprKind::Str(text) = tree.get(first).kind else { return None };
    Some(tree.text(text).into())
}

/// Fields a kind of type has before its own, with their defaults.
fn given_fields(kind: StructKind, name: &str) -> Vec<(&'static str, &str)> {
    match kind {
        StructKind::Resource => vec![("state", "INITIALIZED")],
        StructKind::Agent => vec![("name", name), ("description", "A Dana agent"), ("state", "CREATED")],
        StructKind::Struct | StructKind::Workflow => Vec::new(),
    }
}

fn given_plan(name: &str) -> FieldPlan {
    let term = AnnotationTerm { name: "str".into(), arguments: Vec::new() };
    FieldPlan {
        name: name.into(),
        annotation: Annotation { terms: vec![term] },
        has_default: true,
        comment: None,
    }
}
