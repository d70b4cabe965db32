//! The tree as Python, every operation in parentheses or a call of `oracle.py` where Dana has a rule of its own.

use super::literals;
use super::tree::{Argument, Comprehension, Expr, Handler, Kind, Parameter, Piece, Stmt};

pub(crate) fn program(statements: &[Stmt]) -> String {
    let mut out = String::new();
    block(&mut out, statements, 0);
    out
}

fn expr(tree: &Expr) -> String {
    match tree {
        Expr::Number(digits) => format!("({digits})"),
        Expr::Text(text) => text.source.clone(),
        Expr::Name(name) => name.clone(),
        Expr::Unary("not", operand) => format!("(not {})", expr(operand)),
        Expr::Unary(operator, operand) => format!("_unary({operator:?}, {})", expr(operand)),
        Expr::Binary(operator, left, right) => {
            format!("_binary({operator:?}, {}, {})", expr(left), expr(right))
        }
        Expr::Compare(operator @ ("is" | "is not"), left, right) => {
            format!("({} {operator} {})", expr(left), expr(right))
        }
        Expr::Compare(operator, left, right) => {
            format!("_compare({operator:?}, {}, {})", expr(left), expr(right))
        }
        // `and` and `or` give a bool (section 0, 6).
        Expr::Logic(operator, left, right) => {
            format!("(not not ({} {operator} {}))", expr(left), expr(right))
        }
        Expr::Either { condition, yes, no } => {
            format!("({} if {} else {})", expr(yes), expr(condition), expr(no))
        }
        Expr::Call { function, arguments } if function == "KeyError" => {
            format!("_key_error({})", arguments_of(arguments))
        }
        Expr::Call { function, arguments } => format!("{function}({})", arguments_of(arguments)),
        Expr::Method { receiver, name, arguments } => {
            let arguments = arguments_of(arguments);
            let comma = if arguments.is_empty() { "" } else { ", " };
            format!("_method({}, {name:?}{comma}{arguments})", expr(receiver))
        }
        Expr::Item(value, index) => format!("_item({}, {})", expr(value), expr(index)),
        Expr::Slice(value, bounds) => {
            let bounds =
                bounds.iter().map(|bound| bound.as_ref().map_or("None".to_owned(), |bound| expr(bound)));
            format!("_slice({}, {})", expr(value), bounds.collect::<Vec<_>>().join(", "))
        }
        Expr::List(items) => format!("[{}]", list(items)),
        Expr::Tuple(items) if items.is_empty() => "()".to_owned(),
        Expr::Tuple(items) => format!("({},)", list(items)),
        Expr::Set(items) => format!("{{{}}}", list(items)),
        Expr::Dict(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{}: {}", expr(key), expr(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Expr::Comprehension(comprehension) => comprehension_of(comprehension),
        Expr::Lambda { parameters, body } => {
            format!("(lambda {}: {})", parameters_of(parameters), expr(body))
        }
        Expr::Format(pieces) => pieces_of(pieces),
    }
}

fn list(items: &[Expr]) -> String {
    items.iter().map(expr).collect::<Vec<_>>().join(", ")
}

fn arguments_of(arguments: &[Argument]) -> String {
    let arguments = arguments.iter().map(|argument| match &argument.name {
        Some(name) => format!("{name}={}", expr(&argument.value)),
        None => expr(&argument.value),
    });
    arguments.collect::<Vec<_>>().join(", ")
}

fn parameters_of(parameters: &[Parameter]) -> String {
    let parameters = parameters.iter().map(|parameter| match &parameter.default {
        Some(default) => format!("{}={}", parameter.name, expr(default)),
        None => parameter.name.clone(),
    });
    parameters.collect::<Vec<_>>().join(", ")
}

fn comprehension_of(comprehension: &Comprehension) -> String {
    let Comprehension { kind, element, targets, over, filter } = comprehension;
    let filter = filter.as_ref().map(|filter| format!(" if {}", expr(filter))).unwrap_or_default();
    let tail = format!("for {} in _loop({}){filter}", targets.join(", "), expr(over));
    match kind {
        Kind::List => format!("[{} {tail}]", expr(element)),
        Kind::Set => format!("{{{} {tail}}}", expr(element)),
        Kind::Dict { key, .. } => format!("{{{}: {} {tail}}}", expr(key), expr(element)),
    }
}

/// Not an f-string: before 3.12 those cannot hold every expression.
fn pieces_of(pieces: &[Piece]) -> String {
    let mut parts = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Plain(text) => parts.push(quoted(text)),
            Piece::Hole { value, shows_source, conversion, spec } => {
                if *shows_source {
                    parts.push(quoted(&format!("{}=", expr(value))));
                }
                // `{name=}` alone shows the `repr`.
                let conversion = match (conversion, spec) {
                    (Some(conversion), _) => format!("'{conversion}'"),
                    (None, None) if *shows_source => "'r'".to_owned(),
                    _ => "None".to_owned(),
                };
                let spec = spec.as_ref().map_or("''".to_owned(), |spec| pieces_of(spec));
                parts.push(format!("_hole({}, {conversion}, {spec})", expr(value)));
            }
        }
    }
    format!("\"\".join([{}])", parts.join(", "))
}

fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for character in text.chars() {
        literals::escape(&mut out, character, "\"", false);
    }
    out.push('"');
    out
}

// -------------------------------------------------------------------------------------- statements

fn block(out: &mut String, statements: &[Stmt], depth: usize) {
    for statement in statements {
        put_statement(out, statement, depth);
    }
    if statements.is_empty() && depth > 0 {
        line(out, depth, "pass");
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    for _ in 0..depth {
        out.push(' ');
    }
    out.push_str(text);
    out.push('\n');
}

fn put_statement(out: &mut String, statement: &Stmt, depth: usize) {
    match statement {
        Stmt::Show { value, sorted } => {
            let value = expr(value);
            let value = if *sorted { format!("sorted({value})") } else { value };
            line(out, depth, &format!("_v = {value}"));
            line(out, depth, "_show(_v)");
        }
        Stmt::Print { values, sep, end } => {
            let mut arguments: Vec<String> = values.iter().map(expr).collect();
            arguments.extend(sep.iter().map(|sep| format!("sep={}", expr(sep))));
            arguments.extend(end.iter().map(|end| format!("end={}", expr(end))));
            line(out, depth, &format!("print({})", arguments.join(", ")));
        }
        Stmt::Do(value) => line(out, depth, &expr(value)),
        Stmt::Assign(Expr::Slice(target, bounds), value) => {
            let bounds =
                bounds.iter().map(|bound| bound.as_ref().map_or("None".to_owned(), |bound| expr(bound)));
            let bounds = bounds.collect::<Vec<_>>().join(", ");
            line(out, depth, &format!("_set_slice({}, {}, {bounds})", expr(value), expr(target)));
        }
        Stmt::Assign(Expr::Item(target, index), value) => {
            line(out, depth, &format!("_set_item({}, {}, {})", expr(value), expr(target), expr(index)));
        }
        Stmt::Assign(target, value) => line(out, depth, &format!("{} = {}", expr(target), expr(value))),
        Stmt::Augment(Expr::Item(target, index), operator, value) => {
            let parts = (expr(target), expr(index), expr(value));
            line(
                out,
                depth,
                &format!("_augment_item({operator:?}, {}, {}, lambda: {})", parts.0, parts.1, parts.2),
            );
        }
        Stmt::Augment(target, operator, value) => {
            let target = expr(target);
            let old = format!("_defined(lambda: {target})");
            line(out, depth, &format!("{target} = _augment({operator:?}, {old}, {})", expr(value)));
        }
        Stmt::If { branches, otherwise } => {
            for (at, (condition, body)) in branches.iter().enumerate() {
                let word = if at == 0 { "if" } else { "elif" };
                line(out, depth, &format!("{word} _condition({}):", expr(condition)));
                block(out, body, depth + 1);
            }
            if let Some(body) = otherwise {
                line(out, depth, "else:");
                block(out, body, depth + 1);
            }
        }
        Stmt::While { condition, body } => {
            line(out, depth, &format!("while _condition({}):", expr(condition)));
            block(out, body, depth + 1);
        }
        Stmt::For { targets, over, body } => {
            line(out, depth, &format!("for {} in _loop({}):", targets.join(", "), expr(over)));
            block(out, body, depth + 1);
        }
        Stmt::Break => line(out, depth, "break"),
        Stmt::Continue => line(out, depth, "continue"),
        Stmt::Pass => line(out, depth, "pass"),
        Stmt::Return(None) => line(out, depth, "return"),
        Stmt::Return(Some(value)) => line(out, depth, &format!("return {}", expr(value))),
        Stmt::Raise { error, cause } => {
            let error = error.as_ref().map(|error| format!(" {}", expr(error))).unwrap_or_default();
            let cause = cause.as_ref().map(|cause| format!(" from {}", expr(cause))).unwrap_or_default();
            line(out, depth, &format!("raise{error}{cause}"));
        }
        Stmt::Assert(condition, message) => {
            line(out, depth, &format!("assert {}, {}", expr(condition), expr(message)));
        }
        Stmt::Try { body, handlers, finally } => {
            line(out, depth, "try:");
            block(out, body, depth + 1);
            for handler in handlers {
                line(out, depth, &clause(handler));
                block(out, &handler.body, depth + 1);
            }
            if let Some(body) = finally {
                line(out, depth, "finally:");
                block(out, body, depth + 1);
            }
        }
        Stmt::Tell(name) => line(out, depth, &format!("_tell({name})")),
        Stmt::Def { name, parameters, body } => {
            line(out, depth, &format!("def {name}({}):", parameters_of(parameters)));
            block(out, body, depth + 1);
        }
    }
}

fn clause(handler: &Handler) -> String {
    let kinds = match handler.kinds.as_slice() {
        // Not what stops the run: that is no `Exception`.
        [] => "Exception".to_owned(),
        kinds => format!("({},)", kinds.join(", ")),
    };
    let name = handler.name.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
    format!("except {kinds}{name}:")
}
