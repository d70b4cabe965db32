//! Functions and types that are defined twice in one block, and functions that a builtin hides.

use std::collections::HashMap;

use super::names::Seen;
use super::{Report, codes};
use crate::library;
use crate::syntax::ast::*;
use crate::syntax::name::Name;

pub(super) fn check(report: &mut Report<'_>, seen: &Seen) {
    let tree = report.tree();
    let mut blocks = vec![report.module.body];
    for function in tree.all::<Function>() {
        if let Body::Block(body) = function.body {
            blocks.push(body);
        }
    }
    for block in blocks {
        functions(report, seen, block);
        types(report, block);
    }
}

fn functions(report: &mut Report<'_>, seen: &Seen, block: Block) {
    let tree = report.tree();
    let mut before: HashMap<Name, (Ident, u32)> = HashMap::new();
    for stmt in tree.list(block) {
        let StmtKind::Function(id) = stmt.kind else { continue };
        let it = tree.get(id);
        let Some(name) = it.name else { continue };
        // Methods of several types may share a name.
        let method = it.receiver.is_some()
            || tree.list(it.parameters).first().is_some_and(|it| it.annotation.is_some());
        if method || !it.decorators.is_empty() {
            before.remove(&name.name);
            continue;
        }
        let text = tree.name(name.name);
        if library::protected(text).is_some() {
            let message =
                format!("calls of '{text}' never reach this function: they are those of the builtin");
            report.add_hint(&codes::BUILTIN, name.span, message, "choose another name");
        }
        if let Some((first, end)) = before.insert(name.name, (name, it.span.end)) {
            let reads = seen.reads.get(&name.name).map(Vec::as_slice).unwrap_or_default();
            let next = reads.get(reads.partition_point(|&at| at < end));
            let used = next.is_some_and(|&at| at < name.span.start);
            if !used {
                let line = report.line(first.span.start);
                let message = format!("'{text}' is defined on line {line} already, and was not used since");
                report.add(&codes::REDEFINED, name.span, message);
            }
        }
    }
}

fn types(report: &mut Report<'_>, block: Block) {
    let tree = report.tree();
    let mut before: HashMap<Name, TypeDef> = HashMap::new();
    for stmt in tree.list(block) {
        let StmtKind::Type(id) = stmt.kind else { continue };
        let it = tree.get(id);
        let Some(first) = before.get(&it.name.name) else {
            before.insert(it.name.name, it);
            continue;
        };
        let names = |it: &TypeDef| tree.list(it.fields).iter().map(|field| field.name.name);
        if first.kind == it.kind && names(first).eq(names(&it)) {
            continue;
        }
        let line = report.line(first.name.span.start);
        let text = tree.name(it.name.name);
        let message = format!("type '{text}' is defined on line {line} already, with other fields");
        report.add(&codes::REDEFINED_TYPE, it.name.span, message);
    }
}
