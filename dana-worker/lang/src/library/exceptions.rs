//! Constructors of exceptions: `ValueError("text")` makes an error object that `raise` raises.

use std::rc::Rc;

use crate::value::{ErrorObj, Raise, Value, repr};

use super::args::natives;
use super::native::{Call, Native};

natives! {
    replaceable FUNCTIONS:
    "Exception" ["args" Rest] Plain construct;
    "BaseException" ["args" Rest] Plain construct;
    "ArithmeticError" ["args" Rest] Plain construct;
    "AssertionError" ["args" Rest] Plain construct;
    "AttributeError" ["args" Rest] Plain construct;
    "ConnectionError" ["args" Rest] Plain construct;
    "EOFError" ["args" Rest] Plain construct;
    "FileNotFoundError" ["args" Rest] Plain construct;
    "FloatingPointError" ["args" Rest] Plain construct;
    "ImportError" ["args" Rest] Plain construct;
    "IndexError" ["args" Rest] Plain construct;
    "IOError" ["args" Rest] Plain construct;
    "KeyError" ["args" Rest] Plain construct;
    "LookupError" ["args" Rest] Plain construct;
    "ModuleNotFoundError" ["args" Rest] Plain construct;
    "NameError" ["args" Rest] Plain construct;
    "NotImplementedError" ["args" Rest] Plain construct;
    "OSError" ["args" Rest] Plain construct;
    "OverflowError" ["args" Rest] Plain construct;
    "PermissionError" ["args" Rest] Plain construct;
    "RecursionError" ["args" Rest] Plain construct;
    "RuntimeError" ["args" Rest] Plain construct;
    "SandboxError" ["args" Rest] Plain construct;
    "StateError" ["args" Rest] Plain construct;
    "StopIteration" ["args" Rest] Plain construct;
    "TimeoutError" ["args" Rest] Plain construct;
    "TypeError" ["args" Rest] Plain construct;
    "UnicodeError" ["args" Rest] Plain construct;
    "ValueError" ["args" Rest] Plain construct;
    "ZeroDivisionError" ["args" Rest] Plain construct;
}

/// Characters of a message that is made of other things than a text.
const LONGEST: usize = 4000;

/// The error's kind is the name it was constructed by; its message is the argument, or all of them as a tuple.
fn construct(call: &mut Call<'_>) -> Result<Value, Raise> {
    let message = match call.rest {
        [] => String::new(),
        [one] if one.is_text() => repr::display(one)?,
        // An error made of an error, again and again, does not grow with each.
        [one] => repr::clipped(repr::display(one)?, LONGEST),
        several => repr::clipped(repr::display(&Value::tuple(several.to_vec()))?, LONGEST),
    };
    Ok(Value::Error(Rc::new(ErrorObj::new(call.native.name, message))))
}

/// Whether a function constructs exceptions.
pub(crate) fn constructs(native: &Native) -> bool {
    FUNCTIONS.iter().any(|known| known.name == native.name)
}
