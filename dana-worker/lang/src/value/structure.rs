//! Struct types and their instances.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem;
use std::rc::Rc;

use super::release::release;
use super::{Raise, Value};

/// A type as written in an annotation: a union of terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    pub terms: Vec<AnnotationTerm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationTerm {
    /// `None` in any spelling is `None`.
    pub name: Rc<str>,
    pub arguments: Vec<Annotation>,
}

impl Annotation {
    /// The name when it is a single term.
    pub fn single(&self) -> Option<&str> {
        match self.terms.as_slice() {
            [term] => Some(&term.name),
            _ => None,
        }
    }
}

impl std::fmt::Display for Annotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, term) in self.terms.iter().enumerate() {
            if at > 0 {
                f.write_str(" | ")?;
            }
            f.write_str(&term.name)?;
            for (at, argument) in term.arguments.iter().enumerate() {
                write!(f, "{}{argument}", if at == 0 { "[" } else { ", " })?;
            }
            if !term.arguments.is_empty() {
                f.write_str("]")?;
            }
        }
        Ok(())
    }
}

/// Which keyword defined the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructKind {
    Struct,
    Resource,
    Agent,
    Workflow,
}

impl StructKind {
    /// What a program calls it.
    pub fn word(self) -> &'static str {
        match self {
            StructKind::Struct => "struct",
            StructKind::Resource => "resource",
            StructKind::Agent => "agent",
            StructKind::Workflow => "workflow",
        }
    }
}

pub struct FieldDef {
    pub name: Rc<str>,
    pub annotation: Annotation,
    pub default: Option<Value>,
    pub comment: Option<Rc<str>>,
}

/// What a field's annotation asks, where that is quickly said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basic {
    Int,
    Float,
    Str,
    Bool,
    List,
    Dict,
    Any,
    Other,
}

impl Basic {
    fn of(annotation: &Annotation) -> Basic {
        match annotation.single() {
            Some("int") => Basic::Int,
            Some("float") => Basic::Float,
            Some("str") => Basic::Str,
            Some("bool") => Basic::Bool,
            Some("list") => Basic::List,
            Some("dict") => Basic::Dict,
            Some("any") => Basic::Any,
            _ => Basic::Other,
        }
    }
}

pub struct StructType {
    /// Unique in the session; keys inline caches. 0 is never used.
    pub id: u32,
    pub kind: StructKind,
    pub name: Rc<String>,
    pub doc: Option<Rc<str>>,
    pub fields: Vec<FieldDef>,
    index: HashMap<Rc<str>, u32>,
    /// For each field, the basic type it is annotated with.
    basic: Vec<Basic>,
    /// Fields that delegate (`_name`), in order.
    pub delegates: Vec<u32>,
    pub methods: RefCell<HashMap<Rc<str>, Value>>,
}

impl StructType {
    pub fn new(
        id: u32,
        kind: StructKind,
        name: &str,
        doc: Option<Rc<str>>,
        fields: Vec<FieldDef>,
    ) -> StructType {
        let index =
            fields.iter().enumerate().map(|(at, field)| (Rc::clone(&field.name), at as u32)).collect();
        let delegates = (0_u32..).zip(&fields).filter(|(_, field)| field.name.starts_with('_'));
        let delegates = delegates.map(|(at, _)| at).collect();
        StructType {
            id,
            kind,
            name: Rc::new(name.to_owned()),
            doc,
            basic: fields.iter().map(|field| Basic::of(&field.annotation)).collect(),
            fields,
            index,
            delegates,
            methods: RefCell::default(),
        }
    }

    /// The value surely fits the field; if not, it must be looked at more closely.
    #[inline]
    pub fn accepts(&self, at: usize, value: &Value) -> bool {
        match (self.basic.get(at), value) {
            (Some(Basic::Int), Value::Int(_))
            | (Some(Basic::Float), Value::Float(_))
            | (Some(Basic::Str), Value::Small(_) | Value::Str(_))
            | (Some(Basic::Bool), Value::True | Value::False)
            | (Some(Basic::List), Value::List(_))
            | (Some(Basic::Dict), Value::Dict(_)) => true,
            (Some(Basic::Any), value) => !matches!(value, Value::Promise(_)),
            _ => false,
        }
    }

    /// The position of a field.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.index.get(name).map(|at| *at as usize)
    }

    pub fn method(&self, name: &str) -> Option<Value> {
        self.methods.borrow().get(name).cloned()
    }

    /// What a second definition must repeat to be the same type.
    pub fn same_shape(&self, other: &StructType) -> bool {
        self.kind == other.kind
            && self.fields.len() == other.fields.len()
            && self
                .fields
                .iter()
                .zip(&other.fields)
                .all(|(a, b)| a.name == b.name && a.annotation == b.annotation)
    }
}

pub struct StructObj {
    pub kind: Rc<StructType>,
    /// In declaration order.
    pub fields: RefCell<Vec<Value>>,
}

impl StructObj {
    pub fn new(kind: Rc<StructType>, fields: Vec<Value>) -> StructObj {
        StructObj { kind, fields: RefCell::new(fields) }
    }

    /// The values of the declared fields; an agent's memory lies behind them.
    pub fn declared<'a>(&self, fields: &'a [Value]) -> &'a [Value] {
        fields.get(..self.kind.fields.len()).unwrap_or(fields)
    }

    /// A field of this very object, without delegation.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.kind.field(name).and_then(|at| self.fields.borrow().get(at).cloned())
    }

    /// The object a field lives in: this one, or the first it delegates to that has it.
    pub fn owner(self: &Rc<Self>, name: &str) -> Result<Option<(Rc<StructObj>, usize)>, Raise> {
        self.owner_below(name, 0)
    }

    fn owner_below(self: &Rc<Self>, name: &str, depth: u32) -> Result<Option<(Rc<StructObj>, usize)>, Raise> {
        if let Some(at) = self.kind.field(name) {
            return Ok(Some((Rc::clone(self), at)));
        }
        if depth > 32 {
            return Err(Raise::nesting("following delegation"));
        }
        for at in &self.kind.delegates {
            let field = self.fields.borrow().get(*at as usize).cloned().unwrap_or(Value::None);
            if let Value::Struct(inner) = field.observe()?
                && let Some(found) = inner.owner_below(name, depth + 1)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The method and the object it belongs to: this one's type, or the first it delegates to that has it.
    pub fn method(self: &Rc<Self>, name: &str) -> Result<Option<(Rc<StructObj>, Value)>, Raise> {
        self.method_below(name, 0)
    }

    fn method_below(
        self: &Rc<Self>,
        name: &str,
        depth: u32,
    ) -> Result<Option<(Rc<StructObj>, Value)>, Raise> {
        if let Some(method) = self.kind.method(name) {
            return Ok(Some((Rc::clone(self), method)));
        }
        if depth > 32 {
            return Err(Raise::nesting("following delegation"));
        }
        for at in &self.kind.delegates {
            let field = self.fields.borrow().get(*at as usize).cloned().unwrap_or(Value::None);
            if let Value::Struct(inner) = field.observe()?
                && let Some(found) = inner.method_below(name, depth + 1)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Drop for StructObj {
    fn drop(&mut self) {
        release(mem::take(self.fields.get_mut()));
    }
}
