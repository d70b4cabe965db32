//! Mistakes that can be seen without running a program.
//!
//! The rule: what is reported is so. Where a host, another module or an earlier run of the session could make it right,
//! nothing is said. Left out: matters of layout (see [`style`](crate::style)) and of taste.

mod calls;
mod codes;
mod flow;
mod forms;
mod ignored;
mod names;
mod redefined;

use std::collections::HashSet;

pub use codes::{CODES, Code, Severity};

use crate::syntax::ast::{Module, Tree};
use crate::syntax::parser::parse;
use crate::syntax::span::{Source, Span};

/// What the checker is told about a source.
#[derive(Debug, Default, Clone)]
pub struct Options {
    /// Names that the host gives to the program: functions and variables.
    pub defined: Vec<String>,
    /// Its imports are there for others, as in an `__init__.na`.
    pub exporting: bool,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: &'static Code,
    pub message: String,
    pub hint: Option<String>,
    pub span: Span,
}

/// All that is wrong with a source, in order. A source that is no Dana has one finding: the error of the parser.
pub fn check(source: &str, options: &Options) -> Vec<Finding> {
    let module = match parse(source) {
        Ok(module) => module,
        Err(fault) => {
            let (message, hint, span) = (fault.message, fault.hint, fault.span);
            return vec![Finding { code: &codes::SYNTAX, message, hint, span }];
        }
    };
    let mut report = Report { source, places: Source::new(source), module: &module, findings: Vec::new() };
    let names = names::check(&mut report, options);
    calls::check(&mut report, &names);
    redefined::check(&mut report, &names);
    flow::check(&mut report);
    forms::check(&mut report);
    ignored::drop_ignored(&mut report);
    let mut findings = report.findings;
    findings.sort_by_key(|finding| (finding.span.start, finding.span.end, finding.code.name));
    let mut seen = HashSet::new();
    findings.retain(|finding| seen.insert((finding.span, finding.code.name)));
    findings
}

/// Where the checks put what they find.
struct Report<'m> {
    source: &'m str,
    places: Source,
    module: &'m Module,
    findings: Vec<Finding>,
}

impl<'m> Report<'m> {
    fn tree(&self) -> &'m Tree {
        &self.module.tree
    }

    fn add(&mut self, code: &'static Code, span: Span, message: impl Into<String>) {
        self.findings.push(Finding { code, message: message.into(), hint: None, span });
    }

    fn add_hint(
        &mut self,
        code: &'static Code,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.push(Finding { code, message: message.into(), hint: Some(hint.into()), span });
    }

    fn text(&self, span: Span) -> &'m str {
        self.source.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Number of the line of a place.
    fn line(&self, at: u32) -> u32 {
        self.places.line_of(at)
    }
}
