//! What a function of the library is, and what it may do.
//!
//! The interpreter binds the arguments of a call to the declared parameters (with Python's errors), so the
//! function finds them by position. A native never calls Dana code itself: it returns [`Step::Call`] with a
//! [`Continuation`] that gets the result, and so the interpreter's own stack stays flat.
//!
//! A native can be executed twice: when it meets a promise without an answer it fails with a wait
//! ([`Raise::pending`], raised by `observe`, iteration, printing, comparing) and is executed again later. It
//! must therefore have done nothing visible before its last observation.

use std::rc::Rc;

use crate::session::Services;
use crate::value::structure::Annotation;
use crate::value::{PromiseObj, Raise, Value};

/// A function written in Rust.
pub struct Native {
    pub name: &'static str,
    pub params: &'static [Param],
    pub body: Body,
    /// A builtin that a program's own function of that name does not replace.
    pub protected: bool,
}

#[derive(Clone, Copy)]
pub enum Body {
    /// Gives its value at once.
    Plain(fn(&mut Call<'_>) -> Result<Value, Raise>),
    /// May call Dana functions or wait.
    Steps(fn(&mut Call<'_>) -> Result<Step, Raise>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    pub name: &'static str,
    pub take: Take,
}

/// How a parameter takes its argument. An argument that was not given is [`Value::Unset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// By position only, required. A method's receiver is such a parameter, the first.
    Position,
    /// By position only, may be left out.
    PositionOptional,
    /// By position or name, required.
    Either,
    /// By position or name, may be left out.
    Optional,
    /// By name only, may be left out.
    Named,
    /// All further positional arguments: [`Call::rest`].
    Rest,
    /// All further named arguments: [`Call::keywords`].
    Keywords,
}

impl Param {
    pub const fn new(name: &'static str, take: Take) -> Param {
        Param { name, take }
    }
}

impl Native {
    /// So many positional arguments can be passed as they stand.
    pub fn takes(&self, count: usize) -> bool {
        self.params.len() == count
            && self.params.iter().all(|param| {
                matches!(param.take, Take::Position | Take::PositionOptional | Take::Either | Take::Optional)
            })
    }
}

/// The arguments of one call, and the session's services.
pub struct Call<'a> {
    pub native: &'static Native,
    /// One per parameter, except those of [`Take::Rest`] and [`Take::Keywords`].
    pub args: &'a [Value],
    pub rest: &'a [Value],
    pub keywords: &'a [(Rc<str>, Value)],
    /// The annotation of the typed assignment this call is the value of.
    pub expects: Option<Rc<Annotation>>,
    pub services: &'a mut Services,
}

impl<'a> Call<'a> {
    /// The argument of a parameter; `Unset` when not given. Promises at the top are already observed.
    #[inline]
    pub fn arg(&self, at: usize) -> &'a Value {
        self.args.get(at).unwrap_or(&Value::Unset)
    }

    /// The argument, if given.
    #[inline]
    pub fn given(&self, at: usize) -> Option<&'a Value> {
        self.args.get(at).filter(|value| !value.is_unset())
    }
}

/// What a native comes to.
pub enum Step {
    Done(Value),
    /// Call `function` and give its result to `then`.
    Call {
        function: Value,
        args: Vec<Value>,
        /// Arguments by name.
        keywords: Vec<(Rc<str>, Value)>,
        then: Box<dyn Continuation>,
    },
    /// Wait for a promise and give its value to `then`.
    Wait {
        promise: Rc<PromiseObj>,
        then: Box<dyn Continuation>,
    },
}

/// The rest of a native after a call or a wait.
pub trait Continuation {
    fn resume(self: Box<Self>, result: Value, services: &mut Services) -> Result<Step, Raise>;

    /// The call or wait failed. By default the failure goes on.
    fn failed(self: Box<Self>, raise: Raise, _services: &mut Services) -> Result<Step, Raise> {
        Err(raise)
    }
}

impl From<Value> for Step {
    fn from(value: Value) -> Self {
        Step::Done(value)
    }
}
