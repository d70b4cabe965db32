//! A type given as text, in the option `returns`: `list[int]`, `Point | None`.

use std::rc::Rc;

use crate::value::structure::{Annotation, AnnotationTerm};

/// Longest text that is read, in bytes, and how deep brackets may nest.
const LONGEST: usize = 4096;
const DEEPEST: u32 = 64;

/// The annotation a text spells; none when it spells none.
pub(super) fn read(source: &str) -> Option<Annotation> {
    if source.len() > LONGEST {
        return None;
    }
    let mut reader = Reader { rest: source };
    let annotation = reader.union(0)?;
    reader.rest.trim().is_empty().then_some(annotation)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn union(&mut self, depth: u32) -> Option<Annotation> {
        let mut terms = vec![self.term(depth)?];
        while self.take('|') {
            terms.push(self.term(depth)?);
        }
        Some(Annotation { terms })
    }

    fn term(&mut self, depth: u32) -> Option<AnnotationTerm> {
        self.rest = self.rest.trim_start();
        let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !part_of_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || depth > DEEPEST {
            return None;
        }
        let name: Rc<str> = match name {
            "none" | "NONE" | "null" | "NULL" => "None".into(),
            name => name.into(),
        };
        self.rest = rest;
        let mut arguments = Vec::new();
        if self.take('[') {
            arguments.push(self.union(depth + 1)?);
            while self.take(',') {
                arguments.push(self.union(depth + 1)?);
            }
            if !self.take(']') {
                return None;
            }
        }
        Some(AnnotationTerm { name, arguments })
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}
