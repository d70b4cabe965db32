//! The templates of `str.format`: literal text and replacement fields.
//!
//! Reading only: the caller looks the arguments up. Fields are read as CPython reads them, with its messages.

use super::Fault;

/// One part of a template, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text with doubled braces already single.
    Literal(&'a str),
    /// `{name!conversion:spec}`; the spec may hold fields itself.
    Field { name: &'a str, conversion: Option<char>, spec: &'a str },
}

/// How a field names its argument, and the way from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a> {
    pub first: First<'a>,
    pub steps: Vec<Step<'a>>,
}

/// The argument itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First<'a> {
    /// `{}`: the next positional argument.
    Next,
    Position(usize),
    Name(&'a str),
}

/// A step from a value to a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    Attribute(&'a str),
    Index(usize),
    Key(&'a str),
}

/// Cuts `template` into its parts. It is read up to its first mistake: the parts before it come first.
pub fn parts(template: &str) -> impl Iterator<Item = Result<Part<'_>, Fault>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let part = part(&mut rest);
        if matches!(part, Some(Err(_))) {
            rest = "";
        }
        part
    })
}

fn part<'a>(rest: &mut &'a str) -> Option<Result<Part<'a>, Fault>> {
    if rest.is_empty() {
        return None;
    }
    let at = rest.find(['{', '}']).unwrap_or(rest.len());
    let (literal, from) = rest.split_at(at);
    let Some(brace) = from.get(..1) else {
        *rest = "";
        return Some(Ok(Part::Literal(literal)));
    };
    let after = from.get(1..).unwrap_or_default();
    if let Some(next) = after.strip_prefix(brace) {
        let literal = rest.get(..=at).unwrap_or(literal);
        *rest = next;
        return Some(Ok(Part::Literal(literal)));
    }
    if !literal.is_empty() {
        *rest = from;
        return Some(Ok(Part::Literal(literal)));
    }
    if brace == "}" {
        return Some(Err(value("Single '}' encountered in format string")));
    }
    if after.is_empty() {
        return Some(Err(value("Single '{' encountered in format string")));
    }
    Some(field(after).map(|(field, next)| {
        *rest = next;
        field
    }))
}

/// Reads a field whose opening brace is already taken; gives back what follows its closing brace.
fn field(text: &str) -> Result<(Part<'_>, &str), Fault> {
    let mut depth = 1usize;
    let mut in_index = false;
    let mut name_end = None;
    for (at, c) in text.char_indices() {
        match c {
            '[' if name_end.is_none() => in_index = true,
            ']' if name_end.is_none() => in_index = false,
            _ if in_index && name_end.is_none() => {}
            '{' if name_end.is_none() => return Err(value("unexpected '{' in field name")),
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    let inside = text.get(..at).unwrap_or_default();
                    let next = text.get(at + 1..).unwrap_or_default();
                    return Ok((split_field(inside, name_end.unwrap_or(at))?, next));
                }
            }
            ':' | '!' if name_end.is_none() => name_end = Some(at),
            _ => {}
        }
    }
    Err(value("expected '}' before end of string"))
}

fn split_field(inside: &str, name_end: usize) -> Result<Part<'_>, Fault> {
    let (name, tail) = inside.split_at(name_end.min(inside.len()));
    let Some(after_mark) = tail.strip_prefix('!') else {
        return Ok(Part::Field { name, conversion: None, spec: tail.strip_prefix(':').unwrap_or_default() });
    };
    let mut chars = after_mark.chars();
    let conversion = chars.next().ok_or_else(|| value("unmatched '{' in format spec"))?;
    let spec = match chars.as_str() {
        "" => "",
        rest => rest.strip_prefix(':').ok_or_else(|| value("expected ':' after conversion specifier"))?,
    };
    Ok(Part::Field { name, conversion: Some(conversion), spec })
}

/// Reads the name of a field: the argument, then `.attribute` and `[index]` steps.
pub fn path(name: &str) -> Result<Path<'_>, Fault> {
    let first_end = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut rest) = name.split_at(first_end);
    let first = if first.is_empty() {
        First::Next
    } else if first.bytes().all(|byte| byte.is_ascii_digit()) {
        First::Position(first.parse().map_err(|_| value("Too many decimal digits in format string"))?)
    } else {
        First::Name(first)
    };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (attribute, next) = after.split_at(end);
            if attribute.is_empty() {
                return Err(value("Empty attribute in format string"));
            }
            steps.push(Step::Attribute(attribute));
            rest = next;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (key, next) = after.split_once(']').ok_or_else(|| value("Missing ']' in format string"))?;
            if key.is_empty() {
                return Err(value("Empty attribute in format string"));
            }
            steps.push(match key.bytes().all(|byte| byte.is_ascii_digit()) {
                true => {
                    Step::Index(key.parse().map_err(|_| value("Too many decimal digits in format string"))?)
                }
                false => Step::Key(key),
            });
            rest = next;
        } else {
            return Err(value("Only '.' or '[' may follow ']' in format field specifier"));
        }
    }
    Ok(Path { first, steps })
}

/// Gives `{}` fields their positions and refuses a template that both numbers and does not number its fields.
#[derive(Debug, Default)]
pub struct Numbering {
    next: usize,
    mode: Option<Mode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Automatic,
    Manual,
}

impl Numbering {
    /// The position of the next `{}`.
    pub fn automatic(&mut self) -> Result<usize, Fault> {
        if self.mode == Some(Mode::Manual) {
            return Err(value("cannot switch from manual field specification to automatic field numbering"));
        }
        self.mode = Some(Mode::Automatic);
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Notes a field that gives its own position.
    pub fn manual(&mut self) -> Result<(), Fault> {
        if self.mode == Some(Mode::Automatic) {
            return Err(value("cannot switch from automatic field numbering to manual field specification"));
        }
        self.mode = Some(Mode::Manual);
        Ok(())
    }
}

fn value(message: &str) -> Fault {
    Fault::Value(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{First, Part, Step, parts, path};

    #[test]
    fn cuts_fields_and_literals() {
        let found = parts("a{{b}}{0!r:>{w}}c{x[}]}").collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|fault| fault.to_string());
        let wanted = vec![
            Part::Literal("a{"),
            Part::Literal("b}"),
            Part::Field { name: "0", conversion: Some('r'), spec: ">{w}" },
            Part::Literal("c"),
            Part::Field { name: "x[}]", conversion: None, spec: "" },
        ];
        assert_eq!(found, Ok(wanted));
    }

    #[test]
    fn complains_like_python() {
        let cases = [
            ("{", "Single '{' encountered in format string"),
            ("}", "Single '}' encountered in format string"),
            ("{0", "expected '}' before end of string"),
            ("{0!}", "unmatched '{' in format spec"),
            ("{0!rx}", "expected ':' after conversion specifier"),
            ("{a{b}}", "unexpected '{' in field name"),
        ];
        for (template, wanted) in cases {
            assert_eq!(
                parts(template).find_map(Result::err).map(|fault| fault.to_string()).as_deref(),
                Some(wanted),
                "{template}"
            );
        }
    }

    #[test]
    fn parts_before_a_mistake_come_first() {
        let mut found = parts("{}{");
        assert!(matches!(found.next(), Some(Ok(Part::Field { .. }))));
        assert!(matches!(found.next(), Some(Err(_))) && found.next().is_none());
    }

    #[test]
    fn reads_paths() {
        let found = path("a.b[0][k]");
        assert!(found.is_ok_and(|path| path.first == First::Name("a")
            && path.steps == [Step::Attribute("b"), Step::Index(0), Step::Key("k")]));
        assert!(path("0.").is_err() && path("0[").is_err() && path("0[]").is_err() && path("0[a]b").is_err());
    }
}
