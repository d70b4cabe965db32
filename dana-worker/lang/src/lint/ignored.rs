//! `# check: ignore` and `# check: ignore[N101, V103]` at the end of a line: its findings, or those of these codes, are
//! not reported. A prefix such as `N` or `V1` stands for all codes that begin with it.

use std::collections::HashMap;

use super::Report;
use crate::style::comments;

const MARK: &str = "check: ignore";

/// Removes what the comments of the source say is to be ignored. A finding over several lines is ignored by the comment
/// of its first or of its last one.
pub(super) fn drop_ignored(report: &mut Report<'_>) {
    if report.findings.is_empty() || !report.source.contains(MARK) {
        return;
    }
    let mut ignored: HashMap<u32, Vec<&str>> = HashMap::new();
    for (at, comment) in comments(report.source) {
        let Some((_, rest)) = comment.split_once(MARK) else { continue };
        let codes = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((codes, _)) => codes.split(',').map(str::trim).collect(),
            None if rest.starts_with('[') => continue,
            None => vec![""],
        };
        ignored.entry(report.line(at as u32)).or_default().extend(codes);
    }
    let mut findings = std::mem::take(&mut report.findings);
    findings.retain(|finding| {
        ![finding.span.start, finding.span.end].iter().any(|&at| {
            let codes = ignored.get(&report.line(at));
            codes.is_some_and(|codes| codes.iter().any(|code| finding.code.name.starts_with(code)))
        })
    });
    report.findings = findings;
}
