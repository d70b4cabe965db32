//! The methods every agent and every resource has, unless its type defines them itself.
//!
//! An agent's memory lies behind its declared fields, where no program reaches it by name.

use std::fmt::Write as _;
use std::rc::Rc;

use dana_wire::{Message, Question};

use super::args::natives;
use super::native::{Call, Continuation, Native, Step};
use super::preloaded;
use crate::session::{Services, Settle, Settled};
use crate::value::promise::PromiseState;
use crate::value::structure::StructKind;
use crate::value::{DictObj, Raise, StructObj, Table, Value, cycles, memory, repr};

/// Turns of a conversation that a new message is sent with.
const TURNS: usize = 5;

/// A method of the type's kind.
pub fn method(kind: StructKind, name: &str) -> Option<&'static Native> {
    let methods = match kind {
        StructKind::Agent => AGENT,
        StructKind::Resource => RESOURCE,
        StructKind::Struct | StructKind::Workflow => return None,
    };
    methods.iter().find(|native| native.name == name)
}

/// The names of the methods of the type's kind.
pub fn methods(kind: StructKind) -> impl Iterator<Item = &'static str> {
    let methods = match kind {
        StructKind::Agent => AGENT,
        StructKind::Resource => RESOURCE,
        StructKind::Struct | StructKind::Workflow => &[],
    };
    methods.iter().map(|native| native.name)
}

natives! {
    AGENT:
    "plan" ["self" Position, "task" Either, "context" Optional] Plain plan;
    "solve" ["self" Position, "problem" Either, "context" Optional] Plain solve;
    "reason" ["self" Position, "premise" Either, "context" Optional] Plain reason;
    "llm" ["self" Position, "prompt" Either, "context" Optional] Plain llm;
    "chat" ["self" Position, "message" Either, "context" Optional, "max_context_turns" Optional] Plain chat;
    "remember" ["self" Position, "key" Either, "value" Either] Plain remember;
    "recall" ["self" Position, "key" Either] Plain recall;
    "get_conversation_stats" ["self" Position] Plain stats;
    "clear_conversation_memory" ["self" Position] Plain clear;
    "get_metrics" ["self" Position] Plain metrics;
}

natives! {
    RESOURCE:
    "initialize" ["self" Position] Plain |call| enter(call, "INITIALIZED");
    "start" ["self" Position] Plain |call| enter(call, "RUNNING");
    "stop" ["self" Position] Plain |call| enter(call, "TERMINATED");
    "cleanup" ["self" Position] Plain |call| enter(call, "TERMINATED");
    "is_running" ["self" Position] Plain is_running;
    "query" ["self" Position, "request" Optional] Plain query;
    "get_metadata" ["self" Position] Plain metadata;
    "__enter__" ["self" Position] Steps |call| scoped(call, "start", "RUNNING", Value::Struct(Rc::clone(receiver(call)?)));
    "__exit__" ["self" Position, "kind" Position, "error" Position, "traceback" Position] Steps
        |call| scoped(call, "stop", "TERMINATED", Value::False);
}

fn receiver<'a>(call: &Call<'a>) -> Result<&'a Rc<StructObj>, Raise> {
    match call.arg(0) {
        Value::Struct(it) => Ok(it),
        other => Err(Raise::type_error(format!(
            "{}() needs an agent or resource, not '{}'",
            call.native.name,
            other.type_name()
        ))),
    }
}

/// A dict behind the agent's fields, made when first needed.
fn hidden(it: &StructObj, name: &str) -> Result<Rc<DictObj>, Raise> {
    let declared = it.kind.fields.len();
    let mut fields = it.fields.borrow_mut();
    if fields.len() == declared {
        fields.push(Value::dict(Table::new()));
    }
    let Some(Value::Dict(store)) = fields.get(declared) else {
        return Err(Raise::runtime("the agent's memory is damaged"));
    };
    if let Some(Value::Dict(found)) = store.get_str(name) {
        return Ok(found);
    }
    let made = Rc::new(DictObj::default());
    store.insert(Value::str(name), Value::Dict(Rc::clone(&made)))?;
    Ok(made)
}

/// What the model says, as it is.
struct Reply;

impl Settle for Reply {
    fn settle(&mut self, answer: Result<Value, Raise>, _services: &mut Services) -> Settled {
        match answer {
            Ok(value) => Settled::Kept(value),
            Err(raise) => Settled::Broken(crate::reason::failed(raise)),
        }
    }
}

/// Asks the model in the agent's name.
fn ask(call: &mut Call<'_>, instruction: &str, more: &str) -> Result<Value, Raise> {
    let it = receiver(call)?;
    let mut system = format!("You are the agent {}.", it.kind.name);
    let fields = it.fields.borrow().clone();
    for (field, value) in it.kind.fields.iter().zip(&fields) {
        let _ = write!(system, "\n{}: {}", field.name, repr::display(value)?);
    }
    let mut content = format!("{instruction}\n\n{}", repr::display(call.arg(1))?);
    if let Some(context) = call.given(2).filter(|context| !context.is_none()) {
        let _ = write!(content, "\n\nContext: {}", repr::display(context)?);
    }
    content.push_str(more);
    memory::reserve(system.len() + content.len())?;
    let message = |role: &str, content: String| Message { role: role.to_owned(), content };
    let question = Question::Reason {
        purpose: "reason".to_owned(),
        messages: vec![message("system", system), message("user", content)],
        expects: None,
        schema: None,
    };
    let options = crate::reason::defaults(call.services)?;
    let promise = call.services.ask(question, vec![Value::dict(options)], Box::new(Reply))?;
    Ok(Value::Promise(promise))
}

fn plan(call: &mut Call<'_>) -> Result<Value, Raise> {
    ask(call, "Make a plan, step by step, for this task:", "")
}

fn solve(call: &mut Call<'_>) -> Result<Value, Raise> {
    ask(call, "Solve this problem:", "")
}

fn reason(call: &mut Call<'_>) -> Result<Value, Raise> {
    ask(call, "Reason about this premise and conclude:", "")
}

fn llm(call: &mut Call<'_>) -> Result<Value, Raise> {
    ask(call, "Answer:", "")
}

fn chat(call: &mut Call<'_>) -> Result<Value, Raise> {
    let turns = match call.given(3).map(Value::as_index) {
        Some(Some(turns)) => usize::try_from(turns).unwrap_or(0),
        _ => TURNS,
    };
    let store = hidden(receiver(call)?, "conversation")?;
    let entries: Vec<(Value, Value)> =
        store.table.borrow().iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
    let mut before = String::new();
    for (_, turn) in entries.iter().skip(entries.len().saturating_sub(turns)) {
        if let Value::Tuple(turn) = turn
            && let [said, reply] = turn.items()
            && !unanswered(reply)
        {
            let _ = write!(before, "\nUser: {}\nYou: {}", repr::display(said)?, repr::display(reply)?);
        }
    }
    if !before.is_empty() {
        before.insert_str(0, "\n\nThe conversation so far:");
    }
    let reply = ask(call, "Reply to this message:", &before)?;
    let turn = Value::tuple(vec![call.arg(1).clone(), reply.clone()]);
    store.insert(Value::Int(entries.len() as i64), turn)?;
    Ok(reply)
}

/// The model failed; the program hears of that where it looks at the reply, not in what it says next.
fn unanswered(reply: &Value) -> bool {
    matches!(reply, Value::Promise(promise) if matches!(*promise.state.borrow(), PromiseState::Broken(_)))
}

fn remember(call: &mut Call<'_>) -> Result<Value, Raise> {
    let memory = hidden(receiver(call)?, "memory")?;
    cycles::stored(&memory, call.arg(2));
    memory.insert(call.arg(1).clone(), call.arg(2).clone())?;
    Ok(Value::True)
}

fn recall(call: &mut Call<'_>) -> Result<Value, Raise> {
    Ok(hidden(receiver(call)?, "memory")?.get(call.arg(1))?.unwrap_or(Value::None))
}

fn stats(call: &mut Call<'_>) -> Result<Value, Raise> {
    let turns = hidden(receiver(call)?, "conversation")?.len();
    let mut table = Table::new();
    table.insert(Value::str("total_messages"), Value::Int(2 * turns as i64))?;
    table.insert(Value::str("total_turns"), Value::Int(turns as i64))?;
    Ok(Value::dict(table))
}

fn clear(call: &mut Call<'_>) -> Result<Value, Raise> {
    let old = std::mem::take(&mut *hidden(receiver(call)?, "conversation")?.table.borrow_mut());
    drop(old);
    Ok(Value::True)
}

fn metrics(call: &mut Call<'_>) -> Result<Value, Raise> {
    let it = receiver(call)?;
    let mut table = Table::new();
    for name in ["name", "state"] {
        if let Some(value) = it.get(name) {
            table.insert(Value::str(name), value)?;
        }
    }
    table.insert(Value::str("conversation_turns"), Value::Int(hidden(it, "conversation")?.len() as i64))?;
    table.insert(Value::str("memories"), Value::Int(hidden(it, "memory")?.len() as i64))?;
    Ok(Value::dict(table))
}

fn enter(call: &Call<'_>, state: &str) -> Result<Value, Raise> {
    let it = receiver(call)?;
    if let Some(at) = it.kind.field("state")
        && let Some(place) = it.fields.borrow_mut().get_mut(at)
    {
        *place = Value::str(state);
    }
    Ok(Value::True)
}

/// `with` starts a resource and stops it, by its own methods if it has them.
fn scoped(call: &mut Call<'_>, method: &str, state: &str, result: Value) -> Result<Step, Raise> {
    let it = receiver(call)?;
    match it.method(method)? {
        Some((owner, function)) => Ok(Step::Call {
            function,
            args: vec![Value::Struct(owner)],
            keywords: Vec::new(),
            then: Box::new(Instead(result)),
        }),
        None => enter(call, state).map(|_| Step::Done(result)),
    }
}

/// Gives a value of its own for whatever a call gave.
struct Instead(Value);

impl Continuation for Instead {
    fn resume(self: Box<Self>, _result: Value, _services: &mut Services) -> Result<Step, Raise> {
        Ok(Step::Done(self.0))
    }
}

fn is_running(call: &mut Call<'_>) -> Result<Value, Raise> {
    let state = receiver(call)?.get("state");
    Ok(Value::bool(state.is_some_and(|state| state.as_text().is_some_and(|text| &*text == "RUNNING"))))
}

fn query(call: &mut Call<'_>) -> Result<Value, Raise> {
    let it = receiver(call)?;
    if let Some(answer) = preloaded::answer(it, call.given(1))? {
        return Ok(answer);
    }
    let name = &it.kind.name;
    Err(Raise::sandbox(format!(
        "resource '{name}' defines no query(); define one with 'def (self: {name}) query(request)'"
    )))
}

fn metadata(call: &mut Call<'_>) -> Result<Value, Raise> {
    let it = receiver(call)?;
    let fields = it.fields.borrow().clone();
    let mut table = Table::new();
    table.insert(Value::str("type"), Value::str(&it.kind.name))?;
    for (field, value) in it.kind.fields.iter().zip(fields) {
        table.insert(Value::str(&field.name), value)?;
    }
    Ok(Value::dict(table))
}
