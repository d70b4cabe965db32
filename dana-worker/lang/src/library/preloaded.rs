//! Types that every session has before its program defines any: agents, resources, and the state machine of
//! workflows.
//!
//! They are made when one of them is first named, so a session that needs none pays nothing. A program's own type of
//! the same name takes its place. Left out: resources backed by something outside; the host offers those as functions.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::value::structure::{Annotation, AnnotationTerm, FieldDef, StructKind};
use crate::value::{Raise, StructObj, StructType, Table, Value};

/// The first number for a type that a program defines; the preloaded ones have those below.
pub const FIRST_OWN: u32 = 16;

/// Names of the fields a resource answers `query` from.
const STORES: [&str; 3] = ["entries", "documents", "settings"];

enum Start {
    Text(&'static str),
    Dict,
    List,
    /// Must be given.
    Nothing,
}

type Fields = &'static [(&'static str, &'static str, Start)];

static TYPES: [(&str, StructKind, Fields); 6] = [
    (
        "BasicAgent",
        StructKind::Agent,
        &[
            ("name", "str", Start::Text("BasicAgent")),
            ("description", "str", Start::Text("A Dana agent")),
            ("state", "str", Start::Text("CREATED")),
        ],
    ),
    (
        "DanaAgent",
        StructKind::Agent,
        &[
            ("name", "str", Start::Text("DanaAgent")),
            ("description", "str", Start::Text("A Dana agent that plans, solves and remembers")),
            ("state", "str", Start::Text("CREATED")),
        ],
    ),
    (
        "MemoryResource",
        StructKind::Resource,
        &[
            ("state", "str", Start::Text("INITIALIZED")),
            ("name", "str", Start::Text("memory")),
            ("entries", "dict", Start::Dict),
        ],
    ),
    (
        "KnowledgeBaseResource",
        StructKind::Resource,
        &[
            ("state", "str", Start::Text("INITIALIZED")),
            ("name", "str", Start::Text("knowledge_base")),
            ("documents", "list", Start::List),
        ],
    ),
    (
        "ConfigResource",
        StructKind::Resource,
        &[
            ("state", "str", Start::Text("INITIALIZED")),
            ("name", "str", Start::Text("config")),
            ("settings", "dict", Start::Dict),
        ],
    ),
    (
        "FSM",
        StructKind::Struct,
        &[
            ("states", "list", Start::Nothing),
            ("initial_state", "str", Start::Nothing),
            ("current_state", "str", Start::Nothing),
            ("transitions", "dict", Start::Nothing),
        ],
    ),
];

/// The preloaded types of one session.
#[derive(Default)]
pub struct Preloaded(OnceCell<Vec<Rc<StructType>>>);

impl Preloaded {
    pub fn named(&self, name: &str) -> Option<Rc<StructType>> {
        let at = TYPES.iter().position(|(known, ..)| *known == name)?;
        self.0.get_or_init(made).get(at).cloned()
    }

    /// The types, if any of them was named.
    pub fn all(&self) -> &[Rc<StructType>] {
        self.0.get().map_or(&[], Vec::as_slice)
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        TYPES.iter().map(|(name, ..)| *name)
    }

    /// The field that a workflow has unless it declares one of that name itself: a machine of its own.
    pub fn machine(&self) -> Result<FieldDef, Raise> {
        let kind =
            self.named("FSM").ok_or_else(|| Raise::runtime("the type of state machines is missing"))?;
        let text = |text: &str| Value::str(text);
        let mut transitions = Table::new();
        transitions.insert(text("START:next"), text("PROCESSING"))?;
        transitions.insert(text("PROCESSING:next"), text("COMPLETE"))?;
        let fields = vec![
            Value::list(vec![text("START"), text("PROCESSING"), text("COMPLETE")]),
            text("START"),
            text("START"),
            Value::dict(transitions),
        ];
        let machine = Value::Struct(Rc::new(StructObj::new(kind, fields)));
        Ok(FieldDef { name: "fsm".into(), annotation: single("FSM"), default: Some(machine), comment: None })
    }
}

fn made() -> Vec<Rc<StructType>> {
    let field = |(name, annotation, start): &(&'static str, &'static str, Start)| FieldDef {
        name: (*name).into(),
        annotation: single(annotation),
        default: match start {
            Start::Text(text) => Some(Value::str(text)),
            Start::Dict => Some(Value::dict(Table::new())),
            Start::List => Some(Value::list(Vec::new())),
            Start::Nothing => None,
        },
        comment: None,
    };
    (1_u32..)
        .zip(&TYPES)
        .map(|(id, (name, kind, fields))| {
            Rc::new(StructType::new(id, *kind, name, None, fields.iter().map(field).collect()))
        })
        .collect()
}

fn single(name: &str) -> Annotation {
    Annotation { terms: vec![AnnotationTerm { name: name.into(), arguments: Vec::new() }] }
}

/// A field's default for a new instance. What is preloaded does not share its collections between instances, and
/// every workflow has a state machine of its own.
pub fn default_for(kind: &StructType, field: &FieldDef, default: &Value) -> Result<Value, Raise> {
    if kind.id < FIRST_OWN || (kind.kind == StructKind::Workflow && &*field.name == "fsm") {
        return copied(default);
    }
    Ok(default.clone())
}

/// A copy that shares no collection: preloaded defaults are at most a machine that holds collections of texts.
fn copied(value: &Value) -> Result<Value, Raise> {
    Ok(match value {
        Value::List(list) => Value::list(list.to_vec()),
        Value::Dict(dict) => {
            let mut table = Table::new();
            for entry in dict.table.borrow().iter() {
                table.insert(entry.key.clone(), entry.value.clone())?;
            }
            Value::dict(table)
        }
        Value::Struct(it) if it.kind.id < FIRST_OWN => {
            let fields = it.fields.borrow().clone();
            let fields = fields.iter().map(copied).collect::<Result<Vec<_>, Raise>>()?;
            Value::Struct(Rc::new(StructObj::new(Rc::clone(&it.kind), fields)))
        }
        other => other.clone(),
    })
}

/// What a preloaded resource answers: the entry of that key, or the texts that contain the request. None when the
/// type is a program's own.
pub fn answer(it: &StructObj, request: Option<&Value>) -> Result<Option<Value>, Raise> {
    if it.kind.id >= FIRST_OWN {
        return Ok(None);
    }
    let Some(store) = STORES.iter().find_map(|name| it.get(name)) else { return Ok(None) };
    let Some(request) = request.filter(|request| !request.is_none()) else { return Ok(Some(store)) };
    match &store {
        Value::Dict(dict) => Ok(Some(dict.get(request)?.unwrap_or(Value::None))),
        Value::List(list) => {
            let Some(wanted) = request.as_text().map(|text| text.to_lowercase()) else {
                return Err(Raise::type_error("query() of a knowledge base needs a text"));
            };
            let mut found = Vec::new();
            for document in list.to_vec() {
                let document = document.observe()?;
                if document.as_text().is_some_and(|text| text.to_lowercase().contains(&wanted)) {
                    found.push(document);
                }
            }
            Ok(Some(Value::list(found)))
        }
        _ => Ok(None),
    }
}
