//! The JSON schema of a type. Structs are described once each, under `$defs`, so that types may refer to themselves.

use std::rc::Rc;

use crate::session::Services;
use crate::text::json::push_string;
use crate::value::StructType;
use crate::value::structure::{Annotation, AnnotationTerm};

/// The schema of an annotation; none when every text is an answer.
pub(super) fn of(annotation: &Annotation, services: &Services) -> Option<String> {
    let described = |term: &AnnotationTerm| {
        matches!(&*term.name, "bool" | "int" | "float" | "list" | "dict" | "tuple" | "set" | "None" | "str")
            || services.struct_type(&term.name).is_some()
    };
    if !annotation.terms.iter().all(described) || matches!(annotation.single(), Some("str" | "None")) {
        return None;
    }
    let mut writer = Writer { out: String::new(), services, known: Vec::new() };
    match annotation.single().and_then(|name| services.struct_type(name)) {
        // The outermost is spelled out: some servers want an object there and no reference.
        Some(kind) => writer.structure(&kind),
        None => writer.annotation(annotation),
    }
    let mut at = 0;
    let mut definitions = String::new();
    while let Some(kind) = writer.known.get(at).cloned() {
        let before = std::mem::take(&mut writer.out);
        writer.structure(&kind);
        definitions.push_str(if at == 0 { "" } else { "," });
        push_string(&mut definitions, &kind.name);
        definitions.push(':');
        definitions.push_str(&std::mem::replace(&mut writer.out, before));
        at += 1;
    }
    let mut out = writer.out;
    if !definitions.is_empty() && out.ends_with('}') {
        out.pop();
        out.push_str(",\"$defs\":{");
        out.push_str(&definitions);
        out.push_str("}}");
    }
    Some(out)
}

struct Writer<'a> {
    out: String,
    services: &'a Services,
    /// Structs referred to, in order of appearance.
    known: Vec<Rc<StructType>>,
}

impl Writer<'_> {
    fn annotation(&mut self, annotation: &Annotation) {
        match annotation.terms.as_slice() {
            [term] => self.term(term),
            [] => self.out.push_str("{}"),
            terms => {
                self.out.push_str("{\"anyOf\":[");
                for (at, term) in terms.iter().enumerate() {
                    self.out.push_str(if at == 0 { "" } else { "," });
                    self.term(term);
                }
                self.out.push_str("]}");
            }
        }
    }

    fn term(&mut self, term: &AnnotationTerm) {
        let simple = match &*term.name {
            "bool" => "{\"type\":\"boolean\"}",
            "int" => "{\"type\":\"integer\"}",
            "float" => "{\"type\":\"number\"}",
            "str" => "{\"type\":\"string\"}",
            "None" => "{\"type\":\"null\"}",
            "list" | "set" => return self.array(term),
            "tuple" if term.arguments.len() > 1 => return self.tuple(term),
            "tuple" => return self.array(term),
            "dict" => return self.dict(term),
            name => match self.services.struct_type(name) {
                Some(kind) => return self.reference(&kind),
                None => "{}",
            },
        };
        self.out.push_str(simple);
    }

    fn array(&mut self, term: &AnnotationTerm) {
        self.out.push_str("{\"type\":\"array\"");
        if let Some(element) = term.arguments.first() {
            self.out.push_str(",\"items\":");
            self.annotation(element);
        }
        self.out.push('}');
    }

    fn tuple(&mut self, term: &AnnotationTerm) {
        self.out.push_str("{\"type\":\"array\",\"prefixItems\":[");
        for (at, element) in term.arguments.iter().enumerate() {
            self.out.push_str(if at == 0 { "" } else { "," });
            self.annotation(element);
        }
        let count = term.arguments.len();
        self.out.push_str(&format!("],\"minItems\":{count},\"maxItems\":{count}}}"));
    }

    fn dict(&mut self, term: &AnnotationTerm) {
        self.out.push_str("{\"type\":\"object\"");
        if let [_, value] = term.arguments.as_slice() {
            self.out.push_str(",\"additionalProperties\":");
            self.annotation(value);
        }
        self.out.push('}');
    }

    fn reference(&mut self, kind: &Rc<StructType>) {
        if !self.known.iter().any(|known| known.name == kind.name) {
            self.known.push(Rc::clone(kind));
        }
        self.out.push_str("{\"$ref\":");
        push_string(&mut self.out, &format!("#/$defs/{}", kind.name));
        self.out.push('}');
    }

    fn structure(&mut self, kind: &StructType) {
        self.out.push_str("{\"type\":\"object\",\"title\":");
        push_string(&mut self.out, &kind.name);
        if let Some(doc) = &kind.doc {
            self.out.push_str(",\"description\":");
            push_string(&mut self.out, doc.trim());
        }
        self.out.push_str(",\"properties\":{");
        for (at, field) in kind.fields.iter().enumerate() {
            self.out.push_str(if at == 0 { "" } else { "," });
            push_string(&mut self.out, &field.name);
            self.out.push(':');
            let start = self.out.len();
            self.annotation(&field.annotation);
            let comment =
                field.comment.as_deref().map_or("", |text| text.trim_start_matches(['#', ' ']).trim_end());
            if !comment.is_empty() && self.out.ends_with('}') {
                self.out.pop();
                if self.out.len() > start + 1 {
                    self.out.push(',');
                }
                self.out.push_str("\"description\":");
                push_string(&mut self.out, comment);
                self.out.push('}');
            }
        }
        self.out.push_str("},\"required\":[");
        for (at, field) in kind.fields.iter().enumerate() {
            self.out.push_str(if at == 0 { "" } else { "," });
            push_string(&mut self.out, &field.name);
        }
        self.out.push_str("],\"additionalProperties\":false}");
    }
}
