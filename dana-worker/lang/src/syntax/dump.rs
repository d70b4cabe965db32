//! A tree as text, for the tests: one line, parentheses for nodes.

use super::ast::*;

pub(super) fn dump(module: &Module) -> String {
    block(&module.tree, module.body)
}

fn join(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(" ")
}

fn block(tree: &Tree, body: Block) -> String {
    join(tree.list(body).iter().map(|s| stmt(tree, s)))
}

fn names(tree: &Tree, list: List<Ident>) -> String {
    tree.list(list).iter().map(|ident| tree.name(ident.name)).collect::<Vec<_>>().join(",")
}

fn stmt(tree: &Tree, stmt: &Stmt) -> String {
    match stmt.kind {
        StmtKind::Expr(id) => expr(tree, id),
        StmtKind::Assign(id) => {
            let assign = tree.get(id);
            let annotation = assign.annotation.map_or(String::new(), |t| format!(":{}", ty(tree, t)));
            format!("(= {}{annotation} {})", target(tree, assign.target), expr(tree, assign.value))
        }
        StmtKind::Augment(id) => {
            let augment = tree.get(id);
            format!("({}= {} {})", augment.op.text(), target(tree, augment.target), expr(tree, augment.value))
        }
        StmtKind::If { arms, otherwise } => {
            let arms = join(
                tree.list(arms)
                    .iter()
                    .map(|arm| format!("[{} {}]", expr(tree, arm.condition), block(tree, arm.body))),
            );
            match otherwise {
                Some(body) => format!("(if {arms} else [{}])", block(tree, body)),
                None => format!("(if {arms})"),
            }
        }
        StmtKind::While { condition, body } => {
            format!("(while {} [{}])", expr(tree, condition), block(tree, body))
        }
        StmtKind::For(id) => {
            let node = tree.get(id);
            let (iterable, body) = (expr(tree, node.iterable), block(tree, node.body));
            format!("(for {} {iterable} [{body}])", names(tree, node.targets))
        }
        StmtKind::Try(id) => {
            let node = tree.get(id);
            let clauses = tree.list(node.clauses).iter().map(|clause| {
                let binding =
                    clause.binding.map_or(String::new(), |name| format!(" as {}", tree.name(name.name)));
                format!("except({}){binding} [{}]", names(tree, clause.kinds), block(tree, clause.body))
            });
            let mut parts = vec![format!("try [{}]", block(tree, node.body))];
            parts.extend(clauses);
            parts.extend(node.finally.map(|body| format!("finally [{}]", block(tree, body))));
            format!("({})", parts.join(" "))
        }
        StmtKind::With(id) => {
            let node = tree.get(id);
            let name = tree.name(node.binding.name);
            format!("(with {} as {name} [{}])", expr(tree, node.value), block(tree, node.body))
        }
        StmtKind::Function(id) => function(tree, id),
        StmtKind::Type(id) => type_def(tree, id),
        StmtKind::Interface(id) => {
            let node = tree.get(id);
            let methods = join(tree.list(node.methods).iter().map(|method| {
                let returns = method.returns.map_or(String::new(), |t| format!("->{}", ty(tree, t)));
                format!("{}({}){returns}", tree.name(method.name.name), parameters(tree, method.parameters))
            }));
            format!("(interface {} {methods} [{}])", tree.name(node.name.name), names(tree, node.embeds))
        }
        StmtKind::Agent(id) => {
            let node = tree.get(id);
            let name = node.name.map_or("_", |name| tree.name(name.name));
            let blueprint = node.blueprint.map_or("_", |name| tree.name(name.name));
            let overrides = tree
                .list(node.overrides)
                .iter()
                .map(|o| format!(" {}={}", tree.name(o.name.name), expr(tree, o.value)))
                .collect::<String>();
            format!("(agent {name} {blueprint}{overrides})")
        }
        StmtKind::Import(id) => import(tree, id),
        StmtKind::Return(None) => "(return)".into(),
        StmtKind::Return(Some(value)) => format!("(return {})", expr(tree, value)),
        StmtKind::Break => "break".into(),
        StmtKind::Continue => "continue".into(),
        StmtKind::Pass => "pass".into(),
        StmtKind::Raise { error, cause } => {
            let parts = [error, cause].into_iter().flatten().map(|id| format!(" {}", expr(tree, id)));
            format!("(raise{})", parts.collect::<String>())
        }
        StmtKind::Assert { condition, message } => {
            let message = message.map_or(String::new(), |id| format!(" {}", expr(tree, id)));
            format!("(assert {}{message})", expr(tree, condition))
        }
    }
}

fn import(tree: &Tree, id: Id<Import>) -> String {
    let node = tree.get(id);
    let dots = ".".repeat(node.module.level as usize);
    let python = if node.module.python { "!py" } else { "" };
    let path = format!("{dots}{}{python}", names(tree, node.module.parts));
    let alias =
        |alias: Option<Ident>| alias.map_or(String::new(), |name| format!(":{}", tree.name(name.name)));
    match node.form {
        ImportForm::Module { alias: name } => format!("(import {path}{})", alias(name)),
        ImportForm::Star => format!("(from {path} *)"),
        ImportForm::Names(list) => {
            let list = join(
                tree.list(list)
                    .iter()
                    .map(|item| format!("{}{}", tree.name(item.name.name), alias(item.alias))),
            );
            format!("(from {path} {list})")
        }
    }
}

fn type_def(tree: &Tree, id: Id<TypeDef>) -> String {
    let node = tree.get(id);
    let doc = node.doc.map_or(String::new(), |doc| format!(" {:?}", tree.text(doc)));
    let fields = tree
        .list(node.fields)
        .iter()
        .map(|field| {
            let default = field.default.map_or(String::new(), |id| format!("={}", expr(tree, id)));
            let comment = field.comment.map_or(String::new(), |text| format!(" #{:?}", tree.text(text)));
            format!(" ({}:{}{default}{comment})", tree.name(field.name.name), ty(tree, field.annotation))
        })
        .collect::<String>();
    let methods =
        tree.list(node.methods).iter().map(|&id| format!(" {}", function(tree, id))).collect::<String>();
    format!("({:?} {}{doc}{fields}{methods})", node.kind, tree.name(node.name.name))
}

fn function(tree: &Tree, id: Id<Function>) -> String {
    let node = tree.get(id);
    let mut out = String::from("(");
    for decorator in tree.list(node.decorators) {
        let name = tree.name(decorator.name.name);
        match decorator.arguments {
            Some(list) => out += &format!("@{name}({}) ", arguments(tree, list)),
            None => out += &format!("@{name} "),
        }
    }
    if node.sync {
        out += "sync ";
    }
    out += if node.name.is_some() { "def " } else { "lambda " };
    if let Some(receiver) = node.receiver {
        out += &format!("<{}> ", parameter(tree, &receiver));
    }
    if let Some(name) = node.name {
        out += tree.name(name.name);
    }
    out += &format!("({})", parameters(tree, node.parameters));
    if let Some(returns) = node.returns {
        out += &format!("->{}", ty(tree, returns));
    }
    out += " ";
    out += &match node.body {
        Body::Block(body) => format!("[{}]", block(tree, body)),
        Body::Value(value) => expr(tree, value),
        Body::Pipeline(stages) => {
            tree.list(stages).iter().map(|s| stage(tree, s)).collect::<Vec<_>>().join(" | ")
        }
    };
    out + ")"
}

fn stage(tree: &Tree, stage_: &Stage) -> String {
    let body = match stage_.kind {
        StageKind::Function(id) => expr(tree, id),
        StageKind::Call(id, list) => format!("{}({})", expr(tree, id), arguments(tree, list)),
        StageKind::Fan(list) => format!("[{}]", join(tree.list(list).iter().map(|s| stage(tree, s)))),
    };
    match stage_.alias {
        Some(alias) => format!("{body} as {}", tree.name(alias.name)),
        None => body,
    }
}

fn parameters(tree: &Tree, list: List<Parameter>) -> String {
    join(tree.list(list).iter().map(|p| parameter(tree, p)))
}

fn parameter(tree: &Tree, node: &Parameter) -> String {
    let annotation = node.annotation.map_or(String::new(), |t| format!(":{}", ty(tree, t)));
    let default = node.default.map_or(String::new(), |id| format!("={}", expr(tree, id)));
    format!("{}{annotation}{default}", tree.name(node.name.name))
}

fn ty(tree: &Tree, node: Type) -> String {
    let terms = tree.list(node.terms).iter().map(|term| {
        let name = tree.name(term.name.name);
        if term.arguments.is_empty() {
            return name.to_string();
        }
        let arguments: Vec<_> = tree.list(term.arguments).iter().map(|&t| ty(tree, t)).collect();
        format!("{name}[{}]", arguments.join(","))
    });
    terms.collect::<Vec<_>>().join("|")
}

fn target(tree: &Tree, node: Target) -> String {
    match node.kind {
        TargetKind::Name(name) => tree.name(name).to_string(),
        TargetKind::Scoped(scope, name) => format!("{scope:?}:{}", tree.name(name)),
        TargetKind::Attribute(object, name) => format!("(. {} {})", expr(tree, object), tree.name(name)),
        TargetKind::Subscript(object, index) => {
            format!("(@ {} {})", expr(tree, object), subscript(tree, index))
        }
        TargetKind::Subscripts(object, list) => {
            let list = tree.list(list).iter().map(|&s| subscript(tree, s));
            format!("(@ {} {})", expr(tree, object), join(list))
        }
    }
}

fn subscript(tree: &Tree, node: Subscript) -> String {
    match node {
        Subscript::Index(id) => expr(tree, id),
        Subscript::Slice { start, stop, step } => {
            let bound = |id: Option<ExprId>| id.map_or("_".to_string(), |id| expr(tree, id));
            format!("{}:{}:{}", bound(start), bound(stop), bound(step))
        }
    }
}

fn arguments(tree: &Tree, list: List<Argument>) -> String {
    join(tree.list(list).iter().map(|argument| {
        let keyword = argument.keyword.map_or(String::new(), |k| format!("{}=", tree.name(k.name)));
        format!("{keyword}{}", expr(tree, argument.value))
    }))
}

fn exprs(tree: &Tree, list: List<ExprId>) -> String {
    join(tree.list(list).iter().map(|&id| expr(tree, id)))
}

fn pieces(tree: &Tree, list: List<Piece>) -> String {
    join(tree.list(list).iter().map(|piece| match *piece {
        Piece::Text(text) => format!("{:?}", tree.text(text)),
        Piece::Field { value, conversion, spec } => {
            let conversion = conversion.map_or(String::new(), |c| format!("!{c:?}"));
            let spec = if spec.is_empty() { String::new() } else { format!(":{}", pieces(tree, spec)) };
            format!("{{{}{conversion}{spec}}}", expr(tree, value))
        }
    }))
}

fn expr(tree: &Tree, id: ExprId) -> String {
    match tree.get(id).kind {
        ExprKind::None => "none".into(),
        ExprKind::True => "true".into(),
        ExprKind::False => "false".into(),
        ExprKind::Int(value) => value.to_string(),
        ExprKind::BigInt(digits) => format!("{}n", tree.text(digits)),
        ExprKind::Float(value) => format!("{value:?}"),
        ExprKind::Str(text) => format!("{:?}", tree.text(text)),
        ExprKind::FString(list) => format!("(f {})", pieces(tree, list)),
        ExprKind::Name(name) => tree.name(name).to_string(),
        ExprKind::Scoped(scope, name) => format!("{scope:?}:{}", tree.name(name)),
        ExprKind::Placeholder => "$$".into(),
        ExprKind::Unary(op, operand) => format!("({op:?} {})", expr(tree, operand)),
        ExprKind::Binary { first, rest } => {
            let mut out = expr(tree, first);
            for step in tree.list(rest) {
                out = format!("({} {out} {})", step.op.text(), expr(tree, step.operand));
            }
            out
        }
        ExprKind::Logic(op, operands) => format!("({op:?} {})", exprs(tree, operands)),
        ExprKind::Choice { arms, otherwise } => {
            let arms = join(
                tree.list(arms)
                    .iter()
                    .map(|arm| format!("{} if {} else", expr(tree, arm.value), expr(tree, arm.condition))),
            );
            format!("({arms} {})", expr(tree, otherwise))
        }
        ExprKind::Postfix { base, links } => {
            let mut out = expr(tree, base);
            for link in tree.list(links) {
                out = match link.kind {
                    LinkKind::Attribute(name) => format!("(. {out} {})", tree.name(name)),
                    LinkKind::Method(name, list) => {
                        format!("(.{} {out} {})", tree.name(name), arguments(tree, list))
                    }
                    LinkKind::Call(list) => format!("(call {out} {})", arguments(tree, list)),
                    LinkKind::Subscript(index) => format!("(@ {out} {})", subscript(tree, index)),
                    LinkKind::Subscripts(list) => {
                        format!("(@ {out} {})", join(tree.list(list).iter().map(|&s| subscript(tree, s))))
                    }
                };
            }
            out
        }
        ExprKind::Tuple(list) => format!("(tuple {})", exprs(tree, list)),
        ExprKind::List(list) => format!("[{}]", exprs(tree, list)),
        ExprKind::Set(list) => format!("(set {})", exprs(tree, list)),
        ExprKind::Dict(list) => {
            let pairs =
                tree.list(list).iter().map(|p| format!("{}:{}", expr(tree, p.key), expr(tree, p.value)));
            format!("{{{}}}", join(pairs))
        }
        ExprKind::Comprehension(id) => {
            let node = tree.get(id);
            let shape = match node.shape {
                Shape::List(element) => format!("list {}", expr(tree, element)),
                Shape::Set(element) => format!("set {}", expr(tree, element)),
                Shape::Dict(pair) => format!("dict {}:{}", expr(tree, pair.key), expr(tree, pair.value)),
            };
            let filter = node.filter.map_or(String::new(), |id| format!(" if {}", expr(tree, id)));
            format!("({shape} for {} in {}{filter})", names(tree, node.targets), expr(tree, node.iterable))
        }
        ExprKind::Lambda(id) => function(tree, id),
    }
}
