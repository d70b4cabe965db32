//! The words that ask for an answer of one type.

use std::rc::Rc;

use crate::session::Services;
use crate::value::StructType;
use crate::value::structure::Annotation;

/// What the model is told about itself when the program does not say.
pub(super) const SYSTEM: &str =
    "You are a helpful assistant. Answer precisely and follow the requested format.";

/// `prompt` with instructions for the expected type; unchanged when the type asks for nothing special.
pub(super) fn enhanced(
    prompt: &str,
    annotation: &Annotation,
    schema: Option<&str>,
    services: &Services,
) -> String {
    match instructions(annotation, schema, services) {
        Some(instructions) => format!("{prompt}\n\n{instructions}"),
        None => prompt.to_owned(),
    }
}

fn instructions(annotation: &Annotation, schema: Option<&str>, services: &Services) -> Option<String> {
    let Some(name) = annotation.single() else { return union(annotation, schema, services) };
    let text = match name {
        "bool" => {
            final_line("Decide whether the answer is yes or no. Give nothing but that decision.", "yes or no")
        }
        "int" => final_line("Give exactly one whole number: digits only, no words, no unit.", "whole number"),
        "float" => {
            final_line("Give exactly one decimal number: digits only, no words, no unit.", "decimal number")
        }
        "str" => "Reply with a thorough, well organised answer in plain text.".to_owned(),
        "list" | "tuple" | "set" => {
            collection("one JSON array, such as [\"a\", \"b\"]", annotation, schema, services)
        }
        "dict" => collection("one JSON object, such as {\"key\": \"value\"}", annotation, schema, services),
        name => {
            let kind = services.struct_type(name)?;
            collection(
                &format!("one JSON object that describes a {}", kind.name),
                annotation,
                schema,
                services,
            )
        }
    };
    Some(text)
}

fn final_line(request: &str, placeholder: &str) -> String {
    format!("{request}\nEnd with a line of exactly this form:\nFINAL_ANSWER: <{placeholder}>")
}

fn union(annotation: &Annotation, schema: Option<&str>, services: &Services) -> Option<String> {
    schema?;
    Some(collection(&format!("one JSON value of the type {annotation}"), annotation, schema, services))
}

fn collection(what: &str, annotation: &Annotation, schema: Option<&str>, services: &Services) -> String {
    let mut out = format!("Give exactly {what}. No explanation and no markdown around it.");
    let structs = mentioned(annotation, services);
    for kind in &structs {
        out.push_str(&described(kind));
    }
    if let Some(schema) = schema.filter(|_| !structs.is_empty() || !plain(annotation)) {
        out.push_str("\nIt must match this JSON schema:\n");
        out.push_str(schema);
    }
    out.push_str("\nEnd with a line of exactly this form:\nFINAL_ANSWER: <JSON>");
    out
}

/// A bare `list` or `dict`: its schema says nothing that the words have not said.
fn plain(annotation: &Annotation) -> bool {
    annotation.terms.len() == 1 && annotation.terms.iter().all(|term| term.arguments.is_empty())
}

/// The fields of a struct as they stand in the program, with their comments.
fn described(kind: &StructType) -> String {
    let mut out = format!("\n{} has these fields:", kind.name);
    if let Some(doc) = &kind.doc {
        out = format!("\n{}: {}\nIts fields:", kind.name, doc.trim());
    }
    for field in &kind.fields {
        out.push_str(&format!("\n- {}: {}", field.name, field.annotation));
        let comment =
            field.comment.as_deref().map_or("", |text| text.trim_start_matches(['#', ' ']).trim_end());
        if !comment.is_empty() {
            out.push_str(&format!("  # {comment}"));
        }
    }
    out
}

/// The structs an annotation leads to, each once, outermost first.
fn mentioned(annotation: &Annotation, services: &Services) -> Vec<Rc<StructType>> {
    let mut found: Vec<Rc<StructType>> = Vec::new();
    let mut ahead = vec![annotation.clone()];
    while let Some(annotation) = ahead.pop() {
        for term in &annotation.terms {
            ahead.extend(term.arguments.iter().cloned());
            let Some(kind) = services.struct_type(&term.name) else { continue };
            if found.iter().all(|known| known.name != kind.name) {
                ahead.extend(kind.fields.iter().map(|field| field.annotation.clone()));
                found.push(kind);
            }
        }
    }
    found
}
