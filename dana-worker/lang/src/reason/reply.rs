//! Reading a model's reply as the type that was asked for.
//!
//! The reply is first reduced to what follows `FINAL_ANSWER:`. Scalars are read from text, everything else from JSON.

use crate::coerce::{self, value_in};
use crate::session::Services;
use crate::text;
use crate::value::structure::{Annotation, AnnotationTerm};
use crate::value::{Value, bigint};

use super::fit::{Misfit, fit};

/// The value of a text reply for an annotation.
pub(super) fn read(reply: &str, annotation: &Annotation, services: &Services) -> Result<Value, Misfit> {
    let answer = text::final_answer(reply).trim();
    match annotation.terms.as_slice() {
        [] => Ok(Value::str(answer)),
        [term] => one(answer, reply, term, annotation, services),
        terms => {
            let mut reasons = Vec::new();
            // Text fits everything, so it is tried last.
            let (texts, others): (Vec<_>, Vec<_>) = terms.iter().partition(|term| &*term.name == "str");
            for term in others.into_iter().chain(texts) {
                let alone = Annotation { terms: vec![term.clone()] };
                if &*term.name == "bool" && !certain(answer) {
                    reasons.push(format!("expected true or false, got '{}'", shortened(answer)));
                    continue;
                }
                match one(answer, reply, term, &alone, services) {
                    Err(Misfit::Because(reason)) => reasons.push(reason),
                    other => return other,
                }
            }
            Err(Misfit::Because(reasons.join("; or ")))
        }
    }
}

fn one(
    answer: &str,
    reply: &str,
    term: &AnnotationTerm,
    annotation: &Annotation,
    services: &Services,
) -> Result<Value, Misfit> {
    match &*term.name {
        "bool" => match plain(answer) {
            "" => Err(Misfit::Because("expected yes or no, got an empty reply".to_owned())),
            answer => Ok(Value::bool(text::fuzzy_truth(answer) && !ends_in_no(answer))),
        },
        "int" => integer(answer)
            .ok_or_else(|| Misfit::Because(format!("expected a whole number, got '{}'", shortened(answer)))),
        "float" => number(answer)
            .map(Value::float)
            .ok_or_else(|| Misfit::Because(format!("expected a number, got '{}'", shortened(answer)))),
        "str" => Ok(Value::str(answer)),
        "None" => match plain(answer).to_lowercase().as_str() {
            "none" | "null" | "" => Ok(Value::None),
            _ => Err(Misfit::Because(format!("expected null, got '{}'", shortened(answer)))),
        },
        "list" | "dict" | "tuple" | "set" => structured(answer, reply, annotation, services),
        name if services.struct_type(name).is_some() => structured(answer, reply, annotation, services),
        _ => Ok(Value::str(answer)),
    }
}

/// JSON in the answer, or in the whole reply when the marker was put in a wrong place.
fn structured(
    answer: &str,
    reply: &str,
    annotation: &Annotation,
    services: &Services,
) -> Result<Value, Misfit> {
    let found = match value_in(answer) {
        Err(coerce::Unreadable::Mistake(mistake)) => match value_in(reply) {
            Err(coerce::Unreadable::Mistake(_)) => {
                let text = format!("expected JSON ({mistake}), got '{}'", shortened(answer));
                return Err(Misfit::Because(text));
            }
            other => other,
        },
        other => other,
    };
    let found = match found {
        Ok(found) => found,
        Err(coerce::Unreadable::Raise(raise)) => return Err(Misfit::Raise(raise)),
        Err(coerce::Unreadable::Mistake(mistake)) => return Err(Misfit::Because(mistake.to_string())),
    };
    fit(&unwrapped(found, annotation), annotation, "answer", services)
}

/// `{"items": [...]}` where a list is wanted: the list.
fn unwrapped(found: Value, annotation: &Annotation) -> Value {
    let wants_list = matches!(annotation.single(), Some("list" | "tuple" | "set"));
    if let (true, Value::Dict(dict)) = (wants_list, &found)
        && dict.len() == 1
    {
        let only = dict.table.borrow().iter().next().map(|entry| entry.value.clone());
        if let Some(list @ Value::List(_)) = only {
            return list;
        }
    }
    found
}

/// Without the marks that models put around an answer.
fn plain(answer: &str) -> &str {
    let body = text::unfenced(answer);
    body.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_' | '`' | '"' | '\'' | '<' | '>'))
}

/// "The answer is no.": a sentence that ends in the answer, unless it began with another one.
fn ends_in_no(answer: &str) -> bool {
    let mut words = answer.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let is = |word: &str, options: [&str; 2]| options.iter().any(|option| option.eq_ignore_ascii_case(word));
    let began = words.next().is_some_and(|word| is(word, ["yes", "true"]));
    !began && words.next_back().is_some_and(|word| is(word, ["no", "false"]))
}

/// Whether a text is an answer to a yes-or-no question beyond doubt.
fn certain(answer: &str) -> bool {
    matches!(plain(answer).trim_end_matches('.').to_lowercase().as_str(), "yes" | "no" | "true" | "false")
}

fn integer(answer: &str) -> Option<Value> {
    let bare = plain(answer).trim_end_matches('.');
    if let Ok(number) = text::parse_bigint(bare, 10, "") {
        return Some(Value::big(number));
    }
    let token = only_number(answer)?;
    match text::parse_bigint(&token, 10, "") {
        Ok(number) => Some(Value::big(number)),
        Err(_) => text::parse_float(&token).and_then(bigint::from_float).map(Value::big),
    }
}

fn number(answer: &str) -> Option<f64> {
    let bare = plain(answer).trim_end_matches('.');
    text::parse_float(bare).or_else(|| text::parse_float(&only_number(answer)?))
}

/// The one number in a text, commas between its digits removed; none when there are several or none.
fn only_number(answer: &str) -> Option<String> {
    const LONGEST: usize = 4000;
    if answer.len() > LONGEST {
        return None;
    }
    let mut found: Option<String> = None;
    let mut rest = answer;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let before = rest.get(..start)?;
        let negative =
            before.ends_with('-') && !before.trim_end_matches('-').ends_with(|c: char| c.is_alphanumeric());
        let run = rest.get(start..)?;
        let length = run
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, ',' | '.' | 'e' | 'E'))
            .unwrap_or(run.len());
        let (token, after) = run.split_at(length);
        let mut token = token.trim_end_matches(['.', ',', 'e', 'E']).to_owned();
        token.retain(|c| c != ',');
        let token = if negative { format!("-{token}") } else { token };
        match &found {
            Some(known) if *known != token => return None,
            _ => found = Some(token),
        }
        rest = after;
    }
    found
}

/// The beginning of a reply, for a message.
pub(super) fn shortened(reply: &str) -> String {
    let mut short: String = reply.chars().take(120).collect();
    if short.len() < reply.len() {
        short.push_str("...");
    }
    short
}
