//! Where the nodes of a syntax tree live: a vector for each kind, numbered.

use super::ast::*;
use super::name::{Name, Names};
use super::same::Same;
use super::span::Span;
use crate::text::is_identifier;
use std::marker::PhantomData;
use std::num::NonZeroU32;

/// One node of kind `T`. `Option<Id<T>>` takes no more room.
pub struct Id<T> {
    number: NonZeroU32,
    kind: PhantomData<fn() -> T>,
}

/// A run of nodes of kind `T`.
pub struct List<T> {
    start: u32,
    len: u32,
    kind: PhantomData<fn() -> T>,
}

/// Literal text after escapes were processed; read with [`Tree::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    start: u32,
    len: u32,
}

/// A variable that a question makes: its name, and where that is written.
pub(crate) type Entry = (Text, Span);

/// Owner of all nodes of a module.
#[derive(Debug, Default)]
pub struct Tree {
    pub names: Names,
    pub(super) texts: String,
    pub(super) stores: Stores,
}

impl Tree {
    pub fn text(&self, text: Text) -> &str {
        self.texts.get(text.start as usize..(text.start + text.len) as usize).unwrap_or("")
    }

    /// Text of an interned name.
    pub fn name(&self, name: Name) -> &str {
        self.names.text(name)
    }

    pub fn get<T: Node>(&self, id: Id<T>) -> T {
        T::store(&self.stores)[id.number.get() as usize - 1]
    }

    pub fn list<T: Node>(&self, list: List<T>) -> &[T] {
        &T::store(&self.stores)[list.start as usize..list.start as usize + list.len as usize]
    }

    /// All nodes of a kind, in no order that means anything; some may belong to no statement.
    pub(crate) fn all<T: Node>(&self) -> &[T] {
        T::store(&self.stores)
    }

    /// The variables that a call makes when it is `reason(..., context={...})`: which argument the dict is, and
    /// its literal keys that are names.
    pub(crate) fn entries(&self, callee: Name, arguments: List<Argument>) -> Option<(usize, Vec<Entry>)> {
        if !matches!(self.name(callee), "reason" | "context_aware_reason") {
            return None;
        }
        let mut arguments = self.list(arguments).iter().enumerate();
        let (at, pairs) =
            arguments.find_map(|(at, argument)| match (argument.keyword, self.get(argument.value).kind) {
                (Some(keyword), ExprKind::Dict(pairs)) if self.name(keyword.name) == "context" => {
                    Some((at, pairs))
                }
                _ => None,
            })?;
        let keys = self.list(pairs).iter().filter_map(|pair| match self.get(pair.key) {
            Expr { kind: ExprKind::Str(text), span } if is_name(self.text(text)) => Some((text, span)),
            _ => None,
        });
        Some((at, keys.collect()))
    }

    /// Bytes of the vector that would take most memory if it grew.
    pub(super) fn largest(&self) -> usize {
        self.stores.largest().max(self.texts.capacity())
    }

    pub(crate) fn add<T: Node>(&mut self, node: T) -> Id<T> {
        let store = T::store_mut(&mut self.stores);
        store.push(node);
        // The parser refuses sources of 2 GiB and more, and no byte of source makes two nodes of a kind.
        let number = u32::try_from(store.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        Id { number, kind: PhantomData }
    }

    pub(crate) fn add_list<T: Node>(&mut self, nodes: impl IntoIterator<Item = T>) -> List<T> {
        let store = T::store_mut(&mut self.stores);
        let start = store.len();
        store.extend(nodes);
        List { start: start as u32, len: (store.len() - start) as u32, kind: PhantomData }
    }

    pub(crate) fn add_text(&mut self, text: &str) -> Text {
        let start = self.texts.len() as u32;
        self.texts.push_str(text);
        Text { start, len: text.len() as u32 }
    }
}

fn is_name(text: &str) -> bool {
    text.is_ascii() && is_identifier(text)
}

/// A kind of node that a [`Tree`] stores.
pub trait Node: Copy + 'static {
    #[doc(hidden)]
    fn store(stores: &Stores) -> &Vec<Self>;
    #[doc(hidden)]
    fn store_mut(stores: &mut Stores) -> &mut Vec<Self>;
}

macro_rules! stores {
    ($($field:ident: $node:ty,)*) => {
        /// One vector per kind of node.
        #[derive(Debug, Default)]
        pub struct Stores { $(pub(super) $field: Vec<$node>,)* }
        impl Stores {
            /// Bytes of the largest vector.
            fn largest(&self) -> usize {
                let sizes = [$(self.$field.capacity() * size_of::<$node>()),*];
                sizes.into_iter().max().unwrap_or(0)
            }
        }

        impl Stores {
            /// Whether the nodes are the same, wherever they are written.
            pub(super) fn same(&self, other: &Stores) -> bool {
                $(self.$field.same(&other.$field) &&)* true
            }
        }

        $(impl Node for $node {
            fn store(stores: &Stores) -> &Vec<Self> { &stores.$field }
            fn store_mut(stores: &mut Stores) -> &mut Vec<Self> { &mut stores.$field }
        })*
    };
}

stores! {
    exprs: Expr, expr_ids: Id<Expr>, steps: Step, arms: Arm, pairs: Pair, links: Link, subscripts: Subscript,
    arguments: Argument, pieces: Piece, comprehensions: Comprehension, idents: Ident, stmts: Stmt,
    assigns: Assign, augments: Augment, branches: Branch, fors: For, tries: Try, clauses: Clause, withs: With,
    imports: Import, imported: Imported, functions: Function, function_ids: Id<Function>,
    parameters: Parameter, decorators: Decorator, stages: Stage, type_defs: TypeDef, fields: Field,
    interfaces: Interface, signatures: Signature, agents: Agent, overrides: Override, types: Type,
    type_terms: TypeTerm,
}

impl<T> List<T> {
    /// A list of nothing.
    pub const EMPTY: List<T> = List { start: 0, len: 0, kind: PhantomData };

    pub fn len(self) -> usize {
        self.len as usize
    }

    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// All but the last `count` nodes.
    pub(crate) fn without_last(self, count: u32) -> List<T> {
        List { len: self.len.saturating_sub(count), ..self }
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.start, self.len) == (other.start, other.len)
    }
}

impl<T> std::hash::Hash for Id<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl<T> std::fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.number)
    }
}

impl<T> std::fmt::Debug for List<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}; {}]", self.start, self.len)
    }
}
