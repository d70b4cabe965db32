//! Names: which are never defined, used too early, or never used.
//!
//! Scopes are those of the compiler: assignment makes a name local to its function, and whatever may be unset is looked
//! for further out, so that every definition that a read might mean counts as used by it. Names that a host, another
//! module or an earlier run may provide are told from mistakes as far as a file shows it: after `from m import *`
//! nothing is undefined, after any other import of a Dana module no name that begins like a type, and `public:` and
//! `system:` variables never are.

use std::collections::{HashMap, HashSet};

use super::{Options, Report, codes};
use crate::library::{self, preloaded::Preloaded};
use crate::syntax::ast::*;
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::text::nearest;

/// Names that are compared with an undefined one, for a hint.
const CANDIDATES: usize = 1000;
/// Undefined names that get a hint.
const HINTS: usize = 100;

/// What other checks need to know of the names.
#[derive(Default)]
pub(super) struct Seen {
    /// Calls of what a name of the module means.
    pub(super) calls: Vec<NamedCall>,
    /// Where each name is read, in order.
    pub(super) reads: HashMap<Name, Vec<u32>>,
    /// How often the module binds a name.
    pub(super) bound: HashMap<Name, u32>,
    /// Names come from `from m import *`.
    pub(super) star: bool,
}

pub(super) struct NamedCall {
    pub(super) name: Name,
    pub(super) arguments: List<Argument>,
    pub(super) span: Span,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Variable,
    Loop,
    Error,
    Import,
    /// Parameters, functions, types, names after `with`: nobody is told that they are unused.
    Other,
}

struct Binding {
    name: Name,
    kind: Kind,
    span: Span,
    read: bool,
    /// In a function whose result may be the value of any of its assignments.
    implicit: bool,
    /// In a function, or in a comprehension.
    inner: bool,
}

struct Level {
    names: HashMap<Name, usize>,
}

/// A read at top level before the first definition.
struct Early {
    name: Name,
    span: Span,
}

struct Walk<'r, 'm> {
    report: &'r Report<'m>,
    tree: &'m Tree,
    bindings: Vec<Binding>,
    levels: Vec<Level>,
    /// Functions round the place, lambdas included.
    functions: u32,
    seen: Seen,
    undefined: Vec<(Name, Span)>,
    /// Names that the walk has seen defined at top level.
    so_far: HashSet<Name>,
    early: Vec<Early>,
    /// Loops of the top level round the place.
    loops: u32,
}

pub(super) fn check(report: &mut Report<'_>, options: &Options) -> Seen {
    let tree = report.tree();
    let mut walk = Walk {
        report,
        tree,
        bindings: Vec::new(),
        levels: Vec::new(),
        functions: 0,
        seen: Seen::default(),
        undefined: Vec::new(),
        so_far: HashSet::new(),
        early: Vec::new(),
        loops: 0,
    };
    let body = walk.report.module.body;
    walk.enter();
    walk.collect(body, false);
    walk.block(body);
    let Walk { bindings, levels, mut seen, undefined, early, .. } = walk;
    let outside = Outside::of(report, options);
    tell_undefined(report, &outside, &bindings, &undefined);
    for Early { name, span } in early {
        if outside.has(tree.name(name)) {
            continue;
        }
        let first =
            levels.first().and_then(|module| module.names.get(&name)).and_then(|at| bindings.get(*at));
        let line = report.line(first.map_or(0, |first| first.span.start));
        let message = format!("name '{}' is used before line {line}, where it is defined", tree.name(name));
        report.add(&codes::TOO_EARLY, span, message);
    }
    for binding in &bindings {
        tell_unused(report, options, binding);
    }
    for reads in seen.reads.values_mut() {
        reads.sort_unstable();
    }
    seen
}

fn tell_unused(report: &mut Report<'_>, options: &Options, binding: &Binding) {
    let name = report.tree().name(binding.name);
    if binding.read || name.starts_with('_') {
        return;
    }
    match binding.kind {
        Kind::Import if !options.exporting || binding.inner => {
            report.add(&codes::UNUSED_IMPORT, binding.span, format!("'{name}' is imported and never used"));
        }
        Kind::Variable if binding.inner && !binding.implicit => {
            report.add(&codes::UNUSED_VARIABLE, binding.span, format!("variable '{name}' is never read"));
        }
        Kind::Loop if binding.inner => report.add_hint(
            &codes::UNUSED_VARIABLE,
            binding.span,
            format!("loop variable '{name}' is never read"),
            format!("name it _{name}"),
        ),
        Kind::Error if binding.inner => report.add_hint(
            &codes::UNUSED_VARIABLE,
            binding.span,
            format!("variable '{name}' is never read"),
            format!("leave 'as {name}' away"),
        ),
        _ => {}
    }
}

fn tell_undefined(
    report: &mut Report<'_>,
    outside: &Outside<'_>,
    bindings: &[Binding],
    undefined: &[(Name, Span)],
) {
    let tree = report.tree();
    let mut hints: HashMap<Name, Option<String>> = HashMap::new();
    for &(name, span) in undefined {
        let text = tree.name(name);
        if outside.has(text) || outside.is_type(text) {
            continue;
        }
        if let Some(refused) = library::refused(text) {
            report.add(&codes::UNDEFINED, span, refused);
            continue;
        }
        if hints.len() < HINTS {
            hints.entry(name).or_insert_with(|| {
                let own = bindings.iter().take(CANDIDATES).map(|binding| tree.name(binding.name));
                let candidates = own
                    .chain(outside.defined.iter().copied().take(CANDIDATES))
                    .chain(library::names().map(|name| -> &str { name }))
                    .chain(Preloaded::names().map(|name| -> &str { name }))
                    .filter(|candidate| *candidate != text && !candidate.starts_with("__"));
                nearest(text, candidates).map(|near| format!("did you mean '{near}'?"))
            });
        }
        let message = format!("name '{text}' is not defined");
        match hints.get(&name).cloned().flatten() {
            Some(hint) => report.add_hint(&codes::UNDEFINED, span, message, hint),
            None => report.add(&codes::UNDEFINED, span, message),
        }
    }
}

/// What is defined outside of the file, or may be.
struct Outside<'m> {
    defined: HashSet<&'m str>,
    star: bool,
    dana_import: bool,
}

impl<'m> Outside<'m> {
    fn of(report: &Report<'m>, options: &'m Options) -> Self {
        let tree = report.tree();
        let mut defined: HashSet<&'m str> = options.defined.iter().map(String::as_str).collect();
        defined.extend(["__name__", "__doc__"]);
        // A variable of another scope is found without its prefix.
        for target in tree.all::<Assign>().iter().map(|it| it.target) {
            if let TargetKind::Scoped(_, name) = target.kind {
                defined.insert(tree.name(name));
            }
        }
        // What a question makes.
        for call in tree.all::<Expr>() {
            // A host or another module gave it.
            if let ExprKind::Scoped(Scope::Private | Scope::Public | Scope::System, name) = call.kind {
                defined.insert(tree.name(name));
            }
            if let ExprKind::Postfix { base, links } = call.kind
                && let ExprKind::Name(name) = tree.get(base).kind
                && let Some(LinkKind::Call(arguments)) = tree.list(links).first().map(|link| link.kind)
                && let Some((_, entries)) = tree.entries(name, arguments)
            {
                defined.extend(entries.iter().map(|(text, _)| tree.text(*text)));
            }
        }
        let imports = tree.all::<Import>();
        Outside {
            defined,
            star: imports.iter().any(|it| matches!(it.form, ImportForm::Star)),
            dana_import: imports.iter().any(|it| !it.module.python),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.star
            || self.defined.contains(name)
            || library::builtin(name).is_some()
            || Preloaded::names().any(|known| known == name)
    }

    /// Whether another module may have defined a type of this name: types are known everywhere by their names.
    fn is_type(&self, name: &str) -> bool {
        self.dana_import && name.starts_with(|first: char| first.is_ascii_uppercase())
    }
}

impl<'m> Walk<'_, 'm> {
    // ------------------------------------------------------------------------------ definitions

    fn enter(&mut self) {
        self.levels.push(Level { names: HashMap::new() });
    }

    fn bind(&mut self, name: Name, kind: Kind, span: Span, implicit: bool) {
        let inner = self.levels.len() > 1;
        if !inner {
            *self.seen.bound.entry(name).or_default() += 1;
        }
        let next = self.bindings.len();
        let Some(level) = self.levels.last_mut() else { return };
        if let Some(&known) = level.names.get(&name) {
            // What is bound as several kinds of things is told of as none.
            if let Some(binding) = self.bindings.get_mut(known)
                && binding.kind != kind
            {
                binding.kind = Kind::Other;
            }
            return;
        }
        level.names.insert(name, next);
        self.bindings.push(Binding { name, kind, span, read: false, implicit, inner });
    }

    /// All names that a block binds, whatever statements they stand in.
    fn collect(&mut self, block: Block, implicit: bool) {
        let tree = self.tree;
        for stmt in tree.list(block) {
            match stmt.kind {
                StmtKind::Assign(id) => self.bind_target(tree.get(id).target, implicit),
                StmtKind::Augment(id) => self.bind_target(tree.get(id).target, implicit),
                StmtKind::Function(id) => {
                    if let Some(name) = tree.get(id).name {
                        self.bind(name.name, Kind::Other, name.span, implicit);
                    }
                }
                StmtKind::Type(id) => {
                    let name = tree.get(id).name;
                    self.bind(name.name, Kind::Other, name.span, implicit);
                }
                StmtKind::Interface(id) => {
                    let name = tree.get(id).name;
                    self.bind(name.name, Kind::Other, name.span, implicit);
                }
                StmtKind::Agent(id) => {
                    let agent = tree.get(id);
                    if let Some(name) = agent.name.or(agent.blueprint) {
                        self.bind(name.name, Kind::Other, name.span, implicit);
                    }
                }
                StmtKind::Import(id) => self.bind_import(tree.get(id), implicit),
                StmtKind::If { arms, otherwise } => {
                    for arm in tree.list(arms) {
                        self.collect(arm.body, implicit);
                    }
                    if let Some(block) = otherwise {
                        self.collect(block, implicit);
                    }
                }
                StmtKind::While { body, .. } => self.collect(body, implicit),
                StmtKind::For(id) => {
                    let it = tree.get(id);
                    for target in tree.list(it.targets) {
                        self.bind(target.name, Kind::Loop, target.span, implicit);
                    }
                    self.collect(it.body, implicit);
                }
                StmtKind::Try(id) => {
                    let it = tree.get(id);
                    self.collect(it.body, implicit);
                    for clause in tree.list(it.clauses) {
                        if let Some(binding) = clause.binding {
                            self.bind(binding.name, Kind::Error, binding.span, implicit);
                        }
                        self.collect(clause.body, implicit);
                    }
                    if let Some(block) = it.finally {
                        self.collect(block, implicit);
                    }
                }
                StmtKind::With(id) => {
                    let it = tree.get(id);
                    self.bind(it.binding.name, Kind::Other, it.binding.span, implicit);
                    self.collect(it.body, implicit);
                }
                _ => {}
            }
        }
    }

    fn bind_target(&mut self, target: Target, implicit: bool) {
        if let TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) = target.kind {
            self.bind(name, Kind::Variable, target.span, implicit);
        }
    }

    fn bind_import(&mut self, import: Import, implicit: bool) {
        let tree = self.tree;
        match import.form {
            ImportForm::Module { alias } => {
                let first = tree.list(import.module.parts).first().copied();
                // A Dana module does something when it is imported: it makes types, methods and public variables.
                let kind = if import.module.python { Kind::Import } else { Kind::Other };
                if let Some(name) = alias.or(first) {
                    self.bind(name.name, kind, name.span, implicit);
                }
            }
            ImportForm::Star => self.seen.star = true,
            ImportForm::Names(names) => {
                for imported in tree.list(names) {
                    let name = imported.alias.unwrap_or(imported.name);
                    self.bind(name.name, Kind::Import, name.span, implicit);
                }
            }
        }
    }

    // ------------------------------------------------------------------------------ reads

    /// Marks all that a read of the name may mean. True: only the module has it.
    fn read(&mut self, name: Name, span: Span) -> bool {
        self.seen.reads.entry(name).or_default().push(span.start);
        let mut found = false;
        let mut outermost = false;
        for (at, level) in self.levels.iter().enumerate().rev() {
            if let Some(&binding) = level.names.get(&name) {
                if let Some(binding) = self.bindings.get_mut(binding) {
                    binding.read = true;
                }
                outermost = at == 0 && !found;
                found = true;
            }
        }
        if !found {
            self.undefined.push((name, span));
        }
        if outermost && self.functions == 0 && !self.so_far.contains(&name) {
            self.early.push(Early { name, span });
        }
        outermost
    }

    /// A name that may mean something here, and need not.
    fn mark(&mut self, name: Name, span: Span) {
        self.seen.reads.entry(name).or_default().push(span.start);
        for level in &self.levels {
            if let Some(&binding) = level.names.get(&name)
                && let Some(binding) = self.bindings.get_mut(binding)
            {
                binding.read = true;
            }
        }
    }

    fn defined(&mut self, name: Name) {
        if self.functions == 0 {
            self.so_far.insert(name);
        }
    }

    // ------------------------------------------------------------------------------ statements

    fn block(&mut self, block: Block) {
        let tree = self.tree;
        for stmt in tree.list(block) {
            self.statement(stmt);
        }
    }

    /// A loop of the top level: what its end defines, its beginning may find the next time.
    fn around_loop(&mut self, walk: impl FnOnce(&mut Self)) {
        let early = self.early.len();
        self.loops += 1;
        walk(self);
        self.loops -= 1;
        if self.loops == 0 {
            let so_far = &self.so_far;
            let mut at = 0;
            self.early.retain(|it| {
                at += 1;
                at <= early || !so_far.contains(&it.name)
            });
        }
    }

    fn statement(&mut self, stmt: &Stmt) {
        let tree = self.tree;
        match stmt.kind {
            StmtKind::Expr(value) => self.expr(value),
            StmtKind::Assign(id) => {
                let it = tree.get(id);
                self.expr(it.value);
                self.types(it.annotation);
                self.target(it.target);
            }
            StmtKind::Augment(id) => {
                let it = tree.get(id);
                if let TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) = it.target.kind {
                    self.read(name, it.target.span);
                }
                self.expr(it.value);
                self.target(it.target);
            }
            StmtKind::If { arms, otherwise } => {
                for arm in tree.list(arms) {
                    self.expr(arm.condition);
                    self.block(arm.body);
                }
                if let Some(block) = otherwise {
                    self.block(block);
                }
            }
            StmtKind::While { condition, body } => self.around_loop(|walk| {
                walk.expr(condition);
                walk.block(body);
            }),
            StmtKind::For(id) => {
                let it = tree.get(id);
                self.expr(it.iterable);
                self.around_loop(|walk| {
                    for target in tree.list(it.targets) {
                        walk.defined(target.name);
                    }
                    walk.block(it.body);
                });
            }
            StmtKind::Try(id) => {
                let it = tree.get(id);
                self.block(it.body);
                for clause in tree.list(it.clauses) {
                    for kind in tree.list(clause.kinds) {
                        self.mark(kind.name, kind.span);
                    }
                    if let Some(binding) = clause.binding {
                        self.defined(binding.name);
                    }
                    self.block(clause.body);
                }
                if let Some(block) = it.finally {
                    self.block(block);
                }
            }
            StmtKind::With(id) => {
                let it = tree.get(id);
                self.expr(it.value);
                self.defined(it.binding.name);
                self.block(it.body);
            }
            StmtKind::Function(id) => {
                self.decorators(tree.get(id).decorators);
                self.function(id);
                if let Some(name) = tree.get(id).name {
                    self.defined(name.name);
                }
            }
            StmtKind::Type(id) => self.type_definition(tree.get(id)),
            StmtKind::Interface(id) => {
                let it = tree.get(id);
                for embedded in tree.list(it.embeds) {
                    self.mark(embedded.name, embedded.span);
                }
                for method in tree.list(it.methods) {
                    for parameter in tree.list(method.parameters) {
                        self.types(parameter.annotation);
                    }
                    self.types(method.returns);
                }
                self.defined(it.name.name);
            }
            StmtKind::Agent(id) => {
                let it = tree.get(id);
                if let Some(blueprint) = it.blueprint {
                    // `agent (B):` makes the name that it reads.
                    if it.name.is_none() {
                        self.mark(blueprint.name, blueprint.span);
                    } else {
                        self.read(blueprint.name, blueprint.span);
                    }
                }
                for field in tree.list(it.overrides) {
                    self.expr(field.value);
                }
                if let Some(name) = it.name.or(it.blueprint) {
                    self.defined(name.name);
                }
            }
            StmtKind::Import(id) => self.import(tree.get(id)),
            StmtKind::Return(value) => self.exprs([value]),
            StmtKind::Raise { error, cause } => self.exprs([error, cause]),
            StmtKind::Assert { condition, message } => self.exprs([Some(condition), message]),
            StmtKind::Break | StmtKind::Continue | StmtKind::Pass => {}
        }
    }

    fn type_definition(&mut self, it: TypeDef) {
        let tree = self.tree;
        for field in tree.list(it.fields) {
            self.types(Some(field.annotation));
            self.exprs([field.default]);
        }
        for method in tree.list(it.methods) {
            self.decorators(tree.get(*method).decorators);
            self.function(*method);
        }
        self.defined(it.name.name);
    }

    fn import(&mut self, import: Import) {
        let tree = self.tree;
        match import.form {
            ImportForm::Module { alias } => {
                if let Some(name) = alias.or(tree.list(import.module.parts).first().copied()) {
                    self.defined(name.name);
                }
            }
            ImportForm::Star => {}
            ImportForm::Names(names) => {
                for imported in tree.list(names) {
                    self.defined(imported.alias.unwrap_or(imported.name).name);
                }
            }
        }
    }

    fn decorators(&mut self, decorators: List<Decorator>) {
        for decorator in self.tree.list(decorators) {
            self.read(decorator.name.name, decorator.name.span);
            if let Some(arguments) = decorator.arguments {
                self.arguments(arguments);
            }
        }
    }

    fn target(&mut self, target: Target) {
        match target.kind {
            TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) => self.defined(name),
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
        let it = tree.get(id);
        let parameters = || it.receiver.into_iter().chain(tree.list(it.parameters).iter().copied());
        for parameter in parameters() {
            self.exprs([parameter.default]);
            self.types(parameter.annotation);
        }
        self.types(it.returns);
        self.enter();
        self.functions += 1;
        for parameter in parameters() {
            self.bind(parameter.name.name, Kind::Other, parameter.name.span, false);
        }
        for entry in tree.list(it.entries) {
            self.bind(entry.name, Kind::Other, entry.span, false);
        }
        match it.body {
            Body::Block(block) => {
                let last = tree.list(block).last().map(|stmt| stmt.kind);
                let implicit = !matches!(last, Some(StmtKind::Return(_) | StmtKind::Raise { .. }));
                self.collect(block, implicit);
                self.block(block);
            }
            Body::Value(value) => self.expr(value),
            Body::Pipeline(stages) => {
                for stage in tree.list(stages) {
                    if let Some(alias) = stage.alias {
                        self.bind(alias.name, Kind::Other, alias.span, false);
                    }
                }
                self.stages(stages);
            }
        }
        self.functions -= 1;
        self.levels.pop();
    }

    fn stages(&mut self, stages: List<Stage>) {
        for stage in self.tree.list(stages) {
            match stage.kind {
                StageKind::Function(function) => self.expr(function),
                StageKind::Call(function, arguments) => {
                    self.expr(function);
                    self.arguments(arguments);
                }
                StageKind::Fan(inner) => self.stages(inner),
            }
        }
    }

    // ------------------------------------------------------------------------------ expressions

    fn exprs<const N: usize>(&mut self, list: [Option<ExprId>; N]) {
        for expr in list.into_iter().flatten() {
            self.expr(expr);
        }
    }

    fn expr(&mut self, id: ExprId) {
        let tree = self.tree;
        let node = tree.get(id);
        match node.kind {
            ExprKind::Name(name) | ExprKind::Scoped(Scope::Local, name) => {
                self.read(name, node.span);
            }
            // Also found without its prefix.
            ExprKind::Scoped(_, name) => self.mark(name, node.span),
            ExprKind::None
            | ExprKind::True
            | ExprKind::False
            | ExprKind::Int(_)
            | ExprKind::BigInt(_)
            | ExprKind::Float(_)
            | ExprKind::Str(_)
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
            ExprKind::Postfix { base, links } => self.postfix(base, tree.list(links)),
            ExprKind::Dict(pairs) => {
                for pair in tree.list(pairs) {
                    self.expr(pair.key);
                    self.expr(pair.value);
                }
            }
            ExprKind::Comprehension(id) => self.comprehension(tree.get(id)),
            ExprKind::Lambda(id) => self.function(id),
        }
    }

    fn postfix(&mut self, base: ExprId, links: &[Link]) {
        let tree = self.tree;
        let node = tree.get(base);
        match (node.kind, links.first().map(|link| link.kind)) {
            (ExprKind::Name(name), Some(LinkKind::Call(arguments))) => {
                if self.read(name, node.span) {
                    self.seen.calls.push(NamedCall { name, arguments, span: node.span });
                }
                if tree.name(name) == "isinstance" {
                    self.quoted_types(arguments);
                }
            }
            _ => self.expr(base),
        }
        for link in links {
            match link.kind {
                LinkKind::Attribute(_) => {}
                LinkKind::Method(name, arguments) => {
                    // The last resort of a method call is a function of that name.
                    self.mark(name, link.span);
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

    /// Types named in texts, as in `isinstance(x, "Point")`.
    fn quoted_types(&mut self, arguments: List<Argument>) {
        let tree = self.tree;
        for argument in tree.list(arguments) {
            let value = tree.get(argument.value);
            if let ExprKind::Str(text) = value.kind
                && let Some(name) = tree.names.find(tree.text(text))
            {
                self.mark(name, value.span);
            }
        }
    }

    fn comprehension(&mut self, it: Comprehension) {
        let tree = self.tree;
        self.expr(it.iterable);
        self.enter();
        for target in tree.list(it.targets) {
            self.bind(target.name, Kind::Other, target.span, false);
        }
        self.exprs([it.filter]);
        match it.shape {
            Shape::List(item) | Shape::Set(item) => self.expr(item),
            Shape::Dict(pair) => self.exprs([Some(pair.key), Some(pair.value)]),
        }
        self.levels.pop();
    }

    fn pieces(&mut self, pieces: List<Piece>) {
        for piece in self.tree.list(pieces) {
            if let Piece::Field { value, spec, .. } = piece {
                self.expr(*value);
                self.pieces(*spec);
            }
        }
    }

    fn subscript(&mut self, subscript: Subscript) {
        match subscript {
            Subscript::Index(index) => self.expr(index),
            Subscript::Slice { start, stop, step } => self.exprs([start, stop, step]),
        }
    }

    fn arguments(&mut self, arguments: List<Argument>) {
        for argument in self.tree.list(arguments) {
            self.expr(argument.value);
        }
    }

    /// The names of types in an annotation: whatever has such a name is used.
    fn types(&mut self, annotation: Option<Type>) {
        let Some(annotation) = annotation else { return };
        for term in self.tree.list(annotation.terms) {
            self.mark(term.name.name, term.name.span);
            for argument in self.tree.list(term.arguments) {
                self.types(Some(*argument));
            }
        }
    }
}
