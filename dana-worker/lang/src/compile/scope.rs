//! Which function owns which variable, before any code is made.
//!
//! Assignment makes a name local to its function. A read that may happen before the assignment looks
//! outward: to the variables of enclosing functions, which are then kept in cells, and at last to the module.

use super::numbers::{NumberMap, NumberSet};
use crate::syntax::ast::*;
use crate::syntax::name::Name;

/// The variables of one function.
#[derive(Default)]
pub(crate) struct FunctionScope {
    /// Parameters first, then in order of first assignment.
    pub locals: Vec<Name>,
    pub params: usize,
    /// Locals that nested functions use.
    pub cells: NumberSet<Name>,
    /// Variables of enclosing functions, in order of first use.
    pub captures: Vec<Name>,
    /// Locals that a handler or `with` takes away again.
    pub fleeting: NumberSet<Name>,
}

#[derive(Default)]
pub(crate) struct Scopes {
    pub functions: NumberMap<Id<Function>, FunctionScope>,
    pub top: FunctionScope,
    /// Comprehension variables that lambdas inside use.
    pub comprehension_cells: NumberSet<(Id<Comprehension>, Name)>,
    /// Module variables that must be in their slots: functions or method calls may look for them.
    pub shared: NumberSet<Name>,
    /// `from m import *` writes names nobody knows here: no module variable may live in a register.
    pub star: bool,
}

enum Level {
    Function {
        id: Option<Id<Function>>,
        scope: Box<FunctionScope>,
        local: NumberSet<Name>,
        definite: NumberSet<Name>,
        log: Vec<Name>,
    },
    Comprehension {
        id: Id<Comprehension>,
        names: Vec<Name>,
    },
}

struct Walk<'t> {
    tree: &'t Tree,
    levels: Vec<Level>,
    out: Scopes,
}

/// Finds the scopes of a whole module.
pub(crate) fn analyse(module: &Module) -> Scopes {
    let mut walk = Walk { tree: &module.tree, levels: Vec::new(), out: Scopes::default() };
    let mut scope = FunctionScope::default();
    let mut local = NumberSet::default();
    walk.collect(module.body, &mut scope, &mut local);
    walk.levels.push(Level::Function {
        id: None,
        scope: Box::new(scope),
        local,
        definite: NumberSet::default(),
        log: Vec::new(),
    });
    walk.block(module.body);
    if let Some(Level::Function { scope, .. }) = walk.levels.pop() {
        walk.out.top = *scope;
    }
    walk.out
}

impl Walk<'_> {
    // ------------------------------------------------------------------------------ assigned names

    fn collect(&self, block: Block, scope: &mut FunctionScope, local: &mut NumberSet<Name>) {
        for stmt in self.tree.list(block) {
            match stmt.kind {
                StmtKind::Assign(id) => match self.tree.get(id).target.kind {
                    TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) => {
                        add(scope, local, name);
                    }
                    _ => {}
                },
                StmtKind::Augment(id) => match self.tree.get(id).target.kind {
                    TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) => {
                        add(scope, local, name);
                    }
                    _ => {}
                },
                StmtKind::Function(id) => {
                    if let Some(name) = self.tree.get(id).name {
                        add(scope, local, name.name);
                    }
                }
                StmtKind::Type(id) => add(scope, local, self.tree.get(id).name.name),
                StmtKind::Interface(id) => add(scope, local, self.tree.get(id).name.name),
                StmtKind::Agent(id) => {
                    let agent = self.tree.get(id);
                    if let Some(name) = agent.name.or(agent.blueprint) {
                        add(scope, local, name.name);
                    }
                }
                StmtKind::Import(id) => {
                    let import = self.tree.get(id);
                    match import.form {
                        ImportForm::Module { alias: Some(alias) } => add(scope, local, alias.name),
                        ImportForm::Module { alias: None } => {
                            if let Some(first) = self.tree.list(import.module.parts).first() {
                                add(scope, local, first.name);
                            }
                        }
                        ImportForm::Star => {}
                        ImportForm::Names(names) => {
                            for imported in self.tree.list(names) {
                                add(scope, local, imported.alias.unwrap_or(imported.name).name);
                            }
                        }
                    }
                }
                StmtKind::If { arms, otherwise } => {
                    for arm in self.tree.list(arms) {
                        self.collect(arm.body, scope, local);
                    }
                    if let Some(block) = otherwise {
                        self.collect(block, scope, local);
                    }
                    continue;
                }
                StmtKind::While { body, .. } => {
                    self.collect(body, scope, local);
                    continue;
                }
                StmtKind::For(id) => {
                    let node = self.tree.get(id);
                    for target in self.tree.list(node.targets) {
                        add(scope, local, target.name);
                    }
                    self.collect(node.body, scope, local);
                    continue;
                }
                StmtKind::Try(id) => {
                    let node = self.tree.get(id);
                    self.collect(node.body, scope, local);
                    for clause in self.tree.list(node.clauses) {
                        if let Some(binding) = clause.binding {
                            scope.fleeting.insert(binding.name);
                            add(scope, local, binding.name);
                        }
                        self.collect(clause.body, scope, local);
                    }
                    if let Some(block) = node.finally {
                        self.collect(block, scope, local);
                    }
                    continue;
                }
                StmtKind::With(id) => {
                    let node = self.tree.get(id);
                    scope.fleeting.insert(node.binding.name);
                    add(scope, local, node.binding.name);
                    self.collect(node.body, scope, local);
                    continue;
                }
                _ => {}
            }
        }
    }

    // ------------------------------------------------------------------------------ reads

    fn assign(&mut self, name: Name) {
        for level in self.levels.iter_mut().rev() {
            if let Level::Function { scope, definite, log, .. } = level {
                if !scope.fleeting.contains(&name) && definite.insert(name) {
                    log.push(name);
                }
                return;
            }
        }
    }

    fn mark(&self) -> usize {
        self.levels
            .iter()
            .rev()
            .find_map(|level| match level {
                Level::Function { log, .. } => Some(log.len()),
                Level::Comprehension { .. } => None,
            })
            .unwrap_or(0)
    }

    fn restore(&mut self, mark: usize) {
        for level in self.levels.iter_mut().rev() {
            if let Level::Function { definite, log, .. } = level {
                for name in log.drain(mark.min(log.len())..) {
                    definite.remove(&name);
                }
                return;
            }
        }
    }

    fn read(&mut self, name: Name) {
        let mut crossed: Vec<usize> = Vec::new();
        for at in (0..self.levels.len()).rev() {
            let Some(level) = self.levels.get_mut(at) else { return };
            match level {
                Level::Comprehension { id, names } => {
                    if names.contains(&name) {
                        if !crossed.is_empty() {
                            self.out.comprehension_cells.insert((*id, name));
                            self.capture(&crossed, name);
                        }
                        return;
                    }
                }
                Level::Function { id, scope, local, definite, .. } => {
                    if id.is_none() {
                        if !crossed.is_empty() {
                            self.out.shared.insert(name);
                        }
                        return;
                    }
                    if local.contains(&name) {
                        if crossed.is_empty() {
                            if definite.contains(&name) {
                                return;
                            }
                        } else {
                            scope.cells.insert(name);
                            let surely = definite.contains(&name);
                            self.capture(&crossed, name);
                            if surely {
                                return;
                            }
                        }
                    }
                    crossed.push(at);
                }
            }
        }
    }

    fn capture(&mut self, crossed: &[usize], name: Name) {
        for at in crossed {
            if let Some(Level::Function { scope, .. }) = self.levels.get_mut(*at)
                && !scope.captures.contains(&name)
            {
                scope.captures.push(name);
            }
        }
    }

    // ------------------------------------------------------------------------------ statements

    fn block(&mut self, block: Block) {
        let tree = self.tree;
        for stmt in tree.list(block) {
            self.statement(stmt.kind);
        }
    }

    /// A block that may not run, or not to its end.
    fn branch(&mut self, block: Block) {
        let mark = self.mark();
        self.block(block);
        self.restore(mark);
    }

    fn statement(&mut self, kind: StmtKind) {
        let tree = self.tree;
        match kind {
            StmtKind::Expr(value) => self.expr(value),
            StmtKind::Assign(id) => {
                let node = tree.get(id);
                self.expr(node.value);
                self.target(node.target);
            }
            StmtKind::Augment(id) => {
                let node = tree.get(id);
                if let TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) = node.target.kind {
                    self.read(name);
                }
                self.expr(node.value);
                self.target(node.target);
            }
            StmtKind::If { arms, otherwise } => {
                for arm in tree.list(arms) {
                    self.expr(arm.condition);
                    self.branch(arm.body);
                }
                if let Some(block) = otherwise {
                    self.branch(block);
                }
            }
            StmtKind::While { condition, body } => {
                self.expr(condition);
                self.branch(body);
            }
            StmtKind::For(id) => {
                let node = tree.get(id);
                self.expr(node.iterable);
                let mark = self.mark();
                for target in tree.list(node.targets) {
                    self.assign(target.name);
                }
                self.block(node.body);
                self.restore(mark);
            }
            StmtKind::Try(id) => {
                let node = tree.get(id);
                self.branch(node.body);
                for clause in tree.list(node.clauses) {
                    self.branch(clause.body);
                }
                if let Some(block) = node.finally {
                    self.branch(block);
                }
            }
            StmtKind::With(id) => {
                let node = tree.get(id);
                self.expr(node.value);
                self.branch(node.body);
            }
            StmtKind::Function(id) => {
                let node = tree.get(id);
                self.decorators(node.decorators);
                self.function(id);
                if let Some(name) = node.name {
                    self.assign(name.name);
                    self.top_is_shared(name.name);
                }
            }
            StmtKind::Type(id) => {
                let node = tree.get(id);
                for field in tree.list(node.fields) {
                    if let Some(default) = field.default {
                        self.expr(default);
                    }
                }
                for method in tree.list(node.methods) {
                    self.decorators(tree.get(*method).decorators);
                    self.function(*method);
                }
                self.assign(node.name.name);
                self.top_is_shared(node.name.name);
            }
            StmtKind::Agent(id) => {
                let node = tree.get(id);
                if let Some(blueprint) = node.blueprint {
                    self.read(blueprint.name);
                }
                for field in tree.list(node.overrides) {
                    self.expr(field.value);
                }
                if let Some(name) = node.name.or(node.blueprint) {
                    self.assign(name.name);
                    self.top_is_shared(name.name);
                }
            }
            StmtKind::Import(id) => self.import(id),
            StmtKind::Return(value) => {
                if let Some(value) = value {
                    self.expr(value);
                }
            }
            StmtKind::Raise { error, cause } => {
                for value in [error, cause].into_iter().flatten() {
                    self.expr(value);
                }
            }
            StmtKind::Assert { condition, message } => {
                self.expr(condition);
                if let Some(message) = message {
                    self.expr(message);
                }
            }
            StmtKind::Interface(id) => {
                self.assign(tree.get(id).name.name);
                self.top_is_shared(tree.get(id).name.name);
            }
            StmtKind::Break | StmtKind::Continue | StmtKind::Pass => {}
        }
    }

    fn decorators(&mut self, decorators: List<Decorator>) {
        for decorator in self.tree.list(decorators) {
            self.read(decorator.name.name);
            if let Some(arguments) = decorator.arguments {
                self.arguments(arguments);
            }
        }
    }

    fn import(&mut self, id: Id<Import>) {
        let tree = self.tree;
        let node = tree.get(id);
        let mut bound = Vec::new();
        match node.form {
            ImportForm::Module { alias: Some(alias) } => bound.push(alias.name),
            ImportForm::Module { alias: None } => {
                bound.extend(tree.list(node.module.parts).first().map(|ident| ident.name));
            }
            ImportForm::Star => self.out.star = true,
            ImportForm::Names(names) => {
                bound.extend(tree.list(names).iter().map(|i| i.alias.unwrap_or(i.name).name));
            }
        }
        for name in bound {
            self.assign(name);
            self.top_is_shared(name);
        }
    }

    /// A definition at top level is always visible in its slot.
    fn top_is_shared(&mut self, name: Name) {
        if self.levels.len() == 1 {
            self.out.shared.insert(name);
        }
    }

    fn target(&mut self, target: Target) {
        match target.kind {
            TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) => self.assign(name),
            TargetKind::Scoped(..) => {}
            TargetKind::Attribute(object, _) => self.expr(object),
            TargetKind::Subscript(object, subscript) => {
                self.expr(object);
                self.subscript(subscript);
            }
            TargetKind::Subscripts(object, list) => {
                self.expr(object);
                for subscript in self.tree.list(list) {
                    self.subscript(*subscript);
                }
            }
        }
    }

    fn function(&mut self, id: Id<Function>) {
        let tree = self.tree;
        let node = tree.get(id);
        for parameter in tree.list(node.parameters) {
            if let Some(default) = parameter.default {
                self.expr(default);
            }
        }
        let mut scope = FunctionScope::default();
        let mut local = NumberSet::default();
        let parameters = node.receiver.into_iter().chain(tree.list(node.parameters).iter().copied());
        for parameter in parameters {
            if local.insert(parameter.name.name) {
                scope.locals.push(parameter.name.name);
            }
        }
        scope.params = scope.locals.len();
        // Where a question stands may never be reached: its variables are never sure to have a value.
        for entry in tree.list(node.entries) {
            add(&mut scope, &mut local, entry.name);
        }
        match node.body {
            Body::Block(block) => self.collect(block, &mut scope, &mut local),
            Body::Value(_) => {}
            Body::Pipeline(stages) => {
                for stage in tree.list(stages) {
                    if let Some(alias) = stage.alias
                        && local.insert(alias.name)
                    {
                        scope.locals.push(alias.name);
                    }
                }
            }
        }
        let fleeting = &scope.fleeting;
        let definite: NumberSet<Name> =
            scope.locals.iter().take(scope.params).filter(|name| !fleeting.contains(name)).copied().collect();
        self.levels.push(Level::Function {
            id: Some(id),
            scope: Box::new(scope),
            local,
            definite,
            log: Vec::new(),
        });
        match node.body {
            Body::Block(block) => self.block(block),
            Body::Value(value) => self.expr(value),
            Body::Pipeline(stages) => self.stages(stages),
        }
        if let Some(Level::Function { scope, .. }) = self.levels.pop() {
            self.out.functions.insert(id, *scope);
        }
    }

    fn stages(&mut self, stages: List<Stage>) {
        let tree = self.tree;
        for stage in tree.list(stages) {
            match stage.kind {
                StageKind::Function(name) => self.expr(name),
                StageKind::Call(function, arguments) => {
                    self.expr(function);
                    self.arguments(arguments);
                }
                StageKind::Fan(inner) => self.stages(inner),
            }
            if let Some(alias) = stage.alias {
                self.assign(alias.name);
            }
        }
    }

    // ------------------------------------------------------------------------------ expressions

    fn expr(&mut self, id: ExprId) {
        let tree = self.tree;
        match tree.get(id).kind {
            ExprKind::Name(name) | ExprKind::Scoped(Scope::Local, name) => self.read(name),
            ExprKind::None
            | ExprKind::True
            | ExprKind::False
            | ExprKind::Int(_)
            | ExprKind::BigInt(_)
            | ExprKind::Float(_)
            | ExprKind::Str(_)
            | ExprKind::Scoped(..)
            | ExprKind::Placeholder => {}
            ExprKind::FString(pieces) => self.pieces(pieces),
            ExprKind::Unary(_, operand) => self.expr(operand),
            ExprKind::Binary { first, rest } => {
                self.expr(first);
                for step in tree.list(rest) {
                    self.expr(step.operand);
                }
            }
            ExprKind::Logic(_, list) | ExprKind::Tuple(list) | ExprKind::List(list) | ExprKind::Set(list) => {
                for item in tree.list(list) {
                    self.expr(*item);
                }
            }
            ExprKind::Choice { arms, otherwise } => {
                for arm in tree.list(arms) {
                    self.expr(arm.condition);
                    self.expr(arm.value);
                }
                self.expr(otherwise);
            }
            ExprKind::Postfix { base, links } => {
                self.expr(base);
                for link in tree.list(links) {
                    match link.kind {
                        LinkKind::Attribute(_) => {}
                        LinkKind::Method(name, arguments) => {
                            // The last resort of a method call is a function of that name.
                            self.out.shared.insert(name);
                            self.arguments(arguments);
                        }
                        LinkKind::Call(arguments) => self.arguments(arguments),
                        LinkKind::Subscript(subscript) => self.subscript(subscript),
                        LinkKind::Subscripts(list) => {
                            for subscript in tree.list(list) {
                                self.subscript(*subscript);
                            }
                        }
                    }
                }
            }
            ExprKind::Dict(pairs) => {
                for pair in tree.list(pairs) {
                    self.expr(pair.key);
                    self.expr(pair.value);
                }
            }
            ExprKind::Comprehension(id) => self.comprehension(id),
            ExprKind::Lambda(id) => self.function(id),
        }
    }

    fn comprehension(&mut self, id: Id<Comprehension>) {
        let tree = self.tree;
        let node = tree.get(id);
        self.expr(node.iterable);
        let names = tree.list(node.targets).iter().map(|ident| ident.name).collect();
        self.levels.push(Level::Comprehension { id, names });
        if let Some(filter) = node.filter {
            self.expr(filter);
        }
        match node.shape {
            Shape::List(item) | Shape::Set(item) => self.expr(item),
            Shape::Dict(pair) => {
                self.expr(pair.key);
                self.expr(pair.value);
            }
        }
        self.levels.pop();
    }

    fn pieces(&mut self, pieces: List<Piece>) {
        let tree = self.tree;
        for piece in tree.list(pieces) {
            if let Piece::Field { value, spec, .. } = piece {
                self.expr(*value);
                self.pieces(*spec);
            }
        }
    }

    fn subscript(&mut self, subscript: Subscript) {
        match subscript {
            Subscript::Index(index) => self.expr(index),
            Subscript::Slice { start, stop, step } => {
                for bound in [start, stop, step].into_iter().flatten() {
                    self.expr(bound);
                }
            }
        }
    }

    fn arguments(&mut self, arguments: List<Argument>) {
        let tree = self.tree;
        for argument in tree.list(arguments) {
            self.expr(argument.value);
        }
    }
}

fn add(scope: &mut FunctionScope, local: &mut NumberSet<Name>, name: Name) {
    if local.insert(name) {
        scope.locals.push(name);
    }
}
