//! Whether two trees say the same, wherever in their sources it is written.
//!
//! A parser that reads the same tokens makes the same nodes in the same order, so the trees are compared store by
//! store: no recursion, and as fast as memory is read. Only places ([`Span`](super::span::Span)) may differ.

use super::ast::*;
use super::name::{Name, Names};
use super::tree::Tree;

impl Tree {
    /// Whether `other` is this tree but for the places in the source. Comments of fields, which are part of a tree,
    /// count.
    pub(crate) fn same(&self, other: &Tree) -> bool {
        same_names(&self.names, &other.names) && self.texts == other.texts && self.stores.same(&other.stores)
    }
}

fn same_names(one: &Names, other: &Names) -> bool {
    one.len() == other.len() && one.iter().zip(other.iter()).all(|(one, other)| one == other)
}

/// Equality of nodes but for their places.
pub(super) trait Same {
    fn same(&self, other: &Self) -> bool;
}

impl<T: Same> Same for Vec<T> {
    fn same(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(one, other)| one.same(other))
    }
}

impl<T: Same> Same for Option<T> {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Some(one), Some(other)) => one.same(other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<T> Same for Id<T> {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

impl<T> Same for List<T> {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Same for ImportForm {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (ImportForm::Module { alias: one }, ImportForm::Module { alias: other }) => one.same(other),
            (ImportForm::Star, ImportForm::Star) => true,
            (ImportForm::Names(one), ImportForm::Names(other)) => one.same(other),
            _ => false,
        }
    }
}

/// Nodes that hold no place.
macro_rules! equal {
    ($($node:ty)*) => {
        $(impl Same for $node {
            fn same(&self, other: &Self) -> bool {
                self == other
            }
        })*
    };
}

/// Nodes that hold places, and what of them counts.
macro_rules! fields {
    ($($node:ty: $($field:ident)*;)*) => {
        $(impl Same for $node {
            fn same(&self, other: &Self) -> bool {
                $(self.$field.same(&other.$field) &&)* true
            }
        })*
    };
}

equal! {
    Name bool u32 Text BinaryOp TypeKind ExprKind LinkKind Subscript Piece Shape StmtKind TargetKind StageKind Body
    Arm Pair Branch
}

fields! {
    Ident: name;
    Expr: kind;
    Step: op operand;
    Link: kind;
    Argument: keyword value;
    Comprehension: shape targets iterable filter;
    Stmt: kind;
    Assign: target annotation value;
    Augment: target op value;
    Target: kind;
    For: targets iterable body;
    Try: body clauses finally;
    Clause: kinds binding body;
    With: value binding body;
    Import: module form;
    ModulePath: level parts python;
    Imported: name alias;
    Function: name receiver parameters returns decorators sync entries body;
    Parameter: name annotation default;
    Decorator: name arguments;
    Stage: kind alias;
    TypeDef: kind name doc fields methods;
    Field: name annotation default comment;
    Interface: name doc methods embeds;
    Signature: name parameters returns;
    Agent: name blueprint doc overrides;
    Override: name value;
    Type: terms;
    TypeTerm: name arguments;
}
