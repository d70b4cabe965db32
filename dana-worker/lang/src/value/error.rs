//! Errors: what a Dana program can catch, and the signal that carries one through Rust.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use dana_wire::{Assertion, LimitKind};

use super::{PromiseObj, Value};
use crate::compile::code::SourceFile;
use crate::syntax::span::Position;

/// An exception as a program sees it.
pub struct ErrorObj {
    kind: Cow<'static, str>,
    pub message: String,
    /// What helps, shown to the host.
    pub hint: Option<String>,
    /// A limit cannot be caught.
    pub limit: Option<LimitKind>,
    /// The ask whose failure this is: the host knows more about it.
    pub ask: Option<u32>,
    pub place: RefCell<Place>,
    pub cause: RefCell<Option<Rc<ErrorObj>>>,
    /// What a failed assertion found: text alone, so that it keeps no value alive.
    pub assertion: Option<Box<Assertion>>,
}

/// A place in a source, worked out only when somebody wants to see it.
#[derive(Clone)]
pub struct Spot {
    pub file: Rc<SourceFile>,
    /// Bytes from the start.
    pub offset: u32,
}

impl Spot {
    /// 1-based.
    pub fn position(&self) -> Position {
        self.file.source.position(self.offset)
    }

    /// The source line.
    pub fn excerpt(&self) -> &str {
        self.file.source.line(self.position().line)
    }
}

/// Where an error was raised and through which calls it came.
#[derive(Clone, Default)]
pub struct Place {
    pub at: Option<Spot>,
    /// Innermost first while it travels.
    pub trace: Vec<Frame>,
    /// Calls left out of `trace`.
    pub skipped: u32,
}

/// A call an error came through.
#[derive(Clone)]
pub struct Frame {
    pub function: Rc<str>,
    pub at: Spot,
}

impl ErrorObj {
    pub fn new(kind: impl Into<Cow<'static, str>>, message: impl Into<String>) -> ErrorObj {
        ErrorObj {
            kind: kind.into(),
            message: message.into(),
            hint: None,
            limit: None,
            ask: None,
            place: RefCell::new(Place::default()),
            cause: RefCell::new(None),
            assertion: None,
        }
    }

    /// The name of the kind, such as `ZeroDivisionError`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether `except name` catches it: the exact kind, a natural base class, or `Exception`. What Dana finds
    /// undefined is also a `SandboxError`, as what it finds wrong with operands, structs and assignments is.
    pub fn matches(&self, name: &str) -> bool {
        if self.limit.is_some() && !matches!(self.limit, Some(LimitKind::Depth)) {
            return false;
        }
        name == self.kind
            || match name {
                "Exception" | "BaseException" => true,
                "ArithmeticError" => {
                    matches!(
                        &*self.kind,
                        "ZeroDivisionError" | "OverflowError" | "FloatingPointError" | "InvalidOperation"
                    )
                }
                "LookupError" => matches!(&*self.kind, "IndexError" | "KeyError"),
                "SandboxError" => self.kind == "NameError",
                _ => false,
            }
    }

    /// Whether any `except` can see it.
    pub fn catchable(&self) -> bool {
        self.matches("Exception")
    }
}

impl Drop for ErrorObj {
    /// Takes a chain of causes apart from its head, however long it is.
    fn drop(&mut self) {
        let mut cause = self.cause.take();
        while let Some(error) = cause.and_then(Rc::into_inner) {
            cause = error.cause.take();
        }
    }
}

/// Why an operation did not give a value.
#[derive(Clone)]
pub struct Raise(Box<Reason>);

#[derive(Clone)]
pub enum Reason {
    Error(Rc<ErrorObj>),
    /// An operand is a promise without an answer: wait, then execute the operation again.
    Pending(Rc<PromiseObj>),
    /// The host ends the turn; no program sees that.
    Stopped(String),
}

impl Raise {
    #[cold]
    pub fn new(kind: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Raise {
        Raise::error(Rc::new(ErrorObj::new(kind, message)))
    }

    #[cold]
    pub fn error(error: Rc<ErrorObj>) -> Raise {
        Raise(Box::new(Reason::Error(error)))
    }

    #[cold]
    pub fn pending(promise: &Rc<PromiseObj>) -> Raise {
        Raise(Box::new(Reason::Pending(Rc::clone(promise))))
    }

    #[cold]
    pub fn stopped(reason: String) -> Raise {
        Raise(Box::new(Reason::Stopped(reason)))
    }

    pub fn reason(&self) -> &Reason {
        &self.0
    }

    pub fn into_reason(self) -> Reason {
        *self.0
    }

    /// The error, unless it is a wait or the host's end of the turn.
    pub fn as_error(&self) -> Option<&Rc<ErrorObj>> {
        match &*self.0 {
            Reason::Error(error) => Some(error),
            Reason::Pending(_) | Reason::Stopped(_) => None,
        }
    }

    /// Adds a hint to an error that nobody else holds yet.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Raise {
        if let Reason::Error(error) = &mut *self.0
            && let Some(error) = Rc::get_mut(error)
        {
            error.hint = Some(hint.into());
        }
        self
    }

    /// Notes what a failed assertion found, in an error that nobody else holds yet.
    #[must_use]
    pub fn found(mut self, assertion: Option<Box<Assertion>>) -> Raise {
        if let Reason::Error(error) = &mut *self.0
            && let Some(error) = Rc::get_mut(error)
        {
            error.assertion = assertion;
        }
        self
    }

    /// Notes the ask behind an error that nobody else holds yet.
    #[must_use]
    pub fn of_ask(mut self, ask: Option<u32>) -> Raise {
        if let Reason::Error(error) = &mut *self.0
            && let Some(error) = Rc::get_mut(error)
        {
            error.ask = ask;
        }
        self
    }

    #[cold]
    fn limited(kind: &'static str, message: String, limit: LimitKind) -> Raise {
        let mut error = ErrorObj::new(kind, message);
        error.limit = Some(limit);
        Raise::error(Rc::new(error))
    }

    pub fn memory(limit: usize) -> Raise {
        Raise::limited(
            "MemoryLimitError",
            format!("memory limit of {limit} bytes reached"),
            LimitKind::Memory,
        )
    }

    pub fn steps(limit: u64) -> Raise {
        Raise::limited("StepLimitError", format!("step limit of {limit} reached"), LimitKind::Steps)
    }

    pub fn output(limit: u64) -> Raise {
        Raise::limited(
            "OutputLimitError",
            format!("output limit of {limit} bytes reached"),
            LimitKind::Output,
        )
    }

    pub fn log_lines(limit: usize) -> Raise {
        Raise::limited(
            "OutputLimitError",
            format!("a turn may write {limit} lines to the log"),
            LimitKind::Output,
        )
    }

    /// The host counts the asks; `message` is its refusal.
    pub fn asks(message: String) -> Raise {
        Raise::limited("AskLimitError", message, LimitKind::Asks)
    }

    /// Too many nested calls; the one limit a program can catch.
    pub fn depth(limit: u32) -> Raise {
        Raise::limited("RecursionError", format!("maximum call depth of {limit} exceeded"), LimitKind::Depth)
    }

    /// A structure nested too deeply to compare, print or copy.
    pub fn nesting(what: &str) -> Raise {
        Raise::new("RecursionError", format!("structure nested too deeply while {what}"))
    }

    /// A structure of too many elements, shared ones counted each time.
    pub fn size(what: &str) -> Raise {
        Raise::new("RecursionError", format!("structure too large while {what}"))
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $make:ident $kind:literal;)*) => {
        impl Raise {
            $($(#[$doc])* #[cold] pub fn $make(message: impl Into<String>) -> Raise {
                Raise::new($kind, message)
            })*
        }
    };
}

kinds! {
    /// Operand types, coercion, construction, unknown functions, refused builtins.
    sandbox "SandboxError";
    type_error "TypeError";
    value_error "ValueError";
    index_error "IndexError";
    key_error "KeyError";
    attribute_error "AttributeError";
    name_error "NameError";
    zero_division "ZeroDivisionError";
    overflow "OverflowError";
    runtime "RuntimeError";
    assertion "AssertionError";
}

impl From<Rc<ErrorObj>> for Value {
    fn from(error: Rc<ErrorObj>) -> Self {
        Value::Error(error)
    }
}

impl std::fmt::Debug for Raise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0 {
            Reason::Error(error) => write!(f, "{}: {}", error.kind, error.message),
            Reason::Pending(promise) => write!(f, "waiting for ask {}", promise.ask.get()),
            Reason::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}
