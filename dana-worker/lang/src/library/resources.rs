//! `use` and `get_resource`: resources that stay with the host.
//!
//! The host names the kinds it has, and their methods, among its functions (`use kind`, `use kind.method`). What a
//! program holds is a struct with a number; every method is an ask with that number, checked by the host.

use std::rc::Rc;

use dana_wire::Question;

use super::args::natives;
use super::native::{Body, Call, Continuation, Native, Param, Step, Take};
use crate::session::{AsIs, Identity, Services};
use crate::value::structure::{Annotation, AnnotationTerm, FieldDef, StructKind};
use crate::value::{BoundObj, Raise, StructObj, StructType, Value, memory, repr};

/// The host's name for leaving a resource.
const LEAVE: &str = "__exit__";

natives! {
    FUNCTIONS:
    "use" ["kind" Position, "args" Rest, "kwargs" Keywords] Steps open;
    "get_resource" ["kind" Position, "args" Rest, "kwargs" Keywords] Steps open;
}

/// A method of a resource; its first argument is the host's name for it.
static METHOD: Native = Native {
    name: "resource method",
    params: &[
        Param::new("name", Take::Position),
        Param::new("self", Take::Position),
        Param::new("arguments", Take::Rest),
        Param::new("keywords", Take::Keywords),
    ],
    body: Body::Steps(method),
    protected: true,
};

static ENTER: Native = Native {
    name: "__enter__",
    params: &[Param::new("self", Take::Position)],
    body: Body::Plain(|call| Ok(call.arg(0).clone())),
    protected: true,
};

fn open(call: &mut Call<'_>) -> Result<Step, Raise> {
    let kind = match call.arg(0).as_text() {
        Some(kind) => kind.to_string(),
        None => String::new(),
    };
    let name = format!("use {kind}");
    if kind.is_empty() || !call.services.functions.contains_key(&*name) {
        let raise = Raise::sandbox(format!(
            "{}({}) is not available: the host has registered no resource of that kind",
            call.native.name,
            repr::repr(call.arg(0))?
        ));
        let known: Vec<&str> = call
            .services
            .functions
            .keys()
            .filter_map(|name| name.strip_prefix("use ").filter(|kind| !kind.contains('.')))
            .collect();
        return Err(if known.is_empty() {
            raise
        } else {
            raise.hint(format!("it has: {}", known.join(", ")))
        });
    }
    let promise = ask(call, name, None)?;
    Ok(Step::Wait { promise, then: Box::new(Opened { kind }) })
}

/// Asks for a function with the call's further arguments.
fn ask(
    call: &mut Call<'_>,
    name: String,
    first: Option<Value>,
) -> Result<Rc<crate::value::PromiseObj>, Raise> {
    let positional = call.rest.len() + usize::from(first.is_some());
    let keywords = call.keywords.iter().map(|(name, _)| name.to_string()).collect();
    let named = call.keywords.iter().map(|(_, value)| value);
    let values = first.into_iter().chain(call.rest.iter().chain(named).cloned()).collect();
    let positional = u32::try_from(positional).unwrap_or(u32::MAX);
    call.services.ask(Question::Function { name, positional, keywords }, values, Box::new(AsIs))
}

/// The host has opened the resource and told its number.
struct Opened {
    kind: String,
}

impl Continuation for Opened {
    fn resume(self: Box<Self>, number: Value, services: &mut Services) -> Result<Step, Raise> {
        memory::reserve(1024)?;
        let kind = of_kind(&self.kind, services)?;
        let fields = vec![Value::str("RUNNING"), Value::str(&self.kind), number];
        Ok(Step::Done(Value::Struct(Rc::new(StructObj::new(kind, fields)))))
    }
}

/// The type of a kind's resources.
fn of_kind(kind: &str, services: &mut Services) -> Result<Rc<StructType>, Raise> {
    if let Some(known) = services.kinds.get(kind) {
        return Ok(Rc::clone(known));
    }
    let field = |name: &str, annotation: &str| FieldDef {
        name: name.into(),
        annotation: Annotation {
            terms: vec![AnnotationTerm { name: annotation.into(), arguments: Vec::new() }],
        },
        default: None,
        comment: None,
    };
    memory::reserve(4096)?;
    let fields = vec![field("state", "str"), field("name", "str"), field("number", "int")];
    let made = StructType::new(services.type_id(), StructKind::Resource, kind, None, fields);
    let prefix = format!("use {kind}.");
    for name in services.functions.keys() {
        if let Some(short) = name.strip_prefix(&*prefix) {
            let bound = BoundObj { receiver: Value::str(name), function: Value::Native(&METHOD) };
            made.methods.borrow_mut().insert(short.into(), Value::Bound(Rc::new(bound)));
        }
    }
    made.methods.borrow_mut().insert("__enter__".into(), Value::Native(&ENTER));
    let made = Rc::new(made);
    services.kinds.insert(kind.into(), Rc::clone(&made));
    Ok(made)
}

fn method(call: &mut Call<'_>) -> Result<Step, Raise> {
    let name = call.arg(0).as_text().map(|text| text.to_string()).unwrap_or_default();
    let Value::Struct(it) = call.arg(1) else {
        return Err(Raise::type_error(format!("a resource is needed, not '{}'", call.arg(1).type_name())));
    };
    let number = it.fields.borrow().get(2).cloned().unwrap_or(Value::None).observe()?;
    if name.ends_with(&format!(".{LEAVE}")) {
        if let Some(state) = it.fields.borrow_mut().first_mut() {
            *state = Value::str("TERMINATED");
        }
        // What the block raised is the program's own business.
        let question = Question::Function { name, positional: 1, keywords: Vec::new() };
        let promise = call.services.ask(question, vec![number], Box::new(AsIs))?;
        return Ok(Step::Wait { promise, then: Box::new(Identity) });
    }
    let background = call.services.functions.get(&*name).copied().unwrap_or_default();
    let promise = ask(call, name, Some(number))?;
    if background {
        return Ok(Step::Done(Value::Promise(promise)));
    }
    Ok(Step::Wait { promise, then: Box::new(Identity) })
}
