//! The tree as Dana, with no more parentheses than the grammar (section 16) needs.

use super::literals;
use super::tree::{Argument, Comprehension, Expr, Handler, Kind, Parameter, Piece, Stmt};

/// How tightly the grammar's productions bind.
mod level {
    pub(crate) const EITHER: u8 = 2;
    pub(crate) const OR: u8 = 3;
    pub(crate) const AND: u8 = 4;
    pub(crate) const NOT: u8 = 5;
    pub(crate) const COMPARE: u8 = 6;
    pub(crate) const SUM: u8 = 7;
    pub(crate) const PRODUCT: u8 = 8;
    pub(crate) const POWER: u8 = 9;
    pub(crate) const SIGN: u8 = 10;
    pub(crate) const POSTFIX: u8 = 11;
}

pub(crate) fn program(statements: &[Stmt]) -> String {
    let mut out = String::new();
    block(&mut out, statements, 0);
    out
}

fn level_of(expr: &Expr) -> u8 {
    match expr {
        Expr::Either { .. } | Expr::Lambda { .. } => level::EITHER,
        Expr::Logic("or", ..) => level::OR,
        Expr::Logic(..) => level::AND,
        Expr::Unary("not", _) => level::NOT,
        Expr::Compare(..) => level::COMPARE,
        Expr::Binary("+" | "-", ..) => level::SUM,
        Expr::Binary("**", ..) => level::POWER,
        Expr::Binary(..) => level::PRODUCT,
        Expr::Unary(..) => level::SIGN,
        _ => level::POSTFIX,
    }
}

pub(crate) fn expr(expr: &Expr) -> String {
    let mut out = String::new();
    put(&mut out, expr, level::EITHER);
    out
}

fn put(out: &mut String, expr: &Expr, least: u8) {
    let own = level_of(expr);
    if own < least {
        out.push('(');
        put(out, expr, level::EITHER);
        out.push(')');
        return;
    }
    match expr {
        Expr::Number(digits) => out.push_str(digits),
        Expr::Text(text) => out.push_str(&text.source),
        Expr::Name(name) => out.push_str(name),
        Expr::Unary("not", operand) => {
            out.push_str("not ");
            put(out, operand, level::NOT);
        }
        Expr::Unary(operator, operand) => {
            out.push_str(operator);
            put(out, operand, level::SIGN);
        }
        // Operators of one level are left-associative, comparisons too; a power is right-associative.
        Expr::Binary("**", left, right) => infix(out, left, "**", right, level::SIGN, level::POWER),
        Expr::Binary(operator, left, right)
        | Expr::Compare(operator, left, right)
        | Expr::Logic(operator, left, right) => infix(out, left, operator, right, own, own + 1),
        Expr::Either { condition, yes, no } => {
            put(out, yes, level::OR);
            out.push_str(" if ");
            put(out, condition, level::OR);
            out.push_str(" else ");
            put(out, no, level::EITHER);
        }
        Expr::Call { function, arguments } => {
            out.push_str(function);
            put_arguments(out, arguments);
        }
        Expr::Method { receiver, name, arguments } => {
            put_receiver(out, receiver);
            out.push('.');
            out.push_str(name);
            put_arguments(out, arguments);
        }
        Expr::Item(value, index) => {
            put_receiver(out, value);
            out.push('[');
            put(out, index, level::EITHER);
            out.push(']');
        }
        Expr::Slice(value, [start, stop, step]) => {
            put_receiver(out, value);
            out.push('[');
            for (at, bound) in [start, stop, step].into_iter().enumerate() {
                if at == 1 || at == 2 && bound.is_some() {
                    out.push(':');
                }
                if let Some(bound) = bound {
                    put(out, bound, level::OR);
                }
            }
            out.push(']');
        }
        Expr::List(items) => put_items(out, '[', items, ']'),
        Expr::Tuple(items) => {
            put_items(out, '(', items, ')');
            if items.len() == 1 {
                out.insert(out.len() - 1, ',');
            }
        }
        Expr::Set(items) => put_items(out, '{', items, '}'),
        Expr::Dict(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                put(out, key, level::OR);
                out.push_str(": ");
                put(out, value, level::EITHER);
            }
            out.push('}');
        }
        Expr::Comprehension(comprehension) => put_comprehension(out, comprehension),
        Expr::Lambda { parameters, body } => {
            out.push_str("lambda ");
            put_parameters(out, parameters);
            out.push_str(" :: ");
            put(out, body, level::EITHER);
        }
        Expr::Format(pieces) => {
            out.push_str("f\"");
            put_pieces(out, pieces, false);
            out.push('"');
        }
    }
}

fn infix(out: &mut String, left: &Expr, operator: &str, right: &Expr, left_level: u8, right_level: u8) {
    put(out, left, left_level);
    out.push(' ');
    out.push_str(operator);
    out.push(' ');
    put(out, right, right_level);
}

/// A number before a dot would swallow it.
fn put_receiver(out: &mut String, receiver: &Expr) {
    if matches!(receiver, Expr::Number(_)) {
        out.push('(');
        put(out, receiver, level::EITHER);
        out.push(')');
    } else {
        put(out, receiver, level::POSTFIX);
    }
}

fn put_items(out: &mut String, open: char, items: &[Expr], close: char) {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        put(out, item, level::EITHER);
    }
    out.push(close);
}

fn put_arguments(out: &mut String, arguments: &[Argument]) {
    out.push('(');
    for (at, argument) in arguments.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        if let Some(name) = &argument.name {
            out.push_str(name);
            out.push('=');
        }
        put(out, &argument.value, level::EITHER);
    }
    out.push(')');
}

fn put_parameters(out: &mut String, parameters: &[Parameter]) {
    for (at, parameter) in parameters.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        out.push_str(&parameter.name);
        if let Some(default) = &parameter.default {
            out.push_str(" = ");
            put(out, default, level::EITHER);
        }
    }
}

fn put_comprehension(out: &mut String, comprehension: &Comprehension) {
    let Comprehension { kind, element, targets, over, filter } = comprehension;
    out.push(if matches!(kind, Kind::List) { '[' } else { '{' });
    if let Kind::Dict { key, parenthesised } = kind {
        if *parenthesised {
            out.push('(');
        }
        put(out, key, level::OR);
        out.push_str(": ");
        put(out, element, level::OR);
        if *parenthesised {
            out.push(')');
        }
    } else {
        put(out, element, level::OR);
    }
    out.push_str(" for ");
    out.push_str(&targets.join(", "));
    out.push_str(" in ");
    put(out, over, level::OR);
    if let Some(filter) = filter {
        out.push_str(" if ");
        put(out, filter, level::OR);
    }
    out.push(if matches!(kind, Kind::List) { ']' } else { '}' });
}

/// Inside a hole the quotes of the f-string may not occur (section 2.3).
pub(crate) fn fits_a_hole(value: &Expr) -> bool {
    !expr(value).contains(['"', '\\', '\n', '#'])
}

fn put_pieces(out: &mut String, pieces: &[Piece], in_spec: bool) {
    for piece in pieces {
        match piece {
            Piece::Plain(text) if in_spec => out.push_str(text),
            Piece::Plain(text) => {
                for character in text.chars() {
                    match character {
                        '{' => out.push_str("{{"),
                        '}' => out.push_str("}}"),
                        other => literals::escape(out, other, "\"", false),
                    }
                }
            }
            Piece::Hole { value, shows_source, conversion, spec } => {
                out.push('{');
                let start = out.len();
                put(out, value, level::EITHER);
                let source = out[start..].to_owned();
                if source.starts_with('{') {
                    out.insert(start, ' ');
                }
                // A lambda, a dict and the like have colons and braces of their own.
                if source.starts_with("lambda") || source.contains(['{', ':', '!', '=']) {
                    out.truncate(start);
                    out.push('(');
                    out.push_str(&source);
                    out.push(')');
                }
                if *shows_source {
                    out.push('=');
                }
                if let Some(conversion) = conversion {
                    out.push('!');
                    out.push(*conversion);
                }
                if let Some(spec) = spec {
                    out.push(':');
                    put_pieces(out, spec, true);
                }
                out.push('}');
            }
        }
    }
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
        out.push_str("    ");
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
            line(out, depth, "print(f\"\\x01V{type(_v)}\\x02{_v!r}\\x02{_v}\\x02\", end='')");
        }
        Stmt::Print { values, sep, end } => {
            let mut arguments: Vec<String> = values.iter().map(expr).collect();
            arguments.extend(sep.iter().map(|sep| format!("sep={}", expr(sep))));
            arguments.extend(end.iter().map(|end| format!("end={}", expr(end))));
            line(out, depth, &format!("print({})", arguments.join(", ")));
        }
        Stmt::Do(value) => line(out, depth, &expr(value)),
        Stmt::Assign(target, value) => line(out, depth, &format!("{} = {}", expr(target), expr(value))),
        Stmt::Augment(target, operator, value) => {
            line(out, depth, &format!("{} {operator}= {}", expr(target), expr(value)));
        }
        Stmt::If { branches, otherwise } => {
            for (at, (condition, body)) in branches.iter().enumerate() {
                let word = if at == 0 { "if" } else { "elif" };
                line(out, depth, &format!("{word} {}:", expr(condition)));
                block(out, body, depth + 1);
            }
            if let Some(body) = otherwise {
                line(out, depth, "else:");
                block(out, body, depth + 1);
            }
        }
        Stmt::While { condition, body } => {
            line(out, depth, &format!("while {}:", expr(condition)));
            block(out, body, depth + 1);
        }
        Stmt::For { targets, over, body } => {
            line(out, depth, &format!("for {} in {}:", targets.join(", "), expr(over)));
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
        Stmt::Tell(name) => {
            line(
                out,
                depth,
                &format!("print(f\"\\x01E{{{name}.type}}\\x02{{{name}.message}}\\x02\", end='')"),
            );
        }
        Stmt::Def { name, parameters, body } => {
            let mut list = String::new();
            put_parameters(&mut list, parameters);
            line(out, depth, &format!("def {name}({list}):"));
            block(out, body, depth + 1);
        }
    }
}

fn clause(handler: &Handler) -> String {
    let kinds = match handler.kinds.as_slice() {
        [] => String::new(),
        [kind] => format!(" {kind}"),
        kinds => format!(" ({})", kinds.join(", ")),
    };
    let name = handler.name.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
    format!("except{kinds}{name}:")
}
