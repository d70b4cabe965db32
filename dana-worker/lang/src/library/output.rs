//! `print`, `log` and small functions with no other home.

use dana_wire::LogLevel;

use crate::text;
use crate::value::{Raise, Value, memory, repr};

use super::args::{self, natives, unsuitable};
use super::native::{Call, Step};

natives! {
    FUNCTIONS:
    "print" ["values" Rest, "sep" Named, "end" Named, "flush" Named] Plain print;
    "log" ["message" Either, "level" Optional] Plain log;
    "log_level" ["level" Either, "namespace" Optional] Plain log_level;
    "noop" ["args" Rest, "kwargs" Keywords] Plain noop;
    "case" ["branches" Rest] Steps case;
}

natives! {
    /// Preloaded for demonstration.
    replaceable DEMONSTRATIONS:
    "feedback" ["result" Either, "data" Optional] Plain |_| Ok(Value::True);
    "capitalize_words" ["text" Either] Plain capitalize_words;
    "title_case" ["text" Either] Plain title_case;
}

fn print(call: &mut Call<'_>) -> Result<Value, Raise> {
    let option = |at: usize, name: &str, default: &'static str| -> Result<String, Raise> {
        match args::some(call, at) {
            None => Ok(default.to_owned()),
            Some(value) => match value.as_text() {
                Some(text) => Ok(text.to_string()),
                None => {
                    let kind = value.type_name();
                    Err(Raise::type_error(format!("{name} must be None or a string, not {kind}")))
                }
            },
        }
    };
    let (separator, end) = (option(0, "sep", " ")?, option(1, "end", "\n")?);
    // The whole line first: a promise among the values is waited for before anything is shown.
    let mut line = String::new();
    for (at, value) in call.rest.iter().enumerate() {
        if at > 0 {
            line.push_str(&separator);
        }
        repr::push_display(&mut line, value)?;
        memory::reserve(line.len())?;
    }
    line.push_str(&end);
    call.services.print(&line)?;
    Ok(Value::None)
}

fn level_named(value: &Value) -> Result<LogLevel, Raise> {
    let Some(name) = value.as_text() else {
        return Err(unsuitable(format!("a log level is a str, not '{}'", value.type_name())));
    };
    match name.trim().to_ascii_uppercase().as_str() {
        "DEBUG" => Ok(LogLevel::Debug),
        "INFO" => Ok(LogLevel::Info),
        "WARN" | "WARNING" => Ok(LogLevel::Warning),
        "ERROR" | "CRITICAL" | "FATAL" => Ok(LogLevel::Error),
        _ => Err(Raise::value_error(format!(
            "unknown log level '{}': use DEBUG, INFO, WARNING, ERROR or CRITICAL",
            &*name
        ))),
    }
}

fn log(call: &mut Call<'_>) -> Result<Value, Raise> {
    let level = call.given(1).map_or(Ok(LogLevel::Info), level_named)?;
    let message = repr::display(call.arg(0))?;
    call.services.log(level, message)?;
    Ok(Value::None)
}

/// Checks the name; which lines are shown is the host's decision.
fn log_level(call: &mut Call<'_>) -> Result<Value, Raise> {
    level_named(call.arg(0))?;
    Ok(Value::None)
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a native")]
fn noop(call: &mut Call<'_>) -> Result<Value, Raise> {
    Ok(match call.rest {
        [] => Value::None,
        [one] => one.clone(),
        several => Value::tuple(several.to_vec()),
    })
}

fn words<'a>(call: &'a Call<'_>) -> Result<crate::value::Text<'a>, Raise> {
    let (name, value) = (call.native.name, call.arg(0));
    value.as_text().ok_or_else(|| unsuitable(format!("{name}() expects a str, got '{}'", value.type_name())))
}

fn capitalize_words(call: &mut Call<'_>) -> Result<Value, Raise> {
    let source = words(call)?;
    memory::reserve(source.len().saturating_mul(4))?;
    let capitalized: Vec<String> =
        text::split_space(&source, None).into_iter().map(text::capitalize).collect();
    Ok(Value::string(capitalized.join(" ")))
}

fn title_case(call: &mut Call<'_>) -> Result<Value, Raise> {
    let source = words(call)?;
    memory::reserve(source.len().saturating_mul(3))?;
    Ok(Value::string(text::title(&source)))
}

/// `case((condition, function), ..., fallback)`: the function of the first true condition is called.
fn case(call: &mut Call<'_>) -> Result<Step, Raise> {
    for branch in call.rest {
        let chosen = match branch {
            Value::Tuple(pair) => match pair.items() {
                [condition, function] => {
                    if !crate::value::truth::plain(condition)? {
                        continue;
                    }
                    function
                }
                _ => return Err(unsuitable("case() expects pairs of a condition and a function".to_owned())),
            },
            fallback => fallback,
        };
        let chosen = chosen.observe()?;
        return Ok(if chosen.is_callable() {
            Step::Call { function: chosen, args: Vec::new(), keywords: Vec::new(), then: Box::new(AsItIs) }
        } else {
            Step::Done(chosen)
        });
    }
    Ok(Step::Done(Value::None))
}

/// Gives the result of a call as the result of the native.
pub(super) struct AsItIs;

impl super::native::Continuation for AsItIs {
    fn resume(
        self: Box<Self>,
        result: Value,
        _services: &mut crate::session::Services,
    ) -> Result<Step, Raise> {
        Ok(Step::Done(result))
    }
}
