//! Calls of functions and types of the file: whether their arguments fit.
//!
//! Only what the module defines once, without decorators, and under no builtin's name is known well enough.

use std::collections::{HashMap, HashSet};

use super::names::{NamedCall, Seen};
use super::{Report, codes};
use crate::library::{self, preloaded::Preloaded};
use crate::syntax::ast::*;
use crate::syntax::name::Name;

enum Callee {
    Function(Function),
    Type(TypeDef),
}

/// Something that an argument is for.
struct Slot {
    name: Name,
    needed: bool,
}

pub(super) fn check(report: &mut Report<'_>, seen: &Seen) {
    if seen.star {
        return;
    }
    let tree = report.tree();
    let mut callees: HashMap<Name, Callee> = HashMap::new();
    for stmt in tree.list(report.module.body) {
        match stmt.kind {
            StmtKind::Function(id) => {
                let it = tree.get(id);
                let plain = it.decorators.is_empty() && it.receiver.is_none();
                if let (Some(name), Body::Block(_), true) = (it.name, it.body, plain) {
                    callees.insert(name.name, Callee::Function(it));
                }
            }
            StmtKind::Type(id) => {
                let it = tree.get(id);
                callees.insert(it.name.name, Callee::Type(it));
            }
            _ => {}
        }
    }
    for call in &seen.calls {
        let name = tree.name(call.name);
        let elsewhere =
            library::builtin(name).is_some() || Preloaded::names().any(|preloaded| preloaded == name);
        if seen.bound.get(&call.name) != Some(&1) || elsewhere {
            continue;
        }
        match callees.get(&call.name) {
            Some(Callee::Function(function)) => function_call(report, call, function),
            Some(Callee::Type(kind)) => instance(report, call, kind),
            None => {}
        }
    }
}

fn function_call(report: &mut Report<'_>, call: &NamedCall, function: &Function) {
    let tree = report.tree();
    let name = tree.name(call.name);
    let parameters = tree.list(function.parameters);
    let slots: Vec<Slot> =
        parameters.iter().map(|it| Slot { name: it.name.name, needed: it.default.is_none() }).collect();
    let positional = tree.list(call.arguments).iter().filter(|it| it.keyword.is_none()).count();
    if positional > slots.len() {
        let takes = match slots.len() {
            1 => "1 argument".to_owned(),
            count => format!("{count} arguments"),
        };
        report.add(&codes::ARGUMENTS, call.span, format!("{name}() takes {takes}, and gets {positional}"));
        return;
    }
    let Some(wrong) = misfit(tree, call.arguments, &slots, positional) else { return };
    let message = match wrong {
        Wrong::Unknown(keyword) => format!("{name}() has no parameter '{}'", tree.name(keyword)),
        Wrong::Twice(keyword) => {
            format!("{name}() gets its parameter '{}' twice", tree.name(keyword))
        }
        Wrong::Missing(missing) => format!("{name}() gets no {}", quoted(tree, &missing)),
    };
    report.add(&codes::ARGUMENTS, call.span, message);
}

/// Fields that types of a kind have beside their own, before or after them.
fn given(kind: TypeKind) -> &'static [&'static str] {
    match kind {
        TypeKind::Struct => &[],
        TypeKind::Resource => &["state"],
        TypeKind::AgentBlueprint => &["name", "description", "state"],
        TypeKind::Workflow => &["fsm"],
    }
}

fn instance(report: &mut Report<'_>, call: &NamedCall, kind: &TypeDef) {
    let tree = report.tree();
    let name = tree.name(call.name);
    let slots: Vec<Slot> = tree
        .list(kind.fields)
        .iter()
        .map(|it| Slot { name: it.name.name, needed: it.default.is_none() })
        .collect();
    let extra = given(kind.kind);
    let positional = tree.list(call.arguments).iter().filter(|it| it.keyword.is_none()).count();
    let named_only = matches!(kind.kind, TypeKind::Resource | TypeKind::AgentBlueprint);
    if named_only && positional > 0 {
        let word = if kind.kind == TypeKind::Resource { "a resource" } else { "an agent" };
        report.add(
            &codes::FIELDS,
            call.span,
            format!("the fields of {word} are given by name: {name}(field=value)"),
        );
        return;
    }
    // A workflow's machine comes last.
    if positional > slots.len() + extra.len() {
        report.add(
            &codes::FIELDS,
            call.span,
            format!("{name} has {} fields, and gets {positional} values", slots.len() + extra.len()),
        );
        return;
    }
    let Some(wrong) = misfit(tree, call.arguments, &slots, positional) else { return };
    let message = match wrong {
        Wrong::Unknown(keyword) if extra.contains(&tree.name(keyword)) => return,
        Wrong::Unknown(keyword) => format!("{name} has no field '{}'", tree.name(keyword)),
        Wrong::Twice(keyword) => format!("{name} gets its field '{}' twice", tree.name(keyword)),
        Wrong::Missing(missing) => format!("{name} gets no {}", quoted(tree, &missing)),
    };
    report.add(&codes::FIELDS, call.span, message);
}

enum Wrong {
    Unknown(Name),
    Twice(Name),
    Missing(Vec<Name>),
}

/// How arguments do not fit; the number of those without a keyword was looked at.
fn misfit(tree: &Tree, arguments: List<Argument>, slots: &[Slot], positional: usize) -> Option<Wrong> {
    let mut filled: HashSet<Name> = slots.iter().take(positional).map(|slot| slot.name).collect();
    let known: HashSet<Name> = slots.iter().map(|slot| slot.name).collect();
    for keyword in tree.list(arguments).iter().filter_map(|argument| argument.keyword) {
        if !known.contains(&keyword.name) {
            return Some(Wrong::Unknown(keyword.name));
        }
        if !filled.insert(keyword.name) {
            return Some(Wrong::Twice(keyword.name));
        }
    }
    let missing: Vec<Name> = slots
        .iter()
        .filter(|slot| slot.needed && !filled.contains(&slot.name))
        .map(|slot| slot.name)
        .collect();
    (!missing.is_empty()).then_some(Wrong::Missing(missing))
}

fn quoted(tree: &Tree, names: &[Name]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("'{}'", tree.name(*name))).collect();
    names.join(" and no ")
}
