//! The decorators every program finds: `log_calls`, `log_with_prefix`, `repeat`, `validate_args`, `poet`.
//!
//! A decorated function is a bound native: its receiver is a tuple of the function and what the decorator was told.
//! What a decorator has to say goes to the log, never to the output.

use std::rc::Rc;

use dana_wire::LogLevel;

use crate::session::Services;
use crate::value::{BoundObj, Raise, Value, repr, truth};

use super::args::{self, natives, unsuitable};
use super::native::{Call, Continuation, Native, Step};

natives! {
    replaceable FUNCTIONS:
    "log_calls" ["function" Position] Plain |call| wrapped(call, call.arg(0), &LOGGED, logging(Value::str(""), Value::True));
    "log_with_prefix" ["prefix" Optional, "include_result" Optional] Plain log_with_prefix;
    "repeat" ["times" Either] Plain repeat;
    "validate_args" ["validators" Keywords] Plain validate_args;
    "poet" ["function" PositionOptional, "options" Keywords] Plain poet;
}

natives! {
    /// What decorators give: `self` is the tuple of the decorator's own values.
    INNER:
    "log_with_prefix" ["self" Position, "function" Position] Plain |call| decorated(call, &LOGGED);
    "repeat" ["self" Position, "function" Position] Plain |call| decorated(call, &REPEATED);
    "validate_args" ["self" Position, "function" Position] Plain |call| decorated(call, &VALIDATED);
    "poet" ["self" Position, "function" Position] Plain |call| Ok(call.arg(1).clone());
}

macro_rules! call_through {
    ($($name:ident $shown:literal $body:expr;)*) => {$(
        static $name: Native = Native {
            name: $shown,
            params: &[
                super::native::Param::new("self", super::native::Take::Position),
                super::native::Param::new("args", super::native::Take::Rest),
                super::native::Param::new("kwargs", super::native::Take::Keywords),
            ],
            body: super::native::Body::Steps($body),
            protected: true,
        };
    )*};
}

call_through! {
    LOGGED "logged function" call_logged;
    REPEATED "repeated function" call_repeated;
    VALIDATED "validated function" call_validated;
}

type Keywords = Vec<(Rc<str>, Value)>;

/// `function`, replaced by `native` bound to a tuple of it and `more`.
fn wrapped(
    _call: &Call<'_>,
    function: &Value,
    native: &'static Native,
    more: Vec<Value>,
) -> Result<Value, Raise> {
    if !function.is_callable() {
        return Err(unsuitable(format!("a decorator needs a function, not '{}'", function.type_name())));
    }
    let mut parts = vec![function.clone()];
    parts.extend(more);
    Ok(bound(Value::tuple(parts), native))
}

fn bound(receiver: Value, native: &'static Native) -> Value {
    Value::Bound(Rc::new(BoundObj { receiver, function: Value::Native(native) }))
}

/// A decorator that waits for its function.
fn waiting(name: &str, more: Vec<Value>) -> Result<Value, Raise> {
    match INNER.iter().find(|native| native.name == name) {
        Some(native) => Ok(bound(Value::tuple(more), native)),
        None => Err(Raise::runtime(format!("unknown decorator '{name}'"))),
    }
}

fn decorated(call: &Call<'_>, native: &'static Native) -> Result<Value, Raise> {
    let more = match call.arg(0) {
        Value::Tuple(tuple) => tuple.items().to_vec(),
        _ => Vec::new(),
    };
    wrapped(call, call.arg(1), native, more)
}

fn logging(prefix: Value, with_result: Value) -> Vec<Value> {
    vec![prefix, with_result]
}

fn log_with_prefix(call: &mut Call<'_>) -> Result<Value, Raise> {
    let prefix = call.given(0).cloned().unwrap_or_else(|| Value::str(""));
    let with_result = call.given(1).cloned().unwrap_or(Value::True);
    waiting("log_with_prefix", logging(prefix, with_result))
}

fn repeat(call: &mut Call<'_>) -> Result<Value, Raise> {
    let times = args::index(call.arg(0))?;
    waiting("repeat", vec![Value::Int(times)])
}

/// Keeps pairs of a parameter's name and its predicate.
fn validate_args(call: &mut Call<'_>) -> Result<Value, Raise> {
    let pairs = call.keywords.iter().map(|(name, test)| Value::tuple(vec![Value::str(name), test.clone()]));
    waiting("validate_args", pairs.collect())
}

/// Training belongs to the host; here the function stays what it is.
fn poet(call: &mut Call<'_>) -> Result<Value, Raise> {
    match call.given(0) {
        Some(function) if function.is_callable() => Ok(function.clone()),
        _ => waiting("poet", Vec::new()),
    }
}

/// The parts of the receiver: the function, then what its decorator was told.
fn parts(call: &Call<'_>) -> (Value, Vec<Value>) {
    match call.arg(0) {
        Value::Tuple(tuple) => match tuple.items() {
            [function, more @ ..] => (function.clone(), more.to_vec()),
            [] => (Value::None, Vec::new()),
        },
        _ => (Value::None, Vec::new()),
    }
}

fn name_of(function: &Value) -> String {
    match function {
        Value::Func(function) => function.code.name.to_string(),
        Value::Native(native) => native.name.to_owned(),
        Value::Bound(bound) => match &bound.receiver {
            // A function that was decorated before is called by its own name.
            Value::Tuple(parts) => parts.items().first().map(name_of).unwrap_or_default(),
            _ => name_of(&bound.function),
        },
        other => other.type_name().to_owned(),
    }
}

fn call_logged(call: &mut Call<'_>) -> Result<Step, Raise> {
    let (function, more) = parts(call);
    let prefix = more.first().map_or_else(|| Ok(String::new()), repr::display)?;
    let lead = if prefix.is_empty() { String::new() } else { format!("{prefix}: ") };
    let mut shown: Vec<String> = call.rest.iter().map(repr::repr).collect::<Result<_, _>>()?;
    for (name, value) in call.keywords {
        shown.push(format!("{name}={}", repr::repr(value)?));
    }
    let name = name_of(&function);
    call.services.log(LogLevel::Info, format!("{lead}calling {name}({})", shown.join(", ")))?;
    let with_result = more.get(1).map_or(Ok(true), truth::plain)?;
    let then = Box::new(Logged { name, lead, with_result });
    Ok(Step::Call { function, args: call.rest.to_vec(), keywords: call.keywords.to_vec(), then })
}

struct Logged {
    name: String,
    lead: String,
    with_result: bool,
}

impl Continuation for Logged {
    fn resume(self: Box<Self>, result: Value, services: &mut Services) -> Result<Step, Raise> {
        if let Value::Promise(promise) = &result
            && promise.is_pending()
        {
            return Ok(Step::Wait { promise: Rc::clone(promise), then: self });
        }
        let tail = if self.with_result {
            format!(" returned {}", repr::repr(&result)?)
        } else {
            " ended".to_owned()
        };
        services.log(LogLevel::Info, format!("{}{}{tail}", self.lead, self.name))?;
        Ok(Step::Done(result))
    }
}

/// Calls the function so many times; the last result counts.
fn call_repeated(call: &mut Call<'_>) -> Result<Step, Raise> {
    let (function, more) = parts(call);
    let left = more.first().and_then(Value::as_index).unwrap_or(1);
    let state =
        Box::new(Repeated { function, args: call.rest.to_vec(), keywords: call.keywords.to_vec(), left });
    state.resume(Value::None, call.services)
}

struct Repeated {
    function: Value,
    args: Vec<Value>,
    keywords: Keywords,
    left: i64,
}

impl Continuation for Repeated {
    fn resume(mut self: Box<Self>, result: Value, _services: &mut Services) -> Result<Step, Raise> {
        if self.left <= 0 {
            return Ok(Step::Done(result));
        }
        self.left -= 1;
        let (function, args, keywords) = (self.function.clone(), self.args.clone(), self.keywords.clone());
        Ok(Step::Call { function, args, keywords, then: self })
    }
}

/// Calls every predicate with the argument of its name, then the function.
#[expect(clippy::unnecessary_wraps, reason = "the signature of a native")]
fn call_validated(call: &mut Call<'_>) -> Result<Step, Raise> {
    let (function, more) = parts(call);
    let mut checks = Vec::new();
    for pair in &more {
        let Value::Tuple(pair) = pair else { continue };
        let [name, test] = pair.items() else { continue };
        let Some(name) = name.as_text() else { continue };
        let named = call.keywords.iter().find(|(given, _)| **given == *name).map(|(_, value)| value.clone());
        if let Some(value) =
            named.or_else(|| placed(&function, &name).and_then(|at| call.rest.get(at).cloned()))
        {
            checks.push(Check { name: name.to_string(), test: test.clone(), value });
        }
    }
    checks.reverse();
    let (args, keywords) = (call.rest.to_vec(), call.keywords.to_vec());
    Ok(Box::new(Validated { function, args, keywords, checks }).next())
}

/// The position of a parameter of a Dana function.
fn placed(function: &Value, name: &str) -> Option<usize> {
    match function {
        Value::Func(function) => function.code.params.iter().position(|param| &*param.name == name),
        _ => None,
    }
}

struct Check {
    name: String,
    test: Value,
    value: Value,
}

struct Validated {
    function: Value,
    args: Vec<Value>,
    keywords: Keywords,
    /// Last first; the last one is being asked.
    checks: Vec<Check>,
}

impl Validated {
    fn next(self: Box<Self>) -> Step {
        match self.checks.last() {
            Some(check) => Step::Call {
                function: check.test.clone(),
                args: vec![check.value.clone()],
                keywords: Vec::new(),
                then: self,
            },
            None => Step::Call {
                function: self.function,
                args: self.args,
                keywords: self.keywords,
                then: Box::new(super::output::AsItIs),
            },
        }
    }
}

impl Continuation for Validated {
    fn resume(mut self: Box<Self>, result: Value, _services: &mut Services) -> Result<Step, Raise> {
        if let Value::Promise(promise) = &result
            && promise.is_pending()
        {
            return Ok(Step::Wait { promise: Rc::clone(promise), then: self });
        }
        let Some(check) = self.checks.pop() else { return Ok(self.next()) };
        if truth::plain(&result)? {
            return Ok(self.next());
        }
        let (name, value) = (check.name, repr::repr(&check.value)?);
        Err(Raise::value_error(format!(
            "{}() got an invalid value for argument '{name}': {value}",
            name_of(&self.function)
        )))
    }
}
